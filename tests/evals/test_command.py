"""`yisang eval` as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from yisang.cli import main
from yisang.evals.config import load, toml
from yisang.evals.protocols import Protocol

BENCH = "tasks:lang=ko,ops=1-2,n=3,context=zoo,preset=narrow,seed=7,mode=mixed"


def command(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> tuple[str, str]:
    ended = main(["eval", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert ended == code, err
    return out, err


def test_a_model_is_evaluated_and_the_table_printed(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    out, _ = command(
        capsys, "scripted", "--bench", BENCH, "--bench", "tasks:kind=translate,n=2", "--out", tmp_path / "o"
    )
    assert "protocol paper" in out
    assert "ops 1" in out
    assert "average of 2 benchmarks: 100.0" in out
    stored, err = command(capsys, "scripted", "--bench", BENCH, "--bench", "tasks:kind=translate,n=2", "--out", tmp_path / "o", "--json")  # fmt: skip
    assert "is finished" in err
    assert json.loads(stored) == json.loads((tmp_path / "o" / "results.json").read_text())


def test_every_setting_can_be_overridden(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    out, _ = command(
        capsys, "scripted", "--bench", BENCH, "--out", tmp_path / "o", "--protocol", "mmath", "--max-tokens", 300, "--runs", 2,
        "--samples", 3, "--temperature", 0.1, "--set", "protocol.seed=5", "--set", "protocol.unparsed=left_out",
        "--purpose", "ablation", "--answers", tmp_path / "a", "--revision", "1;wrong_value=0.5", "--json",
    )  # fmt: skip
    found = json.loads(out)
    assert found["protocol"] == {
        "name": "mmath", "temperature": 0.1, "top_p": 0.95, "top_k": 0, "min_p": 0.0, "max_tokens": 300, "thinking": True,
        "seed": 5, "runs": 2, "samples": 3, "box": "last", "fallback": ["number"], "unparsed": "left_out",
    }  # fmt: skip
    assert (found["purpose"], found["revision"]) == ("ablation", "1;wrong_value=0.5")
    assert found["benches"][0]["overall"]["answers"] == 36
    assert list(found["benches"][0]["overall"]["pass_at_k"]) == ["1", "2", "3"]
    assert (tmp_path / "a" / "store.json").exists()
    assert not (tmp_path / "o" / "answers").exists()


def test_a_configuration_file_is_taken_and_the_options_go_before_it(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    config = tmp_path / "eval.toml"
    config.write_text(
        f'model = "scripted"\nbench = ["{BENCH}", {{ name = "tasks", kind = "translate", n = 2 }}]\n'
        '[protocol]\nname = "last-box"\nruns = 1\nmax_tokens = 999\n'
    )
    out, _ = command(capsys, "--config", config, "--set", "protocol.max_tokens=777", "--runs", 2, "--out", tmp_path / "o", "--json")  # fmt: skip
    found = json.loads(out)
    assert (found["protocol"]["name"], found["protocol"]["runs"], found["protocol"]["max_tokens"]) == (
        "last-box",
        2,
        777,
    )
    assert len(found["benches"]) == 2
    again, err = command(capsys, "--config", tmp_path / "o" / "config.toml", "--out", tmp_path / "o", "--json")
    assert again == out
    assert "is finished" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Nothing to do"),
        (["scripted", "--out", "o"], "Nothing is asked"),
        (["scripted", "--bench", "tasks"], "--out DIR"),
        (["scripted", "--bench", "gsm", "--out", "o"], "There is no benchmark 'gsm'"),
        (["scripted", "--bench", "tasks", "--out", "o", "--protocol", "mine"], "There is no protocol 'mine'"),
        (["scripted", "--bench", "tasks", "--out", "o", "--runs", "0"], "runs is 0"),
        (["scripted", "--bench", "tasks", "--out", "o", "--temperature", "-1"], "temperature is -1.0"),
        (["scripted", "--bench", "tasks", "--out", "o", "--set", "protocol.colour=1"], "unknown field `colour`"),
        (["scripted", "--bench", "tasks", "--out", "o", "--set", "seed"], "must look like key=value"),
        (["scripted", "--bench", "tasks", "--out", "o", "--set", "models=1"], "unknown field `models`"),
        (
            ["scripted", "--bench", "tasks", "--out", "o", "--set", "engine=a", "--set", "engine.b=1"],
            "is a value and holds",
        ),
        (["scripted", "--bench", "tasks", "--out", "o", "--engine-option", "x"], "must look like name=value"),
        (["scripted", "--bench", "tasks", "--out", "o", "--engine-option", "x=1"], "has no option x"),
        (["nobody", "--bench", "tasks", "--out", "o"], "its engine must be told"),
        (["scripted", "--bench", "tasks", "--out", "o", "--purpose", "fun"], "must be one of training"),
        (["--config", "none.toml"], "cannot be read as TOML"),
        (["--score", "none.jsonl"], "cannot be read"),
        (["--score", "a", "--compare", "b", "c"], "two different things"),
        (["scripted", "--score", "a"], "--score asks no model, so it takes no MODEL"),
        (["--compare", "a", "b", "--protocol", "paper"], "--compare asks no model, so it takes no --protocol"),
        (["--compare", "a", "b"], "holds no finished evaluation"),
    ],
)
def test_wrong_usage_is_one_paragraph(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    out, err = command(capsys, *arguments, code=2)
    assert words in err
    assert err.startswith("yisang: ")
    assert err.count("\n") == 1
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_outputs_are_scored_without_a_model(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    rows: list[dict[str, Any]] = [
        {"prediction": "<think>1</think>\\boxed{1} \\boxed{2}", "gold": "1"},
        {"prediction": "<think>1</think>답은 1", "gold": 1, "lang": "ko"},
    ]
    path = tmp_path / "outputs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    scores = {}
    for name in ("paper", "last-box", "mmath"):
        out, _ = command(capsys, "--score", path, "--protocol", name, "--json")
        found = json.loads(out)
        scores[name] = [line["verdict"] for line in found["lines"]]
        assert found["overall"]["score"]["mean"] == scores[name].count("correct") / 2
    assert scores == {
        "paper": ["correct", "unparsed"],
        "last-box": ["wrong", "unparsed"],
        "mmath": ["wrong", "correct"],
    }
    out, _ = command(capsys, "--score", path)
    assert "protocol paper" in out
    assert "50.0%" in out  # unparsed


def test_two_folders_are_compared(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    for name, revision in (("a", "1;wrong_value=0.6"), ("b", "1")):
        command(
            capsys,
            "scripted",
            "--revision",
            revision,
            "--bench",
            BENCH,
            "--protocol",
            "greedy",
            "--out",
            tmp_path / name,
        )
    out, _ = command(capsys, "--compare", tmp_path / "a", tmp_path / "b", "--json")
    (found,) = json.loads(out)["benches"]
    assert found["pairs"] == 6
    assert found["difference"] == pytest.approx(found["b"] - found["a"])
    assert found["difference"] > 0
    out, _ = command(capsys, "--compare", tmp_path / "a", tmp_path / "b", "--measure", "verified")
    assert "verified" in out
    assert "paired by item" in out


def test_a_written_configuration_reads_back():
    table = {
        "model": 'a "quoted"\\path\x7f', "concurrency": 3, "bench": [{"name": "tasks", "held_out": False, "lang": ["ko", "한"]}],
        "protocol": {"name": "paper", "temperature": 0.7, "fallback": ["number"]}, "engine_options": {"x": None, "y": True},
    }  # fmt: skip
    import tomllib

    assert tomllib.loads(toml(table)) == {**table, "engine_options": {"y": True}}


def test_no_settings_are_the_paper_s():
    assert load("").resolved_protocol() == Protocol()


def test_neither_help_nor_scoring_loads_a_model_s_libraries(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"gold": "1", "response": "\\\\boxed{1}"}\n')
    code = (
        "import sys; from yisang.cli import main; main(['eval', '--score', sys.argv[1]]);"
        "print([name for name in ('torch', 'transformers', 'py3langid', 'datasets', 'apache_beam') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
