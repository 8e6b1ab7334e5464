"""What an answer says in the end: the text behind the thinking, and in it the final answer."""

from __future__ import annotations

import re
from typing import Literal

from yisang.grading.plain import LONGEST, bare
from yisang.grading.words import Words
from yisang.languages.boxes import boxes
from yisang.languages.thinking import after_thinking

__all__ = ["Box", "Fallback", "after_thinking", "boxed", "unboxed"]

Box = Literal["first", "last"]
Fallback = Literal["marker", "whole", "number"]

_SENTENCE_END = re.compile(r"[.!?。！？](?:\s|$)")
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_PLACEHOLDER = re.compile(r"[.…\s]*")


def boxed(answer: str, which: Box) -> str | None:
    """The content of the first or last box that says something; a box in it is opened. None without one."""
    said = [content for content in boxes(answer) if not _PLACEHOLDER.fullmatch(content)]
    if not said:
        return None
    content = said[0] if which == "first" else said[-1]
    while len(content) <= LONGEST and len(inner := boxes(content)) == 1:
        content = inner[0]
    return content


def unboxed(answer: str, ways: tuple[Fallback, ...], words: Words) -> str | None:
    """The final answer of a text without a box, by the first of these ways that finds one.

    marker  what follows the last "the answer is", up to the end of its sentence or line
    whole   all of a text of one line
    number  the last number, as MMATH does (arXiv 2505.19126)
    """
    for way in ways:
        found: str | None = None
        if way == "marker":
            found = _marked(answer, words)
        elif way == "whole":
            line = answer.strip()
            found = line if "\n" not in line else None
        else:
            for match in _NUMBER.finditer(answer):
                found = match[0]
        if found:
            return found.rstrip(",")
    return None


def _marked(answer: str, words: Words) -> str | None:
    folded = answer.casefold()
    if len(folded) != len(answer):  # a sign that folds to two would shift every place
        folded = answer.lower() if len(answer.lower()) == len(answer) else answer
    starts = [(place + len(marker), marker) for marker in words.markers if (place := folded.rfind(marker)) >= 0]
    if not starts:
        return None
    line = answer[max(starts)[0] :].lstrip(" :*\t").partition("\n")[0]
    end = _SENTENCE_END.search(line)
    return bare(line[: end.start()] if end else line) or None
