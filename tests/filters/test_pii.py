"""Numbers, addresses and keys that belong to someone: found, never shown, and masked."""

from __future__ import annotations

import pickle
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yisang.errors import UsageError
from yisang.filters.pii import MaskPii, Pii, PiiFinder, shape
from yisang.languages import codes, load
from yisang.languages.patterns import filled, patterns
from yisang.records import Page, Prompt, Trace
from yisang.tasks.addition import make_sum
from yisang.tasks.problems import Request, make_problems

KEY = filled("sk-⟪a-zA-Z0-9*40⟫")
SECRETS = {
    "phone": "010-1234-5678",
    "email": "minsu.kim@daum.net",
    "resident_number": "991231-9234561",
    "business_number": "123-45-67891",
    "card": "4111 1111 1111 1111",
    "credential": KEY,
    "private_key": filled("-----BEGIN RSA PRIVATE KEY-----\n⟪a-zA-Z0-9*64⟫\n-----END RSA PRIVATE KEY-----"),
}


def trace(text: str, question: str = "?", **parts) -> Trace:
    prompt = Prompt(id="p", text=question, language="ko")
    return Trace(id="p/0", prompt=prompt, sample=0, text=text, teacher="t", revision="1", **parts)


def kinds(text: str, language: str = "ko") -> str:
    return str(Pii(language)(trace(text)).measures["pii_kinds"])


@pytest.mark.parametrize("code", codes())
def test_the_example_of_every_pattern_has_its_kind_and_its_counter_example_none(code):
    for pattern in patterns(load(code), "pii"):
        assert pattern.kind in kinds(pattern.example, code).split("+"), pattern
        assert kinds(pattern.unlike, code) == "", pattern


@pytest.mark.parametrize("kind", SECRETS)
def test_each_kind_is_found_in_the_middle_of_a_sentence_with_its_particle(kind):
    for text in (f"여기에 {SECRETS[kind]}를 적는다.", f"({SECRETS[kind]})", SECRETS[kind], f"값: {SECRETS[kind]}\n끝"):
        found = Pii("ko")(trace(text))
        assert found.verdicts == {"pii": "found"}
        assert found.measures["pii_kinds"] == kind
        assert found.measures["pii"] == 1


@pytest.mark.parametrize("kind", SECRETS)
def test_nothing_that_is_found_is_stored_in_the_clear(kind):
    text = f"여기에 {SECRETS[kind]}를 적는다."
    measures = Pii("ko")(trace(text)).measures
    said = str(measures["pii_evidence"])
    assert said.startswith(f"{kind}@{text.index(SECRETS[kind])} ")
    for place in range(len(SECRETS[kind]) - 3):
        piece = SECRETS[kind][place : place + 3]
        if re.fullmatch("[A-Za-z0-9]{3}", piece):
            assert piece not in said.removeprefix(f"{kind}@{text.index(SECRETS[kind])}")
    assert shape("010-1234-5678") == "***-****-****"
    assert shape("a.b@c.net") == "*.*@*.***"


WORKED = [
    "010-1234-5678 = -6902", "010 + 1234 = 1244", "3.14159265358979323846", "20! = 2432902008176640000", "$2^{64} = 18446744073709551616$",
    "123-45-67890을 계산하면", "010-0110-1010", "2024-01-15", "1 234 567 890 123 456", "수열 1, 11, 21, 1211, 111221", "900101 - 1234567 = -334466",
    "1.2.3.4", "y = x@W.T", "user@example.com", "ISBN 978-89-01-12345-6", "37.5665, 126.9780", "0.30000000000000004",
    "9f86d081884c7d659a2feaa0c55ad015", "sk-xxxxxxxxxxxxxxxxxxxxxxxx", "12345678901234567890", "991231-9234562", "4111 1111 1111 1112", "f(212) 555-0142 = 3",
    "987-65-4321 = -3399", "119", "1588-0000",
]  # fmt: skip


@pytest.mark.parametrize("text", WORKED)
def test_worked_arithmetic_and_other_numbers_are_nobodys(text):
    for language in codes():
        assert kinds(f"따라서 {text} 이다.", language) == ""


def test_a_pattern_without_its_checks_would_be_seen():
    (bare,) = [
        p for p in patterns(load("ko"), "pii") if p.kind == "resident_number" and "?P<found>" not in p.regex.pattern
    ]
    assert bare.regex.search("따라서 991231-9234562 이다.")
    assert kinds("따라서 991231-9234562 이다.") == ""


def test_solutions_of_tasks_and_long_sums_hold_nothing():
    for language in codes():
        check = Pii(language)
        mode = "target_only" if language == "en" else "mixed"
        texts = [p.trace for p in make_problems(Request(language, 3, 8, mode=mode), 3, 50)]
        texts += [make_sum(language, 9, 14, 1, n).trace for n in range(50)]
        for text in texts:
            assert check(trace(text)).measures["pii_evidence"] == ""


def test_what_stands_in_the_question_too_is_counted():
    found = Pii("ko")(
        trace("010-1234-5678은 고객의 번호이고 02-345-6789는 회사의 번호이다.", "고객의 번호는 010-1234-5678이다.")
    )
    assert (found.measures["pii"], found.measures["pii_in_question"]) == (2, 1)


def test_addresses_of_hosts_are_looked_for_on_request():
    text = "The server is at 8.8.4.4, or minsu@daum.net."
    assert kinds(text) == "email"
    assert Pii("ko", kinds=("ip",))(trace(text)).measures["pii_kinds"] == "ip"
    with pytest.raises(UsageError, match="no pattern finds 'phones'; there are account, business_number"):
        Pii("ko", kinds=("phones",))
    with pytest.raises(UsageError, match="give a tuple"):
        PiiFinder("ko")  # type: ignore[arg-type]


# Masking


def test_marks_are_the_languages_own_and_the_parts_are_masked_alike():
    text = "<think>\nCall 010-1234-5678.\n</think>\n\nminsu@daum.net으로 보내라. SSN 987-65-4321"
    think, answer = "Call 010-1234-5678.", "minsu@daum.net으로 보내라. SSN 987-65-4321"
    found = MaskPii("ko")(trace(text, "누구의 010-1234-5678인가?", think=think, answer=answer))
    assert found.text == "<think>\nCall [전화번호].\n</think>\n\n[이메일]으로 보내라. SSN <SOCIAL_SECURITY_NUMBER>"
    assert (found.think, found.answer) == ("Call [전화번호].", "[이메일]으로 보내라. SSN <SOCIAL_SECURITY_NUMBER>")
    assert found.prompt.text == "누구의 [전화번호]인가?"
    assert found.measures == {"pii_masked": 3, "pii_masked_kinds": "email+phone+social_security_number"}
    assert MaskPii("ja")(trace("090-1234-5678")).text == "[電話番号]"
    assert MaskPii("en")(trace("a.lee@daum.net")).text == "<EMAIL>"


def test_a_prompt_is_masked_with_its_gold_and_options():
    prompt = Prompt(id="p", text="번호는?", language="ko", gold="010-1234-5678", options=("02-345-6789", "없음"))
    found = MaskPii("ko")(prompt)
    assert (found.gold, found.options, found.id) == ("[전화번호]", ("[전화번호]", "없음"), "p")
    assert found.measures == {"pii_masked": 0, "pii_masked_kinds": ""}


def test_a_prompt_gets_the_marks_of_its_own_language():
    text = "Call 010-1234-5678 or a.lee@daum.net"
    asked = {
        code: Prompt(id="p", text=text, language=code, gold="a.lee@daum.net", options=("a.lee@daum.net", "b"))
        for code in ("ko", "en", "ja", "xx")
    }
    mask = MaskPii("ko")
    found = {code: mask(prompt) for code, prompt in asked.items()}
    assert found["en"].text == "Call <PHONE> or <EMAIL>"
    assert (found["en"].gold, found["en"].options) == ("<EMAIL>", ("<EMAIL>", "b"))
    assert found["ja"].text == "Call [電話番号] or [メールアドレス]"
    assert found["ko"].text == "Call [전화번호] or [이메일]"
    assert found["xx"].text == found["ko"].text  # no such language has a file
    # A trace gets those of the step, and its prompt still its own.
    answered = mask(Trace(id="p/0", prompt=asked["en"], sample=0, text=text, teacher="t", revision="1", answer=text))
    assert (answered.text, answered.answer) == (found["ko"].text, found["ko"].text)
    assert answered.prompt.text == found["en"].text


def test_the_identity_names_the_marks_of_every_language_that_may_be_used():
    marks = MaskPii("ko").identity()["marks"]
    assert set(marks) == set(codes())
    assert marks["ja"]["email"] == "[メールアドレス]"


def test_a_second_masking_does_not_hide_that_there_was_a_first():
    mask = MaskPii("ko")
    once = mask(Prompt(id="p", text="010-1234-5678", language="ko"))
    answered = mask(Trace(id="p/0", prompt=once, sample=0, text="a.lee@daum.net", teacher="t", revision="1"))
    assert answered.prompt.measures == once.measures == {"pii_masked": 1, "pii_masked_kinds": "phone"}
    assert answered.measures == {"pii_masked": 1, "pii_masked_kinds": "email"}


def test_a_number_that_its_words_made_known_is_masked_without_them_too():
    number = "4111111111111111"
    text = f"<think>\nThe last digits of {number} are 1111.\n</think>\n\n카드 번호는 {number}입니다."
    found = MaskPii("ko")(
        trace(text, f"{number}?", think=f"The last digits of {number} are 1111.", answer=f"카드 번호는 {number}입니다.")
    )
    assert number not in f"{found.text}{found.think}{found.answer}{found.prompt.text}"
    assert found.measures["pii_masked"] == 2
    # The question by itself says nothing of a card.
    assert MaskPii("ko")(Prompt(id="p", text=f"{number}?", language="ko")).text == f"{number}?"


def test_a_page_cannot_be_masked():
    with pytest.raises(TypeError, match="masks prompts and traces"):
        MaskPii("ko")(Page(id="x", url="https://a.example"))  # type: ignore[type-var]


pieces = st.lists(
    st.one_of(
        st.sampled_from([*SECRETS.values(), "계좌번호 110-234-567890", "카드 4111111111111111", "여권번호 M12345678"]),
        st.text(alphabet="0123456789-@. 가a()+=,:\n", max_size=8),
    ),
    max_size=8,
)


@settings(max_examples=300)
@given(pieces, st.sampled_from(["", " ", ", ", "\n", "]"]))
def test_what_was_found_is_gone_and_nothing_more_is_found(parts, between):
    text = between.join(parts)
    finder, mask = PiiFinder(("ko", "en")), MaskPii("ko")
    masked, counts = mask.masked(text)
    assert finder(masked) == []
    assert mask.masked(masked) == (masked, type(counts)())
    for found in finder(text):
        # Glued to another digit it is another number.
        assert not re.search(f"(?<![0-9A-Za-z]){re.escape(text[found.start : found.end])}(?![0-9A-Za-z])", masked)
    assert (masked == text) == (counts.total() == 0)


def test_a_mark_does_not_lead_to_another_find():
    # The mark names an account, and a date stands behind it.
    masked, counts = MaskPii("ko").masked("계좌번호: 110-234-567890, 2023-01-01-3")
    assert (masked, counts["account"]) == ("계좌번호: [계좌번호], 2023-01-01-3", 1)


def test_a_masker_that_goes_over_the_text_once_would_be_seen():
    finder, mark = PiiFinder(("ko", "en")), MaskPii("ko")._finder.mark
    # A mark ends what kept the number behind it from being found: a hyphen before it.
    text = f"{SECRETS['private_key']}010-1234-5678"
    once = text
    for found in reversed(finder(text)):
        once = once[: found.start] + mark(found.kind) + once[found.end :]
    masked, counts = MaskPii("ko").masked(text)
    assert [found.kind for found in finder(once)] == ["phone"]
    assert once != masked
    assert finder(masked) == []
    assert (masked, dict(counts)) == ("[비밀키][전화번호]", {"private_key": 1, "phone": 1})


def test_long_texts_are_no_trouble():
    for text, expected in (
        ("1234567890" * 50_000, ""),
        ("a@" * 200_000, ""),
        # One key whose end was cut off.
        ("-----BEGIN PRIVATE KEY-----" * 10_000, "private_key"),
        ("010-" * 100_000, ""),
        ("eyJa." * 50_000, ""),
        ("sk-" + "a-" * 200_000, ""),
        ("계좌번호 1-" * 50_000, ""),
    ):
        assert kinds(text) == expected
        # A number behind all of it is still found.
        assert kinds(f"{text} 문의는 02-345-6789입니다.") == "+".join(filter(None, ("phone", expected)))


def test_they_are_steps_like_others():
    for step in (Pii("ko"), MaskPii("ko", ("phone",))):
        assert pickle.loads(pickle.dumps(step)) == step
    steps = [Pii("ko"), Pii("ja"), Pii("ko", ("email",)), MaskPii("ko")]
    assert len({repr(step.identity()) for step in steps}) == len(steps)
