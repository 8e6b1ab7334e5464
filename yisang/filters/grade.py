"""Checks of a trace against what is known: its prompt's gold, and the solution graph of a worded task."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from yisang.errors import YisangError
from yisang.filters.cot import judged
from yisang.filters.options import alike, gold_place
from yisang.grading import DEFAULTS, GradeSettings, check_gold, grade
from yisang.grading.choices import choice
from yisang.grading.plain import plain
from yisang.grading.words import words
from yisang.languages import load
from yisang.languages.boxes import boxes
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
        return {"language": self.language, "settings": asdict(self.settings), "words": words_of(self.language)}

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
        return {
            "language": self.language,
            "settings": asdict(self.settings),
            "open": self.open,
            "words": words_of(self.language),
        }

    def __call__(self, prompt: Prompt) -> Prompt | Drop:
        if self.open and prompt.gold is None and prompt.kind != "code":
            return prompt
        found = check_gold(prompt, self.settings)
        if found.verdict == "infra_error":
            raise GraderFailed(f"The gold of {prompt.id} could not be graded: {found.reason}")
        return prompt if found.verdict == "correct" else Drop(f"gold_{found.verdict}", {"reason": found.reason})


@dataclass(frozen=True)
class ProveGold:
    r"""Drops multiple-choice questions whose gold is not proved, as `gold_unproved`; other kinds pass through.

    Proved means: no other option says the same (`filters.options.alike`); and to the grader, an answer that states the gold is `correct` and one that states any other option is `wrong`, each
    stated by its number in a box; by its text, where that cannot be read as a label; and in the form that the question's directive
    asks for, where it has one (`filters.directives`; that of a line needs the fallback "marker").

    language: as in `Grade`. settings: those that the answers will be graded by.
    """

    language: str
    settings: GradeSettings = DEFAULTS

    def identity(self) -> dict[str, Any]:
        return {"language": self.language, "settings": asdict(self.settings), "words": words_of(self.language)}

    def __call__(self, prompt: Prompt) -> Prompt | Drop:
        if prompt.kind != "mcq":
            return prompt
        place = gold_place(prompt, self.settings.gold_form)
        if isinstance(place, str):
            return Drop("gold_unproved", {"why": place, "gold": prompt.gold})
        for number, option in enumerate(prompt.options):
            if number != place and alike(option, prompt.options[place], prompt.language) == "same":
                return Drop("gold_unproved", {"why": "equal_options", "gold": prompt.options[place], "other": option})
            expected = "correct" if number == place else "wrong"
            for stated in self._stated(prompt, number, option):
                found = grade(prompt, stated, self.settings)
                if found.verdict == "infra_error":
                    raise GraderFailed(f"The gold of {prompt.id} could not be graded: {found.reason}")
                if found.verdict != expected:
                    evidence = {
                        "stated": stated,
                        "expected": expected,
                        "verdict": found.verdict,
                        "reason": found.reason,
                    }
                    return Drop("gold_unproved", evidence)
        return prompt

    def _stated(self, prompt: Prompt, number: int, option: str) -> list[str]:
        """The ways to state an option."""
        ways = [f"\\boxed{{{number + 1}}}"]
        if form := prompt.measures.get("directive_answer"):
            ways.append(str(form).replace("{n}", str(number + 1)))
        # An option that reads as a label (7, B) names another option when it is all that is said.
        boxed = f"\\boxed{{{option}}}"
        if boxes(boxed) == [option] and not choice(plain(option), prompt.options, words(prompt.language)).labels:
            ways.append(boxed)
        return ways


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
