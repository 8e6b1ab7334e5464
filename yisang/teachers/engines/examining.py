"""Questions of the exam pool as a teacher gets them: with their options shown, and a directive on the form of the answer or none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from yisang.filters.directives import Directive, directives
from yisang.languages import load
from yisang.tasks.draw import Draw
from yisang.tasks.exam_facts import pools
from yisang.tasks.exam_reading import Reading, read
from yisang.tasks.exam_traces import Mode, explanation, think
from yisang.tasks.wording import grammar

_OPTION = re.compile(r"([1-9][0-9]?)\. (\S.*)")


@dataclass(frozen=True)
class Exam:
    """A question that was read. place: of the one option that is right."""

    reading: Reading
    options: tuple[str, ...]
    place: int
    directive: Directive | None = None

    @property
    def language(self) -> str:
        return self.reading.language

    def another(self, draw: Draw) -> int:
        """The place of an option that is wrong."""
        return draw.one([place for place in range(len(self.options)) if place != self.place])

    def written(self, mode: Mode, place: int) -> tuple[str, str]:
        """(think, answer) that end with the option at `place`. The answer follows the directive, if there is one."""
        spoken = grammar(self.language)
        closing = self.directive.answer if self.directive else spoken.trace["answer"]
        # Not filled as a sentence is: a form of answer is written as it is asked for.
        said = [explanation(self.reading, self.options, place), closing.replace("{n}", str(place + 1))]
        return think(self.reading, self.options, place, mode), "\n\n".join(said)


def exam(question: str, languages: Sequence[str]) -> Exam | None:
    """The question of a pool in one of these languages, its options shown as `filters.directives.ShowOptions` does.

    None for anything else, and where not exactly one option is right.
    """
    if "\n1. " not in question:
        return None
    for language in languages:
        if language in pools():
            directive, text = _without_directive(question, language)
            asked, _, listed = text.partition("\n\n")
            options = _options(listed)
            reading = read(asked, language) if len(options) > 1 else None
            if reading is not None:
                right = reading.right_options(options)
                return Exam(reading, options, next(iter(right)), directive) if len(right) == 1 else None
    return None


def _without_directive(question: str, language: str) -> tuple[Directive | None, str]:
    """A directive of the language that is a paragraph of the question, and the other paragraphs."""
    paragraphs = question.split("\n\n")
    for directive in directives(load(language)):
        if directive.text in paragraphs:
            paragraphs.remove(directive.text)
            return directive, "\n\n".join(paragraphs)
    return None, question


def _options(listed: str) -> tuple[str, ...]:
    """The options of lines that are numbered from one; none where a line is anything else."""
    lines = [_OPTION.fullmatch(line) for line in listed.split("\n")]
    if any(line is None or int(line[1]) != number for number, line in enumerate(lines, 1)):
        return ()
    return tuple(line[2] for line in lines if line)
