"""A recipe's parameters from the command line: each of the type that build() declares, or an error that says what to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from recipes_for_tests.helpers import write

from yisang.cli import main
from yisang.errors import UsageError
from yisang.pipelines.parameters import given_parameters

RECIPE = '''
    """So many records of nothing."""
    from recipes_for_tests.helpers import Texts
    from yisang.pipelines.curate import Corpus
    from yisang.pipelines.recipe import Recipe

    def build(rows: int = 2, name: str = "r"):
        return Recipe(name, "1", Texts(rows), (), Corpus("R", "en"))
'''


def build(
    text: str = "",
    count: int = 0,
    share: float = 1.0,
    graded: bool = False,
    names: tuple[str, ...] = (),
    form: Literal["style", "option"] = "style",
    most: int | None = None,
    bare=None,
) -> Any: ...


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("text=007", "007"),
        ("text=a=b", "a=b"),
        ("text=", ""),
        ("count=12", 12),
        ("share=0.5", 0.5),
        ("share=1", 1.0),
        ("graded=true", True),
        ('names=["a", "b"]', ("a", "b")),
        ("form=option", "option"),
        ("most=3", 3),
        ("bare=word", "word"),
    ],
)
def test_a_value_has_the_type_that_build_declares(word: str, value: Any) -> None:
    found = given_parameters(build, [word], "r.py")[word.partition("=")[0]]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["count"], "must look like key=value"),
        (["=3"], "must look like key=value"),
        (["count=many"], "r.py: --set count=many does not fit"),
        (["count=1.5"], "does not fit"),
        (["graded=1"], "does not fit"),
        (["form=both"], "does not fit"),
        (["size=3"], "takes no parameter `size`; it takes text, count"),
        (["count=1", "count=2"], "--set count is given twice"),
    ],
)
def test_a_wrong_word_says_what_to_write(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        given_parameters(build, words, "r.py")


def test_a_run_of_other_parameters_is_another_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(write(tmp_path / "r.py", RECIPE))
    for rows in (3, 5):
        assert main(["run", path, "--out", str(tmp_path / f"out{rows}"), "--set", f"rows={rows}"]) == 0
        assert f"{rows} read" in capsys.readouterr().out
    assert main(["run", path, "--out", str(tmp_path / "out"), "--set", "rows=x"]) == 2
    assert "--set rows=x does not fit" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
