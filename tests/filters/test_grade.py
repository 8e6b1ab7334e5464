"""Traces beside what is known: gold answers and solution graphs."""

from __future__ import annotations

import pytest

from yisang.filters import grade as module
from yisang.filters.grade import GoldPasses, Grade, GraderFailed, VerifyTask
from yisang.grading import Grade as Outcome
from yisang.records import Drop, Prompt, Trace
from yisang.tasks.addition import make_sum
from yisang.tasks.problems import Request, make_problem


def trace(prompt: Prompt, text: str) -> Trace:
    return Trace(id=prompt.id + "/0", prompt=prompt, sample=0, text=text, teacher="t", revision="1")


def math(gold: str | None) -> Prompt:
    return Prompt(id="m", text="얼마인가?", language="ko", kind="math", gold=gold)


@pytest.mark.parametrize(
    ("text", "verdict", "reason"),
    [
        ("<think>a</think>답은 \\boxed{35000}입니다.", "correct", "same_value"),
        ("<think>a</think>답은 \\boxed{3만 5천 원}입니다.", "correct", "same_value"),
        ("<think>\\boxed{35000}</think>답은 \\boxed{4}입니다.", "wrong", "other_value"),
        ("<think>\\boxed{35000}</think>모르겠습니다.", "unparsed", "no_box"),
    ],
)
def test_the_grade_of_an_answer_is_a_verdict(text: str, verdict: str, reason: str) -> None:
    found = Grade("ko")(trace(math("3만5천"), text))
    assert (found.verdicts["grade"], found.verdicts["grade_reason"]) == (verdict, reason)


def test_a_prompt_without_gold_is_unjudged() -> None:
    assert Grade("ko")(trace(math(None), "\\boxed{1}")).verdicts["grade"] == "unjudged"


def test_a_failure_of_the_grader_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "grade", lambda *_: Outcome("infra_error", "child_died: why"))
    with pytest.raises(GraderFailed, match="child_died"):
        Grade("ko")(trace(math("1"), "\\boxed{1}"))


def test_golds_that_do_not_pass_their_own_grader_leave() -> None:
    assert GoldPasses("ko")(math("1/2")) == math("1/2")
    assert GoldPasses("ko")(math(None)) == math(None)
    found = GoldPasses("ko")(math("}{"))
    assert isinstance(found, Drop)
    assert found.reason == "gold_unjudged"
    found = GoldPasses("ko", open=False)(math(None))
    assert isinstance(found, Drop)


def test_the_steps_of_a_task_are_verified() -> None:
    problem = make_problem(Request("ko", 4, 6), 1, 1)
    prompt = problem.prompt("tasks")
    right = VerifyTask()(trace(prompt, problem.trace))
    assert (right.verdicts["process"], right.measures["process_acc"]) == ("verified", 1.0)
    wrong = VerifyTask()(trace(prompt, f"<think>모른다</think>\\boxed{{{problem.answer}}}"))
    assert (wrong.verdicts["process"], wrong.measures["process_acc"]) == ("flawed", 0.0)
    assert Grade("ko")(trace(prompt, problem.trace)).verdicts["grade"] == "correct"
    addition = make_sum("ko", 3, 3, 1, 1)
    assert VerifyTask()(trace(addition.prompt("sums"), addition.trace)).verdicts["process"] == "verified"
    assert VerifyTask()(trace(math("1"), "\\boxed{1}")).verdicts["process"] == "no_graph"


def test_a_right_answer_by_a_wrong_way_is_wrong_where_the_process_counts() -> None:
    from yisang.grading import GradeSettings

    problem = make_problem(Request("ko", 4, 6), 1, 1)
    prompt = problem.prompt("tasks")
    lucky = f"<think>찍었다</think>\\boxed{{{problem.answer}}}"
    strict = Grade("ko", GradeSettings(process=True))
    assert Grade("ko")(trace(prompt, lucky)).verdicts["grade"] == "correct"
    found = strict(trace(prompt, lucky)).verdicts
    assert (found["grade"], found["grade_reason"]) == ("wrong", "flawed_process")
    assert strict(trace(prompt, problem.trace)).verdicts["grade"] == "correct"
