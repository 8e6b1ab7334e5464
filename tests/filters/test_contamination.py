"""An index of items finds what a text shares with them, and nothing else; hashes alone never decide."""

from __future__ import annotations

import os
import pickle
import statistics
from pathlib import Path

import pytest

from yisang.errors import UsageError
from yisang.filters import ngrams
from yisang.filters.contamination import PAPER, PASSES, Index, Item, Reading

LONG = (
    "지름이 십 센티미터인 원 위에 점 여덟 개를 같은 간격으로 놓고 그 가운데 세 점을 골라 삼각형을 만들 때 "
    "직각삼각형이 되는 경우의 수를 모두 구하여라"
)
SHORT = "물의 끓는점은 기압이 낮아지면 어떻게 되는가?"
TINY = "3+4=?"
DATA = Path(os.environ.get("YISANG_SHARED_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data") / "math"


def index(*items: tuple[str, ...], **reading) -> Index:
    rules = Reading(**reading)
    return Index(rules, [Item("own", str(number), rules.read(parts)) for number, parts in enumerate(items)])


def found(where: Index, *parts: str, also: tuple[str, ...] = (), kind: str = "prompt") -> set[tuple[str, int]]:
    """Passes and items."""
    text = where.reading.read(parts, also)
    return {(hit.name, item) for hit in where.find(text, kind) for item in where.items_of(hit.name, hit.key)}


def test_a_copy_is_found_by_every_pass():
    assert found(index((LONG,), passes=PASSES), LONG) == {(name, 0) for name in PASSES}
    assert found(index((LONG,)), LONG) == {(name, 0) for name in PAPER}
    assert found(index((LONG,)), "전혀 다른 질문을 하나 하겠습니다.") == set()


@pytest.mark.parametrize(("shared", "hit"), [(12, False), (13, True)])
def test_thirteen_words_are_a_leak_and_twelve_are_none(shared, hit):
    text = "앞말 " + " ".join(LONG.split()[3 : 3 + shared]) + " 뒷말"
    assert found(index((LONG,)), text) == ({("segmented", 0), ("raw", 0)} if hit else set())


def test_n_is_a_setting_of_each_pass():
    text = " ".join(LONG.split()[:8])
    assert found(index((LONG,), n=8), text) == {("segmented", 0)}
    assert found(index((LONG,), raw_n=8), text) == {("raw", 0)}


def test_raw_units_may_be_characters():
    words = " ".join(LONG.split()[:6])
    assert found(index((LONG,), raw_units="characters", raw_n=13, passes=("raw",)), words) == {("raw", 0)}
    assert found(index((LONG,), raw_units="words", passes=("raw",)), words) == set()


@pytest.mark.parametrize(("shared", "hit"), [(25, False), (26, True)])
def test_of_characters_two_stand_for_a_word_unless_said_otherwise(shared, hit):
    text = f"앞말 {''.join(LONG.split())[:shared]} 뒷말"
    assert found(index((LONG,), raw_units="characters", passes=("raw",)), text) == ({("raw", 0)} if hit else set())


# Languages without blanks

JAPANESE = (
    "ある店で一冊三百円のノートを四冊と百二十円の鉛筆を六本買ったとき、代金はいくらになるか。",
    "次の文章を読んで、筆者の主張として最も適切なものを一つ選び、その番号を答えなさい。",
    "コンピュータのプログラムがデータベースにアクセスするときのエラーの原因を述べよ。",
)
BEFORE, BEHIND = "先生、こんにちは。宿題について質問があります。", "途中の式も含めて教えていただけませんか。"
CHINESE = "某商店购买四本笔记本和六支铅笔，每本笔记本三十元，每支铅笔十二元，一共需要支付多少元钱才够呢？"
THAI = "ร้านค้าแห่งหนึ่งขายสมุดเล่มละสามสิบบาทและดินสอแท่งละสิบสองบาทถ้าซื้อสมุดสี่เล่มจะต้องจ่ายเงินเท่าไร"


@pytest.mark.parametrize("question", JAPANESE)
def test_a_japanese_question_inside_of_a_longer_prompt_is_found_with_the_defaults(question):
    asked = BEFORE + question + BEHIND
    assert found(index((question,), language="ja"), asked) == {("segmented", 0), ("raw", 0), ("whole", 0)}
    # Without its first and its last four letters it is no whole item any more.
    assert ("raw", 0) in found(index((question,), language="ja"), BEFORE + question[4:-4] + BEHIND)
    assert found(index((question,), language="ja"), BEFORE + BEHIND) == set()


@pytest.mark.parametrize("question", JAPANESE)
def test_words_between_blanks_would_find_none_of_it_in_raw_text(question):
    wrong = index((question,), language="ja", raw_units="words", passes=("raw",))
    assert found(wrong, BEFORE + question + BEHIND) == set()


@pytest.mark.parametrize(
    ("code", "block", "question"), [("zh", "4E00-9FFF", CHINESE), ("th", "0E01-0E5B", THAI)], ids=["zh", "th"]
)
def test_a_language_of_data_alone_without_blanks_is_read_by_characters(code, block, question, tmp_path, monkeypatch):
    (tmp_path / f"{code}.toml").write_text(
        f'name = "x"\nnative_name = "x"\n[script]\ndefault = ["own"]\nblanks = false\n[script.blocks]\nown = ["{block}"]\n',
        "utf-8",
    )
    monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path))
    reading = Reading(code)
    assert (reading.raw_units, reading.raw_n) == ("characters", 26)
    assert ("raw", 0) in found(index((question,), language=code), question[:5] + question[:35] + question[-3:])


@pytest.mark.parametrize("code", ["ko", "en"])
def test_a_language_with_blanks_is_read_by_words(code):
    assert (Reading(code).raw_units, Reading(code).raw_n) == ("words", 13)


@pytest.mark.skipif(not (DATA / "mgsm_ja.tsv").is_file(), reason="the problems of MGSM are not here")
@pytest.mark.parametrize(("code", "median"), [("ja", 31), ("zh", 22), ("th", 57)])
def test_what_a_character_n_gram_is_in_words(code, median):
    """By which RAW_N of characters was chosen."""
    own, english = (
        [line.split("\t")[0] for line in (DATA / f"mgsm_{name}.tsv").read_text("utf-8").splitlines()]
        for name in (code, "en")
    )
    lengths = [13 * len("".join(text.split())) / len(said.split()) for text, said in zip(own, english, strict=True)]
    assert round(statistics.median(lengths)) == median
    seen: dict[str, set[int]] = {}
    for number, text in enumerate(own):
        letters = "".join(text.split())
        for place in range(len(letters) - 25):
            seen.setdefault(letters[place : place + 26], set()).add(number)
    shared = {number for numbers in seen.values() if len(numbers) > 1 for number in numbers}
    assert len(shared) == (2 if code == "th" else 0)


def test_an_item_without_an_n_gram_is_found_whole_and_only_by_that_pass():
    own = index((SHORT,))
    assert len(own.grams["segmented"]) == len(own.grams["raw"]) == 0
    inside = f"궁금한 것이 있습니다. {SHORT.replace(' ', '')} 알려 주세요."
    assert found(own, SHORT) == found(own, inside) == {("whole", 0)}
    assert found(own, SHORT, kind="trace") == {("whole", 0)}
    # The paper's two passes alone, the twin, find neither.
    assert found(index((SHORT,), passes=("segmented", "raw")), SHORT) == set()


def test_a_tiny_item_removes_the_same_prompt_and_nothing_that_contains_it():
    own = index((TINY,))
    assert found(own, " 3 + 4 = ? ") == {("whole", 0)}
    assert found(own, "3-4=?") == set()
    assert found(own, "먼저 3+4=? 를 풀고 답을 두 배로 하라") == set()
    assert found(own, TINY, kind="trace") == set()
    # A twin without a minimum would remove whatever contains it.
    assert found(index((TINY + "abcdefgh",), whole_min=1), f"먼저 {TINY}abcdefgh 를 풀라") == {("whole", 0)}


def test_the_minimum_is_in_columns_and_exact():
    columns = ngrams.width(index((SHORT,)).items[0].text.said)
    assert columns == 2 * len("물의끓는점은기압이낮아지면어떻게되는가")
    assert found(index((SHORT,), whole_min=columns), f"질문: {SHORT}") == {("whole", 0)}
    assert found(index((SHORT,), whole_min=columns + 1), f"질문: {SHORT}") == set()
    assert found(index((SHORT,), whole_min=columns + 1), SHORT) == {("whole", 0)}


MCQ = (
    "다음 중 옳은 것은?",
    "빛은 파동이면서 입자이다",
    "소리는 진공에서 가장 빠르다",
    "열은 찬 곳에서 더운 곳으로 흐른다",
    "전류는 전자와 같은 쪽으로 흐른다",
)


@pytest.mark.parametrize(
    "parts",
    [
        MCQ,
        ("다음 중 옳은 것은?\n① " + "\n② ".join(MCQ[1:]),),
        ("(문제) 다음 중 옳은 것은?\n" + "\n".join(reversed(MCQ[1:])),),
        (MCQ[0], MCQ[4], MCQ[2], "바람은 나무를 흔든다", MCQ[1], MCQ[3]),
    ],
    ids=["same fields", "options in the text", "another order", "merged with another option"],
)
def test_a_question_with_its_options_is_found_however_they_are_given(parts):
    assert ("whole", 0) in found(index(MCQ), *parts)


def test_a_question_that_many_share_is_no_leak_without_its_options():
    own = index(MCQ)
    assert found(own, MCQ[0]) == set()
    assert found(own, *MCQ[:3]) == set()  # eleven words of it
    assert found(own, f"왜 {max(MCQ, key=len)}는 말은 틀린가?") == set()
    # The twin that leaves options out finds this question in every exam.
    assert found(index(MCQ[:1], whole_min=14, n=3), f"(1번) {MCQ[0]}", "가", "나") != set()


def test_options_that_say_nothing_do_not_make_an_item_long_enough():
    labels = ("옳은 것을 모두 고르면?", "ㄱ, ㄴ", "ㄴ, ㄷ", "ㄱ, ㄷ", "ㄱ, ㄴ, ㄷ", "없다", "모두")
    own = index(labels)
    assert not own.inside(own.items[0])
    assert found(own, "보기에서 옳은 것을 모두 고르면? 그리고 까닭도 쓰시오.", *labels[1:]) == set()


def test_options_belong_to_the_n_grams():
    question = "다음 글의 제목으로 알맞은 것은 무엇인가"
    options = (
        "바다를 건너는 나비의 여행과 쉼",
        "강가에 사는 사람의 오래된 노래와 춤",
        "산을 오르는 마음의 자세와 준비물",
    )
    parts = " ".join(options)
    assert found(index((question, *options)), parts) >= {("segmented", 0), ("raw", 0)}
    assert found(index((question,)), parts) == set()


DIRECTIVE = (
    "문제를 끝까지 잘 읽고 차근차근 생각하여 풀어 본 다음에 마지막 줄에는 반드시 정답의 번호만 하나 골라 적으시오"
)


def test_a_known_directive_is_no_leak():
    items = tuple((f"{DIRECTIVE} {question}",) for question in ("해는 어디에서 뜨는가?", LONG))
    text = f"{DIRECTIVE} 달이 지구를 한 바퀴 도는 데 걸리는 시간은?"
    assert {item for _, item in found(index(*items), text)} == {0, 1}  # the twin without the mask
    own = index(*items, directives=(DIRECTIVE,))
    assert found(own, text) == set()
    assert {item for _, item in found(own, f"{LONG} {DIRECTIVE}")} == {1}


def test_a_directive_of_one_text_is_taken_out_of_that_text_alone():
    own = index((f"{DIRECTIVE} {LONG}",))
    text = f"달까지의 거리는? {DIRECTIVE.replace(' ', '  ')}"
    assert found(own, text) != set()
    assert found(own, text, also=(DIRECTIVE,)) == set()
    assert ("segmented", 0) in found(own, f"{LONG}\n{DIRECTIVE}", also=(DIRECTIVE,))


def test_no_n_gram_reaches_over_what_was_taken_out():
    words = LONG.split()
    text = " ".join([*words[:7], "답만 쓰시오", *words[7:14]])
    assert found(index((LONG,), passes=("segmented", "raw")), text, also=("답만 쓰시오",)) == set()


def test_a_copy_with_other_numbers_is_found_where_that_is_asked_for():
    item = "사과 12개를 3명이 나누고 배 45개를 9명이 나눌 때 한 사람이 받는 과일은 모두 몇 개인가?"
    copy = "사과 30개를 5명이 나누고 배 16개를 2명이 나눌 때 한 사람이 받는 과일은 모두 몇 개인가?"
    assert found(index((item,)), copy) == set()
    assert found(index((item,), passes=PASSES), copy) == {("digitless", 0)}
    assert (
        found(index((item,), passes=PASSES), f"다음을 풀라. {copy}") == set()
    )  # all that the prompt says, as in Light-R1
    assert found(index(("12 + 34 = ?",), passes=PASSES), "5 + 6 = ?") == set()  # nothing is left of it


# Hashes


def test_a_collision_drops_nobody_and_loses_nobody(monkeypatch):
    words = LONG.split()
    other = [f"말{number}" for number in range(30)]
    monkeypatch.setattr(ngrams, "unit_hash", lambda unit: 7)
    own = index((LONG,), (" ".join(reversed(words)),), passes=("segmented", "raw"))
    hashes = own.grams["raw"].hashes
    assert len(set(hashes.tolist())) == 1  # so every n-gram there is has the same hash
    assert len(hashes) == 2 * (len(words) - 12)
    assert found(own, " ".join(other)) == set()
    assert found(own, LONG) == {("segmented", 0), ("raw", 0)}
    assert found(own, " ".join(reversed(words))) == {("segmented", 1), ("raw", 1)}


def test_without_verification_a_collision_would_be_seen(monkeypatch):
    monkeypatch.setattr(ngrams, "unit_hash", lambda unit: 7)
    own = index((LONG,), passes=("raw",))
    hashes, _ = ngrams.gram_hashes([f"말{number}" for number in range(30)], 13)
    assert hashes[0] in own.grams["raw"].hashes


def test_an_n_gram_of_several_items_has_all_of_them_as_owners_once():
    own = index((LONG,), (f"{LONG} {LONG}",), ("다른 질문입니다",))
    hits = [hit for hit in own.find(own.reading.read((LONG,)), "prompt") if hit.name == "raw"]
    assert len(hits) == len(LONG.split()) - 12
    assert all(own.items_of(hit.name, hit.key) == [0, 1] for hit in hits)
    assert all(hit.times == 1 for hit in hits)
    twice = own.find(own.reading.read((f"{LONG} 그리고 {LONG}",)), "prompt")
    assert {hit.times for hit in twice if hit.name == "raw"} == {2}


def test_what_was_shared_can_be_read():
    own = index((LONG,))
    words = " ".join(LONG.split()[2:15])
    hits = {hit.name: own.words_of(hit.name, hit.key) for hit in own.find(own.reading.read((words,)), "prompt")}
    assert hits["raw"] == words
    assert hits["segmented"].split()[:3] == ["센티미터인", "원", "위"]


@pytest.mark.parametrize("text", ["", "  \n", "\0\0", "!?", "\ud800", "가" * 20])
def test_texts_without_words_share_nothing(text):
    assert found(index((LONG,), passes=PASSES), text) == set()
    assert index((text,), passes=PASSES).grams["raw"].find([], [[]]) == {}


def test_no_items_at_all_find_nothing():
    assert found(index(passes=PASSES), LONG) == set()


# Settings


@pytest.mark.parametrize(
    "setting",
    [
        {"n": 0},
        {"raw_n": 1.5},
        {"whole_min": True},
        {"raw_units": "syllables"},
        {"passes": ()},
        {"passes": ("both",)},
        {"passes": "raw"},
        {"directives": "답만 쓰시오"},
    ],
    ids=str,
)
def test_a_setting_that_means_nothing_is_refused_by_name(setting):
    (name,) = setting
    with pytest.raises(UsageError, match=name):
        Reading(**setting)


def test_settings_bear_identity_and_their_order_does_not():
    one = Reading(passes=("raw", "segmented"), directives=("b", "a"))
    assert one == Reading(passes=("segmented", "raw"), directives=("a", "b", "a"))
    assert one.identity() == Reading(passes=("segmented", "raw"), directives=("a", "b")).identity()
    for changed in (
        {"n": 12},
        {"raw_n": 8},
        {"raw_units": "characters"},
        {"whole_min": 20},
        {"passes": PASSES},
        {"directives": ("x",)},
    ):
        assert Reading(**changed).identity() != Reading().identity(), changed
    assert Reading(language="en").identity() != Reading().identity()
    assert pickle.loads(pickle.dumps(one)) == one
