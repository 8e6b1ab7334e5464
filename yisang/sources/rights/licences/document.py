"""A page as its licence is read from it: its text by blocks, its links and images, each with the place it stands in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from yisang.sources.rights.licences.findings import CONTEXT, MAX_STATEMENTS
from yisang.sources.rights.licences.names import names_creative_commons, of_address, unwrapped
from yisang.sources.rights.licences.regions import Where

_T = TypeVar("_T")


@dataclass
class Block:
    """A run of text without a block element inside: [start, end) of `Document.text`."""

    start: int
    where: Where
    end: int = 0
    still: bool = False
    """Has an RDFa statement that it is about an image, a sound or a program."""


@dataclass
class Element:
    """A link, an image or an element with metadata, at [start, end) of the text."""

    tag: str
    attributes: dict[str, str]
    where: Where
    block: int
    start: int
    end: int = 0
    around: str = ""
    """The address of the link around an image."""

    def get(self, name: str) -> str:
        return self.attributes.get(name, "")

    @cached_property
    def rels(self) -> tuple[str, ...]:
        return tuple(self.get("rel").lower().split())


@dataclass
class Document:
    """All of a page that its licence can be read from."""

    url: str = ""
    text: str = ""
    title: str = ""
    blocks: list[Block] = field(default_factory=list)
    links: list[Element] = field(default_factory=list)
    images: list[Element] = field(default_factory=list)
    head: list[Element] = field(default_factory=list)
    data: list[Element] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    canonical: tuple[str, ...] = ()
    faults: list[str] = field(default_factory=list)

    @cached_property
    def about_licences(self) -> bool:
        """Whether the page's title is a licence's name, so that what its text says of licences is its topic."""
        return names_creative_commons(self.title)

    def context(self, start: int, end: int) -> str:
        """`CONTEXT` characters with [start, end) in their middle."""
        spare = max(0, CONTEXT - (end - start))
        first = max(0, start - spare // 2)
        return " ".join(self.text[first : first + CONTEXT].split())

    def ends(self, items: Sequence[_T], what: str) -> Sequence[_T]:
        """The items, or of too many the first and the last ones, which is told as a fault."""
        if len(items) <= MAX_STATEMENTS:
            return items
        self.faults.append(f"read {MAX_STATEMENTS:,} of {len(items):,} {what}")
        return [*items[: MAX_STATEMENTS // 2], *items[-(MAX_STATEMENTS // 2) :]]

    def block_text(self, number: int) -> str:
        block = self.blocks[number]
        return self.text[block.start : block.end]

    @cached_property
    def licences(self) -> list[str | None]:
        """What licence each of the links leads to (`names.of_address`), None where to none."""
        return [of_address(self.resolve(link.get("href"))) for link in self.links]

    def resolve(self, address: str) -> str:
        """An absolute address, as far as the page's own is known."""
        address = unwrapped(address)
        try:
            return urljoin(self.url, address) if self.url else address
        except ValueError:
            return address

    def is_page(self, address: str) -> bool:
        """Whether an address is the page's own, or that of its whole site."""
        if address in ("", "./") or (
            self.canonical and not address.startswith("#") and self.resolve(address) in self.canonical
        ):
            return True
        if address.startswith("#"):
            return False
        given, own = _plain(self.resolve(address)), [_plain(item) for item in (self.url, *self.canonical) if item]
        if given is None:
            return False
        if given[1] in ("", "/"):
            return not own or any(item is not None and item[0] == given[0] for item in own)
        return given in own or (
            not own and "://" not in address and not address.startswith("//") and _is_document(address)
        )


def _is_document(address: str) -> bool:
    return not re.search(
        r"\.(?:jpe?g|png|gif|svg|webp|mp[34]|ogg|pdf|zip|wav|tiff?)$", address.partition("?")[0], re.IGNORECASE
    )


def _plain(address: str) -> tuple[str, str] | None:
    """Host and path, without what differs between the addresses of one page."""
    try:
        parts = urlsplit(address)
        if parts.fragment and not parts.path:
            return None
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return None
    return host, (parts.path.rstrip("/") + (f"?{parts.query}" if parts.query else ""))
