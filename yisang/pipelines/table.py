"""Records as Parquet: one column per field, so that DuckDB, Polars and a person can read what is stored.

Text, numbers and bytes are typed columns; maps, lists and nested records are JSON text. `licence_letter` is a column
of its own wherever a table is written. The file's metadata names the record kind and the schema version.
"""

from __future__ import annotations

import functools
import math
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from yisang.errors import YisangError
from yisang.records import RECORDS, SCHEMA_VERSION, Licence, Record

ROW_GROUP_BYTES = 16 << 20
ROW_GROUP_ROWS = 2_000
"""A row group is what a reader holds at once: few large pages or many small prompts."""

KIND_KEY, VERSION_KEY = b"yisang.kind", b"yisang.schema"
REPETITIVE = frozenset({"category", "language", "kind", "source", "licence", "licence_letter", "teacher", "revision",
                        "sampling", "prompt_version", "finish_reason", "step", "reason", "split"})  # fmt: skip
"""Columns worth a dictionary. For ids and texts Parquet would build one and throw it away."""

_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_(), bytes: pa.binary()}
_JSON = msgspec.json.Encoder(order="deterministic")


class Column(typing.NamedTuple):
    """How one field of a record is stored; `encode` and `decode` are None where the value is stored as it is."""

    name: str
    type: pa.DataType
    encode: Callable[[Any], str] | None
    decode: Callable[[str], Any] | None


def _plain_type(annotation: Any) -> pa.DataType | None:
    """The Arrow type of a str, int, float, bool or bytes, optional or not; None for anything else."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(annotation) if member is not type(None)]
        return _plain_type(members[0]) if len(members) == 1 else None
    if typing.get_origin(annotation) is typing.Literal:
        return pa.string()
    return _ARROW.get(annotation)


def _encode_measures(value: dict[str, Any]) -> str:
    for name, measure in value.items():
        if isinstance(measure, float) and not math.isfinite(measure):
            raise ValueError(f"the measure {name} is {measure}, which JSON does not know")
    return _encode_json(value)


def _encode_json(value: Any) -> str:
    return _JSON.encode(value).decode()


@functools.cache
def columns(kind: type[Record]) -> tuple[Column, ...]:
    """The stored columns of a record kind, in field order."""
    found = []
    hints = typing.get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        annotation = hints[field.name]
        plain = _plain_type(annotation)
        if plain is not None:
            found.append(Column(field.name, plain, None, None))
        elif annotation is Licence:
            # A run has few licences and many rows: encode and decode each once.
            decode = functools.lru_cache(4096)(msgspec.json.Decoder(Licence).decode)
            found.append(Column(field.name, pa.string(), functools.lru_cache(4096)(_encode_json), decode))
        else:
            encode = _encode_measures if field.name == "measures" else _encode_json
            found.append(Column(field.name, pa.string(), encode, msgspec.json.Decoder(annotation).decode))
    return tuple(found)


@functools.cache
def schema(kind: type[Record], extra: tuple[tuple[str, pa.DataType], ...] = ()) -> pa.Schema:
    """The Arrow schema of a record kind, with `extra` columns behind its own."""
    fields = [pa.field(column.name, column.type) for column in columns(kind)]
    fields += [pa.field("licence_letter", pa.string()), *(pa.field(name, type_) for name, type_ in extra)]
    metadata = {KIND_KEY: kind.__name__.lower().encode(), VERSION_KEY: str(SCHEMA_VERSION).encode()}
    return pa.schema(fields, metadata=metadata)


def to_table(records: list[Record], extra: dict[str, tuple[pa.DataType, list[Any]]] | None = None) -> pa.Table:
    """A table of records of one kind. `extra` maps further column names to their type and values.

    Raises YisangError naming the record that cannot be stored.
    """
    try:
        return _to_table(records, extra)
    except (TypeError, ValueError, pa.ArrowException) as error:
        if len(records) > 1:  # which of them is it?
            for number, record in enumerate(records):
                to_table(
                    [record], {name: (t, values[number : number + 1]) for name, (t, values) in (extra or {}).items()}
                )
        raise YisangError(
            f"The {records[0].kind_name} {records[0].id!r} cannot be stored: {type(error).__name__}: {error}. A step gave it a "
            "value that its field does not take; mend the step and run the same command again."
        ) from error


def _to_table(records: list[Record], extra: dict[str, tuple[pa.DataType, list[Any]]] | None) -> pa.Table:
    kind = type(records[0])
    arrays: list[pa.Array] = []
    for column in columns(kind):
        values = [getattr(record, column.name) for record in records]
        if column.encode is not None:
            encode = column.encode
            values = [encode(value) for value in values]
        arrays.append(pa.array(values, column.type))
    arrays.append(pa.array([record.licence.letter for record in records], pa.string()))
    extra = extra or {}
    arrays += [pa.array(values, type_) for type_, values in extra.values()]
    return pa.Table.from_arrays(arrays, schema=schema(kind, tuple((name, type_) for name, (type_, _) in extra.items())))


def from_batch(kind: type[Record], batch: pa.RecordBatch) -> Iterator[Record]:
    """The records of a batch."""
    stored = columns(kind)
    lists = []
    for column in stored:
        values = batch.column(column.name).to_pylist()
        if column.decode is not None:
            decode = column.decode
            values = [decode(value) for value in values]
        lists.append(values)
    names = [column.name for column in stored]
    for row in zip(*lists, strict=True):
        yield kind(**dict(zip(names, row, strict=True)))


LONG = frozenset({"body", "text", "think", "answer", "gold", "tests"})
"""The fields that can weigh; the rest of a record is taken as 512 bytes."""


@functools.cache
def _long_fields(kind: type[Record]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields of a kind that hold long texts or bytes, and those that hold a record."""
    hints = typing.get_type_hints(kind)
    records = tuple(name for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, Record))
    return tuple(name for name in kind.__struct_fields__ if name in LONG), records


def size_of(record: Record) -> int:
    """Roughly the bytes of a record in memory."""
    texts, records = _long_fields(type(record))
    total = 512
    for name in texts:
        value = getattr(record, name)
        if isinstance(value, str | bytes):
            total += len(value)
    for name in records:
        total += size_of(getattr(record, name))
    return total


def open_writer(path: Path, arrow_schema: pa.Schema) -> pq.ParquetWriter:
    """A Parquet writer with the settings that every table of a run has."""
    return pq.ParquetWriter(
        path,
        arrow_schema,
        compression="zstd",
        use_dictionary=[name for name in arrow_schema.names if name in REPETITIVE],
        write_statistics=["id"] if "id" in arrow_schema.names else False,
    )


class RecordWriter:
    """Writes records of one kind to a Parquet file, a row group at a time, so that memory stays flat."""

    def __init__(self, path: Path, kind: type[Record]):
        self._writer = open_writer(path, schema(kind))
        self._held: list[Record] = []
        self._bytes = 0
        self.rows = 0

    def write(self, record: Record) -> None:
        self._held.append(record)
        self._bytes += size_of(record)
        if self._bytes >= ROW_GROUP_BYTES or len(self._held) >= ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            self._writer.write_table(to_table(self._held))
            self.rows += len(self._held)
            self._held, self._bytes = [], 0

    def close(self) -> None:
        self._flush()
        self._writer.close()


def kind_of(file: pq.ParquetFile, name: str) -> type[Record]:
    """The record kind of a stored file; raises YisangError for a file of another origin or a newer schema."""
    metadata = file.schema_arrow.metadata or {}
    kind = RECORDS.get(metadata.get(KIND_KEY, b"").decode())
    version = metadata.get(VERSION_KEY, b"").decode()
    if kind is None:
        raise YisangError(f"{name} is not a table of records that yisang wrote. Point at a run folder of `yisang run`.")
    if version != str(SCHEMA_VERSION):
        raise YisangError(
            f"{name} was written with record schema {version}, this yisang reads {SCHEMA_VERSION}. "
            "Run the recipe again into a new folder, or use the version of yisang that wrote it."
        )
    return kind


def read_records(source: Any, name: str, start: int = 0, rows: int | None = None) -> Iterator[Record]:
    """The records start..start+rows of a stored file, in order, a row group at a time.

    source: a path or an open binary file.
    """
    with pq.ParquetFile(source) as file:
        kind = kind_of(file, name)
        stop = file.metadata.num_rows if rows is None else start + rows
        first = 0
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            last = first + size
            if last > start and first < stop:
                table = file.read_row_group(group)
                low, high = max(start - first, 0), min(stop - first, size)
                for batch in table.slice(low, high - low).to_batches(max_chunksize=500):
                    yield from from_batch(kind, batch)
            first = last
