"""The lines of raw outputs: what a run leaves in outputs-NAME.jsonl, and what `--score` reads.

id            of the item; where it is missing, the line's number
prediction, response   the raw output, thinking included, under one of these names
gold          the right answer, a text or a number
lang          of the answer, ko unless said
kind          math, mcq, task, open or code; unless said, mcq with options, task with a graph, else math
options       a list of texts, of multiple choice
graph         of a worded task, with its context
run, sample   the number of the pass, and within it of the answer to the same question
finish_reason "length" for what was cut off
error         why there is no output: the request failed
cell, cluster, judge, consistency   as in `yisang.evals.benchmarks.Item`
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from yisang.errors import UsageError, YisangError
from yisang.evals.benchmarks import Item, Judge, Part
from yisang.evals.judging import Judged, judge, truncated
from yisang.evals.language_id import check_language
from yisang.evals.protocols import Protocol
from yisang.grading import Verdict
from yisang.records import Kind, nfc

_LETTERS = ("A", "B", "C", "D", "E")
_TEXTS = ("id", "lang", "kind", "finish_reason", "error", "cell", "cluster", "judge")


@dataclass(frozen=True)
class Line:
    """One line, checked. response is None where the request failed."""

    item: Item
    response: str | None
    run: int
    sample: int
    finish_reason: str | None
    error: str = ""


def to_json(line: Line, judged: Judged, extra: dict[str, Any]) -> dict[str, Any]:
    """A line of outputs: what is read back, and how it was judged."""
    item = line.item
    found: dict[str, Any] = {
        "id": item.id,
        "question": item.question,
        "gold": item.gold,
        "lang": item.lang,
        "kind": item.kind,
        "run": line.run,
        "sample": line.sample,
        "response": line.response,
        "finish_reason": line.finish_reason,
        **extra,
        "verdict": judged.verdict,
        "reason": judged.reason,
        "found": judged.found,
        "measures": judged.measures,
    }
    optional = {
        "error": line.error,
        "options": list(item.options),
        "graph": item.graph,
        "judge": item.judge if item.judge != "answer" else "",
        "cell": item.cell,
        "cluster": item.cluster,
        "consistency": list(item.consistency),
    }
    return found | {name: value for name, value in optional.items() if value}


def judged_line(line: Line, protocol: Protocol) -> Judged:
    """How a line is judged."""
    outcome = judge(line.item, line.response, protocol)
    return Judged(
        id=line.item.id,
        cell=line.item.cell,
        cluster=line.item.cluster,
        run=line.run,
        sample=line.sample,
        verdict=outcome.verdict,
        reason=outcome.reason if not line.error else f"request_failed: {line.error}",
        found=outcome.found,
        truncated=truncated(line.finish_reason),
        measures=outcome.measures,
    )


def read(path: str) -> Iterator[tuple[int, Line]]:
    """(number, line) of a file. Raises UsageError naming the line for what is none, and for a file that cannot be read."""
    counted: Counter[tuple[str, int]] = Counter()
    told: dict[tuple[str, int, int], int] = {}
    for number, item in objects(path):
        where = f"{Path(path).name}, line {number}"
        line = _line(item, number, where)
        if "sample" not in item:
            # Several lines of one question without numbers are its samples, in their order.
            line = replace(line, sample=counted[line.item.id, line.run])
            counted[line.item.id, line.run] += 1
        key = (line.item.id, line.run, line.sample)
        if key in told:
            raise UsageError(
                f"{where}: sample {line.sample} of run {line.run} of {line.item.id} stands in line {told[key]} already. Give each "
                "answer to a question its own `sample`, or leave `sample` away in all lines."
            )
        told[key] = number
        yield number, line


def objects(path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, object) of the lines of a file that are not blank."""
    try:
        with open(path, encoding="utf-8-sig", newline="\n") as file:
            for number, text in enumerate(file, 1):
                if text.strip():
                    yield number, _object(text, f"{Path(path).name}, line {number}")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}. Name a file of JSON Lines in UTF-8.") from error


def read_judged(path: str) -> Iterator[Judged]:
    """The verdicts and measures that a run has stored. Raises YisangError for a damaged line."""
    for number, item in objects(path):
        try:
            measures = {name: None if value is None else float(value) for name, value in item["measures"].items()}
            if item["verdict"] not in get_args(Verdict):
                raise ValueError(f"there is no verdict {item['verdict']!r}")
            yield Judged(
                id=item["id"],
                cell=item.get("cell", ""),
                cluster=item.get("cluster", ""),
                run=item["run"],
                sample=item["sample"],
                verdict=item["verdict"],
                reason=item["reason"],
                truncated=truncated(item["finish_reason"]),
                measures=measures,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise YisangError(
                f"{path}, line {number} is damaged ({type(error).__name__}: {error}). Evaluate into another folder with the same "
                "--answers: nothing is asked again."
            ) from error


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        item = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UsageError(f"{where} is no JSON: {error}. Each line must be one object.") from error
    if not isinstance(item, dict):
        raise UsageError(f"{where} is no object. Each line must have `gold` and `response` (or `prediction`).")
    return item


def _line(item: dict[str, Any], number: int, where: str) -> Line:
    for name in _TEXTS:
        if not isinstance(item.get(name, ""), str | None):
            raise UsageError(f"{where}: {name} is {_short(item[name])}; it must be a text.")
    for name in ("run", "sample"):
        if type(item.get(name, 0)) is not int or item.get(name, 0) < 0:
            raise UsageError(f"{where}: {name} is {_short(item[name])}; it must be a whole number, 0 or more.")
    error = item.get("error") or ""
    response = _response(item, where, bool(error))
    gold = item.get("gold")
    if gold is None or gold == "":
        raise UsageError(f"{where} has no gold, so it cannot be scored. Add `gold`, a text or a number.")
    if isinstance(gold, bool) or not isinstance(gold, str | int | float):
        raise UsageError(f"{where}: gold is {_short(gold)}; it must be a text or a number.")
    options = item.get("options") or []
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise UsageError(f"{where}: options is {_short(options)}; it must be a list of texts.")
    graph = item.get("graph")
    if graph is not None and not (isinstance(graph, dict) and isinstance(graph.get("context"), str)):
        raise UsageError(f"{where}: graph must be an object with its context, as `yisang eval` writes it.")
    lang = item.get("lang") or "ko"
    consistency = item.get("consistency") or []
    if not isinstance(consistency, list) or not set(map(str, consistency)) <= set(get_args(Part)):
        raise UsageError(f"{where}: consistency is {_short(consistency)}; it is a list of {', '.join(get_args(Part))}.")
    if consistency:
        check_language(lang)
    kind: Any = item.get("kind") or (
        "mcq" if options or str(gold).strip() in _LETTERS else "task" if graph is not None else "math"
    )
    judged_by: Any = item.get("judge") or "answer"
    for name, value, known in (("kind", kind, Kind), ("judge", judged_by, Judge)):
        if value not in get_args(known):
            raise UsageError(f"{where}: {name} is {_short(value)}; it must be one of {', '.join(get_args(known))}.")
    if judged_by == "translation" and graph is None:
        raise UsageError(f"{where}: a translation is judged by its graph, and there is none.")
    return Line(
        Item(
            id=item.get("id") or f"line {number}",
            question=str(item.get("question") or ""),
            gold=nfc(str(gold)),
            lang=lang,
            messages=(),
            kind=kind,
            options=tuple(options),
            graph=graph,
            judge=judged_by,
            cell=item.get("cell") or "",
            cluster=item.get("cluster") or "",
            consistency=tuple(consistency),
        ),
        response,
        item.get("run", 0),
        item.get("sample", 0),
        item.get("finish_reason"),
        error,
    )


def _response(item: dict[str, Any], where: str, failed: bool) -> str | None:
    """The raw output; None where the request failed and the line says so."""
    given = [name for name in ("prediction", "response") if item.get(name) is not None]
    if len(given) == 2:
        raise UsageError(
            f"{where} has both prediction and response. They are two names for the raw output: keep the one that is meant."
        )
    if failed:
        if given:
            raise UsageError(
                f"{where} has an error and a {given[0]}. A request that failed has no output: take one away."
            )
        return None
    if not given:
        raise UsageError(
            f"{where} has no response, so it cannot be scored. Add `response` (or `prediction`), the raw output of the "
            "model; where the request failed, add `error`."
        )
    value = item[given[0]]
    if not isinstance(value, str):
        raise UsageError(f"{where}: {given[0]} is {_short(value)}; it must be a text, the raw output of the model.")
    return value


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}…"
