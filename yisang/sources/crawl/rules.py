"""What an origin (scheme, host, port) says of crawling it: robots.txt and tdmrep.json, fetched once and kept for a day.

robots.txt: RFC 9309; unreachable means that nothing is allowed (section 2.3.1.4), and no answer is used longer than 24 hours (section 2.4).
tdmrep.json: https://www.w3.org/community/reports/tdmrep/CG-FINAL-tdmrep-20240510/.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from yisang.sources.base import TooLarge
from yisang.sources.crawl.archive import Exchange
from yisang.sources.crawl.frontier import Origin, now
from yisang.sources.crawl.links import clean
from yisang.sources.crawl.site import Site
from yisang.sources.http_body import BrokenRecord, NoDecoder, undo_codings
from yisang.sources.rights.robots import Robots
from yisang.sources.rights.signals import Signal
from yisang.sources.rights.tdmrep import TdmRep

ROBOTS, TDMREP = "/robots.txt", "/.well-known/tdmrep.json"
MAX_AGE = 24 * 3600.0
MAX_ABSENCE = 7 * MAX_AGE
"""Seconds since it was read for which a file that cannot be read is hoped to come back; nothing is asked for meanwhile. The bound is ours."""
MAX_HOPS = 5
"""Redirects of a robots.txt that are followed (RFC 9309, section 2.3.1.2). After more we take it for unreachable, not for missing."""
WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
"""Statuses that may be another one later."""


class Unfetched(Exception):
    """An address could not be asked, or not to the end. final: another try cannot help. verdict: of all URLs there, where nobody is there to
    answer; "" where somebody is, who did not tell his rules."""

    def __init__(self, why: str, *, verdict: str = "", final: bool = False):
        super().__init__(why)
        self.verdict, self.final = verdict, final


@dataclass(frozen=True)
class Rules:
    """What holds for one origin. verdict, why: of each of its URLs, where the origin cannot be reached at all. fetched: when the oldest of its
    files was, in Unix seconds."""

    robots: Robots
    tdmrep: TdmRep
    verdict: str = ""
    why: str = ""
    fetched: float = 0.0

    def before(self, agent: str, url: str) -> list[Signal]:
        """What is known of a URL before it is asked for."""
        found = [self.robots.verdict(agent, url), *self.robots.content_signals(agent, url)]
        reserved = self.tdmrep.signal(url)
        return found + ([reserved] if reserved else [])


Fetch = Callable[[Site, str], Awaitable[Exchange]]


class Keeper:
    """The rules of the origins of a crawl. Whoever asks for an origin waits for the one fetch of it."""

    def __init__(self, agent: str, fetch: Fetch, stopping: asyncio.Event):
        self._agent, self._fetch, self._stopping = agent, fetch, stopping
        self._rules: dict[tuple[str, str], asyncio.Task[Rules]] = {}

    async def rules(self, site: Site, url: str) -> Rules:
        """The rules for a URL; fetched now where they are not known, or more than a day old."""
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        known = self._rules.get((site.settings.host, origin))
        # Replaced before anything is awaited: all who come later wait for the same task.
        if known is None or (known.done() and _stale(known)):
            known = self._rules[site.settings.host, origin] = asyncio.ensure_future(self._find(site, origin))
        return await asyncio.shield(known)

    async def _find(self, site: Site, origin: str) -> Rules:
        answer = await self._answer(site, origin, ROBOTS)
        fetched = answer.fetched
        if answer.verdict:
            closed = Robots.unreachable(answer.why), TdmRep.unreadable(answer.why)
            why = f"its robots.txt could not be asked for: {answer.why}"
            return Rules(*closed, verdict=answer.verdict, why=why, fetched=fetched)
        robots = _robots(answer)
        asked, most = robots.crawl_delay(self._agent) or 0.0, site.settings.max_crawl_delay
        if asked > most:
            why = f"robots.txt asks for {asked:.0f} s between two requests, more than max_crawl_delay = {most:.0f}"
            return Rules(robots, TdmRep.unreadable(why), verdict="over_budget", why=why, fetched=fetched)
        site.delay = max(site.delay, asked)
        if site.settings.sitemaps is None:
            found, _ = site.found((one for one in map(clean, robots.sitemaps) if one), 0, "sitemap")
            site.frontier.add(found, via=f"{origin}{ROBOTS}")
        allowed = robots.verdict(self._agent, f"{origin}{TDMREP}")
        if not allowed.allowed:
            # Nobody may look, so nobody knows: closed, like every opt-out that cannot be read.
            return Rules(robots, TdmRep.unreadable(f"robots.txt forbids to read it ({allowed.rule})"), fetched=fetched)
        answer = await self._answer(site, origin, TDMREP)
        tdmrep = (
            TdmRep.unreadable(answer.why)
            if not answer.status
            else TdmRep.from_response(answer.status, answer.type, answer.body)
        )
        return Rules(robots, tdmrep, fetched=min(fetched, answer.fetched))

    async def _forbidden(self, site: Site, url: str) -> str:
        """Why the robots.txt of its origin keeps us from a URL that a tdmrep.json leads to, "" where it does not."""
        parts = urlsplit(url)
        robots = _robots(await self._answer(site, f"{parts.scheme}://{parts.netloc}", ROBOTS))
        signal = robots.verdict(self._agent, url)
        return "" if signal.allowed else f"it leads to {url}, which robots.txt forbids ({signal.rule or signal.why})"

    async def _answer(self, site: Site, origin: str, path: str) -> Origin:
        """What an origin answers for a path, from the frontier where that is fresh."""
        known = site.frontier.origin(origin, path)
        if known is not None and now() - known.fetched <= MAX_AGE:
            return known
        tries = 0
        while True:
            answer, pause = await self._follow(site, f"{origin}{path}", rules=path == ROBOTS)
            tries += 1
            if answer.status and answer.status not in WORTH_ANOTHER_TRY:
                break
            if tries >= site.settings.tries or pause is None or self._stopping.is_set():
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause or site.settings.retry_delay * 2 ** (tries - 1))
        if self._stopping.is_set() and (not answer.status or answer.status in WORTH_ANOTHER_TRY):
            raise Unfetched("the crawl is being stopped")
        lost = pause is not None and (not answer.status or answer.status in WORTH_ANOTHER_TRY)
        if (
            lost
            and known is not None
            and known.status not in {0, *WORTH_ANOTHER_TRY}
            and now() - known.fetched <= MAX_ABSENCE
        ):
            # Taken for a no, a minute's outage in the middle of a crawl would be the verdict on all that is left of the site.
            site.left = f"{origin}{path}, which was there before, cannot be read now ({answer.why or f'status {answer.status}'})"
            site.frontier.note(
                "warc_end", ":".join(map(str, site.archive.end))
            )  # what the site answered is kept as evidence
            raise Unfetched(site.left)
        site.frontier.keep_origin(origin, path, answer, site.archive.end)
        return answer

    async def _follow(self, site: Site, url: str, *, rules: bool) -> tuple[Origin, float | None]:
        """The answer after redirects, and how long it asks to wait before another try (None: another try cannot help). rules: whether it is
        a robots.txt, whose redirects are followed wherever they lead (RFC 9309, section 2.3.1.2)."""
        hops = 0
        while True:
            try:
                exchange = await self._fetch(site, url)
                headers = exchange.fields
                if 300 <= exchange.status < 400 and exchange.status != 304:
                    hops += 1
                    location = headers.get("location", "").strip()
                    target = clean(location, url) if location else None
                    if target is None or hops > MAX_HOPS:
                        why = (
                            f"more than {MAX_HOPS} redirects"
                            if target
                            else f"status {exchange.status} without an address"
                        )
                        return Origin(0, "", "", b"", why, now()), None
                    if not rules and (why := await self._forbidden(site, target)):
                        return Origin(0, "", "", b"", why, now()), None
                    url = target
                    continue
                body, _ = undo_codings(headers, exchange.body)
            except Unfetched as error:
                return Origin(
                    0, "" if hops else error.verdict, "", b"", str(error), now()
                ), None if error.final else 0.0
            except (BrokenRecord, NoDecoder, TooLarge) as error:
                return Origin(0, "", "", b"", str(error), now()), None
            pause: float | None = 0.0
            if exchange.status in (429, 503) and (asked := retry_after(headers)) is not None:
                pause = asked if asked <= site.settings.max_wait else None
            return Origin(exchange.status, "", headers.get("content-type", ""), body, "", now()), pause


def _robots(answer: Origin) -> Robots:
    return Robots.from_response(answer.status, answer.body) if answer.status else Robots.unreachable(answer.why)


def _stale(found: asyncio.Task[Rules]) -> bool:
    """By when it was fetched, which may have been by an earlier crawl."""
    return found.exception() is not None or now() - found.result().fetched > MAX_AGE


def retry_after(headers: dict[str, str]) -> float | None:
    """Seconds that an answer asks to wait (RFC 9110, section 10.2.3: a number or a date), None where it does not."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), 1e9)  # int() refuses a text of more than 4,300 digits
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError):  # no date, or no text that is one
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
