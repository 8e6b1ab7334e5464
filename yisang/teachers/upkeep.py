"""What a person does with an answer store: look, count, export, compact, purge.

An index of 28 bytes for each stored line is all that is held in memory. Compacting puts what is kept into new segments, makes
them durable, and only then removes the old ones: a kill in between leaves some answers twice, which every reader bears. A segment
whose writer lives is left alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from yisang.errors import UsageError
from yisang.teachers.answers import ANY, AnswerStore
from yisang.teachers.segments import Answer, head_of, read_answer

OBJECT = 64_000_000
"""Bytes of an object that `compact` puts, on an object store, at most."""
LINE = np.dtype([("key", "<u8"), ("crc", "<u4"), ("segment", "<u4"), ("start", "<u8"), ("length", "<u4")])


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
        order = np.lexsort((self.places["start"], self.places["segment"], self.places["crc"], self.places["key"]))
        ordered = self.places[order]
        first = np.ones(len(ordered), dtype=bool)
        first[1:] = ordered["key"][1:] != ordered["key"][:-1]
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
            head = head_of(line)
            if head is None:
                damaged[name] = damaged.get(name, 0) + 1
            else:
                found.append((int(head.key[:16], 16), int(line[:8], 16), number, start, len(line)))
            start += len(line)
        parts.append(np.array(found, dtype=LINE))
    places = np.concatenate(parts) if parts else np.empty(0, dtype=LINE)
    return Lines(segments, places, damaged, torn)


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

    written: int
    removed: int
    repeated: int
    damaged: int
    segments_before: int
    segments_after: int
    busy: list[str]


@dataclass
class _Held:
    """Segments whose locks we have, so that no other `compact` takes them and no writer is in them."""

    files: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)


@contextlib.contextmanager
def _holding(store: AnswerStore) -> Iterator[_Held]:
    held = _Held()
    try:
        for name in store.segments():
            if store.folder.local:
                try:
                    file = os.open(store.folder.path(name), os.O_RDWR | os.O_CLOEXEC)
                except FileNotFoundError:  # another compact was faster
                    continue
                held.files.append(file)
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    held.busy.append(name)
                    continue
                if os.fstat(file).st_nlink == 0:
                    continue
            held.names.append(name)
        yield held
    finally:
        for file in held.files:
            os.close(file)


def compact(store: AnswerStore, remove: Callable[[Answer], bool] | None = None) -> Compacted:
    """One segment for each prefix (objects of at most 64 MB on an object store) in place of many; each answer once, damaged lines
    gone. With `remove` the answers that it names are gone too.

    Runs may ask and store meanwhile. Raises UsageError where answers are to be removed from a store that is being written to,
    since they may come back, and StorageError where there is no room for the new segments beside the old ones.
    """
    with _holding(store) as held:
        if remove is not None and held.busy:
            raise UsageError(
                f"{store.address} is being written to ({len(held.busy)} segments). Wait until the runs that use it have ended, or "
                "stop them; then purge."
            )
        lines = lines_of(store, held.names)
        chosen = lines.chosen()
        removed = 0
        if remove is not None:
            keep = [not remove(read_answer(line[9:-1])) for line in _bytes_of(store, lines, chosen)]
            removed = len(keep) - sum(keep)
            chosen = chosen[np.array(keep, dtype=bool)]
        written = _rewritten(store, lines, chosen)
        for name in held.names:
            store.folder.remove(name)
    return Compacted(
        written=len(chosen),
        removed=removed,
        repeated=len(lines.places) - len(chosen) - removed,
        damaged=sum(lines.damaged.values()),
        segments_before=len(held.names) + len(held.busy),
        segments_after=len(written) + len(held.busy),
        busy=held.busy,
    )


def _rewritten(store: AnswerStore, lines: Lines, chosen: npt.NDArray[Any]) -> list[str]:
    """Puts lines into new segments; their names."""
    written = []
    shift = np.uint64(64 - 4 * store.prefix)
    for number in range(16**store.prefix) if store.folder.local else (0,):
        part = chosen[chosen["key"] >> shift == number] if store.folder.local else chosen
        total = np.cumsum(part["length"].astype(np.uint64))
        cuts: Any = np.flatnonzero(np.diff(total // OBJECT)) + 1 if not store.folder.local else []
        for piece in np.split(part, cuts) if len(part) else []:
            folder = f"{number:0{store.prefix}x}" if store.folder.local else ANY
            name = f"{folder}/{secrets.token_hex(12)}.seg"
            with store.folder.create(name) as path, open(path, "wb") as file:
                for line in _bytes_of(store, lines, piece):
                    file.write(line)
            written.append(name)
    return written


def export(store: AnswerStore, out: Path, wanted: Wanted) -> int:
    """Writes answers as JSON Lines to a new file; how many. The file appears when it is whole."""
    from yisang.storage import Folder

    if out.exists():
        raise UsageError(f"{out} exists already. Name another file with --out.")
    count = 0
    encoder = msgspec.json.Encoder(order="deterministic")
    with Folder(out.parent).create(out.name) as path, open(path, "wb") as file:
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
