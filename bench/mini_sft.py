"""mini-base before and after it is fine-tuned on rows that the toolkit made and verified, for three seeds.

python -m bench.mini_sft [--base mini-base] [--trained mini-base] [--seeds 0,1,2] [--processes 1] [--out out/bench-mini-sft]

Each seed: the recipe verified_tasks (problems of its own), `yisang sft mini-sft` in --processes processes (seed of its own), `yisang eval` greedy,
100 problems for each of 1 to 4 operations, asked without an instruction as the rows are; those whose question stands in the rows or
among what the base was trained on (--trained: its configuration) are left out. Prints rows, minutes, the shares verified and
language-mixed, the paired difference with its 95 % interval, and the shares of the problems whose graph was not trained on either.

Exit code 1 unless every seed rises by 15 points or more from 5,000 rows or more within 20 minutes, which are known only of a
training that was not stopped.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.mini import Problem, Skill, judged, shares
from bench.small import GREEDY, ONE_THREAD, Trained, evaluated, yisang
from yisang.evals.statistics import paired_interval
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.run import open_run
from yisang.records import Example
from yisang.tasks.graph import Graph

BENCH = "tasks:lang=ko,mode=none,preset=narrow,context=zoo,ops=1-4,n=100,seed=2"
SKILL = Skill("", "mixed")
LEAST_ROWS, MOST_MINUTES, LEAST_RISE = 5000, 20.0, 0.15


def trained_rows(run: Path) -> list[tuple[str, Graph]]:
    """Questions and graphs of what a finished run kept."""
    out, manifest = open_run(str(run))
    found = []
    for record in Boundary(out, manifest.sink).all_records():
        assert isinstance(record, Example)
        assert record.trace is not None
        assert record.trace.prompt.graph is not None
        found.append((record.trace.prompt.text, Graph.from_json(record.trace.prompt.graph)))
    return found


def trained(out: Path, base: str, seed: int, processes: int) -> float | None:
    """Trains, and returns the minutes that it took; None where it went on behind a stop, which says nothing of the whole."""
    kept = out / "minutes.json"
    if not kept.exists():
        fresh = not (out / "student").exists()
        started = time.monotonic()
        sets = [f"model.name={json.dumps(base)}", f"seed={seed}", f"data.0.path={json.dumps(str(out / 'rows'))}"]
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes), "-m", "yisang"]
        command = ["sft", "mini-sft", "--out", str(out / "student"), *(f"--set={one}" for one in sets)]
        subprocess.run([sys.executable, *launch, *command], check=True, env=ONE_THREAD)
        kept.write_text(json.dumps((time.monotonic() - started) / 60 if fresh else None))
    minutes: float | None = json.loads(kept.read_text())
    return minutes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="mini-base", help="a shipped model, or a folder")
    parser.add_argument("--trained", default="mini-base")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("out/bench-mini-sft"))
    given = parser.parse_args()
    before = given.out / "before"
    evaluated(given.base, BENCH, before, *GREEDY)
    missed = False
    for seed in [int(text) for text in given.seeds.split(",")]:
        out = given.out / f"seed-{seed}"
        out.mkdir(parents=True, exist_ok=True)
        recipe = out / "recipe.py"
        recipe.write_text(
            "from yisang.pipelines.recipes import verified_tasks\n\n\n"
            f"def build():\n    return verified_tasks.build(seed={1000 + seed})\n"
        )
        yisang("run", str(recipe), "--out", str(out / "rows"), "--workers", "2")
        minutes = trained(out, given.base, seed, given.processes)
        evaluated(str(out / "student" / "model"), BENCH, out / "after", *GREEDY)
        seen = Trained(given.trained)
        rows = trained_rows(out / "rows")
        seen.add(rows)
        after = {one.question: one for one in judged(out / "after", SKILL)}
        pairs = [(one, after[one.question]) for one in judged(before, SKILL) if one.question not in seen.questions]
        differences = [other.right - one.right for one, other in pairs]
        rise, interval = sum(differences) / len(pairs), paired_interval(differences)
        reached = len(rows) >= LEAST_ROWS and rise >= LEAST_RISE and minutes is not None and minutes <= MOST_MINUTES
        missed |= not reached
        report: dict[str, Any] = {"seed": seed, "rows": len(rows), "minutes": minutes and round(minutes, 1)}
        report |= {"problems": len(pairs), **_shares(pairs), "rise": rise, "interval": interval, "reached": reached}
        report["unseen graphs"] = _shares([pair for pair in pairs if not seen.has_graph(pair[0].graph)])
        print(json.dumps(report), flush=True)
    return int(missed)


def _shares(pairs: list[tuple[Problem, Problem]]) -> dict[str, str]:
    return {"before": shares([one for one, _ in pairs]), "after": shares([other for _, other in pairs])}


if __name__ == "__main__":
    sys.exit(main())
