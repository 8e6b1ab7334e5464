"""What two resolved recipes (`recipe.json`) differ in: steps, parameters, sources, inputs, code alone.

A resolved recipe holds what bears identity (`yisang.pipelines.identity`). Here it is laid flat, step by step, as names and
values: `{"fields": {"fn": {"fields": {"low": 20}}}}` is `low: 20`. Digests of code are kept apart, as they say that
something changed and not what.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from yisang.pipelines.identity import digest

SOURCE = "source"
"""What the books call the reading of the sources."""


class Change(msgspec.Struct, frozen=True):
    """A value in the first run and in the second; one that a run does not have is left out."""

    first: Any | UnsetType = UNSET
    second: Any | UnsetType = UNSET


class StepChange(msgspec.Struct, frozen=True):
    """A step of both runs that is not the same. parameters: by name, empty where its code alone differs."""

    step: str
    parameters: dict[str, Change]
    code: bool


class InputChange(msgspec.Struct, frozen=True):
    """A file of a source that only one run read, or that had another size, time or digest."""

    source: str
    path: str
    change: Change


class RecipeDiff(msgspec.Struct, frozen=True):
    """What differs between two resolved recipes.

    about: of the run as a whole: recipe, version, the version of yisang, the git revision, the corpus. added and removed: steps, with
    what they are. moved: steps that stand at another place among the others. inputs: files. reads_differ: whether the two runs
    read other records.
    """

    about: dict[str, Change]
    added: dict[str, str]
    removed: dict[str, str]
    moved: tuple[str, ...]
    changed: tuple[StepChange, ...]
    inputs: tuple[InputChange, ...]
    reads_differ: bool


@dataclass
class _Step:
    """A step as it is told: what it is, its parameters by name, and the digests of its code by place. whole: all of it, as stored."""

    parameters: dict[str, Any] = field(default_factory=dict)
    code: dict[str, Any] = field(default_factory=dict)
    whole: Any = None

    @property
    def what(self) -> str:
        """The function and its constants, as `yisang plan` tells them."""
        name = str(self.parameters.get("fn") or self.parameters.get("is") or "").removeprefix("yisang.")
        told = {key: value for key, value in self.parameters.items() if key not in ("fn", "is", "name")}
        return f"{name}({', '.join(f'{key}={value}' for key, value in told.items() if _is_plain(value))})"


def recipe_diff(first: dict[str, Any], second: dict[str, Any]) -> RecipeDiff:
    """The differences between two files `recipe.json`, as they were read."""
    steps = [steps_of(described) for described in (first, second)]
    names = [list(found) for found in steps]
    changed = tuple(_changes(steps[0], steps[1]))
    inputs = tuple(_inputs(first.get("inputs", []), second.get("inputs", [])))
    return RecipeDiff(
        about=_about(first, second),
        added={name: steps[1][name].what for name in names[1] if name not in steps[0]},
        removed={name: steps[0][name].what for name in names[0] if name not in steps[1]},
        moved=_moved(*([name for name in listed if name in steps[0] and name in steps[1]] for listed in names)),
        changed=changed,
        inputs=inputs,
        reads_differ=bool(inputs) or any(change.step == SOURCE and change.parameters for change in changed),
    )


def steps_of(described: dict[str, Any]) -> dict[str, _Step]:
    """The steps of a resolved recipe in their order, by the names that the books have for them."""
    found: dict[str, _Step] = {}
    inner: list[Any] = []
    """Parameters of passes whose books a later phase keeps."""
    for phase in described["phases"]:
        names, parameters = phase["steps"], phase["parameters"]
        # A shuffle has the chain before its group, and the group's key, which the group itself has too.
        shuffled = isinstance(parameters, list) and bool(parameters) and isinstance(parameters[0], list)
        chain = parameters[0] if shuffled else parameters
        if names == [SOURCE]:
            found[SOURCE] = _source(parameters)
        elif isinstance(chain, list) and all(isinstance(item, dict) and "step" in item for item in chain):
            for item in chain:
                found[item["step"]] = _described([item])
        elif names:
            found[names[-1]] = _described([parameters, *inner])
        inner = [] if names or shuffled else [*inner, parameters]
    return found


def _source(parameters: dict[str, Any]) -> _Step:
    """Sources are told apart by name, and their inputs file by file elsewhere."""
    step = _Step()
    names = []
    for number, source in enumerate(parameters["sources"]):
        one = _described([source])
        own = one.parameters.get("name")
        name = own if isinstance(own, str) and own not in names else f"source {number + 1}"
        names.append(name)
        step.parameters |= {f"{name}.{key}": value for key, value in one.parameters.items()}
        step.code |= {f"{name}.{key}": value for key, value in one.code.items()}
    plain = {"sources": names, **step.parameters, "limit": parameters.get("limit")}
    return _Step(plain, step.code, parameters["sources"])


def _described(parameters: list[Any]) -> _Step:
    """A step from what its last pass is known by, and what its inner passes add to it."""
    step = _Step(whole=parameters)
    for value in parameters:
        for path, item, is_code in _flat(value, ""):
            (step.code if is_code else step.parameters).setdefault(path, item)
    plain: dict[str, Any] = {}
    for path, item in step.parameters.items():
        # What the step's function is given goes by its own name, where the step has no such parameter itself.
        short = path.removeprefix("fn.")
        plain[path if short in step.parameters else short] = item
    return _Step(plain, step.code, parameters)


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any, bool]]:
    """(name, value, whether it is a digest of code) of all that is said of an object, which `identity` has described."""
    if _is_pairs(value):  # how a frozen step holds a dict
        value = dict(value)
    if _is_plain(value):
        yield path or "is", value, False
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _flat(item, _joined(path, str(number)))
    elif "function" in value or ("type" in value and not {"fields", "identity", "code"}.isdisjoint(value)):
        for key, item in value.items():
            if key in ("type", "function"):
                yield path or "is", item, False
            elif key in ("code", "does"):
                yield _joined(path, key), item, True
            elif key in ("fields", "identity"):
                yield from _flat(item, path if isinstance(item, dict) else _joined(path, key))
            elif key != "step":
                yield from _flat(item, _joined(path, key))
    else:
        for key, item in value.items():
            yield from _flat(item, _joined(path, key))


def _is_plain(value: Any) -> bool:
    """Told as it is: a number, a text, or a list (of lists) of such."""
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return not isinstance(value, dict) or not value


def _is_pairs(value: Any) -> bool:
    """[["law", 2000], ["science", 40]]"""
    if not isinstance(value, list) or not all(isinstance(item, list) and len(item) == 2 for item in value):
        return False
    names = [name for name, _ in value]
    return bool(names) and all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _changes(first: dict[str, _Step], second: dict[str, _Step]) -> Iterator[StepChange]:
    for name, one in first.items():
        other = second.get(name)
        if other is None:
            continue
        parameters = dict(_changed(one.parameters, other.parameters))
        if not parameters and one.code == other.code and one.whole != other.whole:
            # Something that has no name here; it must not pass for nothing.
            parameters = {"identity": Change(digest(one.whole), digest(other.whole))}
        if parameters or one.code != other.code:
            yield StepChange(name, parameters, one.code != other.code)


def _changed(first: dict[str, Any], second: dict[str, Any]) -> Iterator[tuple[str, Change]]:
    for name in dict.fromkeys((*first, *second)):
        one, other = first.get(name, UNSET), second.get(name, UNSET)
        # 1 and True are equal in Python and two settings here.
        if one != other or type(one) is not type(other):
            yield name, Change(one, other)


def _moved(first: list[str], second: list[str]) -> tuple[str, ...]:
    """Of the steps of both runs, the fewest (about) whose places differ."""
    blocks = SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks()
    stayed = {name for block in blocks for name in first[block.a : block.a + block.size]}
    return tuple(name for name in first if name not in stayed)


_ABOUT = ("recipe", "version", "schema", "yisang", "revision")


def _about(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Change]:
    told = [
        {name: described.get(name, "") for name in _ABOUT}
        | {f"corpus.{name}": value for name, value in (described.get("sink") or {}).items()}
        for described in (first, second)
    ]
    return dict(_changed(*told))


def _inputs(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> Iterator[InputChange]:
    """Files by source and path; by what they hold alone, where both runs know them by their bytes."""
    one, other = ({(item["source"], item["path"]): _mark(item) for item in items} for items in (first, second))
    strict = all("sha256" in mark for mark in (*one.values(), *other.values()))
    if strict:
        # A file that lies elsewhere is the same file.
        held = [{(source, *mark.values()) for (source, _), mark in marks.items()} for marks in (one, other)]
        one, other = (
            {key: mark for key, mark in marks.items() if (key[0], *mark.values()) not in beside}
            for marks, beside in ((one, held[1]), (other, held[0]))
        )
    for (source, path), change in _changed_files(one, other):
        yield InputChange(source, path, change)


def _changed_files(one: dict[Any, Any], other: dict[Any, Any]) -> Iterator[tuple[Any, Change]]:
    for key in sorted({*one, *other}):
        if one.get(key) != other.get(key):
            yield key, Change(one.get(key, UNSET), other.get(key, UNSET))


def _mark(item: dict[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in ("size", "mtime", "sha256") if name in item}
