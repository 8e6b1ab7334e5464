"""Web archives: every whole record is read, every broken one is told of, none stops the reading."""

from __future__ import annotations

import gzip
import io
import itertools
import random
import zlib
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import counted, deads, passed, read_all, records, shared
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from yisang.records import Licence, Page, content_id
from yisang.sources import Warc, base, http_body, streams, warc_framing
from yisang.sources.base import CHUNK, Shard, SourceItem

URL = "http://example.kr/물음"
PAGE = "<html><p>왜 하늘은 파란가?</p></html>".encode()
HEADERS = [("Content-Type", "text/html; charset=utf-8"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2")]


def written(entries: list[tuple[str, bytes, list[tuple[str, str]]]], packed: bool) -> tuple[bytes, list[int]]:
    """A WARC by warcio with one response for each (url, stored body, headers), and the records' places."""
    buffer = io.BytesIO()
    writer = WARCWriter(buffer, gzip=packed)
    starts = []
    for url, body, headers in entries:
        starts.append(buffer.tell())
        http = StatusAndHeaders("200 OK", headers, protocol="HTTP/1.1")
        writer.write_record(writer.create_warc_record(url, "response", io.BytesIO(body), http_headers=http))
    return buffer.getvalue(), [*starts, buffer.tell()]


def items_of(data: bytes, tmp_path: Path, name: str = "x.warc") -> list[SourceItem]:
    path = tmp_path / name
    path.write_bytes(data)
    return read_all(Warc(str(path)))


def record(fields: str, block: bytes, end: bytes = b"\r\n\r\n") -> bytes:
    head = f"WARC/1.0\r\n{fields}\r\nContent-Length: {len(block)}\r\n\r\n"
    return head.encode() + block + end


def response(block: bytes, fields: str = "", end: bytes = b"\r\n\r\n") -> bytes:
    head = f"WARC-Type: response\r\nWARC-Target-URI: {URL}\r\nContent-Type: application/http{fields}"
    return record(head, block, end)


GOOD = response(b"HTTP/1.1 200 OK\r\n\r\ngood")


def bodies(items: list[SourceItem]) -> list[bytes]:
    return [page.body for page in records(items) if isinstance(page, Page)]


@pytest.mark.parametrize("packed", [False, True])
def test_a_page_keeps_all_that_is_known_of_it(tmp_path: Path, packed: bool) -> None:
    data, starts = written([(URL, PAGE, HEADERS), (URL + "2", b"", HEADERS)], packed)
    path = tmp_path / "a.warc.gz"
    path.write_bytes(data)
    licence = Licence(id="CC-BY-4.0", letter="A", evidence="test")
    source = Warc(str(path), licence=licence, category="qa", name="mine")
    first, second = read_all(source)
    assert isinstance(first, Page)
    assert isinstance(second, Page)
    assert first.id == content_id(URL, PAGE)
    assert (first.url, first.status, first.body, first.source) == (URL, 200, PAGE, "mine")
    assert first.headers == {"content-type": "text/html; charset=utf-8", "set-cookie": "a=1, b=2"}
    assert [first.warc, second.warc] == [f"a.warc.gz:{start}" for start in starts[:2]]
    assert first.fetched.endswith("Z")
    assert (first.licence, first.category) == (licence, "qa")


@given(
    entries=st.lists(st.tuples(st.text("abcé한 ", min_size=1), st.binary(max_size=300)), max_size=5),
    packed=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_what_warcio_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[str, bytes]], packed: bool
) -> None:
    data, _ = written([(f"http://x/{url}y", body, HEADERS) for url, body in entries], packed)
    path = tmp_path_factory.mktemp("round") / "x.warc"
    path.write_bytes(data)
    items = read_all(Warc(str(path)))
    if not entries:
        assert [item.error for item in deads(items)] == ["NotAnArchive"]
        return
    assert [(page.url, page.body) for page in items if isinstance(page, Page)] == [
        (f"http://x/{url}y", body) for url, body in entries
    ]
    assert len(items) == counted(Warc(str(path))) == len(entries)


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_cut_at_any_byte_loses_only_the_record_that_was_cut(tmp_path: Path, packed: bool) -> None:
    data, starts = written([(URL + str(number), PAGE * number, HEADERS) for number in range(3)], packed)
    for cut in range(len(data) + 1):
        items = items_of(data[:cut], tmp_path)
        whole = sum(end <= cut for end in starts[1:])
        assert bodies(items) == [PAGE * number for number in range(whole)], cut
        assert len(deads(items)) == (0 if cut in starts[1:] else 1), cut


@pytest.mark.parametrize("packed", [False, True])
def test_random_damage_never_raises_and_is_told(tmp_path: Path, packed: bool) -> None:
    data, _ = written([(URL + str(number), PAGE * 3, HEADERS) for number in range(4)], packed)
    sound = set(bodies(items_of(data, tmp_path)))
    chance = random.Random(20)
    kept = 0
    for _ in range(200):
        damaged = bytearray(data)
        place = chance.randrange(len(data))
        damaged[place] ^= 1 << chance.randrange(8)
        items = items_of(bytes(damaged), tmp_path)
        kept += len(bodies(items))
        assert set(bodies(items)) <= sound  # no changed body is ever believed: digests
        assert len(bodies(items)) + len(deads(items)) + sum(passed(items).values()) >= 4 or deads(items)
        assert len(bodies(items)) >= 2, place
    assert kept >= 200 * 3 - 100


@pytest.mark.parametrize("packed", [False, True])
def test_damage_in_the_middle_leaves_both_sides(tmp_path: Path, packed: bool) -> None:
    data, starts = written([(URL, bytes([number]) * 50, HEADERS) for number in range(3)], packed)
    body_end = starts[2] - 20  # in the body, or in the last bytes of the gzip member
    items = items_of(data[: body_end - 10] + b"\xee" * 10 + data[body_end:], tmp_path)
    assert bodies(items) == [b"\0" * 50, b"\2" * 50]
    [dead] = deads(items)
    assert dead.where.endswith(f"x.warc:{starts[1]}")


def framed(data: bytes, starts: list[int]) -> tuple[bytes, list[int]]:
    """Each record as a zstd frame of its own, as https://iipc.github.io/warc-specifications/ proposes; their ends."""
    packer = zstandard.ZstdCompressor()
    frames = [packer.compress(data[start:end]) for start, end in itertools.pairwise(starts)]
    return b"".join(frames), list(itertools.accumulate(map(len, frames)))


def test_a_zstd_file_gives_the_pages_of_the_plain_one_at_their_places_in_it(tmp_path: Path) -> None:
    data, starts = written([(URL + str(number), PAGE * number, HEADERS) for number in range(3)], packed=False)
    plain = items_of(data, tmp_path)
    arc = b"http://x/2 1.2.3.4 20140216050221 text/html 25\nHTTP/1.1 200 OK\r\n\r\nbody23\n"
    for packed in (framed(data, starts)[0], zstandard.ZstdCompressor().compress(data)):
        assert bodies(items_of(packed, tmp_path, "y.warc.zst")) == bodies(plain)
        places = [page.warc for page in read_all(Warc(f"{tmp_path}/y.warc.zst")) if isinstance(page, Page)]
        assert places == [f"y.warc.zst:{start}" for start in starts[:3]]
        assert counted(Warc(f"{tmp_path}/y.warc.zst")) == 3
    items_of(zstandard.ZstdCompressor().compress(arc), tmp_path, "z.ARC.ZST")
    source = Warc(str(tmp_path))
    assert [Path(shard.path).name for shard in source.shards()] == ["x.warc", "y.warc.zst", "z.ARC.ZST"]
    assert len(records(read_all(source))) == counted(source) == 7


def test_a_zstd_file_cut_at_any_byte_loses_only_the_record_that_was_cut(tmp_path: Path) -> None:
    data, starts = written([(URL + str(number), PAGE * number, HEADERS) for number in range(3)], packed=False)
    packed, ends = framed(data, starts)
    for cut in range(len(packed) + 1):
        items = items_of(packed[:cut], tmp_path, "x.warc.zst")
        whole = sum(end <= cut for end in ends)
        assert bodies(items) == [PAGE * number for number in range(whole)], cut
        assert len(deads(items)) == (0 if cut in ends else 1), cut
        assert counted(Warc(f"{tmp_path}/x.warc.zst")) == (whole if cut in ends else None)


def test_damage_in_a_zstd_file_keeps_what_precedes_it_and_is_told(tmp_path: Path) -> None:
    data, starts = written([(URL + str(number), PAGE * number, HEADERS) for number in range(3)], packed=False)
    packed, ends = framed(data, starts)
    items = items_of(packed[: ends[0]] + b"rubbish" + packed[ends[0] :], tmp_path, "x.warc.zst")
    assert bodies(items) == [b""]
    assert ["the rest of the file cannot be unpacked" in dead.message for dead in deads(items)] == [True]
    assert deads(items_of(b"no zstd", tmp_path, "x.warc.zst"))


def test_a_zstd_bomb_is_met_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "ZSTD_PIECE", 16)
    (tmp_path / "x.zst").write_bytes(zstandard.ZstdCompressor().compress(bytes(64 << 20)))
    file, most = base.Zstd(f"{tmp_path}/x.zst"), 0
    while file.read(CHUNK):
        most = max(most, len(file._ready))
    assert most < 1 << 20


def test_a_record_that_lies_about_its_length_swallows_no_other(tmp_path: Path) -> None:
    for lie in (b"Content-Length: 3\r\n", b"Content-Length: 9999\r\n", b"Content-Length: 999999999\r\n"):
        liar = GOOD.replace(b"Content-Length: 23\r\n", lie)
        assert liar != GOOD
        items = items_of(liar + GOOD + GOOD, tmp_path)
        assert bodies(items) == [b"good", b"good"], lie
        assert len(deads(items)) == 1


def test_gzip_files_of_one_member_and_members_that_cut_a_record_are_read(tmp_path: Path) -> None:
    assert bodies(items_of(gzip.compress(GOOD * 3), tmp_path)) == [b"good"] * 3
    cut = gzip.compress(GOOD[:50]) + gzip.compress(GOOD[50:] + GOOD)
    assert bodies(items_of(cut, tmp_path)) == [b"good"] * 2


def test_places_within_a_gzip_member_are_told_apart(tmp_path: Path) -> None:
    pages = records(items_of(gzip.compress(GOOD * 2), tmp_path))
    assert [page.warc for page in pages if isinstance(page, Page)] == ["x.warc:0", f"x.warc:0+{len(GOOD)}"]


def test_zeros_after_the_last_member_are_overlooked_and_other_bytes_are_not(tmp_path: Path) -> None:
    assert deads(items_of(gzip.compress(GOOD) + bytes(100_000), tmp_path)) == []
    assert len(deads(items_of(gzip.compress(GOOD) + bytes(10) + b"x", tmp_path))) == 1


def test_chance_gzip_magic_in_a_damaged_member_is_no_new_record(tmp_path: Path) -> None:
    block = b"HTTP/1.1 200 OK\r\n\r\n" + gzip.compress(b"inner") * 5
    member = gzip.compress(response(block), compresslevel=0)
    broken = member[:-8] + b"12345678"
    items = items_of(broken + gzip.compress(GOOD), tmp_path)
    assert bodies(items) == [b"good"]
    assert len(deads(items)) == 1


@pytest.mark.parametrize(
    "data",
    [b"", b"\n" * 9000, b"hello\n" * 9000, b"\x1f\x8b", gzip.compress(b"hello", mtime=0), b"\x1f\x8b\x08rubbish"],
)
def test_a_file_that_is_no_archive_is_one_dead_letter(tmp_path: Path, data: bytes) -> None:
    items = items_of(data, tmp_path)
    assert len(items) == len(deads(items)) == 1
    assert counted(Warc(str(tmp_path / "x.warc"))) is None


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def bare_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


CODED = {
    "gzip": ("Content-Encoding: gzip", gzip.compress(PAGE)),
    "gzip of several members": (
        "Content-Encoding: x-gzip",
        gzip.compress(PAGE[:9]) + gzip.compress(PAGE[9:]),
    ),
    "zlib": ("Content-Encoding: deflate", zlib.compress(PAGE)),
    "bare deflate": ("Content-Encoding: deflate", bare_deflate(PAGE)),
    "twice": ("Content-Encoding: deflate, gzip", gzip.compress(zlib.compress(PAGE))),
    "chunked": ("Transfer-Encoding: chunked", chunked(PAGE, 7)),
    "chunked gzip": ("Transfer-Encoding: chunked\r\nContent-Encoding: gzip", chunked(gzip.compress(PAGE), 9)),
    "undone already": ("Transfer-Encoding: chunked\r\nContent-Encoding: gzip", PAGE),
    "deflate undone already": ("Content-Encoding: deflate", PAGE),
    "no coding at all": ("Content-Encoding: UTF-8", PAGE),
}


@pytest.mark.parametrize(("header", "stored"), CODED.values(), ids=CODED)
def test_codings_are_undone(tmp_path: Path, header: str, stored: bytes) -> None:
    block = f"HTTP/1.1 200 OK\r\n{header}\r\n\r\n".encode() + stored
    assert bodies(items_of(response(block), tmp_path)) == [PAGE]


BROKEN = {
    "gzip cut off": ("Content-Encoding: gzip", gzip.compress(PAGE)[:-5], "BrokenRecord"),
    "gzip damaged": ("Content-Encoding: gzip", gzip.compress(PAGE)[:20] + b"\xff" * 30, "BrokenRecord"),
    "zlib cut off": ("Content-Encoding: deflate", zlib.compress(PAGE)[:-5], "BrokenRecord"),
    "chunk too long": ("Transfer-Encoding: chunked", b"4\r\nabcd\r\nff\r\nab", "BrokenRecord"),
    "bad chunk size": ("Transfer-Encoding: chunked", b"4\r\nabcd\r\nzz\r\nab", "BrokenRecord"),
    "no last chunk": ("Transfer-Encoding: chunked", b"4\r\nabcd\r\n", "BrokenRecord"),
    "no line end": ("Transfer-Encoding: chunked", b"4\r\nabcdefgh", "BrokenRecord"),
    "many codings": ("Content-Encoding: " + "gzip, " * 9, b"", "BrokenRecord"),
    "unknown packing": ("Content-Encoding: zstd", b"(\xb5/\xfd", "NoDecoder"),
}


@pytest.mark.parametrize(("header", "stored", "error"), BROKEN.values(), ids=BROKEN)
def test_a_body_that_cannot_be_had_is_a_dead_letter(tmp_path: Path, header: str, stored: bytes, error: str) -> None:
    block = f"HTTP/1.1 200 OK\r\n{header}\r\n\r\n".encode() + stored
    items = items_of(response(block) + GOOD, tmp_path)
    assert [dead.error for dead in deads(items)] == [error]
    assert bodies(items) == [b"good"]
    assert counted(Warc(str(tmp_path / "x.warc"))) == 2


def test_bombs_are_defused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (http_body, warc_framing):
        monkeypatch.setattr(module, "MAX_BODY", 10_000)
    bomb = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(10_001))
    large = response(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(10_000))
    items = items_of(response(bomb) + large + gzip.compress(b"") + GOOD, tmp_path)
    assert [dead.error for dead in deads(items)] == ["TooLarge", "TooLarge"]
    fits = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(10_000))
    assert bodies(items_of(response(fits) + GOOD, tmp_path)) == [bytes(10_000), b"good"]
    assert bodies(items_of(gzip.compress(large) + gzip.compress(GOOD), tmp_path)) == [b"good"]


SHA1 = "sha1:XXLIU7W5Y6F7AFZLZDZBWXUZLXVBMFGJ"


@pytest.mark.parametrize(
    ("stated", "right"),
    [
        ("sha1:2KZPHUSXYBQCRXNRAJJMKDRHLZNU2FKQ", False),
        ("sha1:4c0d2b951ffabd6f9a10489dc40fc356ec1d26d5", False),
        ("md5:755f85c2723bb39381c7379a604160d8", True),
        ("md5:dV+FwnI7s5OBxzeaYEFg2A==", True),
        ("MD5:OVPYLQTSHOZZHAOHG6NGAQLA3A======", True),
        ("blake3:whatever", True),
        ("sha1:nonsense", True),
    ],
)
def test_a_stated_digest_must_hold_where_it_is_understood(tmp_path: Path, stated: str, right: bool) -> None:
    block = b"HTTP/1.1 200 OK\r\n\r\ngood"
    items = items_of(response(block, f"\r\nWARC-Payload-Digest: {stated}"), tmp_path)
    assert [dead.error for dead in deads(items)] == ([] if right else ["DigestMismatch"])


def test_records_that_are_no_pages_are_counted_by_kind(tmp_path: Path) -> None:
    data = (
        record("WARC-Type: warcinfo", b"")
        + record("WARC-Type: request\r\nWARC-Target-URI: http://x", b"GET /")
        + record("WARC-Type: response\r\nWARC-Target-URI: dns:x\r\nContent-Type: text/dns", b"1.2.3.4")
        + record("WARC-Type: resource\r\nWARC-Target-URI: metadata://x", b"log")
        + record("WARC-Type: conversion\r\nWARC-Target-URI: http://x\r\nContent-Type: text/plain", b"text")
    )
    items = items_of(data, tmp_path)
    assert passed(items) == {"request": 1, "resource metadata": 1, "response text/dns": 1, "warcinfo": 1}
    [page] = records(items)
    assert isinstance(page, Page)
    assert (page.headers, page.body, page.status) == ({"content-type": "text/plain"}, b"text", 200)
    assert counted(Warc(str(tmp_path / "x.warc"))) == 1


@pytest.mark.parametrize(
    "head",
    [
        "WARC-Type: response\r\nContent-Type: application/http",
        "WARC-Target-URI: http://x",
        "WARC-Type: response\r\nWARC-Target-URI: http://x\r\nContent-Length: -1",
    ],
)
def test_a_header_without_what_it_must_have_is_a_dead_letter(tmp_path: Path, head: str) -> None:
    items = items_of(record(head, b"HTTP/1.1 200 OK\r\n\r\n") + GOOD, tmp_path)
    assert [dead.error for dead in deads(items)] == ["BrokenRecord"]
    assert bodies(items) == [b"good"]


def test_a_page_cut_short_by_its_writer_or_server_is_kept_and_marked(tmp_path: Path) -> None:
    short = response(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ngood")
    cut = response(b"HTTP/1.1 200 OK\r\n\r\ngood", "\r\nWARC-Truncated: length")
    pages = records(items_of(short + cut + GOOD, tmp_path))
    assert [page.measures for page in pages] == [{"truncated": "content-length"}, {"truncated": "length"}, {}]


def test_arc_records_of_both_versions_are_read(tmp_path: Path) -> None:
    block = b"HTTP/1.1 404 Not Found\r\nX: y\r\n\r\nbody"
    one = b"http://x/a b 1.2.3.4 20140216050221 text/html %d\n%s\n" % (len(block), block)
    two = b"http://x/2 1.2.3.4 20140216050221 text/html 404 - - 0 f.arc %d\n%s\n" % (len(block), block)
    dns = b"dns:x 1.2.3.4 20140216050221 text/dns 7\n1.2.3.4\n"
    data = b"filedesc://f.arc 0.0.0.0 20140216050221 text/plain 3\n1 0\n" + one + dns + two
    items = items_of(data, tmp_path, "x.arc")
    pages = [item for item in items if isinstance(item, Page)]
    assert [(page.url, page.status, page.body, page.fetched) for page in pages] == [
        ("http://x/a b", 404, b"body", "2014-02-16T05:02:21Z"),
        ("http://x/2", 404, b"body", "2014-02-16T05:02:21Z"),
    ]
    assert passed(items) == {"filedesc": 1, "response text/dns": 1}
    assert counted(Warc(str(tmp_path / "x.arc"))) == 2


def test_many_lies_are_answered_in_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each record claims nearly all of the cap; the bytes taken from the file must stay those of the file."""
    liar = GOOD.replace(b"Content-Length: 23\r\n", b"Content-Length: 33000000\r\n")
    taken = 0
    feed = streams.Window._feed

    def counting(window: streams.Window) -> bool:
        nonlocal taken
        taken += 1
        return feed(window)

    monkeypatch.setattr(streams.Window, "_feed", counting)
    data = liar * 5000
    items = items_of(data, tmp_path)
    assert len(deads(items)) == 5000
    assert taken <= len(data) // CHUNK + 5010


def test_a_file_of_nothing_but_beginnings_is_answered_in_one_pass(tmp_path: Path) -> None:
    assert len(deads(items_of(b"WARC/1.0\r\n" * 20_000, tmp_path))) == 20_000


Expected = tuple[int | None, list[tuple[str, int, int]], dict[str, int], list[str]]

# Decided by looking at each file: count, pages (url, status, bytes), passed over, dead letters.
REAL: dict[str, Expected] = {
    # Three records without a usable length, and one "http" record of one byte that is no HTTP.
    "warcio/bad.arc": (None, [], {}, ["BrokenRecord"] * 4),
    # One gzip member around all records: readable, if not seekable.
    "warcio/example-bad-non-chunked.warc.gz": (
        1,
        [("http://example.com/", 200, 1270)],
        {"request": 2, "revisit": 1, "warcinfo": 2},
        [],
    ),
    "warcio/example-bad.warc.gz.bad": (
        2,
        [("http://example.com?example=1", 200, 1270), ("http://www.iana.org/domains/example", 302, 201)],
        {"request": 2, "revisit": 1, "warcinfo": 1},
        [],
    ),
    # Its wrong digests are those of requests, which become nothing.
    "warcio/example-digest.warc": (0, [], {"request": 4}, []),
    "warcio/example-iana.org-chunked.warc": (
        1,
        [("http://www.iana.org/", 200, 7223)],
        {"request": 1, "warcinfo": 1},
        [],
    ),
    "warcio/example-resource.warc.gz": (1, [("http://example.com/", 200, 1303)], {"warcinfo": 2}, []),
    "warcio/example-space-in-target-uri.warc.gz": (
        1,
        [("file:///example with spaces.png", 200, 70)],
        {"warcinfo": 1},
        [],
    ),
    # Its line ends were changed to \n: the record has 12 bytes fewer than it states.
    "warcio/example-space-in-url.arc": (None, [], {"filedesc": 1}, ["BrokenRecord"]),
    # The response states 973 of its 975 bytes.
    "warcio/example-trunc.warc": (None, [], {"request": 1, "warcinfo": 2}, ["BrokenRecord"]),
    "warcio/example-wget-bad-target-uri.warc.gz": (
        1,
        [("http://example.com/", 200, 1270)],
        {"metadata": 1, "request": 1, "resource metadata": 2, "warcinfo": 1},
        [],
    ),
    # The response lies in two gzip members, a stray newline follows it, and its block digest does not hold.
    "warcio/example-wrong-chunks.warc.gz": (None, [], {"request": 1}, ["DigestMismatch"]),
    "warcio/example.arc": (1, [("http://example.com/", 200, 1270)], {"filedesc": 1}, []),
    "warcio/example.arc.gz": (1, [("http://example.com/", 200, 1270)], {"filedesc": 1}, []),
    "warcio/example.warc": (
        1,
        [("http://example.com/", 200, 1270)],
        {"request": 2, "revisit": 1, "warcinfo": 2},
        [],
    ),
    "warcio/example.warc.gz": (
        1,
        [("http://example.com/", 200, 1270)],
        {"request": 2, "revisit": 1, "warcinfo": 2},
        [],
    ),
    "warcio/post-test.warc.gz": (
        3,
        [
            ("http://httpbin.org/post", 200, 545),
            ("http://httpbin.org/post", 200, 552),
            ("http://httpbin.org/post?foo=bar", 200, 551),
        ],
        {"request": 3},
        [],
    ),
    "commoncrawl/whirlwind.warc.gz": (
        1,
        [("https://an.wikipedia.org/wiki/Escopete", 200, 72848)],
        {"metadata": 1, "request": 1, "warcinfo": 1},
        [],
    ),
    "commoncrawl/whirlwind.warc.wat.gz": (0, [], {"metadata": 1, "warcinfo": 1}, []),
    "commoncrawl/whirlwind.warc.wet.gz": (
        1,
        [("https://an.wikipedia.org/wiki/Escopete", 200, 4456)],
        {"warcinfo": 1},
        [],
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_real_archives_give_what_a_person_finds_in_them(name: str) -> None:
    source = Warc(shared(f"warc/{name}"))
    items = read_all(source)
    pages = [(item.url, item.status, len(item.body)) for item in items if isinstance(item, Page)]
    assert (counted(source), pages, passed(items), [dead.error for dead in deads(items)]) == REAL[name]


def test_the_table_of_real_archives_is_complete() -> None:
    folder = Path(shared("warc"))
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == set(REAL)


def test_a_shard_is_read_without_its_neighbours(tmp_path: Path) -> None:
    for name in ("a.warc", "b.warc"):
        (tmp_path / name).write_bytes(GOOD)
    assert len(list(Warc(str(tmp_path)).read(Shard(f"{tmp_path}/a.warc")))) == 1
