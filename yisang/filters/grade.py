"""Checks of a trace against what is known: its prompt's gold, and the solution graph of a worded task."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from yisang.errors import YisangError
from yisang.filters.cot import judged
from yisang.grading import DEFAULTS, GradeSettings, check_gold, grade
from yisang.languages import load
from yisang.records import Drop, Prompt, Trace
from yisang.tasks.addition import CONTEXT as ADDITION
from yisang.tasks.addition import verify_sum
from yisang.tasks.contexts import digest_of_words
from yisang.tasks.graph import Graph
from yisang.tasks.verify import verify_response


class GraderFailed(YisangError):
    """The grader's own machinery failed on this record; the answer may be right or wrong."""


def words_of(language: str) -> list[str]:
    """The digests of the words that grading in a language reads by: they bear identity."""
    return [load(code).digest for code in sorted({language, "en"})]


@dataclass(frozen=True)
class Grade:
    """Verdict "grade": correct, wrong, unparsed or unjudged; "grade_reason" says why (see `yisang.grading`).

    language: of the prompts; the words of its file and of the English one decide what is read around an answer.

    A failure of the grader itself is no verdict: it raises GraderFailed, so the record becomes a dead letter.
    """

    language: str
    settings: GradeSettings = DEFAULTS

    def identity(self) -> dict[str, Any]:
        return {"settings": asdict(self.settings), "words": words_of(self.language)}

    def __call__(self, trace: Trace) -> Trace:
        found = grade(trace.prompt, trace.text, self.settings)
        if found.verdict == "infra_error":
            raise GraderFailed(f"The answer to {trace.prompt.id} could not be graded: {found.reason}")
        return judged(trace, {"grade": found.verdict, "grade_reason": found.code})


@dataclass(frozen=True)
class GoldPasses:
    """Drops prompts whose gold does not pass its own grader, as `gold_unjudged` and so on; others pass through.

    language: as in `Grade`. open: whether prompts without a gold pass.
    """

    language: str
    settings: GradeSettings = DEFAULTS
    open: bool = True

    def identity(self) -> dict[str, Any]:
        return {"settings": asdict(self.settings), "open": self.open, "words": words_of(self.language)}

    def __call__(self, prompt: Prompt) -> Prompt | Drop:
        if self.open and prompt.gold is None and prompt.kind != "code":
            return prompt
        found = check_gold(prompt, self.settings)
        if found.verdict == "infra_error":
            raise GraderFailed(f"The gold of {prompt.id} could not be graded: {found.reason}")
        return prompt if found.verdict == "correct" else Drop(f"gold_{found.verdict}", {"reason": found.reason})


@dataclass(frozen=True)
class VerifyTask:
    """Verdict "process" of a worded task: "verified", "flawed", or "no_graph"; and the measure `process_acc`."""

    def identity(self) -> dict[str, Any]:
        return {"words": digest_of_words()}

    def __call__(self, trace: Trace) -> Trace:
        graph = trace.prompt.graph
        if graph is None:
            return judged(trace, {"process": "no_graph"}, {"process_acc": None})
        if graph["context"] == ADDITION:
            found: Any = verify_sum(graph["a"], graph["b"], graph["digits"], trace.text)
        else:
            found = verify_response(Graph.from_json(graph), trace.text, trace.prompt.language, graph["context"])
        verdict = "verified" if found.verified else "flawed"
        return judged(trace, {"process": verdict}, {"process_acc": found.process_acc})
