"""What a teacher is told beside the question: an instruction of the language file, in one of three places."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from yisang.errors import UsageError
from yisang.languages import Language, load
from yisang.records import Message, Prompt, content_id

Placement = Literal["system", "first_turn", "prefix"]


@dataclass(frozen=True)
class MixedPrompt:
    """The messages that ask for a trace in the style of `mode`.

    mode: a prompt of the language file. "mixed" thinks in English with the question's own words left in the target
    language; "mixed_zh" and "mixed_ru" think in Chinese and in Russian instead; "short" is "mixed" in few sentences; "target_only"
    and "english_only" are its baselines. placement: "system" is a system message (as the
    paper says), "first_turn" a user turn of its own before the question's (as the paper's code does), "prefix" a
    paragraph before the question (for models that know no system message). instruction: words of one's own, in place
    of the file's.

    The teacher sees the question's text only; options of a multiple-choice question must stand in it.
    """

    language: str = "ko"
    mode: str = "mixed"
    placement: Placement = "system"
    instruction: str | None = None
    # The facts travel with the step, so that a worker needs no language file of its own.
    _facts: Language = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_facts", load(self.language))
        if self.placement not in get_args(Placement):
            known = ", ".join(get_args(Placement))
            raise UsageError(f"MixedPrompt: placement is {self.placement!r}; it must be one of {known}.")
        if self.instruction is None:
            self._facts.prompt(self.mode)
        elif not self.instruction.strip():
            raise UsageError("MixedPrompt: instruction is blank. Leave it out to use the language file's own.")

    @property
    def text(self) -> str:
        """The instruction itself."""
        return self._facts.prompt(self.mode).text if self.instruction is None else self.instruction

    @property
    def version(self) -> str:
        """What traces name as their prompt_version: wording and placement."""
        if self.instruction is None:
            return f"{self._facts.prompt(self.mode).version}/{self.placement}"
        return f"own-{content_id(self.instruction)[:12]}/{self.placement}"

    def identity(self) -> dict[str, Any]:
        """The parameters, and the digest of the language's file."""
        return {
            "language": self.language,
            "language_digest": self._facts.digest,
            "mode": self.mode,
            "placement": self.placement,
            "instruction": self.instruction,
        }

    def messages(self, prompt: Prompt) -> tuple[Message, ...]:
        if self.placement == "system":
            return Message("system", self.text), Message("user", prompt.text)
        if self.placement == "first_turn":
            return Message("user", self.text), Message("user", prompt.text)
        return (Message("user", f"{self.text}\n\n{prompt.text}"),)


@dataclass(frozen=True)
class ByLanguage:
    """Each prompt in the words of its own language: an English question in those for English, a Korean one in those for Korean.

    templates: one for each language. A prompt in another language raises UsageError.
    """

    templates: tuple[MixedPrompt, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "templates", tuple(sorted(self.templates, key=lambda item: item.language)))
        languages = [template.language for template in self.templates]
        if not languages or len(set(languages)) < len(languages):
            raise UsageError(
                f"ByLanguage: give one template for each language; given are {', '.join(languages) or 'none'}."
            )

    @property
    def version(self) -> str:
        """The versions of all of them, in the order of their languages."""
        return " ".join(template.version for template in self.templates)

    def messages(self, prompt: Prompt) -> tuple[Message, ...]:
        for template in self.templates:
            if template.language == prompt.language:
                return template.messages(prompt)
        known = ", ".join(template.language for template in self.templates)
        raise UsageError(
            f"Prompt {prompt.id} is in {prompt.language!r}, for which there is no template; there are {known}."
        )
