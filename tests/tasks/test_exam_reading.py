"""A question of the exam pool is known by its words alone; what only looks like one is not."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yisang.errors import UsageError
from yisang.languages import load
from yisang.languages.shares import script_share
from yisang.tasks import exam_facts, exam_traces
from yisang.tasks.exam_facts import known, pools
from yisang.tasks.exam_items import NUMBERS, Item, Items
from yisang.tasks.exam_reading import Reading, read
from yisang.tasks.exam_traces import explanation, think


@functools.cache
def items(language: str) -> list[Item]:
    made = Items(language, 9)
    return [made.item(index) for index in range(3_000)]


@pytest.mark.parametrize("language", pools())
def test_every_question_is_read_and_the_right_option_found(language: str) -> None:
    families = set()
    for item in items(language):
        found = read(item.text, language)
        assert found is not None, item
        assert found.family == item.family
        options = [*item.wrong, item.right]
        assert found.right_options(options) == {3}
        assert found.right_options(options[:3]) == set()
        families.add(item.family)
    assert families >= set(NUMBERS) | {"weekday", "clock"} | {fact.family for fact in known(language)}


@pytest.mark.parametrize(
    "text",
    [
        "프랑스의 수도는 어디인가",
        "프랑스의 수도는 어디 인가?",
        "아틀란티스의 수도는 어디인가?",
        "조선의 제28대 왕은 누구인가?",
        "12과 30의 최대공약수는 얼마인가?",  # 와
        "007의 제곱은 얼마인가?",
        "７의 제곱은 얼마인가?",
        "100을 0으로 나누었을 때의 나머지는 얼마인가?",
        "30에서 50을 뺀 값은 얼마인가?",
        "이진수 102를 십진수로 나타내면 얼마인가?",
        "2각형의 대각선은 모두 몇 개인가?",
        "33의 10%는 얼마인가?",
        "1, 2, 4 세 수의 평균은 얼마인가?",
        "첫째 항이 3, 공차가 4인 등차수열의 0번째 항은 얼마인가?",
        "2의 99제곱은 얼마인가?",
        "어느 달 25일이 월요일이라면 같은 달 40일은 무슨 요일인가?",
        "어느 달 9일이 월요일이라면 같은 달 3일은 무슨 요일인가?",
        "오전 11시 0분에서 20시간 0분이 지나면 몇 시 몇 분인가?",
        "다음 중 0의 배수는?",
        "다음 중 소수가 아닌 것은?",
        "60의 약수는?",
        "",
    ],
)
def test_what_only_looks_like_one_is_not_read(text: str) -> None:
    assert read(text, "ko") is None


@given(st.text(max_size=60))
def test_no_text_is_too_odd(text: str) -> None:
    assert read(text, "ko") is None


# What is said of it


@pytest.mark.parametrize("language", pools())
def test_a_wrong_option_is_argued_for_as_if_it_were_right(language: str) -> None:
    for item in items(language)[:600]:
        found = read(item.text, language)
        assert found is not None
        options = [item.right, *item.wrong]
        said = [explanation(found, options, place) for place in range(4)]
        assert len(set(said)) == 4
        assert all(str(place + 1) in text for place, text in enumerate(said))
        if found.kind == "fact":
            assert all(
                option in text
                for option, text in zip(options[1:], said[1:], strict=True)
                if found.fact and found.fact.asked != "n"
            )


@pytest.mark.parametrize("language", pools())
def test_mixed_thoughts_hold_the_band_whichever_option_they_choose(language: str) -> None:
    target = load(language)
    for item in items(language)[:600]:
        found = read(item.text, language)
        assert found is not None
        options = [item.right, *item.wrong]
        for mode in ("mixed", "short"):
            for place in (0, 2):
                share = script_share(think(found, options, place, mode), target)
                assert share is not None
                assert 0.05 <= share <= 0.20, think(found, options, place, mode)


def test_options_are_gone_through_one_by_one() -> None:
    found = read("프랑스의 수도는 어디인가?", "ko")
    assert isinstance(found, Reading)
    said = think(found, ["로마", "파리", "하노이", "강낭콩"], 1, "mixed")
    assert "“프랑스의 수도는 어디인가?”" in said
    assert "“파리” is the capital of “프랑스”" in said
    assert "“로마” is the capital of “이탈리아”" in said
    assert "“하노이” is the capital of “베트남”" in said
    assert "“강낭콩”" in said
    assert "강낭콩” is the capital" not in said
    assert said.index("number 2") > said.index("“강낭콩”")


def test_a_pool_without_words_for_solutions_is_told_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(exam_facts.__file__).parent / "exams_ko.toml").read_text("utf-8")
    (tmp_path / "exams_ko.toml").write_text(
        text.replace("[answers]", "[other]").replace("english =", "greek ="), "utf-8"
    )
    found = read("프랑스의 수도는 어디인가?", "ko")
    assert found is not None
    monkeypatch.setattr(exam_facts, "_FOLDER", tmp_path)
    caches = (exam_facts.facts, exam_traces.words)
    for cache in caches:
        cache.cache_clear()
    try:
        with pytest.raises(UsageError, match=r"exams_ko.toml has no words for solutions: \[answers\] before"):
            explanation(found, ["파리", "로마"], 0)
    finally:
        for cache in caches:
            cache.cache_clear()
