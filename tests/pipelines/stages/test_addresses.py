"""Where different models answer: each at an address of its own, and never one at that of another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from recipes_for_tests.helpers import Given, loaded, prompt, recipe
from stages.recipes.command import serving

from yisang.commands.options import teacher_setting
from yisang.errors import UsageError
from yisang.pipelines.phases import Setting
from yisang.pipelines.pilot import pilot_recipe
from yisang.pipelines.recipe import Loaded
from yisang.pipelines.run import check_recipe, run_recipe
from yisang.pipelines.stages.teach import Teach
from yisang.pipelines.stages.translate import Translate
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt

TRANSLATOR, TEACHER = "Qwen/Qwen2.5-7B", "Qwen/Qwen3-32B"
FAST = ["attempts=2", "backoff=0"]


def two_models(translator: str = TRANSLATOR, teacher: str = TEACHER, revision: str = "r1", **options: str) -> Loaded:
    """A recipe that translates one prompt and teaches the other, which is in the target language already."""
    return loaded(
        recipe(
            Given((prompt("How many apples are there?"), prompt("사과가 몇 개 있습니까?", language="ko"))),
            Translate(Teacher(engine="openai", model=translator, revision="r1", options=options), name="translate"),
            Teach(
                Teacher(engine="openai", model=teacher, revision=revision),
                MixedPrompt("ko"),
                Sampling(max_tokens=100),
                name="teach",
            ),
        )
    )


def setting(out: Path, *options: str, engine: str = "openai") -> Setting:
    return Setting(out=str(out), teacher=teacher_setting(engine, [*FAST, *options], None))


def models(server: Any) -> set[str]:
    return {request["body"]["model"] for request in server.requests}


@pytest.fixture
def servers() -> Iterator[tuple[Any, Any]]:
    with serving() as one, serving() as other:
        yield one, other


@pytest.mark.parametrize("option", ["base_url", "endpoints"])
@pytest.mark.parametrize("engine", ["", "openai"])
def test_one_address_for_two_models_is_refused_before_either_is_asked(
    option: str, engine: str, tmp_path: Path, servers: Any
) -> None:
    given = setting(tmp_path / "run", f"{option}={servers[0].url}", engine=engine)

    def pilot(what: Loaded, given: Setting) -> Any:
        return pilot_recipe(what, given, 1)

    for refuses in (run_recipe, check_recipe, pilot):
        with pytest.raises(UsageError) as refusal:
            refuses(two_models(), given)
        for word in (f"{TRANSLATOR} at r1", f"{TEACHER} at r1", f"{option}.MODEL=", "in the recipe"):
            assert word in str(refusal.value)
    assert not (tmp_path / "run").exists()
    assert not models(servers[0])


def test_one_folder_or_another_revision_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--teacher-option path sends"):
        check_recipe(two_models(), setting(tmp_path / "run", "path=/models/one", engine="vllm"))
    twice = two_models(TEACHER, TEACHER, "r2")
    for name in ("base_url", f"base_url.{TEACHER}"):
        with pytest.raises(UsageError, match=f"{TEACHER} at r1 and for {TEACHER} at r2"):
            check_recipe(twice, setting(tmp_path / "run", f"{name}=http://127.0.0.1:9/v1"))


def test_each_model_is_asked_at_the_address_that_is_named_for_it(tmp_path: Path, servers: Any) -> None:
    one, other = servers
    own = (f"base_url.{TRANSLATOR}={one.url}", f"base_url.{TEACHER}={other.url}")
    run_recipe(two_models(), setting(tmp_path / "run", *own))
    assert (models(one), models(other)) == ({TRANSLATOR}, {TEACHER})


def test_an_address_of_its_own_goes_before_the_one_for_all(tmp_path: Path, servers: Any) -> None:
    one, other = servers
    run_recipe(two_models(), setting(tmp_path / "run", f"base_url={one.url}", f"base_url.{TEACHER}={other.url}"))
    assert (models(one), models(other)) == ({TRANSLATOR}, {TEACHER})


def test_an_address_for_one_leaves_the_other_where_the_recipe_declares_it(tmp_path: Path, servers: Any) -> None:
    one, other = servers
    run_recipe(two_models(base_url=one.url), setting(tmp_path / "run", f"base_url.{TEACHER}={other.url}", engine=""))
    assert (models(one), models(other)) == ({TRANSLATOR}, {TEACHER})


def test_one_model_in_two_steps_has_one_address(tmp_path: Path, servers: Any) -> None:
    run_recipe(two_models(TEACHER, TEACHER), setting(tmp_path / "run", f"base_url={servers[0].url}"))
    assert models(servers[0]) == {TEACHER}


def test_an_option_for_a_model_that_nobody_asks_is_refused(tmp_path: Path) -> None:
    given = setting(tmp_path / "run", "base_url.Qwen/Qwen3-23B=http://127.0.0.1:9/v1")
    with pytest.raises(UsageError, match=f"no step of the recipe asks. Its steps ask: {TRANSLATOR}, {TEACHER}"):
        run_recipe(two_models(), given)
