"""Exact duplicates: records whose text is the same once case and blanks are taken away.

    Group(key=exact_key, fn=keep_first, order=survivor_order)

The paper does not say how it removed duplicates; this is the first, safe half. Near-duplicates are a stage.
"""

from __future__ import annotations

from collections.abc import Iterator

from yisang.records import Drop, Example, Page, Prompt, Record, Trace, content_id, nfc


def normalise(text: str, *, casefold: bool = True, collapse: bool = True) -> str:
    """The text by which two records are compared: NFC, case folded, each run of white space one blank.

    Nothing else: punctuation, digits and full-width forms tell questions apart.
    """
    text = nfc(text)
    if casefold:
        text = nfc(text.casefold())
    return " ".join(text.split()) if collapse else text


def exact_key(record: Record, *, casefold: bool = True, collapse: bool = True) -> str:
    """The hash of what makes a record what it is: a prompt's text and options, a trace's prompt and answer.

    For another policy give the step functools.partial(exact_key, casefold=False).
    """
    if isinstance(record, Page):
        return content_id(record.body)
    return content_id(*(normalise(part, casefold=casefold, collapse=collapse) for part in _parts(record)))


def survivor_order(record: Record) -> str:
    """Sorts the best of a group to the front: the freest licence, then the longest text, then the id."""
    length = len(record.body) if isinstance(record, Page) else sum(len(nfc(part)) for part in _parts(record))
    return f"{record.licence.letter}:{10**15 - length:016d}:{record.id}"


def keep_first(records: Iterator[Record]) -> Iterator[Record | Drop]:
    """Keeps the first of a group; each other is a drop that names it."""
    first: Record | None = None
    for record in records:
        if first is None:
            first = record
            yield record
        else:
            yield Drop("exact_duplicate", {"survivor": first.id}, record=record)


def _parts(record: Record) -> tuple[str, ...]:
    if isinstance(record, Prompt):
        # Exam questions share their wording ("which of these is right?") and differ in the options alone.
        return (record.text, *record.options)
    if isinstance(record, Trace):
        return (*_parts(record.prompt), record.text)
    if isinstance(record, Example):
        return tuple(part for message in record.messages for part in (message.role, message.content))
    raise TypeError(f"A {record.kind_name} has no text to compare by; id {record.id}.")
