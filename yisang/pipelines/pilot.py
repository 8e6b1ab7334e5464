"""What teaching will cost, from asking the teacher about some of the prompts: `yisang plan RECIPE --out DIR --pilot 200`.

The steps before teaching run into the run folder, where a later run finds them; the pilot's prompts are chosen among all by
a hash of their ids; its answers stay in the store. So nothing of a pilot is paid for twice, and none of it is lost.
"""

from __future__ import annotations

import heapq
import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from yisang.errors import UsageError, YisangError
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.phases import Setting
from yisang.pipelines.recipe import Loaded
from yisang.pipelines.run import make_plan, run_before
from yisang.pipelines.stages.teach import TeacherSetting, TeachPhase, check_addresses
from yisang.records import Dead, Prompt, Trace, content_id
from yisang.storage import Folder
from yisang.teachers.answers import AnswerStore
from yisang.teachers.asking import Counters
from yisang.teachers.rollouts import teach
from yisang.teachers.telling import Price, cost

Z = 1.96
"""Of a normal distribution: 95 % lie within."""


@dataclass(frozen=True)
class Rates:
    """What tokens cost and how fast they come. price: see `Price`. tokens_per_second: of completion, of one GPU."""

    price: Price | None = None
    gpus: int = 1
    tokens_per_second: float | None = None

    def __post_init__(self) -> None:
        if self.tokens_per_second is not None and not 0 < self.tokens_per_second < math.inf:
            raise UsageError(f"--tokens-per-second is {self.tokens_per_second}; it must be above 0.")


def pilot_recipe(
    loaded: Loaded,
    setting: Setting,
    prompts: int,
    *,
    workers: int = 1,
    limit: int | None = None,
    strict: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[str, dict[str, Any]]:
    """Tries the recipe's first teaching step. Gives the name of its phase and what was found."""
    if prompts < 1:
        raise UsageError(f"--pilot is {prompts}; it must be at least 1 prompt.")
    if not setting.out:
        raise UsageError("A pilot needs the prompts: name a folder for what comes before teaching with --out.")
    plan, _ = make_plan(loaded, limit=limit, strict=strict)
    number = next((n for n, phase in enumerate(plan.phases) if isinstance(phase, TeachPhase)), None)
    if number is None:
        raise UsageError(f"Recipe {plan.recipe} asks no teacher, so there is nothing to try.")
    phase = plan.phases[number]
    assert isinstance(phase, TeachPhase)
    assert phase.stage is not None
    check_addresses(plan.phases, setting)
    phase.check(setting)
    run_before(loaded, setting, number, workers=workers, limit=limit, strict=strict, say=say)
    before = Boundary(Folder(setting.out), plan.phases[phase.reads[0]].name)
    total, chosen = _chosen(phase, before, prompts)
    if not chosen:
        raise UsageError(f"No prompt reaches the step {phase.stage.name}, so there is nothing to ask.")
    say(f"{phase.label}: asking about {len(chosen):,} of {total:,} prompts")
    return phase.name, _ask(phase, setting, chosen)


def _chosen(phase: TeachPhase, before: Boundary, wanted: int) -> tuple[int, list[Prompt]]:
    """How many prompts there are to ask about, and `wanted` of them: the same ones each time, whatever their order."""
    total = 0

    def marked() -> Iterator[tuple[str, str, Prompt]]:
        nonlocal total
        for record in before.all_records():
            if isinstance(record, Prompt) and phase.settled(record) is None:
                total += 1
                yield content_id("pilot", record.id), record.id, record

    least = heapq.nsmallest(wanted, marked(), key=lambda item: item[:2])
    return total, [prompt for _, _, prompt in least]


def _ask(phase: TeachPhase, setting: Setting, prompts: list[Prompt]) -> dict[str, Any]:
    """Asks as the run will. Tokens are of a question, with all attempts that the strategy makes of it."""
    stage = phase.stage
    assert stage is not None
    counters = Counters()
    engine, *others = phase.engines(setting)
    concurrency = (setting.teacher or TeacherSetting()).concurrency
    begun = time.monotonic()
    with AnswerStore(setting.answer_store) as store:
        outcomes = list(
            teach(
                prompts,
                stage.teacher,
                stage.template,
                stage.sampling,
                stage.samples,
                engine,
                store,
                concurrency,
                strategy=stage.strategy,
                others=others,
                counters=counters,
            )
        )
    seconds = time.monotonic() - begun
    traces = [outcome for outcome in outcomes if isinstance(outcome, Trace)]
    dead = [outcome for outcome in outcomes if isinstance(outcome, Dead)]
    if not traces:
        raise YisangError(f"All {len(dead)} requests of the pilot failed. The first: {dead[0].message}")
    used = [trace for trace in traces if {"prompt_tokens", "completion_tokens"} <= trace.usage.keys()]
    # The attempts of a question stand together.
    questions = [
        list(group) for _, group in groupby(used, key=lambda trace: (trace.prompt.id, trace.sample % stage.samples))
    ]
    completion = [sum(trace.usage["completion_tokens"] for trace in question) for question in questions]
    asked = [sum(trace.usage["prompt_tokens"] for trace in question) for question in questions]
    tokens = counters.tally.completion_tokens
    return {
        "prompts": len(prompts),
        "answers": len(traces),
        "failed": len(dead),
        "asked": counters.asked,
        "from_the_store": counters.reused,
        "seconds": round(seconds, 3),
        # Of what was asked now; where all was in the store nothing was measured.
        "tokens_per_second": tokens / seconds if tokens else None,
        "without_usage": len(traces) - len(used),
        "finish_reasons": dict(Counter(trace.finish_reason for trace in traces)),
        "completion_tokens": _spread(completion),
        "prompt_tokens": _spread(asked),
    }


def _spread(counts: list[int]) -> dict[str, float | None] | None:
    """None where nothing was reported. error: the standard error of the mean, None of a single answer."""
    if not counts:
        return None
    ordered = sorted(counts)
    return {
        "mean": statistics.fmean(counts),
        "error": statistics.stdev(counts) / math.sqrt(len(counts)) if len(counts) > 1 else None,
        "p50": ordered[math.ceil(0.5 * len(ordered)) - 1],
        "p90": ordered[math.ceil(0.9 * len(ordered)) - 1],
    }


def estimate(tried: dict[str, Any], to_ask: int, rates: Rates) -> dict[str, Any]:
    """What the answers that are still to be asked for will take: tokens (with the interval that holds their sum in 95 of 100
    pilots, where lengths are not too uneven), hours, and money. None for what neither the pilot nor `rates` tells."""
    completion, asked = tried["completion_tokens"], tried["prompt_tokens"]
    if completion is None:
        raise YisangError(
            "The endpoint does not report its tokens (usage.prompt_tokens and usage.completion_tokens), so nothing can be said of what teaching will take."
        )
    error = None if completion["error"] is None else Z * to_ask * completion["error"]
    expected = to_ask * completion["mean"]
    per_second = tried["tokens_per_second"] if rates.tokens_per_second is None else rates.tokens_per_second * rates.gpus
    hours = expected / per_second / 3600 if per_second else None
    return {
        "answers": to_ask,
        "completion_tokens": expected,
        "low": None if error is None else max(0.0, expected - error),
        "high": None if error is None else expected + error,
        "prompt_tokens": to_ask * asked["mean"],
        "tokens_per_second": per_second,
        "hours": hours,
        "gpu_hours": None if hours is None or rates.tokens_per_second is None else hours * rates.gpus,
        "cost": None if rates.price is None else cost(to_ask * asked["mean"], expected, rates.price),
    }


def pilot_lines(tried: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Both for a person."""
    reasons = ", ".join(f"{name} {count:,}" for name, count in sorted(tried["finish_reasons"].items()))
    tokens = tried["completion_tokens"]
    lines = [
        f"pilot: {tried['prompts']:,} prompts, {tried['answers']:,} answers ({tried['from_the_store']:,} from the store), "
        f"{tried['failed']:,} failed; finish: {reasons}",
        f"pilot: {tokens['mean']:,.0f} tokens an answer (p50 {tokens['p50']:,}, p90 {tokens['p90']:,}), "
        f"{tried['prompt_tokens']['mean']:,.0f} of the prompt",
    ]
    if tried["without_usage"]:
        lines.append(f"pilot: {tried['without_usage']:,} answers came without a number of tokens and are left out")
    spread = "" if found["low"] is None else f" ({found['low']:,.0f} to {found['high']:,.0f})"
    lines.append(f"to ask: {found['answers']:,} answers, about {found['completion_tokens']:,.0f} tokens{spread}")
    if found["hours"] is None:
        lines.append("to ask: hours unknown, as all of the pilot was in the store; give --tokens-per-second")
    else:
        gpu = "" if found["gpu_hours"] is None else f", {found['gpu_hours']:,.2f} GPU hours"
        lines.append(f"to ask: {found['hours']:,.2f} hours at {found['tokens_per_second']:,.0f} tokens/s{gpu}")
    if found["cost"] is not None:
        lines.append(f"to ask: cost {found['cost']:,.2f}")
    return lines
