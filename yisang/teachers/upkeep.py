"""What a person does with an answer store: look, count, export, compact, purge.

Memory holds where each line stands, some 300 bytes while a segment is read and 40 after it, and on object stores one object.
Compacting goes folder by folder: it puts what is kept into new segments, makes them durable, and only then removes the old ones.
So a kill in between leaves some answers twice, which every reader bears. A segment whose writer lives is left alone; on an object
store there are no locks, but objects are whole.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import posixpath
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from yisang.errors import UsageError
from yisang.storage import TEMPORARY, Folder, StorageError, explained
from yisang.teachers.answers import AnswerStore
from yisang.teachers.segments import Answer, head_of, read_answer

OBJECT = 64_000_000
"""Bytes of an object that `compact` puts, on an object store, at most."""
LINE = np.dtype(
    [("key", "<u8"), ("rest", "<u8"), ("crc", "<u4"), ("segment", "<u4"), ("start", "<u8"), ("length", "<u4")]
)
"""key, rest: the first half of the answer's key, which is enough to tell any two apart."""
STALE = 24 * 3600.0
"""Seconds after which an unfinished file in a store is a killed compaction's."""


@dataclass(frozen=True)
class Lines:
    """Where the whole lines of some segments stand. damaged: lines that cannot be read, by segment; torn: bytes behind the last
    whole line, of a killed writer, or of one that writes just now."""

    segments: list[str]
    places: npt.NDArray[Any]
    damaged: dict[str, int]
    torn: dict[str, int]

    def chosen(self) -> npt.NDArray[Any]:
        """One line for each key, that which every reader takes (`segments.take_smaller`), in the order of the segments."""
        order = np.lexsort([self.places[name] for name in ("start", "segment", "crc", "rest", "key")])
        ordered = self.places[order]
        first = np.ones(len(ordered), dtype=bool)
        first[1:] = (ordered["key"][1:] != ordered["key"][:-1]) | (ordered["rest"][1:] != ordered["rest"][:-1])
        found = ordered[first]
        chosen: npt.NDArray[Any] = found[np.lexsort((found["start"], found["segment"]))]
        return chosen


def lines_of(store: AnswerStore, segments: list[str]) -> Lines:
    parts: list[npt.NDArray[Any]] = []
    damaged: dict[str, int] = {}
    torn: dict[str, int] = {}
    for number, name in enumerate(segments):
        found, start = [], 0
        for line in _read(store, name):
            if not line.endswith(b"\n"):
                torn[name] = len(line)
                break
            key = _whole(line)
            if key is None:
                damaged[name] = damaged.get(name, 0) + 1
            else:
                found.append((int(key[:16], 16), int(key[16:32], 16), int(line[:8], 16), number, start, len(line)))
            start += len(line)
        parts.append(np.array(found, dtype=LINE))
    places = np.concatenate(parts) if parts else np.empty(0, dtype=LINE)
    return Lines(segments, places, damaged, torn)


def _whole(line: bytes) -> str | None:
    """The key of a line that readers take, None for any other."""
    if head_of(line) is None:
        return None
    try:
        key = read_answer(line[9:-1]).key
        int(key[16:32], 16)
        return key
    except (msgspec.DecodeError, ValueError):
        return None


@contextlib.contextmanager
def _undisturbed(store: AnswerStore) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise StorageError(
            f"{store.address} is being compacted just now: {error.filename or error} has gone. Run the same command again when that is "
            "done; nothing is lost."
        ) from error


def _read(store: AnswerStore, name: str) -> Iterator[bytes]:
    if store.folder.local:
        with open(store.folder.path(name), "rb") as file:
            yield from file
    else:
        yield from store.folder.read_bytes(name).splitlines(keepends=True)


def _bytes_of(store: AnswerStore, lines: Lines, places: npt.NDArray[Any]) -> Iterator[bytes]:
    """The lines at some places, which stand in the order of the segments."""
    cuts = np.flatnonzero(np.diff(places["segment"])) + 1
    for part in np.split(places, cuts) if len(places) else []:
        name = lines.segments[int(part["segment"][0])]
        if store.folder.local:
            with open(store.folder.path(name), "rb") as file:
                for place in part:
                    yield os.pread(file.fileno(), int(place["length"]), int(place["start"]))
        else:
            data = store.folder.read_bytes(name)
            for place in part:
                yield data[int(place["start"]) : int(place["start"]) + int(place["length"])]


@dataclass(frozen=True)
class Wanted:
    """Which answers; an empty field is all of them. before: a date or a time (UTC), as `at` is written."""

    model: str = ""
    revision: str = ""
    finish: str = ""
    before: str = ""

    def __call__(self, answer: Answer) -> bool:
        return (
            self.model in ("", answer.model)
            and self.revision in ("", answer.revision)
            and self.finish in ("", answer.generation.finish_reason)
            and (not self.before or answer.at < self.before)
        )

    def __bool__(self) -> bool:
        return any(vars(self).values())


def answers(store: AnswerStore, wanted: Wanted = Wanted()) -> Iterator[Answer]:
    """The answers of a store, each once, as a reader would get them."""
    with _undisturbed(store):
        lines = lines_of(store, store.segments())
        for line in _bytes_of(store, lines, lines.chosen()):
            answer = read_answer(line[9:-1])
            if wanted(answer):
                yield answer


class Group(msgspec.Struct, kw_only=True):
    """The answers of one model at one revision. tokens: completion tokens where the engine reported them, with how many did."""

    model: str
    revision: str
    answers: int = 0
    finish: dict[str, int] = {}
    tokens: int = 0
    with_tokens: int = 0
    first: str = ""
    last: str = ""


class Survey(msgspec.Struct, kw_only=True):
    """repeated: lines of answers that another line has too; damaged: lines that cannot be read."""

    address: str
    segments: int
    bytes: int
    lines: int
    repeated: int
    damaged: int
    torn: int
    groups: list[Group]


def survey(store: AnswerStore) -> Survey:
    """Counts what a store holds."""
    with _undisturbed(store):
        return _survey(store)


def _survey(store: AnswerStore) -> Survey:
    segments = store.segments()
    lines = lines_of(store, segments)
    chosen = lines.chosen()
    groups: dict[tuple[str, str], Group] = {}
    reasons: dict[tuple[str, str], Counter[str]] = {}
    for line in _bytes_of(store, lines, chosen):
        answer = read_answer(line[9:-1])
        key = (answer.model, answer.revision)
        group = groups.setdefault(key, Group(model=answer.model, revision=answer.revision, first=answer.at))
        reasons.setdefault(key, Counter())[answer.generation.finish_reason] += 1
        group.answers += 1
        tokens = answer.generation.usage.completion_tokens
        if tokens is not None:
            group.tokens, group.with_tokens = group.tokens + tokens, group.with_tokens + 1
        group.first, group.last = min(group.first, answer.at), max(group.last, answer.at)
    for key, counted in reasons.items():
        groups[key].finish = dict(counted.most_common())
    return Survey(
        address=store.address,
        segments=len(segments),
        bytes=sum(store.folder.size(name) for name in segments),
        lines=len(lines.places),
        repeated=len(lines.places) - len(chosen),
        damaged=sum(lines.damaged.values()),
        torn=len(lines.torn),
        groups=[groups[key] for key in sorted(groups)],
    )


class Compacted(msgspec.Struct, kw_only=True):
    """written: answers that are kept. removed: those that were not wanted any more. repeated, damaged: lines that are gone.
    busy: segments left alone, since their writers live."""

    written: int = 0
    removed: int = 0
    repeated: int = 0
    damaged: int = 0
    segments_before: int = 0
    segments_after: int = 0
    busy: list[str] = []


@dataclass
class _Held:
    """Segments of one folder whose locks we have, so that no other `compact` takes them and no writer is in them."""

    files: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)


@contextlib.contextmanager
def _holding(store: AnswerStore, segments: list[str]) -> Iterator[_Held]:
    held = _Held()
    try:
        for name in segments:
            if store.folder.local and not _hold(store.folder.path(name), held.files):
                held.busy.append(name)
            elif not store.folder.local or os.fstat(held.files[-1]).st_nlink:  # else another compact was faster
                held.names.append(name)
        yield held
    finally:
        for file in held.files:
            os.close(file)


def _hold(path: str, files: list[int]) -> bool:
    """Opens and locks a segment. False where somebody else has its lock."""
    with explained(path):
        try:
            files.append(os.open(path, os.O_RDWR | os.O_CLOEXEC))
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            raise StorageError(
                f"This process may not open as many files as a folder of this store has ({len(files):,} are open). Raise the limit "
                "(ulimit -n) and run the same command again; what is compacted stays so."
            ) from error
    try:
        fcntl.flock(files[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def compact(store: AnswerStore, remove: Callable[[Answer], bool] | None = None) -> Compacted:
    """One segment for each prefix (objects of about 64 MB on an object store) in place of many; each answer once, damaged lines
    gone. With `remove` the answers that it names are gone too.

    Runs may ask and store meanwhile. Raises UsageError where answers are to be removed from a local store that is being written
    to; what a run stores that begins after that look stays. On an object store nobody can tell: see to it that no run and no
    other compact is at work when answers are removed, or they may come back. Raises StorageError where there is no room for the new
    segments of a folder beside the old ones; what was done stays done.
    """
    folders: dict[str, list[str]] = {}
    for name in store.segments():
        folders.setdefault(name.partition("/")[0], []).append(name)
    if remove is not None:
        for segments in folders.values():
            with _undisturbed(store), _holding(store, segments) as held:
                if held.busy:
                    raise UsageError(
                        f"{store.address} is being written to ({len(held.busy)} segments). Wait until the runs that use it have "
                        "ended, or stop them; then purge."
                    )
    total = Compacted()
    for folder, segments in folders.items():
        with _undisturbed(store), _holding(store, segments) as held:
            _compact(store, folder, held, remove, total)
    return total


def _compact(
    store: AnswerStore, folder: str, held: _Held, remove: Callable[[Answer], bool] | None, total: Compacted
) -> None:
    lines = lines_of(store, held.names)
    chosen = lines.chosen()
    repeated = len(lines.places) - len(chosen)
    removed = 0
    if remove is not None:
        keep = [not remove(read_answer(line[9:-1])) for line in _bytes_of(store, lines, chosen)]
        removed = len(keep) - sum(keep)
        chosen = chosen[np.array(keep, dtype=bool)]
    if len(held.names) > 1 or repeated or removed or lines.damaged or lines.torn:
        written = _rewritten(store, folder, lines, chosen)
        for name in held.names:
            store.folder.remove(name)
    else:
        written = held.names
    if store.folder.local:
        _remove_stale(Path(store.folder.path(folder)))
    total.written += len(chosen)
    total.removed += removed
    total.repeated += repeated
    total.damaged += sum(lines.damaged.values())
    total.segments_before += len(held.names) + len(held.busy)
    total.segments_after += len(written) + len(held.busy)
    total.busy += held.busy


def _rewritten(store: AnswerStore, folder: str, lines: Lines, chosen: npt.NDArray[Any]) -> list[str]:
    """Puts lines into new segments of a folder; their names. Where that fails, none of them stays."""
    written: list[str] = []
    total = np.cumsum(chosen["length"].astype(np.uint64))
    cuts: Any = [] if store.folder.local else np.flatnonzero(np.diff(total // OBJECT)) + 1
    try:
        for piece in np.split(chosen, cuts) if len(chosen) else []:
            name = f"{folder}/{secrets.token_hex(12)}.seg"
            with store.folder.create(name) as path, open(path, "wb") as file:
                for line in _bytes_of(store, lines, piece):
                    file.write(line)
            written.append(name)
    except BaseException:
        for name in written:
            store.folder.remove(name)
        raise
    return written


def _remove_stale(folder: Path) -> None:
    """What a compaction left unfinished that was killed long ago."""
    for path in folder.glob(f"{TEMPORARY}*.seg"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > STALE:
                path.unlink()


def export(store: AnswerStore, out: str, wanted: Wanted) -> int:
    """Writes answers as JSON Lines to a new file at any address; how many. The file appears when it is whole."""
    parent, name = posixpath.split(out)
    folder = Folder(parent or ".")
    if not name or folder.exists(name):
        raise UsageError(f"{out} {'exists already' if name else 'is a folder'}. Name another file with --out.")
    count = 0
    encoder = msgspec.json.Encoder(order="deterministic")
    with folder.create(name) as path, open(path, "wb") as file:
        for answer in answers(store, wanted):
            file.write(encoder.encode(answer) + b"\n")
            count += 1
    return count


def survey_text(found: Survey) -> str:
    """A survey for people."""
    lines = [
        f"{found.address}: {found.lines - found.repeated:,} answers, {found.bytes:,} bytes in {found.segments:,} segments"
    ]
    for group in found.groups:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in group.finish.items())
        tokens = f"{group.tokens:,} tokens" + (
            "" if group.with_tokens == group.answers else f" in {group.with_tokens:,} of them"
        )
        lines.append(
            f"  {group.model} at {group.revision}: {group.answers:,} answers ({reasons}), {tokens}, {group.first[:19]} to {group.last[:19]}"
        )
    if found.repeated:
        lines.append(f"{found.repeated:,} lines say an answer again (`yisang answers compact` removes them)")
    if found.damaged:
        lines.append(f"{found.damaged:,} lines are damaged; their answers count as not there and are asked for again")
    if found.torn:
        lines.append(f"{found.torn:,} segments end in half a line: of a writer that was killed, or that is writing now")
    return "\n".join(lines)


def compacted_text(found: Compacted) -> str:
    """What `compact` did, for people."""
    gone = {"removed": found.removed, "said again": found.repeated, "damaged": found.damaged}
    told = ", ".join(f"{count:,} {what}" for what, count in gone.items() if count)
    text = f"{found.segments_before:,} segments → {found.segments_after:,}: {found.written:,} answers kept" + (
        f"; gone: {told}" if told else ""
    )
    return text + (f". {len(found.busy):,} segments were left alone: a run writes to them." if found.busy else "")
