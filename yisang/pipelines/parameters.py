"""Parameters of a recipe's `build()` from the command line: `--set key=value`."""

from __future__ import annotations

import inspect
import tomllib
import typing
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from yisang.errors import UsageError


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
        raise UsageError(f"{where}: --set {key}={value} does not fit: {error}.") from error
