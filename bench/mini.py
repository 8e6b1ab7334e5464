"""What a small model can do on worded tasks that it has not seen, by skill and number of operations.

python -m bench.mini MODEL [--n 84] [--ops 1-6] [--samples 64 --problems 20] [--out out/bench-mini]

MODEL is a folder, or the name of a model that ships. Greedy; each cell is verified (a right answer by a solution without a
fault), or exact by graph for translation, with a 95 % interval (Wilson). With --samples: pass@k of the mixed mode at
temperature 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SKILLS = {
    "ko, mixed": "lang=ko,mode=mixed",
    "ko, ko": "lang=ko,mode=target_only",
    "ko, en": "lang=ko,mode=english_only",
    "en, en": "lang=en",
    "en, ko": "lang=ko,kind=crosslingual",
    "translation": "lang=ko,kind=translate",
}
"""Language of the question and of the thoughts, and the settings of the benchmark."""


def evaluated(model: str, bench: str, out: Path, *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "yisang", "eval", model, "--bench", bench, "--out", str(out), "--json", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--n", type=int, default=84, help="problems for each number of operations")
    parser.add_argument("--ops", default="1-6")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--samples", type=int, default=0)
    parser.add_argument("--problems", type=int, default=20, help="for pass@k, for each number of operations")
    parser.add_argument("--skills", default=",".join(key.replace(", ", "-") for key in SKILLS))
    parser.add_argument("--out", type=Path, default=Path("out/bench-mini"))
    given = parser.parse_args()
    shared = f"preset=narrow,context=zoo,ops={given.ops},seed={given.seed}"
    for name, settings in SKILLS.items():
        key = name.replace(", ", "-")
        if key in given.skills.split(","):
            bench = f"tasks:{settings},n={given.n},{shared}"
            found = evaluated(given.model, bench, given.out / key, "--protocol", "greedy", "--max-tokens", "512")
            print(name, json.dumps(found), flush=True)
    if given.samples:
        bench = f"tasks:lang=ko,mode=mixed,n={given.problems},{shared}"
        sampled = ["--samples", str(given.samples), "--temperature", "1", "--runs", "1", "--max-tokens", "512"]
        print("pass@k", json.dumps(evaluated(given.model, bench, given.out / "samples", *sampled)), flush=True)


if __name__ == "__main__":
    main()
