"""An arm of the category ablation: a slice of one category, of the same size as those of the others.

Table 3 of the paper (arXiv 2510.04230): 50,000 rows of OpenThought, Daily, Medical, Code or Exams, 37,000 of Science (all that there are; none
is drawn twice), each with 3,000 exam questions for the format of their answers. Table 8 has Medical at 100,000 too. Expected: 53,000 rows,
40,000 of Science.

    yisang run arm_category --set category=Medical --set size=100000 --out out/arm_medical ...
"""

from __future__ import annotations

from yisang.pipelines.parameters import build_of
from yisang.pipelines.recipe import Expected, Recipe
from yisang.pipelines.recipes.yi_sang import Settings
from yisang.pipelines.recipes.yi_sang_hq import Finishing, Slice, arm

PRINTED = {
    "OpenThought": 53_000,
    "Daily": 53_000,
    "Medical": 53_000,
    "Code": 53_000,
    "Exams": 53_000,
    "Science": 40_000,
}
"""Table 3, the 3,000 included."""


def arm_category(settings: Settings, finishing: Finishing, portion: Slice) -> Recipe:
    """portion: category, size, and extra exam questions. The paper's number stands beside a slice of the paper's size alone."""
    printed = PRINTED.get(portion.category) if (portion.size, portion.extra) == (50_000, 3_000) else None
    expected = Expected("rows of the arm", "quota", printed, "table 3") if printed else None
    return arm(f"arm_category_{portion.category.lower()}", settings, finishing, portion, expected)


build = build_of(arm_category, Settings, Finishing, Slice)
