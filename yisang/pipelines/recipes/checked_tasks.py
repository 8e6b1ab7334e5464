"""Worded tasks, each answer held against every check: what a teacher's answers are worth, before and after.

Problems of 1 to 4 operations (preset narrow), answered in language-mixed thought. All checks measure first, in `measured`, which
is stored; then each decides in a step of its own, so that the books say how many each took. Of 10,000 answers of the scripted teacher,
14 % have a fault: 2 % of each of its seven kinds. Expected: none of those is kept but for a few cuts that hit nothing, and no other
is lost (docs/teachers.md has the figures).
"""

from __future__ import annotations

from yisang.errors import UsageError
from yisang.filters.cot import AnswerLanguage, Finish, Structure, ThinkShare
from yisang.filters.grade import Grade, VerifyTask
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
from yisang.pipelines.steps import Each
from yisang.records import Trace
from yisang.sources.tasks import Tasks
from yisang.teachers import models
from yisang.teachers.engines.scripted import FAULTS, revision
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt

LANGUAGE = "ko"
TEACHERS = ("scripted", "mini")
DECISIONS: dict[str, tuple[str, ...]] = {
    "finish": ("stop",),
    "structure": ("one",),
    "unfinished": ("none",),
    "repetition": ("none",),
    "refusal": ("none",),
    "pii": ("none",),
    "answer_language": ("target",),
    "think_share": ("in_band",),
    "grade": ("correct",),
    "process": ("verified",),
}
"""The wanted words of each verdict, in the order in which they decide."""


def measured(trace: Trace) -> Trace:
    """Where all that was measured is stored, and nothing is decided yet."""
    return trace


def teacher(name: str) -> Teacher:
    if name == "scripted":
        faults = dict.fromkeys(FAULTS, 0.02)
        return Teacher(engine="scripted", model="scripted", revision=revision(faults, seed=1))
    if name == "mini":
        return Teacher(engine="mini", model="mini", revision=models.revision("mini"))
    raise UsageError(f"The recipe has no teacher {name!r}. It has {' and '.join(TEACHERS)}.")


def build(problems: int = 10_000, seed: int = 29, taught_by: str = "scripted") -> Recipe:
    """taught_by: one of TEACHERS."""
    return Recipe(
        name="checked_tasks",
        version="1",
        source=Tasks(problems, seed, LANGUAGE, ops=(1, 4), preset="narrow"),
        steps=(
            Teach(
                teacher(taught_by),
                MixedPrompt(LANGUAGE, "mixed"),
                Sampling(temperature=0.6, top_p=0.95, top_k=20, max_tokens=512),
                name="teach",
            ),
            Each(Finish()),
            Each(Structure()),
            Each(Unfinished(LANGUAGE)),
            Each(Repetition()),
            Each(Refusal(LANGUAGE)),
            Each(Pii(LANGUAGE)),
            Each(AnswerLanguage(LANGUAGE)),
            Each(ThinkShare(LANGUAGE, 0.05, 0.20)),
            Each(Switches(LANGUAGE)),
            Each(KeptQuotes(LANGUAGE)),
            Each(Grade(LANGUAGE)),
            Each(VerifyTask()),
            Each(measured, keep=True),
            *(Each(Keep(verdicts={name: wanted}), name=f"by_{name}") for name, wanted in DECISIONS.items()),
            Each(ToExample()),
        ),
        sink=Corpus(
            title="Checked worded tasks",
            language=LANGUAGE,
            description="Arithmetic word problems in Korean with language-mixed solutions that passed every check.",
        ),
    )
