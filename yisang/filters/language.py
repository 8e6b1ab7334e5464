"""How much of a record stands in the target language, and the floor for prompts.

The paper drops prompts with less than 30 % of target-language characters (arXiv 2510.04230, section 5.1); it
does not say of which characters, nor which ones count. So what was measured is stored in each row, beside the
number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from yisang.errors import UsageError
from yisang.filters.stored import number
from yisang.languages import Language, load
from yisang.languages.shares import Denominator, check_parameters, script_share
from yisang.records import Drop, Measure, Prompt, Record, Trace

Scope = Literal["text", "think", "answer"]


@dataclass(frozen=True)
class TargetShare:
    """Measures the share of the target language; keeps everything.

    scope: "text" (a prompt's question, a trace's raw answer), or a trace's "think" or "answer". The last two
    store their measures as `think_target_share...` and `answer_target_share...`, so that a trace can have all
    three.
    blocks, denominator, strip: see `script_share`.

    The share is None where the denominator is empty, or the trace has no such part.
    """

    language: str = "ko"
    blocks: tuple[str, ...] | None = None
    denominator: Denominator = "letters"
    scope: Scope = "text"
    strip: tuple[str, ...] = ()
    # The facts travel with the step, so that a worker needs no language file of its own.
    _facts: Language = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_facts", load(self.language))
        check_parameters(self._facts, self.blocks, self.denominator, self.strip)
        object.__setattr__(self, "blocks", None if self.blocks is None else tuple(self.blocks))
        object.__setattr__(self, "strip", tuple(self.strip))
        if self.scope not in get_args(Scope):
            raise UsageError(f"TargetShare: scope is {self.scope!r}; it must be one of {', '.join(get_args(Scope))}.")

    def __call__(self, record: Prompt | Trace) -> dict[str, Measure]:
        name = "target_share" if self.scope == "text" else f"{self.scope}_target_share"
        text = self._text(record)
        share = None
        if text is not None:
            share = script_share(text, self._facts, blocks=self.blocks, denominator=self.denominator, strip=self.strip)
        measures: dict[str, Measure] = {
            name: share,
            f"{name}_numerator": "+".join(self.blocks or self._facts.default_blocks),
            f"{name}_denominator": self.denominator,
            f"{name}_scope": self.scope,
        }
        if self.strip:
            measures[f"{name}_strip"] = "+".join(self.strip)
        return measures

    def identity(self) -> dict[str, Any]:
        """The parameters, and the digest of the language's file."""
        return {
            "language": self.language,
            "language_digest": self._facts.digest,
            "blocks": self.blocks,
            "denominator": self.denominator,
            "scope": self.scope,
            "strip": self.strip,
        }

    def _text(self, record: Prompt | Trace) -> str | None:
        if isinstance(record, Trace):
            return {"text": record.text, "think": record.think, "answer": record.answer}[self.scope]
        if isinstance(record, Prompt) and self.scope == "text":
            return record.text
        raise TypeError(f"TargetShare(scope={self.scope!r}) cannot measure a {record.kind_name}; id {record.id}.")


@dataclass(frozen=True)
class MinShare:
    """Keeps a record whose share is at least `low`; without any letters there is no share, and it is dropped.

    It reads what `TargetShare` has stored. The bound is the paper's (arXiv 2510.04230, section 5.1).
    """

    low: float = 0.30
    measure: str = "target_share"

    def __post_init__(self) -> None:
        if not 0 <= self.low <= 1:
            raise UsageError(f"MinShare: low is {self.low}; a share lies within 0 and 1.")

    def __call__(self, record: Record) -> Record | Drop:
        share = number(record, self.measure, "Add Each(TargetShare(...)) before Each(MinShare(...)).")
        if share is None:
            return Drop("no_letters", {self.measure: None, "low": self.low})
        if share < self.low:
            return Drop(f"{self.measure}_low", {self.measure: share, "low": self.low})
        return record
