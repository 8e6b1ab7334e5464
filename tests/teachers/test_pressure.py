"""An endpoint that has too much to do is asked less at once; one that is down is asked no more."""

from __future__ import annotations

import asyncio
import pickle
import random
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


def test_a_cut_stands_for_all_that_were_in_flight_and_answers_bring_places_back():
    async def play():
        limit = Limit(100)
        for _ in range(100):
            await limit.__aenter__()
        for _ in range(14):  # a few of a hundred are refused whatever the endpoint bears
            limit.overloaded()
        assert (limit.value, limit.cuts) == (100, 0)
        for _ in range(101):  # now all that are in flight
            limit.overloaded()
        assert (limit.value, limit.cuts) == (70, 1)
        for _ in range(11):  # and 0.15 of those again
            limit.overloaded()
        assert (limit.value, limit.cuts) == (49, 2)
        values = [limit.value]
        for _ in range(2000):
            limit.answered()
            if limit.value != values[-1]:
                values.append(limit.value)
        # a tenth more each time, and never more than it was given
        assert values == [49, 53, 58, 63, 69, 75, 82, 90, 99, 100]

    asyncio.run(play())


def test_an_endpoint_that_refuses_a_few_whatever_it_bears_is_asked_as_much_as_before():
    async def play():
        limit = Limit(64)
        for _ in range(64):
            await limit.__aenter__()
        chance = random.Random(3)
        values = []
        for _ in range(20_000):
            (limit.overloaded if chance.random() < 0.07 else limit.answered)()
            values.append(limit.value)
        assert sum(values) / len(values) > 55

    asyncio.run(play())


def test_who_is_away_gives_others_the_place_and_takes_one_again():
    async def play():
        limit, seen = Limit(1), []

        async def goes_away():
            async with limit:
                async with limit.away():
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                seen.append("back")

        async def other():
            async with limit:
                seen.append("other")

        first = asyncio.create_task(goes_away())
        await asyncio.sleep(0)
        await asyncio.gather(first, other())
        assert (seen, limit.taken) == (["other", "back"], 0)
        for cancelled_at in range(4):
            one = asyncio.create_task(goes_away())
            for _ in range(cancelled_at):
                await asyncio.sleep(0)
            one.cancel()
            await asyncio.gather(one, return_exceptions=True)
            assert limit.taken == 0

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
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(one) for one in ended] == [asyncio.CancelledError, asyncio.CancelledError, type(None)]
        assert (limit.taken, limit.waiting) == (1, 0)

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
    engine = OpenAI("m", "r1", base_url=server.url, backoff=0.01)
    found = collect(
        [f"{n}" for n in range(200)],
        engine,
        tmp_path,
        concurrency=32,
        on_answer=lambda *_: values.append(engine.places.value),
    )
    assert sum(isinstance(outcome, Generation) for outcome in found) == 200
    later = sorted(values[100:])
    assert 2 <= later[len(later) // 2] <= 12  # the middle one: it goes up, and is cut again


@pytest.mark.parametrize(("seconds", "fewer"), [(40.0, True), (0.1, False)])
def test_answers_that_come_near_their_deadline_cut_what_is_in_flight(server, tmp_path, seconds, fewer):
    """The deadline of an answer of 100 tokens is 70 seconds; by the clock of this test each takes `seconds`."""
    now, values = [0.0], []

    def slow(handler, body):
        now[0] += seconds
        echo(handler, body)

    server.otherwise = slow
    engine = OpenAI("m", "r1", base_url=server.url, backoff=0.01)
    engine.routes.clock = lambda: now[0]
    found = collect(
        [f"{n}" for n in range(60)],
        engine,
        tmp_path,
        concurrency=8,
        on_answer=lambda *_: values.append(engine.places.value),
    )
    assert sum(isinstance(outcome, Generation) for outcome in found) == 60
    assert (min(values) < 8) is fewer


def test_an_engine_hears_of_its_caller_only_while_it_is_asked(server, tmp_path):
    engine = OpenAI("m", "r1", base_url=server.url)
    collect(["a"], engine, tmp_path)
    assert engine.places is None
    engine.places = Limit(3)
    assert pickle.loads(pickle.dumps(engine)).places is None


# The breaker


def test_an_endpoint_that_is_down_ends_the_run_and_makes_no_dead_letter_of_every_record(server, tmp_path):
    server.script = [echo] * 7
    server.otherwise = fails(500, "out of order")
    engine = OpenAI("m", "r1", base_url=server.url, backoff=0.0, attempts=2)
    with pytest.raises(TeacherUnavailable, match=rf"{FAILURES} requests in a row failed.*out of order.*same command"):
        collect([f"{n}" for n in range(100)], engine, tmp_path, concurrency=1)
    assert len(server.requests) == 7 + 2 * FAILURES + 2  # and whether it is there at all
    assert server.requests[-1]["body"]["max_tokens"] == 1
    server.otherwise = echo
    counters = Counters()
    collect([f"{n}" for n in range(100)], engine, tmp_path, concurrency=1, counters=counters)
    assert (counters.reused, counters.asked) == (7, 93)


def test_an_answer_or_a_plain_no_in_between_shows_that_it_is_up(server, tmp_path):
    breaks = [fails(500)] * (FAILURES - 1)
    server.script = [*breaks, echo, *breaks, fails(422, "no"), *breaks, says(b"half"), fails(503)]
    engine = OpenAI("m", "r1", base_url=server.url, backoff=0.0, attempts=1)
    with pytest.raises(TeacherUnavailable, match="is no JSON"):
        collect([f"{n}" for n in range(100)], engine, tmp_path, concurrency=1)
    assert server.script == []


def test_a_breaker_counts_a_row_and_only_failures_without_an_answer_beside_them():
    breaker = Breaker(3)
    assert [breaker.failed(0), breaker.failed(0)] == [False, False]
    breaker.answered()
    assert [breaker.failed(0) for _ in range(10)] == [False] * 10  # they began before that answer
    assert [breaker.failed(1) for _ in range(3)] == [False, False, True]
    assert issubclass(TeacherFailed, TeacherRejected)


def test_requests_that_fail_while_others_are_answered_are_dead_letters_and_so_are_the_last_ones(server, tmp_path):
    """Thirty questions on which the server always breaks; they are the longest, so they go first."""
    texts = [f"{n}" for n in range(200)] + [f"poison {n}" for n in range(30)]
    counters = [Counters(), Counters()]

    def breaks(handler, body):
        (fails(500) if "poison" in body["messages"][-1]["content"] else echo)(handler, body)

    server.otherwise = breaks
    for concurrency, counted in zip((40, 2), counters, strict=True):  # the second time nothing else is left to ask
        engine = OpenAI("m", "r1", base_url=server.url, backoff=0.0, attempts=2)
        found = collect(texts, engine, tmp_path, concurrency=concurrency, counters=counted)
        assert sum(isinstance(outcome, TeacherFailed) for outcome in found) == 30
        assert sum(isinstance(outcome, Generation) for outcome in found) == 200
    assert (counters[1].asked, counters[1].reused) == (30, 200)
    assert sum(seen["body"]["max_tokens"] == 1 for seen in server.requests) >= 1  # it was doubted, and was there


def test_an_engine_that_always_fails_by_itself_counts_as_down(tmp_path):
    class Broken(Echo):
        async def generate(self, messages, sampling, sample):
            raise RuntimeError("no such device")

    with pytest.raises(TeacherUnavailable, match="no such device"):
        collect([f"{n}" for n in range(100)], Broken(), tmp_path, concurrency=1)


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
