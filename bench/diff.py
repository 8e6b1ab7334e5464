"""How long `yisang diff` takes and how much memory it needs, on two runs that differ in a threshold.

    python -m bench.diff                    # 200,000 and 1,000,000 questions
    python -m bench.diff --rows 5000000

Each question is a prompt of about 600 characters; half of them have a share below the threshold of the first run. The memory is the
peak of the process that compares.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from yisang.filters.language import MinShare
from yisang.pipelines.curate import Corpus
from yisang.pipelines.diff import diff_runs
from yisang.pipelines.phases import Setting
from yisang.pipelines.recipe import Loaded, Recipe
from yisang.pipelines.run import run_recipe
from yisang.pipelines.steps import Each
from yisang.records import Licence, Prompt, content_id
from yisang.sources.base import InputFile, Shard, SourceItem

SHARD = 50_000
LICENCE = Licence(id="CC0-1.0", letter="A", evidence="made for a measurement")


@dataclass(frozen=True)
class Questions:
    """`rows` questions, each with a share drawn from 0 to 0.6."""

    rows: int
    name: str = "questions"

    def shards(self) -> list[Shard]:
        return [Shard("", first, min(first + SHARD, self.rows)) for first in range(0, self.rows, SHARD)]

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        draw = random.Random(shard.start)
        for number in range(shard.start, shard.stop or 0):
            share = draw.random() * 0.6
            text = f"질문 {number} " + "말 " * 300
            yield Prompt(
                id=content_id(str(number)), text=text, language="ko", category=f"c{number % 9}", licence=LICENCE,
                measures={"target_share": share},
            )  # fmt: skip

    def count(self, shard: Shard) -> int | None:
        return (shard.stop or 0) - shard.start

    def inputs(self) -> list[InputFile]:
        return []


def make(out: Path, rows: int, low: float) -> None:
    recipe = Recipe("questions", "1", Questions(rows), (Each(MinShare(low)),), Corpus("Questions", "ko"))
    run_recipe(Loaded(recipe, ModuleType("none"), Path("none.py"), local=False), Setting(out=str(out)), workers=2)


def compare(first: str, second: str) -> None:
    """In a process of its own: prints what was found, the seconds and the peak of its memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    found = diff_runs(first, second)
    told = {
        "gained": found.gained.records,
        "lost": found.lost.records,
        "same": found.same,
        "seconds": round(time.monotonic() - began, 1),
        "idle_mb": before // 1024,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(told))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, action="append")
    parser.add_argument("--compare", nargs=2)
    asked = parser.parse_args()
    if asked.compare:
        compare(*asked.compare)
        return
    for rows in asked.rows or [200_000, 1_000_000]:
        with tempfile.TemporaryDirectory(prefix="yisang-bench-") as folder:
            runs = [Path(folder) / name for name in ("first", "second")]
            for out, low in zip(runs, (0.30, 0.25), strict=True):
                make(out, rows, low)
            command = [sys.executable, "-m", "bench.diff", "--compare", *map(str, runs)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            print(f"{rows:,} questions in each run: {done.stdout.strip()}", flush=True)


if __name__ == "__main__":
    main()
