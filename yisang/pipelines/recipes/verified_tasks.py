"""Worded tasks taught and verified: rows of which every step is known to be right.

Problems of 1 to 4 operations (preset narrow), answered in language-mixed thought. A tenth of the scripted teacher's answers have a
wrong value or a missing step; only what the solution graph verifies is kept. Expected: nine in ten problems, a few copies of
one-operation problems taken away before (of 8,000 problems 7,190 rows).
"""

from __future__ import annotations

from yisang.filters.cot import Finish, Structure
from yisang.filters.duplicates import exact_key, keep_first, survivor_order
from yisang.filters.grade import VerifyTask
from yisang.filters.keep import Keep
from yisang.filters.pii import Pii
from yisang.filters.quotes import KeptQuotes
from yisang.filters.refusal import Refusal
from yisang.filters.repetition import Repetition
from yisang.filters.switches import Switches
from yisang.filters.unfinished import Unfinished
from yisang.pipelines.curate import Corpus, ToExample
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.stages.teach import Teach
from yisang.pipelines.steps import Each, Group
from yisang.sources.tasks import Tasks
from yisang.teachers.engines.scripted import revision
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt

LANGUAGE = "ko"
FAULTS = {"wrong_value": 0.05, "missing_step": 0.05}


def build(problems: int = 24000, seed: int = 11) -> Recipe:
    return Recipe(
        name="verified_tasks",
        version="1",
        source=Tasks(problems, seed, LANGUAGE, ops=(1, 4), preset="narrow"),
        steps=(
            Group(exact_key, keep_first, order=survivor_order, name="exact_duplicates"),
            Teach(
                Teacher(engine="scripted", model="scripted", revision=revision(FAULTS, seed=1)),
                MixedPrompt(LANGUAGE, "mixed"),
                Sampling(temperature=0.6, top_p=0.95, top_k=20, max_tokens=1024),
                samples=1,
                name="teach",
            ),
            Each(Finish()),
            Each(Structure()),
            Each(VerifyTask()),
            Each(
                Keep(verdicts={"finish": ("stop",), "structure": ("one",), "process": ("verified",)}), name="verified"
            ),
            # What no graph sees. This teacher passes them all; another one put in its place may not.
            Each(Unfinished(LANGUAGE)),
            Each(Refusal(LANGUAGE)),
            Each(Repetition()),
            Each(Pii(LANGUAGE)),
            Each(
                Keep(
                    verdicts={"unfinished": ("none",), "refusal": ("none",), "repetition": ("none",), "pii": ("none",)}
                ),
                name="whole_and_clean",
            ),
            # Measures alone: how the question's language is spread in the thoughts, and what is kept of its words.
            Each(Switches(LANGUAGE)),
            Each(KeptQuotes(LANGUAGE)),
            Each(ToExample()),
        ),
        sink=Corpus(
            title="Verified worded tasks",
            language=LANGUAGE,
            description="Arithmetic word problems in Korean with language-mixed solutions, each verified against its graph.",
        ),
    )
