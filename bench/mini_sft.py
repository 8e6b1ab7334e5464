"""mini-base before and after it is fine-tuned on rows that the toolkit made and verified, for three seeds.

python -m bench.mini_sft [--base mini-base] [--seeds 0,1,2] [--out out/bench-mini-sft]

Each seed: the recipe verified_tasks (problems of its own), `yisang sft mini-sft` in two processes (seed of its own), `yisang eval` greedy on
problems that neither has seen, 100 for each of 1 to 4 operations, asked without an instruction as the rows are. Prints verified
shares, the paired difference with its 95 % interval, and minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

BENCH = "tasks:lang=ko,mode=none,preset=narrow,context=zoo,ops=1-4,n=100,seed=2"
GREEDY = ("--protocol", "greedy", "--max-tokens", "512", "--json")


def yisang(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "yisang", *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="mini-base", help="a shipped model, or a folder")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--out", type=Path, default=Path("out/bench-mini-sft"))
    given = parser.parse_args()
    before = given.out / "before"
    yisang("eval", given.base, "--bench", BENCH, "--out", str(before), *GREEDY)
    for seed in [int(text) for text in given.seeds.split(",")]:
        out = given.out / f"seed-{seed}"
        out.mkdir(parents=True, exist_ok=True)
        recipe = out / "recipe.py"
        recipe.write_text(
            "from yisang.pipelines.recipes import verified_tasks\n\n\n"
            f"def build():\n    return verified_tasks.build(seed={1000 + seed})\n"
        )
        yisang("run", str(recipe), "--out", str(out / "rows"), "--workers", "2")
        started = time.monotonic()
        sets = [f"model.name={given.base}", f"seed={seed}", f"data.0.path={out / 'rows'}"]
        student = out / "student" / "model"
        trained = ["sft", "mini-sft", "--out", str(out / "student"), *(f"--set={one}" for one in sets)]
        launch = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc_per_node",
            "2",
            "-m",
            "yisang",
        ]
        subprocess.run([*launch, *trained], check=True)
        minutes = (time.monotonic() - started) / 60
        yisang("eval", str(student), "--bench", BENCH, "--out", str(out / "after"), *GREEDY)
        compared = yisang("eval", "--compare", str(before), str(out / "after"), "--measure", "verified", "--json")
        summary: dict[str, Any] = json.loads((out / "student" / "rows.json").read_text())
        print(json.dumps({"seed": seed, "rows": summary["rows"], "minutes": round(minutes, 1)}), compared, flush=True)


if __name__ == "__main__":
    main()
