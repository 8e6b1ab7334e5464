"""Prompts that are too short to ask anything, or too long to be one question."""

from __future__ import annotations

from dataclasses import dataclass

from yisang.errors import UsageError
from yisang.filters.directives import ShowOptions
from yisang.records import Drop, Prompt, nfc

_SHOWN = ShowOptions()


@dataclass(frozen=True)
class Length:
    """Keeps a prompt of `low` to `high` characters, both included: code points of the NFC text, with the options of a
    multiple-choice question as `ShowOptions` writes them, whether they stand in the text yet or not.

    The bounds are the paper's (arXiv 2510.04230, section 5.1): under 50 or over 8,192 is dropped.
    """

    low: int = 50
    high: int = 8192

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise UsageError(f"Length: low is {self.low} and high is {self.high}; they must be 0 <= low <= high.")

    def __call__(self, record: Prompt) -> Prompt | Drop:
        characters = len(nfc(_SHOWN(record).text))
        if characters < self.low:
            return Drop("too_short", {"characters": characters, "low": self.low})
        if characters > self.high:
            return Drop("too_long", {"characters": characters, "high": self.high})
        return record
