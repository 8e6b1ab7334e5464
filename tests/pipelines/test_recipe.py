"""A recipe file loads, or says with its line why it does not; and it is cut into phases where results are stored."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from recipes_for_tests.helpers import Texts, recipe, write

from yisang.errors import UsageError
from yisang.pipelines.compile import compile_recipe
from yisang.pipelines.curate import Corpus
from yisang.pipelines.phases import Phase
from yisang.pipelines.recipe import Recipe, load
from yisang.pipelines.steps import Batch, Each, Group, Stage
from yisang.records import Record

GOOD = '''
    """A corpus of nothing, to test loading."""
    from recipes_for_tests.helpers import Texts
    from yisang.pipelines.curate import Corpus
    from yisang.pipelines.recipe import Recipe

    def build({parameters}):
        return Recipe("r", "1", Texts({rows}), (), Corpus("R", "en"))
'''


@pytest.fixture(autouse=True)
def _unload() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("recipe_"):
            del sys.modules[name]


def same(record: Record) -> Record:
    return record


def every(records: Any) -> Any:
    yield from records


def test_a_recipe_is_loaded_from_its_file(tmp_path: Path) -> None:
    found = load(str(write(tmp_path / "my-recipe.py", GOOD.format(parameters="", rows=3))))
    assert found.recipe.name == "r"
    assert found.recipe.sources == (Texts(3),)
    assert found.local
    assert found.module.__doc__ == "A corpus of nothing, to test loading."


def test_inputs_are_given_to_build(tmp_path: Path) -> None:
    path = write(tmp_path / "r.py", GOOD.format(parameters="inputs='7'", rows="int(inputs)"))
    assert load(str(path)).recipe.sources == (Texts(7),)
    assert load(str(path), inputs="9").recipe.sources == (Texts(9),)


def test_inputs_without_a_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="takes no parameter `inputs`"):
        load(str(write(tmp_path / "r.py", GOOD.format(parameters="", rows=1))), inputs="x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", r"r\.py has no function build\(\)"),
        ("def build():\n    return 5", r"build\(\) returned int, not a Recipe"),
        ("def build(:", r"r\.py, line 1: SyntaxError"),
        ("\n\nimport no_such_module", r"r\.py, line 1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("x = 1\ny = x / 0", r"r\.py, line 2: ZeroDivisionError"),
        ("def build():\n    x = 1\n    return missing", r"r\.py, line 3: NameError"),
        ("def build():\n    return help()\ndef help():\n    return 1 / 0", r"r\.py, line 4: ZeroDivisionError"),
    ],
)
def test_a_recipe_that_does_not_load_says_where(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load(str(write(tmp_path / "r.py", text)))


@pytest.mark.parametrize("name", ["no-such-recipe", "no/such.py", "."])
def test_a_recipe_that_is_not_there_is_said(name: str) -> None:
    with pytest.raises(UsageError, match=f"No recipe '{name}'. Give the path of a Python file"):
        load(name)


def test_a_file_that_is_no_python_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be imported as Python"):
        load(str(write(tmp_path / "recipe.txt", "x")))


def test_repeated_names_of_steps_are_told_apart() -> None:
    found = recipe(Texts(1), Each(same), Each(same, name="same-3"), Each(same), Each(same), Each(every, name="source"))
    assert [step.name for step in found.steps] == ["same", "same-3", "same-2", "same-4", "source-2"]


def test_names_come_from_functions() -> None:
    class KeepLongText:
        def __call__(self, record: Record) -> Record:
            return record

    assert [Each(KeepLongText()).name, Each(lambda r: r).name, Group(str, every).name] == [
        "keep_long_text",
        "lambda",
        "every",
    ]


def test_a_bare_function_among_the_steps_is_refused() -> None:
    with pytest.raises(UsageError, match=r"stands among the steps. Wrap a function in Each"):
        recipe(Texts(1), same)  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_an_impossible_share_of_dead_letters_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="it is a share between 0 and 1"):
        recipe(Texts(1), max_dead=share)


def test_a_recipe_without_a_source_is_refused() -> None:
    with pytest.raises(UsageError, match="has no source"):
        Recipe("r", "1", (), (), Corpus("R", "en"))


def cuts(*steps: Any) -> list[str]:
    return [phase.label for phase in compile_recipe(recipe(Texts(1), *steps)).phases]


def test_a_recipe_is_cut_where_results_are_stored() -> None:
    assert cuts() == ["source"]
    assert cuts(Each(same), Batch(every, name="b")) == ["source", "sink"]
    assert cuts(Each(same, keep=True), Each(same)) == ["source", "same", "sink"]
    assert cuts(Each(same, keep=True)) == ["source", "same"]
    assert cuts(Each(same), Group(str, every)) == ["source", "every.shuffle", "every"]
    assert cuts(Group(str, every), Group(str, every), Each(same)) == [
        "source", "every.shuffle", "every", "every-2.shuffle", "every-2", "sink",
    ]  # fmt: skip
    assert cuts(Group(str, every, several_keys=True)) == ["source", "every.shuffle", "every.verdicts", "every"]


def test_every_step_has_one_line_in_the_books() -> None:
    steps = (
        Each(same),
        Group(str, every),
        Each(same, keep=True),
        Group(str, every, several_keys=True),
        Batch(every, name="b"),
    )
    plan = compile_recipe(recipe(Texts(1), *steps))
    names = [name for phase in plan.phases for name in phase.accounts_for]
    assert names == ["source", "same", "every", "same-2", "every-2", "b"]


def test_a_change_is_one_of_its_own_phase_and_of_all_after_it() -> None:
    def digests(least: int, version: str = "1") -> list[str]:
        def longer(record: Record) -> Any:
            return len(record.id) > least

        plan = compile_recipe(
            Recipe(
                "r", version, Texts(1), (Each(same, keep=True), Each(longer, keep=True), Each(same)), Corpus("R", "en")
            )
        )
        return [phase.digest for phase in plan.phases] + [plan.fingerprint]

    one, other = digests(1), digests(2)
    assert [a == b for a, b in zip(one, other, strict=True)] == [True, True, False, False, False]
    assert [a == b for a, b in zip(one, digests(1, "2"), strict=True)] == [True, True, True, True, False]


def test_the_limit_is_part_of_the_source() -> None:
    plans = [compile_recipe(recipe(Texts(1), Each(same)), limit=limit).phases[0].digest for limit in (None, 1, 2)]
    assert len(set(plans)) == 3


def test_a_stage_brings_its_own_phases() -> None:
    class Pass(Stage):
        def phases(self) -> list[Phase]:
            from yisang.pipelines.phases import ChainPhase

            return [ChainPhase("count", (0,)), ChainPhase("decide", (0, 1))]

    plan = compile_recipe(recipe(Texts(1), Each(same), Pass(name="passes"), Each(same)))
    assert [(phase.label, phase.reads, phase.stored, phase.accounts_for) for phase in plan.phases[1:]] == [
        ("same", (0,), True, ("same",)),
        ("passes.count", (1,), False, ()),
        ("passes", (1, 2), True, ("passes",)),
        ("sink", (3,), True, ("same-2",)),
    ]
