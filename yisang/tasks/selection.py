"""pass@k, which prompts a model is at the edge of, and guards between splits."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from yisang.errors import UsageError
from yisang.tasks.graph import Graph
from yisang.tasks.problems import Problem

Key = TypeVar("Key", bound=Hashable)


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """The unbiased estimate that one of k samples is correct: 1 - C(n - c, k) / C(n, k) (arXiv 2107.03374, equation 1).

    0 where k < 1, where there are fewer than k samples, or where none is correct; 1 where fewer than k are wrong.
    """
    if not 0 <= correct <= samples:
        raise UsageError(f"pass@{k}: {correct} correct of {samples} samples cannot be.")
    if k < 1 or samples < k or not correct:
        return 0.0
    if samples - correct < k:
        return 1.0
    return 1.0 - math.comb(samples - correct, k) / math.comb(samples, k)


def mean_pass_at_k(counts: Iterable[tuple[int, int]], k: int) -> float | None:
    """Over (samples, correct) of prompts; those with fewer than k samples are left out. None where none is left."""
    scores = [pass_at_k(samples, correct, k) for samples, correct in counts if samples >= k]
    return sum(scores) / len(scores) if scores else None


@dataclass(frozen=True)
class Edge:
    """What became of every key: to be trained on, solved already, out of reach, or with too few samples to tell."""

    edge: tuple[Hashable, ...]
    solved: tuple[Hashable, ...]
    unreachable: tuple[Hashable, ...]
    untold: tuple[Hashable, ...]


def edge_of_competence(counts: Mapping[Key, tuple[int, int]], *, k: int, tau: float) -> Edge:
    """Splits keys (prompts, numbers of operations) by (samples, correct): edge if pass@k > 0 and pass@1 < tau.

    pass@1 >= tau is solved and pass@k = 0 unreachable; both are reported, not lost (arXiv 2512.07783, "edge of
    competence"). Estimate anew as the model moves.
    """
    if not 0 < tau <= 1 or k < 1:
        raise UsageError(f"Edge of competence: k is {k} and tau {tau}; k must be 1 or more and tau above 0, at most 1.")
    sorts: dict[str, list[Hashable]] = {"edge": [], "solved": [], "unreachable": [], "untold": []}
    for key, (samples, correct) in counts.items():
        if samples < k:
            sort = "untold"
        elif pass_at_k(samples, correct, 1) >= tau:
            sort = "solved"
        else:
            sort = "edge" if pass_at_k(samples, correct, k) > 0 else "unreachable"
        sorts[sort].append(key)
    return Edge(**{sort: tuple(keys) for sort, keys in sorts.items()})


# Guards between splits


def structure_key(graph: Graph) -> str:
    """The same for problems that differ in names, context, language or order of sentences alone."""
    keys: dict[str, str] = {}
    for node in graph.nodes:
        parents = [keys[parent] for parent in node.parents]
        if node.form != "difference":
            parents.sort()
        told = [node.form, parents, node.factor, node.constant, node.name == graph.query]
        told.append(graph.given[1] if graph.given and graph.given[0] == node.name else None)
        keys[node.name] = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]
    return hashlib.sha256("".join(sorted(keys[node.name] for node in graph.needed)).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Leak:
    """A problem that a split may not hold, and what of the guarded ones it is like."""

    id: str
    like: str
    how: Literal["same_text", "same_structure", "near_duplicate"]


@dataclass
class SplitGuard:
    """Keeps problems of a test split, and near copies of them, out of the others.

    same_text: the very question. same_structure: the same solution graph with the same constants under other names or
    in another language. near_duplicate: a Jaccard similarity of at least `threshold` between word `shingle`-grams, found
    by MinHash LSH (datasketch) and then computed exactly.
    """

    threshold: float = 0.8
    shingle: int = 5
    structure: bool = True
    _texts: dict[str, str] = field(default_factory=dict)
    _structures: dict[str, str] = field(default_factory=dict)
    _shingles: dict[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from datasketch import MinHashLSH

        self._index = MinHashLSH(threshold=max(0.1, self.threshold - 0.1), num_perm=128)

    def add(self, problem: Problem) -> None:
        """Guards a problem of the test split."""
        self._texts.setdefault(problem.question, problem.id)
        self._structures.setdefault(structure_key(problem.graph), problem.id)
        if problem.id not in self._shingles:
            self._shingles[problem.id] = self._grams(problem.question)
            self._index.insert(problem.id, self._signature(self._shingles[problem.id]))

    def leak(self, problem: Problem) -> Leak | None:
        """Why a problem may not be trained on, None where it may."""
        if problem.question in self._texts:
            return Leak(problem.id, self._texts[problem.question], "same_text")
        key = structure_key(problem.graph)
        if self.structure and key in self._structures:
            return Leak(problem.id, self._structures[key], "same_structure")
        grams = self._grams(problem.question)
        for other in sorted(self._index.query(self._signature(grams))):
            held = self._shingles[other]
            if len(grams & held) >= self.threshold * len(grams | held):
                return Leak(problem.id, other, "near_duplicate")
        return None

    def _grams(self, text: str) -> frozenset[str]:
        words = text.split()
        if len(words) < self.shingle:  # a language without blanks
            return frozenset(
                text[place : place + self.shingle] for place in range(max(1, len(text) - self.shingle + 1))
            )
        return frozenset(
            " ".join(words[place : place + self.shingle]) for place in range(len(words) - self.shingle + 1)
        )

    def _signature(self, grams: frozenset[str]):  # type: ignore[no-untyped-def]  # datasketch has no types
        from datasketch import MinHash

        signature = MinHash(num_perm=128)
        signature.update_batch([gram.encode() for gram in grams])
        return signature


def guarded(
    problems: Iterable[Problem], test: Sequence[Problem], guard: SplitGuard | None = None
) -> tuple[list[Problem], list[Leak]]:
    """(problems that may be trained on, why the others may not)."""
    guard = guard or SplitGuard()
    for problem in test:
        guard.add(problem)
    kept: list[Problem] = []
    leaks: list[Leak] = []
    for problem in problems:
        found = guard.leak(problem)
        if found is None:
            kept.append(problem)
        else:
            leaks.append(found)
    return kept, leaks
