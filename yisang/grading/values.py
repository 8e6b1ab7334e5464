"""Answers as exact values: numbers with units, intervals, lists. `readings` reads them, `compare` compares.

An answer may have several readings: `(1, 2)` is a pair and an open interval, `1,234` a number and a list. Two answers agree
when any two of their readings do.

Decisions:
    percent       50% equals 0.5 and 50: whether the sign belongs to the number is the asker's habit.
    units         A unit that the gold lacks is ignored; so is one that the answer lacks. Known units of one dimension are
                  converted (1 km = 1000 m). Known ones of two dimensions differ, whatever the numbers. Of two other
                  words that are not alike (5월 and 5일, 7일 and 1주일) nobody can tell; nor where the gold has no unit,
                  and the answer would be the gold in another unit (1000 and 1 km).
    number words  Many a word begins like a number (이순신, 三角形): behind a number in words, a unit that we do not know
                  needs a blank. One syllable with a counter on it may be a word as well (사회, 세종): then nobody can
                  tell, unless the other side has digits and the same counter. Without digits on either side, such texts
                  are compared as texts.
    decimals      are exact: 0.5 = 1/2, and 0.333 is not 1/3. From `rounding` decimal places on, a decimal stands for what
                  lies less than one unit of its last place away, as in Math-Verify (`float_rounding`, 6).
    decimal comma `1,5` answers a gold of 1.5; in a gold it is a list.
    brackets      `[1, 2]` and `(1, 2)` differ; a list without brackets goes with every kind.
    order         of "auto": matters where the gold has round or square brackets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Literal, NamedTuple

from yisang.grading.numerals import Parsed, numbers
from yisang.grading.plain import enclosed
from yisang.grading.units import COUNT, CURRENCIES, PERCENT, UNITS, Unit, named, scaled
from yisang.grading.words import Words, any_of

Order = Literal["auto", "ordered", "unordered"]
Outcome = Literal["equal", "different", "unit", "unclear"]

SIGNIFICANT = 6
"""Digits that a rounded decimal must hold: 0.000001 says too little of 1/1500000. Ours."""


class Quantity(NamedTuple):
    """A number with its unit (None where none is written); `places` are its decimal places.

    name is the unit as it is written. wordy: the whole may be words that say no number. syllable: such words as one.
    """

    value: Fraction
    places: int = 0
    unit: Unit | None = None
    name: str = ""
    wordy: bool = False
    syllable: bool = False


class Interval(NamedTuple):
    """Bounds, None where there is none, and whether each belongs to it."""

    low: Fraction | None
    high: Fraction | None
    closed_low: bool
    closed_high: bool


class Several(NamedTuple):
    """Numbers in a row, and their brackets: "", "()", "[]", "{}", or ":" of a time or a ratio."""

    items: tuple[Quantity, ...]
    brackets: str


Value = Quantity | Interval | Several


@dataclass(frozen=True)
class Reading:
    """All values that a text may mean. `head` is the variable of `x = 5`; `sure` is False where the text may also be an
    expression (`3-5` is a range, or -2; `3:4` a time, or 3/4). `digits`: whether there are any in the text."""

    values: tuple[Value, ...]
    head: str = ""
    sure: bool = True
    digits: bool = True

    @property
    def wordy(self) -> bool:
        """Whether it may be words that say no number."""
        items = [item for value in self.values for item in (value.items if isinstance(value, Several) else (value,))]
        return not self.digits and any(isinstance(item, Quantity) and item.wordy for item in items)


_HEAD = re.compile(r"\s*([A-Za-z](?:_?\(?\{?[A-Za-z0-9]{1,3}\}?\)?)?'?(?:\([^()=]{0,20}\))?)\s*[=≈]\s*")
_SAID_HEAD = re.compile(r"[^=\d+×/^<>\\()-]{1,60}[=≈]\s*")
_ABOUT = re.compile(r"[≈~∴=]\s*")
_MONEY = re.compile(rf"(-?)\s*([{CURRENCIES}])\s*(?=[\d.-])")
_CLOCK = re.compile(r"\d{1,5}(?:\s?:\s?\d{1,5}){1,2}")
_IDEOGRAPH = re.compile("[\u3007\u3400-\u9fff]")
_UNKNOWN = re.compile(r" [A-Za-z]{3,20}|\s?[^\W\d_A-Za-z]{1,10}")
_FUNCTIONS = {
    "sin",
    "cos",
    "tan",
    "log",
    "exp",
    "mod",
    "max",
    "min",
    "gcd",
    "lcm",
    "det",
    "div",
    "and",
    "or",
    "not",
    "infty",
}


def readings(text: str, words: Words, gold: bool = False) -> Reading:
    """What a plain text (`yisang.grading.plain`) may mean; no values where we cannot read it."""
    text = unwrapped(text, words)
    head = ""
    if match := _HEAD.match(text):
        head, text = match[1].replace(" ", ""), text[match.end() :]
    elif match := _SAID_HEAD.match(text):
        text = text[match.end() :]
    text = _ABOUT.sub("", text, count=1) if _ABOUT.match(text) else text
    text = unwrapped(text, words)
    if "..." in text:
        return Reading((), head)
    values: list[Value] = []
    if quantity := _quantity(text, words):
        values.append(quantity)
    values += _intervals(text, words)
    values += _lists(text, words, head)
    hyphen = "-" in text[1:] and any(isinstance(value, Interval) for value in values) and "(" not in text
    if not gold and re.fullmatch(r"-?\d+,(?!\d{3}$)\d+", text):
        values.append(Quantity(Fraction(text.replace(",", ".")), len(text.partition(",")[2])))
    sure = not hyphen and not _CLOCK.fullmatch(text)
    return Reading(tuple(values), head, sure, any(sign.isdigit() for sign in text))


def unwrapped(text: str, words: Words) -> str:
    """A text without the words before and behind an answer that add nothing, and without brackets around all of it."""
    while True:
        before = text
        folded = text.casefold()
        for prefix in words.prefixes:
            rest = text[len(prefix) :]
            if folded.startswith(prefix) and rest.strip() and not (prefix[-1].isascii() and rest[0].isalnum()):
                text = rest.lstrip(" :")
                break
        for ending in words.endings:
            if len(text) > len(ending) and text.endswith(ending):
                text = text[: -len(ending)].rstrip()
                break
        if enclosed(text, "()") and not any(sign in text for sign in ",;"):
            text = text[1:-1].strip()
        if text == before or len(before) != len(folded):  # a letter that folds to two would shift the places
            return text


def compare(gold: Reading, answer: Reading, order: Order, rounding: int | None, words: Words) -> Outcome | None:
    """How a gold and an answer go together; None where the two readings cannot tell."""
    if not gold.values or not answer.values or (gold.head and answer.head and gold.head != answer.head):
        return None
    if not gold.digits and not answer.digits and (gold.wordy or answer.wordy):
        return None
    outcomes = {_pair(one, other, order, rounding, words) for one, other in product(gold.values, answer.values)}
    for outcome in ("equal", "unclear", "unit"):
        if outcome in outcomes:
            return outcome
    clocks = all(isinstance(one.values[0], Several) and one.values[0].brackets == ":" for one in (gold, answer))
    return "different" if clocks or (gold.sure and answer.sure) else None


def _pair(gold: Value, answer: Value, order: Order, rounding: int | None, words: Words) -> Outcome:
    if isinstance(gold, Several) and len(set(gold.items)) == 1 and gold.brackets in ("{}", "[]"):
        gold = gold.items[0]
    if isinstance(answer, Several) and len(answer.items) == 1:
        answer = answer.items[0]
    if isinstance(gold, Quantity) and isinstance(answer, Quantity):
        return quantities(gold, answer, rounding, words)
    if isinstance(gold, Interval) and isinstance(answer, Interval):
        return "equal" if gold == answer else "different"
    if isinstance(gold, Several) and isinstance(answer, Several):
        return _severals(gold, answer, order, rounding, words)
    return "different"


def quantities(gold: Quantity, answer: Quantity, rounding: int | None, words: Words) -> Outcome:
    one, other = gold.unit, answer.unit
    if COUNT in (one, other) and one and other and not words.alike(gold.name, answer.name):
        return "unclear"
    same = _equal(gold, answer, rounding)
    if one == PERCENT or other == PERCENT:
        percent, rest = (gold, answer) if one == PERCENT else (answer, gold)
        if rest.unit not in (None, PERCENT, COUNT):
            return "unit"
        share = Quantity(percent.value / 100, percent.places + 2)
        return "equal" if same or (rest.unit is None and _equal(share, rest, rounding)) else "different"
    if one and other and one.dimension and other.dimension:
        if one.dimension != other.dimension:
            return "unit"
        ratio = other.factor / one.factor
        return "equal" if _equal(gold, answer._replace(value=answer.value * ratio), rounding) else "different"
    if same:
        return "unclear" if (gold.syllable or answer.syllable) and gold.name != answer.name else "equal"
    return (
        "unclear"
        if one is None and other and other.dimension and scaled(answer.value, other, gold.value)
        else "different"
    )


def _equal(one: Quantity, other: Quantity, rounding: int | None) -> bool:
    if one.value == other.value:
        return True
    places = max(one.places, other.places)
    if rounding is None or places < rounding or (one.places and other.places and one.places != other.places):
        return False
    rounded = one if one.places == places else other
    digits = len(str(abs(rounded.value.numerator * 10**places // rounded.value.denominator)))
    return digits >= SIGNIFICANT and abs(one.value - other.value) < Fraction(1, 10**places)


def _severals(gold: Several, answer: Several, order: Order, rounding: int | None, words: Words) -> Outcome:
    if ":" in (gold.brackets, answer.brackets):
        return _clocks(gold, answer)
    if len(gold.items) == 2 and {gold.brackets, answer.brackets} == {"()", "[]"}:
        return "different"

    ordered = order == "ordered" or (order == "auto" and gold.brackets in ("()", "[]"))
    if ordered and len(gold.items) != len(answer.items):
        return "different"
    found = {
        (here, there): quantities(one, other, rounding, words)
        for here, one in enumerate(gold.items)
        for there, other in enumerate(answer.items)
        if not ordered or here == there
    }
    accepted: set[Outcome] = {"equal"}
    for outcome in ("equal", "unclear"):
        accepted.add(outcome)
        pairs = [pair for pair, said in found.items() if said in accepted]
        if all(
            {pair[side] for pair in pairs} == set(range(len(items)))
            for side, items in enumerate((gold.items, answer.items))
        ):
            return outcome
    return "different"


def _clocks(gold: Several, answer: Several) -> Outcome:
    one, other = [item.value for item in gold.items], [item.value for item in answer.items]
    if gold.brackets != answer.brackets or len(one) != len(other):
        return "different"
    if one == other:
        return "equal"
    ratio = all(one) and all(other) and len({a / b for a, b in zip(one, other, strict=True)}) == 1
    return "unclear" if ratio and one[1] >= 10 else "equal" if ratio else "different"  # 3:40 may be a time, 3:4 is none


def _quantity(text: str, words: Words, units: int = 3) -> Quantity | None:
    """A number with its unit, where that is all of the text; or as many as `units` numbers with falling units."""
    if money := _MONEY.match(text):
        inner = _quantity(money[1] + text[money.end() :], words)
        currency = UNITS[money[2]]
        return inner._replace(unit=currency, name=money[2]) if inner and inner.unit in (None, currency) else None
    candidates = numbers(text, words)
    for parsed in candidates:
        rest = text[parsed.end :]
        if not rest.strip():
            return Quantity(parsed.value, parsed.places)
        if unit := _unit(rest, words):
            sign = text[: parsed.end]
            one = len(sign) == 1 and sign.isalpha() and not rest.startswith(" ")
            syllable = one and unit == COUNT and not _IDEOGRAPH.match(sign)
            return Quantity(parsed.value, parsed.places, unit, _name(rest), wordy=one, syllable=syllable)
        if units > 1 and (compound := _compound(parsed, rest, words, units - 1)):
            return compound
    for parsed in candidates:
        rest = text[parsed.end :]
        word = rest.strip(" ()")
        written = any(sign.isdigit() for sign in text[: parsed.end])
        if (
            _UNKNOWN.fullmatch(rest)
            and (written or rest.startswith(" "))
            and word.casefold() not in words.not_units | _FUNCTIONS
            and not _number_word(word, words)
        ):
            return Quantity(parsed.value, parsed.places, COUNT, _name(rest), wordy=not written)
    return None


def _name(rest: str) -> str:
    return rest.strip(" ()").casefold()


def _unit(rest: str, words: Words) -> Unit | None:
    """The unit that `rest` names, where it names nothing else."""
    word = rest.strip()
    if enclosed(word):
        word = word[1:-1].strip()
    return words.units.get(word.casefold()) or named(word) if word else None


def _compound(first: Parsed, rest: str, words: Words, units: int) -> Quantity | None:
    """1 h 30 min: amounts of falling units of one dimension."""
    match = re.match(r"\s*([^\s\d]{1,12})\s*(?=\d)", rest)
    unit = match and _unit(match[1], words)
    if not match or not unit or not unit.dimension:
        return None
    inner = _quantity(rest[match.end() :], words, units)
    if not inner or not inner.unit or inner.unit.dimension != unit.dimension or inner.unit.factor >= unit.factor:
        return None
    amount = first.value * unit.factor / inner.unit.factor
    return inner._replace(value=amount + inner.value) if first.value >= 0 else None


def _number_word(word: str, words: Words) -> bool:
    return word.casefold() in words.numbers


def _intervals(text: str, words: Words) -> list[Value]:
    if len(text) > 4 and text[0] in "([" and text[-1] in ")]" and text.count(",") == 1:
        low, high = (_bound(part, words) for part in text[1:-1].split(","))
        if low and high:
            closed = (text[0] == "[", text[-1] == "]")
            return [Interval(low[0], high[0], closed[0] and low[0] is not None, closed[1] and high[0] is not None)]
    for sign in ("~", "-"):
        low_text, found, high_text = text[1:].partition(sign)
        if found:
            one, other = _quantity(text[0] + low_text.rstrip(), words), _quantity(high_text.lstrip(), words)
            if one and other and one.value < other.value and one.unit in (None, other.unit):
                return [Interval(one.value, other.value, True, True)]
    return []


def _bound(text: str, words: Words) -> tuple[Fraction | None] | None:
    text = text.strip()
    if text.lstrip("+-").strip() in ("∞", "inf", "oo", "infinity"):
        return (None,)
    quantity = _quantity(text, words)
    return (quantity.value,) if quantity and quantity.unit != COUNT else None  # what is counted is a list


def _lists(text: str, words: Words, head: str) -> list[Value]:
    if _CLOCK.fullmatch(text):
        return [Several(tuple(Quantity(Fraction(part.strip())) for part in text.split(":")), ":")]
    brackets = next((pair for pair in ("()", "[]", "{}") if enclosed(text, pair)), "")
    inner = text[1:-1] if brackets else text
    found: list[Value] = []
    for parts in _splits(inner, words):
        items = []
        for part in parts:
            match = _HEAD.match(part)
            if match and match[1].replace(" ", "") != head:
                return []
            quantity = _quantity(part[match.end() if match else 0 :].strip(" ()"), words)
            if not quantity:
                break
            items.append(quantity)
        else:
            if len(items) > 1 or brackets in ("[]", "{}"):
                found.append(Several(tuple(items), brackets))
    return found


def _splits(text: str, words: Words) -> list[list[str]]:
    """The ways to cut a list: at commas (of which one of `1,234` may belong to the number), and at words such as "and"."""
    said = any_of(words.separators)
    ways = []
    for comma in (r"[,;]", r"[,;](?!\d{3}(?!\d))|;|,(?=\s)"):
        parts = [part.strip() for part in re.split(comma, text)]
        parts = [part for whole in parts for part in _said(whole, said)]
        if parts not in ways and all(parts):
            ways.append(parts)
    return ways


def _said(text: str, said: re.Pattern[str]) -> list[str]:
    """A text cut at its separating words. Before a letter they may be the beginning of another word."""
    parts, place = [], 0
    for match in said.finditer(text):
        following = text[match.end() : match.end() + 1]
        if following in (" ", "") or (not match[0][-1].isascii() and not following.isalpha()):
            if head := text[place : match.start()].strip():
                parts.append(head)
            place = match.end()
    return [*parts, text[place:].strip()]
