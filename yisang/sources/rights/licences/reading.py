"""From HTML to a `Document`, in one pass over the tree.

Own code on lxml, of which libxml2 does the hard part. extruct, the library for embedded metadata, reads JSON-LD, microdata and RDFa too; but
it brings rdflib, pyRdfa3, mf2py and html-text, gives items without saying where they stand (in a figure, in a comment), reads neither
rel=license of HTML nor text, and its JSON-LD and RDFa parts are made of libraries that dereference contexts. What is needed here is small.

Nothing is fetched: the parser has no network, an external entity is no entity in HTML, and JSON-LD is read as JSON.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from lxml import etree

from yisang.sources.rights.licences.document import Block, Document, Element
from yisang.sources.rights.licences.regions import PART_TYPES, Where, named_as, part_of, region_of

MAX_CHARS = 5_000_000
"""Of the HTML of a page; what is beyond is not read, and said."""
MAX_ELEMENTS = 300_000

_BLOCKS = frozenset(
    re.findall(
        r"\S+",
        """address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption
        figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr legend li main menu nav ol p pre section summary
        table tbody td tfoot th thead tr ul""",
    )
)
_SILENT = frozenset(
    re.findall(
        r"\S+",
        """script style template textarea select option svg math iframe object head title noembed""",
    )
)
_ROWS = frozenset(("tr", "li"))
_WHOLES = frozenset(("table", "ul", "ol"))
_SPACES = re.compile(r"\s+")
_STILL = re.compile(r"dcmitype/(?:StillImage|MovingImage|Image|Sound|Software|Dataset|PhysicalObject)", re.IGNORECASE)


def read(html: str, url: str) -> Document:
    """The document of a page. What cannot be read is named in `faults`; nothing raises."""
    document = Document(url=url if _is_of_web(url) else "")
    if len(html) > MAX_CHARS:
        document.faults.append(f"read up to its character {MAX_CHARS:,} of {len(html):,}")
        html = html[:MAX_CHARS]
    root = _parsed(html, document)
    if root is not None:
        _Walk(document).over(root)
    return document


def _is_of_web(url: str) -> bool:
    """Whether an address is of the web, so that others can be compared with it."""
    try:
        return urlsplit(url).scheme in ("http", "https")
    except ValueError:
        return False


def _is_rdfa_rel(item: Element) -> bool:
    """rel=license of RDFa, on an element that has no rel in HTML."""
    return item.tag not in ("a", "area", "link", "form") and "license" in item.rels


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
        if (
            "itemprop" in item.attributes
            or "property" in item.attributes
            or ":" in item.get("rel")
            or _is_rdfa_rel(item)
        ):
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
            named = named_as(f"{attributes.get('class', '')} {attributes.get('id', '')}"[:400])
            region = region_of(tag, attributes.get("role", "").lower(), named, above)
            if region != above.region:
                changed["region"] = region
            if not above.part and (part := part_of(tag, named, element)):
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
