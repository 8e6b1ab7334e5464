"""Answers that end before their end, and those that only look so."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yisang.errors import UsageError
from yisang.filters.unfinished import Unfinished
from yisang.records import Prompt, Trace
from yisang.tasks.problems import Request, make_problems


def found(text: str, finish: str = "stop", language: str = "ko", **changes) -> tuple[str, str]:
    prompt = Prompt(id="p", text="?", language=language)
    trace = Trace(id="p/0", prompt=prompt, sample=0, text=text, teacher="t", revision="1", finish_reason=finish)
    judged = Unfinished(language, **changes)(trace)
    return judged.verdicts["unfinished"], str(judged.measures["unfinished_signs"])


CUT = {
    "think": "<think>\nThe number of 곰 is",
    "empty": "<think>\na\n</think>\n\n",
    "fence": "답은\n```python\nprint(3",
    "formula": "따라서 \\[ x = 3",
    "box": "답은 \\boxed{12",
    "bracket": "세 가지(첫째는 12",
    "table": "| a | b |\n|---|---|\n| 1 | 2",
    "sentence": "양변을 3으로 나누면 미지수를",
}


@pytest.mark.parametrize("name", CUT)
def test_what_stays_open_is_named(name):
    assert found(CUT[name])[0] == name


@pytest.mark.parametrize(
    ("name", "text"),
    [("fence", "답은\n```python\nprint(3\n```"), ("fence", "`a` ```b``` c이다."), ("fence", "~~~\n```\n~~~"), ("formula", "따라서 \\[ x = 3 \\]"),
     ("formula", "따라서 $$x = 3$$"), ("formula", "\\begin{a}1 \\\\[2pt] 2\\end{a}"), ("formula", "값은 $5이다."), ("formula", "식은 $x$이다."), ("box", "답은 \\boxed{\\frac{1}{2}}"),
     ("box", "\\boxed{\\{1\\}}"), ("bracket", "세 가지(첫째는 12)이다."), ("bracket", "구간 [1, 3)과 (3, 5]이다."), ("bracket", "1) 물 2) 불"),
     ("bracket", "괄호(를 잊었다.\n\n그래도 끝났다."), ("table", "| a | b |\n|---|---|\n| 1 | 2 |"), ("sentence", "가을"), ("sentence", "답은 12이다"),
     ("sentence", "끝났어요 :)"), ("sentence", "**3번**"), ("sentence", "끝이다.\n\n---"), ("sentence", "그는 “가자.”라고 말했다.”"), ("think", "<think>a</think>3")],
)  # fmt: skip
def test_what_is_closed_is_not(name, text):
    assert name not in found(text)[1].split("+")
    assert found(text)[0] == "none"


def test_the_engines_word_comes_first_and_all_signs_are_kept():
    assert found("답은 \\boxed{1", "length") == ("length", "length+box")
    assert found("<think>a", "length") == ("length", "length+think")
    assert found("답은 12이다.", "") == ("none", "")


def test_thoughts_and_answer_that_cannot_be_told_apart_are_missing():
    assert found("<think>a</think><think>b</think>c") == ("missing", "")


def test_an_answer_without_a_block_is_read_too():
    assert found("답은 12이다.") == ("none", "")
    assert found("그러므로 두 수의 차를") == ("sentence", "sentence")


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [("so the", "ko", "sentence"), ("both sides and", "en", "sentence"), ("New York", "en", "none"), ("両辺を", "ja", "sentence"),
     ("東京", "ja", "none"), ("x = 3,", "en", "sentence"), ("3 + 4 =", "en", "sentence"), ("3 *", "en", "sentence"), ("It is *so*", "en", "none")],
)  # fmt: skip
def test_words_and_signs_behind_which_a_sentence_goes_on_are_data_of_the_language(text, language, expected):
    assert found(text, language=language)[0] == expected


def test_a_long_clause_without_an_ending_is_cut_and_an_item_of_a_list_is_not():
    clause = "먼저 수요를 보자. 물가가 오르면 사람들은 돈을 덜 쓰게 되고 가게는 물건을 덜 팔게 되어 공장도 일손"
    assert found(clause)[0] == "sentence"
    assert found(f"- {clause}")[0] == "none"
    assert found(clause + "을 줄인다")[0] == "none"
    assert found(clause, tail=100)[0] == "none"
    assert found("끝이다. 짧은 대답", tail=1)[0] == "sentence"


def test_a_check_of_the_finish_reason_alone_would_be_seen():
    def naive(text: str, finish: str) -> str:
        return "length" if finish == "length" else "none"

    assert [naive(text, "stop") == found(text)[0] for text in CUT.values()] == [False] * len(CUT)


def test_every_cut_of_a_solution_into_the_thoughts_is_seen_and_the_whole_is_finished():
    for problem in make_problems(Request("ko", 3, 6, mode="mixed"), 3, 10):
        assert found(problem.trace) == ("none", "")
        close = problem.trace.index("</think>")
        for place in range(len("<think>"), close, 7):
            assert found(problem.trace[:place])[0] == "think"
        # The answer: a box that is not closed.
        assert found(problem.trace[: problem.trace.index("}", close)])[0] == "box"


@given(st.text(alphabet="ab가.$\\[](){}`|\n boxedgin*~", max_size=60))
def test_any_text_gets_a_verdict(text):
    verdict, signs = found(text)
    assert verdict == (signs.split("+")[0] or "none") or verdict == "missing"


def test_long_texts_are_no_trouble():
    for text in ("(" * 300_000, "\\begin{a}" * 50_000, "```\n" * 100_000, "\\boxed{" * 50_000, "$" * 300_000):
        assert found(text)[0] != "missing"


def test_a_wrong_parameter_is_refused():
    with pytest.raises(UsageError, match="tail"):
        Unfinished("ko", tail=0)
    with pytest.raises(UsageError, match="no language"):
        Unfinished("xx")


def test_it_is_a_step_like_others():
    assert pickle.loads(pickle.dumps(Unfinished("ko"))) == Unfinished("ko")
    steps = [Unfinished("ko"), Unfinished("ja"), Unfinished("ko", tail=50)]
    assert len({repr(step.identity()) for step in steps}) == len(steps)
