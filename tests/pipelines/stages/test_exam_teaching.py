"""The exam pool from its source to finished traces without a model: merged, proved, shown, styled, taught, checked."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from recipes_for_tests.helpers import recipe, run_here

from yisang.filters.cot import AnswerLanguage, Finish, Structure, ThinkShare
from yisang.filters.directives import ShowOptions, StyleDirective
from yisang.filters.grade import Grade, ProveGold
from yisang.filters.keep import Keep
from yisang.filters.refusal import Refusal
from yisang.filters.unfinished import Unfinished
from yisang.grading import GradeSettings
from yisang.pipelines.stages.options import MergeOptions
from yisang.pipelines.stages.teach import Teach
from yisang.pipelines.steps import Each
from yisang.records import Trace
from yisang.sources import Exams
from yisang.tasks.exam_facts import pools
from yisang.teachers.engines.scripted import revision
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt

BY = GradeSettings(fallback=("marker",))
WANTED = {
    "finish": ("stop",), "structure": ("one",), "think_share": ("in_band",), "answer_language": ("target",), "unfinished": ("none",),
    "refusal": ("none",), "grade": ("correct",),
}  # fmt: skip


@pytest.mark.parametrize("language", pools())
def test_every_proved_question_ends_as_a_verified_trace(language: str, tmp_path: Path) -> None:
    checks = (
        Finish(),
        Structure(),
        ThinkShare(language, 0.05, 0.20),
        AnswerLanguage(language),
        Unfinished(language),
        Refusal(language),
        Grade(language, BY),
    )
    steps = (
        MergeOptions(language, gold_form="label", name="merge"),
        Each(ProveGold(language, BY), name="prove"),
        Each(ShowOptions()),
        Each(StyleDirective(language, share=0.5), name="style"),
        Teach(
            Teacher(engine="scripted", model="scripted", revision=revision(number=3)),
            MixedPrompt(language),
            Sampling(),
            samples=2,
            name="teach",
        ),
        *(Each(check) for check in checks),
        Each(Keep(verdicts=WANTED), name="keep"),
    )
    found = run_here(recipe(Exams(items=300, seed=4, language=language), *steps), tmp_path)
    proved = found.step("prove")["kept"]
    assert proved > 270
    kept = [record for record in found.kept if isinstance(record, Trace)]
    assert len(kept) == 2 * proved
    assert not found.dead
    seen = Counter((len(trace.prompt.options), bool(trace.prompt.measures["directive"])) for trace in kept)
    assert min(seen[10, True], seen[10, False], seen[4, True] + seen[4, False]) > 15
