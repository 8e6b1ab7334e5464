"""A model in this process, through transformers. Answers are made in batches, in a thread of their own.

No batch is a barrier. One begins with the requests that wait when the model is free; others join it while it runs, and
an answer leaves it when it is finished. The loop is our own, as `generate` of transformers holds every row until the
longest is done. Masks and positions are made such that a row never reads another's tokens nor the padding before its own.

The random numbers of an answer come from its own generator, seeded by the prompt and (seed, sample): neither the
answers beside it nor other code that draws random numbers change it. What remains between an answer alone and one in a
batch is rounding: kernels add up in another order, which moves logits by about 1e-6 of their size in fp32 and 1e-2 in
bf16. So an answer can differ where two tokens are that close, or a draw falls that near to the border of two.

torch and transformers are imported when the first answer is asked for.
"""

from __future__ import annotations

import asyncio
import inspect
import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from yisang.errors import UsageError
from yisang.records import Message
from yisang.teachers.engines.base import EngineBase, TeacherRejected, TeacherUnavailable
from yisang.teachers.engines.batch import Batch, Request, Row
from yisang.teachers.engines.cache import columns_layer, grouped_attention
from yisang.teachers.engines.chat import answer_of, prompt_of, text_of
from yisang.teachers.generation import Generation, Sampling

BATCH = 16
"""Answers in one batch. The cache of keys and values grows with it; our choice, small enough for long answers."""
REGROUP = 16
"""Tokens between two times at which finished rows leave the batch and waiting ones join it, since both copy the cache.
Measured on 0.9M parameters in fp32 on one core: 4, 16 and 64 are equally fast."""
PREFILL = 8192
"""Tokens, padding included, that are read in one pass at most (a single longer prompt is read in one)."""


class Transformers(EngineBase):
    """model: a Hub id, or any name with `path` as the local folder. revision: of the Hub, or declared.

    device: "auto" takes a GPU where there is one. dtype: as transformers takes it ("auto": as stored). batch_size: how many
    answers are made at once, which is the engine's `concurrency` too; with 1 each is made alone. No code from a model's
    repository is run.

    Models whose layers keep anything but keys and values of each token (state-space layers, say) are answered one by one.
    Raises UsageError for a batch_size below 1; `generate` raises TeacherRejected for a prompt that leaves no room in the
    model's context and TeacherUnavailable where the model cannot be loaded or the memory is too small.
    """

    def __init__(
        self,
        model: str,
        revision: str,
        *,
        path: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = BATCH,
    ):
        if batch_size < 1:
            raise UsageError(f"batch_size is {batch_size}; it must be 1 or more answers at once.")
        super().__init__(model, revision)
        self.path = path
        self.device = device
        self.dtype = dtype
        self.batch_size = self.concurrency = batch_size
        self._worker: _Worker | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r}, {self.revision!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_worker": None}

    async def generate(self, messages: Sequence[Message], sampling: Sampling, sample: int) -> Generation:
        if self._worker is None:
            self._worker = _Worker(self)
        # Cancelling the wrapped future cancels the inner one, at which the thread looks before each token.
        return await asyncio.wrap_future(self._worker.ask(Request(list(messages), sampling, sample)))

    async def close(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await asyncio.to_thread(worker.close)


class _Worker:
    """The thread, and the model in it. All but `ask` and `close` run in the thread."""

    def __init__(self, engine: Transformers):
        self._name, self._revision = engine.model, engine.revision
        self._path, self._device, self._dtype = engine.path, engine.device, engine.dtype
        self._size = engine.batch_size
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="teacher")
        self._arrived: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._waiting: list[Row] = []
        self._open: list[Row] = []
        self.model: Any = None
        self.tokenizer: Any = None
        self.ends: set[int] = set()
        self._context: int | None = None
        self._accepts: set[str] = set()
        self._keeps = ""
        self._plain = True

    def ask(self, request: Request) -> Future[Generation]:
        self._arrived.put(request)
        # The one of these that runs first answers for all that come while it runs; the rest find nothing to do.
        self._thread.submit(self._work)
        return request.future

    def close(self) -> None:
        """Waits until what was asked is answered or cancelled."""
        self._thread.shutdown()

    def load(self) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache, GenerationConfig
        from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer
        from transformers.utils import logging as transformers_logging

        # A bar for each worker process, which takes a line of its own where the output is a file.
        transformers_logging.disable_progress_bar()
        source = self._path or self._name
        where = {} if self._path else {"revision": self._revision}
        device = self._device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False, **where)
            model = AutoModelForCausalLM.from_pretrained(source, trust_remote_code=False, dtype=self._dtype, **where)
        except (OSError, ValueError) as error:
            raise TeacherUnavailable(
                f"The model {source} (revision {self._revision}) could not be loaded: {_first_line(error)} Check the "
                "name or the folder, or download it first with `hf download`."
            ) from error
        if not tokenizer.chat_template:
            raise UsageError(f"The tokenizer of {source} has no chat template; a teacher must be a chat model.")
        ends = model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        self.ends = {end for end in (*ends, tokenizer.eos_token_id) if end is not None}
        self._context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        # What the model's authors recommend (temperature, penalties, ...) must not mix into what the recipe says.
        model.generation_config = GenerationConfig()
        self._accepts = set(inspect.signature(model.forward).parameters)
        # A model takes any other name for its cache too, says nothing, and forgets the prompt.
        self._keeps = next((name for name in ("past_key_values", "cache_params") if name in self._accepts), "")
        if not self._keeps:
            raise UsageError(
                f"{type(model).__name__} of {source} takes no cache that is known here, so it cannot be asked in this process. "
                "Serve it, and use the engine openai."
            )
        layers = DynamicCache(config=model.config).layers
        config = model.config.get_text_config()
        self._plain = (
            all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers)
            and set(getattr(config, "layer_types", None) or ()) <= {"full_attention", "sliding_attention"}
            and not getattr(config, "num_kv_shared_layers", 0)
        )
        if not self._plain:
            # One row has no padding. Layers with a state would lay a mask of the whole row over its one new token.
            self._size = 1
            self._accepts -= {"attention_mask"}
        elif config._attn_implementation == "sdpa":
            model.set_attn_implementation(grouped_attention())
        self.tokenizer, self.model = tokenizer, model.to(device).eval()

    def _work(self) -> None:
        """Answers all that waits, and what comes meanwhile."""
        batch: Batch | None = None
        while True:
            self._take()
            try:
                batch = self._step(batch)
            except Exception as error:
                told = self._told(error)
                # It failed for all of them, also those between waiting and the batch; what comes later is tried for itself.
                for row in self._open:
                    if row.live:
                        row.request.answer(told)
                batch, self._waiting, self._open = None, [], []
            if batch is None and not self._waiting and self._arrived.empty():
                return

    def _take(self) -> None:
        """Prepares what has arrived; each request that cannot be asked is rejected alone."""
        arrived = [self._arrived.get() for _ in range(self._arrived.qsize())]
        if arrived and self.model is None:
            try:
                self.load()
            except Exception as error:
                for request in arrived:
                    request.answer(error)
                return
        for request in arrived:
            try:
                row = self._prepared(request)
            except Exception as error:
                request.answer(error)
            else:
                self._waiting.append(row)
                self._open.append(row)

    def _prepared(self, request: Request) -> Row:
        prompt, opened = prompt_of(self.tokenizer, request.messages, request.sampling.thinking)
        room = request.sampling.max_tokens
        if self._context is not None:
            room = min(room, self._context - len(prompt))
        if room < 1:
            raise TeacherRejected(
                f"The question has {len(prompt)} tokens, but {self._name} takes {self._context} with the answer."
            )
        return Row(request, prompt, room, opened)

    def _step(self, batch: Batch | None) -> Batch | None:
        """One token for every row; before it, from time to time, the batch is formed anew. None: it is empty."""
        import torch

        for row in self._open:
            row.live = row.live and not row.request.future.cancelled()
        self._open = [row for row in self._open if row.live]
        self._waiting = [row for row in self._waiting if row.live]
        if not self._open:
            return None
        with torch.inference_mode():
            if batch is None or batch.steps >= REGROUP or not any(row.live for row in batch.rows):
                batch = self._regrouped(batch)
            return None if batch is None else self._next(batch)

    def _next(self, batch: Batch) -> Batch:
        logits = self._forward(batch.cache, batch.tokens[:, None], batch.lengths, batch.width + 1)
        batch.width += 1
        batch.lengths += 1
        batch.steps += 1
        batch.tokens = batch.draw(logits)
        for row, token in zip(batch.rows, batch.tokens.tolist(), strict=True):
            if row.live:
                row.length += 1
                self._add(row, token)
        return batch

    def _regrouped(self, batch: Batch | None) -> Batch | None:
        """The batch without the rows that have finished, with those that wait."""
        kept = [] if batch is None else [number for number, row in enumerate(batch.rows) if row.live]
        parts: list[tuple[Batch, list[int]]] = []
        if batch is not None:
            parts.append((batch, kept))
        free = self._size - len(kept)
        for rows in _alike(self._chosen(free)):
            read = self._read(rows)
            parts.append((read, [number for number, row in enumerate(read.rows) if row.live]))
        parts = [(part, numbers) for part, numbers in parts if numbers]
        if len(parts) == 1 and len(parts[0][1]) == len(parts[0][0].rows):
            parts[0][0].steps = 0
            return parts[0][0]
        return Batch.joined(parts) if parts else None

    def _chosen(self, free: int) -> list[Row]:
        """Of what waits, the oldest row and those whose prompts are of about its length; sorted by length."""
        if free < 1 or not self._waiting:
            return []
        oldest = len(self._waiting[0].prompt)
        nearest = sorted(self._waiting, key=lambda row: abs(len(row.prompt) - oldest))
        chosen, left = nearest[:free], {id(row) for row in nearest[free:]}
        self._waiting = [row for row in self._waiting if id(row) in left]
        return sorted(chosen, key=lambda row: len(row.prompt))

    def _read(self, rows: list[Row]) -> Batch:
        """A batch of new rows: their prompts in the cache, their first tokens drawn."""
        import torch

        width = max(len(row.prompt) for row in rows)
        # What stands in front is masked, so any token will do.
        ids = torch.tensor([[0] * (width - len(row.prompt)) + row.prompt for row in rows], device=self.model.device)
        batch = Batch(rows, self._cache(), width, self.model.device)
        batch.tokens = batch.draw(self._forward(batch.cache, ids, batch.lengths - width, width))
        for row, token in zip(rows, batch.tokens.tolist(), strict=True):
            self._add(row, token)
        return batch

    def _cache(self) -> Any:
        from transformers import DynamicCache
        from transformers.cache_utils import Cache

        if not self._plain:
            return DynamicCache(config=self.model.config)
        return Cache(layer_class_to_replicate=columns_layer())

    def _forward(self, cache: Any, ids: Any, first: Any, width: int) -> Any:
        """The logits behind the last of `ids`. first: the position of the first of `ids` in each row, below 0 where
        padding stands in front; width: columns of the cache when `ids` are in it."""
        import torch

        positions = first[:, None] + torch.arange(ids.shape[1], device=ids.device)
        filled = positions[:, -1:] + 1  # every row ends in the last column
        given = {
            "attention_mask": (torch.arange(width, device=ids.device) >= width - filled).long(),
            # A row that has finished runs along until it leaves; a table of positions may end where it would be.
            "position_ids": positions.clamp(min=0, max=None if self._context is None else self._context - 1),
            "logits_to_keep": 1,
        }
        accepted = {name: value for name, value in given.items() if name in self._accepts}
        return self.model(input_ids=ids, use_cache=True, **{self._keeps: cache}, **accepted).logits[:, -1]

    def _add(self, row: Row, token: int) -> None:
        row.drawn.append(token)
        finished = token in self.ends
        if not finished and len(row.drawn) < row.room:
            return
        text = self.decode(row.drawn)
        answer = answer_of(text, row.opened, "stop" if finished else "length", row.asked, len(row.drawn))
        row.live = False  # not before: a row that fails on the way is answered with the others that are live
        row.request.answer(answer)

    def decode(self, ids: list[int]) -> str:
        return text_of(self.tokenizer, ids, self.ends)

    def _told(self, error: Exception) -> Exception:
        # By name: where torch itself is what is broken, it cannot be imported here.
        if type(error).__name__ == "OutOfMemoryError":
            told = TeacherUnavailable(
                f"{self._name} ran out of memory with up to {self._size} answers at once: {_first_line(error)} Lower the "
                "engine's option batch_size or max_tokens of the recipe's Sampling; answers so far are stored, and the same "
                "command goes on from them."
            )
            told.__cause__ = error
            return told
        return error


def _alike(rows: list[Row]) -> Iterator[list[Row]]:
    """Cuts rows, sorted by length, where a pass would have more than PREFILL tokens or a third of it would be padding."""
    part: list[Row] = []
    for row in rows:
        if part and (len(row.prompt) * (len(part) + 1) > PREFILL or len(row.prompt) > 1.5 * len(part[0].prompt)):
            yield part
            part = []
        part.append(row)
    if part:
        yield part


def _first_line(error: Exception) -> str:
    line = next(iter(str(error).splitlines()), type(error).__name__).strip()
    return line if line.endswith(".") else f"{line}."
