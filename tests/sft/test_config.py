"""Configurations: presets, settings from the command line, and what is said of a wrong one."""

from __future__ import annotations

import importlib.util
import json

import msgspec
import pytest

from yisang.errors import UsageError
from yisang.sft import run
from yisang.sft.config import load_config, shipped

GOOD = """
preset = "paper"
[model]
name = "Qwen/Qwen3-0.6B"
[[data]]
path = "corpus.jsonl"
"""


@pytest.fixture
def write(tmp_path):
    def make(text: str, name: str = "a.toml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return make


def test_a_preset_stands_under_the_file_and_set_over_it(write):
    path = write(GOOD + "[optimizer]\nrate = 4e-5\n")
    found = load_config(path, ["optimizer.weight_decay=0.1", "data.0.path=other.jsonl", "schedule.epochs=2"])
    assert (found.batch.rows, found.max_length, found.schedule.warmup) == (512, 16000, 0.1)
    assert found.optimizer.rate == 4e-5
    assert found.optimizer.weight_decay == 0.1
    assert (found.data[0].path, found.schedule.epochs) == ("other.jsonl", 2)


def test_the_presets_say_what_the_paper_and_the_working_files_say(write):
    paper, files = (
        load_config(write(GOOD.replace("paper", name), f"{name}.toml")) for name in ("paper", "working-files")
    )
    assert (paper.optimizer.rate, paper.optimizer.weight_decay, paper.schedule.warmup) == (2e-5, 1e-5, 0.10)
    assert (files.optimizer.rate, files.optimizer.weight_decay, files.schedule.warmup) == (2e-5, 0.01, 0.05)
    assert (paper.max_length, files.max_length) == (16000, 16384)
    assert {paper.schedule.epochs, files.schedule.epochs} == {5}


def test_every_shipped_configuration_can_be_loaded():
    assert shipped("configs")
    for name in shipped("configs"):
        assert load_config(name).data


def test_what_is_written_is_read_as_the_same(write):
    found = load_config(write(GOOD))
    again = load_config(write(json.dumps(found.to_json()), "again.json"))
    assert msgspec.to_builtins(again) == msgspec.to_builtins(found)


@pytest.mark.parametrize(
    ("text", "sets", "message"),
    [
        (GOOD + "[optimizer]\nlr = 1\n", [], r"optimizer: .*unknown field `lr`.*It knows: name, rate"),
        (GOOD + "[data.tasks]\nlang = 'ko'\n", [], r"unknown field `lang`.*It knows: skill, language"),
        (GOOD, ["batch.rows=many"], r"batch.rows: Expected `int`, got `str`"),
        (GOOD, ["batch.rows=0"], "must be 1 or more"),
        (GOOD, ["save.keep=-1"], "save.keep must be"),
        (GOOD, ["data.0.rows=-1"], "rows is -1"),
        (GOOD, ["schedule.kind=linear", "schedule.min_share=0.1"], "min_share is of a cosine"),
        (GOOD, ["model.architecture=qwen3"], "a pretrained model has its own"),
        (GOOD, ["init.qk_norm=2"], "a pretrained model has its weights"),
        (GOOD, ["optimizer.name=muon"], "Muon works on whole matrices"),
        (
            "[model]\nname='x'\n[[data]]\nrows=1\n[data.tasks]\nseed=1099511627776\n",
            [],
            "where evaluation begins to draw",
        ),
        (GOOD, ["batch.rows"], "must look like key=value"),
        (GOOD, ["data.3.rows=1"], "no entry 3"),
        (GOOD, ["max_length.x=1"], "max_length: Expected `int`"),
        (GOOD, ["model.name.x=1"], "name is a value"),
        (GOOD, ["preset=best"], "no preset 'best'"),
        (GOOD.replace('"paper"', '"best"'), [], "no preset 'best'; there are paper"),
        (GOOD.replace("[[data]]\npath", "[model.x]\npath"), [], "unknown field"),
        ("[model]\nname = 'x'\n", [], r"no \[\[data\]\]"),
        ("[[data]]\npath = 'x'\n", [], "no model"),
        (GOOD, ["data.0.hub=a/b"], "exactly one of path, hub and tasks"),
        ("[model]\nname='x'\n[[data]]\n[data.tasks]\nops='1-2'\n", [], "without end"),
        (GOOD, ["batch.tokens=100"], "a row may have max_length"),
        ("model = [", [], "cannot be read"),
    ],
)
def test_a_wrong_setting_is_named(write, text, sets, message):
    with pytest.raises(UsageError, match=f"(?s){message}"):
        load_config(write(text), sets)


def test_a_missing_file_names_those_that_ship(tmp_path):
    with pytest.raises(UsageError, match="one of those that ship: .*mini"):
        load_config(str(tmp_path / "none.toml"))


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_reporter_that_cannot_report_is_refused_before_the_first_step(settings, tmp_path, name, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda wanted, *more: None if "tensorboard" in wanted else found(wanted, *more)
    )
    with pytest.raises(UsageError, match=rf"log.report_to names '?{name}"):
        run.train(settings(log={"report_to": [name]}), str(tmp_path / "run"))
    assert not (tmp_path / "run" / "log.jsonl").exists()
