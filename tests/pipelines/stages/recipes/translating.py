"""A recipe that translates English prompts into Korean and lets others pass. What a test wants otherwise stands in YISANG_TEST_TRANSLATING,
a JSON object; it is part of the recipe, as if it were written here."""

from __future__ import annotations

import json
import os
from typing import Any

from yisang.filters.licence import licence
from yisang.pipelines.curate import Corpus
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.stages.translate import Translate
from yisang.records import Licence
from yisang.sources import JsonLines
from yisang.sources.tasks import Tasks
from yisang.teachers.engines.scripted import revision
from yisang.teachers.generation import Teacher

TERMS = Licence(id="Teacher-terms", letter="B", evidence="the teacher's terms of use", date="2026-01-01")
FAULTS = {"dropped_number": 0.1, "other_language": 0.1, "translated_latex": 0.2, "lost_option": 0.2}


def build(inputs: str = "") -> Recipe:
    """inputs: files of English texts that may not be changed."""
    given: dict[str, Any] = {
        "tasks": 130,
        "questions": 130,
        "korean": 20,
        "target": "ko",
        "faults": FAULTS,
        **json.loads(os.environ.get("YISANG_TEST_TRANSLATING", "{}")),
    }
    sources: list[Any] = [
        Tasks(given["tasks"], 3, "en", direction="both", name="tasks"),
        Tasks(given["questions"], 4, "en", preset="questions", category="question", name="questions"),
        Tasks(given["korean"], 5, "ko", name="korean"),
    ]
    if inputs:
        terms = licence("CC-BY-ND-4.0", "written for the tests", "2026-01-01")
        sources.append(JsonLines(paths=inputs, text="text", language="en", name="closed", licence=terms))
    return Recipe(
        name="translating",
        version="1",
        source=tuple(sources),
        steps=(
            Translate(
                Teacher(
                    engine="scripted", model="scripted", revision=revision(given["faults"], 1, number=2), licence=TERMS
                ),
                target=given["target"],
                name="translate",
            ),
        ),
        sink=Corpus("Translating", "ko"),
        max_dead=0.5,
    )
