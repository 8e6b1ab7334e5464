"""The benchmarks by name, one file each. A file is imported when its benchmark is asked for.

tasks   worded problems with a known solution graph: solved, translated, or asked in one language and answered in another
mgsm    grade-school mathematics in eleven languages (arXiv 2210.03057)
mmath   competition mathematics in ten languages, with language consistency (arXiv 2505.19126)

A new benchmark is a file with a `BENCHMARK` and its name in `NAMES`.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

import msgspec

from yisang.errors import UsageError
from yisang.records import Kind, Message, Prompt

NAMES = ("tasks", "mgsm", "mmath")
PLACES = ("path", "repo", "revision")
"""Settings that say where the data are. They do not make another benchmark: the data themselves are compared."""

Judge = Literal["answer", "translation"]
Part = Literal["think", "answer"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every benchmark can be told."""

    held_out: bool = False
    """Declares this use of a benchmark held out. Where the benchmark itself is, false changes nothing."""


@dataclass(frozen=True)
class Item:
    """One question.

    lang: the language that the answer must have. judge: by what; `graph` holds the solution where one is known. cell: the
    group that it is reported in (operations, language). cluster: items that share it are not independent (one problem
    in several languages). consistency: the parts of a response whose language is identified.
    """

    id: str
    question: str
    gold: str
    lang: str
    messages: tuple[Message, ...]
    kind: Kind = "math"
    options: tuple[str, ...] = ()
    graph: dict[str, Any] | None = None
    judge: Judge = "answer"
    cell: str = ""
    cluster: str = ""
    consistency: tuple[Part, ...] = ()

    def prompt(self) -> Prompt:
        """As what the grader takes."""
        return Prompt(
            id=self.id,
            text=self.question,
            language=self.lang,
            kind=self.kind,
            gold=self.gold,
            options=self.options,
            graph=self.graph,
        )


@dataclass(frozen=True)
class Benchmark:
    """What a benchmark is. held_out: its default. settings: the type of its settings. items: reads or makes the questions.

    cell: what its groups are ("ops", "lang"). primary: of these settings, the measure that is its score.
    """

    name: str
    held_out: bool
    settings: type[Settings]
    items: Callable[[Any], list[Item]]
    cell: str
    primary: Callable[[Any], str] = field(default=lambda _: "accuracy")


@dataclass(frozen=True)
class Spec:
    """A benchmark with its settings."""

    benchmark: Benchmark
    settings: Settings

    @property
    def label(self) -> str:
        """The name and the settings that are not the default, without those that say where the data are."""
        default = self.benchmark.settings()
        changed = [
            f"{name}={_shown(value)}"
            for name in self.settings.__struct_fields__
            if name not in PLACES and (value := getattr(self.settings, name)) != getattr(default, name)
        ]
        return self.benchmark.name + (":" + ",".join(changed) if changed else "")

    @property
    def held_out(self) -> bool:
        return self.benchmark.held_out or self.settings.held_out

    @property
    def primary(self) -> str:
        return self.benchmark.primary(self.settings)

    def matters(self) -> dict[str, Any]:
        """The settings that make what is measured; where the data are does not."""
        # As it is stored: JSON knows no tuples.
        table = msgspec.json.decode(msgspec.json.encode(self.settings))
        return {name: value for name, value in table.items() if name not in PLACES}

    def items(self) -> list[Item]:
        """The questions. Raises UsageError for data of another schema, and where there are none."""
        found = self.benchmark.items(self.settings)
        if not found:
            raise UsageError(f"{self.label} has no questions. Widen its settings, or look at its data.")
        return found


def benchmark(name: str) -> Benchmark:
    """The benchmark of this name."""
    if name not in NAMES:
        raise UsageError(f"There is no benchmark {name!r}; there are {', '.join(NAMES)}.")
    return cast(Benchmark, importlib.import_module(f"yisang.evals.benchmarks.{name}").BENCHMARK)


def spec_of(given: str | Mapping[str, Any] | Spec) -> Spec:
    """A benchmark as it is asked for: `tasks:lang=ko,ops=1-4`, or a table with `name` and its settings.

    A setting of several values joins them with +: `mmath:lang=ko+ja`. Raises UsageError for what there is not.
    """
    if isinstance(given, Spec):
        return given
    if isinstance(given, str):
        name, _, rest = given.partition(":")
        table: dict[str, Any] = {}
        for part in filter(None, (part.strip() for part in rest.split(","))):
            key, sign, value = part.partition("=")
            if not sign or key in table:
                raise UsageError(
                    f"--bench {given!r}: {part!r} must look like name=value, each name once; for example "
                    "tasks:lang=ko,ops=1-4."
                )
            table[key.strip()] = value.strip()
    else:
        table = dict(given)
        name = str(table.pop("name", ""))
        if not name:
            raise UsageError(f"The benchmark {dict(given)} has no `name`; there are {', '.join(NAMES)}.")
    found = benchmark(name.strip())
    several = _several(found.settings)
    table = {
        key: tuple(value.split("+")) if key in several and isinstance(value, str) else value
        for key, value in table.items()
    }
    try:
        settings = msgspec.convert(table, found.settings, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"The settings of the benchmark {name} cannot be used: {error}. It has "
            f"{', '.join(found.settings.__struct_fields__)}."
        ) from error
    return Spec(found, settings)


@functools.cache
def _several(settings: type[Settings]) -> frozenset[str]:
    """The settings of several values."""
    return frozenset(name for name, hint in get_type_hints(settings).items() if get_origin(hint) is tuple)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return "+".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_one_of(name: str, value: str, kinds: Any) -> None:
    """Raises UsageError for a setting that is none of a Literal's values."""
    if value not in get_args(kinds):
        raise UsageError(f"{name} is {value!r}; it must be one of {', '.join(get_args(kinds))}.")
