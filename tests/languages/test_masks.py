"""Masks: what a translation must not touch is behind marks, and comes back byte for byte."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yisang.languages.masks import MARK, Held, mark, marks_in, mask, parts, restore, tidied, without_marks

KO = ("가나다라마바사아자차카타파하", "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ")

# (text, what is held, by kind)
CASES = [
    ("Find $x^2$ for x.", [("latex", "$x^2$")]),
    ("Let \\(a\\) and \\[b\\] be.", [("latex", "\\(a\\)"), ("latex", "\\[b\\]")]),
    ("a \\begin{cases} 1 \\\\ 2 \\end{cases} b", [("latex", "\\begin{cases} 1 \\\\ 2 \\end{cases}")]),
    ("Put it in \\boxed{the answer}.", [("latex", "\\boxed{the answer}")]),
    ("Is \\frac{1}{2}\\pi near \\sqrt[3]{5}?", [("latex", "\\frac{1}{2}\\pi"), ("latex", "\\sqrt[3]{5}")]),
    ("\\textbf{Find the sum} of \\emph{$x$}", [("latex", "\\textbf"), ("latex", "\\emph{$x$}")]),
    ("\\textbf{합을 구하라}", [("latex", "\\textbf")]),
    ("costs $5 and $10", []),
    ("run `a $b$` now", [("code", "`a $b$`")]),
    ("x\n```py\n(A) 1\n```\ny", [("code", "```py\n(A) 1\n```")]),
    ("see https://a.example/b?c=1, or (https://a.example/d).", [("url", "https://a.example/b?c=1"), ("url", "https://a.example/d")]),
    ("see https://a.example/(b) now", [("url", "https://a.example/(b)")]),
    ("what ⟦3⟧ looks like", [("mark", "⟦3⟧")]),
    ("what ⟦ 3 ⟧ and ⟦３⟧ look like", [("mark", "⟦ 3 ⟧"), ("mark", "⟦３⟧")]),
    ("say </TRANSLATION> and <think>", [("mark", "</TRANSLATION>"), ("mark", "<think>")]),
    # labels
    ("Which?\n(A) one\n(B) two", [("label", "(A)"), ("label", "(B)")]),
    ("A. one\nB. two", [("label", "A."), ("label", "B.")]),
    ("A) one\nB) two\nC: three", [("label", "A)"), ("label", "B)"), ("label", "C:")]),
    ("1) one\n2. two", [("label", "1)"), ("label", "2.")]),
    ("①one, and ②two", [("label", "①"), ("label", "②")]),
    ("the step ② of it", []),
    ("① one ② two", [("label", "①"), ("label", "②")]),
    ("Which? (A) 1 (B) 2 (C) 3", [("label", "(A)"), ("label", "(B)"), ("label", "(C)")]),
    ("Which? A) 1 B) 2", [("label", "A)"), ("label", "B)")]),
    ("- **(a)** one\n- **(b)** two", [("label", "(a)"), ("label", "(b)")]),
    ("(i) one\n(ii) two", [("label", "(i)"), ("label", "(ii)")]),
    ("가. 하나\n나. 둘", [("label", "가."), ("label", "나.")]),
    ("ㄱ. 하나\n(ㄴ) 둘", [("label", "ㄱ."), ("label", "(ㄴ)")]),
    ("A.$x$", [("label", "A."), ("latex", "$x$")]),
    # what only looks like one
    ("3.5 metres", []),
    ("The sum is 1. The product is 2. It ends.", []),
    ("the point (3, 1) and (4, 2)", []),
    ("f(a) and f(b)", []),
    ("Only (B) is named.", []),
    ("e.g. this", []),
    ("1998. A year", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "held"), CASES)
def test_what_is_held(text: str, held: list[tuple[str, str]]) -> None:
    masked = mask(text, KO)
    assert [(part.kind, part.text) for part in masked.held] == held
    assert restore(masked.text, masked.held) == text


def test_marks_are_numbered_in_the_order_of_the_text() -> None:
    masked = mask("(A) $x$ and `y`\n(B) https://a.example")
    assert masked.text == "⟦1⟧ ⟦2⟧ and ⟦3⟧\n⟦4⟧ ⟦5⟧"
    assert masked.labels == (1, 4)
    assert mask("$x$", first=7) == mask("$x$").__class__("⟦7⟧", (Held("latex", "$x$"),))


def test_series_of_labels_are_those_of_the_language() -> None:
    assert mask("가. 하나").held == ()
    assert mask("가. 하나", KO).held == (Held("label", "가."),)


def test_a_mark_that_stands_for_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="⟦2⟧ stands for nothing; there are 1 marks"):
        restore("a ⟦2⟧", (Held("code", "`x`"),))
    with pytest.raises(ValueError, match="⟦0⟧"):
        restore("⟦0⟧", (Held("code", "`x`"),))


def test_the_order_of_marks_may_change() -> None:
    masked = mask("Find $f$ at $x$.")
    assert restore(f"{mark(2)}에서 {mark(1)}의 값", masked.held) == "$x$에서 $f$의 값"
    assert marks_in("⟦2⟧에서 ⟦1⟧의 ⟦2⟧") == [2, 1, 2]
    assert without_marks("⟦2⟧에서⟦1⟧의") == " 에서 의"


def test_marks_that_a_teacher_has_spaced_out_are_marks() -> None:
    assert tidied("⟦ 1 ⟧의 값과 ⟦２⟧, ⟦x⟧") == "⟦1⟧의 값과 ⟦2⟧, ⟦x⟧"


PIECES = [
    "`", "``", "```", "~~~", "\n", "\n\n", "$", "$$", "\\", "\\(", "\\)", "\\[", "\\]", "\\begin{a}", "\\end{a}", " ", "{", "}", "\\boxed{",
    "\\frac", "\\text{", "⟦", "⟧", "⟦1⟧", "⟦12⟧", "⟦0⟧", "⟦ 1⟧", "⟦１⟧", "1", "2", "(A)", "(B)", "A.", "B)", "①", "②", "(", ")", "가.", "<TRANSLATION>",
    "</TRANSLATION>", "https://c.example/d", "www.a.example", ".", ",", "word", "words here", "글", "é", "\u200b", "😀", "\r\n", "\t", "[", "]",
]  # fmt: skip
texts = st.one_of(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.text(max_size=60))


@settings(max_examples=500, deadline=None)
@given(texts)
def test_a_masked_text_comes_back_byte_for_byte(text: str) -> None:
    masked = mask(text, KO)
    assert restore(masked.text, masked.held).encode("utf-8", "surrogatepass") == text.encode("utf-8", "surrogatepass")


@settings(max_examples=500, deadline=None)
@given(texts)
def test_each_mark_of_a_masked_text_is_ours_and_stands_once(text: str) -> None:
    masked = mask(text, KO)
    assert marks_in(masked.text) == list(range(1, len(masked.held) + 1))
    assert tidied(masked.text) == masked.text
    # So whoever moves them around, and writes other words between them, gets every part back.
    said = " 말 ".join(mark(number) for number in reversed(range(1, len(masked.held) + 1)))
    assert restore(said, masked.held) == " 말 ".join(part.text for part in reversed(masked.held))


def test_a_finder_that_leaves_lookalikes_alone_would_be_seen() -> None:
    def careless(text: str) -> tuple[str, list[Held]]:
        held = [Held(span.kind, text[span.start : span.end]) for span in parts(text) if span.kind != "mark"]
        for number, part in enumerate(held, 1):
            text = text.replace(part.text, mark(number), 1)
        return text, held

    text = "The sign ⟦1⟧ stands beside $x$."
    masked, held = careless(text)
    assert restore(masked, held) == "The sign $x$ stands beside $x$."  # not what was masked
    whole = mask(text)
    assert restore(whole.text, whole.held) == text


@settings(max_examples=200, deadline=None)
@given(texts)
def test_parts_are_in_order_and_do_not_overlap(text: str) -> None:
    found = parts(text, KO)
    assert all(span.start < span.end for span in found)
    assert all(one.end <= other.start for one, other in itertools.pairwise(found))


def test_no_formula_code_or_address_is_left_outside() -> None:
    text = "Let $a$ be `b`.\n\n```\n$c$\n```\nsee https://d.example/e and \\boxed{f}\n(A) \\(g\\)"
    assert re.sub(r"[\s.]", "", MARK.sub("", mask(text).text)) == "Letbeseeand"


@pytest.mark.parametrize("piece", ["\\a{", "(A) ", "⟦1", "$", "1) ", "\\frac{a}", "①", "[", "```\n", "A. B. "])
def test_ten_thousand_of_anything_come_back(piece: str) -> None:
    """A search that is quadratic in them would hang here."""
    text = piece * 10_000
    masked = mask(text, KO)
    assert restore(masked.text, masked.held) == text
