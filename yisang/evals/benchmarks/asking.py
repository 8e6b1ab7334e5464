"""How a benchmark's question is put: by a prompt of the language's file, or with one sentence that asks for a box."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from yisang.errors import UsageError
from yisang.records import Message, Prompt
from yisang.teachers.prompts import MixedPrompt, Placement

BOXED = "boxed"
"""The mode that asks for the final answer in a box, and for nothing else."""
NONE = "none"
"""The mode that asks the question alone, as a student is asked that was trained without instructions."""
_FILE = Path(__file__).with_name("languages.toml")


@functools.cache
def languages() -> Mapping[str, Mapping[str, Any]]:
    """What the benchmarks know of languages: their letters, and how they ask for a box (languages.toml)."""
    return tomllib.loads(_FILE.read_text("utf-8"))


def instruction(language: str) -> str:
    """The sentence that asks for a box, in a language."""
    if language not in languages():
        raise UsageError(
            f"There is no sentence in {language!r} that asks for the final answer in a box; there are "
            f"{', '.join(sorted(languages()))}. Choose another mode, or add it to {_FILE.name}."
        )
    return str(languages()[language]["boxed"])


def asker(language: str, mode: str, placement: str) -> Callable[[str], tuple[Message, ...]]:
    """Question → the messages that ask it.

    mode: BOXED, NONE, or a prompt of the language's file. placement: as in MixedPrompt; with BOXED also "suffix", which puts the
    sentence on a line behind the question, as MMATH does (arXiv 2505.19126). "" is suffix with BOXED, else system.
    """
    if mode == NONE:
        return lambda question: (Message("user", question),)
    placement = placement or ("suffix" if mode == BOXED else "system")
    if mode == BOXED:
        sentence = instruction(language)
        if placement == "suffix":
            return lambda question: (Message("user", f"{question}\n{sentence}"),)
        template = MixedPrompt("en", placement=cast(Placement, placement), instruction=sentence)
    else:
        template = MixedPrompt(language, mode, cast(Placement, placement))
    return lambda question: template.messages(Prompt(id="", text=question, language=language))
