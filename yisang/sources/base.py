"""What every source is: a small frozen object that names its shards, reads one of them, and counts it another
way.

A source is data (its fields are the parameters of a recipe and bear identity); a shard is plain data too, so
that any runner can send both to a worker. What cannot be read becomes a `Dead`, what is deliberately no item
is told in a `PassedOver`: nothing is left out silently.
"""

from __future__ import annotations

import gzip
import io
import lzma
import os
import re
import traceback
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import IO, Any, NamedTuple, Protocol, cast, runtime_checkable
from urllib.parse import unquote_to_bytes

import fsspec
from fsspec.core import get_compression, url_to_fs
from fsspec.implementations.local import LocalFileSystem

from yisang.errors import UsageError
from yisang.records import Dead, Drop, Record

MIB = 1 << 20
CHUNK = 1 << 16
ZSTD_PIECE = 1 << 12
"""Packed bytes of a .zst file unpacked at a time: 4 KiB can hold 128 MiB, so a bomb is met in pieces."""

_DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError)

Paths = str | tuple[str, ...]


@dataclass(frozen=True)
class Shard:
    """What one worker reads at a time: a file, or the bytes (or part numbers) `start` to `stop` of it.

    `revision` is the commit of a set that has them. `others` is how many files of the source's folders are not read;
    the first shard tells it.
    """

    path: str
    start: int = 0
    stop: int | None = None
    revision: str = ""
    others: int = 0


@dataclass(frozen=True)
class InputFile:
    """One input as it stood when the run was planned. `mtime` is nanoseconds, or the remote etag or date."""

    path: str
    size: int
    mtime: str


@dataclass(frozen=True)
class PassedOver:
    """How many things of a shard were no items by their nature (a WARC request, an image in an archive)."""

    what: str
    count: int


SourceItem = Record | Drop | Dead | PassedOver


class TooLarge(Exception):
    """A file or body over its cap, as stored or unpacked."""


class _EscapedNames(LocalFileSystem):  # type: ignore[misc]
    """Local files whose names are no UTF-8, under addresses that can be stored and printed: `escaped:///d/%B0%A1.html`.

    Old archives name their files in EUC-KR. Python reads such a name as lone surrogates, which no JSON or Parquet holds.
    """

    protocol = "escaped"

    @classmethod
    def _strip_protocol(cls, path: Any) -> str:
        if isinstance(path, str) and path.startswith("escaped://"):
            path = os.fsdecode(unquote_to_bytes(path.removeprefix("escaped://")))
        return str(super()._strip_protocol(path))


fsspec.register_implementation(_EscapedNames.protocol, _EscapedNames, clobber=True)


@runtime_checkable
class Source(Protocol):
    """What a recipe's `source` must offer."""

    @property
    def name(self) -> str: ...

    def shards(self) -> list[Shard]:
        """The shards, sorted. Raises UsageError where a path is missing or matches nothing."""
        ...

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        """The items of a shard in their order, then one `PassedOver` for each kind of thing left aside."""
        ...

    def count(self, shard: Shard) -> int | None:
        """How many items but PassedOver `read` must yield, found by other code; None where that is
        impossible.
        """
        ...

    def inputs(self) -> list[InputFile]: ...


def dead(error: Exception, where: str, *, trace: bool = False) -> Dead:
    """The exception as a dead letter; `trace` where the exception came from code that is not ours."""
    text = "".join(traceback.format_exception(error)) if trace else ""
    return Dead(error=type(error).__name__, message=printable(str(error)), traceback=text, where=printable(where))


def printable(text: str) -> str:
    """The text with its lone surrogates, which nothing can store, as `\\udcb0`."""
    return text.encode(errors="backslashreplace").decode()


def as_tuple(paths: Paths) -> tuple[str, ...]:
    return (paths,) if isinstance(paths, str) else tuple(paths)


def basename(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1]


def has_glob(path: str) -> bool:
    return any(sign in path for sign in "*?[")


class Found(NamedTuple):
    """The files that a source reads, and how many more lie in its folders."""

    files: list[str]
    others: int

    def shards(self, cut: Callable[[str], list[Shard]] = lambda path: [Shard(path)]) -> list[Shard]:
        first, *rest = (shard for path in self.files for shard in cut(path))
        return [replace(first, others=self.others), *rest]


def told_others(shard: Shard) -> Iterator[PassedOver]:
    """What a source that takes folders says at the end of each shard."""
    if shard.others:
        yield PassedOver("other file", shard.others)


def expand(paths: Paths, wanted: Callable[[str], bool], what: str) -> Found:
    """The files that `paths` (files, folders, globs; any fsspec address) name, sorted, each once.

    `wanted` chooses by name inside a folder; a file or a glob is taken at its word.
    """
    found: set[str] = set()
    seen: set[str] = set()
    for path in as_tuple(paths):
        files, others = _expand_one(path, wanted)
        seen.update(others)
        if not files:
            raise UsageError(
                f"No {what} found at '{path}'. "
                + ("The pattern matches no file." if has_glob(path) else "The folder holds none.")
                + " Correct the path in the recipe, or fetch the files first."
            )
        found.update(files)
    if not found:
        raise UsageError(f"The source names no path. Give at least one file, folder or pattern of {what}.")
    return Found(sorted(found), len(seen - found))


def _expand_one(path: str, wanted: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """The files, and the other ones of a folder."""
    try:
        fs, root = url_to_fs(path)
    except (ValueError, ImportError) as error:
        raise UsageError(f"'{path}' is no address that can be read: {error}.") from error
    others: list[str] = []
    if fs.exists(root):
        within = fs.find(root) if fs.isdir(root) else []
        files = [name for name in within if wanted(basename(name))] if fs.isdir(root) else [root]
        others = [name for name in within if not wanted(basename(name))]
    elif has_glob(root):
        files = [name for name in fs.glob(root) if fs.isfile(name)]
    else:
        raise UsageError(f"There is nothing at '{path}'. Correct the path in the recipe, or fetch the file first.")
    return [_address(fs, str(name)) for name in files], [_address(fs, str(name)) for name in others]


def _address(fs: Any, path: str) -> str:
    if not isinstance(fs, LocalFileSystem):
        return str(fs.unstrip_protocol(path))
    if printable(path) == path:
        return path
    return "escaped://" + re.sub("[\udc80-\udcff%]", lambda sign: f"%{ord(sign[0]) & 0xFF:02X}", path)


def input_files(paths: list[str]) -> list[InputFile]:
    """Size and modification mark of each file."""
    return [_input_file(path) for path in paths]


def _input_file(path: str) -> InputFile:
    fs, root = url_to_fs(path)
    info = fs.info(root)
    if isinstance(fs, LocalFileSystem):
        return InputFile(path, int(info["size"]), str(os.stat(root).st_mtime_ns))
    marks = ("ETag", "etag", "LastModified", "last_modified", "updated", "mtime", "created")
    mark = next((str(info[key]) for key in marks if info.get(key)), "")
    return InputFile(path, int(info.get("size") or 0), mark)


def file_size(path: str) -> int:
    fs, root = url_to_fs(path)
    return int(fs.size(root) or 0)


def open_bytes(path: str, compression: str | None = None) -> IO[bytes]:
    """The file opened for reading; `compression="infer"` unpacks .gz, .zst, .xz and .bz2 on the way.

    A packed file that is damaged or cut off raises one of `damage_types()` when it is read.
    """
    if compression == "infer":
        compression = get_compression(path, "infer")
    if compression == "zstd":
        return cast("IO[bytes]", io.BufferedReader(Zstd(path), MIB))
    return cast("IO[bytes]", fsspec.open(path, "rb", compression=compression).open())


class Zstd(io.RawIOBase):
    """Unpacks a .zst file. zstandard's own reader takes a file that is cut off for one that ends.

    All that precedes damage is given before it is raised (a BufferedReader around this loses what it holds then).
    """

    def __init__(self, path: str) -> None:
        import zstandard

        self._file = open_bytes(path)
        self._frames = zstandard.ZstdDecompressor()
        self._frame: Any = None
        self._packed = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._ready:
            self._packed = self._packed or self._file.read(ZSTD_PIECE)
            if not self._packed and self._frame is None:
                return 0
            if not self._packed:
                raise EOFError("the file ends within a zstd frame")
            self._unpack()
        size = min(len(target), len(self._ready))
        target[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _unpack(self) -> None:
        """One frame at most, so that the damage of the next one costs it nothing."""
        self._frame = self._frame or self._frames.decompressobj()
        self._ready = memoryview(self._frame.decompress(self._packed))
        self._packed = self._frame.unused_data if self._frame.eof else b""
        self._frame = None if self._frame.eof else self._frame

    def close(self) -> None:
        self._file.close()
        super().close()


def damage_types() -> tuple[type[Exception], ...]:
    """What the unpackers raise. OSError is among them, so each must go through `raise_unless_damage`."""
    return (OSError, *_DAMAGE, *zstd_damage())


def zstd_damage() -> tuple[type[Exception], ...]:
    """What `Zstd` raises."""
    try:
        import zstandard
    except ImportError:
        return (EOFError,)
    return (EOFError, zstandard.ZstdError)


def raise_unless_damage(error: Exception) -> None:
    """The unpackers report damage as an OSError without a number; one with a number is the disk."""
    if isinstance(error, io.UnsupportedOperation) or (isinstance(error, OSError) and error.errno is not None):
        raise error
