"""Worded tasks from a web of several hosts: the corpus from which `bench.purge` takes one of them out. 14,400 pages in, 10,000 rows or more."""

from __future__ import annotations

from yisang.filters.cot import Finish, Structure
from yisang.filters.duplicates import exact_key, keep_first, survivor_order
from yisang.filters.grade import VerifyTask
from yisang.filters.keep import Keep
from yisang.filters.task import RecogniseTask
from yisang.pipelines.curate import Corpus, ToExample
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.stages.dedup import NearDuplicates
from yisang.pipelines.stages.teach import Teach
from yisang.pipelines.steps import Each, Group
from yisang.records import Licence, Page
from yisang.sources.questions import PageToPrompts
from yisang.sources.warc import Warc
from yisang.teachers.engines.scripted import revision
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt

FREE = Licence(id="CC0-1.0", letter="A", evidence="written for a measurement", date="2026-11-22")
FAULTS = {"two_thinks": 0.03, "wrong_value": 0.03, "missing_step": 0.03}


def build(inputs: str) -> Recipe:
    return Recipe(
        "purge_bench",
        "1",
        Warc(inputs, licence=FREE, category="Math", name="bench-web"),
        (
            Each(PageToPrompts("ko"), on=Page, name="questions"),
            Group(exact_key, keep_first, order=survivor_order, name="exact_duplicates"),
            NearDuplicates(threshold=0.8, name="near_duplicates"),
            Each(RecogniseTask(("ko",)), name="worded_tasks"),
            Teach(
                Teacher(engine="scripted", model="scripted", revision=revision(FAULTS, seed=1)),
                MixedPrompt("ko", "mixed"),
                Sampling(temperature=0.6, top_p=0.95, top_k=20, max_tokens=4096),
                name="teach",
            ),
            Each(Finish()),
            Each(Structure()),
            Each(VerifyTask()),
            Each(
                Keep(verdicts={"finish": ("stop",), "structure": ("one",), "process": ("verified",)}), name="verified"
            ),
            Each(ToExample()),
        ),
        Corpus("Purge bench", "ko", description="Worded tasks of several hosts."),
    )
