"""A student of 30,000 parameters, its tokenizer, and configurations over worded tasks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from yisang.sft.config import Config, Tokenizer
from yisang.sft.tokenizer import train_tokenizer
from yisang.tasks.problems import Request, make_problems

TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "intermediate_size": 48,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory) -> Path:
    """A folder with a small tokenizer of worded tasks and the template `mini`."""
    texts = []
    for language in ("ko", "en"):
        for problem in make_problems(Request(language=language, low=1, high=3, preset="narrow"), 5, 200):
            texts += [problem.question, problem.trace]
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(texts, Tokenizer(vocabulary=900)).save_pretrained(folder)
    return folder


@pytest.fixture
def settings(tokenizer) -> Any:
    """settings(rows=12, batch={...}) → a Config over worded tasks for the tiny student."""

    def make(rows: int = 12, **tables: Any) -> Config:
        values = {
            "model": {
                "init": "config", "architecture": "qwen3", "config": TINY, "tokenizer": str(tokenizer), "dtype": "float64",
            },
            "data": [{"rows": rows, "tasks": {"ops": "1-3", "seed": 3}}],
            "batch": {"rows": 12, "micro_rows": 12},
            "optimizer": {"rate": 1e-3, "clip": 0.0},
            "schedule": {"warmup": 0.0},
            "save": {"every": 1000, "dtype": "float64"},
            "log": {"every": 1},
            "max_length": 512,
            "device": "cpu",
        }  # fmt: skip
        for name, value in tables.items():
            if isinstance(value, dict) and isinstance(values.get(name), dict):
                values[name] = {**values[name], **value}
            else:
                values[name] = value
        return msgspec.convert(values, Config)

    return make


@pytest.fixture
def torchrun() -> Any:
    """torchrun(2, script, argument…) → how the script ended in so many gloo processes of one thread each."""

    def run(processes: int, script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(processes), "--master_port", "0",
                   "--rdzv_backend", "c10d", "--rdzv_endpoint", "localhost:0", str(script), *arguments]  # fmt: skip
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "OMP_NUM_THREADS": "1",
        }
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)

    return run
