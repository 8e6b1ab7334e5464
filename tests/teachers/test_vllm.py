"""The servers of the engine vllm: real processes, which listen, die and are started again. A small server stands in for vLLM's."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import pickle
import select
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from yisang.errors import UsageError
from yisang.teachers import models
from yisang.teachers.engines import open_engine, servers
from yisang.teachers.engines.base import TeacherUnavailable
from yisang.teachers.engines.vllm import VLLM
from yisang.teachers.generation import Sampling, Teacher

from .conftest import question

if sys.platform != "linux":
    pytest.skip("the servers are kept by means of Linux", allow_module_level=True)

STANDIN = Path(__file__).with_name("standin.py")
REPOSITORY = STANDIN.parents[2]
COMMAND = [sys.executable, str(STANDIN)]
SHORT = Sampling(max_tokens=100)


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    for name in ("CUDA_VISIBLE_DEVICES", "VLLM_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/nowhere")  # no nvidia-smi
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # where GPUs are claimed
    yield
    servers._stop_all()
    servers._shared.clear()


@pytest.fixture
def opened(tmp_path):
    def make(*extra, **changes):
        options = {
            "command": COMMAND, "extra_args": extra, "logs": str(tmp_path / "logs"), "backoff": 0.01, "linger": 0.0, **changes
        }  # fmt: skip
        return VLLM("org/model", "abc123", **options)

    return make


def ask(engine, *texts):
    async def all_of_them():
        try:
            return await asyncio.gather(*(engine.generate(question(text), SHORT, 0) for text in texts))
        finally:
            await engine.close()

    return asyncio.run(all_of_them())


def told(answer):
    return json.loads(answer.think)


def gone(pid):
    """Waits until a process has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    return bool(select.select([handle], [], [], 60)[0])


def commands(tmp_path):
    logs = sorted((tmp_path / "logs").iterdir())
    return [line.split(" ", 3)[3] for log in logs for line in log.read_text().splitlines() if line.startswith("--- ")]


def test_a_server_is_started_asked_and_ended(opened, tmp_path):
    engine = opened(max_model_len=4096, quantization="fp8", reasoning_parser="qwen3", dtype="bfloat16")
    (answer,) = ask(engine, "질문")
    assert (answer.answer, answer.structure) == ("질문", "one")
    assert gone(told(answer)["pid"])
    (command,) = commands(tmp_path)
    for words in (
        "--model org/model --served-model-name org/model --revision abc123 --tokenizer-revision abc123",
        "--host 127.0.0.1", "--dtype bfloat16", "--generation-config vllm", "--max-model-len 4096", "--quantization fp8",
        "--reasoning-parser qwen3",
    ):  # fmt: skip
        assert words in command
    assert "trust-remote-code" not in command
    assert "tensor-parallel" not in command


def test_code_of_a_model_s_repository_is_run_only_where_asked(opened, tmp_path):
    ask(opened("--x", "y z", trust_remote_code=True), "질문")
    assert commands(tmp_path)[0].endswith("--trust-remote-code --x 'y z'")


def test_each_group_of_gpus_has_a_server(opened):
    engine = opened(gpus="0,1,2,3", tensor_parallel=2)
    answers = ask(engine, *(f"질문 {number}" for number in range(30)))
    assert {told(answer)["gpus"] for answer in answers} == {"0,1", "2,3"}
    assert len({told(answer)["pid"] for answer in answers}) == 2
    assert engine.concurrency == 512


def test_the_gpus_are_those_that_this_process_may_use(opened, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert {told(answer)["gpus"] for answer in ask(opened(), *map(str, range(20)))} == {"3", "5"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert len(opened().routes.lanes) == 1


@pytest.mark.parametrize("count", [1, 2])
def test_a_killed_server_is_started_again_and_every_request_answered(opened, tmp_path, count):
    # The first of them dies with the requests that it holds.
    engine = opened("--mark", str(tmp_path / "mark"), servers=count)
    texts = [*(f"hold {number}" for number in range(20)), "die"]
    kept = {}

    async def play():
        try:
            asked = asyncio.gather(*(engine.generate(question(text), SHORT, 0) for text in texts))
            while engine.servers is None:
                await asyncio.sleep(0.01)
            kept["servers"] = engine.servers
            if count == 2:  # the other one holds its own until it is killed from outside
                while not (tmp_path / "mark").exists():
                    await asyncio.sleep(0.01)
                for process in list(kept["servers"]._running.values()):
                    process.terminate()
            return await asked
        finally:
            await engine.close()

    answers = asyncio.run(play())
    assert [answer.answer for answer in answers] == texts
    assert all(2 <= starts <= 3 for starts in kept["servers"].starts)


def test_a_server_that_always_dies_is_given_up_with_the_end_of_its_log(opened, tmp_path):
    engine = opened("--mortal", deaths=3)
    with pytest.raises(TeacherUnavailable, match="is given up") as caught:
        ask(engine, "die")
    assert len(commands(tmp_path)) == 3
    assert "ended with 137, after 3 starts" in str(caught.value)
    assert str(tmp_path / "logs" / "server-0.log") in str(caught.value)


def test_a_server_that_cannot_start_is_told_with_the_end_of_its_log(opened, tmp_path):
    engine = opened("--fail", "no kernel image for this device")
    with pytest.raises(TeacherUnavailable, match="before it was ready, after 2 starts") as caught:
        ask(engine, "질문")
    assert str(caught.value).endswith("no kernel image for this device")
    assert len(commands(tmp_path)) == 2


def test_a_server_that_is_never_ready_is_told_with_the_end_of_its_log(opened, tmp_path):
    engine = opened("--never-ready", "--child", str(tmp_path / "pids"), startup=1.0)
    with pytest.raises(TeacherUnavailable, match="was not ready within 1 s, after 1 starts") as caught:
        ask(engine, "질문")
    assert "loading weights" in str(caught.value)
    assert all(gone(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_a_server_that_hangs_is_killed_and_started_again(opened, tmp_path):
    engine = opened("--mark", str(tmp_path / "mark"), hang=0.4)
    (answer,) = ask(engine, "sick")
    assert answer.answer == "sick"
    assert len(commands(tmp_path)) == 2


def within(seconds, engine, *asked):
    """Asked one behind the other; a bound alone, for what would wait for ever."""

    async def one_by_one():
        try:
            answers = []
            for text, before in asked:
                before()
                answers.append(await asyncio.wait_for(engine.generate(question(text), SHORT, 0), seconds))
            return answers
        finally:
            await engine.close()

    return asyncio.run(one_by_one())


def test_servers_that_cannot_be_kept_any_more_end_the_requests(opened, tmp_path):
    # The folder of logs goes, so that a server which dies cannot be started again.
    engine = opened("--mortal")
    with pytest.raises(TeacherUnavailable, match=r"could not be kept: FileNotFoundError.*\n.*cannot be read"):
        within(30, engine, ("질문", lambda: None), ("die", lambda: shutil.rmtree(tmp_path / "logs")))


def test_a_server_that_hangs_while_it_loads_does_not_hold_up_the_others(opened, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(servers, "SETTLE", 0.0)
    start = tmp_path / "start.sh"
    first = f'mkdir "{tmp_path}/first" 2>/dev/null && exec {shlex.join(COMMAND)} "$@"'
    start.write_text(f'#!/bin/sh\nPATH=/bin:/usr/bin\n{first}\nexec {shlex.join(COMMAND)} --never-ready "$@"\n')
    start.chmod(0o755)
    (answer,) = within(30, opened(command=[str(start)], servers=2, startup=600.0), ("질문", lambda: None))
    assert answer.answer == "질문"
    assert "is not ready yet; the others begin" in caplog.text


def test_what_cannot_be_started_at_all_is_told(opened):
    with pytest.raises(TeacherUnavailable, match="No such file"):
        ask(opened(command="/nowhere/vllm serve"), "질문")


def test_servers_go_with_the_command_however_it_ends(tmp_path):
    code = (
        "import asyncio, os, sys; from yisang.teachers.engines.vllm import VLLM;"
        "from yisang.teachers.generation import Sampling; from yisang.records import Message\n"
        f"engine = VLLM('m', 'r', command={COMMAND!r}, extra_args=['--child', {str(tmp_path / 'pids')!r}], logs={str(tmp_path)!r})\n"
        "async def main():\n"
        "    await engine.generate((Message('user', 'q'),), Sampling(max_tokens=5), 0)\n"
        "    print('up', flush=True); await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    for number in (signal.SIGKILL, signal.SIGTERM):
        with subprocess.Popen(
            [sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
        ) as command:
            assert command.stdout is not None
            assert command.stdout.readline() == "up\n"
            server, child = map(int, (tmp_path / "pids").read_text().split())
            command.send_signal(number)
        assert gone(server)
        assert gone(child)  # it has a session of its own; without a subreaper it would live on


def test_servers_live_on_for_the_next_stream(opened):
    engine = opened(linger=600.0)
    (first,), (second,) = ask(engine, "1"), ask(pickle.loads(pickle.dumps(engine)), "2")
    assert told(first)["pid"] == told(second)["pid"]


def test_servers_that_nobody_uses_leave_their_gpus_to_others(opened):
    (first,) = ask(opened(gpus="0,1", tensor_parallel=2, linger=600.0), "1")
    (second,) = ask(opened(gpus="1", max_model_len=99), "2")
    assert told(second)["gpus"] == "1"
    assert gone(told(first)["pid"])


def test_a_gpu_that_another_process_uses_is_not_used_twice(opened, tmp_path):
    code = (
        "import sys; from yisang.teachers.engines.servers import _claimed; held = _claimed(['gpu-of-a-test']);"
        "print('held', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    here = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, env=here, **pipes) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(TeacherUnavailable, match=f"gpu-of-a-test is used by servers that process {other.pid} of"):
            ask(opened(gpus="gpu-of-a-test"), "1")
        other.kill()
    (answer,) = ask(opened(gpus="gpu-of-a-test"), "1")
    assert told(answer)["gpus"] == "gpu-of-a-test"


def test_a_key_of_the_servers_comes_from_the_environment(opened, monkeypatch, tmp_path):
    monkeypatch.setenv("VLLM_API_KEY", "sk-very-secret")
    monkeypatch.setenv("YISANG_API_KEY", "sk-of-a-vendor")
    engine = opened()
    (answer,) = ask(engine, "질문")
    assert told(answer)["key"] == "Bearer sk-very-secret"
    shown = repr(engine) + str(vars(engine)) + (tmp_path / "logs" / "server-0.log").read_text()
    assert "sk-very-secret" not in shown


@pytest.mark.parametrize(
    "words",
    [
        ["--api-key=sk-secret"], ["--api-key", "sk-secret"], ["--api_key", "sk-secret"], ["--api-ke", "sk-secret"],
        ["--API_KEY=sk-secret"], ["--hf-token", "sk-secret"], ["--hf_tok=sk-secret"], ["env", "VLLM_API_KEY=sk-secret"],
        ["sh", "-c", "vllm serve --api-key sk-secret"],
    ],
)  # fmt: skip
def test_a_key_among_the_words_of_the_command_is_refused(opened, words):
    for given in ({"extra_args": words}, {"command": [*COMMAND, *words]}, {"command": shlex.join(words)}):
        with pytest.raises(UsageError, match="VLLM_API_KEY") as caught:
            opened(**given)
        assert "sk-secret" not in str(caught.value)


def test_options_that_hold_no_key_are_given_on(opened):
    words = ["--api-server-count=2", "--hf-overrides", "{}", "--api", "--kv-cache-dtype", "fp8", "--hf"]
    assert opened(*words).plan.launches[0].command[-len(words) :] == tuple(words)


def test_answers_come_in_while_servers_of_others_are_ended(opened, monkeypatch):
    # Ending them takes as long as their processes do; the loop has other requests in flight meanwhile.
    ticking, ended = threading.Event(), []
    stop = servers.Servers.stop

    def slow(self):
        ended.append(ticking.wait(10))
        stop(self)

    ask(opened(gpus="0,1", tensor_parallel=2, linger=600.0), "1")
    monkeypatch.setattr(servers.Servers, "stop", slow)

    async def play():
        engine = opened(gpus="1", max_model_len=99)
        try:
            asked = asyncio.create_task(engine.generate(question("2"), SHORT, 0))
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(0.0, ticking.set)
            return await asked
        finally:
            await engine.close()

    assert asyncio.run(play()).answer == "2"
    assert ended[0] is True


def test_an_engine_that_is_closed_while_its_servers_start_leaves_none(opened, tmp_path):
    async def play():
        engine = opened("--child", str(tmp_path / "pids"))
        asked = asyncio.create_task(engine.generate(question("1"), SHORT, 0))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await engine.close()

    asyncio.run(play())
    assert servers._shared == {}


def test_a_model_that_ships_needs_no_path_but_its_revision(opened, tmp_path):
    options = {"command": COMMAND, "logs": str(tmp_path / "logs"), "linger": 0.0}
    ask(VLLM("mini", models.revision("mini"), **options), "질문")
    assert f"--model {models.folder('mini')} --served-model-name mini --host" in commands(tmp_path)[0]
    with pytest.raises(UsageError, match="has the revision"):
        VLLM("mini", "1", **options)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gpus": "0,1,2", "tensor_parallel": 2}, "cannot be dealt"),
        ({"gpus": [0, 0]}, "twice"),
        ({"gpus": "0,1", "servers": 3}, "2 servers, not 3"),
        ({"servers": 0}, "1 or more"),
        ({"tensor_parallel": 0}, "1 GPU or more"),
        ({"command": ""}, "empty command"),
        ({"deaths": 0}, "deaths must be 1"),
    ],
)
def test_options_that_do_not_fit_are_refused(opened, changes, words):
    with pytest.raises(UsageError, match=words):
        opened(**changes)


def test_without_vllm_the_command_is_told_that_installs_it(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "vllm" else found(name))
    teacher = Teacher(engine="vllm", model="m", revision="r")
    with pytest.raises(UsageError, match=r"vllm is not installed: pip install 'yisang\[vllm\]'"):
        open_engine(teacher)
    assert open_engine(teacher, command="python -m vllm.entrypoints.openai.api_server").servers is None
