"""Ordinary answers that a check once took for something else, and those of the same words that it must find."""

from __future__ import annotations

import pytest

from yisang.filters.cot import AnswerLanguage, split_think
from yisang.filters.pii import MaskPii, Pii
from yisang.filters.quotes import quotes_of, terms_of
from yisang.filters.refusal import Refusal
from yisang.filters.repetition import Repetition
from yisang.filters.trit import back_to_back
from yisang.filters.unfinished import Unfinished
from yisang.languages import load
from yisang.records import Prompt, Trace


def trace(text: str, language: str = "ko") -> Trace:
    think, answer, _ = split_think(text)
    prompt = Prompt(id="p", text="?", language=language)
    return Trace(
        id="p/0", prompt=prompt, sample=0, text=text, think=think, answer=answer, teacher="t", revision="1",
        finish_reason="stop",
    )  # fmt: skip


def refusal(text: str, language: str) -> str:
    return Refusal(language)(trace(text, language)).verdicts["refusal"]


@pytest.mark.parametrize(
    ("language", "text"),
    [("ko", "광전 효과는 빛의 파동성만으로 설명하기 어렵다."), ("ko", "아쉽지만 이 급수는 발산하므로 합을 구할 수 없습니다."),
     ("ko", "유감스럽게도 이 방정식은 해가 존재할 수 없습니다."), ("ko", "공기 저항은 고려하지 않겠습니다."), ("ko", "그 경우는 따로 다루지 않겠습니다."),
     ("ko", "증명의 나머지는 같은 방법이므로 적지 않겠습니다."), ("ko", "통계청은 개인 정보를 제공하지 않습니다."), ("ko", "이 책은 그 내용을 다루지 않습니다. 따라서 ④"),
     ("ko", "제가 추천하는 전공은 인공지능입니다."), ("ko", "저는 네이버에서 개발자로 일합니다."), ("ko", "저는 카카오에서 만든 앱을 씁니다."),
     ("ko", "저는 LG에서 만든 냉장고를 씁니다."), ("ko", "챗GPT는 AI이기 때문에 개인적인 감정이 없다."), ("ko", "저는 인공지능 연구자입니다."),
     ("en", "I cannot provide the exact value of the integral."), ("en", "I can't generate every permutation by hand."), ("en", "I can't produce a counterexample."),
     ("en", "I can't help noticing that both are even."), ("en", "I will not discuss the case n=0."), ("en", "It is unethical to share patient data, so B."),
     ("en", "As an AI researcher, I would collect more data."), ("ja", "私が一番好きな科目は人工知能です。")],
)  # fmt: skip
def test_an_ordinary_answer_is_no_refusal_and_no_program(language, text):
    assert refusal(text, language) == "none"


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [("ko", "유감스럽게도 그 질문에는 답변할 수 없습니다.", "refusal"), ("ko", "죄송합니다. 해당 요청을 수행할 수 없습니다.", "refusal"),
     ("ko", "그 요청에는 응할 수 없습니다.", "refusal"), ("ko", "나는 AI 언어 모델이다.", "identity"), ("ko", "저는 LG가 만든 언어 모델입니다.", "identity"),
     ("ko", "저는 Qwen입니다. 알리바바 클라우드에서 개발했습니다.", "identity"), ("ja", "私はアリババクラウドが開発したQwenです。", "identity"),
     ("en", "I can't provide instructions for that.", "refusal"), ("en", "I can't help with that.", "refusal"), ("en", "I will not discuss this topic.", "refusal"),
     ("en", "As an AI, I have no body.", "identity")],
)  # fmt: skip
def test_what_speaks_of_service_or_of_itself_is_found(language, text, expected):
    assert refusal(text, language) == expected


@pytest.mark.parametrize(
    ("language", "text"),
    [("ko", "우리는 2024-01-15에 만났다."), ("ko", "하나는 1234567890이고 다른 하나는 987이다."), ("ko", "국민총생산은 5174013410명의 것이다."),
     ("ko", "기업은 2024-03-01에 설립되었다."), ("ko", "계좌에 1000000000원이 있다."), ("ko", "신한은행은 2006-04-01에 출범했다."), ("ko", "git@github.com:user/repo.git"),
     ("ko", "W@h.detach + b"), ("ko", "q@k.mT / d"), ("ja", "日付は 05-12-2024 と書く"), ("en", "Compute (250) 300-4000."),
     ("ko", '<div class="sk-toggleable__label-arrow0-hidden1">')],
)  # fmt: skip
def test_dates_counts_and_code_are_nobodys_and_stay(language, text):
    assert Pii(language)(trace(text, language)).measures["pii_evidence"] == ""
    assert MaskPii(language)(trace(text, language)).text == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [("계좌번호는 11023456789012입니다.", "계좌번호는 [계좌번호]입니다."), ("국민은행 123456-01-123456", "국민은행 [계좌번호]"), ("하나 123456-01-123456", "하나 [계좌번호]"),
     ("010-1234-5678,010-9876-5432", "[전화번호]"), ("010-1234-5678/010-9876-5432", "[전화번호]"), ("(02)123-4567", "[전화번호]"), ("Tel.010-1234-5678", "Tel.[전화번호]"),
     ("010–1234–5678", "[전화번호]"), ("010-1234-5678_김", "[전화번호]_김"), ("연락처 = 010-1234-5678", "연락처 = [전화번호]"), ("０１０－１２３４－５６７８", "[전화번호]"),
     ("minsu@naver.com(김민수)", "[이메일](김민수)")],
)  # fmt: skip
def test_numbers_in_less_usual_forms_are_masked(text, masked):
    assert MaskPii("ko")(trace(text)).text == masked


def test_half_a_number_before_a_closing_bracket_is_found_too():
    assert Pii("ko")(trace("02)123-4567")).measures["pii_kinds"] == "phone"


def repetition(text: str) -> str:
    return Repetition()(trace(text)).verdicts["repetition"]


WORDS = "\n\n".join(
    " ".join(f"Term {i * k % 1009} meets {i * i * k % 7919}." for i in range(1, 99)) for k in range(1, 7)
)


@pytest.mark.parametrize(
    "text",
    [WORDS.replace("\n\n", "\n\nWait, let me double-check this.\n\n") + "\n\nWait, let me double-check this.",
     "```python\n" + "\n".join(f"def f{n}(x):\n    if x is None:\n        raise ValueError('x must not be None')\n    return x + {n}" for n in range(7)) + "\n```",
     "```c\n" + "\n".join(f'    printf("%d\\n", value);\n    value += {n};' for n in range(7)) + "\n```", ("|" + " " * 60 + "|\n") * 8,
     "$$\\begin{pmatrix}" + " \\\\ ".join(" & ".join("0" * 12) for _ in range(12)) + "\\end{pmatrix}$$", "1" + "0" * 200, "0." + "9" * 150,
     "```sql\n" + "\n".join(f"INSERT INTO students (id, name, grade) VALUES ({n}, 'a{n}', {n % 4});" for n in range(25)) + "\n```"],
)  # fmt: skip
def test_lines_of_thought_code_and_numbers_may_be_alike(text):
    assert repetition(text) == "none"


def test_the_same_line_is_a_loop_where_it_makes_up_a_share_of_the_text():
    line = "Wait, let me double-check this."
    text = WORDS + "".join(f"\n{line}\nNo, {n} it is not." for n in range(6))
    assert repetition(text) == "none"
    assert Repetition(share=0.01)(trace(text)).verdicts["repetition"] == "line"
    assert repetition("".join(f"{line}\nNo, {n} it is not.\n" for n in range(6))) == "line"
    assert repetition("0" * 1200) == "back_to_back"
    assert repetition("```\n" + "print(x) and again " * 20 + "\n```") == "back_to_back"


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [("ko", "\\boxed{B}", "no_letters"), ("ko", "**B**", "no_letters"), ("ko", "(B)", "no_letters"), ("ko", "x = 3", "no_letters"), ("ko", "\\boxed{x+1}", "no_letters"),
     ("ko", "12 km", "no_letters"), ("ko", "$\\boxed{B}$", "no_letters"), ("ko", "정답은 Christopher Columbus입니다.", "target"), ("ko", "Photosynthesis", "other"),
     ("ko", '영어로 옮기면 다음과 같다.\n\n"The old bridge was closed in spring, and the new one will open soon."', "target"),
     ("ko", "The answer is 곰, since 곰 is larger than 여우.", "other"), ("ja", "中国的首都是北京，这是一个很大的城市。", "other"), ("ja", "東京都", "target")],
)  # fmt: skip
def test_bare_answers_have_no_language_and_names_do_not_change_it(language, text, expected):
    assert AnswerLanguage(language)(trace(text, language)).verdicts["answer_language"] == expected


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "Use $HOME in your shell."), ("en", "It costs $x dollars."), ("ko", "C++"), ("ko", "정답은 C++"), ("ko", "혈액형은 A+"), ("en", "Answer: on"),
     ("en", "**Answer:** a"), ("ko", "정답: 상의"), ("ko", "정답은 명의"), ("ja", "答えは「すべて」"), ("ko", "접속사: 그러나"), ("ko", "자료: https://ko.wikipedia.org/wiki/"),
     ("en", "The capital of Australia is Canberra, not Sydney as many people believe")],
)  # fmt: skip
def test_short_answers_quotations_and_addresses_are_finished(language, text):
    assert Unfinished(language)(trace(text, language)).verdicts["unfinished"] == "none"


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [("ko", "두 수의 곱에서", "sentence"), ("ko", "이것을 해결하기 위하여", "sentence"), ("ko", "풀이는 다음과 같이", "sentence"), ("ko", "소금과", "sentence"), ("ja", "両辺に", "sentence"),
     ("ko", "두 수의 합은 12이다. 따라서", "sentence"), ("ko", "답은 $x = 3", "formula"), ("ko", "변수는 $x_1 + y", "formula")],
)  # fmt: skip
def test_what_goes_on_is_still_seen(language, text, expected):
    assert Unfinished(language)(trace(text, language)).verdicts["unfinished"] == expected


@pytest.mark.parametrize(
    "make",
    [lambda n: "답" + " " * n + "은 3이다.", lambda n: "답은 다음과 같다." + "\n" * n + "3이다.", lambda n: "표\n" + "---\n" * n + "끝이다.", lambda n: "| a" + " " * n + "| b |",
     lambda n: "끝이다.\n" + "---\n" * n, lambda n: "끝이다." + "^" * n, lambda n: "a:" + "!" * n + "b c"],
)  # fmt: skip
def test_blanks_rules_and_line_ends_take_time_in_proportion(make):
    # Quadratic time took a quarter of an hour and more for these.
    assert Unfinished("ko")(trace(make(300_000))).verdicts["unfinished"] in ("none", "sentence")


def test_two_runs_side_by_side_are_each_looked_at_once():
    half = 150_000
    assert back_to_back("a" * half + "b" * (half + 2)) == (2, half // 2 + 1)
    assert back_to_back("abc" * 40_000 + "xy" * 90_000 + "q" * 30_000) == (2, 90_000)


def test_inches_are_no_quotation_marks_and_a_verb_is_no_term():
    ko = load("ko")
    assert quotes_of('지름 5" 원과 7" 원이 있다. "가"는?', ko) == ["가"]
    assert "가지" not in terms_of("철수는 사과를 가지고 있다. 영희도 사과를 가지고 있다.", ko)
    assert "가지고" not in terms_of("철수는 사과를 가지고 있다. 영희도 사과를 가지고 있다.", ko)
