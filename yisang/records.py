"""The nouns: Page, Prompt, Trace, Example, and what becomes of those that are not kept (Drop, Dead).

A record is frozen: a step that changes one returns a changed copy (`msgspec.structs.replace`). Ids are derived
from content (`content_id`) or from the parent (`child_id`), never counted. Measures are one flat map in memory
and in the store; they become columns when a corpus is published.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from typing import Any, Literal, TypeVar

import msgspec

SCHEMA_VERSION = 1
"""Raised when a stored record of an older version can no longer be read; stores carry it and refuse others."""

Letter = Literal["A", "B", "C"]
Measure = bool | int | float | str | None
Kind = Literal["open", "mcq", "math", "code", "task"]


class Licence(msgspec.Struct, frozen=True, kw_only=True):
    """What may be done with a text, and how we know.

    letter: A may be redistributed, B may train but not leave, C never enters. `derive` is false where no changed
    copy may be made (ND); `share_alike` where a changed copy must keep the licence.
    """

    id: str
    letter: Letter
    evidence: str
    date: str = ""
    derive: bool = True
    share_alike: bool = False


UNKNOWN_LICENCE = Licence(id="unknown", letter="C", evidence="no statement found")


def strictest(licences: Iterable[Licence]) -> Licence:
    """The licence of a child, who is bound by all of its parents: the strictest letter, no right that any of them
    withholds, and their ids joined as SPDX does ("CC-BY-4.0 AND CC-BY-SA-4.0").

    Raises ValueError without parents.
    """
    parents = sorted(set(licences), key=lambda licence: (licence.id, licence.evidence, licence.date))
    if not parents:
        raise ValueError("a child has at least one parent licence")
    if len(parents) == 1:
        return parents[0]
    return Licence(
        id=" AND ".join(sorted({id for licence in parents for id in licence.id.split(" AND ")})),
        letter=max(licence.letter for licence in parents),
        evidence="; ".join(dict.fromkeys(licence.evidence for licence in parents)),
        date=min(licence.date for licence in parents),
        derive=all(licence.derive for licence in parents),
        share_alike=any(licence.share_alike for licence in parents),
    )


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the stored records."""

    id: str
    category: str = ""
    licence: Licence = UNKNOWN_LICENCE
    measures: dict[str, Measure] = {}

    @property
    def kind_name(self) -> str:
        return type(self).__name__.lower()

    @property
    def text_for_reading(self) -> str:
        """The text that a person would want to see of this record; used by reports, never by decisions."""
        return ""


class Page(Record, frozen=True, kw_only=True):
    """One fetched page: its bytes as received, and where they were found."""

    url: str
    final_url: str = ""
    status: int = 200
    headers: dict[str, str] = {}
    body: bytes = b""
    fetched: str = ""
    warc: str = ""
    """`file:offset` of the WARC record, empty for pages from elsewhere."""
    rights: str = ""
    source: str = ""

    @property
    def text_for_reading(self) -> str:
        return self.url


class Prompt(Record, frozen=True, kw_only=True):
    """One question, as its author wrote it (decoded, NFC, nothing else)."""

    text: str
    language: str
    kind: Kind = "open"
    gold: str | None = None
    options: tuple[str, ...] = ()
    graph: dict[str, Any] | None = None
    tests: str | None = None
    source: str = ""
    url: str = ""
    attribution: str = ""
    parents: tuple[str, ...] = ()
    split: str = ""

    @property
    def text_for_reading(self) -> str:
        return self.text


class Trace(Record, frozen=True, kw_only=True):
    """One answer of a teacher. The prompt travels with it, so that every later step is a plain function of it.

    `text` is the raw answer; `think` and `answer` are its two parts, or None where the structure is broken.
    `verdicts` are named outcomes of checks ("structure": "one"); thresholds live in the recipe.
    """

    prompt: Prompt
    sample: int
    text: str
    think: str | None = None
    answer: str | None = None
    teacher: str
    revision: str
    sampling: dict[str, Any] = {}
    prompt_version: str = ""
    finish_reason: str = ""
    usage: dict[str, int] = {}
    verdicts: dict[str, str] = {}

    @property
    def text_for_reading(self) -> str:
        return self.text


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Example(Record, frozen=True, kw_only=True):
    """One training row, with the trace that it was made of."""

    messages: tuple[Message, ...]
    prompt_id: str
    trace_id: str
    weight: float = 1.0
    trace: Trace

    @property
    def text_for_reading(self) -> str:
        return "\n\n".join(message.content for message in self.messages)


RECORDS: dict[str, type[Record]] = {cls.__name__.lower(): cls for cls in (Page, Prompt, Trace, Example)}
"""The record kinds by name, as they stand in stored files."""


class Drop(msgspec.Struct, frozen=True):
    """One rejection. A step returns `Drop("too_short", {"length": 12})`; the runner fills in the rest.

    In a Group, `record` says which member of the group is meant.
    """

    reason: str
    evidence: dict[str, Any] = {}
    record: Record | None = None
    step: str = ""


class Dead(msgspec.Struct, frozen=True):
    """One record that a step (or a source) failed on: the exception as data, and the record where there is one.

    `where` names the file and place for what never became a record.
    """

    error: str
    message: str
    traceback: str = ""
    where: str = ""
    record: Record | None = None
    step: str = ""


def nfc(text: str) -> str:
    """NFC-normalised text. A lone surrogate (half a character, from broken JSON or CSV) becomes U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        # First, as two halves may join to a character that NFC takes apart.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return unicodedata.normalize("NFC", text)


def content_id(*parts: str | bytes) -> str:
    """The id of a source record: 128 bits of SHA-256 over its parts, each preceded by its length."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()[:32]


def child_id(parent: str, number: int) -> str:
    """The id of a record made of another one."""
    return f"{parent}/{number}"


R = TypeVar("R", bound=Record)


def with_measures(record: R, measures: dict[str, Measure]) -> R:
    """A copy of `record` with `measures` merged into its own."""
    return msgspec.structs.replace(record, measures={**record.measures, **measures})
