"""What a recipe is made of: Each, Batch, Group and Stage, and the identity that tells when one has changed.

    Each(fn)         record → record, a dict of measures, Drop(reason), or an iterable of records
    Batch(fn, size)  list of records → list of such outcomes, one for each
    Group(key, fn)   iterator over all records of a key → outcomes
    Stage            several passes over files, with the runner's map and shuffle

Functions are ordinary; with parameters they are frozen dataclasses with `__call__`. One that needs what a run may not find (a model on
the Hub, a file) has a method `check()` too, without arguments, which raises UsageError: it is called before a run reads or asks
anything, where the step is still to be done. Nothing here knows a runner.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from yisang.errors import UsageError
from yisang.records import Drop, Measure, Record

if TYPE_CHECKING:
    from yisang.pipelines.phases import Phase

Outcome = Record | Drop | dict[str, Measure] | Iterable[Record | Drop]


def by_id(record: Record) -> str:
    """The order inside a group where a recipe names none: ids are hashes, so this is a fixed shuffle."""
    return record.id


@dataclass(frozen=True)
class Each:
    """Applies `fn` to each record (of kind `on`, where given; others pass).

    `isolate` gives each call to a child process that is killed after `timeout` seconds: for parsers of foreign
    bytes. `keep` stores the result, so that a later change restarts from here.
    """

    fn: Callable[[Any], Outcome]
    on: type[Record] | None = None
    name: str = ""
    keep: bool = False
    isolate: bool = False
    timeout: float = 5.0

    def __post_init__(self) -> None:
        _named(self, self.fn)
        if self.timeout <= 0:
            raise UsageError(f"Step {self.name}: timeout is {self.timeout}; it must be above 0 seconds.")


@dataclass(frozen=True)
class Batch:
    """Applies `fn` to lists of at most `size` records; it returns one outcome for each, in order."""

    fn: Callable[[list[Any]], list[Outcome]]
    size: int = 256
    on: type[Record] | None = None
    name: str = ""
    keep: bool = False

    def __post_init__(self) -> None:
        _named(self, self.fn)
        if self.size < 1:
            raise UsageError(f"Step {self.name}: size is {self.size}; a batch holds at least 1 record.")


@dataclass(frozen=True)
class Group:
    """Gives all records of a key to `fn` at once, sorted by `order` and then by id.

    `fn` gets an iterator and yields outcomes: members (kept), `Drop(reason, evidence, record=member)`, or new records
    with a member as parent. A member that it neither yields nor drops is dropped as `not_selected`. A function that
    yields as it reads holds one record at a time, however large the group.

    With `several_keys`, `key` returns a tuple of keys (none is a drop `no_key`); a record then stays if no group
    dropped it, and `fn` may only yield members and drops.
    """

    key: Callable[[Any], str] | Callable[[Any], tuple[str, ...]]
    fn: Callable[[Iterator[Any]], Iterable[Record | Drop]]
    order: Callable[[Any], str] = by_id
    several_keys: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        _named(self, self.fn)


@dataclass(frozen=True)
class Stage(ABC):
    """Named multi-pass code over files. Its last phase accounts for each record that entered the stage."""

    name: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        _named(self, self)

    @abstractmethod
    def phases(self) -> list[Phase]:
        """The passes, in order. In their `reads`, 0 is the stage's input and n its own n-th phase."""


Step = Each | Batch | Group | Stage
ChainStep = Each | Batch


def _named(step: Any, fn: Any) -> None:
    if step.name and not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", step.name):
        raise UsageError(f"Step name {step.name!r} must consist of a-z, 0-9, '_', '-' and '.', as it names files.")
    if not callable(fn) and not isinstance(step, Stage):
        raise UsageError(f"{type(step).__name__} was given {fn!r}, which is no function. Pass a function of a record.")
    if not step.name:
        given = getattr(fn, "__name__", "") or type(fn).__name__
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", given).lower().strip("<>_")
        object.__setattr__(step, "name", re.sub(r"[^a-z0-9_.-]+", "_", snake) or "step")
