"""The rows of two runs as they lie beside each other: ids, where each came to an end, and digests of what is kept.

Nothing is held whole. One reading of both runs writes, for each row, its id, what became of it and eight bytes for each of
its fields into partitions by the root of the id (`root/0/1` → `root`), so that a record, what it was made of and what was made
of it meet in one partition. Then one partition after the other is held in memory: about PARTITION_ROWS rows, some 50 MB,
as long as there are no more than PARTITIONS times as many rows in all; and never less than the descendants of one root.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from yisang.pipelines.boundary import Boundary, Part
from yisang.pipelines.table import columns, from_batch, kind_of
from yisang.records import Record
from yisang.storage import explained

PARTITION_ROWS = 100_000
PARTITIONS = 250
"""Files that are open at once."""
BUFFERED_ROWS = 50_000

KEPT, REJECTED, READ = 0, 1, 2
"""What a row is: in the sink; a drop or a dead letter; a record of a source."""

_JSON = msgspec.json.Encoder(order="deterministic")
_NESTED = frozenset({"trace", "prompt", "measures", "verdicts"})
"""Fields that are compared part by part; others are compared whole."""

_SPILLED = pa.schema(
    [
        ("id", pa.string()),
        ("side", pa.int8()),
        ("what", pa.int8()),
        ("label", pa.int32()),
        ("place", pa.int32()),
        ("row", pa.int64()),
        ("fields", pa.binary()),
        ("parents", pa.list_(pa.string())),
    ]
)


class Spilled(NamedTuple):
    """One row. label: of a rejection (step, reason), of a kept row (category, licence letter). place, row: where it is stored.

    fields: the number of its list of field names and a digest for each. parents: those of other roots.
    """

    id: str
    side: int
    what: int
    label: int
    place: int
    row: int
    fields: bytes
    parents: list[str]


@dataclass(frozen=True)
class Place:
    """A stored part of a run."""

    boundary: Boundary
    part: Part

    def row(self, number: int) -> dict[str, Any]:
        """One row as `yisang show` reads one: its columns, and the record as JSON."""
        with self.boundary.open(self.part) as opened, pq.ParquetFile(opened) as file:
            group = 0
            while number >= (rows := file.metadata.row_group(group).num_rows):
                number, group = number - rows, group + 1
            table = file.read_row_group(group).slice(number, 1)
            if self.part.role != "records":
                return dict(table.to_pylist()[0])
            (record,) = from_batch(kind_of(file, self.part.name), table.combine_chunks().to_batches()[0])
        letter = record.licence.letter
        text = msgspec.json.encode(record).decode()
        return {"id": record.id, "kind": record.kind_name, "licence_letter": letter, "record": text}


@dataclass
class Interned:
    """Values by number: few, and named in many rows."""

    values: list[Any] = field(default_factory=list)
    numbers: dict[Any, int] = field(default_factory=dict)

    def number(self, value: Any) -> int:
        found = self.numbers.get(value)
        if found is None:
            found = self.numbers[value] = len(self.values)
            self.values.append(value)
        return found


def root_of(identifier: str) -> str:
    """The id of what a record was made of in the end."""
    return identifier.partition("/")[0]


def ancestors(identifier: str) -> Iterator[str]:
    """`a/0/1` → `a/0`, `a`: the nearest first."""
    while "/" in identifier:
        identifier = identifier.rpartition("/")[0]
        yield identifier


class Spill:
    """Rows of both runs in partitions on this machine's disk.

    phases: of the two runs, all of them; the last one of each is its sink. sources: whether the records that the sources gave
    are looked at too.
    """

    def __init__(self, folder: Path, phases: tuple[list[Boundary], list[Boundary]], sources: bool):
        self._folder = folder
        self._phases = phases
        self._sources = sources
        self.labels = Interned()
        self.shapes = Interned()
        self.places: list[Place] = []
        self.rows = sum(part.rows for _, _, part, _ in self._parts())
        self.partitions = min(PARTITIONS, max(1, -(-self.rows // PARTITION_ROWS)))

    def _parts(self) -> Iterator[tuple[int, Boundary, Part, int]]:
        """(side, phase, part, what its rows are) of all that is read, in the order of the phases."""
        for side, phases in enumerate(self._phases):
            for boundary in phases:
                manifest = boundary.so_far()
                for role, what in (("drops", REJECTED), ("dead", REJECTED), ("records", KEPT)):
                    if role == "records" and boundary is not phases[-1]:
                        continue
                    yield from ((side, boundary, part, what) for part in manifest.parts(role))
                if self._sources and boundary is phases[0]:
                    yield from ((side, boundary, part, READ) for part in manifest.parts("records"))

    def write(self, told: Callable[[int, int], None]) -> None:
        """Reads both runs. told: is given the rows that were read, and those that there are."""
        with contextlib.ExitStack() as stack:
            writers = []
            for number in range(self.partitions):
                sink = stack.enter_context(pa.OSFile(str(self._path(number)), "wb"))
                options = pa.ipc.IpcWriteOptions(compression="lz4")
                writers.append(stack.enter_context(pa.ipc.new_stream(sink, _SPILLED, options=options)))
            buffers: list[list[Spilled]] = [[] for _ in writers]
            for read, row in enumerate(self._read(), 1):
                buffers[self.partition_of(row.id)].append(row)
                if read % BUFFERED_ROWS == 0:
                    _flush(buffers, writers, self._folder)
                    told(read, self.rows)
            _flush(buffers, writers, self._folder)

    def partition(self, number: int) -> list[Spilled]:
        """All rows of a partition, in the order in which they were read."""
        with pa.memory_map(str(self._path(number))) as source, pa.ipc.open_stream(source) as stream:
            return [
                Spilled(*row)
                for batch in stream
                for row in zip(*(batch.column(name).to_pylist() for name in _SPILLED.names), strict=True)
            ]

    def partition_of(self, identifier: str) -> int:
        return int(xxhash.xxh3_64_intdigest(root_of(identifier)) % self.partitions)

    def differing(self, first: bytes, second: bytes) -> list[str]:
        """The names of the fields in which two kept rows differ."""
        one, other = (self._digests(fields) for fields in (first, second))
        return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))

    def _digests(self, fields: bytes) -> dict[str, bytes]:
        names = self.shapes.values[int.from_bytes(fields[:4], "big")]
        return {name: fields[4 + 8 * place : 12 + 8 * place] for place, name in enumerate(names)}

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:03d}.arrow"

    # Reading

    def _read(self) -> Iterator[Spilled]:
        for side, boundary, part, what in self._parts():
            place = len(self.places)
            self.places.append(Place(boundary, part))
            read = {KEPT: self._kept, REJECTED: self._rejected, READ: self._only_ids}[what]
            with boundary.open(part) as opened, pq.ParquetFile(opened) as file:
                for number, (identifier, label, fields, parents) in enumerate(read(file, part)):
                    if identifier:  # a row that was never read has none
                        yield Spilled(identifier, side, what, label, place, number, fields, parents)

    def _only_ids(self, file: pq.ParquetFile, part: Part) -> Iterator[tuple[str, int, bytes, list[str]]]:
        for batch in file.iter_batches(columns=["id"]):
            for identifier in batch.column("id").to_pylist():
                yield identifier, 0, b"", []

    def _rejected(self, file: pq.ParquetFile, part: Part) -> Iterator[tuple[str, int, bytes, list[str]]]:
        names = ["id", "step", "reason" if part.role == "drops" else "error"]
        for batch in file.iter_batches(columns=names):
            for identifier, *label in zip(*(batch.column(name).to_pylist() for name in names), strict=True):
                yield identifier, self.labels.number(tuple(label)), b"", []

    def _kept(self, file: pq.ParquetFile, part: Part) -> Iterator[tuple[str, int, bytes, list[str]]]:
        kind = kind_of(file, part.name)
        plain = {column.name for column in columns(kind) if column.encode is None}
        for batch in file.iter_batches(batch_size=500):
            for row in batch.to_pylist():
                letter = row.pop("licence_letter")
                label = self.labels.number((row["category"], letter))
                values = {name: value if name in plain else _parsed(name, value) for name, value in row.items()}
                digests = dict(_digests(values, kind))
                shape = self.shapes.number(tuple(digests))
                own = root_of(row["id"])
                parents = [parent for parent in _parents(values) if root_of(parent) != own]
                yield row["id"], label, shape.to_bytes(4, "big") + b"".join(digests.values()), parents


def _flush(buffers: list[list[Spilled]], writers: list[Any], folder: Path) -> None:
    with explained(str(folder)):
        for rows, writer in zip(buffers, writers, strict=True):
            if rows:
                columns_ = zip(zip(*rows, strict=True), _SPILLED.types, strict=True)
                writer.write_batch(pa.record_batch([pa.array(*column) for column in columns_], schema=_SPILLED))
                rows.clear()


def _parsed(name: str, value: str) -> Any:
    """A stored JSON column: read where it is compared part by part, else as it is."""
    return msgspec.json.decode(value) if name in _NESTED or name == "parents" else value


def _digests(values: dict[str, Any], kind: type[Record]) -> Iterator[tuple[str, bytes]]:
    yield "kind", xxhash.xxh3_64_digest(kind.__name__)
    yield from _of_fields(values, "")


def _of_fields(values: dict[str, Any], path: str) -> Iterator[tuple[str, bytes]]:
    for name, value in values.items():
        if not path and name == "id":
            continue
        if isinstance(value, dict) and name in _NESTED:
            yield from _of_fields(value, f"{path}{name}.")
        else:
            data = value if isinstance(value, bytes) else _JSON.encode(value)
            yield f"{path}{name}", xxhash.xxh3_64_digest(data)


def _parents(values: dict[str, Any]) -> list[str]:
    """The parents of the prompt that a row is, or was made of."""
    while isinstance(values.get("trace") or values.get("prompt"), dict):
        values = values.get("trace") or values["prompt"]
    found = values.get("parents") or []
    return [str(parent) for parent in found]
