"""Patterns of a language, as data: each with the example that motivated it and a text that only looks alike.

    [[refusals.identity]]             a table of the file (refusals, sentences, pii, negation, options), and the kind of what is found
    pattern = '...'                   a regular expression (re), in any case; its group `found`, where there is one,
                                      is what counts, and what stands around it is its context
    example = "..."                   a text of ours in which it must be found
    unlike = "..."                    a text of ours in which it must not
    checks = ["luhn"]                 optional: what a match must pass as well (yisang.languages.checksums)

A pattern whose example or counter-example says otherwise is refused when the file is read. In both, ⟪0-9A-F*8⟫ stands for 8
characters out of these, so that no file holds what looks like a key.
"""

from __future__ import annotations

import functools
import hashlib
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from yisang.errors import UsageError
from yisang.languages import Language
from yisang.languages.checksums import CHECKS

_SLOT = re.compile(r"⟪([^⟪⟫*]+)\*([0-9]+)⟫")
_KEYS = ("pattern", "example", "unlike", "checks")


@dataclass(frozen=True)
class Pattern:
    """kind: what is found. checks: names of `checksums.CHECKS`, all of which a match must pass."""

    kind: str
    regex: re.Pattern[str]
    example: str
    unlike: str
    checks: tuple[str, ...] = ()

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """(start, end) of what is found, from left to right."""
        group = "found" if "found" in self.regex.groupindex else 0
        for match in self.regex.finditer(text):
            start, end = match.span(group)
            if all(CHECKS[name](text, start, end) for name in self.checks):
                yield start, end


@functools.cache
def patterns(language: Language, table: str) -> tuple[Pattern, ...]:
    """The patterns of one table of the language's file, in its order; none where it has no such table."""
    return read_patterns(getattr(language, table), f"Language file {language.code}.toml, [{table}]")


def read_patterns(table: Mapping[str, Any], where: str) -> tuple[Pattern, ...]:
    """The patterns of a table of lists; entries that are no lists are left to others. UsageError names a wrong one."""
    found = []
    for kind, items in table.items():
        for number, item in enumerate(items if isinstance(items, list) else (), 1):
            found.append(_pattern(kind, item, f"{where}: entry {number} of {kind!r}"))
    return tuple(found)


def filled(text: str) -> str:
    """`text` with its slots ⟪characters*count⟫ filled, the same way each time."""
    return _SLOT.sub(_draw, text)


def _draw(slot: re.Match[str]) -> str:
    letters = "".join(
        "".join(map(chr, range(ord(part[0]), ord(part[-1]) + 1))) for part in re.findall(r".-.|.", slot[1])
    )
    seed = hashlib.sha256(f"{slot[0]} {slot.start()} {slot.string}".encode()).digest()
    source = random.Random(int.from_bytes(seed, "big")).random
    return "".join(letters[int(source() * len(letters))] for _ in range(int(slot[2])))


def _pattern(kind: str, item: Any, where: str) -> Pattern:
    if not isinstance(item, dict) or set(item) - set(_KEYS) or not all(item.get(name) for name in _KEYS[:3]):
        raise UsageError(f"{where} must be a table with pattern, example and unlike, and perhaps checks.")
    if unknown := [name for name in item.get("checks", ()) if name not in CHECKS]:
        raise UsageError(f"{where} names the check {unknown[0]!r}; there are {', '.join(CHECKS)}.")
    try:
        regex = re.compile(item["pattern"], re.IGNORECASE)
    except re.error as error:
        raise UsageError(f"{where}: {item['pattern']!r} is no regular expression: {error}.") from error
    found = Pattern(kind, regex, filled(item["example"]), filled(item["unlike"]), tuple(item.get("checks", ())))
    if next(found.spans(found.example), None) is None:
        raise UsageError(f"{where}: {item['pattern']!r} is not found in its own example, {item['example']!r}.")
    if next(found.spans(found.unlike), None) is not None:
        raise UsageError(f"{where}: {item['pattern']!r} is found in {item['unlike']!r}, which it must not be.")
    return found
