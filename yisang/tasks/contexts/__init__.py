"""What problems are about: one TOML file per context, with its words in every language.

    [words.xx]                        per language
    name = "{kind} in {place}"        an instance
    total = "all animals in {place}"  the total of a place
    counter = "..."                   what stands right behind a number; optional
    [kinds]                           what is counted, each with its word in every language
    wolf = { en = "wolves", ... }
    [places]                          where
    silver_forest = { en = "Silver Forest", ... }

A context speaks a language if [words.xx] is there; then every kind and place must have a word in it, and no two names
may be written alike. Files of one's own stand in the folder `contexts` of the folder that YISANG_LANGUAGES names; one
with the name of a shipped context adds its languages to it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yisang.errors import UsageError
from yisang.languages import FOLDER_VARIABLE, check_filled, codes, load

_SHIPPED = Path(__file__).parent


@dataclass(frozen=True)
class Words:
    """A context in one language: how parameters are called."""

    names: Mapping[str, str] = field(hash=False)
    """Parameter → name, for every kind, every kind at every place, and every total."""
    counter: str


@dataclass(frozen=True)
class Context:
    """Kinds and places by their keys, and their words by language."""

    name: str
    kinds: tuple[str, ...]
    places: tuple[str, ...]
    languages: Mapping[str, Words] = field(hash=False)
    digest: str
    """SHA-256 of its files; what depends on it names it."""

    def words(self, language: str) -> Words:
        if language not in self.languages:
            raise UsageError(
                f"The context {self.name!r} has no words in {language!r}; it has {', '.join(sorted(self.languages))}. "
                f"Add [words.{language}] and the word of every kind and place to {self.name}.toml."
            )
        return self.languages[language]


def contexts() -> tuple[str, ...]:
    """The names of all contexts, sorted."""
    return tuple(sorted({path.stem for folder in _folders() for path in folder.glob("*.toml")}))


def shipped() -> tuple[str, ...]:
    """The names of the contexts that ship with yisang, from which problems are drawn unless one is named."""
    return tuple(sorted(path.stem for path in _SHIPPED.glob("*.toml")))


def shipped_table(name: str) -> dict[str, Any]:
    """The file of a context that ships, as it stands."""
    return tomllib.loads((_SHIPPED / f"{name}.toml").read_text("utf-8"))


def digest_of_words() -> str:
    """SHA-256 over all contexts and languages: what problems look like, and how solutions are read."""
    found = [f"{name} {context(name).digest}" for name in contexts()]
    found += [f"{code} {load(code).digest}" for code in codes()]
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def context(name: str) -> Context:
    """The context of this name; its files are read once per process."""
    # Whoever reads solutions asks again and again. A folder of yours may get a file at any time; what ships stays what it is.
    return _find(name) if os.environ.get(FOLDER_VARIABLE) else _shipped_context(name)


@functools.cache
def _shipped_context(name: str) -> Context:
    return _find(name)


def _find(name: str) -> Context:
    found = tuple(path for folder in _folders() if (path := folder / f"{name}.toml").is_file())
    if not found:
        raise UsageError(f"There is no context {name!r}; there are {', '.join(contexts())}.")
    return _read(name, found)


def _folders() -> list[Path]:
    own = os.environ.get(FOLDER_VARIABLE)
    return [_SHIPPED, *([Path(own).resolve() / "contexts"] if own else [])]


@functools.cache
def _read(name: str, paths: tuple[Path, ...]) -> Context:
    tables: dict[str, dict[str, dict[str, str]]] = {"words": {}, "kinds": {}, "places": {}}
    for path in paths:
        try:
            text = path.read_text("utf-8")
            check_filled(path, text)
            data = tomllib.loads(text)
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UsageError(f"Context file {path} cannot be read as TOML: {error}.") from error
        for key, table in data.items():
            if key not in tables or not isinstance(table, dict):
                raise UsageError(f"Context file {path} has an unknown key {key!r}; known are {', '.join(tables)}.")
            for item, words in table.items():
                if not isinstance(words, dict) or not all(isinstance(word, str) for word in words.values()):
                    raise UsageError(f"Context file {path}: {key}.{item} must be a table of words.")
                tables[key].setdefault(item, {}).update(words)
    kinds, places = tables["kinds"], tables["places"]
    where = f"Context {name!r}"
    languages = {
        code: _words(f"{where}, {code}", code, words, kinds, places) for code, words in tables["words"].items()
    }
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()
    return Context(name, tuple(kinds), tuple(places), languages, digest)


def _words(where: str, code: str, words: dict[str, str], kinds: dict[str, Any], places: dict[str, Any]) -> Words:
    if unknown := sorted(set(words) - {"name", "total", "counter"}):
        raise UsageError(f"{where} has an unknown key {unknown[0]!r}; known are name, total, counter.")
    lacking = [key for key in ("name", "total") if key not in words]
    lacking += [key for table in (kinds, places) for key, item in table.items() if code not in item]
    if lacking:
        raise UsageError(f"{where} lacks a word for {', '.join(lacking[:5])}.")
    names = {kind: item[code] for kind, item in kinds.items()}
    for place, item in places.items():
        for kind in kinds:
            names[f"{kind}@{place}"] = words["name"].format(kind=kinds[kind][code], place=item[code])
        names[f"*@{place}"] = words["total"].format(place=item[code])
    seen: dict[str, str] = {}
    for parameter, word in names.items():
        if word.casefold() in seen:
            raise UsageError(f"{where}: {parameter} and {seen[word.casefold()]} are both called {word!r}.")
        seen[word.casefold()] = parameter
    return Words(names, words.get("counter", ""))
