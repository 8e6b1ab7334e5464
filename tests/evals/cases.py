"""Awkward outputs with verdicts that were found by hand, for each of three protocols.

C correct, W wrong, U unparsed, J unjudged. A string of three is paper, last-box, mmath. A score counts U as wrong and leaves J out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

SEASONS = ("봄", "여름", "가을", "겨울")


class Case(NamedTuple):
    name: str
    gold: str
    response: str
    verdicts: str
    fields: dict[str, Any] = {}  # noqa: RUF012  # a NamedTuple has no factories, and nobody changes it


def thought(answer: str) -> str:
    return f"<think>\n하나씩 계산해 보자.\n</think>\n\n{answer}"


def choice(name: str, gold: str, answer: str, verdicts: str) -> Case:
    return Case(name, gold, thought(answer), verdicts, {"options": list(SEASONS)})


CASES = (
    # Boxes and thinking
    Case("one box", "12", thought("답은 \\boxed{12}입니다."), "CCC"),
    Case("another number", "12", thought("답은 \\boxed{13}입니다."), "WWW"),
    Case("box in the thinking alone", "12", "<think>\\boxed{12}</think>답은 12입니다.", "UUC"),
    Case("box in the thinking alone, no number behind", "12", "<think>\\boxed{12}</think>위와 같습니다.", "UUU"),
    Case("right in the thinking, wrong behind", "12", "<think>\\boxed{12}</think>\\boxed{7}", "WWW"),
    Case("wrong in the thinking, right behind", "12", "<think>\\boxed{7}</think>\\boxed{12}", "CCC"),
    Case("two boxes, the first right", "12", thought("\\boxed{12} 또는 \\boxed{7}"), "CWW"),
    Case("two boxes, the last right", "12", thought("\\boxed{7}, 아니 \\boxed{12}"), "WCC"),
    Case("the same box twice", "12", thought("\\boxed{12} 즉 \\boxed{12}"), "CCC"),
    Case("unclosed thinking with a box", "12", "<think>답은 \\boxed{12}", "UUU"),
    Case("unclosed thinking", "12", "<think>아직 생각하는 중 12", "UUU"),
    Case("looping thinking", "12", "<think>" + "다시 \\boxed{12} " * 50, "UUU"),
    Case("no tag, a box", "12", "답은 \\boxed{12}입니다.", "CCC"),
    Case("no tag, no box", "12", "답은 12입니다.", "UUC"),
    Case("only the closing tag", "12", "계산하면 12</think>\\boxed{12}", "CCC"),
    Case("nothing behind the closing tag", "12", "<think>12</think>", "UUU"),
    Case("blanks behind the closing tag", "12", "<think>12</think> \n\n ", "UUU"),
    Case("only a closing tag", "12", "</think>", "UUU"),
    Case("empty", "12", "", "UUU"),
    Case("blank", "12", " \n\t ", "UUU"),
    Case("two thinks, a box behind each", "12", "<think>a</think>\\boxed{1}<think>b</think>\\boxed{12}", "WCC"),
    Case("a box in the second think", "12", "<think>a</think>\\boxed{12}<think>\\boxed{7}</think>끝", "CCC"),
    Case("a second think without an end", "12", "<think>a</think>\\boxed{12}<think>다시 \\boxed{7}", "CCC"),
    Case("a tag quoted in code", "12", "`<think>` 없이 풀면 \\boxed{12}", "CCC"),
    # Boxes that are cut, empty, or nested
    Case("cut before the brace closes", "12", thought("답은 \\boxed{12"), "UUC"),
    Case("cut right behind \\boxed", "12", thought("답은 \\boxed"), "UUU"),
    Case("cut behind the box", "12", thought("답은 \\boxed{12}입니다. 왜냐하"), "CCC"),
    Case("an empty box", "12", thought("답은 \\boxed{}입니다."), "UUU"),
    Case("a placeholder", "12", thought("답은 \\boxed{...}입니다."), "UUU"),
    Case("a placeholder before the box", "12", thought("\\boxed{...}에 쓰면 \\boxed{12}"), "CCC"),
    Case("an empty box behind the box", "12", thought("\\boxed{12} \\boxed{}"), "CCC"),
    Case("a box in a box", "12", thought("\\boxed{\\boxed{12}}"), "CCC"),
    Case("fbox", "12", thought("\\fbox{12}"), "CCC"),
    Case("without braces", "12", thought("답: \\boxed 12"), "CCC"),
    Case("in a formula", "12", thought("$$\\boxed{12}$$"), "CCC"),
    Case("text in the box", "12", thought("\\boxed{\\text{12}}"), "CCC"),
    Case("words in the box", "12", thought("\\boxed{잘 모르겠다}"), "UUU"),
    Case("far too much in the box", "12", thought("\\boxed{" + "9" * 3000 + "}"), "UUU"),
    # Without a box
    Case("English sentence", "12", thought("The final answer is 12."), "UUC"),
    Case("another number stands last", "17", thought("12 + 5 = 17, within 3 days"), "UUW"),
    Case("thousands", "1234", thought("모두 1,234"), "UUC"),
    Case("below zero", "-5", thought("답: -5"), "UUC"),
    Case("decimals", "3.5", thought("약 3.50"), "UUC"),
    Case("bold", "12", thought("**12**"), "UUC"),
    Case("no number at all", "12", thought("모르겠습니다."), "UUU"),
    # Numbers
    Case("Korean numerals with digits", "35000", thought("\\boxed{3만 5천 원}"), "CCC"),
    Case("a Korean number word", "12", thought("\\boxed{열두 마리}"), "CCC"),
    Case("a Sino-Korean number word", "12", thought("\\boxed{십이}"), "CCC"),
    Case("a counter", "12", thought("\\boxed{12마리}"), "CCC"),
    Case("a sentence's end", "12", thought("\\boxed{12개입니다}"), "CCC"),
    Case("a Korean fraction", "1/2", thought("\\boxed{2분의 1}"), "CCC"),
    Case("a fraction for a decimal", "0.5", thought("\\boxed{\\frac{1}{2}}"), "CCC"),
    Case("thousands in the box", "1200", thought("\\boxed{1,200}"), "CCC"),
    Case("a whole decimal", "12", thought("\\boxed{12.0}"), "CCC"),
    Case("full-width digits", "12", thought("\\boxed{１２}"), "CCC"),
    Case("an equation", "12", thought("\\boxed{x = 12}"), "CCC"),
    Case("the other sign", "12", thought("\\boxed{-12}"), "WWW"),
    Case("another unit", "12 cm", thought("\\boxed{12 kg}"), "WWW"),
    Case("a number as gold", "12", thought("\\boxed{12}"), "CCC", {"gold": 12}),
    # Expressions and words
    Case("equivalent", "x^2-1", thought("\\boxed{(x-1)(x+1)}"), "CCC"),
    Case("not equivalent", "x^2-1", thought("\\boxed{x^2}"), "WWW"),
    Case("another interval", "(1, 3]", thought("\\boxed{(1, 3)}"), "WWW"),
    Case("another order", "(1, 2)", thought("\\boxed{(2, 1)}"), "WWW"),
    Case("the gold's words", "서울", thought("\\boxed{서울}"), "CCC"),
    Case("other words, which may mean the same", "서울", thought("\\boxed{한양}"), "JJJ"),
    Case("an open question", "서울", thought("\\boxed{서울}"), "JJJ", {"kind": "open"}),
    # Multiple choice
    choice("letter for number", "3", "\\boxed{C}", "CCC"),
    choice("circled number for letter", "C", "정답은 \\boxed{③}", "CCC"),
    choice("Hangul label", "3", "\\boxed{다}", "CCC"),
    choice("the option's text", "3", "\\boxed{가을}", "CCC"),
    choice("label and text", "3", "\\boxed{C. 가을}", "CCC"),
    choice("another letter", "3", "\\boxed{B}", "WWW"),
    choice("a label that no option has", "3", "\\boxed{F}", "WWW"),
    choice("several labels", "1", "\\boxed{A, B}", "UUU"),
    choice("label and text contradict", "3", "\\boxed{C. 봄}", "UUU"),
    choice("a letter without a box", "3", "정답은 C", "UUU"),
    choice("a number without a box", "3", "정답은 3번", "UUC"),
    choice("two boxes", "3", "\\boxed{B}에서 \\boxed{C}로", "WCC"),
    Case("letters without options", "A", thought("\\boxed{(A)}"), "CCC"),
    Case("a number for a letter, without options", "B", thought("\\boxed{2}"), "CCC"),
)
PROTOCOLS = ("paper", "last-box", "mmath")
VERDICTS = {"C": "correct", "W": "wrong", "U": "unparsed", "J": "unjudged"}


def lines(cases: tuple[Case, ...] = CASES, field: str = "response") -> list[dict[str, Any]]:
    """The cases as `--score` reads them."""
    return [{"id": case.name, "gold": case.gold, field: case.response, **case.fields} for case in cases]
