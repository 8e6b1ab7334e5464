"""What a user does wrong, and what fails under a run: one paragraph that says what to do, and nothing that looks finished.

Each case runs the real command.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.append(str(Path(__file__).parent / "pipelines"))
from recipes_for_tests.helpers import until
from stages.recipes.command import (
    RECIPES,
    Running,
    at,
    complaint,
    distinct,
    half_written,
    looks_finished,
    serving,
    small_disk,
    succeeds,
    teachers,
    write_rows,
    yisang,
)

ROWS = 500
HEAD = '''
"""A recipe of a test."""
import threading
from dataclasses import dataclass, field
from yisang.filters.licence import licence
from yisang.pipelines.curate import Corpus
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.steps import Batch, Each
from yisang.records import Drop
from yisang.sources import JsonLines, Parquet

FREE = licence("CC0-1.0", "written for the tests", "2026-01-01")


def rows(paths="rows.jsonl", kind=JsonLines, text="text"):
    return kind(paths=paths, text=text, language="ko", name="rows", licence=FREE)


def recipe(*steps, source=None):
    return Recipe("bad", "1", source or rows(), steps, Corpus("Bad", "ko"))

'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a user works: a file of 500 questions."""
    write_rows(tmp_path / "rows.jsonl", (f"질문 {number}" for number in range(ROWS)))
    return tmp_path


@pytest.fixture
def waiting(folder: Path) -> Iterator[Callable[[], Callable[[], None]]]:
    """Waits until a run stands at the FIFO `gate`; what it gives lets the run go on."""
    gate = folder / "gate"
    os.mkfifo(gate)
    held: list[int] = []

    def reached() -> int | None:
        try:
            return os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads yet
            return None

    def wait() -> Callable[[], None]:
        held.append(until(reached, "the run reaches the step that waits"))
        return lambda: os.close(held.pop())

    yield wait
    for writer in held:
        os.close(writer)


def write_recipe(folder: Path, body: str) -> Path:
    path = folder / "recipe.py"
    path.write_text((HEAD + textwrap.dedent(body)).lstrip("\n"))
    return path


def line_of(path: Path, text: str) -> int:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def nothing_finished(out: Path) -> None:
    assert not looks_finished(out)
    assert not half_written(out)


def runs(folder: Path, *options: object, kept: int = ROWS, **environment: str) -> None:
    """The same command completes, now that the fault is mended."""
    done = succeeds("run", "recipe.py", "--out", "out", *options, folder=folder, **environment)
    assert looks_finished(folder / "out") == ["manifest.json", "books.json"]
    assert f"kept by category: (none) {kept}" in done.out


# Inputs


def test_a_missing_input_is_named_and_found_when_it_is_there(folder: Path) -> None:
    (folder / "rows.jsonl").rename(folder / "elsewhere.jsonl")
    write_recipe(folder, "def build(): return recipe()")
    done = yisang("run", "recipe.py", "--out", "out", folder=folder)
    complaint(done, 2, "nothing at 'rows.jsonl'", "Correct the path in the recipe, or fetch the file first.")
    nothing_finished(folder / "out")
    (folder / "elsewhere.jsonl").rename(folder / "rows.jsonl")
    runs(folder)


def test_an_unreadable_parquet_file_is_named_and_read_when_it_is_whole(folder: Path) -> None:
    path = folder / "rows.parquet"
    pq.write_table(pa.table({"text": [f"질문 {number}" for number in range(ROWS)]}), path)
    whole = path.read_bytes()
    write_recipe(folder, 'def build(): return recipe(source=rows("rows.parquet", Parquet))')
    for damaged in (bytes(range(256)) * 40, whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        done = yisang("run", "recipe.py", "--out", "out", folder=folder)
        complaint(done, 1, str(path), "cannot be read as Parquet", "Fetch or write the file again")
        nothing_finished(folder / "out")
    path.write_bytes(whole)
    runs(folder)


def test_an_unknown_column_is_named_with_those_that_exist(folder: Path) -> None:
    write_recipe(folder, 'def build(): return recipe(source=rows(text="txet"))')
    done = yisang("run", "recipe.py", "--out", "out", folder=folder)
    complaint(done, 2, "rows.jsonl has no column 'txet'", "columns that exist are 'text'", "Correct the column names")
    nothing_finished(folder / "out")


# Recipes


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        ("def build(): return recipe(Each(lenght))", "lenght", "NameError: name 'lenght' is not defined"),
        ("def build(:\n    return recipe()", "def build(:", "SyntaxError: invalid syntax"),
        ("def build(): return recipe(Each(len, nane='x'))", "nane", "unexpected keyword argument 'nane'"),
    ],
    ids=["name", "syntax", "keyword"],
)
def test_a_typo_in_a_recipe_is_shown_with_its_line(folder: Path, body: str, line: str, words: str) -> None:
    path = write_recipe(folder, body)
    done = yisang("run", "recipe.py", "--out", "out", folder=folder)
    complaint(done, 2, f"recipe.py, line {line_of(path, line)}", words, "Mend that line and run the command again.")
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("nowhere.py", "", ("No recipe 'nowhere.py'", "quickstart")),
        ("recipe.py", "steps = ()", ("recipe.py has no function build()", "defines build() -> Recipe")),
        ("recipe.py", "def build(): return []", ("build() returned list, not a Recipe",)),
        ("recipe.py", "def build(): return recipe(len)", ("stands among the steps", "Wrap a function in Each")),
    ],
    ids=["no file", "no build", "no recipe", "bare function"],
)
def test_what_is_no_recipe_is_refused(folder: Path, name: str, body: str, words: tuple[str, ...]) -> None:
    write_recipe(folder, body)
    done = yisang("run", name, "--out", "out", folder=folder)
    complaint(done, 2, *words)
    assert not (folder / "out").exists()


# Steps


def test_a_function_that_returns_none_fails_the_run_and_names_its_step(folder: Path) -> None:
    write_recipe(folder, "def tidy(prompt): prompt.text.strip()\ndef build(): return recipe(Each(tidy))")
    done = yisang("run", "recipe.py", "--out", "out", folder=folder)
    said = complaint(done, 1, f"Step tidy failed on {ROWS} of {ROWS} records", "returned None", "Mend the step")
    # The command that it names shows what it promises.
    named = said.partition("All of them, with tracebacks: yisang ")[2].partition(". ")[0]
    shown = succeeds(*named.split(), folder=folder).out.splitlines()
    assert len(shown) == ROWS
    assert all("Traceback" in line for line in shown)
    nothing_finished(folder / "out")


def test_a_function_that_returns_none_once_makes_one_dead_letter(folder: Path) -> None:
    write_recipe(
        folder,
        "def tidy(prompt): return None if prompt.text == '질문 7' else prompt\ndef build(): return recipe(Each(tidy))",
    )
    runs(folder, kept=ROWS - 1)
    (letter,) = succeeds("show", "out", "--dead", "5", "--json", folder=folder).out.splitlines()
    found = json.loads(letter)
    assert (found["step"], found["record"]["text"]) == ("tidy", "질문 7")
    assert "returned None" in found["message"]
    assert "Traceback" in found["traceback"]


def test_too_many_dead_letters_fail_the_run_until_the_step_is_mended(folder: Path) -> None:
    body = """
    def number(prompt):
        if int(prompt.text.split()[1]) % {every} == 3:
            raise KeyError("no answer to this one")
        return prompt

    def build(): return recipe(Each(number))
    """
    write_recipe(folder, body.format(every=50))
    done = yisang("run", "recipe.py", "--out", "out", folder=folder)
    said = complaint(
        done, 1, "Step number failed on 10 of 500", "max_dead = 1.00%", "The first: record", "no answer to"
    )
    assert "or raise max_dead" in said
    nothing_finished(folder / "out")
    write_recipe(folder, body.format(every=100))
    runs(folder, kept=ROWS - 5)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            """
            lock = threading.Lock()
            def guarded(prompt):
                with lock:
                    return prompt
            def build(): return recipe(Each(guarded))
            """,
            ("Step guarded cannot be sent to a worker", "lock", "must be made inside the call"),
        ),
        (
            """
            log = open("log.txt", "a")
            def logged(prompt):
                log.write(prompt.text)
                return prompt
            def build(): return recipe(Batch(lambda p: p), Each(logged))
            """,
            ("Step logged cannot be sent to a worker", "Open files", "must be made inside the call"),
        ),
        (
            """
            @dataclass(frozen=True)
            class Guarded:
                lock: object = field(default_factory=threading.Lock)
                def __call__(self, prompt): return prompt
            def build(): return recipe(Each(Guarded()))
            """,
            ("Step guarded", "lock", "a plain function"),
        ),
        (
            """
            @dataclass(frozen=True)
            class Counted:
                numbers: object
                def identity(self): return {}
                def __call__(self, prompt): return prompt
            def build(): return recipe(Each(Counted(())), Each(Counted(n for n in ())))
            """,
            ("Step counted-2 cannot be sent to a worker", "generator"),
        ),
    ],
    ids=["lock", "open file", "lock in a field", "generator"],
)
def test_a_step_that_cannot_travel_is_named_before_anything_starts(
    folder: Path, body: str, words: tuple[str, ...]
) -> None:
    write_recipe(folder, body)
    # With two workers an unpicklable step would hang datatrove's pool.
    complaint(yisang("run", "recipe.py", "--out", "out", "--workers", "2", folder=folder), 2, *words)
    assert not (folder / "out").exists()


# Options


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "recipe.py", "--out", "out", "--on", "spark"), ("No runner 'spark'", "one of: beam, local")),
        (("run", "recipe.py", "--out", "out", "--workers", "0"), ("--workers is 0", "at least 1")),
        (("run", "recipe.py", "--out", "out", "--workers", "two"), ("--workers", "integer")),
        (("run", "recipe.py", "--out", "out", "--limit", "0"), ("--limit is 0", "at least 1 record")),
        (("run", "recipe.py", "--out", "out", "--limit", "-3"), ("--limit is -3", "at least 1 record")),
        (("run", "recipe.py", "--out", "out", "--teacher-option", "fast"), ("'fast' must look like name=value",)),
        (("run", "recipe.py", "--out", "out", "--inputs", "x"), ("takes no parameter `inputs`",)),
        (("run", "recipe.py", "--out", "out", "--worker", "2"), ("No such option: --worker", "--workers")),
        (("run", "recipe.py", "--out", "out", "stray"), ("takes no further options", "stray")),
        (("run", "recipe.py"), ("Missing option '--out'",)),
        (("run",), ("Missing argument 'RECIPE'",)),
        (("rum", "recipe.py"), ("No such command 'rum'",)),
        (("plan", "recipe.py", "--ouf", "out"), ("No such option", "--ouf")),
        (("show", "nothing"), ("nothing does not exist", "yisang run RECIPE --out nothing")),
        (("show", "."), ("is no run folder", "yisang run RECIPE")),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else str(value),
)
def test_wrong_usage_is_refused_with_code_2_and_nothing_starts(
    folder: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    write_recipe(folder, "def build(): return recipe()")
    complaint(yisang(*arguments, folder=folder), 2, *words)
    assert not (folder / "out").exists()


def test_an_option_that_the_runner_does_not_know_is_refused(folder: Path) -> None:
    write_recipe(folder, "def build(): return recipe()")
    done = yisang("run", "recipe.py", "--out", "out", "--on", "beam", "--", "--num_wrokers=3", folder=folder)
    complaint(done, 2, "Beam has no option --num_wrokers=3")
    nothing_finished(folder / "out")


# The run folder


@pytest.mark.parametrize("out", ["rows.jsonl", "rows.jsonl/out"])
def test_a_folder_that_cannot_be_is_refused(folder: Path, out: str) -> None:
    write_recipe(folder, "def build(): return recipe()")
    before = (folder / "rows.jsonl").read_bytes()
    complaint(yisang("run", "recipe.py", "--out", out, folder=folder), 2, f"Cannot write to {out}", "--out")
    assert (folder / "rows.jsonl").read_bytes() == before


def test_a_folder_of_other_files_is_left_alone(folder: Path) -> None:
    write_recipe(folder, "def build(): return recipe()")
    (folder / "out").mkdir()
    (folder / "out" / "thesis.txt").write_text("mine")
    done = yisang("run", "recipe.py", "--out", "out", folder=folder)
    complaint(done, 2, "out holds other files and no run", "new or empty folder with --out")
    assert [path.name for path in (folder / "out").iterdir()] == ["thesis.txt"]


def test_a_read_only_disk_is_refused_and_a_finished_run_on_it_stays_readable(folder: Path) -> None:
    write_recipe(folder, "def build(): return recipe()")
    with small_disk(folder / "disk", "4m") as disk:
        out = disk / "out"
        books = succeeds("run", "recipe.py", "--out", out, folder=folder).out
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        write_recipe(folder, "def short(prompt): return prompt\ndef build(): return recipe(Each(short))")
        done = yisang("run", "recipe.py", "--out", out, folder=folder)
        complaint(done, 2, f"Cannot write to {out}", "Read-only file system. Choose another folder with --out.")
        assert succeeds("show", out, folder=folder).out == books


GROWING = """
import hashlib, msgspec

def grow(prompt):
    digits = "".join(hashlib.sha512(f"{prompt.text} {n}".encode()).hexdigest() for n in range(150))
    return msgspec.structs.replace(prompt, text=digits)

def same(prompt): return prompt

def build(): return recipe(Each(same, keep=True), Each(grow))
"""
"""Ten megabytes of what does not shrink."""


def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_space(folder: Path) -> None:
    write_recipe(folder, GROWING)
    with small_disk(folder / "disk", "3m") as disk:
        out = disk / "out"
        done = yisang("run", "recipe.py", "--out", out, folder=folder)
        complaint(done, 1, f"No space left to write {out}", "Free some space there", "the same command goes on from it")
        nothing_finished(out)
        subprocess.run(["mount", "-o", "remount,size=60m", str(disk)], check=True)
        again = succeeds("run", "recipe.py", "--out", out, folder=folder)
        assert "2 of 3 phases are stored already" in again.err
        assert looks_finished(out) == ["manifest.json", "books.json"]


@pytest.mark.parametrize("size", ["4k", "12k"])
def test_a_disk_that_is_full_from_the_start_is_told_too(folder: Path, size: str) -> None:
    write_recipe(folder, GROWING)
    with small_disk(folder / "disk", size) as disk:
        done = yisang("run", "recipe.py", "--out", disk / "out", folder=folder)
        complaint(done, 1, f"No space left to write {disk}", "Free some space there")
        nothing_finished(disk / "out")


def test_a_changed_recipe_that_fails_leaves_no_finished_run_of_the_old_one(folder: Path) -> None:
    write_recipe(folder, "def tidy(prompt): return prompt\ndef build(): return recipe(Each(tidy))")
    runs(folder)
    write_recipe(folder, "def tidy(prompt): return 1 / 0\ndef build(): return recipe(Each(tidy))")
    complaint(yisang("run", "recipe.py", "--out", "out", folder=folder), 1, "Step tidy", "division by zero")
    nothing_finished(folder / "out")
    complaint(yisang("show", "out", folder=folder), 2, "out is not finished", "yisang run RECIPE --out out")


def test_a_recipe_that_does_not_load_leaves_the_finished_run_alone(folder: Path) -> None:
    write_recipe(folder, "def build(): return recipe()")
    runs(folder)
    before = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("*")}
    write_recipe(folder, "def build(): return recipe(Each(lenght))")
    complaint(yisang("run", "recipe.py", "--out", "out", folder=folder), 2, "lenght")
    assert {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("*")} == before
    assert looks_finished(folder / "out") == ["manifest.json", "books.json"]


def test_a_second_writer_is_refused_while_the_first_one_works(
    folder: Path, waiting: Callable[[], Callable[[], None]]
) -> None:
    write_rows(folder / "rows.jsonl", ["one", "wait", "two"])
    arguments = ("run", RECIPES / "waiting.py", "--inputs", "rows.jsonl", "--out", "out")
    gate = str(folder / "gate")
    with Running(arguments, folder, YISANG_TEST_GATE=gate) as first:
        release = waiting()
        second = yisang(*arguments, folder=folder, YISANG_TEST_GATE=gate)
        complaint(
            second, 1, "is being written by", f"process {first.process.pid} on", "wait for it, stop it, or choose"
        )
        assert not looks_finished(folder / "out")
        release()
        done = first.wait()
    assert done.code == 0, done.err
    assert looks_finished(folder / "out") == ["manifest.json", "books.json"]
    third = succeeds(*arguments, folder=folder, YISANG_TEST_GATE=gate)
    assert "Everything is done already" in third.err
    assert third.out == done.out


# Teachers

TEACHING = ("run", RECIPES / "teaching.py", "--inputs", "few.jsonl", "--out", "out")
QUESTIONS = 12


@pytest.fixture
def asking(folder: Path) -> Path:
    write_rows(folder / "few.jsonl", (f"질문 {number}" for number in range(QUESTIONS)))
    return folder


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_an_endpoint_that_refuses_connections_stops_the_run_and_another_one_ends_it(asking: Path) -> None:
    url = f"http://127.0.0.1:{closed_port()}/v1"
    done = yisang(*TEACHING, *at(url), folder=asking)
    complaint(done, 1, f"No connection to the teacher at {url}", "Start the server or correct the address")
    nothing_finished(asking / "out")
    with serving() as server:
        succeeds(*TEACHING, *at(server.url), folder=asking)
        assert len(server.requests) == distinct(server) == QUESTIONS
    assert looks_finished(asking / "out") == ["manifest.json", "books.json"]


def test_an_endpoint_that_wants_another_key_stops_the_run_at_once(asking: Path) -> None:
    secret = "sk-secret-0123456789"
    with serving() as server:
        server.otherwise = teachers.fails(401, f"Incorrect API key provided: {secret}")
        options = (*at(server.url), "--concurrency", "2")
        done = yisang(*TEACHING, *options, folder=asking, YISANG_API_KEY=secret)
        said = complaint(done, 1, "answered 401: Incorrect API key", "YISANG_API_KEY", "run the same command")
        assert secret not in said
        assert len(server.requests) <= 2  # those in flight, and none again
        nothing_finished(asking / "out")
        server.otherwise = teachers.echo
        succeeds(*TEACHING, *options, folder=asking, YISANG_API_KEY="sk-better")
    for path in asking.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    assert looks_finished(asking / "out") == ["manifest.json", "books.json"]


def test_a_full_disk_under_the_answers_keeps_those_that_fit(asking: Path) -> None:
    with small_disk(asking / "disk", "20k") as disk, serving() as server:
        options = ("--answers", disk / "answers", "--concurrency", "1", *at(server.url))
        done = yisang(*TEACHING, *options, folder=asking)
        complaint(done, 1, f"No space left to write {disk}/answers", "Free some space there")
        nothing_finished(asking / "out")
        asked = len(server.requests)
        assert 1 < asked < QUESTIONS
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        succeeds(*TEACHING, *options, folder=asking)
        assert distinct(server) == QUESTIONS
        assert len(server.requests) <= QUESTIONS + 1  # the answer that did not fit


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--teacher", "oracle"), ("no engine 'oracle'", "Choose one of: ")),
        (("--teacher", "openai"), ("base_url",)),
        (at("ftp://127.0.0.1"), ("base_url must look like http://host:8000/v1",)),
        ((*at("http://127.0.0.1:9/v1"), "--teacher-option", "pace=9"), ("has no option pace", "It takes: base_url")),
        ((*at("http://127.0.0.1:9/v1"), "--teacher-option", "attempts=many"), ("attempts",)),
        ((*at("http://127.0.0.1:9/v1"), "--concurrency", "0"), ("concurrency",)),
    ],
    ids=["engine", "no address", "address", "unknown option", "option of another type", "concurrency"],
)
def test_a_teacher_that_cannot_be_opened_is_wrong_usage(
    asking: Path, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    complaint(yisang(*TEACHING, *options, folder=asking), 2, *words)
    nothing_finished(asking / "out")
