"""A recipe: which corpus, from what, by which steps. A Python file with a docstring and `build() -> Recipe`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from yisang.errors import UsageError, YisangError
from yisang.pipelines.curate import Corpus
from yisang.pipelines.parameters import given_parameters
from yisang.pipelines.steps import Batch, Each, Group, Stage, Step
from yisang.sources.base import Source


@dataclass(frozen=True)
class Expected:
    """`count` records are left behind `step`, as `where` says (a section, a table, an earlier run); None where it prints no number.

    step: the name of a step, or "source" for what was read. of: what the count is a share of, as printed there. since: the step
    whose records are the whole of the share that is measured here; "" where counts alone can be compared. category: counts only the kept
    records of this one, whose whole are all that were kept; such a count is of the last step. note: what makes the two numbers differ by nature.
    """

    what: str
    step: str
    count: int | None
    where: str
    of: int | None = None
    since: str = ""
    category: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if (self.count is not None and self.count < 0) or (
            self.of is not None and (self.of <= 0 or self.count is None)
        ):
            raise UsageError(
                f"Expected {self.what}: count is {self.count} of {self.of}; counts are 0 or more, of more than 0."
            )
        if self.of is not None and not (self.since or self.category):
            raise UsageError(f"Expected {self.what}: a share (of={self.of}) needs since= or category=.")

    @property
    def share(self) -> float | None:
        return None if self.of is None or self.count is None else self.count / self.of


@dataclass(frozen=True)
class Recipe:
    """name, version: of the corpus. source: one or several. sink: what the kept records are published as.

    max_dead: the share of dead letters above which the run fails. expected: what a paper, or an earlier run, says is left behind a
    step; printed beside what was measured, and no part of what the run is.
    """

    name: str
    version: str
    source: Source | tuple[Source, ...]
    steps: tuple[Step, ...]
    sink: Corpus
    max_dead: float = 0.01
    expected: tuple[Expected, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(_with_unique_names(self.steps)))
        sources = self.source if isinstance(self.source, list | tuple) else (self.source,)
        object.__setattr__(self, "source", tuple(sources))
        if not sources:
            raise UsageError(f"Recipe {self.name} has no source. Name at least one in source=.")
        if not 0 <= self.max_dead <= 1:
            raise UsageError(f"Recipe {self.name}: max_dead is {self.max_dead}; it is a share between 0 and 1.")
        known = ["source", *(step.name for step in self.steps)]
        for item in self.expected:
            if unknown := [name for name in (item.step, item.since) if name and name not in known]:
                raise UsageError(
                    f"Recipe {self.name} expects something of step {unknown[0]!r}, which it does not have. It has {', '.join(known)}."
                )

    @property
    def sources(self) -> tuple[Source, ...]:
        assert isinstance(self.source, tuple)
        return self.source


def _with_unique_names(steps: tuple[Step, ...]) -> list[Step]:
    """The steps, a repeated name made unique by a number, as books and drops speak of steps by name."""
    import dataclasses

    named: list[Step] = []
    used = {"source"}
    for step in steps:
        if not isinstance(step, Each | Batch | Group | Stage):
            raise UsageError(
                f"{step!r} stands among the steps. Wrap a function in Each(...), Batch(...) or Group(...)."
            )
        name, number = step.name, 2
        while name in used:
            name, number = f"{step.name}-{number}", number + 1
        used.add(name)
        named.append(step if name == step.name else dataclasses.replace(step, name=name))
    return named


@dataclass(frozen=True)
class Loaded:
    """A recipe with the module that it came from."""

    recipe: Recipe
    module: ModuleType
    path: Path
    local: bool
    """True for a file outside any package: its functions travel to workers by value."""


def load(name: str, inputs: str | None = None, sets: Iterable[str] = (), **parameters: Any) -> Loaded:
    """Loads a recipe by file path, or a shipped one by name. `inputs` and other parameters are given to its `build`; sets are
    such as `key=value` of the command line.

    Raises UsageError when there is none, and YisangError with the line when its code fails.
    """
    path = Path(name)
    shipped = {item.stem: item for item in (Path(__file__).parent / "recipes").glob("*.py") if item.stem != "__init__"}
    if path.suffix != ".py" and name in shipped:
        module = importlib.import_module(f"yisang.pipelines.recipes.{name}")
        path, local = shipped[name], False
    elif path.is_file():
        module, local = _load_file(path), True
    else:
        raise UsageError(
            f"No recipe {name!r}. Give the path of a Python file with build() -> Recipe, "
            f"or one of the shipped: {', '.join(sorted(shipped)) or 'none'}."
        )
    build = getattr(module, "build", None)
    if build is None:
        raise UsageError(f"{path} has no function build(). A recipe file defines build() -> Recipe.")
    taken = inspect.signature(build).parameters
    if inputs is not None and "inputs" not in taken:
        raise UsageError(f"{path}: build() takes no parameter `inputs`, so --inputs has nothing to set.")
    if unknown := sorted(set(parameters) - set(taken)):
        raise UsageError(f"{path}: build() takes no parameter `{unknown[0]}`; it takes {', '.join(taken) or 'none'}.")
    parameters |= given_parameters(build, sets, str(path)) | ({} if inputs is None else {"inputs": inputs})
    variadic = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    needed = [name for name, item in taken.items() if item.default is item.empty and item.kind not in variadic]
    if lacking := [name for name in needed if name not in parameters]:
        raise UsageError(f"{path}: build() needs `{lacking[0]}`. Give it with --set {lacking[0]}=VALUE.")
    try:
        recipe = build(**parameters)
    except YisangError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(_explain(path, error)) from error
    if not isinstance(recipe, Recipe):
        raise UsageError(f"{path}: build() returned {type(recipe).__name__}, not a Recipe.")
    return Loaded(recipe, module, path, local)


def _load_file(path: Path) -> ModuleType:
    # The name stands in step identities, so it holds no folder: a clone elsewhere has the same identities.
    module_name = f"recipe_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path.resolve())
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be imported as Python. A recipe is a .py file.")
    # Modules beside the recipe can be imported by it, here and in worker processes (they get the environment).
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), folder)))
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except YisangError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(_explain(path, error)) from error
    return module


def _explain(path: Path, error: BaseException) -> str:
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).resolve() == path.resolve():
            line = trace.tb_lineno
        trace = trace.tb_next
    place = f"{path}, line {line}" if line else str(path)
    return (
        f"The recipe does not load: {place}: {type(error).__name__}: {error}. Mend that line and run the command again."
    )
