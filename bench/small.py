"""What the measurements of the small models share: the command, engine options that make numerics alike, what was trained on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Container, Iterable
from pathlib import Path

from yisang.sft.batches import Cost, Plan
from yisang.sft.config import Config, load_config
from yisang.tasks.graph import Graph
from yisang.tasks.listing import parse_range
from yisang.tasks.problems import Request, make_problem
from yisang.tasks.selection import structure_key
from yisang.teachers import models
from yisang.teachers.engines.mini import NUMERICS

GREEDY = ("--protocol", "greedy", "--max-tokens", "512")


ONE_THREAD = {"OMP_NUM_THREADS": "1", **os.environ}
"""Models this small are not faster on two threads, and sums round otherwise there."""


def yisang(*arguments: str) -> str:
    """The standard output of a command, which must end well."""
    command = [sys.executable, "-m", "yisang", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=ONE_THREAD).stdout


def evaluated(model: str, bench: str, out: Path, *options: str) -> None:
    """`yisang eval`, for a folder computed as the engine mini computes."""
    if model not in models.shipped():
        options = (*options, *(f"--engine-option={name}={value}" for name, value in NUMERICS.items()))
    yisang("eval", model, "--bench", bench, "--out", str(out), *options)


def _seen(config: Config) -> Container[int]:
    """The rows that are in a step: those of all data sets in their order, none of which is too long."""
    rows = sum(data.rows for data in config.data)
    if not config.schedule.steps:
        return range(rows)
    if config.batch.tokens:
        raise SystemExit("Which rows stand in the first steps depends on their lengths where batch.tokens is set.")
    plan = Plan([1] * rows, Cost(0, 0), config.seed, config.batch.rows, steps=config.schedule.steps)
    return {row for _, step in plan.all_steps() for row in step}


class Trained:
    """Questions and solution graphs of problems that were trained on."""

    def __init__(self, config: str = ""):
        """config: the problems that a training by this configuration sees."""
        self.questions: set[str] = set()
        self.structures: set[str] = set()
        if config:
            self._add_rows(load_config(config))

    def _add_rows(self, config: Config) -> None:
        seen, first = _seen(config), 0
        for data in config.data:
            tasks, rows = data.tasks, range(first, first + data.rows)
            first = rows.stop
            if tasks is None or tasks.skill in ("drill", "addition"):
                continue
            low, high = parse_range(tasks.ops)
            language = tasks.language if tasks.skill == "solve" else tasks.source
            request = Request(language, low, high, tasks.context, tasks.preset, mode="target_only")
            for row in rows:
                if row in seen:
                    problem = make_problem(request, tasks.seed, tasks.start + row - rows.start)
                    self.add([(problem.question, problem.graph)])

    def add(self, problems: Iterable[tuple[str, Graph]]) -> None:
        for question, graph in problems:
            self.questions.add(question)
            self.structures.add(structure_key(graph))

    def has_graph(self, graph: Graph) -> bool:
        """Whether a problem with this graph was trained on, with the same constants under whatever names."""
        return structure_key(graph) in self.structures
