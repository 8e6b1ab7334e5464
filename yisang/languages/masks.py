r"""Parts of a text that a translation must not touch, behind marks (⟦1⟧, ⟦2⟧, …) while it is translated, and put back.

    code    fenced blocks and inline code (`yisang.languages.markup`)
    latex   formulas (`markup`), and commands outside of them with what they take in braces: \boxed{…}, \frac{1}{2}. Of a
            command that takes words (\textbf{Find x}) only the name is held, so that the words are translated
    url     addresses (`markup`), without the stops of the sentence around them
    label   labels of options and items: (A), [A], A., A), A:, 1., ①, … at the beginning of a line, and runs of (A) … (B) …
            within a paragraph
    mark    what looks like a mark of ours, or like a tag by which an answer is read

What looks like a mark is held as well, so all marks in a masked text are ours, and restoring it gives the text back byte for
byte, whatever it holds. The sign was chosen because no language writes with it, Markdown, LaTeX and HTML give it no meaning, and
it holds no letter that a translator could put into another script.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from yisang.languages.boxes import closing_braces
from yisang.languages.markup import spans

Kind = Literal["code", "latex", "url", "label", "mark"]
MARK = re.compile(r"⟦([0-9]{1,6})⟧")
NOTE = (
    "Signs such as ⟦1⟧ stand for formulas, code, addresses and option labels. Put each of them into the translation exactly once and "
    "unchanged, where it belongs. One that begins a line begins a line of the translation too, and these keep their order."
)
"""What a translator is told of the marks, in English as the instructions of the language files are."""
NOTE_VERSION = "marks-1"

_COMMAND = re.compile(r"(?<!\\)\\[A-Za-z]+\*?")
_WHOLE = ("\\boxed", "\\fbox")
_WORD = re.compile(r"(?<![A-Za-z\\])[A-Za-z]{4,}|[^\W\d_\u0000-\u03ff]")
"""What tells words from a formula: four Latin letters, or one that is neither Latin nor Greek."""
_LOOSE = re.compile(r"⟦\s*(\d{1,6})\s*⟧")
_LOOKALIKE = re.compile(rf"{_LOOSE.pattern}|</?(?:TRANSLATION|think)>")
_OPTIONAL = re.compile(r"\[[^\[\]{}\n]{0,20}\]")
_STOPS = ".,;:!?'"
_LATIN = "abcdefghij"
_CIRCLED = "\u2460-\u24ff\u3260-\u327f\u32d0-\u32fe"
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")


@dataclass(frozen=True)
class Held:
    """A part that a mark stands for."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Masked:
    """A text with marks; ⟦n⟧ stands for held[n - 1]."""

    text: str
    held: tuple[Held, ...]

    @property
    def labels(self) -> tuple[int, ...]:
        """The numbers of the marks that stand for labels, in the order of the text."""
        return tuple(number for number, part in enumerate(self.held, 1) if part.kind == "label")


class Span(NamedTuple):
    start: int
    end: int
    kind: Kind


def mark(number: int) -> str:
    return f"⟦{number}⟧"


def marks_in(text: str) -> list[int]:
    """The numbers of all marks, in order, repeated ones too."""
    return [int(number) for number in MARK.findall(text)]


def tidied(text: str) -> str:
    """A translation whose marks are as we write them: ⟦ 1 ⟧ and ⟦１⟧ can only be ⟦1⟧, as a text that holds such signs has them held."""
    return _LOOSE.sub(lambda match: mark(int(match[1])), text)


def without_marks(text: str) -> str:
    """`text` with a blank in the place of each mark."""
    return MARK.sub(" ", text)


def restore(text: str, held: Sequence[Held]) -> str:
    """`text` with what its marks stand for. Raises ValueError for a mark that stands for nothing."""

    def part(match: re.Match[str]) -> str:
        number = int(match[1])
        if not 1 <= number <= len(held):
            raise ValueError(f"{match[0]} stands for nothing; there are {len(held)} marks")
        return held[number - 1].text

    return MARK.sub(part, text)


def mask(text: str, series: Sequence[str] = (), words: Sequence[str] = (), *, first: int = 1) -> Masked:
    """The text behind marks, numbered from `first` in its order.

    series: signs that label options beside A B C, 1 2 3 and circled ones, each series one string in order ("abcd"). words: what is held
    as code wherever it stands as a word of its own.
    """
    pieces: list[str] = []
    held: list[Held] = []
    place = 0
    for start, end, kind in parts(text, series, words):
        pieces += [text[place:start], mark(first + len(held))]
        held.append(Held(kind, text[start:end]))
        place = end
    return Masked("".join([*pieces, text[place:]]), tuple(held))


def parts(text: str, series: Sequence[str] = (), words: Sequence[str] = ()) -> list[Span]:
    """What is held of a text, in order. What begins first wins, and of two that begin together the longer."""
    found = [*_markup(text), *_commands(text), *_lookalikes(text), *_labels(text, tuple(series)), *_words(text, words)]
    kept: list[Span] = []
    for span in sorted(found, key=lambda span: (span.start, -span.end)):
        last = kept[-1] if kept else Span(0, 0, "mark")
        if span.start == last.end and span.kind == last.kind == "latex":
            kept[-1] = Span(last.start, span.end, "latex")
        elif span.start >= last.end:
            kept.append(span)
    return kept


def _markup(text: str) -> Iterable[Span]:
    for start, end in spans(text, ("code", "latex", "urls")):
        if text[start] in "`~":
            yield Span(start, end, "code")
        elif text[start] in "$\\":
            yield Span(start, end, "latex")
        else:
            yield Span(start, _address_end(text, start, end), "url")


def _address_end(text: str, start: int, end: int) -> int:
    """Where an address ends that a sentence may have put its stop, or its bracket, behind."""
    while text[end - 1] in _STOPS or (
        text[end - 1] == ")" and text.count("(", start, end) < text.count(")", start, end)
    ):
        end -= 1
    return end


def _commands(text: str) -> Iterable[Span]:
    if "\\" not in text:
        return
    closing = closing_braces(text)
    for match in _COMMAND.finditer(text):
        whole, end = match[0] in _WHOLE, match.end()
        if optional := _OPTIONAL.match(text, end):
            end = optional.end()
        # A search in each group of a deep nest would take a time that is quadratic; no formula of a sentence is that long.
        while end in closing and (whole or not _WORD.search(text, end, min(closing[end], end + 2_000))):
            end = closing[end] + 1
        yield Span(match.start(), end, "latex")


def _lookalikes(text: str) -> Iterable[Span]:
    return (Span(*match.span(), "mark") for match in _LOOKALIKE.finditer(text))


def _words(text: str, words: Sequence[str]) -> Iterable[Span]:
    if not words:
        return ()
    any_of = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return (Span(*match.span(), "code") for match in re.finditer(rf"(?<!\w)(?:{any_of})(?!\w)", text))


# Labels


def _labels(text: str, series: tuple[str, ...]) -> Iterable[Span]:
    """Labels at the beginning of a line, and those that go on in order within a paragraph from the first of a series."""
    pattern = _label_pattern(series)
    breaks = iter([*(match.end() for match in _BLANK_LINE.finditer(text)), len(text) + 1])
    paragraph_end = next(breaks)
    runs: defaultdict[tuple[str, ...], list[Span]] = defaultdict(list)
    for match in pattern.finditer(text):
        while match.start() >= paragraph_end:
            paragraph_end = next(breaks)
            yield from _long(runs)
        span = Span(*match.span("label"), "label")
        if match["line"] is not None:
            yield span
        style, place = _place(match, series)
        if place == 0:
            yield from _long({style: runs.pop(style, [])})
        if place == len(runs[style]) and _may_run(match):
            runs[style].append(span)
    yield from _long(runs)


def _long(runs: dict[tuple[str, ...], list[Span]]) -> list[Span]:
    """The labels of runs of two or more; empties `runs`."""
    found = [span for run in runs.values() if len(run) > 1 for span in run]
    runs.clear()
    return found


def _may_run(match: re.Match[str]) -> bool:
    """Not what ends a sentence ("is 1.") or closes a bracket ("(4, 1)")."""
    if match["line"] is not None or match["open"] or match["circled"]:
        return True
    bare = match["bare"] or ""
    return bare.isalpha() and (match["stop"] != "." or bare.isupper())


def _label_pattern(series: tuple[str, ...]) -> re.Pattern[str]:
    sign = f"[A-Ja-j{re.escape(''.join(series))}]|[0-9]{{1,2}}"
    roman = "[ivx]{1,4}|[IVX]{1,4}"
    label = (
        rf"(?P<open>[(\[（［])(?P<inner>{sign}|{roman})(?P<close>[)\]）］])(?!\w)"
        rf"|(?P<bare>{sign})(?P<stop>[.)．）])(?!\w)"
        rf"|(?P<letter>[A-J])(?P<colon>:)(?=\s)"
        rf"|(?P<circled>[{_CIRCLED}])"
    )
    begins = r"(?P<line>^[ \t]*(?:>[ \t]*)?(?:[-+*•][ \t]+)?(?:\*\*|__)?)"
    return re.compile(rf"(?:{begins}|(?<!\S))(?P<label>{label})", re.MULTILINE)


def _place(match: re.Match[str], series: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
    """(how a label is written, its place from 0); -1 where its sign stands in no series that is known."""
    sign = match["inner"] or match["bare"] or match["letter"] or match["circled"]
    style = (match["open"] or "", match["close"] or match["stop"] or match["colon"] or "")
    plain = unicodedata.normalize("NFKC", sign).strip("()")
    if plain.isdecimal():
        return (*style, "1"), int(plain) - 1
    for names in (_LATIN, _LATIN.upper(), *series):
        if len(plain) == 1 and plain in names:
            return (*style, names), names.index(plain)
    return (*style, ""), -1
