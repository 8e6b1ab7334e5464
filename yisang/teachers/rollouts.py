"""Asking a teacher: a stream of requests, answered from the store first and by an engine where the store has nothing.

No batch is a barrier: as one answer comes, the next request goes out. Answers are stored before they are handed on,
and handed on in the order of the requests. Memory holds a window of requests, never the stream.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

from yisang.errors import UsageError
from yisang.records import Dead, Message, Prompt, Trace
from yisang.teachers.answers import AnswerStore
from yisang.teachers.asking import Answered, Asker, Counters, Outcome, Request
from yisang.teachers.engines.base import Engine
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.strategies import Attempt, Once, Question, Strategy, rejected
from yisang.teachers.stream import CHUNK, Job, Stream, in_thread

__all__ = ["CHUNK", "Counters", "Outcome", "Request", "Template", "ask", "teach"]

T = TypeVar("T")


class Template(Protocol):
    """What `teach` needs of a prompt template (`prompts.MixedPrompt`)."""

    @property
    def version(self) -> str: ...

    def messages(self, prompt: Prompt) -> tuple[Message, ...]: ...


async def ask(
    requests: Iterable[Request],
    engine: Engine,
    store: AnswerStore,
    *,
    concurrency: int | None = None,
    on_answer: Callable[[Request, Outcome], None] | None = None,
    counters: Counters | None = None,
    chunk: int = CHUNK,
) -> AsyncGenerator[tuple[Request, Outcome], None]:
    """Yields (request, Generation or TeacherRejected) in the order of the requests.

    At most `concurrency` requests (the engine's own number, where not given) are in flight, fewer while the endpoint is
    overloaded (`pressure.Limit`); of those that are looked up in the store together, `chunk` at a time, the ones with the
    longest questions go first, the samples of a question one behind the other. `on_answer` hears of each answer as it comes,
    before its turn to be yielded. A
    rejection is not stored: the next run asks again. TeacherUnavailable, UsageError and StorageError end the stream
    and cancel what is in flight; however it ends, the answers that had come are in the store.
    """
    asker = Asker(engine, store, concurrency, counters=counters, on_answer=on_answer)

    def job(request: Request) -> Job[tuple[Request, Outcome]]:
        async def work() -> tuple[tuple[Request, Outcome], int]:
            outcome, number = await asker.answer(request)
            return (request, outcome), number

        return Job(work, _letters(request.messages))

    stream = _stream(map(job, requests), [asker], store, chunk)
    try:
        async for item in stream:
            yield item
    finally:
        await stream.aclose()


async def _stream(
    jobs: Iterable[Job[T]], askers: list[Asker], store: AnswerStore, chunk: int
) -> AsyncGenerator[T, None]:
    results = Stream(iter(jobs), store, sum(asker.concurrency for asker in askers), chunk).results()
    try:
        async for result in results:
            yield result
    finally:
        await results.aclose()
        for asker in askers:
            await asker.close()


def _letters(messages: tuple[Message, ...]) -> int:
    return sum(len(message.content) for message in messages)


def teach(
    prompts: Iterable[Prompt],
    teacher: Teacher,
    template: Template,
    sampling: Sampling,
    samples: int,
    engine: Engine,
    store: AnswerStore,
    concurrency: int | None = None,
    *,
    strategy: Strategy = Once(),
    others: Iterable[Engine] = (),
    on_answer: Callable[[Request, Outcome], None] | None = None,
    counters: Counters | None = None,
    chunk: int = CHUNK,
) -> Iterator[Trace | Dead]:
    """The traces of all prompts, `samples` for each and every attempt that `strategy` makes, in order; a rejected request
    is a Dead with its prompt. `others`: the engines of `strategy.teachers`.

    The asking runs in a thread of its own, so that a slow consumer makes no deadline pass: it only stops new requests.
    `prompts` is read in that thread too. Closing the iterator cancels what is in flight.
    """
    if samples < 1:
        raise UsageError(f"samples is {samples}; a teacher gives at least 1 answer to a question.")
    if (engine.model, engine.revision) != (teacher.model, teacher.revision):
        raise UsageError(
            f"The recipe declares {teacher.model} at {teacher.revision}, but the engine was opened for {engine.model} "
            f"at {engine.revision}. Open it with open_engine(teacher)."
        )
    engines = {(opened.model, opened.revision): opened for opened in (*others, engine)}
    for needed in strategy.teachers:
        if (needed.model, needed.revision) not in engines:
            raise UsageError(
                f"The strategy asks {needed.model} at {needed.revision} too. Open it with open_engine, and give it in `others`."
            )
    counted = Counters() if counters is None else counters

    def questions() -> Iterator[Question]:
        for prompt in prompts:
            problem = None
            messages: tuple[Message, ...] = ()
            try:
                messages = template.messages(prompt)
            except Exception as error:
                problem = rejected(error)
            for sample in range(samples):
                yield Question(prompt, messages, template.version, sampling, teacher, sample, samples, problem=problem)

    async def pump(hand_on: Callable[[Any], Awaitable[None]]) -> None:
        askers = {
            known: Asker(opened, store, concurrency, counters=counted, on_answer=on_answer)
            for known, opened in engines.items()
        }

        def request(declared: Teacher, request: Request) -> Awaitable[Answered]:
            return askers[declared.model, declared.revision].answer(request)

        def job(question: Question) -> Job[list[Attempt]]:
            async def work() -> tuple[list[Attempt], int]:
                attempts = await strategy(question, request)
                return attempts, max(attempt.number for attempt in attempts)

            return Job(work, _letters(question.messages))

        stream = _stream(map(job, questions()), list(askers.values()), store, chunk)
        try:
            async for attempts in stream:
                await hand_on(attempts)
        finally:
            await stream.aclose()
            for opened in engines.values():
                await opened.close()

    for attempts in in_thread(pump):
        for attempt in attempts:
            yield attempt.result
