"""`yisang sft`: a training from a configuration into a folder, or the rest of one that was stopped.

The folder: `config.json` (every setting), `run.json` (what it was trained on), `rows.arrow` and `dropped.jsonl`, `log.jsonl`
(figures), `checkpoint-N` while it runs, and `model` when it is done.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yisang.errors import UsageError
from yisang.sft.batches import Cost, Plan
from yisang.sft.config import Config
from yisang.sft.encode import ROWS, SUMMARY, Encoder, Summary, prepare, rows_digest, training_template
from yisang.sft.rows import files_of
from yisang.signals import asked_to_stop
from yisang.storage import TEMPORARY, Folder, explained, read_json, sync_file, sync_folder

Say = Callable[[str], None]
CONFIG, RUN, LOG, MODEL = "config.json", "run.json", "log.jsonl", "model"
_FREE = ("save", "log", "device")
"""Tables that may change when a training goes on: they do not change what is learned."""


@dataclass(frozen=True)
class Prepared:
    """Everything before the first step."""

    config: Config
    encoder: Encoder
    summary: Summary
    rows: Any
    plan: Plan
    model: Any

    @property
    def tokenizer(self) -> Any:
        return self.encoder.tokenizer


def process_rank() -> int:
    return int(os.environ.get("RANK", "0"))


def train(config: Config, out: str, *, say: Say = lambda line: None, arguments: dict[str, Any] | None = None) -> Path:
    """Trains into the folder `out` and returns the folder of the model. The same call goes on after a stop.

    Under torchrun every process calls it. Raises UsageError where the folder holds another training.
    """
    from yisang.pipelines.run import lock

    folder = Path(out)
    if process_rank() != 0:
        return _train(config, folder, say=lambda line: None, main=False, arguments=arguments or {})
    with explained(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)
    with lock(Folder(str(folder))):
        _claim(folder, config)
        return _train(config, folder, say=say, main=True, arguments=arguments or {})


def _train(config: Config, folder: Path, *, say: Say, main: bool, arguments: dict[str, Any]) -> Path:
    if (folder / MODEL).exists():
        say(f"{folder}: already trained")
        return folder / MODEL
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    _check_devices(config)
    _check_reporters(config)
    if not main:
        _wait_for_rows(folder)
    prepared = prepare_training(config, folder, say)
    from yisang.sft.trainer import Trainer, checkpoints

    done = checkpoints(folder)
    if main:
        _begin_log(folder, done)
    steps = len(prepared.plan)
    with asked_to_stop() as asked, _log(folder, main) as write:
        trainer = Trainer(
            config,
            prepared.plan,
            prepared.rows,
            model=prepared.model,
            tokenizer=prepared.tokenizer,
            out=folder,
            say=say,
            on_log=write,
            asked=asked,
            arguments=_accumulation(prepared.plan, config) | arguments,
        )
        say(f"training: {steps:,} steps" + (f", going on behind {done[-1].name}" if done else ""))
        if done:
            trainer.go_on(done[-1])
        trainer.train(resume_from_checkpoint=str(done[-1]) if done else None)
        if asked.by and trainer.state.global_step < steps:
            trainer.leave_group()
            raise asked.stop()
    trainer.accelerator.wait_for_everyone()
    _finish(trainer, prepared, folder)
    trainer.leave_group()
    return folder / MODEL


def prepare_training(config: Config, folder: Path, say: Say) -> Prepared:
    """Tokenizer, template, rows and model. What is in the folder already is taken from there."""
    import pyarrow as pa
    from datasets import Dataset

    from yisang.sft.build import attention_width, matrix_parameters, open_model, open_tokenizer

    tokenizer = open_tokenizer(config, folder, say)
    encoder = Encoder(tokenizer, training_template(tokenizer, config.model.template), config.loss_on)
    summary = _rows(config, encoder, folder, say)
    rows = Dataset.from_file(str(folder / ROWS))
    lengths = pa.compute.list_value_length(rows.data.column("input_ids")).to_pylist()
    model = open_model(config, tokenizer)
    cost = Cost(matrix_parameters(model), attention_width(model))
    batch, schedule = config.batch, config.schedule
    plan = Plan(
        lengths, cost, config.seed, batch.rows, batch.tokens, batch.pool, epochs=schedule.epochs, steps=schedule.steps
    )
    return Prepared(config, encoder, summary, rows, plan, model)


def _rows(config: Config, encoder: Encoder, folder: Path, say: Say) -> Summary:
    """The encoded rows; where a run goes on, those that it began with. Raises UsageError where they are not those any more."""
    place = Folder(str(folder))
    if place.exists(SUMMARY):
        found = read_json(place, SUMMARY, Summary)
        if found.encoder != encoder.digest():
            raise UsageError(
                f"The tokenizer or the chat template has changed since the training in {folder} began. Name another --out."
            )
        if not place.exists(ROWS) or found.digest != rows_digest(place):
            raise UsageError(f"{folder}/{ROWS} is not what the training began with. Remove {folder} and train again.")
        return found
    found = prepare(config, encoder, place, say)
    dropped = f", {found.dropped:,} too long (dropped.jsonl)" if found.dropped else ""
    say(
        f"rows: {found.rows:,}, {found.tokens:,} tokens, {found.targets:,} of them learned, longest {found.longest}{dropped}"
    )
    return found


def _accumulation(plan: Plan, config: Config) -> dict[str, Any]:
    world = int(os.environ.get("WORLD_SIZE", "1"))
    return {
        "gradient_accumulation_steps": plan.passes(config.batch.micro_rows, world),
        "ddp_backend": "gloo" if world > 1 and not _cuda(config) else None,
    }


def _cuda(config: Config) -> bool:
    import torch

    return config.device != "cpu" and bool(torch.cuda.is_available())


def _claim(folder: Path, config: Config) -> None:
    """Writes the settings into a new folder; refuses one that holds others."""
    place = Folder(str(folder))
    place.remove_unfinished()
    settings = json.loads(json.dumps(config.to_json()))  # tuples as the lists that they are when they are read again
    identity = {name: value for name, value in settings.items() if name not in _FREE}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    inputs = {name: list(state) for data in config.data for name, state in files_of(data).items()}
    inputs |= _model_state(config)
    if place.exists(RUN):
        found = read_json(place, RUN, dict[str, Any])
        if found["settings"] != digest:
            before = read_json(place, CONFIG, dict[str, Any]) if place.exists(CONFIG) else {}
            changed = [name for name in identity if identity[name] != before.get(name)]
            raise UsageError(
                f"{folder} holds a training with other settings ({', '.join(changed) or 'another version of yisang'}). "
                "Name another --out, or remove the folder."
            )
        changed = [name for name, state in inputs.items() if found["inputs"].get(name) != state]
        if changed or set(found["inputs"]) - set(inputs):
            named = ", ".join(changed or sorted(set(found["inputs"]) - set(inputs)))
            raise UsageError(
                f"{named} has changed since the training in {folder} began. Name another --out to train on what it is now."
            )
    elif any(path.name != "lock" for path in folder.iterdir()):
        raise UsageError(f"{folder} is not empty and holds no training of yisang. Name another --out.")
    else:  # first the file that only a training of yisang has: a kill may come between the two
        place.write_bytes(RUN, json.dumps({"settings": digest, "inputs": inputs}).encode())
    if not place.exists(CONFIG):
        place.write_bytes(CONFIG, json.dumps(settings, indent=2, ensure_ascii=False).encode())


def _model_state(config: Config) -> dict[str, list[Any]]:
    """What the student was when the training began: files of a folder by size and time of change, a shipped model by its revision."""
    from yisang.sft.build import model_source
    from yisang.teachers import models

    found: dict[str, list[Any]] = {}
    for name in (config.model.name, config.model.tokenizer):
        if name in models.shipped() and not Path(name).is_dir():
            found[name] = [models.revision(name)]
        elif name and name != "train":
            files = sorted(path for path in Path(model_source(name)).glob("*") if path.is_file())
            found |= {str(path): [path.stat().st_size, path.stat().st_mtime_ns] for path in files}
    return found


def _check_devices(config: Config) -> None:
    import torch

    if _cuda(config) and torch.cuda.device_count() > 1 and "WORLD_SIZE" not in os.environ:
        raise UsageError(
            f"{torch.cuda.device_count()} GPUs are visible to one process. Start one for each (torchrun --nproc_per_node "
            f"{torch.cuda.device_count()} -m yisang sft …), or show it one: CUDA_VISIBLE_DEVICES=0."
        )


REPORTERS = {"trackio": ("trackio",), "tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",)}
"""Packages of which one must be there for `log.report_to`."""


def _check_reporters(config: Config) -> None:
    for name in config.log.report_to:
        if name not in REPORTERS:
            raise UsageError(f"log.report_to names {name!r}; it can name {', '.join(REPORTERS)}.")
        if not any(importlib.util.find_spec(package) for package in REPORTERS[name]):
            raise UsageError(f"log.report_to names {name}, which is not installed: pip install {REPORTERS[name][0]}")


def _wait_for_rows(folder: Path) -> None:
    """The first process encodes, which may take longer than a process group waits; so there is none yet."""
    while not (folder / SUMMARY).exists():
        time.sleep(1)


def _begin_log(folder: Path, done: list[Path]) -> None:
    """Takes the lines behind the last checkpoint away: they are written again."""
    path = folder / LOG
    if not path.exists():
        return
    last = int(done[-1].name.removeprefix("checkpoint-")) if done else 0
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= last:
                kept.append(line)
        except json.JSONDecodeError:  # the line that was being written when the process was killed
            continue
    Folder(str(folder)).write_bytes(LOG, "".join(line + "\n" for line in kept).encode())


@contextlib.contextmanager
def _log(folder: Path, main: bool) -> Iterator[Callable[[dict[str, Any]], None]]:
    if not main:
        yield lambda figures: None
        return
    with open(folder / LOG, "a", encoding="utf-8") as file:

        def write(figures: dict[str, Any]) -> None:
            file.write(json.dumps(figures) + "\n")
            file.flush()

        yield write


def _finish(trainer: Any, prepared: Prepared, folder: Path) -> None:
    """Writes the model, in the type of `save.dtype`, with tokenizer and template, as one folder."""
    state = trainer.accelerator.get_state_dict(trainer.model)
    if trainer.args.should_save:
        _write_model(trainer, state, prepared, folder)
    trainer.accelerator.wait_for_everyone()


def _write_model(trainer: Any, state: dict[str, Any], prepared: Prepared, folder: Path) -> None:
    import torch
    from transformers import CONFIG_NAME

    model, tokenizer = trainer.accelerator.unwrap_model(trainer.model), prepared.tokenizer
    dtype = getattr(torch, prepared.config.save.dtype)
    turned: dict[int, Any] = {}  # tied weights stay one
    for weight in state.values():
        if weight.is_floating_point() and weight.data_ptr() not in turned:
            turned[weight.data_ptr()] = weight.to(dtype)
    state = {name: turned.get(weight.data_ptr(), weight) for name, weight in state.items()}
    model.generation_config.eos_token_id = prepared.encoder.ends()
    if prepared.config.model.template != "auto" or not tokenizer.chat_template:
        tokenizer.chat_template = prepared.encoder.template
    saving = folder / f"{TEMPORARY}{MODEL}"
    model.save_pretrained(saving, state_dict=state)
    # It writes the type of the weights in memory, which whoever loads by the configuration would get; and the cache is off
    # for training alone.
    settings = saving / CONFIG_NAME
    changed = json.loads(settings.read_text("utf-8")) | {"dtype": str(dtype).removeprefix("torch."), "use_cache": True}
    settings.write_text(json.dumps(changed, indent=2, ensure_ascii=False) + "\n", "utf-8")
    tokenizer.save_pretrained(saving)
    for path in saving.rglob("*"):
        if path.is_file():
            sync_file(path)
    saving.rename(folder / MODEL)
    sync_folder(folder)


__all__ = ["Prepared", "prepare_training", "train"]
