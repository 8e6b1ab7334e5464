"""What is held out steers nothing: it is refused with any purpose but the last."""

from __future__ import annotations

from pathlib import Path

import pytest

from yisang.cli import main
from yisang.errors import UsageError
from yisang.evals import guard
from yisang.evals.benchmarks import NAMES, benchmark
from yisang.evals.evaluate import evaluate
from yisang.teachers.generation import Teacher

SCRIPTED = Teacher(engine="scripted", model="scripted", revision="1")


def test_each_benchmark_says_whether_it_is_held_out():
    assert {name: benchmark(name).held_out for name in NAMES} == {"tasks": False, "mgsm": False, "mmath": True}


@pytest.mark.parametrize("purpose", ["training", "ablation"])
@pytest.mark.parametrize("name", ["mmath", "mmath:lang=ja", "tasks:held_out=true", "mmath:held_out=false"])
def test_held_out_is_refused_before_the_end(name: str, purpose: str):
    with pytest.raises(UsageError, match=f"held out, so it must not steer anything \\({purpose}"):
        guard.check(["tasks", name], purpose)


@pytest.mark.parametrize("purpose", ["training", "ablation", "final"])
def test_held_in_is_always_allowed(purpose: str):
    guard.check(["tasks:lang=ko,ops=1-4", "mgsm"], purpose)


def test_all_is_allowed_at_the_end():
    guard.check(NAMES, "final")


@pytest.mark.parametrize("purpose", ["", "dev", "Final"])
def test_another_purpose_is_refused(purpose: str):
    with pytest.raises(UsageError, match="must be one of training, ablation, final"):
        guard.check(["tasks"], purpose)


def test_evaluate_and_the_command_ask_the_guard(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(UsageError, match="held out"):
        evaluate(SCRIPTED, ["tasks:held_out=true"], out=str(tmp_path / "out"), purpose="training")
    arguments = ["eval", "scripted", "--bench", "mmath", "--out", str(tmp_path / "out"), "--purpose", "ablation"]
    assert main(arguments) == 2
    assert "mmath: held out" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("repo", ["RUCAIBox/MMATH", "rucaibox/mmath"])
def test_nothing_is_trained_on_what_is_held_out(repo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = tmp_path / "student.toml"
    config.write_text(f'[model]\nname = "mini-base"\n[[data]]\nhub = "{repo}"\n')
    assert main(["sft", str(config), "--out", str(tmp_path / "out")]) == 2
    assert f"{repo} is what the benchmark mmath is read from, which is held out" in capsys.readouterr().err


def test_what_is_held_in_may_be_trained_on():
    guard.check_training_data(benchmark("mgsm").settings().repo)
    guard.check_training_data("")
