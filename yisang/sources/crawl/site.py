"""One site while it is crawled: its frontier, its archive, what is in flight, and how long it wants to be left alone."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import re
from collections.abc import Iterable
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import msgspec

from yisang.errors import YisangError
from yisang.sources.crawl.archive import Archive, Exchange
from yisang.sources.crawl.frontier import Found, Frontier, Kind, Queued, Settled, now
from yisang.sources.crawl.links import clean, key, trap
from yisang.sources.crawl.sites import SiteCrawl, split_address

FRONTIER = "frontier.sqlite"


class Site:
    """The state of one site's crawl in this process. `left`: why the rest of it waits for another day, "" where it does not."""

    def __init__(self, settings: SiteCrawl, folder: Path, about: dict[str, str]):
        self.settings = settings
        self.folder = folder
        self._lock = _locked(folder, settings.host)
        self.frontier = Frontier(folder / FRONTIER)
        self.archive = Archive(folder, settings.host, about, self.frontier.warc_end)
        self.in_flight: set[int] = set()
        # Of an earlier run too: a site that asked for a pause does not mean the process.
        self.paused_until = float(self.frontier.fact("paused_until", "0"))
        self.delay = settings.delay
        self.left = ""
        if (seconds := self.paused_until - now()) > settings.max_wait:
            self.left = f"it asked to be left alone for {seconds:.0f} s more, which is more than max_wait = {settings.max_wait:.0f}"
        self.pages = 0
        self.address = split_address(settings.address) if settings.address else None
        self._allow = [re.compile(pattern) for pattern in settings.allow]
        self._deny = [re.compile(pattern) for pattern in settings.deny]
        self.frontier.seed(self._seeds())
        self.frontier.open_settings(msgspec.json.encode(settings).decode(), self._kept_away)

    def _seeds(self) -> Iterable[Found]:
        seeds: list[tuple[str, Kind]] = [(url, "page") for url in self.settings.start]
        seeds += [(url, "sitemap") for url in self.settings.sitemaps or ()]
        seeds += [(url, "feed") for url in self.settings.feeds]
        for url, kind in seeds:
            if cleaned := clean(url):
                yield Found(key(cleaned), cleaned, kind)

    def close(self) -> None:
        if not self.in_flight and not self.left and not self.frontier.queued():
            self.frontier.note("finished", str(self.frontier.edition))
        self.archive.close()
        self.frontier.close()
        self._lock.close()

    def reopen(self) -> None:
        """Begins another edition."""
        self.frontier.reopen(self._kept_away)

    # What is asked for next

    def next(self) -> Queued | None:
        """A URL to ask for, None while there is none or enough are in flight."""
        if self.left or len(self.in_flight) >= self.settings.concurrency:
            return None
        room = self.settings.max_pages - self.frontier.answered()
        if room <= 0:
            self.frontier.settle_rest("over_budget", f"max_pages = {self.settings.max_pages}", self.in_flight)
            return None
        queued = self.frontier.next(self.in_flight, now()) if len(self.in_flight) < room else None
        if queued is not None:
            self.in_flight.add(queued.number)
        return queued

    @property
    def waiting(self) -> bool:
        """Whether something of it is still to be done in this crawl."""
        return bool(self.in_flight) or (not self.left and self.frontier.any_queued())

    # What a page bears

    def found(self, links: Iterable[str], depth: int, kind: Kind = "page") -> tuple[list[Found], int]:
        """The URLs of this site among `links`, with a verdict where settings keep them away, and how many lie on other hosts."""
        inside: list[Found] = []
        outside = 0
        for url in links:
            if not self.settings.covers(urlsplit(url).hostname or ""):
                outside += 1
                continue
            verdict, rule = self._kept_away(url, depth, kind)
            inside.append(Found(key(url), url, kind, depth, 0, verdict or None, rule))
        return inside, outside

    def _kept_away(self, url: str, depth: int, kind: Kind) -> tuple[str, str]:
        if not self.settings.covers(urlsplit(url).hostname or ""):
            return "denied", "its host is not of this site"
        if rule := trap(url):
            return "denied", rule
        if denied := next((pattern.pattern for pattern in self._deny if pattern.search(url)), None):
            return "denied", f"deny: {denied}"
        if kind == "page" and self._allow and not any(pattern.search(url) for pattern in self._allow):
            return "denied", "no pattern of allow matches"
        if depth > self.settings.max_depth:
            return "too_deep", f"max_depth = {self.settings.max_depth}"
        return "", ""

    # What became of it

    def settle(
        self,
        queued: Queued,
        settled: Settled,
        found: Iterable[Found] = (),
        *,
        off_site: int = 0,
        answered: bool = True,
    ) -> None:
        self.frontier.settle(
            queued.number,
            settled,
            found,
            via=queued.url,
            warc_end=self.archive.end,
            answered=answered,
            off_site=off_site,
        )
        self.in_flight.discard(queued.number)
        self.pages += settled.verdict == "page"

    def lapse(self, queued: Queued, settled: Settled, *, answered: bool = True) -> None:
        """Settles a URL that could not be asked for, for reasons that pass: where an earlier edition has the page, that one stands, and a day on
        which its site was down does not cost it."""
        if not queued.digest or queued.kind != "page":
            self.settle(queued, settled, answered=answered)
            return
        why = f"not asked for again ({settled.verdict}: {settled.why}); the page is that of {queued.fetched}"
        self.frontier.stand(queued.number, why)
        self.in_flight.discard(queued.number)

    def defer(self, queued: Queued, due: float, why: str) -> None:
        self.frontier.defer(queued.number, due, why)
        self.in_flight.discard(queued.number)

    def respell(self, queued: Queued, url: str) -> None:
        """Queues a URL as its site spells it."""
        self.frontier.respell(queued.number, url, warc_end=self.archive.end)
        self.in_flight.discard(queued.number)

    def release(self, queued: Queued) -> None:
        """Puts back what was not asked for, as the crawl is being stopped."""
        self.in_flight.discard(queued.number)

    def pause(self, seconds: float) -> None:
        self.paused_until = max(self.paused_until, now() + seconds)
        self.frontier.note("paused_until", repr(self.paused_until))

    async def rest(self, queued: Queued, stopping: asyncio.Event) -> None:
        """Waits until this URL may be asked for, the site is left, or the crawl is being stopped."""
        while not (stopping.is_set() or self.left) and (seconds := max(queued.due, self.paused_until) - now()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), seconds)

    def store(
        self,
        exchange: Exchange,
        *,
        via: str = "",
        rights: str = "",
        licence: str = "",
        revisit: tuple[str, str, str] | None = None,
    ) -> str:
        """Writes the records of an answer (`Archive.write`)."""
        return self.archive.write(exchange, via=via, rights=rights, licence=licence, revisit=revisit)


def _locked(folder: Path, host: str) -> IO[str]:
    """The lock of a site's folder, which goes with the process that holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / "lock").open("a+")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise YisangError(
            f"{host} is being crawled into {folder} by another process. Two crawls would be two visitors to the site: wait for it, or stop it."
        ) from error
    return file
