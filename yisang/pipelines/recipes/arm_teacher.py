"""An arm of the teacher ablation: the same questions, answered by a stronger or a weaker teacher, at length or briefly.

Table 12 of the paper (arXiv 2510.04230): Qwen3-32B and Qwen3-4B with long thoughts, Qwen3-32B and Gemini-2.5-Pro with short ones; table 7:
DeepSeek-R1-Distill-Qwen-32B. What a student gains goes with the strength of its teacher. Expected: 53,000 rows in each arm, as in arm_cot.

    yisang run arm_teacher --set taught_by=qwen3-4b --out out/arm_4b ...
    yisang run arm_teacher --set taught_by=deepseek-ai/DeepSeek-R1-Distill-Qwen-32B@COMMIT --set terms=MIT --out out/arm_r1 ...

The translator stays the same in all arms, or their questions would differ. A teacher behind an API, as Gemini is, wants a recipe of its own with
a `Teacher` that names its endpoint and its terms.
"""

from __future__ import annotations

from yisang.pipelines.parameters import build_of
from yisang.pipelines.recipe import Expected, Recipe
from yisang.pipelines.recipes.yi_sang import Settings
from yisang.pipelines.recipes.yi_sang_hq import Finishing, Slice, arm

ROWS = Expected("rows of the arm", "quota", 53_000, "table 12")


def arm_teacher(settings: Settings, finishing: Finishing) -> Recipe:
    """settings.taught_by: a name that yi_sang knows, or model@commit with its terms."""
    return arm("arm_teacher", settings, finishing, Slice("OpenThought"), ROWS)


build = build_of(arm_teacher, Settings, Finishing, translated_by="qwen3-32b")
