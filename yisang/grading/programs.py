"""Answers in code, judged by tests in the sandbox.

`Prompt.tests` is one of two:
    Python source   runs behind the answer, in its names and its process; a failed `assert` (any exception) is a failed
                    test. The answer is no `__main__`, and what it prints counts for nothing (`yisang.grading.driver`).
    JSON            [{"input": "...", "output": "..."}, ...]: the answer runs once for each, with the input on stdin; what
                    it prints must equal the output, blanks at the ends of lines and of the text apart

The answer is the last fenced block of Python, or else the last without a language. The tests run one after another, and
the first that fails decides.

What Python source tests cannot prevent, as they share a process with the answer: an object that is equal to everything;
functions that look at the tests which call them; an answer written for this grader, that takes the driver's part in its
pipes. JSON pairs have none of these.
"""

from __future__ import annotations

import functools
import json
import re
import secrets
from pathlib import Path
from typing import Any, Literal, NamedTuple

Verdict = Literal["correct", "wrong", "infra_error"]

_PYTHON = ("python", "py", "python3")


class Judged(NamedTuple):
    verdict: Verdict
    reason: str


def program(answer: str) -> str | None:
    """The last fenced block of Python, or else of no language; None where there is neither."""
    blocks = [(language.lower(), code) for language, code in _blocks(answer)]
    for wanted in (_PYTHON, ("",)):
        if found := [code for language, code in blocks if language in wanted]:
            return found[-1]
    return None


def cases(tests: str) -> list[tuple[str, str]] | None:
    """The (input, output) pairs of tests in JSON; None where the tests are Python source.

    Raises ValueError for a JSON list that holds anything else, or nothing.
    """
    try:
        items = json.loads(tests)
    except ValueError:
        return None
    good = isinstance(items, list) and items and all(_is_case(item) for item in items)
    if not good:
        raise ValueError('tests in JSON must be a list of {"input": "...", "output": "..."} with at least one item')
    return [(item["input"], item["output"]) for item in items]


def judge(code: str, tests: str, seconds: float) -> Judged:
    """Runs `code` against its tests; `seconds` are for each run. Raises ValueError for tests that are none."""
    pairs = cases(tests)
    if pairs is None:
        return _asserted(code, tests, seconds)
    for number, (given, expected) in enumerate(pairs, 1):
        where = f"test {number} of {len(pairs)}"
        status, stdout, stderr = _run(code, given, seconds)
        if status == "infra_error":
            return Judged("infra_error", f"sandbox: {where}: {stderr}")
        if status != "success":
            return Judged("wrong", f"test_{status}: {where}: {_last_line(stderr)}")
        if _lines(stdout) != _lines(expected):
            return Judged("wrong", f"test_output: {where}: it printed {stdout[:80]!r}, not {expected[:80]!r}")
    return Judged("correct", f"tests_passed: all {len(pairs)}")


def _asserted(code: str, tests: str, seconds: float) -> Judged:
    token = secrets.token_hex(16)
    given = json.dumps({"code": code, "tests": tests, "token": token})
    status, stdout, stderr = _run(_driver(), given, seconds)
    if status == "infra_error":
        return Judged("infra_error", f"sandbox: {stderr}")
    if status != "success":
        return Judged("wrong", f"test_{status}: {_last_line(stderr)}")
    if stdout != token:  # an answer that leaves early, by exit(0), has passed nothing
        return Judged("wrong", "test_unfinished: the program ended before its tests did")
    return Judged("correct", "tests_passed: all assertions hold")


@functools.cache
def _driver() -> str:
    return Path(__file__).with_name("driver.py").read_text(encoding="utf-8")


def _run(code: str, stdin: str, seconds: float) -> tuple[str, str, str]:
    from yisang.sandbox import SandboxUnavailable, run_python

    try:
        result = run_python(code, stdin=stdin, timeout=seconds)
    except SandboxUnavailable as error:
        return "infra_error", "", str(error)
    return result.status, result.stdout, result.says if result.status == "infra_error" else result.stderr or result.says


def _blocks(answer: str) -> list[tuple[str, str]]:
    """(language, content) of the fenced blocks that are closed, without the blanks that stand before the fence."""
    found: list[tuple[str, str]] = []
    fence, language, lines, indent = "", "", list[str](), 0
    for line in answer.splitlines(keepends=True):
        mark = line.strip()
        if not fence:
            match = re.match(r"(`{3,}|~{3,})[ \t]*([\w+-]*)", mark)
            if match and (match[1][0] == "~" or "`" not in mark[match.end() :]):
                fence, language, lines, indent = match[1], match[2], [], _indent(line)
        elif mark.startswith(fence) and not mark.strip(fence[0]):
            found.append((language, "".join(lines)))
            fence = ""
        else:
            lines.append(line[min(indent, _indent(line)) :])
    return found


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _is_case(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("input"), str) and isinstance(item.get("output"), str)


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:200] if lines else "nothing said"
