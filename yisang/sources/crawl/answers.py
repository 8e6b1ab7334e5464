"""From an answer to its verdict: what it is, whether its page may be kept, what it bears, and what of it goes into the WARC."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from yisang.records import Page
from yisang.sources.base import TooLarge
from yisang.sources.crawl.archive import NOT_MODIFIED, SAME_PAYLOAD, Exchange
from yisang.sources.crawl.frontier import Found, Queued, Settled, now
from yisang.sources.crawl.links import Listed, NotListing, clean, key, listed, page_links
from yisang.sources.crawl.rules import WORTH_ANOTHER_TRY, retry_after
from yisang.sources.crawl.site import Site
from yisang.sources.crawl.tag import Tag
from yisang.sources.decode import decode
from yisang.sources.http_body import BrokenRecord, NoDecoder, undo_codings
from yisang.sources.rights.optout import follows, heard, page_signals
from yisang.sources.rights.signals import Signal, judge

HTML = frozenset({"text/html", "application/xhtml+xml"})


def media_type(headers: dict[str, str]) -> str:
    return headers.get("content-type", "").split(";")[0].split(",")[0].strip().lower()


def _is_html(headers: dict[str, str], body: bytes) -> bool:
    """By its media type; an answer without one by how it begins."""
    found = media_type(headers)
    return found in HTML or (not found and body.lstrip()[:1] == b"<")


class Answers:
    """Takes answers to their verdicts for one agent. tag: gives a page its licence (`TagLicence`)."""

    def __init__(self, agent: str, tag: Callable[[Page], Page]):
        self._agent, self._tag = agent, tag

    def wants_body(self, queued: Queued, headers: dict[str, str]) -> bool:
        """Whether the body behind these headers is of use, and its owner does not object in them."""
        if not all(signal.allowed for signal in page_signals(headers, None, self._agent)):
            return self._leads_on(queued, headers)
        return queued.kind != "page" or media_type(headers) in HTML or not media_type(headers)

    def _leads_on(self, queued: Queued, headers: dict[str, str]) -> bool:
        """Whether a list that says no is read for its addresses all the same: blogs send "noindex, follow" with each of their sitemaps and feeds."""
        return queued.kind != "page" and follows(headers, None, self._agent)

    def take(self, site: Site, queued: Queued, exchange: Exchange, before: list[Signal]) -> None:
        """Settles a URL by its answer, or leaves it for a later try."""
        headers = exchange.fields
        status = exchange.status
        if status in WORTH_ANOTHER_TRY and self._deferred(site, queued, status, headers):
            return
        found = [*before, *page_signals(headers, None, self._agent)]
        if not judge(found).allowed and not (200 <= status < 300 and self._leads_on(queued, headers)):
            self._refused(site, queued, exchange, found)
        elif status == 304 and queued.digest:
            self._unchanged(site, queued, exchange, found)
        elif 300 <= status < 400:
            self._redirect(site, queued, exchange, found, headers)
        elif status in WORTH_ANOTHER_TRY and queued.digest and queued.kind == "page":
            site.lapse(queued, Settled(f"http_{status}", why="after its last try"))
        elif status >= 400:
            self._settle(site, queued, exchange, Settled(f"http_{status}"), found)
        else:
            self._body(site, queued, exchange, before, found, headers)

    def _deferred(self, site: Site, queued: Queued, status: int, headers: dict[str, str]) -> bool:
        """Whether another try is worth it. A site that asks to be left alone is, all of it."""
        asked = retry_after(headers) if status in (429, 503) else None
        if asked is not None and asked > site.settings.max_wait:
            site.left = f"it asked (status {status}) to be left alone for {asked:.0f} s, more than max_wait = {site.settings.max_wait:.0f}"
            site.pause(asked)
            site.defer(queued, now() + asked, f"status {status}, Retry-After {asked:.0f} s")
            return True
        if queued.tries + 1 >= site.settings.tries:
            return False
        if asked is not None:
            site.pause(asked)
        wait = asked if asked is not None else site.settings.retry_delay * 2**queued.tries
        site.defer(queued, now() + wait, f"status {status}")
        return True

    def _redirect(
        self, site: Site, queued: Queued, exchange: Exchange, found: list[Signal], headers: dict[str, str]
    ) -> None:
        location = headers.get("location", "").strip()
        if not location:
            settled = Settled(f"http_{exchange.status}", why="a redirect without an address to go to")
            self._settle(site, queued, exchange, settled, found)
            return
        target = clean(location, exchange.url)
        if target is None:
            settled = Settled("redirect", target=location, why="to no http or https address")
            self._settle(site, queued, exchange, settled, found)
            return
        if queued.hops >= site.settings.max_redirects:
            settled = Settled(
                "too_many_redirects", rule=f"max_redirects = {site.settings.max_redirects}", target=target
            )
            self._settle(site, queued, exchange, settled, found)
            return
        inside, outside = site.found([target], queued.depth, queued.kind)
        if target != queued.url and any(one.key == key(queued.url) and not one.verdict for one in inside):
            # A site that writes its query in another order than we are known by would be asked for nothing, as the address is known.
            site.store(exchange, via=queued.via, rights=judge(found).as_json())
            site.respell(queued, target)
            return
        settled = Settled("redirect", target=target, why="to another host" if outside else "")
        hop = [one._replace(hops=queued.hops + 1) for one in inside]
        self._settle(site, queued, exchange, settled, found, hop, off_site=outside)

    def _unchanged(self, site: Site, queued: Queued, exchange: Exchange, found: list[Signal]) -> None:
        """304: what lies here is still what the server has."""
        settled = Settled("page" if queued.kind == "page" else "not_html", why="unchanged (304)")
        settled = replace(settled, digest=queued.digest, warc=queued.warc, fetched=queued.fetched)
        settled = replace(settled, etag=queued.etag, modified=queued.modified, licence=queued.licence)
        revisit = (NOT_MODIFIED, exchange.url, queued.fetched)
        self._settle(site, queued, exchange, settled, found, revisit=revisit)

    def _refused(
        self,
        site: Site,
        queued: Queued,
        exchange: Exchange,
        found: list[Signal],
        links: Iterable[Found] = (),
        *,
        off_site: int = 0,
    ) -> None:
        """The answer says that it is not for us: its head is kept as the evidence, its body is not."""
        deciding = judge(found).deciding
        assert deciding is not None
        settled = Settled("opt_out", rule=deciding.rule, why=f"{deciding.where}: {deciding.why}")
        self._settle(site, queued, exchange, settled, found, links, off_site=off_site)

    def _body(
        self,
        site: Site,
        queued: Queued,
        exchange: Exchange,
        before: list[Signal],
        found: list[Signal],
        headers: dict[str, str],
    ) -> None:
        try:
            body, _ = undo_codings(headers, exchange.body)
            if len(body) > site.settings.max_bytes:
                raise TooLarge(f"the body unpacks to more than max_bytes = {site.settings.max_bytes}")
        except TooLarge as error:
            bare = replace(exchange, body=b"", cut="length")
            self._settle(site, queued, bare, Settled("too_large", why=str(error)), found)
            return
        except (BrokenRecord, NoDecoder) as error:
            self._settle(site, queued, exchange, Settled("unreachable", why=str(error)), found)
            return
        if queued.kind != "page":
            self._listing(site, queued, exchange, found, body)
        elif not _is_html(headers, body):
            bare = replace(exchange, body=b"", cut="unspecified")
            why = f"its media type is {media_type(headers) or 'not told'}"
            self._settle(site, queued, bare, Settled("not_html", why=why), found)
        else:
            self._page(site, queued, exchange, before, headers, body)

    def _page(
        self, site: Site, queued: Queued, exchange: Exchange, before: list[Signal], headers: dict[str, str], body: bytes
    ) -> None:
        try:
            text = decode(body, headers.get("content-type")).text
        except UnicodeError:
            # Tags are ASCII in every charset of the web, so links and signals stand there all the same.
            text = body.decode("latin-1")
        told, follows = heard(headers, text, self._agent)
        found = [*before, *told]
        if not judge(found).allowed:
            self._refused(site, queued, exchange, found)
            return
        links = page_links(text, exchange.url) if follows else []
        inside, outside = site.found(links, queued.depth + 1)
        page = Page(id="", url=exchange.url, status=exchange.status, headers=headers, body=body)
        settled = Settled("page", licence=Tag.of(self._tag(page)).as_json())
        self._settle(site, queued, exchange, settled, found, inside, off_site=outside)

    def _listing(self, site: Site, queued: Queued, exchange: Exchange, found: list[Signal], body: bytes) -> None:
        """A sitemap or a feed: no page, but what it lists are."""
        try:
            content = listed(body, exchange.url, hreflang=site.settings.hreflang, max_bytes=site.settings.max_bytes)
            why = f"a {queued.kind}"
        except (NotListing, TooLarge) as error:
            content, why = Listed(), f"no {queued.kind} that can be read: {error}"
        sitemaps, elsewhere = site.found(content.sitemaps, queued.depth + 1, "sitemap")
        pages, outside = site.found(content.pages, queued.depth + 1)
        links, off_site = [*sitemaps, *pages], elsewhere + outside
        if judge(found).allowed:
            self._settle(site, queued, exchange, Settled("not_html", why=why), found, links, off_site=off_site)
        else:
            self._refused(site, queued, exchange, found, links, off_site=off_site)

    def _settle(
        self,
        site: Site,
        queued: Queued,
        exchange: Exchange,
        settled: Settled,
        found: list[Signal],
        links: Iterable[Found] = (),
        *,
        off_site: int = 0,
        revisit: tuple[str, str, str] | None = None,
    ) -> None:
        """Writes the WARC, then says so."""
        judged = judge(found)
        if not judged.allowed:
            exchange = replace(exchange, body=b"", cut="unspecified")
        rights = judged.as_json()
        headers = exchange.fields
        seen = replace(settled, rights=rights, status=exchange.status, seen=exchange.when)
        # A page may be empty, and is one. Of what is no page the body lies there only where it was read.
        if revisit is None and (settled.verdict == "page" or (settled.verdict == "not_html" and exchange.body)):
            etag, modified = headers.get("etag", ""), headers.get("last-modified", "")
            seen = replace(seen, digest=exchange.digest, etag=etag, modified=modified, fetched=exchange.when)
            if queued.digest == exchange.digest:
                revisit = (SAME_PAYLOAD, exchange.url, queued.fetched)
                seen = replace(seen, warc=queued.warc, fetched=queued.fetched)
        place = site.store(exchange, via=queued.via, rights=rights, licence=settled.licence, revisit=revisit)
        site.settle(queued, seen if revisit else replace(seen, warc=place), links, off_site=off_site)
