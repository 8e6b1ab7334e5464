"""What works on this machine, and the one command that mends each thing that does not."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict


class Finding(TypedDict):
    """One thing that was looked at; `mend` is the command that makes it work, "" where it does."""

    what: str
    name: str
    works: bool
    says: str
    mend: str


def examine() -> list[Finding]:
    """Looks at Python, runners, engines, extras and the sandbox. Each is really imported or run, not only looked up."""
    # What a library prints while it is imported (some do, of what they miss) must not get among the findings.
    with contextlib.redirect_stdout(sys.stderr):
        return _examine()


def _examine() -> list[Finding]:
    from yisang.teachers.engines import available, extra_of

    good = (3, 11) <= sys.version_info[:2] < (3, 13)
    findings = [
        _finding(
            "python", platform.python_version(), good, "", "install Python 3.11 or 3.12 and make a new .venv with it"
        ),
        _runner("local", _try_local, _install("")),
        _runner("beam", _try_beam, _install("")),
    ]
    for name, problem in available().items():
        says = problem.partition(": ")[0] if problem else _import_problem(name)
        findings.append(_finding("engine", name, not says, says, _install(extra_of(name))))
    for extra, packages in _EXTRAS.items():
        missing = [package for package in packages if not _installed(package)]
        says = f"not installed: {', '.join(missing)}" if missing else ""
        findings.append(_finding("extra", extra, not missing, says, _install(extra)))
    return [*findings, _sandbox()]


_EXTRAS = {
    "train": ("torch", "transformers", "accelerate", "peft", "trl"),
    "serve": ("transformers", "fastapi", "openai", "uvicorn"),
    "vllm": ("vllm",),
    "ray": ("ray",),
    "gcp": ("gcsfs", "google.cloud.storage"),
    "test": ("pytest", "hypothesis", "mypy", "ruff"),
}


def _import_problem(engine: str) -> str:
    """Why the packages of an engine cannot be imported, "" where they can."""
    from yisang.teachers.engines import packages_of

    try:
        for package in packages_of(engine):
            importlib.import_module(package)
    except Exception as error:  # whatever a broken package raises is what is to be told
        return f"{type(error).__name__}: {error}"
    return ""


def _install(extra: str) -> str:
    """The pip command for an extra: of the checkout where yisang runs from one, else of the package by name."""
    bracket = f"[{extra}]" if extra else ""
    if (Path(__file__).parents[1] / "constraints.txt").exists():
        return f"pip install -c constraints.txt -e '.{bracket}'"
    return f"pip install 'yisang{bracket}'"


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # the parent of a dotted name
        return False


def _finding(what: str, name: str, works: bool, says: str, mend: str) -> Finding:
    return {"what": what, "name": name, "works": works, "says": says, "mend": "" if works else mend}


def _runner(name: str, attempt: Callable[[], None], mend: str) -> Finding:
    try:
        attempt()
    except Exception as error:
        return _finding("runner", name, False, f"{type(error).__name__}: {error}", mend)
    return _finding("runner", name, True, "", mend)


def _sandbox() -> Finding:
    """Whether model-written Python can be run, isolated: a box is made, and the ways out of it are tried."""
    from yisang.sandbox import SandboxUnavailable
    from yisang.sandbox.probes import escapes

    mend = "do not run model-written code on this machine, and report this"
    try:
        says = "; ".join(escapes())
    except SandboxUnavailable as error:
        says, mend = error.reason, error.mend
    return _finding("sandbox", "bubblewrap", not says, says, mend)


def _try_local() -> None:
    from yisang.pipelines.runners import datatrove

    assert datatrove.run is not None


def _try_beam() -> None:
    from yisang.pipelines.runners.beam import smoke_test

    smoke_test()


def findings_text(findings: list[Finding]) -> str:
    """One line for each finding."""
    lines = []
    for item in findings:
        state = "works" if item["works"] else "does not work"
        says = f" ({item['says']})" if item["says"] else ""
        mend = f"\n        mend: {item['mend']}" if item["mend"] else ""
        lines.append(f"{item['what']:7} {item['name']:13} {state}{says}{mend}")
    return "\n".join(lines)
