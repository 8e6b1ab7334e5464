"""Questions that must keep their options keep them; those that get some keep their gold, and the grader proves it."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import yisang.languages
from yisang.errors import UsageError
from yisang.filters.exams import CUES, LONGEST_OPTION, Exclusions, Lender, lender, merged
from yisang.filters.grade import ProveGold
from yisang.filters.options import alike, gold_place
from yisang.languages import codes, load
from yisang.languages.patterns import patterns
from yisang.records import Drop, Licence, Prompt
from yisang.sources import Exams
from yisang.tasks.exam_items import right_options

FREE = Licence(id="CC-BY-4.0", letter="A", evidence="written for the tests")
SHARED = Licence(id="CC-BY-SA-4.0", letter="A", evidence="written for the tests", share_alike=True)
PRIVATE = Licence(id="CC-BY-NC-4.0", letter="B", evidence="written for the tests")
CLOSED = Licence(id="CC-BY-ND-4.0", letter="B", evidence="written for the tests", derive=False)
ASKED = "프랑스의 수도는 어디인가?"


def question(text: str = ASKED, options: tuple[str, ...] = ("런던", "파리", "로마", "빈"), **fields) -> Prompt:
    given_ = {"id": "q", "language": "ko", "kind": "mcq", "gold": "2", "licence": FREE}
    return Prompt(text=text, options=options, **{**given_, **fields})


def why(prompt: Prompt, lending: bool = False, **changes) -> str | None:
    return Exclusions("ko", **changes).why_not_merged(prompt, lending)


def test_nothing_speaks_against_an_ordinary_question() -> None:
    assert why(question()) is None


CASES = {
    "not_mcq": question(kind="math"),
    "other_language": question(language="ja"),
    "few_options": question(options=("파리",), gold="1"),
    "blank_option": question(options=("런던", "파리", " ")),
    "long_option": question(options=("런던", "파리", "로" * (LONGEST_OPTION + 1))),
    "no_derivatives": question(licence=CLOSED),
    "licence_c": question(licence=msgspec.structs.replace(FREE, letter="C")),
    "labelled_options": question(options=("1) 런던", "2) 파리", "3) 로마")),
    "options_in_text": question("런던, 파리, 로마, 빈 가운데 프랑스의 수도는 어디인가?"),
    "gold_unknown": question(gold=None),
    "several_golds": question(gold="1, 2"),
    "gold_ambiguous": question("몇인가?", ("2", "40", "60"), gold="2"),
    "gold_like_label": question("몇인가?", ("20", "7", "60"), gold="2"),
    "equal_options": question("몇인가?", ("1000", "20", "1,000", "30"), gold="2"),
    "negation": question("프랑스의 도시가 아닌 것은?"),
    "all_or_none": question(options=("파리", "리옹", "모두 맞다"), gold="3"),
    "refers_to_others": question(options=("파리", "리옹", "①과 ②"), gold="3"),
    "statements": question("ㄱ. 파리는 크다. ㄴ. 파리는 작다. 바르게 말한 문장은?", ("ㄱ", "ㄴ", "ㄱ, ㄴ"), gold="1"),
    "among_given": question("다음 중 프랑스의 도시는?"),
    "too_many_options": question(options=("런던", "파리", *["산", "강", "들", "꽃", "새", "별", "눈", "비"])),
}  # fmt: skip


@pytest.mark.parametrize("reason", CASES)
def test_each_exclusion_is_told_by_its_reason(reason: str) -> None:
    assert why(CASES[reason]) == reason


@pytest.mark.parametrize("reason", CASES)
def test_who_gets_none_lends_none_but_where_it_has_enough_or_asks_among_its_own(reason: str) -> None:
    expected = None if reason in ("among_given", "too_many_options") else reason
    assert why(CASES[reason], lending=True) == expected


@pytest.mark.parametrize("cue", CUES)
def test_a_cue_that_is_switched_off_is_not_seen(cue: str) -> None:
    assert why(CASES[cue], without=CUES) is None


@pytest.mark.parametrize("code", codes())
def test_the_example_of_every_cue_excludes_in_its_language_and_its_counter_example_does_not(code: str) -> None:
    kinds = {
        "exception": "negation",
        "all_or_none": "all_or_none",
        "refers": "refers_to_others",
        "among": "among_given",
    }
    for table in ("negation", "options"):
        for pattern in patterns(load(code), table):
            reason = kinds.get(pattern.kind, pattern.kind)
            for text, expected in ((pattern.example, reason), (pattern.unlike, None)):
                in_option = reason in ("all_or_none", "refers_to_others")
                held = (
                    question("x", ("aa", text, "bb"), gold="1")
                    if in_option
                    else question(text, ("aa", "dd", "cc"), gold="1")
                )
                others = tuple(cue for cue in CUES if cue != reason)
                found = Exclusions(code, without=others).why_not_merged(msgspec.structs.replace(held, language=code))
                assert found == expected, pattern


@pytest.mark.parametrize(
    "text",
    [
        "다음 중 옳지 않은 것은?", "다음 설명 중 <u>틀린</u> 것은?", "윗글의 내용과 일치하지 **않는** 것을 고르시오.", "다음에서 설명이 잘못된 것은?",
        "글쓴이의 생각과 거리가 먼 것은?", "이 도구의 쓰임과 관계없는 것은?", "다음 가운데 하나를 제외한 나머지와 뜻이 다른 것은?", "빈칸에 들어갈 수 없는 말은?",
        "Which of the following is NOT a prime?", "All of these are mammals EXCEPT:", "이 제도를 시행하지 않은 나라는?", "주어진 자료로 알 수 없는 것은",
        "해당 사항이 아닌 경우는?", "부적절한 표현을 찾으시오.", "밑줄 친 부분이 어색한 문장은?",
    ],
)  # fmt: skip
def test_questions_for_the_exception_are_seen_in_many_words(text: str) -> None:
    assert why(question(text)) == "negation"


@pytest.mark.parametrize(
    "text",
    [
        "물은 섭씨 몇 도에서 끓는가?", "하늘에서 내리는 물을 이르는 말은 무엇인가?", "조선을 세운 왕은 누구인가?", "삼각형의 넓이를 구하면 얼마인가?",
        "이 나무는 겨울에도 잎이 지지 않는다. 잎의 색은 무엇인가?", "사과 12개에서 5개를 빼면 몇 개인가?", "한글을 만든 왕은 누구인가?",
    ],
)  # fmt: skip
def test_ordinary_questions_are_not_taken_for_them(text: str) -> None:
    assert why(question(text)) is None


@pytest.mark.parametrize(
    "option",
    [
        "모두 맞다", "위의 모두", "정답 없음", "모두 아니다", "보기 모두", "답이 없다", "이상 모두", "전부 옳다", "해당 없음", "All of the above", "none of these",
    ],
)  # fmt: skip
def test_options_on_all_or_none_are_seen(option: str) -> None:
    assert why(question(options=("런던", "파리", option))) == "all_or_none"


@pytest.mark.parametrize(
    "option",
    [
        "①과 ②",
        "①, ③",
        "1번과 3번",
        "A와 B",
        "가, 나",
        "(1), (3)",
        "둘 다 옳다",
        "both A and B",
        "A and C only",
        "위의 두 가지",
    ],
)
def test_options_that_name_others_are_seen(option: str) -> None:
    assert why(question(options=("런던", "파리", option))) == "refers_to_others"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (ASKED, ("ㄱ, ㄴ", "파리", "ㄱ, ㄷ")),
        (ASKED, ("㉠, ㉡", "파리", "㉠")),
        (ASKED, ("(가), (나)", "파리", "(다)")),
        (ASKED, ("i, ii", "파리", "i, iii")),
        ("<보기>에서 바른 문장은?", ("런던", "파리", "로마")),
        ("(A)와 (B)에 들어갈 말은 무엇인가?", ("런던", "파리", "로마")),
        ("㉠에 들어갈 말은 무엇인가?", ("런던", "파리", "로마")),
    ],
)
def test_questions_on_lettered_statements_are_seen(text: str, options: tuple[str, ...]) -> None:
    assert why(question(text, options)) == "statements"


@given(
    text=st.text(max_size=80),
    options=st.lists(st.text(max_size=20), max_size=6).map(tuple),
    gold=st.none() | st.text(max_size=6),
)
@settings(max_examples=200, deadline=None)
def test_no_question_is_too_odd(text: str, options: tuple[str, ...], gold: str | None) -> None:
    held = question(text, options, gold=gold)
    if why(held) is None:
        child = merged(held, [Lender("l", ("리스본", "아테네"), FREE)])
        place = gold_place(held)
        assert isinstance(place, int)
        assert child is None or child.options[int(child.gold or "") - 1] == options[place]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"most": 1}, "most is 1"),
        ({"gold_form": "letter"}, "gold_form is 'letter'"),
        ({"without": ("licence",)}, "without is"),
        ({"without": "negation"}, "without is"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(changes: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Exclusions("ko", **changes)


def test_a_language_without_cues_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(yisang.languages.__file__).parent / "ja.toml").read_text("utf-8")
    (tmp_path / "ja.toml").write_text(text.replace("[[negation.exception]]", "[[sentences.closed]]"), "utf-8")
    monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path))
    with pytest.raises(UsageError, match=r"ja has no table \[negation\].*ko.toml is a model"):
        Exclusions("ja")


def test_identity_holds_the_settings_and_the_words() -> None:
    one = Exclusions("ko", without=("negation", "among_given"))
    assert one.identity() == Exclusions("ko", without=("among_given", "negation")).identity()
    assert one.identity() != Exclusions("ko").identity()
    assert load("ko").digest in one.identity()["words"]
    assert pickle.loads(pickle.dumps(one)) == one


# Merging

NEIGHBOURS = (
    Lender("n1", ("베를린", "파리", "PARIS", "브뤼셀"), SHARED),
    Lender("n2", ("런던", "브뤼쎌", "파리시"), PRIVATE),
    Lender("n3", ("리스본", "아테네", "오슬로", "하노이", "베른"), PRIVATE),
)


def test_distractors_come_nearest_first_and_none_that_is_there_already_or_nearly() -> None:
    child = merged(question(), NEIGHBOURS)
    assert child is not None
    assert set(child.options) == {
        "런던",
        "파리",
        "로마",
        "빈",
        "베를린",
        "PARIS",
        "브뤼셀",
        "리스본",
        "아테네",
        "오슬로",
    }
    assert len(child.options) == 10
    assert child.options[int(child.gold or "") - 1] == "파리"
    assert child.text == ASKED
    # n2 had nothing of its own to give, so it is no parent, and its letter not the child's.
    assert child.parents == ("q", "n1", "n3")
    assert (child.licence.letter, child.licence.share_alike) == ("B", True)
    assert child.licence.id == "CC-BY-4.0 AND CC-BY-NC-4.0 AND CC-BY-SA-4.0"
    assert child.measures == {"options_own": 4, "options_merged": 6, "gold_before": "2"}
    assert child.id == "q/1"


def test_all_who_must_be_named_are_named_once() -> None:
    lenders = [
        one._replace(attribution=name) for one, name in zip(NEIGHBOURS, ("Kim", "Lee", "Kim; Park"), strict=True)
    ]
    child = merged(question(attribution="Kim"), lenders)
    assert child is not None
    assert child.attribution == "Kim; Kim; Park"


def test_the_order_is_a_hash_of_the_id_and_the_gold_stands_anywhere() -> None:
    children = [merged(question(id=f"q{number}"), NEIGHBOURS) for number in range(300)]
    places = Counter(child.gold for child in children if child)
    assert set(places) == {str(number) for number in range(1, 11)}
    assert max(places.values()) < 60
    assert [merged(question(id=f"q{number}"), NEIGHBOURS) for number in range(300)] == children
    assert merged(question(), NEIGHBOURS, salt="other") != merged(question(), NEIGHBOURS)


def test_the_bound_on_options_stays() -> None:
    for most in (4, 5, 7, 10):
        child = merged(question(), NEIGHBOURS, most=most)
        assert (child is None) if most == 4 else (child is not None and len(child.options) == most)


def test_nobody_who_fits_leaves_nothing() -> None:
    assert merged(question(), ()) is None
    assert merged(question(), [Lender("n", ("파리", "런던", "로 마"), FREE)]) is None


def test_a_lender_lends_all_but_its_gold() -> None:
    assert lender(question()) == Lender("q", ("런던", "로마", "빈"), FREE)


NOTATIONS = ["1,250", "１２５０", "1250.", " 1250", "(1250)", "1250.0"]


@pytest.mark.parametrize("written", NOTATIONS)
def test_the_gold_in_another_notation_is_never_added(written: str) -> None:
    held = question("1000 + 250의 값은 얼마인가?", ("1350", "1250", "1150"))
    assert merged(held, [Lender("n", (written,), FREE)]) is None
    # The wrong twin: without the check there are two right answers.
    twin = merged(held, [Lender("n", (written,), FREE)], near=None)
    assert twin is not None
    refused = ProveGold("ko")(twin)
    assert isinstance(refused, Drop)
    assert refused.reason == "gold_unproved"
    assert {refused.evidence["gold"], refused.evidence["other"]} == {"1250", written}


@given(
    st.lists(
        st.lists(st.sampled_from(["파리", "런던", "베른", "1,000", "1000", "빈", "로마 시", "로마"]), max_size=4),
        max_size=5,
    )
)
@settings(deadline=None)
def test_no_two_options_of_a_child_are_alike_and_its_gold_is_proved(lent: list[list[str]]) -> None:
    lenders = [Lender(f"n{number}", tuple(options), FREE) for number, options in enumerate(lent)]
    child = merged(question(options=("런던", "파리", "마드리드")), lenders)
    if child is not None:
        for number, one in enumerate(child.options):
            assert not any(alike(one, other, "ko") for other in child.options[number + 1 :])
        assert ProveGold("ko")(child) == child
        assert set(child.parents[1:]) <= {one.id for one in lenders}


# The gold is proved


def test_a_gold_that_stands_elsewhere_is_not_proved() -> None:
    child = merged(question(), NEIGHBOURS)
    assert child is not None
    assert ProveGold("ko")(child) == child
    # The wrong twin: shuffled options under the old label.
    for gold in map(str, range(1, 11)):
        twin = msgspec.structs.replace(child, gold=gold)
        right = child.options[int(gold) - 1] == "파리"
        assert (ProveGold("ko")(twin) == twin) is True  # consistent in itself,
        assert (gold == child.gold) is right  # so that only the facts tell: see tests/sources/test_exam_pool.py


def test_a_gold_that_nobody_can_read_is_not_proved() -> None:
    for prompt, said in (
        (question(gold="9"), "gold_unknown"),
        (question(gold=None), "gold_unknown"),
        (question(gold="1, 3"), "several_golds"),
    ):
        refused = ProveGold("ko")(prompt)
        assert isinstance(refused, Drop)
        assert refused.evidence["why"] == said


def test_a_number_that_reads_as_a_label_is_not_proved() -> None:
    refused = ProveGold("ko")(question("몇인가?", ("20", "3", "60"), gold="2"))
    assert isinstance(refused, Drop)
    assert refused.evidence == {
        "stated": "\\boxed{3}",
        "expected": "wrong",
        "verdict": "unparsed",
        "reason": "label_or_text: it is the label of one option and the text of another",
    }


def test_other_kinds_need_no_proof() -> None:
    held = question(kind="math", gold=None)
    assert ProveGold("ko")(held) is held


def test_every_question_of_the_pool_is_right_by_its_facts_and_to_the_grader() -> None:
    source = Exams(items=400, seed=5)
    for shard in source.shards():
        for prompt in source.read(shard):
            assert isinstance(prompt, Prompt)
            assert right_options(prompt) == {int(prompt.gold or "") - 1}, prompt
            if why(prompt, gold_form="label") != "gold_like_label":
                assert ProveGold("ko")(prompt) == prompt
