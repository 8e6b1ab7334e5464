"""The `nodes` runner: one run on several machines that share its folder. One leads, the others join.

    yisang run RECIPE --out DIR --on nodes      on one machine
    yisang join DIR                             on each of the others

The leader plans and commits the phases; all of them, the leader's machine too, take shards (`claims`). A machine may come
later and go at any time: what it had in hand is done by another, and what its teacher had answered is in the store.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import cloudpickle
import msgspec

from yisang.errors import Interrupt, Stopped, UsageError, YisangError
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.execution import WORK, Job, ShardPlan, commit_phase, load_job, plan_shards, run_shard
from yisang.pipelines.progress import WorkerDied
from yisang.pipelines.runners.claims import CLAIMS, LOOK, STALE, Lease, age_of, claim, clear
from yisang.processes import die_with_parent
from yisang.signals import stoppable
from yisang.storage import Folder

JOB, LEADER, OVER = "job", "leader", "over"
FINISHED = 60.0
"""Seconds that it waits beside a finished run."""
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
    (work / LEADER).write_text(secrets.token_hex(8))
    out.write_bytes(f"{WORK}/{JOB}", msgspec.msgpack.encode(_Job(os.getcwd(), portable(payload))))
    with contextlib.ExitStack() as closing:
        closing.enter_context(Lease(work / LEADER))
        member = closing.enter_context(_Member(out.root, workers)) if workers else None
        for number in range(phases):
            plan_shards(payload, number)
            while plan_shards(payload, number):
                if out.exists("failure.json"):
                    raise YisangError("A shard failed.")  # which failure.json tells of
                if member is not None:
                    member.keep()
                watch()
                time.sleep(LOOK)
            commit_phase(payload, number)
        (work / OVER).touch()
    clear(Path(out.path(CLAIMS)))


class _Job(msgspec.Struct, frozen=True):
    """What members need: where the leader stands, and its job as bytes."""

    folder: str
    payload: bytes


def portable(payload: bytes) -> bytes:
    """The job with paths that mean the same in any folder."""
    job = load_job(payload)
    local = {name: value for name in ("out", "answers") if (value := getattr(job.setting, name)) and "://" not in value}
    absolute = {name: os.path.abspath(value) for name, value in local.items()}
    # Which store is meant where none is named follows from the run's own folder.
    return cloudpickle.dumps(dataclasses.replace(job, setting=dataclasses.replace(job.setting, **absolute)))


class _Member:
    """This machine's own workers, in a process that ends with this one."""

    def __init__(self, out: str, workers: int):
        self._command = [sys.executable, "-m", "yisang.pipelines.runners.nodes", out, str(workers)]

    def __enter__(self) -> _Member:
        self._process = subprocess.Popen(self._command)
        return self

    def keep(self) -> None:
        """Starts them again where they have left in peace: they had not heard of this process for long, as it stood still."""
        code = self._process.poll()
        if code in (0, Stopped.exit_code):
            self._process = subprocess.Popen(self._command)
        elif code is not None:
            raise WorkerDied(
                f"The workers of this machine ended with {code}, likely for lack of memory. Run the same command again with fewer "
                "--workers; it goes on from what is stored."
            )

    def __exit__(self, *failure: object) -> None:
        self._process.terminate()
        self._process.wait()


def join(address: str, workers: int, *, start: float = START, say: Callable[[str], None] = lambda line: None) -> None:
    """Takes shards of a run until it ends. Raises YisangError when a shard fails or no leader is there.

    What the leader has written into the folder is unpickled: whoever may write there runs code here.
    """
    if workers < 1:
        raise UsageError(f"--workers is {workers}; it must be at least 1.")
    out = Folder(os.path.abspath(address) if "://" not in address else address)
    if not out.local:
        raise UsageError(f"Machines that work together need a folder that they all see as a path; {address} is none.")
    token = _await_leader(out, start, say)
    if not token:
        say(f"The run in {address} is finished.")
        return
    threading.Thread(target=_go_with_leader, args=(out, token), name="leader", daemon=True).start()
    if workers == 1:
        _work(out.root, 0, token)
        return
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_worker, args=(out.root, place, token)) for place in range(workers)]
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


def _failure(out: Folder) -> str:
    return str(msgspec.json.decode(out.read_bytes("failure.json"))["message"]) if out.exists("failure.json") else ""


def _await_leader(out: Folder, start: float, say: Callable[[str], None]) -> str:
    """The mark of the leader, once there is one; "" where there is none but a finished run."""
    begun = time.monotonic()
    told = False
    while True:
        token = _leader(out)
        if token and out.exists(f"{WORK}/{JOB}"):
            return token
        # A leader of a changed recipe may still be reading it, and leave the finished run until then.
        waited = time.monotonic() - begun
        if waited >= min(start, FINISHED) and out.exists("manifest.json"):
            return ""
        if waited >= start:
            raise UsageError(
                f"Nobody leads a run in {out.address}. Start it on one machine: yisang run RECIPE --out {out.address} --on nodes"
            )
        if not told and waited > 2:
            say(f"waiting for a run in {out.address}")
            told = True
        time.sleep(LOOK)


def _leader(out: Folder) -> str:
    """The mark of the leader that is there, "" where none is."""
    work = Path(out.path(WORK))
    if (work / OVER).exists():
        return ""
    age = age_of(work / LEADER)
    try:
        return (work / LEADER).read_text() if age is not None and age < STALE else ""
    except FileNotFoundError:
        return ""


def _go_with_leader(out: Folder, token: str) -> None:
    """Ends this process, as Ctrl-C would, where its leader is gone or has failed and has not said that the run is over."""
    while _leader(out) == token:
        time.sleep(LOOK)
    work = Path(out.path(WORK))
    if work.is_dir() and not (work / OVER).exists():
        os.kill(os.getpid(), signal.SIGTERM)


def _worker(root: str, place: int, token: str) -> NoReturn:
    die_with_parent()
    try:
        with stoppable():  # so that it gives its claim back
            _work(root, place, token)
    except Interrupt as interrupt:
        sys.exit(interrupt.error.exit_code)
    except YisangError as error:  # which failure.json tells of
        sys.exit(error.exit_code)
    sys.exit(0)


def _work(root: str, place: int, token: str) -> None:
    """The shards that come to one process; `place` is its number on its machine."""
    out = Folder(root)
    given = msgspec.msgpack.decode(out.read_bytes(f"{WORK}/{JOB}"), type=_Job)
    if os.path.isdir(given.folder):  # inputs may be named from there
        os.chdir(given.folder)
    payload = given.payload
    job = load_job(payload)
    for number, phase in enumerate(job.plan.phases):
        while job.boundary(number).manifest() is None:
            if _leader(out) != token or out.exists("failure.json"):
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
