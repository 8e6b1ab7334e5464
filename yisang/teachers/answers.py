"""The answer store: every answer a teacher ever gave, found again by what was asked.

The key is the canonical full request + the declared revision + the sample number, never an address or an engine. So a
changed setting never finds an old answer, and a moved server finds all of them.

    store.json             schema version, length of the prefixes
    <prefix>/<random>.seg  lines `crc32 json`; the prefix is the first hex digit of the keys in it
    any/<random>.seg       the same with keys of every prefix (object stores: one object for each flush)

Local: each writer has segments of its own and holds a lock on each while it lives; an answer is in the file, safe from
a kill, when `put` returns, and on the device (fsync) after every 64 and at the end. A half-written last line is what a
killed writer leaves: readers pass over it, and the next one that gets the dead writer's lock cuts it off. Object
stores: answers are held until `flush` puts them as one object, in one folder for all prefixes: cut by prefix it would
be sixteen small ones. Nothing is ever changed in place, so any number of writers and readers may share a store.

An instance keeps 20 bytes per stored answer in memory (where it stands), so a lookup reads only what it returns.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import functools
import hashlib
import json
import logging
import os
import posixpath
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np

from yisang.errors import UsageError
from yisang.storage import Folder, StorageError, explained
from yisang.teachers.generation import Generation
from yisang.teachers.segments import Answer, Places, Segment, cut_torn_tail, head_of, line_of, read_answer, take_smaller

SCHEMA = 1
PREFIX = 1
ANY = "any"
SYNC_EVERY = 64
BUFFER = 256
RELISTED = 20
"""Times that a folder is listed at most while another process compacts it."""

_log = logging.getLogger(__name__)


# One encoder for all, as json.dumps makes a new one for each text.
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def answer_key(body: Mapping[str, Any], revision: str, sample: int) -> str:
    """SHA-256 over the canonical JSON (sorted keys, compact, UTF-8) of request, revision and sample number."""
    whole = {"request": body, "revision": revision, "sample": sample}
    text = _canonical(whole)
    # A lone surrogate has no UTF-8, yet it must have a key: its request is rejected later, with words.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def new_answer(key: str, model: str, revision: str, sample: int, generation: Generation, prompt: str = "") -> Answer:
    now = _written_out(int(time.time()))
    return Answer(key=key, model=model, revision=revision, sample=sample, at=now, generation=generation, prompt=prompt)


@functools.lru_cache(maxsize=1)
def _written_out(second: int) -> str:
    return datetime.datetime.fromtimestamp(second, datetime.UTC).isoformat()


class AnswerStore:
    """Answers at any fsspec address. One object may be used by several threads, and is passed on by address.

    problems: the damaged places found so far, one sentence each. Their answers count as not there.
    """

    def __init__(self, address: str | os.PathLike[str], *, buffer: int = BUFFER, sync_every: int = SYNC_EVERY):
        self._folder = Folder(address)
        self._buffer_size = buffer
        self._sync_every = sync_every
        self.problems: list[str] = []
        self._writing = threading.Lock()  # the segments and the buffer
        self._flushing = threading.Lock()  # one object at a time
        self._reading = threading.Lock()  # the index
        self._owner = os.getpid()
        self._segments: dict[str, Segment] = {}
        self._index: dict[str, Places] = {}
        self._held: list[Answer] = []
        self._sending: list[Answer] = []
        self._put = 0
        self._durable = 0
        self._prefix = self._read_settings()

    def __repr__(self) -> str:
        return f"AnswerStore({self.address!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, (self.address, self._buffer_size, self._sync_every)

    def __enter__(self) -> AnswerStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def address(self) -> str:
        return str(self._folder.address)

    @property
    def folder(self) -> Folder:
        return self._folder

    @property
    def prefix(self) -> int:
        """Hex digits by which keys are put into folders."""
        return self._prefix

    @property
    def durable(self) -> int:
        """How many of the answers put through this object survive a kill; `put` returns the number of each."""
        return self._put if self._folder.local else self._durable

    @property
    def full(self) -> bool:
        """Whether enough answers are held for an object of their own."""
        return len(self._held) >= self._buffer_size

    @property
    def held(self) -> int:
        """How many answers wait to be put as an object."""
        return len(self._held)

    def number_of(self, key: str) -> int:
        """A number from which on an answer that was found is durable, 0 where it is already (see `durable`)."""
        if self._folder.local:
            return 0
        with self._writing:
            return self._put if any(answer.key == key for answer in (*self._held, *self._sending)) else 0

    # Reading

    def get_many(self, keys: Iterable[str]) -> dict[str, Answer]:
        """The stored answers among `keys`, those of other writers so far included.

        Where two writers stored the same key, every reader takes the one whose line sorts first.
        """
        wanted = set(keys)
        found: dict[str, bytes] = {}
        with self._writing:
            own = [answer for answer in (*self._held, *self._sending) if answer.key in wanted]
        for answer in own:
            take_smaller(found, answer.key, line_of(answer))
        with self._reading:
            self._read_settings()
            for folder in self._folders(wanted):
                for answer, line in self._looked_up(folder, wanted):
                    if answer.key in wanted:
                        take_smaller(found, answer.key, line)
        return {key: read_answer(line[9:-1]) for key, line in found.items()}

    def _folders(self, wanted: set[str]) -> list[str]:
        """Where answers to `wanted` may stand."""
        folders = {key[: self._prefix] for key in wanted} | ({ANY} if wanted else set())
        if wanted and not self._folder.local:
            # Asked about one by one, sixteen folders that are not there would be what a look-up mostly waits for.
            folders &= set(self._folder.names())
        return sorted(folders)

    def _looked_up(self, folder: str, wanted: set[str]) -> list[tuple[Answer, bytes]]:
        for _ in range(RELISTED):
            try:
                self._refresh(folder)
                return list(self._lines(folder, wanted))
            except FileNotFoundError:  # `compact` has just put its lines into another segment: list them anew
                continue
        raise StorageError(
            f"Segments of {posixpath.join(self.address, folder)} vanish as fast as they are listed. Wait until whatever removes "
            "them is done, and run the same command again."
        )

    def segments(self) -> list[str]:
        """The names of all segments, those of other writers included."""
        with self._reading:
            self._read_settings()
        folders = [name for name in self._folder.names() if name == ANY or _is_prefix(name, self._prefix)]
        return [
            f"{folder}/{name}"
            for folder in folders
            for name in (self._folder / folder).names()
            if name.endswith(".seg")
        ]

    def _refresh(self, folder: str) -> None:
        """Indexes what has come into a folder since the last time."""
        names = [f"{folder}/{name}" for name in (self._folder / folder).names() if name.endswith(".seg")]
        known = {name for name in self._index if name.startswith(f"{folder}/")}
        for gone in known.difference(names):
            del self._index[gone]
        for name in names:
            places = self._index.setdefault(name, Places())
            if not self._folder.local:
                if not places.end:
                    self._scan(name, places, iter(self._folder.read_bytes(name).splitlines(keepends=True)))
                continue
            path = self._folder.path(name)
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < places.end:  # somebody has cut it: nothing known about it holds
                    places = self._index[name] = Places()
                if size > places.end:
                    file.seek(places.end)
                    if self._scan(name, places, file):
                        cut_torn_tail(path)

    def _scan(self, name: str, places: Places, lines: Iterator[bytes] | IO[bytes]) -> bool:
        """Indexes the lines from places.end on. True if the last one is torn."""
        for line in lines:
            if not line.endswith(b"\n"):
                return True
            head = head_of(line)
            if head is None:
                self._damaged(name, places.end)
            else:
                places.keys.append(int(head.key[:16], 16))
                places.starts.append(places.end)
                places.lengths.append(len(line))
            places.end += len(line)
        return False

    def _lines(self, folder: str, wanted: set[str]) -> Iterator[tuple[Answer, bytes]]:
        """The stored answers of `wanted` in a folder, with their lines (a rare stranger too: see Places.keys)."""
        names = sorted(name for name in self._index if name.startswith(f"{folder}/"))
        if not names:
            return
        here = wanted if folder == ANY else [key for key in wanted if key.startswith(folder)]
        halves = np.array(sorted({int(key[:16], 16) for key in here}), dtype=np.uint64)
        for name in names:
            places = self._index[name]
            # Not in Python, which would take a second for some millions of answers, for each look-up.
            hits = np.flatnonzero(np.isin(np.frombuffer(places.keys, dtype=np.uint64), halves))
            spans = [(places.starts[i], places.starts[i] + places.lengths[i]) for i in hits]
            if not spans:
                continue
            path = self._folder.path(name)
            lines: Iterable[bytes]
            if self._folder.local:
                with open(path, "rb") as file:
                    lines = [os.pread(file.fileno(), stop - start, start) for start, stop in spans]
            else:
                starts, stops = [start for start, _ in spans], [stop for _, stop in spans]
                lines = self._folder.fs.cat_ranges([path] * len(spans), starts, stops, on_error="raise")
            for (start, _), line in zip(spans, lines, strict=True):
                line = bytes(line)
                answer = None
                if head_of(line) is not None:
                    with contextlib.suppress(msgspec.DecodeError):
                        answer = read_answer(line[9:-1])
                if answer is None:
                    self._damaged(name, start)
                else:
                    yield answer, line

    def _damaged(self, name: str, start: int) -> None:
        words = (
            f"{posixpath.join(self.address, name)}: the line at byte {start} is damaged; its answer counts as not "
            "there and will be asked for again."
        )
        if words not in self.problems:
            self.problems.append(words)
            _log.warning("%s", words)

    def _read_settings(self) -> int:
        """The prefix length of the store; refuses one that a newer yisang wrote."""
        if not self._folder.exists("store.json"):
            return PREFIX
        where = posixpath.join(self.address, "store.json")
        try:
            settings = json.loads(self._folder.read_bytes("store.json"))
            schema, prefix = int(settings["schema"]), int(settings["prefix"])
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{where} does not describe an answer store. Give --answers the folder of one, or a new folder."
            ) from error
        if schema > SCHEMA:
            raise UsageError(
                f"{where} was written with schema {schema}, this yisang reads up to {SCHEMA}. Use a newer yisang, or "
                "give --answers another folder."
            )
        self._prefix = prefix
        return prefix

    # Writing

    def put(self, key: str, answer: Answer) -> int:
        """Stores an answer, and returns its number among the answers of this object (see `durable`).

        Local: it is safe from a kill when this returns. Object stores: after the next `flush`.
        """
        if key != answer.key:
            raise ValueError(f"the answer of {answer.key} was put under {key}")
        with self._writing:
            self._create()
            if self._folder.local:
                self._append(answer)
            else:
                self._held.append(answer)
            self._put += 1
            return self._put

    def _create(self) -> None:
        if self._owner != os.getpid():
            # A forked child shares the parent's file positions and locks: it writes segments of its own.
            for segment in self._segments.values():
                segment.abandon()
            self._segments, self._held, self._owner = {}, [], os.getpid()
        if self._put == 0 and not self._folder.exists("store.json"):
            settings = {"schema": SCHEMA, "prefix": self._prefix}
            self._folder.write_bytes("store.json", json.dumps(settings).encode() + b"\n")

    def _append(self, answer: Answer) -> None:
        prefix = answer.key[: self._prefix]
        where = posixpath.join(self.address, prefix)
        with explained(where):
            segment = self._segments.get(prefix)
            if segment is None:
                segment = self._segments[prefix] = Segment(Path(self._folder.path(prefix)))
            try:
                segment.append(line_of(answer), self._sync_every)
            except OSError:
                if segment.broken:
                    segment.abandon()
                    del self._segments[prefix]
                raise

    def check_writable(self) -> None:
        """Makes the store, if there is none yet. Raises UsageError where it cannot be written."""
        try:
            with self._writing:
                self._create()
            if self._folder.local and not os.access(self._folder.root, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except (OSError, StorageError) as error:
            raise UsageError(
                f"Answers cannot be kept in {self.address}: {error}. Choose another place with --answers."
            ) from error

    def flush(self) -> None:
        """Object stores: puts the held answers as one object. Local: waits until all is on the device."""
        if self._folder.local:
            with self._writing:
                for prefix, segment in self._segments.items():
                    with explained(posixpath.join(self.address, prefix)):
                        segment.sync()
            return
        with self._flushing:
            with self._writing:
                if not self._held:
                    return
                self._sending, self._held = self._held, []
                upto = self._put
            # Outside of the lock: others put and read on while the object travels.
            name = f"{ANY}/{secrets.token_hex(12)}.seg"
            try:
                with explained(posixpath.join(self.address, name)):
                    self._folder.write_bytes(name, b"".join(line_of(answer) for answer in self._sending))
            except BaseException:
                with self._writing:
                    self._held, self._sending = self._sending + self._held, []
                raise
            with self._writing:
                self._sending = []
                self._durable = upto

    def close(self) -> None:
        """Makes all answers durable and lets go of the segments. The object may be used on."""
        self.flush()
        with self._writing:
            for segment in self._segments.values():
                segment.abandon()
            self._segments = {}


def _is_prefix(name: str, length: int) -> bool:
    return len(name) == length and set(name) <= set("0123456789abcdef")


def _open(address: str, buffer: int, sync_every: int) -> AnswerStore:
    return AnswerStore(address, buffer=buffer, sync_every=sync_every)
