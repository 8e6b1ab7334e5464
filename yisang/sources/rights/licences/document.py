"""A page as its licence is read from it: its text by blocks, its links and images, each with the place it stands in.

Own code on lxml, of which libxml2 does the hard part. extruct, the library for embedded metadata, reads JSON-LD, microdata and RDFa too; but
it brings rdflib, pyRdfa3, mf2py and html-text, gives items without saying where they stand (in a figure, in a comment), reads neither
rel=license of HTML nor text, and its JSON-LD and RDFa parts are made of libraries that dereference contexts. What is needed here is small.

Nothing is fetched: the parser has no network, an external entity is no entity in HTML, and JSON-LD is read as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import NamedTuple, TypeVar
from urllib.parse import urljoin, urlsplit

from lxml import etree

from yisang.sources.rights.licences.findings import CONTEXT, MAX_STATEMENTS, Region
from yisang.sources.rights.licences.names import names_creative_commons, of_address, of_badge, unwrapped

_T = TypeVar("_T")
MAX_CHARS = 5_000_000
"""Of the HTML of a page; what is beyond is not read, and said."""
MAX_ELEMENTS = 300_000

_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "dialog",
        "dir",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hgroup",
        "hr",
        "legend",
        "li",
        "main",
        "menu",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)
_SILENT = frozenset(
    [
        "script",
        "style",
        "template",
        "textarea",
        "select",
        "option",
        "svg",
        "math",
        "iframe",
        "object",
        "head",
        "title",
        "noembed",
    ]
)
_ROWS = frozenset(("tr", "li"))
_WHOLES = frozenset(("table", "ul", "ol"))
_QUOTED = frozenset(("blockquote", "pre", "code", "q", "samp", "kbd"))
_MEDIA = frozenset(("img", "video", "audio", "iframe", "object", "picture", "embed"))
_FOOT = re.compile(r"footer|colophon", re.IGNORECASE)
_FOOT_OUTSIDE = re.compile(r"(?:^|[^a-z])(?:foot|ft|copyrights?|site-?info)(?![a-z])", re.IGNORECASE)
_POST_FOOT = re.compile(r"(?:entry|post|article|card|panel|modal|table|view|board|bbs)[-_]?footer", re.IGNORECASE)
_POST = re.compile(r"(?:^|[^a-z])(?:contents?|article|entry|post|view|bbs|board|cont)(?![a-z])", re.IGNORECASE)
_ASIDE = re.compile(r"(?:^|[^a-z])(?:sidebar|side-?bar|widget|aside)(?![a-z])", re.IGNORECASE)
_COMMENTS = frozenset(
    [
        "comments",
        "comment",
        "commentlist",
        "comment-list",
        "comments-area",
        "comment-body",
        "commentary",
        "disqus_thread",
        "respond",
        "comment-respond",
        "replies",
    ]
)
_CAPTIONS = frozenset(
    [
        "wp-caption",
        "wp-caption-text",
        "caption",
        "thumbcaption",
        "image-credit",
        "photo-credit",
        "image-caption",
        "gallery",
    ]
)
_BOX = re.compile(
    r"licen[cs]e|copy-?right|(?:^|[^a-z])(?:ccl?|kogl|nuri|gongnuri|opentype)(?![a-z])|kogl|openNuri|codeView",
    re.IGNORECASE,
)
PART_TYPES = frozenset(
    [
        "ImageObject",
        "VideoObject",
        "AudioObject",
        "MediaObject",
        "MusicRecording",
        "Photograph",
        "Painting",
        "VisualArtwork",
        "Drawing",
        "3DModel",
        "SoftwareApplication",
        "SoftwareSourceCode",
        "MobileApplication",
        "WebApplication",
        "Dataset",
        "DataCatalog",
        "DataDownload",
        "Comment",
        "UserComments",
        "Product",
        "Offer",
        "Movie",
        "StillImage",
        "MovingImage",
        "Image",
        "Sound",
        "Software",
        "Clip",
        "ImageGallery",
        "Map",
        "Font",
    ]
)
"""Types of schema.org and of Dublin Core whose licence is not that of the page's text."""


@dataclass(frozen=True)
class Where:
    """What stands around an element. part: why it is no statement about the page, "" where it may be one. box: in an element that is named
    after licences. subject, item: of RDFa and microdata. row, rows: the row of a table or list, and that whole."""

    region: Region = "article"
    part: str = ""
    box: bool = False
    subject: str | None = None
    typed: str = ""
    item: str | None = None
    row: int = 0
    rows: int = 0
    post: bool = False
    """In an element of a post or of the content: what is called a footer there is the post's own."""


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


def read(html: str, url: str) -> Document:
    """The document of a page. What cannot be read is named in `faults`; nothing raises."""
    document = Document(url=url if urlsplit_safe(url) else "")
    if len(html) > MAX_CHARS:
        document.faults.append(f"read up to its character {MAX_CHARS:,} of {len(html):,}")
        html = html[:MAX_CHARS]
    root = _parsed(html, document)
    if root is not None:
        _Walk(document).over(root)
    return document


def urlsplit_safe(url: str) -> bool:
    """Whether an address is of the web, so that others can be compared with it."""
    try:
        return urlsplit(url).scheme in ("http", "https")
    except ValueError:
        return False


def _parsed(html: str, document: Document) -> etree._Element | None:
    parser = etree.HTMLParser(
        encoding="utf-8", no_network=True, recover=True, remove_comments=True, remove_pis=True, huge_tree=True
    )
    try:
        root = etree.fromstring(html.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace"), parser)
    except etree.LxmlError as error:
        document.faults.append(f"no HTML: {error}")
        return None
    if root is None:
        document.faults.append("no HTML: it has no element")
    elif len(parser.error_log.filter_types([etree.ErrorTypes.ERR_RESOURCE_LIMIT])):
        document.faults.append("its elements lie too deep in one another; what is inside of them was not read")
    return root


@dataclass
class _Frame:
    where: Where
    silent: bool
    link: Element | None
    item: Element | None = None


class _Walk:
    """One pass over the tree, in its order, without recursion."""

    def __init__(self, document: Document):
        self.document = document
        self.pieces: list[str] = []
        self.length = 0
        self.frames: list[_Frame] = [_Frame(Where(), False, None)]
        self.count = 0
        self.titled: list[str] = []
        self.in_head = False

    def over(self, root: etree._Element) -> None:
        self._begin_block(Where())
        for event, element in etree.iterwalk(root, events=("start", "end")):
            if not isinstance(element.tag, str):
                continue
            if event == "start":
                self.count += 1
                if self.count > MAX_ELEMENTS:
                    self.document.faults.append(f"read up to its element {MAX_ELEMENTS:,}")
                    break
                self._start(element)
            else:
                self._end(element)
        self._end_block()
        for frame in self.frames:
            if frame.item is not None:
                frame.item.end = self.length
        self.document.text = "".join(self.pieces)
        self.document.title = " ".join(self.titled)[:1000]

    def _start(self, element: etree._Element) -> None:
        tag = str(element.tag).lower().rpartition("}")[2]
        attributes = {str(key).lower(): str(value) for key, value in element.attrib.items()}
        above = self.frames[-1]
        where = self._where(tag, attributes, above.where, element)
        silent = above.silent or tag in _SILENT
        if tag in ("title", "h1") and len(self.titled) < 2 and (self.in_head or tag == "h1"):
            self.titled.append(" ".join("".join(element.itertext())[:500].split()))
        if tag == "head":
            self.in_head = True
        if tag in _BLOCKS and not above.silent:
            self._end_block()
            self._begin_block(where)
        item = Element(tag, attributes, where, len(self.document.blocks) - 1, self.length)
        self._collect(tag, item, element, above)
        self.frames.append(_Frame(where, silent, item if tag in ("a", "area") else above.link, item))
        if tag == "br" and not silent:
            self._add("\n")
        elif tag == "img" and not silent and attributes.get("alt"):
            self._add(f" {attributes['alt'][:300]} ")
            item.end = self.length
        if element.text and not silent:
            self._add(element.text)

    def _end(self, element: etree._Element) -> None:
        tag = str(element.tag).lower().rpartition("}")[2]
        item = self.frames.pop().item
        if item is not None:
            item.end = self.length
        if tag == "head":
            self.in_head = False
        above = self.frames[-1]
        if above.silent:
            return
        if tag in _BLOCKS:
            self._end_block()
            self._begin_block(above.where)
        if element.tail:
            self._add(element.tail)

    def _collect(self, tag: str, item: Element, element: etree._Element, above: _Frame) -> None:
        document = self.document
        if tag in ("a", "area") and item.get("href"):
            document.links.append(item)
        elif tag == "img":
            item.around = above.link.get("href") if above.link else ""
            document.images.append(item)
        elif tag in ("link", "meta"):
            document.head.append(replace(item, where=replace(item.where, region="head")) if self.in_head else item)
            self._addresses(tag, item)
        elif tag == "script" and item.get("type").lower().split(";")[0].strip() == "application/ld+json":
            document.scripts.append(element.text or "")
        if "itemprop" in item.attributes or "property" in item.attributes or ":" in item.get("rel"):
            document.data.append(item)
        if _STILL.search(item.get("href") + " " + item.get("resource")):
            document.blocks[-1].still = True

    def _addresses(self, tag: str, item: Element) -> None:
        if tag == "link" and "canonical" in item.rels:
            self.document.canonical += (self.document.resolve(item.get("href")),)
        elif tag == "meta" and item.get("property").lower() == "og:url":
            self.document.canonical += (self.document.resolve(item.get("content")),)

    def _where(self, tag: str, attributes: dict[str, str], above: Where, element: etree._Element) -> Where:
        changed: dict[str, object] = {}
        if tag not in ("html", "body"):
            named = _named(f"{attributes.get('class', '')} {attributes.get('id', '')}"[:400])
            region = _region(tag, attributes.get("role", "").lower(), named, above)
            if region != above.region:
                changed["region"] = region
            if not above.part and (part := _part(tag, named, element)):
                changed["part"] = part
            if not above.box and named.box:
                changed["box"] = True
            if not above.post and (named.post or tag in ("article", "main")):
                changed["post"] = True
        if tag in _WHOLES:
            changed["rows"] = self.count
        elif tag in _ROWS:
            changed["row"] = self.count
        if "itemscope" in attributes:
            kind = attributes.get("itemtype", "").strip().split(" ")[0].rstrip("/").rpartition("/")[2]
            changed["item"] = kind
            if kind in PART_TYPES and not above.part:
                changed["part"] = f"of a {kind}"
        if "typeof" in attributes:
            kind = re.split(r"[:/#]", attributes["typeof"].strip().split(" ")[0])[-1]
            changed["typed"] = kind
            if kind in PART_TYPES and not above.part:
                changed["part"] = f"of a {kind}"
        subject = attributes.get("about")
        if subject is None and "resource" in attributes and "rel" not in attributes and "property" not in attributes:
            subject = attributes["resource"]
        if subject is not None:
            changed["subject"] = subject
        return replace(above, **changed) if changed else above  # type: ignore[arg-type]

    def _begin_block(self, where: Where) -> None:
        last = self.document.blocks[-1] if self.document.blocks else None
        # Nested block elements would leave an empty block each.
        if last is not None and last.start == self.length and not last.still:
            last.where = where
            return
        self.document.blocks.append(Block(self.length, where, self.length))

    def _end_block(self) -> None:
        block = self.document.blocks[-1]
        if self.length > block.start:
            self.pieces.append("\n")
            block.end = self.length
            self.length += 1

    def _add(self, text: str) -> None:
        plain = "\n" if text == "\n" else _SPACES.sub(" ", text)
        if plain == " " and self.pieces and self.pieces[-1][-1:] in (" ", "\n"):
            return
        if plain:
            self.pieces.append(plain)
            self.length += len(plain)


_SPACES = re.compile(r"\s+")
_STILL = re.compile(r"dcmitype/(?:StillImage|MovingImage|Image|Sound|Software|Dataset|PhysicalObject)", re.IGNORECASE)


class _Named(NamedTuple):
    """What the class and the id of an element say that it is."""

    footer: bool
    footer_outside: bool
    post_footer: bool
    post: bool
    aside: bool
    box: bool
    part: str


@lru_cache(maxsize=8192)
def _named(named: str) -> _Named:
    names = set(named.lower().split())
    return _Named(
        footer=bool(_FOOT.search(named)),
        footer_outside=bool(_FOOT_OUTSIDE.search(named)),
        post_footer=bool(_POST_FOOT.search(named)),
        post=bool(_POST.search(named)),
        aside=bool(_ASIDE.search(named)),
        box=bool(_BOX.search(named)),
        part="in a comment" if names & _COMMENTS else "of an image" if names & _CAPTIONS else "",
    )


def _region(tag: str, role: str, named: _Named, above: Where) -> Region:
    if above.region == "footer" or role == "contentinfo":
        return "footer"
    if tag in ("article", "main") or role in ("main", "article"):
        return "article"
    if named.post_footer or (above.post and above.region == "article" and tag == "footer"):
        return above.region
    if tag == "footer" or named.footer or (not above.post and named.footer_outside):
        return "footer"
    if tag == "aside" or role == "complementary":
        return "aside"
    if tag == "nav" or role in ("banner", "navigation"):
        return "header"
    if above.region == "article" and not above.post and named.aside:
        return "aside"
    return above.region


def _part(tag: str, named: _Named, element: etree._Element) -> str:
    if tag in _QUOTED:
        return "quoted"
    if tag in ("figure", "figcaption"):
        figure = element if tag == "figure" else element.getparent()
        if figure is not None and _shows(figure):
            return "of an image"
    return named.part


def _shows(figure: etree._Element) -> bool:
    """Whether a figure shows something else than a badge of a licence."""
    for number, element in enumerate(figure.iter()):
        if number > 60:
            break
        if (
            isinstance(element.tag, str)
            and element.tag.lower() in _MEDIA
            and of_badge(element.get("src") or "") is None
        ):
            return True
    return False
