"""Killed at any step, a training goes on as if it had not been."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from yisang.errors import Interrupt, UsageError, YisangError
from yisang.sft import run
from yisang.sft.trainer import checkpoints


def log(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def learned(out: Path) -> list[tuple[int, float, float]]:
    return [(line["step"], line["loss"], line["grad_norm"]) for line in log(out)]


def bytes_of(out: Path) -> bytes:
    return (out / "model" / "model.safetensors").read_bytes()


def _killed(config: Any, out: str, step: int) -> None:
    def say(line: str) -> None:
        if line.startswith(f"step {step}/"):
            os.kill(os.getpid(), signal.SIGKILL)

    run.train(config, out, say=say)


def kill_at(config: Any, out: Path, step: int) -> None:
    process = multiprocessing.get_context("fork").Process(target=_killed, args=(config, str(out), step))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


@pytest.fixture
def config(settings):
    return settings(
        rows=40,
        model={"dtype": "float32"},
        batch={"rows": 4, "micro_rows": 2},
        optimizer={"name": "muon", "muon_rate": 1e-2, "clip": 1.0},
        schedule={"epochs": 2, "warmup": 0.1},
        save={"every": 3, "keep": 2, "dtype": "float32"},
    )


def test_killed_at_five_steps_the_losses_are_bit_equal_to_those_of_an_uninterrupted_run(config, tmp_path):
    run.train(config, str(tmp_path / "straight"))
    steps = sorted(random.Random(7).sample(range(1, 20), 5))
    for step in steps:
        kill_at(config, tmp_path / "killed", step)
    run.train(config, str(tmp_path / "killed"))
    assert learned(tmp_path / "killed") == learned(tmp_path / "straight")
    assert [line["step"] for line in log(tmp_path / "straight")] == list(range(1, 21))
    assert bytes_of(tmp_path / "killed") == bytes_of(tmp_path / "straight")


IN_PROCESSES = r"""
import json, os, signal, sys
import msgspec
from transformers import TrainerCallback
from yisang.sft import trainer
from yisang.sft.config import Config
from yisang.sft.run import train

step, rank = int(sys.argv[3]), sys.argv[4]
assert os.environ["WORLD_SIZE"] == "2"

class Dies(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == step and os.environ["RANK"] == rank:
            open(f"{sys.argv[1]}.{step}.{rank}", "w").close()
            os.kill(os.getpid(), signal.SIGKILL)

made = trainer.Trainer.__init__

def watched(self, *arguments, **named):
    made(self, *arguments, **named)
    self.add_callback(Dies())

trainer.Trainer.__init__ = watched
train(msgspec.convert(json.load(open(sys.argv[1])), Config), sys.argv[2])
"""


def test_two_processes_of_which_either_is_killed_go_on_bit_equal(config, torchrun, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(config.to_json()))
    script = tmp_path / "train.py"
    script.write_text(IN_PROCESSES)

    def train(out: str, step: int, rank: int) -> Any:
        return torchrun(2, script, str(tmp_path / "config.json"), str(tmp_path / out), str(step), str(rank))

    assert train("straight", 0, 0).returncode == 0
    for step, rank in ((8, 0), (14, 1)):
        ended = train("killed", step, rank)
        assert ended.returncode != 0
        assert (tmp_path / f"config.json.{step}.{rank}").exists(), ended.stderr
        assert not (tmp_path / "killed" / "model").exists()
        assert checkpoints(tmp_path / "killed")[-1].name == f"checkpoint-{step // 3 * 3}"
    ended = train("killed", 0, 0)
    assert ended.returncode == 0, ended.stderr
    assert learned(tmp_path / "killed") == learned(tmp_path / "straight")
    assert [line["step"] for line in log(tmp_path / "straight")] == list(range(1, 21))
    assert bytes_of(tmp_path / "killed") == bytes_of(tmp_path / "straight")


def test_another_order_of_rows_would_be_seen(config, settings, tmp_path):
    """The wrong twin: going on with another seed."""
    import msgspec

    run.train(config, str(tmp_path / "straight"))
    run.train(msgspec.structs.replace(config, seed=1), str(tmp_path / "other"))
    assert learned(tmp_path / "other") != learned(tmp_path / "straight")


def test_a_half_written_checkpoint_is_never_taken(config, tmp_path, monkeypatch):
    """Killed while it writes the second checkpoint, it goes on behind the first."""
    out = tmp_path / "run"

    def dies(config: Any, out: str) -> None:
        from yisang.sft.trainer import Trainer

        whole = Trainer._save_optimizer_and_scheduler

        def half(self: Any, folder: str) -> None:
            if folder.endswith("checkpoint-6"):
                os.kill(os.getpid(), signal.SIGKILL)
            whole(self, folder)

        Trainer._save_optimizer_and_scheduler = half
        run.train(config, out)

    process = multiprocessing.get_context("fork").Process(target=dies, args=(config, str(out)))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    assert [path.name for path in checkpoints(out)] == ["checkpoint-3"]
    run.train(config, str(out))
    run.train(config, str(tmp_path / "straight"))
    assert learned(out) == learned(tmp_path / "straight")


def test_a_checkpoint_that_lacks_weights_is_refused(config, tmp_path):
    """transformers goes on with fresh weights and a warning."""
    from safetensors.torch import load_file, save_file

    out = tmp_path / "run"
    kill_at(config, out, 5)
    file = out / "checkpoint-3" / "model.safetensors"
    weights = load_file(file)
    del weights["model.norm.weight"]
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(YisangError, match=r"not one of this model: missing \['model.norm.weight'\]"):
        run.train(config, str(out))
    assert not (out / "model").exists()


def test_a_signal_saves_and_stops_and_the_same_call_goes_on(config, tmp_path):
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        if line.startswith("step 5/"):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupt, match=r"Stopped by SIGTERM.*the same command goes on"):
        run.train(config, str(tmp_path / "run"), say=say)
    stopped = checkpoints(tmp_path / "run")[-1].name
    assert stopped in ("checkpoint-5", "checkpoint-6")
    run.train(config, str(tmp_path / "run"), say=lines.append)
    assert f"training: 20 steps, going on behind {stopped}" in lines
    run.train(config, str(tmp_path / "straight"))
    assert learned(tmp_path / "run") == learned(tmp_path / "straight")


def test_only_so_many_checkpoints_are_kept(config, tmp_path):
    run.train(config, str(tmp_path / "run"))
    assert [path.name for path in checkpoints(tmp_path / "run")] == ["checkpoint-15", "checkpoint-18"]
    assert not list((tmp_path / "run").glob(".writing-*"))


def test_a_folder_of_another_training_is_refused(config, tmp_path):
    import msgspec

    out = str(tmp_path / "run")
    model = run.train(config, out)
    lines: list[str] = []
    assert run.train(config, out, say=lines.append) == model
    assert lines == [f"{out}: already trained"]
    changed = msgspec.structs.replace(
        config, optimizer=msgspec.structs.replace(config.optimizer, rate=0.5), max_length=400
    )
    with pytest.raises(UsageError, match=r"other settings \(optimizer, max_length\)"):
        run.train(changed, out)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty and holds no training"):
        run.train(config, str(tmp_path / "full"))
    assert (tmp_path / "full" / "notes.txt").read_text() == "mine"


def test_rows_that_have_changed_are_not_taken_for_those_that_were_trained_on(config, tmp_path):
    import msgspec

    from yisang.sft.config import Data

    file = tmp_path / "rows.jsonl"
    file.write_text('{"prompt": "1", "completion": "2"}\n' * 40)
    read = msgspec.structs.replace(config, data=(Data(path=str(file)),))
    kill_at(read, tmp_path / "run", 5)
    file.write_text('{"prompt": "1", "completion": "3"}\n' * 41)
    with pytest.raises(UsageError, match=r"rows.jsonl has changed since the training"):
        run.train(read, str(tmp_path / "run"))


def test_how_often_it_saves_and_logs_may_change(config, tmp_path):
    import msgspec

    out = tmp_path / "run"
    kill_at(config, out, 8)
    run.train(msgspec.structs.replace(config, save=msgspec.structs.replace(config.save, every=7)), str(out))
    run.train(config, str(tmp_path / "straight"))
    assert learned(out) == learned(tmp_path / "straight")


def test_the_model_folder_is_a_model(config, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = run.train(config, str(tmp_path / "run"))
    found = AutoModelForCausalLM.from_pretrained(model)
    tokenizer = AutoTokenizer.from_pretrained(model)
    assert found.dtype == torch.float32
    assert "{% generation %}" in tokenizer.chat_template
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": "1"}], add_generation_prompt=True, return_tensors="pt"
    )
    last = checkpoints(tmp_path / "run")[-1]
    before = AutoModelForCausalLM.from_pretrained(last)(**ids).logits
    after = found(**ids).logits
    assert 0 < (after - before).abs().max().item() < 1  # two steps on from the last checkpoint
    assert tokenizer.eos_token_id in found.generation_config.eos_token_id


def test_tied_weights_are_written_once_in_another_type(config, tmp_path):
    import msgspec
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    half = msgspec.structs.replace(config, save=msgspec.structs.replace(config.save, dtype="bfloat16"))
    model = run.train(half, str(tmp_path / "run"))
    weights = load_file(model / "model.safetensors")
    assert "lm_head.weight" not in weights
    assert {weight.dtype for weight in weights.values()} == {torch.bfloat16}
    found = AutoModelForCausalLM.from_pretrained(model)
    assert found.dtype == torch.bfloat16
    assert found.config.use_cache


def test_a_template_of_ones_own_goes_with_the_model_and_its_end_ends_an_answer(config, tmp_path, tokenizer):
    import msgspec
    from transformers import AutoModelForCausalLM, AutoTokenizer

    file = tmp_path / "own.jinja"
    file.write_text(
        "{% for m in messages %}{% if m['role'] == 'assistant' %}<think>{% generation %}{{ m['content'] }}</think>"
        "{% endgeneration %}{% else %}{{ m['content'] }}{% endif %}{% endfor %}{% if add_generation_prompt %}<think>{% endif %}"
    )
    own = msgspec.structs.replace(config, model=msgspec.structs.replace(config.model, template=str(file)))
    model = run.train(own, str(tmp_path / "run"))
    found = AutoTokenizer.from_pretrained(model)
    assert (
        found.apply_chat_template([{"role": "user", "content": "1"}], tokenize=False, add_generation_prompt=True)
        == "1<think>"
    )
    ends = AutoModelForCausalLM.from_pretrained(model).generation_config.eos_token_id
    assert set(ends) == {found.eos_token_id, found.convert_tokens_to_ids("</think>")}


def test_figures_of_a_line_do_not_depend_on_a_kill_between_two_lines(config, tmp_path):
    """Lines of four steps, checkpoints every three: the sums since the last line must stand in the checkpoint."""
    import msgspec

    from yisang.sft.config import Log

    sparse = msgspec.structs.replace(config, log=Log(every=4))
    kill_at(sparse, tmp_path / "killed", 8)
    run.train(sparse, str(tmp_path / "killed"))
    run.train(sparse, str(tmp_path / "straight"))
    assert learned(tmp_path / "killed") == learned(tmp_path / "straight")
    assert [step for step, _, _ in learned(tmp_path / "straight")] == [4, 8, 12, 16, 20]
    short = msgspec.structs.replace(sparse, log=Log(every=7))
    run.train(short, str(tmp_path / "short"))
    assert [step for step, _, _ in learned(tmp_path / "short")] == [7, 14, 20]


def test_steps_by_tokens_in_bfloat16_go_on_as_well(config, tmp_path):
    import msgspec

    from yisang.sft.config import Batch

    other = msgspec.structs.replace(config, batch=Batch(tokens=600, pool=20), autocast=True, max_length=512)
    kill_at(other, tmp_path / "killed", 5)
    run.train(other, str(tmp_path / "killed"))
    run.train(other, str(tmp_path / "straight"))
    assert learned(tmp_path / "killed") == learned(tmp_path / "straight")


def test_two_trainings_do_not_write_to_one_folder(config, tmp_path):
    from yisang.errors import YisangError

    seen: list[str] = []

    def say(line: str) -> None:
        if line.startswith("step 4/"):
            process = multiprocessing.get_context("fork").Process(target=_refused, args=(config, str(tmp_path / "run")))
            process.start()
            process.join(60)
            seen.append(str(process.exitcode))

    run.train(config, str(tmp_path / "run"), say=say)
    assert seen == ["7"]
    with pytest.raises(YisangError, match="is being written by"), run_lock(tmp_path / "run"):
        run.train(config, str(tmp_path / "run"))


def _refused(config: Any, out: str) -> None:
    from yisang.errors import YisangError

    try:
        run.train(config, out)
    except YisangError as error:
        os._exit(7 if "is being written by" in str(error) else 8)
    os._exit(9)


def run_lock(folder: Path) -> Any:
    from yisang.pipelines.run import lock
    from yisang.storage import Folder

    return lock(Folder(str(folder)))


def test_rows_and_templates_that_have_changed_since_are_refused(config, tmp_path):
    import msgspec

    kill_at(config, tmp_path / "run", 5)
    rows = tmp_path / "run" / "rows.arrow"
    rows.write_bytes(rows.read_bytes()[:-9] + b"x" * 9)
    with pytest.raises(UsageError, match=r"rows.arrow is not what the training began with"):
        run.train(config, str(tmp_path / "run"))
    file = tmp_path / "own.jinja"
    text = "{% for m in messages %}{% generation %}{{ m['content'] }}{% endgeneration %}{% endfor %}"
    file.write_text(text)
    own = msgspec.structs.replace(config, model=msgspec.structs.replace(config.model, template=str(file)))
    kill_at(own, tmp_path / "own", 5)
    file.write_text(text + " ")
    with pytest.raises(UsageError, match=r"the chat template has changed since"):
        run.train(own, str(tmp_path / "own"))


def test_a_kill_between_the_first_two_files_loses_nothing(config, tmp_path):
    out = tmp_path / "run"
    run.train(config, str(out))
    first = learned(out)
    began = (out / "run.json").read_bytes()
    shutil.rmtree(out)
    out.mkdir()
    (out / "run.json").write_bytes(began)
    run.train(config, str(out))
    assert learned(out) == first
    assert json.loads((out / "config.json").read_text())["seed"] == config.seed


def test_a_folder_with_somebodys_configuration_is_left_alone(config, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="is not empty and holds no training of yisang"):
        run.train(config, str(tmp_path))
    assert (tmp_path / "config.json").read_text() == "{}"
