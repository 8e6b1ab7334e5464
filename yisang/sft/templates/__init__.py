"""Chat templates for training: small, one file each, with `{% generation %}` around what the assistant says.

The templates that models ship with take the thoughts of past turns away, and few mark the assistant's part. These write every
message whole. For a question and its answer each gives the text of its family's own template, and by that text the one for a
model is found when a training starts.

    qwen3, qwen2.5, llama3.1, gemma3, kanana     families
    chatml                                       models that know <|im_start|> and nothing else of it
    mini                                         the small models that come with yisang
"""

from __future__ import annotations

from pathlib import Path

from yisang.errors import UsageError

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    return sorted(path.stem for path in _FOLDER.glob("*.jinja"))


def shipped_template(name: str) -> str:
    if name not in names():
        raise UsageError(f"There is no chat template {name!r}; there are {', '.join(names())}.")
    # The files end their lines for people; the text of a message must not.
    return "".join(line.strip() for line in (_FOLDER / f"{name}.jinja").read_text(encoding="utf-8").splitlines())
