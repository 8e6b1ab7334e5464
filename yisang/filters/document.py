"""What of a prompt is translated: its text and its options, behind marks (`yisang.languages.masks`).

Options stand in the text or only in the record. Where they do not stand in the text, they follow it for the teacher, a line each. In both
cases a mark stands in front of each, so that it is found again in the translation.
"""

from __future__ import annotations

import builtins
import keyword
import re
from dataclasses import dataclass

from yisang.grading.programs import cases
from yisang.languages import codes, load
from yisang.languages.masks import MARK, Held, mark, mask, restore
from yisang.records import Prompt

_PRINTED = re.compile(r"[A-Za-z][\w-]{1,19}")
_CALLED = re.compile(r"\b(?<!def )([A-Za-z_]\w{2,})\s*\(")
_OF_PYTHON = frozenset(dir(builtins)) | frozenset(keyword.kwlist)


@dataclass(frozen=True)
class Document:
    """What a teacher is given to translate: the text of a prompt and its options, behind marks.

    options: the marks in front of the options. behind: whether the options stand behind the text, a line for each, because they do not
    stand in it.
    """

    text: str
    held: tuple[Held, ...]
    options: tuple[int, ...] = ()
    behind: bool = False

    @property
    def labels(self) -> list[int]:
        return [number for number, part in enumerate(self.held, 1) if part.kind == "label"]

    def contents(self, text: str) -> dict[int, str]:
        """What stands behind the mark of each option, in this text or in a translation of it; none for a mark that is not there."""
        places = [match for match in MARK.finditer(text) if int(match[1]) in self.options]
        found: dict[int, str] = {}
        for number, match in enumerate(places, 1):
            if number < len(places):
                stop = places[number].start()
            else:
                line = text.find("\n", match.end())
                stop = len(text) if self.behind or line < 0 else line
            found.setdefault(int(match[1]), text[match.end() : stop].strip())
        return found

    def body(self, text: str) -> str:
        """The text without options that stand behind it."""
        first = min((text.find(mark(number)) for number in self.options if mark(number) in text), default=len(text))
        return (text[:first] if self.behind else text).strip()


def document(prompt: Prompt) -> Document:
    """The text of a prompt behind marks, with its options."""
    series = _series(prompt.language)
    masked = mask(prompt.text.strip(), series, _tested(prompt))
    whole = Document(masked.text, masked.held)
    if not prompt.options:
        return whole
    wanted = [form(option) for option in prompt.options]
    for first in reversed(range(len(masked.labels) - len(wanted) + 1)):
        inside = Document(masked.text, masked.held, masked.labels[first : first + len(wanted)])
        if [form(restore(text, masked.held)) for text in inside.contents(masked.text).values()] == wanted:
            return inside
    held, lines, labels = list(masked.held), [], []
    for option in prompt.options:
        held.append(Held("label", ""))
        labels.append(len(held))
        part = mask(option.strip(), series, first=len(held) + 1)
        held += part.held
        lines.append(f"{mark(labels[-1])} {part.text}")
    return Document("\n\n".join([masked.text, "\n".join(lines)]), tuple(held), tuple(labels), behind=True)


def _series(language: str) -> tuple[str, ...]:
    return tuple(load(language).grading.get("labels", ())) if language in codes() else ()


def _tested(prompt: Prompt) -> list[str]:
    """Words of a programming task that its tests know: what a program must print, and the names that are called.

    Translated, they would make every right program wrong.
    """
    if prompt.kind != "code" or not prompt.tests:
        return []
    try:
        printed = cases(prompt.tests)
    except ValueError:  # tests that the grader will refuse
        return []
    if printed is None:
        return sorted(set(_CALLED.findall(prompt.tests)) - _OF_PYTHON)
    return sorted({output.strip() for _, output in printed if _PRINTED.fullmatch(output.strip())})


def form(text: str) -> str:
    """With single blanks, for comparing."""
    return " ".join(text.split())
