"""Steps and passes: every row once an epoch, the same steps on any number of processes, passes of like cost."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yisang.errors import UsageError
from yisang.sft.batches import EMPTY, Cost, Passes, Plan

COST = Cost(parameters=100_000, width=512)
LENGTHS = st.lists(st.integers(2, 400), min_size=1, max_size=80)


def plan(lengths: list[int], **settings) -> Plan:
    return Plan(lengths, COST, **{"seed": 0, "rows": 8, **settings})


@given(LENGTHS, st.integers(1, 12), st.integers(1, 3), st.integers(0, 5))
def test_every_row_stands_in_each_epoch_once(lengths, rows, epochs, seed):
    found = list(plan(lengths, rows=rows, epochs=epochs, seed=seed).all_steps())
    for epoch in range(epochs):
        counted = Counter(row for number, step in found for row in step if number == epoch)
        assert counted == Counter(range(len(lengths)))
    assert all(len(step) <= rows for _, step in found)


@given(LENGTHS, st.integers(1, 12), st.integers(1, 4), st.integers(1, 4))
def test_processes_and_passes_share_a_step_without_changing_it(lengths, rows, processes, micro_rows):
    laid = plan(lengths, rows=rows)
    dealt = [list(Passes(laid, micro_rows, processes, rank)) for rank in range(processes)]
    assert len({len(passes) for passes in dealt}) == 1  # else processes would wait for each other for ever
    per_step = laid.passes(micro_rows, processes)
    for number, (_, step) in enumerate(laid.all_steps()):
        together = [
            row for passes in dealt for one in passes[number * per_step : (number + 1) * per_step] for row in one
        ]
        assert Counter(row for row in together if row != EMPTY) == Counter(step)


@given(LENGTHS, st.integers(400, 2000), st.integers(1, 60), st.integers(0, 3))
def test_steps_by_tokens_hold_no_more_than_fits_with_padding(lengths, tokens, pool, seed):
    found = plan(lengths, tokens=tokens, pool=pool, seed=seed)
    steps = [step for _, step in found.all_steps()]
    assert Counter(row for step in steps for row in step) == Counter(range(len(lengths)))
    assert all(len(step) * max(lengths[row] for row in step) <= tokens for step in steps)


def test_a_step_depends_on_seed_epoch_and_number_alone():
    lengths = [10 + number % 37 for number in range(100)]
    first = plan(lengths, epochs=2)
    assert list(first.all_steps()) == list(plan(lengths, epochs=2).all_steps())
    epochs = [[step for number, step in first.all_steps() if number == epoch] for epoch in (0, 1)]
    assert epochs[0] != epochs[1]
    assert list(first.all_steps()) != list(plan(lengths, epochs=2, seed=1).all_steps())
    assert list(plan(lengths, steps=30).all_steps())[:13] == list(first.all_steps())[:13]


def test_a_number_of_steps_goes_over_the_rows_as_often_as_needed():
    found = list(plan([5] * 10, rows=4, steps=7).all_steps())
    assert [epoch for epoch, _ in found] == [0, 0, 0, 1, 1, 1, 2]
    assert plan([5] * 10, rows=4, steps=7).ends() == [3, 6, 7]
    assert plan([5] * 10, rows=4, epochs=2).ends() == [3, 6]


def brute_force(costs: list[int], passes: int) -> int:
    """The cheapest dearest pass over all cuts of rows that are sorted by length."""
    if passes == 1:
        return len(costs) * costs[0]
    return min(max(cut * costs[0], brute_force(costs[cut:], passes - 1)) for cut in range(1, len(costs) - passes + 2))


@given(st.lists(st.integers(2, 400), min_size=3, max_size=9), st.integers(1, 3))
def test_the_dearest_pass_is_as_cheap_as_any_cut_allows(lengths, passes):
    dealt = plan(lengths, rows=9).dealt(range(len(lengths)), passes)
    dearest = max(len(one) * COST(max(lengths[row] for row in one)) for one in dealt)
    costs = sorted((COST(length) for length in lengths), reverse=True)
    assert dearest == min(brute_force(costs, count) for count in range(1, passes + 1))


def test_a_pass_without_rows_appears_only_where_rows_are_too_few():
    few = plan([5, 6], rows=8)
    assert [len(one) for one in few.dealt([0, 1], 3)] == [1, 1, 0]
    assert all(plan([5] * 8).dealt(range(8), 5))
    assert list(Passes(few, 1, 3, 2)) == [[EMPTY]]


def test_sorting_within_the_step_saves_padding_and_waiting():
    import random

    drawn = random.Random(1)
    lengths = [min(16_384, int(drawn.lognormvariate(8.5, 0.6))) for _ in range(512)]
    laid = plan(lengths, rows=128)
    places = tokens = 0
    for _, step in laid.all_steps():
        for one in laid.dealt(step, 32):
            places += len(one) * max(lengths[row] for row in one)
            tokens += sum(lengths[row] for row in one)
    assert 1 - tokens / places < 0.06
    unsorted = 1 - sum(lengths) / sum(4 * max(lengths[at : at + 4]) for at in range(0, 512, 4))
    assert unsorted > 0.3


def test_no_row_is_an_error():
    with pytest.raises(UsageError, match="no row"):
        plan([])
