"""Rules that a shakedown run has found: what made the loss leap, as a filter for the whole corpus.

The paper trained a small proxy for one epoch, looked at the batches behind each spike of the loss by hand, wrote a rule, applied it to
all rows and began again, until the curve was smooth (arXiv 2510.04230, section 5.3). Its three rules are checks of their own here
(`yisang.filters.repetition`, `.cot`). Those that another corpus needs stand in a TOML file:

    [[rule]]
    name = "table-dump"                    the drop's reason is shakedown_table-dump
    found = "proxy run 2026-11-20, step 412, rows 17 and 90: twelve tables and no sentence"
    where = "answer"                       question, think or answer
    pattern = '(?m)(^\\|.*\\|$\\n){40,}'    a regular expression, looked for
    example = "..."                        a text that it finds; optional
    unlike = "..."                         one that looks alike and is not found; optional

    [[rule]]
    name = "digits-only"
    found = "..."
    measure = "answer_target_share"        in place of a pattern: a stored measure, and what of it is dropped
    above = 0.99                           and/or below = ...
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec

from yisang.errors import UsageError
from yisang.filters.stored import number
from yisang.records import Drop, Example, Trace


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule: a pattern in a part of the row, or bounds of a measure."""

    name: str
    found: str
    where: Literal["question", "think", "answer"] = "answer"
    pattern: str = ""
    example: str = ""
    unlike: str = ""
    measure: str = ""
    above: float | None = None
    below: float | None = None


@dataclass(frozen=True)
class Shakedown:
    """Drops traces, or examples by their traces, that a rule of the file finds; the first one is the reason.

    rules: the path of the file; "" has no rules, so that the step stands in a recipe before the first proxy run. A rule finds a trace
    if its pattern is found in the part, or the measure is above `above` or below `below`; a trace without the part, or with None
    for the measure, is not found.

    A measure that is not stored is an error. Which measures there will be is known only when the steps before have run, so that a
    misspelt name is found on the first trace that reaches the rule, and each trace becomes a dead letter: try a new file with
    `--limit` first.
    """

    rules: str | Path = ""

    def __post_init__(self) -> None:
        _ = self.read

    @cached_property
    def read(self) -> tuple[tuple[Rule, re.Pattern[str] | None], ...]:
        """The rules, read once; they travel with the step. Raises UsageError naming file, rule and key."""
        return _read(Path(self.rules)) if self.rules else ()

    def identity(self) -> dict[str, Any]:
        """The rules as they are read, wherever their file lies; what tells where one was found does not matter."""
        told = ("name", "where", "pattern", "measure", "above", "below")
        kept = [[getattr(rule, field) for field in told] for rule, _ in self.read]
        text = msgspec.json.encode(kept)
        return {"rules": [rule.name for rule, _ in self.read], "digest": hashlib.sha256(text).hexdigest()}

    def __call__(self, record: Trace | Example) -> Trace | Example | Drop:
        trace = record.trace if isinstance(record, Example) else record
        for rule, pattern in self.read:
            if evidence := _evidence(rule, pattern, trace):
                return Drop(f"shakedown_{rule.name}", evidence)
        return record


def _evidence(rule: Rule, pattern: re.Pattern[str] | None, trace: Trace) -> dict[str, Any] | None:
    if pattern is not None:
        text = {"question": trace.prompt.text, "think": trace.think, "answer": trace.answer}[rule.where]
        match = pattern.search(text or "")
        return {"where": rule.where, "matched": match[0][:200]} if match else None
    value = number(trace, rule.measure, f"The rule {rule.name} reads it; add the check that stores it.")
    if value is None:
        return None
    over = rule.above is not None and value > rule.above
    under = rule.below is not None and value < rule.below
    return {rule.measure: value, "above": rule.above, "below": rule.below} if over or under else None


def _read(path: Path) -> tuple[tuple[Rule, re.Pattern[str] | None], ...]:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"Shakedown rules {path} cannot be read as TOML: {error}.") from error
    items = table.pop("rule", [])
    if table or not isinstance(items, list):
        raise UsageError(f"Shakedown rules {path} must hold [[rule]] tables, and nothing else.")
    found: list[tuple[Rule, re.Pattern[str] | None]] = []
    for place, item in enumerate(items, 1):
        where = f"Shakedown rules {path}, rule {place}"
        try:
            rule = msgspec.convert(item, Rule)
        except msgspec.ValidationError as error:
            raise UsageError(f"{where}: {error}.") from error
        found.append((rule, _checked(rule, where)))
    names = [rule.name for rule, _ in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"Shakedown rules {path}: two are named {twice[0]!r}.")
    return tuple(found)


def _checked(rule: Rule, where: str) -> re.Pattern[str] | None:
    where = f"{where} ({rule.name})"
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", rule.name):
        raise UsageError(f"{where}: a name consists of a-z, 0-9, '_' and '-', as it is a reason of drops.")
    if not rule.found.strip():
        raise UsageError(
            f"{where}: found is empty. Say in which run and row it was seen, or nobody can judge it later."
        )
    if bool(rule.pattern) == bool(rule.measure):
        raise UsageError(f"{where}: give a pattern or a measure, and not both.")
    if rule.measure:
        if rule.above is None and rule.below is None:
            raise UsageError(f"{where}: a measure needs above or below.")
        return None
    try:
        pattern = re.compile(rule.pattern)
    except re.error as error:
        raise UsageError(f"{where}: pattern is no regular expression: {error}.") from error
    if pattern.search(""):
        raise UsageError(f"{where}: the pattern is found in an empty text, so it would drop everything.")
    if rule.example and not pattern.search(rule.example):
        raise UsageError(f"{where}: the pattern does not find its own example.")
    if rule.unlike and pattern.search(rule.unlike):
        raise UsageError(f"{where}: the pattern finds the text that it should not (unlike).")
    return pattern
