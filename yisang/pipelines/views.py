"""The three views of a corpus as Parquet: messages, instruction, full.

The run is read twice: once for what must be known before the first row is written (`publish_survey`), once to write.
Rows stand in the order of their ids, so the same rows make the same bytes, whatever order a runner left them in.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from yisang.errors import YisangError
from yisang.pipelines.publish_survey import Shards, Survey, as_json, flat
from yisang.pipelines.table import open_writer
from yisang.records import Example, Record
from yisang.storage import Folder

OPEN_SHARDS = 200
"""Shards that one reading of the run fills; more than that take another reading, not more open files."""

GROUP_ROWS, GROUP_BYTES = 1_000, 16 << 20
VIEWS = ("messages", "instruction", "full")

_JSON = msgspec.json.Encoder(order="deterministic")
_EXAMPLE = msgspec.json.Decoder(Example)


class _OnlyId(msgspec.Struct):
    id: str


_ID = msgspec.json.Decoder(_OnlyId)

_TAIL = [("category", pa.string()), ("licence", pa.string()), ("licence_letter", pa.string())]
_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
_MESSAGES = [("id", pa.string()), ("messages", pa.list_(_MESSAGE)), *_TAIL]
_INSTRUCTION = [("id", pa.string()), ("instruction", pa.string()), ("response", pa.string()), *_TAIL]

_Getter = Callable[[Example], Any]
_FULL: list[tuple[str, pa.DataType, _Getter]] = [
    ("id", pa.string(), lambda row: row.id),
    ("prompt", pa.string(), lambda row: row.trace.prompt.text),
    ("think", pa.string(), lambda row: row.trace.think),
    ("answer", pa.string(), lambda row: row.trace.answer),
    ("response", pa.string(), lambda row: row.messages[-1].content),
    ("category", pa.string(), lambda row: row.category),
    ("language", pa.string(), lambda row: row.trace.prompt.language),
    ("kind", pa.string(), lambda row: row.trace.prompt.kind),
    ("gold", pa.string(), lambda row: row.trace.prompt.gold),
    ("source", pa.string(), lambda row: row.trace.prompt.source),
    ("url", pa.string(), lambda row: row.trace.prompt.url),
    ("attribution", pa.string(), lambda row: row.trace.prompt.attribution),
    ("licence", pa.string(), lambda row: row.licence.id),
    ("licence_letter", pa.string(), lambda row: row.licence.letter),
    ("licence_evidence", pa.string(), lambda row: row.licence.evidence),
    ("licence_date", pa.string(), lambda row: row.licence.date),
    ("share_alike", pa.bool_(), lambda row: row.licence.share_alike),
    ("prompt_id", pa.string(), lambda row: row.prompt_id),
    ("trace_id", pa.string(), lambda row: row.trace_id),
    ("sample", pa.int64(), lambda row: row.trace.sample),
    ("teacher", pa.string(), lambda row: row.trace.teacher),
    ("teacher_revision", pa.string(), lambda row: row.trace.revision),
    ("sampling", pa.string(), lambda row: as_json(row.trace.sampling)),
    ("prompt_version", pa.string(), lambda row: row.trace.prompt_version),
    ("finish_reason", pa.string(), lambda row: row.trace.finish_reason),
    ("prompt_tokens", pa.int64(), lambda row: row.trace.usage.get("prompt_tokens")),
    ("completion_tokens", pa.int64(), lambda row: row.trace.usage.get("completion_tokens")),
    ("weight", pa.float64(), lambda row: row.weight),
    ("parents", pa.list_(pa.string()), lambda row: list(row.trace.prompt.parents)),
]


def _flat_order(name: str) -> tuple[int, str]:
    order = ("measure_", "prompt_measure_", "example_measure_", "verdict_")
    return next(number for number, prefix in enumerate(order) if name.startswith(prefix)), name


def _column_type(seen: set[str]) -> pa.DataType:
    """The type of a column by the types of its values; nothing but nulls is a column of text."""
    seen = seen - {"NoneType"}
    if seen == {"bool"}:
        return pa.bool_()
    if seen == {"int"}:
        return pa.int64()
    if seen and seen <= {"int", "float"}:
        return pa.float64()
    return pa.string()


def schema(view: str, survey: Survey) -> pa.Schema:
    """The Arrow schema of a view: of `full` with a column for each measure and verdict that occurs."""
    if view == "messages":
        return pa.schema(_MESSAGES)
    if view == "instruction":
        return pa.schema(_INSTRUCTION)
    found = [(name, _column_type(survey.types[name])) for name in sorted(survey.types, key=_flat_order)]
    return pa.schema([*((name, type_) for name, type_, _ in _FULL), *found])


def _name(view: str, number: int, count: int) -> str:
    return f"{view}/train-{number:05d}-of-{count:05d}.parquet"


def _cast(value: Any, type_: pa.DataType) -> Any:
    if value is None or isinstance(value, str):
        return value
    if type_ == pa.string():
        return as_json(value)
    return float(value) if type_ == pa.float64() else value


def write_views(
    read: Callable[[], Iterable[Record]], survey: Survey, out: Path, spill: Path, say: Callable[[str], None]
) -> dict[str, int]:
    """Writes all views under `out` and returns the rows of each file, by path.

    spill: an empty folder for what is waiting to be sorted. Raises YisangError where the run changed meanwhile.
    """
    shards = survey.shards()
    if shards.repeated:
        say(f"{shards.repeated} rows have an id that another row has too: add a step that drops repeated questions.")
    written: dict[str, int] = {}
    for first in range(0, len(shards.rows), OPEN_SHARDS):
        numbers = range(first, min(first + OPEN_SHARDS, len(shards.rows)))
        _spill(read(), shards, numbers, spill)
        for number in numbers:
            lines = _sorted_lines(spill / str(number))
            (spill / str(number)).unlink()
            if len(lines) != shards.rows[number]:
                raise YisangError("The run changed while it was read. Let its run come to an end, then publish again.")
            names = {view: _name(view, number, len(shards.rows)) for view in VIEWS}
            _write_shard(lines, survey, Folder(out), names)
            written.update({name: len(lines) for name in names.values()})
            say(f"Shard {number + 1} of {len(shards.rows)}: {len(lines)} rows.")
    return written


def _spill(records: Iterable[Record], shards: Shards, numbers: range, spill: Path) -> None:
    """Writes the rows of some shards into one file for each, as JSON lines."""
    with contextlib.ExitStack() as stack:
        files = {
            number: stack.enter_context(pa.CompressedOutputStream(pa.OSFile(str(spill / str(number)), "wb"), "lz4"))
            for number in numbers
        }
        for record in records:
            number = shards.of(record.id)
            if number in files:
                files[number].write(_JSON.encode(record) + b"\n")


def _sorted_lines(path: Path) -> list[bytes]:
    """The rows of a spilled shard by id; rows of one id by their content, so that their order is fixed too."""
    with pa.input_stream(str(path), compression="lz4") as stream:
        lines = list(io.BufferedReader(stream))
    return sorted(lines, key=lambda line: (_ID.decode(line).id, line))


def _write_shard(lines: list[bytes], survey: Survey, out: Folder, names: dict[str, str]) -> None:
    schemas = {view: schema(view, survey) for view in names}
    with contextlib.ExitStack() as stack:
        writers = {}
        for view, name in names.items():
            path = stack.enter_context(out.create(name))
            writers[view] = stack.enter_context(open_writer(path, schemas[view]))
        for group in _groups(lines):
            for view, writer in writers.items():
                rows = [_row(view, row, schemas[view]) for row in group]
                writer.write_table(pa.Table.from_pylist(rows, schema=schemas[view]))


def _groups(lines: list[bytes]) -> Iterator[list[Example]]:
    """The rows a row group at a time."""
    group: list[Example] = []
    held = 0
    for line in lines:
        group.append(_EXAMPLE.decode(line))
        held += len(line)
        if len(group) == GROUP_ROWS or held >= GROUP_BYTES:
            yield group
            group, held = [], 0
    if group:
        yield group


def _row(view: str, row: Example, columns: pa.Schema) -> dict[str, Any]:
    if view == "full":
        found = {name: get(row) for name, _, get in _FULL}
        return found | {name: _cast(value, columns.field(name).type) for name, value in flat(row)}
    tail = {"category": row.category, "licence": row.licence.id, "licence_letter": row.licence.letter}
    if view == "messages":
        messages = [{"role": message.role, "content": message.content} for message in row.messages]
        return {"id": row.id, "messages": messages, **tail}
    asked = "\n\n".join(message.content for message in row.messages[:-1])
    return {"id": row.id, "instruction": asked, "response": row.messages[-1].content, **tail}
