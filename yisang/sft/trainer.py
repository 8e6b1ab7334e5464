"""The trainer: TRL's SFTTrainer with our steps, our checkpoints and our figures."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, Dataset
from transformers import PrinterCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer

from yisang.errors import UsageError, YisangError
from yisang.sft.batches import EMPTY, Passes, Plan
from yisang.sft.build import hidden_matrices
from yisang.sft.collate import Collator
from yisang.sft.config import Config
from yisang.sft.optimizers import make_optimizer
from yisang.sft.padding_free import refuse_leak
from yisang.signals import Asked
from yisang.storage import TEMPORARY, sync_file, sync_folder

SUMS = ("tokens", "places", "targets", "loss", "right", "entropy")
"""tokens: of the rows. places: with padding. targets: tokens that are learned. loss, entropy: summed over targets, in nats.
right: targets that were the likeliest token."""


FIGURES = "figures.json"
"""In a checkpoint: the sums since the last line."""


class Rows(Dataset):
    """Encoded rows; the place EMPTY is a row of padding without a target."""

    def __init__(self, rows: Any, pad: int):
        self.rows = rows
        self.empty = {"input_ids": [pad, pad], "spans": []}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, Any]:
        found: dict[str, Any] = self.empty if place == EMPTY else self.rows[place]
        return found


class Trainer(SFTTrainer):
    """Trains on the steps of a `Plan`. Loss: one mean over all targets of a step, over its passes and processes.

    `say` gets a line at every log; `on_log` the figures.
    """

    def __init__(
        self,
        config: Config,
        plan: Plan,
        rows: Any,
        *,
        model: Any,
        tokenizer: Any,
        out: Path,
        say: Callable[[str], None],
        on_log: Callable[[dict[str, Any]], None],
        asked: Asked | None = None,
        arguments: dict[str, Any] | None = None,
    ):
        self.config, self.plan, self.out, self.say, self.on_log = config, plan, out, say, on_log
        self._sums = torch.zeros(len(SUMS), dtype=torch.float64)
        self._seen: Any = None
        super().__init__(
            model=model,
            args=training_arguments(config, plan, out, **(arguments or {})),
            train_dataset=rows,
            data_collator=Collator(tokenizer.pad_token_id, config.batch.padding_free),
            processing_class=tokenizer,
            callbacks=[_Saves(config, plan, asked or Asked())],
        )
        self.remove_callback(PrinterCallback)  # our lines say it
        # For models that say otherwise transformers counts no targets, and each pass would be divided by its own.
        self.model_accepts_loss_kwargs = True
        self._sums = self._sums.to(self.args.device)
        if config.batch.padding_free:
            rows_alone = sorted(range(len(plan.lengths)), key=lambda row: plan.lengths[row])[:4]
            refuse_leak(self.model, [rows[row] for row in rows_alone], tokenizer.pad_token_id)
        self._hook = self.model.register_forward_hook(self._keep_outputs)
        self._clock = (time.monotonic(), 0)

    # Data

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Not prepared by accelerate, which would deal the passes again: they are this process's already."""
        passes = Passes(self.plan, self.config.batch.micro_rows, self.args.world_size, self.args.process_index)
        rows = Rows(self.train_dataset, self.processing_class.pad_token_id)
        return DataLoader(rows, batch_sampler=passes, collate_fn=self.data_collator)

    # Optimiser

    def create_optimizer(self, model: Any = None) -> Any:
        if self.optimizer is None:
            trained = self.model if model is None else model
            self.optimizer: Any = make_optimizer(trained, self.config.optimizer, hidden_matrices(trained))
        return self.optimizer

    # Figures

    def _keep_outputs(self, model: Any, inputs: Any, outputs: Any) -> None:
        self._seen = outputs

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        if num_items_in_batch is None:
            raise YisangError(
                "The trainer did not count the targets of the step, so its loss would be a mean of means. This is a fault of "
                "yisang with this version of transformers; please report it."
            )
        loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        seen, self._seen = self._seen, None
        with torch.no_grad():
            places, mask = inputs["input_ids"].numel(), inputs.get("attention_mask")
            added = (
                seen.label_mask.new_tensor(places, dtype=torch.int64) if mask is None else mask.sum(),
                seen.label_mask.new_tensor(places, dtype=torch.int64),
                seen.label_mask.sum(),
                -seen.log_probs.sum(),
                seen.is_top1.sum(),
                seen.entropy.sum(),
            )
            # On the device, and read only where a line is written.
            self._sums += torch.stack([one.to(torch.float64) for one in added])
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Replaces what TRL averages over passes (of unequal size) by sums over all targets since the last line."""
        self._metrics["train"].clear()
        if "loss" in logs:
            logs = {name: logs[name] for name in ("grad_norm", "learning_rate") if name in logs} | self._figures()
            self.on_log({"step": self.state.global_step, **logs})
            self.say(self._line(logs))
        super().log(logs, start_time)

    def _figures(self) -> dict[str, float]:
        found = dict(zip(SUMS, self._summed().tolist(), strict=True))
        self._sums.zero_()
        now, (then, step) = time.monotonic(), self._clock
        self._clock = now, self.state.global_step
        targets = max(1.0, found["targets"])
        return {
            "loss": found["loss"] / targets,
            "token_accuracy": found["right"] / targets,
            "entropy": found["entropy"] / targets,
            "tokens_per_second": found["tokens"] / max(now - then, 1e-9),
            "target_tokens_per_second": found["targets"] / max(now - then, 1e-9),
            "pad_share": 1 - found["tokens"] / found["places"] if found["places"] else 0.0,
            "seconds_per_step": (now - then) / max(1, self.state.global_step - step),
        }

    def _summed(self) -> Any:
        """The sums of all processes."""
        sums = self._sums.clone()
        if self.args.world_size > 1:
            dist.all_reduce(sums)
        return sums

    def _line(self, logs: dict[str, float]) -> str:
        done, steps = self.state.global_step, self.state.max_steps
        left = (steps - done) * logs["seconds_per_step"]
        return (
            f"step {done:,}/{steps:,}  loss {logs['loss']:.4f}  tokens right {logs['token_accuracy']:.1%}  "
            f"rate {logs.get('learning_rate', 0):.2e}  {logs['tokens_per_second']:,.0f} tokens/s  "
            f"padding {logs['pad_share']:.1%}  {_duration(left)} left"
        )

    # Checkpoints

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """TRL would write a card of its own at every checkpoint; ours is written when a model is published."""

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._saving())

    def _saving(self) -> Path:
        return self.out / f"{TEMPORARY}checkpoint"

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Written under a temporary name and renamed when it is whole, so that a kill leaves no half checkpoint."""
        name = f"checkpoint-{self.state.global_step}"
        super()._save_checkpoint(model, trial)
        sums = self._summed()
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            (self._saving() / name / FIGURES).write_text(json.dumps(sums.tolist()))
            for path in (self._saving() / name).rglob("*"):
                if path.is_file():
                    sync_file(path)
            (self._saving() / name).rename(self.out / name)
            self._saving().rmdir()
            sync_folder(self.out)
            for old in checkpoints(self.out)[: -self.config.save.keep] if self.config.save.keep else []:
                remove_tree(old)
        self.accelerator.wait_for_everyone()

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """Weights that the checkpoint lacks would go on untrained; only those that are tied to others, or that
        the model never saves, need not be in it."""
        left_out = {*self.model.all_tied_weights_keys, *(self.model._keys_to_ignore_on_save or ())}
        missing = set(load_result.missing_keys) - left_out
        if missing or load_result.unexpected_keys:
            raise YisangError(
                f"The last checkpoint in {self.out} is not one of this model: missing {sorted(missing)}, "
                f"unknown {sorted(load_result.unexpected_keys)}. Remove that checkpoint, and the same command goes on "
                "behind the one before."
            )
        self.model.tie_weights()

    def leave_group(self) -> None:
        """The last call: Python may end before the threads of a process group do, which then abort the process."""
        self.accelerator.state.destroy_process_group()

    def go_on(self, checkpoint: Path) -> None:
        """Takes up the figures since the last line, which the checkpoint holds of all processes."""
        if self.args.process_index == 0:
            sums = json.loads((checkpoint / FIGURES).read_text())
            self._sums = torch.tensor(sums, dtype=torch.float64, device=self.args.device)


class _Saves(TrainerCallback):
    """Says when a checkpoint is due: every so many steps, or where an epoch ends (to transformers the whole training is one
    epoch); and when a signal has asked to stop, on any of the processes."""

    def __init__(self, config: Config, plan: Plan, asked: Asked):
        self.every, self.ends, self.asked = config.save.every, set(plan.ends()), asked

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        due = state.global_step % self.every == 0 if self.every else state.global_step in self.ends
        if self._stop(args):
            due = control.should_training_stop = True
        control.should_save = due and state.global_step < state.max_steps
        control.should_log = control.should_log or state.global_step == state.max_steps
        return control

    def _stop(self, args: Any) -> bool:
        if args.world_size == 1:
            return bool(self.asked.by)
        stop = torch.tensor(float(bool(self.asked.by)), device=args.device)
        dist.all_reduce(stop)
        if stop and not self.asked.by:
            self.asked.by = "a signal to another process"
        return bool(stop)


class Arguments(SFTConfig):
    """accelerate calls the CPU of a process "cpu:0", where `torch.load` knows "cpu" alone and so could not go on."""

    @property
    def device(self) -> torch.device:
        found: torch.device = super().device
        return torch.device("cpu") if found.type == "cpu" else found


def training_arguments(config: Config, plan: Plan, out: Path, **changed: Any) -> Arguments:
    """The settings in TRL's words. What our steps replace (batch size, packing, length) is set so that it is inert."""
    cpu = config.device == "cpu" or not torch.cuda.is_available()
    given: dict[str, Any] = {
        "output_dir": str(out),
        "max_steps": len(plan),
        "num_train_epochs": 1,
        "per_device_train_batch_size": 1 if plan.tokens else config.batch.micro_rows,
        "learning_rate": config.optimizer.rate,
        "lr_scheduler_type": {
            "cosine": "cosine_with_min_lr", "constant": "constant_with_warmup", "linear": "linear",
        }[config.schedule.kind],
        "lr_scheduler_kwargs": {"min_lr_rate": config.schedule.min_share} if config.schedule.kind == "cosine" else None,
        "warmup_steps": round(config.schedule.warmup * len(plan)),
        "max_grad_norm": config.optimizer.clip,
        "average_tokens_across_devices": True,
        "ddp_find_unused_parameters": False,
        "router_aux_loss_coef": 0.0,  # a mean of each pass: gradients would depend on how a step is cut
        "bf16": config.autocast and config.model.dtype == "float32",
        "gradient_checkpointing": config.checkpointing,
        "use_liger_kernel": config.liger,
        "max_length": None,
        "packing": False,
        "padding_free": False,  # rows are laid end to end by our collator
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "remove_unused_columns": False,
        "dataloader_pin_memory": not cpu,
        "save_strategy": "no",  # _Saves says when
        "save_total_limit": None,
        "logging_steps": config.log.every,
        "logging_nan_inf_filter": False,
        "report_to": list(config.log.report_to) or "none",
        "disable_tqdm": True,
        "seed": config.seed,
        "use_cpu": cpu,
        **_sharding(config, cpu),
    }  # fmt: skip
    return Arguments(**{**given, **changed})


def _sharding(config: Config, cpu: bool) -> dict[str, Any]:
    """FSDP2 around each decoder layer. Only on GPUs: on a CPU accelerate makes DDP of it without a word."""
    for name in ("fsdp", "liger"):
        if getattr(config, name) and cpu:
            raise UsageError(f"{name} = true needs a GPU, and there is none here. Set {name}=false.")
    if not config.fsdp:
        return {}
    settings = {"version": 2, "auto_wrap_policy": "TRANSFORMER_BASED_WRAP", "state_dict_type": "SHARDED_STATE_DICT"}
    if config.checkpointing:
        settings["activation_checkpointing"] = True
    return {"fsdp": True, "fsdp_config": settings, "gradient_checkpointing": False}


def checkpoints(out: Path) -> list[Path]:
    """The whole checkpoints of a run, oldest first."""
    found = [path for path in out.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdecimal()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("checkpoint-")))


def remove_tree(path: Path) -> None:
    """Under a name that no reader takes, then for good: a kill in the middle leaves nothing that looks whole."""
    gone = path.with_name(f"{TEMPORARY}old-{path.name}")
    if path != gone and path.exists():
        path.rename(gone)
    shutil.rmtree(gone)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


__all__ = ["Rows", "Trainer", "checkpoints", "remove_tree", "training_arguments"]
