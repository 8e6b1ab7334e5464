"""Hosts of the hostile web whose answers are too slow, too large, wrongly packed, wrongly framed, wrongly encoded or without end."""

from __future__ import annotations

import codecs
import email.utils
import math
import zlib
from collections.abc import Iterator

import brotli
from hostile_answers import (
    BOMB,
    FOR_EVER,
    MEBIBYTE,
    Answer,
    Handler,
    Host,
    Piece,
    Request,
    brotli_bomb,
    chunk,
    data,
    endless,
    gz,
    gzip_bomb,
    head,
    markup,
    missing,
    page,
    plain,
    raw,
    redirect,
    zlib_bomb,
)

HTML = "text/html; charset=utf-8"
START = "<!DOCTYPE html><html><head><title>글</title></head><body><p>글의 시작입니다.".encode()
HEAD = head(200, [("Content-Type", HTML)])
LENGTHLESS = head(200, [("Content-Type", HTML), ("Connection", "close")])
CHUNKED = head(200, [("Content-Type", HTML), ("Transfer-Encoding", "chunked")])


def _linked(*targets: str) -> Answer:
    return page("표지", *targets)


def _all(verdicts: dict[str, str], **kinds: str) -> dict[str, str]:
    return {"/": "page"} | verdicts | kinds


SLOW = Host(
    name="slow.example",
    about="answers that take longer than the time limit, in whole or by a byte now and then",
    group="slow",
    pages={
        "/": _linked("/never", "/drip", "/drip-head", "/pause", "/late"),
        "/never": raw(FOR_EVER),
        # Each byte is in time; the whole is not.
        "/drip": endless(head(200, [("Content-Type", HTML), ("Content-Length", "100000")]) + START, b"x", 0.2),
        "/drip-head": endless(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-Long: ", b"x", 0.2),
        "/pause": raw(CHUNKED, chunk(START), FOR_EVER),
        "/late": Answer(headers=(("Content-Type", HTML),), framing="chunked", pieces=lambda: (0.3, START, 0.3, "<p>끝.</p>".encode())),
    },
    crawl={"concurrency": 4},
    expected=_all(dict.fromkeys(("/never", "/drip", "/drip-head", "/pause"), "timeout"), **{"/late": "page"}),
)  # fmt: skip


def _retry(status: int, seconds: float) -> Answer:
    """An error with Retry-After (RFC 9110, section 10.2.3)."""
    return Answer(status, (("Retry-After", f"{seconds:.0f}"), ("Content-Type", "text/plain")), b"later", wait=seconds)


def _later(status: int, by_date: bool) -> Handler:
    def answer(request: Request) -> Answer:
        if request.count > 1 and not request.early:
            return page("나중에 온 글")
        if not by_date:
            return _retry(status, 1)
        when = math.ceil(request.now) + 1  # a date has whole seconds
        value = email.utils.formatdate(when, usegmt=True)
        return Answer(
            status, (("Retry-After", value), ("Content-Type", "text/plain")), b"later", wait=when - request.now
        )

    return answer


def _once_500(request: Request) -> Answer:
    return missing(500) if request.count == 1 else page("두 번째에 온 글")


LATER = Host(
    name="later.example",
    about="429 and 503 with Retry-After in both forms, then fine; 500 once, then fine",
    group="retry",
    pages={
        "/": _linked("/429-seconds", "/503-seconds", "/429-date", "/503-date", "/500-once"),
        "/429-seconds": _later(429, False),
        "/503-seconds": _later(503, False),
        "/429-date": _later(429, True),
        "/503-date": _later(503, True),
        "/500-once": _once_500,
    },
    # A client that gives up before it has read a Retry-After would be blamed for not heeding it.
    crawl={"timeout": 20},
    expected=_all(dict.fromkeys(("/429-seconds", "/503-seconds", "/429-date", "/503-date", "/500-once"), "page")),
)
STAYING = (429, 503, 500, 403, 404, 410, 451, 599)
NEVER = Host(
    name="never-well.example",
    about="errors that stay, 503 among them",
    group="retry",
    pages={
        "/": _linked(*(f"/{status}" for status in STAYING)),
        **{f"/{status}": missing(status) for status in STAYING},
    },
    expected=_all({f"/{status}": f"http_{status}" for status in STAYING}),
)
TOMORROW = Host(
    name="tomorrow.example",
    about="Retry-After of a day and more: the crawl neither waits for it nor asks again",
    group="retry",
    pages={"/": _linked("/day", "/year"), "/day": _retry(503, 86_400), "/year": _retry(429, 31_536_000)},
    start=("/", "/day", "/year"),
    expected={
        "/": "page|http_503|http_429|over_budget",
        # Left for another day: the same command asks for them then.
        "/day": "queued",
        "/year": "queued",
    },
    most=3,
)

KOREAN = "가나다라 마바사 한글 문장이 바르게 읽혔습니다."


def _encoded(header: str | None, declared: str, codec: str, mark: bytes = b"") -> Answer:
    body = markup("글자", head=declared, text=KOREAN).encode(codec)
    kind = "text/html" if header is None else f"text/html; charset={header}"
    return data(kind, mark + body)


CHARSETS = {
    "/header-lies": _encoded("utf-8", "", "euc-kr"),
    "/meta-lies": _encoded(None, '<meta charset="euc-kr">', "utf-8"),
    "/header-right": _encoded("euc-kr", '<meta charset="utf-8">', "euc-kr"),
    "/meta-right": _encoded(
        None, '<meta http-equiv="Content-Type" content="text/html; charset=ks_c_5601-1987">', "cp949"
    ),
    "/nothing-utf8": _encoded(None, "", "utf-8"),
    "/nothing-euckr": _encoded(None, "", "euc-kr"),
    "/mark-8": _encoded("euc-kr", "", "utf-8", codecs.BOM_UTF8),
    "/mark-16": _encoded(None, "", "utf-16-le", codecs.BOM_UTF16_LE),
    "/no-such": _encoded("x-klingon", "", "utf-8"),
    "/quoted": _encoded('"EUC-KR"', "", "euc-kr"),
}
LIES = Host(
    name="charset.example",
    about="character sets that header, meta and bytes tell differently, or not at all",
    group="charset",
    pages={"/": _linked(*CHARSETS), **CHARSETS},
    expected=_all(dict.fromkeys(CHARSETS, "page")),
    text=dict.fromkeys(CHARSETS, KOREAN),
)

BUDGET = 30
DEPTH = 8


def _calendar(request: Request) -> Answer:
    query = request.target.partition("?month=")[2]
    months = 2026 * 12 + 10
    if query:
        year, month = (int(part) for part in query.split("-"))
        months = year * 12 + month - 1

    def href(at: int) -> str:
        return f"/calendar?month={at // 12:04}-{at % 12 + 1:02}"

    return page(f"달력 {months}", href(months - 1), href(months + 1), href(months + 12))


def _session(request: Request) -> Answer:
    return page("가게", *(f"/shop?sid={zlib.crc32(f'{request.target}{letter}'.encode()):08x}" for letter in "abc"))


def _deeper(request: Request) -> Answer:
    return page(f"깊은 곳 {request.target}", "a/")


def _endless(
    name: str, about: str, first: str, other: Handler, limits: dict[str, object], most: int, expected: dict[str, str]
) -> Host:
    return Host(
        name=f"{name}.example",
        about=about,
        group="infinite",
        pages={"/robots.txt": plain("none", 404), "/": _linked(first)},
        other=other,
        crawl=limits,
        expected={"/": "page", **expected},
        most=most,
        complete=False,
    )


CALENDAR = _endless(
    "calendar",
    "a calendar without end",
    "/calendar",
    _calendar,
    {"max_pages": BUDGET, "max_depth": 1000},
    BUDGET,
    {"/calendar": "page"},
)
SESSIONS = _endless(
    "sessions",
    "a new session id in each link",
    "/shop",
    _session,
    {"max_pages": BUDGET, "max_depth": 1000},
    BUDGET,
    {"/shop": "page"},
)
DEEPER = _endless(
    "deeper", "paths that go deeper for ever", "/a/", _deeper, {"max_pages": 1000, "max_depth": DEPTH}, DEPTH + 1,
    # A path that repeats itself four times is a trap.
    {**{"/" + "a/" * depth: "page" for depth in range(1, 4)}, "/a/a/a/a/": "denied"},
)  # fmt: skip

SMALL = markup("묶인 글", text=KOREAN).encode()


def _packed(encoding: str, body: bytes, kind: str = HTML) -> Answer:
    return data(kind, body, ("Content-Encoding", encoding))


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(body) + packer.flush()


def _brotli(request: Request) -> Answer:
    """Brotli where the client has said that it can read it, as the web does."""
    if "br" in {item.split(";")[0].strip() for item in request.headers.get("accept-encoding", "").split(",")}:
        return _packed("br", brotli.compress(SMALL))
    return data(HTML, SMALL)


# Handlers, so that 256 MiB are packed by the process that serves them, when they are asked for.
BOMBS = {
    "/gzip": lambda _: _packed("gzip", gzip_bomb(START)),
    "/gzip-chunked": lambda _: Answer(
        headers=(("Content-Type", HTML), ("Content-Encoding", "gzip")),
        framing="chunked",
        pieces=lambda: _slices(gzip_bomb(START)),
    ),
    "/deflate": lambda _: _packed("deflate", zlib_bomb(START)),
    "/brotli": lambda _: _packed("br", brotli_bomb(START)),
    "/twice": lambda _: _packed("gzip, gzip", gz(gzip_bomb(START))),
}
PACKED = Host(
    name="packed.example",
    about=f"bombs that unpack to {BOMB // MEBIBYTE} MiB, packing in all ways, wrong names of packing",
    group="packing",
    pages={
        "/": _linked("/ok/gzip", "/ok/x-gzip", "/ok/deflate", "/ok/raw-deflate", "/ok/brotli", "/ok/identity", "/odd/twice", "/odd/not-gzip",
                     "/odd/no-such", "/odd/half", "/odd/trailing", "/odd/file", *(f"/bomb{name}" for name in BOMBS)),
        **{f"/bomb{name}": handler for name, handler in BOMBS.items()},
        "/ok/gzip": _packed("gzip", gz(SMALL)),
        "/ok/x-gzip": _packed("x-gzip", gz(SMALL)),
        "/ok/deflate": _packed("deflate", zlib.compress(SMALL)),
        "/ok/raw-deflate": _packed("deflate", _raw_deflate(SMALL)),
        "/ok/brotli": _brotli,
        "/ok/identity": _packed("identity", SMALL),
        "/odd/twice": _packed("gzip, gzip", gz(gz(SMALL))),
        "/odd/not-gzip": _packed("gzip", SMALL),
        "/odd/no-such": _packed("banana", SMALL),
        "/odd/half": _packed("gzip", gz(SMALL)[:-20]),
        "/odd/trailing": _packed("gzip", gz(SMALL) + b"trailing"),
        "/odd/file": data("application/gzip", gz(SMALL)),
    },
    expected=_all(
        dict.fromkeys(("/ok/gzip", "/ok/x-gzip", "/ok/deflate", "/ok/raw-deflate", "/ok/brotli", "/ok/identity"), "page")
        # Whether a body that cannot be unpacked is kept as it came is the crawler's affair; it goes on.
        | dict.fromkeys(("/odd/twice", "/odd/not-gzip", "/odd/no-such", "/odd/half", "/odd/trailing"), "page|not_html|unreachable")
        | {"/odd/file": "not_html", **{f"/bomb{name}": "too_large" for name in BOMBS}}
        # A client that does not offer brotli need not unpack it.
        | {"/bomb/brotli": "too_large|page|not_html|unreachable", "/bomb/twice": "too_large|page|not_html|unreachable"}
    ),
    text=dict.fromkeys(("/ok/gzip", "/ok/x-gzip", "/ok/deflate", "/ok/raw-deflate", "/ok/brotli", "/ok/identity"), KOREAN),
)  # fmt: skip


def _slices(body: bytes, size: int = 65_536) -> Iterator[Piece]:
    yield from (body[at : at + size] for at in range(0, len(body), size))


def _length(said: int, body: bytes) -> Answer:
    return raw(head(200, [("Content-Type", HTML), ("Content-Length", str(said)), ("Connection", "close")]), body)


BIG = SMALL.replace(b"</ul>", b"</ul>" + b"<p>word word word word</p>" * (5 * MEBIBYTE // 26))
ODD = Host(
    name="odd.example",
    about="answers that break HTTP: lengths that lie, chunks cut off, bodies without end, headers without number",
    group="protocol",
    pages={
        "/": _linked("/length-short", "/length-long", "/length-twice", "/chunk-cut", "/chunk-bad", "/endless", "/endless-chunks", "/headers", "/header-endless",
                     "/header-bytes", "/header-bare", "/http-1.0", "/http-1.0-length", "/nothing", "/reset", "/garbage", "/big", "/big-chunks", "/204", "/200-empty",
                     "/no-type", "/status-bad", "/continue"),
        "/length-short": _length(40, SMALL),
        "/length-long": _length(len(SMALL) + 1000, SMALL),
        "/length-twice": raw(head(200, [("Content-Type", HTML), ("Content-Length", "10"), ("Content-Length", str(len(SMALL)))]), SMALL),
        "/chunk-cut": raw(CHUNKED, chunk(SMALL), b"1000\r\nabc"),
        "/chunk-bad": raw(CHUNKED, b"zz\r\n" + SMALL),
        "/endless": endless(LENGTHLESS + START, b"<p>word word</p>" * 4096),
        "/endless-chunks": endless(CHUNKED + chunk(START), chunk(b"<p>word word</p>" * 4096)),
        "/headers": data(HTML, SMALL, *((f"X-Header-{number}", "x" * 50) for number in range(5000))),
        "/header-endless": endless(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-Long: ", b"x" * 65_536),
        "/header-bytes": raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nX-Bytes: \xff\xfe\x80\x01\r\nConnection: close\r\n\r\n", SMALL),
        "/header-bare": raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nno colon here\r\nConnection: close\r\n\r\n", SMALL),
        "/http-1.0": data(HTML, SMALL, framing="close"),
        "/http-1.0-length": raw(head(200, [("Content-Type", HTML), ("Content-Length", str(len(SMALL)))], "1.0"), SMALL),
        "/nothing": raw(),
        "/reset": raw(b"HTTP/1.1 200"),
        "/garbage": raw(b"\x16\x03\x01 this is no HTTP\r\n\r\n" * 20),
        "/big": data(HTML, BIG),
        "/big-chunks": Answer(headers=(("Content-Type", HTML),), framing="chunked", pieces=lambda: _slices(BIG)),
        "/204": Answer(204),
        "/200-empty": data(HTML, b""),
        "/no-type": Answer(200, (), SMALL),
        "/status-bad": raw(b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n"),
        "/continue": raw(b"HTTP/1.1 100 Continue\r\n\r\n", LENGTHLESS, SMALL),
    },
    expected=_all(
        {
            **dict.fromkeys(("/length-short", "/length-long", "/length-twice", "/chunk-cut", "/chunk-bad"), "page|unreachable"),
            **dict.fromkeys(("/headers", "/header-endless"), "page|unreachable|too_large|timeout"),
            **dict.fromkeys(("/header-bytes", "/header-bare", "/no-type", "/continue"), "page|not_html|unreachable"),
            **dict.fromkeys(("/http-1.0", "/http-1.0-length"), "page"),
            **dict.fromkeys(("/nothing", "/reset", "/garbage", "/status-bad"), "unreachable"),
            **dict.fromkeys(("/endless", "/endless-chunks", "/big", "/big-chunks"), "too_large"),
            "/204": "page|not_html",
            "/200-empty": "page|not_html",
        }
    ),
)  # fmt: skip

PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(range(256)) * 8
BINARY = Host(
    name="binary.example",
    about="what is no HTML, and says so or not",
    group="binary",
    pages={
        "/": _linked(
            "/a.pdf", "/b.jpg", "/c.zip", "/d.json", "/e.txt", "/pdf-as-html", "/html-as-octets", "/xhtml", "/to-pdf"
        ),
        "/a.pdf": data("application/pdf", PDF),
        "/b.jpg": data("image/jpeg", b"\xff\xd8\xff\xe0" + bytes(1000)),
        "/c.zip": data("application/zip", b"PK\x03\x04" + bytes(1000)),
        "/d.json": data("application/json", '{"href": "/from-json"}'),
        "/e.txt": plain("http://binary.example/from-text"),
        "/pdf-as-html": data(HTML, PDF),
        "/html-as-octets": data("application/octet-stream", SMALL),
        "/xhtml": data("application/xhtml+xml", '<?xml version="1.0" encoding="utf-8"?>\n' + markup("엑스")),
        "/to-pdf": redirect("/a.pdf"),
    },
    expected=_all(
        {
            **dict.fromkeys(("/a.pdf", "/b.jpg", "/c.zip", "/d.json", "/e.txt"), "not_html"),
            "/pdf-as-html": "page|not_html",
            "/html-as-octets": "not_html|page",
            "/xhtml": "page",
            "/to-pdf": "redirect",
        }
    ),
    forbidden=("/from-json", "/from-text"),
    once=(("/a.pdf",),),
)

HOSTS = (SLOW, LATER, NEVER, TOMORROW, LIES, CALENDAR, SESSIONS, DEEPER, PACKED, ODD, BINARY)
