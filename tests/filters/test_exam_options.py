"""Two options that say the same are seen, whatever notation they are in; and the gold is found as the grader finds it."""

from __future__ import annotations

import itertools
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yisang.filters.options import NEAR, alike, gold_place, labelled, mentioned, normalised, shown, sort_of
from yisang.grading import grade
from yisang.records import Prompt
from yisang.tasks.exam_facts import facts

SAME = [
    ("1,000", "1000"), ("１０００", "1000"), ("1000.", "1000"), (" 1 000 ", "1000"), ("(1000)", "1000"), ("1000.0", "1000"), ("PARIS", "Paris"),
    ("이산화 탄소", "이산화탄소"), ("“서울”", "서울"), ("1 m", "100 cm"), ("50%", "0.5"), ("$\\frac{1}{2}$", "1/2"), ("3시간", "180분"),
    ("서른", "30"), ("12개", "12 개"),
]  # fmt: skip
CLOSE = [
    ("서울", "서울특별시"), ("로스앤젤레스", "로스엔젤레스"), ("초콜릿", "초콜렛"), ("브뤼셀", "브뤼쎌"), ("photosynthesis", "photosyntesis"),
    ("자음 동화", "자음의 동화 현상 자음 동화"),
]  # fmt: skip
APART = [
    ("1945", "1946"), ("3", "13"), ("1.5", "15"), ("-3", "3"), ("1/2", "12"), ("3 cm", "3 kg"), ("월요일", "화요일"), ("늘어난다", "줄어든다"),
    ("파리", "로마"), ("1945년 8월 15일", "1945년 8월 16일"), ("Fe", "Cu"), ("2:05", "2:50"), ("질소", "염소"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_notations_of_one_thing_are_the_same(one: str, other: str) -> None:
    assert alike(one, other, "ko") == alike(other, one, "ko") == "same"


@pytest.mark.parametrize(("one", "other"), CLOSE)
def test_spellings_and_longer_names_are_near(one: str, other: str) -> None:
    assert alike(one, other, "ko") == alike(other, one, "ko") == "near"


@pytest.mark.parametrize(("one", "other"), APART)
def test_other_things_are_neither(one: str, other: str) -> None:
    assert alike(one, other, "ko") == alike(other, one, "ko") == ""


def test_letters_alone_would_take_neighbouring_years_for_one() -> None:
    # Why numbers decide first: by their letters these are nearer than two spellings of a name.
    import difflib

    years = difflib.SequenceMatcher(None, "1945년8월15일", "1945년8월16일", autojunk=False).ratio()
    assert years > 0.85
    assert alike("1945년 8월 15일", "1945년 8월 16일", "ko") == ""


SPELLINGS = """로켓 로케트|초콜릿 초콜렛|소시지 소세지|텔레비전 텔레비젼|플래카드 플랭카드|메시지 메세지|주스 쥬스|리더십 리더쉽|액세서리 악세사리
카페 까페|도넛 도너츠|슈퍼마켓 수퍼마켓|로스앤젤레스 로스엔젤레스|브뤼셀 브뤼쎌|코펜하겐 코펜하건|베토벤 베토밴|뉴턴 뉴튼|아인슈타인 아인쉬타인
마그네슘 마그네시움|바르샤바 바르샤와|콜럼버스 콜롬버스|셰익스피어 세익스피어|톨스토이 똘스또이|에스파냐 에스빠냐|부다페스트 부다페슈트
스트론튬 스트론티움|컴퍼스 콤파스|데이터 데이타|파라다이스 패러다이스|나폴레옹 나폴레온"""
"""Two spellings of a foreign word each, as they are met in Korean texts; chosen before the threshold was."""


def spelled() -> list[tuple[str, str]]:
    pairs = [pair.split() for line in SPELLINGS.splitlines() for pair in line.split("|")]
    return [(one, other) for one, other in pairs]


def different() -> list[tuple[str, str]]:
    """All pairs of different names of one sort in the exam pool."""
    table = facts("ko")
    sorts = [[row.split(" ")[side] for row in pair["rows"]] for pair in table["pairs"].values() for side in (0, 1)]
    sorts = [names for names in sorts if not names[0].isascii()]
    sorts += [table["orders"]["kings"]["names"], table["weekday"]["names"]]
    return [pair for names in sorts for pair in itertools.combinations(names, 2)]


def found(pairs: list[tuple[str, str]], near: float = NEAR) -> int:
    return sum(bool(alike(one, other, "ko", near)) for one, other in pairs)


def test_the_threshold_finds_all_spellings_and_takes_few_other_names() -> None:
    assert found(spelled()) == len(spelled()) == 30
    names = different()
    assert len(names) > 13_000
    assert found(names) / len(names) < 0.009
    # What the threshold is chosen between: a higher one misses spellings.
    assert found(spelled(), 0.8) < 25
    assert found(spelled(), 0.85) < 20


@given(st.text(max_size=60), st.text(max_size=60))
@settings(deadline=None)
def test_no_text_is_refused_and_the_order_makes_no_difference(one: str, other: str) -> None:
    assert alike(one, other, "ko") == alike(other, one, "ko")
    assert alike(one, one, "ko") == "same"


@given(st.text(max_size=40))
@settings(deadline=None)
def test_what_is_normalised_stays_and_unicode_forms_are_no_difference(text: str) -> None:
    assert normalised(text) == normalised(unicodedata.normalize("NFD", text))


def question(gold: str | None, *options: str, text: str = "무엇인가?") -> Prompt:
    return Prompt(id="p", text=text, language="ko", kind="mcq", gold=gold, options=options)


@pytest.mark.parametrize(
    ("gold", "options", "place"),
    [
        ("2", ("봄", "여름", "가을"), 1),
        ("②", ("봄", "여름", "가을"), 1),
        ("B", ("봄", "여름", "가을"), 1),
        ("나", ("봄", "여름", "가을"), 1),
        ("여름", ("봄", "여름", "가을"), 1),
        ("5", ("봄", "여름", "가을"), "gold_unknown"),
        ("겨울", ("봄", "여름", "가을"), "gold_unknown"),
        (None, ("봄", "여름", "가을"), "gold_unknown"),
        (" ", ("봄", "여름", "가을"), "gold_unknown"),
        ("1, 2", ("봄", "여름", "가을"), "several_golds"),
        ("2", ("4", "2", "3"), 1),
        ("2", ("2", "4", "3"), "gold_ambiguous"),
    ],
)
def test_the_gold_is_found_in_any_form_or_the_reason_is_told(
    gold: str | None, options: tuple[str, ...], place: int | str
) -> None:
    assert gold_place(question(gold, *options)) == place


def test_who_knows_what_the_gold_is_has_no_ambiguous_ones() -> None:
    held = question("2", "2", "4", "3")
    assert gold_place(held, "label") == 1
    assert gold_place(held, "text") == 0


@given(st.permutations(["봄", "여름", "가을", "겨울"]), st.sampled_from(["1", "③", "D", "ㄴ", "가을", "여름"]))
@settings(deadline=None)
def test_the_grader_reads_the_same_gold(options: list[str], gold: str) -> None:
    held = question(gold, *options)
    place = gold_place(held)
    assert isinstance(place, int)
    verdicts = [grade(held, f"\\boxed{{{option}}}").verdict for option in options]
    assert verdicts == ["correct" if number == place else "wrong" for number in range(4)]


def test_options_with_labels_of_their_own_are_known_and_decimals_are_none() -> None:
    for options in (("① 봄", "② 여름"), ("1) 봄", "2) 여름"), ("A. spring", "B. summer"), ("(가) 봄", "(나) 여름")):
        assert labelled(options, "ko")
    for options in (("1.5", "2.5"), ("1 m", "2 m"), ("봄", "여름"), ("② 봄", "① 여름"), ()):
        assert not labelled(options, "ko")


def test_options_are_shown_in_a_list_and_may_be_mentioned_in_a_sentence() -> None:
    options = ("3", "5", "8")
    assert shown("짝수는?\n1) 3\n2) 5\n3) 8", options)
    assert shown("짝수는? ① 3 ② 5 ③ 8", options)
    assert not shown("3, 5, 8 가운데 짝수는?", options)
    assert mentioned("3, 5, 8 가운데 짝수는?", options)
    assert not mentioned("짝수는?", options)


def test_numbers_and_words_are_of_two_sorts() -> None:
    assert sort_of(("1", "2개")) == "number"
    assert sort_of(("1", "둘")) == "text"
