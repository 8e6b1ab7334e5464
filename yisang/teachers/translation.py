"""How a teacher is asked for a translation: the instruction `translate` of the target's language file, and the prompt behind marks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from yisang.filters.document import document
from yisang.languages.masks import NOTE, NOTE_VERSION
from yisang.records import Message, Prompt
from yisang.teachers.prompts import MixedPrompt, Placement


@dataclass(frozen=True)
class TranslationPrompt:
    """The messages that ask for a prompt in `language`.

    A prompt without formulas, code and options is asked about in the instruction's words alone; where there are marks, a note behind
    them says what these are. Options that do not stand in the prompt's text follow it, a line for each.
    """

    language: str = "ko"
    placement: Placement = "system"
    _plain: MixedPrompt = field(init=False, repr=False, compare=False)
    _noted: MixedPrompt = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        plain = MixedPrompt(self.language, "translate", self.placement)
        object.__setattr__(self, "_plain", plain)
        noted = MixedPrompt(self.language, "translate", self.placement, instruction=f"{plain.text}\n\n{NOTE}")
        object.__setattr__(self, "_noted", noted)

    @property
    def version(self) -> str:
        """What the translations name as their prompt: wording, note and placement."""
        return f"{self._plain.version}/{NOTE_VERSION}"

    def identity(self) -> dict[str, Any]:
        return {**self._plain.identity(), "note": NOTE}

    def messages(self, prompt: Prompt) -> tuple[Message, ...]:
        asked = document(prompt)
        template = self._noted if asked.held else self._plain
        return template.messages(msgspec.structs.replace(prompt, text=asked.text))
