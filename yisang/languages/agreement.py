"""Endings that agree with the last sound of the word before them; which sounds those are is data.

    [tasks.agreement]
    closed = ["11A8-11C2"]     code points that end a word with a consonant, after canonical decomposition (NFD)
    closed_signs = "013678"    digits and letters that are read so
    light = ["11AF"]           those of `closed` behind which some endings stay as after a vowel
    light_signs = "178"
    light_endings = ["euro/ro"]   # as they are written

An ending is written as the form after a consonant, a slash, and the form after a vowel.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_KEYS = ("closed", "closed_signs", "light", "light_signs", "light_endings")


@dataclass(frozen=True)
class Agreement:
    """The rule of a language."""

    closed: frozenset[str]
    light: frozenset[str]
    light_endings: frozenset[str]

    def __call__(self, word: str, pair: str) -> str:
        """The form of `pair` that agrees with `word`; brackets and quotation marks behind it do not count."""
        after_consonant, _, after_vowel = pair.partition("/")
        last = unicodedata.normalize("NFD", word.rstrip(")]}\"'”’ ").lower())[-1:]
        if last not in self.closed or (last in self.light and pair in self.light_endings):
            return after_vowel
        return after_consonant


def agreement(table: Mapping[str, Any]) -> Agreement:
    """The rule of a [tasks.agreement] table. Raises ValueError for what is none."""
    if set(table) != set(_KEYS):
        raise ValueError(f"[tasks.agreement] must hold {', '.join(_KEYS)}")
    closed = _characters(table["closed"]) | set(table["closed_signs"])
    light = _characters(table["light"]) | set(table["light_signs"])
    return Agreement(frozenset(closed), frozenset(light), frozenset(table["light_endings"]))


def _characters(ranges: list[str]) -> set[str]:
    found: set[str] = set()
    for item in ranges:
        first, _, last = item.partition("-")
        found |= {chr(point) for point in range(int(first, 16), int(last or first, 16) + 1)}
    return found
