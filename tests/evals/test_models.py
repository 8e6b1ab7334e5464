"""A model's name becomes a teacher whose revision says which weights answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from yisang.errors import UsageError
from yisang.evals.evaluate import evaluate
from yisang.evals.models import folder_revision, teacher_of
from yisang.evals.protocols import protocol


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "student"
    path.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"):
        (path / name).write_text(f"content of {name}")
    return path


def test_a_folder_is_known_by_its_content_and_not_by_its_place(folder: Path, tmp_path: Path):
    before = teacher_of(str(folder))
    assert (before.engine, before.model, before.options) == ("transformers", "student", {"path": str(folder)})
    assert before.revision.startswith("sha256:")
    copy = tmp_path / "elsewhere" / "student"
    shutil.copytree(folder, copy)
    assert teacher_of(str(copy)).identity() == before.identity()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"])
def test_a_change_of_what_decides_an_answer_is_another_revision(name: str, folder: Path):
    before = folder_revision(folder)
    (folder / name).write_text("another content")
    assert folder_revision(folder) != before


def test_another_file_of_weights_or_another_name_is_another_revision(folder: Path):
    before = folder_revision(folder)
    (folder / "model-00002-of-00002.safetensors").write_text("more")
    more = folder_revision(folder)
    assert more != before
    (folder / "model-00002-of-00002.safetensors").rename(folder / "model-00003-of-00003.safetensors")
    assert folder_revision(folder) not in (before, more)


def test_a_trainer_s_state_changes_nothing(folder: Path):
    before = folder_revision(folder)
    for name in (
        "optimizer.pt",
        "scheduler.pt",
        "rng_state.pth",
        "trainer_state.json",
        "training_args.bin",
        "README.md",
    ):
        (folder / name).write_text("state")
    (folder / "checkpoint-10").mkdir()
    assert folder_revision(folder) == before


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("gone/away",), "is no folder here, so its engine must be told"),
        (("m", "magic"), "There is no engine 'magic'"),
        (("org/name", "transformers"), "must be told with --revision"),
        (("m", "openai"), "must be told with --revision"),
    ],
)
def test_what_does_not_say_enough_is_told(given: tuple[str, ...], words: str):
    with pytest.raises(UsageError, match=words):
        teacher_of(*given)


def test_a_folder_without_a_model_and_a_folder_with_a_revision_are_told(folder: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="it has no config.json"):
        teacher_of(str(tmp_path / "empty"))
    with pytest.raises(UsageError, match="Leave --revision away"):
        teacher_of(str(folder), revision="v1")


def test_names_with_an_engine_and_a_revision():
    teacher = teacher_of("m", "openai", "2025-01", {"base_url": "http://127.0.0.1:1/v1"})
    assert (teacher.engine, teacher.model, teacher.revision) == ("openai", "m", "2025-01")
    assert teacher_of("scripted").revision == "1"
    assert teacher_of("scripted", revision="1;truncated=0.5").revision == "1;truncated=0.5"


def test_a_real_model_folder_is_evaluated(tmp_path: Path):
    pytest.importorskip("torch")
    from teachers import tiny

    folder = tiny.write(tmp_path / "tiny", max_position_embeddings=1024)
    by = protocol("greedy", {"max_tokens": 4})
    results = evaluate(teacher_of(str(folder)), ["tasks:n=2,ops=2"], by, str(tmp_path / "out"))
    found = results.benches[0].overall
    assert (results.model, results.engine) == ("tiny", "transformers")
    assert results.revision == folder_revision(folder)
    assert (found.answers, found.verdicts["infra_error"]) == (2, 0)
    assert found.score.mean == 0.0
