"""How much of a text is written in the letters of a language.

The paper filters by such a share (arXiv 2510.04230, sections 5.1 and 5.3) without saying of what: so the
numerator, the denominator and what is left out beforehand are parameters, and who measures stores them beside
the number.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Literal, get_args

from yisang.errors import UsageError
from yisang.languages import Language, Ranges
from yisang.languages.markup import check_kinds, without
from yisang.records import nfc

Denominator = Literal["letters", "nonspace", "characters"]


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
    text = without(nfc(text), strip)
    total = _COUNTS[denominator](text)
    if not total:
        return None
    ranges = tuple(item for name in blocks or language.default_blocks for item in language.blocks[name])
    return (len(text) - len(_characters(ranges, denominator).sub("", text))) / total


def count_letters(text: str, strip: tuple[str, ...] = ()) -> int:
    """The number of letters (Unicode categories L*) of any script, in NFC."""
    return _letters(without(nfc(text), strip))


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


def _letters(text: str) -> int:
    # str.isalpha is true of exactly the categories L*; map and sum keep the loop in C.
    return sum(map(str.isalpha, text))


def _nonspace(text: str) -> int:
    return len(text) - sum(map(str.isspace, text))


_COUNTS: dict[str, Callable[[str], int]] = {"letters": _letters, "nonspace": _nonspace, "characters": len}
_COUNTED: dict[str, Callable[[str], bool]] = {
    "letters": str.isalpha,
    "nonspace": lambda character: not character.isspace(),
    "characters": lambda character: True,
}


@functools.cache
def _characters(ranges: Ranges, denominator: str) -> re.Pattern[str]:
    """Runs of characters that lie in the ranges and count in this denominator."""
    counted = _COUNTED[denominator]
    points = sorted({p for first, last in ranges for p in range(first, last + 1) if counted(chr(p))})
    parts: list[str] = []
    start = 0
    for at in range(1, len(points) + 1):
        if at == len(points) or points[at] != points[at - 1] + 1:
            parts.append(f"\\U{points[start]:08x}-\\U{points[at - 1]:08x}")
            start = at
    # An empty class is no pattern; this one matches nothing.
    return re.compile(f"[{''.join(parts)}]+" if parts else r"(?!)")
