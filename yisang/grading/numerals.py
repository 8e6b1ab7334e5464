"""Numbers at the head of a text, exactly: digits and number words, fractions, mixed numbers, powers of ten."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from yisang.grading.words import Words, any_of

HIGHEST_POWER = 1000
"""Powers of ten above this are not written out; the number is then not read. Ours."""

_SIGN = re.compile(r"\s*([+-])\s*")
_DIGITS = re.compile(r"(?:\d{1,3}(?:,\d{3})+(?!\d)|[1-9]\d{0,2}(?: \d{3})+(?![\d/])|\d+)(?:\.\d+)?|\.\d+")
_TIMES = re.compile(r"\s*[×x]\s*10\s*\^\s*\(?\s*([+-]?\d{1,5})\s*\)?|[eE]([+-]?\d{1,5})(?![\w.])")
_SLASH = re.compile(r"\s*/\s*")
_GAP = re.compile(r"[ -]*")


class Parsed(NamedTuple):
    """A number, its decimal places, and where in the text it ends."""

    value: Fraction
    places: int
    end: int


def numbers(text: str, words: Words) -> list[Parsed]:
    """All ways to read a number at the head of `text`, the longest first ("3만" of "3만" before "3")."""
    sign = _SIGN.match(text)
    start = sign.end() if sign else 0
    found = []
    for parsed in _unsigned(text, start, words):
        value = -parsed.value if sign and sign[1] == "-" else parsed.value
        found.append(parsed._replace(value=value))
    return sorted(dict.fromkeys(found), key=lambda parsed: -parsed.end)


def _unsigned(text: str, start: int, words: Words) -> list[Parsed]:
    found = []
    for whole in _simple(text, start, words):
        found.append(whole)
        found += _powers(text, whole)
        if whole.value.denominator == 1 and not whole.places:
            found += _mixed(text, whole, words)
    return found


def _simple(text: str, start: int, words: Words) -> list[Parsed]:
    """Whole and decimal numbers and fractions, without a sign."""
    found = _fraction(text, start)
    for number in _terms(text, start, words):
        found.append(number)
        slash = _SLASH.match(text, number.end)
        below = _DIGITS.match(text, slash.end()) if slash else None
        if below and (divisor := _literal(below[0])):
            found.append(Parsed(number.value / divisor, 0, below.end()))
        said = any_of(words.fraction).match(text, _skip(text, number.end))
        if said and number.value:
            for above in _terms(text, _skip(text, said.end()), words):
                found.append(Parsed(above.value / number.value, 0, above.end))
    return found


def _fraction(text: str, start: int) -> list[Parsed]:
    r"""`(a)/(b)` and `(a)/b`, as `\frac` looks in plain text."""
    match = re.compile(r"\(\s*(-?[\d,.]+)\s*\)\s*/\s*(?:\(\s*(-?[\d,.]+)\s*\)|([\d,.]+))").match(text, start)
    above, below = (_signed(match[1]), _signed(match[2] or match[3])) if match else (None, None)
    return [Parsed(above / below, 0, match.end())] if match and above is not None and below else []


def _mixed(text: str, whole: Parsed, words: Words) -> list[Parsed]:
    """1 1/2, and the same with a word between: a proper fraction behind a whole number."""
    joint = any_of(words.mixed).match(text, _skip(text, whole.end))
    start = _skip(text, joint.end() if joint else whole.end)
    apart = joint is not None or start > whole.end or text[start : start + 1] == "("
    return [
        Parsed(whole.value + part.value, 0, part.end)
        for part in (_simple(text, start, words) if apart else [])
        if 0 < part.value < 1 and not part.places
    ]


def _powers(text: str, number: Parsed) -> list[Parsed]:
    match = _TIMES.match(text, number.end)
    if not match:
        return []
    power = int(match[1] or match[2])
    if abs(power) > HIGHEST_POWER:
        return []
    return [Parsed(number.value * Fraction(10) ** power, max(0, number.places - power), match.end())]


def _terms(text: str, start: int, words: Words) -> list[Parsed]:
    """Digits and number words, added and multiplied: 1억 2,300만, 三万五千, two hundred thirty-four.

    A multiplier takes all terms before it that are smaller; what is added must fit below the last term.
    """
    found: list[Parsed] = []
    terms: list[Fraction] = []
    place, after_digits = start, False
    while True:
        digits = None if after_digits else _DIGITS.match(text, place)
        word = None if digits else words.number_word.match(text, place)
        if digits:
            value, multiplies, end = _literal(digits[0]), False, digits.end()
            places = len(digits[0].partition(".")[2])
        elif word:
            number, multiplies = words.numbers[word[0].casefold()]
            value, end, places = Fraction(number), word.end(), 0
        else:
            return found
        if multiplies:
            smaller = Fraction(0)
            while terms and terms[-1] < value:
                smaller += terms.pop()
            if terms and terms[-1] % (value * 10 if smaller == 0 else value):
                return found
            terms.append((smaller or 1) * value)
        elif terms and (after_digits or not value < _unit_of(terms[-1])):
            return found
        else:
            terms.append(value)
        after_digits = bool(digits) or (after_digits and not multiplies)
        found.append(Parsed(sum(terms, Fraction(0)), 0 if found else places, end))
        gap = _GAP.match(text, end)
        place = gap.end() if gap and (gap[0] in ("", " ") or text[end - 1 : end].isalpha()) else end


def _unit_of(number: Fraction) -> int:
    """The power of ten that the last digit of a number stands for: 10 of 20, 1 of 21, 0 of a decimal."""
    if number.denominator != 1 or not number:
        return 0
    power = 1
    while number % (power * 10) == 0:
        power *= 10
    return power


def _literal(digits: str) -> Fraction:
    return Fraction(digits.replace(",", "").replace(" ", ""))


def _signed(digits: str) -> Fraction | None:
    negative, digits = digits.startswith("-"), digits.lstrip("-")
    if not _DIGITS.fullmatch(digits):
        return None
    return -_literal(digits) if negative else _literal(digits)


def _skip(text: str, place: int) -> int:
    while text[place : place + 1] == " ":
        place += 1
    return place
