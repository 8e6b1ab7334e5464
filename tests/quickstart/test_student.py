"""The end of the quickstart: a shipped model teaches, and mini-base is scored, trained on what was kept, and scored again."""

from __future__ import annotations

import json
import re
import signal
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
    student = train_student(rows, str(tmp_path / "student"), lambda line: None, bench=BENCH, sets=SHORT)
    folder = Path(student.model).parents[1]
    assert folder.parent == tmp_path / "student"
    before, after = (json.loads((folder / name / "results.json").read_text()) for name in ("before", "after"))
    assert before["revision"] != after["revision"]
    for results in (before, after):
        (bench,) = results["benches"]
        assert (bench["overall"]["items"], bench["overall"]["answers"]) == (8, 8)
    line = next(line for line in student.comparison.splitlines() if line.startswith("tasks:"))
    measure, pairs, *scores = re.findall(r"  (\S+)", line)[:4]
    assert (measure, pairs) == ("verified", "8")
    measures = [results["benches"][0]["overall"]["measures"]["verified"]["mean"] for results in (before, after)]
    assert scores == [f"{100 * mean:.1f}" for mean in measures]
    steps = [json.loads(line)["step"] for line in (folder / "training" / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4]


def test_the_same_corpus_is_not_trained_on_twice_and_another_one_has_a_student_of_its_own(
    rows: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "student"
    out.mkdir()
    (out / "notes.txt").write_text("somebody's")
    first = train_student(rows, str(out), lambda line: None, bench=BENCH, sets=SHORT)
    weights = Path(first.model) / "model.safetensors"
    bytes_, stamp = weights.read_bytes(), weights.stat().st_mtime_ns
    said: list[str] = []
    monkeypatch.chdir(tmp_path)  # the same folder under another name
    again = train_student("./rows/", str(out), said.append, bench=BENCH, sets=SHORT)
    assert again == first
    assert weights.stat().st_mtime_ns == stamp
    assert any("already trained" in line for line in said)
    other = train_student(made(tmp_path, 90), str(out), said.append, bench=BENCH, sets=SHORT)
    assert (Path(other.model) / "model.safetensors").read_bytes() != bytes_
    assert weights.read_bytes() == bytes_
    assert (out / "notes.txt").read_text() == "somebody's"


def test_a_training_that_was_stopped_goes_on(rows: str, tmp_path: Path) -> None:
    """Stopped by a signal behind its first line; the second call does the rest, and evaluates nothing twice."""
    code = (
        "import sys\n"
        "from yisang.quickstart.student import train_student\n"
        "from yisang.signals import stoppable\n"
        f"with stoppable(): train_student({rows!r}, {str(tmp_path / 'student')!r}, lambda line: print(line, flush=True), "
        f"bench={BENCH!r}, sets=('schedule.steps=20', 'save.every=2', 'log.every=1'))\n"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert running.stdout is not None
    for line in running.stdout:
        if line.startswith("step 3"):
            running.send_signal(signal.SIGTERM)
            break
    running.stdout.read()
    assert running.wait() != 0
    said: list[str] = []
    sets = ("schedule.steps=20", "save.every=2", "log.every=1")
    student = train_student(rows, str(tmp_path / "student"), said.append, bench=BENCH, sets=sets)
    assert any("going on behind checkpoint" in line for line in said)
    assert any("is finished: these are its results" in line for line in said)
    log = (Path(student.model).parent / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == list(range(1, 21))


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
    assert "torch and trl are not installed" in done.stderr
    assert "--teacher scripted --no-student" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_teacher_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "yisang", "quickstart", "--teacher", "gpt"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no teacher 'gpt'. It has mini and scripted" in done.stderr


@pytest.mark.parametrize("out", ["s3://bucket/run", "memory://run"])
def test_another_machine_is_refused_before_anything_is_done(out: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "yisang", "quickstart", "--out", out],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Name a " in done.stderr
    assert list(tmp_path.iterdir()) == []
