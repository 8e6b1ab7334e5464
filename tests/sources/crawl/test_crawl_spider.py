"""Scrapy's part of a crawl: who waits how long before the wire, and what becomes of a URL when something of ours fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from scrapy.core.downloader import Downloader
from scrapy.exceptions import DownloadTimeoutError
from scrapy.http import HtmlResponse, Request
from scrapy.utils.test import get_crawler
from twisted.python.failure import Failure

from yisang.sources.crawl.frontier import Queued
from yisang.sources.crawl.rules import Rules
from yisang.sources.crawl.running import _settings
from yisang.sources.crawl.site import Site
from yisang.sources.crawl.sites import SiteCrawl, Sites
from yisang.sources.crawl.spider import CrawlSpider, Forbidden, Gate, Job, Stopping, _exchange, _request
from yisang.sources.rights.robots import Robots
from yisang.sources.rights.tdmrep import TdmRep
from yisang.storage import StorageError

SITES = """
[[site]]
host = "a.example"
licence = "CC-BY-4.0"
letter = "A"
category = "Science"
evidence = "Its footer says so."
date = "2026-11-01"
"""
OPEN = Rules(Robots.parse(b""), TdmRep.from_response(404, "", b""))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    settings = SiteCrawl(host="a.example", start=("https://a.example/x",), delay=0.5, retry_delay=0.0, tries=2)
    found = Site(settings, tmp_path, {})
    yield found
    found.archive.close()


@pytest.fixture
def job(site: Site, tmp_path: Path) -> Job:
    # Each page gets the licence of its host.
    path = tmp_path / "SITES.toml"
    path.write_text(SITES)
    return Job(Sites(path=str(path), agent="yisang", contact="mailto:a@b.example", sites=(site.settings,)), [site])


@pytest.fixture
def spider(job: Job) -> CrawlSpider:
    return CrawlSpider(job, None)


def queued(job: Job) -> Queued:
    turn = job.next()
    assert turn is not None
    return turn[1]


def request(spider: CrawlSpider, site: Site) -> Request:
    found: Request = _request(spider, site, queued(spider.job))
    found.meta["signals"] = []
    return found


def answer(given: Request, body: bytes = b"<p>x</p>", **headers: str) -> HtmlResponse:
    return HtmlResponse(given.url, headers={"Content-Type": "text/html"} | headers, body=body, request=given)


def failure(given: Request, error: Exception) -> Failure:
    found = Failure(error)
    found.request = given
    return found


def verdict(site: Site) -> tuple[str | None, str]:
    (row,) = site.frontier.rows()
    return row["verdict"], row["why"]


# Delays


@pytest.mark.parametrize("made", [False, True], ids=["before there is a slot", "with a slot"])
def test_the_delay_of_robots_txt_holds_for_a_slot_that_scrapy_makes_anew(
    site: Site, job: Job, spider: CrawlSpider, made: bool
) -> None:
    """Scrapy throws a slot away that was idle for a minute, and what was learnt of its delay with it."""

    async def told() -> float:
        crawler = get_crawler(CrawlSpider, _settings(job), prevent_warnings=False)
        crawler.spider = spider
        downloader = Downloader(crawler)
        gate = Gate(job, SimpleNamespace(engine=SimpleNamespace(downloader=downloader)))

        async def rules(of: Site, url: str) -> Rules:
            of.delay = 7.0
            return OPEN

        job.keeper = SimpleNamespace(rules=rules)  # type: ignore[assignment]
        one = request(spider, site)
        if made:
            assert downloader._get_slot(one)[1].delay == 0.5
        await gate.process_request(one)
        found = downloader._get_slot(one)[1]
        assert found.jitter == 0.0
        downloader.slots.clear()
        again = downloader._get_slot(one)[1]
        assert again.delay == found.delay
        downloader.close()
        return float(found.delay)

    assert asyncio.run(told()) == 7.0


# What fails


def test_an_error_of_our_own_is_told_with_its_url_and_the_crawl_goes_on(
    site: Site, job: Job, spider: CrawlSpider
) -> None:
    one = request(spider, site)
    del one.meta["signals"]
    spider.parse(answer(one))
    found, why = verdict(site)
    assert found == "error"
    assert "KeyError: 'signals'" in why
    assert (job.broken, site.in_flight) == (None, set())


def test_what_cannot_be_written_ends_the_crawl_and_nothing_is_said_of_the_url(
    site: Site, job: Job, spider: CrawlSpider, tmp_path: Path
) -> None:
    (tmp_path / "a.example-00000.warc.gz").mkdir()
    spider.parse(answer(request(spider, site)))
    assert isinstance(job.broken, StorageError)
    assert verdict(site) == (None, "")
    assert site.archive.end == ("", 0)


def test_neither_a_verdict_nor_an_error_can_be_said_without_a_frontier(
    site: Site, job: Job, spider: CrawlSpider
) -> None:
    one, other = request(spider, site), None
    site.frontier.close()
    spider.parse(answer(one))
    first = job.broken
    assert "frontier.sqlite cannot be read" in str(first)
    job.broken = None
    del one.meta["signals"]
    spider.parse(answer(one))
    assert "frontier.sqlite cannot be read" in str(job.broken)
    job.broken = other
    for error in (DownloadTimeoutError(), Forbidden([])):
        job.broken = None
        spider.failed(failure(one, error))
        assert job.broken is not None, error


def test_rules_that_cannot_be_kept_end_the_crawl_and_are_no_fault_of_the_site(
    site: Site, job: Job, spider: CrawlSpider
) -> None:
    error = StorageError("No space left to write it.")
    spider.failed(failure(request(spider, site), error))
    assert job.broken is error
    assert verdict(site) == (None, "")


def test_a_failure_of_the_net_is_tried_again_and_then_told(site: Site, job: Job, spider: CrawlSpider) -> None:
    for told in (
        (None, "timeout: no whole answer within 60.0 seconds"),
        ("timeout", "no whole answer within 60.0 seconds"),
    ):
        spider.failed(failure(request(spider, site), DownloadTimeoutError()))
        assert verdict(site) == told
        assert site.in_flight == set()
    assert job.broken is None


def test_what_was_not_asked_for_as_the_crawl_stops_is_still_queued(site: Site, job: Job, spider: CrawlSpider) -> None:
    spider.failed(failure(request(spider, site), Stopping()))
    assert (verdict(site), site.in_flight, job.broken) == ((None, ""), set(), None)
    assert queued(job).tries == 0


# What is kept of an answer


def test_a_line_within_a_header_is_none_in_what_is_kept(site: Site, spider: CrawlSpider) -> None:
    given = request(spider, site)
    found = _exchange(given, answer(given, **{"X-Robots-Tag": "all\r\nX-Forged: yes", "X-Old": "é"}), given.url)
    headers = dict(found.headers)
    assert headers["X-Robots-Tag"] == "all  X-Forged: yes"
    assert "X-Forged" not in headers
    assert dict(found.asked)["User-Agent"].startswith("yisang/")
    assert dict(found.asked)["Host"] == "a.example"
    assert (found.status, found.reason, found.body, found.cut) == (200, "OK", b"<p>x</p>", "")
