"""The scripted teacher answers the exam pool: right by the facts, in the form that is asked for, and declines what is not clear."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from yisang.filters.cot import AnswerLanguage, Finish, Structure, ThinkShare
from yisang.filters.directives import ShowOptions, StyleDirective
from yisang.filters.exams import Exclusions, lender, merged
from yisang.filters.grade import Grade, ProveGold
from yisang.filters.options import sort_of
from yisang.filters.refusal import Refusal
from yisang.filters.repetition import Repetition
from yisang.filters.unfinished import Unfinished
from yisang.grading import GradeSettings
from yisang.records import Prompt, Trace
from yisang.sources import Exams
from yisang.sources.exam_traps import KINDS
from yisang.tasks.draw import Draw
from yisang.tasks.exam_facts import pools
from yisang.tasks.problems import Request, make_problems
from yisang.tasks.questions import make_questions
from yisang.teachers.engines.scripted import DECLINED, FAULTS, Scripted, revision
from yisang.teachers.generation import Generation, Sampling
from yisang.teachers.prompts import MixedPrompt

SAMPLING = Sampling()
BY = GradeSettings(fallback=("marker",))
"""A fixed line has no box."""
THIRD = revision(number=3)


def pool(count: int, language: str = "ko", seed: int = 7, traps: int = 0) -> list[Prompt]:
    source = Exams(items=count, seed=seed, language=language, traps=traps)
    return [item for shard in source.shards() for item in source.read(shard) if isinstance(item, Prompt)]


def grown(prompts: list[Prompt]) -> list[Prompt]:
    """Every second question with options of others, to five up to ten in all, where it may have some."""
    rules = {code: Exclusions(code, gold_form="label") for code in pools()}
    sorts = {prompt.id: sort_of(prompt.options) for prompt in prompts}
    found = []
    for number, prompt in enumerate(prompts):
        if number % 2 and rules[prompt.language].why_not_merged(prompt) is None:
            near = Draw("lenders", number).shuffled(prompts)
            fit = [one for one in near if one is not prompt and sorts[one.id] == sorts[prompt.id]]
            free = [one for one in fit[:8] if rules[one.language].why_not_merged(one, lending=True) is None]
            lenders = [lender(one, "label") for one in free]
            prompt = merged(prompt, lenders, most=5 + number // 2 % 6, gold_form="label") or prompt
        found.append(prompt)
    return found


def shown(prompts: list[Prompt], directives: float = 0.6) -> list[Prompt]:
    """As a teacher gets them."""
    return [StyleDirective(one.language, share=directives)(ShowOptions()(one)) for one in prompts]


def answer(
    prompt: Prompt,
    template: MixedPrompt,
    engine: Scripted | None = None,
    sample: int = 0,
    sampling: Sampling = SAMPLING,
) -> Generation:
    return asyncio.run((engine or Scripted(revision=THIRD)).generate(template.messages(prompt), sampling, sample))


def as_trace(prompt: Prompt, found: Generation) -> Trace:
    return Trace(
        id=prompt.id + "/0", prompt=prompt, sample=0, text=found.text, think=found.think, answer=found.answer,
        teacher="scripted", revision=THIRD, finish_reason=found.finish_reason, usage=found.usage.reported(),
    )  # fmt: skip


def checks(language: str) -> list[Callable[[Trace], Trace]]:
    return [
        Finish(),
        Structure(),
        ThinkShare(language, 0.05, 0.20),
        AnswerLanguage(language),
        Unfinished(language),
        Refusal(language),
        Repetition(),
        Grade(language, BY),
    ]


def verdicts(prompt: Prompt, found: Generation) -> dict[str, str]:
    trace = as_trace(prompt, found)
    for check in checks(prompt.language):
        trace = check(trace)
    return {name: verdict for name, verdict in trace.verdicts.items() if name != "grade_reason"}


GOOD = {
    "finish": "stop", "structure": "one", "think_share": "in_band", "answer_language": "target", "unfinished": "none", "refusal": "none",
    "repetition": "none", "grade": "correct",
}  # fmt: skip


@pytest.mark.parametrize("language", pools())
@pytest.mark.parametrize("placement", ["system", "first_turn", "prefix"])
@pytest.mark.parametrize("mode", ["mixed", "short"])
def test_every_answer_is_right_and_passes_the_checks(language: str, placement: Any, mode: str) -> None:
    asked = shown(grown(pool(400, language)))
    sizes = Counter(len(prompt.options) for prompt in asked)
    assert set(sizes) == set(range(4, 11))
    assert 100 < sum(bool(prompt.measures["directive"]) for prompt in asked) < 300
    template = MixedPrompt(language, mode, placement)
    for prompt in asked:
        assert verdicts(prompt, answer(prompt, template)) == GOOD, prompt


@pytest.mark.parametrize("language", pools())
def test_many_plain_and_merged_questions_are_answered_right(language: str) -> None:
    """Without directives, so that the settings of the grader are the usual ones."""
    asked = shown(grown(pool(1_000, language, seed=3)), directives=0)
    grade, band = Grade(language), ThinkShare(language)
    for prompt in asked:
        trace = band(grade(as_trace(prompt, answer(prompt, MixedPrompt(language)))))
        assert (trace.verdicts["grade"], trace.verdicts["think_share"]) == ("correct", "in_band"), prompt
        # The wrong twin: under another gold the same answer is not right.
        moved = msgspec.structs.replace(prompt, gold=str(int(prompt.gold or "") % len(prompt.options) + 1))
        assert grade(msgspec.structs.replace(trace, prompt=moved)).verdicts["grade"] != "correct"


@pytest.mark.parametrize("language", pools())
def test_an_answer_ends_as_its_directive_asks(language: str) -> None:
    ends = Counter()
    for prompt in shown(pool(200, language)):
        found = answer(prompt, MixedPrompt(language)).answer or ""
        form = prompt.measures["directive_answer"]
        if form:
            assert found.rpartition("\n")[2] == str(form).replace("{n}", prompt.gold or "")
        else:
            assert f"\\boxed{{{prompt.gold}}}" in found.rpartition("\n")[2]
        ends[prompt.measures["directive_form"], prompt.measures["directive_place"]] += 1
    assert len(ends) == 5  # box and line, before and behind, and none
    assert min(ends.values()) > 5


def test_a_directive_may_stand_between_a_question_and_its_options() -> None:
    for prompt in pool(50):
        between = ShowOptions()(StyleDirective("ko", share=1.0)(prompt))
        found = verdicts(between, answer(between, MixedPrompt("ko")))
        assert found == GOOD, between.text


@pytest.mark.parametrize("language", pools())
def test_thoughts_are_in_the_language_that_is_asked_for(language: str) -> None:
    letters = Counter()
    for prompt in shown(grown(pool(200, language))):
        for mode in ("mixed", "short", "target_only", "english_only"):
            found = answer(prompt, MixedPrompt(language, mode))
            trace = ThinkShare(language)(as_trace(prompt, found))
            share = trace.measures["think_target_share"]
            assert isinstance(share, float)
            low, high = {"target_only": (0.5, 1.0), "english_only": (0.0, 0.0)}.get(mode, (0.05, 0.20))
            assert low <= share <= high, found.text
            assert verdicts(prompt, found) | {"think_share": ""} == GOOD | {"think_share": ""}
            if "." in str(prompt.measures["family"]):  # whose options there is something to say about
                letters[mode] += len(found.think or "")
    assert letters["short"] < 0.75 * letters["mixed"]


def test_without_thinking_there_is_the_answer_alone() -> None:
    (prompt,) = shown(pool(1), directives=0)
    found = answer(prompt, MixedPrompt("ko"), sampling=Sampling(thinking=False))
    assert found.think is None
    assert found.text == answer(prompt, MixedPrompt("ko")).answer


# What it declines


def declined(found: Generation) -> bool:
    return (found.finish_reason, found.text) == ("declined", DECLINED)


@pytest.mark.parametrize("number", [1, 2])
def test_before_revision_3_it_declines_them(number: int) -> None:
    engine = Scripted(revision=revision(number=number))
    assert all(declined(answer(prompt, MixedPrompt("ko"), engine)) for prompt in shown(grown(pool(60))))


def test_a_trap_that_its_words_give_away_is_declined() -> None:
    asked = ("negation", "all_or_none", "refers_to_others", "statements", "equal", "near", "labelled_options", "options_in_text")  # fmt: skip
    planted = iter(pool(0, traps=8))
    for kind, (size, _) in KINDS.items():
        for _ in range(8):
            first, *_ = [next(planted) for _ in range(size)]
            found = answer(ShowOptions()(first), MixedPrompt("ko"))
            assert declined(found) == (kind in asked), (kind, first)


def test_where_none_or_two_are_right_it_declines() -> None:
    for prompt in shown(pool(60), directives=0):
        place = int(prompt.gold or "") - 1
        lines = prompt.text.split("\n")
        right = lines[2 + place]
        none = msgspec.structs.replace(prompt, text="\n".join(line for line in lines if line != right))
        assert declined(answer(none, MixedPrompt("ko")))
        # Still numbered from one, so that the lines alone give nothing away.
        renamed = [*lines[: 2 + place], f"{place + 1}. 없는 말", *lines[3 + place :]]
        assert declined(answer(msgspec.structs.replace(prompt, text="\n".join(renamed)), MixedPrompt("ko")))
        twice = "\n".join([*lines, f"{len(prompt.options) + 1}. {right.partition('. ')[2]}"])
        assert declined(answer(msgspec.structs.replace(prompt, text=twice), MixedPrompt("ko")))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("1. ", "1) "),
        lambda text: text.replace("\n2. ", "\n3. "),
        lambda text: text.replace("\n\n", "\n"),
        lambda text: text + "\n\n다시 말해 주세요.",
        lambda text: "다음 문제를 푸시오. " + text,
        lambda text: text.partition("\n")[0],
    ],
)
def test_a_text_that_is_shaped_otherwise_is_declined(change: Callable[[str], str]) -> None:
    for prompt in shown(pool(20), directives=0):
        changed = msgspec.structs.replace(prompt, text=change(prompt.text))
        assert declined(answer(changed, MixedPrompt("ko")))


def test_it_answers_in_the_language_of_the_question_alone() -> None:
    (prompt,) = shown(pool(1), directives=0)
    assert declined(answer(prompt, MixedPrompt("en", "target_only")))
    assert declined(answer(prompt, MixedPrompt("ko", "translate")))


# What stays as it was


def test_tasks_and_translations_are_answered_as_by_earlier_revisions() -> None:
    first, second, third = (Scripted(revision=revision(number=number)) for number in (1, 2, 3))
    for problem in make_problems(Request("ko", 2, 8, direction="both"), 5, 30):
        prompt = problem.prompt("tasks")
        for mode in ("mixed", "target_only", "english_only", "short", "translate"):
            texts = {answer(prompt, MixedPrompt("ko", mode), engine).text for engine in (first, second, third)}
            assert len(texts) == 1
    for question in make_questions(3, 60):
        prompt = question.prompt("en")
        for mode in ("mixed", "translate"):
            texts = {answer(prompt, MixedPrompt("ko", mode), engine).text for engine in (second, third)}
            assert len(texts) == 1


# Faults


Fires = Callable[[dict[str, str]], bool]
CHECKS: dict[str, tuple[Fires, tuple[str, ...]]] = {
    "finish is length": (lambda verdicts: verdicts["finish"] == "length", ("truncated", "looping")),
    "several think blocks": (lambda verdicts: verdicts["structure"] == "several", ("two_thinks",)),
    "repeats itself": (lambda verdicts: verdicts["repetition"] != "none", ("looping",)),
    "answer in another language": (lambda verdicts: verdicts["answer_language"] == "other", ("wrong_language",)),
    "grade is wrong": (lambda verdicts: verdicts["grade"] == "wrong", ("wrong_value",)),
    "share out of band": (lambda verdicts: verdicts["think_share"] in ("low", "high"), ("share",)),
}
"""When a check fires, and the faults that it is for."""


@pytest.mark.parametrize("language", pools())
def test_every_planted_fault_is_found_by_its_check_and_nothing_else_is(language: str) -> None:
    engine = Scripted(revision=revision(dict.fromkeys(FAULTS, 0.1), 5, number=3))
    template, labels = MixedPrompt(language), Counter[str]()
    wrong: list[tuple[str, str, str]] = []
    # As in a recipe: where a number among the options reads as the number of another one, nobody can tell which is meant.
    proved = [one for one in shown(grown(pool(400, language, seed=2))) if ProveGold(language, BY)(one) is one]
    for prompt in proved:
        messages = template.messages(prompt)
        for sample in range(5):
            found = verdicts(prompt, answer(prompt, template, engine, sample))
            fault = engine.fault_of(messages, SAMPLING, sample)
            labels[fault] += 1
            for name, (fires, meant) in CHECKS.items():
                cut = found["finish"] == "length" and not {"truncated", "looping"} & set(meant)
                if not cut and fires(found) != (fault in meant):
                    wrong.append((name, fault, prompt.text))
            assert fault or found == GOOD
    assert not wrong
    assert set(labels) == {"", *FAULTS} - {"missing_step"}  # which is no fault of these answers, and so no label
    assert min(labels.values()) > 150
