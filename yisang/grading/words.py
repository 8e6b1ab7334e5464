"""The words around answers: what the table [grading] of a language file holds, read and checked.

    markers        what stands before a final answer ("answer:")
    prefixes       what may stand before a number and adds nothing ("about")
    endings        what closes a sentence right behind an answer
    separators     what stands between the answers of a list ("and")
    mixed          what joins a whole number and a fraction
    fraction       what stands between denominator and numerator, where they are said in this order
    labels         series of option labels, each one string of signs in order
    label_endings  what may stand behind the number of an option
    counters       words behind a number that count and do not measure
    synonyms       words for units that count the same, each group one string ("day days")
    not_units      words that change the number before them ("dozen"), or make it a bound
    [grading.numerals], [grading.multipliers]   number words and their values
    [grading.units]   words for units, and their signs in `yisang.grading.units`

Words of Latin letters are read in any case. English is read beside each language: answers in it are common everywhere.
"""

from __future__ import annotations

import functools
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from yisang.errors import UsageError
from yisang.grading.units import COUNT, UNITS, Unit
from yisang.languages import FOLDER_VARIABLE, Language, codes, load

_LISTS = (
    "markers",
    "prefixes",
    "endings",
    "separators",
    "mixed",
    "fraction",
    "labels",
    "label_endings",
    "counters",
    "synonyms",
    "not_units",
)
_TABLES = ("numerals", "multipliers", "units")


@dataclass(frozen=True, eq=False)
class Words:
    """The [grading] tables of a language and of English, joined."""

    markers: tuple[str, ...]
    prefixes: tuple[str, ...]
    endings: tuple[str, ...]
    separators: tuple[str, ...]
    mixed: tuple[str, ...]
    fraction: tuple[str, ...]
    labels: tuple[str, ...]
    label_endings: tuple[str, ...]
    not_units: frozenset[str]
    numbers: Mapping[str, tuple[int, bool]]
    """By word: its value, and whether it multiplies what stands before it."""
    number_word: re.Pattern[str]
    units: Mapping[str, Unit]
    synonyms: frozenset[frozenset[str]]

    def alike(self, one: str, other: str) -> bool:
        """Whether two words for a unit count the same."""
        return one == other or any({one, other} <= group for group in self.synonyms)


def words(language: str) -> Words:
    """The words of this language; of English alone where it has no file."""
    return _named(language, os.environ.get(FOLDER_VARIABLE, ""))


@functools.cache
def _named(language: str, folder: str) -> Words:
    """Which files there are is looked up once for a folder of languages: it took longer than most comparisons."""
    known = codes()
    names = [code for code in dict.fromkeys((language, "en")) if code in known]
    return _words(tuple(load(code) for code in names))


@functools.cache
def _words(languages: tuple[Language, ...]) -> Words:
    tables = [_checked(language) for language in languages]
    lists = {key: tuple(dict.fromkeys(_form(item) for table in tables for item in table[key])) for key in _LISTS}
    longest = {key: tuple(sorted(items, key=len, reverse=True)) for key, items in lists.items()}
    numbers: dict[str, tuple[int, bool]] = {}
    units: dict[str, Unit] = {}
    for table in tables:
        for word, value in table["numerals"].items():
            numbers.setdefault(_form(word), (value, False))
        for word, value in table["multipliers"].items():
            numbers.setdefault(_form(word), (value, True))
        for word, sign in table["units"].items():
            units.setdefault(_form(word), UNITS[sign])
        for word in table["counters"]:
            units.setdefault(_form(word), COUNT)
    return Words(
        markers=longest["markers"],
        prefixes=longest["prefixes"],
        endings=longest["endings"],
        separators=longest["separators"],
        mixed=longest["mixed"],
        fraction=longest["fraction"],
        labels=lists["labels"],
        label_endings=longest["label_endings"],
        not_units=frozenset(longest["not_units"]),
        numbers=numbers,
        number_word=any_of(numbers),
        units=units,
        synonyms=frozenset(frozenset(group.split()) for group in lists["synonyms"]),
    )


def any_of(items: Iterable[str]) -> re.Pattern[str]:
    """A pattern for any of these words, the longest first; a word of Latin letters stands alone."""
    return _any_of(tuple(items))


@functools.cache
def _any_of(items: tuple[str, ...]) -> re.Pattern[str]:
    longest = sorted(items, key=len, reverse=True)
    pattern = "|".join(re.escape(word) + ("(?![A-Za-z])" if word[-1].isascii() else "") for word in longest)
    return re.compile(pattern or "(?!)", re.IGNORECASE)


def _form(word: str) -> str:
    return unicodedata.normalize("NFKC", word).casefold()


def _checked(language: Language) -> dict[str, Any]:
    where = f"Language file {language.code}.toml, [grading]"
    table = {key: language.grading.get(key, []) for key in _LISTS} | {
        key: language.grading.get(key, {}) for key in _TABLES
    }
    if unknown := sorted(set(language.grading) - set(table)):
        raise UsageError(f"{where} has an unknown key {unknown[0]!r}; known are {', '.join(table)}.")
    for key in _LISTS:
        if not isinstance(table[key], list) or not all(isinstance(item, str) and item for item in table[key]):
            raise UsageError(f"{where}: {key} must be a list of words.")
    for key in _TABLES:
        kind = str if key == "units" else int
        if not isinstance(table[key], dict) or not all(type(item) is kind for item in table[key].values()):
            raise UsageError(f"{where}: {key} must be a table whose values are of type {kind.__name__}.")
    if bad := [item for item in (*table["numerals"].values(), *table["multipliers"].values()) if item < 0]:
        raise UsageError(f"{where}: {bad[0]} is below zero; a number word is 0 or more.")
    if foreign := [sign for sign in table["units"].values() if sign not in UNITS]:
        raise UsageError(f"{where}: units names {foreign[0]!r}; known are {', '.join(UNITS)}.")
    return table
