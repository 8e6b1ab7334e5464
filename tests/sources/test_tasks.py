"""Worded tasks as a source: the same problems in any shards, with what a grader and a verifier need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from shared import counted, read_all, records

from yisang.errors import UsageError
from yisang.filters.length import Length
from yisang.pipelines.curate import Corpus
from yisang.pipelines.phases import Setting
from yisang.pipelines.recipe import Loaded, Recipe
from yisang.pipelines.run import run_recipe
from yisang.pipelines.steps import Each
from yisang.records import Prompt
from yisang.sources import Source, Tasks, tasks
from yisang.tasks.graph import Graph
from yisang.tasks.mixes import MIXES, with_school
from yisang.tasks.verify import verify_response
from yisang.tasks.wording import parse


def test_a_prompt_carries_gold_and_graph() -> None:
    source: Source = Tasks(problems=30, seed=1, language="ko", ops=(2, 8), direction="both", split="train")
    found = records(read_all(source))
    assert len(found) == counted(source) == 30
    for prompt in found:
        assert isinstance(prompt, Prompt)
        assert (prompt.kind, prompt.language, prompt.split, prompt.licence.letter) == ("task", "ko", "train", "A")
        assert prompt.graph is not None
        graph = Graph.from_json(prompt.graph)
        assert str(graph.answer) == prompt.gold
        assert parse(prompt.text, "ko", prompt.graph["context"]).graph == graph


def test_shards_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Tasks(problems=25, seed=2, preset="narrow", ops=(1, 4))
    whole = records(read_all(source))
    monkeypatch.setattr(tasks, "SHARD", 7)
    assert [(shard.start, shard.stop) for shard in source.shards()] == [(0, 7), (7, 14), (14, 21), (21, 25)]
    assert records(read_all(source)) == whole
    assert records(read_all(Tasks(problems=5, start=20, seed=2, preset="narrow", ops=(1, 4)))) == whole[20:]


def test_sums_and_mixes_are_sources_too() -> None:
    sums = records(read_all(Tasks(problems=10, seed=1, preset="addition", ops=(3, 3))))
    assert all(isinstance(prompt, Prompt) and prompt.graph and prompt.graph["digits"] == 3 for prompt in sums)
    mixed = records(read_all(Tasks(problems=60, seed=1, mix=with_school(MIXES["rl-9-12"], 0.5))))
    graphs = [prompt.graph for prompt in mixed if isinstance(prompt, Prompt) and prompt.graph]
    assert {graph["context"] for graph in graphs} == {"zoo", "school"}
    assert {graph["ops"] for graph in graphs} == {9, 10, 11, 12}


@pytest.mark.parametrize(
    "changes",
    [
        {"mix": MIXES["uniform"], "context": "zoo"},
        {"mix": MIXES["uniform"], "ops": (2, 3)},
        {"preset": "addition", "context": "zoo"},
        {"problems": -1},
        {"preset": "wide"},
        {"ops": (5, 2)},
        {"language": "xx"},
        {"preset": "addition", "ops": (0, 2)},
    ],
)
def test_what_there_is_not_is_refused_before_anything_runs(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Tasks(**{"problems": 3, "seed": 1, **changes})


def test_a_recipe_runs_on_tasks(tmp_path: Path) -> None:
    import sys

    recipe = Recipe("tasks", "1", Tasks(problems=300, seed=3), (Each(Length(50, 8192)),), Corpus("Tasks", "ko"))
    loaded = Loaded(recipe, sys.modules[__name__], Path(__file__), False)
    books = run_recipe(loaded, Setting(out=str(tmp_path / "run")), workers=2)
    assert books.sources[0].counted == books.sources[0].read == 300
    assert books.kept == 300


def test_the_gold_trace_of_a_stored_prompt_verifies(tmp_path: Path) -> None:
    from yisang.tasks.problems import Request, make_problem

    problem = make_problem(Request("ja", 3, 6), 5, 0)
    stored = json.loads(json.dumps(problem.prompt("tasks").graph))
    assert verify_response(Graph.from_json(stored), problem.trace, "ja", stored["context"]).verified
