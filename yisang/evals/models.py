"""A model as it is named on the command line, as a teacher with a revision.

    a local folder       engine transformers; its revision is the digest of its files
    scripted, echo       the engines without a model
    mini, mini-base      models that ship with yisang (yisang.teachers.models), by the engine mini
    any other name       of the Hub (transformers) or of an endpoint (openai): `--engine` and `--revision` must be told

Answers are stored under model and revision. So a folder whose weights have changed gives new answers, and a copied one finds
the old ones.
"""

from __future__ import annotations

import fnmatch
import hashlib
from pathlib import Path
from typing import Any

from yisang.errors import UsageError
from yisang.teachers import models
from yisang.teachers.engines import ENGINES
from yisang.teachers.generation import Teacher

FILES = (
    "*.safetensors",
    "*.gguf",
    "pytorch_model*.bin",
    "adapter_model.bin",
    "*.index.json",
    "config.json",
    "adapter_config.json",
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "chat_template*",
    "*.model",
    "*.tiktoken",
)
"""What decides an answer: weights, configuration, tokenizer and template. The state of a trainer (optimizer, scheduler,
random numbers, logs) in the same folder does not."""
_WITHOUT_MODEL = ("scripted", "echo")


def folder_revision(folder: Path) -> str:
    """ "sha256:…" over names and contents of the files that decide an answer. Raises UsageError for no model folder."""
    files = sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and any(fnmatch.fnmatch(path.name, pattern) for pattern in FILES)
    )
    names = [path.name for path in files]
    if "config.json" not in names and "adapter_config.json" not in names:
        raise UsageError(
            f"{folder} is no model folder: it has no config.json. Name the folder that a trainer has saved a model to."
        )
    whole = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{path.name}\0{content}\n".encode())
    return f"sha256:{whole.hexdigest()}"


def teacher_of(model: str, engine: str = "", revision: str = "", options: dict[str, Any] | None = None) -> Teacher:
    """The teacher that a model's name and engine stand for. Raises UsageError where they do not say enough."""
    folder = Path(model)
    if not engine:
        if folder.is_dir():
            engine = "transformers"
        elif model in _WITHOUT_MODEL:
            engine = model
        elif model in models.shipped():
            engine = "mini"
        else:
            raise UsageError(
                f"{model} is no folder here, so its engine must be told: --engine openai for an endpoint, --engine transformers "
                "for a model of the Hub."
            )
    if engine not in ENGINES:
        raise UsageError(f"There is no engine {engine!r}. Choose one of: {', '.join(sorted(ENGINES))}.")
    given = dict(options or {})
    if engine == "transformers" and folder.is_dir():
        if revision:
            raise UsageError(
                f"{model} is a local folder: its revision is the digest of its files. Leave --revision away."
            )
        return Teacher(
            engine=engine,
            model=folder.resolve().name,
            revision=folder_revision(folder),
            options={"path": model, **given},
        )
    if not revision:
        revision = _known_revision(model, engine)
    return Teacher(engine=engine, model=model, revision=revision, options=given)


def _known_revision(model: str, engine: str) -> str:
    if engine in _WITHOUT_MODEL:
        return "1"
    if engine == "mini":
        return models.revision(model)
    raise UsageError(
        f"The revision of {model} must be told with --revision (a commit, a date, a version): stored answers are found by it."
    )
