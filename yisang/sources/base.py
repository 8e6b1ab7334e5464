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
import traceback
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, Protocol, cast, runtime_checkable

import fsspec
from fsspec.core import get_compression, url_to_fs
from fsspec.implementations.local import LocalFileSystem

from yisang.errors import UsageError
from yisang.records import Dead, Drop, Record

MIB = 1 << 20
CHUNK = 1 << 16

_DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError)

Paths = str | tuple[str, ...]


@dataclass(frozen=True)
class Shard:
    """What one worker reads at a time: a file, or the bytes (or part numbers) `start` to `stop` of it."""

    path: str
    start: int = 0
    stop: int | None = None


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
    return Dead(error=type(error).__name__, message=str(error), traceback=text, where=where)


def as_tuple(paths: Paths) -> tuple[str, ...]:
    return (paths,) if isinstance(paths, str) else tuple(paths)


def basename(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1]


def has_glob(path: str) -> bool:
    return any(sign in path for sign in "*?[")


def expand(paths: Paths, wanted: Callable[[str], bool], what: str) -> list[str]:
    """The files that `paths` (files, folders, globs; any fsspec address) name, sorted, each once.

    `wanted` chooses by name inside a folder; a file or a glob is taken at its word.
    """
    found: set[str] = set()
    for path in as_tuple(paths):
        files = _expand_one(path, wanted)
        if not files:
            raise UsageError(
                f"No {what} found at '{path}'. "
                + ("The pattern matches no file." if has_glob(path) else "The folder holds none.")
                + " Correct the path in the recipe, or fetch the files first."
            )
        found.update(files)
    if not found:
        raise UsageError(f"The source names no path. Give at least one file, folder or pattern of {what}.")
    return sorted(found)


def _expand_one(path: str, wanted: Callable[[str], bool]) -> list[str]:
    try:
        fs, root = url_to_fs(path)
    except (ValueError, ImportError) as error:
        raise UsageError(f"'{path}' is no address that can be read: {error}.") from error
    if fs.exists(root):
        files = [name for name in fs.find(root) if wanted(basename(name))] if fs.isdir(root) else [root]
    elif has_glob(root):
        files = [name for name in fs.glob(root) if fs.isfile(name)]
    else:
        raise UsageError(f"There is nothing at '{path}'. Correct the path in the recipe, or fetch the file first.")
    return [_address(fs, str(name)) for name in files]


def _address(fs: Any, path: str) -> str:
    return path if isinstance(fs, LocalFileSystem) else str(fs.unstrip_protocol(path))


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
        raw = cast("IO[bytes]", fsspec.open(path, "rb", compression=None).open())
        return cast("IO[bytes]", io.BufferedReader(_Zstd(raw), MIB))
    return cast("IO[bytes]", fsspec.open(path, "rb", compression=compression).open())


class _Zstd(io.RawIOBase):
    """Unpacks a .zst file. zstandard's own reader takes a file that is cut off for one that ends."""

    def __init__(self, file: IO[bytes]) -> None:
        import zstandard

        self._file = file
        self._frames = zstandard.ZstdDecompressor()
        self._frame: Any = None
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._ready:
            data = self._file.read(CHUNK)
            if not data and self._frame is None:
                return 0
            if not data:
                raise EOFError("the file ends within a zstd frame")
            self._ready = self._unpack(data)
        size = min(len(target), len(self._ready))
        target[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _unpack(self, data: bytes) -> bytes:
        parts: list[bytes] = []
        while data:
            self._frame = self._frame or self._frames.decompressobj()
            parts.append(self._frame.decompress(data))
            data = self._frame.unused_data if self._frame.eof else b""
            self._frame = None if self._frame.eof else self._frame
        return b"".join(parts)

    def close(self) -> None:
        self._file.close()
        super().close()


def damage_types() -> tuple[type[Exception], ...]:
    """What the unpackers raise. OSError is among them, so each must go through `raise_unless_damage`."""
    try:
        import zstandard
    except ImportError:
        return (OSError, *_DAMAGE)
    return (OSError, *_DAMAGE, zstandard.ZstdError)


def raise_unless_damage(error: Exception) -> None:
    """The unpackers report damage as an OSError without a number; one with a number is the disk."""
    if isinstance(error, io.UnsupportedOperation) or (isinstance(error, OSError) and error.errno is not None):
        raise error
