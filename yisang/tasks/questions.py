"""Questions with formulas, code, addresses and options, drawn by a seed and an index, each with its translations.

They are for trying what happens to a text on its way (masks, translation, options), not for teaching: their mathematics is that of an
exercise sheet. The same index in two languages is a translation. Options stand in the text, each in a line of its own or all in one, or
only in the record. The gold is computed, never written down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from yisang.errors import UsageError
from yisang.languages import load
from yisang.records import Kind, Prompt, content_id
from yisang.tasks.draw import Draw
from yisang.tasks.phrases import Phrase, book
from yisang.tasks.problems import LICENCE

PRESET = "questions"
LABELS = ("({})", "{}.", "{})", "circled", "digits")
_LATIN = "ABCDEFGHIJ"
_CIRCLED = "①②③④⑤⑥⑦⑧⑨⑩"


@dataclass(frozen=True)
class Said:
    """A phrase with its slots filled; a number is written as each language does."""

    phrase: Phrase | None
    slots: tuple[tuple[str, str | int], ...] = ()
    text: str = ""

    def in_(self, language: str) -> str:
        if self.phrase is None:
            return self.text
        filled = {name: _written(value, language) for name, value in self.slots}
        return self.phrase.said(language, **filled)


def _written(value: str | int, language: str) -> str:
    return book().number(value, language) if isinstance(value, int) else value


@dataclass(frozen=True)
class Question:
    """lines: of the text, each of sentences; block: code between the first and the second. place: of the right option.

    inside: whether the options stand in the text; layout: "lines" or "row".
    """

    kind: Kind
    lines: tuple[tuple[Said, ...], ...]
    block: str = ""
    options: tuple[Said, ...] = ()
    labels: str = LABELS[0]
    inside: bool = False
    layout: str = "lines"
    place: int = 0
    answer: str = ""

    def text(self, language: str) -> str:
        between = str(load(language).tasks.get("between", " "))
        parts = [between.join(said.in_(language) for said in line) for line in self.lines]
        if self.block:
            parts.insert(1, self.block)
        if self.options and self.inside:
            labelled = [f"{_label(self.labels, n)} {said.in_(language)}" for n, said in enumerate(self.options)]
            parts.append(("\n" if self.layout == "lines" else "   ").join(labelled))
        return "\n\n".join(parts)

    def options_in(self, language: str) -> tuple[str, ...]:
        return tuple(said.in_(language) for said in self.options)

    @property
    def gold(self) -> str | None:
        if self.options:
            return _label(self.labels, self.place).strip("().")
        return self.answer or None

    def prompt(self, language: str, source: str = "questions", category: str = "question", split: str = "") -> Prompt:
        text = self.text(language)
        return Prompt(
            id=content_id("question", text, *self.options_in(language)),
            text=text,
            language=language,
            kind=self.kind,
            gold=self.gold,
            options=self.options_in(language),
            source=source,
            category=category,
            licence=LICENCE,
            split=split,
        )


def _label(style: str, place: int) -> str:
    if style == "circled":
        return _CIRCLED[place]
    return f"{place + 1})" if style == "digits" else style.format(_LATIN[place])


def make_question(seed: int, index: int) -> Question:
    """The question of this index: the same everywhere."""
    draw = Draw("question", seed, index)
    make = draw.one(MAKERS)
    return make(draw)


def make_questions(seed: int, count: int, start: int = 0) -> Iterator[Question]:
    return (make_question(seed, index) for index in range(start, start + count))


def check_language(language: str) -> None:
    """Raises UsageError for a language that the phrases are not said in."""
    if language not in book().languages:
        raise UsageError(f"Questions are in {', '.join(book().languages)}, not in {language!r}.")


def _say(draw: Draw, topic: str, **slots: str | int) -> Said:
    phrase = draw.one(book().of(topic))
    return Said(phrase, tuple(sorted(slots.items())))


def _opening(draw: Draw) -> list[Said]:
    first = _say(draw, "source", n=draw.between(1, 999), m=draw.between(2, 99))
    if draw.share() < 0.4:
        return [first]
    slots: dict[str, str | int] = {
        "n": draw.between(2, 90),
        "m": draw.between(2, 90),
        "u": f"https://example.org/{draw.one(('notes', 'sheet', 'help'))}?part={draw.between(1, 40)}",
        "s": f"⟦{draw.between(1, 9)}⟧",
        "f": f"${draw.one('abpq')} \\neq {draw.between(0, 9)}$",
    }
    return [first, _say(draw, "opening", **slots)]


def _closing(draw: Draw) -> list[Said]:
    return [_say(draw, "closing", f="\\boxed{}")] if draw.share() < 0.5 else []


def _formula(draw: Draw, text: str) -> str:
    """A formula between one of the pairs of signs in which it may stand."""
    before, behind = draw.one((("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("$$", "$$")))
    return f"{before}{text}{behind}"


def _polynomial(draw: Draw) -> tuple[str, Callable[[int], int]]:
    a, b, c = draw.between(2, 9), draw.between(1, 9), draw.between(1, 30)
    shape = draw.below(3)
    if shape == 0:
        return f"{a}x^2 + {b}x + {c}", lambda x: a * x * x + b * x + c
    if shape == 1:
        return f"\\left(x + {b}\\right)^{{2}} - {c}", lambda x: (x + b) ** 2 - c
    return f"\\frac{{{2 * a}x}}{{2}} + {c}", lambda x: a * x + c


def _value(draw: Draw) -> Question:
    text, of = _polynomial(draw)
    x = draw.between(2, 12)
    asked = _say(draw, "value", f=_formula(draw, text), g=_formula(draw, f"x = {x}"))
    return Question("math", ((*_opening(draw), asked, *_closing(draw)),), answer=str(of(x)))


def _sequence(draw: Draw) -> Question:
    first, step, place = draw.between(10, 3_000), draw.between(2, 60), draw.between(5, 40)
    said = (
        *_opening(draw),
        _say(draw, "sequence", n=first, m=step),
        _say(draw, "sequence.ask", k=place),
        *_closing(draw),
    )
    return Question("math", (said,), answer=str(first + step * (place - 1)))


def _rectangle(draw: Draw) -> Question:
    long, wide = draw.between(1_000, 9_000), draw.between(20, 900)
    said = (*_opening(draw), _say(draw, "rectangle", n=long, m=wide), _say(draw, "rectangle.ask"), *_closing(draw))
    return Question("math", (said,), answer=str(long * wide))


def _code(draw: Draw) -> Question:
    name, times, plus = draw.one(("step", "grow", "shift")), draw.between(2, 9), draw.between(1, 50)
    given = draw.between(2, 30)
    fence = draw.one(("```", "~~~"))
    block = f"{fence}python\ndef {name}(n):\n    # {plus} is added last\n    return {times} * n + {plus}\n{fence}"
    asked = _say(draw, "code.ask", c=f"`{name}({given})`")
    lines = ((*_opening(draw), _say(draw, "code")), (asked, *_closing(draw)))
    return Question("math", lines, block, answer=str(times * given + plus))


def _choice(draw: Draw, asked: Said, options: list[Said], right: Said) -> Question:
    inside, labels = draw.share() < 0.6, draw.one(LABELS)
    row = draw.share() < 0.3 and labels in ("({})", "circled") and all(option.phrase is None for option in options)
    return Question(
        "mcq",
        ((*_opening(draw), asked),),
        options=tuple(options),
        labels=labels,
        inside=inside,
        layout="row" if row else "lines",
        place=options.index(right),
    )


def _equal(draw: Draw) -> Question:
    a, b = draw.between(12, 90), draw.between(3, 9)
    right = a * b
    values = draw.shuffled([right, right + b, right - a, right + 10, right + a][: draw.between(3, 5)])
    formulas = draw.share() < 0.5
    options = {value: Said(None, text=_formula(draw, str(value)) if formulas else str(value)) for value in values}
    asked = _say(draw, "equal", f=_formula(draw, f"{a} \\times {b}"))
    return _choice(draw, asked, list(options.values()), options[right])


def _true(draw: Draw) -> Question:
    factor, other = draw.between(3, 9), draw.between(11, 60)
    number = factor * other
    false = [
        _say(draw, "larger", m=number + draw.between(1, 50)),
        _say(draw, "smaller", m=number - draw.between(1, 9)),
        _say(draw, "odd" if number % 2 == 0 else "even"),
        _say(draw, "multiple", m=number + draw.between(1, 20)),
    ]
    right = draw.one(
        (
            _say(draw, "multiple", m=factor),
            _say(draw, "even" if number % 2 == 0 else "odd"),
            _say(draw, "smaller", m=number + draw.between(60, 90)),
        )
    )
    options = draw.shuffled([right, *draw.shuffled(false)[: draw.between(2, 4)]])
    return _choice(draw, _say(draw, "true", n=number), options, right)


def _open(draw: Draw) -> Question:
    formula = _formula(draw, f"\\sqrt{{x + {draw.between(1, 90)}}}")
    asked = _say(draw, "open", n=draw.between(2, 9), f=formula)
    return Question("open", ((*_opening(draw), asked),))


MAKERS: tuple[Callable[[Draw], Question], ...] = (
    _value,
    _sequence,
    _rectangle,
    _code,
    _equal,
    _equal,
    _true,
    _true,
    _open,
)
