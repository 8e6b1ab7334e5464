"""LANGUAGE_NAME questions, each thought through in a mix of English and LANGUAGE_NAME, after Yi-Sang (arXiv 2510.04230).

Say here which corpus this is, for whom, and how many rows you expect. The steps are those of the recipe yi_sang; what each setting is, and
what the paper says of it, stands in `Settings` (yisang/pipelines/recipes/yi_sang.py). The pages are those of sites.toml, whose terms
somebody has read.
"""

from __future__ import annotations

from pathlib import Path

from yisang.pipelines.recipe import Recipe
from yisang.pipelines.recipes.yi_sang import Settings, yi_sang

HERE = Path(__file__).parent


def build(inputs: str = "", taught_by: str = "qwen3-32b") -> Recipe:
    """inputs: WARC files of crawled pages. taught_by: the teacher; "scripted" needs no model, and knows what yisang makes itself."""
    return yi_sang(
        Settings(
            language="CODE",
            inputs=inputs,
            sites=str(HERE / "sites.toml"),
            sources=str(HERE / "sources.toml"),
            letters=("A", "B"),  # B trains and is not published
            floor=0.30,  # share of the language's letters in a question
            shortest=50,
            longest=8192,
            near=0.8,  # copies: character 5-grams that two questions share
            translated_from="en",  # "": no translations
            exams="both",  # "none" without [negation], [options] and [directives]
            option_share=0.5,
            style_share=0.5,
            cot="mixed",  # which prompt of the language file
            band=None,  # (0.05, 0.20), of the letters of the thoughts; higher where a syllable takes several letters
            placement="system",
            taught_by=taught_by,
            samples=1,
            graded=False,
            title="Yi-Sang in LANGUAGE_NAME",
        )
    )
