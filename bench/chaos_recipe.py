"""The run of bench/chaos.py: questions of two files, some of them copies of others, each taught twice."""

from __future__ import annotations

import msgspec

from yisang.filters.licence import licence
from yisang.pipelines.curate import Corpus
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.stages.teach import Teach
from yisang.pipelines.steps import Each
from yisang.records import Prompt, child_id
from yisang.sources import JsonLines
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt

SAMPLES = 2
MAX_TOKENS = 256
COPIED = "!"
"""A question that ends so gets a twin: another record with the same words, and so the same request."""


def twins(prompt: Prompt) -> list[Prompt]:
    if not prompt.text.endswith(COPIED):
        return [prompt]
    return [prompt, msgspec.structs.replace(prompt, id=child_id(prompt.id, 1), parents=(prompt.id,))]


def build(inputs: str = "") -> Recipe:
    own = licence("CC0-1.0", "made by bench/chaos.py", "2026-11-01")
    files = [
        JsonLines(paths=f"{inputs}/{name}.jsonl", text="text", language="ko", name=name, licence=own, category="chaos")
        for name in ("questions", "again")
    ]
    return Recipe(
        name="chaos",
        version="1",
        source=tuple(files),
        steps=(
            Each(twins),
            Teach(
                Teacher(engine="openai", model="chaos", revision="1"),
                MixedPrompt(),
                Sampling(max_tokens=MAX_TOKENS, seed=0),
                SAMPLES,
            ),
        ),
        sink=Corpus(title="chaos", language="ko"),
        max_dead=0.05,
    )
