"""The table of awkward answers: each gets its verdict, and every gold of it passes its own grader."""

from __future__ import annotations

from collections import Counter

import cases
import pytest

from yisang.grading import GradeSettings, check_gold, grade
from yisang.records import Prompt

PATIENT = GradeSettings(seconds=60)  # a busy machine is no verdict
WRITTEN = [*cases.NUMBERS, *cases.SEVERAL, *cases.SYMBOLIC, *cases.WORDS]
GOLDS = sorted({(case.gold, case.language) for case in [*cases.EXTRACTION, *WRITTEN]})


def math(gold: str, language: str = "ko") -> Prompt:
    return Prompt(id="p", text="q", language=language, kind="math", gold=gold)


def mcq(gold: str, options: tuple[str, ...]) -> Prompt:
    return Prompt(id="p", text="q", language="ko", kind="mcq", gold=gold, options=options)


@pytest.mark.parametrize("case", cases.EXTRACTION, ids=lambda case: ascii(case.answer[:40]))
def test_where_the_answer_stands(case):
    assert grade(math(case.gold, case.language), case.answer, PATIENT).verdict == case.verdict


@pytest.mark.parametrize("case", WRITTEN, ids=lambda case: f"{case.gold} {case.answer}")
def test_what_the_answer_says(case):
    found = grade(math(case.gold, case.language), f"\\boxed{{{case.answer}}}", PATIENT)
    assert (found.verdict, found.reason) == (case.verdict, found.reason)


@pytest.mark.parametrize("case", cases.CHOICES, ids=lambda case: f"{case.gold} {case.answer}")
def test_what_the_answer_chooses(case):
    found = grade(mcq(case.gold, case.options), f"\\boxed{{{case.answer}}}", PATIENT)
    assert (found.verdict, found.reason) == (case.verdict, found.reason)


@pytest.mark.parametrize(("gold", "language"), GOLDS)
def test_every_gold_passes_its_own_grader(gold, language):
    found = check_gold(math(gold, language), PATIENT)
    assert found.verdict == "correct", found


def test_the_table_is_long_and_holds_every_verdict():
    table = [*cases.EXTRACTION, *WRITTEN, *cases.CHOICES]
    assert len({case[:2] + case[3:] for case in table}) == len(table) >= 250
    assert min(Counter(case.verdict for case in table).values()) >= 10
