"""A random solution graph with an exact number of operations.

Built forwards, parameter by parameter, with an eye on the sinks (parameters that nothing uses yet): a step is taken only
if what is left of the operations can still bring all sinks together into one, the last, which is asked for. So every
parameter of the solution is needed, and nothing is drawn that must be thrown away for its number of operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from yisang.errors import UsageError
from yisang.tasks.contexts import Context
from yisang.tasks.draw import Draw
from yisang.tasks.graph import Factor, Form, Graph, Node

MAX_OPS = 24
"""A solution names its parameters by single letters, and each has an operation at least."""
_TRIES = 400


@dataclass(frozen=True)
class Shape:
    """What graphs are made of.

    count: what an operation is. "edges" are in-edges, one from a literal included (arXiv 2512.07783, appendix on data
    generation, as GSM-Infinite's code counts them); "operations" are binary arithmetic operations.
    low, high: bounds of every value of the solution; 0 is left to totals. literals, terms, multipliers: ranges of
    constants, both ends included. terms may be added or taken away, multipliers multiply.
    """

    count: Literal["edges", "operations"] = "edges"
    low: int = 0
    high: int = 1000
    literals: tuple[int, int] = (2, 20)
    terms: tuple[int, int] = (1, 9)
    multipliers: tuple[int, int] = (2, 4)
    max_terms: int = 4
    max_sinks: int = 4
    places: bool = True
    differences: bool = True
    combined: bool = True
    """Whether a sum or a difference may have a constant of its own."""


GENERAL = Shape()
NARROW = Shape(
    "operations",
    low=1,
    high=50,
    multipliers=(2, 3),
    max_terms=2,
    max_sinks=3,
    places=False,
    differences=False,
    combined=False,
)


@dataclass
class _Step:
    """One thing that may be added: its cost in operations and the sinks there are then."""

    form: Form
    parents: tuple[str, ...]
    factor: Factor
    cost: int
    sinks: int


def make_graph(
    draw: Draw, context: Context, ops: int, *, reverse: bool = False, distractors: int = 0, shape: Shape = GENERAL
) -> Graph:
    """A graph of exactly `ops` operations. `reverse`: a literal becomes the unknown and the end's value is told."""
    least = 2 if shape.count == "edges" else 1
    if not least <= ops <= MAX_OPS:
        raise UsageError(f"A task can have {least} to {MAX_OPS} operations, not {ops}.")
    for _ in range(_TRIES):
        graph = _Builder(draw, context, ops, shape).build(distractors)
        if graph is not None and reverse:
            graph = _reversed(draw, graph)
        if graph is not None:
            return graph
    raise UsageError(
        f"No graph of {ops} operations with values {shape.low}..{shape.high} was found in {_TRIES} tries about "
        f"{context.name!r}. Allow larger values or fewer distractors."
    )


def _reversed(draw: Draw, graph: Graph) -> Graph | None:
    """The same problem asked from its end; None where no literal decides the end."""
    for node in draw.shuffled([node for node in graph.needed if node.form == "literal"]):
        unknown = Node(node.name, "unknown")
        nodes = [unknown if other.name == node.name else other for other in graph.nodes]
        turned = Graph.of(nodes, node.name, (graph.query, graph.answer))
        if node.name != graph.query and turned.linear[graph.query].times:
            return turned
    return None


class _Builder:
    def __init__(self, draw: Draw, context: Context, ops: int, shape: Shape):
        self.draw, self.context, self.shape = draw, context, shape
        self.left = ops
        self.nodes: list[Node] = []
        self.values: dict[str, int] = {}
        self.sinks: list[str] = []
        self.closed: set[str] = set()
        self._names = self._fresh_names(ops)

    def _fresh_names(self, ops: int) -> Iterator[str]:
        """Instances, of few places, so that a place has several."""
        if not self.shape.places:
            yield from self.draw.shuffled(self.context.kinds)
            return
        places = self.draw.shuffled(self.context.places)[: 2 + ops // 5]
        kinds = self.draw.shuffled(self.context.kinds)[: 5 + ops // 4]
        yield from self.draw.shuffled([f"{kind}@{place}" for place in places for kind in kinds])
        rest = [place for place in self.context.places if place not in places]
        yield from self.draw.shuffled([f"{kind}@{place}" for place in rest for kind in self.context.kinds])

    def _name(self) -> str | None:
        """An instance that is not there yet, at no place whose total is in use."""
        for name in self._names:
            if name.partition("@")[2] not in self.closed or not self.shape.places:
                return name
        return None

    def build(self, distractors: int) -> Graph | None:
        while self.left or len(self.sinks) != 1:
            steps = [step for step in self._steps() if self._feasible(step)]
            if not steps or not self._take(steps):
                return None
        query = self.sinks[0]
        for _ in range(distractors):
            if not self._distract():
                return None
        return Graph.of(self.nodes, query)

    def _closing(self, sinks: int) -> int:
        """What it costs at least to bring sinks together."""
        if sinks <= 1:
            return 0
        return sinks - 1 if self.shape.count == "operations" else sinks

    def _feasible(self, step: _Step) -> bool:
        left = self.left - step.cost
        return left >= self._closing(step.sinks) and (left > 0 or step.sinks == 1)

    def _steps(self) -> list[_Step]:
        """One candidate of each sort, its parents drawn."""
        shape, sinks = self.shape, len(self.sinks)
        by_edges = shape.count == "edges"
        found = []
        if sinks < shape.max_sinks:
            found.append(_Step("literal", (), "", int(by_edges), sinks + 1))
        if not self.nodes:
            return found

        def add(form: Form, parents: tuple[str, ...], factor: Factor) -> None:
            node = Node("", form, parents, factor, 1 if factor else None)
            after = len([name for name in self.sinks if name not in parents]) + 1
            found.append(_Step(form, parents, factor, node.edges if by_edges else node.operations, after))

        parent = self._parents(1)
        for factor in self._factors():
            add("same", parent, factor)
        if by_edges:
            add("same", parent, "")
        for terms in range(2, shape.max_terms + 1):
            if len(self.nodes) >= terms:
                parents = self._parents(terms)
                add("sum", parents, "")
                if shape.combined and terms == 2:
                    add("sum", parents, self.draw.one(self._factors()))
        if shape.differences and len(self.nodes) >= 2:
            parents = self._parents(2)
            larger = tuple(sorted(parents, key=lambda name: -self.values[name]))
            add("difference", larger, "")
            if shape.combined:
                add("difference", larger, self.draw.one(self._factors()))
        if shape.places:
            found += self._totals()
        return found

    def _totals(self) -> list[_Step]:
        held: dict[str, list[str]] = {}
        for node in self.nodes:
            if node.form != "total":
                held.setdefault(node.name.partition("@")[2], []).append(node.name)
        places = [
            place
            for place, names in held.items()
            if place not in self.closed and 2 <= len(names) <= self.shape.max_terms
        ]
        if not places:
            return []
        parents = tuple(sorted(held[self.draw.one(places)]))
        after = len([name for name in self.sinks if name not in parents]) + 1
        return [_Step("total", parents, "", len(parents), after)]

    def _factors(self) -> tuple[Factor, ...]:
        return ("plus", "minus", "times")

    def _parents(self, count: int) -> tuple[str, ...]:
        """Parents of a new parameter, sinks before others; one at least is a sink."""
        sinks = self.draw.shuffled(self.sinks)
        used = self.draw.shuffled([node.name for node in self.nodes if node.name not in self.sinks])
        chosen = [sinks.pop()]
        while len(chosen) < count:
            pool = sinks if sinks and (not used or self.draw.share() < 0.8) else used
            chosen.append(pool.pop())
        return tuple(self.draw.shuffled(chosen))

    def _take(self, steps: list[_Step]) -> bool:
        """Adds one of these whose value is within bounds."""
        weights = [_WEIGHTS[step.form] * (0.2 if step.form == "same" and not step.factor else 1) for step in steps]
        while any(weights):
            number = self.draw.weighted(weights)
            step, weights[number] = steps[number], 0.0
            node = self._node(step)
            if node is not None:
                self._add(node)
                self.left -= step.cost
                self.sinks = [name for name in self.sinks if name not in node.parents] + [node.name]
                return True
        return False

    def _node(self, step: _Step) -> Node | None:
        """The step as a parameter with a constant, None where no constant keeps its value within bounds."""
        if step.form == "total":
            name: str | None = f"*@{step.parents[0].partition('@')[2]}"
        else:
            name = self._name()
        if name is None:
            return None
        for _ in range(8):
            constant = self._constant(step)
            node = Node(name, step.form, step.parents, step.factor, constant)
            if self._fits(node):
                return node
        # The name goes back to nobody: another one is drawn next time.
        return None

    def _constant(self, step: _Step) -> int | None:
        if step.form == "literal":
            return self.draw.between(*self.shape.literals)
        if not step.factor:
            return None
        return self.draw.between(*(self.shape.multipliers if step.factor == "times" else self.shape.terms))

    def _value(self, node: Node) -> int:
        values = [self.values[parent] for parent in node.parents]
        found = values[0] - values[1] if node.form == "difference" else sum(values)
        constant = node.constant or 0
        if node.form == "literal":
            return constant
        if node.factor == "times":
            return found * constant
        return found + (constant if node.factor == "plus" else -constant)

    def _fits(self, node: Node) -> bool:
        value = self._value(node)
        return self.shape.low <= value <= self.shape.high and (value > 0 or node.form == "total")

    def _add(self, node: Node) -> None:
        self.nodes.append(node)
        self.values[node.name] = self._value(node)
        if node.form == "total":
            self.closed.add(node.name.partition("@")[2])

    def _distract(self) -> bool:
        """Adds a parameter that the solution does not need."""
        if self.draw.share() < 0.4:
            step = _Step("literal", (), "", 0, 0)
        else:
            parent = self.draw.one([node.name for node in self.nodes])
            step = _Step("same", (parent,), self.draw.one(self._factors()), 0, 0)
        node = self._node(step)
        if node is not None:
            self._add(node)
        return node is not None


_WEIGHTS: dict[Form, float] = {"literal": 3, "same": 2, "sum": 2, "difference": 1, "total": 2, "unknown": 0}
