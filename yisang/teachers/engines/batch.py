"""Requests while a model in this process answers them, and the drawing of their next tokens."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future
from typing import Any

from yisang.records import Message
from yisang.teachers.generation import Generation, Sampling

UNIFORMS = 256


class Request:
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


class Row:
    """A request while it is answered. `length`: its tokens in the cache; `live`: whether it needs more tokens."""

    __slots__ = ("_generator", "_uniforms", "asked", "drawn", "length", "live", "opened", "prompt", "request", "room")

    def __init__(self, request: Request, prompt: list[int], room: int, opened: bool):
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
            drawn = torch.rand(UNIFORMS, generator=self._generator, dtype=torch.float64)
            self._uniforms = drawn.flip(0).tolist()
        return self._uniforms.pop()


class Batch:
    """Rows that are answered together. Their tokens stand at the right end of `width` columns of the cache.

    lengths: how many of the columns are a row's own; tokens: the last drawn of each, not in the cache yet; steps: tokens
    since the batch was formed.
    """

    def __init__(self, rows: list[Row], cache: Any, width: int, device: Any):
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
    def joined(cls, parts: list[tuple[Batch, list[int]]]) -> Batch:
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
