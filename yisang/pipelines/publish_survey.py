"""What is known of a corpus after one reading: counts for the card, what the licence guard must know, which measures
occur and of what type, and how the ids sort. Memory holds the ids, never the rows.
"""

from __future__ import annotations

import bisect
import heapq
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from yisang.errors import YisangError
from yisang.pipelines.table import size_of
from yisang.records import Example, Licence, Record

SHARD_ROWS = 100_000
SHARD_BYTES = 256 << 20
"""A shard is one file of each view and what is sorted in memory."""

SHOWN_IDS = 20
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
    not_public: Listed = field(default_factory=Listed)
    never: Listed = field(default_factory=Listed)
    mislabelled: Listed = field(default_factory=Listed)
    unanswered: Listed = field(default_factory=Listed)
    types: dict[str, set[str]] = field(default_factory=dict)
    _ids: list[str] = field(default_factory=list)
    _chunks: list[pa.Array] = field(default_factory=list)
    _sizes: array[int] = field(default_factory=lambda: array("q"))

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
        self._judge(row)
        for name, value in flat(row):
            self.types.setdefault(name, set()).add(_type_name(value))
            if name.startswith("verdict_"):
                self.verdict[name, value] += 1
            elif name.endswith("_share_of") and isinstance(value, str):
                self.definition[name, value] += 1
            elif name.endswith("_share") and isinstance(value, int | float) and math.isfinite(value):
                self.share.setdefault(name, Span()).add(value)
        self._ids.append(row.id)
        self._sizes.append(size_of(row))
        if len(self._ids) == 50_000:
            self._pack_ids()

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

    def _pack_ids(self) -> None:
        self._chunks.append(pa.array(self._ids, pa.large_string()))
        self._ids = []

    def shards(self) -> Shards:
        """How the rows, sorted by id, are cut into shards."""
        self._pack_ids()
        ids = pa.chunked_array(self._chunks, pa.large_string())
        order = pc.sort_indices(ids)
        starts: list[str] = []
        rows: list[int] = []
        repeated, held, last = 0, 0, None
        for start in range(0, len(order), 50_000):
            part = order.slice(start, 50_000)
            for position, id_ in zip(part.to_pylist(), ids.take(part).to_pylist(), strict=True):
                size = self._sizes[position]
                repeated += id_ == last
                full = rows and (rows[-1] >= SHARD_ROWS or held + size > SHARD_BYTES)
                if not rows or (full and id_ != last):
                    starts.append(id_)
                    rows.append(0)
                    held = 0
                rows[-1] += 1
                held += size
                last = id_
        return Shards(starts[1:], rows, repeated)


@dataclass(frozen=True)
class Shards:
    """starts: the first id of each shard but the first. rows: of each shard. repeated: rows whose id came before."""

    starts: list[str]
    rows: list[int]
    repeated: int

    def of(self, id_: str) -> int:
        return bisect.bisect_right(self.starts, id_)
