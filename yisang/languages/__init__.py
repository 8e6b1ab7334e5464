"""The facts of a language, as data: one file `xx.toml` per language, where xx is its BCP 47 code.

    name = "..."                      the language's name in English, as the teacher prompts use it
    native_name = "..."               its own name
    [script]
    default = ["block", ...]          the blocks whose letters count as this language
    blanks = false                    optional: words stand side by side, with no blanks between them
    [script.blocks]
    block = ["0041-005A", "00AA"]     code points in hexadecimal: single, or ranges with both ends included
    [prompts.mixed]                   optional: an instruction to the teacher; so target_only, english_only
    version = "xx-mixed-1"            stands in every trace; a changed text needs a new one
    text = "..."
    [tasks]                           optional: how worded tasks are said (yisang.tasks.wording)
    [grading]                         optional: how answers are written (yisang.grading.words)
    [refusals] [sentences] [pii]      optional: patterns with examples (yisang.languages.patterns), read by
                                      filters.refusal, filters.unfinished and filters.pii
    [terms]                           optional: what the terms of a question are (filters.quotes)
    [negation] [options]              optional: patterns of exam questions and their options (filters.exams)
    [directives]                      optional: how the answer to an exam question is to be written (filters.directives)
    [numbers]                         optional: words that say a number, by the number (filters.numbers); words of other than
                                      ASCII letters are found inside of others too, as some languages have no blanks

Files of one's own stand in the folder that the environment variable YISANG_LANGUAGES names. It is searched
first, so a file there also takes the place of a shipped one. `yisang init` writes a template; its lines with UNFILLED are
still to be written, and a file is refused as long as it has one.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yisang.errors import UsageError

Ranges = tuple[tuple[int, int], ...]

FOLDER_VARIABLE = "YISANG_LANGUAGES"
UNFILLED = "FILL:"
"""Stands in a template, outside of comments, where somebody who knows the language has to write."""
_OTHERS = (
    "tasks",
    "grading",
    "refusals",
    "sentences",
    "pii",
    "terms",
    "negation",
    "options",
    "directives",
    "numbers",
)
"""Tables that are read where they are used, so that a file is loaded without compiling a hundred patterns."""
_SHIPPED = Path(__file__).parent
_CODE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_RANGE = re.compile(r"([0-9A-Fa-f]{4,6})(?:-([0-9A-Fa-f]{4,6}))?")


@dataclass(frozen=True)
class TeacherPrompt:
    """An instruction to the teacher, and the version under which its traces are known."""

    version: str
    text: str


@dataclass(frozen=True)
class Language:
    """What is known of a language. `digest` is the SHA-256 of its file; what depends on it names it."""

    code: str
    name: str
    native_name: str
    blocks: Mapping[str, Ranges] = field(hash=False)
    default_blocks: tuple[str, ...]
    prompts: Mapping[str, TeacherPrompt] = field(hash=False)
    digest: str
    blanks: bool = True
    """Whether words stand between blanks."""
    tasks: Mapping[str, Any] = field(default_factory=dict, hash=False)
    grading: Mapping[str, Any] = field(default_factory=dict, hash=False)
    refusals: Mapping[str, Any] = field(default_factory=dict, hash=False)
    sentences: Mapping[str, Any] = field(default_factory=dict, hash=False)
    pii: Mapping[str, Any] = field(default_factory=dict, hash=False)
    terms: Mapping[str, Any] = field(default_factory=dict, hash=False)
    negation: Mapping[str, Any] = field(default_factory=dict, hash=False)
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    directives: Mapping[str, Any] = field(default_factory=dict, hash=False)
    numbers: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def prompt(self, name: str) -> TeacherPrompt:
        """The teacher prompt of this name; UsageError where the language's file has none."""
        if name not in self.prompts:
            has = ", ".join(sorted(self.prompts)) or "none"
            raise UsageError(
                f"Language {self.code} has no teacher prompt {name!r} (it has: {has}). "
                f"Add [prompts.{name}] with version and text to {self.code}.toml."
            )
        return self.prompts[name]


def codes() -> tuple[str, ...]:
    """The codes of all languages that have a file, sorted."""
    return tuple(sorted({path.stem for folder in _folders() for path in folder.glob("*.toml")}))


def load(code: str) -> Language:
    """The language of this code. A file is read once per process."""
    # Steps ask at every record. A folder of yours may get a file at any time; what ships stays what it is.
    return _find(code) if os.environ.get(FOLDER_VARIABLE) else _shipped(code)


@functools.cache
def _shipped(code: str) -> Language:
    return _find(code)


def _find(code: str) -> Language:
    if _CODE.fullmatch(code):
        for folder in _folders():
            path = folder / f"{code}.toml"
            if path.is_file():
                return _read(path)
    raise UsageError(
        f"There is no language {code!r}; there are {', '.join(codes())}. To add it, write {code}.toml into "
        f"a folder of yours (the models are in {_SHIPPED}) and set {FOLDER_VARIABLE} to that folder."
    )


def shipped_file(code: str) -> Path | None:
    """The file of a language that ships with yisang, None of others."""
    path = _SHIPPED / f"{code}.toml"
    return path if _CODE.fullmatch(code) and path.is_file() else None


def check_filled(path: Path, text: str) -> None:
    """Raises UsageError with the first line of a file that is still to be written."""
    lines = [
        (number, line.strip())
        for number, line in enumerate(text.splitlines(), 1)
        if UNFILLED in line and not line.lstrip().startswith("#")
    ]
    if lines:
        number, line = lines[0]
        more = f" So {'is one more line' if len(lines) == 2 else f'are {len(lines) - 1} more'}." if lines[1:] else ""
        raise UsageError(
            f"{path}, line {number}, is still to be written: {line}{more} Write it in place of {UNFILLED} and what follows, or "
            "remove the table if no step of the recipe needs it."
        )


def _folders() -> list[Path]:
    own = os.environ.get(FOLDER_VARIABLE)
    if not own:
        return [_SHIPPED]
    if not Path(own).is_dir():
        raise UsageError(f"{FOLDER_VARIABLE} is {own!r}, which is no folder. Make it, or unset the variable.")
    return [Path(own).resolve(), _SHIPPED]


@functools.cache
def _read(path: Path) -> Language:
    data = path.read_bytes()
    try:
        text = data.decode()
        check_filled(path, text)
        table = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"Language file {path} cannot be read as TOML: {error}.") from error
    try:
        return _language(path.stem, table, hashlib.sha256(data).hexdigest())
    except ValueError as error:
        raise UsageError(f"Language file {path}: {error}.") from error


def _language(code: str, table: dict[str, Any], digest: str) -> Language:
    _only(table, ("name", "native_name", "script", "prompts", *_OTHERS), "the file")
    script = _table(table, "script")
    _only(script, ("default", "blocks", "blanks"), "[script]")
    blocks = {name: _ranges(name, items) for name, items in _table(script, "blocks").items()}
    default = _strings(script.get("default"), "[script] default")
    if unknown := [name for name in default if name not in blocks]:
        raise ValueError(f"[script] default names {unknown[0]!r}, which is not among its blocks")
    blanks = script.get("blanks", True)
    if not isinstance(blanks, bool):
        raise ValueError("[script] blanks must be true or false")
    prompts = {name: _prompt(name, item) for name, item in (_table(table, "prompts", {})).items()}
    versions = [prompt.version for prompt in prompts.values()]
    if len(set(versions)) < len(versions):
        raise ValueError(f"two prompts have the same version ({', '.join(sorted(versions))})")
    return Language(
        code,
        _text(table, "name"),
        _text(table, "native_name"),
        blocks,
        tuple(default),
        prompts,
        digest,
        blanks,
        **{name: _table(table, name, {}) for name in _OTHERS},
    )


def _prompt(name: str, item: Any) -> TeacherPrompt:
    where = f"[prompts.{name}]"
    if not isinstance(item, dict):
        raise ValueError(f"{where} must be a table with version and text")
    _only(item, ("version", "text"), where)
    return TeacherPrompt(_text(item, "version", where), _text(item, "text", where))


def _ranges(name: str, items: Any) -> Ranges:
    ranges = []
    for item in _strings(items, f"block {name!r}"):
        match = _RANGE.fullmatch(item)
        if not match:
            raise ValueError(f"block {name!r}: {item!r} is no range of code points such as 0041-005A")
        first, last = int(match[1], 16), int(match[2] or match[1], 16)
        if not first <= last <= 0x10FFFF:
            raise ValueError(f"block {name!r}: {item!r} does not run upwards within 0000-10FFFF")
        ranges.append((first, last))
    return tuple(ranges)


def _strings(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{where} must be a list of strings with at least one item")
    return value


def _table(table: dict[str, Any], key: str, default: dict[str, Any] | None = None) -> dict[str, Any]:
    value = table.get(key, default)
    if not isinstance(value, dict):
        raise ValueError(f"the table [{key}] is missing")
    return value


def _text(table: dict[str, Any], key: str, where: str = "the file") -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where} lacks {key!r}, a string")
    return value


def _only(table: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    if unknown := sorted(set(table) - set(known)):
        raise ValueError(f"{where} has an unknown key {unknown[0]!r}; known are {', '.join(known)}")
