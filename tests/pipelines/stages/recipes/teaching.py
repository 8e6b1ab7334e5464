"""A recipe that teaches. What a test wants otherwise stands in YISANG_TEST_TEACHING, a JSON object; it is part of the
recipe, as if it were written here."""

from __future__ import annotations

import json
import os
from typing import Any

from yisang.filters.licence import licence
from yisang.pipelines.curate import Corpus
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.stages.teach import Teach
from yisang.sources import JsonLines
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt


def build(inputs: str) -> Recipe:
    given: dict[str, Any] = {
        "model": "small",
        "revision": "r1",
        "mode": "mixed",
        "placement": "system",
        "temperature": 0.6,
        "samples": 1,
        "max_dead": 0.01,
        **json.loads(os.environ.get("YISANG_TEST_TEACHING", "{}")),
    }
    return Recipe(
        name="teaching",
        version="1",
        source=JsonLines(
            paths=inputs,
            text="text",
            language="ko",
            name="questions",
            licence=licence("CC0-1.0", "written for the tests", "2026-01-01"),
        ),
        steps=(
            Teach(
                Teacher(engine="openai", model=given["model"], revision=given["revision"]),
                MixedPrompt("ko", given["mode"], placement=given["placement"]),
                Sampling(temperature=given["temperature"], max_tokens=100),
                samples=given["samples"],
                name="teach",
            ),
        ),
        sink=Corpus("Teaching", "ko"),
        max_dead=given["max_dead"],
    )
