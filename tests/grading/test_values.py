"""One number in many forms is one value; another number is another."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from yisang.grading.plain import plain
from yisang.grading.values import compare, readings
from yisang.grading.words import words

KO, JA, EN = words("ko"), words("ja"), words("en")
WHOLE = st.integers(0, 10**20 - 1)
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")


def korean(number: int) -> str:
    """12,345 as 1만 2345."""
    parts = []
    for name in ("", "만", "억", "조", "경"):
        number, part = divmod(number, 10_000)
        if part:
            parts.append(f"{part}{name}")
    return " ".join(reversed(parts)) or "0"


def in_words(number: int, digits: str, small: str, large: str) -> str:
    """The same with number words alone, one before a multiplier left out (천, not 일천)."""
    if not number:
        return digits[0]
    said = []
    for place, name in enumerate(("", *large)):
        part = number // 10_000**place % 10_000
        words_of_part = "".join(
            ("" if digit == 1 and power else digits[digit]) + ("", *small)[power]
            for power in (3, 2, 1, 0)
            if (digit := part // 10**power % 10)
        )
        if part:
            said.append(words_of_part + name)
    return "".join(reversed(said))


FORMS = {
    "plain": str,
    "separated": lambda number: f"{number:,}",
    "LaTeX separated": lambda number: f"{number:,}".replace(",", "{,}"),
    "full width": lambda number: str(number).translate(FULL_WIDTH),
    "Korean units": korean,
    "Korean units, tight": lambda number: korean(number).replace(" ", ""),
    "Korean words": lambda number: in_words(number, "영일이삼사오육칠팔구", "십백천", "만억조경"),
    "with a counter": lambda number: f"{number}마리",
    "boxed in dollars": lambda number: f"${number}$",
    "decimal": lambda number: f"{number}.0",
    "fraction": lambda number: f"\\frac{{{number * 2}}}{{2}}",
    "equation": lambda number: f"x = {number}",
    "sentence": lambda number: f"약 {number}개입니다.",
}


def outcome(gold: str, answer: str, language=KO, rounding: int | None = 6):
    return compare(
        readings(plain(gold), language, gold=True), readings(plain(answer), language), "auto", rounding, language
    )


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=40)
@given(number=WHOLE, other=WHOLE)
def test_whole_numbers(form, number, other):
    assert outcome(str(number), FORMS[form](number)) == "equal"
    assert outcome(FORMS[form](number), str(number)) == "equal"
    assume(number != other)
    assert outcome(str(number), FORMS[form](other)) == "different"


@given(number=WHOLE)
def test_japanese_number_words(number):
    assert outcome(str(number), in_words(number, "零一二三四五六七八九", "十百千", "万億兆京"), JA) == "equal"


@given(st.integers(-999, 999), st.integers(1, 999))
def test_fractions(above, below):
    value = Fraction(above, below)
    forms = [
        f"{above}/{below}",
        f"\\frac{{{above}}}{{{below}}}",
        f"\\dfrac{{{above * 3}}}{{{below * 3}}}",
        f"{value.numerator}/{value.denominator}",
    ]
    if above >= 0:
        forms.append(f"{below}분의 {above}")
        whole, rest = divmod(above, below)
        if whole and rest:
            forms += [f"{whole} {rest}/{below}", f"{whole}\\frac{{{rest}}}{{{below}}}", f"{whole}과 {below}분의 {rest}"]
    for gold in forms:
        for answer in forms:
            assert outcome(gold, answer) == "equal", (gold, answer)
    assert outcome(forms[0], f"{above + 1}/{below}") == "different"


@given(st.decimals(min_value=-1000, max_value=1000, places=5))
def test_decimals_are_exact(number):
    assert outcome(str(number), str(Fraction(number))) == "equal"
    assert outcome(str(number), f"{number}00") == "equal"
    assert outcome(str(number), str(Fraction(number) + Fraction(1, 10**6))) == "different"


@given(st.fractions(min_value=1, max_value=1000, max_denominator=999), st.integers(6, 12))
def test_a_long_decimal_stands_for_what_it_rounds(number, places):
    assume(number.denominator > 1)
    decimal = f"{number.numerator * 10**places // number.denominator / 10**places:.{places}f}"
    assume(Fraction(decimal) != number)
    assert outcome(f"{number.numerator}/{number.denominator}", decimal) == "equal"
    assert outcome(f"{number.numerator}/{number.denominator}", decimal, rounding=None) == "different"
    assert (
        outcome(f"{number.numerator}/{number.denominator}", str(Fraction(decimal) + Fraction(2, 10**places))) != "equal"
    )


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=5, unique=True))
def test_lists(items):
    gold, turned = ", ".join(map(str, items)), ", ".join(map(str, reversed(items)))
    for answer in (gold, turned, f"\\{{{turned}\\}}", f"({gold})"):
        assert outcome(gold, answer) == "equal"
    assert outcome(f"({gold})", f"({turned})") == "different"
    assert outcome(gold, ", ".join(map(str, items[1:]))) == "different"


def test_order_is_a_setting():
    gold, answer = readings("1, 2", KO, gold=True), readings("2, 1", KO)
    assert [compare(gold, answer, order, 6, KO) for order in ("auto", "ordered", "unordered")] == [
        "equal",
        "different",
        "equal",
    ]
    gold, answer = readings("(1, 2)", KO, gold=True), readings("(2, 1)", KO)
    assert [compare(gold, answer, order, 6, KO) for order in ("auto", "ordered", "unordered")] == [
        "different",
        "different",
        "equal",
    ]


def test_english_number_words():
    assert outcome("1002003", "one million two thousand three", EN) == "equal"
    assert outcome("99", "Ninety-Nine", EN) == "equal"
    assert outcome("52", "five two", EN) is None


@given(st.text(max_size=40))
def test_any_text_is_read_or_not(text):
    form = plain(text)
    assert plain(form) is not None
    reading = readings(form, KO)
    if reading.values:
        assert compare(reading, reading, "auto", 6, KO) == "equal"
