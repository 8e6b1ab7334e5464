"""Does a text share something with a benchmark? How both are read, and an index of the benchmarks' items to look it up in.

Four passes, of which one suffices:

    segmented   an n-gram of units of the normalised text (`analysers`)
    raw         an n-gram of the raw text's words, or characters, case and punctuation included
    whole       the whole item, normalised, without blanks and punctuation, somewhere in the text. Of an item with options: the
                question and each option, in any order. An item of less than `whole_min` columns is only found where it is all
                that a prompt says, as "3+4=?" stands in many texts
    digitless   all that a prompt says is an item but for its numbers, as Light-R1 compares; not among the default passes

The first two are the paper's (arXiv 2510.04230, section 5.3). They find nothing of an item that is shorter than n units; for those
there is the third, which also finds copies whose words are spaced otherwise.

Hashes only propose: whatever they find is compared unit by unit, so that no text is lost to a collision.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from yisang.errors import UsageError
from yisang.filters.analysers import Analyser, AnalyserName, analyser
from yisang.filters.ngrams import (
    GAP,
    Hashes,
    Places,
    RawUnits,
    character_hashes,
    gram_hashes,
    masked,
    normalise,
    raw_units,
    squash,
    width,
    without_digits,
)
from yisang.languages import load

Pass = Literal["segmented", "raw", "whole", "digitless"]
Where = Literal["prompt", "trace"]
PASSES: tuple[Pass, ...] = get_args(Pass)
WHERES: tuple[Where, ...] = get_args(Where)
PAPER: tuple[Pass, ...] = ("segmented", "raw", "whole")

RAW_N: dict[RawUnits, int] = {"words": 13, "characters": 26}
"""Units of an n-gram of raw text. Of words the paper's; of characters ours, two for a word: of the 250 problems of MGSM 13 English words
are 31 characters in Japanese and 22 in Chinese (medians; 57 in Thai), and no two problems share 26 in either (`test_contamination.py`)."""
ANCHOR = 8
"""Characters by which the longest part of an item is looked for in a text."""
TELLING = 4
"""Characters of a part of an item (an option) from which on it counts for the item's width: two letters are no sign of an item."""
HOLE = "\0"
"""Between the pieces of a squashed text, so that nothing is found across them; squashing leaves none elsewhere."""


@dataclass(frozen=True)
class Text:
    """A text as it is compared. units: by pass; pieces: squashed; said: all of it in a row, for a prompt or an item."""

    units: dict[Pass, list[str]]
    pieces: tuple[str, ...]

    @functools.cached_property
    def said(self) -> str:
        return "".join(self.pieces).replace(HOLE, "")


@dataclass(frozen=True)
class Reading:
    """How texts are read before they are compared, benchmarks and corpus alike.

    language, analyser: see `analysers`; the language's [grading] labels are those of options. n, raw_n: units of an n-gram in the two passes.
    raw_units: what those of the raw pass are. Left out, it is words, and characters for a language that is written without blanks, where all of a
    sentence is one word; and raw_n is RAW_N of them.
    whole_min: columns (`ngrams.width`) that an item must take to be looked for inside of texts. directives: phrases that are
    taken out of texts and items first, as they stand in many.
    """

    language: str = "ko"
    analyser: AnalyserName = "words"
    n: int = 13
    raw_n: int | None = None
    raw_units: RawUnits | None = None
    whole_min: int = 32
    passes: tuple[Pass, ...] = PAPER
    directives: tuple[str, ...] = ()
    _cut: Analyser = field(init=False, repr=False)
    _labels: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.raw_units is None:
            object.__setattr__(self, "raw_units", "words" if load(self.language).blanks else "characters")
        if self.raw_units not in RAW_N:
            raise UsageError(f"Decontamination: raw_units is {self.raw_units!r}; it must be words or characters.")
        if self.raw_n is None:
            object.__setattr__(self, "raw_n", RAW_N[self.raw_units])
        for name in ("n", "raw_n", "whole_min"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise UsageError(f"Decontamination: {name} is {value!r}; it must be a whole number from 1 upwards.")
        if isinstance(self.directives, str) or isinstance(self.passes, str):
            raise UsageError("Decontamination: directives and passes are tuples of strings, not one string.")
        if not self.passes or set(self.passes) - set(PASSES):
            raise UsageError(
                f"Decontamination: passes is {self.passes!r}; it must name one or more of {', '.join(PASSES)}."
            )
        # In one order, so that the order in which a recipe names them makes no difference.
        object.__setattr__(self, "passes", tuple(name for name in PASSES if name in self.passes))
        object.__setattr__(self, "directives", tuple(sorted(set(self.directives))))
        object.__setattr__(self, "_cut", analyser(self.analyser, self.language))
        object.__setattr__(self, "_labels", "".join(load(self.language).grading.get("labels", ())))

    def identity(self) -> dict[str, Any]:
        names = ("language", "n", "raw_n", "raw_units", "whole_min", "passes", "directives")
        return {**{name: getattr(self, name) for name in names}, "labels": self._labels, **self._cut.identity()}

    def size(self, name: Pass) -> int:
        """Units of an n-gram in a pass."""
        found = self.raw_n if name == "raw" else self.n
        assert found is not None
        return found

    def read(self, parts: Sequence[str], also: Sequence[str] = ()) -> Text:
        """parts: a question and its options, or one text. also: directives of this text alone."""
        pieces = [masked(part, (*self.directives, *also)) for part in parts]
        normal = [[normalise(piece, self._labels) for piece in part] for part in pieces]
        units: dict[Pass, list[str]] = {}
        if "segmented" in self.passes:
            units["segmented"] = _with_gaps([self._cut(piece) for piece in part] for part in normal)
        if "raw" in self.passes:
            assert self.raw_units is not None
            units["raw"] = _with_gaps([raw_units(piece, self.raw_units) for piece in part] for part in pieces)
        return Text(units, tuple(HOLE.join(map(squash, part)) for part in normal))


def _with_gaps(parts: Iterable[list[list[str]]]) -> list[str]:
    """The units of all parts in a row: an n-gram may reach from a question into its options, but not over what was taken out."""
    found: list[str] = []
    for part in parts:
        for number, piece in enumerate(part):
            found += [GAP, *piece] if number else piece
    return found


@dataclass(frozen=True)
class Item:
    """A question of a benchmark."""

    benchmark: str
    id: str
    text: Text


class Found(NamedTuple):
    """What a text shares with the items: number `key` of the pass's n-grams, or of the items, `times` times."""

    name: Pass
    key: int
    times: int


@dataclass(frozen=True)
class Grams:
    """The n-grams of a pass, each once, sorted by hash. first, place: an item and where in its units the n-gram stands; owners: the items
    that have it, those of n-gram i from `starts[i]` to `starts[i + 1]`."""

    n: int
    hashes: Hashes
    first: NDArray[np.int32]
    place: NDArray[np.int32]
    starts: Places
    owners: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.hashes)

    @functools.cached_property
    def _shift(self) -> np.uint64:
        return np.uint64(64 - max(10, (8 * len(self)).bit_length()))

    @functools.cached_property
    def _table(self) -> NDArray[np.bool_]:
        """Whether any n-gram's hash begins with these bits: seven in eight that are none are told so by one look."""
        table = np.zeros(1 << (64 - int(self._shift)), np.bool_)
        table[self.hashes >> self._shift] = True
        return table

    def items_of(self, key: int) -> list[int]:
        return [int(item) for item in self.owners[self.starts[key] : self.starts[key + 1]]]

    def find(self, units: list[str], items: Sequence[list[str]]) -> dict[int, int]:
        """The n-grams among `units`, and how often each. items: the units of each item in this pass."""
        found: dict[int, int] = {}
        hashes, places = gram_hashes(units, self.n)
        if not len(self) or not len(hashes):
            return found
        likely = np.flatnonzero(self._table[hashes >> self._shift])
        firsts = np.minimum(np.searchsorted(self.hashes, hashes[likely]), len(self) - 1)
        equal = self.hashes[firsts] == hashes[likely]
        for number, key in zip(likely[equal].tolist(), firsts[equal].tolist(), strict=True):
            place = int(places[number])
            while key < len(self) and self.hashes[key] == hashes[number]:
                own, start = items[self.first[key]], self.place[key]
                if own[start : start + self.n] == units[place : place + self.n]:
                    found[key] = found.get(key, 0) + 1
                    break
                key += 1
        return found


def grams_of(items: Sequence[list[str]], n: int) -> Grams:
    """All n-grams of the items' units."""
    hashed = [gram_hashes(units, n) for units in items]
    counts = [len(places) for _, places in hashed]
    hashes = np.concatenate([np.empty(0, np.uint64), *(found for found, _ in hashed)])
    place = np.concatenate([np.empty(0, np.int64), *(places for _, places in hashed)]).astype(np.int32)
    item = np.repeat(np.arange(len(items), dtype=np.int32), counts)
    order = np.lexsort((place, item, hashes))
    hashes, item, place = hashes[order], item[order], place[order]
    variant = _variants(hashes, item, place, items, n)
    if variant.any():  # two n-grams with one hash
        order = np.lexsort((place, item, variant, hashes))
        hashes, item, place, variant = hashes[order], item[order], place[order], variant[order]
    new = np.ones(len(hashes), np.bool_)
    new[1:] = (hashes[1:] != hashes[:-1]) | (variant[1:] != variant[:-1])
    # An item that says the same twice owns it once.
    own = new.copy()
    own[1:] |= item[1:] != item[:-1]
    starts = np.append(np.flatnonzero(new[own]), int(own.sum()))
    return Grams(n, hashes[new], item[new], place[new], starts.astype(np.int64), item[own])


def _variants(
    hashes: Hashes, item: NDArray[np.int32], place: NDArray[np.int32], items: Sequence[list[str]], n: int
) -> NDArray[np.int32]:
    """Tells n-grams apart that share a hash: 0 for all that say what the first of their hash says, else 1 and so on."""
    variant = np.zeros(len(hashes), np.int32)
    again = np.flatnonzero(hashes[1:] == hashes[:-1]) + 1
    seen: dict[tuple[str, ...], int] = {}
    before = -2
    for number in map(int, again):
        if number != before + 1:
            first = items[item[number - 1]][place[number - 1] : place[number - 1] + n]
            seen = {tuple(first): 0}
        gram = tuple(items[item[number]][place[number] : place[number] + n])
        variant[number] = seen.setdefault(gram, len(seen))
        before = number
    return variant


class Index:
    """The items of all benchmarks, to look texts up in. In memory: the items' words, and some 45 bytes for each n-gram."""

    def __init__(self, reading: Reading, items: Sequence[Item], grams: dict[Pass, Grams] | None = None):
        self.reading, self.items = reading, items
        names = [name for name in reading.passes if name in ("segmented", "raw")]
        self._units: dict[Pass, list[list[str]]] = {name: [item.text.units[name] for item in items] for name in names}
        self.grams = grams or {name: grams_of(units, reading.size(name)) for name, units in self._units.items()}
        self._equal = self._by_text(lambda said: said) if "whole" in reading.passes else {}
        self._digitless = self._by_text(self._bare) if "digitless" in reading.passes else {}
        self._anchors, self._anchored = self._anchor() if "whole" in reading.passes else (np.empty(0, np.uint64), {})

    def _by_text(self, form: Any) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for number, item in enumerate(self.items):
            text = form(item.text.said)
            if text:
                found.setdefault(text, []).append(number)
        return found

    def _bare(self, said: str) -> str:
        """A text without digits, "" where too little is left to tell it from another."""
        bare = without_digits(said)
        return bare if width(bare) >= self.reading.whole_min else ""

    def inside(self, item: Item) -> bool:
        """Whether an item is long enough to be looked for inside of texts."""
        pieces = item.text.pieces
        telling = sum(width(piece) for piece in pieces if len(piece) >= TELLING)
        return telling >= self.reading.whole_min and max(map(len, pieces)) >= ANCHOR

    def _anchor(self) -> tuple[Hashes, dict[int, list[tuple[str, int]]]]:
        """The hashes of the first characters of each item's longest part, and the parts and items behind each."""
        found: dict[int, list[tuple[str, int]]] = {}
        for number, item in enumerate(self.items):
            if self.inside(item):
                longest = max(item.text.pieces, key=len)
                (anchor,) = character_hashes(longest[:ANCHOR], ANCHOR)
                found.setdefault(int(anchor), []).append((longest, number))
        return np.array(sorted(found), np.uint64), found

    def find(self, text: Text, where: Where) -> Iterator[Found]:
        """What a text shares with the items, in the order of the passes."""
        for name in self.grams:
            for key, times in self.grams[name].find(text.units[name], self._units[name]).items():
                yield Found(name, key, times)
        if "whole" in self.reading.passes:
            equal = self._equal.get(text.said, []) if where == "prompt" and text.said else []
            for number in dict.fromkeys([*equal, *self._contained(text)]):
                yield Found("whole", number, 1)
        if self._digitless and where == "prompt":
            for number in self._digitless.get(without_digits(text.said), []):
                yield Found("digitless", number, 1)

    def _contained(self, text: Text) -> Iterator[int]:
        squashed = HOLE.join(text.pieces)
        if not len(self._anchors) or len(squashed) < ANCHOR:
            return
        hashes = character_hashes(squashed, ANCHOR)
        nearest = np.minimum(np.searchsorted(self._anchors, hashes), len(self._anchors) - 1)
        for place in np.flatnonzero(self._anchors[nearest] == hashes):
            for longest, number in self._anchored[int(hashes[place])]:
                if squashed.startswith(longest, int(place)) and all(
                    piece in squashed for piece in self.items[number].text.pieces
                ):
                    yield number

    def items_of(self, name: Pass, key: int) -> list[int]:
        """The items that a finding is about."""
        return self.grams[name].items_of(key) if name in self.grams else [key]

    def mostly_in(self, name: Pass, keys: Iterable[int], stopped: Iterable[int]) -> list[int]:
        """Those of the n-grams `keys` of which more than half stands in the n-grams `stopped`, where an item has both: twelve words
        of a phrase that many use, and one that happens to follow it in two texts."""
        grams, units = self.grams[name], self._units[name]
        phrases = {tuple(self._gram(name, key)) for key in stopped}
        by_item: dict[int, list[int]] = {}
        for key in keys:
            by_item.setdefault(int(grams.first[key]), []).append(key)
        found = []
        for item, own in by_item.items():
            covered = np.zeros(len(units[item]) + 1, np.int64)
            for place in range(len(units[item]) - grams.n + 1):
                if tuple(units[item][place : place + grams.n]) in phrases:
                    covered[place + 1 : place + grams.n + 1] = 1
            before = np.cumsum(covered)
            for key in own:
                place = grams.place[key]
                if before[place + grams.n] - before[place] > grams.n // 2:
                    found.append(key)
        return sorted(found)

    def _gram(self, name: Pass, key: int) -> list[str]:
        grams = self.grams[name]
        start = int(grams.place[key])
        return self._units[name][grams.first[key]][start : start + grams.n]

    def words_of(self, name: Pass, key: int) -> str:
        """What a finding shares, to be read: the n-gram, or the squashed item (without its digits, where these are not shared)."""
        if name not in self.grams:
            said = self.items[key].text.said
            return without_digits(said) if name == "digitless" else said
        return ("" if name == "raw" and self.reading.raw_units == "characters" else " ").join(self._gram(name, key))
