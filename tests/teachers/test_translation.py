"""Asking for translations, and the scripted teacher's own: what it makes of them on request, and what the checks make of that."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.translations import FAULTS, REASONS, Mislabelled, Proof, planted, run, sources
from yisang.filters.document import Document, document
from yisang.filters.translation import ReadTranslation
from yisang.filters.translation import _options as options_of
from yisang.languages import load
from yisang.languages.masks import NOTE, restore
from yisang.records import Drop, Message, Prompt, Trace
from yisang.tasks.problems import Request, make_problems
from yisang.tasks.questions import make_questions
from yisang.teachers.engines.scripted import DECLINED, Scripted, revision
from yisang.teachers.engines.translating import TRANSLATION_FAULTS
from yisang.teachers.generation import Generation, Sampling
from yisang.teachers.prompts import MixedPrompt
from yisang.teachers.translation import TranslationPrompt

from .conftest import CC_BY

SAMPLING = Sampling(temperature=0.0, thinking=False)
TASKS = [problem.prompt("tasks") for problem in make_problems(Request("en", 2, 6), 3, 12)]
QUESTIONS = list(make_questions(3, 40))
ASKED = [question.prompt("en") for question in QUESTIONS]


def english(text: str, **fields: object) -> Prompt:
    return Prompt(id="p", text=text, language="en", licence=CC_BY, **fields)  # type: ignore[arg-type]


def said(engine: Scripted, prompt: Prompt, template: TranslationPrompt, sampling: Sampling = SAMPLING) -> Generation:
    return asyncio.run(engine.generate(template.messages(prompt), sampling, 0))


def inside(found: Generation) -> str:
    return found.text.removeprefix("<TRANSLATION>\n").removesuffix("\n</TRANSLATION>")


# What is asked


def test_the_instruction_is_that_of_the_language_file() -> None:
    plain = TranslationPrompt("ko").messages(english("What is the capital?"))
    assert plain == (Message("system", load("ko").prompt("translate").text), Message("user", "What is the capital?"))


def test_where_there_are_marks_a_note_says_what_they_are() -> None:
    system, user = TranslationPrompt("ko").messages(english("What is $x$?", options=("1", "2")))
    assert system.content == f"{load('ko').prompt('translate').text}\n\n{NOTE}"
    assert user.content == "What is ⟦1⟧?\n\n⟦2⟧ 1\n⟦3⟧ 2"


@pytest.mark.parametrize("placement", ["system", "first_turn", "prefix"])
def test_every_placement_is_understood(placement: str) -> None:
    template = TranslationPrompt("ko", placement)  # type: ignore[arg-type]
    for question, prompt in zip(QUESTIONS[:6], ASKED, strict=False):
        asked = document(prompt)
        found = inside(said(Scripted(revision="2"), prompt, template))
        assert restore(asked.body(found), asked.held) == question.text("ko")


def test_versions_and_identities_tell_settings_apart() -> None:
    templates = [
        TranslationPrompt(code, place) for code in ("ko", "ja") for place in ("system", "first_turn", "prefix")
    ]  # type: ignore[arg-type]
    assert len({template.version for template in templates}) == 6
    assert len({str(template.identity()) for template in templates}) == 6
    assert TranslationPrompt("ko").version == "ko-translate-1/system/marks-1"


# What the scripted teacher says


def test_it_translates_questions_from_revision_2_on() -> None:
    second, first = Scripted(revision="2"), Scripted()
    for question, prompt in zip(QUESTIONS, ASKED, strict=True):
        found = said(second, prompt, TranslationPrompt("ko"))
        trace = as_trace(prompt, found)
        child = ReadTranslation()(trace)
        assert isinstance(child, Prompt), child
        assert (child.text, child.options) == (question.text("ko"), question.options_in("ko"))
        assert said(first, prompt, TranslationPrompt("ko")).text == DECLINED


def test_what_revision_1_says_is_as_it_was() -> None:
    """Stored answers are found by the revision."""
    one, two = Scripted(), Scripted(revision="2")
    for prompt in TASKS:
        for mode in ("mixed", "translate", "english_only"):
            messages = MixedPrompt("ko", mode).messages(prompt)
            assert (
                asyncio.run(one.generate(messages, SAMPLING, 0)).text
                == asyncio.run(two.generate(messages, SAMPLING, 0)).text
            )
    assert revision() == "1"
    assert revision({"share": 0.1}, 3) == "1;share=0.1;seed=3"
    assert revision({"lost_option": 0.1}, 3) == "2;lost_option=0.1;seed=3"
    assert revision(number=2) == "2"
    faulty = Scripted(revision=revision({"wrong_value": 1.0}))
    for prompt in TASKS:
        messages = TranslationPrompt("ko").messages(prompt)
        assert (
            asyncio.run(faulty.generate(messages, SAMPLING, 0)).text
            == asyncio.run(one.generate(messages, SAMPLING, 0)).text
        )
        assert faulty.fault_of(messages, SAMPLING, 0) == ""


@pytest.mark.parametrize("fault", TRANSLATION_FAULTS)
def test_each_fault_changes_the_translation_or_has_no_place(fault: str) -> None:
    true, faulty = Scripted(revision="2"), Scripted(revision=revision({fault: 1.0}, 5))
    template, made = TranslationPrompt("ko"), 0
    for prompt in [*TASKS, *ASKED]:
        whole, other = said(true, prompt, template).text, said(faulty, prompt, template).text
        label = faulty.fault_of(template.messages(prompt), SAMPLING, 0)
        assert (label == fault) == (whole != other)
        made += label == fault
    assert made >= len(ASKED) // 4
    if fault in ("translated_latex", "lost_option"):
        assert not any(faulty.fault_of(template.messages(prompt), SAMPLING, 0) for prompt in TASKS)


def test_faults_are_seeded() -> None:
    shares = dict.fromkeys(TRANSLATION_FAULTS, 0.2)
    texts = [
        [said(Scripted(revision=revision(shares, seed)), prompt, TranslationPrompt("ko")).text for prompt in ASKED]
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]


# The proof; python -m bench.translations makes it with 5,000 translations in a whole run


def as_trace(prompt: Prompt, found: Generation) -> Trace:
    return Trace(
        id=f"{prompt.id}/0", prompt=prompt, sample=0, text=found.text, teacher="scripted", revision="2",
        finish_reason=found.finish_reason, licence=prompt.licence,
    )  # fmt: skip


def small(read: ReadTranslation, count: int = 400) -> Proof:
    """A fifth of the translations is faulty, in equal parts."""
    proof = Proof()
    for teacher, prompts in planted(count):
        engine = Scripted(revision=teacher.revision)
        for prompt in prompts:
            messages = TranslationPrompt("ko").messages(prompt)
            found = read(as_trace(prompt, asyncio.run(engine.generate(messages, SAMPLING, 0))))
            proof.add(engine.fault_of(messages, SAMPLING, 0), found.reason if isinstance(found, Drop) else "")
    return proof


def test_the_checks_find_the_planted_faults_and_nothing_else() -> None:
    proof = small(ReadTranslation())
    assert proof.total == 400
    assert all(0.02 < sum(proof.row(fault)) / proof.total < 0.09 for fault in FAULTS)
    for fault in (*FAULTS, ""):
        precision, recall = proof.scores(fault)
        assert (precision, recall) == (1.0, 1.0), (fault, proof.counts)


def nothing(*_: object) -> list[Drop]:
    return []


def missing_alone(asked: Document, said: str) -> list[Drop]:
    """A check of options that does not look whether something stands behind a label."""
    return [drop for drop in options_of(asked, said) if drop.evidence.get("missing")]


@pytest.mark.parametrize(
    ("fault", "blind"),
    [
        ("dropped_number", {"difference": nothing}),
        ("translated_latex", {"_marks": nothing, "_markup": nothing}),
        ("other_language", {"ReadTranslation._language": nothing, "ReadTranslation._task": nothing}),
        ("lost_option", {"_options": missing_alone}),
    ],
)
def test_checks_that_see_less_would_fail_the_proof(
    fault: str, blind: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wrong twins."""
    for name, check in blind.items():
        monkeypatch.setattr(f"yisang.filters.translation.{name}", check)
    assert small(ReadTranslation(), 200).scores(fault)[1] < 0.99


def test_what_became_of_a_translation_is_read_from_the_run(tmp_path: Path) -> None:
    proof = Proof()
    for name, source in sources(60).items():
        run(name, source, tmp_path, 1, proof)
    assert proof.total == 60
    assert sum(proof.row("")) > 4
    assert proof.scores("") == (1.0, 1.0)


@pytest.mark.parametrize("label", ["", "dropped_number"])
def test_a_teacher_that_lies_about_its_faults_proves_nothing(
    label: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scripted, "fault_of", lambda *_: label)
    with pytest.raises(Mislabelled, match=label or "no fault"):
        run("questions", sources(60)["questions"], tmp_path, 1, Proof())


def test_the_proof_fails_where_one_fault_is_missed_too_often() -> None:
    proof = Proof()
    for fault in FAULTS:
        for _ in range(50):
            proof.add(fault, REASONS[fault][0])
    assert proof.holds
    proof.add("lost_option", "")
    assert not proof.holds
    assert proof.scores("")[1] > 0.99


def test_every_fault_has_its_reasons() -> None:
    assert set(REASONS) == set(FAULTS) == set(TRANSLATION_FAULTS)
    assert max(Counter(reason for reasons in REASONS.values() for reason in reasons).values()) == 1
