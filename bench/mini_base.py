"""mini-base trained again by its configuration: does it come out as good as the one that ships?

python -m bench.mini_base [--n 125] [--seed N] [--out out/bench-mini-base]

Trains (about 20 minutes of one thread; the same command goes on), evaluates both on the same problems, --n for each of 1 to 4
operations, and prints both shares verified, the paired difference with its 95 % interval, and whether the new share lies in the
interval (Wilson) of the shipped one, else exit code 1. On the machine that trained the shipped one the bytes are equal and so this
says nothing; --seed takes another draw of weights and order than the configuration's.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bench.small import GREEDY, evaluated, yisang
from yisang.evals.statistics import wilson
from yisang.teachers import models


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=125)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--out", type=Path, default=Path("out/bench-mini-base"))
    given = parser.parse_args()
    out = given.out / ("as-configured" if given.seed is None else f"seed-{given.seed}")
    yisang(
        "sft",
        "mini-base",
        "--out",
        str(out / "training"),
        *([] if given.seed is None else [f"--set=seed={given.seed}"]),
    )
    bench = f"tasks:lang=ko,mode=none,preset=narrow,context=zoo,ops=1-4,n={given.n},seed=3"
    evaluated("mini-base", bench, out / "shipped", *GREEDY)
    evaluated(str(out / "training" / "model"), bench, out / "again", *GREEDY)
    sides = ("--compare", str(out / "shipped"), str(out / "again"), "--measure", "verified", "--json")
    (found,) = json.loads(yisang("eval", *sides))["benches"]
    low, high = wilson(found["a"], found["pairs"])
    files = (models.folder("mini-base"), out / "training" / "model")
    weights = [(folder / "model.safetensors").read_bytes() for folder in files]
    report: dict[str, Any] = {name: found[name] for name in ("pairs", "a", "b", "difference", "low", "high")}
    report |= {
        "interval of a": [low, high],
        "within": low <= found["b"] <= high,
        "equal bytes": weights[0] == weights[1],
    }
    print(json.dumps(report, indent=2))
    return 0 if report["within"] else 1


if __name__ == "__main__":
    sys.exit(main())
