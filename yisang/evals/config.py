"""The configuration of an evaluation: a typed TOML, changed by `--set key=value` and by the options of the command line.

    model = "out/student"          purpose = "final"          answers = ""
    engine = "transformers"        revision = ""              concurrency = 8
    bench = ["tasks:lang=ko,ops=1-4", { name = "mgsm", lang = ["ja"] }]
    [protocol]
    name = "paper"                 # and any of its settings: max_tokens, runs, temperature ...
    [engine_options]
    base_url = "http://127.0.0.1:8000/v1"

What an evaluation was run with stands in config.toml beside its results, every setting written out.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from yisang.errors import UsageError
from yisang.evals.benchmarks import Spec, spec_of
from yisang.evals.protocols import Protocol, protocol


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `--config` holds. bench: each as `--bench` takes it, or a table. protocol: `name` and changed settings."""

    model: str = ""
    engine: str = ""
    revision: str = ""
    bench: list[str | dict[str, Any]] = []
    purpose: str = "final"
    answers: str = ""
    concurrency: int | None = None
    protocol: dict[str, Any] = {}
    engine_options: dict[str, Any] = {}

    def specs(self) -> list[Spec]:
        return [spec_of(given) for given in self.bench]

    def resolved_protocol(self) -> Protocol:
        settings = dict(self.protocol)
        return protocol(str(settings.pop("name", "paper")), settings)


def load(path: str, changes: Sequence[str] = (), given: dict[str, Any] | None = None) -> Config:
    """The configuration of a file ("" for none), with `--set` changes and then what the command line gives.

    Raises UsageError naming file and key for what it does not know.
    """
    table: dict[str, Any] = {}
    if path:
        try:
            table = tomllib.loads(Path(path).read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UsageError(f"{path} cannot be read as TOML: {error}. Name a file with --config.") from error
    for change in changes:
        key, sign, value = change.partition("=")
        if not sign or not key.strip():
            raise UsageError(f"--set {change!r} must look like key=value, for example protocol.max_tokens=4096.")
        _put(table, key.strip(), parsed(value), "--set")
    for key, value in (given or {}).items():
        _put(table, key, value, "the command line")
    try:
        return msgspec.convert(table, Config)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"The configuration{f' {path}' if path else ''} cannot be used: {error}. It has "
            f"{', '.join(Config.__struct_fields__)}."
        ) from error


def parsed(value: str) -> Any:
    """A value as TOML writes it; a plain word needs no quotes."""
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value


def _put(table: dict[str, Any], key: str, value: Any, where: str) -> None:
    *path, last = key.split(".")
    for name in path:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise UsageError(f"{where}: {name!r} in {key!r} is a value and holds nothing.")
    table[last] = value


def toml(table: dict[str, Any]) -> str:
    """A table as TOML: plain values first, then tables, then lists of tables. None is left away."""
    plain, tables = [], []
    for key, value in table.items():
        if isinstance(value, dict):
            tables.append(f"\n[{key}]\n" + toml(value))
        elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            tables += [f"\n[[{key}]]\n" + toml(item) for item in value]
        elif value is not None:
            plain.append(f"{key} = {_value(value)}\n")
    return "".join([*plain, *tables])


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    # JSON's strings and numbers are TOML's; DEL alone must be escaped in TOML only.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
