"""Asking a teacher: a stream of requests, answered from the store first and by an engine where the store has nothing.

No batch is a barrier: as one answer comes, the next request goes out. Answers are stored before they are handed on,
and handed on in the order of the requests. Memory holds a window of requests, never the stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import traceback
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import msgspec

from yisang.errors import UsageError, YisangError
from yisang.records import Dead, Message, Prompt, Trace, child_id, strictest
from yisang.teachers.answers import AnswerStore, answer_key, new_answer
from yisang.teachers.engines.base import Engine, TeacherFailed, TeacherRejected, TeacherUnavailable
from yisang.teachers.generation import Generation, Sampling, Teacher
from yisang.teachers.pressure import Breaker, Limit

CHUNK = 2_000
FLUSH_AFTER = 60.0
"""Seconds after which answers held for an object store are put, however few."""

Outcome = Generation | TeacherRejected


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One answer that is wanted. `problem`: why it could not be made; it stands in the stream as its own outcome."""

    prompt: Prompt
    messages: tuple[Message, ...]
    sampling: Sampling
    sample: int = 0
    problem: TeacherRejected | None = None


@dataclass
class Counters:
    """asked: requests that reached the engine; reused: answered from the store, or by a twin in the stream."""

    asked: int = 0
    reused: int = 0
    rejected: int = 0


class Template(Protocol):
    """What `teach` needs of a prompt template (`prompts.MixedPrompt`)."""

    @property
    def version(self) -> str: ...

    def messages(self, prompt: Prompt) -> tuple[Message, ...]: ...


class _Place:
    """One request in the window; `number` is what the store gave its answer, 0 where it was there before."""

    __slots__ = ("number", "outcome", "request", "twins")

    def __init__(self, request: Request):
        self.request = request
        self.outcome: Outcome | None = None
        self.number = 0
        self.twins: list[_Place] = []


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
    at_once = engine.concurrency if concurrency is None else concurrency
    # Not `counters or ...`: new counters must be the caller's own.
    asking = _Asking(engine, store, at_once, chunk, on_answer, Counters() if counters is None else counters)
    stream = asking.run(iter(requests))
    try:
        async for item in stream:
            yield item
    finally:
        await stream.aclose()


class _Asking:
    def __init__(
        self,
        engine: Engine,
        store: AnswerStore,
        concurrency: int,
        chunk: int,
        on_answer: Callable[[Request, Outcome], None] | None,
        counters: Counters,
    ):
        if chunk < 1:
            raise UsageError(f"chunk is {chunk}; requests are looked up 1 or more at a time.")
        self.places, self.breaker = Limit(concurrency), Breaker()
        engine.places = self.places
        self.engine, self.store, self.concurrency, self.chunk = engine, store, concurrency, chunk
        self.on_answer, self.counters = on_answer, counters
        # Long enough that an answer several times slower than the others holds nobody up while it is at the head.
        self.limit = 2 * chunk + 4 * concurrency
        self.more = True
        self.changed = asyncio.Event()
        self.window: deque[_Place] = deque()
        self.open: dict[str, _Place] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.failure: BaseException | None = None

    async def run(self, source: Iterator[Request]) -> AsyncGenerator[tuple[Request, Outcome], None]:
        try:
            while True:
                if self.failure is not None:
                    raise self.failure
                if self.more and len(self.tasks) < self.concurrency and len(self.window) < self.limit:
                    taken = list(islice(source, min(self.chunk, self.limit - len(self.window))))
                    self.more = bool(taken)
                    await self._take_in(taken)
                    continue
                if not self.window:
                    return
                head = self.window[0]
                if head.outcome is None:
                    await self._wait()
                elif head.number > self.store.durable:
                    await self._make_durable()
                else:
                    self.window.popleft()
                    yield head.request, head.outcome
        finally:
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
            self.engine.places = None
            await asyncio.shield(asyncio.to_thread(self.store.flush))

    async def _wait(self, timeout: float | None = None) -> bool:
        """Until an answer comes; False if none came within `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self.changed.wait()
        except TimeoutError:
            return False
        self.changed.clear()
        return True

    async def _make_durable(self) -> None:
        """Object stores: waits for enough answers to make an object of, but never for what cannot come."""
        starved = self.more and len(self.window) >= self.limit and len(self.tasks) < self.concurrency
        if self.tasks and not self.store.full and not starved and await self._wait(FLUSH_AFTER):
            return
        await asyncio.to_thread(self.store.flush)

    async def _take_in(self, requests: list[Request]) -> None:
        """Puts requests into the window, with their stored answers, and starts a task for each that has none."""
        keyed: list[tuple[_Place, str]] = []
        for request in requests:
            place = _Place(request)
            self.window.append(place)
            try:
                if request.problem is not None:
                    raise request.problem
                body = self.engine.body(request.messages, request.sampling, request.sample)
                keyed.append((place, answer_key(body, self.engine.revision, request.sample)))
            except Exception as error:
                self._settle(place, _rejection(error))
        # In a thread: a first look at a large store takes a while, and answers in flight come in meanwhile.
        wanted = {key for _, key in keyed if key not in self.open}
        stored = await asyncio.to_thread(self.store.get_many, wanted)
        missing: list[tuple[_Place, str]] = []
        for place, key in keyed:
            if key not in stored and key not in wanted and key not in self.open:
                # Its twin was in flight at the look-up and has answered since (or was rejected, then it is new).
                stored.update(await asyncio.to_thread(self.store.get_many, {key}))
            wanted.discard(key)
            if key in stored:
                self.counters.reused += 1
                self._settle(place, stored[key].generation)
            elif key in self.open:
                self.open[key].twins.append(place)
            else:
                self.open[key] = place
                missing.append((place, key))
        # Long answers first, or a few would hold up the end. Nobody knows them before; long questions tend to have them.
        # Stable: the samples of a question stay together, where an engine reads their shared beginning once.
        for place, key in sorted(missing, key=lambda pair: -_letters(pair[0].request)):
            self._start(place, key)

    def _start(self, place: _Place, key: str) -> None:
        task = asyncio.create_task(self._one(place, key))
        self.tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self.changed.set()

    async def _one(self, place: _Place, key: str) -> None:
        request = place.request
        async with self.places:
            if self.failure is not None:
                return
            try:
                outcome: Outcome
                self.counters.asked += 1
                begun, broke = self.breaker.answers, False
                try:
                    outcome = await self.engine.generate(request.messages, request.sampling, request.sample)
                except TeacherRejected as error:
                    outcome = error
                except YisangError:
                    raise
                except Exception as error:
                    # A fault of the engine's own on one request is that request's dead letter; not so many in a row.
                    outcome, broke = _rejection(error), True
                if isinstance(outcome, TeacherFailed) or (broke and isinstance(outcome, TeacherRejected)):
                    # Where nobody waits there is nothing to spare the endpoint: the last requests are dead letters.
                    if self.breaker.failed(begun) and (self.more or self.places.waiting):
                        raise TeacherUnavailable(
                            f"{self.breaker.row} requests in a row failed, each after all its attempts; the last one: "
                            f"{outcome} Mend the endpoint and run the same command: answers so far are stored."
                        ) from outcome
                else:
                    self.breaker.answered()
                    self.places.answered()
                if isinstance(outcome, Generation):
                    # No await since the answer came: a cancellation cannot lose it.
                    body = self.engine.body(request.messages, request.sampling, request.sample)
                    answer = new_answer(key, body, self.engine.revision, request.sample, outcome)
                    place.number = self.store.put(key, answer)
                del self.open[key]
                self._settle(place, outcome)
                for twin in place.twins:
                    twin.number = place.number
                    self.counters.reused += isinstance(outcome, Generation)
                    self._settle(twin, outcome)
            except Exception as error:
                self.failure = self.failure or error

    def _settle(self, place: _Place, outcome: Outcome) -> None:
        self.counters.rejected += isinstance(outcome, TeacherRejected)
        if self.on_answer is not None:
            self.on_answer(place.request, outcome)
        place.outcome = outcome


def _letters(request: Request) -> int:
    return sum(len(message.content) for message in request.messages)


def _rejection(error: Exception) -> TeacherRejected:
    if isinstance(error, TeacherRejected):
        return error
    rejected = TeacherRejected(f"Asking the teacher failed: {type(error).__name__}: {error}")
    rejected.__cause__ = error
    return rejected


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
    on_answer: Callable[[Request, Outcome], None] | None = None,
    counters: Counters | None = None,
    chunk: int = CHUNK,
) -> Iterator[Trace | Dead]:
    """The traces of all prompts, `samples` for each, in order; a rejected request is a Dead with its prompt.

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

    def requests() -> Iterator[Request]:
        for prompt in prompts:
            problem = None
            messages: tuple[Message, ...] = ()
            try:
                messages = template.messages(prompt)
            except YisangError:
                raise
            except Exception as error:
                problem = _rejection(error)
            for sample in range(samples):
                yield Request(prompt=prompt, messages=messages, sampling=sampling, sample=sample, problem=problem)

    async def pump(hand_on: Callable[[Any], Awaitable[None]]) -> None:
        stream = ask(
            requests(), engine, store, concurrency=concurrency, on_answer=on_answer, counters=counters, chunk=chunk
        )
        try:
            async for item in stream:
                await hand_on(item)
        finally:
            await stream.aclose()
            await engine.close()

    for request, outcome in _in_thread(pump):
        if isinstance(outcome, Generation):
            yield _trace(request, outcome, teacher, template.version)
        else:
            yield Dead(
                error=type(outcome).__name__,
                message=f"sample {request.sample}: {outcome}",
                traceback="".join(traceback.format_exception(outcome)),
                record=request.prompt,
            )


def _trace(request: Request, answer: Generation, teacher: Teacher, version: str) -> Trace:
    prompt, sampling = request.prompt, request.sampling
    return Trace(
        id=child_id(prompt.id, request.sample),
        category=prompt.category,
        licence=strictest(licence for licence in (prompt.licence, teacher.licence) if licence is not None),
        prompt=prompt,
        sample=request.sample,
        text=answer.text,
        think=answer.think,
        answer=answer.answer,
        teacher=teacher.model,
        revision=teacher.revision,
        sampling={**msgspec.structs.asdict(sampling), "seed": sampling.seed_of(request.sample)},
        prompt_version=version,
        finish_reason=answer.finish_reason,
        usage=answer.usage.reported(),
    )


def _in_thread(pump: Callable[[Callable[[Any], Awaitable[None]]], Any]) -> Iterator[Any]:
    """Runs an async producer in a thread with its own event loop; yields what it hands on."""
    waiting: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=64)
    stopped = threading.Event()
    ready = threading.Event()
    running: dict[str, Any] = {}

    async def hand_on(item: Any) -> None:
        try:
            waiting.put_nowait(("item", item))
        except queue.Full:  # the consumer is slower: wait for it, but not in the loop
            await asyncio.to_thread(put, ("item", item))

    def put(entry: tuple[str, Any]) -> None:
        while not stopped.is_set():
            try:
                waiting.put(entry, timeout=0.1)
                return
            except queue.Full:
                continue

    async def main() -> None:
        running["loop"], running["task"] = asyncio.get_running_loop(), asyncio.current_task()
        ready.set()
        await pump(hand_on)

    def work() -> None:
        try:
            asyncio.run(main())
            put(("end", None))
        except BaseException as error:
            put(("error", error))
        finally:
            ready.set()

    thread = threading.Thread(target=work, name="teach", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = waiting.get()
            if kind == "error":
                raise value
            if kind == "end":
                return
            yield value
    finally:
        stopped.set()
        ready.wait()
        if thread.is_alive():
            with contextlib.suppress(RuntimeError):  # it may have ended its loop by itself just now
                running["loop"].call_soon_threadsafe(running["task"].cancel)
        thread.join()
