"""`grade` and `check_gold` as a whole: kinds, settings, fallbacks, hostile texts."""

from __future__ import annotations

import pickle
import time

import pytest

from yisang.errors import UsageError
from yisang.filters.cot import split_think
from yisang.grading import Grade, GradeSettings, check_gold, grade
from yisang.grading.answers import after_thinking, boxed
from yisang.grading.words import words
from yisang.records import Prompt


def prompt(kind: str = "math", gold: str | None = "5", **rest) -> Prompt:
    return Prompt(id="p", text="q", language=rest.pop("language", "ko"), kind=kind, gold=gold, **rest)


@pytest.mark.parametrize(
    ("asked", "answer", "verdict", "code"),
    [
        (prompt("open"), r"\boxed{5}", "unjudged", "open_question"),
        (prompt("open", None), "5", "unjudged", "open_question"),
        (prompt("math", None), r"\boxed{5}", "unjudged", "no_gold"),
        (prompt("math", " "), r"\boxed{5}", "unjudged", "no_gold"),
        (prompt("mcq", None), r"\boxed{5}", "unjudged", "no_gold"),
        (prompt("code"), "```python\n1\n```", "unjudged", "no_tests"),
        (prompt("task"), r"\boxed{5}", "correct", "same_text"),
        (prompt("task"), r"\boxed{5마리}", "correct", "same_value"),
        (prompt("task"), r"\boxed{6}", "wrong", "other_value"),
        (prompt("math", "5" * 3000), r"\boxed{5}", "unjudged", "gold_too_long"),
        (prompt(gold=r"Since 2+3=5, it is $\boxed{5}$."), r"\boxed{5}", "correct", "same_text"),
    ],
)
def test_what_each_kind_needs(asked, answer, verdict, code):
    found = grade(asked, answer)
    assert (found.verdict, found.code) == (verdict, code)


def test_equal_words_are_enough_for_an_open_question_if_one_says_so():
    exact = GradeSettings(exact=True)
    assert grade(prompt("open", "한강"), r"\boxed{한강}", exact).verdict == "correct"
    assert grade(prompt("open", "한강"), r"\boxed{금강}", exact).verdict == "wrong"
    assert grade(prompt("open", None), r"\boxed{금강}", exact).verdict == "unjudged"


def test_which_box_counts_is_a_setting():
    answer = r"\boxed{5}, and checked: \boxed{6}"
    assert grade(prompt(), answer).verdict == "correct"
    assert grade(prompt(), answer, GradeSettings(box="last")).verdict == "wrong"


@pytest.mark.parametrize(
    ("answer", "fallback", "verdict"),
    [
        ("따라서 정답은 5입니다.", ("marker",), "correct"),
        ("정답은 4가 아니다. 정답은 5이다.", ("marker",), "correct"),
        ("정답: 5\n검산: 6", ("marker",), "correct"),
        ("The answer is $\\frac{10}{2}$. Done.", ("marker",), "correct"),
        ("**Answer:** 5", ("marker",), "correct"),
        ("5", ("marker",), "unparsed"),
        ("5", ("whole",), "correct"),
        ("5\n6", ("whole",), "unparsed"),
        ("3개와 2개를 더하면 5개", ("number",), "correct"),
        ("모두 1,005개", ("number",), "wrong"),
        ("없다", ("marker", "whole", "number"), "unparsed"),
        (r"\boxed{6}, 정답은 5", ("marker",), "wrong"),
    ],
)
def test_fallbacks_find_an_answer_without_a_box(answer, fallback, verdict):
    assert grade(prompt(), answer).verdict == ("unparsed" if "box" not in answer else "wrong")
    assert grade(prompt(), answer, GradeSettings(fallback=fallback)).verdict == verdict


THOUGHT = (
    "no tags",
    "<think>a</think>b",
    "a</think>b",
    "<think>a",
    "  <think>\na",
    "say `<think>` to it",
    "text <think>a</think> b",
    "<think>a</think>",
    "<think></think>b",
    "<think>a</think>a tag: `<think>`",
    "<think>a</think>```\n</think>\n```",
    "a <think> b",
)


@pytest.mark.parametrize("text", THOUGHT)
def test_the_thinking_is_cut_where_split_think_cuts_it(text):
    found = after_thinking(text)
    _, answer, structure = split_think(text)
    assert structure != "several"
    assert (found.strip() if found is not None else None) == answer


def test_boxes_in_the_thinking_would_be_seen():
    """The wrong twin: a grader that looks into the thinking too."""
    answer = r"<think>\boxed{4}</think>\boxed{5}"
    assert boxed(answer, "first") == "4"
    assert boxed(after_thinking(answer) or "", "first") == "5"


@pytest.mark.parametrize(
    ("asked", "verdict"),
    [
        (prompt(gold="3만 5천 원"), "correct"),
        (prompt(gold=r"\sqrt{2}"), "correct"),
        (prompt(gold=r"\text{Evelyn}"), "correct"),
        (prompt(gold=r"\frac{1}{2"), "unjudged"),
        (prompt(gold="2x+"), "unjudged"),
        (prompt(gold=""), "unjudged"),
        (prompt("mcq", "3", options=("a", "b", "c")), "correct"),
        (prompt("mcq", "D", options=("a", "b", "c")), "unjudged"),
        (prompt("mcq", "b", options=("a", "b", "c")), "correct"),
        (prompt("open"), "unjudged"),
    ],
)
def test_a_gold_that_fails_its_own_grader_is_reported(asked, verdict):
    assert check_gold(asked).verdict == verdict


def test_equal_texts_do_not_make_a_gold_good():
    """The wrong twin: asking `grade` whether the gold equals itself. It always does."""
    broken = prompt(gold="2x+")
    assert grade(broken, r"\boxed{2x+}").verdict == "correct"
    assert check_gold(broken).code == "gold_unreadable"


@pytest.mark.parametrize(
    "settings",
    [
        {"box": "second"},
        {"order": "none"},
        {"gold_form": "index"},
        {"fallback": "marker"},
        {"fallback": ("guess",)},
        {"rounding": 0},
        {"rounding": 16},
        {"seconds": 0},
        {"test_seconds": -1},
    ],
)
def test_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(UsageError, match=next(iter(settings))):
        GradeSettings(**settings)


def test_grades_and_settings_can_be_pickled_and_compared():
    found = grade(prompt(), r"\boxed{5}")
    assert pickle.loads(pickle.dumps(found)) == found == Grade("correct", "same_text: the texts are equal", "5", "5")
    assert hash(GradeSettings()) == hash(pickle.loads(pickle.dumps(GradeSettings())))


def test_a_bad_grading_table_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path))
    start = 'name = "X"\nnative_name = "X"\n[script]\ndefault = ["a"]\n[script.blocks]\na = ["0041"]\n[grading]\n'
    for number, (table, match) in enumerate(
        [
            ("marker = []", "unknown key 'marker'"),
            ("markers = 3", "markers must be a list of words"),
            ("[grading.numerals]\none = '1'", "numerals must be a table"),
            ("[grading.numerals]\none = -1", "below zero"),
            ("[grading.units]\nell = 'ell'", "units names 'ell'"),
        ]
    ):
        code = f"x{'abcde'[number]}"
        (tmp_path / f"{code}.toml").write_text(start + table)
        with pytest.raises(UsageError, match=match):
            words(code)


MEGABYTE = 1_000_000
HOSTILE = [
    "a" * MEGABYTE, "\\boxed{" * 140_000, "<think>" * 140_000, "</think>" * 120_000, "</think>" + "<think>" * 140_000,
    "<think></think>" * 60_000, "`" * MEGABYTE, "$" * MEGABYTE, "\\" * MEGABYTE, "{" * MEGABYTE, "\\boxed{" * 70_000 + "5" + "}" * 70_000,
    "정답은 " * 250_000, "1," * 500_000, "1" * MEGABYTE, "-" * MEGABYTE, "\n" * MEGABYTE, "\x00" * MEGABYTE, "\ud800" * MEGABYTE, "İ" * MEGABYTE,
    "`<think>`" * 110_000, "~~~\n" * 250_000,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_a_megabyte_of_anything_is_answered_soon(text):
    started = time.process_time()
    settings = GradeSettings(fallback=("marker", "whole", "number"))
    assert grade(prompt(), text, settings).verdict in ("unparsed", "wrong")
    assert grade(prompt(), f"{text}\\boxed{{5}}").verdict in ("unparsed", "correct", "wrong")
    assert time.process_time() - started < 6


PIECES = [
    "1분",
    "천",
    "만",
    "1,",
    "1과 ",
    "2분의 ",
    "~",
    "1~",
    "1/",
    "1,111",
    "1 111",
    "가 = ",
    "정답은 ",
    "입니다",
    "3조각",
    "스물",
    "₩",
    "½",
    "①",
    "ㄱ",
    "A,",
    "0.",
]


@pytest.mark.parametrize("piece", PIECES)
def test_a_box_full_of_anything_is_answered_soon(piece):
    """None of these needs Math-Verify's patience; it has a deadline of its own."""
    text = (piece * 2000)[:1990]
    settings = GradeSettings(seconds=0.5)
    started = time.process_time()
    for asked in (prompt(), prompt("mcq", "3", options=("1", "2", "3")), prompt(gold="1, 2")):
        assert isinstance(grade(asked, f"\\boxed{{{text}}}", settings), Grade)
    assert time.process_time() - started < 5
