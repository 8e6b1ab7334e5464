"""The `nodes` runner: one run on several machines that share its folder. One leads, the others join.

    yisang run RECIPE --out DIR --on nodes      on one machine
    yisang join DIR                             on each of the others

The leader plans and commits the phases; all of them, the leader's machine too, take shards (`claims`). A machine may come
later and go at any time: what it had in hand is done by another, and what its teacher had answered is in the store.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import msgspec

from yisang.errors import Interrupt, UsageError, YisangError
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.execution import WORK, Job, ShardPlan, commit_phase, load_job, plan_shards, run_shard
from yisang.pipelines.progress import WorkerDied
from yisang.pipelines.runners.claims import CLAIMS, LOOK, STALE, Lease, age_of, claim, clear
from yisang.processes import die_with_parent
from yisang.signals import stoppable
from yisang.storage import Folder

JOB, LEADER, OVER = "job", "leader", "over"
START = 600.0
"""Seconds that a machine waits for its leader, which may still be reading its recipe."""


def run(payload: bytes, phases: int, *, workers: int, options: list[str], logs: str) -> None:
    """Leads: plans and commits all phases, with `workers` processes of this machine and all that join."""
    if options:
        raise UsageError(f"The runner nodes takes no further options, but was given {' '.join(options)}.")
    lead(payload, phases, workers=workers)


def lead(payload: bytes, phases: int, *, workers: int, watch: Callable[[], None] = lambda: None) -> None:
    """workers: processes of this machine that take shards; 0 for none. watch: called now and again; it raises where nobody is
    left to take any."""
    out = Folder(load_job(payload).setting.out)
    if not out.local:
        raise UsageError(
            f"Machines that work together need a folder that they all see as a path; {out.address} is none."
        )
    work = Path(out.path(WORK))
    work.mkdir(parents=True, exist_ok=True)
    (work / LEADER).touch()
    out.write_bytes(f"{WORK}/{JOB}", payload)
    with contextlib.ExitStack() as closing:
        closing.enter_context(Lease(work / LEADER))
        member = _member(out.root, workers, closing) if workers else None
        for number in range(phases):
            plan_shards(payload, number)
            while plan_shards(payload, number):
                if out.exists("failure.json"):
                    raise YisangError("A shard failed.")  # which failure.json tells of
                if member is not None and member.poll() not in (None, 0):
                    raise WorkerDied(
                        f"The workers of this machine ended with {member.returncode}, likely for lack of memory. Run the same command "
                        "again with fewer --workers; it goes on from what is stored."
                    )
                watch()
                time.sleep(LOOK)
            commit_phase(payload, number)
        (work / OVER).touch()
    clear(Path(out.path(CLAIMS)))


def _member(out: str, workers: int, closing: contextlib.ExitStack) -> subprocess.Popen[bytes]:
    """This machine's own workers, in a process that ends with this one."""
    command = [sys.executable, "-m", "yisang.pipelines.runners.nodes", out, str(workers)]
    process = subprocess.Popen(command)
    closing.callback(process.wait)
    closing.callback(process.terminate)
    return process


def join(address: str, workers: int, *, start: float = START) -> None:
    """Takes shards of a run until it ends. Raises YisangError when a shard fails or no leader is there."""
    if workers < 1:
        raise UsageError(f"--workers is {workers}; it must be at least 1.")
    out = Folder(address)
    if not out.local:
        raise UsageError(f"Machines that work together need a folder that they all see as a path; {address} is none.")
    _await_job(out, start)
    threading.Thread(target=_go_with_leader, args=(out,), name="leader", daemon=True).start()
    if workers == 1:
        _work(out.root, 0)
        return
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_worker, args=(out.root, place)) for place in range(workers)]
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.join()
    finally:
        for process in processes:
            if process.is_alive():
                process.terminate()
                process.join()
    failed = next((process.exitcode for process in processes if process.exitcode), 0)
    if failed:
        told = (
            _failure(out)
            or f"A worker ended with {failed}, likely for lack of memory. Join again with fewer --workers."
        )
        raise YisangError(told)


def _go_with_leader(out: Folder) -> None:
    """Ends this process, as Ctrl-C would, where its leader is gone or has failed and has not said that the run is over."""
    while _led(out):
        time.sleep(LOOK)
    work = Path(out.path(WORK))
    if work.is_dir() and not (work / OVER).exists():
        os.kill(os.getpid(), signal.SIGTERM)


def _worker(root: str, place: int) -> NoReturn:
    die_with_parent()
    try:
        with stoppable():  # so that it gives its claim back
            _work(root, place)
    except Interrupt as interrupt:
        sys.exit(interrupt.error.exit_code)
    except YisangError as error:  # which failure.json tells of
        sys.exit(error.exit_code)
    sys.exit(0)


def _failure(out: Folder) -> str:
    return str(msgspec.json.decode(out.read_bytes("failure.json"))["message"]) if out.exists("failure.json") else ""


def _await_job(out: Folder, start: float) -> None:
    begun = time.monotonic()
    while not (out.exists(f"{WORK}/{JOB}") and _led(out)):
        if out.exists("manifest.json"):
            raise UsageError(f"{out.address} holds a finished run, so there is nothing to join.")
        if time.monotonic() - begun > start:
            raise UsageError(
                f"Nobody leads a run in {out.address}. Start it on one machine: yisang run RECIPE --out {out.address} --on nodes"
            )
        time.sleep(LOOK)


def _led(out: Folder) -> bool:
    work = Path(out.path(WORK))
    if not work.is_dir() or (work / OVER).exists():
        return False
    age = age_of(work / LEADER)
    return age is not None and age < STALE


def _work(root: str, place: int) -> None:
    """The shards that come to one process; `place` is its number on its machine."""
    out = Folder(root)
    payload = out.read_bytes(f"{WORK}/{JOB}")
    job = load_job(payload)
    for number, phase in enumerate(job.plan.phases):
        while job.boundary(number).manifest() is None:
            if not _led(out) or out.exists("failure.json"):
                return
            # What wants the machine for itself is left to its first process.
            alone = phase.alone(job.setting)
            if not (place and alone) and _one_shard(payload, job, number):
                continue
            time.sleep(LOOK)


def _one_shard(payload: bytes, job: Job, number: int) -> bool:
    """Does a shard that nobody has done or does. False where there is none."""
    boundary = job.boundary(number)
    if not boundary.folder.exists("plan.json"):
        return False
    plan = msgspec.json.decode(boundary.folder.read_bytes("plan.json"), type=ShardPlan)
    claims = Path(Folder(job.setting.out).path(CLAIMS))
    for work in plan.works:
        if _done(boundary, work.index):
            continue
        lease = claim(claims, f"{number}-{work.index}")
        if lease is None:
            continue
        with lease:
            if not _done(boundary, work.index):
                run_shard(payload, number, work.index)
        return True
    return False


def _done(boundary: Boundary, index: int) -> bool:
    return boundary.folder.exists(f"shard-{index:05d}.json")


def main(arguments: list[str]) -> int:
    """The leader's own machine: nodes.py FOLDER WORKERS."""
    die_with_parent()
    root, workers = arguments
    try:
        with stoppable():
            join(root, int(workers))
    except Interrupt as interrupt:
        return interrupt.error.exit_code
    except YisangError as error:
        return 0 if Folder(root).exists("failure.json") else error.exit_code  # the leader tells of it
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
