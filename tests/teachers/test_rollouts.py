"""Asking: from the store first, never more in flight than allowed, in order, and nothing that came is lost."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import fsspec
import pytest

from yisang.errors import UsageError
from yisang.filters.cot import Structure
from yisang.records import Dead, Licence, Trace
from yisang.teachers import stream
from yisang.teachers.answers import AnswerStore, answer_key
from yisang.teachers.engines import TeacherRejected, TeacherUnavailable
from yisang.teachers.engines.echo import Echo
from yisang.teachers.engines.openai import OpenAI
from yisang.teachers.generation import Generation, Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt
from yisang.teachers.rollouts import Counters, Request, ask, teach

from .conftest import answer_to, completion, echo, fails, hangs, prompt, question, says

REPOSITORY = Path(__file__).resolve().parents[2]
SHORT = Sampling(max_tokens=100)


def requests(texts, sampling=SHORT):
    return [Request(prompt=prompt(text), messages=question(text), sampling=sampling) for text in texts]


def engine(server, **changes):
    return OpenAI("m", "r1", base_url=server.url, **{"backoff": 0.0, "attempts": 2, **changes})


def collect(asked, engine, store, **options):
    """All that `ask` yields; the counters go along."""
    counters = options.setdefault("counters", Counters())

    async def all_of_it():
        try:
            return [item async for item in ask(asked, engine, store, **{"concurrency": 4, **options})]
        finally:
            await engine.close()

    return asyncio.run(all_of_it()), counters


def texts_of(server):
    return [seen["body"]["messages"][-1]["content"] for seen in server.requests]


@pytest.fixture
def store(tmp_path):
    with AnswerStore(tmp_path / "answers") as store:
        yield store


# The stream


def test_each_request_is_answered_once_and_in_order(server, store):
    asked = requests(map(str, range(50)))
    found, counters = collect(asked, engine(server), store)
    assert [request for request, _ in found] == asked
    assert [outcome.answer for _, outcome in found] == [str(number) for number in range(50)]
    assert sorted(texts_of(server)) == sorted(map(str, range(50)))
    assert counters == Counters(asked=50)


@pytest.mark.parametrize("concurrency", [1, 3])
def test_never_more_in_flight_than_allowed_and_no_fewer(server, store, concurrency):
    # Each answer waits for its neighbours: without `concurrency` at once this would never end.
    barrier = threading.Barrier(concurrency)

    def together(handler, body):
        barrier.wait(timeout=60)
        echo(handler, body)

    server.otherwise = together
    found, _ = collect(requests(map(str, range(12))), engine(server), store, concurrency=concurrency)
    assert len(found) == 12
    assert server.most == concurrency


@pytest.mark.parametrize("concurrency", [1, 2, 5])
def test_the_engine_never_sees_more_than_allowed(store, concurrency):
    class Counting(Echo):
        now = most = 0

        async def generate(self, messages, sampling, sample):
            self.now += 1
            self.most = max(self.most, self.now)
            for _ in range(10):  # every other task that may run does so meanwhile
                await asyncio.sleep(0)
            self.now -= 1
            return await super().generate(messages, sampling, sample)

    counting = Counting()
    found, _ = collect(requests(map(str, range(30))), counting, store, concurrency=concurrency, chunk=7)
    assert len(found) == 30
    assert counting.most == concurrency


def test_a_slow_answer_is_no_barrier(server, store):
    # The first answer comes only when all others have come; in batches of four it would wait for ever.
    others = threading.Semaphore(0)

    def replies(handler, body):
        if body["messages"][-1]["content"] == "0":
            for _ in range(19):
                assert others.acquire(timeout=60)
            echo(handler, body)
        else:
            echo(handler, body)
            others.release()

    server.otherwise = replies
    asked = requests(map(str, range(20)))
    found, _ = collect(asked, engine(server), store, chunk=3)
    assert [request for request, _ in found] == asked


def test_an_endless_stream_is_read_only_as_far_as_the_window(server, store):
    read = []

    def endless():
        for number in range(10**9):
            read.append(number)
            yield from requests([str(number)])

    async def first_ten():
        stream = ask(endless(), asked, store, concurrency=4, chunk=5)
        found = [await anext(stream) for _ in range(10)]
        await stream.aclose()
        await asked.close()
        return found

    asked = engine(server)
    assert [request.prompt.text for request, _ in asyncio.run(first_ten())] == [str(number) for number in range(10)]
    assert len(read) <= 10 + 2 * 5 + 4 * 4


def test_twins_are_asked_once(server, store):
    twins = requests(["a", "b", "a", "a", "b", "c", "a"])
    found, counters = collect(twins, engine(server), store, chunk=2, concurrency=2)
    assert [outcome.answer for _, outcome in found] == list("abaabca")
    assert sorted(texts_of(server)) == ["a", "b", "c"]
    assert counters == Counters(asked=3, reused=4)


def test_twins_far_apart_are_asked_once_whatever_answers_first(server, store):
    # Many windows of twins against answers in any order.
    texts = [str(number % 7) for number in range(300)]
    found, counters = collect(requests(texts), engine(server), store, chunk=3, concurrency=5)
    assert [outcome.answer for _, outcome in found] == texts
    assert sorted(texts_of(server)) == sorted(set(texts))
    assert counters == Counters(asked=7, reused=293)


@pytest.mark.parametrize("changes", [{"concurrency": 0}, {"chunk": 0}])
def test_asking_nobody_at_all_is_refused(server, store, changes):
    with pytest.raises(UsageError):
        collect(requests("a"), engine(server), store, **changes)


def test_on_answer_hears_of_each(server, store):
    heard = []
    for texts in ("abc", "cd"):
        hear = lambda request, outcome: heard.append(request.prompt.text)  # noqa: E731
        collect(requests(texts), engine(server), store, on_answer=hear)
    assert sorted(heard) == ["a", "b", "c", "c", "d"]


def test_a_faulty_listener_ends_the_stream_and_loses_no_answer(server, store):
    def breaks(request, outcome):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        collect(requests("a"), engine(server), store, on_answer=breaks)
    _, counters = collect(requests("a"), engine(server), store)
    assert counters == Counters(reused=1)


# The store


def test_a_second_run_asks_nothing(server, store, tmp_path):
    first, _ = collect(requests("abcdef"), engine(server), store)
    again, counters = collect(requests("abcdef"), engine(server), AnswerStore(tmp_path / "answers"))
    assert again == first
    assert counters == Counters(reused=6)
    assert len(server.requests) == 6


def test_only_misses_are_asked(server, store):
    collect(requests("ace"), engine(server), store)
    server.requests.clear()
    found, counters = collect(requests("abcde"), engine(server), store)
    assert sorted(texts_of(server)) == ["b", "d"]
    assert [outcome.answer for _, outcome in found] == list("abcde")
    assert counters == Counters(asked=2, reused=3)


def test_another_address_and_another_engine_find_the_answers(server, store):
    _, first = collect(requests(["질문 하나"]), Echo("echo", "r1"), store)
    _, second = collect(requests(["질문 하나"]), OpenAI("echo", "r1", base_url=server.url), store)
    _, third = collect(requests(["질문 하나"]), OpenAI("echo", "r1", base_url="http://127.0.0.1:9/v1"), store)
    assert (first.asked, second.asked, third.asked) == (1, 0, 0)
    assert server.requests == []


def test_what_echo_is_told_is_part_of_who_it_is(store):
    """A setting that changes the answers must not find those of another."""
    found = [collect(requests(["질문 하나는 무엇인가요"]), Echo(revision=r), store) for r in ("1", "1;share=0.9")]
    assert [counters.asked for _, counters in found] == [1, 1]
    assert found[0][0] != found[1][0]


@pytest.mark.parametrize(
    "changed",
    [Sampling(max_tokens=101), Sampling(max_tokens=100, temperature=0.7), Sampling(max_tokens=100, top_k=21),
     Sampling(max_tokens=100, seed=1), Sampling(max_tokens=100, thinking=False)],
)  # fmt: skip
def test_another_setting_finds_none(server, store, changed):
    collect(requests("a"), engine(server), store)
    _, counters = collect(requests("a", changed), engine(server), store)
    assert counters == Counters(asked=1)


@pytest.mark.parametrize(("model", "revision"), [("m2", "r1"), ("m", "r2")])
def test_another_model_or_revision_finds_none(server, store, model, revision):
    collect(requests("a"), engine(server), store)
    other = OpenAI(model, revision, base_url=server.url)
    _, counters = collect(requests("a"), other, store)
    assert counters == Counters(asked=1)


def test_the_key_is_in_no_byte_of_the_store(server, store, tmp_path, monkeypatch):
    key = "sk-very-secret-0123456789"
    monkeypatch.setenv("YISANG_API_KEY", key)
    server.script = [fails(500, key), says(completion("ok"))]
    collect(requests("ab"), engine(server), store)
    store.close()
    assert any(seen["headers"].get("Authorization") == f"Bearer {key}" for seen in server.requests)
    written = [path.read_bytes() for path in (tmp_path / "answers").rglob("*") if path.is_file()]
    assert any(b"ok" in data for data in written)
    assert not any(key.encode() in data for data in written)


def test_answers_reach_an_object_store_before_they_are_handed_on(server):
    fs = fsspec.filesystem("memory")
    store = AnswerStore("memory://ask", buffer=4)
    stored = []

    async def all_of_it():
        async for request, _ in ask(requests(map(str, range(30))), asked, store, concurrency=3):
            body = asked.body(request.messages, request.sampling, request.sample)
            key = answer_key(body, "r1", 0)
            stored.append(key in AnswerStore("memory://ask").get_many([key]))
        await asked.close()

    asked = engine(server)
    asyncio.run(all_of_it())
    assert stored == [True] * 30
    objects = [path for path in fs.find("/ask") if path.endswith(".seg")]
    assert 2 <= len(objects) <= 15  # one for each four answers or more, not one for each
    fs.store.clear()


# Failures


def test_a_rejection_is_the_outcome_of_its_request_alone(server, store):
    server.otherwise = lambda handler, body: (
        handler.send(400, b'{"error": {"message": "bad"}}') if "bad" in str(body["messages"]) else echo(handler, body)
    )
    found, counters = collect(requests(["a", "bad", "c"]), engine(server), store)
    assert [type(outcome) for _, outcome in found] == [Generation, TeacherRejected, Generation]
    assert counters == Counters(asked=3, rejected=1)
    server.otherwise = echo  # and it is asked again, once the endpoint takes it
    found, counters = collect(requests(["a", "bad", "c"]), engine(server), store)
    assert [outcome.answer for _, outcome in found] == ["a", "bad", "c"]
    assert counters == Counters(asked=1, reused=2)


def test_a_fault_of_the_engine_on_one_request_is_a_rejection(store):
    class Faulty(Echo):
        async def generate(self, messages, sampling, sample):
            if "1" in messages[-1].content:
                raise ZeroDivisionError("oops")
            return await super().generate(messages, sampling, sample)

    found, _ = collect(requests(["0", "1", "\ud83d"]), Faulty(), store)
    assert [type(outcome) for _, outcome in found] == [Generation, TeacherRejected, Generation]
    assert "ZeroDivisionError: oops" in str(found[1][1])


def test_a_request_that_no_wire_takes_is_a_rejection(server, store):
    found, _ = collect(requests(["a", "\ud83d", "b"]), engine(server), store)  # half a character has no UTF-8
    assert [type(outcome) for _, outcome in found] == [Generation, TeacherRejected, Generation]


def test_an_unavailable_teacher_ends_the_stream_at_once_and_cancels_the_rest(server, store):
    refused = threading.Event()

    def refuses(handler, body):
        refused.wait(60)
        fails(401)(handler, body)

    def good(handler, body):
        echo(handler, body)
        refused.set()

    server.script = [refuses, good]
    server.otherwise = hangs
    counters = Counters()
    with pytest.raises(TeacherUnavailable):  # although the others hang
        collect(requests(map(str, range(100))), engine(server, concurrency=4), store, counters=counters)
    assert counters.asked <= 8
    kept = store.get_many(answer_key(engine(server).body(question(str(n)), SHORT, 0), "r1", 0) for n in range(100))
    assert len(kept) == 1  # the one that came is there


def test_answers_that_came_are_kept_when_the_consumer_stops(server, store):
    async def stop_after_one():
        stream = ask(requests("abcdefgh"), asked, store, concurrency=2)
        await anext(stream)
        await stream.aclose()
        await asked.close()

    asked = engine(server)
    asyncio.run(stop_after_one())
    came = len(server.requests)
    _, counters = collect(requests("abcdefgh"), engine(server), store)
    assert counters.reused >= 1
    assert len(server.requests) - came == counters.asked == 8 - counters.reused


@pytest.mark.parametrize("address", ["local", "memory"])
def test_a_cancelled_run_keeps_what_had_come(server, tmp_path, address):
    store = AnswerStore(tmp_path / "a" if address == "local" else "memory://cancelled")
    came = asyncio.Event()
    heard = []

    def hear(request, outcome):
        heard.append(request.prompt.text)
        if len(heard) == 3:
            came.set()

    async def cancelled():
        async def consume():
            async for _ in ask(requests(map(str, range(20))), asked, store, concurrency=2, on_answer=hear):
                pass

        task = asyncio.create_task(consume())
        await came.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asked.close()

    server.script = [echo] * 3
    server.otherwise = hangs
    asked = engine(server)
    asyncio.run(cancelled())
    fresh = AnswerStore(store.address)
    kept = fresh.get_many(answer_key(asked.body(question(text), SHORT, 0), "r1", 0) for text in map(str, range(20)))
    assert {answer.generation.answer for answer in kept.values()} == set(heard)
    fsspec.filesystem("memory").store.clear()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_run_repeats_at_most_what_was_in_flight(server, tmp_path, number):
    lock = threading.Lock()
    given = []

    def counts(handler, body):
        with lock:
            given.append(body["messages"][-1]["content"])
            stop = len(given) == 30
        if stop:
            os.kill(run.pid, number)
        echo(handler, body)

    server.otherwise = counts
    command = [
        sys.executable,
        str(Path(__file__).with_name("asker.py")),
        server.url,
        str(tmp_path / "answers"),
        "60",
        "256",
        "100",
    ]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    where = {"cwd": REPOSITORY, "env": environment, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **where, stderr=subprocess.DEVNULL) as run:
        told, _ = run.communicate()
    assert run.returncode != 0
    handed_on = told.decode().split()
    assert handed_on  # all of three digits, so they are asked in this order
    server.otherwise = echo
    first = len(server.requests)
    done = subprocess.run(command, **where, text=True, check=True)
    assert done.stdout.split() == [str(n) for n in range(100, 160)]
    repeated = set(texts_of(server)[:first]) & set(texts_of(server)[first:])
    assert len(repeated) <= 4  # the concurrency
    assert not set(handed_on) & repeated
    assert set(texts_of(server)) == {str(n) for n in range(100, 160)}


def test_answers_are_put_while_the_first_one_is_waited_for(monkeypatch):
    """Object stores: what has come is durable soon, though nothing can be handed on."""
    monkeypatch.setattr(stream, "FLUSH_AFTER", 0.05)
    released = asyncio.Event()

    class First(Echo):
        async def generate(self, messages, sampling, sample):
            if messages[-1].content == "0":
                await released.wait()
            return await super().generate(messages, sampling, sample)

    async def play():
        store = AnswerStore("memory://slow-head", buffer=1000)
        asked = ask(requests(map(str, range(30))), First(), store, concurrency=30)
        waiting = asyncio.create_task(anext(asked))
        async with asyncio.timeout(60):
            while store.durable < 29:
                await asyncio.sleep(0.01)
        assert not waiting.done()
        released.set()
        request, _ = await waiting
        assert request.prompt.text == "0"
        await asked.aclose()

    asyncio.run(play())


def test_an_engine_that_breaks_off_a_request_makes_a_dead_letter_and_hangs_nobody(store):
    class Breaking(Echo):
        async def generate(self, messages, sampling, sample):
            if messages[-1].content == "3":
                helper = asyncio.create_task(asyncio.sleep(3600))
                helper.cancel()
                await helper
            return await super().generate(messages, sampling, sample)

    found, _ = collect(requests(map(str, [*range(6), 3])), Breaking(), store)
    broken = [request.prompt.text for request, outcome in found if isinstance(outcome, TeacherRejected)]
    assert broken == ["3", "3"]


def test_a_setting_that_no_request_can_have_ends_the_stream(server, store):
    plain = engine(server, extensions=False)
    with pytest.raises(UsageError, match="without extensions"):
        collect(requests("ab", Sampling(top_k=5)), plain, store)


# teach

TEACHER = Teacher(engine="openai", model="m", revision="r1")


def test_teach_makes_traces_in_order(server, store):
    prompts = [prompt(f"질문 {number}은 무엇인가?") for number in range(5)]
    sampling = Sampling(max_tokens=50, seed=10)
    template = MixedPrompt()
    counters = Counters()
    traces = list(teach(prompts, TEACHER, template, sampling, 3, engine(server), store, 4, counters=counters))
    assert [(trace.prompt, trace.sample) for trace in traces] == [(p, n) for p in prompts for n in range(3)]
    assert counters == Counters(asked=15)
    trace = traces[4]
    assert isinstance(trace, Trace)
    seen = next(
        item["body"] for item in server.requests
        if item["body"]["messages"][-1]["content"] == prompts[1].text and item["body"]["seed"] == 11
    )  # fmt: skip
    assert trace == Trace(
        id=f"{prompts[1].id}/1",
        category="test",
        licence=prompts[1].licence,
        prompt=prompts[1],
        sample=1,
        text=answer_to(seen),
        think=trace.think,
        answer=prompts[1].text,
        teacher="m",
        revision="r1",
        sampling={"temperature": 0.6, "top_p": 0.95, "top_k": 20, "min_p": 0.0, "max_tokens": 50, "thinking": True,
                  "seed": 11},
        prompt_version=template.version,
        finish_reason="stop",
        usage={"prompt_tokens": 7, "completion_tokens": 11},
    )  # fmt: skip
    assert [message["content"] for message in seen["messages"]] == [template.text, prompts[1].text]
    assert len({trace.id for trace in traces}) == len({trace.text for trace in traces}) == 15
    assert Structure()(trace).verdicts == {"structure": "one"}


def test_the_licence_of_a_trace_is_the_strictest_of_question_and_teacher(server, store):
    closed = Licence(id="vendor-terms", letter="B", evidence="terms of service", derive=False)
    teacher = Teacher(engine="openai", model="m", revision="r1", licence=closed)
    (trace,) = teach([prompt("a")], teacher, MixedPrompt(), SHORT, 1, engine(server), store)
    assert (trace.licence.letter, trace.licence.derive) == ("B", False)
    assert trace.licence.id == f"{prompt('a').licence.id} AND vendor-terms"
    # Of the declaration, not of the stored answer; a teacher that sets no terms leaves the question's.
    (trace,) = teach([prompt("a")], TEACHER, MixedPrompt(), SHORT, 1, engine(server), store)
    assert trace.licence == prompt("a").licence


def test_a_rejected_request_is_a_dead_letter_with_its_prompt(server, store):
    server.otherwise = lambda handler, body: (
        fails(422, "too long")(handler, body) if "긴" in str(body["messages"]) else echo(handler, body)
    )
    prompts = [prompt("a"), prompt("긴 질문"), prompt("c")]
    found = list(teach(prompts, TEACHER, MixedPrompt(), SHORT, 1, engine(server), store))
    assert [type(item) for item in found] == [Trace, Dead, Trace]
    dead = found[1]
    assert (dead.error, dead.record) == ("TeacherRejected", prompts[1])
    assert "sample 0" in dead.message
    assert "too long" in dead.message
    assert "TeacherRejected" in dead.traceback


def test_a_prompt_that_no_template_takes_is_a_dead_letter(server, store):
    class Picky(MixedPrompt):
        def messages(self, prompt):
            if prompt.text == "b":
                raise KeyError("field")
            return super().messages(prompt)

    found = list(teach([prompt("a"), prompt("b"), prompt("c")], TEACHER, Picky(), SHORT, 1, engine(server), store))
    assert [type(item) for item in found] == [Trace, Dead, Trace]
    assert "KeyError" in found[1].message


def test_teach_stops_when_its_consumer_does(server, store):
    before = threading.active_count()
    endless = (prompt(str(n)) for n in range(10**9))
    traces = teach(endless, TEACHER, MixedPrompt(), SHORT, 1, engine(server), store, 2, chunk=5)
    for _ in range(3):
        next(traces)
    traces.close()
    assert "teach" not in [thread.name for thread in threading.enumerate()]
    assert threading.active_count() <= before + 2  # the server's own
    assert len(server.requests) < 500


def test_python_collects_as_before_once_nothing_is_asked_any_more(server, store):
    before = gc.get_threshold()
    traces = teach([prompt("a"), prompt("b")], TEACHER, MixedPrompt(), SHORT, 1, engine(server), store)
    next(traces)
    assert gc.get_threshold()[0] == stream.COLLECT_AFTER
    traces.close()
    assert gc.get_threshold() == before


def test_teach_hands_on_what_ends_the_run(server, store):
    server.otherwise = fails(401)
    with pytest.raises(TeacherUnavailable):
        list(teach([prompt("a")], TEACHER, MixedPrompt(), SHORT, 1, engine(server), store))

    def broken():
        yield prompt("a")
        raise ZeroDivisionError

    server.otherwise = echo
    with pytest.raises(ZeroDivisionError):
        list(teach(broken(), TEACHER, MixedPrompt(), SHORT, 1, engine(server), store))


@pytest.mark.parametrize(("model", "revision", "samples"), [("m2", "r1", 1), ("m", "r2", 1), ("m", "r1", 0)])
def test_teach_refuses_what_would_be_stored_wrongly(server, store, model, revision, samples):
    other = OpenAI(model, revision, base_url=server.url)
    with pytest.raises(UsageError):
        list(teach([prompt("a")], TEACHER, MixedPrompt(), SHORT, samples, other, store))


def test_nobody_asks_twice_over_two_whole_runs(server, store):
    prompts = [prompt(f"질문 {number}") for number in range(4)]
    first = list(teach(prompts, TEACHER, MixedPrompt(), SHORT, 2, engine(server), store))
    counters = Counters()
    again = list(teach(prompts, TEACHER, MixedPrompt(), SHORT, 2, engine(server), store, counters=counters))
    assert again == first
    assert counters == Counters(reused=8)
    assert json.dumps([trace.text for trace in again]) == json.dumps([trace.text for trace in first])
