"""Teaching through the command, against a real server on loopback: no answer is paid for twice, and none is lost."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from recipes_for_tests.helpers import check_balance, kept_records, until
from stages.recipes.command import (
    RECIPES,
    Running,
    at,
    distinct,
    half_written,
    looks_finished,
    serving,
    succeeds,
    teachers,
    write_rows,
)

from yisang.cli import main
from yisang.pipelines.books import Books
from yisang.records import Trace

MANY = 760
"""Four streams of requests."""
FEW = 12
RECIPE = RECIPES / "teaching.py"


def questions(path: Path, count: int) -> Path:
    return write_rows(path, (f"질문 {number}: 어느 것이 옳은가" for number in range(count)))


def traces(out: Path) -> list[Trace]:
    return [msgspec.json.decode(record, type=Trace) for record in kept_records(out)]


def books(out: Path) -> Books:
    found = msgspec.json.decode((out / "books.json").read_bytes(), type=Books)
    check_balance(found)
    return found


@pytest.fixture
def server() -> Iterator[Any]:
    with serving() as found:
        yield found


@pytest.fixture
def teach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Any) -> Callable[..., Path]:
    """Runs the recipe on few questions in this process; what differs from its defaults is given by name."""
    questions(tmp_path / "few.jsonl", FEW)

    def run(out: str, *options: object, url: str = "", code: int = 0, **changes: Any) -> Path:
        monkeypatch.setenv("YISANG_TEST_TEACHING", json.dumps(changes))
        given = ("--inputs", tmp_path / "few.jsonl", "--out", tmp_path / out, *at(url or server.url), *options)
        assert main(["run", str(RECIPE), *map(str, given)]) == code
        return tmp_path / out

    return run


# Workers and kills


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of many questions by one worker that nobody disturbed."""
    folder = tmp_path_factory.mktemp("alone")
    with serving() as server:
        arguments = ("--inputs", questions(folder / "many.jsonl", MANY), "--out", folder / "out", *at(server.url))
        assert main(["run", str(RECIPE), *map(str, arguments)]) == 0
        assert len(server.requests) == distinct(server) == MANY
    return folder / "out"


@pytest.mark.parametrize("workers", [2, 4])
def test_the_traces_are_the_same_with_any_number_of_workers(
    alone: Path, tmp_path: Path, server: Any, workers: int
) -> None:
    arguments = ("run", RECIPE, "--inputs", alone.parent / "many.jsonl", "--out", "out", *at(server.url))
    succeeds(*arguments, "--workers", workers, folder=tmp_path)
    assert len(server.requests) == distinct(server) == MANY
    assert kept_records(tmp_path / "out") == kept_records(alone)
    assert books(tmp_path / "out") == books(alone)
    assert len({trace.text for trace in traces(alone)}) == MANY  # each answer is another one, so a mix-up would show


IN_FLIGHT = 4
KILLED = (1, 2, 1, 1, 1)
"""The workers of the commands that are killed. The one with two shows that workers go with their command."""


def test_five_kills_cost_no_more_than_what_was_in_flight(alone: Path, tmp_path: Path, server: Any) -> None:
    arguments = ("run", RECIPE, "--inputs", alone.parent / "many.jsonl", "--out", "out", *at(server.url))
    arguments = (*arguments, "--concurrency", IN_FLIGHT)
    counts = sorted(random.Random(20).sample(range(40, MANY - 40), len(KILLED)))
    running: list[Running] = []
    killing = threading.Lock()
    killed, gone = threading.Event(), threading.Event()

    def answer(handler: Any, body: dict[str, Any]) -> None:
        """Answers. The request of a number to die at kills the command, and none is answered until it is gone."""
        with killing:
            if counts and len(server.requests) >= counts[0]:
                counts.pop(0)
                gone.clear()
                killed.set()
                os.kill(running[-1].process.pid, signal.SIGKILL)
        if killed.is_set():
            gone.wait()
        teachers.echo(handler, body)

    server.otherwise = answer
    paid = 0
    with contextlib.ExitStack() as ends:
        ends.callback(gone.set)
        for number, workers in enumerate(KILLED, 1):
            killed.clear()
            running.append(ends.enter_context(Running((*arguments, "--workers", workers), tmp_path)))
            assert running[-1].wait().code == -signal.SIGKILL
            paid += len(server.requests)
            assert len(counts) == len(KILLED) - number
            until(lambda: not running[-1].alive(), "the workers of a killed command end with it", 15)
            assert not looks_finished(tmp_path / "out")
            gone.set()
            until(lambda: not server.now, "the server is at rest")
        killed.clear()
        succeeds(*arguments, folder=tmp_path)

    most = MANY + sum(KILLED) * IN_FLIGHT
    assert distinct(server) == MANY
    assert len(server.requests) <= most
    assert MANY + paid > 2 * most  # a store that forgets at each kill would be far above
    assert kept_records(tmp_path / "out") == kept_records(alone)
    assert books(tmp_path / "out") == books(alone)
    assert not half_written(tmp_path)


# What makes a request another one


@pytest.mark.parametrize(
    "change",
    [{"temperature": 0.7}, {"mode": "target_only"}, {"placement": "prefix"}, {"revision": "r2"}, {"model": "large"}],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_setting_asks_again_and_the_old_answers_stay(
    teach: Callable[..., Path], server: Any, change: dict[str, Any]
) -> None:
    first = traces(teach("out"))
    assert len(server.requests) == FEW
    changed = traces(teach("out", **change))
    assert len(server.requests) == 2 * FEW
    assert [trace.prompt for trace in changed] == [trace.prompt for trace in first]
    assert traces(teach("out")) == first
    assert len(server.requests) == 2 * FEW  # both settings are in the store now


def test_another_address_asks_nothing_again(teach: Callable[..., Path], server: Any) -> None:
    first = teach("first")
    assert len(server.requests) == FEW
    with serving() as other:
        assert traces(teach("second", url=other.url)) == traces(first)
        assert not other.requests
        # The run folder does not know the address either: nothing is done again.
        before = (first / "books.json").stat().st_mtime_ns
        teach("first", url=other.url)
        assert (first / "books.json").stat().st_mtime_ns == before
        # (and this server does answer, when it is asked)
        teach("third", url=other.url, temperature=1.0)
        assert len(other.requests) == FEW
    assert len(server.requests) == FEW


# Samples


def test_three_samples_are_three_requests_and_two_births(teach: Callable[..., Path], server: Any) -> None:
    out = teach("out", samples=3)
    assert len(server.requests) == distinct(server) == 3 * FEW
    (step,) = (step for step in books(out).steps if step.name == "teach")
    assert (step.taken, step.born, step.kept, step.dropped, step.dead) == (FEW, 2 * FEW, 3 * FEW, {}, 0)
    found = traces(out)
    assert {trace.id for trace in found} == {f"{trace.prompt.id}/{sample}" for trace in found for sample in range(3)}
    assert len({trace.text for trace in found}) == 3 * FEW
    assert sorted({trace.sampling["seed"] for trace in found}) == [0, 1, 2]


def test_more_samples_ask_only_for_the_new_ones(teach: Callable[..., Path], server: Any) -> None:
    teach("out", samples=1)
    teach("out", samples=3)
    assert len(server.requests) == distinct(server) == 3 * FEW


# Failures


def refuse_the_seventh(handler: Any, body: dict[str, Any]) -> None:
    """As an endpoint with a content filter does: one prompt is refused, whatever the sample."""
    refused = body["messages"][-1]["content"].startswith("질문 7:")
    (teachers.fails(400, "this prompt is not allowed") if refused else teachers.echo)(handler, body)


def test_a_rejected_prompt_is_a_dead_letter_for_each_sample_and_the_books_balance(
    teach: Callable[..., Path], server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server.otherwise = refuse_the_seventh
    out = teach("out", samples=2, max_dead=0.5)
    (step,) = (step for step in books(out).steps if step.name == "teach")
    assert (step.taken, step.born, step.kept, step.dropped, step.dead) == (FEW, FEW, 2 * (FEW - 1), {}, 2)
    assert not any(trace.prompt.text.startswith("질문 7:") for trace in traces(out))
    capsys.readouterr()
    assert main(["show", str(out), "--dead", "9", "--json"]) == 0
    letters = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [letter["step"] for letter in letters] == ["teach", "teach"]
    assert sorted(letter["message"][:10] for letter in letters) == ["sample 0: ", "sample 1: "]
    for letter in letters:
        assert "answered 400: this prompt is not allowed" in letter["message"]
        assert letter["record"]["text"].startswith("질문 7:")


def test_too_many_rejected_prompts_fail_the_run_and_the_other_answers_are_kept(
    teach: Callable[..., Path], server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server.otherwise = refuse_the_seventh
    teach("out", code=1)
    said = capsys.readouterr().err
    assert "Step teach failed on 1 of 12" in said
    assert "this prompt is not allowed" in said
    assert len(server.requests) == FEW
    server.otherwise = teachers.echo
    # A rejection is not stored: the same command asks that prompt again, and takes the others from the store.
    assert len(traces(teach("out"))) == FEW
    assert len(server.requests) == FEW + 1


def test_a_page_is_refused_with_the_step_that_is_missing(
    tmp_path: Path, server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page.html").write_text("<html><body><p>질문</p></body></html>")
    recipe = RECIPE.read_text().replace(
        "from yisang.sources import JsonLines", "from yisang.sources.html_files import HtmlFiles"
    )
    start, stop = recipe.index("source=JsonLines("), recipe.index("        steps=(")
    recipe = f'{recipe[:start]}source=HtmlFiles(inputs, name="pages", licence=licence("CC0-1.0", "test", "2026-01-01")),\n{recipe[stop:]}'
    (tmp_path / "pages.py").write_text(recipe)
    given = ("--inputs", tmp_path / "page.html", "--out", tmp_path / "out", *at(server.url))
    assert main(["run", str(tmp_path / "pages.py"), *map(str, given)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("yisang: Step teach was given a page, but a teacher is asked prompts.")
    assert "Put a step before it that makes prompts of them." in said
    assert not server.requests
    assert not looks_finished(tmp_path / "out")
