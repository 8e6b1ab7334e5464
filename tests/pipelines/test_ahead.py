"""What a step needs is looked for before a run reads or asks anything, and only for what is still to be done."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from recipes_for_tests.helpers import Texts, loaded, recipe

from yisang.cli import main
from yisang.errors import UsageError
from yisang.filters.licence import TagSite
from yisang.filters.tokens import StudentTokens
from yisang.pipelines.ahead import registry_warnings
from yisang.pipelines.curate import ToExample
from yisang.pipelines.phases import Setting
from yisang.pipelines.planning import recipe_plan
from yisang.pipelines.recipe import Loaded
from yisang.pipelines.run import check_recipe, run_recipe
from yisang.pipelines.stages.teach import Teach
from yisang.pipelines.steps import Batch, Each, Group, Step
from yisang.records import Record
from yisang.sources.rights.licences import TagLicence
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


OLD_SITE = """
[[site]]
host = "old.example"
licence = "CC-BY-4.0"
letter = "A"
category = "Science"
evidence = "footer"
date = "2020-01-01"
"""


@pytest.mark.parametrize("tag", [TagSite, TagLicence])
def test_old_entries_of_a_registry_are_told_once_before_a_command_works(tag, tmp_path):
    path = tmp_path / "sites.toml"
    path.write_text(OLD_SITE)
    steps = (Each(tag(str(path)), name="first"), Each(tag(str(path)), name="second"), Each(same))
    (line,) = registry_warnings(recipe(Texts(1), *steps), datetime.date(2026, 11, 22))
    assert "1 of 1 entries were read more than a year ago: old.example (2020-01-01)" in line
    assert registry_warnings(recipe(Texts(1), *steps), datetime.date(2020, 12, 31)) == ()


@pytest.mark.parametrize("command", ["plan", "run"])
def test_plan_and_run_begin_with_the_warning(command, tmp_path, capsys):
    (tmp_path / "sites.toml").write_text(OLD_SITE)
    path = tmp_path / "old.py"
    path.write_text(
        f"""
from recipes_for_tests.helpers import Texts
from yisang.filters.licence import TagSite
from yisang.pipelines.curate import Corpus
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.steps import Each
from yisang.records import Page

def build():
    tag = Each(TagSite({str(tmp_path / "sites.toml")!r}), on=Page, name="site")
    return Recipe("old", "1", Texts(1), (tag,), Corpus("Old", "ko"))
"""
    )
    main([command, str(path), *(["--out", str(tmp_path / "run")] if command == "run" else [])])
    told = capsys.readouterr().err.splitlines()
    assert "more than a year ago: old.example (2020-01-01)" in told[0]
