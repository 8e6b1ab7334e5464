"""Scores count what may be counted, and say what was left out."""

from __future__ import annotations

from typing import Any

import pytest

from yisang.evals.judging import Judged
from yisang.evals.statistics import wilson
from yisang.evals.summary import Summary, summarise
from yisang.tasks.selection import pass_at_k

VALUES = {"correct": 1.0, "wrong": 0.0, "unparsed": 0.0, "unjudged": None, "infra_error": None}


def judged(id_: str, verdict: Any, **fields: Any) -> Judged:
    measures = {"accuracy": VALUES[verdict]}
    return Judged(**{"id": id_, "verdict": verdict, "reason": "test", "measures": measures, **fields})


def of(*verdicts: str, **settings: Any) -> Summary:
    return summarise([judged(str(number), verdict) for number, verdict in enumerate(verdicts)], **settings)


def check_the_mean(score: Any) -> None:
    found = score("correct", "wrong", "unparsed", "unjudged", "infra_error", "infra_error")
    assert found == pytest.approx(1 / 3)


def test_infra_errors_and_unjudged_are_left_out_of_the_mean_and_told():
    check_the_mean(lambda *verdicts: of(*verdicts).score.mean)
    found = of("correct", "wrong", "unparsed", "unjudged", "infra_error", "infra_error")
    assert (found.items, found.answers, found.left_out) == (6, 6, 3)
    assert (found.score.items, found.score.answers) == (3, 3)
    assert (found.unparsed, found.unjudged, found.infra_error) == pytest.approx((1 / 6, 1 / 6, 2 / 6))


def test_a_score_that_counts_failures_as_wrong_would_be_seen():
    with pytest.raises(AssertionError):
        check_the_mean(lambda *verdicts: verdicts.count("correct") / len(verdicts))


def test_a_score_over_nothing_is_none():
    for found in (of(), of("unjudged"), of("infra_error", "infra_error")):
        assert (found.score.mean, found.score.low, found.score.high, found.score.items) == (None, None, None, 0)
        assert (found.runs.mean, found.runs.error, found.runs.scores) == (None, None, [])
        assert found.truncated is None
    assert of().unparsed is None
    assert of("infra_error", samples=4).pass_at_k["4"].mean is None


def test_the_interval_is_wilson_s():
    found = of(*["correct"] * 7, *["wrong"] * 3)
    assert (found.score.low, found.score.high) == wilson(0.7, 10)


def test_runs_have_a_mean_and_an_error():
    answers = [
        judged(id_, verdict, run=run)
        for run, verdicts in enumerate((("correct", "wrong"), ("correct", "correct"), ("wrong", "wrong")))
        for id_, verdict in zip("ab", verdicts, strict=True)
    ]
    found = summarise(answers)
    assert found.runs.scores == [0.5, 1.0, 0.0]
    assert found.runs.mean == found.score.mean == 0.5
    assert found.runs.error == pytest.approx(0.5 / 3**0.5)
    # Two items and not six answers decide how sure the score is.
    assert (found.score.low, found.score.high) == wilson(0.5, 2)


def test_the_share_cut_off_is_of_those_that_are_known():
    answers = [judged(str(n), "wrong", truncated=cut) for n, cut in enumerate((True, False, False, None))]
    assert summarise(answers).truncated == pytest.approx(1 / 3)


def test_pass_at_k_is_unbiased_and_over_all_answers():
    right = {"a": 1, "b": 0, "c": 6}
    answers = [
        judged(id_, "correct" if number < count else "wrong", run=number // 3, sample=number % 3)
        for id_, count in right.items()
        for number in range(6)
    ]
    found = summarise(answers, samples=3).pass_at_k
    assert list(found) == ["1", "2", "3"]
    for k in (1, 2, 3):
        by_hand = sum(pass_at_k(6, count, k) for count in right.values()) / 3
        assert found[str(k)].mean == pytest.approx(by_hand)
        assert (found[str(k)].items, found[str(k)].answers) == (3, 18)
    assert found["1"].mean == pytest.approx(7 / 18)
    assert list(summarise(answers, samples=1).pass_at_k) == []
    assert list(summarise(answers, samples=6).pass_at_k) == ["1", "2", "4", "6"]


def test_items_with_too_few_judged_answers_are_left_out_of_pass_at_k():
    answers = [judged("a", "correct", sample=0), judged("a", "infra_error", sample=1)]
    answers += [judged("b", "wrong", sample=number) for number in range(2)]
    found = summarise(answers, samples=2).pass_at_k
    assert (found["1"].mean, found["1"].items) == (0.5, 2)
    assert (found["2"].mean, found["2"].items) == (0.0, 1)


def test_items_that_belong_together_count_as_one_for_the_interval():
    answers = [judged(f"{problem}-{lang}", "correct", cluster=problem) for problem in "abc" for lang in ("ko", "ja")]
    found = summarise(answers)
    assert found.score.items == 6
    assert (found.score.low, found.score.high) == wilson(1.0, 3)


def test_a_measure_is_over_the_answers_that_have_it():
    answers = [judged("a", "correct", measures={"accuracy": 1.0, "lc_answer": None})]
    answers.append(judged("b", "wrong", measures={"accuracy": 0.0, "lc_answer": 1.0}))
    found = summarise(answers)
    assert (found.measures["lc_answer"].mean, found.measures["lc_answer"].items) == (1.0, 1)
    assert (found.score.mean, found.score.items) == (0.5, 2)
