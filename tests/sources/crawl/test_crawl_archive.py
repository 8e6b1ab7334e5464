"""The WARC of a crawl: what was accounted for is there, whole and readable; what was not is cut off or moved aside."""

from __future__ import annotations

import gzip
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import deads
from shared import records as records_of
from warcio.archiveiterator import ArchiveIterator

from yisang.errors import YisangError
from yisang.records import Page
from yisang.sources.crawl import archive as module
from yisang.sources.crawl.archive import NOT_MODIFIED, SAME_PAYLOAD, Archive, Exchange
from yisang.sources.rights.signals import Signal, judge
from yisang.sources.warc import Warc

HOST = "a.example"
RIGHTS = judge([Signal("robots", True, "Allow: /", "robots.txt line 1", "한글")]).as_json()


def exchange(name: str = "x", body: bytes = b"<p>x</p>", **more: Any) -> Exchange:
    whole = Exchange(
        url=f"https://{HOST}/{name}?q=1",
        asked=(("Host", HOST), ("User-Agent", "yisang")),
        protocol="HTTP/1.1",
        status=200,
        reason="OK",
        headers=(("Content-Type", "text/html; charset=utf-8"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")),
        body=body,
        when="2026-11-22T10:00:00.000000Z",
        ip="93.184.216.34",
    )
    return replace(whole, **more)


def opened(folder: Path, end: tuple[str, int] = ("", 0)) -> Archive:
    return Archive(folder, HOST, {"software": "yisang"}, end)


def told(folder: Path) -> list[tuple[str, dict[str, str], bytes]]:
    """Kind, fields and block of all records in the order of files, read by warcio, which finds their digests right."""
    found = []
    for path in sorted(folder.glob("*.warc.gz")):
        with path.open("rb") as file:
            for record in ArchiveIterator(file, check_digests="raise"):
                record.raw_stream.read()
        with path.open("rb") as file:
            for record in ArchiveIterator(file, no_record_parse=True):
                fields = dict(record.rec_headers.headers)
                assert len(fields) == len(record.rec_headers.headers), "a field that stands there twice"
                found.append((record.rec_type, fields, record.raw_stream.read()))
    return found


def pages(folder: Path) -> list[Page]:
    source = Warc(str(folder))
    items = [item for shard in source.shards() for item in source.read(shard)]
    assert deads(items) == []
    return [item for item in records_of(items) if isinstance(item, Page)]


# What is written


def test_an_exchange_is_three_records_that_name_one_another(tmp_path: Path) -> None:
    archive = opened(tmp_path)
    one = exchange(body="가나다".encode())
    place = archive.write(one, via="https://a.example/", rights=RIGHTS)
    archive.close()
    (info, metadata, request, response) = told(tmp_path)
    assert [kind for kind, _, _ in (info, metadata, request, response)] == [
        "warcinfo",
        "metadata",
        "request",
        "response",
    ]
    assert b"software: yisang" in info[2]
    assert info[1]["WARC-Filename"] == "a.example-00000.warc.gz"
    own = response[1]["WARC-Record-ID"]
    assert metadata[1]["WARC-Concurrent-To"] == request[1]["WARC-Concurrent-To"] == own
    assert {fields["WARC-Target-URI"] for _, fields, _ in (metadata, request, response)} == {one.url}
    assert {fields["WARC-Date"] for _, fields, _ in (metadata, request, response)} == {one.when}
    assert request[2] == b"GET /x?q=1 HTTP/1.1\r\nHost: a.example\r\nUser-Agent: yisang\r\n\r\n"
    assert response[2].startswith(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n"
    )
    assert response[1]["WARC-IP-Address"] == one.ip
    assert response[1]["WARC-Payload-Digest"] == one.digest
    assert "WARC-Truncated" not in response[1]
    assert metadata[2].decode() == f"via: https://a.example/\r\nrights: {RIGHTS}\r\n"
    (page,) = pages(tmp_path)
    assert (page.url, page.status, page.body.decode(), page.rights, page.warc) == (
        one.url,
        200,
        "가나다",
        RIGHTS,
        place,
    )
    assert page.fetched == one.when


def test_a_place_is_that_of_the_record_that_holds_the_body(tmp_path: Path) -> None:
    archive = opened(tmp_path)
    places = [archive.write(exchange(str(n), b"<p>%d</p>" % n), via="", rights="") for n in range(5)]
    assert archive.end == (places[0].partition(":")[0], (tmp_path / places[0].partition(":")[0]).stat().st_size)
    archive.close()
    for number, place in enumerate(places):
        name, _, offset = place.partition(":")
        with (tmp_path / name).open("rb") as file:
            file.seek(int(offset))
            record = next(iter(ArchiveIterator(file)))
            assert record.rec_type == "response"
            assert record.content_stream().read() == b"<p>%d</p>" % number
    assert [page.warc for page in pages(tmp_path)] == places


def test_a_cut_body_says_why_it_is_not_whole(tmp_path: Path) -> None:
    archive = opened(tmp_path)
    archive.write(exchange(body=b"", cut="length"), via="", rights="")
    archive.close()
    assert told(tmp_path)[-1][1]["WARC-Truncated"] == "length"


@pytest.mark.parametrize(("profile", "status"), [(NOT_MODIFIED, 304), (SAME_PAYLOAD, 200)])
def test_a_revisit_names_the_record_that_holds_the_body_and_holds_none(
    tmp_path: Path, profile: str, status: int
) -> None:
    archive = opened(tmp_path)
    first = exchange()
    archive.write(first, via="", rights="")
    again = replace(first, when="2026-12-01T00:00:00.000000Z", status=status)
    archive.write(again, via="", rights=RIGHTS, revisit=(profile, first.url, first.when))
    archive.close()
    kind, fields, block = told(tmp_path)[-1]
    assert (kind, fields["WARC-Profile"]) == ("revisit", profile)
    assert (fields["WARC-Refers-To-Target-URI"], fields["WARC-Refers-To-Date"]) == (first.url, first.when)
    assert first.body not in block
    if profile == SAME_PAYLOAD:
        assert fields["WARC-Payload-Digest"] == first.digest
    assert [page.fetched for page in pages(tmp_path)] == [first.when]


def test_a_head_is_kept_as_it_came_beyond_ascii_too(tmp_path: Path) -> None:
    archive = opened(tmp_path)
    headers = (("Content-Type", "text/html"), ("한글", "값; 이름=값"), ("X-Straße", "é"), ("ETag", '"가"'))
    archive.write(exchange(headers=headers, reason="확인"), via="", rights="")
    archive.close()
    (page,) = pages(tmp_path)
    assert page.headers == {name.lower(): value for name, value in headers}
    assert told(tmp_path)[-1][2].startswith("HTTP/1.1 200 확인\r\n".encode())


FORGED = (
    "x\r\n\r\nWARC/1.1\r\nWARC-Type: response\r\nWARC-Target-URI: https://victim.example/\r\nContent-Length: 0\r\n\r\n"
)
_VALUES = st.one_of(st.text(), st.just(FORGED), st.just("\x00\xff\r"), st.just("라"), st.just("é"))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1).map(lambda name: name + "x"), _VALUES), max_size=3), st.text(), st.text())
def test_no_header_and_no_reason_forges_a_record(
    tmp_path_factory: pytest.TempPathFactory, headers: list[tuple[str, str]], reason: str, body: str
) -> None:
    """Whatever a server sends stands within the block of its own record, whose length is told before it."""
    folder = tmp_path_factory.mktemp("forged")
    archive = opened(folder)
    safe = body.encode("utf-8", "replace")
    hostile = exchange("hostile", safe + FORGED.encode(), headers=tuple(headers), reason=reason)
    archive.write(hostile, via="https://a.example/", rights=RIGHTS)
    archive.write(exchange("after"), via="", rights="")
    archive.close()
    found = told(folder)
    assert [kind for kind, _, _ in found] == ["warcinfo", *["metadata", "request", "response"] * 2]
    assert {fields.get("WARC-Target-URI") for _, fields, _ in found[1:]} == {hostile.url, exchange("after").url}
    assert found[3][2].endswith(hostile.body)


# Files


def test_a_file_that_is_full_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILE", 3_000)
    archive = opened(tmp_path)
    places = [archive.write(exchange(str(n)), via="", rights="") for n in range(8)]
    assert archive.end[0] == places[-1].partition(":")[0]
    archive.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) >= 3
    assert names[:2] == ["a.example-00000.warc.gz", "a.example-00001.warc.gz"]
    kinds = [kind for kind, _, _ in told(tmp_path)]
    assert kinds.count("warcinfo") == len(names)
    assert [page.warc for page in pages(tmp_path)] == places
    # A later crawl goes on in the last one.
    again = opened(tmp_path, archive.end)
    assert again.repaired == 0
    again.write(exchange("later"), via="", rights="")
    again.close()
    assert len(pages(tmp_path)) == 9


def test_a_later_crawl_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    end, places = ("", 0), []
    for number in range(4):
        archive = opened(tmp_path, end)
        assert archive.repaired == 0
        places.append(archive.write(exchange(str(number)), via="", rights=""))
        end = archive.end
        archive.close()
    assert [page.warc for page in pages(tmp_path)] == places
    assert [kind for kind, _, _ in told(tmp_path)].count("warcinfo") == 1


# What was not accounted for


def test_a_torn_record_is_cut_off_wherever_it_is_torn(tmp_path: Path) -> None:
    archive = opened(tmp_path)
    archive.write(exchange("kept"), via="", rights="")
    name, length = archive.end
    archive.write(exchange("torn", b"x"), via="", rights="")
    archive.close()
    path = tmp_path / name
    whole = path.read_bytes()
    assert length < len(whole)
    for size in range(length, len(whole) + 1):
        path.write_bytes(whole[:size])
        archive = opened(tmp_path, (name, length))
        assert archive.repaired == size - length
        assert path.read_bytes() == whole[:length]
    archive.write(exchange("torn", b"x"), via="", rights="")
    archive.close()
    assert [page.url for page in pages(tmp_path)] == [exchange("kept").url, exchange("torn").url]


def test_a_file_that_is_shorter_than_accounted_for_or_gone_is_told(tmp_path: Path) -> None:
    archive = opened(tmp_path)
    archive.write(exchange(), via="", rights="")
    archive.close()
    name, length = archive.end
    path = tmp_path / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(
        YisangError, match=rf"has {length - 1} bytes, and {length} of it are accounted for.*Move .* away"
    ):
        opened(tmp_path, archive.end)
    assert path.read_bytes() == whole[:-1], "nothing is changed that is not understood"
    path.unlink()
    with pytest.raises(YisangError, match=rf"is not there, though its frontier accounts for {length} bytes"):
        opened(tmp_path, archive.end)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_nobody_accounts_for_is_moved_aside_and_never_lost(tmp_path: Path) -> None:
    contents = []
    for turn in range(3):
        archive = opened(tmp_path)
        assert archive.repaired == (len(contents[-1]) if contents else 0)
        archive.write(exchange(f"turn-{turn}"), via="", rights="")
        archive.close()
        contents.append((tmp_path / archive.end[0]).read_bytes())
    assert len(pages(tmp_path)) == 1
    aside = [path.read_bytes() for path in tmp_path.iterdir() if "unaccounted" in path.name]
    assert sorted(aside) == sorted(contents[:2])
    # The same behind a file that is accounted for: one more was begun as the crawl was killed.
    (tmp_path / "a.example-00001.warc.gz").write_bytes(contents[0])
    assert opened(tmp_path, archive.end).repaired == len(contents[0])
    assert (tmp_path / "a.example-00001.warc.gz.unaccounted").read_bytes() == contents[0]


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    for name in ("b.example-00000.warc.gz", "a.example-notes.txt", "a.example.warc.gz"):
        (tmp_path / name).write_bytes(b"mine")
    assert opened(tmp_path).repaired == 0
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"mine"}


@pytest.mark.parametrize("full", [False, True])
def test_a_write_that_fails_is_told_and_the_next_one_stands_behind_what_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    """Also where the file that a full one is followed by cannot be made."""
    archive = opened(tmp_path)
    first = archive.write(exchange("first"), via="", rights="")
    end = archive.end
    if full:
        monkeypatch.setattr(module, "MAX_FILE", 1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel refuses to let the file grow further, as a full device does: half of the record is written.
    resource.setrlimit(resource.RLIMIT_FSIZE, (200 if full else end[1] + 200, before[1]))
    try:
        with pytest.raises(
            YisangError, match=r"No space left to write .*a\.example-0000.\.warc\.gz.*same command goes on"
        ):
            archive.write(exchange("second", bytes(range(256)) * 100), via="", rights="")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert archive.end == end
    second = archive.write(exchange("second"), via="", rights="")
    archive.close()
    assert [page.warc for page in pages(tmp_path)] == [first, second]
    for path in tmp_path.iterdir():
        assert gzip.decompress(path.read_bytes())


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    archive = opened(tmp_path)
    (tmp_path / "a.example-00000.warc.gz").mkdir()
    with pytest.raises(YisangError, match=r"Cannot write .*a\.example-00000\.warc\.gz: Is a directory"):
        archive.write(exchange(), via="", rights="")
    assert archive.end == ("", 0)
