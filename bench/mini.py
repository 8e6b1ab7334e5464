"""What a small model can do on worded tasks that it has not seen, by skill and number of operations.

python -m bench.mini MODEL [--n 84] [--ops 1-6] [--trained mini] [--samples 64 --problems 20] [--out out/bench-mini]

MODEL is a folder, or the name of a model that ships. Greedy; each cell is the share verified (a right answer by a solution without
a fault), or exact by graph for translation, with its 95 % interval (Wilson). With --trained, the configuration that it was
trained by: the same of the problems of which no training problem has the question, and of those of which none has the graph,
with the same constants under whatever names. With --samples: pass@k of the mixed mode at temperature 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from yisang.evals.statistics import wilson
from yisang.sft.config import load_config
from yisang.tasks.graph import Graph
from yisang.tasks.listing import parse_range
from yisang.tasks.problems import Request, make_problem
from yisang.tasks.selection import structure_key
from yisang.tasks.verify import verify_response

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


class Trained:
    """Questions and solution graphs of all problems that a configuration trains on."""

    def __init__(self, config: str):
        self.questions: set[str] = set()
        self.structures: set[str] = set()
        for data in load_config(config).data:
            tasks = data.tasks
            if tasks is None or tasks.skill in ("drill", "addition"):
                continue
            low, high = parse_range(tasks.ops)
            language = tasks.language if tasks.skill == "solve" else tasks.source
            request = Request(language, low, high, tasks.context, tasks.preset, mode="target_only")
            for index in range(tasks.start, tasks.start + data.rows):
                problem = make_problem(request, tasks.seed, index)
                self.questions.add(problem.question)
                self.structures.add(structure_key(problem.graph))


def judged(out: Path) -> list[tuple[int, str, Graph, bool]]:
    """(operations, question, graph, whether it is right) of each output."""
    (file,) = out.glob("outputs-*.jsonl")
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        graph = Graph.from_json(item["graph"])
        if item.get("judge") == "translation":
            right = item["verdict"] == "correct"
        else:
            right = verify_response(graph, item["response"], item["lang"], item["graph"]["context"]).verified
        found.append((item["graph"]["ops"], item["question"], graph, right))
    return found


def cells(found: list[tuple[int, str, Graph, bool]]) -> str:
    """Share and interval for each number of operations."""
    shown = []
    for ops in sorted({ops for ops, _, _, _ in found}):
        right = [good for one, _, _, good in found if one == ops]
        low, high = wilson(sum(right) / len(right), len(right))
        shown.append(f"{ops}: {sum(right) / len(right):.1%} ({low:.0%}-{high:.0%}, {len(right)})")
    return "  ".join(shown) or "none"


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
    parser.add_argument("--trained", default="", help="the configuration that the model was trained by")
    given = parser.parse_args()
    trained = Trained(given.trained) if given.trained else None
    shared = f"preset=narrow,context=zoo,ops={given.ops},seed={given.seed}"
    for name, settings in SKILLS.items():
        key = name.replace(", ", "-")
        if key in given.skills.split(","):
            bench = f"tasks:{settings},n={given.n},{shared}"
            evaluated(given.model, bench, given.out / key, "--protocol", "greedy", "--max-tokens", "512")
            found = judged(given.out / key)
            print(f"{name:12} all               {cells(found)}", flush=True)
            if trained:
                unseen = [item for item in found if item[1] not in trained.questions]
                print(f"{'':12} unseen questions  {cells(unseen)}")
                unseen = [item for item in unseen if structure_key(item[2]) not in trained.structures]
                print(f"{'':12} unseen graphs     {cells(unseen)}", flush=True)
    if given.samples:
        bench = f"tasks:lang=ko,mode=mixed,n={given.problems},{shared}"
        sampled = ["--samples", str(given.samples), "--temperature", "1", "--runs", "1", "--max-tokens", "512"]
        print("pass@k", json.dumps(evaluated(given.model, bench, given.out / "samples", *sampled)), flush=True)


if __name__ == "__main__":
    main()
