"""A recipe one of whose records waits at a FIFO, for tests that need a run in its middle.

The record that says "wait" opens what YISANG_TEST_GATE names and reads it to its end.
"""

from __future__ import annotations

import os

from yisang.filters.licence import licence
from yisang.pipelines.curate import Corpus
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.steps import Each
from yisang.records import Prompt
from yisang.sources import JsonLines


def wait(prompt: Prompt) -> Prompt:
    if prompt.text == "wait":
        with open(os.environ["YISANG_TEST_GATE"]) as gate:
            gate.read()
    return prompt


def build(inputs: str) -> Recipe:
    return Recipe(
        name="waiting",
        version="1",
        source=JsonLines(
            paths=inputs,
            text="text",
            language="ko",
            name="rows",
            licence=licence("CC0-1.0", "written for the tests", "2026-01-01"),
        ),
        steps=(Each(wait),),
        sink=Corpus("Waiting", "ko"),
    )
