"""What is left of 10,000 answers, check by check: `python -m bench.yields [--teacher scripted|mini]`.

Runs the recipe checked_tasks and prints, for docs/teachers.md, how many answers each check takes, alone and in its place behind the
others, the share of the target language in the thoughts, and what share of the answers was verified.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections import Counter
from pathlib import Path

from yisang import __version__
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.phases import Setting
from yisang.pipelines.recipe import Loaded
from yisang.pipelines.recipes import checked_tasks
from yisang.pipelines.run import open_run, run_recipe
from yisang.records import Trace

BINS = 20
"""Of 5 % each."""


def traces_of(out: Path) -> list[Trace]:
    folder, manifest = open_run(str(out))
    (name,) = (name for name in manifest.phases if "-measured-" in name)
    return [record for record in Boundary(folder, name).all_records() if isinstance(record, Trace)]


def share(count: int, of: int) -> str:
    return f"{count:,} ({count / of:.2%})"


def report(taught_by: str, problems: int, workers: int, out: Path) -> None:
    loaded = Loaded(
        checked_tasks.build(problems, taught_by=taught_by), checked_tasks, Path(checked_tasks.__file__), local=False
    )
    begun = time.monotonic()
    books = run_recipe(loaded, Setting(str(out / taught_by), str(out / "answers")), workers=workers)
    seconds = time.monotonic() - begun
    traces = traces_of(out / taught_by)
    total = len(traces)
    dead = sum(step.dead for step in books.steps)
    print(f"\n## {taught_by}: {problems:,} tasks, {total:,} answers, {dead} dead letters, {seconds:,.0f} s\n")
    print(
        "| check | fails, by its verdicts | fails alone | in its place: taken | left |\n| --- | --- | --- | --- | --- |"
    )
    steps = {step.name: step for step in books.steps}
    for name, wanted in checked_tasks.DECISIONS.items():
        words = Counter(trace.verdicts[name] for trace in traces if trace.verdicts[name] not in wanted)
        step = steps[f"by_{name}"]
        said = ", ".join(f"{word} {count:,}" for word, count in words.most_common()) or "none"
        print(f"| {name} | {said} | {share(words.total(), total)} | {step.taken - step.kept:,} | {step.kept:,} |")
    verified = sum(trace.verdicts["process"] == "verified" for trace in traces)
    right = sum(trace.verdicts["grade"] == "correct" for trace in traces)
    lost = sum(
        trace.verdicts["process"] == "verified"
        and any(trace.verdicts[name] not in wanted for name, wanted in checked_tasks.DECISIONS.items())
        for trace in traces
    )
    print(
        f"\nright answer: {share(right, total)}; every step verified: {share(verified, total)}; kept: {share(books.kept, total)};"
    )
    print(f"verified, yet taken by another check: {share(lost, total)}\n")
    print("share of Korean among the letters of the thoughts:\n")
    shares = [trace.measures["think_target_share"] for trace in traces]
    bins = Counter(min(BINS - 1, int(value * BINS)) for value in shares if isinstance(value, float))
    for number in range(BINS):
        if bins[number]:
            bar = "#" * max(1, round(60 * bins[number] / total))
            print(f"    {number * 5:3d} to {number * 5 + 5:3d} %  {bins[number]:6,}  {bar}")
    missing = sum(value is None for value in shares)
    if missing:
        print(f"    no thoughts   {missing:6,}")
    for name in ("think_switch_rate", "kept_ratio"):
        values = sorted(value for trace in traces if isinstance(value := trace.measures[name], int | float))
        if values:
            low, middle, high = (values[round(place * (len(values) - 1))] for place in (0.1, 0.5, 0.9))
            print(f"\n{name}: p10 {low:.2f}, p50 {middle:.2f}, p90 {high:.2f} ({len(values):,} answers)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teacher", choices=checked_tasks.TEACHERS, action="append")
    parser.add_argument("--problems", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, help="keeps the runs, and the answers, there")
    given = parser.parse_args()
    print(f"yisang {__version__}, Python {platform.python_version()}, {given.workers} workers")
    with tempfile.TemporaryDirectory() as folder:
        for name in given.teacher or checked_tasks.TEACHERS:
            report(name, given.problems, given.workers, given.out or Path(folder))


if __name__ == "__main__":
    main()
