"""What a paper says is left behind a step stands beside what was measured, in the run's report and in its folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recipes_for_tests.helpers import Texts, loaded, write

from yisang.cli import main
from yisang.errors import UsageError
from yisang.pipelines.compile import compile_recipe
from yisang.pipelines.curate import Corpus
from yisang.pipelines.expected import compared, expected_text
from yisang.pipelines.phases import Setting
from yisang.pipelines.recipe import Expected, Recipe
from yisang.pipelines.run import run_recipe
from yisang.pipelines.steps import Each
from yisang.records import Drop, Prompt

RECIPE = '''
    """Every second text, as a paper has it."""
    from recipes_for_tests.helpers import Texts
    from yisang.pipelines.curate import Corpus
    from yisang.pipelines.recipe import Expected, Recipe
    from yisang.pipelines.steps import Each
    from yisang.records import Drop

    def even(record):
        return record if int(record.text[-1]) % 2 == 0 else Drop("odd")

    def build():
        wanted = Expected("texts that are even", "even", 600, "section 2", of=1000, since="source", note="by its own count")
        return Recipe("even", "1", Texts(10), (Each(even),), Corpus("Even", "en"), expected=(wanted,))
'''


def odd(record: Prompt) -> Prompt | Drop:
    return Drop("odd") if int(record.text[-1]) % 2 else record


def made(*expected: Expected) -> Recipe:
    return Recipe("even", "1", Texts(10), (Each(odd, name="even"),), Corpus("Even", "en"), expected=expected)


def test_a_share_is_of_the_step_that_it_names(tmp_path: Path) -> None:
    expected = (
        Expected("all", "source", 1000, "section 1"),
        Expected("even", "even", 600, "section 2", of=1000, since="source"),
        Expected("of c0", "even", 30, "section 3", of=120, category="c0"),
        Expected("of none", "even", 30, "section 3", of=120, category="nothing"),
        Expected("silent", "even", None, "section 4", since="source"),
    )
    books = run_recipe(loaded(made(*expected)), Setting(out=str(tmp_path / "out")))
    rows = compared(books, expected)
    # Of 0 to 9 five are even: 0 2 4 6 8, of which 0 and 6 are of category c0.
    assert [row["measured"] for row in rows] == [10, 5, 2, 0, 5]
    assert [row["measured_share"] for row in rows] == [None, 0.5, 0.4, 0.0, 0.5]
    assert [row["expected_share"] for row in rows] == [None, 0.6, 0.25, 0.25, None]
    lines = expected_text(books, expected).splitlines()
    assert lines[3].split() == ["even", "600", "60.0%", "5", "50.0%", "section", "2"]
    assert lines[6].split() == ["silent", "not", "printed", "-", "5", "50.0%", "section", "4"]


def test_what_is_expected_is_no_part_of_what_the_run_is() -> None:
    bare, told = (compile_recipe(made(*one)) for one in ((), (Expected("all", "source", 3, "s"),)))
    assert bare.fingerprint == told.fingerprint


def test_run_and_show_print_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = str(write(tmp_path / "even.py", RECIPE)), str(tmp_path / "out")
    for command in (["run", path, "--out", out], ["show", out]):
        assert main(command) == 0
        printed = capsys.readouterr().out
        (line,) = [line for line in printed.splitlines() if line.startswith("texts that are even  ")]
        assert line.split()[4:] == ["600", "60.0%", "5", "50.0%", "section", "2"]
        assert "texts that are even: by its own count" in printed
    assert main(["show", out, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["expected"]
    assert (row["expected"], row["measured"], row["measured_share"]) == (600, 5, 0.5)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: made(Expected("x", "nowhere", 1, "s")),
        lambda: made(Expected("x", "even", 1, "s", of=2, since="nowhere")),
        lambda: Expected("x", "even", -1, "s"),
        lambda: Expected("x", "even", 1, "s", of=2),
        lambda: Expected("x", "even", 1, "s", of=0, since="source"),
        lambda: Expected("x", "even", None, "s", of=2, since="source"),
    ],
)
def test_an_expectation_of_nothing_is_refused(wrong) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError):
        wrong()
