"""What a step needs is looked for before a run reads or asks anything, and only for what is still to be done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from recipes_for_tests.helpers import Texts, loaded, recipe

from yisang.errors import UsageError
from yisang.filters.tokens import StudentTokens
from yisang.pipelines.curate import ToExample
from yisang.pipelines.phases import Setting
from yisang.pipelines.planning import recipe_plan
from yisang.pipelines.recipe import Loaded
from yisang.pipelines.run import check_recipe, run_recipe
from yisang.pipelines.stages.teach import Teach
from yisang.pipelines.steps import Batch, Each, Group, Step
from yisang.records import Record
from yisang.teachers import models
from yisang.teachers.engines.echo import Echo
from yisang.teachers.generation import Teacher
from yisang.teachers.prompts import MixedPrompt


@dataclass(frozen=True)
class Needs:
    """A step that needs a file."""

    path: str

    def check(self) -> None:
        if not Path(self.path).exists():
            raise UsageError(f"There is no {self.path}.")


class EachNeeds(Needs):
    def __call__(self, record: Record) -> Record:
        return record


class BatchNeeds(Needs):
    def __call__(self, records: list[Record]) -> list[Record]:
        return records


class GroupNeeds(Needs):
    def __call__(self, members: Iterator[Record]) -> Iterable[Record]:
        return members


def one_key(record: Record) -> str:
    return "one"


def same(record: Record) -> Record:
    return record


def everyone(members: Iterator[Record]) -> Iterable[Record]:
    return members


STEPS: dict[str, Any] = {
    "each": lambda path: (Each(EachNeeds(path)),),
    "batch": lambda path: (Batch(BatchNeeds(path)),),
    "before a group": lambda path: (Each(EachNeeds(path)), Group(one_key, everyone)),
    "group": lambda path: (Group(one_key, GroupNeeds(path)), Each(same)),
}


@pytest.mark.parametrize("which", STEPS)
def test_what_a_step_needs_is_looked_for_before_anything_runs(which: str, tmp_path: Path) -> None:
    steps: tuple[Step, ...] = STEPS[which](str(tmp_path / "needed"))
    what, setting = loaded(recipe(Texts(3), Each(same, keep=True), *steps)), Setting(out=str(tmp_path / "run"))
    for refuses in (run_recipe, check_recipe):
        with pytest.raises(UsageError, match="There is no .*needed"):
            refuses(what, setting)
    assert not (tmp_path / "run").exists()
    (tmp_path / "needed").touch()
    assert run_recipe(what, setting).kept == 3


def test_what_is_done_needs_nothing_more(tmp_path: Path) -> None:
    needed, setting = tmp_path / "needed", Setting(out=str(tmp_path / "run"))
    first = Each(EachNeeds(str(needed)), name="first", keep=True)
    needed.touch()
    assert run_recipe(loaded(recipe(Texts(3), first)), setting).kept == 3
    needed.unlink()
    assert run_recipe(loaded(recipe(Texts(3), first, Each(same))), setting).kept == 3
    with pytest.raises(UsageError, match="There is no"):
        run_recipe(loaded(recipe(Texts(4), first)), setting)


def teaching(student: str) -> Loaded:
    return loaded(
        recipe(
            Texts(3),
            Teach(Teacher(engine="echo", model="echo", revision="1"), MixedPrompt("ko"), name="teach"),
            Each(ToExample(), name="example"),
            Each(StudentTokens(student), name="tokens"),
        )
    )


def test_a_run_ends_before_it_asks_where_the_tokenizer_cannot_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers")

    def asked(*_: Any) -> None:
        raise AssertionError("the teacher was asked")

    monkeypatch.setattr(Echo, "generate", asked)
    (tmp_path / "student").mkdir()
    what, setting = teaching(str(tmp_path / "student")), Setting(out=str(tmp_path / "run"))
    for refuses in (run_recipe, check_recipe):
        with pytest.raises(UsageError, match="student cannot be loaded"):
            refuses(what, setting)
    assert not (tmp_path / "run").exists()
    assert recipe_plan(what, setting=setting, limit=None, strict=False)["phases"], "a plan needs no tokenizer"


def test_a_run_counts_with_the_tokenizer_that_it_has_checked(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    assert run_recipe(teaching(str(models.folder("mini-base"))), Setting(out=str(tmp_path / "run"))).kept == 3
