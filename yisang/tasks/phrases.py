"""A phrase book: sentences of questions in several languages, with slots, which one can write and read back.

It is small and knows no grammar. What it is for: questions with formulas, code and options (`yisang.tasks.questions`) whose translations
are known, so that the scripted teacher can translate them and every check of a translation can be measured.
"""

from __future__ import annotations

import functools
import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from yisang.errors import UsageError
from yisang.languages import load
from yisang.languages.masks import MARK

_FILE = Path(__file__).with_name("phrases.toml")
_SLOT = re.compile(r"\{([a-z])\}")
_NUMBER = r"[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?"
_FILLING = f"(?:{MARK.pattern.replace('(', '(?:')}|{_NUMBER})"
_LEADING = re.compile(rf"(?:{MARK.pattern.replace('(', '(?:')}[ \t]*)+")
_SENTENCE = re.compile(r"(?<=[.?!:])\s+|(?<=[。？！])")
_NO_WORDS = re.compile(rf"(?:{_FILLING}|[\s.,;:])*")


@dataclass(frozen=True)
class Phrase:
    """One sentence in every language that it has."""

    topic: str
    words: Mapping[str, str] = field(hash=False)

    def said(self, language: str, **slots: str) -> str:
        return _SLOT.sub(lambda match: slots[match[1]], self.words[language])


@dataclass(frozen=True)
class Book:
    """All phrases. commas: the languages that write thousands with one. digest: SHA-256 of the file."""

    phrases: tuple[Phrase, ...]
    commas: frozenset[str]
    digest: str

    def of(self, topic: str) -> list[Phrase]:
        return [phrase for phrase in self.phrases if phrase.topic == topic]

    @property
    def languages(self) -> list[str]:
        return sorted(set.intersection(*(set(phrase.words) for phrase in self.phrases)))

    def number(self, value: int, language: str) -> str:
        """A whole number as this language writes it here."""
        return f"{value:,}" if language in self.commas else str(value)


@functools.cache
def book() -> Book:
    data = _FILE.read_bytes()
    table = tomllib.loads(data.decode())
    phrases = []
    for item in table["phrase"]:
        words = {code: text for code, text in item.items() if code != "topic"}
        if len({tuple(sorted(_SLOT.findall(text))) for text in words.values()}) > 1:
            raise UsageError(f"{_FILE.name}: the slots of {item['en']!r} are not the same in all languages.")
        phrases.append(Phrase(item["topic"], words))
    return Book(tuple(phrases), frozenset(table["commas"]), hashlib.sha256(data).hexdigest())


@functools.lru_cache(maxsize=4096)  # a question is translated, and asked for the label of its fault
def translated(text: str, target: str) -> str | None:
    """`text` in the target language; None where a part of it is no phrase of the book in one language.

    Formulas and the like must stand behind marks (`yisang.languages.masks`). Lines stay lines, marks in front of a line stay there, and
    numbers lose or get their commas.
    """
    for source in book().languages:
        lines = [_line(line, source, target) for line in text.split("\n")]
        if source != target and target in book().languages and None not in lines:
            return "\n".join(line for line in lines if line is not None)
    return None


def _line(line: str, source: str, target: str) -> str | None:
    for lead in dict.fromkeys(["", found[0] if (found := _LEADING.match(line)) else ""]):
        said = [_sentence(piece, source, target) for piece in _SENTENCE.split(line[len(lead) :].strip()) if piece]
        if None not in said:
            return lead + _between(target).join(piece for piece in said if piece is not None)
    return None


def _between(language: str) -> str:
    return str(load(language).tasks.get("between", " "))


def _sentence(text: str, source: str, target: str) -> str | None:
    if _NO_WORDS.fullmatch(text):
        return _renumbered(text, target)
    for phrase, pattern in _patterns(source):
        match = pattern.fullmatch(text)
        if match and target in phrase.words:
            return phrase.said(target, **{slot: _renumbered(said, target) for slot, said in match.groupdict().items()})
    return None


def _renumbered(text: str, language: str) -> str:
    if MARK.search(text) or "." in text or not text.replace(",", "").isdecimal():
        return text
    return book().number(int(text.replace(",", "")), language)


@functools.cache
def _patterns(language: str) -> list[tuple[Phrase, re.Pattern[str]]]:
    """The longest first, so that a phrase that holds another one wins."""
    found = []
    for phrase in sorted(book().phrases, key=lambda phrase: -len(phrase.words.get(language, ""))):
        if language in phrase.words:
            pieces = _SLOT.split(phrase.words[language])
            pattern = "".join(
                f"(?P<{piece}>{_FILLING})" if place % 2 else re.escape(piece) for place, piece in enumerate(pieces)
            )
            found.append((phrase, re.compile(pattern)))
    return found
