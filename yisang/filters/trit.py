"""TRIT's rules of repetition, as its code has them (arXiv 2602.05940, repeat.py), over words or over characters.

    line     a line of 20 characters or more occurs 6 times or more
    ngram    the commonest 20-gram occurs 6 times or more, and somewhere a unit of 2 tokens or more stands 6 times or more
             back to back; a single token that repeats counts by its pairs, so 12 of them are 6

TRIT counts the tokens of the model's tokenizer, which no two models share. Here a token is a word (what stands between blanks)
or a character that is not blank. By characters 20 of them are a clause, not a paragraph, so that variant sees shorter loops,
and loops of languages without blanks. `yisang.filters.repetition` is our own check; this one is for comparisons with the paper, and for
a reward that follows it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from yisang.errors import UsageError
from yisang.filters.cot import judged
from yisang.filters.repetition import LINE, Part
from yisang.records import Measure, Trace

Units = Literal["words", "characters"]
NGRAM = 20
TIMES = 6
_FACTOR = 0x9E3779B97F4A7C15
"""2**64 by the golden ratio: odd, so that powers of it never vanish modulo 2**64."""


def tokens_of(text: str, units: Units) -> list[str]:
    """Words, or characters without blanks."""
    words = text.split()
    return words if units == "words" else list("".join(words))


def commonest_ngram(tokens: Sequence[str], size: int = NGRAM) -> int:
    """How often the commonest run of `size` tokens occurs, overlaps included; 0 of a shorter text."""
    if len(tokens) < size:
        return 0
    prefix, powers = _prefix(_numbers(tokens))
    hashes = _windows(prefix, powers, np.arange(len(tokens) - size + 1), size)
    return int(np.unique(hashes, return_counts=True)[1].max())


def back_to_back(tokens: Sequence[str], times: int = TIMES) -> tuple[int, int]:
    """(tokens of the unit, its repetitions) of the run that covers most, of all units of 2 tokens or more that stand `times`
    times or more back to back; (0, 0) where there is none.

    Exact: a run of a unit of p tokens holds times - 1 neighbouring blocks that begin at multiples of p and are equal, so only
    those blocks are compared, by hashes, and what agrees is compared token by token. n log n comparisons of n tokens.
    """
    numbers = _numbers(tokens)
    prefix, powers = _prefix(numbers)
    covered, best = 0, (0, 0)
    known = _Runs()
    for unit in range(2, len(numbers) // times + 1):
        starts = np.arange(0, len(numbers) - unit + 1, unit)
        hashes = _windows(prefix, powers, starts, unit)
        equal = np.flatnonzero(hashes[1:] == hashes[:-1])
        # times - 1 equal blocks are times - 2 pairs of neighbours in a row.
        if len(equal) < times - 2:
            continue
        edges = np.flatnonzero(np.diff(equal) > 1)
        firsts, lasts = equal[np.concatenate(([0], edges + 1))], equal[np.concatenate((edges, [len(equal) - 1]))]
        reached = -1
        for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
            if last - first + 1 < times - 2 or first * unit < reached:
                continue
            # Within a run, whose unit is shorter, only that run itself repeats with a longer one (Fine and Wilf).
            if known.hold(first * unit, (last + 2) * unit):
                continue
            begin, reached = _run(numbers, unit, first * unit)
            known.add(begin, reached)
            if reached - begin >= times * unit and reached - begin > covered:
                covered, best = reached - begin, (unit, (reached - begin) // unit)
    return best


class _Runs:
    """Stretches of which none lies within another, in order: their ends are in order too, so that one look tells what they hold."""

    def __init__(self) -> None:
        self._begins: list[int] = []
        self._ends: list[int] = []

    def hold(self, begin: int, end: int) -> bool:
        place = bisect_right(self._begins, begin)
        return place > 0 and self._ends[place - 1] >= end

    def add(self, begin: int, end: int) -> None:
        if self.hold(begin, end):
            return
        first = bisect_right(self._begins, begin - 1)
        last = bisect_right(self._ends, end, lo=first)
        self._begins[first:last], self._ends[first:last] = [begin], [end]


def _run(numbers: npt.NDArray[np.uint64], unit: int, inside: int) -> tuple[int, int]:
    """(begin, end) of the stretch around `inside` in which each token equals the one `unit` behind it."""
    # Steps that grow, since most runs are short.
    left, step = inside, 32
    while left > 0:
        low, step = max(0, left - step), min(2 * step, 65536)
        differ = np.flatnonzero(numbers[low:left] != numbers[low + unit : left + unit])
        if len(differ):
            left = low + int(differ[-1]) + 1
            break
        left = low
    right, step = inside, 32
    while right + unit < len(numbers):
        high, step = min(len(numbers) - unit, right + step), min(2 * step, 65536)
        differ = np.flatnonzero(numbers[right:high] != numbers[right + unit : high + unit])
        if len(differ):
            right += int(differ[0])
            break
        right = high
    return left, right + unit


def _numbers(tokens: Sequence[str]) -> npt.NDArray[np.uint64]:
    """A number for each token, the same for equal ones."""
    known: dict[str, int] = {}
    ranks = np.fromiter((known.setdefault(token, len(known) + 1) for token in tokens), np.uint64, len(tokens))
    # Spread over 64 bits: sums of small numbers collide.
    mixed = ranks * np.uint64(_FACTOR)
    return mixed ^ (mixed >> np.uint64(29))


def _prefix(numbers: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Sums of number * factor**place up to each place, modulo 2**64, and factor**-place to bring them to one place."""
    powers = np.cumprod(np.full(len(numbers), _FACTOR, np.uint64), dtype=np.uint64)
    inverse = np.cumprod(np.full(len(numbers), pow(_FACTOR, -1, 2**64), np.uint64), dtype=np.uint64)
    return np.concatenate((np.zeros(1, np.uint64), np.cumsum(numbers * powers, dtype=np.uint64))), inverse


def _windows(
    prefix: npt.NDArray[np.uint64], inverse: npt.NDArray[np.uint64], starts: npt.NDArray[np.intp], size: int
) -> npt.NDArray[np.uint64]:
    return (prefix[starts + size] - prefix[starts]) * inverse[starts]


@dataclass(frozen=True)
class TritRepetition:
    """Verdict "trit": "none", "line" or "ngram", the first of TRIT's rules that holds; "missing" where there is no such part.

    A blank text is "none", as in TRIT. Measures: `trit_lines`, how often the commonest line of 20 characters or more occurs;
    `trit_ngrams`, how often the commonest 20-gram; `trit_unit` and `trit_times`, what stands back to back, None where the
    20-grams are not common enough for it to be looked for.
    """

    units: Units = "words"
    part: Part = "text"

    def __post_init__(self) -> None:
        if self.units not in get_args(Units):
            raise UsageError(
                f"TritRepetition: units is {self.units!r}; it must be one of {', '.join(get_args(Units))}."
            )
        if self.part not in get_args(Part):
            raise UsageError(f"TritRepetition: part is {self.part!r}; it must be one of {', '.join(get_args(Part))}.")

    def identity(self) -> dict[str, Any]:
        return {"units": self.units, "part": self.part}

    def __call__(self, trace: Trace) -> Trace:
        text = getattr(trace, self.part)
        if text is None:
            return judged(trace, {"trit": "missing"})
        lines = Counter(line for line in (line.strip() for line in text.splitlines()) if len(line) >= LINE)
        tokens = tokens_of(text, self.units)
        line, ngrams = max(lines.values(), default=0), commonest_ngram(tokens)
        unit, times = back_to_back(tokens) if ngrams >= TIMES else (None, None)
        verdict = "line" if line >= TIMES else "ngram" if times else "none"
        measures: dict[str, Measure] = {
            "trit_lines": line,
            "trit_ngrams": ngrams,
            "trit_unit": unit,
            "trit_times": times,
        }
        return judged(trace, {"trit": verdict}, measures)
