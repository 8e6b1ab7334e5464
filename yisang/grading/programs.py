"""Answers in code, judged by tests in the sandbox.

`Prompt.tests` is one of two:
    Python source   runs behind the answer in one program; a failed `assert` (any exception) is a failed test
    JSON            [{"input": "...", "output": "..."}, ...]: the answer runs once for each, with the input on stdin; what
                    it prints must equal the output, blanks at the ends of lines and of the text apart

The answer is the last fenced block of Python, or else the last without a language. The tests run one after another, and
the first that fails decides.
"""

from __future__ import annotations

import hashlib
import json
import re
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
    # Written at the very end: an answer that leaves early, by exit(0), has passed nothing. Not by print, which the answer
    # may have made its own, and not to stdout, of which only the beginning is kept.
    seal = hashlib.sha256(f"{code}\0{tests}".encode()).hexdigest()
    whole = f"{code}\n\n{tests}\n\n__import__('os').write(2, b'{seal}')\n"
    status, _, stderr = _run(whole, "", seconds)
    if status == "infra_error":
        return Judged("infra_error", f"sandbox: {stderr}")
    if status != "success":
        return Judged("wrong", f"test_{status}: {_last_line(stderr)}")
    if not stderr.endswith(seal):
        return Judged("wrong", "test_unfinished: the program ended before its tests did")
    return Judged("correct", "tests_passed: all assertions hold")


def _run(code: str, stdin: str, seconds: float) -> tuple[str, str, str]:
    from yisang.sandbox import SandboxUnavailable, run_python

    try:
        result = run_python(code, stdin=stdin, timeout=seconds)
    except SandboxUnavailable as error:
        return "infra_error", "", str(error)
    return result.status, result.stdout, result.stderr


def _blocks(answer: str) -> list[tuple[str, str]]:
    """(language, content) of the fenced blocks that are closed."""
    found: list[tuple[str, str]] = []
    fence, language, lines = "", "", list[str]()
    for line in answer.splitlines(keepends=True):
        mark = line.strip()
        if not fence:
            match = re.match(r"(`{3,}|~{3,})[ \t]*([\w+-]*)", mark)
            if match and (match[1][0] == "~" or "`" not in mark[match.end() :]):
                fence, language, lines = match[1], match[2], []
        elif mark.startswith(fence) and not mark.strip(fence[0]):
            found.append((language, "".join(lines)))
            fence = ""
        else:
            lines.append(line)
    return found


def _is_case(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("input"), str) and isinstance(item.get("output"), str)


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:200] if lines else "nothing said"
