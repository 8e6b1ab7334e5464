"""pass@k, the edge of competence, guards between splits, and mixes."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import pytest

from yisang.errors import UsageError
from yisang.tasks.mixes import BANDS, MIXES, RL_BANDS, Mix, draw_problems, with_school
from yisang.tasks.problems import Problem, Request, make_problem, make_problems
from yisang.tasks.selection import SplitGuard, edge_of_competence, guarded, mean_pass_at_k, pass_at_k, structure_key


def brute_force(samples: int, correct: int, k: int) -> float:
    """The share of choices of k samples that hold a correct one."""
    choices = list(itertools.combinations([True] * correct + [False] * (samples - correct), k))
    return sum(any(choice) for choice in choices) / len(choices)


def test_pass_at_k_is_the_share_of_choices_that_hold_a_correct_one() -> None:
    for samples in range(1, 8):
        for correct in range(samples + 1):
            for k in range(1, samples + 1):
                assert pass_at_k(samples, correct, k) == pytest.approx(brute_force(samples, correct, k))


@pytest.mark.parametrize(
    ("case", "value"),
    [
        ((4, 2, 0), 0),
        ((4, 2, 5), 0),
        ((4, 0, 2), 0),
        ((4, 3, 2), 1),
        ((4, 4, 4), 1),
        ((0, 0, 1), 0),
        ((128, 1, 128), 1),
        ((128, 1, 1), 1 / 128),
    ],
)
def test_the_edges_of_pass_at_k(case: tuple[int, int, int], value: float) -> None:
    assert pass_at_k(*case) == pytest.approx(value)


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(UsageError, match="cannot be"):
        pass_at_k(3, 4, 1)


def test_the_mean_leaves_out_prompts_with_too_few_samples() -> None:
    assert mean_pass_at_k([(4, 2), (1, 1)], 2) == pass_at_k(4, 2, 2)
    assert mean_pass_at_k([(1, 1)], 2) is None


def test_every_key_is_at_the_edge_solved_unreachable_or_untold() -> None:
    counts = {"easy": (8, 8), "good": (8, 5), "hard": (8, 1), "never": (8, 0), "few": (3, 1)}
    found = edge_of_competence(counts, k=8, tau=0.6)
    assert (found.edge, found.solved, found.unreachable, found.untold) == (
        ("hard",),
        ("easy", "good"),
        ("never",),
        ("few",),
    )
    with pytest.raises(UsageError):
        edge_of_competence(counts, k=0, tau=0.6)


def renamed(problem: Problem) -> Problem:
    """The same graph about another context, in another language and order."""
    return make_twin(problem, "en")


def make_twin(problem: Problem, language: str) -> Problem:
    order = tuple(reversed(problem.order))
    from yisang.tasks.problems import problem_of

    return problem_of(problem.graph, language, problem.context, problem.ops, order, "target_only", "define")


def test_the_guard_keeps_copies_of_test_problems_out() -> None:
    test = list(make_problems(Request("ko", 4, 10), 1, 50))
    fresh = list(make_problems(Request("ko", 4, 10), 2, 50))
    turned = [renamed(problem) for problem in test[:10]]
    near = [
        replace(problem, question="참고: " + problem.question, graph=fresh[n].graph)
        for n, problem in enumerate(test[10:20])
    ]
    kept, leaks = guarded([*fresh, *test[:5], *turned, *near], test)
    assert [problem.id for problem in kept] == [problem.id for problem in fresh]
    assert Counter(leak.how for leak in leaks) == {"same_text": 5, "same_structure": 10, "near_duplicate": 10}
    assert {leak.like for leak in leaks} == {problem.id for problem in test[:20]}


def test_structure_tells_problems_apart_by_their_constants_and_shape() -> None:
    problems = list(make_problems(Request("ko", 5, 12, direction="both"), 3, 300))
    assert len({structure_key(problem.graph) for problem in problems}) == len({p.question for p in problems})
    for problem in problems[:50]:
        assert structure_key(renamed(problem).graph) == structure_key(problem.graph)


def test_without_structure_a_translation_passes() -> None:
    [problem] = make_problems(Request("ko", 6, 6), 4, 1)
    guard = SplitGuard(structure=False)
    guard.add(problem)
    assert guard.leak(renamed(problem)) is None
    assert guard.leak(problem) is not None


def test_mixes_hold_their_shares() -> None:
    request = Request("en")
    for name in ("midtrain-11-14", "pretrain-hard-1", "pretrain-hard-50"):
        mix = MIXES[name]
        drawn = Counter(problem.ops for problem in draw_problems(mix, request, 1, 600))
        for (low, high), share in mix.ranges:
            inside = sum(count for ops, count in drawn.items() if low <= ops <= high) / 600
            # Ranges of one mix may overlap in id; none of these do but through id below 11.
            assert abs(inside - share) < 0.07, (name, low, high)


def test_exposure_of_contexts() -> None:
    mix = with_school(MIXES["rl-7-10"], 0.2)
    drawn = Counter(problem.context for problem in draw_problems(mix, Request("en"), 1, 500))
    assert set(drawn) == {"zoo", "school"}
    assert 0.14 < drawn["school"] / 500 < 0.26
    assert {problem.context for problem in draw_problems(with_school(MIXES["uniform"], 0.0), Request("en"), 1, 50)} == {
        "zoo"
    }


def test_a_mix_does_not_depend_on_where_it_starts() -> None:
    mix, request = MIXES["midtrain-9-12"], Request("ko")
    assert list(draw_problems(mix, request, 1, 10, start=5)) == list(draw_problems(mix, request, 1, 15))[5:]


def test_the_bands_are_those_of_the_paper() -> None:
    assert BANDS["id"] == (2, 10)
    assert [BANDS[name] for name in ("easy", "medium", "hard")] == [(2, 4), (5, 7), (8, 10)]
    assert (BANDS["ood-edge"], BANDS["ood-hard"]) == ((11, 14), (15, 20))
    assert RL_BANDS == ((7, 10), (9, 12), (11, 14), (17, 20))


@pytest.mark.parametrize("ranges", [(), (((2, 4), 0.5),), (((2, 4), 1.5), ((5, 7), -0.5))])
def test_shares_that_do_not_sum_to_one_are_refused(ranges: tuple[tuple[tuple[int, int], float], ...]) -> None:
    with pytest.raises(UsageError, match="sum to 1"):
        Mix("bad", ranges)


def test_problems_of_neighbouring_indices_differ() -> None:
    request = Request("ko", 6, 6, "zoo")
    assert len({make_problem(request, 1, index).question for index in range(300)}) == 300
