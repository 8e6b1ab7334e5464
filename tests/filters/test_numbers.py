"""The numbers of a text and of its translation: what counts as the same, and what does not."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yisang.errors import UsageError
from yisang.filters.numbers import difference, numbers_in, said_in_words, written
from yisang.grading.words import words

DATA = Path(os.environ.get("YISANG_SHARED_DATA") or Path(__file__).resolve().parents[2].parent / "shared" / "data")

SAME = [
    ("There are 12 pears and 3 plums.", "자두가 3개, 배가 12개 있다."),
    ("It has 1,000 rows.", "행이 1000개 있다."),
    ("It has 1000 rows.", "행이 1,000개 있다."),
    ("It has 12 rows.", "행이 １２개 있다."),
    ("The house costs $80,000.", "집은 8만 달러이다."),
    ("The house costs $35,000.", "집은 3만 5천 달러이다."),
    ("There are 3 million people.", "사람이 300만 명 있다."),
    ("You are in group 1.", "당신은 1조에 속한다."),  # and no trillion
    ("It takes 20 days.", "20일이 걸린다."),  # and not twenty-one
    ("It costs $1.50.", "1.5달러이다."),
    ("Take 1/2 of it.", "그것의 2분의 1을 취하라."),
    ("Take ½ of it.", "그것의 1/2을 취하라."),
    ("It opens at 1:00 PM.", "오후 1시에 연다."),
    (".5 hours", "0.5시간"),
    ("The molecule H2O and the variable x1.", "물 분자와 변수 하나."),
    ("20 two-liter bottles", "2리터짜리 병 20개"),
    # said in words
    ("Three apples and seven pears", "사과 3개와 배 7개"),
    ("Twenty-five apples", "사과 25개"),
    ("Two million people", "200만 명"),
    ("He runs a mile twice a week.", "그는 1주에 2번 1마일을 달린다."),
    ("Two thirds of the third row", "3번째 줄의 3분의 2"),
    ("On May 3", "5월 3일에"),
    ("A dozen eggs", "달걀 12개"),
    ("Three plums", "자두 세 개"),
    ("one of the plums", "자두 가운데 어느 것"),
    ("Nobody attends", "아무도 오지 않는다"),
]
DIFFER = [
    ("There are 12 pears.", "배가 있다.", ["12"], []),
    ("There are 12 pears.", "배가 13개 있다.", ["12"], ["13"]),
    ("There are 12 pears.", "배가 열두 개 있다.", ["12"], []),  # digits must stay digits
    ("3 plums and 3 pears", "자두와 배 3개", ["3"], []),  # as often as it stands there
    ("There are pears.", "배가 44개 있다.", [], ["44"]),
    ("It has 1,000 rows.", "행이 100개 있다.", ["1000"], ["100"]),
    ("It costs $1.50.", "15달러이다.", ["3/2"], ["15"]),
    ("Take 1/2 of it.", "그것의 3분의 1을 취하라.", ["2"], ["3"]),
    ("12 pears and three plums", "배 3개와 자두 3개", ["12"], []),
    ("Three plums", "자두 개", ["3"], []),
    ("Twenty-five plums for sixteen", "자두를 열여섯 명에게", ["25"], []),
    ("3 million people and three plums", "300만 명과 자두", ["3"], []),
]


@pytest.mark.parametrize(("text", "translation"), SAME)
def test_the_same_numbers_written_otherwise_are_no_difference(text: str, translation: str) -> None:
    assert not difference(text, translation, "en", "ko")


@pytest.mark.parametrize(("text", "translation", "missing", "added"), DIFFER)
def test_a_number_that_is_lost_or_added_is_one(
    text: str, translation: str, missing: list[str], added: list[str]
) -> None:
    found = difference(text, translation, "en", "ko")
    assert found
    assert (written(found.missing), written(found.added)) == (missing, added)


def test_the_words_are_those_of_the_source() -> None:
    assert said_in_words("a dozen of them, twice", "en") == {Fraction(1), Fraction(12), Fraction(2)}
    assert said_in_words("the bone of contention", "en") == set()  # no "one" in it
    assert difference("사과가 몇 개 있다.", "There are 12 apples.", "ko", "en").added == (12,)


def test_languages_with_their_own_digits_are_read() -> None:
    assert [number.value for number in numbers_in("１２と３", words("ja"))] == [12, 3]
    assert [number.value for number in numbers_in("३ और ४", words("en"))] == [3, 4]


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**7), max_size=6), st.randoms(use_true_random=False))
def test_an_order_of_its_own_is_no_difference_and_a_lost_number_is(numbers: list[int], order: object) -> None:
    english = " and then ".join(f"{number:,} things" for number in numbers)
    moved = sorted(numbers, key=lambda _: order.random())  # type: ignore[attr-defined]
    korean = ", 그리고 ".join(f"물건 {number}점" for number in moved)
    assert not difference(english, korean, "en", "ko")
    if moved:
        less = ", 그리고 ".join(f"물건 {number}점" for number in moved[1:])
        assert difference(english, less, "en", "ko").missing == (moved[0],)


@settings(deadline=None)
@given(st.text(max_size=60), st.sampled_from(["ko", "ja"]))
def test_a_text_has_the_numbers_of_itself(text: str, language: str) -> None:
    assert not difference(text, text, language, language)


def test_numbers_of_any_length_are_compared_to_their_end() -> None:
    long = "7" * 6_000
    assert not difference(f"n = {long}", f"{long}인 수", "en", "ko")
    assert difference(f"n = {long}", f"{long[:-1]}8인 수", "en", "ko")
    assert difference(f"n = {long[:100]}", f"{long[:99]}8인 수", "en", "ko")
    assert len(written(difference(f"n = {long}", "수", "en", "ko").missing)[0]) <= 60


def test_words_of_a_language_without_blanks_are_found_inside_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = 'name = "X"\nnative_name = "X"\n[script]\ndefault = ["latin"]\n[script.blocks]\nlatin = ["0041-005A"]\n'
    (tmp_path / "xy.toml").write_text(f'{head}[numbers]\n2 = ["ふたつ", "pair"]\n', "utf-8")
    monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path))
    assert said_in_words("りんごをふたつ買った", "xy") == {Fraction(2)}
    assert said_in_words("to repair", "xy") == set()


def test_a_table_of_numbers_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = 'name = "X"\nnative_name = "X"\n[script]\ndefault = ["latin"]\n[script.blocks]\nlatin = ["0041-005A"]\n'
    (tmp_path / "xx.toml").write_text(f'{head}[numbers]\ntwo = ["pair"]\n')
    monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path))
    with pytest.raises(UsageError, match=r"xx.toml, \[numbers\]: 'two' must be a whole number"):
        said_in_words("a pair", "xx")


# Translations that people made


def pairs(name: str) -> list[tuple[str, str]]:
    if not DATA.is_dir():
        pytest.skip(f"the shared sample data is not at {DATA} (set YISANG_SHARED_DATA)")
    if name == "mgsm":
        texts = [
            [line.split("\t")[0] for line in (DATA / f"math/mgsm_{code}.tsv").read_text("utf-8").splitlines()]
            for code in ("en", "ja")
        ]
        return list(zip(*texts, strict=True))
    with gzip.open(DATA / "text_ko/square_questions_valid.jsonl.gz", "rt", encoding="utf-8") as file:
        return [(row["question_en"], row["question"]) for row in map(json.loads, file)]


@pytest.mark.parametrize(("name", "target", "most"), [("mgsm", "ja", 0.07), ("square", "ko", 0.01)])
def test_few_translations_by_people_differ(name: str, target: str, most: float) -> None:
    found = pairs(name)
    assert len(found) in (250, 6882)
    differ = sum(bool(difference(text, said, "en", target)) for text, said in found)
    assert differ / len(found) <= most
    assert differ  # MGSM's translators did lose some numbers


def test_digits_compared_as_they_stand_would_drop_half_of_them() -> None:
    """The wrong twin: multisets of runs of digits."""

    def runs(text: str) -> Counter[str]:
        return Counter(re.findall(r"[0-9]+", text))

    found = pairs("mgsm")
    assert sum(runs(text) != runs(said) for text, said in found) / len(found) > 0.4
