"""A written solution, read into the graph that it claims: parameters with parents and values, and an answer.

Reads what `yisang.tasks.traces` writes and what a model writes after its example, in the problem's language, in English
or mixed. A sentence that is none of ours is passed over. The names of parameters are their identity; letters only stand
for them (arXiv 2512.07783, whose `solution_dependency_graph` does the same for its own format).
"""

from __future__ import annotations

import ast
import functools
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from yisang.languages import load
from yisang.languages.boxes import boxes
from yisang.languages.thinking import after_thinking
from yisang.tasks.contexts import context as load_context
from yisang.tasks.names import names_of
from yisang.tasks.wording import Reader, grammar, reader, sentences

_OPEN, _CLOSE = "<think>", "</think>"
_TOKEN = r"\d+x?(?![A-Za-z\d])|(?<![A-Za-z])[A-Za-z](?![A-Za-z])|\ue000\d+\ue001|[-+−×*/()=]"
_EQUATION = re.compile(rf"(?<![A-Za-z\d])(?P<left>[A-Za-z]|\ue000\d+\ue001)\s*=\s*(?P<right>(?:(?:{_TOKEN})\s*)+)")
_REFERENCE = re.compile(r"\ue000(\d+)\ue001|(?<![A-Za-z\d])([A-Za-z])(?![A-Za-z])|\dx()(?![A-Za-z])")
_NUMBER = re.compile(r"-?\d+")
_ANSWER = re.compile(
    r"(?:[A-Za-z]\s*=\s*)?(?P<number>-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+|/\d+)?)\s*(?P<unit>[^\W\d_]{0,10})[.。]?"
)
_LONGEST = 60
"""Characters of a value; longer ones are loops."""
_MARKUP = re.compile(r"\*\*|__|`|\$|\\[()\[\]]")
_TIMES = re.compile(r"\\times|\\cdot|[·∙⋅]")
_LIST_MARK = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)]|\(\d{1,2}\)|[①-⑳])\s+")
_STYLE = re.compile(r"\\(?:text|mathrm|mathbf|textbf)\s*\{([^{}]*)\}")


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
    """The graph that a response claims. Its thoughts are read where it has any, else all of it.

    A response that never ends thinking has no answer.
    """
    answer = after_thinking(text)
    thought = text.partition(_CLOSE)[0].replace(_OPEN, "\n")
    best: dict[str, Claim] = {}
    for spoken, named in dict.fromkeys(((language, language), ("en", language), ("en", "en"))):
        if named not in load_context(context).languages:
            continue
        claims = _Claims(spoken, named, context).read(_unmarked(thought))
        if _understood(claims) > _understood(best):
            best = claims
    return Solution(best, None if answer is None else boxed_number(answer))


def _unmarked(text: str) -> str:
    """Text without what Markdown and LaTeX put around names, numbers and signs."""
    text = _TIMES.sub("×", _MARKUP.sub("", text))
    return "\n".join(_LIST_MARK.sub("", line) for line in text.splitlines())


def _understood(claims: dict[str, Claim]) -> tuple[int, int]:
    """How much was read: whole claims, then all."""
    return sum(claim.parents is not None and claim.value is not None for claim in claims.values()), len(claims)


def boxed_number(text: str) -> Fraction | None:
    """The number in the first box that is not empty, with or without a unit behind it; None where it holds no number."""
    box = next((box for box in boxes(text) if box.strip(" .…")), "")
    found = _ANSWER.fullmatch(_MARKUP.sub("", _STYLE.sub(r"\1", box)).strip()) if len(box) <= _LONGEST else None
    if found is None:
        return None
    try:
        return Fraction(found["number"].replace(",", ""))
    except ZeroDivisionError:
        return None


@functools.cache
def _patterns(spoken: str, counter: str, quoting: bool, digest: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Of sentences that define a letter, and of those that tell what a letter was given as."""
    trace, reading = grammar(spoken).trace, reader(spoken, counter, quoting)
    return reading.compiled(trace["define"]), reading.compiled(trace["given"])


class _Claims:
    """Reads one voice: the language that speaks and the language of the names."""

    def __init__(self, spoken: str, named: str, context: str):
        self.names = names_of(named, context)
        counter = load_context(context).words(spoken).counter
        self.reader: Reader = reader(spoken, counter, spoken != named)
        self.definition, self.given = _patterns(spoken, counter, spoken != named, load(spoken).digest)
        self.letters: dict[str, str] = {}
        self.parents: dict[str, frozenset[str]] = {}
        self.values: dict[str, str] = {}
        self.unknown = ""

    def read(self, text: str) -> dict[str, Claim]:
        for said in (said for line in text.splitlines() for said in sentences(line)):
            numbered = self.names.numbered(said)
            # Whoever says "First, let A be ..." or goes on in the same sentence defines A no less.
            for defined in self.definition.finditer(numbered):
                self._define(defined["v"], self.names[defined["a"]])
            numbered = self.definition.sub(" ", numbered).strip()
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
        self._depends(node.name, frozenset(node.parents))
        if node.form == "literal":
            self.values[node.name] = str(node.constant)

    def _equate(self, left: str, sides: list[str]) -> None:
        name = self._name(left)
        if name is None or not sides[-1]:
            return
        if left == "x":  # the last line that solves for it counts
            if "x" not in sides[-1]:
                self.values[name] = sides[-1]
            return
        references = self._references(sides[0])
        if references or _NUMBER.fullmatch(sides[0]):
            self._depends(name, references)
        self.values[name] = sides[-1]

    def _depends(self, name: str, parents: frozenset[str]) -> None:
        """The first parents that are named count; a number alone may only tell again what a reverse problem tells."""
        if not self.parents.get(name):
            self.parents[name] = parents

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
        return _value(self.values.get(self.unknown, ""), None)


def _value(text: str, x: Fraction | None) -> Fraction | None:
    """What a last side comes to, with the unknown put in; None where it is no arithmetic."""
    if len(text) > _LONGEST:
        return None
    plain = re.sub(r"(?<=\d)x", "*x", text.replace("−", "-").replace("×", "*")).strip()
    try:
        return _evaluated(ast.parse(plain, mode="eval").body, x)
    except (SyntaxError, ZeroDivisionError):
        return None


def _evaluated(node: ast.expr, x: Fraction | None) -> Fraction | None:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return Fraction(node.value)
    if isinstance(node, ast.Name):
        return x if node.id == "x" else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _evaluated(node.operand, x)
        return None if value is None else -value
    if not isinstance(node, ast.BinOp) or type(node.op) not in _OPERATIONS:
        return None
    left, right = _evaluated(node.left, x), _evaluated(node.right, x)
    return None if left is None or right is None else _OPERATIONS[type(node.op)](left, right)


_OPERATIONS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
