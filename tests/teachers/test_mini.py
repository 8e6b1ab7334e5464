"""The models that ship: found by name, known by their content, asked as any model in this process."""

from __future__ import annotations

import asyncio
import fnmatch
import pickle
import subprocess
import tomllib
from pathlib import Path

import pytest

from yisang.errors import UsageError
from yisang.records import Trace
from yisang.teachers import models
from yisang.teachers.answers import AnswerStore
from yisang.teachers.engines import open_engine
from yisang.teachers.engines.mini import Mini
from yisang.teachers.engines.transformers import Transformers
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt
from yisang.teachers.rollouts import teach

from . import tiny
from .conftest import prompt, question

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A package that ships a model `mini` of two small files, no real one."""
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    (tmp_path / "mini").mkdir()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "mini" / "config.json").write_text("{}")
    (tmp_path / "mini" / "model.safetensors").write_bytes(b"\0\1")
    return tmp_path


def test_a_model_is_found_by_its_name(shipped):
    assert models.shipped() == ["mini"]
    assert models.folder("mini") == shipped / "mini"


@pytest.mark.parametrize("name", ["mini-base", "", ".", "..", "../mini", "mini/"])
def test_a_model_that_does_not_ship_is_refused_with_those_that_do(shipped, name):
    with pytest.raises(UsageError, match=r"No model .* ships with yisang\. Those that do are mini\."):
        models.folder(name)
    with pytest.raises(UsageError, match="Those that do are mini"):
        models.revision(name)
    with pytest.raises(UsageError, match="Those that do are mini"):
        Mini(name, "1")


def test_a_package_without_models_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    with pytest.raises(UsageError, match="This copy of the package holds none"):
        models.folder("mini")


def test_the_revision_is_of_every_name_and_byte_of_the_model_and_of_nothing_else(shipped):
    first = models.revision("mini")
    assert len(first) == 16
    weights, config = shipped / "mini" / "model.safetensors", shipped / "mini" / "config.json"
    seen = {first}
    for changed, content in ((weights, b"\0\2"), (weights, b"\0\1\0"), (config, b"{} ")):
        before = changed.read_bytes()
        changed.write_bytes(content)
        seen.add(models.revision("mini"))
        changed.write_bytes(before)
    weights.rename(shipped / "mini" / "other.safetensors")
    seen.add(models.revision("mini"))
    (shipped / "mini" / "other.safetensors").rename(weights)
    (shipped / "mini" / "added_tokens.json").write_text("{}")
    seen.add(models.revision("mini"))
    assert len(seen) == 6
    (shipped / "mini" / "added_tokens.json").unlink()
    (shipped / "mini" / "README.md").write_text("of no wheel, and nothing that answers depend on")
    assert models.revision("mini") == first


def test_two_files_are_not_one_that_holds_both(shipped):
    # Names and bytes alone, one behind the other, would be the same here.
    first = models.revision("mini")
    config = shipped / "mini" / "config.json"
    config.write_bytes(b"{}model.safetensors\0\1")
    (shipped / "mini" / "model.safetensors").unlink()
    assert models.revision("mini") != first


@pytest.mark.parametrize("declared", ["", "shipped", "0123456789abcdef"])
def test_another_revision_than_the_one_that_ships_is_refused(shipped, declared):
    with pytest.raises(UsageError, match=f"has the revision {models.revision('mini')}, but '{declared or 'none'}'"):
        Mini("mini", declared)


def test_a_wheel_holds_what_the_revision_is_of():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    patterns = declared["yisang.teachers.models"]
    assert sorted(Path(pattern).suffix for pattern in patterns) == sorted(models.SUFFIXES)
    tracked = subprocess.run(
        ["git", "ls-files", "yisang/teachers/models/*/*"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    files = [Path(line).relative_to("yisang/teachers/models").as_posix() for line in tracked.stdout.split()]
    assert [file for file in files if not any(fnmatch.fnmatch(file, pattern) for pattern in patterns)] == []


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of models with a random `mini`, in bf16 as a real one."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.set_num_threads(1)
    path = tiny.write(tmp_path_factory.mktemp("models") / "mini", max_position_embeddings=4096)
    transformers.AutoModelForCausalLM.from_pretrained(path).to(torch.bfloat16).save_pretrained(path)
    return path.parent


def test_it_answers_as_the_engine_transformers_does_with_its_folder_in_fp32(made, monkeypatch):
    monkeypatch.setattr(models, "FOLDER", made)
    sampling = Sampling(max_tokens=20)

    async def asked(engine):
        found = [await engine.generate(question(text), sampling, 0) for text in ("곰은 몇 마리인가?", "사자")]
        dtype = str(engine._worker.model.dtype)
        await engine.close()
        return found, dtype

    engine = Mini("mini", models.revision("mini"))
    found, dtype = asyncio.run(asked(engine))
    plain = Transformers("mini", "1", path=str(made / "mini"), device="cpu", dtype="float32")
    assert (found, dtype) == asyncio.run(asked(plain))
    assert dtype == "torch.float32"
    assert found[0] != found[1]
    assert asyncio.run(asked(pickle.loads(pickle.dumps(engine)))) == (found, dtype)


def test_its_traces_and_answers_bear_the_revision_that_ships(made, tmp_path, monkeypatch):
    monkeypatch.setattr(models, "FOLDER", made)
    teacher = Teacher(engine="mini", model="mini", revision=models.revision("mini"))
    engine = open_engine(teacher, batch_size=4)
    assert (engine.concurrency, engine.revision) == (4, teacher.revision)
    store = AnswerStore(tmp_path)
    traces = list(teach([prompt("곰")], teacher, MixedPrompt(), Sampling(max_tokens=5), 3, engine, store))
    assert [type(trace) for trace in traces] == [Trace] * 3
    assert {(trace.teacher, trace.revision) for trace in traces} == {("mini", teacher.revision)}
