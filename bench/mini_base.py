"""mini-base trained again by its configuration: does it come out as good as the one that ships?

python -m bench.mini_base [--n 125] [--seed N] [--out out/bench-mini-base]

Trains (about 20 minutes of one thread; the same command goes on), evaluates both on the same unseen problems, --n for each of 1 to 4
operations, and prints both shares verified, the paired difference with its 95 % interval, and whether the new share lies in the
interval (Wilson) of the shipped one. --seed: of another draw of weights and order than the configuration's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from yisang.evals.statistics import wilson


def yisang(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "yisang", *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=125)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/bench-mini-base"))
    given = parser.parse_args()
    out = given.out / (f"seed-{given.seed}" if given.seed else "same")
    yisang("sft", "mini-base", "--out", str(out / "training"), *([f"--set=seed={given.seed}"] if given.seed else []))
    bench = f"tasks:lang=ko,mode=none,preset=narrow,context=zoo,ops=1-4,n={given.n},seed=3"
    for model, name in (("mini-base", "shipped"), (str(out / "training" / "model"), "again")):
        yisang("eval", model, "--bench", bench, "--out", str(out / name), "--protocol", "greedy", "--max-tokens", "512")
    sides = ("--compare", str(out / "shipped"), str(out / "again"), "--measure", "verified", "--json")
    (found,) = json.loads(yisang("eval", *sides))["benches"]
    low, high = wilson(found["a"], found["pairs"])
    weights = [path.read_bytes() for path in (_shipped(), out / "training" / "model" / "model.safetensors")]
    report: dict[str, Any] = {name: found[name] for name in ("pairs", "a", "b", "difference", "low", "high")}
    report |= {"interval_of_a": [low, high], "within": low <= found["b"] <= high, "equal_bytes": weights[0] == weights[1]}
    print(json.dumps(report, indent=2))
    return 0 if report["within"] else 1


def _shipped() -> Path:
    from yisang.teachers import models

    return models.folder("mini-base") / "model.safetensors"


if __name__ == "__main__":
    sys.exit(main())
