"""What the steps of a recipe changed in a question, as its measures say it; the cards count it over the rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from yisang.records import Measure, Prompt


def changes(prompt: Prompt) -> tuple[str, ...]:
    """() for a question that no measure says to be changed. A translation names its translator, as model and revision."""
    measures = prompt.measures
    found = {
        f"translated by `{measures.get('translated_by')}`": bool(measures.get("translated_by")),
        "with options of other questions": _count(measures.get("options_merged")) > 0,
        "with a directive for the answer": measures.get("directive") is not None,
        "with personal data masked": _count(measures.get("pii_masked")) > 0,
    }
    return tuple(name for name, holds in found.items() if holds)


def _count(value: Measure) -> float:
    return value if isinstance(value, int | float) else 0


@dataclass
class Changes:
    """How many rows there are, how many of them stand as they were, and how many have each change; a row may have several."""

    rows: int = 0
    unchanged: int = 0
    count: Counter[str] = field(default_factory=Counter)

    def add(self, found: tuple[str, ...]) -> None:
        self.rows += 1
        self.unchanged += not found
        self.count.update(found)

    def told(self) -> str:
        """The sentence of a card."""
        if self.unchanged == self.rows:
            return "The questions stand as their authors wrote them."
        listed = sorted(self.count.items(), key=lambda item: (-item[1], item[0]))
        return (
            f"Of the {self.rows:,} questions {self.unchanged:,} stand as their authors wrote them. The others are, some in several ways: "
            f"{', '.join(f'{name} ({count:,})' for name, count in listed)}."
        )
