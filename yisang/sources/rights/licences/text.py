"""Statements for readers, in words: what a sentence gives to the page, to a part of it, or only names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from yisang.sources.rights.licences.document import Document, Where
from yisang.sources.rights.licences.findings import Finding, Scope
from yisang.sources.rights.licences.names import RESERVED, Named, in_text
from yisang.sources.rights.licences.statements import load

BEFORE, AFTER = 300, 200
"""Characters before and behind a licence's name in which its sentence lies."""
SHORT = 200
"""A block that is no longer than this can be a notice of its own."""
_BOUNDARY = re.compile(r"[!?。！？\n;；|]|\.(?=\s|$)")
_TURN = re.compile(r",\s*(?:and|und|et|y|while|with|sowie)\s|[()]", re.IGNORECASE)


class Sentence:
    """The sentence around [start, end) of a block's text."""

    def __init__(self, text: str, start: int, end: int):
        first, last = max(0, start - BEFORE), min(len(text), end + AFTER)
        before = [match.end() for match in _BOUNDARY.finditer(text, first, start)]
        behind = _BOUNDARY.search(text, end, last)
        self.start = before[-1] if before else first
        self.end = behind.start() if behind else last
        self.text = text[self.start : self.end]
        self.lead = text[self.start : start]
        turns = [match.end() for match in _TURN.finditer(self.lead)]
        self.lead = self.lead[turns[-1] :] if turns else self.lead


def is_reserved(text: str) -> bool:
    """Whether a text keeps all rights, in any of the languages."""
    return load().reserved.search(text[:10_000]) is not None


def other_work(sentence: Sentence) -> str:
    """Why a sentence gives its licence to another work than the page, "" where it does not."""
    words = load()
    if words.credit.search(sentence.lead):
        return "a credit"
    if words.other.search(sentence.lead) and not words.own.search(sentence.lead):
        return "of another work"
    return ""


def scope(where: Where, sentence: Sentence, block: str, document: Document, label: str = "") -> tuple[Scope, str]:
    """What a licence is given to that is named or linked in this sentence.

    label: what stands there is a licence's name, badge or title by itself, which gives it to the page where such labels stand, in the
    frame of a page or in a box for it; "badge" does so in an article too.
    """
    words = load()
    if where.part:
        return "part", where.part
    if why := other_work(sentence):
        return "part", why
    granted = bool(words.grant.search(sentence.text))
    framed = where.region in ("footer", "aside")
    if framed and (granted or (label and len(block) <= SHORT)):
        return "page", ""
    if document.about_licences and not framed:
        return "about", "on a page that is about licences"
    if where.box and (granted or (label and len(block) <= SHORT)):
        return "page", ""
    own = words.own.search(sentence.text) or words.otherwise.search(sentence.text) or words.claim.search(block[:SHORT])
    if label == "badge" or (granted and own) or (words.label.match(block) and len(block) <= SHORT):
        return "page", ""
    return "mention", "no words that give it to the page"


def statements(document: Document) -> Iterator[Finding]:
    """Licences named in the text, outside of links to licences, which speak for themselves (`marks`)."""
    linked, others = _Spans(document, True), _Spans(document, False)
    for number, block in enumerate(document.blocks):
        text = document.block_text(number)
        if len(text) < 3:
            continue
        for named in in_text(text):
            if not linked.covers(block.start + named.start):
                # An entry of a menu that names a licence leads to a page about it.
                label = "" if others.covers(block.start + named.start) else "name"
                yield _finding(named, number, text, document, label)


def reservations(document: Document) -> Iterator[Finding]:
    """Notices that all rights are kept. In an article only where it is a notice, not talk: short, or beside a claim of copyright."""
    words = load()
    for number, block in enumerate(document.blocks):
        text = document.block_text(number)
        match = words.reserved.search(text)
        if match is None:
            continue
        where = block.where
        talk = where.region == "article" and document.about_licences
        notice = (
            where.region != "article"
            or len(text) <= SHORT
            or words.claim.search(text, max(0, match.start() - 200), match.end() + 100)
        )
        yield Finding(
            id=RESERVED,
            place="notice",
            region=where.region,
            scope="part" if where.part else "about" if talk else "page" if notice else "mention",
            evidence=" ".join(match[0].split()),
            context=document.context(block.start + match.start(), block.start + match.end()),
            why=where.part or ("on a page that is about licences" if talk else ""),
        )


def _finding(named: Named, number: int, text: str, document: Document, label: str) -> Finding:
    block = document.blocks[number]
    found, why = scope(block.where, Sentence(text, named.start, named.end), text, document, label)
    return Finding(
        id=named.id,
        place="text",
        region=block.where.region,
        scope=found,
        evidence=" ".join(text[named.start : named.end].split())[:200],
        context=document.context(block.start + named.start, block.start + named.end),
        why=why,
    )


class _Spans:
    """Where links stand that lead to a licence, or those that do not, asked for places from left to right."""

    def __init__(self, document: Document, licences: bool):
        self.spans = [
            (link.start, link.end)
            for link, id in zip(document.links, document.licences, strict=True)
            if (id is not None) is licences
        ]
        self.next = 0

    def covers(self, place: int) -> bool:
        while self.next < len(self.spans) and self.spans[self.next][1] <= place:
            self.next += 1
        return self.next < len(self.spans) and self.spans[self.next][0] <= place
