"""Exam questions of our own: facts and small computations with four options, and which options are right by the facts themselves.

The words and the facts are data, `exams_xx.toml` beside this file; what is computed stands here.

    facts(language)         the file
    Items(language, seed)   question `index` of the seed
    right_options(prompt)   the places of the options that are right, found anew: not from the gold
"""

from __future__ import annotations

import functools
import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import gcd, lcm
from pathlib import Path
from typing import Any, NamedTuple

from yisang.errors import UsageError
from yisang.records import Prompt
from yisang.tasks.draw import Draw
from yisang.tasks.wording import grammar

FACTS_EVERY = 4
"""Every fourth question is a fact, as long as there are any left; facts are few, and none comes twice."""
_OFFSETS = (1, -1, 2, -2, 5, -5, 9, -9, 10, -10, 11, -11, 20, -20, 100, -100)
"""How far from the right value the wrong ones lie: slips of a digit, of a carry, of one step."""
_ABOUT_OTHERS = ("all", "none", "both")
_FEW = {"power": 0.1, "angles": 0.4, "diagonals": 0.4, "square": 0.6}
"""Families with so few questions that an even share of the draws would repeat them: their weights beside 1 of the others."""
_NUMBER = re.compile(r"\(?(\d+)\)?(?:\.0*)?")


class Item(NamedTuple):
    """A question, its right option and three wrong ones. rule: what makes an option right, where that is no single value."""

    family: str
    text: str
    right: str
    wrong: tuple[str, ...]
    rule: str = ""
    also: tuple[str, ...] = ()
    """Other forms of the right option."""


@functools.cache
def facts(language: str) -> dict[str, Any]:
    """The facts and wordings of a language's pool. Raises UsageError where there are none."""
    return tomllib.loads(_file(language).read_text("utf-8"))


def digest(language: str) -> str:
    """SHA-256 of that file."""
    return hashlib.sha256(_file(language).read_bytes()).hexdigest()


def _file(language: str) -> Path:
    path = Path(__file__).with_name(f"exams_{language}.toml")
    if not path.is_file():
        known = ", ".join(sorted(file.stem.removeprefix("exams_") for file in path.parent.glob("exams_*.toml")))
        raise UsageError(
            f"There is no exam pool in {language!r}; there is one in {known}. Write {path.name} after exams_ko.toml."
        )
    return path


@dataclass(frozen=True)
class Items:
    """The questions of a seed; question `index` is the same wherever it is asked for."""

    language: str
    seed: int

    @functools.cached_property
    def _facts(self) -> list[Item]:
        return Draw("exam facts", self.seed).shuffled(list(self._known()))

    def item(self, index: int) -> Item:
        number, rest = divmod(index, FACTS_EVERY)
        if not rest and number < len(self._facts):
            return self._facts[number]
        return self._made(Draw("exam", self.seed, index))

    def fill(self, template: str, **slots: Any) -> str:
        return grammar(self.language).fill(template, **{name: str(value) for name, value in slots.items()})

    # Facts

    def _known(self) -> list[Item]:
        table, found = facts(self.language), []
        for family, pair in table["pairs"].items():
            rows = [row.split(" ") for row in pair["rows"]]
            for one, other in rows:
                slots = {"a": one, "b": other}
                for way, right, side in (("ask", other, 1), ("back", one, 0)):
                    values = [row[side] for row in rows if row[side] != right]
                    found.append(self._fact(f"{family}.{way}", self.fill(pair[way], **slots), right, values))
        for family, order in table["orders"].items():
            names = order["names"]
            ordinals = [self.fill(order["ordinal"], n=number) for number in range(1, len(names) + 1)]
            for place, name in enumerate(names):
                others = [other for other in names if other != name]
                nth = self.fill(order["nth"], n=place + 1)
                found.append(self._fact(f"{family}.nth", nth, name, others))
                where = self.fill(order["place"], a=name)
                elsewhere = [ordinal for ordinal in ordinals if ordinal != ordinals[place]]
                found.append(self._fact(f"{family}.place", where, ordinals[place], elsewhere))
                if place:
                    asked = self.fill(order["next"], a=names[place - 1])
                    others = [other for other in names if other not in (name, names[place - 1])]
                    found.append(self._fact(f"{family}.next", asked, name, others))
        return found

    def _fact(self, family: str, text: str, right: str, values: Sequence[str]) -> Item:
        return Item(family, text, right, tuple(Draw("exam fact", self.seed, text).shuffled(values)[:3]))

    # Questions with numbers of their own

    def _made(self, draw: Draw) -> Item:
        table = facts(self.language)
        families = [*table["numbers"], "weekday", "clock", "among"]
        family = families[draw.weighted([_FEW.get(name, 1.0) for name in families])]
        if family == "weekday":
            return self._weekday(draw)
        if family == "clock":
            return self._clock(draw)
        if family == "among":
            return self.among(draw)
        return self.number(family, draw)

    def number(self, family: str, draw: Draw) -> Item:
        words = facts(self.language)["numbers"][family]
        slots, value = NUMBERS[family](draw)
        offsets = [offset for offset in draw.shuffled(_OFFSETS) if value + offset > 0]
        grouped = draw.share() < 0.5

        def shown(number: int) -> str:
            return (f"{number:,}" if grouped else str(number)) + str(words.get("unit", ""))

        text = self.fill(words["ask"], **dict(zip("abc", slots, strict=False)))
        return Item(family, text, shown(value), tuple(shown(value + offset) for offset in offsets[:3]))

    def _weekday(self, draw: Draw) -> Item:
        words = facts(self.language)["weekday"]
        names, first, start, later = words["names"], draw.below(7), draw.between(1, 12), draw.between(3, 16)
        text = self.fill(words["ask"], a=start, w=names[first], b=start + later)
        right = names[(first + later) % 7]
        return Item("weekday", text, right, tuple(draw.shuffled([name for name in names if name != right])[:3]))

    def _clock(self, draw: Draw) -> Item:
        words = facts(self.language)["clock"]
        hour, minute = draw.between(6, 11), 5 * draw.below(12)
        more, rest = draw.between(1, 9), draw.between(1, 59)
        end = 60 * (hour + more) + minute + rest

        def shown(time: int) -> str:
            half = words["morning" if time < 720 else "afternoon"]
            return self.fill(half, h=(time // 60 - 1) % 12 + 1, m=time % 60)

        text = self.fill(words["ask"], h=hour, m=minute, a=more, b=rest)
        wrong = [end + offset for offset in draw.shuffled((10, -10, 60, -60, 20, -20, 50, -50))[:3]]
        return Item("clock", text, shown(end), tuple(shown(time) for time in wrong))

    def among(self, draw: Draw) -> Item:
        """A question that more than one number may answer."""
        wordings = facts(self.language)["among"]
        name = draw.one(list(wordings))
        number = argument(name, draw)
        right, wrong = sides(name, number, draw)
        return Item(
            f"among.{name}", self.fill(wordings[name], n=number), right[0], tuple(wrong[:3]), f"{name} {number}"
        )


def sides(name: str, number: int, draw: Draw) -> tuple[list[str], list[str]]:
    """Numbers that fulfil a rule and numbers that do not, shuffled."""
    numbers = draw.shuffled(range(11, 100))
    held: dict[bool, list[str]] = {True: [], False: []}
    for value in numbers:
        held[RULES[name](value, number)].append(str(value))
    return held[True], held[False]


def _mean(draw: Draw) -> tuple[tuple[int, ...], int]:
    middle, one, other = draw.between(40, 90), draw.between(1, 15), draw.between(1, 15)
    return (middle + one, middle + other, middle - one - other), middle


def _parts(least: int, most: int, size: int, step: int = 1) -> Callable[[Draw], tuple[tuple[int, ...], int]]:
    """So many of a large unit and some of the small one, `size` of which make a large one."""

    def made(draw: Draw) -> tuple[tuple[int, ...], int]:
        large, small = draw.between(least, most), step * draw.between(1, (size - 1) // step)
        return (large, small), large * size + small

    return made


def _two(
    low: int, high: int, value: Callable[[int, int], int], least: int = 0
) -> Callable[[Draw], tuple[tuple[int, ...], int]]:
    """Two numbers within bounds; the second within `least` and `high`, where least is given."""

    def made(draw: Draw) -> tuple[tuple[int, ...], int]:
        one, other = draw.between(low, high), draw.between(least or low, high)
        return (one, other), value(one, other)

    return made


def _one(low: int, high: int, value: Callable[[int], int]) -> Callable[[Draw], tuple[tuple[int, ...], int]]:
    def made(draw: Draw) -> tuple[tuple[int, ...], int]:
        number = draw.between(low, high)
        return (number,), value(number)

    return made


def _difference(draw: Draw) -> tuple[tuple[int, ...], int]:
    smaller, value = draw.between(100, 700), draw.between(21, 299)
    return (smaller + value, smaller), value


def _remainder(draw: Draw) -> tuple[tuple[int, ...], int]:
    number, divisor = draw.between(200, 999), draw.between(17, 59)
    return (number, divisor), number % divisor


def _common(draw: Draw) -> tuple[tuple[int, ...], int]:
    factor, one, other = draw.between(11, 36), draw.between(2, 9), draw.between(2, 9)
    return (factor * one, factor * other), factor * gcd(one, other)


def _percent(draw: Draw) -> tuple[tuple[int, ...], int]:
    number, share = 20 * draw.between(6, 49), 5 * draw.between(2, 17)
    return (number, share), number * share // 100


def _binary(draw: Draw) -> tuple[tuple[int, ...], int]:
    number = draw.between(17, 255)
    return (int(f"{number:b}"),), number


def _sequence(draw: Draw) -> tuple[tuple[int, ...], int]:
    first, step, place = draw.between(2, 40), draw.between(3, 19), draw.between(8, 40)
    return (first, step, place), first + (place - 1) * step


NUMBERS: dict[str, Callable[[Draw], tuple[tuple[int, ...], int]]] = {
    "sum": _two(100, 2999, lambda a, b: a + b),
    "difference": _difference,
    "product": _two(12, 99, lambda a, b: a * b),
    "remainder": _remainder,
    "gcd": _common,
    "lcm": _two(6, 40, lcm),
    "percent": _percent,
    "square": _one(11, 99, lambda a: a * a),
    "power": _one(5, 20, lambda a: 2**a),
    "binary": _binary,
    "angles": _one(5, 60, lambda a: 180 * (a - 2)),
    "diagonals": _one(7, 60, lambda a: a * (a - 3) // 2),
    "rectangle": _two(12, 95, lambda a, b: a * b),
    "perimeter": _two(12, 95, lambda a, b: 2 * (a + b)),
    "metres": _parts(1, 29, 1000, 10),
    "grams": _parts(1, 29, 1000, 10),
    "minutes": _parts(2, 12, 60),
    "seconds": _parts(2, 30, 60),
    "mean": _mean,
    "sequence": _sequence,
}
"""By family: the numbers of a question, and its value."""


def _prime(value: int, _: int) -> bool:
    return value > 1 and all(value % divisor for divisor in range(2, int(value**0.5) + 1))


RULES: dict[str, Callable[[int, int], bool]] = {
    "prime": _prime,
    "multiple": lambda value, number: value % number == 0,
    "divisor": lambda value, number: number % value == 0,
    "even": lambda value, _: value % 2 == 0,
    "square": lambda value, _: int(value**0.5 + 0.5) ** 2 == value,
    "above": lambda value, number: value > number,
    "below": lambda value, number: value < number,
}
"""By name: whether a value fulfils a rule with a number."""

ARGUMENT: dict[str, Callable[[Draw], int]] = {
    "multiple": lambda draw: draw.between(3, 19),
    "divisor": lambda draw: draw.one(
        (360, 420, 480, 504, 540, 600, 660, 720, 780, 840, 900, 960, 1008, 1080, 1200, 1260)
    ),
    "above": lambda draw: draw.between(20, 80),
    "below": lambda draw: draw.between(20, 80),
}


def argument(name: str, draw: Draw) -> int:
    """The number of a rule; 0 of one that has none."""
    return ARGUMENT[name](draw) if name in ARGUMENT else 0


def right_options(prompt: Prompt) -> set[int]:
    """The places of the options of a pool's question that are right, by its rule; its gold is not asked.

    rule: "" (one value, in the measure `right`); "prime 0", "not multiple 7"; "all divisor 60", "none divisor 60" and
    "both divisor 60", where one option speaks of the others; "statements", whose letters stand in `right`.
    """
    rule, right = str(prompt.measures["rule"]), str(prompt.measures["right"])
    values = [_value(option) for option in prompt.options]
    if not rule:
        return {place for place, value in enumerate(values) if value in {_value(form) for form in right.split("|")}}
    if rule == "statements":
        return {place for place, option in enumerate(prompt.options) if _letters(option) == set(right)}
    *kinds, name, number = rule.split(" ")
    kind = kinds[0] if kinds else ""
    about_others = {place for place, option in enumerate(prompt.options) if option == right and kind in _ABOUT_OTHERS}
    holding = {
        place
        for place, value in enumerate(values)
        if place not in about_others and isinstance(value, int) and RULES[name](value, int(number)) != (kind == "not")
    }
    told = {
        "all": len(holding) + len(about_others) == len(values),
        "none": not holding,
        "both": holding == {0, 1},
    }
    return about_others if told.get(kind) else holding


def _value(option: str) -> int | str:
    text = "".join(unicodedata.normalize("NFKC", option).replace(",", "").split())
    match = _NUMBER.fullmatch(text)
    return int(match[1]) if match else text


def _letters(option: str) -> set[str]:
    return {sign for sign in option if sign.isalpha()}
