"""An arm of the language ablation: the same questions, thought through in another language, or in few words.

Table 2 of the paper (arXiv 2510.04230) trains on English, Korean and mixed thoughts, the latter with English, Chinese or Russian; it ran on the
questions of OpenThought (its mixed row is that of table 3), 50,000 rows and 3,000 exam questions for the format of their answers. Table 12 adds short thoughts.
Expected: 53,000 rows in each arm. Take the arms one after the other with one answer store; all else must stay the same:

    for cot in mixed english_only target_only mixed_zh mixed_ru short; do yisang run arm_cot --set cot=$cot --out out/arm_$cot ...; done
"""

from __future__ import annotations

from yisang.pipelines.recipe import Recipe
from yisang.pipelines.recipes.yi_sang import SITES, Settings
from yisang.pipelines.recipes.yi_sang_hq import Finishing, arm


def build(
    cot: str = "mixed",
    inputs: str = "",
    sites: str = SITES,
    sources: str = "",
    benchmarks: str = "",
    language: str = "ko",
    taught_by: str = "qwen3-32b",
    scale: float = 1.0,
) -> Recipe:
    """cot: mixed, english_only, target_only, mixed_zh, mixed_ru or short."""
    return arm(
        f"arm_cot_{cot}",
        Settings(
            language=language,
            inputs=inputs,
            sites=sites,
            sources=sources,
            taught_by=taught_by,
            cot=cot,
            title=f"Yi-Sang, {cot}",
        ),
        Finishing(benchmarks=benchmarks, scale=scale),
        category="OpenThought",
    )
