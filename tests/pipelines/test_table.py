"""What a person gets who reads a stored record back: the same record, whatever was in it."""

from __future__ import annotations

import io
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from recipes_for_tests.helpers import LICENCE, prompt

from yisang.errors import YisangError
from yisang.pipelines import table
from yisang.pipelines.table import RecordWriter, read_records
from yisang.records import RECORDS, Example, Licence, Measure, Message, Page, Prompt, Record, Trace

TEXT = st.text()
INT64 = st.integers(-(2**63), 2**63 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
MEASURES: st.SearchStrategy[dict[str, Measure]] = st.dictionaries(
    TEXT, st.none() | st.booleans() | INT64 | FINITE | TEXT, max_size=4
)
JSON = st.recursive(
    st.none() | st.booleans() | INT64 | FINITE | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
LICENCES = st.builds(
    Licence,
    id=TEXT,
    letter=st.sampled_from(["A", "B", "C"]),
    evidence=TEXT,
    date=TEXT,
    derive=st.booleans(),
    share_alike=st.booleans(),
)
COMMON: dict[str, st.SearchStrategy[Any]] = {"id": TEXT, "category": TEXT, "licence": LICENCES, "measures": MEASURES}
PAGES = st.builds(
    Page,
    **COMMON,
    url=TEXT,
    final_url=TEXT,
    status=INT64,
    headers=st.dictionaries(TEXT, TEXT, max_size=3),
    body=st.binary(max_size=200),
    fetched=TEXT,
    warc=TEXT,
    rights=TEXT,
    source=TEXT,
)
PROMPTS = st.builds(
    Prompt,
    **COMMON,
    text=TEXT,
    language=TEXT,
    kind=st.sampled_from(["open", "mcq", "math", "code", "task"]),
    gold=st.none() | TEXT,
    options=st.lists(TEXT, max_size=3).map(tuple),
    graph=st.none() | st.dictionaries(TEXT, JSON, max_size=3),
    tests=st.none() | TEXT,
    source=TEXT,
    url=TEXT,
    attribution=TEXT,
    parents=st.lists(TEXT, max_size=3).map(tuple),
    split=TEXT,
)
TRACES = st.builds(
    Trace,
    **COMMON,
    prompt=PROMPTS,
    sample=INT64,
    text=TEXT,
    think=st.none() | TEXT,
    answer=st.none() | TEXT,
    teacher=TEXT,
    revision=TEXT,
    sampling=st.dictionaries(TEXT, JSON, max_size=3),
    prompt_version=TEXT,
    finish_reason=TEXT,
    usage=st.dictionaries(TEXT, INT64, max_size=3),
    verdicts=st.dictionaries(TEXT, TEXT, max_size=3),
)
EXAMPLES = st.builds(
    Example,
    **COMMON,
    messages=st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), TEXT), max_size=3).map(
        tuple
    ),
    prompt_id=TEXT,
    trace_id=TEXT,
    weight=FINITE | st.sampled_from([math.inf, -math.inf]),
    trace=TRACES,
)
LISTS = st.one_of(*(st.lists(kind, min_size=1, max_size=5) for kind in (PAGES, PROMPTS, TRACES, EXAMPLES)))


def stored(records: list[Any]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.parquet"
        writer = RecordWriter(path, type(records[0]))
        for record in records:
            writer.write(record)
        writer.close()
        assert writer.rows == len(records)
        return path.read_bytes()


def restored(data: bytes, start: int = 0, rows: int | None = None) -> list[Record]:
    return list(read_records(io.BytesIO(data), "records.parquet", start, rows))


def exact(record: Record) -> str:
    """Tells 0.0 from -0.0, 1 from True and from 1.0, None from "", and the order of a list."""

    def order(value: Any) -> Any:
        if isinstance(value, msgspec.Struct):
            return type(value).__name__, [order(getattr(value, name)) for name in value.__struct_fields__]
        if isinstance(value, dict):
            return sorted((key, order(item)) for key, item in value.items())
        if isinstance(value, list | tuple):
            return type(value).__name__, [order(item) for item in value]
        return value

    return repr(order(record))


@settings(max_examples=150, deadline=None)
@given(LISTS)
@example([prompt("", id="", gold="", tests=None, options=("",), graph={}, parents=("", ""))])
@example(
    [prompt("\x00\u202e\ufffe\U0010ffff e\u0301", measures={"": "", "n": None, "t": True, "o": 1, "f": 1.0, "m": -0.0})]
)
@example([prompt("p", measures={"big": 2**63 - 1, "small": -(2**63), "least": 5e-324, "most": 1.7976931348623157e308})])
@example([Page(id="p", url="u", body=b"\x00\xff", headers={"": ""})])
def test_any_record_is_read_back_as_it_was(records: list[Record]) -> None:
    assert [exact(record) for record in restored(stored(records))] == [exact(record) for record in records]


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_measure_that_is_no_finite_number_is_kept_or_refused(value: float) -> None:
    record = prompt("p", measures={"perplexity": value})
    try:
        data = stored([record])
    except YisangError as error:
        assert "perplexity" in str(error)
        return
    assert exact(restored(data)[0]) == exact(record)


def test_a_weight_that_is_no_number_stays_none(tmp_path: Path) -> None:
    trace = Trace(id="t", prompt=prompt("p"), sample=0, text="x", teacher="t", revision="r")
    row = Example(id="e", messages=(), prompt_id="p", trace_id="t", weight=math.nan, trace=trace)
    (found,) = restored(stored([row]))
    assert isinstance(found, Example)
    assert math.isnan(found.weight)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 7), st.integers(0, 45), st.none() | st.integers(0, 45))
def test_a_slice_of_a_file_with_many_row_groups_is_that_slice(
    size: int, group: int, start: int, rows: int | None
) -> None:
    records = [prompt(str(number)) for number in range(size)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "ROW_GROUP_ROWS", group)
        data = stored(records)
    assert pq.ParquetFile(io.BytesIO(data)).num_row_groups == -(-size // group)
    stop = size if rows is None else start + rows
    assert restored(data, start, rows) == records[start:stop]


def test_large_pages_are_cut_into_row_groups_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "ROW_GROUP_BYTES", 10_000)
    pages = [Page(id=str(number), url="u", body=bytes([number]) * 6_000) for number in range(6)]
    data = stored(pages)
    assert pq.ParquetFile(io.BytesIO(data)).num_row_groups == 3
    assert restored(data) == pages


@pytest.mark.parametrize("kind", RECORDS.values())
def test_columns_are_plain_so_that_any_tool_reads_them(kind: type[Record]) -> None:
    found = table.schema(kind)
    plain = {pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.binary()}
    assert {column.type for column in found} <= plain
    assert found.names == [*kind.__struct_fields__, "licence_letter"]


def test_a_foreign_tool_sees_text_and_letter_as_columns(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(stored([prompt("하나", measures={"b": 1, "a": 2.5}), prompt("둘", gold="")]))
    rows = pq.read_table(path).to_pylist()
    assert [row["text"] for row in rows] == ["하나", "둘"]
    assert [row["gold"] for row in rows] == [None, ""]
    assert [row["licence_letter"] for row in rows] == [LICENCE.letter] * 2
    assert rows[0]["measures"] == '{"a":2.5,"b":1}'


def with_metadata(data: bytes, change: Callable[[dict[bytes, bytes]], dict[bytes, bytes]]) -> bytes:
    found = pq.read_table(io.BytesIO(data))
    sink = io.BytesIO()
    pq.write_table(found.replace_schema_metadata(change(dict(found.schema.metadata or {}))), sink)
    return sink.getvalue()


def test_a_file_of_a_newer_schema_is_refused_in_words() -> None:
    newer = with_metadata(stored([prompt("p")]), lambda found: {**found, table.VERSION_KEY: b"2"})
    with pytest.raises(YisangError, match=r"records\.parquet was written with record schema 2, this yisang reads 1"):
        restored(newer)


@pytest.mark.parametrize("change", [lambda found: {}, lambda found: {**found, table.KIND_KEY: b"picture"}])
def test_a_file_of_another_origin_is_refused_in_words(
    change: Callable[[dict[bytes, bytes]], dict[bytes, bytes]],
) -> None:
    with pytest.raises(YisangError, match=r"records\.parquet is not a table of records that yisang wrote"):
        restored(with_metadata(stored([prompt("p")]), change))


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(prompt("guilty", measures={"share": object()}), id="a measure that is no measure"),
        pytest.param(prompt("guilty", text="half \ud800 a character"), id="half a character"),
        pytest.param(prompt("guilty", text=5), id="a number for a text"),
        pytest.param(prompt("guilty", graph={1: 2}), id="a graph with numbers for keys"),
    ],
)
def test_a_record_that_cannot_be_stored_is_named(record: Prompt) -> None:
    with pytest.raises(YisangError, match="guilty"):
        stored([prompt("innocent"), record, prompt("innocent too")])
