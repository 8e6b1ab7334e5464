"""The same model asked by several engines: greedy answers in fp32 must be equal, token for token.

python -m bench.greedy [--count 200] [--max-tokens 512] [--model mini] [--vllm-python PYTHON] [--only mini,serve,vllm] [--out FILE]

    mini          in this process
    serve         `transformers serve`, through the engine openai (needs yisang[serve])
    vllm          vLLM's server, through the engine vllm
    vllm-offline  vLLM in the process that asks, through the engine vllm-offline

vLLM is taken from this environment, or from the interpreter that --vllm-python names (its CPU build, say); without either the two
ways are left out, which is printed. The questions are worded tasks (yisang.tasks) of 1 to 6 operations. Two answers are equal where
their texts are, the tokens of these texts, how many tokens the engine counted, and why it stopped. Exit code 1 where any two differ,
2 where fewer than two ways could be run.

`transformers serve` takes the thinking out of the answer of a Qwen3 model, and closes a block that is not whole, so the text of such
an answer cannot be had from it. These are counted apart, and compared by their count of tokens alone.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from yisang.records import Message
from yisang.tasks.problems import Request, make_problems
from yisang.teachers import models
from yisang.teachers.engines.base import Engine
from yisang.teachers.engines.servers import Launch, Plan, acquire, release
from yisang.teachers.generation import Generation, Sampling

WAYS = ("mini", "serve", "vllm", "vllm-offline")
SERVER = ("-m", "vllm.entrypoints.openai.api_server")
"""`vllm serve` of the CPU build looks for a package of another name."""
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "OMP_NUM_THREADS": "1"}
EAGER = ("--enforce-eager",)
"""Not compiled: that takes minutes on two cores, and more than the answers."""


def questions(count: int) -> list[str]:
    return [problem.question for problem in make_problems(Request("ko", 1, 6, "zoo", "narrow"), 2**41, count)]


async def answers(engine: Engine, count: int, most: int, at_once: int) -> list[Generation]:
    sampling, places = Sampling(temperature=0, top_k=0, top_p=1.0, max_tokens=most), asyncio.Semaphore(at_once)

    async def one(text: str) -> Generation:
        async with places:
            return await engine.generate((Message("user", text),), sampling, 0)

    try:
        return list(await asyncio.gather(*(one(text) for text in questions(count))))
    finally:
        await engine.close()


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a `transformers serve`. The server answers to the name that it is started with, which is to be no path."""
    start = "import os, sys; os.chdir(sys.argv.pop(1)); from transformers.cli.transformers import main; main()"
    words = (
        sys.executable,
        "-c",
        start,
        str(folder.parent),
        "serve",
        folder.name,
        "--device",
        "cpu",
        "--dtype",
        "float32",
    )
    plan = Plan((Launch((*words, "--host", "127.0.0.1", "--port", "{port}")),), startup=300.0, linger=0.0)
    servers = acquire(plan)
    try:
        while servers.addresses[0] is None:
            if servers.failure is not None:
                raise servers.failure
            time.sleep(0.1)
        yield servers.addresses[0]
    finally:
        release(servers)


def asked(way: str, model: str, given: argparse.Namespace) -> list[Generation]:
    """The answers of one way, made in this process."""
    folder, revision = models.folder(model), models.revision(model)

    def run(engine: Engine, at_once: int) -> list[Generation]:
        return asyncio.run(answers(engine, given.count, given.max_tokens, at_once))

    if way == "mini":
        from yisang.teachers.engines.mini import Mini

        return run(Mini(model, revision), 64)
    if way == "serve":
        from yisang.teachers.engines.openai import OpenAI

        with serving(folder) as address:
            return run(OpenAI(model, revision, base_url=address, extensions=False), 4)
    if way == "vllm":
        from yisang.teachers.engines.vllm import VLLM

        command = [given.vllm_python or sys.executable, *SERVER]
        return run(VLLM(model, revision, command=command, dtype="float32", extra_args=EAGER, linger=0.0), 64)
    assert way == "vllm-offline", way
    from yisang.teachers.engines.vllm_offline import VLLMOffline

    return run(VLLMOffline(model, revision, dtype="float32", engine_args={"enforce_eager": True}), 64)


def elsewhere(way: str, given: argparse.Namespace) -> list[Generation]:
    """The answers of a way that runs in another interpreter."""
    words = [
        given.vllm_python,
        "-m",
        "bench.greedy",
        "--count",
        str(given.count),
        "--max-tokens",
        str(given.max_tokens),
    ]
    words += ["--model", given.model, "--print-answers", way]
    root = str(Path(__file__).parents[1])
    ran = subprocess.run(words, capture_output=True, env={**os.environ, "PYTHONPATH": root}, check=False)
    if ran.returncode:
        raise SystemExit(f"{way} failed in {given.vllm_python}:\n{ran.stderr.decode(errors='replace')[-4000:]}")
    return msgspec.json.decode(ran.stdout.splitlines()[-1], type=list[Generation])


def missing(way: str, given: argparse.Namespace) -> str:
    """Why a way cannot be run, "" where it can."""
    if way.startswith("vllm"):
        here = given.vllm_python or importlib.util.find_spec("vllm")
        return "" if here else "vllm is not installed, and --vllm-python names no other interpreter"
    needs = ("torch", "transformers", *(("fastapi", "openai", "pydantic", "uvicorn") if way == "serve" else ()))
    lacks = [name for name in needs if importlib.util.find_spec(name) is None]
    return f"{', '.join(lacks)} not installed" if lacks else ""


def whole(answer: Generation) -> bool:
    return (answer.structure, answer.finish_reason) == ("one", "stop")


def compared(one: list[Generation], other: list[Generation], served: bool, tokens: Any) -> dict[str, Any]:
    """How many are equal; of the first that differs, where."""
    found: dict[str, Any] = {"equal": 0, "unequal": 0, "compared by count alone": 0, "first": None}
    for number, (left, right) in enumerate(zip(one, other, strict=True)):
        if served and not (whole(left) and whole(right)):
            same = left.usage.completion_tokens == right.usage.completion_tokens
            found["compared by count alone"] += same
        else:
            same = left == right and tokens(left.text) == tokens(right.text)
            found["equal"] += same
        if not same:
            found["unequal"] += 1
            found["first"] = found["first"] or {"question": number, "left": told(left), "right": told(right)}
    return found


def told(answer: Generation) -> str:
    return f"{answer.usage.completion_tokens} tokens, {answer.finish_reason}: {answer.text!r}"


def ways(told: str) -> list[str]:
    found = [way.strip() for way in told.split(",")]
    if unknown := [way for way in found if way not in WAYS]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown) or 'nothing'} is none of {', '.join(WAYS)}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--model", default="mini", choices=models.shipped())
    parser.add_argument("--vllm-python", default="", help="an interpreter that has vLLM")
    parser.add_argument("--only", type=ways, default=",".join(WAYS))
    parser.add_argument("--out", type=Path, help="where all answers are written, as JSON")
    parser.add_argument(
        "--print-answers", default="", choices=("", *WAYS), help="of one way, as JSON, and nothing else"
    )
    given = parser.parse_args()
    os.environ.update({name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()})
    if given.print_answers:
        sys.stdout.buffer.write(msgspec.json.encode(asked(given.print_answers, given.model, given)) + b"\n")
        return 0
    found: dict[str, list[Generation]] = {}
    for way in given.only:
        if why := missing(way, given):
            print(f"{way:13} not run: {why}", flush=True)
            continue
        began = time.monotonic()
        there = way == "vllm-offline" and given.vllm_python
        found[way] = elsewhere(way, given) if there else asked(way, given.model, given)
        of = found[way]
        print(
            f"{way:13} {len(of)} answers, {sum(one.usage.completion_tokens or 0 for one in of):,} tokens, {sum(map(whole, of))} with a "
            f"whole block of thought, {len({one.text for one in of})} different, {time.monotonic() - began:.0f} s",
            flush=True,
        )
    if given.out:
        given.out.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    if len(found) < 2:
        print("Nothing can be compared: fewer than two ways were run.")
        return 2
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(models.folder(given.model))
    unequal = 0
    for left, right in itertools.combinations(found, 2):
        result = compared(
            found[left], found[right], "serve" in (left, right), lambda text: tokenizer(text)["input_ids"]
        )
        unequal += result["unequal"]
        first = result.pop("first")
        print(f"{left} and {right}: {json.dumps(result)[1:-1]}".replace('"', ""))
        if first:
            print(f"    question {first['question']}\n    {left}: {first['left']}\n    {right}: {first['right']}")
    return 1 if unequal else 0


if __name__ == "__main__":
    sys.exit(main())
