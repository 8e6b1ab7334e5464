"""How much of vLLM's own speed is left when yisang asks: Qwen3 shapes with dummy weights, long answers, on a GPU.

python -m bench.gpu_teacher [--shape 8b] [--count 256] [--output-tokens 16384] [--gpus 0] [--quantization fp8] [--out out/gpu-teacher]
python -m bench.gpu_teacher --dry-run [--vllm-python PYTHON]

Three measurements on the same GPUs, one behind the other; output tokens per second of each:

    yisang      `teach` with an answer store on disk, asking a server of the engine vllm
    serve       `vllm bench serve`, asking the same server
    throughput  `vllm bench throughput`: vLLM alone, no HTTP

Every prompt has as many tokens, none begins as another does, and every answer has --output-tokens (ignore_eos), drawn at temperature 1 as
the two benchmarks draw theirs. yisang's time runs from the first request to the last answer on disk, behind a short warm-up; theirs is
what they report. Exit code 1 where yisang has less than 98 % of --against.

The weights are never made (--load-format dummy); the tokenizer has as many tokens as Qwen3's, whose texts are made up, so no file comes
from elsewhere. --dry-run writes both, prints the commands, and has vLLM's own parsers read them where vLLM is at hand.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import shlex
import string
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yisang.records import Message, Prompt, Trace, content_id
from yisang.teachers.answers import AnswerStore
from yisang.teachers.engines.vllm import VLLM
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.rollouts import teach

LEAST = 0.98
VOCABULARY = 151_936
SHARED = {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "vocab_size": VOCABULARY, "head_dim": 128, "hidden_act": "silu",
    "num_key_value_heads": 8, "rms_norm_eps": 1e-6, "rope_theta": 1_000_000, "max_position_embeddings": 40_960, "dtype": "bfloat16",
    "attention_bias": False, "attention_dropout": 0.0, "initializer_range": 0.02, "use_cache": True, "use_sliding_window": False,
}  # fmt: skip
SHAPES: dict[str, dict[str, Any]] = {
    # hidden size, of the MLP, layers, heads: config.json of Qwen/Qwen3-0.6B, -8B and -32B
    "0.6b": {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16,
             "tie_word_embeddings": True},
    "8b": {"hidden_size": 4096, "intermediate_size": 12_288, "num_hidden_layers": 36, "num_attention_heads": 32,
           "tie_word_embeddings": False},
    "32b": {"hidden_size": 5120, "intermediate_size": 25_600, "num_hidden_layers": 64, "num_attention_heads": 64,
            "tie_word_embeddings": False},
    # To see on a CPU that this script runs.
    "tiny": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "head_dim": 32,
             "num_key_value_heads": 1, "tie_word_embeddings": True},
}  # fmt: skip
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
AROUND = 18
"""Tokens that TEMPLATE puts around a question: a byte is a token here, but for the two marks."""
SHIM = (
    "import sys; from vllm.utils.argparse_utils import FlexibleArgumentParser as P; from vllm.benchmarks import {name} as b; p = P(); "
    "b.add_cli_args(p); a = p.parse_args(); {run}"
)
"""`vllm bench NAME`, also in the CPU build, whose command line looks for a package of another name."""
PARSE_SERVER = (
    "import sys; from vllm.utils.argparse_utils import FlexibleArgumentParser as P\n"
    "try:\n from vllm.entrypoints.launchers.cli_args import make_arg_parser as m\n"
    "except ImportError:\n from vllm.entrypoints.openai.cli_args import make_arg_parser as m\n"
    "m(P()).parse_args()"
)


class LongAnswers(VLLM):
    """Every answer has all the tokens that it may have."""

    def payload(self, *asked: Any) -> dict[str, Any]:
        return {**super().payload(*asked), "ignore_eos": True}


class Plain:
    """The question and nothing else."""

    version = "plain"

    def messages(self, prompt: Prompt) -> tuple[Message, ...]:
        return (Message("user", prompt.text),)


def write_model(folder: Path, shape: str) -> Path:
    """A config and a tokenizer; no weights."""
    import tokenizers
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    transformers.AutoConfig.for_model(**{**SHARED, **SHAPES[shape], "eos_token_id": 2}).save_pretrained(folder)
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    words = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *alphabet]
    words += [f"Ġ{number:x}" for number in range(16, VOCABULARY + 16 - len(words))]
    raw = tokenizers.Tokenizer(tokenizers.models.BPE({word: number for number, word in enumerate(words)}, []))
    raw.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = tokenizers.decoders.ByteLevel()
    raw.add_special_tokens(words[:3])
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=raw, eos_token=words[2], pad_token=words[0])
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return folder


def prompts(count: int, tokens: int, seed: int) -> Iterator[Prompt]:
    drawn = random.Random(seed)
    for _ in range(count):
        text = "".join(drawn.choices(string.ascii_letters, k=tokens - AROUND))
        yield Prompt(id=content_id(text.encode()), text=text, language="en")


def engine_words(given: argparse.Namespace) -> list[str]:
    """What the server and the benchmark of vLLM alone are both told of the engine."""
    words = ["--load-format", "dummy", "--max-num-seqs", str(given.concurrency), "--no-enable-prefix-caching"]
    return words + shlex.split(given.engine_args)


def opened(given: argparse.Namespace, folder: Path) -> LongAnswers:
    return LongAnswers(
        f"qwen3-{given.shape}",
        "dummy",
        path=str(folder),
        gpus=given.gpus or None,
        tensor_parallel=given.tensor_parallel,
        command=shlex.split(given.command)
        if given.command
        else (given.python, "-m", "vllm.entrypoints.cli.main", "serve"),
        quantization=given.quantization,
        dtype=given.dtype,
        max_model_len=given.prompt_tokens + given.output_tokens + 64,
        extra_args=engine_words(given),
        logs=str(given.out / "logs"),
        concurrency=given.concurrency,
        min_tokens_per_second=0.5,
        linger=3600.0,
    )


def ask(
    engine: LongAnswers, given: argparse.Namespace, count: int, tokens: int, seed: int, store: Path
) -> tuple[int, float]:
    """Output tokens, and seconds from the first request to the last answer on disk."""
    teacher = Teacher(engine="vllm", model=engine.model, revision=engine.revision)
    sampling = Sampling(temperature=1.0, top_p=1.0, top_k=0, max_tokens=tokens)
    began, found = time.monotonic(), 0
    with AnswerStore(store) as answers:
        asked = prompts(count, given.prompt_tokens, seed)
        for trace in teach(asked, teacher, Plain(), sampling, 1, engine, answers, given.concurrency):
            if not isinstance(trace, Trace):
                raise SystemExit(f"An answer failed: {trace.message}")
            usage = (trace.usage.get("prompt_tokens"), trace.usage.get("completion_tokens"))
            if usage != (given.prompt_tokens, tokens):
                raise SystemExit(
                    f"An answer has {usage} tokens of prompt and answer, not {(given.prompt_tokens, tokens)}."
                )
            found += tokens
    return found, time.monotonic() - began


def shim(given: argparse.Namespace, name: str, words: list[str], *, parse: bool = False) -> list[str]:
    run = "" if parse else "b.main(a)"
    return [given.python, "-c", SHIM.format(name=name, run=run), *words]


def benchmarks(given: argparse.Namespace, engine: LongAnswers, folder: Path, address: str) -> dict[str, list[str]]:
    """The options of vLLM's own two benchmarks."""
    drawn = [
        "--dataset-name",
        "random",
        "--random-output-len",
        str(given.output_tokens),
        "--num-prompts",
        str(given.count),
    ]
    alone = ["--model", str(folder), "--dtype", given.dtype, "--generation-config", "vllm"]
    alone += [
        "--tensor-parallel-size",
        str(given.tensor_parallel),
        "--max-model-len",
        str(given.prompt_tokens + given.output_tokens + 64),
    ]
    alone += ["--quantization", given.quantization] if given.quantization else []
    server = [
        "--backend",
        "openai-chat",
        "--base-url",
        address.removesuffix("/v1"),
        "--endpoint",
        "/v1/chat/completions",
    ]
    server += [
        "--model",
        engine.model,
        "--tokenizer",
        str(folder),
        "--ignore-eos",
        "--temperature",
        "1",
        "--request-rate",
        "inf",
    ]
    server += [
        "--max-concurrency",
        str(given.concurrency),
        "--save-result",
        "--result-dir",
        str(given.out),
        "--result-filename",
        "serve.json",
    ]
    return {
        "serve": [*server, *drawn, "--random-input-len", str(given.prompt_tokens - AROUND)],
        "throughput": [
            *alone,
            *engine_words(given),
            *drawn,
            "--random-input-len",
            str(given.prompt_tokens),
            "--async-engine",
            "--output-json",
            str(given.out / "throughput.json"),
        ],
    }


def dry_run(given: argparse.Namespace, engine: LongAnswers, folder: Path) -> int:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    question = next(prompts(1, given.prompt_tokens, 0)).text
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
    )
    made = len(tokenizer(rendered)["input_ids"])
    if (made, len(tokenizer)) != (given.prompt_tokens, VOCABULARY):
        raise SystemExit(f"A prompt has {made} tokens and the tokenizer {len(tokenizer)}: this script is wrong.")
    launch = engine.plan.launches[0]
    words = list(launch.command)
    options = words[words.index("--model") :]
    print("server", dict(launch.environment), shlex.join(words))
    found = benchmarks(given, engine, folder, "http://127.0.0.1:8000/v1")
    for name, told in found.items():
        print(name, shlex.join([given.python, "-m", "vllm.entrypoints.cli.main", "bench", name, *told]))
    if not given.vllm_python and importlib.util.find_spec("vllm") is None:
        print(
            "vLLM is not at hand (--vllm-python names no interpreter that has it), so its parsers have not read these."
        )
        return 0
    parsers = {"server": [given.python, "-c", PARSE_SERVER, *(word.replace("{port}", "8000") for word in options)]}
    parsers |= {name: shim(given, name, told, parse=True) for name, told in found.items()}
    failed = 0
    for name, command in parsers.items():
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        print(f"{name}: {'read by its parser' if ran.returncode == 0 else ran.stderr.strip().splitlines()[-1]}")
        failed += ran.returncode != 0
    return 1 if failed else 0


def measure(given: argparse.Namespace, engine: LongAnswers, folder: Path) -> int:
    stamp = given.out / time.strftime("answers-%Y%m%d-%H%M%S")
    ask(engine, given, min(8, given.count), min(64, given.output_tokens), 1, stamp / "warm")
    tokens, seconds = ask(engine, given, given.count, given.output_tokens, 2, stamp / "measured")
    rates = {"yisang": tokens / seconds}
    # The engine is closed and its servers live on.
    from yisang.teachers.engines.servers import acquire, release

    servers = acquire(engine.plan)
    try:
        address = servers.addresses[0]
        assert address is not None, servers.failure
        subprocess.run(shim(given, "serve", benchmarks(given, engine, folder, address)["serve"]), check=True)
    finally:
        release(servers)
        servers.stop()
    rates["serve"] = float(json.loads((given.out / "serve.json").read_text())["output_throughput"])
    if given.against == "throughput":
        environment = dict(engine.plan.launches[0].environment)
        told = benchmarks(given, engine, folder, address)["throughput"]
        subprocess.run(
            ["env", *(f"{name}={value}" for name, value in environment.items()), *shim(given, "throughput", told)],
            check=True,
        )
        seconds = float(json.loads((given.out / "throughput.json").read_text())["elapsed_time"])
        rates["throughput"] = given.count * given.output_tokens / seconds
    for name, rate in rates.items():
        print(f"{name:11} {rate:10,.1f} output tokens/s, yisang has {rates['yisang'] / rate:.1%} of it")
    share = rates["yisang"] / rates[given.against]
    print(f"{share:.1%} of {given.against}; {LEAST:.0%} is wanted")
    (given.out / "rates.json").write_text(
        json.dumps({**vars(given), "out": str(given.out), "rates": rates}, indent=2, default=str)
    )
    return 0 if share >= LEAST else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="8b", choices=SHAPES)
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--output-tokens", type=int, default=16_384)
    parser.add_argument("--concurrency", type=int, default=256, help="requests in flight, and vLLM's --max-num-seqs")
    parser.add_argument("--gpus", default="", help="of the one server, as CUDA_VISIBLE_DEVICES takes them")
    parser.add_argument("--tensor-parallel", type=int, default=1)
    parser.add_argument("--quantization", default="", help="fp8, say")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--against", default="throughput", choices=("throughput", "serve"))
    parser.add_argument("--engine-args", default="", help="further options of vLLM's engine, for all three")
    parser.add_argument("--vllm-python", default="", help="an interpreter that has vLLM; this one unless said")
    parser.add_argument("--command", default="", help="what starts the server, in place of `vllm serve`")
    parser.add_argument("--out", type=Path, default=Path("out/gpu-teacher"))
    parser.add_argument("--dry-run", action="store_true")
    given = parser.parse_args()
    given.python = given.vllm_python or sys.executable
    given.out = given.out.absolute()
    folder = write_model(given.out / f"qwen3-{given.shape}", given.shape)
    engine = opened(given, folder)
    if len(engine.routes.lanes) != 1:
        raise SystemExit(
            f"There would be {len(engine.routes.lanes)} servers. Name the GPUs of one with --gpus, or raise --tensor-parallel."
        )
    return dry_run(given, engine, folder) if given.dry_run else measure(given, engine, folder)


if __name__ == "__main__":
    sys.exit(main())
