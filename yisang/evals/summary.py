"""Many judged answers as scores, each beside its n, its interval, and what was left out of it.

A score is the mean over items of the item's mean over its answers. It equals the mean over runs unless answers are
missing. Unjudged answers and infra errors enter no mean, and a mean over nothing is None, never 0.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import get_args

import msgspec

from yisang.evals.judging import LEFT_OUT, Judged
from yisang.evals.statistics import mean_and_error, wilson
from yisang.grading import Verdict
from yisang.tasks.selection import mean_pass_at_k, pass_at_k


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One mean within 0..1, and its 95 % interval (Wilson, over clusters of items that are not independent).

    items: those it is over; answers: of these items. All None where there are none.
    """

    mean: float | None
    low: float | None
    high: float | None
    items: int
    answers: int


class Runs(msgspec.Struct, frozen=True, kw_only=True):
    """The score of each run that has one, their mean, and its standard error (None for a single run)."""

    scores: list[float]
    mean: float | None
    error: float | None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Scores of a benchmark or of one of its cells.

    items, answers: all that there are. score: the primary measure. pass_at_k: by k, unbiased (arXiv 2107.03374), over all
    answers to a question. truncated: share of the answers that were cut off, among those of which it is known (None where
    of none). unparsed, unjudged, infra_error: shares of all answers. left_out: how many answers enter no mean.
    """

    items: int
    answers: int
    score: Measure
    measures: dict[str, Measure]
    runs: Runs
    pass_at_k: dict[str, Measure]
    verdicts: dict[str, int]
    truncated: float | None
    unparsed: float | None
    unjudged: float | None
    infra_error: float | None
    left_out: int


def summarise(judged: Iterable[Judged], *, primary: str = "accuracy", samples: int = 1) -> Summary:
    """Scores of answers. samples: how many each question got in a run, for k = 1, 2, 4 ... and `samples` itself."""
    answers = list(judged)
    by_item: dict[str, list[Judged]] = defaultdict(list)
    for answer in answers:
        by_item[answer.id].append(answer)
    names = list(dict.fromkeys(name for answer in answers for name in answer.measures)) or [primary]
    measures = {name: measure(answers, name) for name in dict.fromkeys([primary, *names])}
    verdicts = Counter(answer.verdict for answer in answers)
    cut = [answer.truncated for answer in answers if answer.truncated is not None]
    counts = {verdict: verdicts[verdict] for verdict in get_args(Verdict)}
    return Summary(
        items=len(by_item),
        answers=len(answers),
        score=measures[primary],
        measures=measures,
        runs=_runs(answers, primary),
        pass_at_k=_pass_at_k(by_item, primary, samples),
        verdicts=counts,
        truncated=sum(cut) / len(cut) if cut else None,
        unparsed=_share(counts["unparsed"], answers),
        unjudged=_share(counts["unjudged"], answers),
        infra_error=_share(counts["infra_error"], answers),
        left_out=sum(counts[verdict] for verdict in LEFT_OUT),
    )


def item_means(answers: Iterable[Judged], name: str) -> dict[str, float]:
    """The mean of a measure over the answers to each item that have one."""
    values: dict[str, list[float]] = defaultdict(list)
    for answer in answers:
        value = answer.measures.get(name)
        if value is not None:
            values[answer.id].append(value)
    return {id_: math.fsum(found) / len(found) for id_, found in values.items()}


def measure(answers: Sequence[Judged], name: str) -> Measure:
    """The mean of a measure over items."""
    means = item_means(answers, name)
    clusters = {answer.cluster or answer.id for answer in answers if answer.id in means}
    count = sum(answer.measures.get(name) is not None for answer in answers)
    return _measure(list(means.values()), len(clusters), count)


def _measure(values: Sequence[float], clusters: int, answers: int) -> Measure:
    if not values:
        return Measure(mean=None, low=None, high=None, items=0, answers=0)
    # A sum of ones must not come out above one.
    mean = min(1.0, math.fsum(values) / len(values))
    low, high = wilson(mean, clusters)
    return Measure(mean=mean, low=low, high=high, items=len(values), answers=answers)


def _runs(answers: Sequence[Judged], primary: str) -> Runs:
    scores = []
    for run in sorted({answer.run for answer in answers}):
        means = item_means((answer for answer in answers if answer.run == run), primary)
        if means:
            scores.append(math.fsum(means.values()) / len(means))
    mean, error = mean_and_error(scores)
    return Runs(scores=scores, mean=mean, error=error)


def _pass_at_k(by_item: dict[str, list[Judged]], primary: str, samples: int) -> dict[str, Measure]:
    if samples < 2:
        return {}
    counts: dict[str, tuple[int, int]] = {}
    for id_, answers in by_item.items():
        values = [value for answer in answers if (value := answer.measures.get(primary)) is not None]
        counts[id_] = (len(values), sum(value == 1 for value in values))
    powers = [2**power for power in range(samples.bit_length()) if 2**power <= samples]
    found = {}
    for k in sorted({*powers, samples}):
        enough = {id_: pair for id_, pair in counts.items() if pair[0] >= k}
        clusters = {by_item[id_][0].cluster or id_ for id_ in enough}
        values = [pass_at_k(*pair, k) for pair in enough.values()]
        mean = mean_pass_at_k(enough.values(), k)
        shown = _measure(values, len(clusters), sum(n for n, _ in enough.values()))
        found[str(k)] = msgspec.structs.replace(shown, mean=mean)
    return found


def _share(count: int, answers: Sequence[Judged]) -> float | None:
    return count / len(answers) if answers else None
