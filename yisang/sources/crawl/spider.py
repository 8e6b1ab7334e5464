"""The crawl on Scrapy: its engine, downloader, slots and AutoThrottle; with our own frontier, robots gate and resolver.

Three of Scrapy's own parts are not used, since each was seen to fail (2.19): `JOBDIR` loses the queue when the process is killed, the robots
middleware lets forbidden pages through while robots.txt of a host is still on its way, and it reads a robots.txt of status 503 as rules. What
Scrapy would do behind our back (redirects, retries, cookies, decompression) is off: each hop is a URL of the frontier, with a verdict of its own.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import scrapy
from scrapy import signals
from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler
from scrapy.core.scheduler import BaseScheduler
from scrapy.crawler import Crawler
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadTimeoutError,
    IgnoreRequest,
    StopDownload,
)
from scrapy.extensions.throttle import AutoThrottle
from scrapy.http import Headers, Request, Response
from twisted.python.failure import Failure

from yisang.errors import YisangError
from yisang.sources.crawl.answers import Answers
from yisang.sources.crawl.archive import Exchange
from yisang.sources.crawl.frontier import Queued, Settled, now
from yisang.sources.crawl.heads import HeadTooLong, bounded
from yisang.sources.crawl.resolver import Guard
from yisang.sources.crawl.rules import Keeper, Rules, Unfetched
from yisang.sources.crawl.site import Site
from yisang.sources.crawl.sites import Sites
from yisang.sources.rights.licences.steps import TagLicence
from yisang.sources.rights.signals import Signal, judge

ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.1"
MAX_RULES_FILE = 4 << 20
"""Bytes of a robots.txt or tdmrep.json; of robots.txt the first 500 KiB are read (RFC 9309, section 2.5)."""
UNWANTED = 1 << 18
"""Bytes of a body that nobody wants which are taken all the same. Where a download is stopped within the read that ends it, Scrapy closes a
connection that Twisted has given to the next request already, which is then asked for twice."""


class Forbidden(IgnoreRequest):  # type: ignore[misc]
    """A URL that must not be asked for."""

    def __init__(self, found: list[Signal]):
        super().__init__()
        self.found = found


class NotAsked(IgnoreRequest):  # type: ignore[misc]
    """A URL of an origin that cannot be asked at all, or wants to be asked too seldom."""

    def __init__(self, verdict: str, why: str):
        super().__init__()
        self.verdict, self.why = verdict, why


class Stopping(IgnoreRequest):  # type: ignore[misc]
    """The crawl ends, or leaves the site, before this URL was asked for."""


class Job:
    """What the parts of one crawl share."""

    def __init__(self, sites: Sites, open_sites: list[Site]):
        self.sites = sites
        self.open = {site.settings.host: site for site in open_sites}
        self.stopping = asyncio.Event()
        self.guard: Guard | None = None
        self.keeper: Keeper | None = None
        self._turn = 0
        self.broken: Exception | None = None

    def fail(self, error: Exception) -> None:
        """Ends the crawl by a failure after which nothing can be written: what is in flight stays queued."""
        self.broken = self.broken or error

    def named(self, host: str) -> tuple[str, int] | None:
        return next((site.address for site in self.open.values() if site.address and site.settings.covers(host)), None)

    def next(self) -> tuple[Site, Queued] | None:
        """A URL of the site whose turn it is."""
        sites = list(self.open.values())
        for step in range(len(sites)):
            site = sites[(self._turn + step) % len(sites)]
            if (queued := site.next()) is not None:
                self._turn = (self._turn + step + 1) % len(sites)
                return site, queued
        return None


class FrontierScheduler(BaseScheduler):  # type: ignore[misc]
    """Hands out what the frontiers hold, no more at a time than each site's concurrency."""

    def __init__(self, job: Job):
        self._job = job
        self._spider: CrawlSpider | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> FrontierScheduler:
        return cls(crawler.spider.job)

    def open(self, spider: CrawlSpider) -> None:
        from twisted.internet import reactor

        self._spider = spider
        # Here, since Scrapy installs its own resolver just before, and no request can have been made yet.
        guard = Guard(spider.resolver, self._job.named)
        self._job.guard = guard
        reactor.installNameResolver(guard)

    def has_pending_requests(self) -> bool:
        return not self._job.stopping.is_set() and any(site.waiting for site in self._job.open.values())

    def enqueue_request(self, request: Request) -> bool:
        return False

    def next_request(self) -> Request | None:
        turn = None if self._job.stopping.is_set() else self._job.next()
        assert self._spider is not None
        return _request(self._spider, *turn) if turn else None


def _request(spider: CrawlSpider, site: Site, queued: Queued) -> Request:
    sites = spider.job.sites
    headers = {"Accept": ACCEPT, "Accept-Encoding": "gzip, deflate, br", "User-Agent": sites.user_agent}
    if queued.digest:
        headers |= {"If-None-Match": queued.etag} if queued.etag else {}
        headers |= {"If-Modified-Since": queued.modified} if queued.modified else {}
    return Request(
        queued.url,
        headers=headers,
        meta=_meta(site, site.settings.max_bytes) | {"queued": queued},
        dont_filter=True,
        callback=spider.parse,
        errback=spider.failed,
    )


def _meta(site: Site, max_bytes: int) -> dict[str, Any]:
    return {
        "site": site,
        "download_slot": site.settings.host,
        "download_timeout": site.settings.timeout,
        "download_maxsize": max_bytes,
    }


class Throttle(AutoThrottle):  # type: ignore[misc]
    """AutoThrottle between each site's own bounds: never faster than SITES and robots.txt say."""

    def _response_downloaded(self, response: Response, request: Request, spider: CrawlSpider) -> None:
        site: Site = request.meta["site"]
        self.mindelay, self.maxdelay = site.delay, max(site.delay, site.settings.max_delay)
        self.target_concurrency = float(site.settings.concurrency)
        super()._response_downloaded(response, request, spider)


class Handler(HTTP11DownloadHandler):  # type: ignore[misc]
    """Scrapy's, with a bound on the heads of answers."""

    def __init__(self, crawler: Crawler):
        super().__init__(crawler)
        self._pool._factory = bounded(self._pool._factory)


class Gate:
    """The last thing before the wire: waits as long as the site asks, and lets through only what its rules allow."""

    def __init__(self, job: Job, crawler: Crawler):
        self._job, self._crawler = job, crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Gate:
        return cls(crawler.spider.job, crawler)

    async def process_request(self, request: Request) -> None:
        site: Site = request.meta["site"]
        if request.meta.get("of_rules"):
            return
        job, queued = self._job, request.meta["queued"]
        await site.rest(queued, job.stopping)
        if site.left:
            raise Stopping
        assert job.keeper is not None
        try:
            rules: Rules = await job.keeper.rules(site, request.url)
        except Unfetched as error:
            raise Stopping from error
        await site.rest(queued, job.stopping)
        if job.stopping.is_set() or site.left:
            raise Stopping
        if rules.verdict:
            raise NotAsked(rules.verdict, rules.why)
        found = rules.before(job.sites.agent, request.url)
        if not all(signal.allowed for signal in found):
            raise Forbidden(found)
        request.meta["signals"] = found
        downloader = self._crawler.engine.downloader
        # For the slot that is made where there is none, at the beginning and after a minute without a request.
        downloader.per_slot_settings[site.settings.host]["delay"] = site.delay
        slot = downloader.slots.get(site.settings.host)
        if slot is not None:
            slot.delay = max(slot.delay, site.delay)


class CrawlSpider(scrapy.Spider):  # type: ignore[misc]
    """Takes each answer to its verdict. All that one answer means is written before the next one is looked at."""

    name = "yisang"

    def __init__(self, job: Job, resolver: Any, **more: Any):
        super().__init__(**more)
        self.job, self.resolver = job, resolver
        self._answers = Answers(job.sites.agent, TagLicence(job.sites.path))

    @classmethod
    def from_crawler(cls, crawler: Crawler, *given: Any, **named: Any) -> CrawlSpider:
        spider: CrawlSpider = super().from_crawler(crawler, *given, **named)
        crawler.signals.connect(spider.headers_received, signals.headers_received)
        crawler.signals.connect(spider.bytes_received, signals.bytes_received)
        spider.job.keeper = Keeper(spider.job.sites.agent, spider.fetch, spider.job.stopping)
        return spider

    async def start(self) -> AsyncIterator[Any]:
        return
        yield

    async def fetch(self, site: Site, url: str) -> Exchange:
        """One answer of a file of rules, kept in the site's WARC. Raises Unfetched."""
        headers = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate, br", "User-Agent": self.job.sites.user_agent}
        meta = _meta(site, MAX_RULES_FILE) | {"of_rules": True}
        request = Request(url, headers=headers, meta=meta, dont_filter=True)
        try:
            response = await self.crawler.engine.download_async(request)
        except Exception as error:
            verdict, why, again = self._cause(error, request)
            nobody = isinstance(error, CannotResolveHostError | DownloadConnectionRefusedError)
            raise Unfetched(why, verdict=verdict if nobody else "", final=not again) from error
        exchange = _exchange(request, response, url)
        site.store(exchange)
        return exchange

    def headers_received(self, headers: Headers, body_length: Any, request: Request, **_: Any) -> None:
        """Ends a large download whose head already says that its body is not wanted."""
        queued: Queued | None = request.meta.get("queued")
        if queued is not None and not self._answers.wants_body(queued, _pairs(headers)):
            request.meta["unwanted"] = 0
            if isinstance(body_length, int) and body_length > UNWANTED:
                raise StopDownload(fail=False)

    def bytes_received(self, data: bytes, request: Request, **_: Any) -> None:
        """The same where the head does not say how large it is."""
        if "unwanted" in request.meta:
            request.meta["unwanted"] += len(data)
            if request.meta["unwanted"] > UNWANTED:
                raise StopDownload(fail=False)

    def parse(self, response: Response, **_: Any) -> None:
        site, queued = response.meta["site"], response.meta["queued"]
        try:
            exchange = _exchange(response.request, response, queued.url)
            self._answers.take(site, queued, exchange, response.meta["signals"])
        except YisangError as error:
            # A file that cannot be written: what became of this URL must not be said, nor of any other.
            self.job.fail(error)
        except Exception:
            # Of our own code: told with the URL, and no reason to lose the rest of the crawl.
            try:
                site.settle(queued, Settled("error", why=traceback.format_exc()))
            except Exception as error:
                self.job.fail(error)

    def failed(self, failure: Failure) -> None:
        """Settles a URL that has no answer."""
        try:
            if isinstance(failure.value, YisangError):
                raise failure.value
            self._failed(failure)
        except Exception as error:
            # Left as it is, this URL would be in flight for ever, and the crawl never end.
            self.job.fail(error)

    def _failed(self, failure: Failure) -> None:
        request = failure.request
        site, queued, error = request.meta["site"], request.meta["queued"], failure.value
        if isinstance(error, Stopping):
            site.release(queued)
        elif isinstance(error, Forbidden):
            rights = judge(error.found)
            deciding = rights.deciding
            assert deciding is not None
            verdict = "robots" if deciding.kind == "robots" else "opt_out"
            settled = Settled(
                verdict, rule=deciding.rule, why=f"{deciding.where}: {deciding.why}", rights=rights.as_json()
            )
            # A robots.txt that could not be read has no rule that decided, and says nothing of what was fetched before.
            settle = site.lapse if verdict == "robots" and not deciding.rule else site.settle
            settle(queued, settled, answered=False)
        elif isinstance(error, NotAsked):
            site.lapse(queued, Settled(error.verdict, why=error.why), answered=False)
        else:
            verdict, why, again = self._cause(error, request)
            if again and queued.tries + 1 < site.settings.tries:
                site.defer(queued, now() + site.settings.retry_delay * 2**queued.tries, f"{verdict}: {why}")
            elif again:
                site.lapse(queued, Settled(verdict, why=why))
            else:
                site.settle(queued, Settled(verdict, why=why))

    def _cause(self, error: BaseException, request: Request) -> tuple[str, str, bool]:
        """Verdict, words, and whether another try may help."""
        host = urlsplit(request.url).hostname or ""
        if isinstance(error, CannotResolveHostError):
            refused = self.job.guard.refused.get(host) if self.job.guard else None
            if refused:
                return (
                    "private_address",
                    f"{host} is {', '.join(refused)}, which is not public; SITES does not name it",
                    False,
                )
            return "unreachable", f"{host} has no address", True
        if isinstance(error, DownloadTimeoutError):
            return "timeout", f"no whole answer within {request.meta['download_timeout']} seconds", True
        if isinstance(error, DownloadCancelledError):
            return "too_large", f"more than {request.meta['download_maxsize']} bytes as sent", False
        too_long = any(reason.check(HeadTooLong) for reason in _reasons(error))
        return "too_large" if too_long else "unreachable", _words(error), not too_long


def _reasons(error: BaseException) -> list[Failure]:
    return getattr(error.__cause__, "reasons", None) or []


def _words(error: BaseException) -> str:
    """What Twisted says of a failure; it wraps the reasons into one another."""
    found = [reason.value for reason in _reasons(error)] or [error]
    return "; ".join(f"{type(one).__name__}: {one}" for one in found)


def _pairs(headers: Headers) -> dict[str, str]:
    """Header fields by lower-cased name, those of one name joined."""
    return {
        name.decode("latin-1").lower(): ", ".join(_text(value) for value in values) for name, values in headers.items()
    }


def _text(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return text.replace("\r", " ").replace("\n", " ")


def _exchange(request: Request, response: Response, url: str) -> Exchange:
    """url: as the frontier has it, whatever Scrapy made of its spelling."""
    asked = [("Host", urlsplit(request.url).netloc)]
    asked += [(name.decode("latin-1"), _text(value)) for name, values in request.headers.items() for value in values]
    told = [(name.decode("latin-1"), _text(value)) for name, values in response.headers.items() for value in values]
    unwanted = "unwanted" in request.meta
    cut = "unspecified" if unwanted else "disconnect" if "dataloss" in response.flags else ""
    return Exchange(
        url=url,
        asked=tuple(asked),
        protocol=response.protocol or "HTTP/1.1",
        status=response.status,
        reason=_reason(response.status),
        headers=tuple(told),
        body=b"" if unwanted else response.body,
        when=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        ip=str(response.ip_address or ""),
        cut=cut,
    )


def _reason(status: int) -> str:
    """The standard phrase; Scrapy does not keep the one that was sent."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
