"""Exam questions with planted traps get options of their neighbours, are proved, shown and styled: the recipe of the tests."""

from __future__ import annotations

from yisang.filters.directives import ShowOptions, StyleDirective
from yisang.filters.grade import ProveGold
from yisang.grading import GradeSettings
from yisang.pipelines.curate import Corpus
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.stages.options import MergeOptions
from yisang.pipelines.steps import Each
from yisang.sources import Exams

SETTINGS = GradeSettings(fallback=("marker",))


def build() -> Recipe:
    return Recipe(
        "merging",
        "1",
        Exams(items=450, seed=11, traps=5),
        (
            MergeOptions("ko", gold_form="label", share=0.8, name="merge"),
            Each(ProveGold("ko", SETTINGS), name="prove"),
            Each(ShowOptions()),
            Each(StyleDirective("ko", share=0.5), name="style"),
            Each(ProveGold("ko", SETTINGS), name="prove_style"),
        ),
        Corpus("Merging", "ko"),
    )
