"""Options of a multiple-choice question beside each other: which is the gold, and which two say the same.

What is taken for the same errs on one side. Two options that are wrongly held alike cost an option that might have been
added; two that are wrongly held apart put a second right answer beside the gold.
"""

from __future__ import annotations

import difflib
import functools
import re
import unicodedata
from typing import Literal

from yisang.grading.choices import GoldForm, choice, gold_options
from yisang.grading.plain import LONGEST, plain
from yisang.grading.values import Reading, compare, readings
from yisang.grading.words import Words, words
from yisang.records import Prompt, nfc

Likeness = Literal["same", "near", ""]
Sort = Literal["number", "text"]

NEAR = 0.7
"""The least similarity of two options that are nearly the same. The paper (arXiv 2510.04230, section 5.2) removes near-duplicates and
names no measure. Ours finds all of 30 pairs of spellings of one foreign word, and takes for near 0.7 % of the pairs of different names
in the exam pool (tests/filters/test_exam_options.py counts both; at 0.85 it would find half, and take 0.05 %)."""

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_NUMBERS = re.compile(r"\d+(?:\.\d+)?")
_WITHIN = ".,:/-"
"""Signs that are kept in front of a digit: 1.5 is not 15, and -3 is not 3."""
_LABELLED = re.compile(r"(?:\(([^\W_]{1,3})\)\s*|([^\W_]{1,2})\)\s*|([^\W_]{1,2})[.:]\s+)(?=\S)")
_BEFORE = r"(?:^|[\n.):\]\u2460-\u2473\u3260-\u327f])[ \t]*"
"""What stands before an option in a list of them: the beginning of a line, or a label."""
_LATIN = "abcdefghijklmnopqrstuvwxyz"


@functools.lru_cache(maxsize=65_536)
def normalised(option: str) -> str:
    """What of an option tells it from others: NFKC, LaTeX dressing off, folded case, no blanks, no separators of thousands, no
    punctuation but operators and what stands in front of a digit. "１,０００ " and "1000." become "1000"."""
    text = plain(option) if len(option) <= LONGEST else unicodedata.normalize("NFKC", nfc(option))
    text = _THOUSANDS.sub("", nfc(text.casefold()))
    text = "".join(text.split())
    if not text:
        return ""
    kept = [
        sign
        for sign, following in zip(text, text[1:] + " ", strict=True)
        if not unicodedata.category(sign).startswith("P") or sign in "%#@*" or (sign in _WITHIN and following.isdigit())
    ]
    # An option of nothing but punctuation is that.
    return "".join(kept) or text


def alike(one: str, other: str, language: str, near: float = NEAR) -> Likeness:
    """Whether two options say the same, or nearly.

    same  equal once `normalised`, or equal in value to the grader (1 m and 100 cm, 30 and thirty)
    near  one is a part of the other; or their similarity is at least `near`: 2M/T of difflib's SequenceMatcher (Ratcliff and
          Obershelp) over the letters, syllables taken apart (NFD); or the grader cannot tell their units apart

    Numbers decide before letters do: two options whose numbers differ are not near (1945 and 1946).
    """
    first, second = sorted((normalised(one), normalised(other)))  # the ratio depends on the order
    if first == second:
        return "same"
    if first.isdecimal() and second.isdecimal() and first.lstrip("0") != second.lstrip("0"):
        return ""  # what the next lines would find too, at a hundredth of the cost
    outcome = compare(_reading(one, language), _reading(other, language), "auto", None, words(language))
    if outcome == "equal":
        return "same"
    if outcome == "unclear":
        return "near"
    if sorted(_NUMBERS.findall(first)) != sorted(_NUMBERS.findall(second)) or outcome in ("different", "unit"):
        return ""
    short, long = sorted((first, second), key=len)
    if len(short) >= 2 and short in long:
        return "near"
    matcher = difflib.SequenceMatcher(
        None, unicodedata.normalize("NFD", first), unicodedata.normalize("NFD", second), autojunk=False
    )
    return "near" if matcher.real_quick_ratio() >= near and matcher.ratio() >= near else ""


@functools.lru_cache(maxsize=65_536)
def _reading(option: str, language: str) -> Reading:
    return readings(plain(option), words(language), gold=True) if len(option) <= LONGEST else Reading(())


def sort_of(options: tuple[str, ...]) -> Sort:
    """Whether options are numbers (each has a digit) or words: one of the other sort would give itself away."""
    return "number" if all(any(sign.isdigit() for sign in option) for option in options) else "text"


def gold_place(prompt: Prompt, form: GoldForm | None = None) -> int | str:
    """The place of the gold among the options, from 0 on; or why there is none: `gold_unknown`, `several_golds`, `gold_ambiguous`.

    It is read as the grader reads it. form: what a gold is that may be both, the label of one option and the text of another
    (see `yisang.grading.choices`); None says that nobody knows, and then such a gold is ambiguous.
    """
    return _place(nfc(prompt.gold or "").strip(), prompt.options, words(prompt.language), form)


@functools.lru_cache(maxsize=8_192)
def _place(gold: str, options: tuple[str, ...], known: Words, form: GoldForm | None) -> int | str:
    if not gold or len(gold) > LONGEST:
        return "gold_unknown"
    chosen = choice(plain(gold), options, known)
    forms: tuple[GoldForm, ...] = ("label", "text") if form is None else (form,)
    meant = {gold_options(chosen, options, each) for each in forms}
    if len(meant) > 1:
        return "gold_ambiguous"
    (places,) = meant
    if not places:
        return "gold_unknown"
    return next(iter(places)) - 1 if len(places) == 1 else "several_golds"


def labelled(options: tuple[str, ...], language: str) -> bool:
    """Whether every option begins with its own label ("1) ...", "B. ..."), which would be wrong at another place."""
    known = words(language)
    return all(_label(plain(option), known) == place for place, option in enumerate(options)) if options else False


def _label(text: str, known: Words) -> int | None:
    match = _LABELLED.match(text)
    label = (match[1] or match[2] or match[3]).casefold() if match else ""
    if label.isdecimal():
        return int(label) - 1
    return next((series.index(label) for series in (_LATIN, *known.labels) if label and label in series), None)


def like_label(option: str, language: str, most: int) -> bool:
    """Whether an option has the value of one of the numbers 1 to `most`, by which options are called."""
    plainly = normalised(option)
    if plainly.isdecimal():
        return len(plainly) < 9 and 1 <= int(plainly) <= most
    if not any(sign.isdigit() for sign in option):  # the grader takes no words for the value of an option
        return False
    return any(alike(str(number), option, language) == "same" for number in range(1, most + 1))


def shown(text: str, options: tuple[str, ...]) -> bool:
    """Whether a question's text lists all of its options already, in their order, each in a line of its own or behind a label."""
    text, place = nfc(text), 0
    for option in options:
        match = re.compile(_BEFORE + re.escape(nfc(option).strip())).search(text, place)
        if match is None:
            return False
        place = match.end()
    return bool(options)


def mentioned(text: str, options: tuple[str, ...]) -> bool:
    """Whether a question's text holds all of its options somewhere."""
    flat = _flat(text)
    return bool(options) and all(_flat(option) in flat for option in options)


def _flat(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", nfc(text)).casefold().split())
