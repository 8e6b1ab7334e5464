"""Counting two runs against each other, a partition at a time: what both keep, what one alone keeps and why.

What is kept in one run alone is explained, in this order, by what became in the other run of

1. the record itself, or of what it was made of (`a/0/1`, `a/0`, `a`, the nearest first): its drop or dead letter, where the
   run that keeps it has not the same one; or, where that run keeps what it was made of, `kept_parent`
2. what was made of it: its rejection; or, where that is kept, `went_on`
3. its parents of other ids (of a record that was merged of several): their rejection
4. nothing: `not_read` where the other run's sources did not give it, else `not_made`
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, TypeVar

from yisang.pipelines.diff_rows import KEPT, READ, Spill, Spilled, ancestors, root_of

T = TypeVar("T")

Label = tuple[str, str]
"""A step and a reason."""

KEPT_PARENT: Label = ("", "kept_parent")
WENT_ON: Label = ("", "went_on")
NOT_READ: Label = ("", "not_read")
NOT_MADE: Label = ("", "not_made")
WORDS = {
    KEPT_PARENT: "kept there as what it is made of",
    WENT_ON: "went on there, and what was made of it is kept",
    NOT_READ: "its source did not give it there",
    NOT_MADE: "read there, and not made of it",
}
"""The reasons of no step, for a person."""

Found = tuple[Label, Spilled | None]
"""What explains a record, and the rejection where there is one."""


class _Half:
    """The rows of one run in a partition."""

    def __init__(self) -> None:
        self.kept: dict[str, list[Spilled]] = defaultdict(list)
        self.rejected: dict[str, list[Spilled]] = defaultdict(list)
        self.read: set[str] = set()
        self.other = self

    def add(self, row: Spilled) -> None:
        if row.what == READ:
            self.read.add(row.id)
        else:
            (self.kept if row.what == KEPT else self.rejected)[row.id].append(row)

    def own(self, identifier: str) -> list[Spilled]:
        """The rejections of an id that the other run has not, in the order of the run."""
        rows = self.rejected.get(identifier)
        if not rows:
            return []
        there = {row.label for row in self.other.rejected.get(identifier, ())}
        return [row for row in rows if row.label not in there]

    @cached_property
    def below(self) -> dict[str, Spilled]:
        """For each id that something was made of: what is kept of that, or else was rejected last, in this run alone."""
        found: dict[str, Spilled] = {}
        for identifier in self.rejected:
            for row in self.own(identifier):
                for above in ancestors(identifier):
                    if above not in found or found[above].place <= row.place:
                        found[above] = row
        for identifier, rows in self.kept.items():
            for above in ancestors(identifier):
                found[above] = rows[0]
        return found


class Moves:
    """Records that one run alone keeps."""

    def __init__(self, step: str) -> None:
        self._step = step
        self.why: Counter[Label] = Counter()
        self.category: Counter[str] = Counter()
        self.licence: Counter[str] = Counter()
        self._examples: dict[Label, Smallest[tuple[Spilled, Spilled | None]]] = {}

    def add(self, kept: Spilled, about: tuple[str, str], found: Found, examples: int) -> None:
        """about: category and licence letter of the kept row."""
        label, rejected = found
        if self._step and label[0] != self._step:
            return
        self.why[label] += 1
        self.category[about[0]] += 1
        self.licence[about[1]] += 1
        self._examples.setdefault(label, Smallest(examples)).add(kept.id, (kept, rejected))

    @property
    def total(self) -> int:
        return self.why.total()

    @property
    def order(self) -> list[Label]:
        """What explains most comes first."""
        return sorted(self.why, key=lambda label: (-self.why[label], label))

    def shown(self, label: Label, examples: int) -> list[tuple[Spilled, Spilled | None]]:
        return self._examples[label].shown(examples)


@dataclass
class Smallest(Generic[T]):
    """Counts, and holds those with the smallest ids: ids are hashes, so they are a sample that no order of rows changes."""

    most: int
    total: int = 0
    held: list[tuple[str, T]] = field(default_factory=list)

    def add(self, identifier: str, what: T) -> None:
        self.total += 1
        self.held.append((identifier, what))
        if len(self.held) > 20 * (self.most + 1):
            self._cut()

    def _cut(self) -> None:
        self.held = sorted(self.held, key=lambda item: item[0])[: self.most]

    def shown(self, examples: int) -> list[T]:
        self._cut()
        return [what for _, what in self.held[:examples]]


class Tally:
    """What two runs have in common and what not. only: what the first alone keeps, and the second."""

    def __init__(self, spill: Spill, step: str, examples: int):
        self._spill, self._step, self._examples = spill, step, examples
        self.same = 0
        self.fields: Counter[str] = Counter()
        self.changed: Smallest[tuple[Spilled, Spilled]] = Smallest(examples)
        self.repeated = [0, 0]
        self.only = (Moves(step), Moves(step))
        self.moved: Counter[tuple[Label, Label]] = Counter()
        self._orphans: dict[tuple[int, str], Spilled] = {}
        """Kept rows that nothing under their own root explains, and which were merged of others."""

    def count(self, told: Callable[[int, int], None]) -> None:
        """Goes through all partitions. told: is given how many are done, and how many there are."""
        for number in range(self._spill.partitions):
            halves = self._halves(number)
            self._compare(halves)
            self._cross(halves)
            told(number + 1, self._spill.partitions)
        self._ask_parents()

    def _halves(self, number: int) -> tuple[_Half, _Half]:
        halves = _Half(), _Half()
        halves[0].other, halves[1].other = halves[1], halves[0]
        for row in self._spill.partition(number):
            halves[row.side].add(row)
        return halves

    def _compare(self, halves: tuple[_Half, _Half]) -> None:
        """What both keep, and what one alone keeps."""
        for side, half in enumerate(halves):
            for identifier, rows in half.kept.items():
                self.repeated[side] += len(rows) - 1
                beside = half.other.kept.get(identifier)
                if beside is None:
                    found = self._explained(identifier, half)
                    if found is None and rows[0].parents:
                        self._orphans[side, identifier] = rows[0]
                    else:
                        self._add(side, rows[0], found or self._absent(identifier, half))
                elif side == 0:
                    self._pair(identifier, rows, beside)

    def _pair(self, identifier: str, rows: list[Spilled], beside: list[Spilled]) -> None:
        one, other = (sorted(held, key=lambda row: row.fields) for held in (rows, beside))
        if [row.fields for row in one] == [row.fields for row in other]:
            self.same += 1
            return
        names = {name for a, b in zip(one, other, strict=False) for name in self._spill.differing(a.fields, b.fields)}
        self.fields.update(names if len(one) == len(other) else {*names, "(times kept)"})
        self.changed.add(identifier, (one[0], other[0]))

    def _add(self, side: int, row: Spilled, found: Found) -> None:
        self.only[side].add(row, self._spill.labels.values[row.label], found, self._examples)

    def _label(self, row: Spilled) -> Label:
        step, reason = self._spill.labels.values[row.label]
        return step, reason

    # Why a record is not kept

    def _explained(self, identifier: str, half: _Half) -> Found | None:
        """What became of it, or of what it was made of, in the other run; `half` is of the run that keeps it."""
        there = half.other
        for candidate in (identifier, *ancestors(identifier)):
            if rejections := there.own(candidate):
                return self._label(rejections[-1]), rejections[-1]
            if candidate in there.kept:
                return KEPT_PARENT, None
        below = there.below.get(identifier)
        if below is None:
            return None
        return (WENT_ON, None) if below.what == KEPT else (self._label(below), below)

    @staticmethod
    def _absent(identifier: str, half: _Half) -> Found:
        root = root_of(identifier)
        return (NOT_READ if root in half.read and root not in half.other.read else NOT_MADE), None

    def _ask_parents(self) -> None:
        """Explains what was merged of others by what became of those: of several by what left first."""
        asked: dict[int, list[tuple[tuple[int, str], int, str]]] = defaultdict(list)
        for key, row in self._orphans.items():
            for number, parent in enumerate(row.parents):
                asked[self._spill.partition_of(parent)].append((key, number, parent))
        found: dict[tuple[int, str], tuple[tuple[int, int, int], Found]] = {}
        for partition, questions in sorted(asked.items()):
            halves = self._halves(partition)
            for key, number, parent in questions:
                there = halves[key[0]].other
                rejections = next((own for id_ in (parent, *ancestors(parent)) if (own := there.own(id_))), None)
                told: Found = self._absent(parent, halves[key[0]])
                if rejections:
                    told = self._label(rejections[-1]), rejections[-1]
                rank = (0, told[1].place, number) if told[1] else (1 if told[0] == NOT_READ else 2, 0, number)
                if key not in found or rank < found[key][0]:
                    found[key] = rank, told
        for key, row in self._orphans.items():
            self._add(key[0], row, found[key][1])

    # What both reject

    def _cross(self, halves: tuple[_Half, _Half]) -> None:
        """Counts what both runs reject at other places, once, by the record that stands nearest to the source."""
        for side, half in enumerate(halves):
            for identifier in half.rejected:
                rejections = half.own(identifier)
                if not rejections or identifier in half.other.kept:
                    continue
                below = half.other.below.get(identifier)
                if below is not None and below.what == KEPT:
                    continue
                beside = half.other.own(identifier)
                there = beside[-1] if beside and side == 0 else below if not beside else None
                if there is not None:
                    pair = self._label(rejections[-1]), self._label(there)
                    if not self._step or self._step in (pair[0][0], pair[1][0]):
                        self.moved[pair if side == 0 else (pair[1], pair[0])] += 1
