"""Problems as lines of JSON, and responses to them verified: what `yisang tasks` prints and reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast, get_args

from yisang.errors import UsageError
from yisang.tasks.addition import CONTEXT as ADDITION
from yisang.tasks.addition import MAX_DIGITS, Sum, SumVerification, make_sum, verify_sum
from yisang.tasks.graph import BadGraph, Graph
from yisang.tasks.problems import PRESETS, Direction, Problem, Request, make_problems
from yisang.tasks.traces import Mode
from yisang.tasks.verify import Verification, verify_response
from yisang.tasks.wording import grammar


def listed(
    count: int, seed: int, *, ops: str, language: str, context: str, preset: str, direction: str, mode: str
) -> Iterator[Problem | Sum]:
    """Problems as the command line asks for them. Raises UsageError for what there is not, before the first."""
    low, high = parse_range(ops)
    if count < 0:
        raise UsageError(f"--n is {count}; it must be 0 or more.")
    if preset == ADDITION:
        if context or mode or direction != "forward":
            raise UsageError(
                "Sums have no --context, --mode or --direction. Leave them away, or choose another --preset."
            )
        make_sum(language, low, high, seed, 0)
        return (make_sum(language, low, high, seed, index) for index in range(count))
    if preset not in PRESETS:
        raise UsageError(f"There is no preset {preset!r} of tasks; there are {', '.join([*PRESETS, ADDITION])}.")
    if mode and mode not in get_args(Mode):
        raise UsageError(f"--mode is {mode!r}; it must be one of {', '.join(get_args(Mode))}.")
    if direction not in get_args(Direction):
        raise UsageError(f"--direction is {direction!r}; it must be one of {', '.join(get_args(Direction))}.")
    request = Request(
        language, low, high, context, preset, cast(Direction, direction), cast(Mode, mode) if mode else None
    )
    return make_problems(request, seed, count)


def text(found: dict[str, Any]) -> str:
    """A listed problem for a person."""
    return f"{found['question']}\n{found['trace']}\n"


def parse_range(text: str) -> tuple[int, int]:
    """ "2-10" or "4" as a range with both ends."""
    low, sign, high = text.partition("-")
    if not low.isdecimal() or (sign and not high.isdecimal()):
        raise UsageError(f"--ops is {text!r}; write a number or a range, for example 4 or 2-10.")
    return int(low), int(high if sign else low)


def verify_object(item: dict[str, Any]) -> Verification | SumVerification:
    """The `response` of a listed problem beside its graph. Raises UsageError for what is no such object."""
    try:
        response, language, context, graph = (item[key] for key in ("response", "lang", "context", "graph"))
        if not isinstance(response, str):
            raise TypeError("response must be a text")
        grammar(language)
        if context == ADDITION:
            a, b, digits = (graph[key] for key in ("a", "b", "digits"))
            if not all(type(number) is int for number in (a, b, digits)) or not 1 <= digits <= MAX_DIGITS:
                raise TypeError(f"a, b and digits of a sum must be whole numbers, digits from 1 to {MAX_DIGITS}")
            return verify_sum(a, b, digits, response)
        return verify_response(Graph.from_json(graph), response, language, context)
    except KeyError as error:
        raise UsageError(
            f"it lacks {error}; each line must be an object of `yisang tasks --json` with a response"
        ) from error
    except (TypeError, ValueError, AttributeError, BadGraph) as error:
        raise UsageError(str(error)) from error


def verify_prompt(graph: dict[str, Any], language: str, response: str) -> tuple[bool, str]:
    """(whether every step is right, what is not) for the graph that a Prompt carries; the answer is not looked at."""
    found = verify_object({"response": response, "lang": language, "context": graph.get("context"), "graph": graph})
    mismatches = {what: names for what, names in found.to_json()["mismatches"].items() if what != "extra"}
    flaws = ", ".join(f"{what}: {' '.join(map(str, names))}" for what, names in mismatches.items())
    return not flaws, flaws


def verified_lines(path: str) -> Iterator[dict[str, Any]]:
    """Each object of a file with its verification added. Raises UsageError with file and line for a bad one."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _verified(line, f"{Path(path).name}, line {number}")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}. Name a file of JSON Lines in UTF-8 with --verify."
        ) from error


def _verified(line: str, where: str) -> dict[str, Any]:
    try:
        item = json.loads(line)
        if not isinstance(item, dict):
            raise UsageError("it is no object")
        return {**item, **verify_object(item).to_json()}
    except (json.JSONDecodeError, RecursionError, UsageError) as error:
        raise UsageError(f"{where}, cannot be verified: {error}") from error


def summary(found: list[dict[str, Any]]) -> str:
    """What a person wants to know of verified responses."""
    if not found:
        return "No responses."
    count = len(found)
    mean = sum(item["process_acc"] for item in found) / count
    return (
        f"{count:,} responses: {sum(item['answer_correct'] for item in found):,} answers correct, "
        f"{sum(item['verified'] for item in found):,} verified, process accuracy {mean:.3f}"
    )
