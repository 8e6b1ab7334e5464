"""Does a trace say the same again and again? Measures of it, and a verdict against bounds.

The paper drops responses that repeat a phrase without end and names neither measure nor bound (arXiv 2510.04230, section
5.3). Four measures, each of which sees what the others miss:

- a long line that occurs often, anywhere, and makes up a share of the text (the line rule of TRIT, arXiv 2602.05940, repeat.py of its
  code, 20 characters, 6 times, asks for no share, and so for no more than six times "Wait, let me check that again." in a long trace);
- a passage that occurs often, anywhere, however it is broken into lines;
- one unit back to back (TRIT's second rule asks for 6 of them; what is quoted 6 times on purpose is not back to back; the rule itself, over
  words or characters, is `yisang.filters.trit`);
- how far the text compresses: loops that change a word each time.

datatrove's GopherRepetitionFilter judges pages: shares of repeated lines, paragraphs and word n-grams over a whole document, which a
long trace that ends in a loop stays below. All of these here work on characters, so they need no blanks between words, and take time in proportion to the text (about a second for a
million characters).
"""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from yisang.errors import UsageError
from yisang.filters.cot import judged
from yisang.languages.markup import without
from yisang.records import Measure, Trace

Part = Literal["text", "think", "answer"]
PASSAGE = 32
"""Characters of a passage: a power of two, as windows are hashed by doubling."""
LINE = 20
_FACTOR = 0x9E3779B97F4A7C15
"""2**64 by the golden ratio: odd, without a pattern in its bits."""
_PERIODS = 64
"""Distances between equal passages that are looked at, the commonest first."""


@dataclass(frozen=True)
class Repeats:
    """lines: how often the commonest line of 20 characters or more occurs, outside of code. line: its characters. passages: the
    commonest 32 characters, without overlaps, outside of code. unit, times: the characters of what stands back to back, and how
    often, of all such places the one that covers most; 0 and 0 where nothing does. spoken: whether that unit has a letter. compression: bytes of the text, deflated, by its bytes; None for a blank text."""

    lines: int
    line: int
    passages: int
    unit: int
    times: int
    spoken: bool
    compression: float | None


def repeats(text: str) -> Repeats:
    """What repeats in a text. Blanks are one blank, since a loop may break its lines differently each time. Lines and passages
    with fewer letters and digits than other signs (rules of tables) do not count, nor do those of code, which says one guard or
    one printf again and again; what stands back to back counts there too."""
    prose = without(text, ("code",))
    lines = Counter(line for line in map(str.strip, prose.splitlines()) if len(line) >= LINE and _worded(line))
    often, line = max(((count, len(line)) for line, count in lines.items()), default=(0, 0))
    flat = " ".join(text.split())
    if not flat:
        return Repeats(0, 0, 0, 0, 0, False, None)
    data = flat.encode("utf-8", "surrogatepass")
    passages, unit, times, start = _passages(flat)
    if len(prose) < len(text):
        passages = _passages(" ".join(prose.split()))[0]
    compression = len(zlib.compress(data, 6)) / len(data)
    spoken = any(map(str.isalpha, flat[start : start + unit]))
    return Repeats(often, line, passages, unit, times, spoken, compression)


def _worded(line: str) -> bool:
    return 2 * sum(map(str.isalnum, line)) >= len(line)


def _passages(flat: str) -> tuple[int, int, int, int]:
    """(the count of the commonest passage; unit, times and start of what covers most back to back)."""
    if len(flat) < PASSAGE:
        return 0, 0, 0, 0
    points = np.frombuffer(flat.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    spoken = np.fromiter(map(str.isalnum, flat), dtype=bool, count=len(flat))
    # Windows by doubling: the hash of 2n characters from those of its two halves, modulo 2**64.
    hashes, size = points.astype(np.uint64), 1
    while size < PASSAGE:
        hashes = hashes[:-size] * np.uint64(pow(_FACTOR, size, 2**64)) + hashes[size:]
        size *= 2
    order = np.argsort(hashes, kind="stable")
    same = hashes[order][1:] == hashes[order][:-1]
    apart = (order[1:] - order[:-1])[same]  # stable, so equal passages stand in the order of the text
    said = np.concatenate(([0], spoken.cumsum()))
    worded = (said[PASSAGE:] - said[:-PASSAGE])[order] * 2 >= PASSAGE
    # A passage that overlaps itself is one: places are told apart by the stretch of 32 characters that they begin in.
    stretch = order // PASSAGE
    again = np.bincount(np.cumsum(~same), same & worded[1:] & (stretch[1:] != stretch[:-1]), minlength=1)
    most = int(again.max()) + 1
    covered = unit = first = 0
    for period in _common(apart):
        start, held = _longest(points[period:] == points[:-period])
        if held >= period and held + period > covered:
            covered, unit, first = held + period, period, start
    return most, unit, covered // unit if unit else 0, first


def _common(distances: npt.NDArray[Any]) -> list[int]:
    """The commonest distances; of equally common ones the shorter, which is the unit itself and no multiple of it."""
    values, counts = np.unique(distances, return_counts=True)
    order = np.lexsort((values, -counts))[:_PERIODS]
    return [int(value) for value in values[order]]


def _longest(flags: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """(start, length) of the longest run of True; (0, 0) where there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    if not len(edges):
        return 0, 0
    place = 2 * int(np.argmax(edges[1::2] - edges[::2]))
    return int(edges[place]), int(edges[place + 1] - edges[place])


@dataclass(frozen=True)
class Repetition:
    """Verdict "repetition": "none", or the first bound that is reached: "back_to_back", "line", "passage", "compression".

    back_to_back: of one unit, `covered` characters or more in all; ten times as many where the unit has no letter
    (rules of tables, noughts of a matrix or of a number); the measure `repeated_run` is how many characters the longest such run covers. lines, passages: that make up `share` of the text or more. compression: below it;
    only for texts of `long` characters or more, since a short text of few words compresses well. "missing" where the trace
    has no such part.
    """

    part: Part = "text"
    lines: int = 6
    passages: int = 12
    back_to_back: int = 6
    covered: int = 120
    share: float = 0.1
    compression: float = 0.1
    long: int = 2000

    def __post_init__(self) -> None:
        if self.part not in get_args(Part):
            raise UsageError(f"Repetition: part is {self.part!r}; it must be one of {', '.join(get_args(Part))}.")
        for name in ("lines", "passages", "back_to_back"):
            if getattr(self, name) < 2:
                raise UsageError(f"Repetition: {name} is {getattr(self, name)}; once is no repetition, so 2 or more.")
        for name in ("compression", "share"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"Repetition: {name} is {getattr(self, name)}; it must be a share between 0 and 1.")
        for name in ("covered", "long"):
            if getattr(self, name) < 0:
                raise UsageError(f"Repetition: {name} is {getattr(self, name)}; it counts characters, so 0 or more.")

    def identity(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def __call__(self, trace: Trace) -> Trace:
        text = getattr(trace, self.part)
        if text is None:
            return judged(trace, {"repetition": "missing"})
        found = repeats(text)
        measures: dict[str, Measure] = {
            "repeated_lines": found.lines,
            "repeated_passages": found.passages,
            "repeated_unit": found.unit,
            "repeated_times": found.times,
            "repeated_run": found.unit * found.times,
            "compression": found.compression,
        }
        return judged(trace, {"repetition": self._verdict(found, len(text))}, measures)

    def _verdict(self, found: Repeats, length: int) -> str:
        covered = self.covered if found.spoken else 10 * self.covered
        if found.times >= self.back_to_back and found.unit * found.times >= covered:
            return "back_to_back"
        if found.lines >= self.lines and found.lines * found.line >= self.share * length:
            return "line"
        if found.passages >= self.passages and found.passages * PASSAGE >= self.share * length:
            return "passage"
        small = found.compression is not None and found.compression < self.compression
        return "compression" if small and length >= self.long else "none"
