"""What the tests of the pipeline core share: a source, an accountant, an engine of three lines, and a command."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from yisang.pipelines.books import Books, make_books
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.compile import Plan, compile_recipe
from yisang.pipelines.curate import Corpus
from yisang.pipelines.execution import Job, commit_phase, plan_shards, run_shard
from yisang.pipelines.phases import Setting
from yisang.pipelines.recipe import Loaded, Recipe
from yisang.pipelines.run import open_run, run_recipe
from yisang.pipelines.steps import Step
from yisang.records import Dead, Drop, Licence, Prompt, Record, content_id
from yisang.sources.base import InputFile, PassedOver, Shard, SourceItem
from yisang.storage import Folder

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
LICENCE = Licence(id="CC0-1.0", letter="A", evidence="written for the tests")
MARK = "YISANG_TEST_MARK"


def prompt(name: str, **fields: Any) -> Prompt:
    """A prompt whose id and text are its name, so that tests can speak of it."""
    return Prompt(**{"id": name, "text": name, "language": "en", "licence": LICENCE, **fields})


@dataclass(frozen=True)
class Given:
    """A source of the items that a test gives it."""

    items: tuple[Any, ...]
    counted: int | None = None
    name: str = "given"

    def shards(self) -> list[Shard]:
        return [Shard("memory")]

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        yield from self.items

    def count(self, shard: Shard) -> int | None:
        return self.counted

    def inputs(self) -> list[InputFile]:
        return []

    def identity(self) -> Any:
        return [self.name, [str(item) for item in self.items], self.counted]


@dataclass(frozen=True)
class Texts:
    """A source of `rows` prompts in each of `files` shards."""

    rows: int
    files: int = 1
    name: str = "texts"

    def shards(self) -> list[Shard]:
        return [Shard(str(number)) for number in range(self.files)]

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        for number in range(self.rows):
            text = f"{shard.path}-{number}"
            yield Prompt(id=content_id(text), text=text, language="en", licence=LICENCE, category=f"c{number % 3}")
        yield PassedOver("blank line", 1)

    def count(self, shard: Shard) -> int | None:
        return self.rows

    def inputs(self) -> list[InputFile]:
        return []


@dataclass
class Ledger:
    """What a chain reports."""

    drops: list[tuple[str, str, str]] = field(default_factory=list)
    deaths: list[tuple[str, str, Dead]] = field(default_factory=list)
    born_in: Counter[str] = field(default_factory=Counter)

    def drop(self, step: str, record: Record, drop: Drop) -> None:
        self.drops.append((step, record.id, drop.reason))

    def dead(self, step: str, record: Record, dead: Dead) -> None:
        self.deaths.append((step, record.id, dead))

    def born(self, step: str, count: int) -> None:
        self.born_in[step] += count


def recipe(source: Any, *steps: Step, max_dead: float = 1.0) -> Recipe:
    return Recipe("test", "1", source, steps, Corpus("Test", "en"), max_dead)


def loaded(what: Recipe) -> Loaded:
    return Loaded(what, ModuleType("no_module"), Path("nowhere.py"), local=False)


def run_of(tmp_path: Path, name: str, *steps: Step, items: tuple[Any, ...] = ()) -> str:
    """The address of a finished run of these steps on `items`, or on four prompts."""
    given = Given(items or tuple(prompt(f"p{number}") for number in range(4)))
    run_recipe(loaded(recipe(given, *steps)), Setting(out=str(tmp_path / name)))
    return str(tmp_path / name)


def here(payload: bytes, phases: int, **settings: Any) -> None:
    """The smallest engine: every shard in this process, one after the other."""
    for number in range(phases):
        for shard in plan_shards(payload, number):
            run_shard(payload, number, shard)
        commit_phase(payload, number)


@dataclass(frozen=True)
class Result:
    """What a recipe left: its books, its kept records, its drops and its dead letters."""

    books: Books
    kept: list[Record]
    drops: list[dict[str, Any]]
    dead: list[dict[str, Any]]

    def step(self, name: str) -> dict[str, Any]:
        """The line of a step in the books, as it stands in books.json."""
        lines = msgspec.to_builtins(self.books)["steps"]
        return next(line for line in lines if line["name"] == name)

    @property
    def texts(self) -> list[str]:
        return [record.text_for_reading for record in self.kept]


def result_of(plan: Plan, boundaries: list[Boundary], books: Books) -> Result:
    rows: dict[str, list[dict[str, Any]]] = {"drops": [], "dead": []}
    for role, found in rows.items():
        for boundary in boundaries:
            table = boundary.table(role)
            found += table.to_pylist() if table is not None else []
    return Result(books, list(boundaries[-1].all_records()), rows["drops"], rows["dead"])


def run_here(what: Recipe, out: Path) -> Result:
    """Runs a recipe in this process and checks that its books balance, step by step."""
    plan = compile_recipe(what)
    job = Job(plan, Setting(out=str(out)))
    here(job.payload(), len(plan.phases))
    boundaries = [job.boundary(number) for number in range(len(plan.phases))]
    books = make_books(plan, boundaries)
    check_balance(books)
    return result_of(plan, boundaries, books)


def check_balance(books: Books) -> None:
    """in + born = kept + dropped + dead, and what a step keeps is what the next one takes."""
    flowing = None
    for step in books.steps:
        assert step.taken + step.born == step.kept + sum(step.dropped.values()) + step.dead, step
        assert flowing in (None, step.taken), step
        assert sum(step.dropped.values()) == sum(step.dropped_by_category.values()), step
        assert sum(step.dropped.values()) == sum(step.dropped_by_licence.values()), step
        flowing = step.kept
    assert books.kept == flowing


def kept_records(out: Path) -> list[bytes]:
    """Every kept record of a finished run, whole, as sorted bytes: equal lists mean equal multisets."""
    folder, manifest = open_run(str(out))
    return sorted(
        msgspec.json.encode(record, order="deterministic") for record in Boundary(folder, manifest.sink).all_records()
    )


def left_behind(out: Path) -> list[tuple[str, ...]]:
    """Every drop and dead letter of a finished run but for tracebacks, sorted."""
    folder, manifest = open_run(str(out))
    found = []
    for name in manifest.phases:
        for role in ("drops", "dead"):
            table = Boundary(folder, name).table(role)
            for row in table.to_pylist() if table is not None else []:
                row.pop("traceback", None)
                found.append((role, *(f"{key}={value}" for key, value in sorted(row.items()))))
    return sorted(found)


def until(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """Waits for a condition and returns what it gave; fails with `what` when it never comes."""
    looks = threading.Event()
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain: {what}")
        looks.wait(0.01)
    return found


def doing(pid: int) -> str:
    """What a process was started as, its state and where in the kernel it waits, as far as can be read."""
    said = []
    for name in ("cmdline", "stat", "wchan"):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/{name}").read_text()
            said.append(text.rsplit(")", 1)[1].split()[0] if name == "stat" else text.replace("\0", " ")[-200:])
    return ", ".join(said)


@dataclass
class Command:
    """`yisang run` in a process group of its own, with all that it starts."""

    process: subprocess.Popen[str]
    mark: str
    out: Path

    def processes(self) -> list[int]:
        """This command and all its descendants that still run: they inherited its environment."""
        found = []
        wanted = f"{MARK}={self.mark}".encode()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):  # it ended while we looked
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
                if state not in "ZX" and wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return found

    def others(self) -> list[int]:
        return [pid for pid in self.processes() if pid != self.process.pid]

    def wait(self, seconds: float = 90.0) -> tuple[int, str]:
        """The exit code and all that was said. A command that hangs fails the test, and is ended."""
        try:
            said, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.end()
            said, _ = self.process.communicate()
            raise AssertionError(f"the command hung for {seconds:g} s; it had said:\n{said}") from None
        return self.process.returncode, said

    def end(self) -> None:
        """Ends the command and its descendants, whatever state they are in."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def all_gone(self) -> None:
        with contextlib.suppress(AssertionError):
            until(lambda: not self.processes(), "the end of all processes")
        left = {pid: doing(pid) for pid in self.processes()}
        assert not left, f"processes of the run are left: {left}"

    def commits(self) -> int:
        return sum(1 for _ in self.out.glob("[0-9]*/shard-*.json"))

    def heartbeats(self) -> list[dict[str, Any]]:
        """What this command's workers say that they do; what a killed one left there is none of them."""
        found = []
        for path in self.out.glob("work/*.json"):
            with contextlib.suppress(OSError, msgspec.DecodeError):
                found.append(msgspec.json.decode(path.read_bytes()))
        running = self.processes() if found else []
        return [beat for beat in found if beat["pid"] in running]


def start(recipe_file: Path, out: Path, on: str = "local", workers: int = 1, **environment: str) -> Command:
    mark = uuid.uuid4().hex
    path = os.pathsep.join([str(ROOT), environment.pop("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, str(HERE / "command.py"), str(recipe_file), str(out), on, str(workers)],
        env={**os.environ, **environment, "PYTHONPATH": path.strip(os.pathsep), MARK: mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    return Command(process, mark, out)


def run_command(
    recipe_file: Path, out: Path, on: str = "local", workers: int = 1, **environment: str
) -> tuple[int, str]:
    command = start(recipe_file, out, on, workers, **environment)
    try:
        return command.wait()
    finally:
        command.end()


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text).lstrip("\n"))
    return path


def unfinished_files(out: Path) -> list[str]:
    return [str(path) for path in out.rglob("*") if path.name.startswith(".writing-")]


def folder_of(out: Path) -> Folder:
    return Folder(str(out))
