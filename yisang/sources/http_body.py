"""From the block of an HTTP response to its body as the browser saw it: transfer and content codings undone."""

from __future__ import annotations

import re
import zlib
from importlib import import_module

from yisang.sources.base import MIB, TooLarge
from yisang.sources.streams import GZIP_MAGIC

MAX_BODY = 32 * MIB
MAX_CODINGS = 4
"""More encodings than this on one body are an attack."""

BLANK_LINE = re.compile(rb"\r?\n\r?\n")
DIGITS = re.compile(r"\d{1,18}")
_STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d+)?[ \t]+(\d{3})(?!\d)")


class BrokenRecord(Exception):
    """A record that is not what the format asks for."""


class NoDecoder(Exception):
    """A content coding that this environment cannot undo."""


def header_fields(lines: list[bytes]) -> dict[str, str]:
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


def http_response(block: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and stored body."""
    status = _STATUS_LINE.match(block)
    if status is None:
        raise BrokenRecord("the response has no HTTP status line")
    blank = BLANK_LINE.search(block)
    head, body = (block[: blank.start()], block[blank.end() :]) if blank else (block, b"")
    return int(status[1]), header_fields(head.split(b"\n")[1:]), body


def shorter_than_stated(headers: dict[str, str], stored: bytes) -> bool:
    length = headers.get("content-length", "").split(",")[0].strip()
    return "transfer-encoding" not in headers and bool(DIGITS.fullmatch(length)) and len(stored) < int(length)


def undo_codings(headers: dict[str, str], stored: bytes) -> tuple[bytes, list[bytes]]:
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
