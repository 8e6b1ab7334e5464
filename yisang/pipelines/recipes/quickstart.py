"""The quickstart: a small question web into a language-mixed corpus that may be redistributed.

Input is what `yisang quickstart` crawls of the web of the language that ships with it (Korean: 10 hosts, 1,423 question pages).
Expected: 1,458 pages in, 1,144 examples out (a few more or fewer on another processor). Pages of hosts that may not be redistributed, or whose licence is
unknown, leave first; then index pages, other languages, what is too short or too long, and copies.

The teacher is `mini`, a model of 0.9 million parameters that ships with yisang and knows worded tasks of one kind (preset narrow), so questions
that are no tasks leave before it is asked (a recipe for a larger teacher takes the step `worded_tasks` out). 52 of the tasks are of
another kind. What it answers is verified against each task's solution graph. `scripted`, which is no model, solves the same tasks with faults on purpose.
In a language that `mini` has not learnt, `scripted` is the only teacher. The steps are the same in every language.
Thresholds are those of Yi-Sang (arXiv 2510.04230, sections 4 and 5); where the paper is silent, ours are named.
"""

from __future__ import annotations

import re
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

from yisang.errors import UsageError
from yisang.filters.cot import AnswerLanguage, Finish, Structure, ThinkShare, TokenLimit
from yisang.filters.duplicates import exact_key, keep_first, survivor_order
from yisang.filters.grade import VerifyTask
from yisang.filters.keep import Keep
from yisang.filters.language import MinShare, TargetShare
from yisang.filters.length import Length
from yisang.filters.licence import AllowLicence
from yisang.filters.quota import HashOrder, Quota, category
from yisang.filters.task import RecogniseTask
from yisang.languages import load
from yisang.pipelines.curate import Corpus, ToExample
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.stages.dedup import NearDuplicates
from yisang.pipelines.stages.teach import Teach
from yisang.pipelines.steps import Each, Group
from yisang.records import Drop, Page
from yisang.sources.crawl import pages_at
from yisang.sources.questions import PageToPrompts
from yisang.sources.rights.licences import TagLicence
from yisang.teachers import models
from yisang.teachers.engines.scripted import revision
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt

FAULTS = {
    "truncated": 0.04,
    "two_thinks": 0.04,
    "share": 0.04,
    "wrong_language": 0.04,
    "wrong_value": 0.04,
    "missing_step": 0.04,
}
"""Shares of the scripted teacher's answers with a fault, as a real one has them; the checks behind it must find each."""
TEACHERS = ("mini", "scripted")


def not_an_index(page: Page) -> Page | Drop:
    """Front pages and numbered lists hold titles of questions, and no question. A query at the front page names one (`/?document_srl=…`
    of XE, `/?p=…` of WordPress), and so does `wr_id` at a board of gnuboard."""
    parts = urlsplit(page.final_url or page.url)
    is_front = parts.path in ("", "/") and not parts.query
    is_list = re.fullmatch("/list/[0-9]+", parts.path) is not None
    is_board = parts.path.endswith("board.php") and "wr_id" not in parse_qs(parts.query)
    if is_front or is_list or is_board:
        return Drop("index_page", {"url": page.url})
    return page


def teacher(name: str, language: str) -> Teacher:
    """One of TEACHERS, with the revision that its answers are stored under."""
    if name == "mini" and language not in models.LANGUAGES:
        raise UsageError(
            f"mini has not learnt {load(language).name}; it knows {' and '.join(models.LANGUAGES)}. "
            "Name the teacher scripted, which needs no model: yisang quickstart --teacher scripted"
        )
    if name == "mini":
        return Teacher(engine="mini", model="mini", revision=models.revision("mini"))
    if name == "scripted":
        return Teacher(engine="scripted", model="scripted", revision=revision(FAULTS, seed=1))
    raise UsageError(f"The quickstart has no teacher {name!r}. It has {' and '.join(TEACHERS)}.")


def build(inputs: str = "out/quickstart-web", taught_by: str = "mini", language: str = "ko") -> Recipe:
    """inputs: the folder of the crawl, or WARC files. taught_by: one of TEACHERS. language: of the web, whose registry tells its licences."""
    sites = files("yisang.quickstart") / "webs" / language / "sites.toml"
    return Recipe(
        name="quickstart",
        version="1",
        source=pages_at(inputs, "quickstart-web"),
        steps=(
            Each(TagLicence(str(sites)), name="licence"),
            # Add "B" to train on more than you may publish.
            Each(AllowLicence(("A",)), name="licence_letter"),
            Each(not_an_index),
            Each(PageToPrompts(language), on=Page, name="questions", isolate=True, timeout=20),
            Each(TargetShare(language), name="target_share"),
            Each(MinShare(0.30), name="min_share"),
            Each(Length(50, 8192), name="length"),
            Group(exact_key, keep_first, order=survivor_order, name="exact_duplicates"),
            # The paper names no method: character 5-grams suit Korean, and 0.8 is the usual threshold.
            NearDuplicates(threshold=0.8, shingle=5, permutations=128, name="near_duplicates"),
            # mini can answer nothing else. A larger teacher is asked everything.
            Each(RecogniseTask((language,)), name="worded_tasks"),
            # Without the greetings around them, posts may be the same.
            Group(exact_key, keep_first, order=survivor_order, name="same_task"),
            Teach(
                teacher(taught_by, language),
                MixedPrompt(language, "mixed", placement="system"),
                # 512: an answer of mini to six operations is about 200 tokens long. The paper's teacher had 16,384.
                Sampling(temperature=0.6, top_p=0.95, top_k=20, max_tokens=512),
                samples=1,
                name="teach",
            ),
            Each(Finish()),
            Each(Structure()),
            Each(Keep(verdicts={"finish": ("stop",), "structure": ("one",)}), name="whole_answers"),
            # Every step against the solution graph, not the last number alone.
            Each(VerifyTask()),
            Each(Keep(verdicts={"process": ("verified",)}), name="verified"),
            Each(ThinkShare(language, 0.05, 0.20)),
            Each(AnswerLanguage(language)),
            Each(TokenLimit(16384)),
            Each(
                Keep(
                    verdicts={
                        "think_share": ("in_band",),
                        "answer_language": ("target",),
                        "tokens": ("within",),
                    }
                ),
                name="verdicts",
            ),
            Group(category, Quota({"Math": 2000}, default=40), order=HashOrder("quickstart"), name="quota"),
            Each(ToExample()),
        ),
        sink=Corpus(
            title="yisang quickstart",
            language=language,
            description=f"Worded tasks from the small {load(language).name} web that ships with yisang, with language-mixed solutions, each verified against its graph.",
        ),
    )
