"""vLLM in the process: what it is told, and, where it is installed, that it says what the engine transformers says."""

from __future__ import annotations

import asyncio
import importlib.util
import pickle
import sys
from types import SimpleNamespace

import pytest

from bench import greedy
from yisang.errors import UsageError
from yisang.teachers import models
from yisang.teachers.engines.base import TeacherFailed
from yisang.teachers.engines.vllm_offline import VLLMOffline, whole
from yisang.teachers.generation import Sampling

from . import tiny
from .conftest import question

VLLM = importlib.util.find_spec("vllm") is not None


def test_the_revision_is_asked_for_and_no_code_of_the_repository_is_run():
    engine = VLLMOffline("org/model", "abc123", quantization="fp8", max_model_len=4096, engine_args={"seed": 1})
    assert engine._arguments == {
        "model": "org/model", "revision": "abc123", "tokenizer_revision": "abc123", "dtype": "auto", "tensor_parallel_size": 1,
        "trust_remote_code": False, "generation_config": "vllm", "disable_log_stats": True, "quantization": "fp8",
        "max_model_len": 4096, "seed": 1,
    }  # fmt: skip
    assert pickle.loads(pickle.dumps(engine))._arguments == engine._arguments


def test_a_model_that_ships_is_found_and_its_revision_compared():
    engine = VLLMOffline("mini", models.revision("mini"))
    assert engine._arguments["model"] == str(models.folder("mini"))
    assert "revision" not in engine._arguments  # of a folder vLLM knows none
    with pytest.raises(UsageError, match="has the revision"):
        VLLMOffline("mini", "1")


@pytest.mark.parametrize("reason", ["abort", "error", None, ""])
def test_an_answer_that_broke_off_is_none(reason):
    # As vLLM's CompletionOutput has them; what broke off would be stored for good.
    with pytest.raises(TeacherFailed, match=reason or "without an answer"):
        whole(SimpleNamespace(token_ids=[1, 2], finish_reason=reason))
    for reason_ in ("stop", "length"):
        assert whole(SimpleNamespace(token_ids=(1, 2), finish_reason=reason_)) == [1, 2]
    with pytest.raises(TeacherFailed, match="without an answer"):
        whole(None)


@pytest.mark.parametrize("told", ["typo", "mini,vlm", ""])
def test_the_comparison_of_engines_refuses_one_that_it_does_not_know(told, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["greedy", "--only", told, "--count", "1"])
    with pytest.raises(SystemExit) as caught:
        greedy.main()
    assert caught.value.code == 2
    assert "is none of mini, serve, vllm, vllm-offline" in capsys.readouterr().err
    assert greedy.ways("vllm, mini") == ["vllm", "mini"]


@pytest.mark.skipif(not VLLM, reason="vllm is not installed: pip install 'yisang[vllm]'")
def test_greedy_answers_are_those_of_the_engine_transformers(tmp_path):
    from yisang.teachers.engines.transformers import Transformers

    path = str(tiny.write(tmp_path))
    greedy = Sampling(temperature=0, top_k=0, top_p=1.0, max_tokens=40)

    async def asked(engine):
        try:
            return await asyncio.gather(*(engine.generate(question(f"곰은 {n}마리이다."), greedy, 0) for n in range(8)))
        finally:
            await engine.close()

    offline = VLLMOffline("tiny", "1", path=path, dtype="float32", engine_args={"enforce_eager": True})
    assert asyncio.run(asked(offline)) == asyncio.run(asked(Transformers("tiny", "1", path=path, dtype="float32")))
