"""Intervals cover what they claim to, agree with tests that assume less, and are none where there is nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from yisang.evals.statistics import Z, mean_and_error, paired_interval, wilson


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    # Newcombe 1998 (doi 10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E), table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_published_intervals(right: int, n: int, low: float, high: float):
    assert wilson(right / n, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_holds_its_mean_and_lies_within_0_and_1():
    for n in (1, 2, 7, 500):
        for right in range(0, n + 1, max(1, n // 7)):
            low, high = wilson(right / n, n)
            assert 0 <= low <= right / n <= high <= 1
            assert low < high


@pytest.mark.parametrize(("mean", "n"), [(0.5, 0), (1.01, 5), (-0.1, 5)])
def test_what_is_no_proportion_has_no_interval(mean: float, n: int):
    with pytest.raises(ValueError, match="no proportion"):
        wilson(mean, n)


def test_mean_and_error_of_runs():
    mean, error = mean_and_error([0.5, 0.6, 0.7])
    # By hand: the sample standard deviation is 0.1, over the square root of 3.
    assert mean == pytest.approx(0.6)
    assert error == pytest.approx(0.1 / math.sqrt(3))
    assert mean_and_error([0.5]) == (0.5, None)
    assert mean_and_error([]) == (None, None)


def test_the_paired_interval_is_bonett_and_price_s():
    # 1 pair of 21 worse and 7 better: (7 - 1) / 23 ± z sqrt((8 + 2) / 23 - (6 / 23)²) / sqrt(23), by hand.
    differences = [1.0] * 7 + [-1.0] + [0.0] * 13
    assert paired_interval(differences) == pytest.approx((0.0134, 0.5084), abs=1e-4)
    assert paired_interval([-d for d in differences]) == pytest.approx((-0.5084, -0.0134), abs=1e-4)


def test_it_never_shrinks_to_a_point():
    low, high = paired_interval([0.0] * 50)
    assert low < 0 < high
    low, high = paired_interval([1.0] * 50)
    assert low < 1 == high


@pytest.mark.parametrize("differences", [[], [0.2, 1.1]])
def test_what_are_no_differences_have_no_interval(differences: list[float]):
    with pytest.raises(ValueError, match="-1..1"):
        paired_interval(differences)


# Beside a permutation test, which assumes only that the sign of a difference is random under the null


def p_value(differences: np.ndarray, generator: np.random.Generator, draws: int = 2000) -> float:
    """Of the sign-flip test that the mean is 0."""
    signs = generator.choice((-1.0, 1.0), size=(draws, len(differences)))
    flipped = np.abs((signs * differences).mean(axis=1))
    return float((1 + (flipped >= abs(differences.mean()) - 1e-12).sum()) / (draws + 1))


def pairs(generator: np.random.Generator, n: int, samples: int, shift: float) -> np.ndarray:
    """Differences of item means of two models, B better by about `shift`; hard items are hard for both."""
    difficulty = generator.beta(1.5, 1.5, size=n)
    better = np.clip(difficulty + shift, 0, 1)
    return (generator.binomial(samples, better) - generator.binomial(samples, difficulty)) / samples


@pytest.mark.parametrize("samples", [1, 4])
def test_zero_lies_outside_exactly_where_the_permutation_test_rejects(samples: int):
    generator = np.random.default_rng(samples)
    decided = rejected = 0
    for number in range(120):
        differences = pairs(generator, 150, samples, (0.0, 0.05, 0.12)[number % 3])
        p = p_value(differences, generator)
        if 0.02 < p < 0.10:  # at the border itself the two may differ, and the drawn p is not exact
            continue
        low, high = paired_interval(list(differences))
        assert (low > 0 or high < 0) == (p < 0.05), (p, low, high)
        decided += 1
        rejected += p < 0.05
    assert decided > 80
    assert 15 < rejected < decided - 15


def test_its_ends_are_those_of_the_inverted_permutation_test():
    generator = np.random.default_rng(3)
    for samples in (1, 4):
        differences = pairs(generator, 300, samples, 0.1)
        low, high = paired_interval(list(differences))
        inside = [
            shift for shift in np.arange(-0.1, 0.35, 0.004) if p_value(differences - shift, generator, 1500) >= 0.05
        ]
        assert low == pytest.approx(inside[0], abs=0.015)
        assert high == pytest.approx(inside[-1], abs=0.015)


def coverage(interval, n: int, samples: int, shift: float, runs: int = 1500, seed: int = 7) -> float:
    """How often the interval holds the true mean difference, which is known."""
    generator = np.random.default_rng(seed)
    grid = np.random.default_rng(0).beta(1.5, 1.5, size=400_000)
    truth = float((np.clip(grid + shift, 0, 1) - grid).mean())
    held = 0
    for _ in range(runs):
        low, high = interval(list(pairs(generator, n, samples, shift)))
        held += low <= truth <= high
    return held / runs


@pytest.mark.parametrize(
    ("n", "samples", "shift"), [(20, 1, 0.3), (50, 1, 0.0), (200, 1, 0.1), (30, 4, 0.2), (200, 4, 0.05)]
)
def test_the_paired_interval_covers_the_truth(n: int, samples: int, shift: float):
    # 1,500 runs: three standard errors are 0.017. Too wide an interval would be no use either.
    assert 0.95 - 0.017 <= coverage(paired_interval, n, samples, shift) <= 0.995


def test_an_interval_of_half_the_width_would_be_seen():
    def half(differences: list[float]) -> tuple[float, float]:
        low, high = paired_interval(differences)
        return (3 * low + high) / 4, (low + 3 * high) / 4

    assert coverage(half, 50, 1, 0.0) < 0.8


def test_the_plain_wald_interval_covers_too_rarely_where_models_hardly_differ():
    """The wrong twin: without the two added pairs. Few items on which two models differ make it a point."""

    def wald(differences: list[float]) -> tuple[float, float]:
        mean = sum(differences) / len(differences)
        half = Z * float(np.std(differences)) / math.sqrt(len(differences))
        return mean - half, mean + half

    def rare(interval) -> float:
        generator = np.random.default_rng(5)
        held = 0
        for _ in range(1500):
            differences = generator.choice((1.0, -1.0, 0.0), p=(0.03, 0.01, 0.96), size=60)
            low, high = interval(list(differences))
            held += low <= 0.02 <= high
        return held / 1500

    assert rare(wald) < 0.9
    assert rare(paired_interval) > 0.933


def test_pairing_is_what_makes_it_narrow():
    """The wrong twin: two scores with an interval each, as if the questions were not the same."""
    generator = np.random.default_rng(2)
    difficulty = generator.choice((0.02, 0.98), size=400)
    one, other = generator.binomial(1, difficulty), generator.binomial(1, np.clip(difficulty + 0.05, 0, 1))
    low, high = paired_interval(list((other - one).astype(float)))
    widths = [end - start for start, end in (wilson(float(side.mean()), 400) for side in (one, other))]
    assert high - low < 0.6 * math.hypot(*widths)
