"""The phrases of statements.toml, compiled once."""

from __future__ import annotations

import functools
import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

_EDGE = re.compile(r"(?P<before>\\b(?=[a-z]|\((?!\?[=!<])))|\\b", re.IGNORECASE)
"""\\b before a word, or else behind one."""
STATEMENTS = Path(__file__).parent / "statements.toml"


@dataclass(frozen=True)
class Kogl:
    """Phrases of the Korean public bodies' licence."""

    name: re.Pattern[str]
    type: re.Pattern[str]
    by: re.Pattern[str]
    nc: re.Pattern[str]
    nd: re.Pattern[str]
    free: re.Pattern[str]
    denied: re.Pattern[str]
    policy: re.Pattern[str]
    filler: re.Pattern[str]
    told: re.Pattern[str]
    used: re.Pattern[str]
    grant: re.Pattern[str]
    file: re.Pattern[str]
    numbers: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Numerals that are no digits, with their digit."""


@dataclass(frozen=True)
class Statements:
    """One pattern per table of the file, over all languages; `elements` and `ports` have a group for each of their keys."""

    creative_commons: re.Pattern[str]
    creative_commons_words: tuple[str, ...]
    """The first word of each of its spellings, in small letters."""
    elements: re.Pattern[str]
    ports: re.Pattern[str]
    grant: re.Pattern[str]
    own: re.Pattern[str]
    otherwise: re.Pattern[str]
    denied: re.Pattern[str]
    denied_behind: re.Pattern[str]
    foreign: re.Pattern[str]
    other: re.Pattern[str]
    credit: re.Pattern[str]
    label: re.Pattern[str]
    claim: re.Pattern[str]
    reserved: re.Pattern[str]
    kogl: Kogl


@functools.cache
def load() -> Statements:
    table = tomllib.loads(STATEMENTS.read_text("utf-8"))
    plain = (
        "creative_commons",
        "grant",
        "own",
        "otherwise",
        "denied",
        "denied_behind",
        "foreign",
        "other",
        "credit",
        "label",
        "claim",
        "reserved",
    )
    elements = {key: _joined(value) for key, value in table["elements"].items()}
    ports = {key: "|".join(_spaced(_latin(item)) for item in items) for key, items in table["ports"].items()}
    spellings = [item for items in table["creative_commons"].values() for item in items]
    return Statements(
        creative_commons_words=tuple(
            re.findall(r"[^\W\d_]{2,}", item.replace(r"\b", " "))[0].lower() for item in spellings
        ),
        **{key: re.compile(_joined(table[key]), re.IGNORECASE) for key in plain},
        elements=_grouped("", elements),
        ports=_grouped(r"[\s,(–-]*", ports),
        kogl=Kogl(
            **{
                item.name: re.compile(_joined(table["kogl"][item.name]), re.IGNORECASE)
                for item in fields(Kogl)
                if item.name != "numbers"
            },
            numbers=table["kogl"]["numbers"],
        ),
    )


def digest() -> str:
    """SHA-256 of the phrases, which bear the identity of what decides by them."""
    return hashlib.sha256(STATEMENTS.read_bytes()).hexdigest()


def _joined(languages: dict[str, Any]) -> str:
    return "|".join(
        _spaced(_latin(item) if language == "en" else item) for language, items in languages.items() for item in items
    )


def _latin(pattern: str) -> str:
    """\\b of a phrase in Latin letters, which in Korean and Japanese text stands right between other letters."""
    return _EDGE.sub(lambda match: "(?<![A-Za-z0-9])" if match["before"] is not None else "(?![A-Za-z0-9])", pattern)


def _spaced(pattern: str) -> str:
    """Blanks stand for white space: " ?" for any, " " for some, in a class for itself."""
    outside = re.split(r"(\[[^\]]*\])", pattern)
    return "".join(
        part if number % 2 else part.replace(" ?", r"\s?").replace(" ", r"\s{1,3}")
        for number, part in enumerate(outside)
    )


def _grouped(before: str, alternatives: dict[str, str]) -> re.Pattern[str]:
    groups = "|".join(f"(?P<{key}>{value})" for key, value in alternatives.items())
    return re.compile(f"{before}(?:{groups})", re.IGNORECASE)
