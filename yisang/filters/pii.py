"""Personal numbers, addresses and keys in traces: found, said in masked form, and masked on request.

Numbers have the shapes of a country and stand in its language's file, [pii]; what is the same everywhere stands in pii.toml,
beside this file. Check digits and what stands around a number keep calculations apart from it
(`yisang.languages.checksums`). datatrove's PIIFormatter knows addresses of mail and of hosts alone and writes other addresses
in their place; its pattern takes quadratic time on a long dotted word (`a.a.a…`).
"""

from __future__ import annotations

import functools
import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, TypeVar

import msgspec

from yisang.errors import UsageError
from yisang.filters.cot import judged
from yisang.languages import Language, codes, load, shipped_file
from yisang.languages.patterns import Pattern, patterns, read_patterns
from yisang.records import Measure, Prompt, Trace

OPTIONAL = ("ip",)
"""Kinds that are looked for only where they are named."""
_SHOWN = 3
_AGAIN = 500
R = TypeVar("R", Prompt, Trace)


@dataclass(frozen=True)
class Found:
    """One place of a text. kind: "phone", "email", "credential", ..."""

    kind: str
    start: int
    end: int


@functools.cache
def _shipped() -> tuple[tuple[Pattern, ...], str]:
    data = files("yisang.filters").joinpath("pii.toml").read_bytes()
    return read_patterns(tomllib.loads(data.decode()), "pii.toml"), hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class PiiFinder:
    """Finds what `kinds` names, in the shapes of these languages and in those of every language.

    kinds: () for all but `OPTIONAL`. UsageError names a kind that neither has.
    """

    languages: tuple[str, ...]
    kinds: tuple[str, ...] = ()
    _facts: tuple[Language, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.languages, str):
            raise UsageError(f"PiiFinder: languages is {self.languages!r}; give a tuple of codes, such as ('ko',).")
        object.__setattr__(self, "languages", tuple(self.languages))
        object.__setattr__(self, "kinds", tuple(self.kinds))
        object.__setattr__(self, "_facts", tuple(load(code) for code in self.languages))
        known = {pattern.kind for pattern in self._all()}
        if unknown := [kind for kind in self.kinds if kind not in known]:
            raise UsageError(f"PiiFinder: no pattern finds {unknown[0]!r}; there are {', '.join(sorted(known))}.")

    def identity(self) -> dict[str, Any]:
        digests = [*(language.digest for language in self._facts), _shipped()[1]]
        return {"languages": self.languages, "kinds": self.kinds, "digests": digests}

    def _all(self) -> Iterable[Pattern]:
        yield from _shipped()[0]
        for language in self._facts:
            yield from patterns(language, "pii")

    def __call__(self, text: str) -> list[Found]:
        """What is found, from left to right; of two that overlap the one that begins first, then the longer one."""
        wanted = (
            pattern
            for pattern in self._all()
            if (pattern.kind in self.kinds if self.kinds else pattern.kind not in OPTIONAL)
        )
        spans = sorted(
            ((start, -end, pattern.kind) for pattern in wanted for start, end in pattern.spans(text) if end > start)
        )
        found: list[Found] = []
        for start, minus_end, kind in spans:
            if not found or start >= found[-1].end:
                found.append(Found(kind, start, -minus_end))
        return found

    def mark(self, kind: str, facts: tuple[Language, ...] = ()) -> str:
        """What takes the place of such a thing: the first language's own mark, else the kind in capitals (<EMAIL>). facts: the
        languages to look in; () for its own."""
        marks = (language.pii.get("marks", {}).get(kind) for language in facts or self._facts)
        return next((str(mark) for mark in marks if mark), f"<{kind.upper()}>")


@dataclass(frozen=True)
class Pii:
    """Verdict "pii": "found" or "none", of the raw text. Nothing that is found is stored in the clear.

    language: numbers in the shapes of its country and of the English file's, and what is the same everywhere. kinds: as in
    `PiiFinder`; "ip" is looked for only where it is named.

    Measures: `pii`, how many; `pii_kinds`, their kinds ("email+phone"); `pii_in_question`, how many of them stand in the question
    too, where they may be made up as part of it; `pii_evidence`, the kinds, places and shapes of the first three: digits and
    letters are *, so that phone@12 ***-****-**** shows what kind of thing was taken for a number and not which one.
    """

    language: str
    kinds: tuple[str, ...] = ()
    _finder: PiiFinder = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_finder", PiiFinder(tuple(dict.fromkeys((self.language, "en"))), self.kinds))
        object.__setattr__(self, "kinds", self._finder.kinds)

    def identity(self) -> dict[str, Any]:
        return self._finder.identity()

    def __call__(self, trace: Trace) -> Trace:
        found = self._finder(trace.text)
        measures: dict[str, Measure] = {
            "pii": len(found),
            "pii_kinds": "+".join(sorted({item.kind for item in found})),
            "pii_in_question": sum(trace.text[item.start : item.end] in trace.prompt.text for item in found[:100]),
            "pii_evidence": "; ".join(
                f"{item.kind}@{item.start} {shape(trace.text[item.start : item.end])}" for item in found[:_SHOWN]
            ),
        }
        return judged(trace, {"pii": "found" if found else "none"}, measures)


@dataclass(frozen=True)
class MaskPii:
    """Puts a language's marks, or such as <CREDENTIAL>, in the place of what `Pii` finds, in a prompt, or in a trace and its prompt.

    language: in whose shapes things are found, as in `Pii`, and whose marks a trace gets. A prompt in another language gets that one's
    marks where its file ships with yisang, and no mark of `language`; in one without a shipped file it gets those of `language`.

    Masked are the text, gold and options of a prompt, and the text, think and answer of a trace; ids stay, as they were made
    before. Measures: `pii_masked`, how many in the record's own text, and `pii_masked_kinds`; what an earlier masking counted is
    added, as its marks still stand there.
    """

    language: str
    kinds: tuple[str, ...] = ()
    _finder: PiiFinder = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_finder", PiiFinder(tuple(dict.fromkeys((self.language, "en"))), self.kinds))
        object.__setattr__(self, "kinds", self._finder.kinds)

    def identity(self) -> dict[str, Any]:
        shipped = (load(code) for code in codes() if shipped_file(code))
        marks = {language.code: language.pii.get("marks", {}) for language in (*shipped, *self._finder._facts)}
        return {**self._finder.identity(), "marks": marks}

    def __call__(self, record: R) -> R:
        if not isinstance(record, Prompt | Trace):
            raise TypeError(f"MaskPii masks prompts and traces, and this is a {record.kind_name}; id {record.id}.")
        asked: Prompt = record.prompt if isinstance(record, Trace) else record
        texts = dict.fromkeys((record.text, asked.text, asked.gold or "", *asked.options))
        known = {text[item.start : item.end]: item.kind for text in texts for item in self._finder(text)}
        return self._changed(record, known)

    def _changed(self, record: R, known: Mapping[str, str]) -> R:
        own = record.language if isinstance(record, Prompt) else self.language
        counts: Counter[str]
        text, counts = self.masked(record.text, known, own)
        changes: dict[str, Any] = {"text": text}
        if isinstance(record, Trace):
            changes |= {name: self._part(getattr(record, name), known, own) for name in ("think", "answer")}
            changes["prompt"] = self._changed(record.prompt, known)
        elif isinstance(record, Prompt):
            changes |= {
                "gold": self._part(record.gold, known, own),
                "options": tuple(self.masked(option, known, own)[0] for option in record.options),
            }
        before = int(record.measures.get("pii_masked") or 0)
        kinds = {*counts, *str(record.measures.get("pii_masked_kinds") or "").split("+")} - {""}
        changes["measures"] = {
            **record.measures,
            "pii_masked": counts.total() + before,
            "pii_masked_kinds": "+".join(sorted(kinds)),
        }
        return msgspec.structs.replace(record, **changes)

    def masked(self, text: str, known: Mapping[str, str] | None = None, language: str = "") -> tuple[str, Counter[str]]:
        """The text with marks, and how many of each kind. What is left holds nothing more that is found.

        language: of the text, where it is not the step's.
        known: words and their kinds that were found elsewhere in the record. A number that is known by the words beside it
        is masked where it stands without them too; of such, the first 500.
        """
        counts: Counter[str] = Counter()
        words = dict(known or {})
        facts = self._facts_of(language)
        # A mark may end what kept its neighbour from being found, so the text is looked at again until nothing is.
        while True:
            found = self._finder(text)
            parts, place = [], 0
            for item in found:
                words.setdefault(text[item.start : item.end], item.kind)
                parts += [text[place : item.start], self._finder.mark(item.kind, facts)]
                place = item.end
                counts[item.kind] += 1
            text, again = self._known("".join([*parts, text[place:]]), words, facts)
            counts += again
            if not found and not again:
                return text, counts

    def _facts_of(self, language: str) -> tuple[Language, ...]:
        """Whose marks a text in this language gets, first ones first."""
        if language in self._finder.languages[:1] or not shipped_file(language):
            return self._finder._facts
        return (load(language),)

    def _known(self, text: str, words: Mapping[str, str], facts: tuple[Language, ...]) -> tuple[str, Counter[str]]:
        counts: Counter[str] = Counter()
        for word, kind in list(words.items())[:_AGAIN]:
            if word in text:
                mark = self._finder.mark(kind, facts)
                pieces = re.split(f"(?<![0-9A-Za-z]){re.escape(word)}(?![0-9A-Za-z])", text)
                text = mark.join(pieces)
                counts[kind] += len(pieces) - 1
        return text, +counts

    def _part(self, text: str | None, known: Mapping[str, str], language: str) -> str | None:
        return None if text is None else self.masked(text, known, language)[0]


def shape(text: str) -> str:
    """Its punctuation alone: every letter and digit is *, at most 40 signs."""
    return "".join("*" if sign.isalnum() else sign for sign in text[:40])
