"""Chat templates for training: small, one file each, with `{% generation %}` around what the assistant says.

The templates that models ship with take the thoughts of past turns away, some add a system message of their own, and few mark
the assistant's part. These write every message as it is. For a question and its answer they give the text of the
family's own template, which is checked when a training starts.

    qwen3, qwen2.5, llama3.1, gemma3, kanana     families
    chatml                                       models that know <|im_start|> and nothing else of it
    mini                                         the small models that come with yisang
"""

from __future__ import annotations

from pathlib import Path

from yisang.errors import UsageError

_FOLDER = Path(__file__).parent

MARKS = (
    (("<|im_start|>", "<think>"), "qwen3"),
    (("<|im_start|>",), "qwen2.5"),
    (("<|start_header_id|>", "<|eot_id|>"), "llama3.1"),
    (("<start_of_turn>",), "gemma3"),
)
"""Texts in a model's own template, and the family that they tell; the first that fits."""


def names() -> list[str]:
    return sorted(path.stem for path in _FOLDER.glob("*.jinja"))


def shipped_template(name: str) -> str:
    if name not in names():
        raise UsageError(f"There is no chat template {name!r}; there are {', '.join(names())}.")
    # The files end their lines for people; the text of a message must not.
    return "".join(line.strip() for line in (_FOLDER / f"{name}.jinja").read_text(encoding="utf-8").splitlines())


def family_of(template: str) -> str | None:
    """The shipped template in the shape of a model's own, None where no family fits."""
    return next((name for marks, name in MARKS if all(mark in template for mark in marks)), None)
