"""Exact duplicates: which texts are one, who survives, and that a group of any size is read once."""

from __future__ import annotations

import functools
import itertools
import pickle
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yisang.filters.duplicates import exact_key, keep_first, normalise, survivor_order
from yisang.records import Drop, Example, Licence, Message, Page, Prompt, Trace


def prompt(text: str, id: str = "p", letter: str = "A", options: tuple[str, ...] = ()) -> Prompt:
    terms = Licence(id="x", letter=letter, evidence="e")
    return Prompt(id=id, text=text, language="ko", licence=terms, options=options)


def trace(question: str, text: str) -> Trace:
    return Trace(id="p/0", prompt=prompt(question), sample=0, text=text, teacher="t", revision="1")


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("  a\t b\n\nc ", "a b c"),
        ("a\u3000b\u00a0c", "a b c"),
        ("ABC Straße", "abc strasse"),
        ("\u0390", "\u0390"),  # folding takes it apart, so NFC comes last
        (unicodedata.normalize("NFD", "한글 É"), "한글 é"),
        ("a, b. 1", "a, b. 1"),  # signs and digits tell questions apart
        ("", ""),
    ],
)
def test_normalised(text, normal):
    assert normalise(text) == normal


@pytest.mark.parametrize(
    ("policy", "normal"),
    [
        ({"casefold": False}, "A b"),
        ({"collapse": False}, "a \n b"),
        ({"casefold": False, "collapse": False}, "A \n b"),
    ],
)
def test_the_policy_is_a_parameter(policy, normal):
    assert normalise("A \n b", **policy) == normal


tricky = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("ͅάᾳŉİıßﬀΣς ㅎㅏㄴ")), max_size=20)


@given(tricky, st.booleans(), st.booleans())
def test_normalising_twice_is_normalising_once(text, casefold, collapse):
    once = normalise(text, casefold=casefold, collapse=collapse)
    assert normalise(once, casefold=casefold, collapse=collapse) == once


@given(tricky)
def test_the_form_of_a_text_makes_no_difference(text):
    assert normalise(unicodedata.normalize("NFD", text)) == normalise(unicodedata.normalize("NFC", text))


def test_prompts_that_differ_in_case_and_blanks_have_one_key():
    assert exact_key(prompt("List  정렬", "a")) == exact_key(prompt("list\n정렬 ", "b"))
    assert exact_key(prompt("list 정렬")) != exact_key(prompt("list정렬"))


def test_another_policy_is_another_key():
    strict = functools.partial(exact_key, casefold=False)
    assert strict(prompt("List")) != strict(prompt("list"))


def test_exam_questions_that_differ_in_their_options_alone_are_two():
    text = "다음 중 옳은 것은?"
    assert exact_key(prompt(text, options=("가", "나"))) != exact_key(prompt(text, options=("가", "다")))
    assert exact_key(prompt(text, options=("가", "나"))) == exact_key(prompt(text, options=("가 ", "나")))
    assert exact_key(prompt(text, options=("가 나",))) != exact_key(prompt(text, options=("가", "나")))


def test_traces_are_one_only_for_one_question():
    assert exact_key(trace("q", "a")) == exact_key(trace("Q", "A"))
    assert exact_key(trace("q", "a")) != exact_key(trace("r", "a"))
    assert exact_key(trace("q", "a")) != exact_key(trace("q", "b"))


def test_pages_are_compared_by_their_bytes():
    assert exact_key(Page(id="a", url="u", body=b"x")) == exact_key(Page(id="b", url="v", body=b"x"))
    assert exact_key(Page(id="a", url="u", body=b"x")) != exact_key(Page(id="a", url="u", body=b"X"))


def test_examples_are_compared_by_their_messages():
    def example(*messages: Message) -> Example:
        return Example(id="e", messages=messages, prompt_id="p", trace_id="t", trace=trace("q", "a"))

    assert exact_key(example(Message("user", "Q"))) == exact_key(example(Message("user", "q ")))
    assert exact_key(example(Message("user", "q"))) != exact_key(example(Message("system", "q")))


def test_the_survivor_is_the_freest_then_the_longest_then_the_first_id():
    ranked = [
        prompt("aa", "2"),
        prompt("a", "1"),
        prompt("a", "3"),
        prompt("a" * 100, "0", "B"),
        prompt("a" * 9, "0", "B"),
        prompt("a" * 1000, "0", "C"),
    ]
    for order in itertools.permutations(ranked):
        assert sorted(order, key=survivor_order) == ranked


def test_length_is_compared_as_a_number():
    # 9 before 10 as text: the twin that would be wrong
    assert survivor_order(prompt("a" * 10)) < survivor_order(prompt("a" * 9))
    assert str(-10) < str(-9)
    assert str(10) < str(9)


def test_options_count_towards_the_length():
    assert survivor_order(prompt("a", options=("bc",))) < survivor_order(prompt("a"))
    assert survivor_order(Page(id="a", url="u", body=b"xx")) < survivor_order(Page(id="a", url="u", body=b"x"))


def test_the_first_stays_and_the_others_name_it():
    a, b, c = (prompt("x", id) for id in "abc")
    assert list(keep_first(iter([a, b, c]))) == [
        a,
        Drop("exact_duplicate", {"survivor": "a"}, record=b),
        Drop("exact_duplicate", {"survivor": "a"}, record=c),
    ]
    assert list(keep_first(iter([]))) == []


def check_streams(keep) -> None:
    alive = 0

    def endless():
        nonlocal alive
        for number in itertools.count():
            alive = number
            yield prompt("x", str(number))

    out = keep(endless())
    for number in range(100):
        next(out)
        assert alive == number  # nothing was read ahead


def test_a_group_is_never_held():
    check_streams(keep_first)


def test_a_function_that_reads_ahead_would_be_seen():
    def reads_ahead(records):
        return keep_first(iter(list(itertools.islice(records, 200))))

    with pytest.raises(AssertionError):
        check_streams(reads_ahead)


def test_the_parts_can_be_sent_to_workers():
    for part in (exact_key, survivor_order, keep_first, functools.partial(exact_key, casefold=False)):
        pickle.loads(pickle.dumps(part))
