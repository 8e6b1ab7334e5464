"""Files that are there whole or not at all, on a disk and on a store, and failures in words."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yisang.storage import TEMPORARY, Folder, StorageError


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Folder]:
    if request.param == "local":
        yield Folder(tmp_path / "run")
    else:
        found = Folder(f"memory://{uuid.uuid4().hex}/run")
        yield found
        if found.exists():
            found.remove("")


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"may not mount a small disk here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_what_is_written_is_read_back(folder: Folder) -> None:
    folder.write_bytes("a/b.json", b"{}")
    folder.write_bytes("a/b.json", b"[]")
    assert folder.read_bytes("a/b.json") == b"[]"
    assert folder.size("a/b.json") == 2
    assert folder.exists("a/b.json")
    assert folder.names() == ["a"]
    assert (folder / "a").names() == ["b.json"]
    folder.remove("a")
    assert folder.names() == []
    folder.remove("a")


def test_a_failed_writer_leaves_what_was_there_before(folder: Folder) -> None:
    folder.write_bytes("name", b"old")

    def fail() -> None:
        with folder.create("name") as path:
            path.write_bytes(b"half of the new")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail()
    assert folder.read_bytes("name") == b"old"
    assert folder.names() == ["name"]
    if folder.local:
        assert os.listdir(folder.root) == ["name"]


def test_a_file_is_not_there_before_it_is_whole(folder: Folder) -> None:
    with folder.create("new") as path:
        path.write_bytes(b"first half, ")
        assert not folder.exists("new")
        assert folder.names() == []
        with path.open("ab") as file:
            file.write(b"second half")
    assert folder.read_bytes("new") == b"first half, second half"
    assert not path.exists()


def test_a_folder_that_is_not_there_is_empty(folder: Folder) -> None:
    assert folder.names() == []
    assert not folder.exists()
    assert not folder.exists("x")


def test_a_folder_travels_to_a_worker(folder: Folder) -> None:
    folder.write_bytes("x", b"1")
    copy = pickle.loads(pickle.dumps(folder))
    assert copy.address == folder.address
    assert copy.local == folder.local
    assert copy.read_bytes("x") == b"1"


def test_a_relative_folder_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Folder("run")
    monkeypatch.chdir("/")
    folder.write_bytes("x", b"1")
    assert (tmp_path / "run" / "x").read_bytes() == b"1"
    assert pickle.loads(pickle.dumps(folder)).read_bytes("x") == b"1"


def test_what_a_killed_writer_left_is_never_seen_and_can_be_removed(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write_bytes("deep/er/finished", b"1")
    left = [tmp_path / f"{TEMPORARY}ab-x", tmp_path / "deep" / "er" / f"{TEMPORARY}cd-finished"]
    for path in left:
        path.write_bytes(b"half")
    assert folder.names() == ["deep"]
    assert (folder / "deep/er").names() == ["finished"]
    folder.remove_unfinished()
    assert not any(path.exists() for path in left)
    assert (folder / "deep/er").read_bytes("finished") == b"1"


@given(st.binary(max_size=10_000))
def test_any_bytes_are_kept(data: bytes) -> None:
    folder = Folder(f"memory://{uuid.uuid4().hex}")
    folder.write_bytes("x", data)
    assert folder.read_bytes("x") == data
    assert folder.size("x") == len(data)


def test_a_full_disk_is_said_in_words_and_nothing_looks_finished(tiny_disk: Path) -> None:
    folder = Folder(tiny_disk)
    folder.write_bytes("before", b"kept")
    with pytest.raises(StorageError, match="No space left to write .*big.* the same command goes on from it"):
        folder.write_bytes("big", os.urandom(2 << 20))
    assert os.listdir(tiny_disk) == ["before"]
    folder.write_bytes("after", b"there is room again")
    assert folder.names() == ["after", "before"]


def test_a_read_only_disk_is_said_in_words(tiny_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    with pytest.raises(StorageError, match=r"May not write .*/x .*Choose another folder"):
        Folder(tiny_disk).write_bytes("x", b"1")


def test_another_failure_keeps_its_own_words(tmp_path: Path) -> None:
    def fail() -> None:
        with Folder(tmp_path).create("x"):
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        fail()
    assert os.listdir(tmp_path) == []
