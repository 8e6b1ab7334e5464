"""Translations by the scripted teacher, and the faults that it makes in them on request."""

from __future__ import annotations

import re
from collections.abc import Callable

from yisang.languages.masks import MARK, mark, marks_in
from yisang.tasks.draw import Draw

TRANSLATION_FAULTS = ("dropped_number", "translated_latex", "other_language", "lost_option")
"""dropped_number    the digits of a number are left out
translated_latex  a mark is not left alone: words or a formula of the teacher's own stand in its place or beside it, or it stands twice
other_language    the text as it was, or in a third language, or one sentence of some length as it was
lost_option       an option is left out, or only its label is written
A text that has no place for a fault (no number, no mark, no options) is translated without one."""

_NUMBER = re.compile(r"(?<![0-9⟦A-Za-z.,])[0-9]+(?:[.,][0-9]+)*(?![0-9⟧])")
_SENTENCE = re.compile(r".+?(?:[.?!。？！]\s+|[。？！]|\n+|$)", re.DOTALL)
_LONG = 40
"""Letters of a sentence."""
_OPTION = re.compile(rf"^(?:{MARK.pattern})[ \t]*\S.*$", re.MULTILINE)
_OWN = ("$\\text{{{}}}$", "\\({}\\)", "{}")


def with_fault(name: str, question: str, said: str, other: str, draw: Draw) -> str | None:
    """`said` with one fault; None where it has no place for it. other: the translation into a third language, "" where there is none."""
    return _MAKERS[name](question, said, other, draw)


def _dropped_number(question: str, said: str, other: str, draw: Draw) -> str | None:
    lines = said.split("\n")
    # Not in a line that begins with a mark: an option that is a number would be lost, which is another fault.
    places = [
        (number, match.span())
        for number, line in enumerate(lines)
        if not MARK.match(line)
        for match in _NUMBER.finditer(line)
    ]
    if not places:
        return None
    number, (start, end) = draw.one(places)
    lines[number] = lines[number][:start] + lines[number][end:]
    return "\n".join(lines)


def _translated_latex(question: str, said: str, other: str, draw: Draw) -> str | None:
    labels = {number for line in question.split("\n") if MARK.match(line) for number in _labels(line)}
    places = [match for match in MARK.finditer(said) if int(match[1]) not in labels]
    if not places:
        return None
    place = draw.one(places)
    own = draw.one(_OWN).format(draw.one(("값", "식", "値")))
    how = draw.below(3)
    put = (
        own
        if how == 0
        else f"{place[0]} $\\text{{{draw.one(('만약', '또는', 'もし'))}}}$"
        if how == 1
        else place[0] * 2
    )
    return said[: place.start()] + put + said[place.end() :]


def _labels(line: str) -> list[int]:
    """The marks of a line of options that may be labels: the first, or all where several options share the line."""
    found = marks_in(line)
    return found if len(found) > 2 else found[:1]


def _other_language(question: str, said: str, other: str, draw: Draw) -> str | None:
    how = draw.below(3)
    if how == 0 and (left := _left(question, said, draw)):
        return left
    return other if other and how == 1 else question


def _left(question: str, said: str, draw: Draw) -> str | None:
    """The translation with one sentence of the question in the place of its own; None where no sentence is long enough to be missed."""
    before, after = _SENTENCE.findall(question), _SENTENCE.findall(said)
    places = [n for n, sentence in enumerate(before) if sum(map(str.isalpha, sentence)) >= _LONG]
    if len(before) != len(after) or len(before) < 2 or not places:
        return None
    place = draw.one(places)
    return "".join([*after[:place], before[place], *after[place + 1 :]])


def _lost_option(question: str, said: str, other: str, draw: Draw) -> str | None:
    lines = list(_OPTION.finditer(said))
    if len(lines) < 2:
        return None
    line = draw.one(lines)
    left = mark(marks_in(line[0])[0]) if draw.share() < 0.5 else ""
    return said[: line.start()] + left + said[line.end() + (not left) :]


_MAKERS: dict[str, Callable[[str, str, str, Draw], str | None]] = {
    "dropped_number": _dropped_number,
    "translated_latex": _translated_latex,
    "other_language": _other_language,
    "lost_option": _lost_option,
}
assert tuple(_MAKERS) == TRANSLATION_FAULTS
