"""The answers of the hostile web: what one request gets, byte for byte, and what a host is."""

from __future__ import annotations

import functools
import gzip
import html
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import brotli

MEBIBYTE = 1024 * 1024
BOMB = 256 * MEBIBYTE  # unpacked; packed about a thousandth of it
FOR_EVER = 3600.0  # seconds; every time limit of a test is far below it
Piece = bytes | float  # bytes to send, or seconds to stay silent


@dataclass(frozen=True)
class Request:
    """One request as the server read it.

    `target` is the path with its query as sent, `count` how often this host and target were asked for, this time included, `early` whether
    it comes before the time that the last Retry-After of this target named, `turn` the number that the test has set for re-crawls.
    """

    host: str
    target: str
    headers: Mapping[str, str]
    count: int
    early: bool
    turn: int
    port: int
    now: float


@dataclass(frozen=True)
class Answer:
    """`framing`: length (a Content-Length), chunked, close (the end of the connection is the end of the body, HTTP/1.0), or raw: `pieces` are all that is
    sent, head included, and then the connection is closed. `wait`: the seconds of its Retry-After, against which the next request is held.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    framing: str = "length"
    pieces: Callable[[], Iterable[Piece]] | None = None
    wait: float | None = None

    @property
    def keeps(self) -> bool:
        """Whether the connection can take another request."""
        return self.framing in ("length", "chunked")

    def sent(self) -> Iterator[Piece]:
        """All that goes over the wire."""
        if self.framing == "raw":
            yield from self._body()
            return
        version = "1.0" if self.framing == "close" else "1.1"
        framing = {
            "length": [("Content-Length", str(len(self.body)))] if self.status not in (204, 304) else [],
            "chunked": [("Transfer-Encoding", "chunked")],
            "close": [],
        }[self.framing]
        yield head(self.status, (*self.headers, *framing), version)
        for piece in self._body():
            if isinstance(piece, float) or self.framing != "chunked":
                yield piece
            elif piece:
                yield chunk(piece)
        if self.framing == "chunked":
            yield b"0\r\n\r\n"

    def _body(self) -> Iterable[Piece]:
        return self.pieces() if self.pieces else [self.body]


Handler = Callable[[Request], Answer]


@dataclass(frozen=True)
class Host:
    """One host of the web, and what is expected of a crawler there.

    Paths below are targets (path and query) or whole URLs; a verdict may name several that are right, as in "page|unreachable", and is "" where
    any is.
    expected   URL → verdict, for each URL that a crawler comes to know
    optional   URLs that a crawler may know or not, with their verdicts
    forbidden  what must never be asked for: targets, prefixes ending in *, or prefixes ending in + behind which more must stand
    plumbing   what may be asked for although forbidden (files that say what is forbidden)
    beside     host name → further `expected`, which hold when that host is crawled too
    once       groups of spellings of one URL; at most one request for each group
    text       target → a sentence which stands in the page when it is decoded rightly
    most       the ceiling of requests of pages; None for no ceiling
    gap        the least time between two requests of pages in seconds, as robots.txt asks
    complete   whether `expected` and `optional` name all; not so on hosts without end
    address    "" for the server itself, None for none in SITES, or another address
    """

    name: str
    about: str
    group: str
    pages: Mapping[str, Answer | Handler] = field(default_factory=dict)
    other: Handler | None = None
    start: tuple[str, ...] = ("/",)
    crawl: Mapping[str, object] = field(default_factory=dict)
    expected: Mapping[str, str] = field(default_factory=dict)
    optional: Mapping[str, str] = field(default_factory=dict)
    forbidden: tuple[str, ...] = ()
    plumbing: tuple[str, ...] = ()
    beside: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    once: tuple[tuple[str, ...], ...] = ()
    text: Mapping[str, str] = field(default_factory=dict)
    most: int | None = None
    gap: float = 0.0
    complete: bool = True
    address: str | None = ""

    def answer(self, request: Request) -> Answer:
        """What the request gets; 404 for what the host does not have. A host without a robots.txt of its own allows all by 404."""
        found = self.pages.get(request.target) or self.other
        if found is None:
            return missing()
        return found if isinstance(found, Answer) else found(request)

    def forbids(self, target: str) -> bool:
        """Whether a polite crawler never asks for this target."""
        if target in ("/robots.txt", "/.well-known/tdmrep.json", *self.plumbing):
            return False
        return any(_fits(item, target) for item in self.forbidden)

    def url(self, target: str) -> str:
        """The address of a target of this host; a whole URL stays."""
        return target if "://" in target else f"http://{self.name}{target}"


def _fits(pattern: str, target: str) -> bool:
    begins = target.startswith(pattern[:-1])
    return {"*": begins, "+": begins and len(target) >= len(pattern)}.get(pattern[-1], target == pattern)


REASONS = {200: "OK", 204: "No Content", 301: "Moved Permanently", 302: "Found", 304: "Not Modified", 404: "Not Found"}


def head(status: int, headers: Iterable[tuple[str, str]], version: str = "1.1") -> bytes:
    """Status line and headers, up to the empty line."""
    lines = [
        f"HTTP/{version} {status} {REASONS.get(status, 'Status')}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def markup(title: str, links: Iterable[str] = (), head: str = "", text: str = "") -> str:
    """A small page in Korean; `links` are written as they stand, but for their quotes."""
    anchors = "\n".join(
        f'<li><a href="{link.replace(chr(34), "&quot;")}">{html.escape(link)}</a></li>' for link in links
    )
    return (
        f'<!DOCTYPE html>\n<html lang="ko"><head><title>{html.escape(title)}</title>{head}</head>\n<body><h1>{html.escape(title)}</h1>\n'
        f"<p>{html.escape(text or f'{title}에 대한 글입니다. 여기에는 시험을 위해 지은 문장이 있습니다.')}</p>\n<ul>\n{anchors}\n</ul></body></html>\n"
    )


def page(
    title: str, *links: str, head: str = "", text: str = "", headers: Iterable[tuple[str, str]] = (), status: int = 200
) -> Answer:
    """An HTML page in UTF-8."""
    body = markup(title, links, head, text).encode()
    return Answer(status, (("Content-Type", "text/html; charset=utf-8"), *headers), body)


def data(kind: str, body: bytes | str, *headers: tuple[str, str], status: int = 200, framing: str = "length") -> Answer:
    """A body of any content type."""
    content = body.encode() if isinstance(body, str) else body
    return Answer(status, (("Content-Type", kind), *headers), content, framing)


def plain(body: bytes | str, status: int = 200) -> Answer:
    """A text file, such as robots.txt."""
    return data("text/plain", body, status=status)


def missing(status: int = 404) -> Answer:
    """An error page."""
    return page(f"오류 {status}", status=status)


def redirect(to: str, status: int = 302) -> Answer:
    """A redirect, with a body that says so."""
    return Answer(status, (("Location", to), ("Content-Type", "text/plain")), b"elsewhere")


def raw(*pieces: Piece) -> Answer:
    """These bytes and pauses and nothing else, then the connection ends."""
    return Answer(framing="raw", pieces=lambda: pieces)


def endless(before: bytes, piece: bytes, pause: float = 0.0) -> Answer:
    """Bytes without end, with a pause before each piece."""

    def pieces() -> Iterator[Piece]:
        yield before
        while True:
            if pause:
                yield pause
            yield piece

    return Answer(framing="raw", pieces=pieces)


@functools.cache
def gzip_bomb(before: bytes, filler: bytes = b" ", size: int = BOMB) -> bytes:
    """A gzip file that unpacks to `before` and then at least `size` bytes of `filler`. One packed block is written over and over, so this takes no time.

    RFC 1952, section 2.3: ten bytes of header; at the end CRC-32 and length modulo 2**32.
    """
    block = filler * (MEBIBYTE // len(filler))
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = packer.compress(before) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    times = -(-size // len(block))
    crc = zlib.crc32(before)
    for _ in range(times):
        crc = zlib.crc32(block, crc)
    length = (len(before) + times * len(block)) % 2**32
    return (
        b"\x1f\x8b\x08\0\0\0\0\0\2\xff"
        + start
        + packed * times
        + packer.flush(zlib.Z_FINISH)
        + struct.pack("<II", crc, length)
    )


@functools.cache
def zlib_bomb(before: bytes, size: int = BOMB) -> bytes:
    """The same in the zlib format (RFC 1950), which `deflate` means."""
    packer = zlib.compressobj(9)
    block = b" " * MEBIBYTE
    start = packer.compress(before) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    times = -(-size // MEBIBYTE)
    check = zlib.adler32(before)
    for _ in range(times):
        check = zlib.adler32(block, check)
    return start + packed * times + b"\x03\x00" + struct.pack(">I", check)  # an empty last block


@functools.cache
def brotli_bomb(before: bytes, size: int = BOMB) -> bytes:
    """A brotli stream that unpacks to `before` and at least `size` spaces."""
    packer = brotli.Compressor(quality=1)
    block = b" " * MEBIBYTE
    parts = [packer.process(before), *(packer.process(block) for _ in range(-(-size // MEBIBYTE)))]
    return b"".join([*parts, packer.finish()])


def gz(body: bytes | str) -> bytes:
    """Packed by gzip, the same bytes each time."""
    return gzip.compress(body.encode() if isinstance(body, str) else body, mtime=0)
