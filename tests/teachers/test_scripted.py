"""The scripted teacher: true solutions, declared faults, and what the checks of a trace make of them."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from yisang.errors import UsageError
from yisang.filters.cot import AnswerLanguage, Finish, Structure, ThinkShare, TokenLimit
from yisang.filters.grade import Grade, VerifyTask
from yisang.filters.repetition import Repetition
from yisang.languages import load
from yisang.records import Message, Prompt, Trace
from yisang.tasks.addition import make_sum, verify_sum
from yisang.tasks.problems import Problem, Request, make_problems
from yisang.tasks.verify import verify_response
from yisang.tasks.wording import parse
from yisang.teachers.engines import open_engine
from yisang.teachers.engines.scripted import DECLINED, FAULTS, Scripted, revision
from yisang.teachers.generation import Generation, Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt

SAMPLING = Sampling()


def answer(
    engine: Scripted, prompt: Prompt, template: MixedPrompt, sample: int = 0, sampling: Sampling = SAMPLING
) -> Generation:
    return asyncio.run(engine.generate(template.messages(prompt), sampling, sample))


def problems(count: int = 20, **changes: Any) -> list[Problem]:
    return list(make_problems(Request(**{"low": 3, "high": 8, "direction": "both", **changes}), 31, count))


@pytest.mark.parametrize("placement", ["system", "first_turn", "prefix"])
@pytest.mark.parametrize("mode", ["mixed", "target_only", "english_only"])
def test_it_solves_tasks_in_the_mode_that_the_prompt_asks_for(placement: Any, mode: str) -> None:
    engine, template = Scripted(), MixedPrompt("ko", mode, placement)
    for problem in problems():
        found = answer(engine, problem.prompt("tasks"), template)
        assert (found.structure, found.finish_reason) == ("one", "stop")
        assert verify_response(problem.graph, found.text, "ko", problem.context).verified
        trace = as_trace(problem.prompt("tasks"), found)
        share = ThinkShare("ko")(trace).measures["think_target_share"]
        assert isinstance(share, float)
        low, high = {"mixed": (0.05, 0.20), "target_only": (0.5, 1), "english_only": (0, 0)}[mode]
        assert low <= share <= high
        assert AnswerLanguage("ko")(trace).verdicts["answer_language"] == "target"


def test_narrow_tasks_are_restated_and_resolved() -> None:
    for problem in problems(preset="narrow", direction="forward"):
        found = answer(Scripted(), problem.prompt("tasks"), MixedPrompt())
        assert found.text == problem.trace


def test_an_english_question_may_be_thought_about_in_another_language() -> None:
    for problem in problems(language="en"):
        found = answer(Scripted(), problem.prompt("tasks"), MixedPrompt("ko", "target_only"))
        assert verify_response(problem.graph, found.text, "ko", problem.context).verified
        assert not re.search("[a-z]{2}", (found.think or "").replace("x", ""))


def test_it_translates_tasks() -> None:
    for target in ("ko", "en", "ja"):
        for source in ("ko", "en", "ja"):
            for problem in problems(5, language=source):
                found = answer(Scripted(), problem.prompt("tasks"), MixedPrompt(target, "translate"))
                inside = re.fullmatch(r"<TRANSLATION>\n(.*)\n</TRANSLATION>", found.text, re.DOTALL)
                assert inside is not None
                assert parse(inside[1], target, problem.context).graph == problem.graph


def test_it_adds_long_numbers() -> None:
    for language in ("ko", "en", "ja"):
        for index in range(20):
            item = make_sum(language, 1, 9, 1, index)
            assert answer(Scripted(), item.prompt("sums"), MixedPrompt(language, "target_only")).text == item.trace
    faulty = Scripted(revision=revision({"wrong_value": 0.5, "missing_step": 0.5}))
    for index in range(20):
        item = make_sum("ko", 3, 9, 1, index)
        found = verify_sum(item.a, item.b, item.digits, answer(faulty, item.prompt("sums"), MixedPrompt("ko")).text)
        assert found.process_acc < 1


@pytest.mark.parametrize("text", ["하늘은 왜 푸른가?", "곰은 3마리이다.", "2 + 2 = ?", ""])
def test_it_declines_what_is_no_task(text: str) -> None:
    found = asyncio.run(Scripted().generate((Message("user", text),), SAMPLING, 0))
    assert (found.finish_reason, found.text) == ("declined", DECLINED)


def test_a_token_limit_cuts_and_is_a_finish_reason() -> None:
    [problem] = problems(1)
    found = answer(Scripted(), problem.prompt("tasks"), MixedPrompt(), sampling=Sampling(max_tokens=7))
    assert found.finish_reason == "length"
    assert found.usage.completion_tokens == 7
    whole = answer(Scripted(), problem.prompt("tasks"), MixedPrompt())
    assert whole.text.startswith(found.text)


def test_without_thinking_there_is_no_think_block() -> None:
    [problem] = problems(1)
    found = answer(Scripted(), problem.prompt("tasks"), MixedPrompt(), sampling=Sampling(thinking=False))
    assert found.text == f"답은 \\boxed{{{problem.answer}}}입니다."


def test_the_same_request_gives_the_same_answer_and_another_seed_other_faults() -> None:
    faults = dict.fromkeys(FAULTS, 0.1)
    first, again, other = (Scripted(revision=revision(faults, seed)) for seed in (1, 1, 2))
    texts = [
        [answer(engine, p.prompt("tasks"), MixedPrompt(), n).text for p in problems(10) for n in range(3)]
        for engine in (first, again, other)
    ]
    assert texts[0] == texts[1] != texts[2]
    assert (
        first.revision
        == "1;looping=0.1;missing_step=0.1;share=0.1;truncated=0.1;two_thinks=0.1;wrong_language=0.1;wrong_value=0.1;seed=1"
    )


@pytest.mark.parametrize(
    "name",
    [
        "4",
        "1;lost_option=0.1",
        "2;lost_option=0.6;dropped_number=0.6",
        "1;wrong=0.1",
        "1;share=1.5",
        "1;share=x",
        "1;share=0.6;looping=0.6",
        "1;seed=x",
        "",
    ],
)
def test_a_revision_that_cannot_be_read_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        Scripted(revision=name)


def test_it_stands_in_for_no_model() -> None:
    with pytest.raises(UsageError, match="cannot stand in for Qwen3-32B"):
        open_engine(Teacher(engine="scripted", model="Qwen3-32B", revision="1"))


# What the checks make of it


def as_trace(prompt: Prompt, found: Generation) -> Trace:
    return Trace(
        id=prompt.id + "/0", prompt=prompt, sample=0, text=found.text, think=found.think, answer=found.answer,
        teacher="scripted", revision="1", finish_reason=found.finish_reason, usage=found.usage.reported(),
    )  # fmt: skip


Fires = Callable[[dict[str, str]], bool]
CHECKS: dict[str, tuple[Fires, tuple[str, ...]]] = {
    "finish is length": (lambda verdicts: verdicts["finish"] == "length", ("truncated", "looping")),
    "several think blocks": (lambda verdicts: verdicts["structure"] == "several", ("two_thinks",)),
    "unclosed, of looping": (lambda verdicts: verdicts["structure"] == "unclosed", ("looping", "truncated")),
    "repeats itself": (lambda verdicts: verdicts["repetition"] != "none", ("looping",)),
    "answer in another language": (lambda verdicts: verdicts["answer_language"] == "other", ("wrong_language",)),
    "grade is wrong": (lambda verdicts: verdicts["grade"] == "wrong", ("wrong_value",)),
    "process is flawed": (lambda verdicts: verdicts["process"] == "flawed", ("wrong_value", "missing_step")),
    "share out of band": (lambda verdicts: verdicts["think_share"] in ("low", "high"), ("share",)),
}
"""When a check fires, and the faults that it is for."""
STRUCTURAL = {
    "finish is length", "several think blocks", "repeats itself", "answer in another language", "grade is wrong", "process is flawed",
}  # fmt: skip
COUNT = 20_000


def test_precision_and_recall_of_every_check(capsys: pytest.CaptureFixture[str]) -> None:
    """20,000 answers with 10 % of each fault. A fault that cuts an answer off is judged by its finish reason alone."""
    engine = Scripted(revision=revision(dict.fromkeys(FAULTS, 0.1), 5))
    template, samples = MixedPrompt(), 20
    checks = (
        Structure(),
        ThinkShare("ko"),
        AnswerLanguage("ko"),
        Finish(),
        TokenLimit(16384),
        Repetition(),
        Grade("ko"),
        VerifyTask(),
    )
    fired: dict[str, Counter[tuple[bool, bool]]] = {name: Counter() for name in CHECKS}
    labels: Counter[str] = Counter()

    async def ask() -> None:
        for problem in make_problems(Request("ko", 2, 10, direction="both"), 41, COUNT // samples):
            prompt = problem.prompt("tasks")
            messages = template.messages(prompt)
            for sample in range(samples):
                trace = as_trace(prompt, await engine.generate(messages, SAMPLING, sample))
                for check in checks:
                    trace = check(trace)
                fault = engine.fault_of(messages, SAMPLING, sample)
                labels[fault] += 1
                assert trace.verdicts["tokens"] == "within"
                cut = trace.finish_reason == "length"
                for name, (fires, meant) in CHECKS.items():
                    if not cut or {"truncated", "looping"} & set(meant):
                        fired[name][fires(trace.verdicts), fault in meant] += 1

    asyncio.run(ask())
    rows = []
    scores = {}
    for name, counts in fired.items():
        hits = counts[True, True]
        precision, recall = hits / (hits + counts[True, False]), hits / (hits + counts[False, True])
        scores[name] = precision, recall
        rows.append(
            f"{name:28} precision {precision:.4f}  recall {recall:.4f}  ({hits} of {hits + counts[False, True]})"
        )
    with capsys.disabled():
        print(f"\n{COUNT:,} scripted answers, 10 % of each of {len(FAULTS)} faults", *rows, sep="\n")
    assert sum(labels.values()) == COUNT
    assert all(abs(labels[fault] / COUNT - 0.1) < 0.01 for fault in FAULTS)
    for name in STRUCTURAL:
        assert scores[name] == (1.0, 1.0), name
    # A truncation may hit the answer, after the block has closed.
    assert scores["unclosed, of looping"][0] == 1.0
    assert scores["unclosed, of looping"][1] > 0.9
    assert min(scores["share out of band"]) > 0.98


def test_every_language_has_the_modes_of_the_others() -> None:
    for code in ("ko", "ja"):
        assert {"mixed", "target_only", "english_only", "translate"} <= set(load(code).prompts)
    assert {"target_only", "english_only", "translate"} <= set(load("en").prompts)
