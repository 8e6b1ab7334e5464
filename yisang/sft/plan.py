"""`yisang sft --plan`: what a training would do, counted from the rows themselves, without a step of it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import mean
from typing import Any

from yisang.sft.config import Config
from yisang.sft.run import Say, prepare_training

_LOOKED_AT = 200
"""Steps whose passes are laid out for the shares of padding and waiting."""


def training_plan(config: Config, processes: int, say: Say = lambda line: None) -> dict[str, Any]:
    """Rows, tokens, steps, passes, padding and operations.

    wait_share: of the time in which a process waits for the dearest one of its pass, by estimated operations.
    petaflops: of the whole training, three times those of forward passes (arXiv 2001.08361, section 2.1), attention and
    padding included.
    """
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare_training(config, Path(folder), say)
        plan, summary = prepared.plan, prepared.summary
        passes = plan.passes(config.batch.micro_rows, processes)
        tokens = places = work = waited = 0
        laid: list[int] = []
        for number, (_, rows) in enumerate(plan.all_steps()):
            if number == _LOOKED_AT:
                break
            dealt = plan.dealt(rows, passes * processes)
            costs = [len(one) * plan.cost(max((plan.lengths[row] for row in one), default=0)) for one in dealt]
            for start in range(0, len(costs), processes):
                waited += sum(max(costs[start : start + processes]) - cost for cost in costs[start : start + processes])
            work += sum(costs)
            tokens += sum(plan.lengths[row] for row in rows)
            padded = not config.batch.padding_free
            places += sum(len(one) * max((plan.lengths[row] for row in one), default=0) for one in dealt if padded)
            laid.append(len(rows))
        return {
            "config": config.to_json(),
            "parameters": sum(weight.numel() for weight in prepared.model.parameters()),
            "rows": summary.rows,
            "dropped": summary.dropped,
            "tokens": summary.tokens,
            "targets": summary.targets,
            "longest": summary.longest,
            "sources": summary.sources,
            "steps": len(plan),
            "rows_per_step": mean(laid),
            "processes": processes,
            "passes_per_step": passes,
            "pad_share": 1 - tokens / places if places else 0.0,
            "wait_share": waited / (work + waited),
            "petaflops": 3 * work / len(laid) * len(plan) / 1e15,
            "laid_out_steps": len(laid),
        }


def plan_text(found: dict[str, Any]) -> str:
    lines = [
        f"model       {found['parameters']:,} parameters",
        *(f"rows        {count:9,}  {name}" for name, count in found["sources"].items()),
        f"            {found['rows']:9,}  in all; {found['dropped']:,} dropped for their length",
        f"tokens      {found['tokens']:9,}  of which {found['targets']:,} are learned; the longest row has {found['longest']:,}",
        f"steps       {found['steps']:9,}  of {found['rows_per_step']:.1f} rows, in {found['passes_per_step']} pass"
        f"{'es' if found['passes_per_step'] > 1 else ''} of each of {found['processes']} process"
        f"{'es' if found['processes'] > 1 else ''}",
        f"padding     {found['pad_share']:9.1%}  of all places in the first {found['laid_out_steps']} steps; processes wait "
        f"{found['wait_share']:.1%} of the time for each other, by estimated operations",
        f"operations  {found['petaflops']:9.3g}  × 10^15 in all",
    ]
    return "\n".join(lines)
