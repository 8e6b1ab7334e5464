"""An arm of the exam ablation: questions with a directive of style, with options of their neighbours, with both, or as they are.

Table 11 of the paper (arXiv 2510.04230) compares style with option: neither wins, and both were adopted (section 5.2). Expected: 53,000 rows.

    yisang run arm_exams --set exams=option --out out/arm_option ...
"""

from __future__ import annotations

from yisang.pipelines.parameters import build_of
from yisang.pipelines.recipe import Expected, Recipe
from yisang.pipelines.recipes.yi_sang import Settings
from yisang.pipelines.recipes.yi_sang_hq import Finishing, Slice, arm

ROWS = Expected("rows of the arm", "quota", 53_000, "table 11")


def arm_exams(settings: Settings, finishing: Finishing) -> Recipe:
    """settings.exams: style, option, both or none. All questions that can be are changed; ours, so that the arms differ most."""
    return arm(f"arm_exams_{settings.exams}", settings, finishing, Slice("Exams", 53_000, 0), ROWS)


build = build_of(arm_exams, Settings, Finishing, exams="style", option_share=1.0, style_share=1.0)
