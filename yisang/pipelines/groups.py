"""The phases of a Group: shuffle by key, then each group of a bucket to its function, in memory of a group's open members.

A shuffle writes the records of each shard as runs, sorted by (key, order, id) and cut into buckets; the next phase
merges the runs of one bucket, so a group may be larger than memory. With several keys for a record its groups only
give verdicts, which are shuffled once more, by record, and resolved.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow.parquet as pq

from yisang.errors import YisangError
from yisang.pipelines.boundary import Boundary, Part, ShardWriter
from yisang.pipelines.chain import BadOutcome, dead_letter, run_chain, storable
from yisang.pipelines.identity import identity
from yisang.pipelines.phases import (
    ChainPhase,
    Inputs,
    Phase,
    Setting,
    Work,
    check_function,
    counted,
    even_slices,
)
from yisang.pipelines.steps import Group
from yisang.pipelines.table import from_batch, kind_of
from yisang.records import Dead, Drop, Record


@dataclass(frozen=True)
class ShufflePhase(ChainPhase):
    """Takes records through the chain before a Group and sorts what passes into buckets by key."""

    group: Group | None = None

    def parameters(self) -> Any:
        assert self.group is not None
        keys = [self.group.key, self.group.order, self.group.several_keys]
        return [super().parameters(), identity(keys, self.group.name)]

    def buckets(self, inputs: Inputs) -> int:
        return max(1, len(even_slices(inputs.manifests[0])))

    def run(self, work: Work, inputs: Inputs, out: ShardWriter, setting: Setting) -> None:
        group = self.group
        assert group is not None
        for record in run_chain(counted(inputs.slices(work.slices), out), self.steps, out):
            try:
                keys = _keys(group, record)
                order = _text(group.order(record), "order")
            except (Exception, SystemExit) as error:  # the boundary at which a step's failure becomes data
                out.dead(group.name, record, dead_letter(error))
                continue
            if keys:
                out.shuffle(keys, order, record)
            else:
                out.drop(group.name, record, Drop("no_key"))


def _keys(group: Group, record: Record) -> tuple[str, ...]:
    key = group.key(record)
    if not group.several_keys:
        return (_text(key, "key"),)
    if isinstance(key, str) or not isinstance(key, Iterable):
        raise BadOutcome(f"key returned {type(key).__name__}; with several_keys it returns a tuple of strings.")
    return tuple(dict.fromkeys(_text(item, "key") for item in key))


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise BadOutcome(
            f"{what} returned {type(value).__name__}; it must return a string, as groups are sorted on disk."
        )
    value.encode()  # half a character cannot be written
    return value


def bucket_of(key: str, buckets: int) -> int:
    """The bucket of a key: the same on every machine, unlike hash()."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % buckets


class _Row:
    """A shuffled record in merge order."""

    __slots__ = ("key", "order", "record", "sort")

    def __init__(self, key: str, order: str, record: Record):
        self.key, self.order, self.record = key, order, record
        self.sort = (key, order, record.id)


def merged_rows(inputs: Inputs, bucket: int) -> Iterator[tuple[str, Iterator[_Row]]]:
    """The groups of a bucket, merged from all sorted runs, a few rows of each run at a time."""
    boundary, manifest = inputs.boundaries[0], inputs.manifests[0]
    runs = [_run_rows(boundary, part, bucket) for part in manifest.parts("run") if bucket in part.buckets]
    return itertools.groupby(heapq.merge(*runs, key=lambda row: row.sort), key=lambda row: row.key)


def merged_bucket(inputs: Inputs, bucket: int) -> Iterator[tuple[str, Iterator[Record]]]:
    """The groups of a bucket: (key, its records in order)."""
    for key, rows in merged_rows(inputs, bucket):
        yield key, (row.record for row in rows)


def _run_rows(boundary: Boundary, part: Part, bucket: int) -> Iterator[_Row]:
    for number, held in enumerate(part.buckets):
        if held == bucket:
            # Opened for each row group: a bucket may have more runs than a process may have open files.
            with boundary.open(part) as opened, pq.ParquetFile(opened) as file:
                kind = kind_of(file, part.name)
                table = file.read_row_group(number)
            for batch in table.to_batches():
                keys, orders = (batch.column(name).to_pylist() for name in ("group_key", "group_order"))
                yield from map(_Row, keys, orders, from_batch(kind, batch))


@dataclass(frozen=True)
class GroupPhase(Phase):
    """Gives each group of a bucket to the Group's function."""

    group: Group | None = None

    def parameters(self) -> Any:
        assert self.group is not None
        return identity(self.group, self.group.name)

    def check(self, setting: Setting) -> None:
        assert self.group is not None
        check_function(self.group.fn)

    def plan(self, inputs: Inputs) -> list[Work]:
        return [Work(bucket, bucket=bucket) for bucket in range(inputs.manifests[0].buckets)]

    def buckets(self, inputs: Inputs) -> int:
        assert self.group is not None
        return inputs.manifests[0].buckets if self.group.several_keys else 0

    def notes(self, boundary: Boundary) -> list[str]:
        """A group's function that has `notes` is told how many records of each category it has kept."""
        assert self.group is not None
        say = getattr(self.group.fn, "notes", None)
        if say is None or self.group.several_keys:
            return []
        table = boundary.table("records", ["category"])
        return list(say(Counter(table["category"].to_pylist() if table is not None else [])))

    def run(self, work: Work, inputs: Inputs, out: ShardWriter, setting: Setting) -> None:
        group = self.group
        assert group is not None
        for key, members in merged_bucket(inputs, work.bucket):
            results = _Verdicts(out, key) if group.several_keys else _Results(out, group.name)
            run_group(group, key, counted(members, out), results)


class _Results:
    """What a group decides, written down as it is decided."""

    def __init__(self, out: ShardWriter, step: str):
        self._out, self._step = out, step

    def keep(self, record: Record) -> None:
        self._out.keep(record)

    def child(self, record: Record) -> None:
        self._out.keep(record)

    def drop(self, record: Record, drop: Drop) -> None:
        self._out.drop(self._step, record, drop)

    def dead(self, record: Record, dead: Dead) -> None:
        self._out.dead(self._step, record, dead)

    def born(self, count: int) -> None:
        self._out.born(self._step, count)


class _Verdicts(_Results):
    """What one of several groups says of its members, sent on to where all verdicts on a record meet.

    The verdict stands in the sort order, so that a dead letter comes before a drop and a drop before a keep.
    """

    def __init__(self, out: ShardWriter, key: str):
        super().__init__(out, "")
        self._key = key
        self._children = 0

    def _send(self, verdict: str, record: Record, what: Any) -> None:
        text = msgspec.json.encode([self._key, what]).decode()
        self._out.shuffle((record.id,), verdict + text, record)

    def keep(self, record: Record) -> None:
        self._send("2", record, None)

    def child(self, record: Record) -> None:
        self._children += 1

    def drop(self, record: Record, drop: Drop) -> None:
        self._send("1", record, [drop.reason, drop.evidence])

    def dead(self, record: Record, dead: Dead) -> None:
        self._send("0", record, [dead.error, dead.message, dead.traceback])

    def born(self, count: int) -> None:
        if self._children:
            raise YisangError("With several_keys a group may only keep or drop its members; it made a new record.")


@dataclass(frozen=True)
class ResolvePhase(Phase):
    """After a Group with several_keys: a record stays if none of its groups dropped it."""

    group: Group | None = None

    def parameters(self) -> Any:
        return "resolve"

    def plan(self, inputs: Inputs) -> list[Work]:
        return [Work(bucket, bucket=bucket) for bucket in range(inputs.manifests[0].buckets)]

    def run(self, work: Work, inputs: Inputs, out: ShardWriter, setting: Setting) -> None:
        assert self.group is not None
        name = self.group.name
        for key, rows in merged_rows(inputs, work.bucket):
            first = next(rows)
            verdicts = [first.order, *(row.order for row in rows)]
            out.read += 1
            if len(verdicts) != len(_keys(self.group, first.record)):
                raise YisangError(
                    f"Step {name}: two records have the id {key}, so their verdicts cannot be told apart. Remove exact "
                    "duplicates before a Group with several_keys."
                )
            what = msgspec.json.decode(first.order[1:])[1]
            if first.order[0] == "0":
                out.dead(name, first.record, Dead(*what))
            elif first.order[0] == "1":
                out.drop(name, first.record, Drop(what[0], what[1]))
            else:
                out.keep(first.record)


def run_group(group: Group, key: str, members: Iterator[Record], results: _Results) -> None:
    """Accounts for every member: kept, dropped, parent of a new record, dead, or dropped as not_selected.

    Holds the members that the function has read and not yet settled, and no more.
    """
    unsettled: dict[str, list[Record]] = {}
    read = settled = 0
    unreadable: Exception | None = None
    bearing: set[str] = set()

    def watched() -> Iterator[Record]:
        nonlocal read, unreadable
        try:
            for member in members:
                read += 1
                unsettled.setdefault(member.id, []).append(member)
                yield member
        except Exception as error:  # a broken disk is not the function's failure, though it passes through it
            unreadable = error
            raise

    def settle(identifier: str, meant: Record | None = None) -> Record | None:
        held = unsettled.get(identifier)
        if not held:
            return None
        # Of several records with one id the very one that was given back, if it is among them.
        place = next((number for number, record in enumerate(held) if record is meant), -1)
        record = held.pop(place)
        if not held:
            del unsettled[identifier]
        return record

    def rest() -> Iterator[Record]:
        """The members that are not settled, those that the function did not ask for included."""
        nonlocal read
        for held in unsettled.values():
            yield from held
        for member in members:
            read += 1
            yield member

    try:
        outcomes = group.fn(watched())
        if outcomes is None:
            raise BadOutcome("returned None; a group function yields members, new records, or Drops.")
        for outcome in outcomes:
            # Before anything is settled, or what it stands for would be neither kept nor dead.
            if isinstance(outcome, Record) and not any(held is outcome for held in unsettled.get(outcome.id, ())):
                storable(outcome)
            if isinstance(outcome, Drop):
                member = settle(outcome.record.id, outcome.record) if outcome.record is not None else None
                if member is None:
                    raise BadOutcome(
                        f"yielded Drop({outcome.reason!r}) without record=, or for no open member of {key!r}."
                    )
                results.drop(member, outcome)
            elif not isinstance(outcome, Record):
                raise BadOutcome(f"yielded {type(outcome).__name__}; a group yields members, new records, or Drops.")
            elif settle(outcome.id, outcome) is None:
                # A merged record settles all its parents; a parent of several children is settled by the first.
                settled_now = [parent for parent in _parents(outcome) if settle(parent) is not None]
                bearing.update(settled_now)
                if bearing.isdisjoint(_parents(outcome)):
                    raise BadOutcome(f"yielded {outcome.id!r}, which is no open member of {key!r} and no child of one.")
                results.child(outcome)
            else:
                results.keep(outcome)
            settled += 1
    except (Exception, SystemExit) as error:  # the boundary at which a step's failure becomes data
        if unreadable is not None:
            raise
        dead = dead_letter(error)
        for member in rest():
            results.dead(member, dead)
            settled += 1
    else:
        for member in rest():
            results.drop(member, Drop("not_selected", {"group": key}))
            settled += 1
    results.born(settled - read)


def _parents(record: Record) -> tuple[str, ...]:
    return (*getattr(record, "parents", ()), record.id.rpartition("/")[0])
