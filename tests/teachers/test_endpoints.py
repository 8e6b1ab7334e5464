"""Several endpoints of one model, against real servers: who is asked, and what happens when one of them is busy or gone."""

from __future__ import annotations

import asyncio
import pickle
import socket

import pytest

from yisang.commands.options import teacher_setting
from yisang.errors import UsageError
from yisang.evals.config import parsed
from yisang.teachers.engines.base import TeacherRejected, TeacherUnavailable
from yisang.teachers.engines.endpoints import Endpoint, endpoints_of
from yisang.teachers.engines.openai import OpenAI
from yisang.teachers.engines.routing import FEW, PROBE, Lane, Routes
from yisang.teachers.generation import Sampling

from .conftest import fails, hangs, question, resets, says, serving

SHORT = Sampling(max_tokens=100)


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    monkeypatch.delenv("YISANG_API_KEY", raising=False)


@pytest.fixture
def pair():
    with serving() as one, serving() as other:
        yield one, other


@pytest.fixture
def port():
    """Of nobody."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


async def never(seconds):
    raise AssertionError(f"it waited {seconds} s, though another endpoint was free")


def ask(engine, texts, sample=0, sampling=SHORT):
    async def all_of_them():
        try:
            asked = (engine.generate(question(text), sampling, sample) for text in texts)
            return await asyncio.gather(*asked, return_exceptions=True)
        finally:
            await engine.close()

    return asyncio.run(all_of_them())


def one_by_one(engine, texts, sample=0):
    return [answer for text in texts for answer in ask(engine, [text], sample)]


def texts(count):
    return [f"질문 {number}" for number in range(count)]


def asked_by(server):
    return [seen["body"]["messages"][0]["content"] for seen in server.requests]


def engine(*servers, **changes):
    return OpenAI("m", "r1", endpoints=[server.url for server in servers], **{"sleep": never, **changes})


# reading the option


def test_endpoints_are_read_from_the_command_line():
    found = (Endpoint("http://a:8000/v1", 2.0), Endpoint("http://b:8000/v1"))
    text = "http://a:8000/v1=2,http://b:8000/v1"
    assert endpoints_of(teacher_setting("openai", [f"endpoints={text}"], None, "").options["endpoints"]) == found
    assert endpoints_of(parsed(text)) == found
    told = 'endpoints=[{"base_url": "http://a:8000/v1", "weight": 2, "key_env": "A"}, "http://b:8000/v1"]'
    (one, other) = endpoints_of(teacher_setting("openai", [told], None, "").options["endpoints"], "B")
    assert (one.weight, one.key_env, other.key_env) == (2.0, "A", "B")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "must name one address or more"),
        ([], "must name one address or more"),
        (7, "must name one address or more"),
        ("http://a/v1=much", "weight of an endpoint must be a number"),
        ("http://a/v1=0", "must be above 0"),
        ("http://a/v1=-1", "must be above 0"),
        ("http://a/v1=nan", "must be above 0"),
        ("http://a/v1,http://a/v1/", "http://a/v1 is named twice"),
        ("a:8000", "must look like"),
        ([{"url": "http://a/v1"}], "has base_url"),
        ([{"base_url": "http://a/v1", "key": "sk-secret"}], "has base_url"),
    ],
)
def test_endpoints_that_cannot_be_read_are_refused(given, words):
    with pytest.raises(UsageError, match=words) as caught:
        OpenAI("m", "r1", endpoints=given)
    assert "sk-secret" not in str(caught.value)


def test_one_address_or_several_not_both():
    with pytest.raises(UsageError, match="Both base_url and endpoints"):
        OpenAI("m", "r1", base_url="http://a/v1", endpoints="http://b/v1")


# who is asked


def test_the_samples_of_a_question_go_to_the_same_endpoint(pair):
    one, other = pair
    asked = engine(*pair)
    for sample in range(3):
        one_by_one(asked, texts(20), sample)
    assert not set(asked_by(one)) & set(asked_by(other))
    assert {asked_by(server).count(text) for server in pair for text in asked_by(server)} == {3}
    assert len(asked_by(one)) > 12
    assert len(asked_by(other)) > 12


def test_questions_are_dealt_by_weight():
    lanes = [Lane(Endpoint(f"http://{host}/v1", weight)) for host, weight in (("a", 3), ("b", 1), ("c", 1))]
    routes = Routes(lanes)
    dealt = [routes.choose(str(number).encode()) for number in range(5000)]
    # Binomial, 4 standard deviations
    assert abs(dealt.count(lanes[0]) - 3000) < 140
    assert abs(dealt.count(lanes[1]) - 1000) < 115


def test_an_endpoint_that_goes_takes_no_question_from_another():
    lanes = [Lane(Endpoint(f"http://{host}/v1")) for host in "abc"]
    routes = Routes(lanes)
    before = {number: routes.choose(str(number).encode()) for number in range(1000)}
    lanes[2].held = True
    after = {number: routes.choose(str(number).encode()) for number in range(1000)}
    assert all(after[number] is lane for number, lane in before.items() if lane is not lanes[2])
    assert {after[number] for number, lane in before.items() if lane is lanes[2]} == set(lanes[:2])


def test_an_endpoint_with_more_than_its_share_in_flight_is_passed_over():
    lanes = [Lane(Endpoint(f"http://{host}/v1")) for host in "ab"]
    routes = Routes(lanes)
    mine = routes.choose(b"q")
    (other,) = set(lanes) - {mine}
    mine.in_flight = FEW - 1
    assert routes.choose(b"q") is mine
    mine.in_flight, other.in_flight = 99, 60
    assert routes.choose(b"q") is mine  # 1.25 times half of 160 with this one is 100
    mine.in_flight = 102
    assert routes.choose(b"q") is other


def test_a_slow_endpoint_holds_nobody_up(pair):
    slow, quick = pair
    slow.otherwise = hangs
    asked = engine(*pair)

    async def play():
        waiting = [asyncio.create_task(asked.generate(question(text), SHORT, 0)) for text in texts(200)]
        done = 0
        for answer in asyncio.as_completed(waiting):
            await answer
            done += 1
            if done == 75:  # 1.25 times half of them may hang, and the rest is answered
                break
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await asked.close()
        return done

    assert asyncio.run(play()) == 75
    assert len(quick.requests) >= 75


# one of them fails


def test_a_busy_endpoint_slows_nobody(pair):
    busy, free = pair
    busy.otherwise = fails(429)
    answers = one_by_one(engine(*pair, backoff=1000.0), texts(30))
    assert {answer.structure for answer in answers} == {"one"}
    assert len(free.requests) == 30
    assert len(busy.requests) == 1  # it is left alone as long as its back-off says


def test_a_busy_endpoint_is_left_alone_as_long_as_it_wants(pair):
    busy, _ = pair
    busy.script = [fails(429, Retry_After="17")]
    asked = engine(*pair, backoff=0.0)
    now = [1000.0]
    asked.routes.clock = lambda: now[0]
    one_by_one(asked, texts(20))
    assert len(busy.requests) == 1
    now[0] += 16.9
    one_by_one(asked, texts(20))
    assert len(busy.requests) == 1
    now[0] += 0.2
    one_by_one(asked, texts(20))
    assert len(busy.requests) > 5


def test_an_endpoint_that_is_down_is_left_out_and_taken_back(pair, port):
    up = pair[0]
    asked = OpenAI("m", "r1", endpoints=[up.url, f"http://127.0.0.1:{port}/v1"], backoff=1.0, sleep=never)
    now = [1000.0]
    asked.routes.clock = lambda: now[0]
    assert {answer.structure for answer in ask(asked, texts(40))} == {"one"}
    gone = asked.routes.lanes[1]
    assert (gone.down, gone.in_flight, gone.answers) == (True, 0, 0)
    assert now[0] < gone.out_until <= now[0] + 1.0  # 40 refusals of one moment count once
    now[0] += 2.0
    one_by_one(asked, texts(10))
    assert now[0] + 1.0 <= gone.out_until <= now[0] + 2.0  # tried again once, and left alone for longer
    now[0] += 3.0
    with serving(port):
        assert {answer.structure for answer in one_by_one(asked, texts(20))} == {"one"}
        assert not gone.down
        assert gone.answers > 3


def test_an_endpoint_that_was_down_has_one_request_until_it_answers(caplog):
    lanes = [Lane(Endpoint(f"http://{host}/v1")) for host in "ab"]
    now = [0.0]
    routes = Routes(lanes, clock=lambda: now[0])
    one = lanes[0]
    mine = next(str(number).encode() for number in range(100) if routes.choose(str(number).encode()) is one)
    one.out(0.0, 0.0, lambda times: 10.0 * times, down=True)
    assert "http://a/v1 is down" in caplog.text
    assert routes.choose(mine) is lanes[1]
    now[0] = 10.0
    assert routes.choose(mine) is one
    one.sent(now[0])
    assert routes.choose(mine) is lanes[1]
    now[0] += PROBE  # a long answer may take much longer than a refusal
    assert routes.choose(mine) is one
    one.answered()
    assert "http://a/v1 answers again" in caplog.text


def test_answers_that_break_off_in_a_row_take_an_endpoint_out(pair):
    broken, _ = pair
    broken.otherwise = resets

    async def sleep(seconds):
        pass

    asked = engine(*pair, backoff=1000.0, sleep=sleep)
    assert {answer.structure for answer in one_by_one(asked, texts(60))} == {"one"}
    assert len(broken.requests) == 5


def test_a_fault_of_the_record_is_not_tried_at_one_endpoint_only(pair):
    one, other = pair

    async def sleep(seconds):
        pass

    one.otherwise = other.otherwise = fails(500, "boom")
    (found,) = ask(engine(*pair, attempts=4, sleep=sleep), ["질문"])
    assert isinstance(found, TeacherRejected)
    assert (len(one.requests), len(other.requests)) == (2, 2)


@pytest.mark.parametrize("fault", [fails(429), fails(503), None])
def test_only_when_all_are_out_the_teacher_is_unavailable(pair, port, fault):
    one, _ = pair
    now = [1000.0]

    async def sleep(seconds):
        now[0] += seconds

    one.otherwise = fault or fails(429)
    addresses = [one.url, f"http://127.0.0.1:{port}/v1" if fault is None else pair[1].url]
    pair[1].otherwise = fails(429)
    asked = OpenAI("m", "r1", endpoints=addresses, attempts=3, sleep=sleep)
    asked.routes.clock = lambda: now[0]
    (found,) = ask(asked, ["질문"])
    assert isinstance(found, TeacherUnavailable)
    assert 1.5 <= now[0] - 1000.0 <= 6.0  # two pauses, of 1 and 2 seconds with jitter, as with one endpoint


def test_endpoints_that_ask_to_be_left_alone_are(pair):
    one, other = pair
    one.otherwise = other.otherwise = fails(429, Retry_After="30")
    slept = []

    async def sleep(seconds):
        slept.append(seconds)
        await asyncio.Event().wait()

    asked = engine(*pair, sleep=sleep)

    async def until(count, tasks):
        async with asyncio.timeout(60):
            while len(slept) < count and not any(task.done() for task in tasks):
                await asyncio.sleep(0.01)

    async def play():
        tasks = [asyncio.create_task(asked.generate(question("first"), SHORT, 0))]
        await until(1, tasks)
        tasks += [asyncio.create_task(asked.generate(question(text), SHORT, 0)) for text in texts(50)]
        await until(51, tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asked.close()

    asyncio.run(play())
    assert len(slept) == 51
    assert all(29 < seconds <= 30 for seconds in slept)
    assert (len(one.requests), len(other.requests)) == (1, 1)


def routes_of(*out, refused=()):
    """Endpoints that are out for so many seconds (None: held), and some of them refuse."""
    lanes = [Lane(Endpoint(f"http://{number}/v1"), held=seconds is None) for number, seconds in enumerate(out)]
    for number, seconds in enumerate(out):
        if number in refused:
            lanes[number].refused(0.0, seconds)
        elif seconds:
            lanes[number].out(0.0, 0.0, lambda times, seconds=seconds: seconds, down=False)
    now, slept = [0.0], []

    async def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    return Routes(lanes, clock=lambda: now[0]), sleep, slept


@pytest.mark.parametrize(
    ("out", "refused", "expected"),
    [
        ((30.0, 10.0, 20.0), (), (1, [10.0])),
        ((30.0, 10.0), (1,), (1, [10.0])),  # it may answer again by then
        ((400.0, 300.0), (0, 1), (1, [])),  # nothing to wait for: it tells why
    ],
)
def test_a_request_waits_for_the_endpoint_that_comes_back_first(out, refused, expected):
    routes, sleep, slept = routes_of(*out, refused=refused)
    found = asyncio.run(routes.any(b"q", sleep))
    assert (routes.lanes.index(found), slept) == expected


def test_a_server_that_is_up_again_ends_the_wait_for_another():
    routes, _, _ = routes_of(30.0, None)

    async def play():
        async def sleep(seconds):
            await asyncio.Event().wait()

        waiting = asyncio.create_task(routes.any(b"q", sleep))
        await asyncio.sleep(0)
        routes.lanes[1].held = False
        routes.changed()
        return await asyncio.wait_for(waiting, 60)

    assert asyncio.run(play()) is routes.lanes[1]


@pytest.mark.parametrize("refusal", [fails(429, "daily quota", Retry_After="86400"), fails(401, "expired")])
def test_one_that_refuses_while_the_other_is_busy_does_not_stop_the_run(pair, refusal):
    gone, busy = pair
    now = [1000.0]

    async def sleep(seconds):
        now[0] += seconds
        await asyncio.sleep(0)

    asked = engine(*pair, sleep=sleep, backoff=0.2)
    asked.routes.clock = lambda: now[0]
    assert {answer.structure for answer in ask(asked, texts(20))} == {"one"}
    gone.otherwise, busy.script = refusal, [fails(429, "slow down")] * 3
    assert {getattr(answer, "structure", answer) for answer in ask(asked, texts(40), 1)} == {"one"}
    busy.otherwise = refusal
    (found,) = ask(asked, ["질문"])
    assert isinstance(found, TeacherUnavailable)


def test_a_spent_quota_of_one_leaves_the_others(pair):
    spent, other = pair
    spent.otherwise = fails(429, "daily quota", Retry_After="86400")
    assert {answer.structure for answer in one_by_one(engine(*pair), texts(20))} == {"one"}
    assert len(spent.requests) == 1
    other.otherwise = fails(429, "daily quota too", Retry_After="86400")
    (found,) = ask(engine(*pair), ["질문"])
    assert isinstance(found, TeacherUnavailable)
    assert "daily quota" in str(found)


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_an_endpoint_that_refuses_its_first_request_is_a_mistake_to_be_told(pair, status):
    pair[0].otherwise = fails(status)
    found = one_by_one(engine(*pair), texts(20))
    assert any(isinstance(answer, TeacherUnavailable) for answer in found)


def test_an_endpoint_that_refuses_later_is_left_out(pair):
    asked = engine(*pair)
    one_by_one(asked, texts(20))
    before = len(pair[0].requests)
    pair[0].otherwise = fails(401)
    assert {answer.structure for answer in one_by_one(asked, texts(20))} == {"one"}
    assert len(pair[0].requests) == before + 1


# keys


def test_each_endpoint_gets_its_own_key_and_nobody_else_sees_it(pair, monkeypatch):
    keys = {"KEY_A": "sk-aaaaaaaaaaaaaaaa", "KEY_B": "sk-bbbbbbbbbbbbbbbb"}
    for name, key in keys.items():
        monkeypatch.setenv(name, key)
    told = [{"base_url": server.url, "key_env": name} for server, name in zip(pair, keys, strict=True)]
    asked = OpenAI("m", "r1", endpoints=told)
    one_by_one(asked, texts(20))
    for server, key in zip(pair, keys.values(), strict=True):
        assert {seen["headers"]["Authorization"] for seen in server.requests} == {f"Bearer {key}"}
    shown = repr(asked) + str(vars(asked)) + str(pickle.dumps(asked))
    assert not any(key in shown for key in keys.values())
    assert all(server.url in repr(asked) for server in pair)


def test_an_unpickled_engine_asks_the_same_endpoints(pair):
    asked = engine(*pair)
    one_by_one(asked, texts(10))
    dealt = asked_by(pair[0])
    asked = pickle.loads(pickle.dumps(asked))
    one_by_one(asked, texts(10))
    assert asked_by(pair[0]) == dealt * 2


def test_an_answer_that_is_no_json_is_asked_of_another(pair):
    async def sleep(seconds):
        pass

    pair[0].script = pair[1].script = [says(b"<html>")]  # whichever is asked first
    (found,) = ask(engine(*pair, sleep=sleep), ["질문"])
    assert found.structure == "one"
    assert [len(server.requests) for server in pair] == [1, 1]
