"""How many calls make an answer: one, one with a bound on thinking, several until checks pass, a second teacher.

A strategy is asked for one sample of one prompt and gives its attempts, the last of which is the one it settled on. All of
them go on as traces, so that the same checks, further down in the recipe, drop those that failed and the books say why.
Every call goes through the answer store, so that a strategy that was killed half-way goes on from what was answered.

Best of n, agreement and pass rate compare finished traces, so they are no strategies but steps of a recipe (`yisang.filters.best_of`).
"""

from __future__ import annotations

import asyncio
import functools
import traceback
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import msgspec

from yisang.errors import UsageError, YisangError
from yisang.filters.cot import CLOSE, OPEN
from yisang.records import Dead, Drop, Message, Prompt, Trace, child_id, strictest, with_measures
from yisang.teachers.asking import Answered, Outcome, Request, rejection
from yisang.teachers.engines.base import TeacherRejected
from yisang.teachers.generation import Generation, Sampling, Teacher, Usage, generation

Check = Callable[[Trace], Any]
"""What an `Each` step takes: it returns the trace with verdicts, measures, or a Drop."""


@dataclass(frozen=True)
class Question:
    """One sample of one prompt that is wanted. `samples`: how many of them; attempt a of sample s is asked as sample
    s + a × samples, so that no two attempts of a prompt share a seed or a place in the store. `first`: the number of the
    attempt that a strategy begins with."""

    prompt: Prompt
    messages: tuple[Message, ...]
    version: str
    sampling: Sampling
    teacher: Teacher
    sample: int = 0
    samples: int = 1
    first: int = 0
    problem: TeacherRejected | None = None

    @property
    def number(self) -> int:
        return self.sample + self.first * self.samples

    def later(self, attempts: int) -> Question:
        return replace(self, first=self.first + attempts)

    def request(self, sampling: Sampling | None = None, more: tuple[Message, ...] = ()) -> Request:
        return Request(
            prompt=self.prompt,
            messages=(*self.messages, *more),
            sampling=sampling or self.sampling,
            sample=self.number,
            problem=self.problem,
        )


class Attempt(NamedTuple):
    """One try: what it made, and the number of its last answer in the store."""

    result: Trace | Dead
    number: int


class Ask(Protocol):
    """Has a teacher answer a request, from the store where it can."""

    def __call__(self, teacher: Teacher, request: Request, /) -> Awaitable[Answered]: ...


class Strategy(Protocol):
    """tries: the most attempts that it makes of a sample. teachers: those that it asks beside the recipe's own. first: how the
    first call of a sample is drawn, by which its answer is known in the store."""

    @property
    def tries(self) -> int: ...

    @property
    def teachers(self) -> tuple[Teacher, ...]: ...

    def first(self, sampling: Sampling) -> Sampling: ...

    async def __call__(self, question: Question, ask: Ask) -> list[Attempt]: ...


@dataclass(frozen=True)
class Once:
    """One call."""

    tries = 1
    teachers: tuple[Teacher, ...] = ()

    def identity(self) -> dict[str, Any]:
        return {}

    def first(self, sampling: Sampling) -> Sampling:
        return sampling

    async def __call__(self, question: Question, ask: Ask) -> list[Attempt]:
        outcome, number = await ask(question.teacher, question.request())
        return [Attempt(result_of(question, outcome), number)]


@dataclass(frozen=True)
class ThinkingBudget:
    """At most `thinking_tokens` of thought, then an answer of at most `answer_tokens`: two calls where one does not do.

    The first call ends at the budget. Where thinking is not over by then, it is closed with `bridge`, and a second call goes
    on from there with the answer ("budget forcing": arXiv 2501.19393, section 3.1; with words before the closing tag:
    arXiv 2505.09388, section 4.3). Where the cut fell into the answer, the second call ends it. Verdict "thinking_budget":
    "within", "forced_close" or "continued". Tokens are those that the teacher counts.

    The engine must be able to go on from a beginning: `transformers`, `mini`, `scripted`, `vllm`, and `openai` with extensions.
    """

    thinking_tokens: int
    answer_tokens: int = 4096
    bridge: str = "I have used up my time for thinking, so I will answer with what I have worked out so far."
    tries = 1
    teachers: tuple[Teacher, ...] = ()

    def __post_init__(self) -> None:
        if self.thinking_tokens < 1 or self.answer_tokens < 1:
            raise UsageError("ThinkingBudget: thinking_tokens and answer_tokens must be 1 or more.")
        if OPEN in self.bridge or CLOSE in self.bridge:
            raise UsageError(f"ThinkingBudget: the bridge holds {OPEN} or {CLOSE}; it is closed without your doing.")

    def identity(self) -> dict[str, Any]:
        return {"thinking_tokens": self.thinking_tokens, "answer_tokens": self.answer_tokens, "bridge": self.bridge}

    def first(self, sampling: Sampling) -> Sampling:
        return msgspec.structs.replace(sampling, max_tokens=self.thinking_tokens)

    async def __call__(self, question: Question, ask: Ask) -> list[Attempt]:
        if not question.sampling.thinking:
            raise UsageError("ThinkingBudget bounds thinking, but the recipe's Sampling has thinking=False.")
        first, number = await ask(question.teacher, question.request(self.first(question.sampling)))
        bounded = replace(question, sampling=self.first(question.sampling))
        if isinstance(first, TeacherRejected) or first.finish_reason != "length":
            return [Attempt(result_of(bounded, first, verdicts={"thinking_budget": "within"}), number)]
        verdict = "continued" if CLOSE in first.text else "forced_close"
        # No blanks at the end: tokenizers put them to the word that follows, so a model has not learnt to go on behind them.
        begun = first.text.rstrip() if verdict == "continued" else _closed(first.text, self.bridge)
        rest = msgspec.structs.replace(question.sampling, max_tokens=self.answer_tokens)
        second, last = await ask(question.teacher, question.request(rest, (Message("assistant", begun),)))
        whole = second if isinstance(second, TeacherRejected) else _joined(begun, first, second, verdict)
        both = msgspec.structs.replace(question.sampling, max_tokens=self.thinking_tokens + self.answer_tokens)
        return [
            Attempt(
                result_of(replace(question, sampling=both), whole, verdicts={"thinking_budget": verdict}),
                max(number, last),
            )
        ]


@dataclass(frozen=True)
class Retry:
    """Asks again, with another seed, until an answer passes all checks of `until`, at most `attempts` times.

    until: what the recipe's own Each steps hold, in their order, e.g. (Structure(), KeepVerdicts({"structure": ("one",)})). An
    attempt fails where one of them returns a Drop. A rejected request is not asked again: it tells nothing of the answer.
    Measure "attempt": the number of an attempt, from 0.
    """

    until: tuple[Check, ...]
    attempts: int = 4
    each: Strategy = Once()

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise UsageError(f"Retry: attempts is {self.attempts}; it must be 1 or more.")
        _check_until("Retry", self.until)

    @property
    def tries(self) -> int:
        return self.attempts * self.each.tries

    @property
    def teachers(self) -> tuple[Teacher, ...]:
        return self.each.teachers

    def first(self, sampling: Sampling) -> Sampling:
        return self.each.first(sampling)

    async def __call__(self, question: Question, ask: Ask) -> list[Attempt]:
        made: list[Attempt] = []
        for attempt in range(self.attempts):
            made += await self.each(question.later(attempt * self.each.tries), ask)
            if await _good(made, self.until) is not False:
                break
        return [_numbered(attempt, place) for place, attempt in enumerate(made, question.first)]


@dataclass(frozen=True)
class Escalate:
    """Asks a larger teacher where the recipe's own gives no answer that passes `until` (see `Retry`).

    small, large: how each of them is asked. What the larger one gives is not held against the checks here; the recipe's
    own steps do that. Which of the two answered stands in the trace, as `teacher` and `revision`.
    """

    to: Teacher
    until: tuple[Check, ...]
    small: Strategy = Once()
    large: Strategy = Once()

    def __post_init__(self) -> None:
        _check_until("Escalate", self.until)

    @property
    def tries(self) -> int:
        return self.small.tries + self.large.tries

    @property
    def teachers(self) -> tuple[Teacher, ...]:
        return (self.to, *self.small.teachers, *self.large.teachers)

    def first(self, sampling: Sampling) -> Sampling:
        return self.small.first(sampling)

    async def __call__(self, question: Question, ask: Ask) -> list[Attempt]:
        made = await self.small(question, ask)
        if await _good(made, self.until) is False:
            made = made + await self.large(replace(question.later(self.small.tries), teacher=self.to), ask)
        return [_numbered(attempt, place) for place, attempt in enumerate(made, question.first)]


def _check_until(name: str, until: Any) -> None:
    if not isinstance(until, tuple) or not until or not all(callable(check) for check in until):
        raise UsageError(f"{name}: `until` must be a tuple of checks, at least one of which can fail, not {until!r}.")


async def _good(made: list[Attempt], until: Sequence[Check]) -> bool | None:
    """Whether the last attempt passes; None where that cannot be told: its request was rejected, or a check failed on it. The
    attempt is then the dead letter that the same check makes of it as a step."""
    result = made[-1].result
    if isinstance(result, Dead):
        return None
    try:
        # In threads: grading may take seconds, and other answers come in meanwhile. In its own, as those of the loop read the store.
        return await asyncio.get_running_loop().run_in_executor(_threads(), passes, result, until)
    except _CheckFailed as failed:
        made[-1] = made[-1]._replace(result=failed.dead)
        return None


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(4, "checks of a strategy")


class _CheckFailed(Exception):
    def __init__(self, dead: Dead):
        self.dead = dead


def passes(trace: Trace, until: Sequence[Check]) -> bool:
    """Whether no check drops the trace."""
    for check in until:
        name = getattr(check, "__name__", type(check).__name__)
        try:
            found = check(trace)
        except Exception as error:
            message = f"The check {name} of the strategy failed on trace {trace.id}: {error}"
            told = "".join(traceback.format_exception(error))
            raise _CheckFailed(Dead(type(error).__name__, message, told, record=trace)) from error
        if isinstance(found, Drop):
            return False
        if isinstance(found, dict):
            found = with_measures(trace, found)
        if not isinstance(found, Trace):
            raise UsageError(
                f"The check {name} of a strategy returned {type(found).__name__}; it must return the trace, measures or a Drop."
            )
        trace = found
    return True


def result_of(question: Question, outcome: Outcome, *, verdicts: dict[str, str] | None = None) -> Trace | Dead:
    """The trace of an answer, or the dead letter of a rejected request."""
    prompt, sampling, teacher = question.prompt, question.sampling, question.teacher
    if not isinstance(outcome, Generation):
        return Dead(
            error=type(outcome).__name__,
            message=f"sample {question.number}: {outcome}",
            traceback="".join(traceback.format_exception(outcome)),
            record=prompt,
        )
    return Trace(
        id=child_id(prompt.id, question.number),
        category=prompt.category,
        licence=strictest(licence for licence in (prompt.licence, teacher.licence) if licence is not None),
        prompt=prompt,
        sample=question.number,
        text=outcome.text,
        think=outcome.think,
        answer=outcome.answer,
        teacher=teacher.model,
        revision=teacher.revision,
        sampling={**msgspec.structs.asdict(sampling), "seed": sampling.seed_of(question.number)},
        prompt_version=question.version,
        finish_reason=outcome.finish_reason,
        usage=outcome.usage.reported(),
        verdicts=verdicts or {},
    )


def _numbered(attempt: Attempt, place: int) -> Attempt:
    if isinstance(attempt.result, Dead):
        return attempt
    return attempt._replace(result=with_measures(attempt.result, {"attempt": place}))


def _closed(text: str, bridge: str) -> str:
    """Thinking that was cut, with its end. Exactly so do the templates of Qwen3 and its kin write a whole block."""
    thought = text.partition(OPEN)[2] if OPEN in text else text
    return f"{OPEN}\n{thought.strip()}\n\n{bridge}\n{CLOSE}"


def _joined(begun: str, first: Generation, second: Generation, verdict: str) -> Generation:
    """One answer of two calls, with the tokens of both: so many were read and written."""

    def both(name: str) -> int | None:
        counts = [getattr(first.usage, name), getattr(second.usage, name)]
        return None if None in counts else sum(counts)

    rest = second.text
    if verdict == "forced_close":  # with the blank line of the templates, whoever writes it
        rest = f"\n\n{rest.lstrip()}"
    return generation(
        begun + rest,
        finish_reason=second.finish_reason,
        usage=Usage(prompt_tokens=both("prompt_tokens"), completion_tokens=both("completion_tokens")),
    )


def rejected(error: Exception) -> TeacherRejected:
    """Why a question could not be put to the teacher. Raises what ends a run."""
    if isinstance(error, YisangError) and not isinstance(error, TeacherRejected):
        raise error
    return rejection(error)
