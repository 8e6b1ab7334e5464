"""Encoded rows as tensors: padded to the longest, or laid end to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

IGNORED = -100
"""Label of a token that is no target, as in PyTorch's cross entropy."""


@dataclass(frozen=True)
class Collator:
    """Rows with `input_ids` and `spans` (pairs of places whose tokens are targets) → the model's inputs.

    padding_free: one row of all tokens, kept apart by `position_ids` that begin again. No attention mask goes with it: a
    mask of ones would hide the positions, and rows would see each other.
    """

    pad: int
    padding_free: bool = False

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        ids = [list(row["input_ids"]) for row in rows]
        labels = [_labels(row) for row in rows]
        if self.padding_free:
            return {
                "input_ids": torch.tensor([[token for row in ids for token in row]]),
                "labels": torch.tensor([[label for row in labels for label in row]]),
                "position_ids": torch.tensor([[place for row in ids for place in range(len(row))]]),
            }
        longest = max(len(row) for row in ids)
        return {
            "input_ids": torch.tensor([row + [self.pad] * (longest - len(row)) for row in ids]),
            "labels": torch.tensor([row + [IGNORED] * (longest - len(row)) for row in labels]),
            "attention_mask": torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids]),
        }


def _labels(row: dict[str, Any]) -> list[int]:
    labels = [IGNORED] * len(row["input_ids"])
    for start, end in row["spans"]:
        labels[start:end] = row["input_ids"][start:end]
    # Nothing stands before the first token of a row, so nothing predicts it; and end to end, the row before must not.
    labels[0] = IGNORED
    return labels
