"""Against what a run was decontaminated, how, and what each benchmark removed: read from the run's files, for its data card."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from yisang.errors import YisangError
from yisang.pipelines.boundary import Boundary
from yisang.storage import Folder

_NEEDED = {"benchmarks", "passes", "n", "raw_n", "analyser"}
"""Constants that tell a pass that reads benchmarks from all others."""


@dataclass
class Decontamination:
    """A step that removes what a benchmark has. constants: as they were when the run was made; removed: records by benchmark and pass (""
    for all of them), as the stage's table of that name; read, all_removed: of the step."""

    step: str
    constants: dict[str, Any]
    removed: list[dict[str, Any]] = field(default_factory=list)
    read: int = 0
    all_removed: int = 0


def decontaminations(out: Folder) -> list[Decontamination]:
    """The decontaminating steps of a finished run, in their order.

    Raises YisangError where a step has left no counts, as the card would have to guess them.
    """
    stored: dict[str, Any] = json.loads(out.read_bytes("recipe.json"))
    found: list[Decontamination] = []
    for phase in stored["phases"]:
        constants = _constants(phase["parameters"])
        if constants.keys() >= _NEEDED:
            found.append(Decontamination(constants["step"], constants))
        elif found and constants.get("step") == found[-1].step:
            last = found[-1]
            last.constants = {**last.constants, **constants}
            tables = [Boundary(out, phase["name"]).table(role) for role in ("total", "removed")]
            if all(table is not None for table in tables):
                ((total,), last.removed) = (table.to_pylist() for table in tables if table is not None)
                last.read, last.all_removed = total["read"], total["removed"]
    if missing := [one.step for one in found if not one.removed]:
        raise YisangError(
            f"{out.address}: step {missing[0]} has not left what each benchmark removed, so the data card cannot say it. Run the "
            "recipe again: what is stored is used, what is missing is made."
        )
    return found


def _constants(parameters: Any) -> dict[str, Any]:
    """Those of the step that a phase belongs to, and the step's name; empty where it names none."""
    first = parameters[0] if isinstance(parameters, list) and parameters else None
    if not isinstance(first, dict) or not isinstance(first.get("fields"), dict) or "step" not in first:
        return {}
    return {**first["fields"], "step": first["step"]}
