"""A crawl from its beginning, or from wherever an earlier one was stopped, to its end. One to a process: a reactor cannot be started twice."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from yisang import __version__
from yisang.errors import Stopped, UsageError
from yisang.filters.licence import Registry
from yisang.sources.crawl.site import Site
from yisang.sources.crawl.sites import Sites

TELL_EVERY = 10.0
"""Seconds between two lines of progress."""


def crawl(
    sites: Sites,
    out: Path,
    *,
    again: bool = False,
    say: Callable[[str], None] = lambda line: None,
    tell_every: float = TELL_EVERY,
) -> Counter[str]:
    """Crawls all sites into `out`, a folder each, and gives the number of URLs by verdict.

    again: asks for everything once more, by what has changed, where an earlier crawl came to its end. Raises Stopped at a signal, and
    where a site asked to be left alone for longer than `max_wait`.
    """
    about = {
        "software": f"yisang/{__version__}",
        "format": "WARC File Format 1.1",
        "conformsTo": "https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/",
        "http-header-user-agent": sites.user_agent,
        "operator": sites.contact,
        "robots": "obey (RFC 9309)",
    }
    registry = Registry(sites.path)
    with ExitStack() as stack:
        opened = []
        for settings in sites.sites:
            site = Site(settings, out / settings.host, about | {"hostname": settings.host})
            stack.callback(site.close)
            if site.archive.repaired:
                say(
                    f"{settings.host}: cut {site.archive.repaired} bytes off the WARC, which a stopped crawl had not accounted for"
                )
            site.frontier.judge_by(f"{sites.agent} {registry.for_host(settings.host)}")
            # A site that is left for another day waits for nothing now, and is not at its end all the same.
            if again and not site.frontier.any_queued():
                site.reopen()
            opened.append(site)
        left = any(site.waiting for site in opened)
        if left:
            _Crawl(sites, opened, say, tell_every, out).run()
        elif not any(site.left for site in opened):
            say("Everything was crawled before. To ask what has changed since, add --again.")
        counts: Counter[str] = Counter()
        for site in opened:
            counts.update(site.frontier.counts())
            if site.left:
                say(f"{site.settings.host} is left for another day: {site.left}.")
            elif line := _nothing(site):
                say(line)
    if counts["queued"]:
        raise Stopped(
            f"{counts['queued']} URLs are still to be asked for. What was fetched is kept; the same command goes on from there."
        )
    return counts


def _nothing(site: Site) -> str:
    """Why a site gave no page at all, and what to do; "" for one that gave some, or is not at its end."""
    counts = site.frontier.counts()
    if counts.get("page") or counts.get("queued"):
        return ""
    row = next(iter(site.frontier.rows()), None)
    if row is None:
        return ""
    told = f"{site.settings.host} gave no page. {row['url']}: {row['verdict']} ({row['why'] or row['rule']})."
    elsewhere = next((row["target"] for row in site.frontier.rows("redirect") if row["why"]), "")
    if elsewhere:
        told += f" It leads to {elsewhere}: give that host an entry of its own in SITES, or this one subdomains = true where it lies below."
    return told


class _Crawl:
    """The reactor's part of a crawl."""

    def __init__(self, sites: Sites, opened: list[Site], say: Callable[[str], None], tell_every: float, out: Path):
        from yisang.sources.crawl.spider import Job

        self._job = Job(sites, opened)
        self._say, self._every, self._out = say, tell_every, out
        self._began = time.monotonic()
        self._asked = ""

    def run(self) -> None:
        from scrapy.crawler import AsyncCrawlerProcess
        from scrapy.settings import Settings

        from yisang.sources.crawl.spider import CrawlSpider

        process = AsyncCrawlerProcess(Settings(_settings(self._job)))
        # Scrapy's own words, which are of use only where something is wrong with it.
        log = logging.FileHandler(self._out / "crawl.log", delay=True)
        log.setLevel(logging.WARNING)
        for name in ("scrapy", "twisted"):
            logging.getLogger(name).handlers = [log]
            logging.getLogger(name).propagate = False
        from twisted.internet import reactor

        # Before Scrapy installs its caching one, which would keep the first address of a host for ever.
        resolver: Any = reactor.nameResolver
        crawler = process.create_crawler(CrawlSpider)
        ended = process.crawl(crawler, job=self._job, resolver=resolver)
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        beat = asyncio.get_event_loop().create_task(self._beat(crawler))
        try:
            process.start(install_signal_handlers=False)
        finally:
            beat.cancel()
            for number, handler in before.items():
                signal.signal(number, handler)
            log.close()
        if ended.done() and not ended.cancelled() and (error := ended.exception()) is not None:
            raise error
        if self._job.broken is not None:
            raise self._job.broken

    def _stop(self, number: int, frame: object) -> None:
        if self._asked:
            # Whatever is in flight stays queued, and a torn record is cut off by the next crawl.
            os._exit(3)
        self._asked = signal.Signals(number).name

    async def _beat(self, crawler: Any) -> None:
        """Looks for a wish to stop, and tells how far the crawl is."""
        told = time.monotonic()
        while True:
            await asyncio.sleep(0.1)
            if self._job.broken is not None and not self._job.stopping.is_set():
                self._job.stopping.set()
                await crawler.stop_async()
            if self._asked and not self._job.stopping.is_set():
                self._job.stopping.set()
                under_way = sum(len(site.in_flight) for site in self._job.open.values())
                self._say(
                    f"Stopping by {self._asked}: what is in flight ({under_way}) is finished first; once more stops at once."
                )
                await crawler.stop_async()
            if time.monotonic() - told >= self._every:
                told = time.monotonic()
                self._say(self._progress())

    def _progress(self) -> str:
        sites = list(self._job.open.values())
        pages, seconds = sum(site.pages for site in sites), time.monotonic() - self._began
        rates = {site.settings.host: site.pages / seconds for site in sites}
        left = {site.settings.host: _room(site) for site in sites if not site.left}
        ends = [left[host] / rates[host] for host in left if left[host] and rates[host]]
        unknown = any(left[host] and not rates[host] for host in left)
        busy = sum(bool(count) for count in left.values())
        line = f"{pages} pages, {pages / seconds:.1f} pages/s, {sum(left.values())} URLs known to be left on {busy} of {len(sites)} sites"
        if ends and not unknown:
            line += f", {_duration(max(ends))} at least"
        return line


def _room(site: Site) -> int:
    """URLs that are known and within the site's budget."""
    return min(site.frontier.queued(), max(0, site.settings.max_pages - site.frontier.answered()))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _settings(job: Any) -> dict[str, Any]:
    """Scrapy's settings. What is off is done by us (robots, redirects, retries, codings), or is no business of a crawl."""
    here = "yisang.sources.crawl.spider"
    return {
        "LOG_ENABLED": False,
        "LOG_INSTALL_ROOT_HANDLER": False,
        "STATS_DUMP": False,
        "TELNETCONSOLE_ENABLED": False,
        "REMOTE_CONTROL_ENABLED": False,
        "SCHEDULER": f"{here}.FrontierScheduler",
        "DOWNLOAD_HANDLERS_BASE": {},
        "DOWNLOAD_HANDLERS": dict.fromkeys(("http", "https"), f"{here}.Handler"),
        "DOWNLOADER_MIDDLEWARES_BASE": {},
        "DOWNLOADER_MIDDLEWARES": {f"{here}.Gate": 100},
        "SPIDER_MIDDLEWARES_BASE": {},
        "EXTENSIONS_BASE": {},
        "EXTENSIONS": {f"{here}.Throttle": 0},
        "AUTOTHROTTLE_ENABLED": True,
        "AUTOTHROTTLE_START_DELAY": 0.0,
        # A delay is the least that a site was promised, so nothing is taken off by chance.
        "DOWNLOAD_SLOTS": {
            host: {"concurrency": site.settings.concurrency, "delay": site.settings.delay, "jitter": 0.0}
            for host, site in job.open.items()
        },
        "DOWNLOAD_WARNSIZE": 0,
        "DOWNLOAD_FAIL_ON_DATALOSS": False,
        # The certificate of a site that claims to be it is looked at, as a browser does.
        "DOWNLOAD_VERIFY_CERTIFICATES": True,
        "CONCURRENT_REQUESTS": 0,
        # Nothing is yielded; each response would start as many tasks as this.
        "CONCURRENT_ITEMS": 1,
        "REFERER_ENABLED": False,
        "COOKIES_ENABLED": False,
    }


def check_out(out: str) -> Path:
    """The folder of a crawl. Raises UsageError for one that is not of this machine's file systems."""
    if not out.strip():
        raise UsageError("The crawl has no folder. Name one with --out.")
    if "://" in out:
        raise UsageError(
            f"A crawl writes to local files, which can be appended to and synced, and {out} is elsewhere. Name a folder of this machine, "
            "and copy the WARC files when the crawl is done."
        )
    path = Path(out)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"Cannot write to {out}: {error.strerror or error}. Choose another folder with --out."
        ) from error
    return path
