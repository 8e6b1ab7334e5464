"""What two resolved recipes differ in, as `yisang diff` tells it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
from recipes_for_tests.helpers import Texts, loaded, prompt, recipe, run_of

from yisang.pipelines.diff import diff_runs
from yisang.pipelines.diff_text import diff_text
from yisang.pipelines.phases import Setting
from yisang.pipelines.recipe import load
from yisang.pipelines.run import run_recipe
from yisang.pipelines.steps import Each
from yisang.records import Prompt


def test_added_removed_and_moved_steps_are_named(tmp_path: Path) -> None:
    def keeps(record: Prompt) -> Prompt:
        return record

    def out(name: str, *steps: str) -> str:
        run_recipe(
            loaded(recipe(Texts(9), *(Each(keeps, name=step) for step in steps))), Setting(out=str(tmp_path / name))
        )
        return str(tmp_path / name)

    found = diff_runs(out("one", "a", "b", "c"), out("two", "c", "a", "d")).recipe
    assert (list(found.added), list(found.removed), found.moved) == (["d"], ["b"], ("c",))
    assert "keeps" in found.added["d"]
    assert found.changed == ()


CODE = '''
"""A step in a file of its own."""

from yisang.pipelines.curate import Corpus
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.steps import Each
from yisang.filters.quota import HashOrder, Quota, category
from yisang.pipelines.steps import Group
from recipes_for_tests.helpers import Texts


def third(record):
    return record  # {note}


def build():
    quota = Group(category, Quota({quotas}), order=HashOrder("x"), name="quota")
    return Recipe("code", "{version}", Texts({rows}), (Each(third), quota), Corpus("Code", "en"))
'''


def written(
    folder: Path, name: str, note: str = "", quotas: str = '{"c0": 2, "code": 5}', rows: int = 9, version: str = "1"
) -> str:
    path = folder / name / "code.py"
    path.parent.mkdir()
    path.write_text(CODE.lstrip().format(note=note, quotas=quotas, rows=rows, version=version))
    run_recipe(load(str(path)), Setting(out=str(folder / name / "run")))
    return str(folder / name / "run")


def test_a_step_that_differs_in_its_code_alone_is_said_to(tmp_path: Path) -> None:
    found = diff_runs(written(tmp_path, "one"), written(tmp_path, "two", note="mended"))
    assert [(change.step, change.parameters, change.code) for change in found.recipe.changed] == [("third", {}, True)]
    assert "in its code alone: third" in diff_text(found)


def test_a_quota_is_a_parameter_also_where_it_is_called_code(tmp_path: Path) -> None:
    found = diff_runs(written(tmp_path, "one"), written(tmp_path, "two", quotas='{"c0": 1, "code": 6}', version="2"))
    changes = {change.step: msgspec.to_builtins(change.parameters) for change in found.recipe.changed}
    assert changes["quota"] == {"limits.c0": {"first": 2, "second": 1}, "limits.code": {"first": 5, "second": 6}}
    assert msgspec.to_builtins(found.recipe.about) == {"version": {"first": "1", "second": "2"}}
    assert found.lost.records == 1
    assert found.lost.why[0].step == "quota"


def test_a_difference_that_has_no_name_is_told_as_one(tmp_path: Path) -> None:
    one = run_of(tmp_path, "one", items=(prompt("p"),))
    shutil.copytree(one, tmp_path / "two")
    path = tmp_path / "two" / "recipe.json"
    described = json.loads(path.read_text())
    (source,) = described["phases"][0]["parameters"]["sources"]
    source["step"] = "unheard of"
    path.write_text(json.dumps(described))
    (change,) = diff_runs(one, str(tmp_path / "two")).recipe.changed
    assert (change.step, list(change.parameters)) == ("source", ["identity"])


def test_a_source_that_tells_itself_in_a_list_is_compared(tmp_path: Path) -> None:
    one = run_of(tmp_path, "one", items=(prompt("p"),))
    two = run_of(tmp_path, "two", items=(prompt("p"), prompt("q")))
    found = diff_runs(one, two)
    assert found.recipe.reads_differ
    assert [list(change.parameters) for change in found.recipe.changed] == [["source 1.identity"]]
    assert [why.reason for why in found.gained.why] == ["not_read"]
