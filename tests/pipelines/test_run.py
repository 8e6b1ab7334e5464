"""What a run promises: it goes on where it was stopped, does nothing twice, and ends in words."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from recipes_for_tests.helpers import (
    HERE,
    ROOT,
    Command,
    Given,
    Texts,
    here,
    kept_records,
    left_behind,
    loaded,
    prompt,
    recipe,
    run_command,
    unfinished_files,
    until,
    write,
)

from yisang.errors import UsageError, YisangError
from yisang.pipelines.books import Books
from yisang.pipelines.phases import Setting
from yisang.pipelines.run import read_books, run_recipe
from yisang.pipelines.runners import RUNNERS
from yisang.pipelines.steps import Each, Group
from yisang.records import Dead, Drop, Prompt, child_id
from yisang.sources.base import Shard, SourceItem
from yisang.storage import Folder

KILLABLE = HERE / "killable.py"
HELPERS = str(HERE.parent)
SOON = 60.0
"""Seconds after which a command that should end at once has hung; on an idle machine it ends in five."""

Starting = Callable[..., Command]


@pytest.fixture(autouse=True)
def _small_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RUNNERS, "here", here)


def run(out: Path, *steps: Any, source: Any = None, max_dead: float = 0.01, **settings: Any) -> Books:
    found = loaded(recipe(source or Texts(50, 2), *steps, max_dead=max_dead))
    return run_recipe(found, Setting(out=str(out)), on=settings.pop("on", "here"), **settings)


def start_killable(starting: Starting, out: Path, workers: int = 2, on: str = "local", **environment: str) -> Command:
    return starting(KILLABLE, out, on, workers, PYTHONPATH=HELPERS, **environment)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("uninterrupted") / "run"
    code, said = run_command(KILLABLE, out, "here", PYTHONPATH=HELPERS)
    assert code == 0, said
    return out


def same_as(out: Path, other: Path) -> None:
    """Two finished runs hold the same, and nothing that is not finished."""
    assert (out / "books.json").read_bytes() == (other / "books.json").read_bytes()
    assert kept_records(out) == kept_records(other)
    assert left_behind(out) == left_behind(other)
    assert not unfinished_files(out)


# Nothing is done twice

STEPS = """
import os
from dataclasses import dataclass
from yisang.records import Drop

def called(name):
    with open(os.environ["YISANG_TEST_CALLS"], "a") as file:
        file.write(name + "\\n")

@dataclass(frozen=True)
class {name}:
    least: int

    def __call__(self, record):
        called("{call}")
        return record if int(record.text.split("-")[1]) >= self.least else Drop("small")
"""

RESTARTABLE = """
from mysteps.first import First
from mysteps.second import Second
from mysteps.third import Third
from recipes_for_tests.helpers import Texts
from yisang.pipelines.curate import Corpus
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.steps import Each, Group
from operator import itemgetter

def build():
    return Recipe("restartable", "{version}", Texts(20, 2), (
        Each(First({first}), keep={keep}),
        Each(Second({second})),
        Each(Third({third})),
    ), Corpus("Restartable", "en"))
"""


class Project:
    """A recipe with its steps in a package, as a team keeps them."""

    def __init__(self, folder: Path):
        self.folder, self.out, self.calls = folder, folder / "out", folder / "calls"
        write(folder / "mysteps/__init__.py", "")
        for name in ("First", "Second", "Third"):
            write(folder / f"mysteps/{name.lower()}.py", STEPS.format(name=name, call=name.lower()))
        self.recipe()

    def recipe(self, first: int = 1, second: int = 2, third: int = 3, keep: bool = True, version: str = "1") -> None:
        text = RESTARTABLE.format(first=first, second=second, third=third, keep=keep, version=version)
        write(self.folder / "restartable.py", text)

    def run(self) -> dict[str, int]:
        """Runs it in a process of its own; how often each step was called."""
        self.calls.write_text("")
        path = os.pathsep.join([str(self.folder), HELPERS])
        code, said = run_command(
            self.folder / "restartable.py", self.out, "here", PYTHONPATH=path, YISANG_TEST_CALLS=str(self.calls)
        )
        assert code == 0, said
        lines = self.calls.read_text().split()
        return {name: lines.count(name) for name in dict.fromkeys(lines)}

    def manifests(self) -> dict[str, tuple[int, int]]:
        """What tells each stored phase's manifest from one that was written anew."""
        return {
            path.parent.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in self.out.glob("*/manifest.json")
        }


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = Project(tmp_path)
    assert found.run() == {"first": 40, "second": 38, "third": 36}
    return found


def test_unchanged_nothing_is_done(project: Project) -> None:
    before, files = project.manifests(), sorted(project.out.rglob("*"))
    assert project.run() == {}
    assert project.manifests() == before
    assert sorted(project.out.rglob("*")) == files


def test_a_changed_threshold_is_redone_from_the_boundary_before_it(project: Project) -> None:
    before = project.manifests()
    project.recipe(third=10)
    assert project.run() == {"second": 38, "third": 36}
    after = project.manifests()
    assert [after[name] == before.get(name) for name in sorted(after)] == [True, True, False]
    assert len(after) == len(before) == 3


def test_a_changed_line_of_code_is_redone_from_the_boundary_before_it(project: Project) -> None:
    path = project.folder / "mysteps/second.py"
    path.write_text(path.read_text().replace(">= self.least", "> self.least"))
    assert project.run() == {"second": 38, "third": 34}
    project.recipe(first=5)
    assert project.run() == {"first": 40, "second": 30, "third": 30}


def test_without_a_boundary_all_is_redone_from_the_source(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.recipe(keep=False)
    assert project.run() == {"first": 40, "second": 38, "third": 36}
    before = project.manifests()
    project.recipe(keep=False, third=10)
    assert project.run() == {"first": 40, "second": 38, "third": 36}
    assert sum(project.manifests()[name] == stamp for name, stamp in before.items() if name in project.manifests()) == 1


def test_another_version_of_the_corpus_is_written_without_redoing(project: Project) -> None:
    before = project.manifests()
    project.recipe(version="2")
    assert project.run() == {}
    assert project.manifests() == before
    assert read_books(Folder(str(project.out))).version == "2"


def test_a_changed_result_is_what_a_fresh_run_gives(project: Project) -> None:
    project.recipe(third=10)
    project.run()
    fresh = project.out.with_name("fresh")
    project.out, used = fresh, project.out
    project.run()
    same_as(used, fresh)
    assert {path.name for path in used.iterdir()} == {path.name for path in fresh.iterdir()}


def test_a_finished_run_holds_what_it_should_and_no_more(project: Project) -> None:
    names = {path.name for path in project.out.iterdir() if not path.name[:2].isdigit()}
    assert names == {"recipe.json", "books.json", "manifest.json", "drops", "lock"}


def test_a_lost_file_is_not_called_done(tmp_path: Path) -> None:
    run(tmp_path / "out", Each(even))
    part = next((tmp_path / "out").glob("*sink*/*.parquet"))
    part.unlink()
    said: list[str] = []
    try:
        run(tmp_path / "out", Each(even), say=said.append)
    except YisangError as error:
        assert part.name in str(error)
        return
    assert part.exists()


def even(record: Prompt) -> Prompt | Drop:
    return record if int(record.text.split("-")[1]) % 2 == 0 else Drop("odd")


# Kills


def test_a_run_that_is_killed_again_and_again_ends_as_one_that_was_not(
    starting: Starting, tmp_path: Path, uninterrupted: Path
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    out = tmp_path / "run"
    number = tries = 0
    while number < 5:
        command = start_killable(starting, out)
        target = command.commits() + chance.randint(0, 3)

        def reached(command: Command = command, target: int = target) -> bool:
            ended = command.process.poll() is not None
            return ended or (bool(command.heartbeats()) and command.commits() >= target)

        until(reached, f"{target} shards")
        if command.process.poll() is not None:  # on a busy machine it may end between two looks; five kills are wanted
            assert command.wait()[0] == 0
            number, tries = 0, tries + 1
            assert tries < 5
            shutil.rmtree(out)
            continue
        assert len(command.processes()) > 1
        if number % 2:
            os.killpg(command.process.pid, signal.SIGKILL)
        else:
            command.process.kill()
        command.process.wait()
        number += 1
        command.all_gone()
        assert not (out / "manifest.json").exists()
        assert not (out / "books.json").exists()
    last = start_killable(starting, out)
    code, said = last.wait()
    assert code == 0, said
    assert "phases are stored already" in said
    last.all_gone()
    same_as(out, uninterrupted)


def test_a_busy_worker_goes_with_a_killed_command(starting: Starting, tmp_path: Path) -> None:
    hold = str(tmp_path / "hold")
    command = start_killable(starting, tmp_path / "run", YISANG_TEST_HOLD=hold)
    until(Path(f"{hold}.held").exists, "the record in the middle")
    command.process.kill()
    command.process.wait()
    command.all_gone()


def test_killed_beam_workers_go_with_their_command(starting: Starting, tmp_path: Path, uninterrupted: Path) -> None:
    out = tmp_path / "run"
    command = start_killable(starting, out, on="beam")
    until(lambda: command.heartbeats() and command.commits() > 2, "a shard on a Beam worker")
    command.process.kill()
    command.process.wait()
    command.all_gone()
    code, said = start_killable(starting, out, on="local", workers=1).wait()
    assert code == 0, said
    same_as(out, uninterrupted)


@pytest.mark.parametrize(
    ("number", "whole_group"), [(signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGINT, True)], ids=str
)
def test_a_stopped_run_says_so_and_goes_on(
    starting: Starting, tmp_path: Path, uninterrupted: Path, number: signal.Signals, whole_group: bool
) -> None:
    out = tmp_path / "run"
    hold = str(tmp_path / "hold")
    command = start_killable(starting, out, YISANG_TEST_HOLD=hold)
    until(Path(f"{hold}.held").exists, "the record in the middle")
    (os.killpg if whole_group else os.kill)(command.process.pid, number)
    code, said = command.wait(SOON)
    assert code == 3, said
    assert f"Stopped: Stopped by {number.name}" in said
    command.all_gone()
    assert not (out / "manifest.json").exists()
    if number == signal.SIGTERM and whole_group:
        code, said = start_killable(starting, out, workers=1).wait()
        assert code == 0, said
        same_as(out, uninterrupted)


def test_a_stop_is_no_failure_of_the_record_at_hand(starting: Starting, tmp_path: Path, uninterrupted: Path) -> None:
    out, once = tmp_path / "run", str(tmp_path / "once")
    command = start_killable(starting, out, workers=1, YISANG_TEST_ONCE=once, YISANG_TEST_ACT="sigterm")
    code, said = command.wait()
    assert code == 3, said
    code, said = start_killable(starting, out, workers=1).wait()
    assert code == 0, said
    same_as(out, uninterrupted)


@pytest.mark.parametrize("on", ["local", "beam"])
def test_a_worker_that_is_killed_ends_the_command_in_words(
    starting: Starting, tmp_path: Path, uninterrupted: Path, on: str
) -> None:
    out, once = tmp_path / "run", tmp_path / "once"
    command = start_killable(starting, out, on=on, YISANG_TEST_ONCE=str(once), YISANG_TEST_ACT="sigkill")
    code, said = command.wait(SOON)
    assert code == 1, said
    assert f"WorkerDied: The worker process {once.read_text()} was killed while it worked on shard" in said
    assert "Run the same command again with fewer --workers" in said
    command.all_gone()
    code, said = start_killable(starting, out, workers=1, YISANG_TEST_ONCE=str(once)).wait()
    assert code == 0, said
    same_as(out, uninterrupted)


HEAVY = """
    import os, signal
    from pathlib import Path
    from recipes_for_tests.helpers import Texts
    from yisang.pipelines.curate import Corpus
    from yisang.pipelines.recipe import Recipe
    from yisang.pipelines.steps import Each

    def load_the_model():
        once = Path(os.environ["YISANG_TEST_ONCE"])
        if os.environ["YISANG_TEST_COMMAND"] != str(os.getpid()) and not once.exists():
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return Heavy()

    class Heavy:
        def identity(self):
            return "heavy"

        def __reduce__(self):
            return load_the_model, ()

        def __call__(self, record):
            return record

    def build():
        return Recipe("heavy", "1", Texts(300, 4), (Each(Heavy()),), Corpus("Heavy", "en"))
"""


def test_a_worker_that_is_killed_while_it_loads_a_step_ends_the_command(starting: Starting, tmp_path: Path) -> None:
    path = write(tmp_path / "heavy.py", HEAVY)
    once = str(tmp_path / "once")
    command = starting(path, tmp_path / "run", "local", 2, PYTHONPATH=HELPERS, YISANG_TEST_ONCE=once)
    code, said = command.wait(SOON)
    assert code == 1, said
    assert "was killed" in said
    code, said = starting(path, tmp_path / "run", "local", 2, PYTHONPATH=HELPERS, YISANG_TEST_ONCE=once).wait()
    assert code == 0, said


WAITING = """
    import os, time
    from dataclasses import dataclass
    from pathlib import Path
    from recipes_for_tests.helpers import Texts
    from yisang.pipelines.curate import Corpus
    from yisang.pipelines.recipe import Recipe

    class Slow(Texts):
        def read(self, shard):
            Path(os.environ["YISANG_TEST_HOLD"] + f".{shard.path}").write_text(str(os.getpid()))
            wanted = Path(os.environ["YISANG_TEST_HOLD"] + {"0": ".1", "1": ""}[shard.path])
            while not wanted.exists():  # the short shard for the long one, so that each has a worker
                time.sleep(0.01)
            yield from super().read(shard)

    def build():
        return Recipe("waiting", "1", Slow(30, 2), (), Corpus("Waiting", "en"))
"""


def test_an_idle_worker_that_is_killed_does_not_hang_the_command(starting: Starting, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    path = write(tmp_path / "waiting.py", WAITING)
    command = starting(path, tmp_path / "run", "local", 2, PYTHONPATH=HELPERS, YISANG_TEST_HOLD=str(hold))
    until(lambda: command.commits() == 1, "the short shard")
    idle, busy = (int(Path(f"{hold}.{shard}").read_text()) for shard in "01")
    assert idle != busy
    until(lambda: asleep(idle), "the end of the short shard's worker")
    os.kill(idle, signal.SIGKILL)
    until(lambda: idle not in command.processes(), "its death")
    hold.touch()
    code, said = command.wait(SOON)
    assert code in (0, 1), said
    if code:
        assert "was killed" in said
        code, said = starting(path, tmp_path / "run", "local", 2, PYTHONPATH=HELPERS, YISANG_TEST_HOLD=str(hold)).wait()
        assert code == 0, said


FAILING = """
    import os, time
    from pathlib import Path
    from recipes_for_tests.helpers import Texts
    from yisang.pipelines.curate import Corpus
    from yisang.pipelines.recipe import Recipe

    class Failing(Texts):
        def read(self, shard):
            held = Path(os.environ["YISANG_TEST_HOLD"] + ".held")
            if shard.path == "0":
                held.touch()
                while True:
                    time.sleep(0.01)
            while not held.exists():
                time.sleep(0.01)
            raise OSError("the archive is on a disk that broke")

    def build():
        return Recipe("failing", "1", Failing(30, 2), (), Corpus("Failing", "en"))
"""


def test_a_failure_is_told_and_not_the_end_of_the_workers_that_it_stopped(starting: Starting, tmp_path: Path) -> None:
    path = write(tmp_path / "failing.py", FAILING)
    hold = str(tmp_path / "hold")
    command = starting(path, tmp_path / "run", "local", 2, PYTHONPATH=HELPERS, YISANG_TEST_HOLD=hold)
    code, said = command.wait(SOON)
    assert code == 1, said
    assert "the archive is on a disk that broke" in said
    assert "WorkerDied" not in said
    command.all_gone()


def asleep(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "S"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_step_that_leaves_the_program_does_not_end_the_run(starting: Starting, tmp_path: Path, workers: int) -> None:
    command = start_killable(
        starting, tmp_path / "run", workers, YISANG_TEST_ONCE=str(tmp_path / "once"), YISANG_TEST_ACT="exit"
    )
    code, said = command.wait(SOON)
    assert ("done" in said.splitlines()) == (code == 0), f"exit code {code}: {said}"
    if code == 0:
        assert [row for row in left_behind(tmp_path / "run") if "error=SystemExit" in row]


def test_two_runs_do_not_write_to_one_folder(starting: Starting, tmp_path: Path) -> None:
    hold = str(tmp_path / "hold")
    first = start_killable(starting, tmp_path / "run", workers=1, YISANG_TEST_HOLD=hold)
    until(Path(f"{hold}.held").exists, "the record in the middle")
    files = sorted(path for path in (tmp_path / "run").rglob("*") if "work" not in path.parts)
    code, said = start_killable(starting, tmp_path / "run", workers=1).wait()
    assert code == 1
    assert f"is being written by process {first.process.pid} on" in said
    assert "wait for it, stop it, or choose another --out" in said
    assert sorted(path for path in (tmp_path / "run").rglob("*") if "work" not in path.parts) == files
    Path(hold).touch()
    assert first.wait()[0] == 0


# Where a run may write


def test_a_folder_with_foreign_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="holds other files and no run"):
        run(tmp_path, Each(even))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match=r"Cannot write to .* Choose another folder with --out"):
            run(out, Each(even))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"may not mount a small disk here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_read_only_disk_is_refused(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(UsageError, match=r"Cannot write to .*Read-only file system"):
        run(disk / "run", Each(even))


BULKY = """
    import random
    import msgspec
    from recipes_for_tests.helpers import Texts
    from yisang.pipelines.curate import Corpus
    from yisang.pipelines.recipe import Recipe
    from yisang.pipelines.steps import Each

    def lengthen(record):
        return msgspec.structs.replace(record, text=random.Random(record.text).randbytes(2_000).hex())

    def build():
        return Recipe("bulky", "1", Texts(400, 2), (Each(lengthen), ), Corpus("Bulky", "en"))
"""


def test_a_full_disk_is_said_in_words_and_the_same_command_goes_on(
    starting: Starting, tmp_path: Path, disk: Path
) -> None:
    path, out = write(tmp_path / "bulky.py", BULKY), disk / "run"
    command = starting(path, out, "local", 2, PYTHONPATH=HELPERS)
    code, said = command.wait()
    assert code == 1, said
    assert f"No space left to write {out}/" in said
    assert "the same command goes on from it" in said
    assert "Traceback" not in said
    command.all_gone()
    assert not list(out.glob("*sink*/manifest.json"))
    assert not (out / "manifest.json").exists()
    assert not (out / "books.json").exists()
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    code, said = starting(path, out, "local", 1, PYTHONPATH=HELPERS).wait()
    assert code == 0, said
    assert "1 of 2 phases are stored already" in said
    assert read_books(Folder(str(out))).kept == 800
    assert not unfinished_files(out)


# What is wrong is said before anything starts


def test_an_unknown_runner_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"No runner 'spark'. --on takes one of: beam, "):
        run(tmp_path / "out", on="spark")
    with pytest.raises(UsageError, match="--workers is 0"):
        run(tmp_path / "out", workers=0)
    with pytest.raises(UsageError, match="--limit is 0"):
        run(tmp_path / "out", limit=0)
    assert not (tmp_path / "out").exists()


class Connected:
    """A step that holds a connection."""

    def identity(self) -> str:
        return "connected"

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle 'socket' object")

    def __call__(self, record: Any) -> Any:
        return record


@pytest.mark.parametrize(
    "steps",
    [
        (Each(even), Each(Connected(), name="guilty"), Each(even)),
        (Each(even), Each(even), Each(Connected(), name="guilty")),
        (Each(even), Group(Connected(), lambda records: records, name="guilty"), Each(even)),
        (Each(even), Group(str, Connected(), name="guilty"), Each(even)),
    ],
    ids=["first", "last", "key", "group"],
)
def test_a_step_that_cannot_travel_is_named_before_anything_starts(tmp_path: Path, steps: tuple[Any, ...]) -> None:
    with pytest.raises(
        UsageError, match=r"Step guilty cannot be sent to a worker: TypeError: cannot pickle 'socket' object"
    ):
        run(tmp_path / "out", *steps)
    assert not (tmp_path / "out").exists()


# Dead letters


def none_at_all(record: Prompt) -> Any:
    return None


def test_a_step_that_returns_none_fails_by_name(tmp_path: Path) -> None:
    with pytest.raises(
        YisangError, match=r"Step none_at_all failed on 100 of 100 records, .* BadOutcome: returned None"
    ):
        run(tmp_path / "out", Each(none_at_all), on="local")
    assert not (tmp_path / "out" / "manifest.json").exists()


def fails_below(least: int) -> Callable[[Prompt], Prompt]:
    def fails(record: Prompt) -> Prompt:
        if int(record.text.split("-")[1]) < least:
            raise ValueError(f"below {least}")
        return record

    return fails


def test_dead_letters_at_the_limit_pass_and_above_it_fail(tmp_path: Path) -> None:
    assert run(tmp_path / "at", Each(fails_below(3)), max_dead=0.06).steps[-1].dead == 6
    with pytest.raises(YisangError, match=r"Step fails failed on 6 of 100 records, more than .* max_dead = 5\.00%"):
        run(tmp_path / "above", Each(fails_below(3)), max_dead=0.05)
    assert not (tmp_path / "above" / "manifest.json").exists()
    assert run(tmp_path / "above", Each(fails_below(3)), max_dead=0.06).steps[-1].dead == 6


def test_the_step_that_failed_most_is_the_one_named(tmp_path: Path) -> None:
    steps = (Each(fails_below(1), name="a_little"), Each(fails_below(5), name="a_lot"))
    with pytest.raises(YisangError, match=r"Step a_lot failed on 8 of 98 records"):
        run(tmp_path, *steps, max_dead=0.05)


def tenfold(record: Prompt) -> list[Prompt]:
    return [prompt(child_id(record.id, n), text=f"{record.text.split('-')[0]}-{n}") for n in range(10)]


def test_children_that_fail_are_held_against_all_children(tmp_path: Path) -> None:
    assert run(tmp_path, Each(tenfold), Each(fails_below(1)), max_dead=0.1).steps[-1].dead == 100


def two_keys(record: Prompt) -> tuple[str, ...]:
    return (record.text, f"again {record.text}")


def group_fails_below_five(records: Iterator[Prompt]) -> Iterator[Prompt]:
    for record in records:
        yield fails_below(5)(record)


def test_a_record_with_several_keys_counts_once(tmp_path: Path) -> None:
    group = Group(two_keys, group_fails_below_five, several_keys=True)
    with pytest.raises(YisangError, match="failed on 10 of 100 records"):
        run(tmp_path, group, max_dead=0.07)


def test_a_source_that_fails_too_often_fails_the_run_by_its_place(tmp_path: Path) -> None:
    source = Given((*(prompt(str(n)) for n in range(9)), Dead("BadGzip", "ends early", where="x.warc.gz:77")))
    with pytest.raises(
        YisangError, match=r"Step source failed on 1 of 10 records.*x\.warc\.gz:77: BadGzip: ends early"
    ):
        run(tmp_path, source=source)


# The limit


class Uncounted(Texts):
    """A source that cannot tell how many records a shard holds."""

    def count(self, shard: Shard) -> int | None:
        return None

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        return super().read(shard)


@pytest.mark.parametrize("kind", [Texts, Uncounted])
@pytest.mark.parametrize(("limit", "read"), [(1, 1), (3, 3), (5, 5), (9, 9), (20, 9)])
def test_a_limit_is_met_over_several_shards(tmp_path: Path, kind: type[Texts], limit: int, read: int) -> None:
    assert run(tmp_path, source=kind(3, 3), limit=limit).kept == read


# A library user


AFTERWARDS = """
import os, sys, threading
from pathlib import Path
sys.path[:0] = [{root!r}, {tests!r}]
from recipes_for_tests.helpers import Texts, here, loaded, recipe
from yisang.pipelines.phases import Setting
from yisang.pipelines.run import run_recipe
from yisang.pipelines.runners import RUNNERS

RUNNERS["here"] = here
run_recipe(loaded(recipe(Texts(3))), Setting(out={out!r}), on="here")
reading, writing = os.pipe()
children = []

def fork():
    child = os.fork()
    if not child:
        os._exit(0 if os.read(reading, 1) == b"x" else 1)
    children.append((child, threading.get_native_id()))

thread = threading.Thread(target=fork)
thread.start()
thread.join()
child, task = children[0]
while Path(f"/proc/self/task/{{task}}").exists():
    pass
os.write(writing, b"x")
print("status", os.waitpid(child, 0)[1])
"""


def test_a_run_leaves_the_program_that_called_it_as_it_was(tmp_path: Path) -> None:
    code = AFTERWARDS.format(root=str(ROOT), tests=HELPERS, out=str(tmp_path / "out"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "status 0" in done.stdout


def test_handlers_of_signals_are_given_back(tmp_path: Path) -> None:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
    before = [signal.getsignal(number) for number in numbers]
    run(tmp_path / "out", Each(even))
    assert [signal.getsignal(number) for number in numbers] == before


def test_a_run_folder_may_be_moved(tmp_path: Path) -> None:
    run(tmp_path / "one", Each(even))
    shutil.move(tmp_path / "one", tmp_path / "other")
    said: list[str] = []
    run(tmp_path / "other", Each(even), say=said.append)
    assert any("Everything is done already" in line for line in said)
    assert len(kept_records(tmp_path / "other")) == 50


def test_a_run_goes_to_a_store_as_to_a_disk(tmp_path: Path) -> None:
    address = f"memory://run-{os.getpid()}"
    found = loaded(recipe(Texts(50, 2), Each(even), Group(lambda r: r.category, lambda records: records, name="all")))
    stored = run_recipe(found, Setting(out=address), on="here")
    assert stored == run_recipe(found, Setting(out=str(tmp_path)), on="here")
    assert run_recipe(found, Setting(out=address), on="here") == stored
    assert not Folder(address).exists("lock")
    Folder(address).remove("")
