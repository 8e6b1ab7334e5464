"""The second family: addition of two long numbers with a scratchpad of digits and carries, from the right.

    357 + 684:  7 + 4 + 0 = 11, 5 + 8 + 1 = 14, 3 + 6 + 1 = 10  →  1041

A decoder of 100,000 parameters learns three digits in a thousand steps, so trainers and rewards can be tested on it (on
scratchpads and reversed digits: Lee et al., "Teaching Arithmetic to Small Transformers", arXiv 2307.03381). The
scratchpad is digits alone and the same in every language.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from yisang.errors import UsageError
from yisang.languages import load
from yisang.records import Prompt, content_id
from yisang.tasks.draw import Draw
from yisang.tasks.problems import LICENCE
from yisang.tasks.solutions import boxed_number
from yisang.tasks.traces import response
from yisang.tasks.wording import grammar

CONTEXT = "addition"
MAX_DIGITS = 100
_STEP = re.compile(r"(?<!\d)(\d)\s*\+\s*(\d)\s*\+\s*(\d)\s*=\s*(\d{1,2})(?!\d)")


@dataclass(frozen=True)
class Sum:
    """Two numbers of `digits` digits, the first digit of each above 0."""

    language: str
    digits: int
    a: int
    b: int

    @property
    def question(self) -> str:
        spoken = grammar(self.language)
        return spoken.fill(spoken.addition, a=str(self.a), b=str(self.b))

    @property
    def steps(self) -> list[tuple[int, int, int, int]]:
        """(digit, digit, carry in, their sum) from the right."""
        carry, found = 0, []
        for place in range(self.digits):
            x, y = self.a // 10**place % 10, self.b // 10**place % 10
            found.append((x, y, carry, x + y + carry))
            carry = (x + y + carry) // 10
        return found

    def written(self, leave_out: int = -1) -> tuple[str, str]:
        """(think, answer) of the gold solution; without the step at the place `leave_out`."""
        spoken = grammar(self.language)
        steps = [step for place, step in enumerate(self.steps) if place != leave_out]
        think = ", ".join(f"{x} + {y} + {carry} = {total}" for x, y, carry, total in steps)
        return think, spoken.fill(spoken.trace["answer"], n=str(self.a + self.b))

    @property
    def trace(self) -> str:
        """The gold response."""
        return response(*self.written())

    def to_json(self) -> dict[str, Any]:
        return {
            "id": content_id("addition", self.question),
            "lang": self.language,
            "context": CONTEXT,
            "ops": self.digits,
            "question": self.question,
            "answer": str(self.a + self.b),
            "graph": {"a": self.a, "b": self.b, "digits": self.digits},
            "trace": self.trace,
        }

    def prompt(self, source: str, category: str = "task", split: str = "") -> Prompt:
        found = self.to_json()
        return Prompt(
            id=found["id"],
            text=self.question,
            language=self.language,
            kind="task",
            gold=found["answer"],
            graph={"context": CONTEXT, **found["graph"]},
            source=source,
            category=category,
            licence=LICENCE,
            split=split,
        )


def make_sum(language: str, low: int, high: int, seed: int, index: int) -> Sum:
    """The sum of this index, of low to high digits, drawn evenly."""
    if not 1 <= low <= high <= MAX_DIGITS:
        raise UsageError(f"Sums of {low} to {high} digits are no range within 1-{MAX_DIGITS}.")
    draw = Draw("addition", low, high, seed, index)
    digits = draw.between(low, high)

    def number() -> int:
        return int("".join(str(draw.between(place == 0, 9)) for place in range(digits)))

    return Sum(language, digits, number(), number())


def recognise_sum(text: str, languages: Sequence[str]) -> Sum | None:
    """The sum that a text asks for, as a whole or in a line of its own; None where it asks for none."""
    for line in dict.fromkeys([text, *text.splitlines()]):
        for language in languages:
            found = _question(language, load(language).digest).fullmatch(line.strip())
            if found and len(found["a"]) == len(found["b"]) <= MAX_DIGITS:
                return Sum(language, len(found["a"]), int(found["a"]), int(found["b"]))
    return None


@functools.cache
def _question(language: str, digest: str) -> re.Pattern[str]:
    asked = grammar(language).addition
    parts = [re.escape(part) for part in re.split(r"\{[ab](?::[^{}]*)?\}", asked)]
    endings = [
        f"(?:{'|'.join(map(re.escape, pair.split('/')))})" if pair else ""
        for pair in re.findall(r"\{[ab](?::([^{}]*))?\}", asked)
    ]
    return re.compile(rf"{parts[0]}(?P<a>\d+){endings[0]}{parts[1]}(?P<b>\d+){endings[1]}{parts[2]}")


@dataclass(frozen=True)
class SumVerification:
    """Which steps of the scratchpad are right, each looked for in its place."""

    right: int
    steps: int
    written: int
    answer: Fraction | None
    answer_correct: bool

    @property
    def process_acc(self) -> float:
        return self.right / self.steps

    @property
    def verified(self) -> bool:
        return self.answer_correct and self.right == self.steps == self.written

    def to_json(self) -> dict[str, Any]:
        wrong = (
            {"steps": [self.right, self.steps, self.written]} if not self.right == self.steps == self.written else {}
        )
        return {
            "process_acc": self.process_acc,
            "answer_correct": self.answer_correct,
            "verified": self.verified,
            "mismatches": wrong,
        }


def verify_sum(a: int, b: int, digits: int, text: str) -> SumVerification:
    """A response beside the scratchpad of a + b."""
    head, closed, tail = text.rpartition("</think>")
    gold = Sum("en", digits, a, b).steps
    written = [tuple(map(int, step)) for step in _STEP.findall(head if closed else text)]
    answer = boxed_number(tail if closed else text)
    right = sum(step == wanted for step, wanted in zip(written, gold, strict=False))
    return SumVerification(right, len(gold), len(written), answer, answer == a + b)
