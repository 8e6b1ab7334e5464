"""What is known of a corpus after one reading: counts for the card, what the licence guard must know, which measures
occur and of what type, and how the ids sort. Memory holds the ids, never the rows.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from yisang.errors import YisangError
from yisang.pipelines.publish_changes import Changes, changes
from yisang.pipelines.publish_order import Ids
from yisang.pipelines.table import size_of
from yisang.records import Example, Licence, Record

SHOWN_IDS = 20
SHOWN_LABELS = 30
_JSON = msgspec.json.Encoder(order="deterministic")


def as_json(value: Any) -> str:
    return _JSON.encode(value).decode()


def flat(example: Example) -> Iterator[tuple[str, Any]]:
    """The measures and verdicts of a row under the names of their columns."""
    for name, value in example.trace.measures.items():
        yield f"measure_{name}", value
    for name, value in example.trace.prompt.measures.items():
        yield f"prompt_measure_{name}", value
    for name, value in example.measures.items():
        yield f"example_measure_{name}", value
    for name, value in example.trace.verdicts.items():
        yield f"verdict_{name}", value


def _type_name(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return "str"
    return type(value).__name__


def stricter(licence: Licence, row: Licence) -> bool:
    """Whether a row claims a right that `licence`, of something it was made of, withholds."""
    lost_share_alike = licence.share_alike and not row.share_alike
    return licence.letter > row.letter or lost_share_alike or (row.derive and not licence.derive)


@dataclass
class Span:
    """The spread of a number over the rows that have it. The sum is of integers, so no order of rows changes it."""

    rows: int = 0
    low: float = math.inf
    high: float = -math.inf
    billionths: int = 0

    def add(self, value: float) -> None:
        self.rows += 1
        self.low, self.high = min(self.low, value), max(self.high, value)
        self.billionths += round(value * 10**9)

    @property
    def mean(self) -> float:
        return self.billionths / 10**9 / self.rows


class Listed:
    """Counts rows per label and keeps the first ids."""

    def __init__(self) -> None:
        self.count: Counter[tuple[str, str, str]] = Counter()
        self._ids: list[str] = []

    def add(self, label: tuple[str, str, str], id_: str) -> None:
        self.count[label] += 1
        self._ids.append(id_)
        if len(self._ids) > 50 * SHOWN_IDS:
            self._ids = self.ids

    @property
    def ids(self) -> list[str]:
        return heapq.nsmallest(SHOWN_IDS, self._ids)


def refuse(listed: Listed, rows: int, what: str, advice: str) -> None:
    """Raises YisangError where rows were listed, with their labels and first ids."""
    if not listed.count:
        return
    labels = sorted(listed.count.items(), key=lambda item: (-item[1], item[0]))
    lines = [
        f"  letter {letter}, licence {licence}, source {source or '(none)'}: {count}"
        for (letter, licence, source), count in labels[:SHOWN_LABELS]
    ]
    if len(labels) > SHOWN_LABELS:
        lines.append(f"  and {len(labels) - SHOWN_LABELS} more combinations")
    total = listed.count.total()
    ids = listed.ids
    shown = "ids" if total == len(ids) else f"first {len(ids)} ids"
    details = "\n".join([*lines, f"  {shown}: {', '.join(ids)}"])
    raise YisangError(f"Nothing was published: {total} of {rows} rows {what}. {advice}\n{details}")


@dataclass
class Survey:
    """What is known of a corpus after one reading."""

    rows: int = 0
    category: Counter[str] = field(default_factory=Counter)
    letter: Counter[str] = field(default_factory=Counter)
    licence: Counter[tuple[str, str]] = field(default_factory=Counter)
    source: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    language: Counter[str] = field(default_factory=Counter)
    teacher: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    verdict: Counter[tuple[str, str]] = field(default_factory=Counter)
    definition: Counter[tuple[str, str]] = field(default_factory=Counter)
    share: dict[str, Span] = field(default_factory=dict)
    attributed: int = 0
    share_alike: int = 0
    changes: Changes = field(default_factory=Changes)
    not_public: Listed = field(default_factory=Listed)
    never: Listed = field(default_factory=Listed)
    mislabelled: Listed = field(default_factory=Listed)
    unanswered: Listed = field(default_factory=Listed)
    types: dict[str, set[str]] = field(default_factory=dict)
    ids: Ids = field(default_factory=Ids)

    @classmethod
    def of(cls, records: Iterable[Record]) -> Survey:
        """Reads a corpus once. Raises YisangError for a record that is no training row."""
        survey = cls()
        for record in records:
            if not isinstance(record, Example):
                raise YisangError(
                    f"The run ends in records of kind {record.kind_name} (the first is {record.id}), and only training "
                    "rows can be published. End the recipe with Each(ToExample()) and run it again."
                )
            survey.add(record)
        return survey

    def add(self, row: Example) -> None:
        prompt, trace = row.trace.prompt, row.trace
        self.rows += 1
        self.category[row.category] += 1
        self.letter[row.licence.letter] += 1
        self.licence[row.licence.letter, row.licence.id] += 1
        self.source[prompt.source, row.licence.letter, row.licence.id] += 1
        self.language[prompt.language] += 1
        sampling = {name: value for name, value in trace.sampling.items() if name != "seed"}
        self.teacher[trace.teacher, trace.revision, trace.prompt_version, as_json(sampling)] += 1
        self.attributed += bool(prompt.attribution)
        self.share_alike += row.licence.share_alike
        self.changes.add(changes(prompt))
        self._judge(row)
        for name, value in flat(row):
            self.types.setdefault(name, set()).add(_type_name(value))
            if name.startswith("verdict_"):
                self.verdict[name, value] += 1
            elif name.endswith("_share_of") and isinstance(value, str):
                self.definition[name, value] += 1
            elif name.endswith("_share") and isinstance(value, int | float) and math.isfinite(value):
                self.share.setdefault(name, Span()).add(value)
        self.ids.add(row.id, size_of(row))

    def _judge(self, row: Example) -> None:
        own, above = row.licence, (row.trace.licence, row.trace.prompt.licence)
        worst = max(licence.letter for licence in (own, *above))
        label = worst, own.id, row.trace.prompt.source
        if worst == "C":
            self.never.add(label, row.id)
        elif worst == "B":
            self.not_public.add(label, row.id)
        if any(stricter(licence, own) for licence in above):
            self.mislabelled.add((own.letter, own.id, row.trace.prompt.source), row.id)
        if not row.messages or row.messages[-1].role != "assistant":
            self.unanswered.add(label, row.id)
