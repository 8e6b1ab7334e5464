"""Pages without a source: WARC files whose other records stay as they are, and the SQLite files of a crawl."""

from __future__ import annotations

import contextlib
import gzip
import io
import sqlite3
import sys
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

sys.path.insert(0, str(Path(__file__).parent))
from purge_web import OTHER, TARGET, pages, write_warc

from yisang.errors import UsageError, YisangError
from yisang.pipelines.purge import Where, purge
from yisang.pipelines.purge_crawl import empty
from yisang.pipelines.purge_target import Target
from yisang.pipelines.purge_warc import cut, members
from yisang.records import Page
from yisang.sources.warc import Warc

HOST = Target.of([TARGET], [])


def read(path: Path) -> list[tuple[str, str]]:
    """(type, url) of each record by warcio, whose digests must hold."""
    found = []
    with open(path, "rb") as file:
        for record in ArchiveIterator(file, check_digests="raise"):
            record.content_stream().read()
            found.append((record.rec_type, record.rec_headers.get_header("WARC-Target-URI") or ""))
    return found


def stored(path: Path) -> dict[str, bytes]:
    """The bytes of each gzip member by what it begins with."""
    return {data[0].head.decode(): packed for packed, data, _ in members(str(path))}


@pytest.mark.parametrize("packed", [True, False])
def test_records_of_others_stay_byte_for_byte(packed: bool, tmp_path: Path):
    path = write_warc(tmp_path / ("a.warc.gz" if packed else "a.warc"), pages(), packed)
    before, all_before = read(path), stored(path)
    found = cut(str(path), HOST, change=True)
    assert (found.records, found.responses) == (60, 30)
    assert read(path) == [record for record in before if not record[1].startswith(f"https://{TARGET}/")]
    assert stored(path).items() < all_before.items()
    assert TARGET.encode() not in (gzip.decompress(path.read_bytes()) if packed else path.read_bytes()).replace(
        f"sub.{TARGET}".encode(), b""
    )
    source = Warc(str(path))
    (shard,) = source.shards()
    assert source.count(shard) == len(pages()) - 30


def test_counting_changes_nothing_and_a_second_time_finds_nothing(tmp_path: Path):
    path = write_warc(tmp_path / "a.warc.gz", pages())
    before = path.read_bytes()
    assert cut(str(path), HOST, change=False).records == 60
    assert path.read_bytes() == before
    cut(str(path), HOST, change=True)
    after = path.read_bytes()
    assert not cut(str(path), HOST, change=True).any
    assert path.read_bytes() == after


def with_everything(path: Path) -> Path:
    """A revisit of the target's payload at another host, metadata with and without an address of its own, a dangling reference."""
    with open(path, "wb") as file:
        writer = WARCWriter(file, gzip=True)
        writer.write_record(writer.create_warcinfo_record("a.warc.gz", {"software": "the tests"}))

        def answer(url: str, body: bytes) -> str:
            head = StatusAndHeaders("200 OK", [("Content-Type", "text/plain")], protocol="HTTP/1.1")
            record = writer.create_warc_record(url, "response", payload=io.BytesIO(body), http_headers=head)
            writer.write_record(record)
            return str(record.rec_headers.get_header("WARC-Record-ID"))

        def note(url: str, text: bytes, concurrent: str = "") -> None:
            more = {"WARC-Concurrent-To": concurrent} if concurrent else {}
            writer.write_record(
                writer.create_warc_record(
                    url,
                    "metadata",
                    payload=io.BytesIO(text),
                    warc_content_type="application/warc-fields",
                    warc_headers_dict=more,
                )
            )

        theirs = answer(f"https://{TARGET}/1", b"theirs")
        note("urn:note:1", b"fetchTimeMs: 3\r\n", theirs)
        note(f"https://{OTHER}/1", f"via: https://{TARGET}/1\r\nrights: yes\r\n".encode())
        answer(f"https://{OTHER}/1", b"others")
        revisit = writer.create_revisit_record(
            f"https://{OTHER}/copy", "sha1:AAAA", f"https://{TARGET}/1", "2026-11-22T00:00:00Z"
        )
        writer.write_record(revisit)
    return path


def test_what_belongs_to_a_record_goes_with_it(tmp_path: Path):
    path = with_everything(tmp_path / "a.warc.gz")
    found = cut(str(path), HOST, change=True)
    assert (found.records, found.responses, found.mended) == (3, 1, 1)
    assert read(path) == [("warcinfo", ""), ("metadata", f"https://{OTHER}/1"), ("response", f"https://{OTHER}/1")]
    data = gzip.decompress(path.read_bytes())
    assert TARGET.encode() not in data
    assert b"rights: yes\r\n" in data
    assert purge(HOST, Where((), pages=(str(path),))).clean


def test_records_that_share_a_gzip_member_are_told_apart(tmp_path: Path):
    plain = write_warc(tmp_path / "plain.warc", pages(), packed=False)
    path = tmp_path / "one.warc.gz"
    path.write_bytes(gzip.compress(plain.read_bytes()))
    before = read(plain)  # warcio refuses such a file
    assert cut(str(path), HOST, change=True).records == 60
    assert read(path) == [record for record in before if not record[1].startswith(f"https://{TARGET}/")]


def test_a_file_of_nothing_else_is_removed(tmp_path: Path):
    path = write_warc(tmp_path / f"{TARGET}-00000.warc.gz", {f"https://{TARGET}/1": "only"})
    assert cut(str(path), HOST, change=True).empty
    assert not path.exists()


@pytest.mark.parametrize(("last", "stays"), [(TARGET, False), (OTHER, True)])
def test_the_torn_record_of_a_killed_crawl_goes_if_it_may_be_the_targets(last: str, stays: bool, tmp_path: Path):
    path = write_warc(tmp_path / "a.warc.gz", {f"https://{OTHER}/1": "others"})
    whole = len(path.read_bytes())
    torn = write_warc(tmp_path / "b.warc.gz", {f"https://{last}/2": "cut off " * 40})
    record = next(packed for packed, data, _ in members(str(torn)) if data[0].kind == "response")
    path.write_bytes(path.read_bytes() + record[:-30])
    found = cut(str(path), HOST, change=True)
    assert found.torn == (not stays)
    assert len(path.read_bytes()) == (whole + len(record) - 30 if stays else whole)


def test_a_damaged_file_is_refused_and_left_alone(tmp_path: Path):
    path = write_warc(tmp_path / "a.warc.gz", pages())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(YisangError, match="is damaged"):
        cut(str(path), HOST, change=True)
    assert path.read_bytes() == data


def test_an_archive_of_another_format_is_refused(tmp_path: Path):
    (tmp_path / "a.arc.gz").write_bytes(gzip.compress(b"filedesc://"))
    with pytest.raises(UsageError, match="warcio recompress"):
        empty(str(tmp_path / "a.arc.gz"), HOST, change=True)


# Crawls


def crawl(folder: Path, journal: str = "WAL") -> Path:
    for host in (TARGET, OTHER):
        (folder / host).mkdir(parents=True)
        write_warc(
            folder / host / f"{host}-00000.warc.gz", {u: b for u, b in pages().items() if u.split("/")[2] == host}
        )
        with sqlite3.connect(folder / host / "frontier.sqlite") as connection:
            connection.execute(f"PRAGMA journal_mode = {journal}")
            connection.execute("CREATE TABLE urls (url TEXT PRIMARY KEY, verdict TEXT, via TEXT NOT NULL)")
            connection.execute("CREATE TABLE notes (text TEXT, number INTEGER)")
            for number in range(200):
                via = f"https://{TARGET}/{number}" if number % 10 == 0 else f"https://{host}/"
                connection.execute("INSERT INTO urls VALUES (?, 'page', ?)", (f"https://{host}/{number}", via))
            connection.execute("INSERT INTO notes VALUES (?, 7)", (f"robots of {TARGET}",))
        connection.close()
    return folder


def test_a_host_goes_with_its_folder_and_the_notes_of_others_forget_it(tmp_path: Path):
    folder = crawl(tmp_path / "crawl")
    found = purge(HOST, Where((), pages=(str(folder),)), dry_run=True)
    assert (found.pages[0].folders, found.pages[0].mentions) == (1, 21)
    done = purge(HOST, Where((), pages=(str(folder),)))
    assert done.clean
    assert (done.pages[0].folders, done.pages[0].mentions) == (1, 21)
    assert [path.name for path in folder.iterdir()] == [OTHER]
    file = folder / OTHER / "frontier.sqlite"
    assert TARGET.encode() not in file.read_bytes()
    with contextlib.closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM urls").fetchone() == (200,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert purge(HOST, Where((), pages=(str(folder),))).clean


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_a_page_goes_from_frontier_and_archive_and_from_the_free_pages_of_the_file(journal: str, tmp_path: Path):
    folder = crawl(tmp_path / "crawl", journal)
    done = purge(Target.of([], [f"https://{TARGET}/20"]), Where((), pages=(str(folder),)))
    assert done.clean
    assert (done.pages[0].lines, done.pages[0].records, done.pages[0].folders) == (1, 2, 0)
    for path in folder.rglob("frontier.sqlite*"):
        assert f"https://{TARGET}/20".encode() not in path.read_bytes()
    with contextlib.closing(sqlite3.connect(folder / TARGET / "frontier.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM urls").fetchone() == (199,)


def test_a_deletion_that_leaves_its_bytes_on_a_free_page_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """SQLite marks pages as free, and leaves what was on them."""
    folder = crawl(tmp_path / "crawl", "DELETE")
    target = Target.of([], [f"https://{TARGET}/20"])

    def deleted(path: Path, *arguments: object) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA secure_delete = OFF")
            connection.execute("DELETE FROM urls WHERE url = ? OR via = ?", (f"https://{TARGET}/20",) * 2)
        connection.close()

    with monkeypatch.context() as patch:
        patch.setattr("yisang.pipelines.purge_crawl._clean", deleted)
        found = purge(target, Where((), pages=(str(folder),)))
    assert not found.clean
    assert {Path(place.path).name for place in found.left} == {"frontier.sqlite"}


def test_a_crawl_that_is_at_work_is_refused(tmp_path: Path):
    folder = crawl(tmp_path / "crawl", "DELETE")
    with contextlib.closing(sqlite3.connect(folder / OTHER / "frontier.sqlite", isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(YisangError, match="a crawl is at work"):
            purge(HOST, Where((), pages=(str(folder),)))
        connection.execute("ROLLBACK")
    assert purge(HOST, Where((), pages=(str(folder),))).clean


def test_a_crawl_reads_and_goes_on_after_a_page_was_taken_out_of_it(tmp_path: Path) -> None:
    """What stands behind the page in the WARC has moved, and the file is shorter."""
    from yisang.quickstart.server import serve
    from yisang.quickstart.web import Response
    from yisang.sources.crawl import Crawl
    from yisang.sources.crawl.child import crawl_in_child

    sites = tmp_path / "SITES.toml"
    entry = 'licence = "CC-BY-4.0"\nletter = "A"\ncategory = "Daily"\nevidence = "ours"\ndate = "2026-11-22"\n'
    crawl = '[site.crawl]\nstart = ["http://a.example/", "http://a.example/1", "http://a.example/2"]\ndelay = 0.0\n'
    sites.write_text(f'[crawl]\ncontact = "mailto:a@b.example"\n[[site]]\nhost = "a.example"\n{entry}{crawl}')
    html = (("Content-Type", "text/html; charset=utf-8"),)
    web = {("a.example", f"/{n}" if n else "/"): Response(200, html, f"<p>글 {n}".encode()) for n in range(4)}

    def read() -> set[str]:
        source = Crawl(folder=str(tmp_path / "pages"))
        items = [item for shard in source.shards() for item in source.read(shard)]
        return {item.url if isinstance(item, Page) else type(item).__name__ for item in items} - {"PassedOver"}

    with serve(web) as (ip, port):
        crawl_in_child(str(sites), str(tmp_path / "pages"), connect_to=f"{ip}:{port}")
        before = read()
        empty(str(tmp_path / "pages"), Target(urls=("http://a.example/1",)), change=True)
        assert read() == before - {"http://a.example/1"}
        sites.write_text(sites.read_text().replace('a.example/1"', 'a.example/3"'))
        crawl_in_child(str(sites), str(tmp_path / "pages"), connect_to=f"{ip}:{port}")
    assert read() == {f"http://a.example/{page}" for page in ("", "2", "3")}
