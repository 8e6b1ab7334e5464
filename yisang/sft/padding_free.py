"""Whether rows laid end to end see each other in this model, with this attention: tried on real rows before a training."""

from __future__ import annotations

from typing import Any

import torch

from yisang.errors import UsageError
from yisang.sft.collate import Collator

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.02}
"""Largest difference of a log-probability that is rounding, by the type of the weights. A leak was 0.7 where it was measured."""


@torch.no_grad()
def leak(model: Any, rows: list[dict[str, Any]], pad: int) -> float:
    """Largest difference between the log-probabilities of each row alone and of all of them end to end."""
    model.eval()
    flat = _log_probs(model, Collator(pad, padding_free=True)(rows))[0]
    worst, place = 0.0, 0
    for row in rows:
        length = len(row["input_ids"])
        alone = _log_probs(model, Collator(pad)([row]))[0]
        # The last place of a row predicts the first token of the next one, which nobody asks for.
        difference = (alone[:-1] - flat[place : place + length - 1]).abs()
        worst = max(worst, float(difference.max()) if difference.numel() else 0.0)
        place += length
    model.train()
    return worst


def _log_probs(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    inputs = {name: value.to(model.device) for name, value in batch.items() if name != "labels"}
    logits = model(**inputs, use_cache=False).logits
    return torch.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=-1)


def refuse_leak(model: Any, rows: list[dict[str, Any]], pad: int) -> None:
    """Raises UsageError where rows see each other: layers that keep a state (linear attention, convolutions) carry it over."""
    found = leak(model, rows, pad)
    if found > TOLERANCE[model.dtype]:
        raise UsageError(
            f"batch.padding_free cannot be used with {type(model).__name__} and attention {model.config._attn_implementation}: "
            f"laid end to end, rows see each other (log-probabilities differ by {found:.3g}). Set batch.padding_free = false."
        )
