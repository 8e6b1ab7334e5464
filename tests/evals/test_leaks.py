"""What `yisang eval` would ask is what decontamination looks for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from yisang.errors import UsageError
from yisang.evals.benchmarks import spec_of
from yisang.evals.leaks import questions
from yisang.pipelines.identity import digest, identity
from yisang.pipelines.stages.benchmarks import Question, read_items

TASKS = "tasks:lang=ko,ops=2-3,n=4,preset=narrow"


def rows(path: Path, *asked: str) -> str:
    path.write_text("\n".join(json.dumps({"question": text, "answer_number": 1}) for text in asked))
    return f"mgsm:lang=ko,path={path}"


def test_the_items_are_those_that_are_asked():
    given = questions(TASKS)
    assert given.name == spec_of(TASKS).label
    assert [(item.id, item.text) for item in given.items] == [
        (item.id, item.question) for item in spec_of(TASKS).items()
    ]
    assert [item.text for item in read_items(given, "clean")] == [item.text for item in given.items]


def test_they_bear_identity_by_what_they_say_and_not_by_where_it_lies(tmp_path):
    def known(bench: str) -> str:
        return digest(identity(questions(bench), "here"))

    first = known(rows(tmp_path / "a.jsonl", "사과는 몇 개인가?"))
    assert known(rows(tmp_path / "b.jsonl", "사과는 몇 개인가?")) == first
    assert known(rows(tmp_path / "a.jsonl", "배는 몇 개인가?")) != first
    assert known(TASKS) != known(TASKS.replace("n=4", "n=5"))


def test_parts_of_an_item_do_not_run_into_each_other():
    from yisang.pipelines.stages.benchmarks import Questions

    shapes = [
        (Question("1", "a", ("b", "c")),),
        (Question("1", "a", ("b",)), Question("c", "")),
        (Question("1", "a"), Question("b", "c")),
        (Question("1", "ab", ("c",)),),
    ]
    assert len({json.dumps(Questions("own", items).identity()) for items in shapes}) == 4


def test_a_benchmark_that_there_is_not_is_refused():
    with pytest.raises(UsageError, match="There is no benchmark 'kmmlu'"):
        questions("kmmlu")
