"""Questions with two thresholds, to compare runs that differ in them. Expected: what the tests work out by themselves.

`inputs` is a folder with free.jsonl (CC0) and closed.jsonl (CC BY-NC).
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from yisang.filters.language import MinShare, TargetShare
from yisang.filters.length import Length
from yisang.filters.licence import licence
from yisang.pipelines.curate import Corpus, ToExample
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.stages.teach import Teach
from yisang.pipelines.steps import Each
from yisang.records import Prompt, child_id
from yisang.sources import JsonLines
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt


@dataclass(frozen=True)
class Lines:
    """Each line of a question is one of its own."""

    def __call__(self, prompt: Prompt) -> list[Prompt]:
        return [
            msgspec.structs.replace(prompt, id=child_id(prompt.id, number), text=text)
            for number, text in enumerate(prompt.text.split("\n"))
        ]


@dataclass(frozen=True)
class Marked:
    """A measure that says nothing of the record."""

    mark: int

    def __call__(self, prompt: Prompt) -> dict[str, int]:
        return {"mark": self.mark if prompt.category == "law" else 0}


def build(
    inputs: str, low: float = 0.30, shortest: int = 12, samples: int = 1, mark: int = 0, taught: bool = True
) -> Recipe:
    def rows(file: str, name: str, terms: str) -> JsonLines:
        return JsonLines(
            paths=f"{inputs}/{file}",
            text="text",
            category_column="category",
            language="ko",
            name=name,
            licence=licence(terms, "written for the tests", "2026-01-01"),
        )

    echo = Teacher(engine="echo", model="echo", revision="1")
    teaching = (
        Teach(echo, MixedPrompt("ko", "mixed"), Sampling(max_tokens=512), samples=samples, name="teach"),
        Each(ToExample()),
    )
    return Recipe(
        name="thresholds",
        version="1",
        source=(rows("free.jsonl", "free", "CC0-1.0"), rows("closed.jsonl", "closed", "CC-BY-NC-4.0")),
        steps=(
            Each(Lines()),
            Each(TargetShare("ko")),
            Each(MinShare(low)),
            Each(Length(shortest, 8192)),
            Each(Marked(mark)),
            *(teaching if taught else ()),
        ),
        sink=Corpus("Thresholds", "ko"),
        max_dead=0.5,
    )
