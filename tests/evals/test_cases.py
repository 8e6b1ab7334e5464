"""Awkward outputs get the verdict, and files of them the score, that a person finds for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evals.cases import CASES, PROTOCOLS, VERDICTS, Case, lines
from yisang.evals.protocols import Protocol, protocol
from yisang.evals.rescore import rescore

EXPECTED = [(case, name, VERDICTS[sign]) for case in CASES for name, sign in zip(PROTOCOLS, case.verdicts, strict=True)]


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return str(path)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = written(tmp_path_factory.mktemp("cases") / "cases.jsonl", lines())
    return {name: rescore(path, name) for name in PROTOCOLS}


def test_there_are_enough_and_each_is_another():
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)
    # Cases on which all protocols agree on "correct" alone would show little.
    assert len({case.verdicts for case in CASES}) >= 8


@pytest.mark.parametrize(("case", "name", "verdict"), EXPECTED, ids=lambda value: getattr(value, "name", value))
def test_the_verdict_is_the_one_found_by_hand(case: Case, name: str, verdict: str, scored: dict[str, Any]):
    (line,) = [line for line in scored[name].lines if line["id"] == case.name]
    assert line["verdict"] == verdict, line


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_score_is_the_one_counted_by_hand(name: str, scored: dict[str, Any]):
    signs = [case.verdicts[PROTOCOLS.index(name)] for case in CASES]
    right, judged = signs.count("C"), len(signs) - signs.count("J")
    overall = scored[name].overall
    assert overall.score.mean == pytest.approx(right / judged)
    assert overall.score.items == judged
    assert overall.left_out == signs.count("J") == 2
    assert overall.unparsed == pytest.approx(signs.count("U") / len(signs))
    assert overall.verdicts == {
        "correct": right,
        "wrong": signs.count("W"),
        "unparsed": signs.count("U"),
        "unjudged": 2,
        "infra_error": 0,
    }


def test_the_three_protocols_give_three_scores(scored: dict[str, Any]):
    scores = [scored[name].overall.score.mean for name in PROTOCOLS]
    assert len(set(scores)) == 3


def test_without_the_unparsed_the_score_is_another(tmp_path: Path):
    path = written(tmp_path / "cases.jsonl", lines())
    signs = [case.verdicts[0] for case in CASES]
    overall = rescore(path, protocol("paper", {"unparsed": "left_out"})).overall
    assert overall.score.mean == pytest.approx(signs.count("C") / (signs.count("C") + signs.count("W")))
    assert overall.unparsed == signs.count("U") / len(signs)


def test_a_protocol_that_reads_the_thinking_would_be_seen(tmp_path: Path):
    """The wrong twin: an extractor that takes the last box of all of the text."""

    def twin(response: str) -> str:
        return response.replace("<think>", "").replace("</think>", "")

    changed = [{**row, "response": twin(row["response"])} for row in lines()]
    found = rescore(written(tmp_path / "twin.jsonl", changed), "last-box").lines
    wrong = [
        line["id"] for line, case in zip(found, CASES, strict=True) if line["verdict"] != VERDICTS[case.verdicts[1]]
    ]
    assert {"box in the thinking alone", "unclosed thinking with a box", "a box in the second think"} <= set(wrong)


def test_prediction_is_another_name_for_response(tmp_path: Path):
    one = rescore(written(tmp_path / "a.jsonl", lines()))
    other = rescore(written(tmp_path / "b.jsonl", lines(field="prediction")))
    assert one.lines == other.lines


def test_the_protocols_are_those_of_their_papers():
    paper, last, mmath = (protocol(name) for name in PROTOCOLS)
    assert (paper.temperature, paper.top_p, paper.max_tokens, paper.runs, paper.samples) == (0.7, 0.9, 32768, 3, 1)
    assert (paper.box, paper.fallback, paper.unparsed, paper.top_k, paper.min_p) == ("first", (), "wrong", 0, 0.0)
    assert last == protocol(Protocol(name="last-box", box="last"))
    assert (mmath.temperature, mmath.top_p, mmath.max_tokens, mmath.samples) == (0.6, 0.95, 32768, 4)
    assert (mmath.box, mmath.fallback) == ("last", ("number",))
