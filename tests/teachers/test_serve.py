"""A real OpenAI-compatible server, `transformers serve`, asked through the engine openai: the texts of the model in
this process."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
import sys
import time

import httpx
import pytest

from yisang.teachers.engines.openai import OpenAI
from yisang.teachers.engines.transformers import Transformers
from yisang.teachers.generation import Sampling

from . import tiny
from .conftest import question

torch = pytest.importorskip("torch")
for package in ("transformers", "fastapi", "openai", "pydantic", "uvicorn"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'yisang[serve]'")
torch.set_num_threads(1)

DEADLINE = 120.0
"""Seconds in which the server must be up; it takes about 10 on an idle core."""
_draw = random.Random(0)
QUESTIONS = [" ".join(_draw.choices(tiny.WORDS, k=_draw.randint(1, 12))) for _ in range(20)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model that was shown its answers until it says most of them: a block of thinking, an answer, an end."""
    import transformers

    path = tiny.write(tmp_path_factory.mktemp("tiny-qwen3"), initializer_range=0.02)
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    rows = [
        tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True)
        + f"<think>\n{len(text.split())} words: {text[:6].strip()}\n</think>\n\n{text[-6:].strip()}<|im_end|>"
        for text in QUESTIONS
    ]
    tokens = tokenizer(rows, return_tensors="pt", padding=True, padding_side="right", add_special_tokens=False)
    ids, mask = tokens["input_ids"], tokens["attention_mask"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(150):
        loss = model(input_ids=ids, attention_mask=mask, labels=ids.masked_fill(mask == 0, -100)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(path)
    return path


@pytest.fixture
def address(folder, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from transformers.cli.transformers import main; main()", "serve", folder.name]
    log = tmp_path / "server.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*command, "--device", "cpu", "--host", "127.0.0.1", "--port", str(port)],
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
    sampling = Sampling(temperature=0, top_k=0, top_p=1.0, max_tokens=60)

    async def asked(engine):
        found = await asyncio.gather(*(engine.generate(question(text), sampling, 0) for text in QUESTIONS))
        await engine.close()
        return found

    served = asyncio.run(asked(OpenAI(folder.name, "1", base_url=address, extensions=False, concurrency=4)))
    here = asyncio.run(asked(Transformers("tiny", "1", path=str(folder), device="cpu", batch_size=8)))
    # The server takes the thinking of a Qwen3 model out, and mends blocks while it does. So whole ones are compared.
    whole = [
        number for number, answer in enumerate(here) if (answer.structure, answer.finish_reason) == ("one", "stop")
    ]
    assert len(whole) >= 15
    assert len({here[number].text for number in whole}) >= 10
    assert [served[number] for number in whole] == [here[number] for number in whole]
