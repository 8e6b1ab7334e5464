"""Rows of a run in the order of their ids, cut into shards, however a runner left them. Memory holds the ids, never the rows.

The run is read twice or more: once for the ids (`Ids`), then for as many shards at a time as files may be open.
"""

from __future__ import annotations

import bisect
import contextlib
import io
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from yisang.errors import YisangError

SHARD_ROWS = 100_000
SHARD_BYTES = 256 << 20
"""A shard is one file of each view and what is sorted in memory."""

OPEN_SHARDS = 200
"""Shards that one reading of the run fills; more than that take another reading, not more open files."""

GROUP_ROWS, GROUP_BYTES = 1_000, 16 << 20
"""A row group of a published file."""

_JSON = msgspec.json.Encoder(order="deterministic")


class Row(Protocol):
    """What is written: a msgspec struct with an id."""

    @property
    def id(self) -> str: ...


class _OnlyId(msgspec.Struct):
    id: str


_ID = msgspec.json.Decoder(_OnlyId)


@dataclass(frozen=True)
class Shards:
    """starts: the first id of each shard but the first. rows: of each shard. repeated: rows whose id came before."""

    starts: list[str]
    rows: list[int]
    repeated: int

    def of(self, id_: str) -> int:
        return bisect.bisect_right(self.starts, id_)


@dataclass
class Ids:
    """The ids of all rows, and about how many bytes each has."""

    _ids: list[str] = field(default_factory=list)
    _chunks: list[pa.Array] = field(default_factory=list)
    _sizes: array[int] = field(default_factory=lambda: array("q"))

    def add(self, id_: str, size: int) -> None:
        self._ids.append(id_)
        self._sizes.append(size)
        if len(self._ids) == 50_000:
            self._pack()

    def _pack(self) -> None:
        self._chunks.append(pa.array(self._ids, pa.large_string()))
        self._ids = []

    def shards(self) -> Shards:
        """How the rows, sorted by id, are cut into shards; rows of one id stand in one of them."""
        self._pack()
        ids = pa.chunked_array(self._chunks, pa.large_string())
        order = pc.sort_indices(ids)
        starts: list[str] = []
        rows: list[int] = []
        repeated, held, last = 0, 0, None
        for start in range(0, len(order), 50_000):
            part = order.slice(start, 50_000)
            for position, id_ in zip(part.to_pylist(), ids.take(part).to_pylist(), strict=True):
                size = self._sizes[position]
                repeated += id_ == last
                full = rows and (rows[-1] >= SHARD_ROWS or held + size > SHARD_BYTES)
                if not rows or (full and id_ != last):
                    starts.append(id_)
                    rows.append(0)
                    held = 0
                rows[-1] += 1
                held += size
                last = id_
        return Shards(starts[1:], rows, repeated)


def sorted_shards(read: Callable[[], Iterable[Row]], shards: Shards, spill: Path) -> Iterator[tuple[int, list[bytes]]]:
    """(number, rows as JSON lines) of each shard: by id, those of one id by their content, so that their order is fixed too.

    spill: an empty folder for what is waiting to be sorted. Raises YisangError where the run changed meanwhile.
    """
    for first in range(0, len(shards.rows), OPEN_SHARDS):
        numbers = range(first, min(first + OPEN_SHARDS, len(shards.rows)))
        _spill(read(), shards, numbers, spill)
        for number in numbers:
            lines = _sorted_lines(spill / str(number))
            (spill / str(number)).unlink()
            if len(lines) != shards.rows[number]:
                raise YisangError("The run changed while it was read. Let its run come to an end, then publish again.")
            yield number, lines


def _spill(rows: Iterable[Row], shards: Shards, numbers: range, spill: Path) -> None:
    """Writes the rows of some shards into one file for each, as JSON lines."""
    with contextlib.ExitStack() as stack:
        files = {
            number: stack.enter_context(pa.CompressedOutputStream(pa.OSFile(str(spill / str(number)), "wb"), "lz4"))
            for number in numbers
        }
        for row in rows:
            number = shards.of(row.id)
            if number in files:
                files[number].write(_JSON.encode(row) + b"\n")


def _sorted_lines(path: Path) -> list[bytes]:
    with pa.input_stream(str(path), compression="lz4") as stream:
        lines = list(io.BufferedReader(stream))
    return sorted(lines, key=lambda line: (_ID.decode(line).id, line))


def shard_name(view: str, number: int, count: int) -> str:
    """The path of a shard's file, as the Hub knows them."""
    return f"{view}/train-{number:05d}-of-{count:05d}.parquet"
