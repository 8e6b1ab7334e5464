"""What makes two texts the same for decontamination, and that an n-gram has one hash wherever it stands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yisang.filters.ngrams import (
    GAP,
    character_hashes,
    gram_hashes,
    masked,
    normalise,
    raw_units,
    squash,
    width,
    without_digits,
)
from yisang.languages import load

LABELS = "".join(load("ko").grading["labels"])


def words(text: str) -> list[str]:
    return normalise(text, LABELS).split()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ＧＤＰ가 １２％", "gdp가 12%"),
        ("Straße", "STRASSE"),
        ("1,234,567원", "1234567원"),
        ("① 사과 ② 배", "1) 사과 2) 배"),
        ("(가) 사과 (나) 배", "ㄱ. 사과 ㄴ. 배"),
        ("A. apple B. pear", "(1) apple (2) pear"),
        ("\u1100\u1161\u11a8", "각"),
    ],
)
def test_what_does_not_make_another_question_is_gone(one, other):
    assert words(one) == words(other)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("1.5배", ["1.5배"]),  # no label, though it begins with a digit and a point
        ("f(a) = 2", ["f(a)", "=", "2"]),
        ("1,2,3의 합", ["1,2,3의", "합"]),
        ("12,34", ["12,34"]),
        ("Vitamin C.", ["vitamin"]),  # a known loss, on both sides
    ],
)
def test_what_looks_like_a_label_or_a_thousand_is_left(text, left):
    assert words(text) == left


def test_letters_that_label_options_are_the_language_s():
    assert normalise("가. 사과 나. 배").split() == ["가.", "사과", "나.", "배"]
    assert words("가. 사과 나. 배") == ["사과", "배"]


def test_squashing_leaves_letters_digits_and_arithmetic():
    assert squash(normalise("다음 중, 옳은 것은?!")) == "다음중옳은것은"
    assert squash(normalise("3 + 4 = ?")) == "3+4="
    assert squash(normalise("3 × 4 ÷ 2 − 1")) == "3*4/2-1"
    assert squash(normalise("well-known a_b <b>")) == "wellknownabb"
    assert squash(normalise("3+4")) != squash(normalise("3-4"))
    assert squash("\0 a \0b") == "ab"


def test_without_digits_a_question_with_other_numbers_is_the_same():
    one, other = (
        squash(normalise(text)) for text in ("사과 12개와 배 3개, 12 + 3 = ?", "사과 7개와 배 45개, 7 + 45 = ?")
    )
    assert one != other
    assert without_digits(one) == without_digits(other) == "사과개와배개"


def test_width_counts_a_syllable_twice():
    assert (width("abc1"), width("가나"), width("漢字かな"), width("é"), width("")) == (4, 4, 8, 1, 0)


def test_phrases_are_taken_out_with_blanks_of_any_length():
    said = "문제를 푸시오.\n\n답만   쓰시오. 아래를 보라. 답만 쓰시오."
    assert masked(said, ["답만 쓰시오."]) == ["문제를 푸시오.\n\n", " 아래를 보라. "]
    assert masked(said, ["답만 쓰시오.", "답만 쓰시오. 아래를 보라."]) == ["문제를 푸시오.\n\n"]
    assert masked(said, ["", "  "]) == [said]
    assert masked("답만 쓰시오.", ["답만 쓰시오."]) == []


def test_raw_units_are_what_is_written():
    assert raw_units("Ab  c,\nd", "words") == ["Ab", "c,", "d"]
    assert raw_units("Ab  c,\nd", "characters") == ["A", "b", "c", ",", "d"]


@given(st.lists(st.sampled_from(["a", "b", "c", GAP]), max_size=30), st.integers(1, 5))
def test_hashes_stand_for_the_grams_and_none_reaches_over_a_gap(units, n):
    hashes, places = gram_hashes(units, n)
    grams = {place: tuple(units[place : place + n]) for place in range(len(units) - n + 1)}
    assert list(places) == [place for place, gram in grams.items() if GAP not in gram]
    by_hash = {}
    for value, place in zip(hashes.tolist(), places.tolist(), strict=True):
        assert by_hash.setdefault(value, grams[place]) == grams[place]
    assert len(by_hash) == len({grams[place] for place in places.tolist()})


@given(st.text(max_size=20), st.text(max_size=20), st.text(min_size=4, max_size=4))
def test_characters_have_one_hash_wherever_they_stand(before, after, wanted):
    try:
        (before + after + wanted).encode()
    except UnicodeEncodeError:
        return
    (alone,) = character_hashes(wanted, 4)
    assert character_hashes(before + wanted + after, 4)[len(before)] == alone


def test_a_text_shorter_than_n_has_no_gram():
    assert [len(part) for part in gram_hashes(["a"] * 12, 13)] == [0, 0]
    assert len(gram_hashes(["a"] * 13, 13)[0]) == 1
    assert character_hashes("abc", 4).dtype == np.uint64
    assert len(character_hashes("abc", 4)) == 0
