"""`yisang publish --for sft` and then `yisang sft`, with nothing in between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from yisang.cli import main
from yisang.errors import UsageError
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.phases import Setting
from yisang.pipelines.recipe import load
from yisang.pipelines.run import open_run, run_recipe
from yisang.records import Example
from yisang.sft import run
from yisang.sft.config import Data
from yisang.sft.rows import rows_of

RECIPE = '''
"""Forty worded tasks with their gold traces."""

from yisang.filters.cot import Structure
from yisang.pipelines.curate import Corpus, ToExample
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.stages.teach import Teach
from yisang.pipelines.steps import Each
from yisang.sources.tasks import Tasks
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt


def build() -> Recipe:
    teach = Teach(
        Teacher(engine="scripted", model="scripted", revision="1"),
        MixedPrompt("ko", "mixed"),
        Sampling(max_tokens=512),
        name="teach",
    )
    source = Tasks(40, 5, "ko", ops=(1, 2), preset="narrow")
    return Recipe("gold_tasks", "1", source, (teach, Each(Structure()), Each(ToExample())), Corpus("Gold tasks", "ko"))
'''


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    (folder / "gold_tasks.py").write_text(RECIPE.lstrip(), "utf-8")
    run_recipe(load(str(folder / "gold_tasks.py")), Setting(out=str(folder / "run")))
    return folder / "run"


@pytest.fixture(scope="module")
def published(finished: Path) -> Path:
    out = finished.parent / "corpus"
    assert main(["publish", str(finished), "--for", "sft", "--to", str(out)]) == 0
    return out


def rows(path: Path) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    return [
        (row.id, tuple((message.role, message.content) for message in row.messages))
        for row in rows_of(Data(path=str(path)), 0)
    ]


def test_the_rows_of_a_publication_are_those_of_its_run_once_each(finished: Path, published: Path) -> None:
    out, manifest = open_run(str(finished))
    kept = [record for record in Boundary(out, manifest.sink).all_records() if isinstance(record, Example)]
    assert rows(published) == sorted(
        (example.id, tuple((message.role, message.content) for message in example.messages)) for example in kept
    )
    assert len(rows(published)) == 40
    assert sorted(rows(finished)) == rows(published)


def test_reading_the_folder_as_a_heap_of_files_would_be_seen(published: Path, tmp_path: Path) -> None:
    """Without its manifest a publication is three views, each with every row."""
    heap = tmp_path / "heap"
    for path in published.rglob("*.parquet"):
        target = heap / path.relative_to(published)
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pq.read_table(path), target)
    with pytest.raises((AssertionError, UsageError)):
        assert rows(heap) == rows(published)


def test_a_step_is_trained_on_a_publication(published: Path, settings: Any, tmp_path: Path) -> None:
    config = settings(data=[{"path": str(published)}], batch={"rows": 8, "micro_rows": 4}, schedule={"steps": 1})
    model = run.train(config, str(tmp_path / "out"))
    assert (Path(model) / "model.safetensors").exists()
    (line,) = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert line["step"] == 1
    assert line["loss"] > 0
    # What was trained on is known by the publication's manifest, which holds the digests of its files.
    assert "manifest.json" in (tmp_path / "out" / "run.json").read_text()


def test_questions_for_rl_are_no_conversations(finished: Path, tmp_path: Path) -> None:
    assert main(["publish", str(finished), "--for", "rl", "--to", str(tmp_path / "rl")]) == 0
    with pytest.raises(UsageError, match="was published for rl and holds no conversations"):
        rows(tmp_path / "rl")
