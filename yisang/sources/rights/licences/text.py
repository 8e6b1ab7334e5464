"""Statements for readers, in words: what a sentence gives to the page, to a part of it, or only names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from yisang.sources.rights.licences.document import Document
from yisang.sources.rights.licences.findings import MAX_STATEMENTS, Finding, Scope
from yisang.sources.rights.licences.names import RESERVED, in_text
from yisang.sources.rights.licences.regions import Where
from yisang.sources.rights.licences.statements import load

BEFORE, AFTER = 300, 200
"""Characters before and behind a licence's name in which its sentence lies."""
SHORT = 200
"""A block that is no longer than this can be a notice of its own."""
_BOUNDARY = re.compile(r"[!?。！？\n;；|]|\.(?=\s|$)")
_WHERE = re.compile(r"\s*(?:on|in|of|from|throughout|auf|von|sur|dans|de|du|en)\s*", re.IGNORECASE)
"""Between a kind of work and the page: "images on this site" are images."""
_WHOSE = re.compile(r"(?:의|에 ?(?:있는|실린|쓰인)|에서 ?제공하는|の)\s*(?:모든|일부|각)?\s*")
_TURN = re.compile(r",\s*(?:and|und|et|y|while|with|sowie)\s|[()]", re.IGNORECASE)


class Sentence:
    """The sentence around [start, end) of the page's text, in the block of this number. `lead` is what stands before, in its own clause,
    `behind` what follows; `head` is the beginning of the block, `short` whether that is all of it."""

    def __init__(self, document: Document, number: int, start: int, end: int):
        block = document.blocks[number]
        start = min(max(start, block.start), block.end)
        end = min(max(start, end), block.end, start + AFTER)
        first = max(block.start, start - BEFORE)
        text = document.text[first : min(block.end, end + AFTER)]
        before = [match.end() for match in _BOUNDARY.finditer(text, 0, start - first)]
        behind = _BOUNDARY.search(text, end - first)
        begin = before[-1] if before else 0
        self.text = text[begin : behind.start() if behind else len(text)]
        lead = text[begin : start - first]
        self.behind = text[end - first : behind.start() if behind else len(text)]
        turns = [match.end() for match in _TURN.finditer(lead)]
        self.lead = lead[turns[-1] :] if turns else lead
        self.head = document.text[block.start : min(block.end, block.start + SHORT)]
        self.short = block.end - block.start <= SHORT


def is_reserved(text: str) -> bool:
    """Whether a text keeps all rights, in any of the languages."""
    return load().reserved.search(text[:10_000]) is not None


def other_work(sentence: Sentence) -> str:
    """Why a sentence gives its licence to another work than the page, "" where it does not."""
    words = load()
    if words.credit.search(sentence.lead):
        return "a credit"
    other, own = words.other.search(sentence.lead), words.own.search(sentence.lead)
    if other is None:
        return ""
    of_page = own is not None and (
        _WHERE.fullmatch(sentence.lead, other.end(), own.start())
        if other.end() <= own.start()
        else _WHOSE.fullmatch(sentence.lead, own.end(), other.start())
    )
    return "of another work" if own is None or of_page else ""


def denied(sentence: Sentence) -> str:
    """Why a sentence gives no licence, "" where it may: it says that there is none."""
    words = load()
    said = words.denied.search(sentence.lead) or words.denied_behind.search(sentence.behind)
    return "it says that it is not" if said else ""


def scope(where: Where, sentence: Sentence, document: Document, label: str = "") -> tuple[Scope, str]:
    """What a licence is given to that is named or linked in this sentence.

    label: what stands there is a licence's name, badge or title by itself, which gives it to the page where such labels stand, in the
    frame of a page or in a box for it; "badge" does so in an article too.
    """
    words = load()
    if where.part:
        return "part", where.part
    if why := other_work(sentence):
        return "part", why
    if why := denied(sentence):
        return "mention", why
    granted = bool(words.grant.search(sentence.text))
    framed = where.region in ("footer", "aside")
    if framed and (granted or (label and sentence.short)):
        return "page", ""
    if document.about_licences and not framed:
        return "about", "on a page that is about licences"
    if where.box and (granted or (label and sentence.short)):
        return "page", ""
    if label != "badge" and words.foreign.search(sentence.text):
        return "part", "of another's work, by its name"
    # "Licensed under CC BY 4.0." is a statement without a subject: the page is.
    lead = sentence.lead.strip()
    bare = sentence.short and (not lead or words.grant.match(lead) is not None)
    own = (
        bare
        or words.own.search(sentence.text)
        or words.otherwise.search(sentence.text)
        or words.claim.search(sentence.head)
    )
    if label == "badge" or (granted and own) or (sentence.short and words.label.match(sentence.head)):
        return "page", ""
    return "mention", "no words that give it to the page"


def statements(document: Document) -> Iterator[Finding]:
    """Licences named in the text, outside of links to licences, which speak for themselves (`marks`)."""
    named = [
        (number, item)
        for number in range(len(document.blocks))
        for item in islice(in_text(document.block_text(number)), MAX_STATEMENTS)
    ]
    linked, others = _Spans(document, True), _Spans(document, False)
    for number, item in document.ends(named, "names of licences"):
        block = document.blocks[number]
        start, end = block.start + item.start, block.start + item.end
        if linked.covers(start):
            continue
        # An entry of a menu that names a licence leads to a page about it.
        label = "" if others.covers(start) else "name"
        found, why = scope(block.where, Sentence(document, number, start, end), document, label)
        yield Finding(
            id=item.id,
            place="text",
            region=block.where.region,
            scope=found,
            evidence=" ".join(document.text[start:end].split())[:200],
            context=document.context(start, end),
            why=why,
        )


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
