"""Endings that agree with the word before them, by the rule that a language's file names.

hangul    Korean particles, written with/without a final consonant: 은/는, 이/가, 을/를, 과/와, 으로/로. Digits and Latin
          letters agree by how they are read (3을, 4를; L은, A는). 으로/로 takes the second form behind a final ㄹ too.
"""

from __future__ import annotations

from collections.abc import Callable

_RIEUL = 8
"""The place of ㄹ among the final consonants of a Hangul syllable (Unicode 3.12, conjoining jamo behaviour)."""
# Sino-Korean readings: 영 일 이 삼 사 오 육 칠 팔 구; a number that ends in zeros ends in 십, 백, 천 or 만.
_DIGITS = {"0": "ㅇ", "1": "ㄹ", "3": "ㅁ", "6": "ㄱ", "7": "ㄹ", "8": "ㄹ"}
_LETTERS = {"l": "ㄹ", "m": "ㅁ", "n": "ㄴ", "r": "ㄹ"}


def _final(word: str) -> str:
    """The final consonant as a letter, "" for none; "?" stands for one that needs no name."""
    last = word.rstrip(")]}\"'”’ ")[-1:]
    if "가" <= last <= "힣":
        final = (ord(last) - ord("가")) % 28
        return "" if not final else "ㄹ" if final == _RIEUL else "?"
    return _DIGITS.get(last) or _LETTERS.get(last.lower(), "")


def hangul(word: str, pair: str) -> str:
    """The form of `pair` ("은/는") that agrees with `word`."""
    closed, _, open_ = pair.partition("/")
    final = _final(word)
    return closed if final and not (final == "ㄹ" and closed == "으로") else open_


RULES: dict[str, Callable[[str, str], str]] = {"hangul": hangul}
"""Name of the rule → function of (word, forms)."""
