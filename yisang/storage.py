"""Files at any fsspec address, written so that nothing half-written ever looks finished.

Local files: a temporary name, fsync, rename, fsync of the folder. Object stores: the finished PUT is the commit, so
the bytes are made locally first and sent whole (an fsspec file object that is closed by an exception would commit
what it had).
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from yisang.errors import UsageError, YisangError

T = TypeVar("T")

TEMPORARY = ".writing-"
"""Prefix of files that a writer has not finished; a reader never takes one, the next run removes them."""


class StorageError(YisangError):
    """A file could not be written: full disk, missing permission, read-only store."""


@contextlib.contextmanager
def explained(address: str) -> Iterator[None]:
    """Says in words what a failing write inside the block means for `address`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            advice = "Free some space there; what was finished before is kept, and the same command goes on from it."
            raise StorageError(f"No space left to write {address}. {advice}") from error
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            raise StorageError(
                f"May not write {address} ({error.strerror or error}). Choose another folder or change its rights."
            ) from error
        raise


class Folder:
    """A folder at an fsspec address (`out/run1`, `s3://bucket/run1`, `memory://run1`)."""

    def __init__(self, address: str | os.PathLike[str]):
        import fsspec

        text = os.fspath(address)
        self.fs: Any
        try:
            self.fs, self.root = fsspec.core.url_to_fs(text)
        except (ValueError, ImportError) as error:  # an unknown protocol, or one whose package is missing
            raise UsageError(
                f"{text} cannot be opened: {error}. Name a local folder, or install what it needs."
            ) from error
        self.local = "file" in ((self.fs.protocol,) if isinstance(self.fs.protocol, str) else self.fs.protocol)
        self.address = self.root if self.local else self.fs.unstrip_protocol(self.root)

    def __repr__(self) -> str:
        return f"Folder({self.address!r})"

    def __reduce__(self) -> tuple[type[Folder], tuple[str]]:
        return Folder, (self.address,)

    def __truediv__(self, name: str) -> Folder:
        return Folder(posixpath.join(self.address, name))

    def path(self, name: str) -> str:
        """The path of `name` inside the file system, without protocol."""
        return posixpath.join(self.root, name)

    def exists(self, name: str = "") -> bool:
        path = self.path(name) if name else self.root
        # A store that caches listings (s3fs) would hide what another process has finished since. This forgets the parents' too.
        self.fs.invalidate_cache(path)
        return bool(self.fs.exists(path))

    def size(self, name: str) -> int:
        return int(self.fs.size(self.path(name)))

    def read_bytes(self, name: str) -> bytes:
        return bytes(self.fs.cat_file(self.path(name)))

    def names(self) -> list[str]:
        """The finished files and folders here, sorted. For housekeeping; readers of data take names from manifests."""
        # Asked first: s3fs lists the folder above where one is missing, which may be large, or not ours to list.
        if not self.exists():
            return []
        found = (posixpath.basename(path.rstrip("/")) for path in self.fs.ls(self.root, detail=False))
        return sorted(name for name in found if not name.startswith(TEMPORARY))

    def write_bytes(self, name: str, data: bytes) -> None:
        with self.create(name) as path:
            path.write_bytes(data)

    @contextlib.contextmanager
    def create(self, name: str) -> Iterator[Path]:
        """A local path to write `name` to. It appears under its name when the block ends, or not at all."""
        with explained(posixpath.join(self.address, name)):
            if self.local:
                target = Path(self.path(name))
                target.parent.mkdir(parents=True, exist_ok=True)
                path = target.with_name(f"{TEMPORARY}{secrets.token_hex(6)}-{target.name}")
            else:
                target = None
                handle, temporary = tempfile.mkstemp(prefix=TEMPORARY)
                os.close(handle)
                path = Path(temporary)
            try:
                yield path
                if target is None:
                    self.fs.put_file(str(path), self.path(name))
                else:
                    sync_file(path)
                    os.replace(path, target)
                    sync_folder(target.parent)
            finally:
                path.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Removes a file, or a folder with all in it."""
        if self.exists(name):
            self.fs.rm(self.path(name), recursive=True)

    def remove_unfinished(self) -> None:
        """Removes what killed writers left behind. Only the holder of the run's lock may call this."""
        if self.local and os.path.isdir(self.root):
            for path in list(Path(self.root).rglob(f"{TEMPORARY}*")):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)


def read_json(folder: Folder, name: str, kind: type[T]) -> T:
    """A JSON file of a run as what it holds. Raises YisangError naming a file that is damaged."""
    try:
        return msgspec.json.decode(folder.read_bytes(name), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise YisangError(
            f"{folder.address}/{name} is damaged: {error}. Remove it and run the recipe into the folder again: it goes on "
            "from what is whole."
        ) from error


def sync_file(path: Path) -> None:
    """Waits until the file's bytes are on the device."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Waits until the folder's entries are on the device, so that a rename survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
