"""An arm of the category ablation: a slice of one category, of the same size as those of the others.

Table 3 of the paper (arXiv 2510.04230): 50,000 rows of OpenThought, Daily, Medical, Code or Exams, 37,000 of Science (all that there are; none
is drawn twice), each with 3,000 exam questions for the format of their answers. Tables 8 and 9 vary the size. Expected: 53,000 rows, 40,000
of Science.

    yisang run arm_category --set category=Medical --set size=100000 --out out/arm_medical ...
"""

from __future__ import annotations

from yisang.pipelines.recipe import Recipe
from yisang.pipelines.recipes.yi_sang import SITES, Settings
from yisang.pipelines.recipes.yi_sang_hq import Finishing, arm


def build(
    category: str = "OpenThought",
    size: int = 50_000,
    extra: int = 3_000,
    inputs: str = "",
    sites: str = SITES,
    sources: str = "",
    benchmarks: str = "",
    language: str = "ko",
    taught_by: str = "qwen3-32b",
    scale: float = 1.0,
) -> Recipe:
    """size, extra: rows of the category, and of exam questions beside them, before `scale`."""
    return arm(
        f"arm_category_{category.lower()}",
        Settings(
            language=language,
            inputs=inputs,
            sites=sites,
            sources=sources,
            taught_by=taught_by,
            title=f"Yi-Sang, {category}",
        ),
        Finishing(benchmarks=benchmarks, scale=scale),
        category=category,
        size=size,
        extra=extra,
    )
