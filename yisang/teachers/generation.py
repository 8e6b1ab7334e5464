"""What is asked of a teacher and what comes back: Teacher, Sampling, Generation.

The raw text of an answer is canonical; think, answer and structure are read off it by `split_think`, the same way for
every engine. Truncation is a finish reason ("length"), never a quality.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from yisang.errors import UsageError
from yisang.filters.cot import join_reasoning, split_think
from yisang.records import Licence, nfc

__all__ = ["Generation", "Sampling", "Teacher", "Usage", "generation", "join_reasoning", "split_think"]


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """How an answer is drawn. The defaults are those of the paper's code; all of them bear identity.

    The seed of sample n is `(seed or 0) + n`.
    """

    temperature: float = 0.6
    top_p: float = 0.95
    top_k: int = 20
    """0 or less: no limit."""
    min_p: float = 0.0
    max_tokens: int = 16384
    thinking: bool = True
    seed: int | None = None

    def __post_init__(self) -> None:
        checks = {
            "temperature": (0 <= self.temperature < math.inf, "0 or more"),
            "top_p": (0 < self.top_p <= 1, "above 0 and at most 1"),
            "top_k": (self.top_k >= -1, "-1 or more"),
            "min_p": (0 <= self.min_p <= 1, "between 0 and 1"),
            "max_tokens": (self.max_tokens >= 1, "1 or more"),
        }
        for name, (good, rule) in checks.items():
            if not good:
                raise UsageError(f"Sampling: {name} is {getattr(self, name)}; it must be {rule}.")

    def seed_of(self, sample: int) -> int:
        return (self.seed or 0) + sample


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Token counts as the engine reported them; None where it did not."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    def reported(self) -> dict[str, int]:
        return {name: count for name, count in msgspec.structs.asdict(self).items() if count is not None}


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. finish_reason: "stop", "length", "content_filter", or another word as the engine reported it."""

    text: str
    think: str | None
    answer: str | None
    finish_reason: str
    usage: Usage = Usage()
    structure: str


class Teacher(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers, as a recipe declares it.

    model and revision identify the answers. The engine that serves them and its options (address, device, ...) do
    not: the same model behind another address gives the same answers. `licence` holds the terms on the teacher's
    output, None where it sets none; with terms, a trace is bound by them and by those of its question.
    """

    engine: str
    model: str
    revision: str
    licence: Licence | None = None
    options: dict[str, Any] = {}

    def __post_init__(self) -> None:
        for name in ("engine", "model", "revision"):
            if not str(getattr(self, name)).strip():
                raise UsageError(
                    f"Teacher: {name} is empty. Name the model and its revision (a commit, a date, a version): "
                    "stored answers are found by them."
                )

    def identity(self) -> dict[str, Any]:
        """What makes the answers another's. The licence counts too, since the traces carry it."""
        licence = None if self.licence is None else msgspec.to_builtins(self.licence)
        return {"model": self.model, "revision": self.revision, "licence": licence}


def generation(
    content: str, *, finish_reason: str, usage: Usage | None = None, reasoning: str | None = None
) -> Generation:
    """A Generation from what an engine got: NFC, reasoning joined to the text, text split."""
    text = nfc(join_reasoning(content, reasoning, finish_reason))
    think, answer, structure = split_think(text)
    return Generation(
        text=text,
        think=think,
        answer=answer,
        finish_reason=finish_reason,
        usage=usage or Usage(),
        structure=structure,
    )
