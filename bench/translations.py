"""Precision and recall of the checks of a translation: `python -m bench.translations [--count 5000]`.

The scripted teacher translates English prompts into Korean in a whole run (the stage `Translate`): two fifths worded tasks, three fifths
questions with formulas, code, addresses and options. A fifth of the translations is faulty, a twentieth with each of four faults. Tasks have
no formulas and no options, so their translations have more of the two other faults, and the questions less.

For each fault: of the translations dropped for one of its reasons, how many have it (precision); of those that have it, how many were dropped
for one of its reasons (recall). Overall: of all that were dropped, and of all that are faulty.
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

import msgspec

from yisang import __version__
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.curate import Corpus
from yisang.pipelines.phases import Setting
from yisang.pipelines.recipe import Loaded, Recipe
from yisang.pipelines.run import open_run, run_recipe
from yisang.pipelines.stages.translate import GREEDY, Translate
from yisang.records import Prompt, Trace
from yisang.sources.tasks import Tasks
from yisang.teachers.engines.scripted import Scripted, revision
from yisang.teachers.generation import Teacher
from yisang.teachers.translation import TranslationPrompt

FAULTS = ("dropped_number", "translated_latex", "other_language", "lost_option")
REASONS: dict[str, tuple[str, ...]] = {
    "dropped_number": ("numbers_differ",),
    "translated_latex": ("marks_differ", "markup_changed"),
    "other_language": ("left_in_source", "other_language"),
    "lost_option": ("options_lost",),
}
"""The reasons for which a translation with a fault should be dropped."""
SHARES = {
    "tasks": {"dropped_number": 0.0625, "other_language": 0.0625},
    "questions": {"dropped_number": 0.0417, "other_language": 0.0417, "translated_latex": 0.122, "lost_option": 0.1844},
}
"""How often each fault is tried. Of the questions, 68 in 100 have a mark that is no label, and 45 options in lines; a fault without a place is not
made. So each of them stands in a twentieth of all."""
SEED = 1


@dataclass
class Proof:
    """How often a fault (or none: "") met a reason (or none: "")."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, fault: str, reason: str) -> None:
        self.counts[fault, reason] += 1

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def row(self, fault: str) -> tuple[int, int, int]:
        """(dropped for its reasons and faulty, dropped for its reasons alone, faulty alone); of "" all faults and reasons together."""

        def dropped(reason: str) -> bool:
            return reason in REASONS[fault] if fault else bool(reason)

        def faulty(found: str) -> bool:
            return found == fault if fault else bool(found)

        hits = sum(count for (found, reason), count in self.counts.items() if dropped(reason) and faulty(found))
        alone = sum(count for (found, reason), count in self.counts.items() if dropped(reason) and not faulty(found))
        missed = sum(count for (found, reason), count in self.counts.items() if not dropped(reason) and faulty(found))
        return hits, alone, missed

    def scores(self, fault: str) -> tuple[float, float]:
        """(precision, recall); 0 where nothing was dropped, or nothing is faulty."""
        hits, alone, missed = self.row(fault)
        return hits / (hits + alone) if hits + alone else 0.0, hits / (hits + missed) if hits + missed else 0.0

    def lines(self) -> Iterator[str]:
        yield "| fault | planted | dropped for it | precision | recall |"
        yield "| --- | --- | --- | --- | --- |"
        for fault in (*FAULTS, ""):
            hits, alone, missed = self.row(fault)
            precision, recall = self.scores(fault)
            yield f"| {fault or 'all'} | {hits + missed:,} | {hits + alone:,} | {precision:.4f} | {recall:.4f} |"


def sources(count: int) -> dict[str, Tasks]:
    tasks = count * 2 // 5
    return {
        "tasks": Tasks(tasks, 43, "en", direction="both", name="tasks"),
        "questions": Tasks(count - tasks, 41, "en", preset="questions", category="question", name="questions"),
    }


def teacher(name: str) -> Teacher:
    return Teacher(engine="scripted", model="scripted", revision=revision(SHARES[name], SEED))


def planted(count: int) -> Iterator[tuple[Teacher, list[Prompt]]]:
    """The prompts, and who translates them."""
    for name, source in sources(count).items():
        found = [item for shard in source.shards() for item in source.read(shard) if isinstance(item, Prompt)]
        yield teacher(name), found


def run(name: str, source: Tasks, out: Path, workers: int, proof: Proof) -> float:
    """Translates in a run of its own, and counts what became of every prompt. Gives seconds."""
    stage = Translate(teacher(name), name="translate")
    recipe = Recipe(f"translated_{name}", "1", source, (stage,), Corpus("Translated", "ko"), max_dead=0.0)
    begun = time.monotonic()
    books = run_recipe(
        Loaded(recipe, ModuleType("no_module"), Path("nowhere.py"), local=False),
        Setting(str(out / name)),
        workers=workers,
    )
    seconds = time.monotonic() - begun
    folder, manifest = open_run(str(out / name))
    reasons: dict[str, str] = {}
    for record in Boundary(folder, manifest.sink).all_records():
        assert isinstance(record, Prompt)
        reasons[record.parents[0]] = ""
    table = Boundary(folder, manifest.sink).table("drops")
    for row in table.to_pylist() if table is not None else []:
        reasons[msgspec.json.decode(row["record"], type=Trace).prompt.id] = row["reason"]
    engine, template = Scripted(revision=teacher(name).revision), TranslationPrompt("ko")
    for shard in source.shards():
        for prompt in source.read(shard):
            if isinstance(prompt, Prompt):
                proof.add(engine.fault_of(template.messages(prompt), GREEDY, 0), reasons[prompt.id])
    print(
        f"{name}: {books.steps[0].kept:,} prompts in {seconds:,.1f} s, {books.kept:,} kept, dropped {books.steps[-1].dropped}"
    )
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5_000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    print(f"yisang {__version__}, Python {platform.python_version()}, {given.workers} workers")
    proof = Proof()
    with tempfile.TemporaryDirectory() as folder:
        for name, source in sources(given.count).items():
            run(name, source, Path(folder), given.workers, proof)
    print(f"\n{proof.total:,} translations, {sum(proof.row('')) / proof.total:.1%} dropped or faulty\n")
    print("\n".join(proof.lines()))


if __name__ == "__main__":
    main()
