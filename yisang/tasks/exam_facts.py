"""The facts and wordings of the exam pool of a language: `exams_xx.toml` beside this file, public knowledge in our words.

pools()           the languages that have one
facts(language)   the file
known(language)   every question on a fact that it holds
"""

from __future__ import annotations

import functools
import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from yisang.errors import UsageError
from yisang.tasks.wording import grammar

_FOLDER = Path(__file__).parent
_PREFIX = "exams_"


class Fact(NamedTuple):
    """A question on a fact. others: what may stand beside the right option. slots: of the sentence that states the fact, "fact" of the
    family's table; asked: the slot that is asked for."""

    family: str
    text: str
    right: str
    others: tuple[str, ...]
    slots: Mapping[str, str]
    asked: str


def pools() -> tuple[str, ...]:
    """The languages that have a pool."""
    return tuple(sorted(file.stem.removeprefix(_PREFIX) for file in _FOLDER.glob(f"{_PREFIX}*.toml")))


@functools.cache
def facts(language: str) -> dict[str, Any]:
    """The facts and wordings of a language's pool. Raises UsageError where there are none."""
    return tomllib.loads(_file(language).read_text("utf-8"))


def digest(language: str) -> str:
    """SHA-256 of that file."""
    return hashlib.sha256(_file(language).read_bytes()).hexdigest()


def _file(language: str) -> Path:
    path = _FOLDER / f"{_PREFIX}{language}.toml"
    if not path.is_file():
        raise UsageError(
            f"There is no exam pool in {language!r}; there is one in {', '.join(pools())}. Write {path.name} after exams_ko.toml."
        )
    return path


def fill(language: str, template: str, **slots: Any) -> str:
    """`template` with its slots filled, and the endings that agree."""
    return grammar(language).fill(template, **{name: str(value) for name, value in slots.items()})


def known(language: str) -> list[Fact]:
    """Every question on a fact, in the order of the file."""
    table = facts(language)
    pairs = [fact for family, pair in table["pairs"].items() for fact in _pair(language, family, pair)]
    return pairs + [fact for family, order in table["orders"].items() for fact in _order(language, family, order)]


def _pair(language: str, family: str, pair: Mapping[str, Any]) -> Iterator[Fact]:
    rows = [row.split(" ") for row in pair["rows"]]
    for one, other in rows:
        slots = {"a": one, "b": other}
        for way, right, asked in (("ask", other, "b"), ("back", one, "a")):
            side = int(asked == "b")
            others = tuple(row[side] for row in rows if row[side] != right)
            yield Fact(f"{family}.{way}", fill(language, pair[way], **slots), right, others, slots, asked)


def _order(language: str, family: str, order: Mapping[str, Any]) -> Iterator[Fact]:
    names = order["names"]
    ordinals = [fill(language, order["ordinal"], n=number) for number in range(1, len(names) + 1)]

    def fact(way: str, text: str, right: str, others: list[str], place: int) -> Fact:
        slots = {"a": names[place], "n": str(place + 1)}
        return Fact(f"{family}.{way}", text, right, tuple(others), slots, "n" if way == "place" else "a")

    for place, name in enumerate(names):
        others = [other for other in names if other != name]
        yield fact("nth", fill(language, order["nth"], n=place + 1), name, others, place)
        elsewhere = [ordinal for ordinal in ordinals if ordinal != ordinals[place]]
        yield fact("place", fill(language, order["place"], a=name), ordinals[place], elsewhere, place)
        if place:
            others = [other for other in names if other not in (name, names[place - 1])]
            yield fact("next", fill(language, order["next"], a=names[place - 1]), name, others, place)
