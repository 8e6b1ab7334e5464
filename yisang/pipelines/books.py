"""The books of a run: in + born = kept + dropped + dead, for each step, from what is on disk.

Drops and dead letters are counted in their tables; `born` (children minus the parents that had any) comes from the
shard commits, which are written once per shard however often it ran. So each step's kept is computed, and wherever
records are stored it must equal the rows found there. The source is counted a second time by another way.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pyarrow as pa

from yisang.errors import YisangError
from yisang.pipelines.boundary import Boundary, Manifest
from yisang.pipelines.compile import Plan


class BooksError(YisangError):
    """Records are missing, or there are more than there should be."""


class StepBooks(msgspec.Struct, frozen=True, omit_defaults=True, rename={"taken": "in"}):
    """One step: `taken` (written `in`) + born = kept + the sum of dropped + dead.

    dropped_by_category and dropped_by_licence split what was dropped. notes: what the step says in words.
    """

    name: str
    taken: int
    born: int
    kept: int
    dropped: dict[str, int]
    dead: int
    dropped_by_category: dict[str, int]
    dropped_by_licence: dict[str, int]
    notes: tuple[str, ...] = ()


class SourceCount(msgspec.Struct, frozen=True):
    """One source: what was read, the independent count (None where there is none), what was no record by nature."""

    name: str
    read: int
    counted: int | None
    passed_over: dict[str, int]


class Books(msgspec.Struct, frozen=True):
    """All steps of a run, its sources, and the kept records by category and licence letter."""

    recipe: str
    version: str
    fingerprint: str
    sources: tuple[SourceCount, ...]
    steps: tuple[StepBooks, ...]
    kept: int
    category: dict[str, int]
    licence: dict[str, int]


def make_books(plan: Plan, boundaries: list[Boundary]) -> Books:
    """Counts a finished run. Raises BooksError, naming the step, where the books do not balance."""
    manifests: list[Manifest] = []
    rejected = _Rejections()
    born: Counter[str] = Counter()
    for boundary in boundaries:
        manifest = boundary.manifest()
        if manifest is None:
            raise BooksError(f"{boundary.folder.address} is not finished, so the run has no books yet.")
        manifests.append(manifest)
        rejected.add(boundary, manifest)
        for shard in manifest.shards:
            born.update(shard.born)
            for part in shard.parts:
                boundary.check(part)
    steps: list[StepBooks] = []
    flowing = sum(shard.read for shard in manifests[0].shards)
    notes: list[str] = []
    for phase, manifest, boundary in zip(plan.phases, manifests, boundaries, strict=True):
        notes += phase.notes(boundary)
        for name in phase.accounts_for:
            step = rejected.books_of(name, flowing, born[name])
            steps.append(step)
            flowing = step.kept
        if phase.accounts_for and notes:  # those of the phases before it are of the same step
            steps[-1] = msgspec.structs.replace(steps[-1], notes=tuple(notes))
            notes = []
        stored = manifest.rows("records")
        if phase.stored and stored != flowing:
            raise BooksError(
                f"The books do not balance after step {steps[-1].name}: {flowing} records should be left, {stored} are in "
                f"{boundary.folder.address}. Please report this; the run folder shows what happened."
            )
    sink = boundaries[-1].table("records", ["category", "licence_letter"])
    return Books(
        plan.recipe,
        plan.version,
        plan.fingerprint,
        _sources(manifests[0]),
        tuple(steps),
        flowing,
        _counts(sink, "category"),
        _counts(sink, "licence_letter"),
    )


class _Rejections:
    """Drops and dead letters of a whole run, by step."""

    def __init__(self) -> None:
        self._dropped: Counter[tuple[str, str, str, str]] = Counter()
        self._dead: Counter[str] = Counter()

    def add(self, boundary: Boundary, manifest: Manifest) -> None:
        for row in _grouped(boundary.table("drops", ["step", "reason", "category", "licence_letter"])):
            self._dropped[row["step"], row["reason"], row["category"], row["licence_letter"]] += row["count"]
        for row in _grouped(boundary.table("dead", ["step"])):
            self._dead[row["step"]] += row["count"]

    def books_of(self, name: str, taken: int, born: int) -> StepBooks:
        split: list[Counter[str]] = [Counter(), Counter(), Counter()]
        for (step, *labels), count in self._dropped.items():
            if step == name:
                for counter, label in zip(split, labels, strict=True):
                    counter[label] += count
        dead = self._dead[name]
        kept = taken + born - sum(split[0].values()) - dead
        reasons, categories, letters = (dict(sorted(counter.items())) for counter in split)
        return StepBooks(name, taken, born, kept, reasons, dead, categories, letters)


def _grouped(table: pa.Table | None) -> list[dict[str, Any]]:
    if table is None:
        return []
    counted = table.group_by(table.column_names).aggregate([([], "count_all")])
    return [{**row, "count": row["count_all"]} for row in counted.to_pylist()]


def _counts(table: pa.Table | None, column: str) -> dict[str, int]:
    counter: Counter[str] = Counter()
    for row in _grouped(table):
        counter[row[column]] += row["count"]
    return dict(sorted(counter.items()))


def _sources(manifest: Manifest) -> tuple[SourceCount, ...]:
    """Raises BooksError where a shard without dead letters was read short, or long, of its independent count.

    (With dead letters the two may differ: how many records a broken file was meant to hold is anybody's guess.)
    """
    found: dict[str, SourceCount] = {}
    for shard in manifest.shards:
        dead = sum(part.rows for part in shard.parts if part.role == "dead")
        if shard.counted is not None and shard.counted != shard.read and not dead:
            raise BooksError(
                f"Source {shard.source}: shard {shard.index} gave {shard.read} records, an independent count of the same "
                f"input finds {shard.counted}. Please report this with the file."
            )
        before = found.get(shard.source, SourceCount(shard.source, 0, 0, {}))
        counted = None if before.counted is None or shard.counted is None else before.counted + shard.counted
        passed = Counter(before.passed_over) + Counter(shard.passed_over)
        found[shard.source] = SourceCount(shard.source, before.read + shard.read, counted, dict(sorted(passed.items())))
    return tuple(found.values())
