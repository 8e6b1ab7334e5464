"""Takes records out of WARC files. What stays is copied as it is, gzip member by gzip member.

Gone are the records whose target is of the purge, of every type but warcinfo, and those that say they belong to one of them
(WARC-Concurrent-To, WARC-Refers-To; ISO 28500:2017, sections 5.6 and 5.7): requests, metadata, revisits whose payload is gone.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import posixpath
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, NamedTuple

from yisang.errors import YisangError
from yisang.pipelines.purge_target import Target
from yisang.sources.base import MIB, open_bytes
from yisang.sources.http_body import BrokenRecord, header_fields
from yisang.sources.streams import GZIP_MAGIC
from yisang.storage import Folder

NAME = re.compile(r"\.warc(\.gz)?$", re.I)
MAX_MEMBER = 1024 * MIB
"""Unpacked bytes of a gzip member, and bytes of a record, that are held in memory at most."""
_VERSION = re.compile(rb"WARC/\d\.\d+\r?\n")


class Record(NamedTuple):
    """One record: its header's fields and bytes, its block."""

    fields: dict[str, str]
    head: bytes
    block: bytes

    @property
    def kind(self) -> str:
        return self.fields.get("warc-type", "").lower()

    @property
    def url(self) -> str:
        return self.fields.get("warc-target-uri", "").removeprefix("<").removesuffix(">")

    @property
    def bytes(self) -> bytes:
        return self.head + self.block + b"\r\n\r\n"


@dataclass
class Cut:
    """What a file lost, or would lose. responses: those of its records that were answers. empty: nothing but warcinfo is left."""

    records: int = 0
    responses: int = 0
    mended: int = 0
    torn: int = 0
    kept: int = 0

    @property
    def empty(self) -> bool:
        return self.records > 0 and not self.kept

    @property
    def any(self) -> bool:
        return bool(self.records or self.mended or self.torn)


def members(path: str) -> Iterator[tuple[bytes, list[Record], bytes]]:
    """(stored bytes, records, a torn record's bytes) of each gzip member of a file, or of each record of a plain one.

    Raises YisangError for what is no WARC file, or damaged before its end.
    """
    with open_bytes(path) as file:
        packed = file.read(2) == GZIP_MAGIC[:2]
        file.seek(0)
        place = 0
        try:
            for stored, data, whole in _gzip_members(file) if packed else ((b"", None, True),):
                if data is not None:
                    records, torn = _records(io.BytesIO(data), whole)
                    yield stored, records, torn
                    place += len(stored)
                    continue
                for record, torn in _each(file, False):
                    yield (record.bytes if record else torn), ([record] if record else []), torn
        except (BrokenRecord, zlib.error) as error:
            raise YisangError(
                f"{path} is damaged (in what begins at byte {place}): {error}. Nothing of it was changed. Mend it (warcio recompress), or "
                "remove it and what was made of it."
            ) from error


def _gzip_members(file: IO[bytes]) -> Iterator[tuple[bytes, bytes, bool]]:
    pending = b""
    while True:
        unpack, stored, parts, size = zlib.decompressobj(31), [], [], 0
        while not unpack.eof:
            pending = pending or file.read(MIB)
            if not pending:
                break
            parts.append(unpack.decompress(pending))
            stored.append(pending)
            size += len(parts[-1])
            if size > MAX_MEMBER:
                raise BrokenRecord(f"a gzip member holds more than {MAX_MEMBER:,} bytes")
            pending = b""
        if not stored:
            return
        pending = unpack.unused_data
        whole = b"".join(stored)
        yield whole[: len(whole) - len(pending)], b"".join(parts), unpack.eof
        if pending and not pending.strip(b"\0"):  # zeros to the end, which tapes and some writers leave
            return


def _records(stream: IO[bytes], whole: bool) -> tuple[list[Record], bytes]:
    found = list(_each(stream, not whole))
    return [record for record, _ in found if record], b"".join(torn for _, torn in found)


def _each(stream: IO[bytes], may_end: bool) -> Iterator[tuple[Record | None, bytes]]:
    """Records, and at the end the beginning of a torn one. may_end: the stream is known to be cut off."""
    while True:
        line = stream.readline()
        if not line:
            return
        if not line.strip():
            continue
        head = [line]
        if not _VERSION.fullmatch(line):
            if may_end or not line.endswith(b"\n"):
                yield None, line
                return
            raise BrokenRecord(f"no WARC record begins with {line[:40]!r}")
        while (line := stream.readline()).strip():
            head.append(line)
        head.append(line)
        fields = header_fields(head[1:-1])
        length = fields.get("content-length", "")
        if not length.isdigit() or int(length) > MAX_MEMBER:
            if not line:
                yield None, b"".join(head)
                return
            raise BrokenRecord(f"a record states no usable length: {length[:40]!r}")
        block = stream.read(int(length))
        if len(block) < int(length):
            yield None, b"".join(head) + block
            return
        yield Record(fields, b"".join(head), block), b""


def _references(record: Record) -> set[str]:
    said = f"{record.fields.get('warc-concurrent-to', '')},{record.fields.get('warc-refers-to', '')}"
    return {name.strip() for name in said.split(",")} - {""}


def cut(path: str, target: Target, *, change: bool) -> Cut:
    """Takes the target's records out of a WARC file, or with change=False only counts them. A file of which nothing but warcinfo would
    stay is removed."""
    gone = {
        record.fields.get("warc-record-id", "")
        for _, records, _ in members(path)
        for record in records
        if target.matches(record.url)
    } - {""}
    found = Cut()

    def goes(record: Record) -> bool:
        if record.kind == "warcinfo":
            return False
        refers = record.fields.get("warc-refers-to-target-uri", "")
        return target.matches(record.url) or target.matches(refers) or bool(_references(record) & gone)

    def pieces() -> Iterator[bytes]:
        for stored, records, torn in members(path):
            left = [_mended(record, target) for record in records if not goes(record)]
            lost = [record for record in records if goes(record)]
            mended = sum(new is not old for new, old in zip(left, (r for r in records if not goes(r)), strict=True))
            # A torn record is nobody's page; if it may be the target's, it goes.
            torn_goes = bool(torn) and target.named_in(torn)
            found.records += len(lost)
            found.responses += sum(record.kind == "response" for record in lost)
            found.mended += mended
            found.torn += torn_goes
            found.kept += sum(record.kind != "warcinfo" for record in left)
            if not lost and not mended and not torn_goes:
                yield stored
            else:
                packed = stored.startswith(GZIP_MAGIC[:2])
                yield from (gzip.compress(record.bytes, mtime=0) if packed else record.bytes for record in left)

    for _ in pieces():
        pass
    if not change or not found.any:
        return found
    counted = found
    found = Cut()
    parent, name = posixpath.split(path)
    folder = Folder(parent or ".")
    if counted.empty:
        folder.remove(name)
    else:
        with folder.create(name) as new, open(new, "wb") as file:
            for piece in pieces():
                file.write(piece)
    return counted


def _mended(record: Record, target: Target) -> Record:
    """A metadata record of another page without the lines that name the target (how a crawl came there)."""
    if record.kind != "metadata" or not target.named_in(record.block):
        return record
    if not record.fields.get("content-type", "").startswith("application/warc-fields"):
        return record
    block = b"".join(line for line in record.block.splitlines(keepends=True) if not target.named_in(line))
    digest = b"sha1:" + base64.b32encode(hashlib.sha1(block).digest())
    lines = []
    for line in record.head.splitlines(keepends=True):
        name = line.partition(b":")[0].strip().lower()
        if name == b"content-length":
            line = b"Content-Length: %d\r\n" % len(block)
        elif name in (b"warc-block-digest", b"warc-payload-digest"):
            line = line.partition(b":")[0] + b": " + digest + b"\r\n"
        lines.append(line)
    head = b"".join(lines)
    return Record(header_fields(head.split(b"\n")[1:]), head, block)
