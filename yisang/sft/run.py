"""`yisang sft`: a training from a configuration into a folder, or the rest of one that was stopped.

The folder: `config.json` (every setting), `run.json` (what it was trained on), `rows.arrow` and `dropped.jsonl`, `log.jsonl`
(figures), `checkpoint-N` while it runs, and `model` when it is done.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yisang.errors import UsageError
from yisang.sft.batches import Cost, Plan
from yisang.sft.config import Config
from yisang.sft.encode import ROWS, SUMMARY, Encoder, Summary, prepare, training_template
from yisang.sft.rows import files_of
from yisang.signals import asked_to_stop
from yisang.storage import TEMPORARY, Folder, read_json, sync_file, sync_folder

Say = Callable[[str], None]
CONFIG, RUN, LOG, MODEL = "config.json", "run.json", "log.jsonl", "model"
_FREE = ("save", "log", "device")
"""Tables that may change when a training goes on: they do not change what is learned."""


@dataclass(frozen=True)
class Prepared:
    """Everything before the first step."""

    config: Config
    tokenizer: Any
    template: str
    summary: Summary
    rows: Any
    plan: Plan
    model: Any


def process_rank() -> int:
    return int(os.environ.get("RANK", "0"))


def train(config: Config, out: str, *, say: Say = lambda line: None, arguments: dict[str, Any] | None = None) -> Path:
    """Trains into the folder `out` and returns the folder of the model. The same call goes on after a stop.

    Under torchrun every process calls it. Raises UsageError where the folder holds another training.
    """
    folder = Path(out)
    main = process_rank() == 0
    if main:
        folder.mkdir(parents=True, exist_ok=True)
        _claim(folder, config)
    if (folder / MODEL).exists():
        say(f"{folder}: already trained")
        return folder / MODEL
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    prepared = prepare_training(config, folder, say if main else lambda line: None)
    _begin_log(folder) if main else None
    from yisang.sft.trainer import Trainer, checkpoints

    done = checkpoints(folder)
    steps = len(prepared.plan)
    with asked_to_stop() as asked, _log(folder, main) as write:
        trainer = Trainer(
            config,
            prepared.plan,
            prepared.rows,
            model=prepared.model,
            tokenizer=prepared.tokenizer,
            out=folder,
            say=say if main else lambda line: None,
            on_log=write,
            asked=asked,
            arguments=_accumulation(prepared.plan, config) | (arguments or {}),
        )
        if main:
            say(f"training: {steps:,} steps" + (f", going on behind {done[-1].name}" if done else ""))
        trainer.train(resume_from_checkpoint=str(done[-1]) if done else None)
        if asked.by and trainer.state.global_step < steps:
            raise asked.stop()
    trainer.accelerator.wait_for_everyone()
    _finish(trainer, prepared, folder)
    return folder / MODEL


def prepare_training(config: Config, folder: Path, say: Say) -> Prepared:
    """Tokenizer, template, rows and model; the first process writes what the others read."""
    import pyarrow as pa
    from datasets import Dataset

    from yisang.sft.build import attention_width, matrix_parameters, open_model, open_tokenizer

    with _first_process_first(folder):
        tokenizer = open_tokenizer(config, folder, say)
        template = training_template(tokenizer, config.model.template)
        summary = _rows(config, Encoder(tokenizer, template, config.loss_on), folder, say)
    rows = Dataset.from_file(str(folder / ROWS))
    lengths = pa.compute.list_value_length(rows.data.column("input_ids")).to_pylist()
    model = open_model(config, tokenizer)
    if config.batch.padding_free:
        from yisang.sft.padding_free import refuse_leak

        shortest = sorted(range(len(lengths)), key=lambda row: lengths[row])[:4]
        refuse_leak(model, [rows[row] for row in shortest], tokenizer.pad_token_id)
    cost = Cost(matrix_parameters(model), attention_width(model))
    batch, schedule = config.batch, config.schedule
    plan = Plan(
        lengths, cost, config.seed, batch.rows, batch.tokens, batch.pool, epochs=schedule.epochs, steps=schedule.steps
    )
    return Prepared(config, tokenizer, template, summary, rows, plan, model)


def _rows(config: Config, encoder: Encoder, folder: Path, say: Say) -> Summary:
    """The encoded rows; those of a run that goes on, if they are of the same settings."""
    place = Folder(str(folder))
    if place.exists(SUMMARY) and place.exists(ROWS):
        return read_json(place, SUMMARY, Summary)
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
    inputs |= {str(path): [path.stat().st_size, path.stat().st_mtime_ns] for path in _model_files(config)}
    if place.exists(RUN):
        found = read_json(place, RUN, dict[str, Any])
        if found["settings"] != digest:
            before = read_json(place, CONFIG, dict[str, Any])
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
    elif any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty and holds no training of yisang. Name another --out.")
    else:
        place.write_bytes(CONFIG, json.dumps(settings, indent=2, ensure_ascii=False).encode())
        place.write_bytes(RUN, json.dumps({"settings": digest, "inputs": inputs}).encode())


def _model_files(config: Config) -> list[Path]:
    """The files of a student that lies in a folder."""
    from yisang.sft.build import model_source

    names = {model_source(name) for name in (config.model.name, config.model.tokenizer) if name and name != "train"}
    return sorted(path for name in names for path in Path(name).glob("*") if path.is_file())


@contextlib.contextmanager
def _first_process_first(folder: Path) -> Iterator[None]:
    """The first process of each training goes in alone; the others follow when it is out."""
    import accelerate

    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    with accelerate.PartialState(cpu=not _has_gpu()).main_process_first():
        yield


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _begin_log(folder: Path) -> None:
    """Takes the lines behind the last checkpoint away: they are written again."""
    from yisang.sft.trainer import checkpoints

    path = folder / LOG
    if not path.exists():
        return
    done = checkpoints(folder)
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
    import torch

    state = trainer.accelerator.get_state_dict(trainer.model)
    if not trainer.args.should_save:
        trainer.accelerator.wait_for_everyone()
        return
    model = trainer.accelerator.unwrap_model(trainer.model)
    dtype = getattr(torch, prepared.config.save.dtype)
    state = {name: weight.to(dtype) if weight.is_floating_point() else weight for name, weight in state.items()}
    saving = folder / f"{TEMPORARY}{MODEL}"
    kept = model.config.dtype
    model.config.dtype = dtype
    model.save_pretrained(saving, state_dict=state)
    model.config.dtype = kept
    tokenizer = prepared.tokenizer
    if not tokenizer.chat_template:
        tokenizer.chat_template = prepared.template
    tokenizer.save_pretrained(saving)
    for path in saving.rglob("*"):
        if path.is_file():
            sync_file(path)
    saving.rename(folder / MODEL)
    sync_folder(folder)
    trainer.accelerator.wait_for_everyone()


__all__ = ["Prepared", "prepare_training", "train"]
