"""What the samples of one prompt say together: agreement, pass rate, and the best of them.

    Group(key=prompt_of, fn=Agreement("ko"))
    Group(key=prompt_of, fn=PassRate("grade", passed=("correct",), failed=("wrong",)))
    Group(key=prompt_of, fn=BestOf(by=("process=verified", "-completion_tokens")))

Each takes the traces of one prompt at a time. The first two keep every trace and add measures, so that thresholds stay in
the recipe; the last decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from yisang.errors import UsageError
from yisang.filters.grade import GraderFailed, words_of
from yisang.filters.stored import number, verdict
from yisang.grading import DEFAULTS, GradeSettings, final_answer, grade
from yisang.records import Drop, Prompt, Trace, with_measures

_HINT = "Add the check that stores it before the Group, or mend the name."


def prompt_of(trace: Trace) -> str:
    """The key of the groups that the functions here want."""
    return trace.prompt.id


@dataclass(frozen=True)
class Agreement:
    """Measures `agreement`: the share of the prompt's answers that say what this trace says (self-consistency, arXiv
    2203.11171), and `answers`: how many of its traces hold a final answer that can be read.

    Two answers are the same where the grader calls one right with the other as the gold, or their words are equal; so 1/2
    and 0.5 agree. None for a trace without a final answer, and for code, which only tests can compare. All traces of a
    prompt count, those that were cut off too, but none that holds no answer.

    language: of the prompts; see `yisang.filters.grade.Grade`.
    """

    language: str
    settings: GradeSettings = DEFAULTS

    def identity(self) -> dict[str, Any]:
        return {"language": self.language, "settings": asdict(self.settings), "words": words_of(self.language)}

    def __call__(self, traces: Iterator[Trace]) -> Iterator[Trace]:
        held = _of_one_prompt(traces, "Agreement")
        prompt = held[0].prompt
        said = [
            None if prompt.kind == "code" else final_answer(trace.text, prompt.language, self.settings)
            for trace in held
        ]
        groups: list[tuple[str, list[int]]] = []
        for place, answer in enumerate(said):
            if answer is None:
                continue
            group = next((places for other, places in groups if self._same(prompt, other, held[place], answer)), None)
            if group is None:
                groups.append((answer, [place]))
            else:
                group.append(place)
        read = sum(len(places) for _, places in groups)
        share = {place: len(places) / read for _, places in groups for place in places}
        for place, trace in enumerate(held):
            yield with_measures(trace, {"agreement": share.get(place), "answers": read})

    def _same(self, prompt: Prompt, other: str, trace: Trace, answer: str) -> bool:
        if answer.split() == other.split():
            return True
        # An open question has no form of its own; where its answers are values they are compared as such.
        kind = "math" if prompt.kind in ("open", "task") else prompt.kind
        asked = msgspec.structs.replace(prompt, kind=kind, gold=other, graph=None)
        found = grade(asked, trace.text, self.settings)
        if found.verdict == "infra_error":
            raise GraderFailed(f"The answers to {prompt.id} could not be compared: {found.reason}")
        return found.verdict == "correct"


@dataclass(frozen=True)
class PassRate:
    """Measures `pass_rate`: of the prompt's traces with one of the verdicts `passed` or `failed`, the share that passed; and
    `judged`: how many those are. None where none was judged: what is unparsed or unjudged is neither right nor wrong.

    name: of the verdict, "grade" or "process" with the words of theirs.
    """

    name: str = "grade"
    passed: tuple[str, ...] = ("correct",)
    failed: tuple[str, ...] = ("wrong",)

    def __post_init__(self) -> None:
        if not self.passed or not self.failed or set(self.passed) & set(self.failed):
            raise UsageError("PassRate: passed and failed must each name a verdict, and none in both.")

    def __call__(self, traces: Iterator[Trace]) -> Iterator[Trace]:
        held = _of_one_prompt(traces, "PassRate")
        found = [verdict(trace, self.name, _HINT) for trace in held]
        right, wrong = (sum(word in words for word in found) for words in (self.passed, self.failed))
        rate = right / (right + wrong) if right + wrong else None
        for trace in held:
            yield with_measures(trace, {"pass_rate": rate, "judged": right + wrong})


@dataclass(frozen=True)
class BestOf:
    """Keeps the best `n` traces of a prompt, by columns in the order of their weight; the others are drops that name them.

    by: a measure, more of it is better ("agreement"); with a minus, less ("-completion_tokens"); or a verdict and its wanted word
    ("process=verified"), better where it has it. A measure without a value ranks behind every value. What is equal in all
    columns ranks by sample number.
    """

    by: tuple[str, ...]
    n: int = 1

    def __post_init__(self) -> None:
        if self.n < 1 or not self.by or isinstance(self.by, str) or not all(name.strip("-=") for name in self.by):
            raise UsageError(
                'BestOf: n must be 1 or more, and `by` a tuple of columns such as ("-completion_tokens",).'
            )

    def __call__(self, traces: Iterator[Trace]) -> Iterator[Trace | Drop]:
        held = _of_one_prompt(traces, "BestOf")
        ranked = sorted(held, key=lambda trace: ([self._rank(trace, name) for name in self.by], trace.sample, trace.id))
        kept = {trace.id for trace in ranked[: self.n]}
        for trace in held:
            if trace.id in kept:
                yield trace
            else:
                values = {name: self._value(trace, name) for name in self.by}
                yield Drop("not_best", {"best": ranked[0].id, **values}, record=trace)

    @staticmethod
    def _value(trace: Trace, name: str) -> float | str | None:
        column, sign, _ = name.partition("=")
        return verdict(trace, column, _HINT) if sign else number(trace, name.removeprefix("-"), _HINT)

    def _rank(self, trace: Trace, name: str) -> tuple[bool, float]:
        value = self._value(trace, name)
        if isinstance(value, str):
            return value != name.partition("=")[2], 0.0
        # NaN compares with nothing, so it is treated as no value.
        if value is None or value != value:
            return True, 0.0
        return False, value if name.startswith("-") else -value


def _of_one_prompt(traces: Iterator[Trace], who: str) -> list[Trace]:
    held = list(traces)
    if len({trace.prompt.id for trace in held}) > 1:
        raise ValueError(
            f"{who} was given traces of several prompts. Group by prompt: Group(key=yisang.filters.best_of.prompt_of, fn={who}(...))."
        )
    return held
