"""What a small model can do on worded tasks of seeds that it was not trained on, by skill and number of operations.

python -m bench.mini MODEL [--n 84] [--ops 1-6] [--trained mini] [--samples 64] [--out out/bench-mini]

MODEL is a folder, or the name of a model that ships. Greedy; each cell is the share that is right, with its 95 % interval
(Wilson): solved without a fault in a step, thought in the language that was asked for and answered in the question's (in Korean
where an English question is to be answered in Korean); of translations, the same graph. With --trained, the configuration that
it was trained by: the same of the problems of which no training problem has the question, and of those of which none has the
graph. With --samples: pass@k of Korean problems at temperature 1 in place of the greedy cells. --mode: the instruction of these.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.small import GREEDY, Trained, evaluated
from yisang.evals.statistics import wilson
from yisang.filters.cot import split_think
from yisang.languages import load
from yisang.languages.shares import script_share
from yisang.tasks.graph import Graph
from yisang.tasks.selection import mean_pass_at_k

THOUGHT = {"ko": (0.9, 1.0), "mixed": (0.02, 0.5), "en": (0.0, 0.02)}
"""Shares of Korean among the letters of thoughts in a language. Gold traces have 1.0, 0.13 to 0.17, and 0.0."""


@dataclass(frozen=True)
class Skill:
    """settings: of the benchmark. thought, answered: the languages of a right solution."""

    settings: str
    thought: str
    answered: str = "ko"


SKILLS = {
    "ko-mixed": Skill("lang=ko,mode=mixed", "mixed"),
    "ko-ko": Skill("lang=ko,mode=target_only", "ko"),
    "ko-en": Skill("lang=ko,mode=english_only", "en"),
    "en-en": Skill("lang=en", "en", "en"),
    "en-ko": Skill("lang=ko,kind=crosslingual", "ko"),
    "translation": Skill("lang=ko,kind=translate", ""),
}
"""By the languages of the question and of the thoughts."""
SAMPLED = {
    "mixed": SKILLS["ko-mixed"],
    "target_only": SKILLS["ko-ko"],
    "english_only": SKILLS["ko-en"],
    "none": Skill("lang=ko,mode=none", "mixed"),
}
"""By the mode that is asked for; without an instruction the models think as most of their rows do."""


@dataclass(frozen=True)
class Problem:
    """A problem with how many of its answers are right."""

    ops: int
    question: str
    graph: Graph
    answers: int
    right: int


def in_language(text: str | None, low: float, high: float) -> bool:
    share = script_share((text or "").replace("\\boxed", ""), load("ko"))
    return share is not None and low <= share <= high


def spoken_as_asked(response: str, skill: Skill) -> bool:
    """Whether a solution's thoughts and answer are in the languages of the skill."""
    think, answer, structure = split_think(response)
    return (
        structure == "one"
        and in_language(think, *THOUGHT[skill.thought])
        and in_language(answer, *THOUGHT[skill.answered])
    )


def judged(out: Path, skill: Skill) -> list[Problem]:
    """The problems of an evaluation, judged from its raw outputs."""
    (file,) = out.glob("outputs-*.jsonl")
    found: dict[str, Problem] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        if item["response"] is None:
            raise SystemExit(f"{file}: an answer failed ({item.get('error')}). Run `yisang eval … --retry` first.")
        if skill.thought:
            right = item["measures"]["verified"] == 1 and spoken_as_asked(item["response"], skill)
        else:
            right = item["verdict"] == "correct"
        graph = Graph.from_json(item["graph"])
        before = found.get(item["id"]) or Problem(item["graph"]["ops"], item["question"], graph, 0, 0)
        found[item["id"]] = Problem(before.ops, before.question, graph, before.answers + 1, before.right + right)
    return list(found.values())


def shares(found: list[Problem]) -> str:
    """Share and interval of one answer each."""
    low, high = wilson(sum(one.right for one in found) / len(found), len(found))
    return f"{sum(one.right for one in found) / len(found):.1%} ({low:.0%}-{high:.0%}, {len(found)})"


def curve(found: list[Problem]) -> str:
    """pass@1, 2, 4 … with the interval over problems."""
    shown = []
    k = 1
    while k <= min(one.answers for one in found):
        mean = mean_pass_at_k([(one.answers, one.right) for one in found], k)
        assert mean is not None
        low, high = wilson(min(1.0, mean), len(found))
        shown.append(f"@{k} {mean:.1%} ({low:.0%}-{high:.0%})")
        k *= 2
    return " ".join(shown) + f" of {len(found)}"


def told(name: str, found: list[Problem], trained: Trained | None, tell: Callable[[list[Problem]], str]) -> None:
    """A line for each number of operations, of all problems, of unseen questions and of unseen graphs."""
    sets = [("all", found)]
    if trained:
        unseen = [one for one in found if one.question not in trained.questions]
        sets.append(("unseen questions", unseen))
        sets.append(("unseen graphs", [one for one in unseen if not trained.has_graph(one.graph)]))
    for what, some in sets:
        for ops in sorted({one.ops for one in some}):
            print(f"{name:12} {what:17} {ops}: {tell([one for one in some if one.ops == ops])}")
        print(f"{name:12} {what:17} all: {tell(some) if some else 'none'}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--n", type=int, default=84, help="problems for each number of operations")
    parser.add_argument("--ops", default="1-6")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--samples", type=int, default=0)
    parser.add_argument("--mode", default="mixed", choices=SAMPLED)
    parser.add_argument("--skills", default=",".join(SKILLS))
    parser.add_argument("--out", type=Path, default=Path("out/bench-mini"))
    parser.add_argument("--trained", default="", help="the configuration that the model was trained by")
    given = parser.parse_args()
    trained = Trained(given.trained) if given.trained else None
    shared = f"preset=narrow,context=zoo,ops={given.ops},seed={given.seed},n={given.n}"
    if given.samples:
        skill = SAMPLED[given.mode]
        free = ("--set=protocol.top_p=1.0", "--temperature=1", "--runs=1", f"--samples={given.samples}")
        out = given.out / f"samples-{given.mode}"
        evaluated(given.model, f"tasks:{skill.settings},{shared}", out, *free, "--max-tokens=512")
        told(f"pass, {given.mode}", judged(out, skill), trained, curve)
        return
    for name in given.skills.split(","):
        evaluated(given.model, f"tasks:{SKILLS[name].settings},{shared}", given.out / name, *GREEDY)
        told(name, judged(given.out / name, SKILLS[name]), trained, shares)


if __name__ == "__main__":
    main()
