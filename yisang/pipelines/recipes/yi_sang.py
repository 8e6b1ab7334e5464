"""Yi-Sang: Korean web questions and translated English ones, each thought through in a mix of English and Korean.

The corpus of Son et al., "Pushing on Multilingual Reasoning Models with Language-Mixed Chain-of-Thought" (arXiv 2510.04230), whose authors released
the traces and no code for them. Sections in the comments below are that paper's. What it leaves open is a named setting of `Settings`, with our
choice and the reason; what it prints is a literal.

Expected, as printed there: 54 candidate sites of which 28 are kept (section 5.1; ours: yi_sang_sites.toml); 5.79 million prompts behind the light
filter (5.1), three fifths of them of one category; 3.7 million traces behind the response filters (5.3), so at most 64 in 100 prompts; 6.77
billion tokens. No yield is printed of the translation, of each response filter, or of the removal of copies. `yisang run` and `yisang show` print, of
each stage, the paper's number beside the run's. `yi_sang_hq` goes on from here.

    yisang plan yi_sang --inputs 'pages/*.warc.gz' --set sites=sites.toml --set sources=sources.toml
    yisang run yi_sang --set sources=sources.toml --set taught_by=scripted --out out/yi_sang
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from msgspec.structs import replace

from yisang.errors import UsageError
from yisang.filters.analysers import AnalyserName
from yisang.filters.best_of import Agreement, BestOf, prompt_of
from yisang.filters.cot import AnswerLanguage, Finish, Structure, ThinkShare
from yisang.filters.directives import ShowOptions, StyleDirective
from yisang.filters.duplicates import exact_key, keep_first, survivor_order
from yisang.filters.grade import Grade, ProveGold, VerifyTask
from yisang.filters.keep import Keep
from yisang.filters.language import MinShare, TargetShare
from yisang.filters.length import Length
from yisang.filters.licence import AllowLicence
from yisang.filters.pii import MaskPii, Pii
from yisang.filters.quotes import KeptQuotes
from yisang.filters.refusal import Refusal
from yisang.filters.repetition import Repetition
from yisang.filters.switches import Switches
from yisang.filters.task import RecogniseTask
from yisang.filters.unfinished import Unfinished
from yisang.grading import GradeSettings
from yisang.languages import load
from yisang.pipelines.curate import Corpus, ToExample
from yisang.pipelines.known_teachers import Asked, teacher
from yisang.pipelines.parameters import build_of
from yisang.pipelines.recipe import Expected, Recipe
from yisang.pipelines.recipes.quickstart import not_an_index
from yisang.pipelines.stages.decontaminate import Decontaminate
from yisang.pipelines.stages.dedup import NearDuplicates
from yisang.pipelines.stages.options import MergeOptions
from yisang.pipelines.stages.teach import Teach
from yisang.pipelines.stages.translate import Translate
from yisang.pipelines.steps import Each, Group, Step
from yisang.records import Drop, Letter, Page, Prompt, Record, Trace
from yisang.sources.base import Source
from yisang.sources.crawl import pages_at
from yisang.sources.declared import declared_sources
from yisang.sources.questions import PageToPrompts
from yisang.sources.rights.licences import TagLicence
from yisang.sources.rights.steps import HeedOptOut
from yisang.teachers.generation import Sampling
from yisang.teachers.prompts import MixedPrompt, Placement

SITES = str(files("yisang.pipelines.recipes") / "yi_sang_sites.toml")
CATEGORIES = ("Code", "Exams", "Legal", "Korean", "Science", "Daily", "Finance", "Medical", "OpenThought")
"""Figure 3. Questions inherit the category of their site; OpenThought, the translated questions, comes from no site."""

MODES: dict[str, tuple[float, float]] = {
    "mixed": (0.05, 0.20),  # section 5.3
    "mixed_zh": (0.05, 0.20),
    "mixed_ru": (0.05, 0.20),
    "short": (0.05, 0.20),
    # The baselines of table 2; the paper prints no band for them. Ours: the question may be quoted, or English terms.
    "english_only": (0.0, 0.20),
    "target_only": (0.50, 1.0),
}
"""The prompts of a language file, each with the share of the target's letters that its thoughts have."""

THOUGHTS = {
    "mixed": "thoughts in a mix of English and {}",
    "mixed_zh": "thoughts in a mix of Chinese and {}",
    "mixed_ru": "thoughts in a mix of Russian and {}",
    "short": "short thoughts in a mix of English and {}",
    "english_only": "English thoughts",
    "target_only": "{} thoughts",
}

Exams = Literal["both", "style", "option", "none"]


@dataclass(frozen=True)
class Settings:
    """What may differ between two corpora of this kind. Behind each: what the paper says, or why ours is as it is."""

    language: str = "ko"
    inputs: str = ""  # WARC files of crawled pages; "" for none
    sites: str = SITES  # their registry: licence and category by host
    sources: str = ""  # a TOML file of further sources (yisang.sources.declared): exams, OpenThoughts, tasks
    letters: tuple[Letter, ...] = ("A", "B")  # 5.1: B may train; `yisang publish` does not let it out
    only: tuple[str, ...] = ()  # categories; () for all
    # A TOML file of [[source]] tables (yisang.sources.declared); "" and "none" for none. Compared with questions before they are translated
    # and paid for, as a benchmark in their language is not found in a translation (ours); with whole rows by yi_sang_hq (5.3).
    benchmarks: str = ""
    ngram: int = 13  # 5.3
    # 5.3: morphemes, of an analyser that it does not name. Ours needs nothing but Python; "mecab-ko" is slower (docs/decontamination.md).
    analyser: AnalyserName = "words"
    floor: float = 0.30  # 5.1, of the letters; the paper does not say of what
    shortest: int = 50  # 5.1
    longest: int = 8192  # 5.1
    mask_pii: bool = True  # ours: what is stored, taught and published names nobody
    near: float = 0.8  # ours: no method is named; character 5-grams suit Korean, and 0.8 is the usual threshold
    translated_from: str = "en"
    # "": the teacher. The paper took Gemini-2.5-Flash, whose terms bind what is made of its output.
    translated_by: str = ""
    translator_terms: str = ""  # as `terms`, of the translator
    translate_attempts: int = 1
    exams: Exams = "both"  # 5.2, table 11: both were adopted
    option_share: float = 0.5  # ours: not printed. Half, so that a student sees both forms
    style_share: float = 0.5  # the same
    gold_form: Literal["label", "text"] = (
        "label"  # whether golds of exam questions are numbers of options, or their texts
    )
    # None: that of `cot` in MODES. It counts letters, so a script that spells out syllables needs a higher one.
    band: tuple[float, float] | None = None
    cot: str = "mixed"  # figure 6 ("used throughout"); the others are the arms of table 2
    placement: Placement = "system"  # figure 6 calls it a system prompt; the authors' code sends a first user turn
    taught_by: str = "qwen3-32b"
    # What binds the teacher's output, an id of licences.toml: a licence parent of each trace. Needed for a model=name@commit.
    terms: str = ""
    sampling: Sampling | None = None  # None: as yisang.pipelines.known_teachers has it
    # The code draws 8; 5.79M prompts and 3.7M traces suggest that at most one was kept. Ours: one, an eighth of the cost.
    samples: int = 1
    graded: bool = (
        False  # 5.3: correctness is no filter; the paper cites others who found that it hardly matters. Measured here
    )
    title: str = "Yi-Sang"

    def __post_init__(self) -> None:
        if self.cot not in MODES:
            raise UsageError(f"yi_sang: cot is {self.cot!r}; it must be one of {', '.join(MODES)}.")
        if self.band and not 0 <= self.band[0] <= self.band[1] <= 1:
            raise UsageError(f"yi_sang: band is {self.band}; it is two shares between 0 and 1, the lower one first.")
        if self.exams not in ("both", "style", "option", "none"):
            raise UsageError(f"yi_sang: exams is {self.exams!r}; it must be both, style, option or none.")
        if not self.inputs and not self.sources:
            raise UsageError(
                "yi_sang reads nothing yet. Name crawled pages with --inputs 'pages/*.warc.gz', or a file of further sources with "
                "--set sources=sources.toml, or both."
            )
        if self.samples < 1:
            raise UsageError(f"yi_sang: samples is {self.samples}; it must be 1 or more.")


@dataclass(frozen=True)
class OnlyLanguages:
    """Keeps the prompts that are in one of some languages."""

    languages: tuple[str, ...]

    def __call__(self, prompt: Prompt) -> Prompt | Drop:
        if prompt.language in self.languages:
            return prompt
        return Drop("other_language", {"language": prompt.language})


@dataclass(frozen=True)
class OnlyCategories:
    """Keeps the records of some categories."""

    categories: tuple[str, ...]

    def __call__(self, record: Record) -> Record | Drop:
        if record.category in self.categories:
            return record
        return Drop("category", {"category": record.category})


@dataclass(frozen=True)
class Proved:
    """`ProveGold` of the questions that got options; of others the gold is as its source has it, or unknown, and is never taught."""

    language: str
    settings: GradeSettings

    def __call__(self, prompt: Prompt) -> Prompt | Drop:
        return ProveGold(self.language, self.settings)(prompt) if prompt.measures.get("options_merged") else prompt


def measured(trace: Trace) -> Trace:
    """Where all that was measured is stored, and nothing is decided yet."""
    return trace


def grading(settings: Settings) -> GradeSettings:
    """An answer in a fixed line, as a style directive may ask for it, has no box."""
    return GradeSettings(fallback=("marker",), gold_form=settings.gold_form)


def sources(settings: Settings) -> tuple[Source, ...]:
    """The crawled pages, and what the file of sources declares."""
    pages: tuple[Source, ...] = (pages_at(settings.inputs, "pages"),) if settings.inputs else ()
    return pages + (declared_sources(settings.sources) if settings.sources else ())


def prompt_steps(settings: Settings, asked: Asked) -> tuple[Step, ...]:
    """From pages to the questions that a teacher is asked: section 5.1."""
    language = settings.language
    return (
        Each(HeedOptOut(), on=Page, name="opt_out"),
        Each(TagLicence(settings.sites), on=Page, name="site"),
        Each(AllowLicence(settings.letters), name="licence"),
        Each(not_an_index, on=Page, name="not_an_index"),
        Each(PageToPrompts(language), on=Page, name="questions", isolate=True, timeout=20),
        *([Each(OnlyCategories(settings.only), name="categories")] if settings.only else []),
        *([Each(MaskPii(language), name="mask_pii")] if settings.mask_pii else []),
        Each(Length(settings.shortest, settings.longest), name="length"),
        Group(exact_key, keep_first, order=survivor_order, name="exact_duplicates"),
        NearDuplicates(threshold=settings.near, shingle=5, permutations=128, name="near_duplicates"),
        *(
            [
                Each(
                    RecogniseTask((language, settings.translated_from), others=asked.tasks == "found"),
                    name="worded_tasks",
                )
            ]
            if asked.tasks
            else []
        ),
        *(decontamination(settings, settings.translated_from, "leaked_sources") if settings.translated_from else ()),
        *translation_steps(settings, asked),
        # Behind the translation, so that one floor holds for all: 0.30 itself stays.
        Each(TargetShare(language), name="target_share"),
        Each(MinShare(settings.floor), name="min_share"),
    )


def translation_steps(settings: Settings, asked: Asked) -> tuple[Step, ...]:
    """Questions of OpenThoughts in the target language; the teacher answers them anew (section 5.1)."""
    if not settings.translated_from:
        return ()
    by = teacher(settings.translated_by, settings.translator_terms) if settings.translated_by else asked
    return (
        Translate(
            by.teacher,
            by.translation
            if settings.translate_attempts == 1
            else replace(by.translation, temperature=0.6, top_p=0.95),
            source=settings.translated_from,
            target=settings.language,
            attempts=settings.translate_attempts,
            name="translate",
        ),
    )


def decontamination(settings: Settings, language: str, name: str) -> tuple[Step, ...]:
    """The two passes of section 5.3 and whole items, by the units of a language; none where no benchmarks are named."""
    if settings.benchmarks in ("", "none"):
        return ()
    spaced = load(language).blanks  # where none are written, the raw pass counts characters, of which more say as much
    return (
        Decontaminate(
            declared_sources(settings.benchmarks),
            language=language,
            analyser=settings.analyser if language == settings.language else "words",
            n=settings.ngram,
            raw_n=settings.ngram if spaced else None,
            name=name,
        ),
    )


def exam_steps(settings: Settings) -> tuple[Step, ...]:
    """Two augmentations of questions with options (section 5.2), and the options in the text that the teacher is asked."""
    language = settings.language
    steps: list[Step] = []
    if settings.exams in ("both", "option"):
        steps += [
            # The paper: BM25 over the exam pool, at most ten options. How many neighbours and which k1 and b it does not say.
            MergeOptions(
                language, most=10, share=settings.option_share, gold_form=settings.gold_form, name="merge_options"
            ),
            Each(Proved(language, grading(settings)), on=Prompt, name="prove_gold"),
        ]
    steps.append(Each(ShowOptions(), on=Prompt, name="show_options"))
    if settings.exams in ("both", "style"):
        steps.append(Each(StyleDirective(language, share=settings.style_share), on=Prompt, name="style"))
    return tuple(steps)


def response_steps(settings: Settings) -> tuple[Step, ...]:
    """Section 5.3: checks that measure, stored; then each decides in a step of its own, so that the books say how many it took."""
    language = settings.language
    low, high = settings.band or MODES[settings.cot]
    decisions: dict[str, tuple[str, ...]] = {
        # A trace that was cut off has no answer. In the paper this falls under the length of 16k tokens.
        "finish": ("stop",),
        "structure": ("one",),  # more than one think block; ours: nor none, nor one that is empty
        "repetition": ("none",),  # identical phrases without end; measure and bounds are ours
        "answer_language": ("target", "no_letters"),  # ours: a bare number in a box is in no other language
        "think_share": ("in_band",),  # 5 to 20 % of the letters of the thoughts, both ends included
        # Not in the paper, but common with teachers: an answer that stops in the middle, a refusal, somebody's number.
        "unfinished": ("none",),
        "refusal": ("none",),
        "pii": ("none",),
        **({"grade": ("correct", "unjudged")} if settings.graded else {}),
    }
    several: tuple[Step, ...] = (
        # Of several answers that passed, the one that most of them agree with; the paper does not say.
        Group(prompt_of, Agreement(language, grading(settings)), name="agreement"),
        Group(prompt_of, BestOf(("agreement",)), name="best_of"),
    )
    return (
        Each(Finish()),
        Each(Structure()),
        Each(Repetition()),
        Each(AnswerLanguage(language)),
        Each(ThinkShare(language, low, high, denominator="letters")),
        Each(Unfinished(language)),
        Each(Refusal(language)),
        Each(Pii(language)),
        Each(Switches(language)),
        Each(KeptQuotes(language)),
        Each(Grade(language, grading(settings))),
        Each(VerifyTask()),
        Each(measured, keep=True),
        *(Each(Keep(verdicts={name: wanted}), name=f"by_{name}") for name, wanted in decisions.items()),
        *(several if settings.samples > 1 else ()),
        Each(ToExample(), name="examples"),
    )


def steps(settings: Settings) -> tuple[Step, ...]:
    """All of it, from pages to training rows."""
    asked = teacher(settings.taught_by, settings.terms)
    return (
        *prompt_steps(settings, asked),
        *exam_steps(settings),
        Teach(
            asked.teacher,
            MixedPrompt(settings.language, settings.cot, placement=settings.placement),
            settings.sampling or asked.sampling,
            samples=settings.samples,
            name="teach",
        ),
        *response_steps(settings),
    )


def expected(settings: Settings) -> tuple[Expected, ...]:
    """What the paper prints of each stage; of most it prints nothing."""
    names = [step.name for step in steps(settings)]

    def silent(what: str, step: str, where: str) -> Expected:
        return Expected(what, step, None, where, since=names[names.index(step) - 1])

    rows = [
        Expected(
            "what may be used",
            "licence",
            28,
            "section 5.1",
            of=54,
            since="site",
            note="sites there, records here; yi_sang_sites.toml keeps 30 of its 54 sites",
        ),
        silent("not too short or long", "length", "section 5.1"),
        silent("no exact copies", "exact_duplicates", "not described"),
        silent("no near copies", "near_duplicates", "not described"),
        silent("translations that pass", "translate", "section 5.1") if "translate" in names else None,
        Expected(
            "prompts behind the light filter",
            "min_share",
            5_790_000,
            "section 5.1",
            since="target_share",
            note="the paper counts the sites' questions alone; here the translated ones are among them",
        ),
        *(
            silent(what, f"by_{name}", "section 5.3")
            for name, what in {
                "finish": "answers that end",
                "structure": "one block of thought",
                "repetition": "no endless phrase",
                "answer_language": "answered in the language",
                "think_share": "thoughts within the band",
            }.items()
        ),
        Expected(
            "traces behind the response filters",
            "examples",
            3_700_000,
            "sections 5.1, 5.3",
            of=5_790_000,
            since="min_share",
            note="at most this share: the paper's prompts grew by translation and exam questions, by numbers that it does not print",
        ),
    ]
    return tuple(row for row in rows if row is not None)


def yi_sang(settings: Settings) -> Recipe:
    """The recipe of these settings."""
    return Recipe(
        name="yi_sang",
        version="1",
        source=sources(settings),
        steps=steps(settings),
        sink=corpus(settings),
        expected=expected(settings),
    )


def corpus(settings: Settings) -> Corpus:
    name = load(settings.language).name
    return Corpus(
        title=settings.title,
        language=settings.language,
        description=f"{name} questions with {THOUGHTS[settings.cot].format(name)} and {name} answers, after Yi-Sang (arXiv 2510.04230).",
    )


build = build_of(yi_sang, Settings)
