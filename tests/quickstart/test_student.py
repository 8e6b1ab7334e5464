"""The end of the quickstart: a shipped model teaches, and mini-base is scored, trained on what was kept, and scored again."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from yisang.pipelines.phases import Setting
from yisang.pipelines.recipe import load
from yisang.pipelines.run import run_recipe
from yisang.quickstart.student import train_student

RECIPE = """
from yisang.pipelines.recipes import verified_tasks


def build():
    return verified_tasks.build(problems={problems})
"""
BENCH = "tasks:lang=ko,mode=none,preset=narrow,context=zoo,ops=1-2,n=4"
SHORT = ("schedule.steps=4", "save.every=2", "log.every=1")


@pytest.fixture
def rows(tmp_path: Path) -> str:
    return made(tmp_path, 60)


def made(folder: Path, problems: int) -> str:
    """A finished run of worded tasks in the folder `rows`."""
    recipe = folder / "recipe.py"
    recipe.write_text(RECIPE.format(problems=problems))
    run_recipe(load(str(recipe)), Setting(out=str(folder / "rows")), on="local", workers=1)
    return str(folder / "rows")


def test_the_student_is_scored_trained_and_scored(rows: str, tmp_path: Path) -> None:
    out, said = str(tmp_path / "student"), list[str]()
    told = train_student(rows, out, said.append, bench=BENCH, sets=SHORT)
    before, after = (json.loads((Path(out) / name / "results.json").read_text()) for name in ("before", "after"))
    assert before["revision"] != after["revision"]
    for results in (before, after):
        (bench,) = results["benches"]
        assert (bench["overall"]["items"], bench["overall"]["answers"]) == (8, 8)
    line = next(line for line in told.splitlines() if line.startswith("tasks:"))
    measure, pairs, *scores = re.findall(r"  (\S+)", line)[:4]
    assert (measure, pairs) == ("verified", "8")
    shown = [
        f"{100 * results['benches'][0]['overall']['measures']['verified']['mean']:.1f}" for results in (before, after)
    ]
    assert scores == shown
    steps = [json.loads(line)["step"] for line in (Path(out) / "training" / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4]


def test_the_same_corpus_is_not_trained_on_twice_and_another_one_is(rows: str, tmp_path: Path) -> None:
    out = tmp_path / "student"
    train_student(rows, str(out), lambda line: None, bench=BENCH, sets=SHORT)
    weights = out / "training" / "model" / "model.safetensors"
    first, stamp = weights.read_bytes(), weights.stat().st_mtime_ns
    said: list[str] = []
    train_student(rows, str(out), said.append, bench=BENCH, sets=SHORT)
    assert weights.stat().st_mtime_ns == stamp
    assert any("already trained" in line for line in said)
    other = made(tmp_path, 90)
    train_student(other, str(out), said.append, bench=BENCH, sets=SHORT)
    assert any("student of another corpus" in line for line in said)
    assert weights.read_bytes() != first


def test_without_torch_it_says_so_at_once_and_what_to_do(tmp_path: Path) -> None:
    code = (
        "import importlib.util, sys\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name.split('.')[0] in ('torch', 'trl') else found(name, *more)\n"
        "from yisang.cli import main\n"
        "sys.exit(main(['quickstart']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "torch, trl are not installed" in done.stderr
    assert "--teacher scripted --no-student" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_teacher_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "yisang", "quickstart", "--teacher", "gpt"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no teacher 'gpt'. It has mini and scripted" in done.stderr
