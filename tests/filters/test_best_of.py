"""Samples of one prompt: how far they agree, how many are right, which is kept."""

from __future__ import annotations

import pytest

from yisang.errors import UsageError
from yisang.filters import best_of as module
from yisang.filters.best_of import Agreement, BestOf, PassRate, prompt_of
from yisang.filters.grade import Grade, GraderFailed
from yisang.filters.stored import NotMeasured
from yisang.grading import Grade as Outcome
from yisang.records import Drop, Prompt, Trace


def traces(*texts: str, kind: str = "math", gold: str | None = "12", options: tuple[str, ...] = ()) -> list[Trace]:
    asked = Prompt(id="p", text="얼마인가?", language="ko", kind=kind, gold=gold, options=options)  # type: ignore[arg-type]
    return [
        Trace(id=f"p/{n}", prompt=asked, sample=n, text=f"<think>a</think>{text}", teacher="t", revision="1")
        for n, text in enumerate(texts)
    ]


def boxed(*values: str) -> list[str]:
    return [f"답은 \\boxed{{{value}}}입니다." for value in values]


def agreement(held: list[Trace]) -> list[object]:
    return [trace.measures["agreement"] for trace in Agreement("ko")(iter(held))]


def test_answers_agree_by_what_they_say_not_by_how() -> None:
    held = traces(*boxed("1/2", "0.5", "\\frac{1}{2}", "3"))
    assert agreement(held) == [0.75, 0.75, 0.75, 0.25]


def test_a_trace_without_an_answer_agrees_with_nobody_and_counts_for_nobody() -> None:
    found = list(Agreement("ko")(iter(traces(*boxed("7", "7"), "모르겠습니다."))))
    assert [trace.measures["agreement"] for trace in found] == [1.0, 1.0, None]
    assert [trace.measures["answers"] for trace in found] == [2, 2, 2]


def test_open_questions_without_a_gold_agree_by_values_and_by_words() -> None:
    assert agreement(traces(*boxed("3개", "3", "세종대왕", "세종대왕"), kind="open", gold=None)) == [0.5] * 4


def test_choices_agree_by_label_and_by_text() -> None:
    held = traces(*boxed("2", "②", "1"), kind="mcq", options=("서울", "부산", "대구"))
    assert agreement(held) == [pytest.approx(2 / 3), pytest.approx(2 / 3), pytest.approx(1 / 3)]


def test_code_has_no_agreement() -> None:
    assert agreement(traces("```python\nprint(1)\n```", kind="code")) == [None]


def test_the_gold_plays_no_part_in_agreement() -> None:
    assert agreement(traces(*boxed("5", "5", "12"), gold="12")) == agreement(traces(*boxed("5", "5", "12"), gold=None))


def test_a_failure_of_the_grader_is_no_disagreement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "grade", lambda *_: Outcome("infra_error", "child_died: why"))
    with pytest.raises(GraderFailed, match="child_died"):
        agreement(traces(*boxed("5", "6")))


def test_the_pass_rate_is_of_what_was_judged() -> None:
    held = [Grade("ko")(trace) for trace in traces(*boxed("12", "12", "13"), "모르겠습니다.")]
    found = list(PassRate()(iter(held)))
    assert [trace.measures["pass_rate"] for trace in found] == [pytest.approx(2 / 3)] * 4
    assert [trace.measures["judged"] for trace in found] == [3] * 4


def test_a_prompt_of_which_nothing_was_judged_has_no_pass_rate() -> None:
    held = [Grade("ko")(trace) for trace in traces("모르겠습니다.", "모르겠습니다.")]
    assert [trace.measures["pass_rate"] for trace in PassRate()(iter(held))] == [None, None]


def measured(*values: float | None, verdicts: str = "") -> list[Trace]:
    held = traces(*boxed(*["1"] * len(values)))
    return [
        Trace(
            **{name: getattr(trace, name) for name in ("id", "prompt", "sample", "text", "teacher", "revision")},
            measures={"length": value},
            verdicts={"process": "verified" if mark == "v" else "flawed"},
        )
        for trace, value, mark in zip(held, values, verdicts or "v" * len(values), strict=True)
    ]


@pytest.mark.parametrize(
    ("by", "values", "verdicts", "kept"),
    [
        (("length",), (1, 3, 2), "", [1]),
        (("-length",), (4, 3, 2), "", [2]),
        (("-length",), (None, 3, float("nan")), "", [1]),
        (("process=verified", "-length"), (1, 3, 2), "fvv", [2]),
        (("process=verified", "-length"), (1, 3, 2), "fff", [0]),
        (("length",), (2, 2, 2), "", [0]),
    ],
)
def test_the_best_is_kept_and_the_others_name_it(by, values, verdicts, kept) -> None:
    found = list(BestOf(by)(iter(measured(*values, verdicts=verdicts))))
    assert [item.sample for item in found if isinstance(item, Trace)] == kept
    drops = [item for item in found if isinstance(item, Drop)]
    assert len(drops) == 2
    assert {drop.reason for drop in drops} == {"not_best"}
    assert {drop.evidence["best"] for drop in drops} == {f"p/{kept[0]}"}


def test_the_best_two_whatever_the_order_they_come_in() -> None:
    held = measured(1, 4, 3, 2)
    for order in (held, held[::-1]):
        found = BestOf(("length",), n=2)(iter(order))
        assert sorted(item.sample for item in found if isinstance(item, Trace)) == [1, 2]


def test_a_column_that_nobody_measured_is_an_error() -> None:
    with pytest.raises(NotMeasured, match="no measure 'size'"):
        list(BestOf(("size",))(iter(measured(1, 2))))
    with pytest.raises(NotMeasured, match="no verdict 'grade'"):
        list(PassRate()(iter(measured(1, 2))))


@pytest.mark.parametrize("fn", [Agreement("ko"), PassRate("process", ("verified",), ("flawed",)), BestOf(("length",))])
def test_traces_of_two_prompts_are_refused(fn) -> None:
    first, second = measured(1, 2)
    other = Trace(
        id="q/0", prompt=Prompt(id="q", text="?", language="ko"), sample=0, text="", teacher="t", revision="1"
    )
    assert prompt_of(first) == prompt_of(second) != prompt_of(other)
    with pytest.raises(ValueError, match="several prompts"):
        list(fn(iter([first, other])))


@pytest.mark.parametrize(
    "wrong",
    [lambda: BestOf(()), lambda: BestOf("length"), lambda: BestOf(("a",), 0), lambda: PassRate("x", (), ("a",))],
)
def test_what_could_not_decide_is_refused(wrong) -> None:
    with pytest.raises(UsageError):
        wrong()
