"""KOGL, the licence of Korean public bodies (types 0 to 4, https://www.kogl.or.kr/info/license.do): by badge, link, text of a badge, words.

A link or banner to KOGL's site without a type is none: nearly every public site has one in its footer. Nor is a list of all types, a mark in
the row of a file or of one item among many, or the credit for another's work of which the page made use.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from yisang.sources.rights.licences.document import Document, Element
from yisang.sources.rights.licences.findings import MAX_STATEMENTS, Finding, Place, Scope
from yisang.sources.rights.licences.regions import Where
from yisang.sources.rights.licences.statements import Kogl, load
from yisang.sources.rights.licences.text import SHORT, Sentence, other_work

NO_TYPE = "KOGL"
LABEL = 60
"""A sentence or line that is no longer than this names a type as a label does."""
REST = 6
"""Letters that a label may have beside its type, such as the name of a body."""
_REACH = 80
"""Characters behind the name in which its type stands."""
_BEFORE = 30
_SITE = re.compile(r"^(?:https?:)?//(?:[a-z0-9-]+\.)?kogl\.or\.kr(?=[/:?#]|$)", re.IGNORECASE)
_TYPED = re.compile(r"/info/license(?:Type([0-4])\.do|\.do#(?:0?([1-4])-tab|type-?([0-4])))", re.IGNORECASE)
_BY_NAME = re.compile(r"/info/license_info/(by|nc|nd|all)\.do", re.IGNORECASE)
_NAMES = {"by": "1", "nc": "2", "nd": "3", "all": "4"}
_BADGE = re.compile(
    r"(?:open[-_]?type|open[-_]?code|(?:kogl|nuri)[-_]?(?:mark[-_]?)?type)[-_]?0?([0-4])(?:[-_.][^/]*)?$", re.IGNORECASE
)
_SIGNS = str.maketrans("⓪①②③④❶❷❸❹ⅠⅡⅢⅣ０１２３４", "0" + "1234" * 3 + "01234")
_NUMBERS = {"I": "1", "II": "2", "III": "3", "IV": "4"}
_ORDINALS = ("first", "second", "third", "fourth")
_FILE = re.compile(
    r"\.(?:hwpx?|pdf|docx?|xlsx?|pptx?|zip|jpe?g|png|mp[34]|csv)(?:$|[?&#])|download|filedown", re.IGNORECASE
)
_CLEAN = re.compile(r"[!?。！？;；]|\.(?=\s|$)")


@dataclass
class _Mark:
    """A type that stands somewhere: its number, or "" where KOGL is named without one."""

    type: str
    place: Place
    where: Where
    block: int
    start: int
    end: int
    evidence: str
    scope: Scope = "page"
    why: str = ""


def of_address(address: str) -> str | None:
    """The type that an address of KOGL's site is, "" for one of that site that is none, None for any other address."""
    if not _SITE.match(address.strip()[:2000]):
        return None
    if match := _TYPED.search(address):
        return match[match.lastindex or 0]
    match = _BY_NAME.search(address)
    return _NAMES[match[1].lower()] if match else ""


def marks(document: Document) -> Iterator[Finding]:
    """All findings about KOGL."""
    words = load().kogl
    found = [*_images(document, words), *_links(document, words), *_texts(document, words)]
    _scope_rows(found, document, words)
    for mark in found:
        yield Finding(
            id=f"KOGL-{mark.type}" if mark.type else NO_TYPE,
            place=mark.place,
            region=mark.where.region,
            scope=mark.scope if mark.type else "mention",
            evidence=mark.evidence[:300],
            context=document.context(mark.start, mark.end),
            why=mark.why if mark.type else "no type",
        )


def _images(document: Document, words: Kogl) -> Iterator[_Mark]:
    showing = [
        image
        for image in document.images
        if _BADGE.search(_file(image))
        or words.name.search(image.get("alt")[:300])
        or words.name.search(image.get("title")[:100])
    ]
    for image in document.ends(showing, "images of KOGL"):
        said = f"{image.get('alt')[:300]} {image.get('title')[:100]}".translate(_SIGNS)
        badge = _BADGE.search(_file(image))
        sentence = Sentence(document, image.block, image.start, image.end)
        if words.denied.search(said) or (badge and words.denied.search(sentence.text)):
            continue
        types = set(_types(said, words))
        # Number 0 in a file's name is both "free use" and "not applied": it needs words.
        if badge and badge[1] != "0":
            types.add(badge[1])
        for type in sorted(types) or [""]:
            evidence = f"{_file(image)} {said}".strip()
            mark = _Mark(type, "badge", image.where, image.block, image.start, image.end, evidence)
            _scope_mark(mark, sentence, words)
            yield mark


def _file(image: Element) -> str:
    return re.split(r"[?#]", image.get("src")[:2000])[0][-200:]


def _links(document: Document, words: Kogl) -> Iterator[_Mark]:
    found = [(link, of_address(document.resolve(link.get("href")))) for link in document.links]
    for link, type in document.ends([(link, type) for link, type in found if type is not None], "links to KOGL"):
        mark = _Mark(type or "", "link", link.where, link.block, link.start, link.end, link.get("href"))
        sentence = Sentence(document, link.block, link.start, link.end)
        _scope_mark(mark, sentence, words)
        if mark.scope == "page" and len(sentence.text) > LABEL and not words.grant.search(sentence.text):
            mark.scope, mark.why = "mention", "no words that give it to the page"
        yield mark


def _texts(document: Document, words: Kogl) -> Iterator[_Mark]:
    if not words.name.search(document.text):
        return
    named: list[tuple[int, int, int]] = []
    label = False
    for number, block in enumerate(document.blocks):
        text = document.block_text(number)
        if not text.strip():
            continue
        names = [(number, match.start(), match.end()) for match in islice(words.name.finditer(text), MAX_STATEMENTS)]
        if not names and label and len(text) <= _REACH and _types(text.translate(_SIGNS), words):
            names = [(number, 0, 0)]  # the name stands in the block before, as a label
        named += names
        label = bool(names) and block.end - block.start <= LABEL and not _types(text.translate(_SIGNS), words)
    alts = _Alts(document)
    for number, start, end in document.ends(named, "names of KOGL"):
        yield from _named(start, end, number, document, words, alts)


def _named(start: int, end: int, number: int, document: Document, words: Kogl, alts: _Alts) -> Iterator[_Mark]:
    block = document.blocks[number]
    first, last = block.start + start, block.start + end
    following = document.text[last : min(block.end, last + _REACH)].translate(_SIGNS)
    stop = _CLEAN.search(following)
    behind = following[: stop.start()] if stop else following
    before = document.text[max(block.start, first - _BEFORE) : first].translate(_SIGNS)
    types = _types(behind, words) or _types(before, words, numbers_only=True)
    if not types and alts.cover(first, max(last, first + 1)):
        return  # the badge itself is told as an image
    sentence = Sentence(document, number, first, last)
    said = sentence.text.translate(_SIGNS)
    if words.denied.search(said):
        return
    several = len(set(_numbers(said, words))) > 1
    own, granted = load().own.search(said), words.grant.search(said)
    box = block.where.box
    for type in sorted(types) or [""]:
        evidence = " ".join((document.text[first:last] + behind).split())
        mark = _Mark(type, "text", block.where, number, first, last + len(behind), evidence)
        _scope_mark(mark, sentence, words)
        if mark.scope != "page":
            pass
        elif several:
            mark.scope, mark.why = "about", "several types in one sentence"
        elif words.policy.search(document.title) and not box:
            mark.scope, mark.why = "about", "on a page that is about how works may be used"
        elif block.where.region == "article" and not box and words.told.search(said):
            mark.scope, mark.why = "mention", "told as news"
        elif words.name.search(document.title) and not (own and granted):
            mark.scope, mark.why = "about", "on a page that is about KOGL"
        elif (len(said) > (SHORT if box else LABEL) and not granted) or (
            block.where.region == "article" and not box and not (own and granted) and not _is_label(said, words)
        ):
            mark.scope, mark.why = "mention", "no words that give it to the page"
        yield mark


def _is_label(said: str, words: Kogl) -> bool:
    """Whether a text holds little more than a type, its conditions and what is done with it: what is left is no sentence of its own."""
    if len(said) > 2 * LABEL:
        return False
    for pattern in (words.name, words.type, words.by, words.nc, words.nd, words.free, words.grant, words.filler):
        said = pattern.sub(" ", said)
    return sum(sign.isalpha() for sign in said) <= REST


def _scope_mark(mark: _Mark, sentence: Sentence, words: Kogl) -> None:
    if mark.where.part:
        mark.scope, mark.why = "part", mark.where.part
    elif why := other_work(sentence):
        mark.scope, mark.why = "part", why
    elif words.used.search(sentence.text):
        mark.scope, mark.why = "part", "of a work that was made use of"


def _scope_rows(found: list[_Mark], document: Document, words: Kogl) -> None:
    """Marks in rows: of a file to be fetched, or of one among many things."""
    attached = {
        link.block
        for link in (document.links if found else ())
        if _FILE.search(link.get("href"))
        or _FILE.search(document.text[link.start : min(link.end, link.start + SHORT)].strip())
    }
    rows: dict[int, set[int]] = defaultdict(set)
    for mark in found:
        if mark.type and mark.where.row:
            rows[mark.where.rows].add(mark.where.row)
    marked = {row for these in rows.values() for row in these}
    files = {link.where.row for link in document.links if link.where.row in marked and _FILE.search(link.get("href"))}
    files |= {
        block.where.row
        for number, block in enumerate(document.blocks)
        if block.where.row in marked and words.file.search(document.block_text(number)[:300])
    }
    for mark in found:
        if mark.scope == "page" and not mark.where.row and mark.block in attached:
            mark.scope, mark.why = "part", "of an attached file"
        if mark.scope != "page" or not mark.where.row:
            continue
        if mark.where.row in files:
            mark.scope, mark.why = "part", "of an attached file"
        elif len(rows[mark.where.rows]) > 1:
            mark.scope, mark.why = "part", "of one item in a list"


def _types(text: str, words: Kogl, numbers_only: bool = False) -> set[str]:
    """The types that a text names: by number, and by what it asks for where that is more than the number says."""
    numbers = set(_numbers(text, words))
    if numbers_only:
        return numbers
    noncommercial, unchanged = words.nc.search(text), words.nd.search(text)
    if noncommercial or unchanged:
        return numbers | {"4" if noncommercial and unchanged else "2" if noncommercial else "3"}
    if numbers:
        return numbers
    if words.free.search(text):
        return {"0"}
    return {"1"} if words.by.search(text) else set()


def _numbers(text: str, words: Kogl) -> Iterator[str]:
    for match in words.type.finditer(text):
        said = next((group for group in match.groups() if group), "")
        if not said:
            lowered = match[0].lower()
            said = next((str(n) for n, word in enumerate(_ORDINALS, 1) if word in lowered), lowered[:1])
        yield words.numbers.get(said, _NUMBERS.get(said.upper(), said))


class _Alts:
    """Where texts of images stand; what is named there is the badge's."""

    def __init__(self, document: Document):
        self.spans = [(image.start, image.end) for image in document.images if image.end > image.start]
        self.next = 0

    def cover(self, start: int, end: int) -> bool:
        while self.next < len(self.spans) and self.spans[self.next][1] <= start:
            self.next += 1
        return self.next < len(self.spans) and self.spans[self.next][0] <= start and end <= self.spans[self.next][1]
