"""The `ray` runner: a member of the run (`nodes`) on each machine of a Ray cluster, placed and started again by Ray.

So what a machine has (its GPUs, the servers of the teacher on them) is shared by the shards that it does, one behind the other. Only
this module imports Ray.
"""

from __future__ import annotations

import argparse
import logging
import os
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from yisang.errors import UsageError, YisangError
from yisang.pipelines.execution import load_job
from yisang.pipelines.runners.nodes import join, lead

RESTARTS = 3
_log = logging.getLogger(__name__)


def _member(out: str, workers: int) -> None:
    join(out, workers)


def run(payload: bytes, phases: int, *, workers: int, options: list[str], logs: str) -> None:
    """Runs all phases on the machines of a cluster, `workers` processes on each. The run folder must be one that they all see.

    options: --address=HOST:PORT of the cluster; without it the one that RAY_ADDRESS names, or a new one on this machine.
    """
    address = _options(options)
    ray.init(
        address=address,
        log_to_driver=False,
        configure_logging=False,
        include_dashboard=False if address is None else None,
    )
    try:
        out = os.path.abspath(load_job(payload).setting.out)
        machines: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        members = [_start(node, out, workers) for node in machines if node["Alive"]]
        if not members:
            raise UsageError("The Ray cluster has no machine that is alive.")

        def watch() -> None:
            ended, running = ray.wait(list(members), num_returns=len(members), timeout=0)
            for member in ended:
                try:
                    ray.get(member)
                except ray.exceptions.RayError as error:
                    _log.warning("A machine of the Ray cluster gave up: %s", error)
                    members.remove(member)
                    if not running:
                        raise YisangError(f"The last machine of the Ray cluster gave up: {error}") from error
            if not running:
                raise YisangError("All machines of the Ray cluster have ended their work, but shards are left.")

        lead(payload, phases, workers=0, watch=watch)
        ray.wait(members, num_returns=len(members), timeout=30)
    finally:
        ray.shutdown()


def _start(node: dict[str, Any], out: str, workers: int) -> Any:
    # All GPUs: Ray hides from a task those that it did not ask for.
    task = ray.remote(_member).options(
        num_cpus=0,
        num_gpus=node["Resources"].get("GPU", 0),
        max_retries=RESTARTS,
        retry_exceptions=False,
        scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
    )
    return task.remote(out, workers)


def _options(options: list[str]) -> str | None:
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("--address")
    try:
        found, unknown = parser.parse_known_args(options)
    except argparse.ArgumentError as error:
        raise UsageError(f"Ray's options {' '.join(options)} cannot be read: {error}.") from error
    if unknown:
        raise UsageError(f"The runner ray has no option {unknown[0]}. It takes --address=HOST:PORT.")
    return found.address
