"""A model in this process, through transformers. One answer at a time, in a thread of its own.

The random numbers of an answer come from its own generator, seeded by (seed, sample): neither other answers nor other
code that draws random numbers change it. torch and transformers are imported when the first answer is asked for.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from yisang.errors import UsageError
from yisang.filters.cot import CLOSE, OPEN
from yisang.records import Message
from yisang.teachers.engines.base import EngineBase, TeacherRejected, TeacherUnavailable
from yisang.teachers.generation import Generation, Sampling, Usage, generation


class Transformers(EngineBase):
    """model: a Hub id, or any name with `path` as the local folder. revision: of the Hub, or declared.

    device: "auto" takes a GPU where there is one. dtype: as transformers takes it ("auto": as stored). No code from a
    model's repository is run.
    """

    concurrency = 1

    def __init__(
        self, model: str, revision: str, *, path: str | None = None, device: str = "auto", dtype: str = "auto"
    ):
        super().__init__(model, revision)
        self.path = path
        self.device = device
        self.dtype = dtype
        self._forget()

    def _forget(self) -> None:
        self._model: Any = None
        self._tokenizer: Any = None
        self._ends: set[int] = set()
        self._context: int | None = None
        self._thread: ThreadPoolExecutor | None = None

    def __repr__(self) -> str:
        return f"Transformers({self.model!r}, {self.revision!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.model, self.revision, self.path, self.device, self.dtype)

    async def generate(self, messages: Sequence[Message], sampling: Sampling, sample: int) -> Generation:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="teacher")
        stop = threading.Event()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._generate, list(messages), sampling, sample, stop)
        finally:
            stop.set()  # if we are cancelled, the thread stops at its next token

    async def close(self) -> None:
        thread = self._thread
        self._forget()
        if thread is not None:
            await asyncio.to_thread(thread.shutdown)

    def _load(self) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

        source = self.path or self.model
        where = {} if self.path else {"revision": self.revision}
        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False, **where)
            model = AutoModelForCausalLM.from_pretrained(source, trust_remote_code=False, dtype=self.dtype, **where)
        except (OSError, ValueError) as error:
            raise TeacherUnavailable(
                f"The model {source} (revision {self.revision}) could not be loaded: {_first_line(error)} Check the "
                "name or the folder, or download it first with `hf download`."
            ) from error
        if not tokenizer.chat_template:
            raise UsageError(f"The tokenizer of {source} has no chat template; a teacher must be a chat model.")
        ends = model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        self._ends = {end for end in (*ends, tokenizer.eos_token_id) if end is not None}
        self._context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        # What the model's authors recommend (temperature, penalties, ...) must not mix into what the recipe says.
        model.generation_config = GenerationConfig()
        self._tokenizer, self._model = tokenizer, model.to(device).eval()

    def _generate(self, messages: list[Message], sampling: Sampling, sample: int, stop: threading.Event) -> Generation:
        import torch
        from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

        if self._model is None:
            self._load()
        model, tokenizer = self._model, self._tokenizer
        rendered = tokenizer.apply_chat_template(
            [{"role": message.role, "content": message.content} for message in messages],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=sampling.thinking,
        )
        inputs = tokenizer(rendered, return_tensors="pt", add_special_tokens=False).to(model.device)
        asked = int(inputs["input_ids"].shape[1])
        room = sampling.max_tokens
        if self._context is not None:
            room = min(room, self._context - asked)
            if room < 1:
                raise TeacherRejected(
                    f"The question has {asked} tokens, but {self.model} takes {self._context} with the answer."
                )
        ends = sorted(self._ends)
        settings = GenerationConfig(
            do_sample=False,  # the drawing is _Draw's; what it leaves has only one choice
            max_new_tokens=room,
            eos_token_id=ends or None,
            pad_token_id=ends[0] if ends else 0,
        )
        draw = LogitsProcessorList([_Draw(sampling, sample)] if sampling.temperature > 0 else [])
        with torch.inference_mode():
            output = model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                generation_config=settings,
                logits_processor=draw,
                stopping_criteria=StoppingCriteriaList([lambda ids, scores, **_: torch.full(
                    (ids.shape[0],), stop.is_set(), dtype=torch.bool, device=ids.device
                )]),
            )  # fmt: skip
        ids: list[int] = output[0, asked:].tolist()
        finished = bool(ids) and ids[-1] in self._ends
        text = self._decode(ids)
        if rendered.rstrip().endswith(OPEN):
            # The template has opened the block. The text must show it, or a cut think would pass for an answer.
            text = f"{OPEN}\n{text}"
        return generation(
            text,
            finish_reason="stop" if finished else "length",
            usage=Usage(prompt_tokens=asked, completion_tokens=len(ids)),
        )

    def _decode(self, ids: list[int]) -> str:
        """The text without special tokens, but with the think tags where a tokenizer counts them among these."""
        tokenizer = self._tokenizer
        marked = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
        tags = {number for number, token in tokenizer.added_tokens_decoder.items() if str(token) in (OPEN, CLOSE)}
        hidden = (marked | set(tokenizer.all_special_ids)) - tags | self._ends
        return str(tokenizer.decode([i for i in ids if i not in hidden], clean_up_tokenization_spaces=False))


def _again(model: str, revision: str, path: str | None, device: str, dtype: str) -> Transformers:
    return Transformers(model, revision, path=path, device=device, dtype=dtype)


def _first_line(error: Exception) -> str:
    line = next(iter(str(error).splitlines()), type(error).__name__).strip()
    return line if line.endswith(".") else f"{line}."


class _Draw:
    """Draws the next token with the answer's own generator, and leaves it as the only choice.

    `generate` itself would draw from torch's global generator, which everything in the process shares.
    """

    def __init__(self, sampling: Sampling, sample: int):
        import torch
        from transformers import (
            LogitsProcessorList,
            MinPLogitsWarper,
            TemperatureLogitsWarper,
            TopKLogitsWarper,
            TopPLogitsWarper,
        )

        # On the CPU, so that the numbers are the same on every device.
        self._generator = torch.Generator("cpu").manual_seed(sampling.seed_of(sample) & (2**63 - 1))
        self._warp = LogitsProcessorList([TemperatureLogitsWarper(float(sampling.temperature))])
        if sampling.top_k > 0:
            self._warp.append(TopKLogitsWarper(sampling.top_k))
        if sampling.top_p < 1:
            self._warp.append(TopPLogitsWarper(float(sampling.top_p)))
        if sampling.min_p > 0:
            self._warp.append(MinPLogitsWarper(float(sampling.min_p)))

    def __call__(self, ids: Any, scores: Any) -> Any:
        import torch

        warped = self._warp(ids, scores.float())
        chances = torch.softmax(warped, dim=-1).cpu()
        drawn = torch.multinomial(chances, 1, generator=self._generator).to(scores.device)
        return torch.full_like(scores, float("-inf")).scatter(1, drawn, 0.0)
