"""A small recipe with each kind of end: kept, born, dropped, duplicate, dead.

`inputs` is a folder with free.jsonl (CC0) and closed.jsonl (CC BY-NC). A text of two lines becomes two prompts, one
below three letters is dropped, one that says "broken" is a dead letter.
"""

from __future__ import annotations

import msgspec

from yisang.filters.duplicates import exact_key, keep_first, survivor_order
from yisang.filters.licence import licence
from yisang.pipelines.curate import Corpus
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.steps import Each, Group
from yisang.records import Drop, Prompt, child_id
from yisang.sources import JsonLines


def lines(prompt: Prompt) -> list[Prompt]:
    texts = prompt.text.split("\n")
    if len(texts) == 1:
        return [prompt]
    return [
        msgspec.structs.replace(prompt, id=child_id(prompt.id, number), text=text) for number, text in enumerate(texts)
    ]


def frail(prompt: Prompt) -> Prompt:
    if "broken" in prompt.text:
        raise ValueError(f"cannot read {prompt.text!r}")
    return prompt


def long_enough(prompt: Prompt) -> Prompt | Drop:
    return prompt if len(prompt.text) >= 3 else Drop("too_short", {"characters": len(prompt.text)})


def build(inputs: str) -> Recipe:
    def rows(file: str, name: str, terms: str) -> JsonLines:
        return JsonLines(
            paths=f"{inputs}/{file}",
            text="text",
            category_column="category",
            language="ko",
            name=name,
            licence=licence(terms, "written for the tests", "2026-01-01"),
        )

    return Recipe(
        name="way",
        version="3",
        source=(rows("free.jsonl", "free", "CC0-1.0"), rows("closed.jsonl", "closed", "CC-BY-NC-4.0")),
        steps=(
            Each(lines),
            Each(frail),
            Each(long_enough),
            Group(exact_key, keep_first, order=survivor_order, name="exact_duplicates"),
        ),
        sink=Corpus("Way", "ko"),
        max_dead=0.5,
    )
