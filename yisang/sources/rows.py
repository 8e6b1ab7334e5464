"""How the row of a table becomes a Prompt, whatever the table is stored in.

A row becomes a Prompt by the names of its columns. A row that is no good is a `Dead` of its own, an empty text a
`Drop`; a column that no row has is a mistake in the recipe and stops the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from yisang.errors import UsageError
from yisang.records import UNKNOWN_LICENCE, Dead, Drop, Kind, Licence, Prompt, content_id, nfc
from yisang.sources.base import MIB, SourceItem, dead, printable, raise_unless_damage

MAX_LINE = 64 * MIB
LOOK_AHEAD = 100
"""Rows without the text column before it is taken for a mistake in the recipe."""

Columns = str | tuple[str, ...]


class BadRow(Exception):
    """A row that cannot become a prompt."""


class MissingColumn(BadRow):
    """A row without one of the columns that the recipe names."""


class DamagedFile(Exception):
    """A packed file that cannot be unpacked to its end."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """How a row becomes a Prompt; shared by all tables.

    Several `text` columns are joined by a blank line, empty ones left out. `options` is one column that holds
    a list, or a column for each option. `category_column` takes the place of `category`.
    """

    text: Columns
    language: str
    name: str
    licence: Licence | None = None
    category: str = ""
    category_column: str = ""
    gold: str = ""
    options: Columns = ()
    url: str = ""
    kind: Kind = "open"

    def columns(self) -> list[str]:
        """The columns that are read, each once."""
        single = [self.category_column, self.gold, self.url]
        named = [*_names(self.text), *_names(self.options), *(column for column in single if column)]
        return list(dict.fromkeys(named))

    def prompt(self, row: dict[str, Any]) -> Prompt | Drop:
        """Raises BadRow."""
        parts = [_string(row, column) for column in _names(self.text)]
        text = nfc("\n\n".join(part for part in parts if part.strip()))
        if not text:
            return Drop("empty_text", {"columns": list(_names(self.text))})
        if "\0" in text:
            raise BadRow("the text holds a NUL character")
        options = self._options(row)
        return Prompt(
            # Items of an exam often share their wording and differ in their options alone.
            id=content_id(self.name, text, *options),
            text=text,
            language=self.language,
            kind=self.kind,
            gold=_scalar(row, self.gold) if self.gold else None,
            options=options,
            source=self.name,
            url=(_scalar(row, self.url) or "") if self.url else "",
            category=(_scalar(row, self.category_column) or "") if self.category_column else self.category,
            licence=self.licence or UNKNOWN_LICENCE,
        )

    def _options(self, row: dict[str, Any]) -> tuple[str, ...]:
        if not isinstance(self.options, str):
            return tuple(_scalar(row, column) or "" for column in self.options)
        values = _value(row, self.options)
        if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
            raise BadRow(f"column '{self.options}' is not a list of texts")
        return tuple(nfc(value) for value in values)

    def items(self, rows: Iterable[tuple[str, Any]], origin: str) -> Iterator[SourceItem]:
        """The items of (place, row) pairs; a row that is an exception already is passed on as a Dead.

        The first rows are held back until one has all columns: if none has, the recipe is wrong and not the
        rows.
        """
        held: list[SourceItem] = []
        existing: dict[str, None] = {}
        missing = sound = False
        for where, row in rows:
            item = self._item(where, row)
            if sound:
                yield item
                continue
            held.append(item)
            if isinstance(row, dict):
                existing.update(dict.fromkeys(map(str, row)))
                lacks = isinstance(item, Dead) and item.error == MissingColumn.__name__
                missing, sound = missing or lacks, not lacks
            if sound or len(held) >= LOOK_AHEAD:
                self.require(existing, missing and not sound, origin)
                sound = True
                yield from held
                held = []
        self.require(existing, missing and not sound, origin)
        yield from held

    def _item(self, where: str, row: Any) -> SourceItem:
        if isinstance(row, Exception):
            return dead(row, where)
        try:
            if not isinstance(row, dict):
                raise BadRow(f"the row is not an object but {type(row).__name__}")
            found = self.prompt(row)
        except BadRow as error:
            return dead(error, where)
        if isinstance(found, Drop):  # without a record, this alone tells which row it was
            return msgspec.structs.replace(found, evidence={**found.evidence, "where": printable(where)})
        return found

    def require(self, existing: Iterable[str], missing: bool, origin: str) -> None:
        if not missing:
            return
        lacking = [column for column in self.columns() if column not in set(existing)] or self.columns()
        raise UsageError(
            f"{origin} has no column {_listed(lacking)}. The columns that exist are {_listed(existing)}. "
            f"Correct the column names in the recipe's source '{self.name}'."
        )


def _names(columns: Columns) -> tuple[str, ...]:
    return ((columns,) if columns else ()) if isinstance(columns, str) else tuple(columns)


def _listed(names: Iterable[str]) -> str:
    return printable(", ".join(f"'{name}'" for name in names)) or "none"


def _value(row: dict[str, Any], column: str) -> Any:
    if column not in row:
        raise MissingColumn(f"the row has no column '{column}'")
    value = row[column]
    if isinstance(value, Exception):
        raise BadRow(f"column '{column}': {value}")
    return value


def _string(row: dict[str, Any], column: str) -> str:
    """A text; null counts as empty."""
    value = _value(row, column)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRow(f"column '{column}' is not a text but {type(value).__name__}")
    return value


def _scalar(row: dict[str, Any], column: str) -> str | None:
    """A text, number or truth value as a text; null stays null."""
    value = _value(row, column)
    if value is None:
        return None
    if not isinstance(value, str | int | float):
        raise BadRow(f"column '{column}' is not a single value but {type(value).__name__}")
    text = nfc(str(value))
    if "\0" in text:
        raise BadRow(f"column '{column}' holds a NUL character")
    return text


def damaged(error: Exception) -> DamagedFile:
    """What is told of a packed file's damage; any other failure is raised again."""
    raise_unless_damage(error)
    return DamagedFile(f"the rest of the file cannot be unpacked: {type(error).__name__}: {error}")


def codec_of(encoding: str) -> str:
    from yisang.sources.decode import codec_name

    name = codec_name(encoding)
    if name is None:
        raise UsageError(f"'{encoding}' is no encoding that is known. Write for example 'utf-8' or 'cp949'.")
    return name


@dataclass
class Tally:
    """How many rows were passed over."""

    count: int = 0
