"""A written solution, read into the graph that it claims: parameters with parents and values, and an answer.

Reads what `yisang.tasks.traces` writes and what a model writes after its example, in the problem's language, in English
or mixed. A sentence that is none of ours is passed over. The names of parameters are their identity; letters only stand
for them (arXiv 2512.07783, whose `solution_dependency_graph` does the same for its own format).
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from fractions import Fraction

from yisang.languages.boxes import boxes
from yisang.tasks.contexts import context as load_context
from yisang.tasks.wording import Reader, grammar, names_of, reader, sentences

_OPEN, _CLOSE = "<think>", "</think>"
_TOKEN = r"\d+x?(?![A-Za-z\d])|(?<![A-Za-z])[A-Za-z](?![A-Za-z])|\ue000\d+\ue001|[-+−×*/()=]"
_EQUATION = re.compile(rf"(?<![A-Za-z\d])(?P<left>[A-Za-z]|\ue000\d+\ue001)\s*=\s*(?P<right>(?:(?:{_TOKEN})\s*)+)")
_REFERENCE = re.compile(r"\ue000(\d+)\ue001|(?<![A-Za-z\d])([A-Za-z])(?![A-Za-z])|\dx()(?![A-Za-z])")
_LINEAR = re.compile(r"(?:(?P<minuend>\d+)\s*-\s*)?(?P<times>\d*)x(?:\s*(?P<sign>[-+])\s*(?P<plus>\d+))?")
_NUMBER = re.compile(r"-?\d+")
_PLAIN_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?|-?\d+/\d+")


@dataclass(frozen=True)
class Claim:
    """What a solution says of one parameter; `parents` or `value` is None where it does not say."""

    parents: frozenset[str] | None
    value: Fraction | None


@dataclass(frozen=True)
class Solution:
    """claims by parameter, and the answer of the box as a number; None where there is none."""

    claims: dict[str, Claim] = field(hash=False)
    answer: Fraction | None


def read_solution(text: str, language: str, context: str) -> Solution:
    """The graph that a response claims. Its think part is read where there is one, else all of it."""
    head, closed, tail = text.rpartition(_CLOSE)
    thought = (head if closed else text).rpartition(_OPEN)[2]
    best: dict[str, Claim] = {}
    for spoken, named in dict.fromkeys(((language, language), ("en", language), ("en", "en"))):
        if named not in load_context(context).languages:
            continue
        claims = _Claims(spoken, named, context).read(thought)
        if _understood(claims) > _understood(best):
            best = claims
    return Solution(best, boxed_number(tail if closed else text))


def _understood(claims: dict[str, Claim]) -> tuple[int, int]:
    """How much was read: whole claims, then all."""
    return sum(claim.parents is not None and claim.value is not None for claim in claims.values()), len(claims)


def boxed_number(text: str) -> Fraction | None:
    """The number in the first box that holds one alone."""
    for box in boxes(text):
        number = _PLAIN_NUMBER.fullmatch(box.strip())
        if number:
            return Fraction(number[0].replace(",", ""))
    return None


@functools.cache
def _patterns(spoken: str, counter: str, quoting: bool) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Of sentences that define a letter, and of those that tell what a letter was given as."""
    trace, reading = grammar(spoken).trace, reader(spoken, counter, quoting)
    return reading.compiled(trace["define"]), reading.compiled(trace["given"])


class _Claims:
    """Reads one voice: the language that speaks and the language of the names."""

    def __init__(self, spoken: str, named: str, context: str):
        self.names = names_of(named, context)
        counter = load_context(context).words(spoken).counter
        self.reader: Reader = reader(spoken, counter, spoken != named)
        self.definition, self.given = _patterns(spoken, counter, spoken != named)
        self.letters: dict[str, str] = {}
        self.parents: dict[str, frozenset[str]] = {}
        self.values: dict[str, str] = {}
        self.unknown = ""

    def read(self, text: str) -> dict[str, Claim]:
        for said in sentences(text):
            numbered = self.names.numbered(said)
            defined = self.definition.fullmatch(numbered)
            if defined:
                self._define(defined["v"], self.names[defined["a"]])
                continue
            given = self.given.fullmatch(numbered)
            if given and (name := self.letters.get(given["v"])):
                self.values[name] = given["n"]
                continue
            found = self.reader.read(numbered)
            if found is not None:
                self._restate(*found)
                continue
            for equation in _EQUATION.finditer(numbered):
                self._equate(equation["left"], [side.strip() for side in equation["right"].split("=")])
        x = self._solved()
        known = dict.fromkeys([*self.parents, *self.values])
        return {name: Claim(self.parents.get(name), _value(self.values.get(name, ""), x)) for name in known}

    def _define(self, letter: str, name: str) -> None:
        self.letters[letter] = name
        if letter == "x":
            self.unknown = name
            self.parents[name] = frozenset()
            self.values[name] = "x"

    def _restate(self, key: str, slots: dict[str, str]) -> None:
        if key == "question":
            return
        node = self.reader.node(key, slots, self.names)
        self.parents.setdefault(node.name, frozenset(node.parents))
        if node.form == "literal":
            self.values[node.name] = str(node.constant)

    def _equate(self, left: str, sides: list[str]) -> None:
        name = self._name(left)
        if name is None or not sides[-1]:
            return
        if left == "x":  # the last line that solves for it counts
            if _NUMBER.fullmatch(sides[-1]):
                self.values[name] = sides[-1]
            return
        references = self._references(sides[0])
        if references or _NUMBER.fullmatch(sides[0]):
            # A number alone is a literal, unless it is only told again of what has been defined.
            self.parents.setdefault(name, references)
        self.values[name] = sides[-1]

    def _name(self, token: str) -> str | None:
        return self.names[token[1:-1]] if token[0] == "\ue000" else self.letters.get(token)

    def _references(self, side: str) -> frozenset[str]:
        """The parameters that an expression uses; a letter without an owner counts as one of its own."""
        found = set()
        for number, letter, _ in _REFERENCE.findall(side):
            if number:
                found.add(self.names[number])
            else:
                token = letter or "x"
                found.add(self.letters.get(token, f"?{token}"))
        return frozenset(found)

    def _solved(self) -> Fraction | None:
        value = self.values.get(self.unknown, "")
        return Fraction(value) if _NUMBER.fullmatch(value) else None


def _value(text: str, x: Fraction | None) -> Fraction | None:
    """A number, or a value that holds the unknown, which is put in; None where it is neither."""
    text = text.replace("−", "-").strip()
    if _NUMBER.fullmatch(text):
        return Fraction(text)
    linear = _LINEAR.fullmatch(text)
    if linear is None or x is None:
        return None
    term = int(linear["times"] or 1) * x
    if linear["minuend"]:
        return int(linear["minuend"]) - term if linear["sign"] is None else None
    rest = int(linear["plus"] or 0)
    return term + (rest if linear["sign"] == "+" else -rest)
