"""The solution of a question of the exam pool: its thoughts in a mode, and its explanation in the question's language.

The thoughts restate the question, say the fact or compute, go through the options, and choose. In mixed mode the reasoning is English and
only the question, names and options, in quotation marks, are of the question's language; the share of their letters is held within `BAND`
by how long the English words are, how many options are gone through, and how often the question is quoted. The words are data:
exam_thoughts.toml for English, [thoughts], [answers] and [rules] of the pool's file for its own language.
"""

from __future__ import annotations

import functools
import itertools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from yisang.errors import UsageError
from yisang.languages import load
from yisang.languages.shares import script_share
from yisang.tasks.exam_facts import Fact, facts, fill
from yisang.tasks.exam_items import NUMBERS
from yisang.tasks.exam_reading import Reading, told
from yisang.tasks.traces import BAND
from yisang.tasks.wording import grammar

Mode = Literal["target_only", "mixed", "english_only", "short"]
"""short: mixed, without going through the options."""

_INNER = (BAND[0] + 0.01, BAND[1] - 0.015)
"""Where a share should lie: within the band, with room for a way of counting that differs by some letters."""
_GONE_THROUGH = (20, 3, 0)
"""Most options besides the chosen one that mixed thoughts go through: as many as the share allows."""
_FILE = Path(__file__).with_name("exam_thoughts.toml")
_LISTS = ("asks", "before", "known", "elsewhere", "stranger", "compute", "weekday", "clock", "holds", "fails", "chosen")
_SAID = ("before", "known", "compute", "weekday", "clock", "holds", "chosen")

Words = Mapping[str, Any]


def think(reading: Reading, options: Sequence[str], place: int, mode: Mode) -> str:
    """Thoughts that end with the option at `place`, whether it is right or not. Raises UsageError where the pool has no words for them."""
    own, shared = words(reading.language), _shared()
    if mode == "target_only":
        speaker = _Speaker(reading, options, place, reading.language, own["thoughts"], own["rules"])
        return speaker.thoughts(0, len(options), 0)
    if mode == "english_only":
        speaker = _Speaker(reading, options, place, "en", shared["unnamed"], shared["rules"])
        return speaker.thoughts(0, 0, 0)
    speaker = _Speaker(reading, options, place, "en", shared["named"], shared["rules"])
    counts = _GONE_THROUGH if mode == "mixed" else (0,)
    ways = list(itertools.product(counts, range(len(speaker.words["again"]) + 1), range(3)))
    target = load(reading.language)
    best, off = "", 1.0
    for count, again, level in ways:
        said = speaker.thoughts(level, count, again)
        share = script_share(said, target) or 0.0
        if _INNER[0] <= share <= _INNER[1]:
            return said
        if abs(share - sum(_INNER) / 2) < off:
            best, off = said, abs(share - sum(_INNER) / 2)
    return best


def explanation(reading: Reading, options: Sequence[str], place: int) -> str:
    """Why the option at `place` is chosen, in the question's language, without the closing line."""
    own = words(reading.language)
    speaker = _Speaker(reading, options, place, reading.language, own["answers"], own["rules"])
    return speaker.joined([*speaker.work(0, [place]), *speaker.said("chosen", 0)])


@functools.cache
def words(language: str) -> Words:
    """The file of a pool, whose words for solutions are complete. Raises UsageError where they are not."""
    table = facts(language)
    wanted = {"thoughts": _LISTS, "answers": _SAID, "rules": tuple(table["among"])}
    lacking = [
        f"[{name}] {key}" for name, keys in wanted.items() for key in keys if not (table.get(name) or {}).get(key)
    ]
    families = {**table["pairs"], **table["orders"]}
    lacking += [
        f"{key} of {name}" for name, held in families.items() for key in ("fact", "english") if not held.get(key)
    ]
    if lacking:
        raise UsageError(
            f"The exam pool exams_{language}.toml has no words for solutions: {', '.join(lacking[:5])}. exams_ko.toml is a model."
        )
    return table


@functools.cache
def _shared() -> Words:
    return tomllib.loads(_FILE.read_text("utf-8"))


@dataclass(frozen=True)
class _Speaker:
    """Says the parts of a solution in one language, `speaks`, by a table of words."""

    reading: Reading
    options: Sequence[str]
    place: int
    speaks: str
    words: Words
    rules: Mapping[str, str]

    def thoughts(self, level: int, count: int, again: int) -> str:
        """level: how long the words are; count: options besides the chosen one that are gone through; again: further quotations."""
        others = [place for place in range(len(self.options)) if place != self.place]
        looked = range(len(self.options)) if self.reading.kind == "among" else sorted([self.place, *others[:count]])
        parts = [*self.said("asks", level, q=self.reading.text), *self.work(level, list(looked))]
        parts += [fill(self.speaks, words, q=self.reading.text) for words in self.words.get("again", ())[:again]]
        return self.joined([*parts, *self.said("chosen", level)])

    def joined(self, parts: Sequence[str]) -> str:
        return grammar(self.speaks).between.join(part for part in parts if part)

    def said(self, key: str, level: int, turn: int = 0, place: int | None = None, **slots: Any) -> list[str]:
        """The words of a key, in a list; none where the table has none. place: of the option that they speak of."""
        levels = self.words.get(key)
        if not levels:
            return []
        found = levels[min(level, len(levels) - 1)]
        template = found if isinstance(found, str) else found[turn % len(found)]
        chosen = self.place if place is None else place
        return [fill(self.speaks, template, n=chosen + 1, o=self.options[chosen].strip(), **slots)]

    def work(self, level: int, looked: list[int]) -> list[str]:
        """The fact or the computation, and what the options say at the places that are looked at."""
        kind = self.reading.kind
        if kind == "among":
            return self._among(level, looked)
        if kind == "fact":
            return self._fact(level, looked)
        slots = {
            **self.reading.slots,
            **(self._days() if kind == "weekday" else self._minutes() if kind == "clock" else {}),
        }
        if kind != "number":
            return self.said(kind, level, **slots)
        numbers = [int(slots[slot]) for slot in sorted(slots)]
        formula = NUMBERS[self.reading.family].formula(*numbers)
        return self.said("compute", level, e=formula, v=self.options[self.place].strip())

    def _fact(self, level: int, looked: list[int]) -> list[str]:
        fact = self.reading.fact
        assert fact is not None
        held = told(self.reading)
        chosen = self.options[self.place].strip()
        parts = [said for slots in self._earlier(fact) for said in self.said("before", level, f=self._clause(slots))]
        # A wrong option is said to be so all the same, whatever family it comes from.
        slots = held.get(chosen) or {**fact.slots, fact.asked: chosen}
        parts += self.said("known", level, f=self._clause(slots))
        for turn, place in enumerate(place for place in looked if place != self.place):
            other = held.get(self.options[place].strip())
            if other:
                parts += self.said("elsewhere", level, turn, place, f=self._clause(other))
            else:
                parts += self.said("stranger", level, turn, place)
        return parts

    def _earlier(self, fact: Fact) -> list[Mapping[str, str]]:
        """What must be known first: of the question who comes next, the place of the one before."""
        if not fact.family.endswith(".next"):
            return []
        wanted = str(int(fact.slots["n"]) - 1)
        return [slots for slots in told(self.reading).values() if slots["n"] == wanted]

    def _clause(self, slots: Mapping[str, str]) -> str:
        table, family = facts(self.reading.language), self.reading.family.partition(".")[0]
        held = table["pairs"].get(family) or table["orders"][family]
        return fill(self.speaks, held["fact" if self.speaks == self.reading.language else "english"], **slots)

    def _among(self, level: int, looked: list[int]) -> list[str]:
        name, number = self.reading.rule.split(" ")
        rule = self.rules[name].replace("{n}", number)
        parts, turn = [], 0
        for place in looked:
            if place == self.place:
                parts += self.said("holds", level, 0, place, p=rule)
                turn = 0  # "Nor is 7" follows what is not so
            else:
                parts += self.said("fails", level, turn, place, p=rule)
                turn += 1
        return parts

    def _days(self) -> dict[str, int]:
        days = int(self.reading.slots["b"]) - int(self.reading.slots["a"])
        return {"d": days, "q": days // 7, "r": days % 7}

    def _minutes(self) -> dict[str, Any]:
        hour, minute, more, rest = (int(self.reading.slots[slot]) for slot in "hmab")
        start, later = 60 * hour + minute, 60 * more + rest
        end = start + later
        told_as = {"m": f"{minute:02d}", "y": f"{end % 60:02d}"} if self.speaks != self.reading.language else {}
        return {"s": start, "t": later, "e": end, "x": end // 60, **told_as}
