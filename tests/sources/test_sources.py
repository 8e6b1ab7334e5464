"""Sources name their inputs exactly, or say what is wrong; importing them is cheap."""

from __future__ import annotations

import gzip
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from shared import passed, read_all, records, run

import yisang.sources as sources
from yisang.errors import UsageError
from yisang.records import Dead, Page
from yisang.sources import (
    Csv,
    HtmlFiles,
    HubDataset,
    JsonLines,
    PageToPrompts,
    Parquet,
    PassedOver,
    Shard,
    Source,
    Warc,
    jsonlines,
)

LANGUAGE: dict[str, Any] = {"text": "q", "language": "ko", "name": "n"}
EVERY_SOURCE = [
    Warc("x"),
    HtmlFiles("x"),
    JsonLines("x", **LANGUAGE),
    Csv("x", **LANGUAGE),
    Parquet("x", **LANGUAGE),
    HubDataset("x", **LANGUAGE),
]


@pytest.mark.parametrize("source", EVERY_SOURCE, ids=lambda source: type(source).__name__)
def test_every_source_follows_the_protocol_and_travels_to_a_worker(source: Source) -> None:
    assert isinstance(source, Source)
    assert pickle.loads(pickle.dumps(source)) == source
    assert hash(source) == hash(pickle.loads(pickle.dumps(source)))


def test_a_thing_without_the_methods_is_no_source() -> None:
    assert not isinstance(PageToPrompts("ko"), Source)


@pytest.mark.parametrize("source", EVERY_SOURCE[:5], ids=lambda source: type(source).__name__)
def test_a_missing_path_is_named(source: Source) -> None:
    with pytest.raises(UsageError, match="nothing at 'x'"):
        source.shards()


def test_a_pattern_or_folder_without_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="matches no file"):
        Warc(f"{tmp_path}/*.warc").shards()
    (tmp_path / "notes.txt").write_text("no archive")
    with pytest.raises(UsageError, match="The folder holds none"):
        Warc(str(tmp_path)).shards()
    with pytest.raises(UsageError, match="names no path"):
        Warc(()).shards()


def test_shards_are_sorted_and_each_file_comes_once(tmp_path: Path) -> None:
    for name in ("b.warc", "a.warc.gz", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    shards = Warc((str(tmp_path), f"{tmp_path}/b*")).shards()
    assert shards == [Shard(f"{tmp_path}/a.warc.gz", others=1), Shard(f"{tmp_path}/b.warc")]


def check_that_each_file_of_a_folder_is_told(folder: Path, source: Source) -> None:
    """Every file of `folder` is read or is in the `other file` of the source's PassedOver, and is in it once."""
    read = {shard.path for shard in source.shards()}
    told = sum(item.count for item in read_all(source) if isinstance(item, PassedOver) and item.what == "other file")
    assert len(read) + told == sum(path.is_file() for path in folder.rglob("*"))
    assert told == 3


FOLDERS: list[tuple[Callable[[str], Source], str]] = [
    (Warc, "a.warc"),
    (HtmlFiles, "a.html"),
    (lambda path: JsonLines(path, **LANGUAGE), "a.jsonl"),
    (lambda path: Csv(path, **LANGUAGE), "a.csv"),
    (lambda path: Parquet(path, **LANGUAGE), "a.parquet"),
]


def filled(folder: Path, name: str) -> None:
    (folder / "deep").mkdir(parents=True)
    for other in ("readme.md", "deep/x.jsonl.lz4", "deep/.hidden"):
        (folder / other).write_bytes(b"other")
    for place in (folder / name, folder / "deep" / name):
        if name.endswith(".parquet"):
            parquet.write_table(pa.table({"q": ["one"]}), place)
        else:
            place.write_bytes(b'{"q": "one"}' if name.endswith("jsonl") else b"q\none\n")


@pytest.mark.parametrize(("make", "name"), FOLDERS, ids=[name for _, name in FOLDERS])
def test_files_of_a_folder_that_are_not_read_are_told_once(
    tmp_path: Path, make: Callable[[str], Source], name: str
) -> None:
    filled(tmp_path, name)
    check_that_each_file_of_a_folder_is_told(tmp_path, make(str(tmp_path)))


def test_the_measure_sees_a_source_that_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path, "a.jsonl")
    monkeypatch.setattr(jsonlines, "told_others", lambda shard: iter(()))
    with pytest.raises(AssertionError):
        check_that_each_file_of_a_folder_is_told(tmp_path, JsonLines(str(tmp_path), **LANGUAGE))


def test_a_file_that_another_entry_names_is_no_other_file(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.data", "c.data"):
        (tmp_path / name).write_bytes(b'{"q": "one"}')
    source = JsonLines((str(tmp_path), f"{tmp_path}/b.data", f"{tmp_path}/*.jsonl"), **LANGUAGE)
    assert len(records(read_all(source))) == 2
    assert passed(read_all(source)) == {"other file": 1}


def test_the_books_of_a_run_hold_the_other_files(tmp_path: Path) -> None:
    filled(tmp_path / "in", "a.jsonl")
    (found,) = run(JsonLines(str(tmp_path / "in"), **LANGUAGE), tmp_path / "out").sources
    assert (found.read, found.counted, found.passed_over) == (2, 2, {"other file": 3})


EUC_KR = os.fsdecode("\uac00 100%".encode("euc-kr"))  # a name that is no UTF-8


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("suffix", "data", "make"),
    [
        (".jsonl", b'{"q": "one"}\n{"q": ""}\nbad\n', lambda path: JsonLines(path, **LANGUAGE)),
        (".csv", b'q\none\n""\ntoo,many\n', lambda path: Csv(path, **LANGUAGE)),
        (".html", b"<p>one", HtmlFiles),
        (".html.gz", gzip.compress(b"<p>one"), HtmlFiles),
        (".warc", b"no archive", Warc),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_whose_name_is_not_utf_8_is_read_and_told_by_an_escaped_name(
    tmp_path: Path, suffix: str, data: bytes, make: Callable[[str], Source], strict: bool
) -> None:
    folder = tmp_path / "in" / EUC_KR
    folder.mkdir(parents=True)
    (folder / f"{EUC_KR}{suffix}").write_bytes(data)
    source = make(str(tmp_path / "in"))
    [shard] = source.shards()
    assert shard.path == f"escaped://{tmp_path}/in/%B0%A1 100%25/%B0%A1 100%25{suffix}"
    books = run(source, tmp_path / "out", strict=strict)
    assert books.kept == (0 if suffix == ".warc" else 1)
    assert books.steps[0].dead == (0 if "html" in suffix else 1)
    for item in read_all(source):
        if isinstance(item, Dead):
            assert "%B0%A1" in item.where
        if isinstance(item, Page):
            assert item.url == "file:///%B0%A1%20100%25/%B0%A1%20100%25.html"


def test_names_in_utf_8_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "\uac00 100%.jsonl").write_bytes(b'{"q": "one"}')
    [shard] = JsonLines(str(tmp_path), **LANGUAGE).shards()
    assert shard.path == f"{tmp_path}/\uac00 100%.jsonl"


def test_inputs_tell_a_changed_file(tmp_path: Path) -> None:
    path = tmp_path / "a.warc"
    path.write_bytes(b"one")
    os.utime(path, ns=(1, 5_000_000_001))
    first = Warc(str(path)).inputs()
    assert [(item.size, item.mtime) for item in first] == [(3, "5000000001")]
    os.utime(path, ns=(1, 5_000_000_002))
    assert Warc(str(path)).inputs() != first


def test_an_address_of_another_kind_of_storage_is_read_alike() -> None:
    import fsspec

    with fsspec.open("memory://yisang-test/a.jsonl", "wb") as file:
        file.write(b'{"q": "one"}\n')
    source = JsonLines("memory://yisang-test/*.jsonl", **LANGUAGE)
    [shard] = source.shards()
    assert shard.path == "memory:///yisang-test/a.jsonl"
    assert [item.text for item in source.read(shard)] == ["one"]  # type: ignore[union-attr]


def test_importing_the_package_loads_no_parser() -> None:
    code = (
        "import sys; import yisang.sources; "
        "heavy = {'trafilatura', 'datasets', 'pyarrow', 'lxml', 'w3lib'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_every_public_name_exists() -> None:
    assert all(getattr(sources, name).__name__ == name for name in sources.__all__ if name != "SourceItem")
    with pytest.raises(AttributeError, match="Wrac"):
        _ = sources.Wrac


def test_no_two_modules_define_a_class_of_one_name() -> None:
    """A dead letter is known by the name of its error alone."""
    folder = Path(sources.__file__).parent
    names = [name for path in folder.glob("*.py") for name in re.findall(r"(?m)^class (\w+)", path.read_text())]
    assert sorted(names) == sorted(set(names))
