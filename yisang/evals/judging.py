"""One answer judged: a verdict of five (yisang.grading), and the measures beside it.

accuracy     1 correct, 0 wrong or (as the protocol says) unparsed
process_acc  share of the solution's parameters that are right (arXiv 2512.07783), where the graph is known
verified     1 for a correct answer by a solution without a fault
lc_think, lc_answer   1 where that part is in the language of the item; None where it has no letters
lc_acc       1 for a correct answer in that language (arXiv 2602.05940). An answer without letters, a bare number, is not
             in it.

All are None, and enter no mean, where the verdict is unjudged or infra_error.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from yisang.evals.benchmarks import Item
from yisang.evals.language_id import is_in, parts
from yisang.evals.protocols import Protocol
from yisang.filters.translation import between_tags
from yisang.grading import Verdict, grade
from yisang.languages.thinking import after_thinking
from yisang.records import nfc
from yisang.tasks.graph import Graph
from yisang.tasks.listing import verify_object
from yisang.tasks.wording import NotATask, parse

LEFT_OUT: tuple[Verdict, ...] = ("unjudged", "infra_error")


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one answer. truncated: whether it was cut off at the limit of tokens; None where nobody says."""

    id: str
    cell: str = ""
    cluster: str = ""
    run: int = 0
    sample: int = 0
    verdict: Verdict
    reason: str
    found: str = ""
    truncated: bool | None = None
    measures: dict[str, float | None] = {}


class Outcome(msgspec.Struct, frozen=True):
    """The verdict of one response and its measures."""

    verdict: Verdict
    reason: str
    found: str
    measures: dict[str, float | None]


def truncated(finish_reason: str | None) -> bool | None:
    """Whether an answer was cut off; None where no reason was reported."""
    return None if not finish_reason else finish_reason == "length"


def judge(item: Item, response: str | None, protocol: Protocol) -> Outcome:
    """Judges a response by the item's gold; None is one that never came, because our machinery failed.

    Raises UsageError for a graph that is none.
    """
    names = measures_of(item)
    if response is None:
        return Outcome("infra_error", "no_response: the request failed", "", dict.fromkeys(names))
    verdict, reason, found = (
        _translation(item, response, protocol) if item.judge == "translation" else _answer(item, response, protocol)
    )
    if verdict in LEFT_OUT:
        return Outcome(verdict, reason, found, dict.fromkeys(names))
    right = 1.0 if verdict == "correct" else 0.0
    said = None if verdict == "unparsed" and protocol.unparsed == "left_out" else right
    measures: dict[str, float | None] = {"accuracy": said}
    if "process_acc" in names:
        assert item.graph is not None
        table = {"response": response, "lang": item.lang, "context": item.graph.get("context"), "graph": item.graph}
        process = verify_object(table)
        flaws = [what for what in process.to_json()["mismatches"] if what != "extra"]
        measures["process_acc"] = process.process_acc
        measures["verified"] = None if said is None else said * (not flaws)
    texts = parts(response)
    for part in item.consistency:
        same = is_in(texts[part], item.lang)
        measures[f"lc_{part}"] = None if same is None else float(same)
    if "lc_acc" in names:
        measures["lc_acc"] = None if said is None else said * (measures["lc_answer"] or 0.0)
    return Outcome(verdict, reason, found, measures)


def measures_of(item: Item) -> tuple[str, ...]:
    """The names of the measures that an item has."""
    process = ("process_acc", "verified") if item.judge == "answer" and item.graph is not None else ()
    spoken = tuple(f"lc_{part}" for part in item.consistency)
    return ("accuracy", *process, *spoken, *(("lc_acc",) if "answer" in item.consistency else ()))


def _answer(item: Item, response: str, protocol: Protocol) -> tuple[Verdict, str, str]:
    found = grade(item.prompt(), response, protocol.grading())
    return found.verdict, found.reason, found.found


def _translation(item: Item, response: str, protocol: Protocol) -> tuple[Verdict, str, str]:
    """Correct if the translation, read back, is the same graph. Which of several counts is the protocol's box."""
    answer = after_thinking(nfc(response))
    if answer is None:
        return "unparsed", "still_thinking: the thinking never ends", ""
    said = between_tags(answer)
    if not said:
        return "unparsed", "no_translation: nothing between <TRANSLATION> tags", ""
    text = " ".join(said[0 if protocol.box == "first" else -1].split())
    graph: Mapping[str, object] = item.graph or {}
    try:
        read = parse(text, item.lang, str(graph["context"]))
    except NotATask as error:
        return "unparsed", f"no_task: {error}", text[:300]
    if read.graph == Graph.from_json(item.graph or {}):
        return "correct", "same_graph: it reads back as the problem", text[:300]
    return "wrong", "other_graph: it reads back as another problem", text[:300]
