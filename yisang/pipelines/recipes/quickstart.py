"""The quickstart: a small Korean question web into a language-mixed corpus that may be redistributed.

Input is the WARC that `yisang quickstart` fetches from the web that ships with it (9 hosts, 223 question pages).
Expected: 243 pages in, 37 examples out. Pages of hosts that may not be redistributed, or whose licence is
unknown, leave first; then index pages, other languages, what is too short or too long, and copies.

The teacher is `scripted`: it solves the worded tasks among the questions from their graphs, some with a fault on purpose,
and declines the rest, as no model is there to answer them. Thresholds are those of Yi-Sang (arXiv 2510.04230, sections 4 and 5); where the paper is silent, ours are named.
"""

from __future__ import annotations

from importlib.resources import files
from urllib.parse import urlsplit

from yisang.filters.cot import AnswerLanguage, Finish, Structure, ThinkShare, TokenLimit
from yisang.filters.duplicates import exact_key, keep_first, survivor_order
from yisang.filters.keep import Keep
from yisang.filters.language import MinShare, TargetShare
from yisang.filters.length import Length
from yisang.filters.licence import AllowLicence, TagSite
from yisang.filters.quota import HashOrder, Quota, category
from yisang.pipelines.curate import Corpus, ToExample
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.stages.dedup import NearDuplicates
from yisang.pipelines.stages.teach import Teach
from yisang.pipelines.steps import Each, Group
from yisang.records import Drop, Page
from yisang.sources.questions import PageToPrompts
from yisang.sources.warc import Warc
from yisang.teachers.engines.scripted import revision
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt

LANGUAGE = "ko"
FAULTS = {"truncated": 0.06, "two_thinks": 0.06, "share": 0.06, "wrong_language": 0.06}
"""Shares of answers with a fault, as a real teacher has them; the checks behind it must find each."""


def not_an_index(page: Page) -> Page | Drop:
    """Front pages and lists of these hosts hold titles of questions, and no question."""
    parts = urlsplit(page.final_url or page.url)
    is_board = parts.path.endswith("board.php") and "wr_id=" not in parts.query
    if parts.path in ("", "/") or parts.path.startswith("/list/") or is_board:
        return Drop("index_page", {"url": page.url})
    return page


def build(inputs: str = "out/quickstart.warc.gz") -> Recipe:
    """inputs: the WARC file."""
    return Recipe(
        name="quickstart",
        version="1",
        source=Warc(inputs, name="quickstart-web"),
        steps=(
            Each(TagSite(str(files("yisang.quickstart") / "sites.toml")), name="licence"),
            # Add "B" to train on more than you may publish.
            Each(AllowLicence(("A",)), name="licence_letter"),
            Each(not_an_index),
            Each(PageToPrompts(LANGUAGE), on=Page, name="questions", isolate=True, timeout=20),
            Each(TargetShare(LANGUAGE), name="target_share"),
            Each(MinShare(0.30), name="min_share"),
            Each(Length(50, 8192), name="length"),
            Group(exact_key, keep_first, order=survivor_order, name="exact_duplicates"),
            # The paper names no method: character 5-grams suit Korean, and 0.8 is the usual threshold.
            NearDuplicates(threshold=0.8, shingle=5, permutations=128, name="near_duplicates"),
            Teach(
                Teacher(engine="scripted", model="scripted", revision=revision(FAULTS, seed=1)),
                MixedPrompt(LANGUAGE, "mixed", placement="system"),
                Sampling(temperature=0.6, top_p=0.95, top_k=20, max_tokens=16384),
                samples=1,
                name="teach",
            ),
            Each(Finish()),
            Each(Structure()),
            # The scripted teacher declines what is no worded task; a truncated answer is a finish reason, too.
            Each(Keep(verdicts={"finish": ("stop",), "structure": ("one",)}), name="whole_answers"),
            Each(ThinkShare(LANGUAGE, 0.05, 0.20)),
            Each(AnswerLanguage(LANGUAGE)),
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
            Group(category, Quota({}, default=40), order=HashOrder("quickstart"), name="quota"),
            Each(ToExample()),
        ),
        sink=Corpus(
            title="yisang quickstart",
            language=LANGUAGE,
            description="Questions from the small Korean web that ships with yisang, of which the worded tasks are solved by a scripted teacher.",
        ),
    )
