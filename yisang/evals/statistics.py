"""Intervals and means of scores. All intervals are two-sided and of 95 %."""

from __future__ import annotations

import math
from collections.abc import Sequence

Z = 1.959963984540054
"""The 97.5 % point of the standard normal distribution."""


def wilson(mean: float, n: int) -> tuple[float, float]:
    """The score interval of a proportion (Wilson 1927, doi 10.1080/01621459.1927.10502953).

    n: how many independent items the mean is of, 1 or more. Items need not be 0 or 1: of all scores within 0..1 with
    this mean, those have the greatest variance, so for others (an item's mean over samples) it is on the safe side.
    Raises ValueError for what is no proportion.
    """
    if n < 1 or not 0 <= mean <= 1:
        raise ValueError(f"a mean of {mean} over {n} items is no proportion")
    spread = Z * Z / n
    centre = (mean + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(mean * (1 - mean) / n + spread / (4 * n))
    # At 0 and 1 the bound is exact, and rounding must not move it.
    return (0.0 if mean == 0 else max(0.0, centre - half)), (1.0 if mean == 1 else min(1.0, centre + half))


def mean_and_error(scores: Sequence[float]) -> tuple[float | None, float | None]:
    """(mean, standard error) over runs: sample standard deviation / sqrt(number of runs).

    As the main tables of arXiv 2510.04230 give them. The error is None for fewer than two runs, both for none.
    """
    if not scores:
        return None, None
    mean = math.fsum(scores) / len(scores)
    if len(scores) < 2:
        return mean, None
    squares = math.fsum((score - mean) ** 2 for score in scores)
    return mean, math.sqrt(squares / (len(scores) - 1) / len(scores))


def paired_interval(differences: Sequence[float]) -> tuple[float, float]:
    """The interval of a mean of paired differences, each within -1..1.

    Bonett and Price's adjusted Wald interval for paired proportions (2012, doi 10.3102/1076998611411915), which adds one
    pair of each discordant kind: with f12 and f21 such pairs of n, p = (f12 + 1) / (n + 2), q = (f21 + 1) / (n + 2), it is
    p - q ± z sqrt((p + q - (p - q)²) / (n + 2)). Written as a mean over n + 2 differences, of which one is +1 and one
    is -1, it takes differences of means over samples too, where it is on the safe side. Unlike the plain Wald
    interval it never shrinks to a point where all pairs agree. One difference per independent item.

    Raises ValueError without differences, or for one out of range.
    """
    n = len(differences)
    if not n or not all(-1 <= difference <= 1 for difference in differences):
        raise ValueError("paired differences must lie within -1..1, and there must be one")
    total = math.fsum(differences)
    squares = math.fsum(difference * difference for difference in differences)
    centre = total / (n + 2)
    half = Z * math.sqrt(((squares + 2) / (n + 2) - centre * centre) / (n + 2))
    return max(-1.0, centre - half), min(1.0, centre + half)
