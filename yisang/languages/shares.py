"""How much of a text is written in the letters of a language.

The paper filters by such a share (arXiv 2510.04230, sections 5.1 and 5.3) without saying of what: so the
numerator, the denominator and what is left out beforehand are parameters, and who measures stores them beside
the number.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from yisang.errors import UsageError
from yisang.languages import Language, Ranges
from yisang.languages.markup import check_kinds, without
from yisang.records import nfc

Denominator = Literal["letters", "nonspace", "characters"]
Table = NDArray[Any]


def script_share(
    text: str,
    language: Language,
    *,
    blocks: tuple[str, ...] | None = None,
    denominator: Denominator = "letters",
    strip: tuple[str, ...] = (),
) -> float | None:
    """The share, 0..1, of `text` that stands in these blocks of the language; None of an empty denominator.

    blocks: names in the language's file; None means its default ones.
    denominator: "letters" (Unicode categories L*), "nonspace" or all "characters". The numerator counts only
    what the denominator counts, so signs inside a block are no letters of it.
    strip: "code", "latex", "urls" are taken out first (`markup`).

    The text is brought to NFC: a syllable written in parts is one letter.
    """
    check_parameters(language, blocks, denominator, strip)
    found, total = script_counts(without(nfc(text), strip), language, blocks, denominator)
    return found / total if total else None


def script_counts(
    text: str, language: Language, blocks: tuple[str, ...] | None = None, denominator: Denominator = "letters"
) -> tuple[int, int]:
    """Numerator and denominator of `script_share`, of a text in NFC of which nothing is taken out."""
    points = _points(text)
    ranges = tuple(item for name in blocks or language.default_blocks for item in language.blocks[name])
    return _count(_within(ranges, denominator), points), _count(_counted(denominator), points)


def longest_foreign_run(text: str, language: Language) -> str:
    """The piece of a text with the most letters in a row of which none stands in the language's default blocks; "" where all do."""
    ranges = tuple(item for name in language.default_blocks for item in language.blocks[name])
    return max(_between(ranges).split(nfc(text)), key=lambda piece: sum(map(str.isalpha, piece))).strip()


@functools.cache
def _between(ranges: Ranges) -> re.Pattern[str]:
    """A letter of these ranges, signs among them aside."""
    spans = (f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)
    return re.compile(f"[{''.join(spans)}]")


def count_letters(text: str, strip: tuple[str, ...] = ()) -> int:
    """The number of letters (Unicode categories L*) of any script, in NFC."""
    return _count(_counted("letters"), _points(without(nfc(text), strip)))


def check_parameters(
    language: Language, blocks: tuple[str, ...] | None, denominator: str, strip: tuple[str, ...]
) -> None:
    """Raises UsageError for what `script_share` cannot take, so that a step fails before it starts."""
    if blocks is not None and (isinstance(blocks, str) or not blocks or not set(blocks) <= set(language.blocks)):
        raise UsageError(
            f"blocks is {blocks!r}; language {language.code} has {', '.join(language.blocks)}. "
            "Name at least one of them, in a tuple, or leave blocks out for the default ones."
        )
    if denominator not in get_args(Denominator):
        raise UsageError(f"denominator is {denominator!r}; it must be one of {', '.join(get_args(Denominator))}.")
    check_kinds(strip)


# A table of all code points, looked up in one go: a loop over the characters would take twenty times as long.


def _points(text: str) -> Table:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _count(table: Table, points: Table) -> int:
    return int(np.count_nonzero(table.take(points)))


_LAST = 0x3FFFF
"""Behind it stand no letters and no blanks, but private characters and tags."""
_ALL = 0x110000


@functools.cache
def _counted(denominator: str) -> Table:
    """Of each code point, whether this denominator counts it. str.isalpha is true of exactly the categories L*."""
    table = np.full(_ALL, denominator != "letters")
    if denominator != "characters":
        counts = str.isalpha if denominator == "letters" else lambda character: not character.isspace()
        table[: _LAST + 1] = [counts(chr(point)) for point in range(_LAST + 1)]
    return table


@functools.cache
def _within(ranges: Ranges, denominator: str) -> Table:
    """Of each code point, whether it lies in the ranges and counts in this denominator."""
    table = np.zeros(_ALL, dtype=bool)
    for first, last in ranges:
        table[first : last + 1] = True
    return table & _counted(denominator)
