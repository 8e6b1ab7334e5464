"""Searches the bytes of all that a purge went through, packed or not, for what must not be there any more.

Left over is: a record of the target; its name in any file that is not another source's record; an id of a purged record; a passage
that only purged records had. Mentioned is: the target's name in the words of other sources (a link in somebody's page), or, in
pages and answers that no run was made of, a passage that a purged record has too. Mentions are theirs and stay.
"""

from __future__ import annotations

import gzip
import posixpath
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from yisang.errors import YisangError
from yisang.pipelines.purge_passages import Passages
from yisang.pipelines.purge_rows import column_bytes
from yisang.pipelines.purge_select import Chosen, heads
from yisang.pipelines.purge_target import Target
from yisang.pipelines.purge_warc import NAME, members
from yisang.pipelines.run import PENDING
from yisang.pipelines.table import KIND_KEY
from yisang.sources.base import MIB, open_bytes
from yisang.sources.http_body import BrokenRecord, http_response, undo_codings
from yisang.storage import Folder
from yisang.teachers.segments import head_of, read_answer

EVERY = 5.0
"""Seconds between two lines that say how far the search is."""
_OWN = ("url", "final_url")
Say = Callable[[str], None]


class Place(msgspec.Struct, frozen=True):
    """What was found in one file. record: records of the target; name, id, text: its name, purged ids, their passages."""

    path: str
    record: int = 0
    name: int = 0
    id: int = 0
    text: int = 0

    def __bool__(self) -> bool:
        return bool(self.record or self.name or self.id or self.text)


@dataclass
class Proof:
    """files, bytes: what was searched, unpacked. left: what must not be there. mentions: what others say."""

    files: int = 0
    bytes: int = 0
    left: list[Place] = field(default_factory=list)
    mentions: list[Place] = field(default_factory=list)


@dataclass
class _Found:
    record: int = 0
    name: int = 0
    id: int = 0
    text: int = 0

    def place(self, path: str) -> Place:
        return Place(path, self.record, self.name, self.id, self.text)


class Searcher:
    """One search over many places. chosen: what is purged of each run."""

    def __init__(self, target: Target, chosen: Iterable[Chosen], say: Say = lambda line: None):
        self.target, self._chosen, self._say = target, tuple(chosen), say
        self.proof = Proof()
        self._next = time.monotonic() + EVERY

    def folder(self, address: str, passages: Iterable[Passages], run: Chosen | None = None) -> None:
        """All files below a folder, or one file. run: what is purged of it, where it is a run's."""
        folder = Folder(address)
        folder.fs.invalidate_cache()
        single = folder.fs.isfile(folder.root)
        paths = [folder.root] if single else sorted(folder.fs.find(folder.root))
        base = posixpath.dirname(folder.root) if single else folder.root
        words = tuple(passages)
        for path in paths:
            inside = posixpath.relpath(path, base)
            if inside.split("/")[0] == PENDING and run is not None:
                continue
            left, mentioned = _Found(), _Found()
            left.name += self._names(inside.encode("utf-8", "surrogateescape"))
            left.id += self._ids(inside.encode("utf-8", "surrogateescape"))
            address_ = path if folder.local else folder.fs.unstrip_protocol(path)
            self._file(str(address_), words, run, left, mentioned)
            self.proof.files += 1
            if found := left.place(str(address_)):
                self.proof.left.append(found)
            if found := mentioned.place(str(address_)):
                self.proof.mentions.append(found)
            if time.monotonic() >= self._next:
                self._next = time.monotonic() + EVERY
                self._say(f"Searched {self.proof.files:,} files, {self.proof.bytes / MIB:,.0f} MiB.")

    def _file(
        self, path: str, words: tuple[Passages, ...], run: Chosen | None, left: _Found, mentioned: _Found
    ) -> None:
        with open_bytes(path) as file:
            is_table = file.read(4) == b"PAR1"
        if is_table:
            self._table(path, words, run, left, mentioned)
        elif NAME.search(path):
            self._archive(path, words, left, mentioned)
        elif path.endswith(".seg"):
            self._answers(path, words, left, mentioned)
        else:
            for data in _unpacked(path):
                self._plain(data, words, left)

    def _plain(self, data: bytes, words: tuple[Passages, ...], left: _Found) -> None:
        self.proof.bytes += len(data)
        left.name += self._names(data)
        left.id += self._ids(data)
        left.text += self._texts(data, words)

    def _table(
        self, path: str, words: tuple[Passages, ...], run: Chosen | None, left: _Found, mentioned: _Found
    ) -> None:
        with open_bytes(path) as opened:
            raw = opened.read()
        stored = self._names(raw)
        left.id += self._ids(raw)  # as statistics and dictionaries hold them
        named = 0
        with pq.ParquetFile(pa.BufferReader(raw)) as file:
            is_run = run is not None and (
                KIND_KEY in (file.schema_arrow.metadata or {}) or "record" in file.schema_arrow.names
            )
            for number in range(file.num_row_groups):
                table = file.read_row_group(number)
                if is_run:
                    left.record += sum(run.takes(head) for head in heads(table) if run is not None)
                for name, data in column_bytes(table):
                    if name in _OWN and not is_run:
                        left.record += sum(self.target.matches(value or "") for value in table.column(name).to_pylist())
                    self.proof.bytes += len(data)
                    named += self._names(data)
                    left.id += self._ids(data)
                    left.text += self._texts(data, words)
        if stored and not named:
            left.name += stored
        mentioned.name += named

    def _archive(self, path: str, words: tuple[Passages, ...], left: _Found, mentioned: _Found) -> None:
        for _, records, torn in members(path):
            for record in records:
                self.proof.bytes += len(record.head) + len(record.block)
                if record.kind == "warcinfo":
                    self._plain(record.bytes, (), left)
                    continue
                left.record += self.target.matches(record.url)
                for data in (record.head, *_readings(record.kind, record.block)):
                    mentioned.name += self._names(data)
                    mentioned.text += self._texts(data, words)
            self._plain(torn, words, left)

    def _answers(self, path: str, words: tuple[Passages, ...], left: _Found, mentioned: _Found) -> None:
        with open_bytes(path) as file:
            for line in file:
                answer = None
                if head_of(line) is not None:
                    answer = read_answer(line[9:-1])
                if answer is None or not answer.prompt or self._purged(answer.prompt):
                    self._plain(line, words, left)
                    if answer is not None:
                        left.text += self._texts(answer.generation.text.encode("utf-8", "surrogatepass"), words)
                    continue
                said = answer.generation.text.encode("utf-8", "surrogatepass")
                self.proof.bytes += len(line)
                left.id += self._ids(line)
                mentioned.name += self._names(said)
                mentioned.text += self._texts(said, words)

    def _purged(self, identifier: str) -> bool:
        return any(one.names(identifier) for one in self._chosen)

    def _names(self, data: bytes) -> int:
        return self.target.times_named_in(data)

    def _ids(self, data: bytes) -> int:
        return len(set().union(*(one.named_in(data) for one in self._chosen)))

    @staticmethod
    def _texts(data: bytes, words: tuple[Passages, ...]) -> int:
        return sum(len(one.found(data)) for one in words)


def _readings(kind: str, block: bytes) -> Iterator[bytes]:
    """A block as it is stored, and a response's body as a browser saw it."""
    yield block
    if kind == "response":
        try:
            _, headers, stored = http_response(block)
            body, _ = undo_codings(headers, stored)
        except (BrokenRecord, YisangError, zlib.error, ValueError):
            return
        if body != stored:
            yield body


def _unpacked(path: str) -> Iterator[bytes]:
    """The bytes of any other file, and what they unpack to."""
    with open_bytes(path) as file:
        raw = file.read()
    yield raw
    if raw.startswith(b"\x1f\x8b"):
        try:
            yield gzip.decompress(raw)
        except (OSError, EOFError, zlib.error):
            return
    elif raw.startswith(b"\x28\xb5\x2f\xfd"):
        import zstandard

        try:
            yield zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True).read()
        except zstandard.ZstdError:
            return
