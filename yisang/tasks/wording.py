"""A graph as a problem in a language, and a problem back as its graph.

How things are said is data: [tasks] of the language's file, and the context's words. Templates hold slots: {a}, {b} and
{c} are names, {n} a number, {x} an operand, {list} joined names, {counter} the context's word behind numbers; {a:은/는} adds
the ending that agrees with what stands in the slot (yisang.languages.agreement).

One template both writes and reads, so whatever is worded parses back: names are found first (the longest at the leftmost
place), then whole sentences are matched.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from yisang.errors import UsageError, YisangError
from yisang.languages import load
from yisang.languages.agreement import Agreement, agreement
from yisang.tasks.contexts import context as load_context
from yisang.tasks.contexts import contexts
from yisang.tasks.graph import BadGraph, Factor, Form, Graph, Node
from yisang.tasks.names import Names, names_of

_SLOT = re.compile(r"\{(\w*)(?::([^{}]*))?\}")
_NAME = "\ue000(\\d+)\ue001"
"""A name in a text whose names have been replaced by their numbers, between two private characters."""
_STOPS = ".。?？!！"
_SENTENCE = re.compile(rf"[^{_STOPS}]+[{_STOPS}]?")
_SAYS = ("literal", "same", "is", "more", "fewer", "times", "sum", "difference", "unknown", "question")
_TRACE = ("define", "step", "result", "given", "answer", "drill")
_FACTORS: dict[Factor, str] = {"plus": "more", "minus": "fewer", "times": "times"}
GIVEN = "="
"""Stands for the told value of a reverse problem in an order of sentences."""


class NotATask(YisangError):
    """A text that is no problem of this kind, or whose problem has no solution."""


@dataclass(frozen=True)
class Grammar:
    """[tasks] of a language, checked."""

    language: str
    says: Mapping[str, str]
    quotes: Mapping[str, str]
    trace: Mapping[str, str]
    addition: str
    so: tuple[str, ...]
    told: tuple[str, ...]
    between: str
    joins: tuple[str, str]
    capitals: bool
    agree: Agreement | None

    def fill(self, template: str, **slots: str) -> str:
        """`template` with its slots filled."""

        def put(match: re.Match[str]) -> str:
            value = slots[match[1]]
            return value + (self.agree(value, match[2]) if match[2] and self.agree else "")

        text = _SLOT.sub(put, template)
        return text[:1].upper() + text[1:] if self.capitals else text

    def joined(self, items: Sequence[str]) -> str:
        """Names in one phrase: "A, B and C"."""
        text = items[-1]
        for number, item in enumerate(reversed(items[:-1])):
            text = self._before(item, self.joins[1 if number == 0 else 0]) + text
        return text

    def _before(self, item: str, join: str) -> str:
        slot = _SLOT.match(join)
        if not slot:
            return item + join
        return item + (self.agree(item, slot[2]) if self.agree else "") + join[slot.end() :]


def grammar(language: str) -> Grammar:
    """How tasks are said in a language. Raises UsageError where its file does not say."""
    return _grammar(language, load(language).digest)


# What is cached is known by the digest of its file too: a process may look into another folder of languages.
@functools.cache
def _grammar(language: str, digest: str) -> Grammar:
    facts = load(language)
    table = facts.tasks
    where = f"Language {language}, [tasks]"
    if not table:
        raise UsageError(
            f"Language {language} cannot word tasks: its file has no [tasks]. en.toml shows what it holds."
        )
    known = {"between", "list", "agreement", "capitals", "says", "quotes", "trace", "addition"}
    if unknown := sorted(set(table) - known):
        raise UsageError(f"{where} has an unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}.")

    def section(name: str, keys: Sequence[str], needed: bool = True) -> dict[str, str]:
        found = table.get(name) or {}
        if needed or found:
            lacking = [key for key in keys if not isinstance(found.get(key), str)]
            if lacking:
                raise UsageError(f"{where}: [tasks.{name}] lacks {', '.join(lacking)}.")
        return {key: found[key] for key in keys if key in found}

    try:
        agree = agreement(table["agreement"]) if "agreement" in table else None
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"{where}: {error}.") from error
    joins, trace = table.get("list"), table.get("trace") or {}
    connectives = [tuple(trace.get(key) or ()) for key in ("so", "told")]
    if not isinstance(joins, list) or len(joins) != 2:
        raise UsageError(f"{where}: list must hold two joins, such as [', ', ' and '].")
    if not all(connectives):
        raise UsageError(f"{where}: [tasks.trace] lacks so or told, lists of connectives from short to long.")
    says = section("says", _SAYS)
    return Grammar(
        language=language,
        says=says,
        quotes=section("quotes", _SAYS, needed=False) or says,
        trace=section("trace", _TRACE),
        addition=section("addition", ("question",))["question"],
        so=connectives[0],
        told=connectives[1],
        between=str(table.get("between", " ")),
        joins=(joins[0], joins[1]),
        capitals=bool(table.get("capitals", False)),
        agree=agree,
    )


# Writing


def facts(graph: Graph) -> list[str]:
    """What a problem must say, one sentence each: parameters but for totals, and GIVEN."""
    told = [node.name for node in graph.nodes if node.form != "total"]
    return told + ([GIVEN] if graph.given else [])


def word(graph: Graph, language: str, context: str, order: Sequence[str] | None = None) -> str:
    """The problem as text; `order` is that of its sentences (see `facts`), the question comes last.

    The same graph in the same order in two languages is an exact translation.
    """
    spoken = grammar(language)
    words = load_context(context).words(language)
    names = words.names
    sentences = [
        _given(graph, spoken, names, words.counter)
        if fact == GIVEN
        else sentence(graph.by_name[fact], spoken, spoken.says, names, words.counter)
        for fact in (facts(graph) if order is None else order)
    ]
    sentences.append(spoken.fill(spoken.says["question"], a=names[graph.query]))
    return spoken.between.join(sentences)


def _given(graph: Graph, spoken: Grammar, names: Mapping[str, str], counter: str) -> str:
    assert graph.given is not None
    name, value = graph.given
    return spoken.fill(spoken.says["literal"], a=names[name], n=str(value), counter=counter)


def sentence(node: Node, spoken: Grammar, says: Mapping[str, str], names: Mapping[str, str], counter: str) -> str:
    """What is said of one parameter; a total has no sentence."""
    name, parents = names[node.name], [names[parent] for parent in node.parents]
    number = "" if node.constant is None else str(node.constant)
    if node.form in ("literal", "unknown"):
        return spoken.fill(says[node.form], a=name, n=number, counter=counter)
    if node.form == "same" and not node.factor:
        return spoken.fill(says["same"], a=name, b=parents[0])
    if node.form == "sum":
        operand = _SLOT.sub(lambda match: _listed(match, spoken, parents), says["sum"])
    elif node.form == "difference":
        operand = spoken.fill(says["difference"], b=parents[0], c=parents[1])
        operand = operand[:1].lower() + operand[1:] if spoken.capitals else operand
    else:
        operand = parents[0]
    key = _FACTORS[node.factor] if node.factor else "is"
    return spoken.fill(says[key], a=name, x=operand, n=number, counter=counter)


def _listed(match: re.Match[str], spoken: Grammar, parents: Sequence[str]) -> str:
    phrase = spoken.joined(parents)
    return phrase + (spoken.agree(phrase, match[2]) if match[2] and spoken.agree else "")


# Reading


class Reader:
    """The sentences of a language (about a context's counters) as patterns."""

    def __init__(self, language: str, counter: str, quoting: bool):
        self.grammar = grammar(language)
        self._counter = counter
        says = self.grammar.quotes if quoting else self.grammar.says
        self._list = self._joined()
        self._operand = self._pattern(says["sum"]) + "|" + self._pattern(says["difference"]) + "|" + _named("s")
        self._patterns = {
            key: self.compiled(says[key])
            for key in ("unknown", "question", "literal", "same", "more", "fewer", "times", "is")
        }
        self._in_list = re.compile(_NAME)

    def compiled(self, template: str) -> re.Pattern[str]:
        """A template as a pattern; whoever writes line by line may leave the stop away."""
        return re.compile(self._pattern(template.rstrip(_STOPS)) + f"[{_STOPS}]?", re.IGNORECASE)

    def _pattern(self, template: str) -> str:
        parts, place = [], 0
        for match in _SLOT.finditer(template):
            parts.append(_text(template[place : match.start()]))
            parts.append(self._slot(match[1]) + _endings(match[2]))
            place = match.end()
        return "".join([*parts, _text(template[place:])])

    def _slot(self, slot: str) -> str:
        if slot in ("a", "b", "c"):
            return _named(slot)
        if slot == "x":
            return f"(?:{self._operand})"
        return {
            "n": r"(?P<n>\d+)",
            "counter": _text(self._counter),
            "list": f"(?P<list>{self._list})",
            "v": r"(?P<v>[A-Za-z])",
            "e": r"(?P<e>.+?)",
            "so": f"(?:{'|'.join(_text(words) for words in (*self.grammar.so, *self.grammar.told))})",
        }[slot]

    def _joined(self) -> str:
        joins = []
        for join in self.grammar.joins:
            slot = _SLOT.match(join)
            joins.append(_endings(slot[2]) + _text(join[slot.end() :]) if slot else _text(join))
        return f"{_NAME}(?:(?:{'|'.join(dict.fromkeys(joins))}){_NAME})+".replace("(\\d+)", "\\d+")

    def read(self, numbered: str) -> tuple[str, dict[str, str]] | None:
        """(kind of sentence, its slots) of a sentence with numbered names, None where it is none of ours."""
        text = numbered.strip()
        for key, pattern in self._patterns.items():
            if match := pattern.fullmatch(text):
                return key, {slot: found for slot, found in match.groupdict().items() if found is not None}
        return None

    def node(self, key: str, slots: dict[str, str], names: Names) -> Node:
        """The parameter that a sentence other than the question defines."""
        name = names[slots["a"]]
        constant = int(slots["n"]) if "n" in slots else None
        if key in ("literal", "unknown"):
            return Node(name, "literal" if key == "literal" else "unknown", (), "", constant)
        form: Form = "same"
        parents = [slots[slot] for slot in ("s", "b") if slot in slots]
        if "list" in slots:
            form, parents = "sum", self._in_list.findall(slots["list"])
        elif "c" in slots:
            form, parents = "difference", [slots["b"], slots["c"]]
        factor: Factor = next((factor for factor, word in _FACTORS.items() if word == key), "")
        return Node(name, form, tuple(names[parent] for parent in parents), factor, constant)


def _named(slot: str) -> str:
    return _NAME.replace("(", f"(?P<{slot}>", 1)


def _text(text: str) -> str:
    """Literal text as a pattern; one blank stands for any."""
    return r"\s+".join(re.escape(piece) for piece in text.split(" "))


def _endings(pair: str | None) -> str:
    return f"(?:{'|'.join(re.escape(ending) for ending in pair.split('/'))})" if pair else ""


def reader(language: str, counter: str, quoting: bool = False) -> Reader:
    """Reads the sentences of a language; `quoting`: about names of another one."""
    return _reader(language, counter, quoting, load(language).digest)


@functools.cache
def _reader(language: str, counter: str, quoting: bool, digest: str) -> Reader:
    return Reader(language, counter, quoting)


def sentences(text: str) -> list[str]:
    """Sentences with their stops, without blanks around."""
    return [found.strip() for found in _SENTENCE.findall(text) if found.strip()]


@dataclass(frozen=True)
class Parsed:
    """A problem that was read: its graph, its language and context, the order of its sentences (`facts`), and what was read."""

    graph: Graph
    language: str
    context: str
    order: tuple[str, ...]
    text: str

    def translated(self, language: str) -> str:
        """The problem in another language, sentence by sentence."""
        return word(self.graph, language, self.context, self.order)


def parse(text: str, language: str, context: str) -> Parsed:
    """Reads a problem. Raises NotATask where a sentence is none of ours or the whole is no solvable problem."""
    names = names_of(language, context)
    read = reader(language, load_context(context).words(language).counter)
    said: list[Node] = []
    query = ""
    for spoken in sentences(text):
        found = read.read(names.numbered(spoken))
        if found is None:
            raise NotATask(f"This is no sentence of a task in {language} about {context!r}: {spoken[:100]!r}")
        key, slots = found
        if key != "question":
            said.append(read.node(key, slots, names))
        elif query:
            raise NotATask("The problem asks twice.")
        else:
            query = names[slots["a"]]
    if not query:
        raise NotATask("The problem asks for nothing.")
    graph = _graph(said, query)
    told = graph.given[0] if graph.given else None
    order = tuple(GIVEN if node.form == "literal" and node.name == told else node.name for node in said)
    return Parsed(graph, language, context, order, text)


def _graph(said: list[Node], query: str) -> Graph:
    """Puts together what sentences said: totals get their parents, and a number for what is defined otherwise is given."""
    literals = {node.name: node for node in said if node.form == "literal"}
    nodes = {node.name: node for node in said if node.form != "literal"}
    if len(literals) + len(nodes) < len(said):
        raise NotATask("The problem defines a parameter twice.")
    told = {**literals, **nodes}
    wanted = {parent for node in said for parent in node.parents} | {query} | set(literals)
    for total in sorted(name for name in wanted if name.startswith("*@")):
        place = total[1:]
        instances = sorted(name for name in told if name.endswith(place) and name[0] != "*")
        told[total] = Node(total, "total", tuple(instances))
    given = [name for name, node in literals.items() if told[name] is not node]
    if len(given) > 1:
        raise NotATask(f"The problem tells the values of {' and '.join(given)}, which it defines otherwise.")
    try:
        value = literals[given[0]].constant if given else None
        graph = Graph.of(told.values(), query, (given[0], value) if given and value is not None else None)
        graph.values  # noqa: B018  raises where there is no solution
        unknowns = [node.name for node in graph.nodes if node.form == "unknown"]
        if bool(unknowns) != graph.reverse or len(unknowns) > 1:
            raise BadGraph(f"{len(unknowns)} parameters are unknown and {len(given)} values are told.")
    except BadGraph as error:
        raise NotATask(str(error)) from error
    return graph


def tasks_in(text: str, languages: Sequence[str]) -> Iterator[Parsed]:
    """The tasks of a text, in any of these languages and about any context: the whole text, or lines of their own in it."""
    for piece in dict.fromkeys([text, *(line.strip() for line in text.splitlines())]):
        found = _task(piece, languages)
        if found is not None:
            yield found
            if piece is text:
                return


def _task(text: str, languages: Sequence[str]) -> Parsed | None:
    for language in languages if text else ():
        for name in contexts():
            if language in load_context(name).languages:
                try:
                    return parse(text, language, name)
                except NotATask:
                    continue
    return None


def recognise(text: str, languages: Sequence[str]) -> Parsed | None:
    """The first task of a text (`tasks_in`); None where there is none."""
    return next(tasks_in(text, languages), None)
