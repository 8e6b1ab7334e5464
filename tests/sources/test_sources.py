"""Sources name their inputs exactly, or say what is wrong; importing them is cheap."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import yisang.sources as sources
from yisang.errors import UsageError
from yisang.sources import Csv, HtmlFiles, HubDataset, JsonLines, PageToPrompts, Parquet, Shard, Source, Warc

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
    assert shards == [Shard(f"{tmp_path}/a.warc.gz"), Shard(f"{tmp_path}/b.warc")]


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
