"""TRIT's rules: against a count by hand, and the edges of each."""

from __future__ import annotations

import pickle
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yisang.errors import UsageError
from yisang.filters.trit import NGRAM, TIMES, TritRepetition, back_to_back, commonest_ngram, tokens_of
from yisang.records import Prompt, Trace


def trace(text: str, **parts) -> Trace:
    prompt = Prompt(id="p", text="?", language="ko")
    return Trace(id="p/0", prompt=prompt, sample=0, text=text, teacher="t", revision="1", **parts)


def verdict(text: str, units="words") -> str:
    return TritRepetition(units)(trace(text)).verdicts["trit"]


def by_hand(tokens: list[str]) -> int:
    """The tokens that the longest run of a unit of two or more covers, 6 times or more, tried at every place."""
    best = 0
    for unit in range(2, len(tokens) // TIMES + 1):
        run = 0
        for place in range(len(tokens) - unit):
            run = run + 1 if tokens[place] == tokens[place + unit] else 0
            if run + unit >= TIMES * unit:
                best = max(best, run + unit)
    return best


texts = st.lists(st.sampled_from("ab"), max_size=30)
units = st.lists(st.sampled_from("abc"), min_size=1, max_size=6)


@given(texts, units, st.integers(0, 9), texts)
@example([], ["a"], 12, [])
@example(["b"], list("ab"), 6, ["b"])
def test_what_stands_back_to_back_is_found_where_a_count_by_hand_finds_it(before, unit, times, behind):
    tokens = before + unit * times + behind
    size, found = back_to_back(tokens)
    assert (found >= TIMES) == (by_hand(tokens) > 0)
    assert size * found <= by_hand(tokens) < size * found + max(size, 1)
    counts = Counter(tuple(tokens[place : place + NGRAM]) for place in range(len(tokens) - NGRAM + 1))
    assert commonest_ngram(tokens) == max(counts.values(), default=0)


def test_a_single_token_counts_by_its_pairs():
    assert back_to_back(["a"] * 11) == (0, 0)
    assert back_to_back(["a"] * 12) == (2, 6)


def test_a_long_unit_is_followed_to_both_of_its_ends():
    tokens = [str(number) for number in range(-100, 0)] + [str(number) for number in range(5000)] * 7
    assert back_to_back(tokens) == (5000, 7)
    assert back_to_back(tokens[: 100 + 5000 * 6]) == (5000, 6)
    assert back_to_back(tokens[: 100 + 5000 * 6 - 1]) == (0, 0)


def test_both_conditions_of_the_second_rule_must_hold():
    loop = " ".join(["one two three"] * 6)
    # 18 words: back to back six times, but there is no 20-gram at all.
    assert back_to_back(loop.split()) == (3, 6)
    assert verdict(loop) == "none"
    # The same 20-gram six times, each time followed by another word.
    ngram = " ".join(f"w{n}" for n in range(20))
    assert verdict(" ".join(f"{ngram} {n}" for n in range(6))) == "none"
    assert commonest_ngram(" ".join(f"{ngram} {n}" for n in range(6)).split()) == 6
    assert verdict(" ".join([ngram] * 6)) == "ngram"
    assert verdict(" ".join([ngram] * 5)) == "none"


def test_a_rule_that_asked_for_one_condition_alone_would_be_seen():
    class Loose(TritRepetition):
        def __call__(self, record: Trace) -> Trace:
            times = back_to_back(tokens_of(record.text, self.units))[1]
            return trace(record.text, verdicts={"trit": "ngram" if times else "none"})

    loop = " ".join(["one two three"] * 6)
    assert Loose()(trace(loop)).verdicts["trit"] != verdict(loop)


def test_the_line_rule_has_both_of_its_ends():
    line = "x" * 20
    for text, expected in (
        ("\n".join([line] * 6), "line"),
        ("\n".join([line] * 5), "none"),
        ("\n".join(["x" * 19] * 6), "none"),
    ):
        # Between others, so that nothing stands back to back.
        assert verdict("\n".join(f"{one}\n{n}" for n, one in enumerate(text.split("\n")))) == expected


def test_characters_see_what_has_no_blanks():
    text = "したがって答えは十二です。" * 12
    assert (verdict(text), verdict(text, "characters")) == ("none", "ngram")
    assert tokens_of("a b\nc", "characters") == ["a", "b", "c"]


def test_a_blank_text_is_valid_and_a_missing_part_is_missing():
    assert verdict(" \n") == "none"
    assert TritRepetition(part="answer")(trace("x")).verdicts == {"trit": "missing"}


def test_measures_say_what_was_found():
    found = TritRepetition()(trace("So the answer is 12. " * 10))
    assert found.measures == {"trit_lines": 1, "trit_ngrams": 7, "trit_unit": 5, "trit_times": 10}
    assert TritRepetition()(trace("So it is.")).measures["trit_times"] is None


def test_long_texts_are_no_trouble():
    assert verdict("다시 " * 300_000) == "ngram"
    assert verdict("".join(f"{n} " for n in range(200_000))) == "none"


@pytest.mark.parametrize("wrong", [{"units": "tokens"}, {"part": "question"}])
def test_a_wrong_parameter_is_refused(wrong):
    with pytest.raises(UsageError, match="TritRepetition"):
        TritRepetition(**wrong)


def test_it_is_a_step_like_others():
    assert pickle.loads(pickle.dumps(TritRepetition())) == TritRepetition()
    assert (
        TritRepetition("characters").identity()
        != TritRepetition().identity()
        != TritRepetition(part="think").identity()
    )
