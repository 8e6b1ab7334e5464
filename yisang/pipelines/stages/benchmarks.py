"""The items of benchmarks, as data: rows of a file, or questions that are given; and their index as tables of a phase."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from yisang.errors import UsageError, YisangError
from yisang.filters.contamination import PASSES, Grams, Index, Item, Pass, Reading, Text
from yisang.pipelines.boundary import Boundary, ShardWriter
from yisang.pipelines.identity import identity
from yisang.records import Dead, Drop, Prompt, content_id, nfc
from yisang.sources.base import InputFile, PassedOver, Shard, Source, SourceItem


@dataclass(frozen=True)
class Question:
    """An item of a benchmark as plain data."""

    id: str
    text: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Questions:
    """A benchmark whose items are given and not read from a file; a source like any other."""

    name: str
    items: tuple[Question, ...]

    def shards(self) -> list[Shard]:
        return [Shard(self.name)]

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        for item in self.items:
            options = tuple(map(nfc, item.options))
            yield Prompt(id=item.id, text=nfc(item.text), language="", options=options, source=self.name)

    def count(self, shard: Shard) -> int | None:
        return len(self.items)

    def inputs(self) -> list[InputFile]:
        return []

    def identity(self) -> dict[str, str]:
        return {"name": self.name, "items": content_id(*(part for item in self.items for part in _parts_of(item)))}


def _parts_of(item: Question) -> tuple[str, ...]:
    return (item.id, item.text, str(len(item.options)), *item.options)


def known(sources: Sequence[Source], where: str) -> list[dict[str, Any]]:
    """What identifies the items: the sources but for where their files lie, and the files by their bytes. where: the step."""
    found = []
    for source in sources:
        described = identity(source, where)
        described.get("fields", {}).pop("paths", None)
        found.append({"step": where, **described, "files": [_mark(item) for item in source.inputs()]})
    return found


def _mark(item: InputFile) -> str:
    """The file by its bytes; of a set of the Hub its commit."""
    return item.mtime if item.path.startswith("hf://") else _sha256(item.path, item.size, item.mtime)


@functools.lru_cache(1_000)
def _sha256(path: str, size: int, mtime: str) -> str:
    import fsspec

    with fsspec.open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_items(source: Source, where: str) -> Iterator[Prompt]:
    """The items of a benchmark. `where` names the step for errors.

    Raises YisangError for an item that cannot be read, since a copy of it would stay in the corpus.
    """
    read = 0
    for shard in source.shards():
        for item in source.read(shard):
            if isinstance(item, PassedOver | Drop):  # a Drop is an empty question, which nobody copies
                continue
            if isinstance(item, Dead):
                raise YisangError(
                    f"Step {where}: an item of the benchmark {source.name} cannot be read, so a copy of it would stay in the "
                    f"corpus: {item.where}: {item.message}. Mend that row, or take it out of the file."
                )
            if not isinstance(item, Prompt):
                raise UsageError(
                    f"Step {where}: {source.name} gives {type(item).__name__}s; a benchmark's items are prompts."
                )
            read += 1
            yield item
    if not read:
        raise UsageError(f"Step {where}: the benchmark {source.name} has no items. Look at its file and its columns.")


def check_items(source: Source, where: str) -> None:
    """Raises as `read_items` does for a benchmark that has no item, or whose first one cannot be read."""
    next(read_items(source, where))


_ITEMS = pa.schema(
    [
        ("benchmark", pa.string()),
        ("id", pa.string()),
        ("segmented", pa.large_string()),
        ("raw", pa.large_string()),
        ("pieces", pa.large_list(pa.large_string())),
    ]
)
_GRAMS = pa.schema(
    [
        ("pass", pa.string()),
        ("hash", pa.uint64()),
        ("first", pa.int32()),
        ("place", pa.int32()),
        ("owners", pa.large_list(pa.int32())),
    ]
)


def write_index(index: Index, out: ShardWriter) -> None:
    """The index as the tables `items` and `grams`."""
    items = index.items
    columns = [
        [item.benchmark for item in items],
        [item.id for item in items],
        [" ".join(item.text.units.get("segmented", [])) for item in items],
        [" ".join(item.text.units.get("raw", [])) for item in items],
        [list(item.text.pieces) for item in items],
    ]
    out.table("items", pa.table(columns, schema=_ITEMS))
    tables = [_GRAMS.empty_table()]
    for name, grams in index.grams.items():
        owners = pa.LargeListArray.from_arrays(grams.starts, grams.owners)
        named = pa.array([name] * len(grams), pa.string())
        tables.append(pa.table([named, grams.hashes, grams.first, grams.place, owners], schema=_GRAMS))
    out.table("grams", pa.concat_tables(tables))


_LOADED: dict[str, Index] = {}
"""The index that this process has read last, by the address of its folder, which names what it was made of."""


def read_index(boundary: Boundary, reading: Reading) -> Index:
    """The index that `write_index` has written, read once by a process that works on several shards."""
    address = boundary.folder.address
    found = _LOADED.get(address)
    if found is None:
        found = _read(boundary, reading)
        _LOADED.clear()
        _LOADED[address] = found
    return found


def _read(boundary: Boundary, reading: Reading) -> Index:
    table, grams = boundary.table("items"), boundary.table("grams")
    assert table is not None
    assert grams is not None
    names: list[Pass] = [name for name in PASSES if name in reading.passes and name in ("segmented", "raw")]
    items = []
    once: dict[str, str] = {}  # a word that stands in many items is one string
    for row in table.to_pylist():
        units = {
            name: [once.setdefault(unit, unit) for unit in row[name].split(" ")] if row[name] else [] for name in names
        }
        items.append(Item(row["benchmark"], row["id"], Text(units, tuple(row["pieces"]))))
    return Index(
        reading,
        items,
        {name: _grams(grams.filter(pc.equal(grams["pass"], name)), reading.size(name)) for name in names},
    )


def _grams(table: pa.Table, n: int) -> Grams:
    lengths = pc.list_value_length(table["owners"]).to_numpy()
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
    hashes, first, place = (table[name].to_numpy() for name in ("hash", "first", "place"))
    return Grams(n, hashes, first, place, starts, pc.list_flatten(table["owners"]).to_numpy())
