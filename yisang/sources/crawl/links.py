"""The URLs that a page, a sitemap or a feed bears. Nothing is dereferenced: no entity, no DTD, no stylesheet.

Sitemaps: https://www.sitemaps.org/protocol.html, alternates in other languages as
https://developers.google.com/search/docs/specialty/international/localized-versions#sitemap writes them.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urljoin, urlsplit

from lxml import etree, html
from w3lib.html import get_meta_refresh
from w3lib.url import canonicalize_url, safe_url_string

from yisang.sources.base import TooLarge

MAX_LINKS = 20_000
"""Of one page; what follows is not looked at."""
MAX_SITEMAP = 50_000
"""URLs of one sitemap, as its protocol has it."""
MAX_URL = 2_000
MAX_REPEATS = 3
"""A path that holds one part more often than this (/a/a/a/a) is a trap or a broken relative link."""

_PARSER = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "dtd_validation": False,
    "huge_tree": False,
}


def clean(url: str, base: str = "") -> str | None:
    """The URL as it is asked for: absolute, safe to send, without a fragment. None for what is no http(s) address."""
    try:
        whole = str(safe_url_string(urljoin(base, url.strip()) if base else url.strip())).partition("#")[0]
        parts = urlsplit(whole)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            return None
        port = parts.port
    except ValueError:  # no address at all, such as http://[
        return None
    host = parts.hostname.rstrip(".")
    if port == 0 or not host or not host.isascii():  # what IDNA cannot write stays as it is
        return None
    if ":" in host:
        host = f"[{host}]"
    if port and port != {"http": 80, "https": 443}[parts.scheme]:
        host = f"{host}:{port}"
    return str(parts._replace(netloc=host, path=_without_dots(parts.path)).geturl())


def _without_dots(path: str) -> str:
    """Browsers and servers take /public/../private and /public/%2e%2e/private for /private, and so must the rules of robots.txt
    (https://url.spec.whatwg.org/#path-state). urljoin does not: it leaves %2e, and takes the first part of //a/./b for a host."""
    parts: list[str] = []
    given = path.split("/")[1:] or [""]
    for part in given:
        plain = part.lower().replace("%2e", ".") if len(part) <= len("%2e%2e") else part
        if plain == "..":
            del parts[-1:]
        elif plain != ".":
            parts.append(part)
    if plain in (".", ".."):
        parts.append("")
    return "/" + "/".join(parts)


def key(url: str) -> str:
    """By which a URL is known again: its query sorted, its percent-encoding in one form."""
    return str(canonicalize_url(url))


def trap(url: str) -> str:
    """What about a URL looks like a trap, "" for nothing."""
    if len(url) > MAX_URL:
        return f"longer than {MAX_URL} characters"
    parts = [part for part in urlsplit(url).path.split("/") if part]
    repeated = next((part for part, count in Counter(parts).items() if count > MAX_REPEATS), "")
    return f"{repeated!r} stands more than {MAX_REPEATS} times in its path" if repeated else ""


def page_links(text: str, url: str) -> list[str]:
    """What a page links to, in its order, each once: anchors, areas, frames, next and previous, alternates, canonical, refresh."""
    if not text.strip():
        return []
    try:
        tree = html.document_fromstring(text.encode("utf-8", "replace"), parser=html.HTMLParser(encoding="utf-8"))
    except (etree.ParserError, etree.XMLSyntaxError):  # nothing but comments, or nothing that is HTML at all
        return []
    base = url
    for element in tree.iter("base"):
        if element.get("href"):
            base = clean(element.get("href"), url) or url
            break
    found: dict[str, None] = {}
    looked_at: set[str] = set()
    for link in _hrefs(tree, text, url):
        if link in looked_at:
            continue
        looked_at.add(link)
        if absolute := clean(link, base):
            found.setdefault(absolute)
        # By what was looked at, since a page may hold a million addresses that are none.
        if len(looked_at) >= MAX_LINKS:
            break
    return list(found)


_RELATIONS = frozenset({"next", "prev", "previous", "alternate", "canonical"})
_NO_PAGE = re.compile(r"rss|atom|json|css|javascript", re.I)


def _hrefs(tree: html.HtmlElement, text: str, url: str) -> Iterator[str]:
    _, refresh = get_meta_refresh(text[:65_536], url)
    if refresh:
        yield str(refresh)
    for element in tree.iter("a", "area", "frame", "iframe", "link"):
        if element.tag == "link":
            relations = set((element.get("rel") or "").lower().split())
            if not relations & _RELATIONS or _NO_PAGE.search(element.get("type") or ""):
                continue
        link = element.get("src") if element.tag in ("frame", "iframe") else element.get("href")
        if link:
            yield link


@dataclass(frozen=True)
class Listed:
    """What a sitemap or feed lists: further sitemaps, and pages."""

    sitemaps: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()


class NotListing(Exception):
    """Bytes that are no sitemap, index of sitemaps, or feed."""


def listed(body: bytes, url: str, *, hreflang: str = "", max_bytes: int = 50 << 20) -> Listed:
    """The URLs of a sitemap (XML, gzip or plain text), an index of sitemaps, or a feed (RSS, Atom).

    hreflang: where an entry has alternates, only those of this language. Raises NotListing, and TooLarge for a bomb.
    """
    body = _unpacked(body, max_bytes)
    if not body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<", b"\xff\xfe", b"\xfe\xff")):
        lines = body.decode("utf-8", "replace").split()
        pages = [absolute for line in lines[:MAX_SITEMAP] if (absolute := clean(line))]
        if not pages:
            raise NotListing("neither XML nor a list of addresses")
        return Listed(pages=tuple(dict.fromkeys(pages)))
    sitemaps: dict[str, None] = {}
    pages_: dict[str, None] = {}
    try:
        events = etree.iterparse(io.BytesIO(body), events=("end",), recover=True, remove_comments=True, **_PARSER)
        known, entries = False, 0
        for _, element in events:
            name = etree.QName(element).localname if isinstance(element.tag, str) else ""
            known = known or name in (
                "urlset",
                "sitemapindex",
                "url",
                "sitemap",
                "feed",
                "rss",
                "channel",
                "item",
                "entry",
                "RDF",
            )
            if name == "sitemap":
                sitemaps.update(dict.fromkeys(islice(_locations(element, url), MAX_SITEMAP)))
            elif name == "url":
                pages_.update(dict.fromkeys(islice(_localised(element, url, hreflang), MAX_SITEMAP)))
            elif name in ("item", "entry"):
                pages_.update(dict.fromkeys(islice(_entry(element, url), MAX_SITEMAP)))
            if name in ("sitemap", "url", "item", "entry"):
                entries += 1
                element.clear()
            # By the entries too, which may hold a million addresses that are none.
            if max(entries, len(pages_) + len(sitemaps)) >= MAX_SITEMAP:
                break
    except etree.XMLSyntaxError as error:
        raise NotListing(f"it cannot be read as XML: {error}") from error
    if not known:
        raise NotListing("XML that is no sitemap and no feed")
    return Listed(tuple(sitemaps)[:MAX_SITEMAP], tuple(pages_)[:MAX_SITEMAP])


def _unpacked(body: bytes, max_bytes: int) -> bytes:
    if not body.startswith(b"\x1f\x8b"):
        return body
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            found = file.read(max_bytes + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise NotListing(f"it cannot be unpacked: {error}") from error
    if len(found) > max_bytes:
        raise TooLarge(f"it unpacks to more than {max_bytes} bytes")
    return found


def _children(element: etree._Element, name: str) -> Iterator[etree._Element]:
    return (child for child in element if isinstance(child.tag, str) and etree.QName(child).localname == name)


def _locations(element: etree._Element, base: str) -> Iterator[str]:
    for child in _children(element, "loc"):
        # An entity inside, which is not resolved, would leave half an address.
        if not len(child) and (absolute := clean(child.text or "", base)):
            yield absolute


def _localised(element: etree._Element, base: str, hreflang: str) -> Iterator[str]:
    alternates = [(child.get("hreflang") or "", child.get("href") or "") for child in _children(element, "link")]
    if not (hreflang and alternates):
        yield from _locations(element, base)
        alternates = [pair for pair in alternates if not hreflang]
    wanted = hreflang.lower()
    for code, href in alternates:
        language = code.lower()
        if (not wanted or language == wanted or language.startswith(f"{wanted}-")) and (absolute := clean(href, base)):
            yield absolute


def _entry(element: etree._Element, base: str) -> Iterator[str]:
    """RSS puts the address into the element, Atom into an attribute of the one without a relation, or of rel="alternate"."""
    for child in _children(element, "link"):
        if child.get("rel", "alternate") == "alternate" and (
            absolute := clean(child.get("href") or child.text or "", base)
        ):
            yield absolute
