"""The gold solution of a problem: its thoughts in a mode, and its answer in the problem's language.

    restate   the sentence of a parameter is said again, then its parents are resolved, then its equation follows with
              numbers in place of names: each token is a look-up or one arithmetic fact, which small models can learn
    define    a parameter gets a letter, and its equation is reduced step by step; needed where names are long and in
              reverse problems, whose values hold the unknown x

In mixed mode the logic is English and only names (which are quoted) are of the problem's language. The share of their
letters is held within `BAND` by the length of the English words around them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from yisang.errors import UsageError
from yisang.languages import load
from yisang.languages.shares import count_letters, script_share
from yisang.tasks.contexts import context as load_context
from yisang.tasks.graph import Graph, Linear, Node
from yisang.tasks.wording import Grammar, grammar, sentence

Mode = Literal["target_only", "mixed", "english_only"]
Style = Literal["define", "restate"]

BAND = (0.05, 0.20)
"""Share of the target language among the letters of a mixed think part (arXiv 2510.04230, section 5.3)."""
_HIGH = 0.165
"""A running share from which on longer English words are chosen; the end of the band keeps room for one more name."""
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWYZ"
"""X is left out, since x is the unknown."""


@dataclass(frozen=True)
class Voice:
    """In whose words a trace thinks, and whose names it uses."""

    speaks: str
    names: str

    @property
    def quotes(self) -> bool:
        return self.speaks != self.names


def voice(language: str, mode: Mode) -> Voice:
    """The voice of a mode for problems in `language`."""
    if mode == "mixed":
        if language == "en":
            raise UsageError(
                "A mixed trace thinks in English about names of another language; the problem is in English."
            )
        return Voice("en", language)
    return Voice("en", "en") if mode == "english_only" else Voice(language, language)


def think_and_answer(
    graph: Graph, language: str, context: str, mode: Mode, style: Style, leave_out: str = ""
) -> tuple[str, str]:
    """(think, answer) of the gold solution; without the step of the parameter `leave_out`."""
    if style == "restate" and graph.reverse:
        raise UsageError("A reverse problem is solved with letters: its style is 'define', not 'restate'.")
    writer = _Writer(graph, language, context, mode, leave_out)
    think = writer.define() if style == "define" else writer.restate()
    spoken = grammar(language)
    return think, spoken.fill(spoken.trace["answer"], n=str(graph.answer))


def style_of(graph: Graph) -> Style:
    """How a problem is best solved: by restating where names are short, with letters elsewhere."""
    letters = graph.reverse or any("@" in node.name for node in graph.nodes)
    return "define" if letters else "restate"


def response(think: str, answer: str) -> str:
    """Both parts as a model writes them."""
    return f"<think>\n{think}\n</think>\n\n{answer}"


class _Writer:
    def __init__(self, graph: Graph, language: str, context: str, mode: Mode, leave_out: str):
        self.graph = graph
        self.leave_out = leave_out
        self.voice = voice(language, mode)
        self.spoken: Grammar = grammar(self.voice.speaks)
        self.words = load_context(context).words(self.voice.names)
        self.counter = load_context(context).words(self.voice.speaks).counter
        self.said: list[str] = []
        self.target = load(language) if mode == "mixed" else None
        self.letters = dict(zip((node.name for node in graph.needed if node.form != "unknown"), _LETTERS, strict=False))
        self.letters |= {node.name: "x" for node in graph.needed if node.form == "unknown"}
        self._counts = [0, 0]

    @property
    def names(self) -> Mapping[str, str]:
        return self.words.names

    # What both styles share

    def say(self, text: str) -> None:
        self.said.append(text)
        if self.target is not None:
            share = script_share(text, self.target) or 0.0
            letters = count_letters(text)
            self._counts[0] += round(share * letters)
            self._counts[1] += letters

    def so(self, sentence_with: Callable[[str], str], connectives: tuple[str, ...]) -> None:
        """Says a sentence with the shortest connective that keeps the share of quoted letters down."""
        choice = sentence_with(connectives[0])
        if self.target is not None:
            for words in connectives:
                choice = sentence_with(words)
                letters = count_letters(choice)
                held = self._counts[0] + (script_share(choice, self.target) or 0.0) * letters
                if held <= _HIGH * (self._counts[1] + letters):
                    break
        self.say(choice)

    def text(self) -> str:
        return self.spoken.between.join(self.said)

    # restate, then resolve

    def restate(self) -> str:
        self._resolve(self.graph.end, set())
        return self.text()

    def _resolve(self, name: str, known: set[str]) -> None:
        node = self.graph.by_name[name]
        said = self.spoken.quotes if self.voice.quotes else self.spoken.says
        if node.form == "total":
            raise UsageError("A total has no sentence to restate: its style is 'define', not 'restate'.")
        if name != self.leave_out:
            self.say(sentence(node, self.spoken, said, self.names, self.counter))
        for parent in node.parents:
            if parent not in known:
                self._resolve(parent, known)
        known.add(name)
        if node.form != "literal" and name != self.leave_out:
            chain = " = ".join(_numbers(node, [self.graph.values[parent] for parent in node.parents]))
            self.so(
                lambda so: self.spoken.fill(
                    self.spoken.trace["result"], so=so, a=self.names[name], e=chain, counter=self.counter
                ),
                self.spoken.so,
            )

    # letters

    def define(self) -> str:
        for node in self.graph.needed:
            if node.name == self.leave_out:
                continue
            letter = self.letters[node.name]
            self.say(self.spoken.fill(self.spoken.trace["define"], v=letter, a=self.names[node.name]))
            if node.form != "unknown":
                sides = list(self._chain(node))
                # Where a parent is the unknown itself, putting it in changes nothing.
                equation = " = ".join(side for side, before in zip(sides, ["", *sides], strict=False) if side != before)
                self._step(equation, told=node.form == "literal")
        if self.graph.given:
            self._solve(*self.graph.given)
        return self.text()

    def _step(self, equation: str, told: bool = False) -> None:
        connectives = self.spoken.told if told else self.spoken.so
        self.so(lambda so: self.spoken.fill(self.spoken.trace["step"], so=so, e=equation), connectives)

    def _chain(self, node: Node) -> Iterator[str]:
        """An equation's sides: the letter, its parents' letters, their values, reduced to the value."""
        yield self.letters[node.name]
        if node.form == "literal":
            yield str(node.constant)
            return
        yield _expression(node, [self.letters[parent] for parent in node.parents])
        forms = [self.graph.linear[parent] for parent in node.parents]
        if all(not form.times for form in forms):
            yield from _numbers(node, [form.plus for form in forms])
            return
        grouped = len(forms) > 1 or node.factor == "times"
        put_in = _expression(node, [_compound(form) if grouped else linear_text(form) for form in forms])
        yield put_in
        whole = linear_text(self.graph.linear[node.name])
        if whole != put_in:
            yield whole

    def _solve(self, end: str, value: int) -> None:
        times, plus = self.graph.linear[end]
        told = self.spoken.trace["given"]
        equation = f"{linear_text(Linear(times, plus))} = {value}"
        self.say(self.spoken.fill(told, v=self.letters[end], n=str(value), e=equation, counter=self.counter))
        factor, rest = (times, value - plus) if times > 0 else (-times, plus - value)
        difference = f"{value} - {plus}" if times > 0 else f"{plus} - {value}"
        if plus < 0 < times:
            difference = f"{value} + {-plus}"
        left = "x" if factor == 1 else f"{factor}x"
        if plus or times < 0:
            self._step(f"{left} = {difference} = {rest}")
        if factor != 1:
            self._step(f"x = {rest} / {factor} = {rest // factor}")
        elif not plus and times > 0:
            self._step(f"x = {rest}")


def linear_text(form: Linear) -> str:
    """A value that may hold the unknown: 12, x, 3x + 5, 40 - x."""
    times, plus = form
    if not times:
        return str(plus)
    term = "x" if abs(times) == 1 else f"{abs(times)}x"
    if times < 0:
        return f"{plus} - {term}"
    return term if not plus else f"{term} {'+' if plus > 0 else '-'} {abs(plus)}"


def _compound(form: Linear) -> str:
    text = linear_text(form)
    return f"({text})" if " " in text else text


def _expression(node: Node, parents: list[str]) -> str:
    """A parameter's right side over its parents as they are written."""
    text = (" - " if node.form == "difference" else " + ").join(parents)
    if not node.factor:
        return text
    if node.factor == "times":
        return f"{node.constant} × {f'({text})' if len(parents) > 1 else text}"
    return f"{text} {'+' if node.factor == 'plus' else '-'} {node.constant}"


def _numbers(node: Node, values: list[int]) -> Iterator[str]:
    """The same with numbers, reduced by one operation a side."""
    sign = " - " if node.form == "difference" else " + "
    while True:
        shown = [str(value) for value in values]
        if len(values) > 1 or node.factor:
            yield _expression(node, shown)
        if len(values) == 1:
            break
        first = values[0] - values[1] if sign == " - " else values[0] + values[1]
        values = [first, *values[2:]]
    value = values[0]
    if node.factor == "times":
        value *= node.constant or 0
    elif node.factor:
        value += (node.constant or 0) * (1 if node.factor == "plus" else -1)
    yield str(value)
