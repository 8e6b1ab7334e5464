"""Precision and recall of the checks of a translation: `python -m bench.translations [--count 5000]`.

The scripted teacher translates English prompts into Korean in a whole run (the stage `Translate`): two fifths worded tasks, three fifths
questions with formulas, code, addresses and options. A fifth of the translations is faulty, a twentieth with each of four faults. Tasks have
no formulas and no options, so their translations have more of the two other faults, and the questions less.

What became of each translation is read from the run's files. Whether it is a faulty one is not taken from the teacher alone: it is compared
with the same prompt as it is written in Korean, and where the two disagree the bench stops.

For each fault: of the translations dropped for one of its reasons, how many have it (precision); of those that have it, how many were dropped
for one of its reasons (recall). Overall: of all that were dropped, and of all that are faulty. The last column says how many of a fault no other
check would have found, so what its own are needed for.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType

import msgspec

from yisang import __version__
from yisang.filters.document import document
from yisang.filters.translation import between_tags
from yisang.languages.masks import restore
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
WANTED = 0.99
"""Precision and recall of each fault, and of all; below, the command fails."""


@dataclass
class Proof:
    """How often a fault (or none: "") met a reason (or none: ""). alone: of those found, how many by no other fault's reasons."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    alone: Counter[str] = field(default_factory=Counter)

    def add(self, fault: str, reason: str, also: Collection[str] = ()) -> None:
        """also: the further reasons that the drop names."""
        self.counts[fault, reason] += 1
        own = REASONS.get(fault, ())
        self.alone[fault] += reason in own and not set(also) - set(own)

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

    @property
    def holds(self) -> bool:
        return all(score >= WANTED for fault in (*FAULTS, "") for score in self.scores(fault))

    def lines(self) -> Iterator[str]:
        yield "| fault | planted | dropped for it | precision | recall | seen by no other check |"
        yield "| --- | --- | --- | --- | --- | --- |"
        for fault in (*FAULTS, ""):
            hits, alone, missed = self.row(fault)
            precision, recall = self.scores(fault)
            only = f"{self.alone[fault]:,}" if fault else ""
            yield f"| {fault or 'all'} | {hits + missed:,} | {hits + alone:,} | {precision:.4f} | {recall:.4f} | {only} |"


def sources(count: int) -> dict[str, Tasks]:
    tasks = count * 2 // 5
    return {
        "tasks": Tasks(tasks, 43, "en", direction="both", name="tasks"),
        "questions": Tasks(count - tasks, 41, "en", preset="questions", category="question", name="questions"),
    }


def teacher(name: str) -> Teacher:
    return Teacher(engine="scripted", model="scripted", revision=revision(SHARES[name], SEED))


def prompts_of(source: Tasks) -> list[Prompt]:
    return [item for shard in source.shards() for item in source.read(shard) if isinstance(item, Prompt)]


def planted(count: int) -> Iterator[tuple[Teacher, list[Prompt]]]:
    """The prompts, and who translates them."""
    for name, source in sources(count).items():
        yield teacher(name), prompts_of(source)


class Mislabelled(Exception):
    """A translation that the teacher calls faulty and that is the true one, or the other way round: nothing is proved then."""


@dataclass(frozen=True)
class Outcome:
    """What is on disk of a prompt: why its translation was dropped ("" where it was kept), and whether it is the true one."""

    reason: str
    also: tuple[str, ...]
    true: bool


def outcomes(out: str, truths: dict[str, Prompt]) -> dict[str, Outcome]:
    """By the id of the prompt. truths: the same prompts as they are written in Korean, which the teacher was not shown."""
    folder, manifest = open_run(out)
    found: dict[str, Outcome] = {}
    for record in Boundary(folder, manifest.sink).all_records():
        assert isinstance(record, Prompt)
        truth = truths[record.parents[0]]
        found[record.parents[0]] = Outcome("", (), (record.text, record.options) == (truth.text, truth.options))
    table = Boundary(folder, manifest.sink).table("drops")
    for row in table.to_pylist() if table is not None else []:
        trace = msgspec.json.decode(row["record"], type=Trace)
        assert trace.prompt.id not in found
        also = tuple(json.loads(row["evidence"]).get("also", ()))
        found[trace.prompt.id] = Outcome(row["reason"], also, is_true(trace, truths[trace.prompt.id]))
    return found


def is_true(trace: Trace, truth: Prompt) -> bool:
    """Whether an answer, with its marks restored, is the Korean text and its options."""
    asked, (said,) = document(trace.prompt), between_tags(trace.text)
    try:
        options = tuple(restore(text, asked.held) for text in asked.contents(said).values())
        return (restore(asked.body(said.strip()), asked.held), options) == (truth.text, truth.options)
    except ValueError:  # a mark of the teacher's own
        return False


def run(name: str, source: Tasks, out: Path, workers: int, proof: Proof) -> float:
    """Translates in a run of its own, and counts what became of every prompt. Gives seconds. Raises Mislabelled."""
    stage = Translate(teacher(name), name="translate")
    recipe = Recipe(f"translated_{name}", "1", source, (stage,), Corpus("Translated", "ko"), max_dead=0.0)
    begun = time.monotonic()
    books = run_recipe(
        Loaded(recipe, ModuleType("no_module"), Path("nowhere.py"), local=False),
        Setting(str(out / name)),
        workers=workers,
    )
    seconds = time.monotonic() - begun
    prompts, korean = prompts_of(source), prompts_of(replace(source, language="ko"))
    found = outcomes(str(out / name), {asked.id: truth for asked, truth in zip(prompts, korean, strict=True)})
    engine, template = Scripted(revision=teacher(name).revision), TranslationPrompt("ko")
    asked = {template.messages(prompt) for prompt in prompts}
    for prompt in prompts:
        outcome, fault = found.pop(prompt.id), engine.fault_of(template.messages(prompt), GREEDY, 0)
        if bool(fault) == outcome.true:
            raise Mislabelled(
                f"{prompt.id}: the teacher says {fault or 'no fault'}, and the translation is {'' if outcome.true else 'not '}true"
            )
        proof.add(fault, outcome.reason, outcome.also)
    if found:
        raise Mislabelled(f"{len(found)} records come from no prompt")
    print(
        f"{name}: {books.steps[0].kept:,} prompts, {len(asked):,} different texts, in {seconds:,.1f} s, {books.kept:,} kept, "
        f"dropped {books.steps[-1].dropped}"
    )
    return seconds


def main() -> int:
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
    return 0 if proof.holds else 1


if __name__ == "__main__":
    sys.exit(main())
