"""An arm of the teacher ablation: the same questions, answered by a stronger or a weaker teacher, at length or briefly.

Table 12 of the paper (arXiv 2510.04230): Qwen3-32B and Qwen3-4B with long thoughts, Qwen3-32B and Gemini-2.5-Pro with short ones; table 7:
DeepSeek-R1-Distill-Qwen-32B. What a student gains goes with the strength of its teacher. Expected: 53,000 rows in each arm, as in arm_cot.

    yisang run arm_teacher --set taught_by=qwen3-4b --out out/arm_4b ...
    yisang run arm_teacher --set taught_by=deepseek-ai/DeepSeek-R1-Distill-Qwen-32B@COMMIT --out out/arm_r1 ...
"""

from __future__ import annotations

from yisang.pipelines.recipe import Recipe
from yisang.pipelines.recipes.yi_sang import SITES, Settings
from yisang.pipelines.recipes.yi_sang_hq import Finishing, arm


def build(
    taught_by: str = "qwen3-32b",
    cot: str = "mixed",
    inputs: str = "",
    sites: str = SITES,
    sources: str = "",
    benchmarks: str = "",
    language: str = "ko",
    translated_by: str = "",
    scale: float = 1.0,
) -> Recipe:
    """taught_by: a name that yi_sang knows, or model@commit. translated_by: the same in all arms, or their questions differ."""
    return arm(
        "arm_teacher",
        Settings(
            language=language,
            inputs=inputs,
            sites=sites,
            sources=sources,
            taught_by=taught_by,
            translated_by=translated_by or "qwen3-32b",
            cot=cot,
            title=f"Yi-Sang, taught by {taught_by}",
        ),
        Finishing(benchmarks=benchmarks, scale=scale),
        category="OpenThought",
    )
