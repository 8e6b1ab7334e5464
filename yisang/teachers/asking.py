"""One request: answered from the store, by a twin that is in flight, or by the engine."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from yisang.errors import YisangError
from yisang.records import Message, Prompt
from yisang.teachers.answers import AnswerStore, answer_key, new_answer
from yisang.teachers.engines.base import Engine, TeacherFailed, TeacherRejected, TeacherUnavailable
from yisang.teachers.generation import Generation, Sampling
from yisang.teachers.pressure import Breaker, Limit
from yisang.teachers.segments import Answer

Outcome = Generation | TeacherRejected
_STEP = math.log(1.05)
CANARY = (Message("user", "1 + 1 = ?"),)
"""What an endpoint is asked that has failed many times; the answer, of one token, is kept nowhere."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One answer that is wanted. `problem`: why it could not be made; it stands in the stream as its own outcome."""

    prompt: Prompt
    messages: tuple[Message, ...]
    sampling: Sampling
    sample: int = 0
    problem: TeacherRejected | None = None


class Answered(NamedTuple):
    """number: what the store gave the answer (see `AnswerStore.durable`), 0 where it was there before or there is none."""

    outcome: Outcome
    number: int


@dataclass
class Tally:
    """What the engine's answers were like: tokens as reported, finish reasons, and lengths in completion tokens (in steps of
    5 %, so that millions of them take no more room than thousands). unreported: answers of which either count is unknown."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    unreported: int = 0
    finish_reasons: dict[str, int] = field(default_factory=dict)
    lengths: dict[int, int] = field(default_factory=dict)

    def count(self, answer: Generation) -> None:
        self.finish_reasons[answer.finish_reason] = self.finish_reasons.get(answer.finish_reason, 0) + 1
        self.prompt_tokens += answer.usage.prompt_tokens or 0
        self.unreported += None in (answer.usage.prompt_tokens, answer.usage.completion_tokens)
        if answer.usage.completion_tokens:
            self.completion_tokens += answer.usage.completion_tokens
            step = round(math.log(answer.usage.completion_tokens) / _STEP)
            self.lengths[step] = self.lengths.get(step, 0) + 1

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.unreported + other.unreported,
            Counter(self.finish_reasons) + Counter(other.finish_reasons),
            Counter(self.lengths) + Counter(other.lengths),
        )

    def length_at(self, share: float) -> int | None:
        """The length that `share` of the answers stay within (0.5: the median), to 5 %; None without any."""
        wanted, seen = share * sum(self.lengths.values()), 0
        for step in sorted(self.lengths):
            seen += self.lengths[step]
            if seen >= wanted:
                return round(math.exp(step * _STEP))
        return None


@dataclass
class Counters:
    """asked: requests that reached the engine; reused: answered from the store, or by a twin in the stream."""

    asked: int = 0
    reused: int = 0
    rejected: int = 0
    in_flight: int = 0
    tally: Tally = field(default_factory=Tally, compare=False)

    def snapshot(self) -> Counters:
        """A copy for another thread to read."""
        tally = Tally(
            self.tally.prompt_tokens,
            self.tally.completion_tokens,
            self.tally.unreported,
            dict(self.tally.finish_reasons),
            dict(self.tally.lengths),
        )
        return Counters(self.asked, self.reused, self.rejected, self.in_flight, tally)

    def __add__(self, other: Counters) -> Counters:
        return Counters(
            self.asked + other.asked,
            self.reused + other.reused,
            self.rejected + other.rejected,
            self.in_flight + other.in_flight,
            self.tally + other.tally,
        )


class Asker:
    """Answers requests to one engine, at most `concurrency` in flight, fewer while the endpoint is overloaded (`Limit`).

    A rejection is not stored: the next run asks again. TeacherUnavailable, UsageError and StorageError are raised to this
    and to every later caller. `on_answer` hears of each answer as it comes.
    """

    def __init__(
        self,
        engine: Engine,
        store: AnswerStore,
        concurrency: int | None = None,
        *,
        counters: Counters | None = None,
        on_answer: Callable[[Request, Outcome], None] | None = None,
    ):
        self.concurrency = engine.concurrency if concurrency is None else concurrency
        self.places, self.breaker = Limit(self.concurrency), Breaker()
        engine.places = self.places
        self.engine, self.store, self.on_answer = engine, store, on_answer
        # Not `counters or ...`: new counters must be the caller's own.
        self.counters = Counters() if counters is None else counters
        self._doubt = asyncio.Lock()
        self._open: dict[str, list[asyncio.Future[Answered]]] = {}
        self._look_up = _LookUp(store)
        self._failure: BaseException | None = None

    async def close(self) -> None:
        self.engine.places = None
        await self._look_up.close()

    async def answer(self, request: Request) -> Answered:
        try:
            if request.problem is not None:
                raise request.problem
            body = self.engine.body(request.messages, request.sampling, request.sample)
            key = answer_key(body, self.engine.revision, request.sample)
        except YisangError as error:
            if not isinstance(error, TeacherRejected):  # a setting that no request could have
                self._failure = self._failure or error
                raise
            return self._heard(request, Answered(error, 0))
        except Exception as error:
            return self._heard(request, Answered(rejection(error), 0))
        if key in self._open:
            twin: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
            self._open[key].append(twin)
            answered = await twin
            self.counters.reused += isinstance(answered.outcome, Generation)
            return self._heard(request, answered)
        # From here on, so that no twin can come between the look-up and the answer.
        twins = self._open[key] = []
        try:
            answered = await self._answer(request, key)
        except BaseException as error:
            for twin in twins:
                twin.cancel()
            if isinstance(error, Exception):
                self._failure = self._failure or error
            raise
        finally:
            del self._open[key]
        for twin in twins:
            if not twin.done():
                twin.set_result(answered)
        return self._heard(request, answered)

    async def _answer(self, request: Request, key: str) -> Answered:
        stored = await self._look_up(key)
        if stored is not None:
            self.counters.reused += 1
            return Answered(stored.generation, self.store.number_of(key))
        async with self.places:
            if self._failure is not None:
                raise self._failure
            self.counters.in_flight += 1
            try:
                outcome = await self._generate(request)
            finally:
                self.counters.in_flight -= 1
            number = 0
            if isinstance(outcome, Generation):
                # No await since the answer came: a cancellation cannot lose it.
                engine, prompt = self.engine, request.prompt.id
                answer = new_answer(key, engine.model, engine.revision, request.sample, outcome, prompt)
                number = self.store.put(key, answer)
                self.counters.tally.count(outcome)
            return Answered(outcome, number)

    async def _generate(self, request: Request) -> Outcome:
        self.counters.asked += 1
        begun, broke = self.breaker.answers, False
        outcome: Outcome
        try:
            outcome = await self.engine.generate(request.messages, request.sampling, request.sample)
        except TeacherRejected as error:
            outcome = error
        except YisangError:
            raise
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Not this task was cancelled, but something that the engine waited for.
            outcome, broke = TeacherRejected("The engine broke off this request."), True
        except Exception as error:
            # A fault of the engine's own on one request is that request's dead letter; not so many in a row.
            outcome, broke = rejection(error), True
        if isinstance(outcome, TeacherFailed) or (broke and isinstance(outcome, TeacherRejected)):
            if self.breaker.failed(begun):
                await self._doubted(request, outcome)
        else:
            self.breaker.answered()
            self.places.answered()
        return outcome

    async def _doubted(self, request: Request, last: TeacherRejected) -> None:
        """Is the endpoint down, or are these records such that it fails on each of them? A question of one token tells."""
        async with self._doubt:
            row = self.breaker.row
            if row < self.breaker.most:  # another request has asked meanwhile
                return
            try:
                await self.engine.generate(CANARY, msgspec.structs.replace(request.sampling, max_tokens=1), 0)
            except Exception as error:
                if isinstance(error, TeacherRejected) and not isinstance(error, TeacherFailed):
                    self.breaker.answered()  # it says no, so it is there
                    return
                raise TeacherUnavailable(
                    f"{row} requests in a row failed, each after all its attempts, and then a question of one token too; the last "
                    f"one: {last} Mend the endpoint and run the same command: answers so far are stored."
                ) from last
            self.breaker.answered()

    def _heard(self, request: Request, answered: Answered) -> Answered:
        self.counters.rejected += isinstance(answered.outcome, TeacherRejected)
        if self.on_answer is not None:
            self.on_answer(request, answered.outcome)
        return answered


class _LookUp:
    """Reads together what is wanted of the store at the same time.

    In a thread: a first look at a large store takes a while, and answers in flight come in meanwhile.
    """

    def __init__(self, store: AnswerStore):
        self._store = store
        self._waiting: list[tuple[str, asyncio.Future[Answer | None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, key: str) -> Answer | None:
        found: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, found))
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return await found

    async def _work(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            try:
                stored = await asyncio.to_thread(self._store.get_many, {key for key, _ in waiting})
            except Exception as error:
                for _, found in waiting:
                    if not found.done():
                        found.set_exception(error)
                continue
            for key, found in waiting:
                if not found.done():
                    found.set_result(stored.get(key))
        self._task = None

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None


def rejection(error: Exception) -> TeacherRejected:
    if isinstance(error, TeacherRejected):
        return error
    rejected = TeacherRejected(f"Asking the teacher failed: {type(error).__name__}: {error}")
    rejected.__cause__ = error
    return rejected
