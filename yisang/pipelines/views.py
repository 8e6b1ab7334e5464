"""The three views of a corpus as Parquet: messages, instruction, full.

The run is read twice: once for what must be known before the first row is written (`publish_survey`), once to write.
Rows stand in the order of their ids, so the same rows make the same bytes, whatever order a runner left them in.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from yisang.pipelines.publish_order import GROUP_BYTES, GROUP_ROWS, shard_name, sorted_shards
from yisang.pipelines.publish_survey import Survey, as_json, flat
from yisang.pipelines.table import open_writer
from yisang.records import Example, Record
from yisang.storage import Folder

VIEWS = ("messages", "instruction", "full")

_EXAMPLE = msgspec.json.Decoder(Example)

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
    shards = survey.ids.shards()
    count = len(shards.rows)
    if shards.repeated:
        say(f"{shards.repeated} rows have an id that another row has too: add a step that drops repeated questions.")
    written: dict[str, int] = {}
    for number, lines in sorted_shards(read, shards, spill):
        names = {view: shard_name(view, number, count) for view in VIEWS}
        _write_shard(lines, survey, Folder(out), names)
        written.update({name: len(lines) for name in names.values()})
        say(f"Shard {number + 1} of {count}: {len(lines)} rows.")
    return written


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
