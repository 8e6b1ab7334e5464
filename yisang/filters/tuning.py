"""How well the checks of a trace agree with labelled samples, at their defaults and at other bounds.

`python -m bench.thresholds` prints it. Precision: of the samples at which a check fires, the share that is labelled so. Recall: of
those that are labelled so, the share at which it fires.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from yisang.filters.cot import AnswerLanguage, ThinkShare
from yisang.filters.pii import Pii
from yisang.filters.refusal import Refusal
from yisang.filters.repetition import Repetition
from yisang.filters.samples import Labels, Sample
from yisang.filters.trit import TritRepetition
from yisang.filters.unfinished import Unfinished
from yisang.records import Trace

Step = Callable[[Trace], Trace]


@dataclass(frozen=True)
class Check:
    """make: the step, of a language and bounds. verdict: its name. fires: its words that say yes. labelled: whether a sample
    is one of those; None where it is not judged. bounds: the values of each bound that are tried."""

    make: Callable[..., Step]
    verdict: str
    fires: Callable[[str], bool]
    labelled: Callable[[Labels], bool | None]
    bounds: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def default(self, bound: str) -> Any:
        return getattr(self.make("ko"), bound)


@dataclass(frozen=True)
class Score:
    """hits: fired and labelled. false: fired and not labelled. missed: labelled and not fired. Names are ids of samples."""

    hits: tuple[str, ...]
    false: tuple[str, ...]
    missed: tuple[str, ...]
    others: int

    @property
    def precision(self) -> float | None:
        fired = len(self.hits) + len(self.false)
        return len(self.hits) / fired if fired else None

    @property
    def recall(self) -> float | None:
        labelled = len(self.hits) + len(self.missed)
        return len(self.hits) / labelled if labelled else None


def _is(name: str) -> Callable[[Labels], bool | None]:
    return lambda labels: getattr(labels, name)


def _refusal(kind: str) -> Callable[[Labels], bool | None]:
    return lambda labels: None if labels.refusal is None else labels.refusal == kind


CHECKS: dict[str, Check] = {
    "repetition": Check(
        lambda language, **bounds: Repetition(**bounds),
        "repetition",
        lambda word: word not in ("none", "missing"),
        _is("repetition"),
        {
            "lines": (3, 4, 6, 8, 12),
            "passages": (6, 8, 12, 16, 24),
            "share": (0.0, 0.05, 0.1, 0.2, 0.4),
            "back_to_back": (2, 3, 4, 6, 8, 12),
            "covered": (30, 60, 90, 120, 200, 400),
            "compression": (0.0, 0.05, 0.1, 0.15, 0.2, 0.3),
            "long": (250, 500, 1000, 2000, 4000),
        },
    ),
    "trit by words": Check(
        lambda language, **bounds: TritRepetition("words"),
        "trit",
        lambda word: word in ("line", "ngram"),
        _is("repetition"),
    ),
    "trit by characters": Check(
        lambda language, **bounds: TritRepetition("characters"),
        "trit",
        lambda word: word in ("line", "ngram"),
        _is("repetition"),
    ),
    "refusal": Check(
        Refusal,
        "refusal",
        lambda word: word == "refusal",
        _refusal("refusal"),
        {"opening": (25, 50, 100, 200, 400, 1000)},
    ),
    "identity": Check(Refusal, "refusal", lambda word: word == "identity", _refusal("identity")),
    "unfinished": Check(
        Unfinished,
        "unfinished",
        lambda word: word not in ("none", "missing"),
        _is("unfinished"),
        {"tail": (10, 20, 30, 40, 60, 10_000)},
    ),
    "pii": Check(
        Pii, "pii", lambda word: word == "found", lambda labels: None if labels.pii is None else bool(labels.pii)
    ),
    "answer_language": Check(
        AnswerLanguage,
        "answer_language",
        lambda word: word == "other",
        lambda labels: None if labels.answer_language is None else labels.answer_language == "other",
        {"low": (0.1, 0.2, 0.3, 0.5, 0.7, 0.9), "words": (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)},
    ),
    "think_share": Check(
        ThinkShare,
        "think_share",
        lambda word: word in ("low", "high"),
        lambda labels: None if labels.mixed is None else not labels.mixed,
        {"low": (0.0, 0.01, 0.03, 0.05, 0.08, 0.1), "high": (0.12, 0.15, 0.2, 0.3, 0.5, 0.9)},
    ),
}
"""The checks that have labels. `Switches` and `KeptQuotes` measure and decide nothing."""


def score(name: str, samples: Iterable[Sample], **bounds: Any) -> Score:
    """How a check agrees with the labels; bounds that are not given keep their defaults."""
    check = CHECKS[name]
    steps: dict[str, Step] = {}
    found: dict[tuple[bool, bool], list[str]] = {
        (fired, meant): [] for fired in (True, False) for meant in (True, False)
    }
    for sample in samples:
        meant = check.labelled(sample.labels)
        if meant is None:
            continue
        if sample.language not in steps:
            steps[sample.language] = check.make(sample.language, **bounds)
        fired = check.fires(steps[sample.language](sample.trace()).verdicts[check.verdict])
        found[fired, meant].append(sample.id)
    return Score(
        tuple(found[True, True]), tuple(found[True, False]), tuple(found[False, True]), len(found[False, False])
    )
