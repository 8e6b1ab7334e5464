"""What a page says of its use by crawlers: X-Robots-Tag, robots metas, TDM reservations, and usage preferences in headers.

Robots directives (https://developers.google.com/search/docs/crawling-indexing/robots-meta-tag): `noai` and `noimageai` (DeviantArt, 2022), `noml`
(https://noml.info), `noindex` and `none` forbid, for all crawlers or for the named one; nothing else does. `nofollow` forbids nothing, and is told
by `follows`. A crawl's headers hold several lines of one name as one, joined by commas, so that nobody can tell where the scope of `otherbot:`
ends: a directive without a scope right before it is everybody's. `unavailable_after` is for search results, and its date forbids nothing.

TDM reservations (https://www.w3.org/community/reports/tdmrep/CG-FINAL-tdmrep-20240510/): the header and meta `tdm-reservation`, 1 or 0. There a meta
outweighs a header, and a header the file; here whatever forbids outweighs.

Unreadable, and so no permission: a value in which a letter is not ASCII, a reservation other than 0 and 1, a preference that is neither yes
nor no. A robots meta without content, or with an empty one, says nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from yisang.sources.rights.signals import Signal, SignalKind
from yisang.sources.rights.usage import content_signal, content_usage

MAX_TEXT = 300
"""Characters of a statement that are quoted."""
MAX_STATEMENTS = 20
"""Statements of one page that are kept, and the first that forbids beyond them."""

_FORBIDDING = ("noindex", "noai", "noimageai", "noml")
_SCALE = re.compile(r"\bmax-(?:snippet|image-preview|video-preview)\s*:\s*[^\s,;]*")
_PRODUCT = re.compile(r"([a-z_-]+)(?:/\S*)?")
_EVERYBODY = frozenset({"*", "robots", "all"})
_NO_SCOPE = frozenset({"unavailable_after", "unavailable-after"})
_BETWEEN = re.compile(r"[\s,;:|/=\"'`.<>()\[\]{}\u2018-\u201f]+")
_RESERVATION, _POLICY = "tdm-reservation", "tdm-policy"


class Heard(NamedTuple):
    """What a page says to one agent; `follows` is False where its links are not to be followed."""

    signals: list[Signal]
    follows: bool


def page_signals(headers: Mapping[str, str], html: str | None, agent: str) -> list[Signal]:
    """The statements of a page, those that allow too. `headers` by lower-case names, `html` None for what is no HTML."""
    return heard(headers, html, agent).signals


def follows(headers: Mapping[str, str], html: str | None, agent: str) -> bool:
    """Whether the page's links may be followed."""
    return heard(headers, html, agent).follows


def heard(headers: Mapping[str, str], html: str | None, agent: str) -> Heard:
    """Both of these at once. The time grows with the length of the page, whatever stands in it."""
    page = _Page(agent.lower())
    for name, header in headers.items():
        page.header(name, header)
    if headers.get(_RESERVATION) is not None:
        page.reservation("header", headers[_RESERVATION], headers.get(_POLICY, ""))
    if html is not None and "<" in html:
        _read_metas(html, page.meta)
        if page.reserved is not None:
            page.reservation("meta", page.reserved, page.policy)
    return Heard(page.signals, page.follows)


class _Page:
    """Collects the statements of a page as they come."""

    def __init__(self, agent: str) -> None:
        self.agent = agent
        self.signals: list[Signal] = []
        self.follows = True
        self.reserved: str | None = None
        self.policy = ""
        self._forbidden = False

    def add(self, signal: Signal) -> None:
        if len(self.signals) < MAX_STATEMENTS or not (signal.allowed or self._forbidden):
            self.signals.append(signal)
            self._forbidden |= not signal.allowed

    def header(self, name: str, value: str) -> None:
        if name == "x-robots-tag":
            self.robots(_for_agent(value, self.agent), "x-robots-tag", value, "header x-robots-tag")
        elif name in {"content-signal", "content-usage"}:
            said = (content_signal if name == "content-signal" else content_usage)(value)
            if said is not None:
                self.add(Signal("content-signal", said[0], quoted(value), f"header {name}", said[1]))

    def meta(self, attributes: Mapping[str, str]) -> None:
        content = attributes.get("content")
        if content is None:
            return
        names = attributes.get("name", "").lower().replace(",", " ").split()
        for name in dict.fromkeys(names):
            if name in {"robots", self.agent}:
                self.robots([_plain(content)], "meta", _tag(name, content), f"meta {name}")
            elif name == _RESERVATION:
                # Of several the strictest: "1" behind "0", or nonsense behind either
                self.reserved = content if self.reserved is None else f"{self.reserved}, {content}"[:MAX_TEXT]
            elif name == _POLICY:
                self.policy = self.policy or content
        if attributes.get("http-equiv", "").strip().lower() == "x-robots-tag":
            self.robots(_for_agent(content, self.agent), "meta", _tag("X-Robots-Tag", content), "meta x-robots-tag")

    def robots(self, parts: list[str], kind: SignalKind, rule: str, where: str) -> None:
        words = [word for part in parts for word in _BETWEEN.split(_SCALE.sub(" ", part)) if word]
        if not words:
            return
        unfollowed = [word for word in words if word in {"nofollow", "none"}]
        self.follows = self.follows and not unfollowed
        strange = next((word for word in words if not word.isascii() or not word.isprintable()), None)
        forbidding = next((word for word in words if _forbids(word)), None)
        if forbidding is not None:
            why = f"{forbidding} forbids its use"
        elif strange is not None:
            why = f"{quoted(strange)!r} cannot be read, so it does not allow"
            self.follows = False
        else:
            why = "nothing in it forbids its use"
        self.add(Signal(kind, forbidding is None and strange is None, quoted(rule), where, why))

    def reservation(self, place: str, value: str, policy: str) -> None:
        allowed, why = reserved(value, policy)
        self.add(Signal("tdmrep", allowed, f"{_RESERVATION}: {quoted(value)}", f"{place} {_RESERVATION}", why))


def reserved(value: str, policy: str = "") -> tuple[bool, str]:
    """(allowed, why) of the value of a TDM reservation; several values joined by commas are all heard."""
    stated = {part.strip() for part in value.split(",")}
    if stated == {"0"}:
        return True, "rights of text and data mining are not reserved"
    terms = f"; policy: {quoted(policy.strip())}" if policy.strip() else ""
    if "1" in stated:
        return False, f"rights of text and data mining are reserved{terms}"
    return False, f"{quoted(value)!r} is neither 0 nor 1, so it cannot be read and does not allow{terms}"


def quoted(text: str) -> str:
    """As it is kept: not longer than MAX_TEXT."""
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _forbids(word: str) -> bool:
    return word == "none" or word.replace("-", "").replace("_", "").startswith(_FORBIDDING)


def _plain(value: str) -> str:
    """In lower case and without what cannot be seen, so that a wide or a broken-up "noai" is one."""
    if value.isascii():
        return value.lower()
    return "".join(each for each in unicodedata.normalize("NFKC", value).lower() if unicodedata.category(each) != "Cf")


def _for_agent(value: str, agent: str) -> list[str]:
    """The parts of an X-Robots-Tag that speak to everybody or to the agent, without their scopes."""
    return [part for each in re.split(r"[,\n]", _SCALE.sub(" ", _plain(value))) for part in _own(each.strip(), agent)]


def _own(part: str, agent: str) -> Iterator[str]:
    """A part, unless it has the scope of another crawler."""
    scopes: list[str] = []
    while ":" in part:
        name, _, rest = part.partition(":")
        product = _PRODUCT.fullmatch(name.strip())
        if name.strip() not in _EVERYBODY:
            if product is None or product[1] in _NO_SCOPE or _forbids(product[1]):
                break
            scopes.append(product[1])
        part = rest.strip()
    if part and (not scopes or agent in scopes):
        yield part


def _tag(name: str, content: str) -> str:
    return f'<meta name="{name}" content="{quoted(content)}">'


def _read_metas(html: str, told: Callable[[Mapping[str, str]], None]) -> None:
    """Tells of each meta element wherever it stands, but not of text in comments and scripts. No tree is built, nothing is fetched and no
    entity is declared.
    """
    import lxml.etree

    class Metas:
        def start(self, tag: str, attributes: Mapping[str, str]) -> None:
            if tag == "meta":
                told(attributes)

        def close(self) -> None:
            return None

    # The text is decoded already: what it says of its encoding must not be heard. NUL would end it
    parser = lxml.etree.HTMLParser(target=Metas(), encoding="utf-8", huge_tree=True, no_network=True)
    parser.feed(html.replace("\0", "").encode("utf-8", "replace"))
    parser.close()
