"""Engines that run a plan. Each calls plan_shards, run_shard and commit_phase of yisang.pipelines.execution."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

from yisang.errors import UsageError


def _local(payload: bytes, phases: int, **settings: Any) -> None:
    from yisang.pipelines.runners.datatrove import run

    run(payload, phases, **settings)


def _beam(payload: bytes, phases: int, **settings: Any) -> None:
    from yisang.pipelines.runners.beam import run

    run(payload, phases, **settings)


def _nodes(payload: bytes, phases: int, **settings: Any) -> None:
    from yisang.pipelines.runners.nodes import run

    run(payload, phases, **settings)


def _ray(payload: bytes, phases: int, **settings: Any) -> None:
    if importlib.util.find_spec("ray") is None:
        raise UsageError("Ray is not installed. pip install 'yisang[ray]'")
    from yisang.pipelines.runners.ray import run

    run(payload, phases, **settings)


RUNNERS: dict[str, Callable[..., None]] = {"local": _local, "beam": _beam, "nodes": _nodes, "ray": _ray}
"""By name: run(payload, phases, workers=, options=, logs=)."""


def runner(name: str) -> Callable[..., None]:
    if name not in RUNNERS:
        raise UsageError(
            f"No runner {name!r}. --on takes one of: {', '.join(sorted(RUNNERS))}, and for yisang run slurm."
        )
    return RUNNERS[name]
