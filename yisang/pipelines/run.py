"""A run: one recipe into one folder, by one writer, on one engine, from wherever an earlier run was stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import importlib.metadata
import os
import posixpath
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import msgspec

from yisang.errors import Interrupt, UsageError, YisangError
from yisang.pipelines.ahead import check_ahead
from yisang.pipelines.books import Books, make_books
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.compile import Plan, compile_recipe
from yisang.pipelines.execution import WORK, Failure, Job
from yisang.pipelines.identity import digest
from yisang.pipelines.phases import Setting
from yisang.pipelines.progress import Progress, WorkerDied
from yisang.pipelines.recipe import Loaded
from yisang.pipelines.runners import runner
from yisang.pipelines.runners.claims import CLAIMS, await_leavers, clear
from yisang.processes import die_with_parent
from yisang.records import SCHEMA_VERSION
from yisang.signals import stoppable
from yisang.sources.base import Source
from yisang.storage import Folder, StorageError, explained, read_json

PENDING = "purging"
"""Folder of a run with what a purge that is not over takes (`yisang.pipelines.purge_run`)."""


class RunManifest(msgspec.Struct, frozen=True):
    """The last file of a run: its presence means that the run is finished."""

    recipe: str
    version: str
    fingerprint: str
    phases: tuple[str, ...]
    schema: int = SCHEMA_VERSION

    @property
    def sink(self) -> str:
        return self.phases[-1]


def inputs_digest(sources: tuple[Source, ...], strict: bool) -> tuple[str, list[dict[str, Any]]]:
    """What the inputs are now: by path, size and modification mark, or with `strict` by name and the SHA-256 of their
    bytes, wherever they lie."""
    found: list[dict[str, Any]] = []
    known: list[dict[str, Any]] = []
    for source in sources:
        for item in source.inputs():
            own = {"source": source.name, "size": item.size}
            mark = {"sha256": _sha256(item.path)} if strict else {"mtime": item.mtime}
            found.append({**own, "path": item.path, **mark})
            # The name stays, since pages are known by the file and place that they were read from.
            where = posixpath.basename(item.path) if strict else item.path
            known.append({**own, "path": where, **mark})
    return digest(known), found


def _sha256(path: str) -> str:
    import fsspec

    with fsspec.open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_plan(loaded: Loaded, *, limit: int | None = None, strict: bool = False) -> tuple[Plan, list[dict[str, Any]]]:
    """The phases of a loaded recipe on its inputs as they are now."""
    if limit is not None and limit < 1:
        raise UsageError(f"--limit is {limit}; it must be at least 1 record.")
    known, inputs = inputs_digest(loaded.recipe.sources, strict)
    return compile_recipe(loaded.recipe, limit=limit, inputs_digest=known, strict=strict), inputs


def run_recipe(
    loaded: Loaded,
    setting: Setting,
    *,
    on: str = "local",
    workers: int = 1,
    limit: int | None = None,
    strict: bool = False,
    options: list[str] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Books:
    """Runs a recipe into `setting.out` and returns its books. What is stored there already is not done again."""
    if on == "local" and options:
        raise UsageError(f"The local runner takes no further options, but was given {' '.join(options)}.")
    plan, inputs, job = _prepared(loaded, setting, limit, strict)
    work = _Work(job, loaded, inputs, on, workers, options or [], say)
    check_ahead(plan.phases, work.boundaries, setting)
    out = _open_folder(setting.out)
    with lock(out):
        if out.local:
            await_leavers(Path(out.path(CLAIMS)), say)
        out.remove_unfinished()
        finished = read_manifest(out)
        whole = all(
            boundary.manifest() is not None or not phase.stored
            for phase, boundary in zip(plan.phases, work.boundaries, strict=True)
        )
        if finished is not None and finished.fingerprint == plan.fingerprint and out.exists("books.json") and whole:
            for boundary in work.boundaries:
                for shard in boundary.so_far().shards:
                    for part in shard.parts:
                        boundary.check(part)
            say("Everything is done already; nothing in the recipe, its code or its inputs has changed.")
            return read_books(out)
        work.do(out, len(plan.phases))
        books = make_books(plan, work.boundaries)
        out.write_bytes("books.json", msgspec.json.format(msgspec.json.encode(books)))
        _prune(out, plan)
        manifest = RunManifest(plan.recipe, plan.version, plan.fingerprint, tuple(phase.name for phase in plan.phases))
        out.write_bytes("manifest.json", msgspec.json.format(msgspec.json.encode(manifest)))
        return books


def run_before(
    loaded: Loaded,
    setting: Setting,
    number: int,
    *,
    workers: int = 1,
    limit: int | None = None,
    strict: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Runs, on this machine, what stands before phase `number` of the plan; a later run goes on from there."""
    plan, inputs, job = _prepared(loaded, setting, limit, strict)
    work = _Work(job, loaded, inputs, "local", workers, [], say)
    out = _open_folder(setting.out)
    with lock(out):
        if all(work.boundaries[read].manifest() is not None for read in plan.phases[number].reads):
            return
        finished = read_manifest(out)
        if finished is not None and finished.fingerprint != plan.fingerprint:
            raise UsageError(
                f"{out.address} holds a finished run of {finished.recipe} {finished.version} as it was before its last change. "
                "Choose a new folder with --out, so that it stays what it is."
            )
        out.remove_unfinished()
        check_ahead(plan.phases[:number], work.boundaries[:number], setting)
        work.do(out, number)


def check_recipe(loaded: Loaded, setting: Setting, *, limit: int | None = None, strict: bool = False) -> None:
    """Raises UsageError for a recipe that cannot be sent to workers, before it is given to a cluster."""
    plan, _, job = _prepared(loaded, setting, limit, strict)
    job.payload()
    check_ahead(plan.phases, [job.boundary(number) for number in range(len(plan.phases))], setting)


def _prepared(
    loaded: Loaded, setting: Setting, limit: int | None, strict: bool
) -> tuple[Plan, list[dict[str, Any]], Job]:
    if loaded.local:
        cloudpickle.register_pickle_by_value(loaded.module)
    plan, inputs = make_plan(loaded, limit=limit, strict=strict)
    return plan, inputs, Job(plan, setting)


class _Work:
    """Phases of a plan, done by an engine in a locked folder."""

    def __init__(
        self,
        job: Job,
        loaded: Loaded,
        inputs: list[dict[str, Any]],
        on: str,
        workers: int,
        options: list[str],
        say: Callable[[str], None],
    ):
        self._engine = runner(on)
        if workers < 1:
            raise UsageError(f"--workers is {workers}; it must be at least 1.")
        self._job, self._loaded, self._inputs = job, loaded, inputs
        self._on, self._workers, self._options, self._say = on, workers, options, say
        self._payload = job.payload()
        self.boundaries = [job.boundary(number) for number in range(len(job.plan.phases))]

    def do(self, out: Folder, phases: int) -> None:
        """The first `phases` phases, from wherever an earlier run was stopped."""
        plan, say = self._job.plan, self._say
        for name in ("manifest.json", "books.json", "failure.json", WORK):
            out.remove(name)
        described = describe(self._loaded, plan, self._inputs)
        out.write_bytes("recipe.json", msgspec.json.format(msgspec.json.encode(described)))
        _say_restart(plan, self.boundaries, say)
        with stoppable(), _children_die_with_us(), _scratch() as logs:
            progress = Progress(out, plan, self.boundaries, self._job.setting, say)
            try:
                with progress:
                    self._engine(self._payload, phases, workers=self._workers, options=self._options, logs=logs)
            except Interrupt as interrupt:
                raise interrupt.error from None
            except Exception as error:
                interrupt_ = next((cause for cause in _causes(error) if isinstance(cause, Interrupt)), None)
                if interrupt_ is not None:  # an engine that is torn down at a signal fails in ways of its own
                    raise interrupt_.error from error
                raise _failure(out, self._on, error, progress) from error
        if out.local:
            clear(Path(out.path(WORK)))
        out.remove("failure.json")  # of a bundle that an engine has tried again


def _scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder for an engine's logs. That it cannot be cleaned up must not hide why the run failed."""
    return tempfile.TemporaryDirectory(prefix="yisang-", ignore_cleanup_errors=True)


def describe(loaded: Loaded, plan: Plan, inputs: list[dict[str, Any]]) -> dict[str, Any]:
    """The resolved recipe, as it is stored beside what it made."""
    return {
        "recipe": plan.recipe,
        "version": plan.version,
        "why": (loaded.module.__doc__ or "").strip(),
        "fingerprint": plan.fingerprint,
        "schema": SCHEMA_VERSION,
        "yisang": importlib.metadata.version("yisang"),
        "revision": _revision(loaded.path.parent),
        "sink": dataclasses.asdict(loaded.recipe.sink),
        "expected": [dataclasses.asdict(item) for item in loaded.recipe.expected],
        "inputs": inputs,
        "phases": [
            {"name": phase.name, "steps": phase.accounts_for, "stored": phase.stored, "parameters": phase.parameters()}
            for phase in plan.phases
        ],
    }


def _revision(folder: Path) -> str:
    """The git revision of the recipe's folder, with a mark where it has uncommitted changes; "" outside of git."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def read_manifest(out: Folder) -> RunManifest | None:
    """The run's manifest, None while it is not finished."""
    if not out.exists("manifest.json"):
        return None
    manifest = read_json(out, "manifest.json", RunManifest)
    if manifest.schema != SCHEMA_VERSION:
        raise UsageError(
            f"{out.address} was written with schema {manifest.schema}, this yisang reads {SCHEMA_VERSION}. Choose a new folder "
            "with --out, or use the version of yisang that wrote it."
        )
    return manifest


def read_books(out: Folder) -> Books:
    return read_json(out, "books.json", Books)


def open_run(address: str) -> tuple[Folder, RunManifest]:
    """A finished run. Raises UsageError for anything else, saying what it is."""
    out = Folder(address)
    manifest = read_manifest(out)
    if manifest is None:
        state = (
            "is not finished" if out.exists("recipe.json") else "is no run folder" if out.exists() else "does not exist"
        )
        raise UsageError(f"{address} {state}. Run a recipe to its end first: yisang run RECIPE --out {address}")
    return out, manifest


def _open_folder(address: str) -> Folder:
    if not address.strip():
        raise UsageError("The run folder has no name. Name a folder with --out.")
    out = Folder(address)
    try:
        out.fs.makedirs(out.root, exist_ok=True)
        if out.local:
            with tempfile.TemporaryFile(dir=out.root):
                pass
    except OSError as error:
        raise UsageError(
            f"Cannot write to {address}: {error.strerror or error}. Choose another folder with --out."
        ) from error
    # The folder of a Slurm job's script and log is there before the run is.
    if set(out.names()) - {"slurm"} and not (out.exists("recipe.json") or out.exists("lock")):
        raise UsageError(f"{address} holds other files and no run. Choose a new or empty folder with --out.")
    if out.exists(PENDING):
        raise UsageError(
            f"A purge of {address} was stopped half-way. Run that `yisang purge` again first: it goes on from there."
        )
    return out


_HELD: set[str] = set()
"""The local locks that this process holds."""


@contextlib.contextmanager
def lock(out: Folder) -> Iterator[None]:
    """One writer per run folder. A killed writer's lock goes with it (local), or must be removed by hand (stores)."""
    refusal = "Two runs must not write to one folder: wait for it, stop it, or choose another --out."
    if not out.local:
        if out.exists("lock"):
            holder = out.read_bytes("lock").decode()
            raise YisangError(
                f"{out.address} is being written by {holder}. {refusal} If that run was killed, remove {out.address}/lock."
            )
        out.write_bytes("lock", f"process {os.getpid()} on {os.uname().nodename}".encode())
        try:
            yield
        finally:
            out.remove("lock")
        return
    path = os.path.realpath(out.path("lock"))
    if path in _HELD:  # the system's lock is one per process, and threads are no strangers to each other
        raise YisangError(f"{out.address} is being written by this very process. {refusal}")
    with open(path, "a+") as file:
        try:
            # A record lock: unlike flock it does not pass to processes that this one forks.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            raise YisangError(
                f"{out.address} is being written by {file.read().strip() or 'another process'}. {refusal}"
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {os.uname().nodename}")
        file.flush()
        _HELD.add(path)
        try:
            yield
        finally:
            _HELD.discard(path)
            file.truncate(0)


_dying_children: bool | None = None
"""None until the hook is there, which cannot be taken away again."""


@contextlib.contextmanager
def _children_die_with_us() -> Iterator[None]:
    """Processes that an engine forks from this one (datatrove's manager) end with it, also at SIGKILL."""
    global _dying_children
    if _dying_children is None:
        os.register_at_fork(after_in_child=_die_with_parent_now)
    _dying_children = True
    try:
        yield
    finally:
        _dying_children = False


def _die_with_parent_now() -> None:
    if _dying_children:
        die_with_parent()


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what it came of."""
    seen: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in seen:
        yield found
        seen.append(found)
        found = found.__cause__ or found.__context__


def _failure(out: Folder, on: str, error: Exception, progress: Progress) -> YisangError:
    """The failure that a shard wrote down, as the exception that it was; else what the engine itself raised."""
    if out.exists("failure.json"):
        failure = msgspec.json.decode(out.read_bytes("failure.json"), type=Failure)
        written = YisangError(failure.message)
        written.exit_code = failure.exit_code
        return written
    if isinstance(error, YisangError) and not isinstance(error, WorkerDied):
        return error
    if isinstance(error, OSError):
        try:
            with explained(out.address):
                raise error
        except StorageError as told:
            return told
        except OSError:
            pass  # of another kind: told below
    death = progress.death()
    if death is not None:
        return death
    if isinstance(error, WorkerDied):
        return error
    return YisangError(
        f"The {on} runner failed outside of any shard: {type(error).__name__}: {error}. What is finished is kept; the same "
        "command goes on from there."
    )


def _say_restart(plan: Plan, boundaries: list[Boundary], say: Callable[[str], None]) -> None:
    done = [
        phase.name for phase, boundary in zip(plan.phases, boundaries, strict=True) if boundary.manifest() is not None
    ]
    if done:
        say(f"{len(done)} of {len(plan.phases)} phases are stored already; going on after {done[-1]}.")


def _prune(out: Folder, plan: Plan) -> None:
    """Removes stored phases that no longer belong to the recipe, so that a run folder holds one run."""
    wanted = {phase.name for phase in plan.phases}
    for folder in (out, out / "drops", out / "dead"):
        for name in folder.names():
            if name[:2].isdigit() and name[2:3] == "-" and name not in wanted:
                folder.remove(name)
