"""Whether a text and its translation hold the same numbers.

Compared are the numbers that are written with digits, as a multiset of exact values. How they are written is no part of the value: digits
of any script, commas between thousands (1,000 and 1000), fractions (½ and 1/2), full hours (5:00 and 5), number words that go on from
digits (3 million and 3,000,000; Korean and Japanese write 80,000 as 8 and their word for ten thousand). Where a number can be read in two
ways (in Korean, 20 days may be read as twenty and one), the way that the other text has counts.

A number that a translation adds is no fault where the source says it in words: the numerals of its language's [grading] and the words of
its [numbers] ("three apples", "a week", "twice"). The other way round it is one: what is written in digits must be there in digits. A
numeral of three letters or more that says two or more ("three") must be there too, in digits or in words; which syllables of Korean and
Japanese say numbers is read generously, so this finds some of those that are lost. Of the 250 problems of MGSM in Japanese, which people
translated, 48 % add a number; with the words they say, 6 % differ, half of them by a mistake of the translation
(`tests/filters/test_numbers.py`).

Not compared are signs (-3 and three degrees of frost), exponents written as ², and digits that letters stand before (H2O, x1).
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from yisang.errors import UsageError
from yisang.grading.numerals import numbers
from yisang.grading.words import Words, words
from yisang.languages import Language, load
from yisang.records import content_id

_START = re.compile(r"(?<![A-Za-z0-9_])(?:[0-9]|(?<!\.)\.[0-9])")
_RAW = re.compile(r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+")
_HOUR = re.compile(r"(?<![0-9:])([0-9]{1,2}):00(?![0-9:])")
_LETTERS = re.compile(r"[^\W\d_]+")
_VULGAR = re.compile("[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⅐⅑⅒]")
_AHEAD = 80
"""Characters that one number may take."""
_NUMERAL = 3
"""Letters of a numeral that says a number for sure; a syllable that says two may say many other things."""


@dataclass(frozen=True)
class Number:
    """value: of the longest reading; raw: the numbers of digits alone in the same place, start to end of the text with digits of ASCII."""

    value: Fraction
    raw: tuple[Fraction, ...]
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class Difference:
    """What one text has and the other has not, each as often as it is missing or added."""

    missing: tuple[Fraction, ...]
    added: tuple[Fraction, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.added)


def numbers_in(text: str, spoken: Words) -> list[Number]:
    """The numbers of a text that are written with digits, in order."""
    text = _ascii(text)
    found, place = [], 0
    while start := _START.search(text, place):
        at = start.start()
        raw = _RAW.match(text, at)
        assert raw is not None
        readings = numbers(text[at : at + _AHEAD], spoken) if len(raw[0]) < _AHEAD else []
        place = max([raw.end(), *(at + reading.end for reading in readings)])
        inside = tuple(_value(piece) for piece in _RAW.findall(text, at, place))
        found.append(Number(readings[0].value if readings else inside[0], inside, at, place))
    return found


def _value(digits: str) -> Fraction:
    digits = digits.replace(",", "")
    # Python reads no number of more than 4,300 digits; one that long is compared as a text.
    return Fraction(digits) if len(digits) < 1_000 else Fraction(int(content_id(digits), 16))


def said_in_words(text: str, language: str) -> set[Fraction]:
    """The numbers that words of the text say, in every way that they can be read ("twenty-five": 20 and 25)."""
    spoken, text = words(language), _ascii(text)
    folded, said = text.casefold(), _numbers_of(load(language))
    found = {value for word in _LETTERS.findall(folded) for value in said.get(word, ())}
    # Where no blank stands between words, a word is looked for anywhere.
    found |= {value for word, values in said.items() if not word.isascii() and word in folded for value in values}
    for match in spoken.number_word.finditer(text):
        at = match.start()
        if match[0].isascii() and at and text[at - 1].isalpha():  # "one" in "bone"
            continue
        found.update(reading.value for reading in numbers(text[at : at + _AHEAD], spoken))
    return found


@functools.cache
def _numbers_of(language: Language) -> dict[str, tuple[Fraction, ...]]:
    """[numbers] by word. Raises UsageError where it is no table of numbers and lists of words."""
    found: dict[str, tuple[Fraction, ...]] = {}
    for number, said in language.numbers.items():
        if not number.isdecimal() or not isinstance(said, list) or not all(isinstance(word, str) for word in said):
            raise UsageError(
                f"Language file {language.code}.toml, [numbers]: {number!r} must be a whole number with a list of words."
            )
        for word in said:
            found[word.casefold()] = (*found.get(word.casefold(), ()), Fraction(number))
    return found


def difference(text: str, translation: str, source: str, target: str) -> Difference:
    """What a translation lacks of the numbers of its text, and what it adds to them. source, target: their languages."""
    before, after = numbers_in(text, words(source)), numbers_in(translation, words(target))
    rest_before, rest_after = _unmatched(before, after), _unmatched(after, before)
    unsaid = _unsaid(text, translation, before, after, source, target)
    if not rest_before and not rest_after:
        return Difference(unsaid, ())
    # What differs as it is read is compared as digits alone: what says a trillion may also say the first group.
    wanted = Counter(value for number in rest_before for value in number.raw)
    left = []
    for number in rest_after:
        if Counter(number.raw) <= wanted:
            wanted -= Counter(number.raw)
        else:
            left.append(number)
    said = said_in_words(text, source) if left else set()
    added: Counter[Fraction] = Counter()
    for number in left:
        if number.value not in said:
            raw = Counter(number.raw)
            wanted, raw = wanted - raw, raw - wanted
            added.update({value: count for value, count in raw.items() if value not in said})
    return Difference((*_listed(wanted), *unsaid), _listed(added))


def _unsaid(
    text: str, translation: str, before: list[Number], after: list[Number], source: str, target: str
) -> tuple[Fraction, ...]:
    """What numerals of the text say and nothing in the translation does."""
    spoken, plain = words(source), _ascii(text)
    said = [(number.start, number.end) for number in before]
    has: set[Fraction] | None = None
    found, place = [], 0
    for match in spoken.number_word.finditer(plain):
        at = match.start()
        if (
            len(match[0]) < _NUMERAL
            or at < place
            or (at and plain[at - 1].isalpha())
            or plain[match.end() : match.end() + 1].isalpha()
        ):
            continue
        readings = numbers(plain[at : at + _AHEAD], spoken)
        if not readings or any(start <= at < end for start, end in said):  # "3 million" is a number with digits
            continue
        place = at + readings[0].end
        if has is None:
            digits = {value for number in after for value in (number.value, *number.raw)}
            has = digits | said_in_words(translation, target)
        if readings[0].value >= 2 and not has & {reading.value for reading in readings}:
            found.append(readings[0].value)
    return tuple(found)


def _unmatched(these: list[Number], those: list[Number]) -> list[Number]:
    left = Counter(number.value for number in those)
    found = []
    for number in these:
        if left[number.value]:
            left[number.value] -= 1
        else:
            found.append(number)
    return found


def _listed(counter: Counter[Fraction]) -> tuple[Fraction, ...]:
    return tuple(sorted(counter.elements()))


def written(values: Iterable[Fraction]) -> list[str]:
    """For evidence: 3, 2/5."""
    return [str(value)[:60] for value in values]


def _ascii(text: str) -> str:
    """Digits and their points and commas of any script as those of ASCII; ½ as 1/2, 5:00 as 5."""
    text = _VULGAR.sub(lambda match: " " + unicodedata.normalize("NFKC", match[0]).replace("⁄", "/"), text)
    text = "".join(str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in text)
    text = re.sub(r"(?<=[0-9])[，．](?=[0-9])", lambda match: "," if match[0] == "，" else ".", text)
    return _HOUR.sub(r"\1", text)
