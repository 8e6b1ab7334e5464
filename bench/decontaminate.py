"""What decontamination costs in time and memory, and what it finds, on made-up texts.

    python -m bench.decontaminate [--items 10000] [--prompts 100000] [--traces 2000] [--workers 1] [--analyser words]

Items of 40 words and prompts of 20 to 120, of a vocabulary of 50,000 Korean-looking words by Zipf's law, so that texts share words
as real ones do; traces of 4,000 words. One in a hundred records holds an item: whole, or fifteen words of it, amid its own words.
Each measurement is a process of its own: the run of a recipe that does nothing else, and of the same recipe without the step. Told are
the seconds of each phase by the clock, which what else the machine does lengthens, the processors' seconds that the step adds, which it hardly does,
and the greatest resident set of a process of the run.
"""

from __future__ import annotations

import argparse
import functools
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from yisang.pipelines.curate import Corpus
from yisang.pipelines.phases import Setting
from yisang.pipelines.recipe import Loaded, Recipe
from yisang.pipelines.run import run_recipe
from yisang.pipelines.stages.benchmarks import Question, Questions
from yisang.pipelines.stages.decontaminate import Decontaminate
from yisang.records import Licence, Prompt, Record, Trace, content_id
from yisang.sources.base import InputFile, Shard, SourceItem

WORDS = 50_000
LEAKS = 100
"""One record in so many holds an item."""
SHARDS = 16
PARTICLES = ("은", "는", "이", "가", "을", "를", "에서", "에게", "까지", "")
FREE = Licence(id="CC0-1.0", letter="A", evidence="made up")


@functools.cache
def vocabulary() -> tuple[list[str], list[float]]:
    """Words, and the sums of their weights."""
    draw = random.Random("vocabulary")
    words = ["".join(chr(draw.randrange(0xAC00, 0xD7A4)) for _ in range(draw.randint(1, 4))) for _ in range(WORDS)]
    return words, list(accumulate(1 / (rank + 10) for rank in range(WORDS)))


class Writer:
    """Texts of made-up words, frequent ones often."""

    def __init__(self, seed: str):
        self._draw = random.Random(seed)
        self._words, self._weights = vocabulary()

    def __call__(self, count: int) -> list[str]:
        draw, total = self._draw, self._weights[-1]
        return [
            self._words[bisect(self._weights, draw.random() * total)] + draw.choice(PARTICLES) for _ in range(count)
        ]

    def between(self, low: int, high: int) -> list[str]:
        return self(self._draw.randint(low, high))


def items(count: int) -> list[list[str]]:
    write = Writer("items")
    return [write(40) for _ in range(count)]


@dataclass(frozen=True)
class Made:
    """Prompts, or a trace for each, one in LEAKS with an item in it."""

    items: int
    prompts: int
    traces: bool
    name: str = "made"

    def shards(self) -> list[Shard]:
        return [Shard(str(number)) for number in range(SHARDS)]

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        leaked = items(min(self.items, 1_000))
        write = Writer(f"{self.name} {shard.path}")
        for number in range(int(shard.path), self.prompts, SHARDS):
            words = write.between(20, 120)
            said = write(4_000) if self.traces else []
            if number % LEAKS == 0:
                leak = leaked[number // LEAKS % len(leaked)]
                into = said or words
                into[10:10] = leak if number % (2 * LEAKS) else leak[5:20]
            yield self._record(number, " ".join(words), " ".join(said))

    def _record(self, number: int, text: str, said: str) -> Record:
        prompt = Prompt(id=content_id(self.name, str(number)), text=text, language="ko", licence=FREE)
        if not self.traces:
            return prompt
        return Trace(
            id=f"{prompt.id}/0", prompt=prompt, sample=0, text=said, teacher="none", revision="1", licence=FREE
        )

    def count(self, shard: Shard) -> int | None:
        return len(range(int(shard.path), self.prompts, SHARDS))

    def inputs(self) -> list[InputFile]:
        return []


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """One run in this process: seconds of each phase from its files, and the greatest resident set, children included."""
    if args.measure == "imports":
        return {"memory": _memory()}
    source = Made(args.items, args.traces or args.prompts, bool(args.traces))
    steps = ()
    if args.measure == "step":
        benchmark = Questions(
            "made", tuple(Question(str(n), " ".join(words)) for n, words in enumerate(items(args.items)))
        )
        steps = (Decontaminate((benchmark,), analyser=args.analyser, name="clean"),)
    recipe = Recipe("decontaminate", "1", source, steps, Corpus("decontaminate", "ko"))
    from bench import decontaminate

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        began = time.time()
        books = run_recipe(
            Loaded(recipe, decontaminate, Path(__file__), False), Setting(out=str(out)), workers=args.workers
        )
        ended = time.time()
        done = sorted((path.parent.name, path.stat().st_mtime) for path in out.glob("[0-9]*/manifest.json"))
        phases = {}
        for name, finished in done:
            phases[name.split("-", 1)[1].rsplit("-", 1)[0]] = round(finished - began, 2)
            began = finished
        size = {path.name.split(".")[1]: path.stat().st_size for path in out.glob("*-clean.items-*/*.parquet")}
    step = books.steps[-1]
    return {
        "seconds": round(ended - done[0][1] + phases["source"], 2),
        "phases": phases,
        "memory": _memory(),
        "cpu": _cpu(),
        "dropped": sum(step.dropped.values()) if steps else 0,
        "notes": list(step.notes),
        "index": size,
    }


def _memory() -> float:
    """MiB."""
    usage = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(usage / 1024, 1)


def _cpu() -> float:
    """Seconds of processors, those of ended children included."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return round(sum(usage.ru_utime + usage.ru_stime for usage in used), 2)


def child(args: argparse.Namespace, what: str, **changed: int) -> dict[str, Any]:
    given = {
        "items": args.items,
        "prompts": args.prompts,
        "workers": args.workers,
        "analyser": args.analyser,
        "traces": 0,
        **changed,
    }
    options = [f"--{name}={value}" for name, value in given.items()]
    command = [sys.executable, "-m", "bench.decontaminate", "--measure", what, *options]
    found: dict[str, Any] = json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1]
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--prompts", type=int, default=100_000)
    parser.add_argument("--traces", type=int, default=2_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--analyser", default="words")
    parser.add_argument("--measure", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args)))
        return
    imports = child(args, "imports")["memory"]
    print(f"imports alone: {imports} MiB")
    for title, records, changed in (
        (f"{args.prompts:,} prompts of 20 to 120 words", args.prompts, {}),
        (f"{args.traces:,} traces of 4,000 words", args.traces, {"traces": args.traces}),
    ):
        if not records:
            continue
        bare, found = child(args, "bare", **changed), child(args, "step", **changed)
        added = found["cpu"] - bare["cpu"]
        print(f"\n{title}, {args.items:,} items of 40 words, {args.workers} worker(s), analyser {args.analyser}")
        for name, seconds in found["phases"].items():
            print(f"  {name:16} {seconds:8.1f} s")
        print(f"  index on disk    {sum(found['index'].values()) / 2**20:8.1f} MiB")
        print(f"  memory           {found['memory']:8.1f} MiB, {bare['memory']} MiB without the step")
        print(f"  processors       {added:8.1f} s more than the {bare['cpu']} s without the step")
        print(f"                   {records / added:8.0f} records for each of these seconds")
        print(f"  dropped          {found['dropped']:8,} of {len(range(0, records, LEAKS)):,} planted")
        for note in found["notes"]:
            print(f"  {note}")


if __name__ == "__main__":
    main()
