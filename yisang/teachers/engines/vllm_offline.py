"""vLLM in this process (AsyncLLM): requests come and go one by one, as with a server, but no HTTP stands between.

Prompts are made and answers decoded here, from tokens, in the way of the engine transformers. It needs vLLM in this environment, and a
crash of its engine ends the run; the servers of the engine vllm are started again.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

from yisang.errors import UsageError
from yisang.records import Message
from yisang.teachers import models
from yisang.teachers.engines.base import EngineBase, TeacherFailed, TeacherRejected, TeacherUnavailable
from yisang.teachers.engines.chat import answer_of, prompt_of, text_of
from yisang.teachers.engines.openai import BROKEN
from yisang.teachers.generation import Generation, Sampling


class VLLMOffline(EngineBase):
    """model, revision, path, tensor_parallel, quantization, dtype, max_model_len, trust_remote_code: as of the engine vllm.
    engine_args: further arguments of vLLM's AsyncEngineArgs, by name. concurrency: requests in flight.

    Raises UsageError for a model that ships with another revision. `generate` raises TeacherRejected for a prompt that leaves no
    room in the context, TeacherUnavailable where the model cannot be loaded or the engine has died.
    """

    def __init__(
        self,
        model: str,
        revision: str,
        *,
        path: str | None = None,
        tensor_parallel: int = 1,
        quantization: str = "",
        dtype: str = "auto",
        max_model_len: int | None = None,
        trust_remote_code: bool = False,
        engine_args: dict[str, Any] | None = None,
        concurrency: int = 256,
    ):
        if concurrency < 1:
            raise UsageError("concurrency must be 1 or more.")
        super().__init__(model, revision)
        self.concurrency = concurrency
        self._arguments = arguments(
            model,
            revision,
            path,
            tensor_parallel,
            quantization,
            dtype,
            max_model_len,
            trust_remote_code,
            engine_args or {},
        )
        self._opening: asyncio.Task[None] | None = None
        self._engine: Any = None
        self._tokenizer: Any = None
        self._ends: set[int] = set()
        self._context = 0
        self._numbers = itertools.count()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r}, {self.revision!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opening": None, "_engine": None, "_tokenizer": None, "places": None}

    async def generate(self, messages: Sequence[Message], sampling: Sampling, sample: int) -> Generation:
        from vllm import SamplingParams, TokensPrompt
        from vllm.sampling_params import RequestOutputKind
        from vllm.v1.engine.exceptions import EngineDeadError

        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        await asyncio.shield(self._opening)
        prompt, opened = prompt_of(self._tokenizer, messages, sampling.thinking)
        room = min(sampling.max_tokens, self._context - len(prompt))
        if room < 1:
            raise TeacherRejected(
                f"The question has {len(prompt)} tokens, but {self.model} takes {self._context} with the answer."
            )
        parameters = SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k if sampling.top_k > 0 else -1,
            min_p=sampling.min_p,
            max_tokens=room,
            seed=sampling.seed_of(sample),
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        answer = None
        try:
            asked = TokensPrompt(prompt_token_ids=prompt)
            async for found in self._engine.generate(asked, parameters, request_id=f"yisang-{next(self._numbers)}"):
                answer = found.outputs[0]
        except EngineDeadError as error:
            raise TeacherUnavailable(
                f"vLLM's engine for {self.model} has died; what it said stands above. Mend it, or use the engine vllm, whose servers are "
                "started again. Answers so far are stored, and the same command goes on from them."
            ) from error
        ids = whole(answer)
        text = text_of(self._tokenizer, ids, self._ends)
        assert answer is not None
        return answer_of(text, opened, answer.finish_reason, len(prompt), len(ids))

    async def _open(self) -> None:
        from vllm import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        try:
            # Here and not in a thread: it ties itself to this loop. Nothing else is to be done before it is there.
            self._engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**self._arguments))
        except (OSError, ValueError, RuntimeError) as error:
            raise TeacherUnavailable(
                f"vLLM could not load {self._arguments['model']} (revision {self.revision}): {error} Mend what it says above, and run the "
                "same command."
            ) from error
        self._tokenizer = self._engine.get_tokenizer()
        if not self._tokenizer.chat_template:
            raise UsageError(f"The tokenizer of {self.model} has no chat template; a teacher must be a chat model.")
        config = self._engine.model_config
        self._context = config.max_model_len
        ends = config.try_get_generation_config().get("eos_token_id")
        ends = ends if isinstance(ends, list) else [ends]
        self._ends = {end for end in (*ends, self._tokenizer.eos_token_id) if end is not None}

    async def close(self) -> None:
        engine, self._engine, self._opening = self._engine, None, None
        if engine is not None:
            engine.shutdown()


def whole(answer: Any) -> list[int]:
    """The tokens of what vLLM gives (a CompletionOutput, None where nothing came). Raises TeacherFailed where it broke off."""
    if answer is None or not answer.finish_reason:
        raise TeacherFailed(f"vLLM ended the request without an answer ({answer}).")
    if answer.finish_reason in BROKEN:
        raise TeacherFailed(
            f"vLLM broke off the request after {len(answer.token_ids)} tokens (finish_reason {answer.finish_reason!r})."
        )
    return list(answer.token_ids)


def arguments(
    model: str,
    revision: str,
    path: str | None,
    tensor_parallel: int,
    quantization: str,
    dtype: str,
    max_model_len: int | None,
    trust_remote_code: bool,
    further: dict[str, Any],
) -> dict[str, Any]:
    """What vLLM's AsyncEngineArgs gets."""
    path = models.of_revision(model, revision) if path is None and model in models.shipped() else path
    found: dict[str, Any] = {
        "model": model if path is None else path,
        "dtype": dtype,
        "tensor_parallel_size": tensor_parallel,
        "trust_remote_code": trust_remote_code,
        # What the model's authors recommend must not mix into what the recipe says.
        "generation_config": "vllm",
        "disable_log_stats": True,
    }
    if path is None:
        found |= {"revision": revision, "tokenizer_revision": revision}
    if quantization:
        found["quantization"] = quantization
    if max_model_len is not None:
        found["max_model_len"] = max_model_len
    return found | further
