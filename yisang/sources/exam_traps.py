"""Questions that an augmentation of exam questions must not touch, or must not mix with: planted, to show that each is caught.

A trap of a kind is one question, or two of which the second would lend what the first must not take.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from yisang.records import Licence, Prompt
from yisang.tasks.draw import Draw
from yisang.tasks.exam_facts import facts
from yisang.tasks.exam_items import Item, Items, argument, sides

CLOSED = Licence(
    id="CC-BY-ND-4.0", letter="B", evidence="planted in yisang.sources.exams", date="2026-11-22", derive=False
)
_FULL_WIDTH = {ord(str(digit)): 0xFF10 + digit for digit in range(10)}


class Planted(NamedTuple):
    """A question of a trap; `change` makes its prompt what it is a trap by, and the options keep their order where it matters."""

    item: Item
    change: Callable[[Prompt], Prompt] = lambda prompt: prompt
    last: bool = False
    """Whether the right option stands last."""


def trap(kind: str, number: int, items: Items) -> list[Planted]:
    """The questions of trap `number` of a kind of KINDS."""
    return KINDS[kind][1](items, number, Draw("exam trap", items.seed, kind, number))


def _negation(items: Items, number: int, draw: Draw) -> list[Planted]:
    wordings = facts(items.language)["traps"]["negation"]
    text, rule = wordings[number % len(wordings)]
    name = rule.removeprefix("not ")
    number_of_rule = argument(name, draw)
    holding, failing = sides(name, number_of_rule, draw)
    item = Item(
        "negation", items.fill(text, n=number_of_rule), failing[0], tuple(holding[:3]), f"{rule} {number_of_rule}"
    )
    return [Planted(item), Planted(items.among(draw))]


def _about_others(phrases: str, kind: str) -> Callable[[Items, int, Draw], list[Planted]]:
    """An option that speaks of the others, and is right: all of them, none, or two."""

    def made(items: Items, number: int, draw: Draw) -> list[Planted]:
        words = facts(items.language)["traps"]
        sort, said = ("none", words["none"]) if phrases == "all" and number % 3 == 2 else (kind, words[phrases])
        divided = argument("divisor", draw)
        holding, failing = sides("divisor", divided, draw)
        others = {"all": holding[:3], "none": failing[:3], "both": [*holding[:2], failing[0]]}[sort]
        phrase = said[number // 3 % len(said)] if phrases == "all" else said[number % len(said)]
        text = items.fill(words["all_ask"], n=divided)
        item = Item(f"{sort}_of_them", text, phrase, tuple(others), f"{sort} divisor {divided}")
        return [Planted(item, last=True), Planted(items.number("lcm", draw))]

    return made


def _statements(items: Items, number: int, draw: Draw) -> list[Planted]:
    """Two questions on three statements, the second with the first one's right letters in another order."""
    words = facts(items.language)["traps"]
    one, two, three = words["letters"]
    holding, failing = sides("prime", 0, draw)

    def question(first: str, second: str, third: str, right: str, wrong: tuple[str, ...], letters: str) -> Item:
        return Item(
            "statements",
            items.fill(words["statements"], a=first, b=second, c=third),
            right,
            wrong,
            "statements",
            (letters,),
        )

    both = question(holding[0], failing[0], holding[1], f"{one}, {three}", (one, two, f"{two}, {three}"), one + three)
    turned = question(
        holding[2], holding[3], failing[1], f"{one}, {two}", (three, f"{three}, {one}", f"{three}, {two}"), one + two
    )
    return [Planted(both), Planted(turned)]


def _equal(items: Items, number: int, draw: Draw) -> list[Planted]:
    """The second question has the first one's right value among its wrong options, in another notation."""
    words = facts(items.language)["traps"]
    one, other = draw.between(1100, 1990), draw.between(1100, 1990)
    value = one + other
    notation = words["notations"][number % len(words["notations"])]
    written = notation.format(n=value, comma=f"{value:,}", full=str(value).translate(_FULL_WIDTH))
    asked = items.fill(words["equal_ask"], a=one, b=other)
    beside = items.fill(words["equal_ask"], a=one, b=other + 30)
    wrong = tuple(str(value + offset) for offset in (7, -13, 40))
    return [
        Planted(Item("equal", asked, str(value), wrong)),
        Planted(Item("equal", beside, str(value + 30), (written, str(value + 61), str(value - 90)))),
    ]


def _near(items: Items, number: int, draw: Draw) -> list[Planted]:
    rows = facts(items.language)["traps"]["near"]
    asked, right, spelt, one, other, beside, theirs = rows[number % len(rows)]
    mark = f" ({number // len(rows) + 1})" if number >= len(rows) else ""  # no two questions are the same
    return [
        Planted(Item("near", asked + mark, right, (one, other), also=(spelt,))),
        Planted(Item("near", beside + mark, theirs, (spelt, one))),
    ]


def _changed(change: Callable[[Prompt], Prompt]) -> Callable[[Items, int, Draw], list[Planted]]:
    """An ordinary question with something about it."""
    return lambda items, number, draw: [Planted(items.number("sum", draw), change)]


def _many(prompt: Prompt) -> Prompt:
    known = {option.replace(",", "") for option in prompt.options}
    value = int(prompt.options[int(prompt.gold or "") - 1].replace(",", ""))
    more = [str(value + offset) for offset in range(31, 60, 3) if str(value + offset) not in known]
    return msgspec.structs.replace(prompt, options=(*prompt.options, *more)[:10])


def _labels(prompt: Prompt) -> Prompt:
    signs = [f"({number})" if int(prompt.gold or "") % 2 else chr(0x2460 + number - 1) for number in range(1, 5)]
    options = tuple(f"{sign} {option}" for sign, option in zip(signs, prompt.options, strict=True))
    return msgspec.structs.replace(prompt, options=options)


def _in_text(prompt: Prompt) -> Prompt:
    lines = [f"{number}) {option}" for number, option in enumerate(prompt.options, 1)]
    return msgspec.structs.replace(prompt, text="\n".join([prompt.text, *lines]))


def _twice(prompt: Prompt) -> Prompt:
    wrong = next(place for place in range(len(prompt.options)) if place != int(prompt.gold or "") - 1)
    return msgspec.structs.replace(prompt, options=(*prompt.options, prompt.options[wrong] + ".0"))


def _like_label(items: Items, number: int, draw: Draw) -> list[Planted]:
    item = items.number("sum", draw)
    value = draw.between(1, 10)
    text = items.fill(
        facts(items.language)["numbers"]["difference"]["ask"], a=500 + 37 * number + value, b=500 + 37 * number
    )
    return [Planted(item._replace(family="difference", text=text, right=str(value), wrong=("21", "34", "55")))]


KINDS: dict[str, tuple[int, Callable[[Items, int, Draw], list[Planted]]]] = {
    "negation": (2, _negation),
    "all_or_none": (2, _about_others("all", "all")),
    "refers_to_others": (2, _about_others("both", "both")),
    "statements": (2, _statements),
    "equal": (2, _equal),
    "near": (2, _near),
    "gold_unknown": (1, _changed(lambda prompt: msgspec.structs.replace(prompt, gold=None))),
    "no_derivatives": (1, _changed(lambda prompt: msgspec.structs.replace(prompt, licence=CLOSED))),
    "too_many_options": (1, _changed(_many)),
    "labelled_options": (1, _changed(_labels)),
    "options_in_text": (1, _changed(_in_text)),
    "equal_options": (1, _changed(_twice)),
    "gold_like_label": (1, _like_label),
}
"""By kind: how many questions a trap has, and what makes it."""
