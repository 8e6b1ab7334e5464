"""What `yisang eval` does with its options: one of evaluating, scoring again, comparing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from yisang.errors import UsageError
from yisang.evals.config import Config, load, parsed


@dataclass(frozen=True)
class Found:
    """What is printed: for programs and for a person."""

    table: Any
    text: str


def setting(given: Mapping[str, Any], engine_options: Sequence[str], config: str, changes: Sequence[str]) -> Config:
    """The configuration: the file, then `--set`, then the options that were given. None is one that was not."""
    chosen = {key: value for key, value in given.items() if value is not None}
    for option in engine_options:
        name, sign, value = option.partition("=")
        if not sign:
            raise UsageError(
                f"--engine-option {option!r} must look like name=value, for example base_url=http://host:8000/v1."
            )
        chosen[f"engine_options.{name}"] = parsed(value)
    return load(config, changes, chosen)


def online(config: Config, out: str, retry: bool, say: Callable[[str], None]) -> Found:
    """Evaluates."""
    from yisang.evals import guard
    from yisang.evals.evaluate import evaluate
    from yisang.evals.models import teacher_of
    from yisang.evals.text import results_text

    if not config.model:
        raise UsageError(
            "Nothing to do. Name a MODEL with --bench and --out, a file with --score, or two folders with --compare."
        )
    specs = config.specs()
    protocol = config.resolved_protocol()
    # Before the weights are read for their digest.
    guard.check(specs, config.purpose)
    teacher = teacher_of(config.model, config.engine, config.revision, config.engine_options)
    results = evaluate(
        teacher,
        specs,
        protocol,
        out,
        purpose=config.purpose,
        answers=config.answers,
        concurrency=config.concurrency,
        retry=retry,
        say=say,
    )
    return Found(msgspec.to_builtins(results), results_text(results))


def offline(
    score: str,
    compare: tuple[str, str] | None,
    measure: str,
    given: Mapping[str, Any],
    config: str,
    changes: Sequence[str],
) -> Found:
    """Scores a file, or compares two folders; asks nothing."""
    if score and compare:
        raise UsageError("--score and --compare are two different things. Give one of them.")
    named = [
        name
        for name, value in given.items()
        if value and name != "purpose" and not (score and name.startswith("protocol."))
    ]
    if named:
        flags = ", ".join(
            "--" + name.removeprefix("protocol.").replace("name", "protocol").replace("_", "-") for name in named
        )
        what = "--score" if score else "--compare"
        raise UsageError(f"{what} asks no model, so it takes no {flags.replace('--model', 'MODEL')}. Leave them away.")
    if score:
        from yisang.evals.rescore import rescore
        from yisang.evals.text import rescored_text

        protocol = load(
            config, changes, {name: value for name, value in given.items() if value is not None}
        ).resolved_protocol()
        rescored = rescore(score, protocol, primary=measure or "accuracy")
        return Found(msgspec.to_builtins(rescored), rescored_text(rescored))
    assert compare is not None
    from yisang.evals.compare import compare as compare_runs
    from yisang.evals.text import comparison_text

    comparison = compare_runs(*compare, measure=measure)
    return Found(msgspec.to_builtins(comparison), comparison_text(comparison))
