"""Which operations and contexts a training set holds: bands of difficulty, mixes and exposure of contexts.

The bands and mixes are those of the code of "On the Interplay of Pre-Training, Mid-Training, and RL" (arXiv 2512.07783).
Operations are counted as there (`graph.Graph.edges`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from yisang.errors import UsageError
from yisang.tasks.draw import Draw
from yisang.tasks.problems import Problem, Request, make_problem

BANDS: dict[str, tuple[int, int]] = {
    "easy": (2, 4),
    "medium": (5, 7),
    "hard": (8, 10),
    "id": (2, 10),
    "ood-edge": (11, 14),
    "ood-hard": (15, 20),
}
"""Operations of a band, both ends included. id is what pre-training sees; ood lies beyond it."""

RL_BANDS: tuple[tuple[int, int], ...] = ((7, 10), (9, 12), (11, 14), (17, 20))

SCHOOL_SHARES: tuple[float, ...] = (0.0, 0.001, 0.01, 0.05, 0.10, 0.20, 0.50)
"""Shares of the long-tail context (school) beside the seen one (zoo) in pre-training."""


@dataclass(frozen=True)
class Mix:
    """Shares of operation ranges, and of contexts ("" stands for all contexts, drawn evenly). Each sums to 1."""

    name: str
    ranges: tuple[tuple[tuple[int, int], float], ...]
    contexts: tuple[tuple[str, float], ...] = (("", 1.0),)

    def __post_init__(self) -> None:
        for what, pairs in (("ranges", self.ranges), ("contexts", self.contexts)):
            shares = [share for _, share in pairs]
            if not shares or min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
                raise UsageError(
                    f"Mix {self.name!r}: the shares of {what} must be 0 or more and sum to 1, not {shares}."
                )


def banded(name: str, easy: float, medium: float, hard: float) -> Mix:
    """A mix of the three bands of pre-training."""
    return Mix(name, ((BANDS["easy"], easy), (BANDS["medium"], medium), (BANDS["hard"], hard)))


MIXES: dict[str, Mix] = {
    mix.name: mix
    for mix in (
        Mix("uniform", ((BANDS["id"], 1.0),)),
        banded("pretrain-hard-50", 0.2, 0.3, 0.5),
        banded("pretrain-hard-20", 0.5, 0.3, 0.2),
        banded("pretrain-hard-0.1", 0.4995, 0.4995, 0.001),
        banded("pretrain-hard-1", 0.495, 0.495, 0.01),
        banded("pretrain-hard-5", 0.475, 0.475, 0.05),
        banded("pretrain-hard-20-even", 0.4, 0.4, 0.2),
        banded("pretrain-hard-50-even", 0.25, 0.25, 0.5),
        Mix("midtrain-11-14", ((BANDS["id"], 0.2), ((11, 14), 0.8))),
        Mix("midtrain-9-12", ((BANDS["id"], 0.2), ((9, 12), 0.8))),
        *(Mix(f"rl-{low}-{high}", (((low, high), 1.0),)) for low, high in RL_BANDS),
    )
}


def with_school(mix: Mix, share: float) -> Mix:
    """The mix with `share` of school problems beside zoo ones."""
    return replace(mix, name=f"{mix.name}+school-{share:g}", contexts=(("zoo", 1 - share), ("school", share)))


def draw_problems(mix: Mix, request: Request, seed: int, count: int, start: int = 0) -> Iterator[Problem]:
    """`count` problems of a mix from index `start` on; operations and context of `request` are those of the mix."""
    for index in range(start, start + count):
        draw = Draw("mix", mix.name, seed, index)
        low, high = mix.ranges[draw.weighted([share for _, share in mix.ranges])][0]
        name = mix.contexts[draw.weighted([share for _, share in mix.contexts])][0]
        yield make_problem(replace(request, low=low, high=high, context=name), seed, index)
