"""What options merged from neighbours do to the golds of exam questions: `python -m bench.exams [--items 2300] [--traps 10] [--seed 1]`.

The pool that ships (`yisang.sources.Exams`), with traps planted for each exclusion, goes through `MergeOptions` twice: as it is, and as a wrong
twin, the paper's sentence taken at its word, without a look at what questions and options mean. Whether a gold still holds is asked of the
facts (`yisang.tasks.exam_items.right_options`), which know no gold, and of the grader (`ProveGold`): stated by its number and by its text it must be
correct, and every other option wrong.

Fails where fewer than 2,000 questions get options, a gold is not proved, a trap is not caught, or the twin flips fewer than five golds of a kind of
trap that is about golds.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from yisang import __version__
from yisang.filters.exams import CUES
from yisang.filters.grade import ProveGold
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.curate import Corpus
from yisang.pipelines.phases import Setting
from yisang.pipelines.recipe import Loaded, Recipe
from yisang.pipelines.run import open_run, run_recipe
from yisang.pipelines.stages.options import MergeOptions
from yisang.records import Prompt
from yisang.sources import Exams
from yisang.sources.exam_traps import KINDS
from yisang.tasks.exam_items import right_options

MERGE = MergeOptions("ko", gold_form="label", name="merge")
BLIND = MergeOptions("ko", gold_form="label", without=CUES, near=None, name="merge")
LENDING = ("equal", "near")
"""Traps that are caught by not taking an option, not by leaving the question as it is."""
FLIPPING = ("negation", "all_or_none", "refers_to_others", "statements", *LENDING)
"""Traps whose golds the twin should flip; it keeps the other exclusions, which are about licences, labels and golds that nobody knows."""
AMONG = "among_given"
"""Ordinary questions of the pool, no traps: those that ask for one among those given."""
LEAST, EACH = 2_000, 5


@dataclass
class Row:
    """Of a kind of trap."""

    planted: int = 0
    caught: int = 0
    flipped: int = 0


@dataclass
class Proof:
    """children: questions with merged options; proved: of these, those that ProveGold keeps; held: whose gold alone is right by the facts."""

    children: int = 0
    proved: int = 0
    held: int = 0
    most: int = 0
    twins: int = 0
    flipped: int = 0
    rows: dict[str, Row] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        yield f"{self.children:,} questions got options, {self.most} at most: {self.proved:,} golds proved by the grader, {self.held:,} by the facts"
        yield f"the twin without exclusions: {self.twins:,} questions got options, {self.flipped:,} golds flipped"
        yield ""
        yield "| exclusion | planted | caught | golds flipped without it |"
        yield "| --- | --- | --- | --- |"
        for kind, row in self.rows.items():
            told = f"{row.flipped:,}" if kind in FLIPPING or kind == AMONG else "it stays"
            yield f"| {kind} | {row.planted:,} | {row.caught:,} | {told} |"

    def failures(self) -> Iterator[str]:
        if self.children < LEAST:
            yield f"only {self.children:,} of {LEAST:,} questions got options"
        if not self.children == self.proved == self.held:
            yield "a gold is not proved"
        for kind, row in self.rows.items():
            if row.planted < EACH or row.caught < row.planted:
                yield f"{kind}: {row.caught} of {row.planted} traps caught"
            if (kind in FLIPPING or kind == AMONG) and row.flipped < EACH:
                yield f"{kind}: the twin flipped {row.flipped} golds"


def flipped(prompt: Prompt) -> bool:
    """Whether the facts say that not the gold, or not the gold alone, is right."""
    return right_options(prompt) != {int(prompt.gold or "") - 1}


def merged(source: Exams, stage: MergeOptions, out: Path, workers: int) -> dict[str, Prompt]:
    """What became of each question, by the question's own id."""
    recipe = Recipe("exams", "1", source, (stage,), Corpus("Exams", source.language), max_dead=0.0)
    loaded = Loaded(recipe, ModuleType("no_module"), Path("nowhere.py"), local=False)
    run_recipe(loaded, Setting(str(out)), workers=workers)
    folder, manifest = open_run(str(out))
    records = [record for record in Boundary(folder, manifest.sink).all_records() if isinstance(record, Prompt)]
    return {record.parents[0] if record.measures["options_merged"] else record.id: record for record in records}


def planted(source: Exams) -> dict[str, list[str]]:
    """By kind: the ids of the questions that are traps; whoever stands beside one, to lend it something, is none."""
    everything = [item for shard in source.shards() for item in source.read(shard) if isinstance(item, Prompt)]
    held = iter(prompt for prompt in everything if prompt.measures["trap"] is not None)
    found: dict[str, list[str]] = {}
    for kind, (size, _) in KINDS.items():
        groups = [[next(held) for _ in range(size)] for _ in range(source.traps)]
        assert all(prompt.measures["trap"] == kind for group in groups for prompt in group)
        found[kind] = [group[0].id for group in groups]
    among = [prompt for prompt in everything if str(prompt.measures["family"]).startswith("among")]
    return {**found, AMONG: [prompt.id for prompt in among if prompt.measures["trap"] is None]}


def caught(kind: str, result: Prompt) -> bool:
    if kind in LENDING:
        return bool(result.measures["options_merged"]) and not flipped(result)
    return result.measures["options_why"] == kind


def prove(source: Exams, out: Path, workers: int) -> Proof:
    right, twin = merged(source, MERGE, out / "merged", workers), merged(source, BLIND, out / "twin", workers)
    children = [prompt for prompt in right.values() if prompt.measures["options_merged"]]
    wrong = {name for name, prompt in twin.items() if prompt.measures["options_merged"] and flipped(prompt)}
    proof = Proof(
        children=len(children),
        proved=sum(ProveGold(source.language)(child) is child for child in children),
        held=sum(not flipped(child) for child in children),
        most=max(len(child.options) for child in children),
        twins=sum(bool(prompt.measures["options_merged"]) for prompt in twin.values()),
        flipped=len(wrong),
    )
    for kind, names in planted(source).items():
        got = Counter(caught(kind, right[name]) for name in names)
        proof.rows[kind] = Row(len(names), got[True], len(wrong & set(names)))
    return proof


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=2_300)
    parser.add_argument("--traps", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    print(f"yisang {__version__}, Python {platform.python_version()}, {given.workers} workers", flush=True)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        proof = prove(Exams(given.items, given.seed, traps=given.traps), Path(folder), given.workers)
    print("\n".join(proof.lines()))
    print(f"\n{time.monotonic() - begun:,.0f} s")
    if failures := list(proof.failures()):
        raise SystemExit("; ".join(failures))


if __name__ == "__main__":
    main()
