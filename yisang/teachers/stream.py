"""A stream of jobs, many at once, whose results come in the order of the jobs.

No batch is a barrier: as one job ends, the next begins. Memory holds a window of jobs, never the stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import queue
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from itertools import islice
from typing import Any, Generic, TypeVar

from yisang.errors import UsageError
from yisang.teachers.answers import AnswerStore
from yisang.teachers.engines.base import TeacherUnavailable

T = TypeVar("T")
CHUNK = 2_000
FLUSH_AFTER = 60.0
"""Seconds after which answers held for an object store are put, however few."""
LOOK = 0.25
"""Seconds between two looks at what is held."""
COLLECT_AFTER = 50_000
"""Objects that are made until Python looks for cycles among them, where it would after 700: a window of thousands of requests is
many objects that live on, and a fifth of the time would go into walking through them."""


class Job(Generic[T]):
    """What is to be done, and how large it is. `work` gives its result and the number of its last answer in the store."""

    __slots__ = ("number", "result", "size", "work")

    def __init__(self, work: Callable[[], Awaitable[tuple[T, int]]], size: int):
        self.work: Callable[[], Awaitable[tuple[T, int]]] | None = work
        self.size = size
        self.result: T | None = None
        self.number = 0


class Stream(Generic[T]):
    """Runs jobs so that `concurrency` requests are always at work, and hands their results on once the store holds them.

    Of `chunk` jobs that are taken in together, the largest go first: the long answers would hold up the end. Nobody knows
    them before, but long questions tend to have them. Of equal size, jobs that stand together stay together.
    """

    def __init__(self, jobs: Iterator[Job[T]], store: AnswerStore, concurrency: int, chunk: int = CHUNK):
        if chunk < 1:
            raise UsageError(f"chunk is {chunk}; requests are looked up 1 or more at a time.")
        self._jobs, self._store, self._concurrency, self._chunk = jobs, store, concurrency, chunk
        # Long enough that a job several times slower than the others holds nobody up while it is at the head.
        self._limit = 2 * chunk + 4 * concurrency
        self._more = True
        self._changed = asyncio.Event()
        self._window: deque[Job[T]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    async def results(self) -> AsyncGenerator[T, None]:
        """However it ends, the answers that had come are in the store, and what was in flight is cancelled."""
        flusher = None if self._store.folder.local else asyncio.create_task(self._flush_often())
        try:
            while True:
                if self._failure is not None:
                    raise self._failure
                if self._more and len(self._tasks) < self._concurrency and len(self._window) < self._limit:
                    self._take_in()
                    # The jobs may have their answers at once.
                    await asyncio.sleep(0)
                    continue
                if not self._window:
                    return
                head = self._window[0]
                if head.work is not None:
                    await self._wait()
                elif head.number > self._store.durable:
                    await self._make_durable()
                else:
                    self._window.popleft()
                    yield head.result  # type: ignore[misc]
        finally:
            ending = [*self._tasks, *([flusher] if flusher is not None else [])]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)
            await asyncio.shield(asyncio.to_thread(self._store.flush))

    def _take_in(self) -> None:
        taken = list(islice(self._jobs, min(self._chunk, self._limit - len(self._window))))
        self._more = bool(taken)
        self._window.extend(taken)
        for job in sorted(taken, key=lambda job: -job.size):
            task = asyncio.create_task(self._do(job))
            self._tasks.add(task)
            task.add_done_callback(self._finished)

    async def _do(self, job: Job[T]) -> None:
        assert job.work is not None
        try:
            job.result, job.number = await job.work()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            # Not the end of the stream, but of something that the job waited for: nobody would ever hear of it.
            if task is None or not task.cancelling():
                broken = TeacherUnavailable("A request was broken off. Run the same command again.")
                self._failure = self._failure or broken
            raise
        except Exception as error:
            self._failure = self._failure or error
        else:
            job.work = None

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changed.set()

    async def _wait(self, timeout: float | None = None) -> bool:
        """Until a job ends; False if none did within `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    async def _flush_often(self) -> None:
        """Object stores: puts what is held once it is enough for an object, or old, whoever the head of the window waits for."""
        since = None
        try:
            while True:
                await asyncio.sleep(min(LOOK, FLUSH_AFTER / 4))
                now = time.monotonic()
                since = (since or now) if self._store.held else None
                if self._store.full or (since is not None and now - since >= FLUSH_AFTER):
                    await asyncio.to_thread(self._store.flush)
                    since = None
                    self._changed.set()
        except Exception as error:
            self._failure = self._failure or error
            self._changed.set()

    async def _make_durable(self) -> None:
        """Object stores: waits for enough answers to make an object of, but never for what cannot come."""
        starved = self._more and len(self._window) >= self._limit and len(self._tasks) < self._concurrency
        if self._tasks and not self._store.full and not starved and await self._wait(FLUSH_AFTER):
            return
        await asyncio.to_thread(self._store.flush)


def in_thread(pump: Callable[[Callable[[Any], Awaitable[None]]], Any]) -> Iterator[Any]:
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
    before = gc.get_threshold()
    if before[0]:  # 0: whoever calls us wants no collection at all
        gc.set_threshold(max(before[0], COLLECT_AFTER), *before[1:])
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
        gc.set_threshold(*before)
