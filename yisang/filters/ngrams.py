"""Texts made comparable, and the hashes of their n-grams: what decontamination stands on.

The paper removes a row that shares a 13-gram with a benchmark, over normalised segmented strings or over raw text (arXiv 2510.04230,
section 5.3). It does not say how it normalises, nor what the units of raw text are; the choices here are ours and have names.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import xxhash
from numpy.typing import NDArray

from yisang.records import nfc

RawUnits = Literal["words", "characters"]
Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]

GAP = ""
"""A unit that stands where something was taken out: no n-gram reaches over it, and no unit is empty otherwise."""

# ① and the like have lost their circles after NFKC, so they go before it: numbers, and letters of Latin and Korean.
_CIRCLED = re.compile("[\u2460-\u2473\u24b6-\u24ea\u2776-\u2793\u3260-\u327e]")
_THOUSANDS = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_SAME = str.maketrans({"×": "*", "÷": "/", "−": "-", "∕": "/", "∗": "*"})
_PUNCTUATION = re.compile(r"(?:_|[^\w+\-*/^=<>%])+")
# Blanks, and signs of arithmetic that do not stand beside a digit: 3+4 is another question than 3-4, a+b is written in many ways.
_BETWEEN = re.compile(r" |(?<![0-9])(?<![0-9] )[+\-*/^=<>%](?! ?[0-9])")
_NO_DIGITS = re.compile(r"[\d+\-*/^=<>%]+")
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""Odd, as a factor of a polynomial modulo 2**64 must be to lose nothing; this one is 2**64 over the golden ratio."""


def normalise(text: str, labels: str = "") -> str:
    """The text without what does not make it another question: NFKC (full-width forms, ligatures), case folded, no commas within
    numbers, no labels of options (①, (1), 1., A.) where they begin a word. labels: other letters of the language that label
    options."""
    text = unicodedata.normalize("NFKC", _CIRCLED.sub(" ", nfc(text))).casefold()
    return nfc(_label(labels).sub(" ", _THOUSANDS.sub("", text)))


@functools.cache
def _label(letters: str) -> re.Pattern[str]:
    own = "".join(f"|{re.escape(unicodedata.normalize('NFKC', letter).casefold())}" for letter in letters)
    sign = f"(?:[0-9]{{1,2}}|[a-j]{own})"
    return re.compile(rf"(?<!\S)(?:\(?{sign}\)|{sign}[.:](?!\S))")


def squash(normalised: str) -> str:
    """Letters and digits of a normalised text in a row, and signs of arithmetic beside a digit: what blanks and punctuation cannot
    change."""
    return _BETWEEN.sub("", _PUNCTUATION.sub(" ", normalised.translate(_SAME)))


def without_digits(squashed: str) -> str:
    """What is left of a squashed text that was copied with other numbers (Light-R1 compares so: arXiv 2503.10460 and its code)."""
    return _NO_DIGITS.sub("", squashed)


def width(text: str) -> int:
    """How many columns the text takes on a terminal (Unicode Standard Annex 11): 2 for a Korean syllable, a Chinese character or a
    kana, else 1. So one bound suits scripts that say much and little with a character."""
    if text.isascii():
        return len(text)
    return sum(1 + (unicodedata.east_asian_width(sign) in "WF") for sign in text)


def masked(text: str, phrases: Iterable[str]) -> list[str]:
    """The pieces of a text that are left when `phrases` are taken out, wherever they stand, with blanks of any length."""
    phrases = tuple(sorted({" ".join(nfc(phrase).split()) for phrase in phrases} - {""}))
    if not phrases:
        return [text]
    return [piece for piece in _phrases(phrases).split(nfc(text)) if piece.strip()]


@functools.lru_cache(1_000)
def _phrases(phrases: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(phrases, key=len, reverse=True)
    return re.compile("|".join(r"\s+".join(map(re.escape, phrase.split())) for phrase in longest_first))


def raw_units(text: str, kind: RawUnits) -> list[str]:
    """The words of a text as they stand, between blanks; or its characters, blanks left out."""
    words = nfc(text).split()
    return words if kind == "words" else list("".join(words))


unit_hash = xxhash.xxh3_64_intdigest
"""64 bits of a unit (of its UTF-8), the same on every machine; faster than looking it up among those of known units."""


def gram_hashes(units: Sequence[str], n: int) -> tuple[Hashes, Places]:
    """The 64-bit hash of each n-gram of units, and where it begins; those with a GAP in them are none."""
    count = len(units) - n + 1
    if count <= 0:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    hashes = window_hashes(np.fromiter(map(unit_hash, units), np.uint64, len(units)), n)
    places = np.arange(count)
    if GAP in units:
        gaps = np.cumsum([0, *(unit == GAP for unit in units)])
        whole = gaps[n:] == gaps[:count]
        hashes, places = hashes[whole], places[whole]
    return hashes, places


def window_hashes(values: Hashes, n: int) -> Hashes:
    """A polynomial modulo 2**64 over each window of n values. [values] -> [values - n + 1]"""
    count = max(0, len(values) - n + 1)
    found = np.zeros(count, np.uint64)
    for place in range(n):
        found = found * _FACTOR + values[place : place + count]
    return found


def character_hashes(text: str, n: int) -> Hashes:
    """The hash of each run of n characters of a text. [characters - n + 1]"""
    return window_hashes(np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.uint64), n)
