"""Worded problems with a known solution graph (yisang.tasks), equally many for each number of operations. Held in.

    kind=solve         a problem in `lang`, asked in the words of `mode`
    kind=translate     a problem in `source`, to be translated into `lang` between <TRANSLATION> tags. It is right if it
                       reads back as the same graph; what cannot be read back is unparsed
    kind=crosslingual  a problem in `source`, to be answered in `lang`: right only if the answer is in that language

Reported for each number of operations: accuracy; `process_acc`, the share of the solution's parameters that are right; and
`verified`, a right answer by a solution without a fault (arXiv 2512.07783). The gold answers of kind=solve and
kind=crosslingual are judged by the protocol's box.

Problems of the seed s are drawn with EVAL_SEEDS + s. Training data stay below EVAL_SEEDS, so they share no draw; small
problems can be alike all the same, which `yisang.tasks.selection.SplitGuard`, fed with `problems(settings)`, finds.
"""

from __future__ import annotations

from typing import Any, Literal, cast, get_args

from yisang.errors import UsageError
from yisang.evals.benchmarks import Benchmark, Item, Settings, is_one_of
from yisang.evals.benchmarks.asking import asker
from yisang.evals.language_id import check_language
from yisang.tasks.addition import CONTEXT as ADDITION
from yisang.tasks.addition import Sum, make_sum
from yisang.tasks.contexts import context as load_context
from yisang.tasks.listing import parse_range
from yisang.tasks.problems import PRESETS, Direction, Problem, Request, make_problem

EVAL_SEEDS = 2**40
"""The least seed that an evaluation draws with; seeds of training data are below."""
_TRIES = 40
"""Draws for each wanted problem at most, until enough different ones are found. Ours."""

TaskKind = Literal["solve", "translate", "crosslingual"]


class TasksSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """lang: of the answers. ops: a number or a range. n: problems for each number of operations.

    context, preset, direction: as in `yisang tasks`. mode: the prompt of lang's file that asks, or "none" for
    the question alone ("" is mixed, and target_only where lang is en; crosslingual problems are asked with target_only). placement: of that prompt. source: the
    language of the question where it is not lang ("" is en, and ko where lang is en).
    """

    lang: str = "ko"
    ops: str = "2-6"
    n: int = 50
    context: str = ""
    preset: str = "general"
    direction: str = "forward"
    seed: int = 0
    mode: str = ""
    placement: str = "system"
    kind: TaskKind = "solve"
    source: str = ""

    def __post_init__(self) -> None:
        if self.n < 1 or self.seed < 0:
            raise UsageError(f"tasks: n is {self.n} and seed {self.seed}; n must be 1 or more, seed 0 or more.")
        is_one_of("tasks: direction", self.direction, Direction)
        if self.kind == "solve" and self.source not in ("", self.lang):
            raise UsageError("tasks: source is for kind=translate and kind=crosslingual; a solved problem is in lang.")
        if self.kind != "solve" and self.asked_in == self.lang:
            raise UsageError(f"tasks: with kind={self.kind}, source must be another language than lang.")
        if self.kind == "translate" and self.mode:
            raise UsageError("tasks: kind=translate asks with the prompt `translate` of lang's file; leave mode away.")
        if self.preset == ADDITION and (self.context or self.direction != "forward" or self.kind != "solve"):
            raise UsageError(f"tasks: sums (preset={ADDITION}) have no context, direction or kind but solve.")

    @property
    def asked_in(self) -> str:
        """The language of the question."""
        if self.kind == "solve":
            return self.lang
        return self.source or ("en" if self.lang != "en" else "ko")

    @property
    def asked_by(self) -> str:
        """The prompt of lang's file that asks."""
        if self.kind == "translate":
            return "translate"
        return self.mode or ("target_only" if self.kind == "crosslingual" or self.lang == "en" else "mixed")


def problems(settings: TasksSettings) -> list[Problem | Sum]:
    """`n` different problems for each number of operations, in order."""
    low, high = parse_range(settings.ops)
    found: list[Problem | Sum] = []
    for ops in range(low, high + 1):
        own: dict[str, Problem | Sum] = {}
        for index in range(settings.n * _TRIES):
            problem = _drawn(settings, ops, index)
            own.setdefault(problem.question, problem)
            if len(own) == settings.n:
                break
        else:
            raise UsageError(
                f"tasks: there are only {len(own)} different problems of {ops} operations in {settings.n * _TRIES} draws, "
                f"and n is {settings.n}. Lower n, or begin with more operations."
            )
        found += own.values()
    return found


def _drawn(settings: TasksSettings, ops: int, index: int) -> Problem | Sum:
    seed = EVAL_SEEDS + settings.seed
    if settings.preset == ADDITION:
        return make_sum(settings.asked_in, ops, ops, seed, index)
    if settings.preset not in PRESETS:
        raise UsageError(
            f"There is no preset {settings.preset!r} of tasks; there are {', '.join([*PRESETS, ADDITION])}."
        )
    request = Request(
        settings.asked_in, ops, ops, settings.context, settings.preset, cast(Direction, settings.direction)
    )
    return make_problem(request, seed, index)


def items(settings: TasksSettings) -> list[Item]:
    ask = asker(settings.lang, settings.asked_by, settings.placement)
    if settings.kind == "crosslingual":
        check_language(settings.lang)
    found = []
    for problem in problems(settings):
        prompt = problem.prompt("tasks")
        graph = prompt.graph or {}
        if settings.kind != "solve":
            load_context(graph["context"]).words(settings.lang)
        gold = prompt.gold or ""
        if settings.kind == "translate":
            gold = cast(Problem, problem).translated(settings.lang)
        found.append(
            Item(
                prompt.id,
                prompt.text,
                gold,
                settings.lang,
                ask(prompt.text),
                kind="task",
                graph=graph,
                judge="translation" if settings.kind == "translate" else "answer",
                cell=str(_ops(problem)),
                consistency=("answer",) if settings.kind == "crosslingual" else (),
            )
        )
    return found


def _ops(problem: Problem | Sum) -> int:
    return problem.digits if isinstance(problem, Sum) else problem.ops


def primary(settings: Any) -> str:
    return "lc_acc" if settings.kind == "crosslingual" else "accuracy"


BENCHMARK = Benchmark("tasks", held_out=False, settings=TasksSettings, items=items, cell="ops", primary=primary)

assert get_args(TaskKind) == ("solve", "translate", "crosslingual")
