"""A folder that holds a publication: what may be replaced, where the new one is built, and how it gets its place."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from yisang import __version__
from yisang.errors import UsageError
from yisang.records import SCHEMA_VERSION
from yisang.storage import TEMPORARY, Folder, sync_folder


class PublishedFile(msgspec.Struct, frozen=True):
    """One file of a publication; `rows` is None for what is no table."""

    path: str
    bytes: int
    rows: int | None
    sha256: str


@dataclass(frozen=True)
class Published:
    """What a publication may be replaced by: another one of the same recipe for the same purpose."""

    recipe: str
    purpose: str

    def __str__(self) -> str:
        return f"recipe {self.recipe}" if self.purpose == "sft" else f"recipe {self.recipe} for {self.purpose}"


class PublicationManifest(msgspec.Struct, frozen=True, tag_field="kind", tag="yisang-publication"):
    """The last file of a publication, `manifest.json`: its presence means that the others are there."""

    recipe: str
    version: str
    fingerprint: str
    rows: int
    private: bool
    files: tuple[PublishedFile, ...]
    purpose: str = "sft"
    """What it was published for: sft or rl."""
    yisang: str = __version__
    schema: int = SCHEMA_VERSION

    @property
    def what(self) -> Published:
        return Published(self.recipe, self.purpose)


def read_publication(path: Path) -> PublicationManifest | None:
    """The manifest of a publication, None where the file is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=PublicationManifest)
    except (OSError, msgspec.DecodeError):
        return None


def find_target(to: str, what: Published) -> Path:
    """The folder to publish to. Raises UsageError where it cannot be made, or holds anything but our own publication."""
    address = Folder(to)
    if not address.local:
        raise UsageError(
            f"--to {to} is not on this machine. Publish to a local folder and copy it, or use --repo user/name."
        )
    target = Path(address.root).resolve()
    above = next((parent for parent in target.parents if parent.exists()), target)
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise UsageError(f"--to {to}: nothing can be written to {above}. Choose another folder.")
    _check_owner(target, what)
    return target


def _check_owner(target: Path, what: Published) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise UsageError(f"--to {target} is a file. Choose a folder.")
    held = {str(path.relative_to(target)) for path in target.rglob("*") if not path.is_dir() or path.is_symlink()}
    if not held:
        return
    manifest = read_publication(target / "manifest.json")
    if manifest is None:
        raise UsageError(f"--to {target} holds other files and no publication of yisang. Choose a new or empty folder.")
    if manifest.what != what:
        raise UsageError(
            f"--to {target} holds a publication of {manifest.what}, and this is {what}. Choose another folder."
        )
    foreign = sorted(held - {file.path for file in manifest.files} - {"manifest.json"})
    if foreign:
        raise UsageError(
            f"--to {target} holds {len(foreign)} files that are no part of the publication and would be lost (the first is "
            f"{foreign[0]}). Move them away, or choose another folder."
        )


@contextlib.contextmanager
def workshop_for(target: Path | None) -> Iterator[Path]:
    """A folder to build in, with an empty `corpus`: beside the target, so that a rename moves it; without one, for temporary
    files. It goes away at the end, whatever happened; that of a killed process goes when the next one comes.
    """
    if target is None:
        with tempfile.TemporaryDirectory(prefix="yisang-publish-") as name:
            (Path(name) / "corpus").mkdir()
            yield Path(name)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    workshop = target.with_name(f"{TEMPORARY}{target.name}-{secrets.token_hex(6)}")
    with contextlib.ExitStack() as stack:
        with _locked(target.parent):
            _tidy(target)
            workshop.mkdir()
            stack.enter_context(_locked(workshop))
        try:
            (workshop / "corpus").mkdir()
            yield workshop
        finally:
            shutil.rmtree(workshop, ignore_errors=True)


def _tidy(target: Path) -> None:
    """Removes what killed processes left, and brings back what one had moved aside and not replaced."""
    aside = _aside(target)
    if aside.exists() and not target.exists():
        os.rename(aside, target)
    shutil.rmtree(aside, ignore_errors=True)
    for path in target.parent.iterdir():
        if path.name.startswith(f"{TEMPORARY}{target.name}-"):
            with contextlib.suppress(OSError), _locked(path, wait=False):
                shutil.rmtree(path)


def _aside(target: Path) -> Path:
    return target.with_name(f".replaced-{target.name}")


def put(folder: Path, target: Path, what: Published) -> None:
    """Puts a finished folder in the target's place; the old one comes back where that fails."""
    aside = _aside(target)
    with _locked(target.parent):
        _check_owner(target, what)
        if target.exists():
            os.rename(target, aside)
        try:
            os.rename(folder, target)
        except OSError:
            if aside.exists():
                os.rename(aside, target)
            raise
        sync_folder(target.parent)
        shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path, wait: bool = True) -> Iterator[None]:
    """Holds a lock on a folder, which ends with the process. Raises BlockingIOError where another has it and wait is false."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            # A file system without locks: go on, but take nobody's folder for abandoned.
            if not wait:
                raise
        yield
    finally:
        os.close(handle)
