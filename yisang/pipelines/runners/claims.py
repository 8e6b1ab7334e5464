"""Who does which shard, where several machines work on one run: claims in the run folder, which they all see.

A claim is a file that only one can create. Its holder touches it while it works; one that nobody has touched for a while was left
by a machine that is gone, and another takes it over. Times are those of the shared file system, as clocks of machines differ.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from yisang.storage import TEMPORARY, explained

CLAIMS = "claims"
"""The folder of a run for them. Not the one for work, which goes away with its leader: who works on when the next one comes keeps
what it has claimed."""
BEAT = 10.0
"""Seconds between two touches."""
LOOK = 0.5
"""Seconds between two looks into the run folder."""
TRIES = 10
STALE = 120.0
"""Seconds after which an untouched claim is nobody's. File systems that are shared may tell of a change half a minute late."""


class Lease:
    """A file that this process touches until the block ends, and then removes."""

    def __init__(self, path: Path, beat: float = BEAT):
        self._path, self._beat = path, beat
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._touch, name=f"lease {path.name}", daemon=True)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def _touch(self) -> None:
        while not self._over.wait(self._beat):
            with contextlib.suppress(OSError):  # the folder may be gone with the run; a full disk is told by the shard
                os.utime(self._path)

    def __exit__(self, *failure: object) -> None:
        self._over.set()
        self._thread.join()
        self._path.unlink(missing_ok=True)


def signature() -> str:
    return f"{os.uname().nodename}:{os.getpid()}"


def claim(folder: Path, name: str, *, stale: float = STALE, beat: float = BEAT) -> Lease | None:
    """The lease of `name`, if nobody else holds it; to be entered at once.

    A claim's file has a number. A stale one is neither removed nor replaced, since of two that find it stale the slower one might
    so take the other's: whoever creates the file of the next number has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers = [int(path.suffix[1:]) for path in held(folder) if path.stem == name]
    number = max(numbers, default=-1)
    if number >= 0:
        age = age_of(folder / f"{name}.{number}")
        if age is None or age < stale:  # None: it was given back just now
            return None
    path = folder / f"{name}.{number + 1}"
    try:
        with open(path, "x") as file:
            file.write(signature())
    except (FileExistsError, FileNotFoundError):  # another was faster; or the run is over, and the folder gone
        return None
    return Lease(path, beat)


def await_leavers(folder: Path, say: Callable[[str], None], *, stale: float = STALE) -> None:
    """Waits until nobody holds a claim in a folder: members of a leader that is gone, which end within seconds."""
    told = False
    while any((age := age_of(path)) is not None and age < stale for path in held(folder)):
        if not told:
            say("waiting for machines that still work for the run that was stopped")
            told = True
        time.sleep(LOOK)


def held(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def age_of(path: Path) -> float | None:
    """Seconds since a file was touched, by the file system's own clock; None where there is no such file."""
    # In the run's own folder, which stays; those of claims and of work are removed when it ends.
    probe = path.parent.parent / f"{TEMPORARY}{signature()}.{threading.get_ident()}"
    try:
        touched = path.stat().st_mtime
        probe.touch()
        return probe.stat().st_mtime - touched
    except FileNotFoundError:
        return None
    finally:
        probe.unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Removes a folder of which others may just be creating or removing files."""
    for _ in range(TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(LOOK)
    with explained(str(folder)):
        shutil.rmtree(folder)
