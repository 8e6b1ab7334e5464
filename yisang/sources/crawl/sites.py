"""SITES.toml: which hosts are crawled, and how. It is the registry of licences (`yisang.filters.licence`) with two kinds of tables more:

[crawl]                                    for all sites
agent = "yisang"                           the product token that robots.txt groups are looked up by
contact = "mailto:you@example.org"         required: where the owner of a site reaches you (mailto: or http(s):)
delay = 1.0                                and every other setting of `[site.crawl]`, as its default

[[site]]
host = "questions.example.org"             … licence, letter, category, evidence, date
[site.crawl]                               optional
start = ["https://questions.example.org/"] pages to begin with; "https://HOST/" where nothing is said
sitemaps = ["https://…"]                   those that robots.txt names, where nothing is said
feeds = ["https://…"]                      RSS or Atom
allow = ["/question/"]                     patterns (re.search) of which a URL must match one
deny = ["[?&]sort="]                       and none of these
hreflang = "ko"                            of a sitemap's alternates, only those of this language
address = "127.0.0.1:8080"                 connect there whatever DNS says: the only way to an address that is not public

A site of letter C never enters, so it is left out, unless it has a table `crawl` of its own or pages may raise it.
"""

from __future__ import annotations

import ipaddress
import math
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from yisang import __version__
from yisang.errors import UsageError
from yisang.filters.licence import Registry
from yisang.sources.crawl.links import clean

_Positive = Annotated[float, msgspec.Meta(gt=0)]
_NotNegative = Annotated[float, msgspec.Meta(ge=0)]
_Count = Annotated[int, msgspec.Meta(ge=1)]


class SiteCrawl(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one site is crawled. Times in seconds, sizes in bytes.

    delay: between two requests; more where robots.txt asks for it (`Crawl-delay`, heeded up to `max_crawl_delay`) or the server is slow
    (AutoThrottle, up to `max_delay`). max_pages: answers taken, whatever their status. max_bytes: of one body, as sent and unpacked.
    timeout: of one answer, from the connection to its last byte. tries: of one URL that fails, `retry_delay`
    apart and then twice that. max_wait: the longest Retry-After that is
    waited out; a site that asks for more is left for another day. but: hosts below this one that have an entry of their own, whatever its
    letter; the nearest entry speaks for a host.
    """

    host: str = ""
    subdomains: bool = False
    but: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] | None = None
    feeds: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    hreflang: str = ""
    address: str = ""
    delay: _NotNegative = 1.0
    max_delay: _Positive = 60.0
    max_crawl_delay: _Positive = 60.0
    concurrency: _Count = 1
    max_pages: _Count = 10_000
    max_depth: Annotated[int, msgspec.Meta(ge=0)] = 30
    max_bytes: _Count = 8 << 20
    timeout: _Positive = 60.0
    tries: _Count = 3
    retry_delay: _NotNegative = 10.0
    max_wait: _NotNegative = 600.0
    max_redirects: _Count = 10

    def covers(self, host: str) -> bool:
        """Whether a host name belongs to this site."""
        if any(host == other or host.endswith(f".{other}") for other in self.but):
            return False
        return host == self.host or (self.subdomains and host.endswith(f".{self.host}"))


class Sites(msgspec.Struct, frozen=True, kw_only=True):
    """What a SITES.toml says of crawling. left_out: hosts of letter C."""

    path: str
    agent: str
    contact: str
    sites: tuple[SiteCrawl, ...]
    left_out: tuple[str, ...] = ()

    @property
    def user_agent(self) -> str:
        """Who asks, honestly: the token that robots.txt can name, and whom to write to."""
        contact = f"+{self.contact}" if self.contact else "no contact given"
        name = f"yisang/{__version__}" if self.agent == "yisang" else f"{self.agent} yisang/{__version__}"
        return f"{name} ({contact})"

    def site(self, host: str) -> SiteCrawl:
        for site in self.sites:
            if site.host == host:
                return site
        raise UsageError(f"{self.path} has no site {host} to crawl. It has {', '.join(s.host for s in self.sites)}.")


# RFC 9309, section 2.2.1: a product token is made of these.
_TOKEN = re.compile(r"[A-Za-z_-]+")
_OF_REGISTRY = frozenset({"host", "subdomains", "but"})
_OF_SITE = frozenset(SiteCrawl.__struct_fields__) - _OF_REGISTRY
_OF_ALL = _OF_SITE - {"start", "sitemaps", "feeds", "address"}


def read_sites(path: str | Path, *, connect_to: str = "") -> Sites:
    """The sites of a file. connect_to: an address that stands for that of every site. UsageError names file, host and key."""
    registry = Registry(path)
    table = tomllib.loads(Path(path).read_text("utf-8"))
    common = _table(table.get("crawl", {}), f"{path}")
    where = f"{path}, table crawl"
    agent, contact = common.pop("agent", "yisang"), common.pop("contact", "")
    if not isinstance(agent, str) or not _TOKEN.fullmatch(agent):
        raise UsageError(
            f"{where}: agent is {agent!r}; a product token is made of letters, - and _ (RFC 9309), for example yisang."
        )
    if not isinstance(contact, str) or not re.fullmatch(r"mailto:\S+@\S+|https?://\S+", contact):
        raise UsageError(
            f"{where}: contact is {contact!r}. Say where the owner of a site reaches you: "
            'contact = "mailto:you@example.org", or the address of a page about this crawl.'
        )
    if wrong := sorted(set(common) - _OF_ALL):
        raise UsageError(
            f"{where}: {wrong[0]!r} is no setting of all sites; there are agent, contact, {', '.join(sorted(_OF_ALL))}."
        )
    sites, left_out = [], []
    for item in table.get("site", []):
        entry = registry.for_host(item["host"])
        assert entry is not None, item["host"]
        if entry.licence.letter == "C" and "crawl" not in item and not item.get("page_may_raise"):
            left_out.append(entry.host)
            continue
        own = _table(item.get("crawl", {}), f"{path}, site {entry.host}")
        if wrong := sorted(set(own) - _OF_SITE):
            raise UsageError(
                f"{path}, site {entry.host}: {wrong[0]!r} is no setting of its table crawl; there are {', '.join(sorted(_OF_SITE))}."
            )
        but = tuple(sorted(host for host in registry.sites if host.endswith(f".{entry.host}")))
        given = common | own | {"host": entry.host, "subdomains": entry.subdomains, "but": but}
        if connect_to:
            given["address"] = connect_to
        sites.append(_site(given, f"{path}, site {entry.host}"))
    if not sites:
        raise UsageError(
            f"{path} names no site that may be crawled: those of letter C never enter. Read the terms of a site first; "
            "docs/registry.md says how an entry is written."
        )
    return Sites(path=str(path), agent=agent, contact=contact, sites=tuple(sites), left_out=tuple(left_out))


def _table(found: object, where: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise UsageError(f"{where}: crawl is {found!r}; it must be a table of settings.")
    return dict(found)


def _site(given: dict[str, Any], where: str) -> SiteCrawl:
    try:
        site = msgspec.convert(given, SiteCrawl)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {error}.") from error
    for key, value in msgspec.structs.asdict(site).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{where}: {key} is {value}; it must be a number of seconds.")
    if not site.start and not site.sitemaps and not site.feeds:
        site = msgspec.structs.replace(site, start=(f"https://{site.host}/",))
    for key in ("start", "sitemaps", "feeds"):
        for url in getattr(site, key) or ():
            cleaned = clean(url)
            if cleaned is None:
                raise UsageError(
                    f"{where}: {key} has {url!r}, which is no http or https address, or one with a name and password in it."
                )
            if not site.covers(urlsplit(cleaned).hostname or ""):
                raise UsageError(
                    f"{where}: {key} has {url}, which lies on another host. Give that host an entry of its own."
                )
    for key in ("allow", "deny"):
        for pattern in getattr(site, key):
            try:
                re.compile(pattern)
            except re.error as error:
                raise UsageError(f"{where}: {key} has {pattern!r}, which is no regular expression: {error}.") from error
    if site.address:
        split_address(site.address, where)
    return site


def split_address(address: str, where: str = "address") -> tuple[str, int]:
    """Host address and port of "127.0.0.1:8080" or "[::1]:8080"; port 0 where none is named, which is the URL's own."""
    try:
        parts = urlsplit(f"//{address}")
        found, port = parts.hostname or "", parts.port or 0
        ipaddress.ip_address(found)
    except ValueError as error:
        raise UsageError(
            f"{where}: address is {address!r}; it must be an IP address, with a port or without."
        ) from error
    return found, port
