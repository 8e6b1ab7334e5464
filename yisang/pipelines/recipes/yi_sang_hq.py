"""Yi-Sang-HQ: the part of Yi-Sang that was trained on, by category and quota, checked for length and for leaked benchmarks.

Begins as `yi_sang` does, with the categories that were chosen by ablation (arXiv 2510.04230, table 3): OpenThought, Code, Exams and Science.
Answers are found in the same store, so what `yi_sang` has paid for is not asked again. Then, as in section 5.3: rules that a
shakedown run has found, rows over 16,384 tokens of the student, rows that share a 13-gram with a benchmark; and so many of each category.

Expected, as printed there: about 1.8 million rows of the four categories; 62,000 of OpenThought, 86,000 of Code, 37,000 of Science (all that there
are) and 66,000 of Exams, which are 251,000. The paper's "260k" is that sum rounded, or another; the set on the Hub has 284,000 rows. The
benchmarks took some 0.7 % (25,900 of 3.7 million). How many rows the length and the shakedown took is not printed.

    yisang run yi_sang_hq --inputs out/quickstart-web --set taught_by=scripted --set benchmarks=benchmarks.toml --set scale=0.01 --out out/hq
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from yisang.errors import UsageError
from yisang.filters.licence import Registry
from yisang.filters.quota import HashOrder, Quota, category
from yisang.filters.shakedown import Shakedown
from yisang.filters.tokens import LIMIT, StudentTokens
from yisang.pipelines.parameters import build_of
from yisang.pipelines.recipe import Expected, Recipe
from yisang.pipelines.recipes.yi_sang import CATEGORIES, Settings, corpus, decontamination, sources, steps
from yisang.pipelines.recipes.yi_sang import expected as before
from yisang.pipelines.steps import Each, Group, Step
from yisang.teachers import models

QUOTAS = {"OpenThought": 62_000, "Code": 86_000, "Exams": 66_000, "Science": 37_000}
"""Section 5.3. They sum to 251,000."""
STUDENT = "kakaocorp/kanana-1.5-8b-instruct-2505"
"""One of the paper's nine students; which one's tokens the limit counts is not said. Ours: the one that its ablations were run on beside
Gemma."""


@dataclass(frozen=True)
class Finishing:
    """What is done with the rows of `yi_sang`; the constants with a section are the paper's, the others named and ours."""

    student: str = ""  # whose tokens count; "": STUDENT, or mini-base where the teacher is one that ships with yisang
    student_revision: str = "main"  # ours: a branch; name a commit to pin it
    tokens: int = LIMIT  # 5.3: "16k"; the trainer's own limit is 16,384
    shakedown: str = ""  # the file of rules that a proxy run has found; "" before the first one
    quotas: tuple[tuple[str, int], ...] = tuple(QUOTAS.items())
    extra: tuple[tuple[str, int], ...] = ()  # table 3: 3,000 of Exams beside the slice of another category
    scale: float = 1.0  # of the quotas, for a corpus smaller than the paper's

    def __post_init__(self) -> None:
        if not 0 < self.scale < math.inf:
            raise UsageError(f"yi_sang_hq: scale is {self.scale}; it must be a number above 0.")


def finishing_steps(settings: Settings, finishing: Finishing) -> tuple[Step, ...]:
    """From training rows to the part that is trained on."""
    student = finishing.student or ("mini-base" if settings.taught_by in ("mini", "scripted") else STUDENT)
    student = str(models.folder(student)) if student in models.shipped() else student

    def scaled(limits: tuple[tuple[str, int], ...]) -> dict[str, int]:
        return {name: round(count * finishing.scale) for name, count in limits}

    return (
        Each(Shakedown(finishing.shakedown), name="shakedown"),
        Each(StudentTokens(student, finishing.tokens, finishing.student_revision), name="tokens"),
        *decontamination(settings, settings.language, "decontaminate"),
        # None is drawn twice (table 3): a category that has less stays short, and the books say by how many.
        Group(
            category,
            Quota(scaled(finishing.quotas), default=0, extra=scaled(finishing.extra)),
            order=HashOrder("yi_sang_hq", by="prompt"),
            name="quota",
        ),
    )


def expected(settings: Settings, finishing: Finishing) -> tuple[Expected, ...]:
    """The rows of `yi_sang`, and what the paper prints of the part that is trained on."""
    whole = sum(QUOTAS.values())
    return (
        *before(settings),
        Expected(
            "rows of the four categories",
            "examples",
            1_800_000,
            "section 5.3",
            note="a rounded number of the paper; before the length and the benchmarks",
        ),
        Expected("rules of the shakedown", "shakedown", None, "section 5.3", since="examples"),
        Expected("within 16k tokens", "tokens", None, "section 5.3", since="shakedown"),
        *(
            [
                Expected(
                    "no benchmark in them",
                    "decontaminate",
                    3_674_100,
                    "section 5.3",
                    of=3_700_000,
                    since="tokens",
                    note="there of all traces: some 25,900 of 3.7 million were removed; here of the chosen categories",
                )
            ]
            if settings.benchmarks != "none"
            else []
        ),
        Expected("rows of the corpus", "quota", whole, "section 5.3", of=1_800_000, since="examples"),
        *(
            Expected(f"rows of {name}", "quota", count, "section 5.3", of=whole, category=name)
            for name, count in QUOTAS.items()
        ),
    )


def yi_sang_hq(settings: Settings, finishing: Finishing, name: str = "yi_sang_hq") -> Recipe:
    """The recipe of these settings; `settings.only` is set to the categories that have a quota."""
    if not settings.benchmarks:
        raise UsageError(
            f"{name} has no benchmarks to keep out. Name them in a TOML file of [[source]] tables with --set benchmarks=FILE "
            "(docs/yi_sang.md shows one), or say --set benchmarks=none."
        )
    wanted = tuple(dict.fromkeys(name for name, _ in (*finishing.quotas, *finishing.extra)))
    settings = replace(settings, only=wanted)
    return Recipe(
        name=name,
        version="1",
        source=sources(settings),
        steps=(*steps(settings), *finishing_steps(settings, finishing)),
        sink=corpus(settings),
        expected=expected(settings, finishing) if name == "yi_sang_hq" else (),
    )


def arm(name: str, settings: Settings, finishing: Finishing, portion: Slice, expected: Expected | None) -> Recipe:
    """The recipe of an ablation: rows of one category, and exam questions for the format of their answers (table 3).

    All arms draw the same questions, wherever they have an answer to them that was kept.
    """
    have = {*CATEGORIES, *(site.category for site in Registry(settings.sites).sites.values())}
    have |= {found for source in sources(settings) if (found := getattr(source, "category", ""))}
    if portion.category not in have:
        raise UsageError(f"{name}: nothing has the category {portion.category!r}. There are {', '.join(sorted(have))}.")
    finishing = replace(
        finishing,
        quotas=((portion.category, portion.size),),
        extra=(("Exams", portion.extra),) if portion.extra else (),
    )
    return replace(yi_sang_hq(settings, finishing, name), expected=(expected,) if expected else ())


@dataclass(frozen=True)
class Slice:
    """The rows of an arm, before `scale`: `size` of a category, and `extra` of Exams beside them."""

    category: str = "OpenThought"
    size: int = 50_000
    extra: int = 3_000


build = build_of(yi_sang_hq, Settings, Finishing, title="Yi-Sang-HQ")
