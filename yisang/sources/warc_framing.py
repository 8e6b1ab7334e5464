"""From the bytes of a WARC or ARC file to its records.

What cannot be read becomes one `Dead` with its place, and reading goes on at the next record. A record is
believed only if what follows it is right and the digests that it states hold. Records over the cap are
searched for the next record's header instead of being skipped by their length, which may be a lie: the
records of a WARC that is stored whole inside such a payload would be taken for records of this file.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from typing import IO, Literal, NamedTuple

from yisang.records import Dead
from yisang.sources.base import MIB, TooLarge, dead
from yisang.sources.http_body import BLANK_LINE, DIGITS, MAX_BODY, BrokenRecord, header_fields
from yisang.sources.streams import PEEK, Window, find_start

MAX_HEADER = MIB // 4
MAX_LINE = 16384

Format = Literal["warc", "arc"]

_WARC_START = re.compile(rb"WARC/\d\.\d+\r?\n")
# url ip date type [status checksum location offset file] length; the url may hold spaces, the length be wrong
_ARC_LINE = (
    rb"([a-zA-Z][\w+.-]{1,20}:[^\r\n]{1,8192}?) ([0-9a-fA-F.:]{3,45}) (\d{8,18}) (\S+)"
    rb"((?: \S+){0,5}) (\S+)\r?\n"
)
_ARC_START = re.compile(_ARC_LINE)
_NEXT_WARC = re.compile(rb"\n" + _WARC_START.pattern)
_NEXT_ARC = re.compile(rb"\n" + _ARC_LINE)
_NEXT_ANY = re.compile(rb"\n(?:" + _WARC_START.pattern + rb"|" + _ARC_LINE + rb")")
# A header ends at the latest where another begins, or a file of nothing but beginnings would take for ever
_HEADER_END = re.compile(BLANK_LINE.pattern + rb"|" + _NEXT_WARC.pattern)


class NotAnArchive(Exception):
    """A file that is neither WARC nor ARC."""


class RawRecord(NamedTuple):
    """One record as framed: its kind, the fields of its header, its block."""

    kind: str
    fields: dict[str, str]
    block: bytes
    where: str


def _is_start(head: bytes | bytearray) -> bool:
    return bool(_WARC_START.match(head) or _ARC_START.match(head))


def raw_records(file: IO[bytes], path: str) -> Iterator[RawRecord | Dead]:
    window = Window(file, _is_start)
    known: Format | None = None
    empty = True
    while True:
        _skip_newlines(window)
        if not window.peek(1) and window.damage is None:
            break
        where, empty = window.where(), False
        try:
            known, raw, end = _frame(window, known)
        except (BrokenRecord, TooLarge, NotAnArchive) as error:
            yield dead(error, f"{path}:{where}")
            if not _to_next_record(window, known):
                return
            continue
        yield raw
        window.skip(end)
    if empty:
        yield dead(NotAnArchive("the file is empty"), f"{path}:0")


def _skip_newlines(window: Window) -> None:
    while (buffer := window.peek(PEEK)) and buffer.startswith((b"\r", b"\n")):
        head = bytes(buffer[:PEEK])
        window.skip(len(head) - len(head.lstrip(b"\r\n")))


def _to_next_record(window: Window, known: Format | None) -> bool:
    """Moves past a broken record to the next one; False at the end of the file."""
    pattern = {"warc": _NEXT_WARC, "arc": _NEXT_ARC, None: _NEXT_ANY}[known]
    while not find_start(window, pattern, MAX_LINE):
        if window.damage is None:
            return False
        window.recover()
        if _is_start(window.peek(MAX_LINE)):
            return True
    return True


def _frame(window: Window, known: Format | None) -> tuple[Format, RawRecord, int]:
    """The record at the current position and its length with the newlines after it."""
    head = window.peek(MAX_LINE)
    if known != "arc" and _WARC_START.match(head):
        return "warc", *_frame_warc(window)
    if known != "warc" and (match := _ARC_START.match(head)):
        return "arc", *_frame_arc(window, match)
    if window.damage is not None and len(head) < MAX_LINE:
        raise BrokenRecord(f"{window.damage}")
    if known is None:
        raise NotAnArchive("neither a WARC nor an ARC record begins here")
    raise BrokenRecord(f"no {known.upper()} record begins here: {bytes(head[:40])!r}")


def _frame_warc(window: Window) -> tuple[RawRecord, int]:
    blank = _HEADER_END.search(window.peek(MAX_LINE)) or _HEADER_END.search(window.peek(MAX_HEADER), 0, MAX_HEADER)
    if blank is None or not blank[0].isspace():
        raise _broken(window, "the header of the record has no end")
    start = blank.end()
    fields = header_fields(bytes(window.peek(0)[: blank.start()]).split(b"\n")[1:])
    kind = fields.get("warc-type", "").lower()
    if not kind:
        raise BrokenRecord("the record states no WARC-Type")
    if kind in {"response", "resource", "conversion"} and not fields.get("warc-target-uri"):
        raise BrokenRecord(f"the {kind} record states no WARC-Target-URI")
    where = window.where()
    end = start + _block_length(fields.get("content-length", ""))
    after = _after_block(window, end)
    if after[:4] == b"\r\n\r\n":
        gap = 4
    else:
        gap = len(after) - len(after.lstrip(b"\r\n"))
        rest = after[gap:]
        if rest and not _WARC_START.match(rest):
            raise BrokenRecord("the record does not end where its Content-Length says")
        if not rest and after not in (b"\n\n", b"\r\n\r\n"):
            raise BrokenRecord("the file ends within the two newlines that close the record")
    _intact(window, end + gap)
    return RawRecord(kind, fields, bytes(window.peek(0)[start:end]), where), end + gap


def _frame_arc(window: Window, line: re.Match[bytes]) -> tuple[RawRecord, int]:
    url, _ip, date, kind, _more, length = (part.decode("utf-8", "replace") for part in line.groups())
    start, where = line.end(), window.where()
    end = start + _block_length(length)
    after = _after_block(window, end)
    gap = len(after) - len(after.lstrip(b"\r\n"))
    rest = after[gap:]
    if rest and not _ARC_START.match(rest):
        raise BrokenRecord("the record does not end where its length says")
    _intact(window, end + gap)
    scheme = url.split(":", 1)[0].lower()
    http = scheme in {"http", "https"}
    fields = {
        "warc-target-uri": url,
        "warc-date": _iso_date(date),
        "content-type": "application/http" if http else kind.lower(),
    }
    return RawRecord(
        "filedesc" if scheme == "filedesc" else "response", fields, bytes(window.peek(0)[start:end]), where
    ), end


def _block_length(text: str) -> int:
    if not DIGITS.fullmatch(text):
        raise BrokenRecord(f"the record states no usable length: {text[:40]!r}")
    if int(text) > MAX_BODY:
        raise TooLarge(f"the record states {text} bytes, more than {MAX_BODY}")
    return int(text)


def _after_block(window: Window, end: int) -> bytes:
    """The bytes that follow a block of which all is there."""
    have = len(window.peek(end + MAX_LINE))
    if have < end:
        raise _broken(window, f"the record states {end} bytes with its header, {have} are there")
    return bytes(window.peek(0)[end : end + MAX_LINE])


def _intact(window: Window, end: int) -> None:
    window.peek(end + 1)  # one byte on: a gzip member is verified only at its end
    if window.torn(end):
        raise BrokenRecord(f"{window.damage}")


def _broken(window: Window, message: str) -> BrokenRecord:
    return BrokenRecord(f"{message} ({window.damage})" if window.damage else message)


def _iso_date(digits: str) -> str:
    padded = digits[:14].ljust(14, "0")
    return f"{padded[:4]}-{padded[4:6]}-{padded[6:8]}T{padded[8:10]}:{padded[10:12]}:{padded[12:]}Z"


# The independent count


def count_by_length(stream: IO[bytes] | gzip.GzipFile) -> int:
    """Counts page records by jumping from header to header. Raises BrokenRecord at the first irregularity."""
    pages = 0
    format_name = b""
    while line := stream.readline(MAX_LINE):
        if not line.strip(b"\r\n"):
            continue
        this = b"warc" if re.fullmatch(rb"WARC/\d\.\d+\r?\n", line) else b"arc"
        if format_name not in (b"", this):
            raise BrokenRecord("neither kind of record")
        format_name = this
        is_page, length = _walk_warc_header(stream) if this == b"warc" else _walk_arc_line(line)
        if length > MAX_BODY:
            raise BrokenRecord("oversized")
        if len(stream.read(length)) < length:
            raise BrokenRecord("cut off")
        if this == b"warc" and stream.read(4) != b"\r\n\r\n":
            raise BrokenRecord("wrong length")
        pages += is_page
    if not format_name:
        raise BrokenRecord("empty")
    return pages


def _walk_warc_header(stream: IO[bytes] | gzip.GzipFile) -> tuple[bool, int]:
    found: dict[bytes, bytes] = {}
    repeated = False
    while (line := stream.readline(MAX_HEADER)).strip():
        name, _, value = line.partition(b":")
        repeated = repeated or name.strip().lower() in found
        found.setdefault(name.strip().lower(), value.strip())
    kind = found.get(b"warc-type", b"").lower()
    length = found.get(b"content-length", b"")
    if repeated or not kind or not length.isdigit():
        raise BrokenRecord("bad header")
    if kind == b"response" and b"content-type" not in found:
        raise BrokenRecord("only its block tells what it is")
    http = found.get(b"content-type", b"").lower().startswith(b"application/http")
    own = found.get(b"warc-target-uri", b"").lstrip(b"<").startswith(b"metadata:")
    return (kind in {b"resource", b"conversion"} and not own) or (kind == b"response" and http), int(length)


def _walk_arc_line(line: bytes) -> tuple[bool, int]:
    parts = line.split()
    if not _ARC_START.fullmatch(line) or not parts[-1].isdigit():
        raise BrokenRecord("bad header")
    return line.lower().startswith((b"http:", b"https:")), int(parts[-1])
