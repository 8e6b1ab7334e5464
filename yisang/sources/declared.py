"""Sources as data: a TOML file that says what is read, for a recipe that is the same for everyone.

[[source]]
type = "jsonlines"                a key of TYPES
paths = "questions/*.jsonl"       beside this file, unless it is an address or begins with a slash
text = "question"                 and whatever else the source takes, by the names of its parameters
name = "helpdesk"
language = "ko"
category = "Science"
licence = "CC-BY-4.0"             with evidence and date, as a registry has them: a file has no host to look up
evidence = "the terms of the archive it came in"
date = "2026-11-01"
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import tomllib
import typing
from pathlib import Path
from typing import Any

import msgspec

from yisang.errors import UsageError
from yisang.filters.licence import licence
from yisang.records import Licence
from yisang.sources.base import Source
from yisang.sources.crawl import Crawl
from yisang.sources.delimited import Csv
from yisang.sources.exams import Exams
from yisang.sources.html_files import HtmlFiles
from yisang.sources.hub import HubDataset
from yisang.sources.jsonlines import JsonLines
from yisang.sources.parquet import Parquet
from yisang.sources.tasks import Tasks
from yisang.sources.warc import Warc

TYPES: dict[str, type[Any]] = {
    "crawl": Crawl,
    "csv": Csv,
    "exams": Exams,
    "html": HtmlFiles,
    "hub": HubDataset,
    "jsonlines": JsonLines,
    "parquet": Parquet,
    "tasks": Tasks,
    "warc": Warc,
}
PAGES = ("crawl", "html", "warc")
_LICENCE = ("licence", "evidence", "date", "letter")


def declared_sources(path: str | Path) -> tuple[Source, ...]:
    """The sources of a file, in its order. UsageError names the file, the entry and the key that is wrong."""
    try:
        table = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"Sources {path} cannot be read as TOML: {error}.") from error
    entries = table.get("source")
    if set(table) != {"source"} or not isinstance(entries, list) or not all(isinstance(item, dict) for item in entries):
        raise UsageError(f"Sources {path} must hold [[source]] tables, and nothing else.")
    found = [_source(dict(entry), Path(path), f"Sources {path}, entry {n}") for n, entry in enumerate(entries, 1)]
    names = [source.name for source in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"Sources {path}: two are named {twice[0]!r}. Give each a name of its own.")
    return tuple(found)


def _source(entry: dict[str, Any], path: Path, where: str) -> Source:
    kind = entry.pop("type", None)
    if not isinstance(kind, str) or kind not in TYPES:
        raise UsageError(f"{where}: type is {kind!r}; it must be one of {', '.join(TYPES)}.")
    made = TYPES[kind]
    hints = {
        name: hint
        for name, hint in typing.get_type_hints(made).items()
        if name in {item.name for item in dataclasses.fields(made) if item.init}
    }
    terms = {key: entry.pop(key) for key in _LICENCE if key in entry}
    if "licence" in hints:
        # A page is known by its host, and the registry says what may be done with it.
        entry["licence"] = _licence(terms, where) if terms or kind not in PAGES else None
    elif terms:
        raise UsageError(f"{where}: {kind} says its own licence. Leave {', '.join(terms)} away.")
    if unknown := sorted(set(entry) - set(hints)):
        raise UsageError(f"{where}: {kind} takes no {unknown[0]!r}; it takes {', '.join(hints)}.")
    for key in {"folder", "sites"} & set(entry):
        if isinstance(entry[key], str):
            entry[key] = _beside(entry[key], path)
    for key in {"paths", "path"} & set(entry):
        given = entry[key] if isinstance(entry[key], list) else [entry[key]]
        if not all(isinstance(item, str) for item in given):
            raise UsageError(f"{where}: {key} is {entry[key]!r}; it must be a path or a list of paths.")
        entry[key] = tuple(_beside(item, path) for item in given)
    _check_questions(entry, hints, where)
    wanted = [item.name for item in dataclasses.fields(made) if item.init and item.default is dataclasses.MISSING]
    if missing := [name for name in wanted if name not in entry]:
        raise UsageError(f"{where}: {missing[0]} is missing; {kind} needs {', '.join(wanted)}.")
    values = {key: _typed(value, hints[key], key, where) for key, value in entry.items()}
    return typing.cast(Source, made(**values))


def _check_questions(entry: dict[str, Any], hints: dict[str, Any], where: str) -> None:
    """Options and golds are of questions that have them; a table of plain questions would leave them out without a word."""
    if not {"kind", "options", "gold"} <= set(hints):
        return
    kind = entry.get("kind", "open")
    if kind == "open" and (unused := sorted({"options", "gold"} & set(entry))):
        raise UsageError(
            f'{where}: {unused[0]} is of questions that can be graded. Say which: kind = "mcq", "math" or "code".'
        )
    if kind == "mcq" and (lacking := sorted({"options", "gold"} - set(entry))):
        raise UsageError(f"{where}: questions of kind mcq need {lacking[0]}, the column that holds it.")


def _licence(terms: dict[str, Any], where: str) -> Licence:
    # TOML has dates of its own; both ways of writing one are taken.
    if type(terms.get("date")) is datetime.date:
        terms = {**terms, "date": terms["date"].isoformat()}
    if missing := [key for key in _LICENCE[:3] if key not in terms]:
        raise UsageError(f"{where}: {missing[0]} is missing. State licence, evidence and date.")
    if wrong := [key for key, value in terms.items() if not isinstance(value, str)]:
        raise UsageError(f"{where}: {wrong[0]} is {terms[wrong[0]]!r}; it must be a text.")
    try:
        return licence(terms["licence"], terms["evidence"], terms["date"], terms.get("letter"))
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def _typed(value: Any, hint: Any, key: str, where: str) -> Any:
    if value is None or isinstance(value, Licence):
        return value
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {key} is {value!r}: {error}.") from error


def _beside(path: str, file: Path) -> str:
    return path if "://" in path or path.startswith("/") else os.path.normpath(file.parent / path)
