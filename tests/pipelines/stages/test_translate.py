"""Translating through whole runs: what is asked, what passes, what is dropped and why, and the same on every engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from recipes_for_tests.helpers import (
    Given,
    check_balance,
    kept_records,
    left_behind,
    loaded,
    prompt,
    recipe,
    run_command,
    run_here,
    until,
)
from stages.recipes.command import (
    RECIPES,
    Running,
    at,
    distinct,
    looks_finished,
    serving,
    succeeds,
    teachers,
    write_rows,
)
from stages.recipes.translating import FAULTS, TERMS

from yisang.cli import main
from yisang.errors import UsageError
from yisang.filters.translation import TranslationBounds
from yisang.pipelines.books import Books
from yisang.pipelines.phases import Setting
from yisang.pipelines.pilot import pilot_recipe
from yisang.pipelines.planning import plan_text, recipe_plan
from yisang.pipelines.recipe import load
from yisang.pipelines.report import rejected
from yisang.pipelines.run import run_recipe
from yisang.pipelines.stages.translate import GREEDY, Translate
from yisang.records import Message, Page, Prompt, strictest
from yisang.tasks.problems import Request, make_problems
from yisang.tasks.questions import make_question
from yisang.teachers.engines.base import TeacherRejected
from yisang.teachers.engines.scripted import Scripted, revision
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.translation import TranslationPrompt

RECIPE = RECIPES / "translating.py"
TRUE = Teacher(engine="scripted", model="scripted", revision="2")
STAGE = Translate(TRUE, name="translate")


def kept(out: Path) -> list[Prompt]:
    return [msgspec.json.decode(record, type=Prompt) for record in kept_records(out)]


def books(out: Path) -> Books:
    found = msgspec.json.decode((out / "books.json").read_bytes(), type=Books)
    check_balance(found)
    return found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that reach the teacher."""
    seen: list[str] = []
    whole = Scripted.generate

    async def counting(self: Scripted, messages: Any, sampling: Any, sample: int) -> Any:
        seen.append(messages[-1].content)
        return await whole(self, messages, sampling, sample)

    monkeypatch.setattr(Scripted, "generate", counting)
    return seen


# What becomes of a prompt


def test_a_translated_prompt_takes_the_place_of_its_parent(tmp_path: Path) -> None:
    questions = [make_question(1, index) for index in range(12)]
    parents = [question.prompt("en") for question in questions]
    result = run_here(recipe(Given(tuple(parents)), STAGE), tmp_path / "run")
    assert result.step("translate") == {
        "name": "translate", "in": 12, "born": 0, "kept": 12, "dropped": {}, "dead": 0, "dropped_by_category": {}, "dropped_by_licence": {},
    }  # fmt: skip
    for question, parent in zip(questions, parents, strict=True):
        (child,) = (child for child in result.kept if isinstance(child, Prompt) and child.parents == (parent.id,))
        assert child.text == question.text("ko")
        assert child.options == question.options_in("ko")
        assert (child.language, child.gold, child.kind) == ("ko", parent.gold, parent.kind)
        assert child.measures["translated_by"] == "scripted at 2"
        assert child.measures["translation_prompt"] == TranslationPrompt("ko").version


@pytest.mark.parametrize("faults", [{}, {"other_language": 1.0}])
def test_a_prompt_may_stay_beside_its_translation_whatever_becomes_of_that(
    tmp_path: Path, faults: dict[str, float]
) -> None:
    parents = [problem.prompt("t") for problem in make_problems(Request("en"), 1, 5)]
    korean = prompt("한국어", language="ko")
    teacher = Teacher(engine="scripted", model="scripted", revision=revision(faults, 1, number=2))
    stage = Translate(teacher, beside=True, name="translate")
    result = run_here(recipe(Given((*parents, korean)), stage), tmp_path / "run")
    step = result.step("translate")
    assert (step["in"], step["born"], step["dead"]) == (6, 5, 0)
    assert {record.id: record for record in parents}.items() <= {record.id: record for record in result.kept}.items()
    children = [record for record in result.kept if isinstance(record, Prompt) and record.parents]
    assert (len(children), sum(step["dropped"].values())) == ((0, 5) if faults else (5, 0))


def test_prompts_in_other_languages_pass_as_they_are_and_are_not_asked(tmp_path: Path, asked: list[str]) -> None:
    english = [problem.prompt("t") for problem in make_problems(Request("en"), 1, 3)]
    others = [prompt("한국어", language="ko"), prompt("日本語", language="ja")]
    result = run_here(recipe(Given((others[0], *english, others[1])), STAGE), tmp_path / "run")
    assert {record.id: record for record in others}.items() <= {record.id: record for record in result.kept}.items()
    assert sorted(asked) == sorted(item.text for item in english)
    assert result.step("translate")["kept"] == 5


def test_what_may_not_be_changed_is_dropped_and_not_asked(tmp_path: Path, asked: list[str]) -> None:
    terms = msgspec.structs.replace(TERMS, id="CC-BY-ND-4.0", derive=False)
    free, closed = (problem.prompt("t") for problem in make_problems(Request("en"), 1, 2))
    closed = msgspec.structs.replace(closed, licence=terms)
    korean = prompt("그대로 남는 글", language="ko", licence=terms)
    result = run_here(recipe(Given((free, closed, korean)), STAGE), tmp_path / "run")
    assert asked == [free.text]
    (drop,) = result.drops
    assert (drop["id"], drop["reason"]) == (closed.id, "no_derivatives")
    assert json.loads(drop["evidence"]) == {"licence": "CC-BY-ND-4.0", "evidence": TERMS.evidence}
    assert korean in result.kept  # nothing of it is changed


def test_what_may_not_be_changed_stays_alone_where_prompts_stay_beside(tmp_path: Path, asked: list[str]) -> None:
    terms = msgspec.structs.replace(TERMS, id="CC-BY-ND-4.0", derive=False)
    free, closed = (problem.prompt("t") for problem in make_problems(Request("en"), 1, 2))
    closed = msgspec.structs.replace(closed, licence=terms)
    result = run_here(recipe(Given((free, closed)), Translate(TRUE, beside=True, name="translate")), tmp_path / "run")
    assert asked == [free.text]
    (child,) = (record for record in result.kept if record not in (free, closed))
    assert isinstance(child, Prompt)
    assert child.parents == (free.id,)
    step = result.step("translate")
    assert (step["in"], step["born"], step["kept"], step["dropped"]) == (2, 1, 3, {})


def test_what_was_masked_before_the_translation_is_still_known_behind_it(tmp_path: Path) -> None:
    (parent,) = (problem.prompt("t") for problem in make_problems(Request("en"), 1, 1))
    parent = msgspec.structs.replace(parent, measures={"pii_masked": 2, "length": 90})
    (child,) = run_here(recipe(Given((parent,)), STAGE), tmp_path / "run").kept
    assert child.measures["pii_masked"] == 2
    assert "length" not in child.measures


def test_a_child_is_bound_by_its_parent_s_licence_and_by_the_teacher_s_terms(tmp_path: Path) -> None:
    parent = next(make_problems(Request("en"), 1, 1)).prompt("t")
    bound = Translate(msgspec.structs.replace(TRUE, licence=TERMS), name="translate")
    (child,) = run_here(recipe(Given((parent,)), bound), tmp_path / "bound").kept
    assert child.licence == strictest([parent.licence, TERMS])
    assert (child.licence.id, child.licence.letter) == ("CC0-1.0 AND Teacher-terms", "B")
    (free,) = run_here(recipe(Given((parent,)), STAGE), tmp_path / "free").kept
    assert free.licence == parent.licence


def test_a_drop_holds_what_the_teacher_said(tmp_path: Path) -> None:
    faulty = Translate(
        Teacher(engine="scripted", model="scripted", revision=revision({"dropped_number": 1.0})), name="translate"
    )
    parent = next(make_problems(Request("en"), 1, 1)).prompt("t")
    result = run_here(recipe(Given((parent,)), faulty), tmp_path / "run")
    (drop,) = result.drops
    assert (drop["kind"], drop["reason"]) == ("trace", "numbers_differ")
    record = json.loads(drop["record"])
    assert record["prompt"]["id"] == parent.id
    assert record["text"].startswith("<TRANSLATION>")
    assert result.step("translate")["dropped"] == {"numbers_differ": 1}


def test_a_prompt_that_the_teacher_rejects_and_a_check_that_fails_are_dead_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Scripted.generate

    async def refusing(self: Scripted, messages: Any, sampling: Any, sample: int) -> Any:
        if messages[-1].content.startswith("not this"):
            raise TeacherRejected("it is against the rules")
        return await whole(self, messages, sampling, sample)

    monkeypatch.setattr(Scripted, "generate", refusing)
    good, other = (problem.prompt("t") for problem in make_problems(Request("en"), 1, 2))
    broken = msgspec.structs.replace(other, graph={**(other.graph or {}), "nodes": 3})
    result = run_here(recipe(Given((good, broken, prompt("not this one"))), STAGE), tmp_path / "run")
    assert [record.parents for record in result.kept if isinstance(record, Prompt)] == [(good.id,)]
    letters = {letter["error"]: letter for letter in result.dead}
    assert set(letters) == {"TeacherRejected", "BadGraph"}
    assert "it is against the rules" in letters["TeacherRejected"]["message"]
    assert result.step("translate")["dead"] == 2


def test_more_attempts_are_asked_for_until_one_passes(tmp_path: Path, asked: list[str]) -> None:
    faulty = Teacher(engine="scripted", model="scripted", revision=revision({"dropped_number": 0.5}, 3))
    stage = Translate(faulty, Sampling(temperature=0.7, thinking=False), attempts=6, name="translate")
    parents = tuple(problem.prompt("t") for problem in make_problems(Request("en"), 1, 12))
    result = run_here(recipe(Given(parents), stage), tmp_path / "run")
    step = result.step("translate")
    failed = Counter(drop["id"].partition("/")[0] for drop in result.drops)
    kept_once = Counter(record.parents[0] for record in result.kept if isinstance(record, Prompt))
    # Each goes on until one passes, six times at most.
    assert all(kept_once[parent.id] == (failed[parent.id] < 6) for parent in parents)
    assert step["kept"] == kept_once.total() > 8
    assert step["dropped"] == {"numbers_differ": failed.total()}
    assert len(asked) == kept_once.total() + failed.total() == 12 + step["born"] > 15
    with pytest.raises(UsageError, match="6 attempts at temperature 0"):
        Translate(faulty, attempts=6)


# Every engine


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reference") / "run"
    code, said = run_command(RECIPE, out, "here")
    assert code == 0, said
    return out


def test_the_recipe_has_every_end(reference: Path) -> None:
    (step,) = (step for step in books(reference).steps if step.name == "translate")
    assert (step.taken, step.born, step.dead) == (280, 0, 0)
    assert set(step.dropped) >= {"numbers_differ", "marks_differ", "options_lost", "left_in_source", "other_language"}
    languages = [child.measures.get("origin") for child in kept(reference)]
    assert languages.count(None) == 20
    assert languages.count("translated") == step.kept - 20
    assert {child.licence.letter for child in kept(reference) if child.parents} == {"B"}


@pytest.mark.parametrize(("on", "workers"), [("local", 1), ("local", 2), ("beam", 1)], ids=str)
def test_every_engine_gives_the_same(tmp_path: Path, reference: Path, on: str, workers: int) -> None:
    out = tmp_path / "run"
    code, said = run_command(RECIPE, out, on, workers)
    assert code == 0, said
    assert (out / "books.json").read_bytes() == (reference / "books.json").read_bytes()
    assert kept_records(out) == kept_records(reference)
    assert left_behind(out) == left_behind(reference)


# The answer store

FEW = {"tasks": 10, "questions": 30, "korean": 4}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YISANG_TEST_TRANSLATING", json.dumps(FEW))


@pytest.mark.usefixtures("few")
def test_plan_pilot_and_run_ask_for_each_once(tmp_path: Path, asked: list[str]) -> None:
    write_rows(tmp_path / "closed.jsonl", [f"A text of {number} words that may not be changed" for number in range(5)])
    what, setting = load(str(RECIPE), str(tmp_path / "closed.jsonl")), Setting(str(tmp_path / "run"))
    _, tried = pilot_recipe(what, setting, 10)
    assert (tried["prompts"], tried["asked"], tried["failed"]) == (10, 10, 0)
    plan = recipe_plan(what, setting=setting, limit=None, strict=False)
    (teaching,) = (phase["teaching"] for phase in plan["phases"] if "teaching" in phase)
    # Neither the Korean prompts nor those that may not be changed.
    assert (teaching["requests"], teaching["answered"], teaching["to_ask"]) == (40, 10, 30)
    text = " ".join(plan_text(plan).split())
    for words in ("source=en", "target=ko", "share=0.5", "shortest=0.2", "longest=1.0", "teacher scripted at 2;"):
        assert words in text
    run_recipe(what, setting)
    assert len(asked) == len(set(asked)) == 40
    run_recipe(
        load(str(RECIPE), str(tmp_path / "closed.jsonl")), Setting(str(tmp_path / "again"), str(tmp_path / "answers"))
    )
    assert len(asked) == 40
    assert kept_records(tmp_path / "again") == kept_records(tmp_path / "run")
    assert rejected(str(tmp_path / "run"), "drops", 999)
    (step,) = (step for step in books(tmp_path / "run").steps if step.name == "translate")
    assert step.dropped["no_derivatives"] == 5


def by_scripted(handler: Any, body: dict[str, Any]) -> None:
    """An endpoint that says what the scripted teacher says."""
    messages = [Message(message["role"], message["content"]) for message in body["messages"]]
    engine = Scripted(revision=revision(FAULTS, 1))
    found = asyncio.run(engine.generate(messages, GREEDY, 0))
    handler.send(200, json.dumps(teachers.completion(found.text, finish=found.finish_reason)).encode())


IN_FLIGHT = 2


def test_a_killed_run_pays_for_no_answer_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YISANG_TEST_TRANSLATING", json.dumps(FEW))
    assert run_command(RECIPE, tmp_path / "other" / "whole", "here")[0] == 0  # with a store of its own
    with serving() as server, contextlib.ExitStack() as ends:
        arguments = ("run", RECIPE, "--out", "out", *at(server.url), "--concurrency", IN_FLIGHT)
        gone, running = threading.Event(), []
        ends.callback(gone.set)

        def killing(handler: Any, body: dict[str, Any]) -> None:
            if len(server.requests) == 20:
                os.kill(running[0].process.pid, signal.SIGKILL)
            if len(server.requests) >= 20:
                gone.wait()
            by_scripted(handler, body)

        server.otherwise = killing
        running.append(ends.enter_context(Running(arguments, tmp_path)))
        assert running[0].wait().code == -signal.SIGKILL
        until(lambda: not running[0].alive(), "the workers of a killed command end with it", 15)
        assert not looks_finished(tmp_path / "out")
        gone.set()
        until(lambda: not server.now, "the server is at rest")
        server.otherwise = by_scripted
        succeeds(*arguments, folder=tmp_path)
        assert distinct(server) == 40
        assert len(server.requests) <= 40 + IN_FLIGHT
    assert kept_records(tmp_path / "out") == kept_records(tmp_path / "other" / "whole")


# Settings


def test_a_changed_bound_asks_nothing_again_and_a_changed_target_does(tmp_path: Path, asked: list[str]) -> None:
    parents = tuple(problem.prompt("t") for problem in make_problems(Request("en"), 1, 4))

    def run(**changes: Any) -> list[str]:
        stage = Translate(TRUE, name="translate", **changes)
        out = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        run_recipe(loaded(recipe(Given(parents), stage)), Setting(str(out), str(tmp_path / "answers")))
        return [record.text for record in kept(out)]

    first = run()
    assert len(asked) == 4
    assert len(first) == 4
    assert run(bounds=TranslationBounds(longest=0.3)) == []
    assert len(asked) == 4
    assert len(run(target="ja")) == 4
    assert len(asked) == 8
    assert len(run(sampling=Sampling(temperature=0.7))) == 4
    assert len(asked) == 12


def test_a_stage_that_cannot_be_is_refused_when_the_recipe_is_made() -> None:
    with pytest.raises(UsageError, match="into itself"):
        Translate(TRUE, source="ko", target="ko")
    with pytest.raises(UsageError, match="no language 'xx'"):
        Translate(TRUE, target="xx")
    with pytest.raises(UsageError, match="placement is 'footer'"):
        Translate(TRUE, placement="footer")  # type: ignore[arg-type]


def test_a_page_is_refused_with_the_step_that_is_missing(tmp_path: Path) -> None:
    page = Page(id="p", url="https://a.example", licence=TERMS)
    with pytest.raises(UsageError, match="Step translate was given a page"):
        run_here(recipe(Given((page,)), STAGE), tmp_path / "run")


def test_the_command_shows_the_drops(few: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(RECIPE), "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    assert main(["show", str(tmp_path / "run"), "--drops", "3", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["step"] for row in rows} == {"translate"}
    assert all(isinstance(row["evidence"], dict | str) for row in rows)
