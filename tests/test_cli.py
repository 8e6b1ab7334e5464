"""The commands as a user meets them: what they print, what they store, and how they end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent / "pipelines"))
from recipes_for_tests.helpers import kept_records, until
from stages.recipes.command import (
    RECIPES,
    TESTS,
    Running,
    at,
    complaint,
    half_written,
    looks_finished,
    serving,
    succeeds,
    teachers,
    write_rows,
)

from yisang.cli import app, main

HEAVY = ("torch", "apache_beam", "datatrove", "transformers", "pandas")
COMMANDS = sorted(
    str(command.name or command.callback.__name__) for command in app.registered_commands if command.callback
)


def command(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> tuple[str, str]:
    """Runs a command in this process: what it printed, and what it said."""
    ended = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert ended == code, err
    return out, err


# Help


def test_there_are_the_commands_that_the_package_promises() -> None:
    assert {"plan", "run", "show", "diff", "publish", "quickstart", "doctor"} <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    overview, _ = command(capsys, "--help")
    out, err = command(capsys, name, "--help")
    assert f"Usage: yisang {name}" in out
    assert not err
    (line,) = (line for line in overview.splitlines() if line.split()[:1] == [name])
    assert len(line.split()) > 3  # what it does, in words


def test_help_loads_no_engine() -> None:
    """`yisang --help` must be there at once, also where half of it is not installed."""
    calls = [["--help"], *([name, "--help"] for name in COMMANDS)]
    code = f"""
import sys
from yisang.cli import main
for call in {calls!r}:
    assert main(call) == 0
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=TESTS.parent)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_run_loads_what_help_does_not() -> None:
    """So that the test above could find it."""
    code = f"import sys, yisang.pipelines.runners.datatrove; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=TESTS.parent)
    assert "datatrove" in done.stdout


# Signals


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A FIFO at which a record waits, and a function that returns when it does."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    held: list[int] = []

    def reached() -> bool:
        try:
            held.append(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # nobody reads yet
            return False
        return True

    yield path, lambda: until(reached, "the run reaches the step that waits")
    for writer in held:
        os.close(writer)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of waiting.py that nobody stopped."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run_waiting(folder, write_rows(folder / "rows.jsonl", WAITING))
    return folder / "out"


WAITING = [f"질문 {number}" for number in range(600)]
WAITING[599] = "wait"


def run_waiting(folder: Path, rows: Path) -> None:
    (folder / "open").write_text("")
    arguments = ("run", RECIPES / "waiting.py", "--inputs", rows, "--out", "out", "--workers", "2")
    succeeds(*arguments, folder=folder, YISANG_TEST_GATE=str(folder / "open"))


@pytest.mark.parametrize(
    ("number", "workers", "group"),
    [
        pytest.param(signal.SIGTERM, 1, False, id="SIGTERM, 1 worker"),
        pytest.param(signal.SIGTERM, 2, False, id="SIGTERM, 2 workers"),
        pytest.param(signal.SIGINT, 2, True, id="Ctrl-C, 2 workers"),
    ],
)
def test_a_stopped_run_says_so_and_the_same_command_ends_it(
    tmp_path: Path,
    undisturbed: Path,
    gate: tuple[Path, Callable[[], None]],
    number: signal.Signals,
    workers: int,
    group: bool,
) -> None:
    rows = undisturbed.parent / "rows.jsonl"
    path, wait_until_reached = gate
    arguments = ("run", RECIPES / "waiting.py", "--inputs", rows, "--out", "out", "--workers", workers)
    with Running(arguments, tmp_path, YISANG_TEST_GATE=str(path)) as running:
        wait_until_reached()
        if group:  # what a terminal does
            os.killpg(running.process.pid, number)
        else:
            running.process.send_signal(number)
        done = running.wait()
    complaint(done, 3, f"Stopped by {number.name}", "the same command goes on from there")
    out = tmp_path / "out"
    assert not looks_finished(out)
    path.unlink()
    path.write_text("")  # what waited for a writer is now an ordinary file
    again = succeeds(*arguments, folder=tmp_path, YISANG_TEST_GATE=str(path))
    assert "1 of 2 phases are stored already" in again.err
    assert (out / "books.json").read_bytes() == (undisturbed / "books.json").read_bytes()
    assert kept_records(out) == kept_records(undisturbed)
    assert not half_written(out)


# A run with every kind of end


FREE = (
    {"text": "첫째 질문은 무엇입니까", "category": "science"},
    {"text": "둘째  질문은 무엇입니까", "category": "law"},
    {"text": "아", "category": "law"},
    {"text": "broken 질문", "category": "law"},
    {"text": "셋째 질문\n넷째 질문\n다섯째 질문", "category": "law"},
)
CLOSED = (
    {"text": "둘째 질문은 무엇입니까", "category": "law"},
    {"text": "여섯째 질문은 무엇입니까", "category": "science"},
)


def write_way(folder: Path) -> Path:
    write_rows(folder / "in" / "free.jsonl", FREE)
    write_rows(folder / "in" / "closed.jsonl", CLOSED)
    return folder / "in"


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("way")
    arguments = ["run", str(RECIPES / "way.py"), "--inputs", str(write_way(folder)), "--out", str(folder / "out")]
    assert main(arguments) == 0
    return folder / "out"


def test_show_prints_the_books_as_json(way: Path, capsys: pytest.CaptureFixture[str]) -> None:
    books = json.loads(command(capsys, "show", way, "--json")[0])
    names = ("name", "in", "born", "kept", "dropped", "dead")
    assert [tuple(step[name] for name in names) for step in books["steps"]] == [
        ("source", 7, 0, 7, {}, 0),
        ("lines", 7, 2, 9, {}, 0),
        ("frail", 9, 0, 8, {}, 1),
        ("long_enough", 8, 0, 7, {"too_short": 1}, 0),
        ("exact_duplicates", 7, 0, 6, {"exact_duplicate": 1}, 0),
    ]
    assert all(set(step) == set(names) for step in books["steps"])
    assert books["totals"] == {"kept": 6, "category": {"law": 4, "science": 2}, "licence": {"A": 5, "B": 1}}
    assert [(source["name"], source["read"], source["counted"]) for source in books["sources"]] == [
        ("free", 5, 5),
        ("closed", 2, 2),
    ]


def test_books_as_json_hold_neither_paths_nor_times(way: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def tells_place_or_time(text: str) -> list[str]:
        return re.findall(r"/|\\|\b(?:19|20)\d\d\b|\d{5,}|\d\d:\d\d|[0-9a-f]{12,}", text)

    books, _ = command(capsys, "show", way, "--json")
    assert str(way) not in books
    assert not tells_place_or_time(books)
    for leak in (str(way), "2026-01-01", "12:30", "1763640000", (way / "recipe.json").read_text()):
        assert tells_place_or_time(leak)  # the search would find them


def test_equal_runs_print_equal_books(way: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = write_way(tmp_path)
    command(capsys, "run", RECIPES / "way.py", "--inputs", inputs, "--out", tmp_path / "elsewhere")
    assert command(capsys, "show", tmp_path / "elsewhere", "--json") == command(capsys, "show", way, "--json")
    write_rows(inputs / "free.jsonl", FREE[1:])
    command(capsys, "run", RECIPES / "way.py", "--inputs", inputs, "--out", tmp_path / "elsewhere")
    assert command(capsys, "show", tmp_path / "elsewhere", "--json") != command(capsys, "show", way, "--json")


def identifier(way: Path, role: str, text: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The id of the record that holds `text`, as a user finds it."""
    if role == "kept":
        return next(str(json.loads(record)["id"]) for record in kept_records(way) if text.encode() in record)
    out, _ = command(capsys, "show", way, f"--{role}", "100", "--json")
    return next(str(json.loads(line)["id"]) for line in out.splitlines() if text in line)


def entries(capsys: pytest.CaptureFixture[str], way: Path, identifier: str) -> list[dict[str, Any]]:
    found = json.loads(command(capsys, "show", way, "--id", identifier, "--json")[0])
    assert isinstance(found, list)
    return found


def test_show_id_tells_the_way_of_a_kept_record(way: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = identifier(way, "kept", "첫째", capsys)
    found = entries(capsys, way, name)
    assert {(entry["id"], entry["what"]) for entry in found} == {(name, "stored")}
    assert [entry["phase"][:10] for entry in found] == ["00-source-", "02-exact_d"]
    text, _ = command(capsys, "show", way, "--id", name)
    assert text.count(name) == len(text.splitlines()) == 2


def test_show_id_tells_why_a_record_was_dropped(way: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = identifier(way, "drops", '"too_short"', capsys)
    last = entries(capsys, way, name)[-1]
    assert last["what"] == "dropped"
    assert (last["id"], last["step"], last["reason"]) == (name, "long_enough", "too_short")
    assert last["evidence"] == {"characters": 1}
    text, _ = command(capsys, "show", way, "--id", name)
    for words in ("reason: too_short", "step: long_enough", "evidence: {'characters': 1}"):
        assert words in text


def test_show_id_names_the_survivor_of_a_duplicate(way: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = identifier(way, "drops", '"exact_duplicate"', capsys)
    last = entries(capsys, way, name)[-1]
    survivor = identifier(way, "kept", "둘째", capsys)
    assert (last["what"], last["reason"], last["evidence"]) == ("dropped", "exact_duplicate", {"survivor": survivor})
    assert survivor in command(capsys, "show", way, "--id", name)[0]
    assert entries(capsys, way, survivor)[-1]["what"] == "stored"


def test_show_id_tells_of_children_and_of_the_dead(way: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parent = identifier(way, "kept", "셋째", capsys).rpartition("/")[0]
    found = entries(capsys, way, parent)
    assert [entry["id"] for entry in found if entry["phase"].startswith("00-")] == [parent]
    kept = [entry["id"] for entry in found if entry["phase"].startswith("02-")]
    assert sorted(kept) == [f"{parent}/{number}" for number in range(3)]
    last = entries(capsys, way, identifier(way, "dead", "broken", capsys))[-1]
    assert (last["what"], last["step"], last["error"]) == ("dead", "frail", "ValueError")
    assert "cannot read 'broken 질문'" in last["message"]


def test_show_id_of_nobody_is_refused_in_words(way: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, err = command(capsys, "show", way, "--id", "nobody", code=2)
    assert "No record nobody" in err
    assert "--drops" in err


def test_drops_and_dead_letters_are_printed_up_to_a_number(way: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short, copy = command(capsys, "show", way, "--drops", "100")[0].splitlines()
    assert short.startswith('long_enough: too_short {"characters": 1}')
    assert copy.startswith("exact_duplicates: exact_duplicate ")
    assert command(capsys, "show", way, "--drops", "1")[0].splitlines() == [short]
    (letter,) = command(capsys, "show", way, "--dead", "100")[0].splitlines()
    assert letter.startswith("frail: ValueError (cannot read 'broken 질문')")
    (whole,) = command(capsys, "show", way, "--dead", "100", "--json")[0].splitlines()
    assert "Traceback" in json.loads(whole)["traceback"]


# Limits and inputs


def test_a_limited_run_reads_so_many_and_does_not_pass_for_the_full_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("run", RECIPES / "way.py", "--inputs", write_way(tmp_path), "--out", tmp_path / "out")

    def read(*options: object) -> int:
        _, err = command(capsys, *arguments, *options)
        assert "Everything is done already" not in err
        books = json.loads(command(capsys, "show", tmp_path / "out", "--json")[0])
        return sum(int(source["read"]) for source in books["sources"])

    assert read("--limit", 3) == 3
    assert read("--limit", 6) == 6  # five of the first source, one of the second
    assert read() == 7
    assert read("--limit", 3) == 3
    assert read("--limit", 100) == 7
    _, err = command(capsys, *arguments, "--limit", 100)
    assert "Everything is done already" in err


@pytest.mark.parametrize("strict", [True, False])
def test_only_without_strict_a_touched_input_is_another_one(
    strict: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = write_way(tmp_path)
    options = ("--inputs", inputs, "--out", tmp_path / "out", *(["--strict"] if strict else []))

    def is_done() -> bool:
        return "Everything is done already" in command(capsys, "run", RECIPES / "way.py", *options)[1]

    assert not is_done()
    assert is_done()
    os.utime(inputs / "free.jsonl", ns=(0, 0))
    assert is_done() == strict
    text = (inputs / "free.jsonl").read_text()
    (inputs / "free.jsonl").write_text(text.replace("첫째", "천째"))
    os.utime(inputs / "free.jsonl", ns=(0, 0))  # the same size and time, other words
    assert is_done() != strict


# Teaching


TEACHING = ("run", RECIPES / "teaching.py")


def test_runs_that_share_their_answers_ask_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", (f"질문 {number}" for number in range(20)))
    with serving() as server:

        def run(out: str, *options: object) -> list[bytes]:
            command(capsys, *TEACHING, "--inputs", rows, "--out", tmp_path / out, *at(server.url), *options)
            return kept_records(tmp_path / out)

        shared = ("--answers", tmp_path / "shared")
        first = run("first", *shared)
        assert len(server.requests) == len(first) == 20
        assert run("second", *shared) == first
        assert len(server.requests) == 20
        beside = run("third")
        assert len(server.requests) == 40  # another store
        assert run("fourth") == beside == first
        assert len(server.requests) == 40  # by default beside the runs


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_a_plan_asks_and_writes_nothing_and_counts_what_a_run_would_ask(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", (f"질문 {number}" for number in range(20)))
    given = (RECIPES / "teaching.py", "--inputs", rows, "--out", tmp_path / "out")

    def plan() -> dict[str, Any]:
        before, asked = files(tmp_path), len(server.requests)
        text, _ = command(capsys, "plan", *given)
        found = json.loads(command(capsys, "plan", *given, "--json")[0])
        assert files(tmp_path) == before
        assert len(server.requests) == asked
        source, teach = found["phases"]
        counts = tuple(teach["teaching"][name] for name in ("requests", "answered", "to_ask"))
        return {"done": (source["done"], teach["done"]), "teaching": counts, "text": text}

    with serving() as server:
        fresh = plan()
        assert fresh["done"] == (False, False)
        assert fresh["teaching"] == (None, None, None)
        assert "requests: known when the steps before have run" in fresh["text"]
        assert str(rows) in fresh["text"]

        # Five answers come, from a run that reads no more; then the source of the full run, and no answer.
        command(capsys, "run", *given[:-1], tmp_path / "five", *at(server.url), "--limit", 5)
        server.otherwise = teachers.fails(401)
        command(capsys, "run", *given, *at(server.url), "--concurrency", 1, code=1)
        half = plan()
        assert half["done"] == (True, False)
        assert half["teaching"] == (20, 5, 15)
        assert "20 requests: 5 answered in the store, 15 to ask" in half["text"]
        assert "[done, 20 records]" in half["text"]

        server.otherwise = teachers.echo
        before = len(server.requests)
        command(capsys, "run", *given, *at(server.url))
        assert len(server.requests) - before == 15  # what the plan had said
        full = plan()
        assert full["done"] == (True, True)
        assert full["teaching"] == (20, 20, 0)
        assert full["text"].count("[done, 20 records]") == 2


# Tasks


def test_tasks_are_listed_and_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("tasks", "--n", 6, "--ops", "2-10", "--lang", "ko", "--context", "school", "--seed", 1)
    out, err = command(capsys, *asked, "--json")
    assert err == ""
    items = [json.loads(line) for line in out.splitlines()]
    assert len(items) == 6
    for item in items:
        assert set(item) == {"id", "lang", "context", "ops", "question", "answer", "graph", "trace"}
        assert (item["lang"], item["context"]) == ("ko", "school")
        assert 2 <= item["ops"] <= 10
        assert item["trace"].endswith(f"\\boxed{{{item['answer']}}}입니다.")
    assert command(capsys, *asked, "--json")[0] == out
    path = tmp_path / "answers.jsonl"
    right, wrong = items[0]["trace"], items[1]["trace"].replace(f"boxed{{{items[1]['answer']}}}", "boxed{0}")
    responses = [right, wrong, "", *(item["trace"] for item in items[3:])]
    lines = [json.dumps({**item, "response": text}) for item, text in zip(items, responses, strict=True)]
    path.write_text("\n".join(lines))
    found = [json.loads(line) for line in command(capsys, "tasks", "--verify", path, "--json")[0].splitlines()]
    assert [item["verified"] for item in found] == [True, False, False, True, True, True]
    assert [item["answer_correct"] for item in found] == [True, False, False, True, True, True]
    assert [item["process_acc"] for item in found] == [1, 1, 0, 1, 1, 1]
    assert found[2]["mismatches"]["missing"]
    assert "6 responses: 4 answers correct, 4 verified" in command(capsys, "tasks", "--verify", path)[0]


def test_a_person_reads_question_and_solution(capsys: pytest.CaptureFixture[str]) -> None:
    for preset in ("general", "narrow", "addition"):
        out, _ = command(capsys, "tasks", "--n", 2, "--ops", "3", "--lang", "en", "--preset", preset)
        assert out.count("<think>") == 2
        assert out.count("The answer is") == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--ops", "many"), "--ops is 'many'"),
        (("--ops", "5-2"), "no range"),
        (("--ops", "²"), "--ops is '²'"),
        (("--preset", "addition", "--mode", "mixed"), "Sums have no"),
        (("--n", "-1"), "--n is -1"),
        (("--lang", "xx"), "no language 'xx'"),
        (("--context", "space"), "no context 'space'"),
        (("--preset", "wide"), "general, narrow, addition"),
        (("--mode", "loud"), "--mode is 'loud'"),
        (("--lang", "en", "--mode", "mixed"), "the problem is in English"),
        (("--direction", "up"), "--direction is 'up'"),
        (("--preset", "narrow", "--direction", "reverse"), "no direction 'reverse'"),
        (("--verify", "nowhere.jsonl"), "Name a file of JSON Lines"),
    ],
)
def test_tasks_that_there_are_not_are_refused(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = command(capsys, "tasks", *arguments, code=2)
    assert out == ""
    assert says in err
