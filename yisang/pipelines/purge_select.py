"""Which records of a run a purge takes: those of the target's addresses, and all that was made of them."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from yisang.pipelines.boundary import Boundary, Part
from yisang.pipelines.purge_target import Target

GONE = "(purged)"
"""What stands where another record named one that was purged."""


class Head(msgspec.Struct):
    """What of a stored record tells where it came from."""

    id: str = ""
    url: str = ""
    final_url: str = ""
    source: str = ""
    parents: tuple[str, ...] = ()
    prompt: Head | None = None
    trace: Head | None = None
    where: str = ""
    """Of a dead letter that never became a record: the file and the place."""

    @property
    def origin(self) -> Head:
        """The page or prompt that it is, or was made of."""
        inner = self.trace or self.prompt
        return inner.origin if inner is not None else self


COLUMNS = ("id", "url", "final_url", "source", "parents", "prompt", "trace", "where", "record")
_NESTED = ("parents", "prompt", "trace")
_read_head = msgspec.json.Decoder(Head).decode
_read_parents = msgspec.json.Decoder(tuple[str, ...]).decode


def _head_of(text: str) -> Head:
    try:
        return _read_head(text)
    except (msgspec.DecodeError, UnicodeEncodeError):  # half a character, which may be just why the record died
        return msgspec.convert(json.loads(text), Head)


def heads(table: pa.Table) -> list[Head]:
    """The heads of the rows of any table of a run; of a table that names no record, empty ones."""
    names = [
        name for name in COLUMNS if name in table.column_names and pa.types.is_string(table.schema.field(name).type)
    ]
    columns = {name: table.column(name).to_pylist() for name in names}
    records = columns.pop("record", None)
    found = []
    for number in range(table.num_rows):
        if records is not None and records[number]:
            found.append(_head_of(records[number]))
            continue
        row: dict[str, Any] = {name: values[number] or "" for name, values in columns.items()}
        for name in _NESTED:
            if row.get(name):
                row[name] = _read_parents(row[name]) if name == "parents" else _head_of(row[name])
            else:
                row.pop(name, None)
        found.append(Head(**row))
    return found


def row_groups(boundary: Boundary, part: Part, columns: Iterable[str] | None = None) -> Iterator[pa.Table]:
    """The row groups of a part as it lies there, be it from before a purge or after it. columns: those of these that it has."""
    folder = boundary.folder_of(part.role)
    with folder.fs.open(folder.path(part.name), "rb") as opened, pq.ParquetFile(opened) as file:
        names = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, columns=names)


_HEX = re.compile(rb"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])(?:/\d+)*")
_WORD = re.compile(rb"[^\s\"'\\,;(){}\[\]<>]{8,}")


def ancestors(identifier: str) -> Iterator[str]:
    """An id and those that it was derived from: a/0/1, a/0, a."""
    while identifier:
        yield identifier
        identifier = identifier.rpartition("/")[0]


@dataclass
class Chosen:
    """The ids of what is purged. shared: those that a record of another source bears, too (the same words in a table of questions);
    such a record stays."""

    target: Target
    ids: set[str] = field(default_factory=set)
    shared: set[str] = field(default_factory=set)
    below: int = 0
    """Pages and prompts of subdomains that are not meant."""

    def seed(self, head: Head) -> bool:
        return any(self.target.matches(url) for url in (head.url, head.final_url)) or head.source in self.target.hosts

    def takes(self, head: Head) -> bool:
        """Whether a record goes, by what is known so far."""
        origin = head.origin
        if self.seed(origin):
            return True
        if not head.id and head.where:
            return self.target.named_in(head.where)
        # A record with an address of its own is not taken for the like of it that has its id.
        addressed = bool(origin.url or origin.final_url)
        return any(
            ancestor in self.ids
            for line in (origin.id, head.id, *origin.parents)
            if not (addressed and self._is_shared(line))
            for ancestor in ancestors(line)
        )

    def _is_shared(self, identifier: str) -> bool:
        return bool(self.shared) and any(ancestor in self.shared for ancestor in ancestors(identifier))

    def add(self, head: Head) -> None:
        named = (head.id, head.trace.id if head.trace else "", head.origin.id)
        self.ids.update(identifier for identifier in named if identifier)

    @functools.cached_property
    def _named(self) -> frozenset[str]:
        return frozenset(identifier for identifier in self.ids if not self._is_shared(identifier))

    @functools.cached_property
    def _pattern(self) -> re.Pattern[bytes]:
        plain = all(_HEX.fullmatch(identifier.encode()) for identifier in self._named)
        return _HEX if plain else re.compile(_HEX.pattern + b"|" + _WORD.pattern)

    def close(self) -> None:
        """To be called when all ids are known."""
        self.__dict__.pop("_named", None)
        self.__dict__.pop("_pattern", None)

    def names(self, identifier: str) -> bool:
        return any(ancestor in self._named for ancestor in ancestors(identifier))

    def named_in(self, data: bytes) -> set[str]:
        """The purged ids that stand in some bytes, and those of their children."""
        if not self._named:
            return set()
        found = {match.decode(errors="replace") for match in set(self._pattern.findall(data))}
        return {identifier for identifier in found if self.names(identifier)}

    def without_ids(self, text: str) -> str:
        found = self.named_in(text.encode("utf-8", "surrogatepass"))
        for identifier in sorted(found, key=len, reverse=True):
            text = text.replace(identifier, GONE)
        return text


def choose(parts: list[tuple[Boundary, Part]], target: Target, chosen: Chosen) -> None:
    """Fills in the ids, until what was made of the target's records, of their children, and so on, is all there."""
    for boundary, part in parts:
        for table in row_groups(boundary, part, COLUMNS):
            for head in heads(table):
                origin = head.origin
                if chosen.seed(origin):
                    chosen.add(head)
                elif target.is_below(origin.url) and part.role == "records" and origin is head:
                    chosen.below += 1
    own = frozenset(chosen.ids)
    for boundary, part in parts:
        for table in row_groups(boundary, part, COLUMNS):
            for head in heads(table):
                origin = head.origin
                if origin.id in own and (origin.url or origin.final_url) and not chosen.seed(origin):
                    chosen.shared.add(origin.id)
    before = -1
    while before < len(chosen.ids):
        before = len(chosen.ids)
        for boundary, part in parts:
            for table in row_groups(boundary, part, COLUMNS):
                for head in heads(table):
                    if chosen.takes(head):
                        chosen.add(head)
    chosen.close()
