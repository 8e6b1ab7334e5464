r"""The boxes of an answer: `\boxed{...}` and `\fbox{...}`, with braces balanced."""

from __future__ import annotations

import re
from collections.abc import Iterable

_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s*")
_BRACE = re.compile(r"\\[\\{}]|[{}]")
_COMMAND = re.compile(r"\\[A-Za-z]+\s*")
_WORD = re.compile(r"[^\s${}\\]+")
_END = ".,;:!。，"


def boxes(text: str) -> list[str]:
    r"""What stands in the boxes of `text`, in order, without outer blanks.

    A box in a box is part of the outer one. A box that never closes is none, but those inside it are. `\{` and `\}` are
    signs, not braces. Only where no box has braces, one without them counts (`\boxed 5`, `\boxed\frac12`): its content
    is the next command with what it takes in braces, or the next word, if that is one sign or holds a digit ("put it in
    \boxed form" names no answer).

    The time is linear in the text, whatever it holds.
    """
    if "\\boxed" not in text and "\\fbox" not in text:
        return []
    closing = closing_braces(text)
    starts = [match.end() for match in _BOX.finditer(text)]
    braced = _apart((start + 1, closing[start]) for start in starts if start in closing)
    if not braced:
        bare = ((start, _without_braces(text, start, closing)) for start in starts)
        braced = _apart((start, end) for start, end in bare if end > start)
    return [text[start:end].strip() for start, end in braced]


def _apart(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans without those that begin inside an earlier one."""
    kept: list[tuple[int, int]] = []
    for start, end in spans:
        if not kept or start > kept[-1][1]:
            kept.append((start, end))
    return kept


def closing_braces(text: str) -> dict[int, int]:
    """The place of each opening brace that is closed, and where."""
    places: dict[int, int] = {}
    opened: list[int] = []
    for match in _BRACE.finditer(text):
        if match[0] == "{":
            opened.append(match.start())
        elif match[0] == "}" and opened:
            places[opened.pop()] = match.start()
    return places


def _without_braces(text: str, start: int, closing: dict[int, int]) -> int:
    """Where the content of a box without braces ends; `start` where there is none."""
    command = _COMMAND.match(text, start)
    if command is None:
        return _word(text, start)
    end = command.end()
    while end in closing:
        end = closing[end] + 1
    return end if end > command.end() else _word(text, end)  # \frac12


def _word(text: str, start: int) -> int:
    match = _WORD.match(text, start)
    word = match[0].rstrip(_END) if match else ""
    return start + len(word) if len(word) == 1 or any(sign.isdigit() for sign in word) else start
