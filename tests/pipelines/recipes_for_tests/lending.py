"""Questions with options of several hosts, which lend options to each other. The file needs nothing beside it."""

from __future__ import annotations

import json

from yisang.pipelines.curate import Corpus, ToExample
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.stages.options import MergeOptions
from yisang.pipelines.stages.teach import Teach
from yisang.pipelines.steps import Each
from yisang.records import Licence, Page, Prompt, Record, child_id
from yisang.sources.warc import Warc
from yisang.teachers.generation import Teacher
from yisang.teachers.prompts import MixedPrompt

FREE = Licence(id="CC0-1.0", letter="A", evidence="written for the tests")


def questions(page: Page) -> list[Record]:
    """Each line is a question in JSON."""
    return [
        Prompt(
            id=child_id(page.id, place),
            language="ko",
            kind="mcq",
            url=page.url,
            licence=page.licence,
            category="c",
            **json.loads(line),
        )
        for place, line in enumerate(page.body.decode().splitlines())
    ]


def build(inputs: str) -> Recipe:
    return Recipe(
        "lending",
        "1",
        Warc(inputs, licence=FREE, name="web"),
        (
            Each(questions, on=Page),
            MergeOptions("ko", most=8, gold_form="label", name="merge_options"),
            Teach(Teacher(engine="echo", model="echo", revision="1"), MixedPrompt("ko"), name="teach"),
            Each(ToExample()),
        ),
        Corpus("Lending", "ko", description="Questions of the tests."),
    )
