"""An endpoint that has too much to do is asked less at once; one that is down is asked no more."""

from __future__ import annotations

import asyncio
import pickle
import threading

import pytest

from yisang.errors import UsageError
from yisang.teachers.answers import AnswerStore
from yisang.teachers.engines import TeacherFailed, TeacherRejected, TeacherUnavailable
from yisang.teachers.engines.echo import Echo
from yisang.teachers.engines.openai import OpenAI
from yisang.teachers.generation import Generation, Sampling
from yisang.teachers.pressure import FAILURES, Breaker, Limit
from yisang.teachers.rollouts import Counters, Request, ask

from .conftest import echo, fails, prompt, question, says


def collect(texts, engine, folder, samples=1, **options):
    asked = [
        Request(prompt=prompt(text), messages=question(text), sampling=Sampling(max_tokens=1000), sample=sample)
        for text in texts
        for sample in range(samples)
    ]

    async def all_of_it():
        with AnswerStore(folder) as store:
            try:
                return [outcome async for _, outcome in ask(asked, engine, store, **options)]
            finally:
                await engine.close()

    return asyncio.run(all_of_it())


# The number in flight


def test_a_cut_counts_once_for_all_that_were_in_flight_and_answers_bring_places_back():
    async def play():
        limit = Limit(100)
        for _ in range(100):
            await limit.__aenter__()
        for _ in range(5):  # five refusals of one moment
            limit.overloaded()
        assert (limit.value, limit.cuts) == (70, 1)
        for _ in range(100):
            await limit.__aexit__()
        await limit.__aenter__()
        limit.overloaded()  # a refusal of a later moment, with one in flight
        assert (limit.value, limit.cuts) == (1, 2)
        for value in range(1, 100):
            for _ in range(value):
                assert limit.value == value
                limit.answered()
        for _ in range(1000):
            limit.answered()
        assert limit.value == 100  # never more than it was given

    asyncio.run(play())


def test_places_are_taken_in_order_and_never_too_many():
    async def play():
        limit, order, most = Limit(3), [], 0

        async def one(number):
            nonlocal most
            async with limit:
                most = max(most, limit.taken)
                order.append(number)
                await asyncio.sleep(0)

        await asyncio.gather(*(one(number) for number in range(50)))
        assert order == list(range(50))
        assert (most, limit.taken) == (3, 0)

    asyncio.run(play())


def test_a_wait_that_is_cancelled_takes_no_place():
    async def play():
        limit = Limit(1)
        await limit.__aenter__()
        waiting = [asyncio.create_task(limit.__aenter__()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await limit.__aexit__()  # wakes the second, which is cancelled before it runs
        waiting[1].cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert waiting[2].done()
        assert not waiting[2].cancelled()
        assert limit.taken == 1

    asyncio.run(play())


def test_a_limit_below_one_is_refused():
    with pytest.raises(UsageError, match="must be 1 or more"):
        Limit(0)


def test_an_endpoint_that_bears_only_four_at_once_is_asked_about_so_many_and_nothing_is_lost(server, tmp_path):
    """It refuses whatever is above four at once; 32 are allowed."""
    inside, lock, values = 0, threading.Lock(), []

    def bears_four(handler, body):
        nonlocal inside
        with lock:
            inside += 1
            busy = inside > 4
        try:
            if not busy:
                handler.server.released.wait(0.01)
            (fails(429) if busy else echo)(handler, body)
        finally:
            with lock:
                inside -= 1

    server.otherwise = bears_four
    engine = OpenAI("m", "r1", base_url=server.url, backoff=0.01, attempts=50)
    found = collect(
        [f"{n}" for n in range(200)],
        engine,
        tmp_path,
        concurrency=32,
        on_answer=lambda *_: values.append(engine.overloaded.__self__.value),
    )
    assert sum(isinstance(outcome, Generation) for outcome in found) == 200
    later = sorted(values[100:])
    assert later[len(later) // 2] <= 12  # the middle one: it goes up, and is cut again


def test_an_engine_hears_of_its_caller_only_while_it_is_asked(server, tmp_path):
    engine = OpenAI("m", "r1", base_url=server.url)
    collect(["a"], engine, tmp_path)
    assert engine.overloaded is None
    engine.overloaded = Limit(3).overloaded
    assert pickle.loads(pickle.dumps(engine)).overloaded is None


# The breaker


def test_an_endpoint_that_is_down_ends_the_run_and_makes_no_dead_letter_of_every_record(server, tmp_path):
    server.script = [echo] * 7
    server.otherwise = fails(500, "out of order")
    engine = OpenAI("m", "r1", base_url=server.url, backoff=0.0, attempts=2)
    with pytest.raises(TeacherUnavailable, match=rf"{FAILURES} requests in a row failed.*out of order.*same command"):
        collect([f"{n}" for n in range(100)], engine, tmp_path, concurrency=1)
    assert len(server.requests) == 7 + 2 * FAILURES
    server.otherwise = echo
    counters = Counters()
    collect([f"{n}" for n in range(100)], engine, tmp_path, concurrency=1, counters=counters)
    assert (counters.reused, counters.asked) == (7, 93)


def test_an_answer_or_a_plain_no_in_between_shows_that_it_is_up(server, tmp_path):
    breaks = [fails(500)] * (FAILURES - 1)
    server.script = [*breaks, echo, *breaks, fails(422, "no"), *breaks, says(b"half")]
    engine = OpenAI("m", "r1", base_url=server.url, backoff=0.0, attempts=1)
    with pytest.raises(TeacherUnavailable, match="is no JSON"):
        collect([f"{n}" for n in range(100)], engine, tmp_path, concurrency=1)
    assert server.script == []


def test_a_breaker_counts_a_row():
    breaker = Breaker(3)
    assert [breaker.failed(), breaker.failed()] == [False, False]
    breaker.answered()
    assert [breaker.failed() for _ in range(3)] == [False, False, True]
    assert issubclass(TeacherFailed, TeacherRejected)


# The order


def test_long_questions_go_first_and_the_samples_of_one_stay_together(tmp_path):
    class Noting(Echo):
        def __init__(self):
            super().__init__()
            self.seen = []

        async def generate(self, messages, sampling, sample):
            self.seen.append((messages[-1].content, sample))
            return await super().generate(messages, sampling, sample)

    engine, texts = Noting(), ["가", "나나나나", "다다", "라라라라", "마"]
    found = collect(texts, engine, tmp_path, samples=2, concurrency=1)
    order = ["나나나나", "라라라라", "다다", "가", "마"]
    assert engine.seen == [(text, sample) for text in order for sample in range(2)]
    # They are handed on in the order of the questions all the same.
    assert [outcome.answer for outcome in found] == [f"“{text}”" for text in texts for _ in range(2)]
