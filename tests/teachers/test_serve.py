"""The model mini behind a real OpenAI-compatible server, `transformers serve`, asked through the engine openai: it says what it
says in this process."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time

import httpx
import pytest

from yisang.tasks.problems import Request, make_problems
from yisang.teachers import models
from yisang.teachers.engines.mini import Mini
from yisang.teachers.engines.openai import OpenAI
from yisang.teachers.generation import Sampling

from .conftest import question

torch = pytest.importorskip("torch")
for package in ("transformers", "fastapi", "openai", "pydantic", "uvicorn"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'yisang[serve]'")
torch.set_num_threads(1)

DEADLINE = 120.0
"""Seconds in which the server must be up; it takes about 10 on an idle core."""
QUESTIONS = [problem.question for problem in make_problems(Request("ko", 1, 4, "zoo", "narrow"), 2**40, 20)]


@pytest.fixture
def folder():
    return models.folder("mini")


@pytest.fixture
def address(folder, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from transformers.cli.transformers import main; main()", "serve", folder.name]
    log = tmp_path / "server.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*command, "--device", "cpu", "--dtype", "float32", "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder.parent,  # the server answers to the name that it was started with, which is to be no path
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}/health", server, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.kill()
        server.wait()


def wait_until_healthy(url, server, log):
    end = time.monotonic() + DEADLINE
    with httpx.Client(trust_env=False) as client:
        while True:
            try:
                if client.get(url).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert server.poll() is None, f"the server ended with {server.returncode}: {log.read_text()[-2000:]}"
            assert time.monotonic() < end, f"the server was not up in {DEADLINE:.0f} s: {log.read_text()[-2000:]}"
            time.sleep(0.1)  # between two looks; what is waited for is the answer


def test_greedy_answers_of_a_server_are_those_of_the_model_in_this_process(folder, address):
    sampling = Sampling(temperature=0, top_k=0, top_p=1.0, max_tokens=300)

    async def asked(engine):
        found = await asyncio.gather(*(engine.generate(question(text), sampling, 0) for text in QUESTIONS))
        await engine.close()
        return found

    served = asyncio.run(asked(OpenAI(folder.name, "1", base_url=address, extensions=False, concurrency=4)))
    here = asyncio.run(asked(Mini("mini", models.revision("mini"))))
    # The server takes the thinking of a Qwen3 model out, and mends blocks while it does. So whole ones are compared.
    whole = [
        number for number, answer in enumerate(here) if (answer.structure, answer.finish_reason) == ("one", "stop")
    ]
    assert len(whole) >= 15
    assert len({here[number].text for number in whole}) >= 10
    assert [served[number] for number in whole] == [here[number] for number in whole]
