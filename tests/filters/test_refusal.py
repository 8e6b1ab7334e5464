"""Refusals and programs that speak of themselves: found where the teacher says them, not where they are quoted."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from yisang.errors import UsageError
from yisang.filters.refusal import QUOTED, Refusal
from yisang.languages import codes, load
from yisang.languages.patterns import patterns
from yisang.records import Prompt, Trace

SORRY = "죄송하지만 그 요청은 도와드릴 수 없습니다."


def trace(answer: str | None, question: str = "?", think: str | None = None) -> Trace:
    prompt = Prompt(id="p", text=question, language="ko")
    return Trace(
        id="p/0", prompt=prompt, sample=0, text=answer or "", think=think, answer=answer, teacher="t", revision="1"
    )


def verdict(answer: str | None, question: str = "?", **changes) -> str:
    return Refusal("ko", **changes)(trace(answer, question)).verdicts["refusal"]


@pytest.mark.parametrize("code", codes())
def test_the_example_of_every_pattern_is_found_and_its_counter_example_is_not(code):
    check = Refusal(code)
    for pattern in patterns(load(code), "refusals"):
        assert check(trace(pattern.example)).verdicts["refusal"] in ("refusal", "identity"), pattern
        assert check(trace(pattern.unlike)).verdicts["refusal"] == "none", pattern


def test_what_is_found_is_said():
    found = Refusal("ko")(trace(f"음. {SORRY}"))
    assert found.verdicts == {"refusal": "refusal"}
    assert found.measures["refusal_at"] == 3
    assert str(found.measures["refusal_evidence"]) in SORRY
    assert (found.measures["refusals"], found.measures["identities"]) == (2, 0)
    assert Refusal("ko")(trace("3")).measures == {
        "refusals": 0,
        "identities": 0,
        "refusal_at": None,
        "refusal_evidence": None,
    }


def test_a_teacher_that_falls_back_to_english_is_understood():
    assert verdict("I'm sorry, but I can't help with that.") == "refusal"
    assert verdict("As an AI language model, I don't have feelings.") == "identity"


@pytest.mark.parametrize(
    "answer",
    [f"그는 “{SORRY}”라고 말했다.", f'그는 "{SORRY}"라고 말했다.', f"그는 「{SORRY}」라고 썼다.", f"> {SORRY}\n\n이 문장은 공손하다.",
     f"```\n{SORRY}\n```\n위와 같이 출력한다.", f"`{SORRY}`를 출력한다."],
)  # fmt: skip
def test_a_refusal_that_is_quoted_is_none(answer):
    assert verdict(answer) == "none"
    assert verdict(f"{answer} {SORRY}") == "refusal"


def test_a_check_that_reads_quotations_would_be_seen(monkeypatch):
    monkeypatch.setattr("yisang.filters.refusal.QUOTED", __import__("re").compile("(?!)"))
    assert verdict(f"그는 “{SORRY}”라고 말했다.") == "refusal"
    assert QUOTED.pattern


def test_a_refusal_that_stands_in_the_question_is_none():
    assert verdict(f"{SORRY} 이 문장은 공손하다.", f"{SORRY} 이 문장을 평가하라.") == "none"
    assert verdict(f"{SORRY} 이 문장은 공손하다.", "평가하라.") == "refusal"


def test_a_refusal_counts_at_the_beginning_and_a_program_anywhere():
    letter = "안녕하세요. " * 40
    assert verdict(letter + SORRY) == "none"
    assert verdict(letter + SORRY, opening=10_000) == "refusal"
    assert verdict(letter + "저는 한 회사에서 개발한 대규모 언어 모델입니다.") == "identity"


def test_a_refusal_comes_before_identity():
    assert verdict(f"AI 언어 모델로서 저는 의견이 없습니다. {SORRY}") == "refusal"


def test_the_part_that_is_named_is_read_and_none_is_missing():
    found = trace("답은 3이다.", think="I cannot help with this request.")
    assert Refusal("ko", part="think")(found).verdicts["refusal"] == "refusal"
    assert Refusal("ko")(found).verdicts["refusal"] == "none"
    assert verdict(None) == verdict(" ") == "missing"


def test_a_language_without_patterns_is_told_which_table_to_add(tmp_path: Path, monkeypatch):
    (tmp_path / "ka.toml").write_text(
        'name = "Georgian"\nnative_name = "ქართული"\n[script]\ndefault = ["m"]\n[script.blocks]\nm = ["10D0-10FF"]\n',
        "utf-8",
    )
    monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path))
    with pytest.raises(UsageError, match=r"ka has no table \[refusals\]"):
        Refusal("ka")


@pytest.mark.parametrize("wrong", [{"part": "question"}, {"opening": 0}])
def test_a_wrong_parameter_is_refused(wrong):
    with pytest.raises(UsageError, match="Refusal"):
        Refusal("ko", **wrong)


def test_it_is_a_step_like_others():
    assert pickle.loads(pickle.dumps(Refusal("ko"))) == Refusal("ko")
    steps = [Refusal("ko"), Refusal("ja"), Refusal("ko", part="think"), Refusal("ko", opening=100)]
    assert len({repr(step.identity()) for step in steps}) == len(steps)
