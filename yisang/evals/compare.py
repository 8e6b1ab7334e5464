"""Two runs of the same benchmarks, compared item by item.

The same questions were asked of both, so the differences of items are looked at and not the two scores: what is hard for both
does not widen the interval (Miller 2024, "Adding Error Bars to Evals", arXiv 2411.00640, section on paired differences).
An item's score is its mean over the answers that were judged; items that belong together (one problem in several
languages) are one pair.
"""

from __future__ import annotations

import math
from collections import defaultdict

import msgspec

from yisang.errors import UsageError
from yisang.evals.judging import Judged
from yisang.evals.lines import read_judged
from yisang.evals.results import BenchResult, Results, read_results
from yisang.evals.statistics import paired_interval
from yisang.evals.summary import item_means
from yisang.storage import Folder


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """B minus A on one benchmark.

    pairs: independent items that both have a score for. a, b: mean scores over these. difference: the mean of the paired
    differences, with its 95 % interval (`statistics.paired_interval`). All None without a pair. better, worse, equal: pairs by
    the sign of their difference. only_a, only_b: items that stand on one side only. unscored: items that stand on both
    sides and have no judged answer on one of them.
    """

    bench: str
    measure: str
    pairs: int
    a: float | None
    b: float | None
    difference: float | None
    low: float | None
    high: float | None
    better: int
    worse: int
    equal: int
    only_a: int
    only_b: int
    unscored: int


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs, and how they differ on each benchmark."""

    a: dict[str, str]
    b: dict[str, str]
    protocol: str
    benches: list[Difference]


def compare(a: str, b: str, *, measure: str = "") -> Comparison:
    """Compares two finished runs. measure: "" for each benchmark's own score.

    Raises UsageError where a folder holds no finished run, and where protocol or benchmarks differ in what matters.
    """
    sides = [(folder, read_results(folder)) for folder in map(Folder, (a, b))]
    (folder_a, one), (folder_b, other) = sides
    if differing := _differing(one, other):
        raise UsageError(
            f"{a} and {b} are no runs of the same thing, so their scores cannot be compared: {'; '.join(differing)}. Evaluate "
            "one of them again with the settings of the other."
        )
    named = {bench.label: bench for bench in other.benches}
    return Comparison(
        a={"folder": a, "model": one.model, "revision": one.revision},
        b={"folder": b, "model": other.model, "revision": other.revision},
        protocol=one.protocol.name,
        benches=[
            _difference(bench, named[bench.label], folder_a, folder_b, measure or bench.primary)
            for bench in one.benches
        ],
    )


def _differing(one: Results, other: Results) -> list[str]:
    """What of protocol and benchmarks differs, in words."""
    tables = [msgspec.to_builtins(results.protocol) for results in (one, other)]
    found = [
        f"protocol.{key} is {tables[0][key]!r} and {tables[1][key]!r}"
        for key in tables[0]
        if key != "name" and tables[0][key] != tables[1][key]
    ]
    benches = [{bench.label: bench.settings for bench in results.benches} for results in (one, other)]
    for label in dict.fromkeys([*benches[0], *benches[1]]):
        if label not in benches[0] or label not in benches[1]:
            found.append(f"only {'B' if label not in benches[0] else 'A'} has the benchmark {label}")
        elif benches[0][label] != benches[1][label]:
            found.append(f"the settings of {label} differ")
    return found


def _difference(one: BenchResult, other: BenchResult, in_a: Folder, in_b: Folder, measure: str) -> Difference:
    answers = [list(read_judged(folder.path(bench.outputs))) for folder, bench in ((in_a, one), (in_b, other))]
    known = {name for side in answers for answer in side for name in answer.measures}
    if measure not in known:
        raise UsageError(f"{one.label} has no measure {measure!r}; it has {', '.join(sorted(known))}.")
    scores = [item_means(side, measure) for side in answers]
    asked = [{answer.id for answer in side} for side in answers]
    both = asked[0] & asked[1]
    scored = [id_ for id_ in scores[0] if id_ in scores[1]]
    pairs = _clustered(scored, answers[0], scores)
    differences = [second - first for first, second in pairs]
    low, high = paired_interval(differences) if differences else (None, None)
    return Difference(
        bench=one.label,
        measure=measure,
        pairs=len(pairs),
        a=_mean([first for first, _ in pairs]),
        b=_mean([second for _, second in pairs]),
        difference=_mean(differences),
        low=low,
        high=high,
        better=sum(difference > 0 for difference in differences),
        worse=sum(difference < 0 for difference in differences),
        equal=sum(difference == 0 for difference in differences),
        only_a=len(asked[0] - asked[1]),
        only_b=len(asked[1] - asked[0]),
        unscored=len(both) - len(scored),
    )


def _clustered(scored: list[str], answers: list[Judged], scores: list[dict[str, float]]) -> list[tuple[float, float]]:
    """The pair of mean scores of each cluster."""
    cluster_of = {answer.id: answer.cluster or answer.id for answer in answers}
    clusters: dict[str, list[str]] = defaultdict(list)
    for id_ in scored:
        clusters[cluster_of[id_]].append(id_)
    return [
        (math.fsum(scores[0][id_] for id_ in ids) / len(ids), math.fsum(scores[1][id_] for id_ in ids) / len(ids))
        for ids in clusters.values()
    ]


def _mean(values: list[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
