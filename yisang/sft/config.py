"""The settings of a training run: a typed TOML over a preset, changed by `--set key=value`.

A setting that is not known is an error that names those that are. The resolved settings are written beside the run.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from yisang.errors import UsageError
from yisang.evals.benchmarks.tasks import EVAL_SEEDS

HERE = Path(__file__).parent
LossOn = Literal["assistant", "all"]
Skill = Literal["solve", "translate", "crosslingual", "drill", "addition"]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the tables of a configuration."""


class Model(Table, frozen=True, kw_only=True):
    """The student.

    name: a Hub id or a folder. With `init = "config"` the weights are drawn from the seed, and `architecture` and
        `config` say which transformers configuration is built (`architecture = "qwen3"`, `config.hidden_size = 128`).
    tokenizer: a Hub id or a folder, where it is not the model's own; "train" builds one from the data ([tokenizer]).
    template: a chat template of `yisang/sft/templates` by name, or a file; "auto" takes the model's own where it marks
        what the assistant says, else the shipped one of its family.
    attention: as transformers names it (sdpa, eager, flash_attention_2).
    dtype: of the weights as they are trained. Computation in bfloat16 over float32 weights is `autocast`; in bfloat16 weights
        themselves small updates are rounded away (at a rate of 2e-5 most of them).
    """

    name: str = ""
    revision: str | None = None
    init: Literal["pretrained", "config"] = "pretrained"
    architecture: str = ""
    config: dict[str, Any] = {}
    tokenizer: str = ""
    template: str = "auto"
    attention: str = "sdpa"
    dtype: Literal["float32", "bfloat16", "float64"] = "float32"
    trust_remote_code: bool = False


class Init(Table, frozen=True, kw_only=True):
    """How weights are drawn where `model.init` is "config". The defaults are those of GPT-2.

    embedding_std, linear_std: of a normal distribution; `linear_std = 0` is 1/sqrt(inputs of the layer).
    zero_output: the last matrix of each attention and feed-forward block starts at zero, so that a block first passes
        on what it got.
    qk_norm: gain of the norms of queries and keys, where the architecture has them.
    """

    embedding_std: float = 0.02
    linear_std: float = 0.02
    zero_output: bool = False
    qk_norm: float = 1.0


class Tokenizer(Table, frozen=True, kw_only=True):
    """A byte-level BPE that is trained from the rows, where `model.tokenizer` is "train".

    vocabulary: tokens in all. languages, context: names of this context of worded tasks stand whole, with the topic
    particle as a token of its own where a language has one; the instructions of these languages' files are one token each.
    rows: how many rows it is trained from.
    """

    vocabulary: int = 1024
    languages: tuple[str, ...] = ("ko", "en")
    context: str = "zoo"
    rows: int = 20_000


class TaskSet(Table, frozen=True, kw_only=True):
    """Worded tasks, made on the spot from a seed.

    skill: solve; translate (from `source` into `language`); crosslingual (asked in `source`, thought and answered in
    `language`); drill (arithmetic facts alone, loss on all of them); addition (digits instead of operations).
    mode: which instruction of the language's file is asked. instructions: share of rows that carry it; the others have
    the question alone.
    """

    skill: Skill = "solve"
    language: str = "ko"
    source: str = "en"
    mode: Literal["mixed", "target_only", "english_only"] = "target_only"
    ops: str = "1-4"
    context: str = ""
    preset: str = "narrow"
    seed: int = 0
    start: int = 0
    instructions: float = 1.0


class Data(Table, frozen=True, kw_only=True):
    """Rows of one source: `path` (a file or folder of JSON lines or Parquet, a finished run, or a folder that `yisang publish` wrote),
    `hub` (a data set), or `tasks`.

    Rows have `messages` (role, content), or `prompt` and `completion`, `instruction` and `response`, `question` and
    `answer`, or `text` (no chat; loss on all). rows: how many are taken, drawn evenly by the seed; 0 is all.
    """

    path: str = ""
    hub: str = ""
    revision: str | None = None
    subset: str | None = None
    split: str = "train"
    tasks: TaskSet | None = None
    rows: int = 0
    name: str = ""


class Batch(Table, frozen=True, kw_only=True):
    """Which rows make one optimiser step, and how a step is cut.

    rows: of one step, over all processes. micro_rows: of one forward pass where all rows were equally long; a step is
        cut into as many passes as that needs, and rows are dealt to them so that each costs about the same.
    tokens: instead of `rows`, a step holds as many rows as fit into so many tokens, padding counted; rows of a step
        then come from one pool of `pool` rows and have about the same length.
    padding_free: rows of a pass are laid end to end and kept apart by their positions.
    """

    rows: int = 128
    micro_rows: int = 2
    tokens: int = 0
    pool: int = 1500
    padding_free: bool = False


class Optimizer(Table, frozen=True, kw_only=True):
    """adamw, or muon: Muon for the matrices of the hidden layers and AdamW for embeddings, norms and biases.

    rate, betas, weight_decay: of AdamW. Muon's update is scaled to the root mean square of AdamW's (arXiv 2502.16982), so
    that `muon_rate` is of the same order. clip: of the norm of the whole gradient; 0 is none.
    """

    name: Literal["adamw", "muon"] = "adamw"
    rate: float = 2e-5
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.01
    muon_rate: float = 1e-2
    muon_weight_decay: float = 0.05
    muon_momentum: float = 0.95
    clip: float = 1.0


class Schedule(Table, frozen=True, kw_only=True):
    """epochs over the rows, or a number of steps. warmup: a share of all steps. min_share: of the rate, at the end of a
    cosine."""

    epochs: int = 1
    steps: int = 0
    kind: Literal["cosine", "constant", "linear"] = "cosine"
    warmup: float = 0.05
    min_share: float = 0.0


class Save(Table, frozen=True, kw_only=True):
    """every: steps between checkpoints; 0 is once an epoch. keep: how many of them; 0 is all. dtype: of the final model."""

    every: int = 0
    keep: int = 2
    dtype: Literal["float32", "bfloat16", "float64"] = "bfloat16"


class Log(Table, frozen=True, kw_only=True):
    """every: steps between lines. report_to: trackio, tensorboard, wandb."""

    every: int = 10
    report_to: tuple[str, ...] = ()


class Config(Table, frozen=True, kw_only=True):
    """A whole run. max_length: tokens of a row; longer rows are dropped and listed, never cut."""

    preset: str = ""
    model: Model = Model()
    init: Init = Init()
    tokenizer: Tokenizer = Tokenizer()
    data: tuple[Data, ...] = ()
    batch: Batch = Batch()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    save: Save = Save()
    log: Log = Log()
    loss_on: LossOn = "assistant"
    max_length: int = 16384
    autocast: bool = True
    """Computes in bfloat16 while the weights stay as they are."""
    checkpointing: bool = False
    """Recomputes activations in the backward pass instead of keeping them."""
    liger: bool = False
    """Liger's kernels for norms, rotations and feed-forward layers (a GPU only)."""
    fsdp: bool = False
    """Shards weights, gradients and optimiser state over the processes (FSDP2; GPUs only)."""
    seed: int = 0
    device: Literal["auto", "cpu"] = "auto"

    def __post_init__(self) -> None:
        checks = (
            (bool(self.data), "There is no [[data]]: name at least one source of rows."),
            (
                bool(self.model.name) or self.model.init == "config",
                'There is no model: set model.name, or model.init = "config".',
            ),
            (
                bool(self.model.architecture) or self.model.init != "config",
                'model.init = "config" needs model.architecture.',
            ),
            (
                bool(self.model.tokenizer or self.model.name),
                'A model from a configuration needs model.tokenizer (a folder, or "train").',
            ),
            (self.max_length >= 2, "max_length must be 2 or more."),
            (
                self.batch.tokens == 0 or self.batch.tokens >= self.max_length,
                f"batch.tokens is {self.batch.tokens}, but a row may have max_length = {self.max_length} tokens. Raise the one "
                "or lower the other.",
            ),
            (
                min(self.batch.rows, self.batch.micro_rows, self.batch.pool) >= 1,
                "batch.rows, micro_rows and pool must be 1 or more.",
            ),
            (
                self.schedule.epochs >= 1 and self.schedule.steps >= 0,
                "schedule.epochs must be 1 or more, steps 0 or more.",
            ),
            (0 <= self.schedule.warmup < 1, "schedule.warmup is a share of all steps: 0 or more, below 1."),
            (
                self.optimizer.rate > 0 and self.optimizer.clip >= 0,
                "optimizer.rate must be above 0 and clip 0 or more.",
            ),
            (self.log.every >= 1 and self.save.every >= 0, "log.every must be 1 or more and save.every 0 or more."),
            (self.save.keep >= 0, "save.keep must be 0 (all) or more."),
            (0 <= self.schedule.min_share <= 1, "schedule.min_share is a share of the rate: between 0 and 1."),
            (
                self.schedule.min_share == 0 or self.schedule.kind == "cosine",
                'schedule.min_share is of a cosine; set schedule.kind = "cosine".',
            ),
            (
                self.model.init == "config" or not (self.model.config or self.model.architecture),
                'model.config and model.architecture are of model.init = "config"; a pretrained model has its own.',
            ),
            (
                self.model.init == "config" or self.init == Init(),
                '[init] is of model.init = "config"; a pretrained model has its weights.',
            ),
            (
                self.optimizer.name == "adamw" or not self.fsdp,
                "Muon works on whole matrices, and fsdp shards them. Set optimizer.name=adamw or fsdp=false.",
            ),
            (
                not (self.batch.padding_free and self.fsdp),
                "Whether rows see each other cannot be tried on shards yet. Set batch.padding_free=false or fsdp=false.",
            ),
        )
        for good, message in checks:
            if not good:
                raise UsageError(f"The training configuration cannot be used. {message}")
        for number, data in enumerate(self.data):
            if (bool(data.path) + bool(data.hub) + (data.tasks is not None)) != 1:
                raise UsageError(f"data[{number}] must name exactly one of path, hub and tasks.")
            if data.rows < 0:
                raise UsageError(f"data[{number}].rows is {data.rows}; it must be 0 (all) or more.")
            if data.tasks is not None and not 0 <= data.tasks.seed < EVAL_SEEDS:
                raise UsageError(
                    f"data[{number}].tasks.seed is {data.tasks.seed}; it must be 0 or more and below {EVAL_SEEDS}, where "
                    "evaluation begins to draw."
                )
            if data.tasks is not None and data.rows < 1:
                raise UsageError(f"data[{number}] makes tasks without end: say how many with rows.")

    def to_json(self) -> dict[str, Any]:
        """Every setting, as plain values."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def shipped(folder: str) -> dict[str, Path]:
    """The configurations ("configs") or presets ("presets") that come with yisang, by name."""
    return {path.stem: path for path in sorted((HERE / folder).glob("*.toml"))}


def load_config(name: str, sets: Iterable[str] = ()) -> Config:
    """A configuration from a file (TOML or JSON) or a shipped one by name, changed by `key=value` settings.

    Relative paths in it are relative to where the command runs, as in a shell. Raises UsageError naming what is wrong.
    """
    path = shipped("configs").get(name, Path(name))
    values = _read(path)
    for setting in sets:
        _set(values, setting)
    if values.get("preset"):
        known = shipped("presets")
        if values["preset"] not in known:
            raise UsageError(f"{path}: there is no preset {values['preset']!r}; there are {', '.join(known)}.")
        values = _merged(_read(known[values["preset"]]), values)
    try:
        return msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        raise UsageError(f"{path}: {_located(error)}") from error
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(shipped("configs"))
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UsageError(
            f"The configuration {path} cannot be read: {reason}. Name a file, or one of those that ship: {known}."
        ) from error
    try:
        found = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} holds no table of settings.")
    return found


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged, everything else is replaced."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _set(values: dict[str, Any], setting: str) -> None:
    """`optimizer.rate=1e-4`, `data.0.rows=100`; the value is TOML, or a plain word."""
    key, sign, text = setting.partition("=")
    if not sign or not key:
        raise UsageError(f"--set {setting!r} must look like key=value, for example optimizer.rate=1e-5")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:  # a plain word needs no quotes
        value = text
    place: Any = values
    *parents, last = key.split(".")
    for parent in parents:
        try:
            place = place[int(parent)] if isinstance(place, list) else place.setdefault(parent, {})
        except (ValueError, IndexError) as error:
            raise UsageError(f"--set {key}: there is no entry {parent} in that list.") from error
        if not isinstance(place, dict | list):
            raise UsageError(f"--set {key}: {parent} is a value and has no settings of its own.")
    if isinstance(place, list):
        try:
            place[int(last)] = value
        except (ValueError, IndexError) as error:
            raise UsageError(f"--set {key}: there is no entry {last} in that list.") from error
    else:
        place[last] = value


def _located(error: msgspec.ValidationError) -> str:
    """msgspec's words with the setting's name in front: "optimizer.rate: Expected `float`, got `str`"."""
    message, _, where = str(error).partition(" - at `")
    name = where.rstrip("`").removeprefix("$").removeprefix(".")
    known = ""
    if "unknown field" in message:
        table: Any = Config
        for part in [part for part in re.sub(r"\[[^]]*\]", "", name).split(".") if part]:
            fields = {field.name: field.type for field in msgspec.structs.fields(table)}
            table = _table_of(fields.get(part))
            if table is None:
                break
        if table is not None:
            known = f" It knows: {', '.join(field.name for field in msgspec.structs.fields(table))}."
    return f"{name + ': ' if name else ''}{message}.{known}"


def _table_of(kind: Any) -> Any:
    """The table among the types of a field, also inside `tuple[Data, ...]` and `TaskSet | None`."""
    if isinstance(kind, type) and issubclass(kind, Table):
        return kind
    return next((found for part in getattr(kind, "__args__", ()) if (found := _table_of(part))), None)
