"""A claimed solution beside the gold graph: process accuracy, verified correctness, and rewards.

s(v) = 1 if v is claimed, its parents are equal and its value is equal; ProcessAcc is the mean of s over the gold
parameters, and a solution is verified if ProcessAcc is 1 and the answer is right (arXiv 2512.07783, section on
process-verified evaluation). Parameters beyond the gold ones do not count there; the reward decides on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from yisang.errors import UsageError
from yisang.tasks.graph import Graph
from yisang.tasks.solutions import Solution, read_solution


@dataclass(frozen=True)
class Verification:
    """Where a solution differs from the gold graph. One parameter may stand in both `parents` and `values`."""

    nodes: int
    """Gold parameters, those of distractors left out."""
    missing: tuple[str, ...]
    parents: tuple[str, ...]
    values: tuple[str, ...]
    extra: tuple[str, ...]
    answer: Fraction | None
    answer_correct: bool

    @property
    def process_acc(self) -> float:
        wrong = {*self.missing, *self.parents, *self.values}
        return (self.nodes - len(wrong)) / self.nodes

    @property
    def verified(self) -> bool:
        return self.answer_correct and not (self.missing or self.parents or self.values)

    def to_json(self) -> dict[str, Any]:
        mismatches = {
            name: list(found) for name in ("missing", "parents", "values", "extra") if (found := getattr(self, name))
        }
        return {
            "process_acc": self.process_acc,
            "answer_correct": self.answer_correct,
            "verified": self.verified,
            "mismatches": mismatches,
        }


def verify(graph: Graph, solution: Solution) -> Verification:
    """Compares by name, and parents as sets."""
    gold = {node.name: node for node in graph.needed}
    claims = solution.claims
    present = [name for name in gold if name in claims]
    return Verification(
        nodes=len(gold),
        missing=tuple(name for name in gold if name not in claims),
        parents=tuple(name for name in present if claims[name].parents != frozenset(gold[name].parents)),
        values=tuple(name for name in present if claims[name].value != graph.values[name]),
        extra=tuple(sorted(name for name in claims if name not in gold)),
        answer=solution.answer,
        answer_correct=solution.answer == graph.answer,
    )


def verify_response(graph: Graph, response: str, language: str, context: str) -> Verification:
    """`verify` of a response as a model wrote it."""
    return verify(graph, read_solution(response, language, context))


def reward(
    found: Verification,
    *,
    answer_weight: float = 0.2,
    process_weight: float = 0.8,
    strict: bool = False,
    extras: Literal["penalised", "allowed"] = "penalised",
) -> float:
    """The reward of a solution, 0..1: nothing for a wrong answer, and process credit on top of a right one.

        penalty = value mismatches + parent mismatches + missing + min(extra, |V|)
        process = max(0, 1 - penalty / |V|)
        reward  = (answer_weight * 1 + process_weight * process) / (answer_weight + process_weight)

    strict: 0 unless the process is without any fault. The weights are those of the code of arXiv 2512.07783, whose
    other mixes are (1, 0), (0.5, 0.5) and strict. That code also takes one off for a last node whose value is not
    the answer; here the answer is judged by itself, and a reward for it being wrong is 0 anyway.
    """
    if min(answer_weight, process_weight) < 0 or answer_weight + process_weight <= 0:
        raise UsageError(
            f"Reward weights are {answer_weight} and {process_weight}; they must be 0 or more, one above 0."
        )
    if not found.answer_correct:
        return 0.0
    extra = min(len(found.extra), found.nodes) if extras == "penalised" else 0
    penalty = len(found.values) + len(found.parents) + len(found.missing) + extra
    if strict and penalty:
        return 0.0
    process = max(0.0, 1 - penalty / found.nodes)
    return (answer_weight + process_weight * process) / (answer_weight + process_weight)
