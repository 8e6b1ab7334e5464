"""The solution graph of a problem: its parameters, how each follows from others, and their values.

A parameter's name is the same in every language: `kind@place` for an instance ("wolf@silver_forest"), `*@place` for the
total of all instances of a place, `kind` alone where a problem has no places.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from yisang.errors import YisangError

Form = Literal["literal", "unknown", "same", "sum", "difference", "total"]
Factor = Literal["", "plus", "minus", "times"]


MAX_NODES = 200
"""Of a graph that is read; a drawn one has a quarter of it. Parents are walked recursively."""


class BadGraph(YisangError):
    """Parameters that do not make a problem: a circle, a missing parent, no or several solutions."""


class Linear(NamedTuple):
    """times * x + plus, where x is the unknown."""

    times: int
    plus: int


@dataclass(frozen=True)
class Node:
    """One parameter.

    form:   literal      the constant itself
            unknown      the x of a reverse problem
            same         its one parent
            sum          of two or more parents
            difference   the first parent minus the second
            total        the sum of all instances of its place; no sentence says so
    factor: what is done to that with the constant: nothing, plus, minus or times
    """

    name: str
    form: Form
    parents: tuple[str, ...] = ()
    factor: Factor = ""
    constant: int | None = None

    @property
    def edges(self) -> int:
        """In-edges, where an edge from a literal (or the unknown) counts as one: arXiv 2512.07783's operation count."""
        return len(self.parents) + (self.constant is not None or self.form == "unknown")

    @property
    def operations(self) -> int:
        """Binary arithmetic operations to compute it."""
        return max(0, len(self.parents) - 1) + bool(self.factor)


@dataclass(frozen=True)
class Graph:
    """Parameters in topological order. `query` is asked for; `given` is the (name, value) that a reverse problem tells.

    Graphs that say the same are equal: `Graph.of` brings parameters into one order.
    """

    nodes: tuple[Node, ...]
    query: str
    given: tuple[str, int] | None = None

    @classmethod
    def of(cls, nodes: Iterable[Node], query: str, given: tuple[str, int] | None = None) -> Graph:
        """Raises BadGraph for a circle, a parent that is not there, a name that stands twice, or an unknown query."""
        held: dict[str, Node] = {}
        for node in nodes:
            if node.name in held:
                raise BadGraph(f"Parameter {node.name} is defined twice.")
            held[node.name] = node
        ordered: dict[str, Node] = {}
        open_: set[str] = set()

        def visit(name: str) -> None:
            if name in ordered:
                return
            if name not in held:
                raise BadGraph(f"Parameter {name} is used and not defined.")
            if name in open_:
                raise BadGraph(f"Parameter {name} depends on itself.")
            open_.add(name)
            for parent in held[name].parents:
                visit(parent)
            ordered[name] = held[name]

        for name in sorted(held):
            visit(name)
        for name in (query, *([given[0]] if given else [])):
            if name not in held:
                raise BadGraph(f"Parameter {name} is asked for and not defined.")
        return cls(tuple(ordered.values()), query, given)

    @cached_property
    def by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @property
    def reverse(self) -> bool:
        """Whether a literal is asked for and the end of the chain is told."""
        return self.given is not None

    @property
    def end(self) -> str:
        """The parameter that all needed ones lead to."""
        return self.given[0] if self.given else self.query

    @cached_property
    def needed(self) -> tuple[Node, ...]:
        """The solution: the end and its ancestors, each behind its parents and these as late as possible.

        This is the order in which "restate, then resolve" writes them (post-order).
        """
        found: dict[str, Node] = {}

        def visit(name: str) -> None:
            if name not in found:
                for parent in self.by_name[name].parents:
                    visit(parent)
                found[name] = self.by_name[name]

        visit(self.end)
        return tuple(found.values())

    @property
    def edges(self) -> int:
        """Operations as arXiv 2512.07783 counts them: in-edges of the solution, an edge from a literal included."""
        return sum(node.edges for node in self.needed)

    @property
    def operations(self) -> int:
        """Binary arithmetic operations of the solution."""
        return sum(node.operations for node in self.needed)

    @cached_property
    def linear(self) -> dict[str, Linear]:
        """Every parameter as a function of the unknown."""
        found: dict[str, Linear] = {}
        for node in self.nodes:
            found[node.name] = _linear(node, [found[parent] for parent in node.parents])
        return found

    @cached_property
    def unknown(self) -> int | None:
        """The value of the unknown; None in a forward problem. Raises BadGraph where there is no such whole number."""
        if self.given is None:
            return None
        times, plus = self.linear[self.given[0]]
        if not times or (self.given[1] - plus) % times:
            raise BadGraph(f"No one whole number makes {self.given[0]} equal {self.given[1]}.")
        return (self.given[1] - plus) // times

    @cached_property
    def values(self) -> dict[str, int]:
        x = self.unknown or 0
        return {name: form.times * x + form.plus for name, form in self.linear.items()}

    @property
    def answer(self) -> int:
        return self.values[self.query]

    def to_json(self) -> dict[str, Any]:
        """As plain data; `from_json` reads it back."""
        nodes: dict[str, Any] = {}
        for node in self.nodes:
            entry: dict[str, Any] = {"form": node.form}
            if node.parents:
                entry["parents"] = list(node.parents)
            if node.factor:
                entry["factor"] = node.factor
            if node.constant is not None:
                entry["constant"] = node.constant
            nodes[node.name] = {**entry, "value": self.values[node.name]}
        given = {"given": list(self.given)} if self.given else {}
        return {"nodes": nodes, "query": self.query, **given}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Graph:
        """Raises BadGraph for what is no graph."""
        try:
            if len(data["nodes"]) > MAX_NODES:
                raise ValueError(f"{len(data['nodes'])} parameters, more than {MAX_NODES}")
            nodes = [
                Node(
                    name,
                    item["form"],
                    tuple(item.get("parents") or ()),
                    item.get("factor") or "",
                    _whole(item.get("constant")),
                )
                for name, item in data["nodes"].items()
                if item is not None
            ]
            given = data.get("given")
            told = _whole(given[1]) if given else None
            return cls.of(nodes, data["query"], (given[0], told) if given and told is not None else None)
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            raise BadGraph(f"This is no solution graph: {type(error).__name__}: {error}.") from error


def _whole(value: Any) -> int | None:
    if value is not None and type(value) is not int:
        raise TypeError(f"{value!r} is no whole number")
    return value


def _linear(node: Node, parents: list[Linear]) -> Linear:
    if node.form == "unknown":
        return Linear(1, 0)
    if node.form == "literal":
        if node.constant is None:
            raise BadGraph(f"Parameter {node.name} is a literal without a constant.")
        return Linear(0, node.constant)
    wanted = {"same": (1, 1), "difference": (2, 2), "sum": (2, None), "total": (1, None)}.get(node.form)
    if wanted is None or len(parents) < wanted[0] or len(parents) > (wanted[1] or len(parents)):
        raise BadGraph(f"Parameter {node.name} has the form {node.form!r} and {len(parents)} parents.")
    times, plus = parents[0]
    for parent in parents[1:]:
        sign = -1 if node.form == "difference" else 1
        times, plus = times + sign * parent.times, plus + sign * parent.plus
    if not node.factor:
        return Linear(times, plus)
    if node.constant is None:
        raise BadGraph(f"Parameter {node.name} has the factor {node.factor!r} and no constant.")
    if node.factor == "times":
        return Linear(times * node.constant, plus * node.constant)
    return Linear(times, plus + (node.constant if node.factor == "plus" else -node.constant))
