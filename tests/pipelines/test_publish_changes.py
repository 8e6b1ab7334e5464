"""A card says of how many questions the words are the author's, and counts who and what changed the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from recipes_for_tests.helpers import Given, loaded, prompt, recipe

from yisang.pipelines.curate import ToExample
from yisang.pipelines.phases import Setting
from yisang.pipelines.publish import publish
from yisang.pipelines.rl_questions import read_questions
from yisang.pipelines.run import run_recipe
from yisang.pipelines.steps import Each
from yisang.records import Measure, Prompt, Trace, child_id

MEASURES: list[dict[str, Measure]] = [
    {},
    {"options_merged": 0, "directive": None, "pii_masked": 0, "length": 90},
    {"translated_by": "m at 1"},
    {"translated_by": "m at 1", "pii_masked": 2},
    {"translated_by": "n at 7"},
    {"options_merged": 6, "directive": "Write the number alone."},
]
TOLD = (
    "Of the 6 questions 2 stand as their authors wrote them. The others are, some in several ways: translated by `m at 1` (2), translated by "
    "`n at 7` (1), with a directive for the answer (1), with options of other questions (1), with personal data masked (1)."
)
WHOLE = "The questions stand as their authors wrote them."


def asked(measures: list[dict[str, Measure]]) -> list[Prompt]:
    return [
        prompt(f"q{number}", text=f"{number} + 5 = ?", kind="math", gold=str(number + 5), measures=given)
        for number, given in enumerate(measures)
    ]


def answered(question: Prompt) -> Trace:
    return Trace(
        id=child_id(question.id, 0), prompt=question, sample=0, text="<think>\n5\n</think>\n\n6", think="5", answer="6",
        teacher="t", revision="1", licence=question.licence,
    )  # fmt: skip


def card(questions: list[Prompt], purpose: str, folder: Path) -> str:
    traces = tuple(map(answered, questions))
    steps = [Each(ToExample())] if purpose == "sft" else []
    run_recipe(loaded(recipe(Given(traces), *steps)), Setting(out=str(folder / "run")))
    publish(str(folder / "run"), purpose=purpose, to=str(folder / "out"))
    return " ".join((folder / "out" / "README.md").read_text("utf-8").split())


@pytest.mark.parametrize("purpose", ["sft", "rl"])
def test_the_card_counts_what_was_changed_and_names_the_translators(purpose: str, tmp_path: Path) -> None:
    text = card(asked(MEASURES), purpose, tmp_path)
    assert TOLD in text
    assert WHOLE not in text
    assert "as its author wrote it" not in text


@pytest.mark.parametrize("purpose", ["sft", "rl"])
def test_where_nothing_was_changed_the_card_says_so(purpose: str, tmp_path: Path) -> None:
    assert WHOLE in card(asked(MEASURES[:2]), purpose, tmp_path)


def test_a_row_for_rl_says_itself_what_was_changed(tmp_path: Path) -> None:
    card(asked(MEASURES), "rl", tmp_path)
    found = {question.id: question.changes for question in read_questions(str(tmp_path / "out"))}
    assert found["q0"] == found["q1"] == ()
    assert found["q3"] == ("translated by `m at 1`", "with personal data masked")
