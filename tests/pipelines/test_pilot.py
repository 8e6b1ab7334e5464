"""A pilot: what teaching will cost, from some of the prompts, and nothing of it paid for again."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from recipes_for_tests.helpers import loaded

from yisang.cli import main
from yisang.errors import UsageError, YisangError
from yisang.filters.cot import Structure
from yisang.filters.keep import Keep
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.curate import Corpus
from yisang.pipelines.phases import Setting
from yisang.pipelines.pilot import Rates, estimate, pilot_lines, pilot_recipe
from yisang.pipelines.planning import recipe_plan
from yisang.pipelines.recipe import Loaded, Recipe
from yisang.pipelines.run import open_run, run_recipe
from yisang.pipelines.stages.teach import Teach
from yisang.pipelines.steps import Each
from yisang.records import Prompt
from yisang.sources.tasks import Tasks
from yisang.teachers.engines.scripted import Scripted, revision
from yisang.teachers.generation import Sampling, Teacher, Usage
from yisang.teachers.prompts import MixedPrompt
from yisang.teachers.strategies import Once, Retry

PROBLEMS = 120


def same(prompt: Prompt) -> Prompt:
    return prompt


def recipe(strategy: Any = Once(), samples: int = 1, faults: dict[str, float] | None = None) -> Loaded:
    return loaded(
        Recipe(
            "tried",
            "1",
            Tasks(PROBLEMS, 3, "ko", ops=(1, 4), preset="narrow"),
            (
                Each(same),
                Teach(
                    Teacher(engine="scripted", model="scripted", revision=revision(faults, 1)),
                    MixedPrompt(),
                    Sampling(max_tokens=512),
                    samples,
                    strategy=strategy,
                    name="teach",
                ),
            ),
            Corpus("Tried", "ko"),
        )
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions that reach the teacher."""
    seen: list[str] = []
    whole = Scripted.generate

    async def counting(self: Scripted, messages: Any, sampling: Any, sample: int) -> Any:
        seen.append(messages[-1].content)
        return await whole(self, messages, sampling, sample)

    monkeypatch.setattr(Scripted, "generate", counting)
    return seen


def pilot(out: Path, prompts: int = 30, what: Loaded | None = None) -> dict[str, Any]:
    return pilot_recipe(what or recipe(), Setting(str(out)), prompts)[1]


def to_ask(out: Path, what: Loaded | None = None) -> int:
    plan = recipe_plan(what or recipe(), setting=Setting(str(out)), limit=None, strict=False)
    (found,) = (phase["teaching"]["to_ask"] for phase in plan["phases"] if "teaching" in phase)
    return int(found)


def test_its_answers_are_kept_and_a_run_asks_only_for_the_others(tmp_path: Path, asked: list[str]) -> None:
    tried = pilot(tmp_path / "run")
    assert (tried["prompts"], tried["answers"], tried["asked"], tried["failed"]) == (30, 30, 30, 0)
    assert len(asked) == 30
    assert to_ask(tmp_path / "run") == PROBLEMS - 30
    run_recipe(recipe(), Setting(str(tmp_path / "run")))
    assert len(asked) == len(set(asked)) == PROBLEMS


def test_a_second_pilot_asks_nothing_and_finds_the_same(tmp_path: Path, asked: list[str]) -> None:
    first, second = pilot(tmp_path / "run"), pilot(tmp_path / "run")
    assert len(asked) == 30
    assert second["from_the_store"] == 30
    assert second["completion_tokens"] == first["completion_tokens"]
    assert second["tokens_per_second"] is None
    assert any("hours unknown" in line for line in pilot_lines(second, estimate(second, 240, Rates())))


def test_a_larger_pilot_holds_the_smaller_one(tmp_path: Path, asked: list[str]) -> None:
    pilot(tmp_path / "run", 20)
    assert pilot(tmp_path / "run", 60)["from_the_store"] == 20
    assert len(asked) == 60


def test_its_prompts_are_drawn_among_all_and_not_the_first(tmp_path: Path, asked: list[str]) -> None:
    pilot(tmp_path / "run", 60)
    source = Tasks(PROBLEMS, 3, "ko", ops=(1, 4), preset="narrow")
    in_order = [item.text for shard in source.shards() for item in source.read(shard) if isinstance(item, Prompt)]
    places = sorted(in_order.index(question) for question in asked)
    assert places[-1] > PROBLEMS * 0.8
    assert sum(place < PROBLEMS / 2 for place in places) in range(15, 46)


def test_the_estimate_holds_what_the_run_then_takes(tmp_path: Path) -> None:
    out = tmp_path / "run"
    tried = pilot(out, 60)
    found = estimate(tried, to_ask(out), Rates(price=(1.0, 2.0)))
    run_recipe(recipe(), Setting(str(out)))
    folder, manifest = open_run(str(out))
    counts = [trace.usage["completion_tokens"] for trace in Boundary(folder, manifest.sink).all_records()]
    assert len(counts) == PROBLEMS
    assert found["low"] < sum(counts) * 60 / 120 < found["high"]


def test_what_it_says_is_arithmetic() -> None:
    tried = {
        "prompts": 4, "answers": 4, "asked": 4, "from_the_store": 0, "failed": 0, "without_usage": 0, "finish_reasons": {"stop": 4},
        "completion_tokens": {"mean": 500.0, "error": 10.0, "p50": 400, "p90": 900},
        "prompt_tokens": {"mean": 100.0, "error": 1.0, "p50": 100, "p90": 100},
        "tokens_per_second": 1000.0,
    }  # fmt: skip
    found = estimate(tried, 7200, Rates(price=(0.5, 2.0)))
    assert (found["completion_tokens"], found["prompt_tokens"]) == (3_600_000, 720_000)
    assert (found["low"], found["high"]) == (3_600_000 - 1.96 * 72_000, 3_600_000 + 1.96 * 72_000)
    assert (found["hours"], found["gpu_hours"]) == (1.0, None)
    assert found["cost"] == pytest.approx(0.72 * 0.5 + 3.6 * 2)
    faster = estimate(tried, 7200, Rates(gpus=4, tokens_per_second=500.0))
    assert (faster["hours"], faster["gpu_hours"], faster["cost"]) == (0.5, 2.0, None)


def test_all_attempts_of_a_question_count(tmp_path: Path, asked: list[str]) -> None:
    until = (Structure(), Keep(verdicts={"structure": ("one",)}))
    what = recipe(Retry(until, attempts=3), samples=2, faults={"two_thinks": 0.5})
    tried = pilot(tmp_path / "run", 40, what)
    assert tried["asked"] > 80
    assert tried["answers"] == tried["asked"]
    once = pilot(tmp_path / "once", 40, recipe(samples=2, faults={"two_thinks": 0.5}))
    assert tried["completion_tokens"]["mean"] > 1.2 * once["completion_tokens"]["mean"]


def test_an_endpoint_that_counts_no_tokens_gets_no_estimate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Scripted._generation

    def silent(self: Scripted, *arguments: Any) -> Any:
        return msgspec.structs.replace(whole(self, *arguments), usage=Usage())

    monkeypatch.setattr(Scripted, "_generation", silent)
    tried = pilot(tmp_path / "run")
    assert (tried["without_usage"], tried["completion_tokens"]) == (30, None)
    with pytest.raises(YisangError, match="does not report its tokens"):
        estimate(tried, 10, Rates())


def test_one_answer_has_no_interval(tmp_path: Path) -> None:
    found = estimate(pilot(tmp_path / "run", 1), 100, Rates())
    assert (found["low"], found["high"]) == (None, None)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("out", "prompts", "says"),
    [("", 5, "name a folder"), ("run", 0, "at least 1"), ("other", 5, "finished run of tried 1")],
)
def test_a_pilot_that_cannot_be_is_refused(tmp_path: Path, out: str, prompts: int, says: str) -> None:
    if out == "other":
        run_recipe(recipe(), Setting(str(tmp_path / "other"), str(tmp_path / "answers")))
        what = loaded(Recipe("tried", "1", Tasks(5, 4, "ko"), recipe().recipe.steps, Corpus("Tried", "ko")))
        with pytest.raises(UsageError, match=says):
            pilot_recipe(what, Setting(str(tmp_path / "other"), str(tmp_path / "answers")), prompts)
        open_run(str(tmp_path / "other"))
        return
    with pytest.raises(UsageError, match=says):
        pilot_recipe(recipe(), Setting(str(tmp_path / out) if out else ""), prompts)


def test_a_recipe_without_a_teacher_is_refused(tmp_path: Path) -> None:
    what = loaded(Recipe("plain", "1", Tasks(5, 3, "ko"), (Each(same),), Corpus("Plain", "ko")))
    with pytest.raises(UsageError, match="asks no teacher"):
        pilot(tmp_path / "run", 5, what)


def test_the_command_tells_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["plan", "verified_tasks", "--limit", "400", "--out", str(tmp_path / "run"), "--pilot", "30"]
    assert main([*given, "--price", "0.1,0.4", "--gpus", "2", "--tokens-per-second", "100"]) == 0
    said = capsys.readouterr().out
    for words in ("pilot: 30 prompts, 30 answers", "p50", "p90", "GPU hours", "to ask: cost "):
        assert words in said
    assert main([*given, "--json"]) == 0
    (found,) = [p["teaching"] for p in json.loads(capsys.readouterr().out)["phases"] if "teaching" in p]
    assert found["pilot"]["from_the_store"] == 30
    assert found["estimate"]["answers"] == found["to_ask"] == found["requests"] - 30
    assert math.isclose(
        found["estimate"]["completion_tokens"], found["to_ask"] * found["pilot"]["completion_tokens"]["mean"]
    )


@pytest.mark.parametrize("price", ["1", "a,b", "1,2,3", "-1,2", "nan,1"])
def test_a_price_that_is_none_is_refused(tmp_path: Path, price: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["plan", "verified_tasks", "--out", str(tmp_path / "run"), "--pilot", "1", f"--price={price}"])
    assert code == 2
    assert "is no price" in capsys.readouterr().err


def test_gpus_without_a_rate_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "verified_tasks", "--out", str(tmp_path / "run"), "--pilot", "1", "--gpus", "4"]) == 2
    assert "--gpus needs --tokens-per-second" in capsys.readouterr().err


def test_a_prompt_that_no_template_takes_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = MixedPrompt.messages

    def messages(self: MixedPrompt, prompt: Prompt) -> Any:
        if "곰" in prompt.text:
            raise ValueError("not this one")
        return whole(self, prompt)

    monkeypatch.setattr(MixedPrompt, "messages", messages)
    tried = pilot(tmp_path / "run")
    assert tried["failed"] > 0
    assert to_ask(tmp_path / "run") + tried["answers"] < PROBLEMS


def test_a_price_without_a_pilot_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "verified_tasks", "--price", "1,2"]) == 2
    assert "needs --pilot" in capsys.readouterr().err
