"""What a runner of ours costs: ten trivial steps on a million small records, beside the same on the bare engine.

    python -m bench.overhead [--records 1000000] [--runs 5] [--workers 2]

Each run is a process of its own, from the same JSON Lines files to written files; ours stores the source and the sink
(Parquet), keeps books and can be continued; the bare pipelines do neither. Runs are interleaved and the median told.

    datatrove blocks     JsonlReader, ten LambdaFilter, JsonlWriter: the block that its users write for this
    datatrove functions  the same with ten bare generator functions, the least that datatrove can do
    Beam                 ReadFromText, json.loads, ten Map, json.dumps, WriteToText on FnApiRunner
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

FILES = 16
STEPS = 10


def make_input(folder: Path, records: int) -> None:
    folder.mkdir(parents=True)
    for number in range(FILES):
        with open(folder / f"part-{number:02d}.jsonl", "w") as file:
            for row in range(number, records, FILES):
                text = f"질문 {row}: what is the remainder of {row} by {row % 89 + 2}?"
                file.write(json.dumps({"id": f"r{row}", "text": text}, ensure_ascii=False) + "\n")


# Ours


def step(record: object) -> object:
    return record


def ours(source: str, out: str, runner: str, workers: int) -> int:
    from yisang.pipelines.curate import Corpus
    from yisang.pipelines.phases import Setting
    from yisang.pipelines.recipe import Loaded, Recipe
    from yisang.pipelines.run import run_recipe
    from yisang.pipelines.steps import Each
    from yisang.sources import JsonLines

    recipe = Recipe(
        "overhead",
        "1",
        JsonLines(paths=f"{source}/*.jsonl", text="text", language="ko", name="rows"),
        tuple(Each(step) for _ in range(STEPS)),
        Corpus("overhead", "ko"),
    )
    from bench import overhead

    books = run_recipe(Loaded(recipe, overhead, Path(__file__), False), Setting(out=out), on=runner, workers=workers)
    return books.kept


# datatrove


def keep(document: object) -> bool:
    return True


def passing(data, rank: int = 0, world_size: int = 1):  # type: ignore[no-untyped-def]
    yield from data


def bare_datatrove(source: str, out: str, workers: int, functions: bool) -> int:
    from datatrove.executor.local import LocalPipelineExecutor
    from datatrove.pipeline.filters import LambdaFilter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    blocks = [passing if functions else LambdaFilter(keep) for _ in range(STEPS)]
    executor = LocalPipelineExecutor(
        [JsonlReader(source, glob_pattern="*.jsonl"), *blocks, JsonlWriter(f"{out}/kept", compression=None)],
        tasks=FILES,
        workers=workers,
        logging_dir=f"{out}/logs",
    )
    executor.run()
    return _lines(Path(out) / "kept")


# Beam


def bare_beam(source: str, out: str, workers: int) -> int:
    import apache_beam as beam

    from yisang.pipelines.runners.beam import pipeline_options

    Path(out).mkdir(parents=True)
    with beam.Pipeline(options=pipeline_options(workers, [])) as pipeline:
        rows = pipeline | "Read" >> beam.io.ReadFromText(f"{source}/*.jsonl") | "Parse" >> beam.Map(json.loads)
        for number in range(STEPS):
            rows = rows | f"Step {number}" >> beam.Map(step)
        rows | "Dump" >> beam.Map(json.dumps, ensure_ascii=False) | "Write" >> beam.io.WriteToText(f"{out}/kept")
    return _lines(Path(out))


def _lines(folder: Path) -> int:
    return sum(sum(1 for _ in open(path, "rb")) for path in folder.rglob("*") if path.is_file())


CONTENDERS: dict[str, Callable[[str, str, int], int]] = {
    "yisang local": lambda source, out, workers: ours(source, out, "local", workers),
    "datatrove blocks": lambda source, out, workers: bare_datatrove(source, out, workers, False),
    "datatrove functions": lambda source, out, workers: bare_datatrove(source, out, workers, True),
    "yisang beam": lambda source, out, workers: ours(source, out, "beam", workers),
    "Beam": bare_beam,
}
RATIOS = (
    ("yisang local", "datatrove blocks"),
    ("yisang local", "datatrove functions"),
    ("yisang beam", "Beam"),
)


def measure(name: str, source: Path, workers: int, records: int) -> float:
    """Seconds of one run in a process of its own; it must have kept every record."""
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        code = f"from bench.overhead import CONTENDERS; print('kept', CONTENDERS[{name!r}]({str(source)!r}, {folder + '/out'!r}, {workers}))"
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", f"if __name__ == '__main__':\n    {code}"], capture_output=True, text=True
        )
        seconds = time.perf_counter() - start
        if done.returncode or f"kept {records}" not in done.stdout:
            raise SystemExit(f"{name} did not keep all records:\n{done.stdout[-500:]}\n{done.stderr[-3000:]}")
        return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", default=None, help="where inputs and outputs lie meanwhile")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        make_input(folder / "input", options.records)
        times: dict[str, list[float]] = {name: [] for name in CONTENDERS}
        for number in range(options.runs):
            for name in CONTENDERS:
                times[name].append(measure(name, folder / "input", options.workers, options.records))
                print(f"run {number + 1}: {name}: {times[name][-1]:.1f} s", flush=True)
    finally:
        shutil.rmtree(folder)
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("yisang", "datatrove", "apache-beam")
    )
    print(
        f"\n{options.records:,} records, {STEPS} steps, {options.workers} workers, {os.cpu_count()} cores; {versions}"
    )
    for name, found in times.items():
        print(f"{name:20} median {statistics.median(found):6.1f} s  (min {min(found):.1f}, max {max(found):.1f})")
    for a, b in RATIOS:
        pairs = [x / y for x, y in zip(times[a], times[b], strict=True)]
        print(f"{a} / {b}: {statistics.median(pairs):.2f} (median of pairs)")


if __name__ == "__main__":
    main()
