"""Which rows make a step, and which of them each process computes in which pass. Plain Python, no torch.

A step's rows are fixed by (seed, epoch, number of the step) alone. Inside a step rows are only dealt: sorted by length
and cut into passes whose estimated cost is alike, the dearest first, neighbours to the processes of one pass (under FSDP
all processes wait for the slowest at every layer). So the optimiser sees the same step on any number of processes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from yisang.errors import UsageError

Step = list[list[int]]
"""The passes of one step, over all processes: pass number * processes + rank."""


@dataclass(frozen=True)
class Cost:
    """Floating point operations of one row in a forward pass, up to a factor: matrices once, attention by the square.

    parameters: those of all matrices but the embedding. width: layers * heads * head size; a causal attention multiplies
    two (length, length / 2) by (length, head size) matrices per head.
    """

    parameters: int
    width: int

    def __call__(self, length: int) -> int:
        return 2 * self.parameters * length + 2 * self.width * length * length


@dataclass(frozen=True)
class Plan:
    """How rows of these lengths are put into steps.

    rows: of a step; with `tokens` instead as many rows as fit into so many tokens, padding counted, from pools of `pool`
    rows. epochs or steps: how long; `steps` goes before. passes: of one process in a step.
    """

    lengths: Sequence[int]
    cost: Cost
    seed: int
    rows: int
    tokens: int = 0
    pool: int = 0
    epochs: int = 1
    steps: int = 0

    def __post_init__(self) -> None:
        if not len(self.lengths):
            raise UsageError("There is no row to train on.")

    def epoch(self, number: int) -> list[list[int]]:
        """The rows of each step of an epoch."""
        order = list(range(len(self.lengths)))
        drawn = random.Random(f"{self.seed}/{number}")
        drawn.shuffle(order)
        if not self.tokens:
            return [order[start : start + self.rows] for start in range(0, len(order), self.rows)]
        found: list[list[int]] = []
        for start in range(0, len(order), self.pool):
            pool = sorted(order[start : start + self.pool], key=lambda row: (self.lengths[row], row))
            steps: list[list[int]] = [[]]
            for row in pool:  # rows come by length, so the newest is the longest
                if steps[-1] and (len(steps[-1]) + 1) * self.lengths[row] > self.tokens:
                    steps.append([])
                steps[-1].append(row)
            drawn.shuffle(steps)
            found += steps
        return found

    def all_steps(self) -> Iterator[tuple[int, list[int]]]:
        """(epoch, rows) of every step of the training."""
        return islice(self._endless(), len(self))

    def _endless(self) -> Iterator[tuple[int, list[int]]]:
        epoch = 0
        while True:
            for rows in self._epoch(epoch):
                yield epoch, rows
            epoch += 1

    @lru_cache(maxsize=2)  # noqa: B019 - one plan lives as long as its training
    def _epoch(self, number: int) -> list[list[int]]:
        return self.epoch(number)

    def ends(self) -> list[int]:
        """The number of steps done when each whole epoch ends."""
        found, total, epoch = [], 0, 0
        while total < len(self):
            total += len(self._epoch(epoch))
            epoch += 1
            found.append(min(total, len(self)))
        return found

    @lru_cache(maxsize=1)  # noqa: B019
    def __len__(self) -> int:
        return self.steps or sum(len(self._epoch(number)) for number in range(self.epochs))

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def passes(self, micro_rows: int, processes: int) -> int:
        """How many passes each process makes in a step, the same in every step."""
        if self.tokens:
            return 1
        return max(1, -(-min(self.rows, len(self.lengths)) // (micro_rows * processes)))

    def dealt(self, rows: Sequence[int], passes: int) -> Step:
        """The rows of a step in `passes` passes (over all processes) of about the same cost, dearest first.

        A pass pads its rows to its longest, so it costs rows x cost(longest). Of all cuts of the rows, sorted by length,
        into so many runs this takes one whose dearest run is cheapest. Empty passes appear only where there are fewer
        rows than passes.
        """
        order = sorted(rows, key=lambda row: (-self.lengths[row], row))
        costs = [self.cost(self.lengths[row]) for row in order]
        low, high = max(costs), costs[0] * -(-len(order) // passes)
        while low < high:
            middle = (low + high) // 2
            if len(_runs(costs, middle)) <= passes:
                high = middle
            else:
                low = middle + 1
        runs = _runs(costs, low)
        while len(runs) < passes and any(len(run) > 1 for run in runs):
            dearest = max((run for run in runs if len(run) > 1), key=lambda run: len(run) * costs[run[0]])
            place = runs.index(dearest)
            half = (len(dearest) + 1) // 2
            runs[place : place + 1] = [dearest[:half], dearest[half:]]
        runs.sort(key=lambda run: (-len(run) * costs[run[0]], run[0]))
        return [[order[place] for place in run] for run in runs] + [[] for _ in range(passes - len(runs))]


def _runs(costs: Sequence[int], limit: int) -> list[list[int]]:
    """Places cut from the front into runs of at most `limit`, a run costing its length times its first (dearest)."""
    runs: list[list[int]] = []
    for place in range(len(costs)):
        if runs and (len(runs[-1]) + 1) * costs[runs[-1][0]] <= limit:
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs


class Passes:
    """A batch sampler of one process: its passes of all steps, in order. For torch's DataLoader."""

    def __init__(self, plan: Plan, micro_rows: int, processes: int, rank: int):
        self.plan, self.processes, self.rank = plan, processes, rank
        self.per_step = plan.passes(micro_rows, processes)

    def __len__(self) -> int:
        return len(self.plan) * self.per_step

    def __iter__(self) -> Iterator[list[int]]:
        for _, rows in self.plan.all_steps():
            dealt = self.plan.dealt(rows, self.per_step * self.processes)
            for number in range(self.per_step):
                yield dealt[number * self.processes + self.rank] or [EMPTY]


EMPTY = -1
"""Stands for a row without a target, in a pass for which there are no rows."""
