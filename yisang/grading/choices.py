"""Answers to multiple-choice questions: labels in any series, and the texts of options.

Decisions:
    series        1 = A = 가 = ㄱ = ①: labels of every series count from one, whichever the gold is written in.
    label first   A gold such as "4" is a label, even where an option's text is "4" (setting `gold_form`). In an answer,
                  a label of the gold's own series is a label; any other sign that is also an option's text is that text.
                  Where the two make the difference between right and wrong, nobody can tell: unparsed.
    out of range  A label that no option has is a clear choice, and wrong.
    several       Several different labels are no answer (unparsed), unless the gold has several.
    by value      Only an option with digits is chosen by its value: 이차함수 is no 2.
    label + text  The label counts, unless the text is that of another option (unparsed).
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Literal

from yisang.grading.plain import plain
from yisang.grading.values import Reading, compare, readings, unwrapped
from yisang.grading.words import Words, any_of

GoldForm = Literal["label", "text"]
Result = Literal["correct", "wrong", "several", "ambiguous", "contradiction", "unreadable"]

_OPEN, _CLOSE = "([<{【〈「", ")]>}】〉」"
_LATIN = "abcdefghijklmnopqrstuvwxyz"
_BETWEEN = re.compile(r"\s*[,;/&×]\s*|\s+")


@dataclass(frozen=True)
class Choice:
    """What an answer chooses: labels as numbers from one, with their series, and options by their text."""

    labels: frozenset[int] = frozenset()
    series: str = ""
    texts: frozenset[int] = frozenset()
    contradiction: bool = False


def choice(text: str, options: tuple[str, ...], words: Words) -> Choice:
    """What `text`, in plain form, chooses among `options`."""
    stripped = unwrapped(text, words)
    texts = _by_text(text, options, words)
    if not texts and stripped != text:
        texts = _by_text(stripped, options, words)
    whole = _labels(stripped, words)
    if whole:
        return Choice(*whole, texts=texts)
    if not texts and (found := _label_and_text(text, words)):
        label, series, rest = found
        meant = _by_text(rest, options, words)
        return Choice(frozenset({label}), series, contradiction=bool(meant) and label not in meant)
    return Choice(texts=texts)


def gold_options(gold: Choice, options: tuple[str, ...], form: GoldForm) -> frozenset[int]:
    """The options that a gold names; none where it cannot be read."""
    in_range = gold.labels if all(1 <= label <= len(options) for label in gold.labels) or not options else frozenset()
    first, second = (in_range, gold.texts) if form == "label" else (gold.texts, in_range)
    return frozenset() if gold.contradiction else first or second


def judge(gold: Choice, meant: frozenset[int], answer: Choice) -> Result:
    """How an answer compares with the options that the gold means."""
    if answer.contradiction:
        return "contradiction"
    by_label = answer.labels == meant if len(answer.labels) <= 1 or len(meant) > 1 else None
    by_text = bool(answer.texts & meant) if len(meant) == 1 else answer.texts == meant
    if not answer.labels:
        return _result(by_text) if answer.texts else "unreadable"
    if not answer.texts:
        return "several" if by_label is None else _result(by_label)
    if by_label is None or answer.series != gold.series:
        return _result(by_text)
    return _result(by_label) if by_label or not by_text else "ambiguous"


def _result(right: bool) -> Result:
    return "correct" if right else "wrong"


def _by_text(text: str, options: tuple[str, ...], words: Words) -> frozenset[int]:
    if not text:
        return frozenset()
    forms, numbers = _read(options)
    wanted = _form(text)
    same = frozenset(number for number, form in enumerate(forms, 1) if form == wanted)
    if same or not numbers:
        return same
    answer = readings(text, words)
    if not answer.values:
        return frozenset()
    equal = {
        number for number, option in numbers if compare(_reading(option, words), answer, "auto", None, words) == "equal"
    }
    return frozenset(equal) if len(equal) == 1 else frozenset()


@functools.lru_cache(maxsize=8_192)
def _read(options: tuple[str, ...]) -> tuple[tuple[str | None, ...], tuple[tuple[int, str], ...]]:
    """The forms of options, None of an empty one, and those options in plain form that have digits, by their numbers from one.

    Options are read for every answer to their question.
    """
    texts = [plain(option) for option in options]
    numbers = [(number, text) for number, text in enumerate(texts, 1) if any(sign.isdigit() for sign in text)]
    return tuple(_form(text) if text else None for text in texts), tuple(numbers)


@functools.lru_cache(maxsize=8_192)
def _reading(option: str, words: Words) -> Reading:
    return readings(option, words, gold=True)


def _form(text: str) -> str:
    return " ".join(text.casefold().split())


def _labels(text: str, words: Words) -> tuple[frozenset[int], str] | None:
    """The labels of a text that holds nothing else."""
    found: list[tuple[int, str]] = []
    said = any_of(words.separators)
    place = 0
    while place < len(text):
        label, end, closed = _label(text, place, words)
        if label is None:
            return None
        found.append(label)
        gap = _BETWEEN.match(text, end)
        place = gap.end() if gap else end
        if word := said.match(text, place):
            place = word.end() + (text[word.end() : word.end() + 1] == " ")
        elif place == end and place < len(text) and not closed:
            return None
    series = {name for _, name in found}
    return (frozenset(number for number, _ in found), series.pop()) if len(series) == 1 else None


def _label_and_text(text: str, words: Words) -> tuple[int, str, str] | None:
    label, end, closed = _label(text, 0, words)
    rest = text[end:].lstrip(" :.-")
    apart = closed or text[end : end + 1].isspace() or text[end - 1] in ".:"
    return (*label, rest) if label and closed and apart and rest else None


def _label(text: str, place: int, words: Words) -> tuple[tuple[int, str] | None, int, bool]:
    """(number and series) of the label at `place`, where it ends, and whether a sign behind it says that it is one."""
    opened = text[place : place + 1] in _OPEN and place < len(text)
    start = place + opened
    while text[start : start + 1] == " ":
        start += 1
    digits = re.compile(r"\d{1,2}(?![\d])").match(text, start)
    sign = text[start : start + 1].casefold()
    if digits:
        label, end = (int(digits[0]), "1"), digits.end()
    else:
        series = next((names for names in (_LATIN, *words.labels) if sign and sign in names), None)
        if series is None or (text[start + 1 : start + 2].isalpha() and not _ending(text, start + 1, words)):
            return None, place, False
        label, end = (series.index(sign) + 1, series), start + 1
    closed = False
    while True:
        while opened and text[end : end + 1] == " ":
            end += 1
        following = text[end : end + 1]
        if ending := _ending(text, end, words):
            end += len(ending)
        elif following and (following in _CLOSE and (opened or not closed)):
            end, opened = end + 1, False
        elif following in (".", ":") and following and not text[end + 1 : end + 2].isdigit():
            end += 1
        else:
            return (None, place, False) if opened else (label, end, closed)
        closed = True


def _ending(text: str, place: int, words: Words) -> str:
    return next((ending for ending in words.label_endings if text.startswith(ending, place)), "")
