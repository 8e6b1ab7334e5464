"""The engines by name. Each is imported only when it is asked for, so that a laptop needs no torch.

echo          no model: restates the question (tests, dry runs)
scripted      no model: solves worded tasks from their graphs, with faults on request, and declines the rest
openai        any OpenAI-compatible endpoint, or several: vLLM, SGLang, `transformers serve`, a vendor
transformers  a model in this process, from the Hub or a folder
mini          the small models that ship with the package, in this process
vllm          vLLM servers, one for each GPU or tensor-parallel group, that are started and watched here
vllm-offline  vLLM in this process
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Callable
from typing import Any

from yisang.errors import UsageError
from yisang.teachers.engines.base import (
    Engine,
    EngineBase,
    TeacherFailed,
    TeacherRejected,
    TeacherUnavailable,
    request_body,
)
from yisang.teachers.generation import Teacher

__all__ = [
    "ENGINES",
    "Engine",
    "EngineBase",
    "TeacherFailed",
    "TeacherRejected",
    "TeacherUnavailable",
    "available",
    "extra_of",
    "open_engine",
    "packages_of",
    "request_body",
]


def _loader(module: str, name: str) -> Callable[[], Callable[..., Engine]]:
    def load() -> Callable[..., Engine]:
        found: Callable[..., Engine] = getattr(importlib.import_module(module), name)
        return found

    return load


ENGINES: dict[str, Callable[[], Callable[..., Engine]]] = {
    "echo": _loader("yisang.teachers.engines.echo", "Echo"),
    "mini": _loader("yisang.teachers.engines.mini", "Mini"),
    "openai": _loader("yisang.teachers.engines.openai", "OpenAI"),
    "scripted": _loader("yisang.teachers.engines.scripted", "Scripted"),
    "transformers": _loader("yisang.teachers.engines.transformers", "Transformers"),
    "vllm": _loader("yisang.teachers.engines.vllm", "VLLM"),
    "vllm-offline": _loader("yisang.teachers.engines.vllm_offline", "VLLMOffline"),
}
"""Name → a function that imports and returns the engine's class, which takes (model, revision, **options)."""

_NEEDS: dict[str, tuple[tuple[str, ...], str]] = {
    "echo": ((), ""),
    "mini": (("torch", "transformers"), "train"),
    "openai": (("aiohttp",), ""),
    "scripted": ((), ""),
    "transformers": (("torch", "transformers"), "train"),
    "vllm": (("vllm",), "vllm"),
    "vllm-offline": (("vllm",), "vllm"),
}
"""The packages that an engine runs on, and the extra that installs them."""
_ELSEWHERE = {"vllm": "command"}
"""The option by which an engine takes its packages from another environment."""


def packages_of(engine: str) -> tuple[str, ...]:
    """The packages that an engine runs on."""
    return _NEEDS[engine][0]


def extra_of(engine: str) -> str:
    """The extra of yisang that brings them, "" where yisang itself does."""
    return _NEEDS[engine][1]


def available() -> dict[str, str | None]:
    """For each engine None where it can run here, else what is missing and the command that mends it."""
    found: dict[str, str | None] = {}
    for name, (packages, extra) in _NEEDS.items():
        missing = [package for package in packages if importlib.util.find_spec(package) is None]
        verb = "is" if len(missing) == 1 else "are"
        command = f"pip install 'yisang[{extra}]'" if extra else "pip install yisang"
        found[name] = f"{' and '.join(missing)} {verb} not installed: {command}" if missing else None
    return found


def open_engine(teacher: Teacher, **options: Any) -> Engine:
    """The engine of a declared teacher; `options` (from the command line) go before those of the declaration."""
    if teacher.engine not in ENGINES:
        raise UsageError(f"There is no engine {teacher.engine!r}. Choose one of: {', '.join(sorted(ENGINES))}.")
    given = {**teacher.options, **options}
    missing = available()[teacher.engine]
    if missing and _ELSEWHERE.get(teacher.engine) not in given:
        raise UsageError(f"The engine {teacher.engine} cannot run here: {missing}.")
    make = ENGINES[teacher.engine]()
    accepted = [name for name in inspect.signature(make).parameters if name not in ("model", "revision")]
    unknown = sorted(set(given) - set(accepted))
    if unknown:
        raise UsageError(
            f"The engine {teacher.engine} has no option {', '.join(unknown)}. It takes: {', '.join(accepted)}."
        )
    needed = [
        name
        for name, parameter in inspect.signature(make).parameters.items()
        if name in accepted and name not in given and parameter.default is parameter.empty
    ]
    if needed:
        raise UsageError(
            f"The engine {teacher.engine} needs {', '.join(needed)}. Give it with --teacher-option {needed[0]}=… or in Teacher(options=...)."
        )
    try:
        return make(teacher.model, teacher.revision, **given)
    except TypeError as error:
        raise UsageError(f"The engine {teacher.engine} cannot be opened with the options {given}: {error}.") from error
