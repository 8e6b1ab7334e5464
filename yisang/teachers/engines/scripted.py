"""A teacher without a model that knows the answers: it solves worded tasks (yisang.tasks) from their graphs.

It finds a task by its text, writes the gold trace in the mode that the prompt asks for, translates tasks, and declines
whatever is no task (finish reason "declined"). On request it makes faults, seeded and labelled, so that every check
behind it can be measured. From revision 2 on it also translates the questions of `yisang.tasks.questions`, whose formulas stand behind
marks, and may make faults of translation. From revision 3 on it answers the questions of our own exam pool (`yisang.sources.Exams`) too.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import msgspec

from yisang.errors import UsageError
from yisang.languages import codes, load
from yisang.languages.masks import NOTE
from yisang.records import Message
from yisang.tasks import phrases
from yisang.tasks.addition import Sum, recognise_sum
from yisang.tasks.contexts import context as load_context
from yisang.tasks.contexts import digest_of_words
from yisang.tasks.draw import Draw
from yisang.tasks.exam_traces import Mode as ExamMode
from yisang.tasks.graph import BadGraph, Graph
from yisang.tasks.traces import Mode, response, style_of, think_and_answer
from yisang.tasks.wording import Parsed, grammar, recognise
from yisang.teachers.engines.base import EngineBase, TeacherRejected, begun
from yisang.teachers.engines.examining import Exam, exam
from yisang.teachers.engines.translating import TRANSLATION_FAULTS, with_fault
from yisang.teachers.generation import Generation, Sampling, Usage, generation

FAULTS = ("truncated", "looping", "wrong_language", "share", "wrong_value", "missing_step", "two_thinks")
"""truncated      cut off within the thoughts or the answer; finish reason "length"
looping        a sentence of the thoughts again and again until the limit; finish reason "length"
wrong_language the answer in English (in Korean where English is asked for)
share          thoughts in one language, so that the share of the target language is out of its band
wrong_value    a constant is misread, and all that follows, the answer too, is wrong; of an exam question a wrong option is taken for right
missing_step   one step of the thoughts is left out; the answer is right. Of an exam question none is
two_thinks     a second think block behind the first"""

DECLINED = "This question is no task with a known solution, so the scripted teacher declines it."
_LOOPS = 60
_MIXED = ("mixed", "short")


def revision(faults: Mapping[str, float] | None = None, seed: int = 0, number: int = 1) -> str:
    """The revision of a scripted teacher with these shares of faults: another one gives other answers.

    number: 2 for one that translates questions too; so it is where a fault of translation is named. 3 for one that answers questions of
    the exam pool too, which the others decline.
    """
    shares = "".join(f";{name}={share:g}" for name, share in sorted((faults or {}).items()))
    number = max(number, 2) if set(faults or ()) & set(TRANSLATION_FAULTS) else number
    return f"{number}{shares}" + (f";seed={seed}" if faults else "")


class Scripted(EngineBase):
    """Deterministic: the same request gives the same answer everywhere.

    The revision says which faults it makes (`revision`), because answers are known by it. A token is a piece of text
    between blanks; max_tokens cuts there.
    """

    concurrency = 8

    def __init__(self, model: str = "scripted", revision: str = "1"):
        if model != "scripted":
            raise UsageError(
                f"The engine scripted cannot stand in for {model}: its answers would be stored, and found again, as that "
                'model\'s. Declare Teacher(engine="scripted", model="scripted", revision="1") in the recipe to try it.'
            )
        super().__init__(model, revision)
        self.number, shares, self.seed = _faults(revision)
        self.faults = {name: share for name, share in shares.items() if name in FAULTS}
        self.translation_faults = {name: share for name, share in shares.items() if name in TRANSLATION_FAULTS}
        self.languages = tuple(code for code in codes() if load(code).tasks)
        self._prompts = [(code, mode, prompt.text) for code in codes() for mode, prompt in load(code).prompts.items()]
        self._words = digest_of_words()

    def __repr__(self) -> str:
        return f"Scripted({self.model!r}, {self.revision!r})"

    async def generate(self, messages: Sequence[Message], sampling: Sampling, sample: int) -> Generation:
        if begun(messages)[1]:
            return await self._go_on(messages, sampling, sample)
        asked = self._asked(messages)
        task = self._task(asked)
        target = asked.language or (task.language if task else "")
        if asked.mode == "translate":
            said, _ = self._translation(messages, asked, task, sampling, sample)
            if said is not None:
                return self._generation(messages, f"<TRANSLATION>\n{said}\n</TRANSLATION>", sampling, "stop")
        if task is None or not _speaks(task, target):
            return self._generation(messages, DECLINED, sampling, "declined")
        known = get_args(ExamMode if isinstance(task, Exam) else Mode)
        mode = asked.mode if asked.mode in known and not (asked.mode in _MIXED and target == "en") else ""
        fault = self.fault_of(messages, sampling, sample)
        draw = Draw("scripted", self._request(messages, sampling, sample))
        text, reason = _answer(task, target, mode or _default(target), fault, draw)
        if not sampling.thinking:
            text = text.rpartition("</think>")[2].strip()
        return self._generation(messages, text, sampling, reason)

    async def _go_on(self, messages: Sequence[Message], sampling: Sampling, sample: int) -> Generation:
        """What is still to say behind a beginning of the answer: its rest, or the answer where thinking was closed early."""
        question, beginning = begun(messages)
        whole = (await self.generate(question, msgspec.structs.replace(sampling, max_tokens=2**31), sample)).text
        if whole.startswith(beginning):
            rest = whole.removeprefix(beginning)
        elif beginning.rstrip().endswith("</think>"):
            rest = whole.rpartition("</think>")[2].strip()
        else:
            raise TeacherRejected(
                "The scripted teacher would not have begun its answer like this, so it cannot go on from there."
            )
        return self._generation(messages, rest, sampling, "stop")

    def fault_of(self, messages: Sequence[Message], sampling: Sampling, sample: int) -> str:
        """The label of the fault that the answer to this request has, "" for none."""
        asked = self._asked(messages)
        if asked.mode == "translate":
            return self._translation(messages, asked, self._task(asked), sampling, sample)[1]
        fault = self._drawn(self.faults, messages, sampling, sample)
        return "" if fault == "missing_step" and isinstance(self._task(asked), Exam) else fault

    def _task(self, asked: _Asked) -> Parsed | Sum | Exam | None:
        # A question is looked up first: that takes a thirtieth of the time in which it is seen to be no task.
        if self.number > 1 and asked.mode == "translate" and phrases.translated(asked.question, asked.language):
            return None
        # Before it is looked for among tasks, for the same reason.
        if self.number > 2 and asked.mode != "translate" and (found := exam(asked.question, self.languages)):
            return found
        return _recognised(asked.question, self.languages, self._words)

    def _drawn(self, faults: Mapping[str, float], messages: Sequence[Message], sampling: Sampling, sample: int) -> str:
        place = Draw("fault", self.seed, self._request(messages, sampling, sample)).share()
        for name, share in faults.items():
            place -= share
            if place < 0:
                return name
        return ""

    def _translation(
        self,
        messages: Sequence[Message],
        asked: _Asked,
        task: Parsed | Sum | Exam | None,
        sampling: Sampling,
        sample: int,
    ) -> tuple[str | None, str]:
        """(the translation, the label of its fault); None for what it cannot translate."""

        def into(language: str) -> str | None:
            if task is not None and not isinstance(task, Exam):
                return _translated(task, language) if _speaks(task, language) else None
            return phrases.translated(asked.question, language) if self.number > 1 else None

        said = into(asked.language)
        fault = self._drawn(self.translation_faults, messages, sampling, sample) if said is not None else ""
        if said is None or not fault:
            return said, ""
        draw = Draw("translation", self._request(messages, sampling, sample))
        texts = [into(code) for code in self.languages if code != asked.language]
        others = [text for text in texts if text and text != asked.question]
        faulty = with_fault(fault, asked.question, said, draw.one(others) if others else "", draw)
        return (said, "") if faulty is None else (faulty, fault)

    def _request(self, messages: Sequence[Message], sampling: Sampling, sample: int) -> str:
        body = json.dumps(self.body(messages, sampling, sample), sort_keys=True).encode()
        return hashlib.sha256(body + sample.to_bytes(8, "big")).hexdigest()

    def _asked(self, messages: Sequence[Message]) -> _Asked:
        """What the prompt's instruction, which is one of a language file, asks for, and the question without it."""
        question = messages[-1].content
        for code, mode, text in self._prompts:
            if any(message.content.startswith(text) for message in messages):
                return _Asked(question.removeprefix(text).strip().removeprefix(NOTE).strip(), code, mode)
        return _Asked(question.strip(), "", "")

    def _generation(self, messages: Sequence[Message], text: str, sampling: Sampling, reason: str) -> Generation:
        whole = text.split(" ")
        kept = whole[: sampling.max_tokens]
        asked = sum(len(message.content.split(" ")) for message in messages)
        return generation(
            " ".join(kept),
            finish_reason=reason if len(kept) == len(whole) else "length",
            usage=Usage(prompt_tokens=asked, completion_tokens=len(kept)),
        )


@functools.lru_cache(maxsize=4096)  # the samples of a prompt stand together
def _recognised(question: str, languages: tuple[str, ...], digest: str) -> Parsed | Sum | None:
    return recognise(question, languages) or recognise_sum(question, languages)


def _speaks(task: Parsed | Sum | Exam, language: str) -> bool:
    """Whether the task can be said in a language. An exam question is answered in its own."""
    if isinstance(task, Exam):
        return task.language == language
    return isinstance(task, Sum) or language in load_context(task.context).languages


def _translated(task: Parsed | Sum, language: str) -> str:
    return replace(task, language=language).question if isinstance(task, Sum) else task.translated(language)


@dataclass(frozen=True)
class _Asked:
    question: str
    language: str
    mode: str


def _default(language: str) -> Mode:
    return "target_only" if language == "en" else "mixed"


def _faults(text: str) -> tuple[int, dict[str, float], int]:
    """The number, the shares of faults and the seed that a revision names."""
    number, *parts = text.split(";")
    both = FAULTS + TRANSLATION_FAULTS
    known = {"1": FAULTS, "2": both, "3": both}.get(number, ())
    named = dict(part.partition("=")[::2] for part in parts)
    try:
        seed = int(named.pop("seed", "0"))
        shares = {name: float(named[name]) for name in known if name in named}
    except ValueError as error:
        raise UsageError(f"The revision {text!r} of the scripted teacher cannot be read: {error}.") from error
    kinds = [[share for name, share in shares.items() if name in kind] for kind in (FAULTS, TRANSLATION_FAULTS)]
    good = all(0 <= share <= 1 for share in shares.values()) and all(sum(kind) <= 1 for kind in kinds)
    if not known or set(named) - set(known) or not good:
        raise UsageError(
            f"The revision {text!r} of the scripted teacher cannot be read. It is 1, then shares of faults that sum to at "
            f"most 1, then a seed: 1;wrong_value=0.1;seed=7. The faults are {', '.join(FAULTS)}; revision 2 has "
            f"{', '.join(TRANSLATION_FAULTS)} in translations too, and revision 3 answers the questions of the exam pool."
        )
    return int(number), shares, seed


def _answer(task: Parsed | Sum | Exam, language: str, mode: str, fault: str, draw: Draw) -> tuple[str, str]:
    """(text, finish reason) of the answer with one fault, or none."""
    if fault == "share":
        mode = draw.one(("target_only", "english_only")) if mode in _MIXED else _other_mode(language, mode)
    result = str(task.place + 1 if isinstance(task, Exam) else _result(task))
    if isinstance(task, Exam):
        place = task.another(draw) if fault == "wrong_value" else task.place
        think, answer = task.written(next(known for known in get_args(ExamMode) if known == mode), place)
    elif isinstance(task, Sum):
        think, answer = _sum_written(replace(task, language=language), fault, draw)
    else:
        graph = _misread(task.graph, draw) if fault == "wrong_value" else task.graph
        leave_out = draw.one([node.name for node in graph.needed]) if fault == "missing_step" else ""
        think, answer = _written(graph, language, task.context, mode, leave_out)
    if fault == "wrong_language":
        other = grammar("en" if language != "en" else "ko")
        answer = other.fill(other.trace["answer"], n=result)
    if fault == "two_thinks":
        return f"{response(think, '')}<think>\n{think}\n</think>\n\n{answer}", "stop"
    if fault == "looping":
        words = think.split(" ")
        place = draw.between(1, max(1, len(words) - 1))
        looped = " ".join(words[max(0, place - 12) : place])
        return f"<think>\n{' '.join(words[:place])} " + " ".join([looped] * _LOOPS), "length"
    text = response(think, answer)
    if fault == "truncated":
        words = text.split(" ")
        return " ".join(words[: draw.between(1, max(1, len(words) - 1))]), "length"
    return text, "stop"


def _result(task: Parsed | Sum) -> int:
    return task.a + task.b if isinstance(task, Sum) else task.graph.answer


def _sum_written(item: Sum, fault: str, draw: Draw) -> tuple[str, str]:
    if fault == "wrong_value":
        item = replace(item, a=item.a + 1)
    return item.written(draw.below(item.digits) if fault == "missing_step" else -1)


def _other_mode(language: str, mode: str) -> str:
    return "english_only" if mode == "target_only" and language != "en" else "target_only"


def _written(graph: Graph, language: str, context: str, mode: str, leave_out: str) -> tuple[str, str]:
    chosen: Mode = next(known for known in get_args(Mode) if known == mode)
    return think_and_answer(graph, language, context, chosen, style_of(graph), leave_out)


def _misread(graph: Graph, draw: Draw) -> Graph:
    """The graph with one constant of the solution read wrongly, so that its answer is another whole number."""
    for node in draw.shuffled([node for node in graph.needed if node.constant is not None]):
        for slip in draw.shuffled((-2, -1, 1, 2)):
            constant = (node.constant or 0) + slip
            if constant < (2 if node.factor == "times" else 1):
                continue
            changed = replace(node, constant=constant)
            wrong = Graph.of([changed if other is node else other for other in graph.nodes], graph.query, graph.given)
            try:
                if wrong.answer != graph.answer and min(wrong.values.values()) >= 0:
                    return wrong
            except BadGraph:  # a reverse problem that has no whole solution any more
                continue
    if graph.given is not None:
        name, value = graph.given
        step = abs(graph.linear[name].times)
        return Graph.of(graph.nodes, graph.query, (name, value + step))
    raise BadGraph("No constant of this task can be misread.")
