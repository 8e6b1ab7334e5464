"""Segments of an answer store: files of lines `crc32 json`, one answer each, that are only ever appended to."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import secrets
import zlib
from pathlib import Path

import msgspec

from yisang.storage import sync_folder
from yisang.teachers.generation import Generation

_encoder = msgspec.json.Encoder(order="deterministic")


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One stored answer. `at` (UTC) is for people; nothing is decided by it.

    The request is not repeated here, its digest is the key: a question's text would stand in the store once for each
    of its samples. prompt: the id of the prompt that it was first asked for, by which `yisang purge` finds it; "" in stores of before.
    """

    key: str
    model: str
    revision: str
    sample: int
    at: str
    generation: Generation
    prompt: str = ""


class _Head(msgspec.Struct):
    key: str


read_answer = msgspec.json.Decoder(Answer).decode
_read_head = msgspec.json.Decoder(_Head).decode


class Places:
    """Where the answers of one segment stand: the first quarter of the key, start and length of each, in 20 bytes."""

    __slots__ = ("end", "keys", "lengths", "starts")

    def __init__(self) -> None:
        self.keys = array.array("Q")
        self.starts = array.array("Q")
        self.lengths = array.array("I")
        self.end = 0


class Segment:
    """A segment that this process appends to. The lock tells others that its writer lives."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._file = _locked_file(folder)
        self._end = 0
        self._unsynced = 0
        self._named = False
        self.broken = False

    def append(self, line: bytes, sync_every: int) -> None:
        done = 0
        try:
            while done < len(line):  # once, unless the disk fills up on the way
                done += os.write(self._file, line[done:])
        except OSError:
            try:
                os.ftruncate(self._file, self._end)
            except OSError:
                self.broken = True  # its torn tail stays; the next answer goes into a new segment
            raise
        self._end += len(line)
        self._unsynced += 1
        if self._unsynced >= sync_every:
            self.sync()

    def sync(self) -> None:
        if self._unsynced:
            os.fsync(self._file)
            self._unsynced = 0
            if not self._named:
                sync_folder(self._folder)
                sync_folder(self._folder.parent)
                self._named = True

    def abandon(self) -> None:
        """Closes the file, and with it the lock, unless a process we were forked from still holds it."""
        with contextlib.suppress(OSError):
            os.close(self._file)


def _locked_file(folder: Path) -> int:
    """A new segment, open for appending, whose lock we have.

    Between its making and its lock `upkeep.compact` may take an empty segment for a dead writer's and remove it; then another one is
    made, since what is appended to a removed file is nowhere.
    """
    while True:
        path = folder / f"{secrets.token_hex(12)}.seg"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            # flock, not lockf: a lockf lock is lost as soon as any reader in this process closes the same file.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file).st_nlink:
                return file
        except BlockingIOError:
            pass  # somebody else has the lock already
        except OSError:
            os.close(file)
            raise
        os.close(file)


def line_of(answer: Answer) -> bytes:
    data = _encoder.encode(answer)
    return b"%08x %b\n" % (zlib.crc32(data), data)


def head_of(line: bytes) -> _Head | None:
    """The head of a whole line, or None for a damaged one."""
    data = line[9:-1]
    try:
        if line[8:9] != b" " or not line.endswith(b"\n") or int(line[:8], 16) != zlib.crc32(data):
            return None
        head = _read_head(data)
        int(head.key[:16], 16)
        return head
    except (ValueError, msgspec.DecodeError):
        return None


def take_smaller(found: dict[str, bytes], key: str, line: bytes) -> None:
    """Of two answers to one request every reader takes the same: the one whose line (checksum first) sorts first."""
    if key not in found or line < found[key]:
        found[key] = line


def cut_torn_tail(path: str) -> None:
    """Cuts the half-written last line off a segment whose writer is dead. Leaves one alone whose writer lives, or
    that may not be written: readers pass over the tail anyway."""
    with contextlib.suppress(OSError), open(path, "rb+") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        end = size = file.seek(0, os.SEEK_END)
        keep = 0
        while end > 0:
            start = max(0, end - (1 << 16))
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                keep = start + newline + 1
                break
            end = start
        if keep < size:
            file.truncate(keep)
            os.fsync(file.fileno())
