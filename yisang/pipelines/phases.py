"""A recipe cut into phases: each reads finished files, works shard by shard, and leaves finished files.

    source      reads the sources' shards                                   stored
    chain       Each and Batch steps up to a keep=True, a Stage or the sink  stored
    shuffle     the chain before a Group, its records sorted into buckets    intermediate
    group       one bucket of a Group, merged from the sorted runs           stored
    (a Stage brings phases of its own, the last of which is stored)

A phase plans its shards from the manifests of the phases that it reads, so the plan depends on the data and never on
the engine or the number of workers. Engines only call `plan_shards`, `run_shard` and `commit_phase`
(yisang.pipelines.execution); that is the whole of what one must offer.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from yisang.errors import YisangError
from yisang.pipelines.boundary import Boundary, Manifest, Part, ShardWriter
from yisang.pipelines.chain import run_chain
from yisang.pipelines.identity import identity
from yisang.pipelines.steps import ChainStep
from yisang.records import Dead, Drop, Record
from yisang.sources.base import PassedOver, Shard, Source

SHARD_ROWS = 50_000
SHARD_BYTES = 64 << 20
MIN_SHARDS = 16
MIN_SHARD_ROWS = 250
"""A shard is what is repeated after a kill: at most 50,000 rows or 64 MB stored, and, so that a small run uses its
cores, at least 16 shards where each still has 250 rows."""


@dataclass(frozen=True)
class Slice:
    """Rows start..start+rows of a part of the phase that is read."""

    part: Part
    start: int
    rows: int


@dataclass(frozen=True)
class Work:
    """What one shard of a phase does: rows of parts, or a bucket of a shuffle, or a shard of a source.

    `rows` is what it will read, None where unknown. `limit` is the most that it may read of a source.
    """

    index: int
    slices: tuple[Slice, ...] = ()
    bucket: int = 0
    source: int = 0
    shard: Shard | None = None
    limit: int | None = None
    rows: int | None = None


@dataclass(frozen=True)
class Setting:
    """What a run is given on the command line and what never bears identity."""

    out: str
    answers: str = ""
    teacher: Any = None

    @property
    def answer_store(self) -> str:
        """Where answers are kept; unless said, beside the run, so that runs side by side share them."""
        return self.answers or f"{self.out.rstrip('/').rpartition('/')[0] or '.'}/answers"


@dataclass(frozen=True)
class Inputs:
    """The finished phases that a phase reads, in the order of its `reads`."""

    boundaries: tuple[Boundary, ...]
    manifests: tuple[Manifest, ...]

    def slices(self, slices: Iterable[Slice], position: int = 0) -> Iterator[Record]:
        for item in slices:
            yield from self.boundaries[position].records(item.part, item.start, item.rows)


@dataclass(frozen=True)
class Phase(ABC):
    """One pass. `accounts_for` names the steps whose books it keeps, in order; `reads` the phases that it reads."""

    label: str
    reads: tuple[int, ...] = (0,)
    digest: str = ""
    accounts_for: tuple[str, ...] = ()
    stored: bool = True
    name: str = ""

    @abstractmethod
    def parameters(self) -> Any:
        """What identifies the phase besides what it reads; JSON-able."""

    def check(self, setting: Setting) -> None:  # noqa: B027  most have nothing to look at
        """Looks, before anything runs, whether what the setting names is there. Raises UsageError."""

    @abstractmethod
    def plan(self, inputs: Inputs) -> list[Work]: ...

    @abstractmethod
    def run(self, work: Work, inputs: Inputs, out: ShardWriter, setting: Setting) -> None: ...

    def alone(self, setting: Setting) -> bool:
        """Whether a shard of it wants its machine for itself, as one with servers on all GPUs does."""
        return False

    def told(self, notes: list[msgspec.Raw], seconds: float, setting: Setting) -> str:
        """A sentence for a person from what the phase's shards have last noted in these seconds (`ShardWriter.note`)."""
        return ""

    def notes(self, boundary: Boundary) -> list[str]:
        """What the books of its step say in words beside the counts, from what the finished phase has left; the same on every
        engine."""
        return []

    def buckets(self, inputs: Inputs) -> int:
        """Into how many buckets the phase shuffles; 0 for a phase that does not."""
        return 0


def even_slices(manifest: Manifest, least: int | None = None) -> list[Work]:
    """The rows of a finished phase as shards of about equal size, cut inside parts where needed.

    So a page that became ten thousand prompts is spread over shards again in the next phase. least: the rows of a shard from
    which on there are at least 16; MIN_SHARD_ROWS unless said.
    """
    parts = manifest.parts("records")
    total = sum(part.rows for part in parts)
    stored = sum(part.bytes for part in parts)
    count = max(
        -(-total // SHARD_ROWS), -(-stored // SHARD_BYTES), min(MIN_SHARDS, -(-total // (least or MIN_SHARD_ROWS)))
    )
    if not count:
        return []
    target = -(-total // count)
    works: list[Work] = []
    current: list[Slice] = []
    room = target
    for part in parts:
        start = 0
        while start < part.rows:
            rows = min(room, part.rows - start)
            current.append(Slice(part, start, rows))
            start, room = start + rows, room - rows
            if not room:
                works.append(Work(len(works), tuple(current), rows=target))
                current, room = [], target
    if current:
        works.append(Work(len(works), tuple(current), rows=target - room))
    return works


@dataclass(frozen=True)
class SourcePhase(Phase):
    """Reads the sources, and counts them a second time by another way."""

    sources: tuple[Source, ...] = ()
    limit: int | None = None
    inputs_digest: str = ""
    strict: bool = False
    """Inputs are known by their bytes, so where they lie is no part of what they are."""

    def parameters(self) -> Any:
        sources = identity(self.sources, "source")
        for source in sources if self.strict else []:
            source.get("fields", {}).pop("paths", None)
        return {"sources": sources, "limit": self.limit, "inputs": self.inputs_digest}

    def plan(self, inputs: Inputs) -> list[Work]:
        works: list[Work] = []
        left = self.limit
        for number, source in enumerate(self.sources):
            for shard in source.shards():
                if left == 0:  # before it is counted: for a crawl that means crawled
                    return works
                counted = source.count(shard) if left is not None else None
                if left is not None and counted is None:  # read up to the limit, as nothing else tells
                    items = (item for item in source.read(shard) if not isinstance(item, PassedOver))
                    counted = sum(1 for _ in itertools.islice(items, left))
                take = None if left is None or counted is None else min(left, counted)
                if take == 0:
                    continue
                works.append(Work(len(works), source=number, shard=shard, limit=take, rows=take))
                left = None if left is None else left - (take or 0)
        return works

    def run(self, work: Work, inputs: Inputs, out: ShardWriter, setting: Setting) -> None:
        source, shard, take = self.sources[work.source], work.shard, work.limit
        assert shard is not None
        out.source = source.name
        out.counted = source.count(shard) if take is None else None
        for item in source.read(shard):
            if isinstance(item, PassedOver):
                out.passed_over(item.what, item.count)
                continue
            if take is not None and out.read == take:
                break
            out.read += 1
            if isinstance(item, Drop):
                out.drop("source", item.record, item)
            elif isinstance(item, Dead):
                out.dead("source", item.record, item)
            elif isinstance(item, Record):
                out.keep(item)
            else:
                raise YisangError(
                    f"Source {source.name} yielded {type(item).__name__}, which is no record, Drop, Dead or PassedOver."
                )


@dataclass(frozen=True)
class ChainPhase(Phase):
    """Takes records through fused steps and stores what passes."""

    steps: tuple[ChainStep, ...] = ()

    def parameters(self) -> Any:
        return [{"step": step.name, **identity(step, step.name)} for step in self.steps]

    def check(self, setting: Setting) -> None:
        for step in self.steps:
            check_function(step.fn)

    def plan(self, inputs: Inputs) -> list[Work]:
        return even_slices(inputs.manifests[0])

    def run(self, work: Work, inputs: Inputs, out: ShardWriter, setting: Setting) -> None:
        for record in run_chain(counted(inputs.slices(work.slices), out), self.steps, out):
            out.keep(record)


def check_function(fn: Any) -> None:
    """Calls the `check()` of a step's function, if it has one (`yisang.pipelines.steps`)."""
    check = getattr(fn, "check", None)
    if callable(check):
        check()


def counted(items: Iterable[Any], out: ShardWriter) -> Iterator[Any]:
    """Passes items on and counts them as read, for the books and for the progress."""
    for item in items:
        out.read += 1
        yield item
