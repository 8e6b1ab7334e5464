"""What `yisang plan` says of a run before, in the middle and after, without doing any of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recipes_for_tests.helpers import loaded
from stages.recipes.command import write_rows

from yisang.errors import UsageError
from yisang.filters.length import Length
from yisang.filters.licence import licence
from yisang.pipelines.curate import Corpus
from yisang.pipelines.phases import Setting
from yisang.pipelines.planning import plan_text, recipe_plan
from yisang.pipelines.recipe import Loaded, Recipe
from yisang.pipelines.run import run_recipe
from yisang.pipelines.stages.dedup import NearDuplicates
from yisang.pipelines.stages.teach import Teach, TeacherSetting
from yisang.pipelines.steps import Each
from yisang.records import Prompt
from yisang.sources import JsonLines
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt

ROWS = 8
SHORT = 2


def tidy(prompt: Prompt) -> Prompt:
    return prompt


class World:
    """A file of questions, and a place for runs of it."""

    def __init__(self, folder: Path):
        self.folder = folder
        texts = [f"질문 {number}: 어느 것이 옳은가 {number}" for number in range(ROWS - SHORT)] + ["아"] * SHORT
        self.rows = write_rows(folder / "rows.jsonl", texts)

    def recipe(self, low: int = 5, samples: int = 2, **sampling: Any) -> Loaded:
        return loaded(
            Recipe(
                name="planned",
                version="2",
                source=JsonLines(
                    paths=str(self.rows),
                    text="text",
                    language="ko",
                    name="rows",
                    licence=licence("CC0-1.0", "written for the tests", "2026-01-01"),
                ),
                steps=(
                    Each(tidy),
                    Each(Length(low, 99), name="length"),
                    NearDuplicates(threshold=0.9, name="near"),
                    Teach(
                        Teacher(engine="echo", model="echo", revision="1"),
                        MixedPrompt("ko", "mixed"),
                        Sampling(**{"temperature": 0.6, **sampling}),
                        samples=samples,
                        name="teach",
                    ),
                ),
                sink=Corpus("Planned", "ko"),
            )
        )

    def plan(self, recipe: Loaded, out: str = "out", limit: int | None = None) -> dict[str, Any]:
        before = self.files()
        address = str(self.folder / out) if out else ""
        found = recipe_plan(recipe, setting=Setting(address, str(self.folder / "answers")), limit=limit, strict=False)
        assert self.files() == before
        assert isinstance(plan_text(found), str)
        json.dumps(found)
        return found

    def run(self, recipe: Loaded, out: str = "out", **teacher: Any) -> None:
        setting = Setting(
            out=str(self.folder / out), answers=str(self.folder / "answers"), teacher=TeacherSetting(**teacher)
        )
        run_recipe(recipe, setting)

    def files(self) -> set[Path]:
        return set(self.folder.rglob("*"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def states(plan: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(phase["name"][3:].rsplit("-", 1)[0], phase["done"]) for phase in plan["phases"]]


def counts(plan: dict[str, Any]) -> tuple[Any, ...]:
    (teaching,) = (phase["teaching"] for phase in plan["phases"] if "teaching" in phase)
    return tuple(teaching[name] for name in ("requests", "answered", "to_ask"))


PHASES = ["source", "length", "near.signatures", "near.clusters", "near", "teach"]


def test_before_a_run_all_is_to_do_and_the_prompts_are_not_known(world: World) -> None:
    for out in ("out", ""):
        found = world.plan(world.recipe(), out)
        assert states(found) == [(name, False) for name in PHASES]
        assert counts(found) == (None, None, None)
    text = plan_text(found)
    assert text.count("[to do]") == len(PHASES)
    assert "requests: known when the steps before have run into --out" in text


def test_it_shows_inputs_steps_and_their_constants(world: World) -> None:
    found = world.plan(world.recipe(temperature=0.7))
    (item,) = found["inputs"]
    assert (item["source"], item["path"], item["size"]) == ("rows", str(world.rows), world.rows.stat().st_size)
    text = plan_text(found)
    assert text.startswith("planned 2: ")
    assert f"input rows: {world.rows} ({world.rows.stat().st_size:,} bytes)" in text
    for words in ("tidy", "length: filters.length.Length(low=5, high=99)", "threshold=0.9", "permutations=128"):
        assert words in text
    assert "teacher echo at 1, 2 answer(s) to each prompt" in text
    teaching = found["phases"][-1]["teaching"]
    assert (teaching["model"], teaching["revision"], teaching["samples"]) == ("echo", "1", 2)
    assert teaching["sampling"]["temperature"] == 0.7


def test_after_a_run_all_is_done_and_nothing_is_to_ask(world: World) -> None:
    world.run(world.recipe())
    found = world.plan(world.recipe())
    assert states(found) == [(name, True) for name in PHASES]
    kept = ROWS - SHORT
    assert counts(found) == (2 * kept, 2 * kept, 0)
    assert [phase["rows"] for phase in found["phases"] if phase["stored"]] == [ROWS, kept, kept, 2 * kept]
    text = plan_text(found)
    assert "[to do]" not in text
    assert f"[done, {2 * kept} records]" in text
    assert f"{2 * kept} requests: {2 * kept} answered in the store, 0 to ask" in text


@pytest.mark.parametrize(
    ("change", "done", "asked"),
    [
        # Signatures do not depend on what is asked: all before the teacher stands.
        (lambda world: world.recipe(temperature=0.9), 5, (12, 0, 12)),
        (lambda world: world.recipe(samples=3), 5, (18, 12, 6)),
        (lambda world: world.recipe(low=6), 1, (None, None, None)),
    ],
    ids=["sampling", "samples", "an earlier step"],
)
def test_a_change_shows_what_stays_done_and_what_it_will_ask(
    world: World, change: Callable[[World], Loaded], done: int, asked: tuple[Any, ...]
) -> None:
    world.run(world.recipe())
    found = world.plan(change(world))
    assert states(found) == [(name, number < done) for number, name in enumerate(PHASES)]
    assert counts(found) == asked


def test_answers_of_other_runs_are_counted(world: World) -> None:
    world.run(world.recipe(samples=1), out="other")
    world.run(world.recipe(samples=3, temperature=0.9))
    assert counts(world.plan(world.recipe(samples=3))) == (18, 6, 12)


def test_a_changed_input_is_planned_as_one(world: World) -> None:
    world.run(world.recipe())
    write_rows(world.rows, ["질문 하나만 남았습니다"])
    assert not any(done for _, done in states(world.plan(world.recipe())))


def test_a_limit_is_another_run(world: World) -> None:
    world.run(world.recipe())
    assert not any(done for _, done in states(world.plan(world.recipe(), limit=3)))
    assert all(done for _, done in states(world.plan(world.recipe())))
    with pytest.raises(UsageError, match="--limit is 0; it must be at least 1"):
        world.plan(world.recipe(), limit=0)


def test_a_missing_input_is_refused(world: World) -> None:
    recipe = world.recipe()
    world.rows.unlink()
    with pytest.raises(UsageError, match=r"nothing at .*rows\.jsonl"):
        world.plan(recipe)
