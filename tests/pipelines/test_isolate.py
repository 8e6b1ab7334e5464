"""A hostile input costs its own record and nothing else: not the run, not the next record, not a process."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from recipes_for_tests import hostile
from recipes_for_tests.helpers import Ledger, prompt, until

from yisang.pipelines.chain import run_chain
from yisang.pipelines.steps import Each
from yisang.records import Prompt, Record

PATIENT, IMPATIENT = 60.0, 1.0


def descendants() -> set[int]:
    """The processes that came of this one and still run."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:2]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if state not in "ZX":
                parents[int(entry.name)] = int(parent)
    found: set[int] = set()
    grown = {os.getpid()}
    while grown:
        grown = {pid for pid, parent in parents.items() if parent in grown} - found
        found |= grown
    return found


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    before = descendants()
    yield
    until(lambda: descendants() <= before, "a child process of the chain is left", 15)


def run(texts: list[str], timeout: float = PATIENT) -> tuple[list[Record], Ledger]:
    ledger = Ledger()
    steps = (Each(hostile.parse, isolate=True, timeout=timeout, name="parse"),)
    return list(run_chain([prompt(text) for text in texts], steps, ledger)), ledger


def test_one_child_serves_record_after_record_outside_of_this_process() -> None:
    kept, ledger = run(["one", "two", "three"])
    assert len({record.measures["pid"] for record in kept}) == 1
    assert kept[0].measures["pid"] != os.getpid()
    assert [record.id for record in kept] == ["one", "two", "three"]
    assert not ledger.drops
    assert not ledger.deaths


@pytest.mark.parametrize(
    ("act", "timeout", "error", "words"),
    [
        ("hang", IMPATIENT, "Timeout", "no result after 1 s"),
        ("leave", PATIENT, "ChildDied", "ended with 7"),
        ("segfault", PATIENT, "ChildDied", "ended with -11"),
    ],
)
def test_a_call_that_never_returns_is_a_dead_letter_and_a_fresh_child_goes_on(
    act: str, timeout: float, error: str, words: str
) -> None:
    kept, ledger = run(["before", act, "after", "after that"], timeout)
    assert [record.id for record in kept] == ["before", "after", "after that"]
    before, after, after_that = (record.measures["pid"] for record in kept)
    assert before != after == after_that
    ((step, record, dead),) = ledger.deaths
    assert (step, record, dead.error) == ("parse", act, error)
    assert words in dead.message


@pytest.mark.parametrize(
    ("act", "words"),
    [
        ("fail", "these bytes are no page"),
        ("fail_half_way", "the second half is broken"),
        ("return_nothing", "returned None"),
        ("return_a_lock", "lock"),
    ],
)
def test_a_call_that_fails_is_a_dead_letter_with_its_reason_and_the_child_stays(act: str, words: str) -> None:
    kept, ledger = run(["before", act, "after"])
    assert [record.id for record in kept] == ["before", "after"]
    assert kept[0].measures["pid"] == kept[1].measures["pid"]
    ((_, record, dead),) = ledger.deaths
    assert record == act
    assert words in dead.message
    assert dead.traceback


def test_what_a_parser_prints_does_not_spoil_its_answer(capfd: pytest.CaptureFixture[str]) -> None:
    kept, ledger = run(["before", "shout", "after"])
    assert [record.id for record in kept] == ["before", "shout", "after"]
    assert len({record.measures["pid"] for record in kept}) == 1
    assert not ledger.deaths
    assert capfd.readouterr().out == ""


def test_a_huge_record_goes_both_ways() -> None:
    kept, ledger = run(["grow", "grow " + "x" * hostile.HUGE, "after"])
    assert not ledger.deaths
    assert [len(record.text_for_reading.encode()) // 1_000_000 for record in kept] == [20, 20, 0]
    assert len({record.measures["pid"] for record in kept}) == 1


def test_drops_and_children_come_back_as_from_any_function() -> None:
    kept, ledger = run(["reject", "divide"])
    assert [record.id for record in kept] == ["divide/0", "divide/1", "divide/2"]
    assert ledger.drops == [("parse", "reject", "too_odd")]
    assert ledger.born_in == {"parse": 2}


def test_a_consumer_that_stops_early_leaves_no_child() -> None:
    before = descendants()
    stream = run_chain([prompt("one"), prompt("two")], (Each(hostile.parse, isolate=True),), Ledger())
    assert next(stream).id == "one"
    assert descendants() > before
    del stream
    until(lambda: descendants() <= before, "the child of an abandoned chain is left", 15)


def test_a_source_that_fails_leaves_no_child() -> None:
    def broken() -> Iterator[Prompt]:
        yield prompt("one")
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(run_chain(broken(), (Each(hostile.parse, isolate=True),), Ledger()))


def test_a_parser_that_leaves_the_program_is_told_as_that() -> None:
    kept, ledger = run(["before", "leave_politely", "after"])
    assert [record.id for record in kept] == ["before", "after"]
    ((_, _, dead),) = ledger.deaths
    assert dead.error == "SystemExit" or "ended with 0" in dead.message


def test_a_tool_that_a_hanging_parser_started_goes_with_it() -> None:
    before = tools()
    try:
        kept, ledger = run(["hang_in_a_tool", "after"], IMPATIENT)
        assert [record.id for record in kept] == ["after"]
        assert [dead.error for _, _, dead in ledger.deaths] == ["Timeout"]
        until(lambda: tools() <= before, "the tool of a killed parser is left", 5)
    finally:
        for pid in tools() - before:
            os.kill(pid, signal.SIGKILL)


def tools() -> set[int]:
    """The tools of `hang_in_a_tool`, whoever is their parent by now."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if hostile.TOOL.encode() in (entry / "cmdline").read_bytes():
                    found.add(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def test_a_function_that_the_child_cannot_load_is_told_with_the_reason() -> None:
    ledger = Ledger()
    assert not list(run_chain([prompt("one")], (Each(hostile.Unloadable(), isolate=True, name="load"),), ledger))
    ((_, _, dead),) = ledger.deaths
    assert "the model file is missing" in dead.message
