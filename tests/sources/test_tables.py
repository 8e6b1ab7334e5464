"""Tables: each good row is a prompt, each bad row a dead letter, a wrong recipe an error."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import pickle
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import httpx
import huggingface_hub
import pyarrow as pa
import pytest
import zstandard
from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError, RevisionNotFoundError
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from shared import counted, deads, drops, passed, read_all, records, shared

from yisang.errors import UsageError, YisangError
from yisang.records import Drop, Licence, Prompt, content_id, nfc
from yisang.sources import Csv, HubDataset, JsonLines, Parquet, jsonlines
from yisang.sources.base import Source, SourceItem

BASE: dict[str, Any] = {"text": "q", "language": "ko", "name": "set"}
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def jsonl(tmp_path: Path, data: bytes, name: str = "x.jsonl", **parameters: Any) -> JsonLines:
    (tmp_path / name).write_bytes(data)
    return JsonLines(str(tmp_path / name), **{**BASE, **parameters})


def table(tmp_path: Path, data: bytes, name: str = "x.csv", **parameters: Any) -> Csv:
    (tmp_path / name).write_bytes(data)
    return Csv(str(tmp_path / name), **{**BASE, **parameters})


def texts(items: list[SourceItem]) -> list[str]:
    return [record.text for record in records(items) if isinstance(record, Prompt)]


def places(items: list[SourceItem]) -> list[str]:
    return [dead.where.rsplit("/", 1)[-1] for dead in deads(items)]


def test_a_row_becomes_a_prompt_by_its_columns(tmp_path: Path) -> None:
    row = {
        "q": "왜?".encode().decode(),
        "more": " 더 ",
        "none": None,
        "a": 3,
        "o": ["b", "c"],
        "u": "http://x",
        "c": 1,
    }
    licence = Licence(id="MIT", letter="A", evidence="test")
    source = jsonl(
        tmp_path,
        json.dumps(row).encode(),
        text=("q", "none", "more"),
        gold="a",
        options="o",
        url="u",
        category_column="c",
        kind="mcq",
        licence=licence,
    )
    [prompt] = read_all(source)
    assert prompt == Prompt(
        id=content_id("set", "왜?\n\n 더 ", "b", "c"),
        text="왜?\n\n 더 ",
        language="ko",
        kind="mcq",
        gold="3",
        options=("b", "c"),
        url="http://x",
        category="1",
        source="set",
        licence=licence,
    )


@given(rows=st.lists(TEXT.filter(str.strip), max_size=8), ascii_only=st.booleans(), crlf=st.booleans())
@settings(deadline=None)
def test_json_lines_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str], ascii_only: bool, crlf: bool
) -> None:
    end = "\r\n" if crlf else "\n"
    data = "".join(json.dumps({"q": row}, ensure_ascii=ascii_only) + end for row in rows).encode()
    source = jsonl(tmp_path_factory.mktemp("j"), data)
    assert texts(read_all(source)) == [nfc(row) for row in rows]
    assert counted(source) == len(rows)


@given(
    rows=st.lists(st.tuples(TEXT.filter(str.strip), TEXT), min_size=1, max_size=8),
    delimiter=st.sampled_from([",", "\t", ";"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
@settings(deadline=None)
def test_csv_comes_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str]],
    delimiter: str,
    encoding: str,
    line_end: str,
) -> None:
    buffer = io.StringIO(newline="")
    # All is quoted, since the writer leaves a lone \r bare where it is not its line end
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerows([("q", "a"), *rows])
    source = table(
        tmp_path_factory.mktemp("c"),
        buffer.getvalue().encode(encoding),
        delimiter=delimiter,
        gold="a",
        encoding=encoding.removesuffix("-sig"),
    )
    items = read_all(source)
    assert [(item.text, item.gold) for item in items if isinstance(item, Prompt)] == [
        (nfc(text), nfc(gold)) for text, gold in rows
    ]
    assert counted(source) == (None if encoding == "utf-16" else len(rows))


BAD_LINES = [
    b'{"q": "cut',
    b'["a", "list"]',
    b"null",
    b'{"q": 5}',
    b'{"p": "other column"}',
    b'{"q": "nul \\u0000"}',
    b'{"q": "\xff\xfe"}',
    b"[" * 100_000,
    b'{"q": ' + b"9" * 5000 + b"}",
]


@pytest.mark.parametrize("bad", BAD_LINES, ids=lambda bad: repr(bad[:20]))
def test_a_bad_json_line_costs_only_itself(tmp_path: Path, bad: bytes) -> None:
    source = jsonl(tmp_path, b'{"q": "one"}\n\n' + bad + b'\n{"q": "two"}')
    items = read_all(source)
    assert texts(items) == ["one", "two"]
    assert places(items) == ["x.jsonl:3"]
    assert passed(items) == {"blank line": 1}
    assert counted(source) == 3


BAD_ROWS = {b"only one": 3, b"a,b,c": 3, b'"a"b,c': 3, b"\xff\xfe,b": 3, b"nul\0,b": 3, b'"never closed,b': 3}


@pytest.mark.parametrize("bad", BAD_ROWS)
def test_a_bad_csv_row_costs_only_itself(tmp_path: Path, bad: bytes) -> None:
    after = b"" if b"never" in bad else b"\ntwo,b"
    items = read_all(table(tmp_path, b"q,a\none,b\n" + bad + after))
    assert texts(items) == ["one", "two"][: 1 + bool(after)]
    assert places(items) == ["x.csv:3"]


def test_bad_bytes_in_a_column_that_is_not_asked_for_cost_nothing(tmp_path: Path) -> None:
    assert texts(read_all(table(tmp_path, b"q,a\none,\xff\n"))) == ["one"]


def test_places_count_lines_and_not_rows(tmp_path: Path) -> None:
    assert places(read_all(table(tmp_path, b'q,a\n"o\nn\ne",b\nragged\n'))) == ["x.csv:5"]


def test_ragged_and_blank_rows_are_in_the_independent_count(tmp_path: Path) -> None:
    source = table(tmp_path, b'q,a\none,b\n\nragged\n"t\nwo",b\n')
    items = read_all(source)
    assert counted(source) == len(records(items)) + len(deads(items)) == 3
    assert passed(items) == {"blank line": 1}


def test_quotes_can_be_ordinary_signs(tmp_path: Path) -> None:
    source = table(tmp_path, b'"one\tb\nt"wo\tb\n', delimiter="\t", quote="", names=("q", "a"))
    assert texts(read_all(source)) == ['"one', 't"wo']
    assert counted(source) == 2


def test_empty_texts_are_dropped_with_a_reason(tmp_path: Path) -> None:
    items = read_all(jsonl(tmp_path, b'{"q": ""}\n{"q": null}\n{"q": " \\n"}\n{"q": "one"}\n'))
    assert [drop.reason for drop in drops(items)] == ["empty_text"] * 3
    assert texts(items) == ["one"]


def check_that_drops_name_their_row(items: list[SourceItem]) -> None:
    assert [Path(drop.evidence["where"]).name for drop in drops(items)] == ["x.jsonl:2", "x.jsonl:4"]
    assert [drop.evidence["columns"] for drop in drops(items)] == [["q"], ["q"]]


def test_a_drop_of_a_source_names_its_file_and_line(tmp_path: Path) -> None:
    items = read_all(jsonl(tmp_path, b'{"q": "one"}\n{"q": ""}\n\n{"q": null}\n'))
    check_that_drops_name_their_row(items)
    with pytest.raises((AssertionError, KeyError)):
        check_that_drops_name_their_row([Drop("empty_text", {"columns": ["q"]})] * 2)


@pytest.mark.parametrize(("header", "names"), [(b"q,a,q\n", ()), (b"", ("q", "a", "q"))], ids=["header", "names"])
def test_two_columns_of_one_name_are_refused_where_that_name_is_read(
    tmp_path: Path, header: bytes, names: tuple[str, ...]
) -> None:
    rows = header + b"one,two,three\n"
    with pytest.raises(UsageError, match=r"names 2 columns 'q', so it cannot be known which one source 'set' means"):
        read_all(table(tmp_path, rows, names=names))
    assert texts(read_all(table(tmp_path, rows, names=names, text="a"))) == ["two"]


def test_a_header_in_another_encoding_is_told_in_words_that_can_be_stored(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no column '질문'") as told:
        read_all(table(tmp_path, "질문,답\n왜,응\n".encode("euc-kr"), text="질문"))
    assert str(told.value).encode()


def test_half_characters_of_broken_json_become_replacement_signs(tmp_path: Path) -> None:
    assert texts(read_all(jsonl(tmp_path, b'{"q": "a\\ud800"}'))) == ["a\ufffd"]


def test_text_is_composed_and_else_untouched(tmp_path: Path) -> None:
    assert texts(read_all(jsonl(tmp_path, json.dumps({"q": " 한\n"}).encode()))) == [" 한\n"]


@pytest.mark.parametrize("encoding", ["cp949", "euc-kr", "johab"])
def test_korean_encodings_are_read_when_stated(tmp_path: Path, encoding: str) -> None:
    data = "q,a\n왜 그런가?,몰라\n".encode(encoding)
    assert texts(read_all(table(tmp_path, data, encoding=encoding))) == ["왜 그런가?"]
    assert deads(read_all(table(tmp_path, data, gold="q", text="a"))) or encoding == "utf-8"
    line = json.dumps({"q": "왜?"}, ensure_ascii=False).encode(encoding)
    assert texts(read_all(jsonl(tmp_path, line, encoding=encoding))) == ["왜?"]


def test_a_mark_at_the_beginning_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    assert texts(read_all(table(tmp_path, b"\xef\xbb\xbfq,a\none,b\n"))) == ["one"]
    source = jsonl(tmp_path, b'\xef\xbb\xbf{"q": "one"}\n')
    assert texts(read_all(source)) == ["one"]
    assert counted(source) == 1


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: zstandard.ZstdCompressor().compress(data),
}


@pytest.mark.parametrize("suffix", PACKERS)
def test_packed_files_are_read_and_damage_in_them_is_told(tmp_path: Path, suffix: str) -> None:
    chance = random.Random(1)  # little to compress, so that the file is cut in the midst of its rows
    rows = b"".join(b'{"q": "%d"}\n' % chance.getrandbits(99) for _ in range(9000))
    packed = PACKERS[suffix](rows)
    source = jsonl(tmp_path, packed, f"x.jsonl.{suffix}")
    assert len(texts(read_all(source))) == counted(source) == 9000
    source = jsonl(tmp_path, packed[: len(packed) // 2], f"x.jsonl.{suffix}")
    items = read_all(source)
    assert len(texts(items)) < 9000
    assert deads(items)[-1].error == "DamagedFile"
    table_items = read_all(table(tmp_path, packed[: len(packed) // 2], f"x.csv.{suffix}", quote="", names=("q",)))
    assert deads(table_items)


def test_a_column_that_no_row_has_stops_the_run_with_the_names_there_are(tmp_path: Path) -> None:
    rows: list[dict[str, str]] = [{"question": "one", "answer": "b"}] * 3
    pa_path = tmp_path / "x.parquet"
    parquet.write_table(pa.Table.from_pylist(rows), pa_path)
    sources: list[Source] = [
        jsonl(tmp_path, b"\n".join(json.dumps(row).encode() for row in rows)),
        table(tmp_path, b"question,answer\none,b\n"),
        Parquet(str(pa_path), **BASE),
        HubDataset(str(tmp_path / "hub"), **BASE),
    ]
    (tmp_path / "hub").mkdir()
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "hub" / "train.parquet")
    for source in sources:
        with pytest.raises(UsageError, match=r"no column 'q'.*'question', 'answer'"):
            read_all(source)


def test_a_column_that_some_rows_lack_is_their_fault(tmp_path: Path) -> None:
    items = read_all(jsonl(tmp_path, b'{"p": 1}\n' * 5 + b'{"q": "one"}\n'))
    assert texts(items) == ["one"]
    assert [dead.error for dead in deads(items)] == ["MissingColumn"] * 5


def test_a_large_plain_file_is_cut_at_line_ends_and_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [json.dumps({"q": f"{number} " + "x" * (number % 40)}).encode() for number in range(300)]
    lines[170] = b"bad"
    lines[171] = b" "
    for end in (b"\n", b""):
        source = jsonl(tmp_path, b"\n".join(lines) + end)
        whole = read_all(source)
        for size in (1, 7, 64, 1000, 5000):
            monkeypatch.setattr(jsonlines, "RANGE_BYTES", size)
            shards = source.shards()
            parts = read_all(source)
            assert records(parts) == records(whole)
            assert passed(parts) == passed(whole) == {"blank line": 1}
            assert places(parts) == ["x.jsonl:171"]
            assert counted(source) == 299
            cuts = [0, *(shard.stop for shard in shards)]
            assert [shard.start for shard in shards] == cuts[:-1]
            assert len(shards) == 1 or all((shard.stop or 0) - shard.start >= size for shard in shards)
            assert size == 5000 or len(shards) > 1
            monkeypatch.undo()


def test_a_line_over_the_cap_is_a_dead_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonlines, "MAX_LINE", 30)
    source = jsonl(tmp_path, b'{"q": "one"}\n{"q": "' + b"x" * 100 + b'"}\n{"q": "two"}\n')
    items = read_all(source)
    assert texts(items) == ["one", "two"]
    assert places(items) == ["x.jsonl:2"]
    assert counted(source) == 3


def test_encodings_without_plain_lines_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Convert the file"):
        jsonl(tmp_path, b"", encoding="utf-16").shards()
    with pytest.raises(UsageError, match="no encoding that is known"):
        table(tmp_path, b"", encoding="klingon").shards()
    with pytest.raises(UsageError, match="one sign"):
        table(tmp_path, b"", delimiter="||").shards()


def test_parquet_rows_are_read_with_their_numbers(tmp_path: Path) -> None:
    texts_column = pa.array(["one", None, "bad", "two", ""])
    data = pa.Table.from_arrays([texts_column, pa.array([[1]] * 5)], ["q", "unused"])
    parquet.write_table(data, tmp_path / "x.parquet", row_group_size=2)
    source = Parquet(str(tmp_path), **BASE)
    items = read_all(source)
    assert texts(items) == ["one", "bad", "two"]
    assert len(drops(items)) == 2
    assert counted(source) == 5


def test_parquet_values_that_are_no_text_cost_only_their_row(tmp_path: Path) -> None:
    raw = pa.array([b"one", b"\xff", b"two"], pa.binary())
    column = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    parquet.write_table(pa.Table.from_arrays([column], ["q"]), tmp_path / "x.parquet")
    items = read_all(Parquet(str(tmp_path), **BASE))
    assert texts(items) == ["one", "two"]
    assert places(items) == ["x.parquet:2"]


def test_a_parquet_file_that_cannot_be_opened_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 rubbish PAR1")
    with pytest.raises(YisangError, match=r"x\.parquet' cannot be read as Parquet"):
        read_all(Parquet(str(tmp_path), **BASE))


def test_each_row_of_a_damaged_row_group_is_accounted_for(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    data = pa.table({"q": [f"{number}" * 20 for number in range(30)]})
    parquet.write_table(data, path, row_group_size=10, compression="zstd", use_dictionary=False)
    column = parquet.ParquetFile(path).metadata.row_group(1).column(0)
    damaged = bytearray(path.read_bytes())
    start = column.data_page_offset
    damaged[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(damaged)
    source = Parquet(str(path), **BASE)
    items = read_all(source)
    assert len(texts(items)) == 20
    assert places(items) == [f"x.parquet:{number}" for number in range(11, 21)]
    assert counted(source) == 30


def test_a_local_folder_is_streamed_like_a_set_of_the_hub(tmp_path: Path) -> None:
    for part in range(2):
        rows = [{"q": f"{part} {number}", "a": "b", "unused": number} for number in range(3)]
        parquet.write_table(pa.Table.from_pylist(rows), tmp_path / f"train-{part}.parquet")
    source = HubDataset(str(tmp_path), gold="a", **BASE)
    assert len(source.shards()) == 2
    items = read_all(source)
    assert sorted(texts(items)) == sorted(f"{part} {number}" for part in range(2) for number in range(3))
    assert len(source.inputs()) == 2
    with pytest.raises(UsageError, match="cannot be opened"):
        HubDataset(str(tmp_path), split="nosuch", **BASE).shards()


class FakeHub:
    """A set whose main branch is pushed to: what stands at each commit is a folder, read by `datasets` itself."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.commits = ["1" * 40, "2" * 40]
        self.main = self.commits[0]
        for number, commit in enumerate(self.commits):
            (folder / commit).mkdir()
            for part in range(2):
                rows = [{"q": f"push {number}, {part}"}]
                parquet.write_table(pa.Table.from_pylist(rows), folder / commit / f"train-{part}.parquet")
        load = datasets.load_dataset

        def load_dataset(repo: str, config: str | None, *, split: str, revision: str | None, streaming: bool) -> Any:
            return load(
                str(folder / (self.main if revision in (None, "main") else revision)), split=split, streaming=True
            )

        def dataset_info(api: Any, repo: str, revision: str | None = None) -> Any:
            return SimpleNamespace(sha=self.main)

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", dataset_info)


def check_that_a_push_is_no_part_of_a_run(source: HubDataset, hub: FakeHub) -> None:
    """Between planning (inputs), cutting (shards) and reading (each in another process), somebody pushes."""
    hub.main = hub.commits[0]
    [known] = source.inputs()
    sent = pickle.loads(pickle.dumps(source))
    hub.main = hub.commits[1]
    shards = sent.shards()
    worker = pickle.loads(pickle.dumps(HubDataset(source.repo, revision=source.revision, **BASE)))
    assert known.mtime == hub.commits[0]
    assert texts([item for shard in shards for item in worker.read(shard)]) == ["push 0, 0", "push 0, 1"]


@pytest.mark.parametrize("revision", [None, "main"])
def test_a_push_during_a_run_changes_nothing_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str | None
) -> None:
    hub = FakeHub(tmp_path, monkeypatch)
    source = HubDataset("team/set", revision=revision, **BASE)
    check_that_a_push_is_no_part_of_a_run(source, hub)
    assert source.inputs()[0].mtime == hub.commits[1]  # the next plan sees it
    assert texts(read_all(source)) == ["push 1, 0", "push 1, 1"]


def test_a_source_that_reads_the_branch_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = FakeHub(tmp_path, monkeypatch)
    load = HubDataset._load
    monkeypatch.setattr(HubDataset, "_load", lambda source, commit: load(source, source.revision or ""))
    with pytest.raises(AssertionError):
        check_that_a_push_is_no_part_of_a_run(HubDataset("team/set", **BASE), hub)


def test_a_stated_commit_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", None)
    [known] = HubDataset("team/set", revision="a" * 40, **BASE).inputs()
    assert (known.path, known.mtime) == ("hf://datasets/team/set", "a" * 40)


def unknown(commit: str | None) -> Exception:
    request = httpx.Request("GET", "http://127.0.0.1")
    error = RepositoryNotFoundError if commit is None else RevisionNotFoundError
    return error("404 Client Error.\nmore", response=httpx.Response(404, request=request))


@pytest.mark.parametrize(
    ("failure", "revision", "told"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused"), None, "cannot be asked for the set 'team/set'"),
        (OfflineModeIsEnabled("offline mode is enabled"), None, "offline mode is enabled. Run the recipe again when"),
        (unknown(None), None, "has no set 'team/set' at revision main"),
        (unknown("v9"), "v9", "at revision v9"),
    ],
    ids=["refused", "offline", "unknown set", "unknown revision"],
)
def test_a_hub_that_does_not_answer_or_know_the_set_is_told_in_a_paragraph(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, revision: str | None, told: str
) -> None:
    def dataset_info(*_: Any, **__: Any) -> Any:
        raise failure

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", dataset_info)
    source = HubDataset("team/set", revision=revision, **BASE)
    for ask in (source.inputs, source.shards):
        with pytest.raises(YisangError, match=told) as error:
            ask()
        assert isinstance(error.value, UsageError) == ("has no set" in str(error.value))
        assert "\n" not in str(error.value)


def test_a_hub_that_refuses_connections_is_told_by_a_real_run() -> None:
    code = (
        "from yisang.sources import HubDataset; from yisang.errors import YisangError\n"
        "source = HubDataset('team/set', text='q', language='ko', name='n')\n"
        "try: source.inputs()\n"
        "except YisangError as error: print(error)"
    )
    known = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=known)
    assert "The Hub cannot be asked for the set 'team/set'" in answer.stdout, answer.stderr


def test_a_name_that_no_set_can_have_is_refused() -> None:
    with pytest.raises(UsageError, match=r"has no set './no/such/folder'.*there is no such folder"):
        HubDataset("./no/such/folder", **BASE).inputs()


@pytest.mark.parametrize(
    ("path", "kind", "number", "parameters"),
    [
        ("text_ko/chatbot_qa.csv.gz", Csv, 11823, {"text": "Q", "gold": "A", "category_column": "label"}),
        ("text_ko/square_questions_valid.jsonl.gz", JsonLines, 6882, {"text": "question"}),
        ("text_ko/korean_instructions.jsonl.gz", JsonLines, 1000, {"text": ("instruction", "input")}),
        ("docs_ko/interview_questions.jsonl.gz", JsonLines, 17, {"text": "text"}),
        ("docs_ko/tech_interview.jsonl.gz", JsonLines, 189, {"text": "text"}),
        ("docs_ko/react_docs.jsonl.gz", JsonLines, 55, {"text": "text"}),
        ("near_dup/korsts_dev.tsv.gz", Csv, 1500, {"text": "sentence1", "delimiter": "\t", "quote": ""}),
        ("near_dup/korsts_test.tsv.gz", Csv, 1379, {"text": "sentence2", "delimiter": "\t", "quote": ""}),
        ("near_dup/parakqc.tsv.gz", Csv, 10000, {"names": ("t", "a", "q"), "delimiter": "\t", "quote": ""}),
    ],
)
def test_real_tables_are_read_whole(path: str, kind: Any, number: int, parameters: dict[str, Any]) -> None:
    source = kind(shared(path), **{**BASE, **parameters})
    items = read_all(source)
    assert len(records(items)) + len(drops(items)) == len(items) == counted(source) == number
    # 19 of the instructions are empty
    assert len(drops(items)) == (19 if "instructions" in path else 0)
