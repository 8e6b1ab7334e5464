"""Parameters of a recipe's `build()`: from the command line (`--set key=value`), and from the fields of its settings."""

from __future__ import annotations

import dataclasses
import inspect
import tomllib
import typing
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from yisang.errors import UsageError

R = TypeVar("R")


def build_of(recipe: Callable[..., R], *settings: type[Any], **defaults: Any) -> Callable[..., R]:
    """A `build()` with a parameter for each field of the frozen dataclasses `settings`, which `recipe` takes, one of each.

    Every setting has a name on the command line so, and stands in one place. defaults: in place of those of the fields.
    """
    owners = {item.name: owner for owner in settings for item in dataclasses.fields(owner) if item.init}
    hints = {name: hint for owner in settings for name, hint in typing.get_type_hints(owner).items() if name in owners}
    unset = {
        item.name: defaults.get(item.name, item.default)
        for owner in settings
        for item in dataclasses.fields(owner)
        if item.init
    }

    def build(**given: Any) -> R:
        values = {**defaults, **given}
        if unknown := sorted(set(values) - set(owners)):
            raise TypeError(f"build() takes no parameter {unknown[0]!r}; it takes {', '.join(owners)}")
        return recipe(*(owner(**{k: v for k, v in values.items() if owners[k] is owner}) for owner in settings))

    empty = inspect.Parameter.empty
    build.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=empty if value is dataclasses.MISSING else value
            )
            for name, value in unset.items()
        ]
    )
    build.__annotations__ = hints
    return build


def given_parameters(build: Callable[..., Any], sets: Iterable[str], where: str) -> dict[str, Any]:
    """The values of `key=value` words, each of the type that `build` declares for it.

    A value is written as in TOML; a text needs no quotes. where: the recipe's file, for errors. Raises UsageError for a word without a
    sign of equality, a key given twice, and a value that is none of the type.
    """
    hints = typing.get_type_hints(build)
    taken = inspect.signature(build).parameters
    found: dict[str, Any] = {}
    for word in sets:
        key, sign, value = word.partition("=")
        key = key.strip()
        if not sign or not key:
            raise UsageError(f"--set {word!r} must look like key=value, for example taught_by=mini.")
        if key in found:
            raise UsageError(f"--set {key} is given twice. Give it once.")
        if key not in taken:
            raise UsageError(f"{where}: build() takes no parameter `{key}`; it takes {', '.join(taken) or 'none'}.")
        found[key] = _typed(key, value.strip(), hints.get(key, str), where)
    return found


def _typed(key: str, value: str, hint: Any, where: str) -> Any:
    if hint is str:
        return value
    try:
        plain = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:  # a plain word needs no quotes
        plain = value
    try:
        return msgspec.convert(plain, hint)
    except msgspec.ValidationError as error:
        how = " Write true or false." if hint is bool else ""
        raise UsageError(f"{where}: --set {key}={value} does not fit: {error}.{how}") from error
