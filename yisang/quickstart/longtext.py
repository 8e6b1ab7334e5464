"""Long but natural texts for the planted over-long questions: logs that somebody pastes whole into a post.

What they say is data, one table of a web's `long.toml` for each text.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import Any

import msgspec


class Cycle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number that goes round: low + line * step % size."""

    low: int
    step: int
    size: int


class Walk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Entries that take turns: entry line * step % their number."""

    step: int
    of: list[str]


class LongText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """line: a line with slots for `when`, which begins at `start` and moves on by `hours`, and for the numbers and words."""

    line: str
    start: datetime
    hours: int
    numbers: dict[str, Cycle]
    words: dict[str, Walk]

    def at(self, number: int) -> str:
        """Line `number`, from 0."""
        slots: dict[str, Any] = {"when": self.start + timedelta(hours=self.hours * number)}
        slots |= {name: cycle.low + number * cycle.step % cycle.size for name, cycle in self.numbers.items()}
        slots |= {name: walk.of[number * walk.step % len(walk.of)] for name, walk in self.words.items()}
        return self.line.format(**slots)


def long_text(text: LongText, length: int = 8600) -> str:
    """Lines until the whole is longer than `length` characters."""
    lines: list[str] = []
    size = 0
    for number in count():
        lines.append(text.at(number))
        size += len(lines[-1]) + 1
        if size > length:
            break
    return "\n".join(lines)
