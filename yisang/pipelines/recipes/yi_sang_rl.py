"""Questions for RL: English ones and their translations, each with a gold that its grader proves, and how often a teacher gets it right.

What `yisang publish --for rl` wants of a run (TRIT, arXiv 2602.05940, trains on questions in English and in the target language): no answer is
filtered away, for a question that the teacher never solves is a question still. Rows are traces, one for each question; the pass rate
of all of its answers stands with it, and the difficulty is 1 minus that.

Expected: of worded tasks all are kept in both languages, but for those whose translation fails. No paper prints a yield of this.

    yisang run yi_sang_rl --set sources=sources.toml --set taught_by=qwen3-4b --out out/rl && yisang publish out/rl --for rl --to out/rl-questions
"""

from __future__ import annotations

from yisang.filters.best_of import BestOf, PassRate, prompt_of
from yisang.filters.cot import Finish, Structure
from yisang.filters.directives import ShowOptions
from yisang.filters.duplicates import exact_key, keep_first, survivor_order
from yisang.filters.grade import GoldPasses, Grade, VerifyTask
from yisang.filters.length import Length
from yisang.filters.licence import AllowLicence
from yisang.filters.pii import MaskPii
from yisang.languages import load
from yisang.pipelines.curate import Corpus
from yisang.pipelines.known_teachers import teacher
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.recipes.yi_sang import OnlyLanguages
from yisang.pipelines.stages.teach import Teach
from yisang.pipelines.stages.translate import Translate
from yisang.pipelines.steps import Each, Group
from yisang.sources.declared import declared_sources
from yisang.teachers.prompts import ByLanguage, MixedPrompt


def build(
    sources: str,
    language: str = "ko",
    translated_from: str = "en",
    taught_by: str = "qwen3-32b",
    terms: str = "",
    samples: int = 8,
) -> Recipe:
    """sources: a TOML file (yisang.sources.declared) of questions with golds. samples: answers to each, by which its pass rate is taken; 8 is
    what the paper's code draws (arXiv 2510.04230)."""
    asked = teacher(taught_by, terms)
    return Recipe(
        name="yi_sang_rl",
        version="1",
        source=declared_sources(sources),
        steps=(
            Each(AllowLicence(("A", "B")), name="licence"),
            Each(OnlyLanguages((language, translated_from)), name="languages"),
            Each(MaskPii(language), name="mask_pii"),
            Each(Length(50, 8192), name="length"),
            Group(exact_key, keep_first, order=survivor_order, name="exact_duplicates"),
            Each(GoldPasses(language, open=False), name="gold_passes"),
            Translate(
                asked.teacher,
                asked.translation,
                source=translated_from,
                target=language,
                beside=True,
                name="translate",
            ),
            Each(GoldPasses(language, open=False), name="gold_passes_translated"),
            Each(ShowOptions(), name="show_options"),
            Teach(
                asked.teacher,
                ByLanguage((MixedPrompt(language, "mixed"), MixedPrompt(translated_from, "target_only"))),
                asked.sampling,
                samples=samples,
                name="teach",
            ),
            Each(Finish()),
            Each(Structure()),
            Each(Grade(language)),
            Each(VerifyTask()),
            Group(prompt_of, PassRate("grade"), name="pass_rate"),
            # One row for each question; of its answers a right one, if there is any.
            Group(prompt_of, BestOf(("grade=correct",)), name="one_each"),
        ),
        sink=Corpus(
            title="Questions for RL",
            language=language,
            description=f"Questions in English and {load(language).name} with golds that pass their grader, and pass rates.",
        ),
    )
