"""AdamW, and Muon beside it, as one optimiser for the trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim.optimizer import Optimizer

from yisang.sft.config import Optimizer as Settings


class Joined(Optimizer):
    """Several optimisers over different parameters, seen as one: a step is a step of each.

    Its groups are theirs, so that a schedule changes their rates.
    """

    def __init__(self, parts: Iterable[Optimizer]):
        self.parts = list(parts)
        super().__init__([group for part in self.parts for group in part.param_groups], {})
        # The base class made its own dictionaries; a schedule must write into theirs.
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = closure() if closure is not None else None
        for part in self.parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none)


def make_optimizer(model: Any, settings: Settings, matrices: Iterable[str]) -> Optimizer:
    """AdamW with decay on matrices only; with `name = "muon"` the hidden `matrices` go to Muon."""
    named = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    to_muon = set(matrices) if settings.name == "muon" else set()
    rest = {name: weight for name, weight in named.items() if name not in to_muon}
    groups = [
        {"params": [w for w in rest.values() if w.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [w for w in rest.values() if w.ndim < 2], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=settings.rate, betas=settings.betas, eps=settings.eps
    )
    if not to_muon:
        return adamw
    muon = torch.optim.Muon(
        [named[name] for name in sorted(to_muon)],
        lr=settings.muon_rate,
        weight_decay=settings.muon_weight_decay,
        momentum=settings.muon_momentum,
        adjust_lr_fn="match_rms_adamw",
    )
    return Joined([adamw, muon])
