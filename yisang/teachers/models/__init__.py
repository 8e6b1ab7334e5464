"""The small models that ship with the package: one folder each, as transformers writes and reads them.

mini       the teacher: solves worded tasks
mini-base  a student to begin with: the same form, half trained

    yisang/teachers/models/<name>/   config.json, generation_config.json, model.safetensors, tokenizer.json,
                                     tokenizer_config.json, chat_template.jinja
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from yisang.errors import UsageError

FOLDER = Path(__file__).parent
LANGUAGES = ("ko", "en")
"""The languages of the worded tasks that both were trained on (docs/mini.md)."""
SUFFIXES = (".jinja", ".json", ".safetensors")
"""Of the files that make a model, which are those that a wheel holds (package data in pyproject.toml)."""


def shipped() -> list[str]:
    """The names of the models that are here, sorted. A folder without a config.json is none."""
    return sorted(path.parent.name for path in FOLDER.glob("*/config.json"))


def folder(name: str) -> Path:
    """Where a model lies. Raises UsageError if no model of that name ships."""
    names = shipped()
    if name not in names:
        have = f"Those that do are {', '.join(names)}" if names else "This copy of the package holds none"
        raise UsageError(
            f"No model {name!r} ships with yisang. {have}. For a folder of your own, use the engine transformers with its "
            "option path."
        )
    return FOLDER / name


def revision(name: str) -> str:
    """The revision of a model that ships: 16 hex digits of the SHA-256 over names, sizes and bytes of its files, sorted.

    It changes with any byte of them, so the answers of two checkpoints are never taken for one another's. Raises
    UsageError if no model of that name ships.
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in folder(name).iterdir() if path.suffix in SUFFIXES):
        content = path.read_bytes()
        digest.update(f"{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def of_revision(name: str, declared: str) -> str:
    """The folder of a model that ships, as an engine loads it, where it has the declared revision.

    Another one is refused, for its answers would be stored, and found again, as those of weights that are not here. Raises
    UsageError for it, and where no model of that name ships.
    """
    path, here = folder(name), revision(name)
    if declared != here:
        raise UsageError(
            f"The model {name} that ships with this version of yisang has the revision {here}, but {declared or 'none'!r} "
            f"is declared. Declare Teacher(engine=…, model={name!r}, revision=models.revision({name!r})), with models from "
            "yisang.teachers, or install the version of yisang that ships the other one; stored answers of either stay where they are."
        )
    return str(path)
