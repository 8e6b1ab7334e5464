"""A crawl as a source: what it yields, that its books balance whatever is damaged, and by what a recipe knows it again."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from yisang.errors import UsageError, YisangError
from yisang.filters.licence import licence
from yisang.records import Dead, Drop, Page
from yisang.sources.base import PassedOver, Shard, SourceItem
from yisang.sources.crawl import Crawl, pages_at
from yisang.sources.crawl.archive import SAME_PAYLOAD, Exchange
from yisang.sources.crawl.child import crawl_in_child
from yisang.sources.crawl.frontier import Settled
from yisang.sources.crawl.site import Site
from yisang.sources.crawl.sites import SiteCrawl
from yisang.sources.crawl.tag import Tag
from yisang.sources.rights.signals import Rights, Signal, judge
from yisang.sources.warc import Warc

HOST = "a.example"
YES = judge([Signal("robots", True, "Allow: /", "robots.txt line 1")])
NO = judge([Signal("meta", False, "noai", "meta robots", "not for models")])


WHEN = "2026-11-22T10:00:00.000000Z"
TAG = Tag(licence("CC-BY-4.0", "its footer", "2026-11-22"), "Daily", "one")


def exchange(url: str, body: bytes) -> Exchange:
    headers = (("Content-Type", "text/html"),)
    return Exchange(url, (("Host", HOST),), "HTTP/1.1", 200, "OK", headers, body, WHEN)


def crawled(folder: Path, host: str = HOST, pages: int = 4, *, queued: int = 0) -> Site:
    """The folder of a crawl that came to its end, written by the parts that a crawl writes it with."""
    site = Site(SiteCrawl(host=host, start=(f"https://{host}/0",)), folder / host, {"software": "yisang"})
    links = [
        f"https://{host}/{name}" for name in [*map(str, range(1, pages)), "no", "broken", "gone", "moved", "forbidden"]
    ]
    site.frontier.add(site.found(links, 1)[0], via=f"https://{host}/0")
    verdicts = {"no": "opt_out", "broken": "error", "gone": "http_404", "moved": "redirect", "forbidden": "robots"}
    while (one := site.next()) is not None:
        name = one.url.rpartition("/")[2]
        verdict = verdicts.get(name, "page")
        rights: Rights = NO if verdict == "opt_out" else YES
        settled = Settled(
            verdict,
            rule="noai" if verdict == "opt_out" else "",
            why=f"why {verdict}",
            rights=rights.as_json(),
            status=200,
            seen="then",
            licence=TAG.as_json() if verdict == "page" else "",
            fetched=WHEN if verdict == "page" else "",
        )
        if verdict in ("robots", "error"):
            site.settle(one, settled, answered=False)
            continue
        place = site.store(exchange(one.url, f"<p>{name}</p>".encode()), via=one.via, rights=rights.as_json())
        site.settle(one, Settled(**{**settled.__dict__, "warc": place}))
    site.frontier.add(site.found([f"https://{host}/later-{n}" for n in range(queued)], 1)[0])
    site.close()
    return site


def read(source: Crawl, host: str = HOST) -> list[SourceItem]:
    return list(source.read(Shard(host)))


def kinds(items: list[SourceItem]) -> Counter[str]:
    return Counter(type(item).__name__ for item in items)


def balanced(source: Crawl, items: list[SourceItem]) -> bool:
    return source.count(Shard(HOST)) == sum(not isinstance(item, PassedOver) for item in items)


def test_pages_refusals_and_failures_are_told_each_as_what_it_is(tmp_path: Path) -> None:
    crawled(tmp_path)
    source = Crawl(folder=str(tmp_path), category="Science", name="mine")
    items = read(source)
    pages = [item for item in items if isinstance(item, Page)]
    assert [page.url for page in pages] == [f"https://{HOST}/{n}" for n in range(4)]
    assert {(page.rights, page.category, page.source) for page in pages} == {(YES.as_json(), "Science", "mine")}
    assert {(page.licence, page.measures["page_licence_agreement"]) for page in pages} == {(TAG.licence, "one")}
    (drop,) = [item for item in items if isinstance(item, Drop)]
    assert (drop.reason, drop.evidence["url"], drop.evidence["rule"], drop.evidence["where"]) == (
        "opt_out", f"https://{HOST}/no", "noai", "meta robots",
    )  # fmt: skip
    assert isinstance(drop.record, Page)
    assert (drop.record.body, drop.record.rights, drop.record.fetched) == (b"", NO.as_json(), "then")
    (dead,) = [item for item in items if isinstance(item, Dead)]
    assert (dead.error, dead.where) == ("CrawlError", f"https://{HOST}/broken")
    passed = {item.what: item.count for item in items if isinstance(item, PassedOver)}
    assert passed == {"http_404": 1, "redirect": 1, "robots": 1}
    assert balanced(source, items)


def test_the_rights_are_those_of_the_frontier_where_a_page_was_looked_at_again(tmp_path: Path) -> None:
    """The body lies in the first crawl's record, what it may be used for was asked again since."""
    crawled(tmp_path)
    site = Site(SiteCrawl(host=HOST, start=(f"https://{HOST}/0",)), tmp_path / HOST, {})
    site.reopen()
    newer = judge([Signal("robots", True, "Allow: /new", "robots.txt line 9")]).as_json()
    while (one := site.next()) is not None:
        verdict = "page" if one.url.endswith("/0") else "http_410"
        again = exchange(one.url, b"<p>0</p>")
        revisit = (SAME_PAYLOAD, one.url, one.fetched) if verdict == "page" else None
        place = site.store(again, rights=newer, revisit=revisit)
        site.settle(
            one,
            Settled(
                verdict,
                rights=newer,
                status=200,
                warc=one.warc if revisit else place,
                fetched=one.fetched,
                licence=one.licence,
            ),
        )
    site.close()
    items = read(Crawl(folder=str(tmp_path)))
    assert [(item.url, item.body, item.rights) for item in items if isinstance(item, Page)] == [
        (f"https://{HOST}/0", b"<p>0</p>", newer)
    ]
    assert balanced(Crawl(folder=str(tmp_path)), items)


def damage(path: Path, at: int, length: int = 40) -> None:
    whole = bytearray(path.read_bytes())
    whole[at : at + length] = bytes(byte ^ 0x5A for byte in whole[at : at + length])
    path.write_bytes(whole)


@pytest.mark.parametrize("part", range(1, 12))
def test_damage_anywhere_in_a_warc_costs_records_and_is_told_of_each_page(tmp_path: Path, part: int) -> None:
    site = crawled(tmp_path)
    path = tmp_path / HOST / site.archive.end[0]
    damage(path, path.stat().st_size * part // 12)
    source = Crawl(folder=str(tmp_path))
    items = read(source)
    found = kinds(items)
    assert found["Page"] + sum(isinstance(item, Dead) and item.error == "MissingRecord" for item in items) == 4
    assert found["Drop"] == 1
    assert balanced(source, items)
    for item in items:
        if isinstance(item, Dead) and item.error == "MissingRecord":
            assert HOST in item.where
            assert "no whole record of https://a.example/" in item.message


def test_a_damaged_page_is_told_with_its_place_and_what_is_wrong_there(tmp_path: Path) -> None:
    site = crawled(tmp_path)
    path = tmp_path / HOST / site.archive.end[0]
    with sqlite3.connect(tmp_path / HOST / "frontier.sqlite") as db:
        (place,) = db.execute("SELECT warc FROM urls WHERE url LIKE '%/2'").fetchone()
    damage(path, int(place.rpartition(":")[2]) + 60)
    items = read(Crawl(folder=str(tmp_path)))
    (missing,) = [item for item in items if isinstance(item, Dead) and item.error == "MissingRecord"]
    assert missing.where.endswith(f"{HOST}/{place}")
    assert "https://a.example/2" in missing.message
    assert str(path) in missing.message


def test_a_cut_or_missing_warc_costs_what_was_in_it(tmp_path: Path) -> None:
    site = crawled(tmp_path)
    path = tmp_path / HOST / site.archive.end[0]
    path.write_bytes(path.read_bytes()[: site.archive.end[1] // 2])
    source = Crawl(folder=str(tmp_path))
    items = read(source)
    assert balanced(source, items)
    assert 0 < kinds(items)["Page"] < 4
    path.unlink()
    items = read(source)
    assert balanced(source, items)
    assert sum(isinstance(item, Dead) and item.error == "MissingRecord" for item in items) == 4


def test_records_that_the_frontier_does_not_know_are_no_pages(tmp_path: Path) -> None:
    """Those of an earlier edition, and those that a killed crawl had not accounted for."""
    crawled(tmp_path)
    crawled(tmp_path / "other", pages=6)
    shutil.copy(tmp_path / "other" / HOST / f"{HOST}-00000.warc.gz", tmp_path / HOST / f"{HOST}-00007.warc.gz")
    source = Crawl(folder=str(tmp_path))
    items = read(source)
    assert kinds(items)["Page"] == 4
    assert balanced(source, items)


def test_a_damaged_frontier_is_told_in_words(tmp_path: Path) -> None:
    crawled(tmp_path)
    path = tmp_path / HOST / "frontier.sqlite"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(YisangError, match=r"frontier\.sqlite cannot be read"):
        read(Crawl(folder=str(tmp_path)))


def test_what_is_still_queued_is_told_with_what_to_do(tmp_path: Path) -> None:
    crawled(tmp_path, queued=3)
    with pytest.raises(
        YisangError, match=r"3 URLs are still to be asked for\. Go on with it: yisang crawl SITES\.toml"
    ):
        read(Crawl(folder=str(tmp_path)))


def test_one_shard_for_each_host(tmp_path: Path) -> None:
    for host in ("b.example", "a.example"):
        crawled(tmp_path, host)
    (tmp_path / "notes").mkdir()
    assert [shard.path for shard in Crawl(folder=str(tmp_path)).shards()] == ["a.example", "b.example"]
    assert {
        item.url.split("/")[2] for item in read(Crawl(folder=str(tmp_path)), "b.example") if isinstance(item, Page)
    } == {"b.example"}


def test_a_folder_without_a_crawl_is_told_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no crawl in .*yisang crawl SITES\.toml --out"):
        Crawl(folder=str(tmp_path)).shards()
    with pytest.raises(UsageError, match="lies in local files, and s3://x is elsewhere"):
        Crawl(folder="s3://x")
    with pytest.raises(YisangError, match="There is no frontier at"):
        read(Crawl(folder=str(tmp_path)))


def test_the_identity_is_what_decides_over_records_and_not_where_they_lie() -> None:
    one = Crawl(folder="here", category="Science")
    assert one.identity() == Crawl(folder="there", category="Science").identity()
    assert one.identity() != Crawl(folder="here", category="Arts").identity()
    assert one.identity() != Crawl(folder="here", category="Science", name="other").identity()
    assert Crawl(folder="here").identity() != Crawl("SITES.toml", "here").identity()
    assert json.loads(json.dumps(one.identity())) == one.identity()


def test_the_inputs_change_with_each_edition_and_only_then(tmp_path: Path) -> None:
    crawled(tmp_path)
    source = Crawl(folder=str(tmp_path))
    first = source.inputs()
    read(source)
    assert source.inputs() == first
    assert [Path(one.path).parent.name for one in first] == [HOST]
    site = Site(SiteCrawl(host=HOST, start=(f"https://{HOST}/0",)), tmp_path / HOST, {})
    site.reopen()
    site.close()
    assert source.inputs() != first


SITES = """
[crawl]
contact = "mailto:you@example.org"
[[site]]
host = "a.example"
licence = "CC-BY-4.0"
letter = "A"
category = "Science"
evidence = "Its footer says so."
date = "2026-11-01"
[site.crawl]
start = ["https://a.example/0"]
"""


def test_with_a_file_of_sites_that_file_and_later_editions_are_the_inputs(tmp_path: Path) -> None:
    sites = tmp_path / "SITES.toml"
    sites.write_text(SITES)
    source = Crawl(str(sites), str(tmp_path / "out"))
    assert [shard.path for shard in source.shards()] == [HOST]
    (file,) = source.inputs()
    assert file.path == str(sites)
    crawled(tmp_path / "out")
    assert source.inputs() == [file], "a crawl of its own makes no other run of the recipe"
    site = Site(SiteCrawl(host=HOST, start=(f"https://{HOST}/0",)), tmp_path / "out" / HOST, {})
    site.reopen()
    site.close()
    assert len(source.inputs()) == 2
    sites.write_text(SITES + "# read again\n")
    assert source.inputs()[0] != file


def test_what_is_wrong_with_the_sites_is_told_by_the_crawl_of_a_recipe_too(tmp_path: Path) -> None:
    sites = tmp_path / "SITES.toml"
    sites.write_text(SITES.replace("mailto:", ""))
    with pytest.raises(UsageError, match=r"^[^\n]*SITES\.toml, table crawl: contact is 'you@example\.org'\. Say where"):
        crawl_in_child(str(sites), str(tmp_path / "out"))


def test_a_command_line_that_names_a_crawl_or_files_gets_what_it_names(tmp_path: Path) -> None:
    crawled(tmp_path / "crawl")
    assert pages_at(str(tmp_path / "crawl"), "x") == Crawl(folder=str(tmp_path / "crawl"), name="x")
    for files in (str(tmp_path / "crawl" / HOST), str(tmp_path / "*.warc.gz"), "s3://bucket/crawl"):
        assert pages_at(files, "x") == Warc(files, name="x")
