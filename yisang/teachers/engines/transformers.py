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
import functools
import hashlib
import inspect
import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from yisang.errors import UsageError
from yisang.filters.cot import CLOSE, OPEN
from yisang.records import Message
from yisang.teachers.engines.base import EngineBase, TeacherRejected, TeacherUnavailable
from yisang.teachers.generation import Generation, Sampling, Usage, generation

BATCH = 16
"""Answers in one batch. The cache of keys and values grows with it; our choice, small enough for long answers."""
REGROUP = 16
"""Tokens between two times at which finished rows leave the batch and waiting ones join it, since both copy the cache.
Measured on 0.9M parameters in fp32 on one core: 4, 16 and 64 are equally fast."""
PREFILL = 8192
"""Tokens, padding included, that are read in one pass at most (a single longer prompt is read in one)."""
_GROWTH = 64
"""Columns by which the cache grows at least."""
_UNIFORMS = 256


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
        return await asyncio.wrap_future(self._worker.ask(_Request(list(messages), sampling, sample)))

    async def close(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await asyncio.to_thread(worker.close)


class _Request:
    """What is asked, and where the answer goes."""

    __slots__ = ("future", "messages", "sample", "sampling")

    def __init__(self, messages: list[Message], sampling: Sampling, sample: int):
        self.messages, self.sampling, self.sample = messages, sampling, sample
        self.future: Future[Generation] = Future()

    def answer(self, found: Generation | Exception) -> None:
        if not self.future.set_running_or_notify_cancel():
            return  # nobody waits any more
        if isinstance(found, Exception):
            self.future.set_exception(found)
        else:
            self.future.set_result(found)


class _Row:
    """A request while it is answered. `length`: its tokens in the cache; `live`: whether it needs more tokens."""

    __slots__ = ("_generator", "_uniforms", "asked", "drawn", "length", "live", "opened", "prompt", "request", "room")

    def __init__(self, request: _Request, prompt: list[int], room: int, opened: bool):
        self.request, self.prompt, self.room, self.opened = request, prompt, room, opened
        self.asked = self.length = len(prompt)
        self.drawn: list[int] = []
        self.live = True
        self._generator: Any = None
        self._uniforms: list[float] = []

    def uniform(self) -> float:
        """The next random number in [0, 1) of this answer, which no other answer draws from.

        The prompt is in the seed, or the same sample of every question would be drawn by the same numbers, and a mean
        over questions would have a larger error than their number says.
        """
        import torch

        if not self._uniforms:
            if self._generator is None:
                seed = f"{self.request.sampling.seed_of(self.request.sample)} {self.prompt}"
                digest = hashlib.sha256(seed.encode()).digest()
                # On the CPU, so that the numbers are the same on every device.
                self._generator = torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "big") >> 1)
            drawn = torch.rand(_UNIFORMS, generator=self._generator, dtype=torch.float64)
            self._uniforms = drawn.flip(0).tolist()
        return self._uniforms.pop()


class _Worker:
    """The thread, and the model in it. All but `ask` and `close` run in the thread."""

    def __init__(self, engine: Transformers):
        self._name, self._revision = engine.model, engine.revision
        self._path, self._device, self._dtype = engine.path, engine.device, engine.dtype
        self._size = engine.batch_size
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="teacher")
        self._arrived: queue.SimpleQueue[_Request] = queue.SimpleQueue()
        self._waiting: list[_Row] = []
        self._open: list[_Row] = []
        self.model: Any = None
        self.tokenizer: Any = None
        self.ends: set[int] = set()
        self._context: int | None = None
        self._accepts: set[str] = set()
        self._keeps = ""
        self._plain = True

    def ask(self, request: _Request) -> Future[Generation]:
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
            model.set_attn_implementation(_grouped())
        self.tokenizer, self.model = tokenizer, model.to(device).eval()

    def _work(self) -> None:
        """Answers all that waits, and what comes meanwhile."""
        batch: _Batch | None = None
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

    def _prepared(self, request: _Request) -> _Row:
        rendered = self.tokenizer.apply_chat_template(
            [{"role": message.role, "content": message.content} for message in request.messages],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=request.sampling.thinking,
        )
        prompt: list[int] = self.tokenizer(rendered, add_special_tokens=False)["input_ids"]
        room = request.sampling.max_tokens
        if self._context is not None:
            room = min(room, self._context - len(prompt))
        if room < 1:
            raise TeacherRejected(
                f"The question has {len(prompt)} tokens, but {self._name} takes {self._context} with the answer."
            )
        return _Row(request, prompt, room, rendered.rstrip().endswith(OPEN))

    def _step(self, batch: _Batch | None) -> _Batch | None:
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

    def _next(self, batch: _Batch) -> _Batch:
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

    def _regrouped(self, batch: _Batch | None) -> _Batch | None:
        """The batch without the rows that have finished, with those that wait."""
        kept = [] if batch is None else [number for number, row in enumerate(batch.rows) if row.live]
        parts: list[tuple[_Batch, list[int]]] = []
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
        return _Batch.joined(parts) if parts else None

    def _chosen(self, free: int) -> list[_Row]:
        """Of what waits, the oldest row and those whose prompts are of about its length; sorted by length."""
        if free < 1 or not self._waiting:
            return []
        oldest = len(self._waiting[0].prompt)
        nearest = sorted(self._waiting, key=lambda row: abs(len(row.prompt) - oldest))
        chosen, left = nearest[:free], {id(row) for row in nearest[free:]}
        self._waiting = [row for row in self._waiting if id(row) in left]
        return sorted(chosen, key=lambda row: len(row.prompt))

    def _read(self, rows: list[_Row]) -> _Batch:
        """A batch of new rows: their prompts in the cache, their first tokens drawn."""
        import torch

        width = max(len(row.prompt) for row in rows)
        # What stands in front is masked, so any token will do.
        ids = torch.tensor([[0] * (width - len(row.prompt)) + row.prompt for row in rows], device=self.model.device)
        batch = _Batch(rows, self._cache(), width, self.model.device)
        batch.tokens = batch.draw(self._forward(batch.cache, ids, batch.lengths - width, width))
        for row, token in zip(rows, batch.tokens.tolist(), strict=True):
            self._add(row, token)
        return batch

    def _cache(self) -> Any:
        from transformers import DynamicCache
        from transformers.cache_utils import Cache

        if not self._plain:
            return DynamicCache(config=self.model.config)
        return Cache(layer_class_to_replicate=_columns())

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

    def _add(self, row: _Row, token: int) -> None:
        row.drawn.append(token)
        finished = token in self.ends
        if not finished and len(row.drawn) < row.room:
            return
        text = self.decode(row.drawn)
        if row.opened:
            # The template has opened the block. The text must show it, or a cut think would pass for an answer.
            text = f"{OPEN}\n{text}"
        usage = Usage(prompt_tokens=row.asked, completion_tokens=len(row.drawn))
        answer = generation(text, finish_reason="stop" if finished else "length", usage=usage)
        row.live = False  # not before: a row that fails on the way is answered with the others that are live
        row.request.answer(answer)

    def decode(self, ids: list[int]) -> str:
        """The text without special tokens, but with the think tags where a tokenizer counts them among these."""
        tokenizer = self.tokenizer
        added = tokenizer.added_tokens_decoder
        marked = {number for number, token in added.items() if token.special} | set(tokenizer.all_special_ids)
        tags = {number for number, token in added.items() if str(token) in (OPEN, CLOSE)}
        hidden = (marked - tags) | self.ends
        return str(tokenizer.decode([i for i in ids if i not in hidden], clean_up_tokenization_spaces=False))

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


class _Batch:
    """Rows that are answered together. Their tokens stand at the right end of `width` columns of the cache.

    lengths: how many of the columns are a row's own; tokens: the last drawn of each, not in the cache yet; steps: tokens
    since the batch was formed.
    """

    def __init__(self, rows: list[_Row], cache: Any, width: int, device: Any):
        import torch

        self.rows, self.cache, self.width, self.steps = rows, cache, width, 0
        self.lengths = torch.tensor([row.length for row in rows], device=device)
        self.tokens: Any = None
        settings = [row.request.sampling for row in rows]

        def column(values: list[float]) -> Any:
            return torch.tensor(values, dtype=torch.float64, device=device)[:, None]

        self._greedy = torch.tensor([s.temperature == 0 for s in settings], device=device)
        self._draws = [number for number, s in enumerate(settings) if s.temperature > 0]
        self._temperature = column([s.temperature or 1.0 for s in settings])
        self._top_k = column([s.top_k if s.top_k > 0 else float("inf") for s in settings])
        # What stands before the last tokens may sum to 1 by rounding; without a limit none of them is cut.
        self._top_p = column([s.top_p if s.top_p < 1 else float("inf") for s in settings])
        self._min_p = column([s.min_p for s in settings])
        drawn = [settings[number] for number in self._draws]
        self._cuts = any(s.top_k > 0 or s.top_p < 1 or s.min_p > 0 for s in drawn)
        # Tokens that can be left by the loosest top_k; 0: all of them.
        self._most = max((s.top_k for s in drawn), default=0) if all(s.top_k > 0 for s in drawn) else 0

    def draw(self, logits: Any) -> Any:
        """The next token of each row, by its own setting and its own random numbers."""
        import torch

        best = logits.argmax(-1)
        return torch.where(self._greedy, best, self._drawn(logits)) if self._draws else best

    def _drawn(self, logits: Any) -> Any:
        import torch

        chances = self.chances(logits)
        uniforms = [row.uniform() if row.live and row.request.sampling.temperature > 0 else 0.0 for row in self.rows]
        marks = chances.cumsum(-1)
        whole = marks[:, -1:]
        point = torch.tensor(uniforms, dtype=torch.float64, device=logits.device)[:, None] * whole
        # Below the whole, so that it falls to a token that has a chance.
        point = torch.minimum(point, torch.nextafter(whole, torch.zeros_like(whole)))
        return torch.searchsorted(marks, point, right=True)[:, 0]

    def chances(self, logits: Any) -> Any:
        """The chance of each token (float64), not normalised: temperature, then top_k, top_p of what is left, min_p.

        The order of these and their bounds are those of transformers' warpers; among equal logits at the border of
        top_k one is left, where they leave all.
        """
        import torch

        scores = logits.double() / self._temperature
        if not self._cuts:
            return scores.softmax(-1)
        count = scores.shape[-1]
        falling, order = scores.topk(min(self._most or count, count))
        rank = torch.arange(falling.shape[-1], device=scores.device)
        falling = falling.masked_fill(rank >= self._top_k, float("-inf")).softmax(-1)
        before = falling.cumsum(-1) - falling
        cut = (before >= self._top_p) | (falling < self._min_p * falling[:, :1])
        # In the order of the vocabulary: by rank, two nearly equal tokens that change places would change the draw.
        return torch.zeros_like(scores).scatter(1, order, falling.masked_fill(cut, 0.0))

    @classmethod
    def joined(cls, parts: list[tuple[_Batch, list[int]]]) -> _Batch:
        """One batch of the named rows of several, right-aligned, without columns that none of them needs."""
        import torch

        rows = [part.rows[number] for part, numbers in parts for number in numbers]
        width = max(row.length for row in rows)
        cache = parts[0][0].cache
        for place, layer in enumerate(cache.layers):
            layer.take([(part.cache.layers[place], part.width, numbers) for part, numbers in parts], width)
        batch = cls(rows, cache, width, parts[0][0].lengths.device)
        batch.tokens = torch.cat([part.tokens[numbers] for part, numbers in parts])
        return batch


@functools.cache
def _columns() -> Any:
    """The class of a cache layer. It is made here, since its base comes with torch."""
    from transformers.cache_utils import DynamicLayer

    class Columns(DynamicLayer):  # type: ignore[misc]
        """Keys and values of each token, written in place into memory that grows by steps.

        transformers' own layer copies all it holds for each new token. A layer with a sliding window keeps everything
        too: its window is in the mask.
        """

        is_initialized: bool
        length = 0

        def update(self, key_states: Any, value_states: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
            if not self.is_initialized:
                self.dtype, self.device = key_states.dtype, key_states.device
                self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]
                self.is_initialized = True
            start, end = self.length, self.length + key_states.shape[-2]
            if end > self.keys.shape[-2]:
                grown = end + max(_GROWTH, end // 8)
                self.keys = _widened(self.keys[:, :, :start], grown)
                self.values = _widened(self.values[:, :, :start], grown)
            self.keys[:, :, start:end] = key_states
            self.values[:, :, start:end] = value_states
            self.length = end
            return self.keys[:, :, :end], self.values[:, :, :end]

        def get_seq_length(self) -> int:
            return self.length

        def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
            return self.get_seq_length() + query_length, 0

        def take(self, parts: list[tuple[Any, int, list[int]]], width: int) -> None:
            """Holds the last `width` columns of the named rows of each (layer, its columns, rows), right-aligned."""
            self.keys = _stacked([(layer.keys, have, rows) for layer, have, rows in parts], width)
            self.values = _stacked([(layer.values, have, rows) for layer, have, rows in parts], width)
            self.length = width

    return Columns


@functools.cache
def _grouped() -> str:
    """The name, to transformers, of its own SDPA attention without copies of the keys and values in each step.

    With a mask, transformers repeats keys and values for every query head that shares them. One new token needs no order
    among queries, so the heads of a group can be its queries instead. Measured on 0.9M parameters (2 heads to a group) in
    fp32 on one core: 1.4 times the tokens per second in a batch of 64.
    """
    from torch.nn.functional import scaled_dot_product_attention
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.masking_utils import sdpa_mask

    def attend(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **given: Any) -> tuple[Any, None]:
        rows, heads, columns, width = query.shape
        shared = heads // key.shape[1]
        if columns > 1 or shared == 1 or given.get("position_bias") is not None:
            return sdpa_attention_forward(module, query, key, value, attention_mask, **given)  # type: ignore[no-any-return]
        queries = query.reshape(rows, key.shape[1], shared, width)
        found = scaled_dot_product_attention(queries, key, value, attn_mask=attention_mask, scale=given.get("scaling"))
        return found.reshape(rows, 1, heads, value.shape[-1]), None

    name = "yisang_grouped"
    AttentionInterface.register(name, attend)
    AttentionMaskInterface.register(name, sdpa_mask)
    return name


def _widened(old: Any, columns: int) -> Any:
    new = old.new_zeros(*old.shape[:2], columns, old.shape[-1])
    new[:, :, : old.shape[-2]] = old
    return new


def _stacked(parts: list[tuple[Any, int, list[int]]], width: int) -> Any:
    import torch

    first = parts[0][0]
    count = sum(len(rows) for _, _, rows in parts)
    # Zeros, not what lies in memory: attention multiplies padding by 0, and 0 times infinity is no number.
    new = first.new_zeros(count, first.shape[1], width + _GROWTH, first.shape[-1])
    start = 0
    for old, have, rows in parts:
        used = min(have, width)
        numbers = torch.tensor(rows, device=old.device)
        new[start : start + len(rows), :, width - used : width] = old[:, :, have - used : have][numbers]
        start += len(rows)
    return new


def _alike(rows: list[_Row]) -> Iterator[list[_Row]]:
    """Cuts rows, sorted by length, where a pass would have more than PREFILL tokens or a third of it would be padding."""
    part: list[_Row] = []
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
