"""Pages out of WARC and ARC files, plain or gzip.

Formats: WARC 1.0 and 1.1 (ISO 28500, https://iipc.github.io/warc-specifications/), ARC 1 and 2
(https://archive.org/web/researcher/ArcFileFormat.php). warcio is not used for reading, since it goes past
damage with a line on stderr; the tests write with it.

What cannot be read becomes one `Dead` with its place, and reading goes on at the next record. A record is
believed only if what follows it is right and the digests that it states hold. Records over the cap are
searched for the next record's header instead of being skipped by their length, which may be a lie: the
records of a WARC that is stored whole inside such a payload would be taken for records of this file.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import IO, Literal, NamedTuple

from yisang.records import UNKNOWN_LICENCE, Dead, Licence, Measure, Page, content_id
from yisang.sources.base import (
    MIB,
    InputFile,
    PassedOver,
    Paths,
    Shard,
    SourceItem,
    basename,
    dead,
    expand,
    input_files,
    open_bytes,
)
from yisang.sources.streams import GZIP_MAGIC, PEEK, Window, find_start

MAX_BODY = 32 * MIB
MAX_HEADER = MIB // 4
MAX_LINE = 16384
MAX_CODINGS = 4
"""More encodings than this on one body are an attack."""

Format = Literal["warc", "arc"]

_SUFFIXES = (".warc", ".arc", ".warc.gz", ".arc.gz", ".wet", ".wet.gz", ".wat", ".wat.gz")
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
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
# A header ends at the latest where another begins, or a file of nothing but beginnings would take for ever
_HEADER_END = re.compile(_BLANK_LINE.pattern + rb"|" + _NEXT_WARC.pattern)
_STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d+)?[ \t]+(\d{3})(?!\d)")
_DIGITS = re.compile(r"\d{1,18}")


class BrokenRecord(Exception):
    """A record that is not what the format asks for."""


class NotAnArchive(Exception):
    """A file that is neither WARC nor ARC."""


class TooLarge(Exception):
    """A body over the cap, as stored or unpacked."""


class DigestMismatch(Exception):
    """The bytes are not those that the writer made the digest of."""


class NoDecoder(Exception):
    """A content coding that this environment cannot undo."""


class _Raw(NamedTuple):
    """One record as framed: its kind, the fields of its header, its block."""

    kind: str
    fields: dict[str, str]
    block: bytes
    where: str


@dataclass(frozen=True)
class Warc:
    """The HTTP responses, resources and conversions (WET) of web archives, each as a Page.

    `body` is as the browser saw it (transfer and content codings undone); `headers` stay as received. A body
    that its writer or server cut short is kept, with the reason in the measure `truncated`.
    """

    paths: Paths
    licence: Licence | None = None
    category: str = ""
    name: str = "warc"

    def files(self) -> list[str]:
        return expand(self.paths, lambda name: name.lower().endswith(_SUFFIXES), "WARC or ARC file")

    def shards(self) -> list[Shard]:
        return [Shard(path) for path in self.files()]

    def inputs(self) -> list[InputFile]:
        return input_files(self.files())

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        passed: Counter[str] = Counter()
        with open_bytes(shard.path) as file:
            for item in _records(file, shard.path):
                if isinstance(item, Dead):
                    yield item
                    continue
                what = _no_page(item)
                if what:
                    passed[what] += 1
                else:
                    yield self._page_or_dead(item, shard.path)
        yield from (PassedOver(what, count) for what, count in sorted(passed.items()))

    def count(self, shard: Shard) -> int | None:
        """The page records by a plain walk from length to length; None where such a walk fails."""
        with open_bytes(shard.path) as file:
            packed = file.read(2) == GZIP_MAGIC[:2]
            file.seek(0)
            try:
                return _walk(gzip.GzipFile(fileobj=file) if packed else file)
            except (EOFError, gzip.BadGzipFile, zlib.error, BrokenRecord):
                return None

    def _page_or_dead(self, raw: _Raw, path: str) -> Page | Dead:
        try:
            return self._page(raw, path)
        except (BrokenRecord, TooLarge, DigestMismatch, NoDecoder) as error:
            return dead(error, f"{path}:{raw.where}")

    def _page(self, raw: _Raw, path: str) -> Page:
        fields, measures = raw.fields, dict[str, Measure]()
        if raw.kind == "response":
            status, headers, stored = _http(raw.block)
            body, readings = _undo_codings(headers, stored)
            if _shorter_than_stated(headers, stored):
                measures["truncated"] = "content-length"
        else:
            status, stored, readings = 200, raw.block, []
            headers = {"content-type": fields["content-type"]} if fields.get("content-type") else {}
            body = stored
        _check_digest("block", fields.get("warc-block-digest"), [raw.block])
        _check_digest("payload", fields.get("warc-payload-digest"), [stored, *readings])
        if fields.get("warc-truncated") or fields.get("warc-segment-number"):
            measures["truncated"] = fields.get("warc-truncated") or "segment"
        url = fields["warc-target-uri"].removeprefix("<").removesuffix(">")  # wget before 1.20 wrote <...>
        return Page(
            id=content_id(url, body),
            url=url,
            status=status,
            headers=headers,
            body=body,
            fetched=fields.get("warc-date", ""),
            warc=f"{basename(path)}:{raw.where}",
            source=self.name,
            category=self.category,
            licence=self.licence or UNKNOWN_LICENCE,
            measures=measures,
        )


def _no_page(raw: _Raw) -> str:
    """Why a record is no page, in a word; empty for a page."""
    if raw.kind in {"resource", "conversion"}:
        # wget keeps its own log and arguments as resources under this scheme
        return f"{raw.kind} metadata" if raw.fields["warc-target-uri"].lstrip("<").startswith("metadata:") else ""
    if raw.kind != "response":
        return raw.kind
    kind = raw.fields.get("content-type", "").split(";")[0].strip().lower()
    if kind == "application/http" or (not kind and raw.block.startswith(b"HTTP/")):
        return ""
    return f"response {kind or 'of unknown type'}"


# ---- framing: from bytes to records -----------------------------------------------------------------------


def _is_start(head: bytes | bytearray) -> bool:
    return bool(_WARC_START.match(head) or _ARC_START.match(head))


def _records(file: IO[bytes], path: str) -> Iterator[_Raw | Dead]:
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


def _frame(window: Window, known: Format | None) -> tuple[Format, _Raw, int]:
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


def _frame_warc(window: Window) -> tuple[_Raw, int]:
    blank = _HEADER_END.search(window.peek(MAX_LINE)) or _HEADER_END.search(window.peek(MAX_HEADER), 0, MAX_HEADER)
    if blank is None or not blank[0].isspace():
        raise _broken(window, "the header of the record has no end")
    start = blank.end()
    fields = _fields(bytes(window.peek(0)[: blank.start()]).split(b"\n")[1:])
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
    return _Raw(kind, fields, bytes(window.peek(0)[start:end]), where), end + gap


def _frame_arc(window: Window, line: re.Match[bytes]) -> tuple[_Raw, int]:
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
    return _Raw(
        "filedesc" if scheme == "filedesc" else "response", fields, bytes(window.peek(0)[start:end]), where
    ), end


def _block_length(text: str) -> int:
    if not _DIGITS.fullmatch(text):
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


def _fields(lines: list[bytes]) -> dict[str, str]:
    """Header lines as lower-cased names; the values of a repeated name are joined, folded lines unfolded."""
    fields: dict[str, str] = {}
    last = ""
    for line in lines:
        text = _header_text(line.rstrip(b"\r"))
        if text[:1] in (" ", "\t") and last:
            fields[last] += " " + text.strip()
            continue
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            continue
        last = name.strip().lower()
        fields[last] = f"{fields[last]}, {value.strip()}" if last in fields else value.strip()
    return fields


def _header_text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _iso_date(digits: str) -> str:
    padded = digits[:14].ljust(14, "0")
    return f"{padded[:4]}-{padded[4:6]}-{padded[6:8]}T{padded[8:10]}:{padded[10:12]}:{padded[12:]}Z"


# ---- HTTP: from a block to a body -------------------------------------------------------------------------


def _http(block: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and stored body."""
    status = _STATUS_LINE.match(block)
    if status is None:
        raise BrokenRecord("the response has no HTTP status line")
    blank = _BLANK_LINE.search(block)
    head, body = (block[: blank.start()], block[blank.end() :]) if blank else (block, b"")
    return int(status[1]), _fields(head.split(b"\n")[1:]), body


def _shorter_than_stated(headers: dict[str, str], stored: bytes) -> bool:
    length = headers.get("content-length", "").split(",")[0].strip()
    return "transfer-encoding" not in headers and bool(_DIGITS.fullmatch(length)) and len(stored) < int(length)


def _undo_codings(headers: dict[str, str], stored: bytes) -> tuple[bytes, list[bytes]]:
    """The body, and every state that it went through: writers differ in which of them the payload digest is
    of.

    Some writers undo a coding and leave its header, so a body that does not look coded is taken as it is.
    """
    states: list[bytes] = []
    body = stored
    transfer = _tokens(headers.get("transfer-encoding", ""))
    if "chunked" in transfer:
        body = _unchunk(body)
        states.append(body)
    codings = [
        *_tokens(headers.get("content-encoding", "")),
        *(token for token in transfer if token != "chunked"),
    ]
    if len(codings) > MAX_CODINGS:
        raise BrokenRecord(f"the body states {len(codings)} codings")
    for coding in reversed(codings):
        body = _undo_coding(body, coding)
        states.append(body)
    return body, states


def _tokens(value: str) -> list[str]:
    return [token.strip().lower() for token in value.split(",") if token.strip()]


def _unchunk(body: bytes) -> bytes:
    if not _CHUNK_SIZE.match(body):
        return body
    parts: list[bytes] = []
    place = 0
    while True:
        size_line = _CHUNK_SIZE.match(body, place)
        if size_line is None:
            raise BrokenRecord(f"bad chunk size at byte {place} of the body")
        size = int(size_line[1], 16)
        start, place = size_line.end(), size_line.end() + size
        if size == 0:
            return b"".join(parts)
        if place > len(body):
            raise BrokenRecord(
                f"the chunk at byte {start} of the body states {size} bytes, {len(body) - start} are there"
            )
        parts.append(body[start:place])
        line_end = _LINE_END.match(body, place)
        if line_end is None:
            raise BrokenRecord(f"no line end after the chunk at byte {start} of the body")
        place = line_end.end()


_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_LINE_END = re.compile(rb"\r?\n")


def _undo_coding(body: bytes, coding: str) -> bytes:
    if not body:
        return body
    if coding in {"gzip", "x-gzip"}:
        return _inflate(body, 31) if body.startswith(GZIP_MAGIC[:2]) else body
    if coding == "deflate":
        return _deflated(body)
    if coding == "br":
        return _brotli(body)
    if coding in {"zstd", "compress", "x-compress"}:
        raise NoDecoder(f"the content coding '{coding}' is not supported")
    return body  # "identity", and nonsense such as "utf-8", which browsers overlook too


def _deflated(body: bytes) -> bytes:
    """Zlib as the standard asks, the bare deflate that some servers send, or text undone before."""
    try:
        return _inflate(body, 15)
    except BrokenRecord:
        if (body[0] & 15) == 8 and (body[0] * 256 + body[1] if len(body) > 1 else 1) % 31 == 0:
            raise
    try:
        return _inflate(body, -15)
    except BrokenRecord:
        if b"<" in body[:256]:
            return body
        raise


def _inflate(body: bytes, window_bits: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    rest = body
    while rest:
        unpack = zlib.decompressobj(window_bits)
        try:
            part = unpack.decompress(rest, MAX_BODY - size + 1)
        except zlib.error as error:
            raise BrokenRecord(f"the body cannot be unpacked: {error}") from error
        parts.append(part)
        size += len(part)
        if size > MAX_BODY:
            raise TooLarge(f"the body unpacks to more than {MAX_BODY} bytes")
        if not unpack.eof:
            raise BrokenRecord("the packed body is cut off")
        rest = unpack.unused_data if window_bits == 31 and unpack.unused_data.startswith(GZIP_MAGIC) else b""
    return b"".join(parts)


def _brotli(body: bytes) -> bytes:
    try:
        brotli = import_module("brotli")
    except ImportError as error:
        raise NoDecoder("the body is in Brotli and the package 'brotli' is not installed") from error
    decoder = brotli.Decompressor()
    parts: list[bytes] = []
    size = 0
    for start in range(0, len(body), 4096):
        try:
            part: bytes = decoder.process(body[start : start + 4096])
        except brotli.error as error:
            raise BrokenRecord(f"the body cannot be unpacked: {error}") from error
        parts.append(part)
        size += len(part)
        if size > MAX_BODY:
            raise TooLarge(f"the body unpacks to more than {MAX_BODY} bytes")
    if not decoder.is_finished():
        raise BrokenRecord("the packed body is cut off")
    return b"".join(parts)


# ---- digests ----------------------------------------------------------------------------------------------


def _check_digest(what: str, stated: str | None, readings: list[bytes]) -> None:
    """Raises where a stated digest is that of none of the readings; an unknown algorithm or spelling says
    nothing.
    """
    algorithm, colon, value = (stated or "").partition(":")
    algorithm = algorithm.strip().lower().replace("-", "")
    if not colon or algorithm not in {"md5", "sha1", "sha256", "sha512"}:
        return
    expected = _digest_bytes(value.strip(), hashlib.new(algorithm).digest_size)
    if expected is None:
        return
    if all(hashlib.new(algorithm, reading).digest() != expected for reading in readings):
        raise DigestMismatch(f"the {what} is not the one whose digest is stated ({stated})")


def _digest_bytes(value: str, size: int) -> bytes | None:
    """The digest from hex, base32 or base64 (also URL-safe); which one it is shows in its length."""
    try:
        if len(value) == 2 * size:
            return bytes.fromhex(value)
        if len(value.rstrip("=")) == -(-8 * size // 5):
            return base64.b32decode(value.upper() + "=" * (-len(value) % 8))
        plain = value.rstrip("=")
        if len(plain) == -(-4 * size // 3):
            return base64.b64decode(plain.replace("-", "+").replace("_", "/") + "=" * (-len(plain) % 4))
    except (ValueError, binascii.Error):
        return None
    return None


# ---- the independent count --------------------------------------------------------------------------------


def _walk(stream: IO[bytes] | gzip.GzipFile) -> int:
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
