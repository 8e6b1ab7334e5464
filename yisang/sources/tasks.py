"""Worded tasks as a source: prompts with a known solution graph, made while they are read. (And questions with formulas, code and options.)"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from yisang.errors import UsageError
from yisang.sources.base import InputFile, Shard, SourceItem
from yisang.tasks.addition import make_sum
from yisang.tasks.contexts import digest_of_words
from yisang.tasks.mixes import Mix, draw_problems
from yisang.tasks.phrases import book
from yisang.tasks.problems import Direction, Problem, Request, make_problems
from yisang.tasks.questions import PRESET as QUESTIONS
from yisang.tasks.questions import check_language, make_questions

SHARD = 10_000


@dataclass(frozen=True)
class Tasks:
    """`problems` problems of a preset, or of a mix of ranges and contexts; seeded, and the same in any number of shards.

    preset: "general", "narrow", "addition", whose operations are digits, or "questions" (`yisang.tasks.questions`, without operations). Two indices may give the same text (few
    operations allow few problems); exact duplicates are a step's affair.
    """

    problems: int
    seed: int
    language: str = "ko"
    ops: tuple[int, int] = (2, 10)
    context: str = ""
    preset: str = "general"
    direction: Direction = "forward"
    mix: Mix | None = None
    start: int = 0
    split: str = ""
    category: str = "task"
    name: str = "tasks"

    def __post_init__(self) -> None:
        if self.problems < 0 or self.start < 0:
            raise UsageError(f"Tasks: problems is {self.problems} and start {self.start}; both must be 0 or more.")
        if self.preset in ("addition", QUESTIONS) and (self.mix or self.context or self.direction != "forward"):
            raise UsageError(
                "Tasks: sums and questions (presets 'addition', 'questions') have no mix, context or direction."
            )
        if self.mix is not None and (self.context or self.ops != (2, 10)):
            raise UsageError(f"Tasks: the mix {self.mix.name!r} says ops and contexts; leave ops and context away.")
        if self.preset == "addition":
            make_sum(self.language, *self.ops, self.seed, self.start)
        elif self.preset == QUESTIONS:
            check_language(self.language)
        else:
            self._request()

    def _request(self) -> Request:
        return Request(self.language, *self.ops, self.context, self.preset, self.direction)

    def identity(self) -> dict[str, Any]:
        """The parameters, and the words of all languages and contexts; of questions their phrases too."""
        phrases = {"phrases": book().digest} if self.preset == QUESTIONS else {}
        return {**{item.name: getattr(self, item.name) for item in fields(self)}, "words": digest_of_words(), **phrases}

    def shards(self) -> list[Shard]:
        """Ranges of indices."""
        end = self.start + self.problems
        return [Shard(self.name, first, min(first + SHARD, end)) for first in range(self.start, end, SHARD)]

    def inputs(self) -> list[InputFile]:
        """None: the parameters say all."""
        return []

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        stop = shard.start if shard.stop is None else shard.stop
        count = stop - shard.start
        if self.preset == "addition":
            for index in range(shard.start, stop):
                yield make_sum(self.language, *self.ops, self.seed, index).prompt(self.name, self.category, self.split)
            return
        if self.preset == QUESTIONS:
            for question in make_questions(self.seed, count, shard.start):
                yield question.prompt(self.language, self.name, self.category, self.split)
            return
        problems: Iterator[Problem] = (
            draw_problems(self.mix, self._request(), self.seed, count, shard.start)
            if self.mix is not None
            else make_problems(self._request(), self.seed, count, shard.start)
        )
        for problem in problems:
            yield problem.prompt(self.name, self.category, self.split)

    def count(self, shard: Shard) -> int | None:
        return (shard.stop or shard.start) - shard.start
