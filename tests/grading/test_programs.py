"""Answers in code: which block counts, what tests are, and what the sandbox says of them."""

from __future__ import annotations

import json
import os
import shutil
from types import SimpleNamespace

import pytest

from yisang.grading import GradeSettings, check_gold, grade, programs
from yisang.records import Prompt

PAIRS = json.dumps([{"input": "2 3\n", "output": "5\n"}, {"input": "10 -4\n", "output": "6\n"}])
ASSERTS = "assert add(2, 3) == 5\nassert add(10, -4) == 6\n"
READS = "a, b = map(int, input().split())\nprint(a + b)"


def code(tests: str, gold: str | None = None) -> Prompt:
    return Prompt(id="p", text="q", language="ko", kind="code", tests=tests, gold=gold)


def fenced(text: str, language: str = "python") -> str:
    return f"<think>?</think>답:\n```{language}\n{text}\n```\n"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("```python\na\n```", "a\n"),
        ("```py\na\n```\n```Python\nb\n```\n", "b\n"),
        ("```python\na\n```\n```\noutput\n```", "a\n"),
        ("```\na\n```", "a\n"),
        ("~~~python\n```\n~~~", "```\n"),
        ("- so:\n  ```python\n  a\n  ```", "a\n"),
        ("1. so:\n   ```python\n   def f():\n       a\n\n  b\n   ```", "def f():\n    a\n\nb\n"),
        ("\t```python\n\ta\n\t\tb\n\t```", "a\n\tb\n"),
        ("```text\na\n```", None),
        ("```python\na", None),
        ("a = 1", None),
        ("```a```", None),
    ],
)
def test_the_last_block_of_python_counts(answer, expected):
    assert programs.program(answer) == expected


def test_tests_are_json_or_python():
    assert programs.cases(PAIRS) == [("2 3\n", "5\n"), ("10 -4\n", "6\n")]
    assert programs.cases(ASSERTS) is None
    for bad in ("[]", "{}", '[{"input": "1"}]', "[1]", "7"):
        with pytest.raises(ValueError, match="at least one item"):
            programs.cases(bad)
        assert grade(code(bad), fenced("1")).code == "bad_tests"


@pytest.fixture
def sandbox(monkeypatch):
    """A sandbox that says what the test tells it to."""
    said = SimpleNamespace(status="success", stdout="", stderr="", seen=[])

    def run(text, stdin, seconds):
        said.seen.append((text, stdin, seconds))
        return said.status, said.stdout, said.stderr

    monkeypatch.setattr(programs, "_run", run)
    return said


@pytest.mark.parametrize("tests", [PAIRS, ASSERTS])
@pytest.mark.parametrize(
    ("status", "verdict", "reason"),
    [("timeout", "wrong", "test_timeout"), ("error", "wrong", "test_error"), ("infra_error", "infra_error", "sandbox")],
)
def test_what_the_sandbox_says_becomes_a_verdict(sandbox, tests, status, verdict, reason):
    sandbox.status, sandbox.stderr = status, "Traceback\nAssertionError: no"
    found = grade(code(tests), fenced("x"))
    assert (found.verdict, found.code) == (verdict, reason)
    assert "AssertionError: no" in found.reason
    assert sandbox.seen[0][2] == GradeSettings().test_seconds


def test_the_failing_test_is_named(sandbox):
    sandbox.stdout = "5"
    found = grade(code(PAIRS), fenced("x"))
    assert (found.verdict, found.reason) == ("wrong", "test_output: test 2 of 2: it printed '5', not '6\\n'")


def test_a_program_that_leaves_before_its_tests_has_not_passed(sandbox):
    assert grade(code(ASSERTS), fenced("exit()")).code == "test_unfinished"


def test_no_block_is_unparsed(sandbox):
    assert grade(code(PAIRS), "print(1)").code == "no_code"
    assert sandbox.seen == []


def test_without_a_sandbox_nothing_is_judged(monkeypatch):
    sandbox = pytest.importorskip("yisang.sandbox")

    def missing(*_args, **_more):
        raise sandbox.SandboxUnavailable("no bwrap", "install it")

    monkeypatch.setattr(sandbox, "run_python", missing)
    found = grade(code(ASSERTS), fenced("1"))
    assert found.verdict == "infra_error"
    assert "no bwrap" in found.reason


@pytest.fixture
def bwrap():
    if shutil.which("bwrap") is None:
        if os.environ.get("YISANG_REQUIRE_PARTS") == "1":
            pytest.fail("bwrap is missing, and YISANG_REQUIRE_PARTS=1 forbids to skip")
        pytest.skip("bwrap is missing")


WALK = """
import os, sys
def add(a, b): return 5
seen, frame = [], sys._getframe()
while frame:
    seen += [*frame.f_code.co_consts, *frame.f_locals.values(), *frame.f_globals.values()]
    frame = frame.f_back
for said in seen:
    for handle in range(1, 20):
        try:
            os.write(handle, said if isinstance(said, bytes) else str(said).encode())
        except OSError:
            pass
os._exit(0)
"""
SEALED = """
import os, sys
def add(a, b): return 5
seal = [said for said in sys._getframe().f_code.co_consts if isinstance(said, bytes) and len(said) == 64][0]
os.write(2, seal)
os._exit(0)
"""
GUARD = "\n\nif __name__ == '__main__':\n    "
ADD = "def add(a, b):\n    return a + b"


@pytest.mark.parametrize(
    ("tests", "answer", "verdict", "reason"),
    [
        (ASSERTS, ADD, "correct", "tests_passed"),
        (ASSERTS, ADD + "\nprint = None", "correct", "tests_passed"),
        (ASSERTS, ADD + "\nprint('x' * 2_000_000)", "correct", "tests_passed"),
        (ASSERTS, "def add(a, b):\n    return 5", "wrong", "test_error"),
        (ASSERTS, "def add(", "wrong", "test_error"),
        (ASSERTS, "import sys\nsys.exit(0)", "wrong", "test_unfinished"),
        (ASSERTS, "import os\nos._exit(0)", "wrong", "test_unfinished"),
        (ASSERTS, "while True: pass", "wrong", "test_timeout"),
        (ASSERTS, "import sys\nsys.exit(3)", "wrong", "test_error"),
        (ASSERTS, "import os\nos.kill(os.getpid(), 9)", "wrong", "test_error"),
        (ASSERTS, "import os\nos.kill(os.getppid(), 9)", "wrong", "test_error"),
        (ASSERTS, ADD + GUARD + "import sys\n    sys.exit(print(add(1, 2)))", "correct", "tests_passed"),
        (ASSERTS, ADD + GUARD + "print(add(int(input()), 1))", "correct", "tests_passed"),
        (ASSERTS, ADD + "\nimport sys\nsys.stderr.write('working')", "correct", "tests_passed"),
        (ASSERTS, ADD + "\nimport sys\nprint('x' * 2_000_000, file=sys.stderr)", "correct", "tests_passed"),
        (ASSERTS, ADD + "\nimport atexit, os\natexit.register(lambda: os.write(2, b'bye'))", "correct", "tests_passed"),
        (
            ASSERTS,
            ADD + "\nimport threading, time\nthreading.Thread(target=time.sleep, args=(9,)).start()",
            "correct",
            "tests_passed",
        ),
        (ASSERTS, ADD + "\nclass A:\n    def __del__(self): raise ValueError\na = A()", "correct", "tests_passed"),
        (
            ASSERTS,
            "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass A:\n    a: int\n"
            + ADD,
            "correct",
            "tests_passed",
        ),
        (ASSERTS, WALK, "wrong", "test_unfinished"),
        (ASSERTS, SEALED, "wrong", "test_error"),
        (ASSERTS + GUARD + "assert False", ADD, "wrong", "test_error"),
        (PAIRS, READS, "correct", "tests_passed"),
        (PAIRS, READS.replace("print(a + b)", "print(a + b, end='  \\n\\n')"), "correct", "tests_passed"),
        (PAIRS, READS.replace("+", "-"), "wrong", "test_output"),
        (PAIRS, "print(5)", "wrong", "test_output"),
    ],
)
def test_programs_run_in_the_sandbox(bwrap, tests, answer, verdict, reason):
    found = grade(code(tests), fenced(answer), GradeSettings(test_seconds=2.0))
    assert (found.verdict, found.code) == (verdict, reason), found


def test_a_gold_program_passes_its_own_tests(bwrap):
    assert check_gold(code(ASSERTS, ADD)).verdict == "correct"
    assert check_gold(code(ASSERTS, fenced(ADD))).verdict == "correct"
    assert check_gold(code(ASSERTS, "add = max")).verdict == "wrong"
