"""Files of raw outputs: what is read, and what is said of lines that cannot be scored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yisang.errors import UsageError, YisangError
from yisang.evals.rescore import rescore

GOOD = {"response": "\\boxed{12}", "gold": "12"}


def scored(path: Path, *rows: Any, **settings: Any):
    text = "".join((row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n" for row in rows)
    path.write_text(text, "utf-8")
    return rescore(str(path), **settings)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("{", "line 2 is no JSON"),
        ("[1, 2]", "line 2 is no object"),
        ({"response": "a"}, "line 2 has no gold"),
        ({"response": "a", "gold": ""}, "line 2 has no gold"),
        ({"response": "a", "gold": ["12"]}, 'line 2: gold is ["12"]; it must be a text or a number'),
        ({"response": "a", "gold": True}, "line 2: gold is true"),
        ({"gold": "12"}, "line 2 has no response"),
        ({"gold": "12", "response": None}, "line 2 has no response"),
        ({"gold": "12", "response": 12}, "line 2: response is 12; it must be a text"),
        ({"gold": "12", "response": "a", "prediction": "b"}, "line 2 has both prediction and response"),
        ({"gold": "12", "response": "a", "error": "gone"}, "line 2 has an error and a response"),
        ({**GOOD, "options": "A B"}, 'line 2: options is "A B"; it must be a list of texts'),
        ({**GOOD, "options": [1, 2]}, "line 2: options is [1, 2]"),
        ({**GOOD, "kind": "essay"}, "line 2: kind is \"essay\"; it must be one of open, mcq, math, code, task"),
        ({**GOOD, "judge": "mood"}, "line 2: judge is \"mood\""),
        ({**GOOD, "judge": "translation"}, "line 2: a translation is judged by its graph, and there is none"),
        ({**GOOD, "lang": 7}, "line 2: lang is 7; it must be a text"),
        ({**GOOD, "consistency": ["answer"], "lang": "xx"}, "'xx' cannot be identified"),
        ({**GOOD, "consistency": ["mind"]}, "it is a list of think, answer"),
        ({**GOOD, "run": "1"}, "line 2: run is \"1\"; it must be a whole number"),
        ({**GOOD, "sample": -1}, "line 2: sample is -1"),
        ({**GOOD, "graph": {"nodes": {}}}, "line 2: graph must be an object with its context"),
        ({**GOOD, "graph": {"context": "zoo"}}, "line 2 cannot be judged"),
        ({**GOOD, "graph": {"context": "moon", "nodes": {}, "query": "a"}}, "line 2 cannot be judged"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_scored_is_named(row: Any, words: str, tmp_path: Path):
    with pytest.raises(UsageError) as error:
        scored(tmp_path / "out.jsonl", GOOD, row)
    assert str(error.value).startswith("out.jsonl, line 2") or words.startswith("'")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read_are_told(tmp_path: Path):
    with pytest.raises(UsageError, match="cannot be read"):
        rescore(str(tmp_path / "none.jsonl"))
    (tmp_path / "latin.jsonl").write_bytes('{"gold": "é"}'.encode("latin-1"))
    with pytest.raises(UsageError, match="in UTF-8"):
        rescore(str(tmp_path / "latin.jsonl"))
    with pytest.raises(UsageError, match="has no lines to score"):
        scored(tmp_path / "empty.jsonl", "", "  ")
    with pytest.raises(UsageError, match="No line of .* has the measure 'verified'; there are accuracy"):
        scored(tmp_path / "a.jsonl", GOOD, primary="verified")


def test_blank_lines_and_a_byte_order_mark_are_passed_over(tmp_path: Path):
    found = scored(tmp_path / "a.jsonl", "\ufeff" + json.dumps(GOOD), "", GOOD)
    assert [line["line"] for line in found.lines] == [1, 3]
    assert found.overall.score.mean == 1.0


def test_lines_without_ids_are_items_of_their_own_and_lines_of_one_id_are_its_samples(tmp_path: Path):
    wrong = {**GOOD, "response": "\\boxed{7}"}
    assert scored(tmp_path / "a.jsonl", GOOD, wrong).overall.items == 2
    found = scored(tmp_path / "b.jsonl", *({**row, "id": "q"} for row in (GOOD, wrong, wrong, wrong))).overall
    assert (found.items, found.answers, found.score.mean) == (1, 4, 0.25)
    assert {k: measure.mean for k, measure in found.pass_at_k.items()} == {"1": 0.25, "2": 0.5, "4": 1.0}


def test_the_same_sample_twice_is_refused(tmp_path: Path):
    row = {**GOOD, "id": "q", "sample": 0}
    with pytest.raises(UsageError, match="line 3: sample 0 of run 0 of q stands in line 1 already"):
        scored(tmp_path / "a.jsonl", row, {**row, "run": 1}, row)


def test_a_failed_request_is_no_wrong_answer(tmp_path: Path):
    found = scored(tmp_path / "a.jsonl", GOOD, {"gold": "12", "error": "TimeoutError"})
    assert [line["verdict"] for line in found.lines] == ["correct", "infra_error"]
    assert (found.overall.score.mean, found.overall.left_out) == (1.0, 1)


def test_what_was_cut_off_is_counted_where_it_is_known(tmp_path: Path):
    rows = [{**GOOD, "finish_reason": reason} for reason in ("length", "stop", "content_filter", None)]
    assert scored(tmp_path / "a.jsonl", *rows).overall.truncated == pytest.approx(1 / 3)
    assert scored(tmp_path / "b.jsonl", GOOD).overall.truncated is None


def test_languages_of_thinking_and_answer_are_measured(tmp_path: Path):
    think, korean, english = "Let me count all of the apples", "사과는 모두 열두 개입니다", "There are twelve of them"
    rows = [
        {
            "response": f"<think>{think}</think>{answer} \\boxed{{{value}}}",
            "gold": "12",
            "lang": "ko",
            "consistency": ["think", "answer"],
        }
        for answer, value in ((korean, 12), (korean, 7), (english, 12), ("", 12))
    ]
    found = scored(tmp_path / "a.jsonl", *rows, by="mmath", primary="lc_acc")
    assert [line["measures"] for line in found.lines] == [
        {"accuracy": 1.0, "lc_think": 0.0, "lc_answer": 1.0, "lc_acc": 1.0},
        {"accuracy": 0.0, "lc_think": 0.0, "lc_answer": 1.0, "lc_acc": 0.0},
        {"accuracy": 1.0, "lc_think": 0.0, "lc_answer": 0.0, "lc_acc": 0.0},
        {"accuracy": 1.0, "lc_think": 0.0, "lc_answer": None, "lc_acc": 0.0},
    ]
    assert found.overall.score.mean == 0.25
    assert (found.overall.measures["lc_answer"].mean, found.overall.measures["lc_answer"].items) == (
        pytest.approx(2 / 3),
        3,
    )


@settings(deadline=None)  # the first comparison starts a child process
@given(st.dictionaries(st.sampled_from(["response", "prediction", "gold", "lang", "kind", "options", "run", "id", "error"]),
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.text(max_size=3), max_size=2)))  # fmt: skip
def test_any_object_is_scored_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, row: dict[str, Any]):
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    try:
        found = scored(path, row)
    except YisangError as error:
        assert "line 1" in str(error)
    else:
        assert found.overall.answers == 1
