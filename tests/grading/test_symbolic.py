"""Math-Verify in its child: its own public pairs, from any thread; hangs, kills, forks and ends."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from public_pairs import DIFFERENT, EQUAL, pairs

from yisang.grading import GradeSettings, grade
from yisang.grading.symbolic import CHILD, Child, latex
from yisang.records import Prompt


def math(gold: str) -> Prompt:
    return Prompt(id="p", text="q", language="ko", kind="math", gold=gold)


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


def failures(child: Child, each: int = 1) -> list[tuple[str, str, str]]:
    """The pairs (every fifth, say) that do not come out as they should."""
    wrong = []
    for table, expected in ((EQUAL, "equal"), (DIFFERENT, "different")):
        for gold, answer in pairs(table)[::each]:
            result = child.compare(gold, answer, 20, search=("latex", "expr"))
            if result != expected:
                wrong.append((gold, answer, result))
    return wrong


def test_the_public_pairs_hold_in_a_thread():
    wrong: list[object] = ["the thread did not end"]
    thread = threading.Thread(target=lambda: wrong.__setitem__(slice(None), failures(CHILD)))
    thread.start()
    thread.join()
    assert wrong == []
    assert len(pairs(EQUAL) + pairs(DIFFERENT)) >= 120


def _in_process(queue) -> None:
    queue.put((failures(CHILD, each=5), CHILD.pid))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_public_pairs_hold_in_a_child_process(method):
    CHILD.compare("$1$", "$1$", 10)
    mine = CHILD.pid
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=_in_process, args=(queue,))
    process.start()
    wrong, pid = queue.get(timeout=300)
    process.join(30)
    assert wrong == []
    assert pid not in (None, mine)
    assert CHILD.pid == mine  # the other process has left ours alone
    assert CHILD.compare("$1+x$", "$x+1$", 10) == "equal"


def test_math_verify_itself_fails_off_the_main_thread():
    """The wrong twin: the library without the child."""
    from math_verify import parse

    errors: list[Exception] = []

    def run() -> None:
        try:
            parse("$1$")
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "threaded environment" in str(errors[0])


def test_many_threads_and_asyncio_share_the_child():
    async def ask() -> list[str]:
        numbers = range(20)
        calls = [asyncio.to_thread(grade, math("x^2 + 1"), f"\\boxed{{1 + x^2 + {number}}}") for number in numbers]
        return [found.verdict for found in await asyncio.gather(*calls)]

    assert asyncio.run(ask()) == ["correct"] + ["wrong"] * 19


def test_the_gold_is_the_first_of_two():
    assert CHILD.compare("$x+2y=1$", "$1$", 10) == "different"
    assert CHILD.compare("$1$", "$x+2y=1$", 10) == "equal"


def test_an_undelimited_gold_is_put_between_dollars():
    assert CHILD.compare(r"\sqrt{2}", r"\sqrt{2}", 10) == "gold"
    assert CHILD.compare(latex(r"\sqrt{2}"), latex("√2"), 10) == "equal"


@pytest.mark.parametrize("answer", ["9^{9^{9^{9}}}", "99999999!", "2^{2^{2^{2^{2^{2}}}}}"])
def test_what_hangs_is_unjudged_and_not_wrong(answer):
    started = time.monotonic()
    found = grade(math("5"), f"\\boxed{{{answer}}}", GradeSettings(seconds=1))
    assert found.verdict == "unjudged", found
    assert found.code in ("timeout", "too_large", "comparison_failed")
    assert time.monotonic() - started < 10
    assert grade(math("x + 1"), r"\boxed{1 + x}").verdict == "correct"  # another child serves the next


def test_a_child_that_was_killed_is_replaced():
    assert CHILD.compare("$x$", "$x$", 10) == "equal"
    first = CHILD.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert CHILD.compare("$x$", "$x$", 10) == "equal"
    assert CHILD.pid not in (None, first)


def test_a_child_that_dies_of_the_question_is_our_failure(monkeypatch):
    def dies(*_args):
        raise EOFError

    monkeypatch.setattr("yisang.grading.symbolic._line", dies)
    found = grade(math("x + 1"), r"\boxed{x + 2}")
    monkeypatch.undo()
    assert (found.verdict, found.code) == ("infra_error", "child_died")


def test_a_child_is_replaced_after_many_uses(monkeypatch):
    monkeypatch.setattr("yisang.grading.symbolic.USES", 2)
    child = Child()
    pids = []
    for _ in range(4):
        assert child.compare("$x$", "$x$", 10) == "equal"
        pids.append(child.pid)
    child.close()
    assert pids[0] == pids[1] != pids[2] == pids[3]
    assert all(gone(pid, 5) for pid in pids)


ASK = """
import os, sys, time
from yisang.grading.symbolic import CHILD
CHILD.compare("$x$", "$x$", 20)
print(CHILD.pid, flush=True)
{then}
"""


def started(then: str) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen([sys.executable, "-c", ASK.format(then=then)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("then", ["", "raise SystemExit(3)", "os._exit(1)"])
def test_no_child_is_left_at_exit(then):
    process, pid = started(then)
    process.wait(20)
    assert gone(pid, 5)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_child_is_left_when_the_parent_is_killed():
    process, pid = started("time.sleep(60)")
    assert alive(pid)
    process.kill()
    process.wait(20)
    assert gone(pid, 5)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_child_is_left_when_the_parent_is_killed_and_its_fork_lives():
    """One that Python has not seen holds the pipe open."""
    fork = (
        "import ctypes; child = ctypes.CDLL(None).fork(); print(child, flush=True) if child else None; time.sleep(60)"
    )
    process, pid = started(fork)
    assert process.stdout is not None
    fork = int(process.stdout.readline())
    process.kill()
    process.wait(20)
    assert gone(pid, 5)
    os.kill(fork, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_child_is_left_when_the_parent_is_killed_while_the_child_hangs():
    hang = "CHILD.compare('$5$', '$9^{9^{9^{9}}}$', 1)"
    process, pid = started(
        f"import threading; threading.Thread(target=lambda: {hang}, daemon=True).start(); time.sleep(0.5); os._exit(9)"
    )
    process.wait(20)
    assert gone(pid, 8)  # by its own alarm: 1 s and GRACE
