"""What an engine does with a plan: for each phase, plan its shards, run each in any order and anywhere, commit it.

The three functions are idempotent, so an engine may call them again after a kill, or twice (a retried bundle). They
work on the run folder alone; nothing passes through the engine but numbers.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import msgspec
import pyarrow.parquet as pq

from yisang.errors import UsageError, YisangError
from yisang.pipelines.boundary import Boundary, Manifest, Part, ShardCommit, ShardWriter
from yisang.pipelines.chain import dead_letter
from yisang.pipelines.compile import Plan
from yisang.pipelines.groups import bucket_of
from yisang.pipelines.phases import Inputs, Phase, Setting, Work
from yisang.storage import Folder

WORK = "work"
"""Folder of a run for heartbeats and failures; it goes away when the run ends."""


class ShardPlan(msgspec.Struct, frozen=True):
    """The shards of a phase, written before the first of them runs and read by all."""

    works: tuple[Work, ...]
    buckets: int


class Failure(msgspec.Struct, frozen=True):
    """Why a shard failed, written where the command can read it: engines pass exceptions on in their own ways."""

    phase: str
    message: str
    exit_code: int
    traceback: str


class Heartbeat(msgspec.Struct, frozen=True):
    """Which process works on a shard, how far it is, and what its phase has noted (`ShardWriter.note`). over: the shard has ended,
    and its note is the last one."""

    phase: int
    shard: int
    pid: int
    read: int
    rows: int | None
    note: msgspec.Raw = msgspec.Raw(b"null")
    host: str = ""
    over: bool = False


@dataclass(frozen=True)
class Job:
    """A plan in a run folder."""

    plan: Plan
    setting: Setting

    def payload(self) -> bytes:
        """The job as bytes. Engines carry these, as each of them pickles in another way.

        Raises UsageError naming the step that cannot travel to a worker.
        """
        for name, part in _parts(self.plan):
            try:
                pickle.loads(cloudpickle.dumps(part))
            except Exception as error:
                raise UsageError(
                    f"Step {name} cannot be sent to a worker: {type(error).__name__}: {error}. Open files, locks and "
                    "connections must be made inside the call, not held by the step."
                ) from error
        return cloudpickle.dumps(self)

    def boundary(self, number: int) -> Boundary:
        return Boundary(Folder(self.setting.out), self.plan.phases[number].name)

    def inputs(self, phase: Phase) -> Inputs:
        boundaries = tuple(self.boundary(number) for number in phase.reads)
        manifests = []
        for boundary in boundaries:
            manifest = boundary.manifest()
            if manifest is None:
                raise YisangError(f"{boundary.folder.address} is not finished, though {phase.label} reads it.")
            manifests.append(manifest)
        return Inputs(boundaries, tuple(manifests))


def _parts(plan: Plan) -> Iterator[tuple[str, Any]]:
    """What travels to workers, in the smallest parts that have a name."""
    for phase in plan.phases:
        for step in (*getattr(phase, "steps", ()), getattr(phase, "group", None)):
            if step is not None:
                yield step.name, step
        yield (phase.accounts_for[-1] if phase.accounts_for else phase.label), phase


@functools.lru_cache(2)
def load_job(payload: bytes) -> Job:
    """The job of a payload; a worker that runs many shards unpickles it once."""
    job = pickle.loads(payload)
    assert isinstance(job, Job)
    return job


@functools.lru_cache(4)
def _prepared(payload: bytes, number: int) -> tuple[Inputs, ShardPlan]:
    job = load_job(payload)
    data = job.boundary(number).folder.read_bytes("plan.json")
    return job.inputs(job.plan.phases[number]), msgspec.json.decode(data, type=ShardPlan)


def plan_shards(payload: bytes, number: int) -> list[int]:
    """The shards of phase `number` that are still to run; empty when it is finished."""
    job = load_job(payload)
    phase, boundary = job.plan.phases[number], job.boundary(number)
    if boundary.manifest() is not None:
        return []
    try:
        if boundary.folder.exists("plan.json"):
            plan = msgspec.json.decode(boundary.folder.read_bytes("plan.json"), type=ShardPlan)
        else:
            inputs = job.inputs(phase)
            plan = ShardPlan(tuple(phase.plan(inputs)), phase.buckets(inputs))
            boundary.folder.write_bytes("plan.json", msgspec.json.encode(plan))
    except Exception as error:
        _write_failure(job, phase.label, "plan", error)
        raise
    done = set(boundary.folder.names())
    return [work.index for work in plan.works if f"shard-{work.index:05d}.json" not in done]


def run_shard(payload: bytes, number: int, index: int) -> None:
    """Does one shard, unless it is done. A failure is written to the run folder and raised."""
    job = load_job(payload)
    phase, boundary = job.plan.phases[number], job.boundary(number)
    if boundary.commit_of(index) is not None:
        return
    try:
        inputs, plan = _prepared(payload, number)
        work = plan.works[index]
        with (
            ShardWriter(boundary, index, functools.partial(bucket_of, buckets=plan.buckets)) as out,
            _Heart(job, number, work, out),
        ):
            phase.run(work, inputs, out, job.setting)
            out.commit()
    except Exception as error:
        _write_failure(job, phase.label, f"shard {index}", error)
        raise


def commit_phase(payload: bytes, number: int) -> None:
    """Writes the manifest of a phase whose shards are all done; raises when too many of its records failed."""
    job = load_job(payload)
    phase, boundary = job.plan.phases[number], job.boundary(number)
    if boundary.manifest() is not None:
        return
    try:
        plan = msgspec.json.decode(boundary.folder.read_bytes("plan.json"), type=ShardPlan)
        commits: list[ShardCommit] = []
        for work in plan.works:
            commit = boundary.commit_of(work.index)
            if commit is None:
                raise YisangError(f"Shard {work.index} of {phase.label} did not finish. Run the same command again.")
            commits.append(commit)
        manifest = Manifest(phase.name, phase.digest, tuple(commits), plan.buckets)
        _check_dead_share(job, phase, boundary, manifest)
        boundary.commit(manifest)
    except Exception as error:
        _write_failure(job, phase.label, "commit", error)
        raise


def _check_dead_share(job: Job, phase: Phase, boundary: Boundary, manifest: Manifest) -> None:
    """Holds each step's dead letters against what entered that step."""
    if not manifest.rows("dead"):
        return
    died, dropped = (
        Counter(row["step"] for part in manifest.parts(role) for row in _rows(boundary, part, ["step"]))
        for role in ("dead", "drops")
    )
    taken = sum(shard.read for shard in manifest.shards)
    # A shuffle writes the dead letters of the keys of the group after it, whose books another phase keeps.
    for name in dict.fromkeys([*phase.accounts_for, *died]):
        born = sum(shard.born.get(name, 0) for shard in manifest.shards)
        held = taken + max(born, 0)  # a prompt with eight answers can fail eight times
        if died[name] > job.plan.max_dead * max(held, 1):
            break
        taken += born - dropped[name] - died[name]
    else:
        return
    columns = ["step", "id", "where", "error", "message"]
    letters = (row for part in manifest.parts("dead") for row in _rows(boundary, part, columns))
    first = next(row for row in letters if row["step"] == name)
    # What fails may be mended outside of the step's code (a missing package, a full memory): do these shards again.
    for shard in manifest.shards:
        if any(part.role == "dead" for part in shard.parts):
            boundary.set_aside(shard)
    place = f"record {first['id']}" if first["id"] else first["where"]
    message = first["message"].strip().rstrip(".")
    raise YisangError(
        f"Step {name} failed on {died[name]} of {held} records, more than the recipe's max_dead = {job.plan.max_dead:.2%}. "
        f"The first: {place}: {first['error']}: {message}. All of them, with tracebacks: yisang show {job.setting.out} "
        f"--dead {died[name]} --json. Mend the step and run the same command again, or raise max_dead."
    )


def _rows(boundary: Boundary, part: Part, columns: list[str]) -> list[dict[str, Any]]:
    with boundary.open(part) as file:
        rows: list[dict[str, Any]] = pq.read_table(file, columns=columns).to_pylist()
        return rows


def _write_failure(job: Job, label: str, what: str, error: Exception) -> None:
    letter = dead_letter(error)
    message = str(error) if isinstance(error, YisangError) else (
        f"{label}, {what}: {letter.error}: {letter.message} This is a fault of the engine or of yisang, not of a record; "
        f"the traceback is in {Folder(job.setting.out).address}/failure.json. The same command goes on from what is stored."
    )  # fmt: skip
    failure = Failure(label, message, getattr(error, "exit_code", 1), letter.traceback)
    try:
        Folder(job.setting.out).write_bytes("failure.json", msgspec.json.encode(failure))
    except (OSError, YisangError):
        return  # the disk may be what failed; the engine's own exception carries the message then


class _Heart:
    """Says in the run folder that this process works on a shard, and how far it is, until the block ends."""

    def __init__(self, job: Job, number: int, work: Work, out: ShardWriter):
        folder = Folder(job.setting.out)
        self._path = os.path.join(folder.root, WORK, f"{number}-{work.index}.json") if folder.local else ""
        self._number, self._work, self._out = number, work, out
        self._over = threading.Event()

    def __enter__(self) -> None:
        if self._path:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            self._write()
            self._thread = threading.Thread(target=self._beat, daemon=True)
            self._thread.start()

    def _write(self, over: bool = False) -> None:
        out = self._out
        read = out.read if out.through is None else out.through
        note = msgspec.Raw(msgspec.json.encode(out.note() if out.note is not None else None))
        beat = Heartbeat(
            self._number, self._work.index, os.getpid(), read, self._work.rows, note, os.uname().nodename, over
        )
        temporary = f"{self._path}.{os.getpid()}"
        with open(temporary, "wb") as file:
            file.write(msgspec.json.encode(beat))
        os.replace(temporary, self._path)

    def _beat(self) -> None:
        while not self._over.wait(0.5):
            try:
                self._write()
            except OSError:  # a full disk stops the shard's own writes, which say so
                return

    def __exit__(self, *failure: Any) -> None:
        if self._path:
            self._over.set()
            self._thread.join()
            with contextlib.suppress(OSError):  # it is told, no more; what failed is raised by the shard
                if self._out.note is not None:
                    self._write(over=True)
                    return
            Path(self._path).unlink(missing_ok=True)
