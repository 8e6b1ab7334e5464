"""From a page to its questions.

A page that says it asks something, by JSON-LD of schema.org (https://schema.org/QAPage, /FAQPage, /Question),
gives one prompt for each question. Any other page gives its main text (trafilatura) under its title. A question
without words is a Drop beside the prompts, with the id that its prompt would have.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from yisang.filters.licence import asks_for_attribution
from yisang.records import Drop, Page, Prompt, child_id, nfc
from yisang.sources.base import MIB
from yisang.sources.decode import Decoded, decode, decode_text

MAX_CHARACTERS = 8 * MIB
MAX_NODES = 10_000
"""JSON-LD nodes looked at in one page."""

_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_JSONLD_OPEN = re.compile(r"<script\b[^<>]*application/ld\+json[^<>]*>", re.I)
_SCRIPT_CLOSE = re.compile(r"</script", re.I)
_XML_PROLOG = re.compile(r"\s*<\?xml[^>]*\?>")
_MARKUP = re.compile(
    r"</?(?:p|br|div|a|b|i|em|strong|code|pre|ul|ol|li|span|img|blockquote|h[1-6]|table|tbody|tr|td|th|hr|sub|sup"
    r"|u|s|section|article|font|kbd|del|details|summary)(?:\s[^<>]*)?/?>",
    re.I,
)
_TAG = re.compile(rb"<[!?/a-zA-Z][a-zA-Z]")
_BLOCKS = (
    "p",
    "div",
    "ul",
    "ol",
    "li",
    "pre",
    "blockquote",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "table",
    "tr",
)


@dataclass(frozen=True)
class PageToPrompts:
    """Page → its prompts, or a Drop. A page that cannot be decoded raises UnicodeError."""

    language: str

    def __call__(self, page: Page) -> list[Prompt | Drop] | Drop:
        if page.status != 200:
            return Drop("http_status", {"status": page.status})
        content_type = page.headers.get("content-type", "")
        kind = content_type.split(";")[0].split(",")[0].strip().lower()
        if kind == "text/plain":
            return self._plain(page, decode_text(page.body, content_type))
        if kind not in _HTML_TYPES and (kind or not _TAG.search(page.body[:4096])):
            return Drop("not_html", {"content_type": content_type})
        return self._html(page, decode(page.body, content_type))

    def _plain(self, page: Page, decoded: Decoded) -> list[Prompt | Drop] | Drop:
        if len(decoded.text) > MAX_CHARACTERS:
            return Drop("too_large", {"characters": len(decoded.text)})
        return self._prompts(page, decoded, [(decoded.text.replace("\0", ""), "")], "plain")

    def _html(self, page: Page, decoded: Decoded) -> list[Prompt | Drop] | Drop:
        if len(decoded.text) > MAX_CHARACTERS:
            return Drop("too_large", {"characters": len(decoded.text)})
        # NUL is ignored by browsers and refused by lxml; so is the encoding of a prolog that no longer holds
        source = decoded.text.replace("\0", "")
        prolog = _XML_PROLOG.match(source)
        source = source[prolog.end() :] if prolog else source
        named = asks_for_attribution(page.licence)
        items, unread = questions(source)
        asked = [(question_text(item), author(item) if named else "") for item in items]
        if any(text for text, _ in asked):
            return self._prompts(page, decoded, asked, "jsonld", unread)
        return self._prompts(page, decoded, [(main_text(source), ""), *asked], "trafilatura", unread)

    def _prompts(
        self, page: Page, decoded: Decoded, found: list[tuple[str, str]], extractor: str, unread: int = 0
    ) -> list[Prompt | Drop] | Drop:
        """`found` holds (text, author). `unread` is how many JSON-LD nodes were left over."""
        texts = [(nfc(text), nfc(name)) for text, name in found]
        if not any(text.strip() for text, _ in texts):
            return Drop("no_text", {"extractor": extractor, "blank_questions": len(texts) - 1, "unread_nodes": unread})
        prompts = [
            Prompt(
                id=child_id(page.id, number),
                text=text,
                language=self.language,
                category=page.category,
                licence=page.licence,
                source=_host(page.url) or page.source,
                url=page.url,
                attribution=name,
                parents=(page.id,),
                measures={"encoding": decoded.encoding, "decoded_by": decoded.how, "extractor": extractor},
            )
            for number, (text, name) in enumerate(texts)
        ]
        members: list[Prompt | Drop] = [
            prompt
            if prompt.text.strip()
            else Drop("blank_question", {"number": number, "of": len(prompts)}, record=prompt)
            for number, prompt in enumerate(prompts)
        ]
        if unread:
            members.append(Drop("too_many_nodes", {"max_nodes": MAX_NODES, "unread_nodes": unread}))
        return members


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # brackets that are no IPv6 address
        return ""


def main_text(source: str) -> str:
    """The main text of an HTML page under its title; empty where there is none."""
    import lxml.etree
    import lxml.html
    import trafilatura
    from trafilatura.metadata import extract_metadata

    try:
        # As a tree, since trafilatura would guess the encoding of a text again from its <meta>
        tree = lxml.html.document_fromstring(source)
    except (lxml.etree.ParserError, lxml.etree.XMLSyntaxError):  # nothing but comments or blanks
        return ""
    metadata = extract_metadata(tree)
    text = trafilatura.extract(tree, include_comments=False) or ""
    return _titled((metadata.title or "").strip() if metadata else "", text) if text.strip() else ""


def _titled(title: str, text: str) -> str:
    if not title or not text:
        return title or text
    plain = re.sub(r"\s+", " ", text[: 2 * len(title) + 100]).lstrip("# ")
    return text if plain.startswith(re.sub(r"\s+", " ", title)) else f"{title}\n\n{text}"


def question_text(question: dict[str, Any]) -> str:
    """The name of a schema.org Question, and its text where that says more."""
    name, text = (_plain(question.get(key)) for key in ("name", "text"))
    return _titled(name, text)


def author(question: dict[str, Any]) -> str:
    """The names of a question's authors, "" where it states none."""
    stated = question.get("author")
    people = stated if isinstance(stated, list) else [stated]
    names = [_plain(person.get("name")) if isinstance(person, dict) else _plain(person) for person in people]
    return ", ".join(name for name in names if name)


def questions(source: str) -> tuple[list[dict[str, Any]], int]:
    """The schema.org questions that a page is about: at the top, in a graph, or the main entity of a page.

    Beside them, how many nodes were left when MAX_NODES had been looked at (those below them are not known).
    """
    found: list[dict[str, Any]] = []
    seen = unread = 0
    for data in _jsonld(source):
        stack = [data]
        while stack and seen < MAX_NODES:
            node = stack.pop()
            seen += 1
            if isinstance(node, list):
                stack.extend(reversed(node))
            elif isinstance(node, dict):
                if "Question" in _types(node):
                    found.append(node)
                else:
                    stack.extend(node[key] for key in ("mainEntity", "@graph") if key in node)
        unread += len(stack)
    return found, unread


def _types(node: dict[str, Any]) -> list[str]:
    types = node.get("@type")
    named = types if isinstance(types, list) else [types]
    return [re.split(r"[/:#]", name)[-1] for name in named if isinstance(name, str)]


def _jsonld(source: str) -> Iterator[Any]:
    place = 0
    while opened := _JSONLD_OPEN.search(source, place):
        closed = _SCRIPT_CLOSE.search(source, opened.end())
        if closed is None:
            return
        place = closed.end()
        data = _json(source[opened.end() : closed.start()])
        if data is not None:
            yield data


def _json(text: str) -> Any:
    """The JSON in a script, also inside a comment or CDATA and with a tail; None where it is none."""
    bare = re.sub(r"^\s*(?:(?:<!--|//[ \t]*<!\[CDATA\[|<!\[CDATA\[|/\*\s*<!\[CDATA\[\s*\*/)\s*)*", "", text)
    try:
        return json.JSONDecoder(strict=False).raw_decode(bare.strip())[0]
    except (ValueError, RecursionError):
        return None


def _plain(value: Any) -> str:
    """A text of JSON-LD without its markup; lines stay lines."""
    if not isinstance(value, str):
        return ""
    text = value.replace("\0", "")
    if "<" not in text and "&lt;" in text:
        text = html.unescape(text)
    if not _MARKUP.search(text):
        return html.unescape(text).strip()
    import lxml.etree
    import lxml.html

    try:
        tree = lxml.html.fragment_fromstring(text, create_parent="div")
    except lxml.etree.ParserError:
        return ""
    for element in tree.iter("br", *_BLOCKS):
        element.tail = "\n" + (element.tail or "")
    return re.sub(r"\n{3,}", "\n\n", str(tree.text_content())).strip()
