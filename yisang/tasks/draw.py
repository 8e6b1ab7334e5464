"""Random choices that are the same on every machine and Python version."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")


class Draw:
    """A stream of choices, determined by what names it.

    Only `random.Random.random` is used, the one method whose numbers Python promises to keep for a seed
    (https://docs.python.org/3/library/random.html#notes-on-reproducibility).
    """

    def __init__(self, *names: Any):
        seed = hashlib.sha256(json.dumps(names, ensure_ascii=False).encode()).digest()
        self._random = random.Random(int.from_bytes(seed, "big")).random

    def share(self) -> float:
        """A number from 0 up to, and without, 1."""
        return self._random()

    def below(self, count: int) -> int:
        """0 .. count - 1."""
        return int(self._random() * count)

    def between(self, low: int, high: int) -> int:
        """low .. high, both included."""
        return low + self.below(high - low + 1)

    def one(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def weighted(self, weights: Sequence[float]) -> int:
        """The place of one weight, drawn in proportion to it."""
        place = self._random() * sum(weights)
        for number, weight in enumerate(weights):
            place -= weight
            if place < 0:
                return number
        return max(number for number, weight in enumerate(weights) if weight > 0)

    def shuffled(self, items: Sequence[T]) -> list[T]:
        found = list(items)
        for number in range(len(found) - 1, 0, -1):
            other = self.below(number + 1)
            found[number], found[other] = found[other], found[number]
        return found
