"""Switch points between two scripts."""

from __future__ import annotations

import pickle
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yisang.errors import UsageError
from yisang.filters.keep import Keep
from yisang.filters.switches import Switches
from yisang.records import Drop, Prompt, Trace, with_measures

KO = Switches("ko")


def trace(think: str | None) -> Trace:
    return Trace(id="p/0", prompt=Prompt(id="p", text="?", language="ko"), sample=0, text=think or "", think=think, teacher="t", revision="1")  # fmt: skip


def count(text: str, step: Switches = KO) -> int:
    return step.runs(text).switches


@pytest.mark.parametrize(
    ("text", "expected"),
    [("The number of 곰 is 3.", 2), ("GPU를 쓴다", 1), ("all English", 0), ("모두 한국어", 0), ("곰 여우, 사자 12", 0), ("", 0), ("12 + 3", 0),
     ("곰 A 여우 x = 3 사자", 0), ("곰 ab 여우", 2), ("곰東京여우", 0), ("code `print(곰)` here", 0), ("let $x_{곰}$ be", 0), ("곰×곰", 0)],
)  # fmt: skip
def test_runs_of_one_side_are_one_and_signs_are_passed_over(text, expected):
    assert count(text) == expected


def test_a_count_of_words_would_be_seen():
    def by_words(text: str) -> int:
        sides = ["가" <= word[0] <= "힣" for word in text.split() if word[0].isalpha()]
        return sum(a != b for a, b in pairwise(sides))

    assert by_words("GPU를 쓴다") == 1
    assert by_words("GPU를") != count("GPU를")


def test_the_rate_is_for_a_hundred_letters_of_both_sides():
    assert KO(trace("가나다라마 abcde")) == {"think_switches": 1, "think_switch_letters": 10, "think_switch_rate": 10.0}
    assert KO(trace("12 = 3 × 4"))["think_switch_rate"] is None
    assert KO(trace(None)) == {"think_switches": None, "think_switch_letters": None, "think_switch_rate": None}
    assert set(Switches("ko", scope="text")(trace("a"))) == {"switches", "switch_letters", "switch_rate"}


def test_a_page_behind_a_page_has_the_share_of_a_mixed_text_and_not_its_switches():
    apart = "words of English here " * 20 + "한국어 낱말 " * 8
    mixed = " ".join(["words of English here 한국"] * 20)
    assert count(apart) == 1
    assert count(mixed) == 39


texts = st.text(alphabet="가나ab xyz1. ", max_size=40)


@given(texts, texts)
def test_switches_of_a_joined_text_are_those_of_its_parts_and_the_seam(first, second):
    one, two, both = (KO.runs(text) for text in (first, second, f"{first}\n{second}"))
    seam = bool(one.sides and two.sides and one.sides[-1] != two.sides[0])
    assert both.switches == one.switches + two.switches + seam
    assert both.letters == one.letters + two.letters


def test_short_runs_of_the_other_language_count_where_the_recipe_wants_it():
    assert count("곰 A 여우", Switches("ko", least=1)) == 2
    assert count("곰 abc 여우", Switches("ko", least=4)) == 0


def test_another_language_is_another_file():
    assert count("the 東京タワー of", Switches("ja")) == 2
    assert count("곰돌이 東京", Switches("ja", other="ko")) == 1


def test_a_recipe_can_bound_the_rate():
    keep = Keep(measures={"think_switch_rate": (None, 20.0)})
    calm, wild = (trace(text) for text in ("the number of 곰 is three", "ab가" * 10))
    assert isinstance(keep(with_measures(calm, KO(calm))), Trace)
    assert keep(with_measures(wild, KO(wild))).reason == "think_switch_rate_high"
    assert isinstance(keep(with_measures(wild, KO(wild))), Drop)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"language": "en"}, "share letters"), ({"other": "ko"}, "share letters"), ({"scope": "x"}, "scope"), ({"least": 0}, "least"),
     ({"strip": ("maths",)}, "strip"), ({"language": "xx"}, "no language")],
)  # fmt: skip
def test_a_wrong_parameter_is_refused_when_the_recipe_is_made(wrong, words):
    with pytest.raises(UsageError, match=words):
        Switches(**{"language": "ko", **wrong})


def test_it_is_a_step_like_others():
    assert pickle.loads(pickle.dumps(KO)) == KO
    steps = [KO, Switches("ja"), Switches("ko", least=3), Switches("ko", strip=()), Switches("ko", scope="answer")]
    assert len({repr(step.identity()) for step in steps}) == len(steps)
