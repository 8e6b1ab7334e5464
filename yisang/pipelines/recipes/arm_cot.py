"""An arm of the language ablation: the same questions, thought through in another language, or in few words.

Table 2 of the paper (arXiv 2510.04230) trains on English, Korean and mixed thoughts, the latter with English, Chinese or Russian; it ran on the
questions of OpenThought (its mixed row is that of table 3), 50,000 rows and 3,000 exam questions for the format of their answers. Table 12 adds short thoughts.
Expected: 53,000 rows in each arm. `scripted` thinks in English where Chinese or Russian is
asked for, and nothing checks which language the thoughts are in beside the target's share. Take the arms one after the other with one answer store; all else must stay the same:

    for cot in mixed english_only target_only mixed_zh mixed_ru short; do yisang run arm_cot --set cot=$cot --out out/arm_$cot ...; done
"""

from __future__ import annotations

from yisang.pipelines.parameters import build_of
from yisang.pipelines.recipe import Expected, Recipe
from yisang.pipelines.recipes.yi_sang import Settings
from yisang.pipelines.recipes.yi_sang_hq import Finishing, Slice, arm

ROWS = Expected("rows of the arm", "quota", 53_000, "table 2")


def arm_cot(settings: Settings, finishing: Finishing) -> Recipe:
    """settings.cot: mixed, english_only, target_only, mixed_zh, mixed_ru or short."""
    return arm(f"arm_cot_{settings.cot}", settings, finishing, Slice("OpenThought"), ROWS)


build = build_of(arm_cot, Settings, Finishing)
