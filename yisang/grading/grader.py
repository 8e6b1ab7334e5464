"""`grade`: one answer against its prompt's gold, by the prompt's kind."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace
from typing import Literal

from yisang.errors import UsageError, YisangError
from yisang.grading import answers, choices, programs, symbolic
from yisang.grading.plain import LONGEST, plain
from yisang.grading.values import Order, Quantity, Reading, compare, readings, unwrapped
from yisang.grading.words import Words, words
from yisang.languages.boxes import boxes
from yisang.records import Prompt, nfc
from yisang.tasks.listing import verify_prompt

Verdict = Literal["correct", "wrong", "unparsed", "unjudged", "infra_error"]

DEEPEST = 50
"""Brackets in brackets of an answer that is compared; deeper ones are attacks on the parser. Ours."""
_SHOWN = 300
"""Characters of an answer that a Grade shows."""
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"(?<![A-Za-z\\])[A-Za-z]{4,}")
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{[^{}]*\}(?:\{[lcr|]*\})?")
_FUNCTIONS = {"sqrt", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "rank", "infty"}
_DIGITS = re.compile(r"\d+")
_POWER = re.compile(r"[-+]?[\d.,]+[eE][-+]?\d+")
_STYLED = re.compile(r"\\(?:text|mathrm|textbf|mbox)[a-z]*\s*\{[^{}]*[^\W\d_]{2,}[^{}]*\}")


@dataclass(frozen=True)
class Grade:
    """The outcome for one answer. Only `correct` and `wrong` enter a mean.

    verdict:
        correct      it says what the gold says
        wrong        it says something else
        unparsed     it holds no answer that can be read
        unjudged     it has an answer, and this grader cannot tell: no gold, a gold it cannot read, a comparison that took
                     too long
        infra_error  our own machinery failed; ask again
    reason: a code in snake case, a colon, and words.
    expected, found: the gold and the answer as they were compared.
    """

    verdict: Verdict
    reason: str
    expected: str = ""
    found: str = ""

    @property
    def code(self) -> str:
        return self.reason.partition(":")[0]


@dataclass(frozen=True)
class GradeSettings:
    """How answers are found and compared.

    box:       which box behind the thinking counts. The paper's scorer takes the first (arXiv 2510.04230, appendix C.2),
               MMATH and TRIT the last (arXiv 2505.19126).
    fallback:  where to look when there is no box, in this order: "marker", "whole", "number" (see `answers.unboxed`).
               Off by default: the paper counts an answer without a box as none.
    order:     whether the order of a list matters (see `values`).
    rounding:  decimal places from which on a decimal stands for what it rounds; None: never (see `values`).
    gold_form: what a gold of multiple choice is where it may be both, a label or an option's text (see `choices`).
    exact:     whether equal words are enough for an open question that has a gold.
    seconds:   for one comparison of expressions. SimpleTIR allows as many (arXiv 2509.02479).
    test_seconds: for one run of code, as there.
    process:   whether a right answer to a worded task counts only with every step of its solution right.
    """

    box: answers.Box = "first"
    fallback: tuple[answers.Fallback, ...] = ()
    order: Order = "auto"
    rounding: int | None = 6
    gold_form: choices.GoldForm = "label"
    exact: bool = False
    seconds: float = 5.0
    test_seconds: float = 3.0
    process: bool = False

    def __post_init__(self) -> None:
        known = {
            "box": ("first", "last"),
            "order": ("auto", "ordered", "unordered"),
            "gold_form": ("label", "text"),
        }
        for name, values in known.items():
            if getattr(self, name) not in values:
                raise UsageError(
                    f"GradeSettings: {name} is {getattr(self, name)!r}; it must be one of {', '.join(values)}."
                )
        if isinstance(self.fallback, str) or not set(self.fallback) <= {"marker", "whole", "number"}:
            raise UsageError(f"GradeSettings: fallback is {self.fallback!r}; it is a tuple of marker, whole, number.")
        if self.rounding is not None and not 1 <= self.rounding <= symbolic.EXACT:
            raise UsageError(f"GradeSettings: rounding is {self.rounding}; it must be 1 to {symbolic.EXACT}, or None.")
        if self.seconds <= 0 or self.test_seconds <= 0:
            raise UsageError("GradeSettings: seconds and test_seconds must be above zero.")


DEFAULTS = GradeSettings()


def grade(prompt: Prompt, response: str, settings: GradeSettings = DEFAULTS) -> Grade:
    """Judges a raw answer, its thinking included, against the gold of its prompt.

    That an answer was cut off is not seen here: what it says is judged as far as it says it.
    """
    gold = _gold(prompt)
    if prompt.kind == "open" and not (gold and settings.exact):
        return Grade("unjudged", "open_question: there is no gold that words could be compared with", gold)
    if prompt.kind == "code" and not (prompt.tests or "").strip():
        return Grade("unjudged", "no_tests: the prompt has no tests")
    if prompt.kind != "code" and not gold:
        return Grade("unjudged", "no_gold: the prompt has no gold")
    answer = answers.after_thinking(nfc(response))
    if answer is None:
        return Grade("unparsed", "still_thinking: the thinking never ends", gold)
    if prompt.kind == "code":
        return _code(prompt, answer, settings)
    language = words(prompt.language)
    found = _final(answer, language, settings)
    if found is None:
        return Grade("unparsed", "no_box: no box that is closed and says something", gold)
    if len(found) > LONGEST:
        return Grade("unparsed", f"too_long: {len(found)} characters are no final answer", gold, found[:_SHOWN])
    judged = _judge(prompt, gold, found, language, settings, golden=False)
    if settings.process and prompt.kind == "task" and judged.verdict == "correct":
        return _process(prompt, response, judged)
    return judged


def final_answer(response: str, language: str, settings: GradeSettings = DEFAULTS) -> str | None:
    """What a raw answer gives as its final answer, as `grade` finds it; None where it holds none."""
    answer = answers.after_thinking(nfc(response))
    return None if answer is None else _final(answer, words(language), settings)


def _final(answer: str, language: Words, settings: GradeSettings) -> str | None:
    found = answers.boxed(answer, settings.box)
    return answers.unboxed(answer, settings.fallback, language) if found is None else found


def _process(prompt: Prompt, response: str, judged: Grade) -> Grade:
    if prompt.graph is None:
        return replace(judged, verdict="unjudged", reason="no_graph: the task has no solution graph to compare with")
    try:
        verified, flaws = verify_prompt(prompt.graph, prompt.language, response)
    except YisangError as error:
        return replace(judged, verdict="unjudged", reason=f"bad_graph: {error}")
    return judged if verified else replace(judged, verdict="wrong", reason=f"flawed_process: {flaws}")


def check_gold(prompt: Prompt, settings: GradeSettings = DEFAULTS) -> Grade:
    """Judges the gold by its own grader. Anything but `correct` is a row to be looked at.

    That a text equals itself is not enough here: the gold must be one that is read. For code, `gold` is a solution.
    """
    gold = _gold(prompt)
    if prompt.kind == "open" or not gold:
        return grade(prompt, f"\\boxed{{{gold}}}", settings)
    if prompt.kind == "code":
        return grade(prompt, gold if programs.program(gold) else f"```python\n{gold}\n```", settings)
    if boxes(f"\\boxed{{{gold}}}") != [gold]:
        return Grade("unjudged", "gold_unbalanced: its braces do not pair, so no box can hold it", gold)
    return _judge(prompt, gold, gold, words(prompt.language), settings, golden=True)


def _gold(prompt: Prompt) -> str:
    r"""The gold; what its last box holds, where it is a whole solution."""
    gold = nfc(prompt.gold or "").strip()
    return answers.boxed(gold, "last") or gold if "\\" in gold and prompt.kind != "code" else gold


def _judge(prompt: Prompt, gold: str, found: str, language: Words, settings: GradeSettings, golden: bool) -> Grade:
    if len(gold) > LONGEST:
        return Grade("unjudged", f"gold_too_long: {len(gold)} characters", gold[:_SHOWN], found)
    if max(_depth(gold), _depth(found)) > DEEPEST:
        verdict: Verdict = "unjudged" if _depth(gold) > DEEPEST else "unparsed"
        return Grade(verdict, f"too_deep: more than {DEEPEST} brackets in each other", gold[:_SHOWN], found[:_SHOWN])
    if prompt.kind == "mcq":
        verdict, reason = _chosen(prompt, gold, found, language, settings)
    elif prompt.kind == "open":
        same = _form(plain(gold)) == _form(plain(found))
        verdict, reason = (
            ("correct", "same_text: the words are equal") if same else ("wrong", "text_differs: other words")
        )
    else:
        verdict, reason = _expression(gold, found, language, settings, golden)
    return Grade(verdict, reason, gold[:_SHOWN], found[:_SHOWN])


def _chosen(prompt: Prompt, gold: str, found: str, language: Words, settings: GradeSettings) -> tuple[Verdict, str]:
    right = _right(gold, prompt.options, language)
    meant = choices.gold_options(right, prompt.options, settings.gold_form)
    if not meant:
        return "unjudged", "gold_unreadable: it names no option"
    result = choices.judge(right, meant, choices.choice(plain(found), prompt.options, language))
    return {
        "correct": ("correct", "same_option: it chooses the gold's option"),
        "wrong": ("wrong", "other_option: it chooses another option"),
        "several": ("unparsed", "several_options: it names several options"),
        "ambiguous": ("unparsed", "label_or_text: it is the label of one option and the text of another"),
        "contradiction": ("unparsed", "label_and_text: its label and its text are of two options"),
        "unreadable": ("unparsed", "no_option: it names no option"),
    }[result]  # type: ignore[return-value]


@functools.lru_cache(maxsize=1_024)
def _right(gold: str, options: tuple[str, ...], language: Words) -> choices.Choice:
    """What a gold chooses: it is read for every answer to its question."""
    return choices.choice(plain(gold), options, language)


def _expression(gold: str, found: str, language: Words, settings: GradeSettings, golden: bool) -> tuple[Verdict, str]:
    """From the cheap to the dear: equal text, equal value, words, and Math-Verify for the rest."""
    one, other = plain(gold), plain(found)
    one_form, other_form = _form(unwrapped(one, language)), _form(unwrapped(other, language))
    if one_form and one_form == other_form and not golden:
        return "correct", "same_text: the texts are equal"
    right, said = readings(one, language, gold=True), readings(other, language, gold=golden)
    outcome = compare(right, said, settings.order, settings.rounding, language)
    if outcome == "equal":
        return "correct", "same_value: the values are equal"
    if outcome == "different":
        return "wrong", "other_value: another value"
    if outcome == "unit":
        return "wrong", "other_unit: a unit of something else"
    if outcome == "unclear":
        return "unjudged", "unit_unclear: the units, or words for them, cannot be compared"
    if (not right.values or right.wordy) and _is_words(gold, one):
        if one_form == other_form:
            return "correct", "same_text: the words are equal"
        if other_form and (one_form in other_form or other_form in one_form):
            return "unjudged", "text_overlaps: one is a part of the other"
        return "unjudged", "text_differs: other words, which may mean the same"
    if _foreign(one):
        if one_form == other_form:
            return "correct", "same_text: the texts are equal"
        if _DIGITS.sub("0", one_form) == _DIGITS.sub("0", other_form):
            return "wrong", "other_value: the words are the gold's, and the numbers are not"
        return "unjudged", "gold_unreadable: words and signs that cannot be read together"
    if _foreign(other) or _words_in(other) or _POWER.fullmatch(other):
        return "unparsed", "unreadable: words and signs that cannot be read together"
    return _symbolic(_radians(gold, right, other), _radians(found, said, one), settings)


def _radians(text: str, reading: Reading, beside: str) -> str:
    """An angle in degrees as one in radians, where it stands beside one with pi."""
    value = reading.values[0] if reading.values else None
    if "\\pi" not in beside and "π" not in beside:
        return text
    if not isinstance(value, Quantity) or value.unit is None or value.unit.dimension != "degrees":
        return text
    return f"\\frac{{{value.value.numerator}\\pi}}{{{180 * value.value.denominator}}}"


def _symbolic(gold: str, found: str, settings: GradeSettings) -> tuple[Verdict, str]:
    result = symbolic.CHILD.compare(
        symbolic.latex(gold), symbolic.latex(found), settings.seconds, settings.rounding, allow_set_relation_comp=True
    )
    verdicts: dict[symbolic.Symbolic, tuple[Verdict, str]] = {
        "equal": ("correct", "equivalent: the expressions are equivalent"),
        "different": ("wrong", "not_equivalent: the expressions are not equivalent"),
        "gold": ("unjudged", "gold_unreadable: it is no expression"),
        "answer": ("unparsed", "unreadable: it is no expression"),
        "error": ("unjudged", "comparison_failed: the two expressions cannot be compared"),
        "memory": ("unjudged", "too_large: the comparison needs more memory than it gets"),
        "timeout": ("unjudged", f"timeout: not compared within {settings.seconds:g} s"),
        "died": ("infra_error", "child_died: run `python -m yisang.grading.worker` to see whether it starts"),
    }
    return verdicts[result]


def _code(prompt: Prompt, answer: str, settings: GradeSettings) -> Grade:
    code = programs.program(answer)
    if code is None:
        return Grade("unparsed", "no_code: no fenced block of Python")
    try:
        verdict, reason = programs.judge(code, prompt.tests or "", settings.test_seconds)
    except ValueError as error:
        return Grade("unjudged", f"bad_tests: {error}", found=code[:_SHOWN])
    return Grade(verdict, reason, found=code[:_SHOWN])


def _is_words(text: str, plain_text: str) -> bool:
    """Whether a gold says words, not an expression."""
    if any(sign.isdigit() for sign in plain_text) or "=" in plain_text:
        return False
    return bool(_STYLED.search(text)) or _words_in(plain_text) or _foreign(plain_text)


def _words_in(plain_text: str) -> bool:
    """Whether Latin words stand in it, which Math-Verify would skip or take for products of variables."""
    return any(word.lower() not in _FUNCTIONS for word in _WORD.findall(_ENVIRONMENT.sub(" ", plain_text)))


def _foreign(plain_text: str) -> bool:
    """Whether letters stand in it that no formula has: neither Latin nor Greek."""
    return any(ord(sign) > 0x3FF and sign.isalpha() for sign in plain_text)


def _depth(text: str) -> int:
    depth = deepest = 0
    for sign in text:
        depth += (sign in "([{") - (sign in ")]}")
        deepest = max(deepest, depth)
    return deepest


def _form(text: str) -> str:
    """For comparing texts: blanks are one, and without digits none; case matters where a letter may be a variable."""
    text = " ".join(text.split())
    if not any(sign.isdigit() for sign in text):
        text = text.replace(" ", "")
    return text.casefold() if len(_LETTER.findall(text)) > 3 and "\\" not in text else text
