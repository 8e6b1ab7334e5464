"""The endpoint engine against a real server that fails in every way that servers fail."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import pickle
import socket
import traceback

import httpx
import pytest

from yisang.errors import UsageError
from yisang.teachers.engines.base import TeacherFailed, TeacherRejected, TeacherUnavailable
from yisang.teachers.engines.openai import OpenAI
from yisang.teachers.generation import Sampling, Usage

from .conftest import Handler, completion, echo, fails, hangs, question, resets, says, serving

KEY = "sk-very-secret-0123456789"
SHORT = Sampling(max_tokens=100)


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    monkeypatch.delenv("YISANG_API_KEY", raising=False)


def engine(server, **changes):
    return OpenAI("m", "r1", base_url=server.url, **{"backoff": 0.0, **changes})


def ask(engine, sampling=SHORT, sample=0, text="질문"):
    async def once():
        try:
            return await engine.generate(question(text), sampling, sample)
        finally:
            await engine.close()

    return asyncio.run(once())


def test_an_answer_is_read_and_the_request_is_complete(server):
    server.script = [says(completion("<think>a</think>b"))]
    sampling = Sampling(temperature=0.7, top_p=0.9, top_k=5, min_p=0.1, max_tokens=50, thinking=False, seed=3)
    answer = ask(engine(server), sampling, sample=4)
    assert (answer.think, answer.answer, answer.structure, answer.finish_reason) == ("a", "b", "one", "stop")
    assert answer.usage == Usage(prompt_tokens=7, completion_tokens=11)
    (seen,) = server.requests
    assert seen["path"] == "/v1/chat/completions"
    assert seen["body"] == {
        "model": "m",
        "messages": [{"role": "user", "content": "질문"}],
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 5,
        "min_p": 0.1,
        "max_tokens": 50,
        "n": 1,
        "seed": 7,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    assert "Authorization" not in seen["headers"]


def test_without_extensions_only_the_vendor_s_own_fields_are_sent(server):
    sampling = Sampling(top_k=0, max_tokens=10)
    ask(engine(server, extensions=False), sampling)
    assert set(server.requests[0]["body"]) == {
        "model", "messages", "temperature", "top_p", "max_tokens", "n", "seed",
    }  # fmt: skip


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(top_k=0, min_p=0.1)])
def test_a_setting_that_cannot_be_sent_is_refused_not_ignored(server, sampling):
    with pytest.raises(UsageError, match="without extensions"):
        ask(engine(server, extensions=False), sampling)
    assert server.requests == []


def test_truncation_is_a_finish_reason(server):
    server.script = [says(completion("<think>a b c", finish="length"))]
    answer = ask(engine(server))
    assert (answer.finish_reason, answer.structure, answer.answer) == ("length", "unclosed", None)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_in_its_own_field_becomes_raw_text(server, field):
    server.script = [says(completion("b", **{field: "a"}))]
    answer = ask(engine(server))
    assert (answer.text, answer.structure) == ("<think>\na\n</think>\n\nb", "one")


def test_reasoning_that_was_cut_stays_open(server):
    server.script = [says(completion(None, finish="length", reasoning_content="a"))]
    assert ask(engine(server)).structure == "unclosed"


def test_a_filtered_answer_is_an_answer_with_that_finish_reason(server):
    server.script = [says(completion(None, finish="content_filter", usage=False))]
    answer = ask(engine(server))
    assert (answer.text, answer.finish_reason, answer.usage) == ("", "content_filter", Usage())


def test_another_finish_reason_is_kept_as_reported(server):
    server.script = [says(completion("b", finish="tool_calls"))]
    assert ask(engine(server)).finish_reason == "tool_calls"


NO_CONTENT = {"choices": [{"message": {"role": "assistant"}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    "fault",
    [fails(429), fails(500), fails(502), fails(503), fails(504), fails(408), resets, says(completion("b", finish="error")),
     says(completion("b", finish="abort"))],
)  # fmt: skip
def test_a_passing_fault_is_retried(server, fault):
    server.script = [fault] * 5
    assert ask(engine(server)).structure == "one"
    assert len(server.requests) == 6
    assert all(seen["body"] == server.requests[0]["body"] for seen in server.requests)


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (fails(429, "slow down"), TeacherUnavailable, "answered 429: slow down"),
        (fails(503), TeacherUnavailable, "answered 503"),
        (fails(500, "boom"), TeacherRejected, "answered 500: boom"),
        (fails(502), TeacherRejected, "answered 502"),
        (fails(504), TeacherRejected, "answered 504"),
        (resets, TeacherRejected, "broke off the connection"),
        (says(completion("half", finish="error")), TeacherRejected, "broke off .finish_reason 'error'"),
        (says(completion("half", finish="abort")), TeacherRejected, "broke off .finish_reason 'abort'"),
    ],
)
def test_a_lasting_fault_ends_after_the_attempts(server, fault, error, words):
    server.otherwise = fault
    with pytest.raises(error, match=words):
        ask(engine(server, attempts=3))
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (b"<html>", "is no JSON.*<html>"),
        (b'{"choices": [', "is no JSON"),
        (b"[]", r"has no choices\[0\]"),
        ({"choices": []}, r"has no choices\[0\]"),
        ({"error": {"message": "Insufficient credits", "code": 402}}, r"has no choices\[0\].*Insufficient credits\."),
        ({"choices": [{"finish_reason": "stop"}]}, r"has no choices\[0\].message"),
        (completion("b", finish=None), r"has no choices\[0\].finish_reason"),
        (completion(["parts"]), r"has no choices\[0\].message.content"),
        (NO_CONTENT, r"has no choices\[0\].message.content"),
    ],
)
def test_what_may_be_paid_for_already_is_asked_once_more_only_and_told(server, found, words):
    server.script = [says(found)]
    assert ask(engine(server)).structure == "one"
    server.requests.clear()
    server.otherwise = says(found)
    with pytest.raises(TeacherFailed, match=words):
        ask(engine(server))
    assert len(server.requests) == 2
    assert server.requests[0]["body"] == server.requests[1]["body"]


@pytest.mark.parametrize(
    "body",
    [{"error": {"message": "top_k is not allowed"}}, {"error": "top_k is not allowed"}, {"detail": "top_k is not allowed"},
     {"message": "top_k is not allowed"}, "top_k is not allowed"],
)  # fmt: skip
def test_the_endpoint_s_own_words_are_told_with_the_way_out(server, body):
    server.otherwise = says(body, 422)
    with pytest.raises(
        TeacherRejected, match=r"answered 422: top_k is not allowed\. If it refuses .* extensions=False"
    ):
        ask(engine(server))


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, TeacherRejected), (413, TeacherRejected), (422, TeacherRejected), (401, TeacherUnavailable),
     (402, TeacherUnavailable), (403, TeacherUnavailable), (404, TeacherUnavailable), (307, TeacherUnavailable)],
)  # fmt: skip
def test_a_plain_no_is_not_asked_again(server, status, error):
    server.otherwise = fails(status, "because")
    with pytest.raises(error) as caught:
        ask(engine(server))
    assert len(server.requests) == 1
    assert f"{server.url} answered {status}: because" in str(caught.value)


def test_the_pause_is_the_one_that_the_server_wants(server):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    server.script = [fails(429, Retry_After="0"), fails(429, Retry_After="17"), fails(500), fails(500), fails(500)]
    assert ask(engine(server, backoff=1.0, sleep=sleep)).structure == "one"
    assert slept[:2] == [0, 17]
    assert 2 <= slept[2] <= 4 <= slept[3] <= 8 <= slept[4] <= 16  # doubled each time, with jitter


def test_a_date_as_retry_after_is_understood(server):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    server.script = [fails(503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")]
    ask(engine(server, backoff=1000.0, sleep=sleep))
    assert slept == [0]


def test_a_spent_quota_stops_the_run_at_once(server):
    server.otherwise = fails(429, "daily quota", Retry_After="86400")
    with pytest.raises(TeacherUnavailable, match="daily quota"):
        ask(engine(server))
    assert len(server.requests) == 1


def test_a_hung_server_is_cut_by_the_deadline_and_asked_once_more(server):
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)

    server.otherwise = hangs
    with pytest.raises(TeacherRejected, match="did not finish"):
        ask(engine(server, patience=0.05, min_tokens_per_second=1e9, sleep=sleep))
    assert len(pauses) == 1  # between two attempts, of the six that other faults get


def test_a_dripping_answer_is_cut_by_the_deadline_too(server):
    # A read timeout alone would start anew with each byte.
    def drips(handler, body):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while not handler.server.released.wait(0.005):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    server.otherwise = drips
    with pytest.raises(TeacherRejected, match="did not finish"):
        ask(engine(server, patience=0.05, min_tokens_per_second=1e9))


def test_a_hung_answer_may_come_at_the_second_try(server):
    server.script = [hangs]
    assert ask(engine(server, patience=2.0, min_tokens_per_second=1e9)).structure == "one"


def test_the_deadline_grows_with_max_tokens(server):
    asked = engine(server)
    assert asked.deadline(10) == 61
    assert asked.deadline(16384) > 1600  # a 16k-token answer at 10 tokens per second is waited for


def test_nobody_listening_is_a_paragraph(server):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = OpenAI("m", "r1", base_url=f"http://127.0.0.1:{free.getsockname()[1]}/v1", backoff=0.0)
        with pytest.raises(TeacherUnavailable, match="No connection to the teacher at http://127"):
            ask(nobody)


def test_a_server_that_comes_up_late_is_waited_for():
    # The first attempts meet a closed port; the second pause opens it.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    slept, late = [], contextlib.ExitStack()

    async def open_up(_):
        slept.append(1)
        if len(slept) == 2:
            late.enter_context(serving(port))

    with late:
        assert ask(OpenAI("m", "r1", base_url=f"http://127.0.0.1:{port}/v1", sleep=open_up)).structure == "one"
    assert len(slept) == 2


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host:8000/v1",
        "ftp://host/v1",
        "http://",
        "http://me:pass@host/v1",
        "http://host/v1?key=x",
        "http://host/#x",
        "http://host:99999/v1",
        "http://host:x/v1",
    ],
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused(url):
    with pytest.raises(UsageError) as caught:
        OpenAI("m", "r1", base_url=url)
    assert "pass@" not in str(caught.value)
    assert "key=x" not in str(caught.value)


def test_an_endpoint_without_a_revision_is_refused():
    with pytest.raises(UsageError, match="must declare a revision"):
        OpenAI("m", " ", base_url="http://host/v1")


def test_the_key_goes_into_the_header_and_nowhere_else(server, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OTHER_KEY", f" {KEY}\n")
    asked = engine(server, key_env="OTHER_KEY", attempts=1)
    server.script = [
        echo,
        fails(401, f"Incorrect API key provided: {KEY}"),
        fails(500, f"{KEY}"),
        says(f"plain {KEY}".encode(), 400),
        resets,
    ]
    ask(asked)
    assert server.requests[0]["headers"]["Authorization"] == f"Bearer {KEY}"
    told = [repr(asked), str(vars(asked)), caplog.text]
    for _ in range(4):
        with pytest.raises((TeacherUnavailable, TeacherRejected)) as caught:
            ask(asked)
        told += [str(caught.value), repr(caught.value), "".join(traceback.format_exception(caught.value))]
    assert "[key]" in "".join(told)  # the endpoint did repeat it
    told.append(caplog.text)
    assert not any(KEY in text for text in told)
    assert KEY.encode() not in pickle.dumps(asked)
    assert not any(KEY in str(seen["body"]) for seen in server.requests)


def test_a_key_that_no_header_can_hold_is_refused_without_being_shown(server, monkeypatch):
    # An HTTP library may print it in its own error.
    monkeypatch.setenv("YISANG_API_KEY", f"{KEY}\nx")
    with pytest.raises(UsageError, match="YISANG_API_KEY") as caught:
        ask(engine(server))
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_401_tells_whether_a_key_was_sent(server, monkeypatch):
    server.otherwise = fails(401)
    with pytest.raises(TeacherUnavailable, match="YISANG_API_KEY is not set"):
        ask(engine(server))
    monkeypatch.setenv("YISANG_API_KEY", KEY)
    with pytest.raises(TeacherUnavailable, match="is set, but not accepted"):
        ask(engine(server))


def test_an_unpickled_engine_asks_from_another_loop(server):
    first = engine(server)
    ask(first)
    second = pickle.loads(pickle.dumps(first))
    assert ask(second).text == ask(first).text


def test_a_proxy_of_the_environment_does_not_stand_before_loopback(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert ask(engine(server)).structure == "one"
    with pytest.raises(httpx.ConnectError):  # the proxy would have been in the way
        httpx.post(server.url, json={})


def test_what_netrc_holds_is_sent_to_nobody(server, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password pass\n")
    monkeypatch.setenv("NETRC", str(netrc))
    elsewhere = OpenAI("m", "r1", base_url=server.url.replace("127.0.0.1", "0.0.0.0"), attempts=1)
    assert ask(elsewhere).structure == "one"
    assert "Authorization" not in server.requests[0]["headers"]
    monkeypatch.setenv("YISANG_API_KEY", KEY)
    assert ask(elsewhere).structure == "one"
    assert server.requests[1]["headers"]["Authorization"] == f"Bearer {KEY}"


def test_a_proxy_of_the_environment_stands_before_other_hosts(server, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, server.url.removesuffix("/v1"))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert ask(OpenAI("m", "r1", base_url="http://teacher.example/v1", attempts=1)).structure == "one"
    assert server.requests[0]["path"] == "http://teacher.example/v1/chat/completions"
    monkeypatch.setenv("no_proxy", "example")
    monkeypatch.setenv("NO_PROXY", "example")
    with pytest.raises(TeacherUnavailable, match="No connection"):
        ask(OpenAI("m", "r1", base_url="http://teacher.example/v1", attempts=1))
    assert len(server.requests) == 1


def proxied(monkeypatch, scheme, address):
    for name in ("no_proxy", "NO_PROXY", "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(f"{scheme}_proxy", address)
    return OpenAI("m", "r1", base_url=f"{scheme}://teacher.example/v1", attempts=2, backoff=0.0)


def with_password(server):
    return server.url.replace("http://", "http://alice:S3cr%2Ft@").removesuffix("/v1")


PASSWORD = base64.b64encode(b"alice:S3cr/t").decode()


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("status", "times", "words"), [(407, 1, "HTTPS_PROXY or HTTP_PROXY"), (503, 2, "answered 503")]
)
def test_a_proxy_that_refuses_stops_the_run_and_its_password_is_shown_nowhere(
    server, monkeypatch, caplog, scheme, status, times, words
):
    caplog.set_level(logging.DEBUG)
    seen = []

    def connect(handler):
        seen.append(handler.headers["Proxy-Authorization"])
        handler.send_response(status)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def refuse(handler, _):
        connect(handler)

    monkeypatch.setattr(Handler, "do_CONNECT", connect, raising=False)
    server.otherwise = refuse
    asked = proxied(monkeypatch, scheme, with_password(server))
    with pytest.raises(TeacherUnavailable, match=words) as caught:
        ask(asked)
    assert seen == [f"Basic {PASSWORD}"] * times
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__cause__) + repr(caught.value)
    told += repr(asked) + str(vars(asked)) + str(pickle.dumps(asked)) + caplog.text
    assert not any(secret in told for secret in ("S3cr", PASSWORD, "alice"))


def test_a_proxy_gets_its_password_and_the_teacher_does_not(server, monkeypatch):
    asked = proxied(monkeypatch, "http", with_password(server))
    assert ask(asked).structure == "one"
    (seen,) = server.requests
    assert seen["headers"]["Proxy-Authorization"] == f"Basic {PASSWORD}"
    assert "Authorization" not in seen["headers"]
    assert "S3cr" not in str(vars(asked)) + str(pickle.dumps(asked))


@pytest.mark.parametrize(
    "address", ["http://alice:S3c#ret@host:1", "http://alice:S3c/ret@host:1", "socks5://alice:S3c@host:1"]
)
def test_a_proxy_that_cannot_be_read_is_told_without_its_password(monkeypatch, address):
    with pytest.raises(UsageError, match="http_proxy") as caught:
        ask(proxied(monkeypatch, "http", address))
    assert "S3c" not in "".join(traceback.format_exception(caught.value))


def test_an_answer_cut_inside_of_a_letter_is_an_answer(server):
    data = json.dumps(completion("b X", logprobs=1.5)).replace("X", "\\ud83d").replace("1.5", "NaN").encode()
    server.script = [says(data)]
    assert ask(engine(server, attempts=1)).text.startswith("b ")
