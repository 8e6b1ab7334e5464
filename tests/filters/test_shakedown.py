"""Rules of a shakedown run: what one finds is dropped with the rule's name, and a rule that cannot be judged is refused."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest

from yisang.errors import UsageError
from yisang.filters.shakedown import Shakedown
from yisang.filters.stored import NotMeasured
from yisang.pipelines.curate import ToExample
from yisang.pipelines.identity import identity
from yisang.records import Drop, Licence, Prompt, Trace

FREE = Licence(id="CC0-1.0", letter="A", evidence="written for the tests")
ASKED = Prompt(id="p", text="표를 그려 줘", language="ko", licence=FREE)
TABLES = """
[[rule]]
name = "table-dump"
found = "proxy run, step 412, row 17"
where = "answer"
pattern = '(?m)(?:^\\|.*\\|\\n?){3,}'
example = "|a|\\n|b|\\n|c|"
unlike = "|a|\\n|b|"

[[rule]]
name = "long-think"
found = "proxy run, step 500, row 3"
measure = "think_words"
above = 100
"""


def trace(think: str | None = "Let me see.", answer: str | None = "네.", **measures: Any) -> Trace:
    return Trace(
        id="t",
        prompt=ASKED,
        sample=0,
        text=f"<think>{think}</think>{answer}",
        think=think,
        answer=answer,
        teacher="m",
        revision="1",
        prompt_version="v",
        finish_reason="stop",
        licence=FREE,
        measures={"think_words": 5, **measures},
    )


def rules(folder: Path, text: str = TABLES) -> Shakedown:
    path = folder / "rules.toml"
    path.write_text(text, encoding="utf-8")
    return Shakedown(str(path))


def test_without_rules_everything_stays() -> None:
    assert Shakedown()(trace()) == trace()


def test_a_pattern_drops_what_it_finds_in_its_part(tmp_path: Path) -> None:
    step = rules(tmp_path)
    table = "|a|\n|b|\n|c|\n"
    assert step(trace(answer=table)) == Drop("shakedown_table-dump", {"where": "answer", "matched": "|a|\n|b|\n|c|\n"})
    assert step(trace(think=table)) == trace(think=table)
    assert step(trace(answer=None)) == trace(answer=None)


def test_a_measure_drops_what_is_out_of_its_bounds(tmp_path: Path) -> None:
    step = rules(tmp_path)
    assert isinstance(step(trace(think_words=101)), Drop)
    assert step(trace(think_words=100)) == trace(think_words=100)
    assert step(trace(think_words=None)) == trace(think_words=None)
    bare = msgspec.structs.replace(trace(), measures={})
    with pytest.raises(NotMeasured, match=r"no measure 'think_words'.*The rule long-think reads it"):
        step(bare)


def test_examples_are_read_by_their_traces(tmp_path: Path) -> None:
    example = ToExample()(trace(answer="|a|\n|b|\n|c|"))
    assert not isinstance(example, Drop)
    assert isinstance(rules(tmp_path)(example), Drop)  # type: ignore[arg-type]


def test_identity_is_what_the_rules_decide_and_not_where_they_stand(tmp_path: Path) -> None:
    def of(name: str, text: str) -> Any:
        (tmp_path / name).mkdir()
        return identity(rules(tmp_path / name, text), "s")

    before = of("a", TABLES)
    assert of("b", TABLES.replace("row 17", "row 18")) == before
    assert of("c", TABLES.replace("{3,}", "{4,}").replace("unlike", "unlike").replace("|c|", "|c|\\n|d|")) != before
    assert of("d", TABLES.replace("above = 100", "above = 101")) != before


def test_rules_travel_with_the_step(tmp_path: Path) -> None:
    step = pickle.loads(pickle.dumps(rules(tmp_path)))
    (tmp_path / "rules.toml").unlink()
    assert isinstance(step(trace(think_words=101)), Drop)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('found = "proxy run, step 412, row 17"', 'found = ""', "found is empty"),
        ('found = "proxy run, step 412, row 17"', "", "found"),
        ("above = 100", "", "needs above or below"),
        ("above = 100", 'pattern = "x"', "a pattern or a measure, and not both"),
        ('name = "long-think"', 'name = "table-dump"', "two are named 'table-dump'"),
        ('name = "long-think"', 'name = "Long think"', "a name consists of"),
        ('where = "answer"', 'where = "title"', "where"),
        ("{3,}'", "{3,'", "does not find its own example|no regular expression"),
        ("{3,}'", "{0,}'", "found in an empty text"),
        ("{3,}'", "{2,}'", "finds the text that it should not"),
        ("{3,}'", "{9,}'", "does not find its own example"),
        ('[[rule]]\nname = "long', '[[rules]]\nname = "long', "nothing else"),
    ],
)
def test_a_rule_that_cannot_be_judged_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TABLES
    with pytest.raises(UsageError, match=message):
        rules(tmp_path, TABLES.replace(old, new, 1))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml cannot be read"):
        Shakedown(str(tmp_path / "none.toml"))
