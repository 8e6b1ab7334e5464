"""An arm of the exam ablation: questions with a directive of style, with options of their neighbours, with both, or as they are.

Table 11 of the paper (arXiv 2510.04230) compares style with option: neither wins, and both were adopted (section 5.2). Expected: 53,000 rows.

    yisang run arm_exams --set exams=option --out out/arm_option ...
"""

from __future__ import annotations

from yisang.pipelines.recipe import Recipe
from yisang.pipelines.recipes.yi_sang import SITES, Exams, Settings
from yisang.pipelines.recipes.yi_sang_hq import Finishing, arm


def build(
    exams: Exams = "style",
    share: float = 1.0,
    inputs: str = "",
    sites: str = SITES,
    sources: str = "",
    benchmarks: str = "",
    language: str = "ko",
    taught_by: str = "qwen3-32b",
    scale: float = 1.0,
) -> Recipe:
    """exams: style, option, both or none. share: of the questions that are changed; ours is all of them, so that the arms differ most."""
    return arm(
        f"arm_exams_{exams}",
        Settings(
            language=language,
            inputs=inputs,
            sites=sites,
            sources=sources,
            taught_by=taught_by,
            exams=exams,
            option_share=share,
            style_share=share,
            title=f"Yi-Sang, exams: {exams}",
        ),
        Finishing(benchmarks=benchmarks, scale=scale),
        category="Exams",
        extra=0,
        size=53_000,
    )
