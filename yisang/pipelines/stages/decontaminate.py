"""Decontamination, first form: rows that share an n-gram with a benchmark, or hold one of its items, leave.

    items      the benchmarks' items, read and hashed once, in one shard
    matches    what each record shares with them
    stopped    which n-grams are boilerplate, and how many records each benchmark removes; one shard
    (decide)   a Drop with its evidence for each record that shares something else

In memory of a worker: the items' words, some 45 bytes for each of their n-grams, the units of frequent words (`bench.decontaminate`
measures all of it), and what the records of one shard share with the items. The shard `stopped` holds what all records share, 24
bytes for each n-gram of a record.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from yisang.errors import UsageError
from yisang.filters.analysers import AnalyserName
from yisang.filters.contamination import PAPER, PASSES, WHERES, Found, Index, Item, Pass, Reading, Where
from yisang.filters.ngrams import RawUnits, unit_hash
from yisang.pipelines.boundary import Boundary, ShardWriter
from yisang.pipelines.identity import identity
from yisang.pipelines.phases import Inputs, Phase, Setting, Work, counted, even_slices
from yisang.pipelines.stages.benchmarks import check_items, known, read_index, read_items, write_index
from yisang.pipelines.stages.matches import MATCHES, Shared, all_matches, removed_rows, shard_table, stopped_rows
from yisang.pipelines.steps import Stage
from yisang.records import Drop, Example, Prompt, Record, Trace, nfc, with_measures
from yisang.sources.base import Source

SHOWN = 5
"""Stopped n-grams that the books tell of; all of them are in the table `stopped`."""
WITHHELD = "(withheld: it stands in no record that may be redistributed)"
"""What the books say, which whoever has them may pass on, in the place of a benchmark's words that no open record has."""
QUOTED = 300
"""Characters of what was shared that a drop's evidence quotes at most."""


@dataclass(frozen=True)
class Decontaminate(Stage):
    """Drops (reason `contaminated`) what shares an n-gram with an item of `benchmarks`, or holds a whole one.

    benchmarks: sources whose rows are the items, each named after its benchmark: JsonLines("kmmlu.jsonl", text="question",
    options="choices", language="ko", name="kmmlu"); or `Questions`. Their text, options included, is compared; the gold is not.
    Prompts are compared with their options, traces and examples with their prompt and with what the teacher wrote.

    language, analyser, n, raw_n, raw_units, whole_min, passes, directives: see `yisang.filters.contamination`; raw_n and raw_units follow from the
    language unless they are said. n = 13, both passes, and
    one shared n-gram being enough are the paper's (arXiv 2510.04230, section 5.3); the pass `whole` is ours, as items of less than n
    units have no n-gram.

    directives: phrases that yisang or the sites put into many questions ("Write the number alone."). They are taken out of items
    and records before either is compared. So is what a record's measure `directive_measure` quotes, from that record and its
    trace.

    stop_prompts, stop_items: an n-gram is boilerplate, and removes nothing, if it stands in more than `stop_prompts` different prompts
    of the corpus and in at least `stop_items` differently worded items. Both, since a leaked question that was copied a
    thousand times is still one item's: what tells an item from others is never stopped, and the pass `whole` knows no stop
    list. An n-gram of which more than half stands in such ones is stopped with them, as a common word that follows a phrase makes
    another n-gram of it. None stops nothing. What was stopped stands in the books and in the table `stopped`; a record that is kept though it shares
    such an n-gram has their number as its measure `stopped_ngrams`. Both bounds are ours.
    """

    benchmarks: tuple[Source, ...]
    language: str = "ko"
    analyser: AnalyserName = "words"
    n: int = 13
    raw_n: int | None = None
    raw_units: RawUnits | None = None
    whole_min: int = 32
    passes: tuple[Pass, ...] = PAPER
    directives: tuple[str, ...] = ()
    directive_measure: str = "directive"
    stop_prompts: int | None = 100
    stop_items: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "benchmarks", tuple(self.benchmarks))
        names = [source.name for source in self.benchmarks]
        if not names or len(set(names)) < len(names):
            has = ", ".join(names) or "none"
            raise UsageError(
                f"Step {self.name}: benchmarks must be one or more sources, each with a name of its own; given: {has}."
            )
        for name, least in (("stop_prompts", 0), ("stop_items", 2)):
            value = getattr(self, name)
            if name == "stop_prompts" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise UsageError(
                    f"Step {self.name}: {name} is {value!r}; it must be a whole number from {least} upwards."
                )
        _ = self.reading

    @functools.cached_property
    def reading(self) -> Reading:
        """How texts are read. Raises UsageError for what it cannot be."""
        return Reading(
            self.language,
            self.analyser,
            self.n,
            self.raw_n,
            self.raw_units,
            self.whole_min,
            self.passes,
            self.directives,
        )

    def phases(self) -> list[Phase]:
        return [
            Items("items", (), stage=self),
            Matches("matches", (0, 1), stage=self),
            Stopped("stopped", (1, 2), stage=self),
            Decide("decide", (0, 1, 2, 3), stage=self),
        ]

    def shared(self, index: Index, record: Record) -> Iterator[tuple[Where, Found]]:
        """What a record shares with the items. Records of other kinds share nothing."""
        prompt = _prompt_of(record)
        if prompt is None:
            return
        also = self._directives(record, prompt)
        for found in _of_prompt(index, (prompt.text, *prompt.options), also):
            yield "prompt", found
        said: tuple[str, ...] = (record.text,) if isinstance(record, Trace) else ()
        if isinstance(record, Example):
            said = tuple(message.content for message in record.messages if message.content != prompt.text)
        if said:
            for found in index.find(index.reading.read(said, also), "trace"):
                yield "trace", found

    def _directives(self, record: Record, prompt: Prompt) -> tuple[str, ...]:
        found = []
        for bearer in (record, prompt, *((record.trace,) if isinstance(record, Example) else ())):
            value = bearer.measures.get(self.directive_measure)
            if value is not None and not isinstance(value, str):
                raise UsageError(
                    f"Step {self.name}: the measure {self.directive_measure!r} of {bearer.kind_name} {bearer.id} is {value!r}; it must "
                    "be the directive's words. Name another measure as directive_measure."
                )
            found.append(value or "")
        return tuple(sorted(set(found)))


def _prompt_of(record: Record) -> Prompt | None:
    if isinstance(record, Example):
        return record.trace.prompt
    if isinstance(record, Trace):
        return record.prompt
    return record if isinstance(record, Prompt) else None


@functools.lru_cache(1)
def _of_prompt(index: Index, parts: tuple[str, ...], also: tuple[str, ...]) -> tuple[Found, ...]:
    """Of the answers to one prompt, which follow each other, the first alone has the prompt looked up."""
    return tuple(index.find(index.reading.read(parts, also), "prompt"))


@dataclass(frozen=True)
class _DecontaminationPhase(Phase):
    stage: Decontaminate | None = None

    @property
    def step(self) -> Decontaminate:
        assert self.stage is not None
        return self.stage

    def constants(self, *names: str, **others: Any) -> dict[str, Any]:
        """The step's code, and those of its constants that this phase depends on, as `yisang plan` prints them."""
        fields = {name: getattr(self.step, name) for name in names} | others
        return {"step": self.step.name, **identity(type(self.step), self.step.name), "fields": fields}


_STOPPED = pa.schema(
    [
        ("pass", pa.string()),
        ("key", pa.int32()),
        ("ngram", pa.string()),
        ("prompts", pa.int64()),
        ("items", pa.int64()),
        ("benchmarks", pa.list_(pa.string())),
        ("open", pa.bool_()),
        ("beside", pa.bool_()),
    ]
)
_REMOVED = pa.schema(
    [
        ("benchmark", pa.string()),
        ("pass", pa.string()),
        ("items", pa.int64()),
        ("inside", pa.int64()),
        ("records", pa.int64()),
    ]
)
_TOTAL = pa.schema([("read", pa.int64()), ("removed", pa.int64()), ("kept_for_stop", pa.int64())])


@dataclass(frozen=True)
class Items(_DecontaminationPhase):
    """The items and their n-grams; one shard, as all of them must be there at once to be told apart."""

    def parameters(self) -> Any:
        step = self.step
        reading = identity(step.reading, step.name)
        shown = self.constants(benchmarks=[source.name for source in step.benchmarks], **reading["identity"])
        return [shown, [reading["code"], known(step.benchmarks, step.name)]]

    def check(self, setting: Setting) -> None:
        """Reads the first item of each benchmark: an empty file or a wrong column is not to be found after teaching."""
        for source in self.step.benchmarks:
            check_items(source, self.step.name)

    def plan(self, inputs: Inputs) -> list[Work]:
        return [Work(0)]

    def run(self, work: Work, inputs: Inputs, out: ShardWriter, setting: Setting) -> None:
        step = self.step
        items = [
            Item(source.name, item.id, step.reading.read((item.text, *item.options)))
            for source in step.benchmarks
            for item in counted(read_items(source, step.name), out)
        ]
        write_index(Index(step.reading, items), out)


@dataclass(frozen=True)
class Matches(_DecontaminationPhase):
    """What each record shares with the items, by its number in the shard, so that repeated ids do no harm."""

    def parameters(self) -> Any:
        return [self.constants("directive_measure")]

    def plan(self, inputs: Inputs) -> list[Work]:
        return even_slices(inputs.manifests[0])

    def run(self, work: Work, inputs: Inputs, out: ShardWriter, setting: Setting) -> None:
        index = read_index(inputs.boundaries[1], self.step.reading)
        rows = []
        for number, record in enumerate(counted(inputs.slices(work.slices), out)):
            prompt = _prompt_of(record)
            whose = unit_hash(nfc(prompt.id)) if prompt is not None else 0
            for where, found in self.step.shared(index, record):
                at = WHERES.index(where), PASSES.index(found.name), found.key, found.times
                rows.append((number, whose, record.licence.letter == "A", *at))
        if rows:
            out.table("matches", pa.table([list(column) for column in zip(*rows, strict=True)], schema=MATCHES))


@dataclass(frozen=True)
class Stopped(_DecontaminationPhase):
    """Which n-grams are boilerplate, and what each benchmark removes; one shard, as it needs all matches."""

    def parameters(self) -> Any:
        return [self.constants("stop_prompts", "stop_items")]

    def plan(self, inputs: Inputs) -> list[Work]:
        return [Work(0)]

    def run(self, work: Work, inputs: Inputs, out: ShardWriter, setting: Setting) -> None:
        index = read_index(inputs.boundaries[0], self.step.reading)
        shared = all_matches(inputs.boundaries[1], inputs.manifests[1])
        stopped = stopped_rows(index, shared, self.step.stop_prompts, self.step.stop_items)
        out.table("stopped", pa.Table.from_pylist(stopped, schema=_STOPPED))
        numbers = [PASSES.index(row["pass"]) << 32 | row["key"] for row in stopped]
        left = ~np.isin(shared.found, np.array(numbers, np.int64))
        removed = Shared(*(column[left] for column in shared))
        out.table("removed", pa.Table.from_pylist(removed_rows(index, removed), schema=_REMOVED))
        total = {
            "read": sum(shard.read for shard in inputs.manifests[1].shards),
            "removed": len(np.unique(removed.record)),
            "kept_for_stop": len(np.setdiff1d(shared.record, removed.record)),
        }
        out.table("total", pa.Table.from_pylist([total], schema=_TOTAL))

    def notes(self, boundary: Boundary) -> list[str]:
        tables = [boundary.table(role) for role in ("total", "removed", "stopped")]
        (total,), removed, stopped = (table.to_pylist() if table is not None else [] for table in tables)
        share = total["removed"] / total["read"] if total["read"] else 0.0
        lines = [f"{total['removed']:,} of {total['read']:,} records removed ({share:.2%})"]
        for row in removed:
            if not row["pass"]:
                own = [other for other in removed if other["benchmark"] == row["benchmark"] and other["pass"]]
                by_pass = ", ".join(f"{other['pass']} {other['records']:,}" for other in own)
                short = row["items"] - row["inside"]
                lines.append(
                    f"{row['benchmark']}: {row['items']:,} items, {row['records']:,} records ({by_pass})"
                    + (f"; {short:,} items too short to be looked for inside of a text" if short else "")
                )
        common = [row for row in stopped if not row["beside"]]
        common.sort(key=lambda row: (-row["prompts"], row["pass"], row["ngram"]))
        if stopped:
            beside, kept = len(stopped) - len(common), total["kept_for_stop"]
            lines.append(
                f"{len(common):,} n-grams stopped as boilerplate, and {beside:,} of which more than half stands in these; "
                f"{kept:,} records kept that share nothing else"
            )
        for row in common[:SHOWN]:
            where = f"{row['prompts']:,} prompts, {row['items']:,} items of {', '.join(row['benchmarks'])}"
            lines.append(f"stopped ({row['pass']}, {where}): {row['ngram'] if row['open'] else WITHHELD}")
        return lines


@dataclass(frozen=True)
class Decide(_DecontaminationPhase):
    """Drops each record that shares something that is not stopped, and says what."""

    def parameters(self) -> Any:
        return [self.constants()]

    def plan(self, inputs: Inputs) -> list[Work]:
        return even_slices(inputs.manifests[0])

    def run(self, work: Work, inputs: Inputs, out: ShardWriter, setting: Setting) -> None:
        index = read_index(inputs.boundaries[1], self.step.reading)
        stopped_table = inputs.boundaries[3].table("stopped")
        rows = stopped_table.to_pylist() if stopped_table is not None else []
        stopped = {(row["pass"], row["key"]) for row in rows}
        shared: dict[int, list[tuple[Where, Found]]] = {}
        table = shard_table(inputs.boundaries[2], inputs.manifests[2], work.index)
        for row in table.to_pylist() if table is not None else []:
            found = Found(PASSES[row["pass"]], row["key"], row["times"])
            shared.setdefault(row["row"], []).append((WHERES[row["where"]], found))
        for number, record in enumerate(counted(inputs.slices(work.slices), out)):
            all_found = shared.get(number, [])
            left = [(where, found) for where, found in all_found if (found.name, found.key) not in stopped]
            if left:
                out.drop(self.step.name, record, Drop("contaminated", evidence(index, left)))
            elif all_found:
                out.keep(with_measures(record, {"stopped_ngrams": len({found[:2] for _, found in all_found})}))
            else:
                out.keep(record)


def evidence(index: Index, shared: Sequence[tuple[Where, Found]]) -> dict[str, Any]:
    """What a drop says: of the first pass that found something, and the prompt before the trace, the item that shares most with it
    (`count` n-grams) and one of these; and all benchmarks that any pass has found."""
    rank = min((PASSES.index(found.name), WHERES.index(where)) for where, found in shared)
    best = [found for where, found in shared if (PASSES.index(found.name), WHERES.index(where)) == rank]
    name = best[0].name
    counts: Counter[int] = Counter()
    for found in best:
        for item in index.items_of(name, found.key):
            counts[item] += found.times
    chosen = min(counts, key=lambda item: (-counts[item], item))
    key = min(found.key for found in best if chosen in index.items_of(name, found.key))
    benchmarks = {index.items[item].benchmark for _, found in shared for item in index.items_of(found.name, found.key)}
    return {
        "benchmark": index.items[chosen].benchmark,
        "item": index.items[chosen].id,
        "pass": name,
        "where": WHERES[rank[1]],
        "ngram": index.words_of(name, key)[:QUOTED],
        "count": counts[chosen],
        "benchmarks": sorted(benchmarks),
    }
