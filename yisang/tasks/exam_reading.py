"""A question of the exam pool, known again by its text alone, and which options are right: by the facts and by computing, not by a gold."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from yisang.languages import load
from yisang.tasks.exam_facts import Fact, facts, fill, known
from yisang.tasks.exam_items import ARGUMENT, NUMBERS, right_places, time_of_day

Kind = Literal["fact", "number", "weekday", "clock", "among"]
_SLOT = re.compile(r"\{(\w)(?::([^{}]*))?\}")


@dataclass(frozen=True)
class Reading:
    """A question that was read. right: the value of the right option, "" where a rule says it (see `right_places`).

    fact: of kind "fact". slots: the numbers and the name that stand in a question of another kind.
    """

    language: str
    text: str
    kind: Kind
    family: str
    right: str = ""
    rule: str = ""
    fact: Fact | None = None
    slots: Mapping[str, str] = field(default_factory=dict, hash=False)

    def right_options(self, options: Sequence[str]) -> set[int]:
        """The places of the options that are right."""
        return right_places(options, self.right, self.rule)


def read(text: str, language: str) -> Reading | None:
    """What the pool of a language asks with these words; None for what it does not ask, or not clearly."""
    found = list(_readings(text, language))
    return found[0] if len(found) == 1 else None


def told(reading: Reading) -> Mapping[str, Mapping[str, str]]:
    """By option: the slots of the fact that it belongs to, of all options that the question's family could have."""
    # Who follows whom is told by the places that names have.
    family = reading.family.replace(".next", ".nth")
    return {fact.right: fact.slots for fact in _by_family(reading.language).get(family, ())}


@functools.cache
def _by_family(language: str) -> dict[str, list[Fact]]:
    held: dict[str, list[Fact]] = {}
    for fact in known(language):
        held.setdefault(fact.family, []).append(fact)
    return held


@functools.cache
def _by_text(language: str) -> dict[str, list[Fact]]:
    held: dict[str, list[Fact]] = {}
    for fact in known(language):
        held.setdefault(fact.text, []).append(fact)
    return held


def _readings(text: str, language: str) -> Iterator[Reading]:
    for fact in _by_text(language).get(text, ()):
        yield Reading(language, text, "fact", fact.family, fact.right, fact=fact)
    for template, pattern, reader in _templates(language, load(language).digest):
        match = pattern.fullmatch(text)
        # Written anew, so that an ending that does not agree is not passed over.
        if match and fill(language, template, **match.groupdict()) == text:
            reading = reader(language, text, match.groupdict())
            if reading is not None:
                yield reading


_Reader = Callable[[str, str, dict[str, str]], Reading | None]


@functools.cache  # by the digest too, as endings stand in the language's file
def _templates(language: str, digest: str) -> list[tuple[str, re.Pattern[str], _Reader]]:
    table = facts(language)
    named: list[tuple[str, _Reader]] = [
        (words["ask"], functools.partial(_number, family)) for family, words in table["numbers"].items()
    ]
    named += [(words, functools.partial(_among, name)) for name, words in table["among"].items()]
    named += [(table["weekday"]["ask"], _weekday), (table["clock"]["ask"], _clock)]
    names = table["weekday"]["names"]
    return [(template, re.compile(_pattern(template, names)), reader) for template, reader in named]


def _pattern(template: str, names: Sequence[str]) -> str:
    parts, place = [], 0
    for slot in _SLOT.finditer(template):
        parts.append(re.escape(template[place : slot.start()]))
        values = "|".join(map(re.escape, names)) if slot[1] == "w" else "(?:0|[1-9][0-9]{0,8})"
        endings = "|".join(map(re.escape, (slot[2] or "").split("/")))
        parts.append(f"(?P<{slot[1]}>{values})(?:{endings})")
        place = slot.end()
    return "".join([*parts, re.escape(template[place:])])


def _number(family: str, language: str, text: str, slots: dict[str, str]) -> Reading | None:
    numbers = [int(slots[slot]) for slot in sorted(slots)]
    number = NUMBERS[family]
    if not number.asks(*numbers):
        return None
    unit = str(facts(language)["numbers"][family].get("unit", ""))
    return Reading(language, text, "number", family, f"{number.value(*numbers)}{unit}", slots=slots)


def _among(name: str, language: str, text: str, slots: dict[str, str]) -> Reading | None:
    number = int(slots.get("n", "0"))
    if (name in ARGUMENT) != (number > 0):
        return None
    return Reading(language, text, "among", f"among.{name}", rule=f"{name} {number}", slots=slots)


def _weekday(language: str, text: str, slots: dict[str, str]) -> Reading | None:
    first, later = int(slots["a"]), int(slots["b"])
    if not 1 <= first < later <= 28:
        return None
    names = facts(language)["weekday"]["names"]
    right = names[(names.index(slots["w"]) + later - first) % 7]
    return Reading(language, text, "weekday", "weekday", right, slots=slots)


def _clock(language: str, text: str, slots: dict[str, str]) -> Reading | None:
    numbers: dict[str, Any] = {slot: int(value) for slot, value in slots.items()}
    end = 60 * (numbers["h"] + numbers["a"]) + numbers["m"] + numbers["b"]
    if not 1 <= numbers["h"] < 12 or numbers["m"] > 59 or end >= 24 * 60:
        return None
    return Reading(language, text, "clock", "clock", time_of_day(language, end), slots=slots)
