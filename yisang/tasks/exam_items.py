"""Exam questions of our own: facts and small computations with four options, and which options are right by the facts themselves.

The words and the facts are data (`yisang.tasks.exam_facts`); what is computed stands here.

    Items(language, seed)   question `index` of the seed
    right_options(prompt)   the places of the options that are right, found anew: not from the gold
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import gcd, lcm
from typing import Any, NamedTuple

from yisang.records import Prompt
from yisang.tasks.draw import Draw
from yisang.tasks.exam_facts import facts, fill, known

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


@dataclass(frozen=True)
class Items:
    """The questions of a seed; question `index` is the same wherever it is asked for."""

    language: str
    seed: int

    @functools.cached_property
    def _facts(self) -> list[Item]:
        return Draw("exam facts", self.seed).shuffled(
            [
                Item(fact.family, fact.text, fact.right, self._wrong(fact.text, fact.others))
                for fact in known(self.language)
            ]
        )

    def item(self, index: int) -> Item:
        number, rest = divmod(index, FACTS_EVERY)
        if not rest and number < len(self._facts):
            return self._facts[number]
        return self._made(Draw("exam", self.seed, index))

    def fill(self, template: str, **slots: Any) -> str:
        return fill(self.language, template, **slots)

    def _wrong(self, text: str, values: Sequence[str]) -> tuple[str, ...]:
        return tuple(Draw("exam fact", self.seed, text).shuffled(values)[:3])

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
        slots = NUMBERS[family].drawn(draw)
        value = NUMBERS[family].value(*slots)
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

        text = self.fill(words["ask"], h=hour, m=minute, a=more, b=rest)
        wrong = [end + offset for offset in draw.shuffled((10, -10, 60, -60, 20, -20, 50, -50))[:3]]
        shown = [time_of_day(self.language, time) for time in (end, *wrong)]
        return Item("clock", text, shown[0], tuple(shown[1:]))

    def among(self, draw: Draw) -> Item:
        """A question that more than one number may answer."""
        wordings = facts(self.language)["among"]
        name = draw.one(list(wordings))
        number = argument(name, draw)
        right, wrong = sides(name, number, draw)
        return Item(
            f"among.{name}", self.fill(wordings[name], n=number), right[0], tuple(wrong[:3]), f"{name} {number}"
        )


def time_of_day(language: str, minutes: int) -> str:
    """A time so many minutes after midnight, as the pool writes it."""
    words = facts(language)["clock"]
    half = words["morning" if minutes < 720 else "afternoon"]
    return fill(language, half, h=(minutes // 60 - 1) % 12 + 1, m=minutes % 60)


def sides(name: str, number: int, draw: Draw) -> tuple[list[str], list[str]]:
    """Numbers that fulfil a rule and numbers that do not, shuffled."""
    numbers = draw.shuffled(range(11, 100))
    held: dict[bool, list[str]] = {True: [], False: []}
    for value in numbers:
        held[RULES[name](value, number)].append(str(value))
    return held[True], held[False]


Drawn = Callable[[Draw], tuple[int, ...]]


class Number(NamedTuple):
    """A family of questions with one number as their answer. drawn: their numbers; value: what they come to; formula: how; asks: whether
    numbers make such a question, with a whole answer."""

    drawn: Drawn
    value: Callable[..., int]
    formula: Callable[..., str]
    asks: Callable[..., bool] = lambda *_: True


def _mean(draw: Draw) -> tuple[int, ...]:
    middle, one, other = draw.between(40, 90), draw.between(1, 15), draw.between(1, 15)
    return middle + one, middle + other, middle - one - other


def _parts(least: int, most: int, size: int, step: int = 1) -> Drawn:
    """So many of a large unit and some of the small one, `size` of which make a large one."""
    return lambda draw: (draw.between(least, most), step * draw.between(1, (size - 1) // step))


def _two(low: int, high: int) -> Drawn:
    return lambda draw: (draw.between(low, high), draw.between(low, high))


def _one(low: int, high: int) -> Drawn:
    return lambda draw: (draw.between(low, high),)


def _difference(draw: Draw) -> tuple[int, ...]:
    smaller, value = draw.between(100, 700), draw.between(21, 299)
    return smaller + value, smaller


def _common(draw: Draw) -> tuple[int, ...]:
    factor, one, other = draw.between(11, 36), draw.between(2, 9), draw.between(2, 9)
    return factor * one, factor * other


def _powers(binary: int) -> str:
    """A binary number as the sum of its powers of two."""
    digits = str(binary)[::-1]
    return " + ".join(str(2**place) for place in reversed(range(len(digits))) if digits[place] == "1")


NUMBERS: dict[str, Number] = {
    "sum": Number(_two(100, 2999), lambda a, b: a + b, lambda a, b: f"{a} + {b}"),
    "difference": Number(_difference, lambda a, b: a - b, lambda a, b: f"{a} - {b}", lambda a, b: a >= b),
    "product": Number(_two(12, 99), lambda a, b: a * b, lambda a, b: f"{a} × {b}"),
    "remainder": Number(
        lambda draw: (draw.between(200, 999), draw.between(17, 59)),
        lambda a, b: a % b,
        lambda a, b: f"{a} - {a // b} × {b}",
        lambda a, b: b > 0,
    ),
    "gcd": Number(_common, gcd, lambda a, b: f"gcd({a}, {b})", lambda a, b: a > 0 and b > 0),
    "lcm": Number(_two(6, 40), lcm, lambda a, b: f"{a} × {b} / {gcd(a, b)}", lambda a, b: a > 0 and b > 0),
    "percent": Number(
        lambda draw: (20 * draw.between(6, 49), 5 * draw.between(2, 17)),
        lambda a, b: a * b // 100,
        lambda a, b: f"{a} × {b} / 100",
        lambda a, b: a * b % 100 == 0,
    ),
    "square": Number(_one(11, 99), lambda a: a * a, lambda a: f"{a} × {a}"),
    "power": Number(_one(5, 20), lambda a: 2**a, lambda a: f"2^{a}", lambda a: a <= 60),
    "binary": Number(
        lambda draw: (int(f"{draw.between(17, 255):b}"),),
        lambda a: int(str(a), 2),
        _powers,
        lambda a: a > 0 and set(str(a)) <= {"0", "1"},
    ),
    "angles": Number(_one(5, 60), lambda a: 180 * (a - 2), lambda a: f"180 × ({a} - 2)", lambda a: a > 2),
    "diagonals": Number(_one(7, 60), lambda a: a * (a - 3) // 2, lambda a: f"{a} × ({a} - 3) / 2", lambda a: a > 2),
    "rectangle": Number(_two(12, 95), lambda a, b: a * b, lambda a, b: f"{a} × {b}"),
    "perimeter": Number(_two(12, 95), lambda a, b: 2 * (a + b), lambda a, b: f"2 × ({a} + {b})"),
    "metres": Number(_parts(1, 29, 1000, 10), lambda a, b: 1000 * a + b, lambda a, b: f"1000 × {a} + {b}"),
    "grams": Number(_parts(1, 29, 1000, 10), lambda a, b: 1000 * a + b, lambda a, b: f"1000 × {a} + {b}"),
    "minutes": Number(_parts(2, 12, 60), lambda a, b: 60 * a + b, lambda a, b: f"60 × {a} + {b}"),
    "seconds": Number(_parts(2, 30, 60), lambda a, b: 60 * a + b, lambda a, b: f"60 × {a} + {b}"),
    "mean": Number(
        _mean,
        lambda a, b, c: (a + b + c) // 3,
        lambda a, b, c: f"({a} + {b} + {c}) / 3",
        lambda a, b, c: (a + b + c) % 3 == 0,
    ),
    "sequence": Number(
        lambda draw: (draw.between(2, 40), draw.between(3, 19), draw.between(8, 40)),
        lambda a, b, c: a + (c - 1) * b,
        lambda a, b, c: f"{a} + ({c} - 1) × {b}",
        lambda a, b, c: c > 0,
    ),
}
"""By family."""


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
    """The places of the options of a pool's question that are right, by its rule; its gold is not asked."""
    return right_places(prompt.options, str(prompt.measures["right"]), str(prompt.measures["rule"]))


def right_places(options: Sequence[str], right: str, rule: str) -> set[int]:
    """The places of the options that are right.

    rule: "" (one value, which stands in `right`); "prime 0", "not multiple 7"; "all divisor 60", "none divisor 60" and
    "both divisor 60", where one option speaks of the others; "statements", whose letters stand in `right`.
    """
    values = [_value(option) for option in options]
    if not rule:
        return {place for place, value in enumerate(values) if value in {_value(form) for form in right.split("|")}}
    if rule == "statements":
        return {place for place, option in enumerate(options) if _letters(option) == set(right)}
    *kinds, name, number = rule.split(" ")
    kind = kinds[0] if kinds else ""
    about_others = {place for place, option in enumerate(options) if option == right and kind in _ABOUT_OTHERS}
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
