"""Expressions compared by Math-Verify, in a child process that is killed when it takes too long.

Math-Verify limits its time with SIGALRM, which raises off the main thread (huggingface/Math-Verify issues 50 and 55), and
sympy may hang for good. So each process has one warm child of its own. It works from any thread and after a fork, and it
ends with its parent, however that ends.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
import unicodedata
from collections.abc import Sequence
from typing import Any, Literal

from yisang.grading.plain import bare

Symbolic = Literal["equal", "different", "gold", "answer", "error", "memory", "timeout", "died"]
"""equal, different: as Math-Verify has it. gold, answer: that side is no expression. error: it failed on the two.
memory, timeout: too large to be compared. died: the child ended, twice, or did not start.
"""

START_SECONDS = 60.0
"""How long the child may take to import sympy, on a machine that is busy; this is not the comparison's time."""
USES = 2000
"""Comparisons of one child. sympy's caches grow; ours."""
EXACT = 15
"""Decimal places for Math-Verify where no rounding is wanted; its numbers have 15 digits."""

_GREEK = {
    chr(code): "\\" + name
    for code in range(0x3B1, 0x3CA)
    if (name := unicodedata.name(chr(code), "").removeprefix("GREEK SMALL LETTER ").lower()) and " " not in name
}
_SIGNS = _GREEK | {
    "×": "\\times", "÷": "\\div", "∞": "\\infty", "≤": "\\le", "≥": "\\ge", "≠": "\\neq", "∪": "\\cup", "∩": "\\cap",
    "±": "\\pm", "·": "\\cdot", "−": "-", "∈": "\\in", "≈": "\\approx", "⋅": "\\cdot", "－": "-", "∅": "\\emptyset",
}  # fmt: skip
_ROOT = re.compile(r"√\s*(?:\(([^()]*)\)|\{([^{}]*)\}|(\d+|[A-Za-z]))")
_FUNCTION = re.compile(r"(?<![\\A-Za-z{])(?:sin|cos|tan|log|ln|exp|arcsin|arccos|arctan)(?![A-Za-z])")
_PLAIN_ROOT = re.compile(r"(?<![\\A-Za-z])sqrt\s*\(([^()]*)\)")
_SUB = re.compile("[₀₁₂₃₄₅₆₇₈₉]+")
_SUPER = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ]+")


def latex(text: str) -> str:
    """An answer as LaTeX between dollars: without them Math-Verify takes `\\sqrt{2}` for words."""
    text = bare(text)
    text = _SUPER.sub(lambda match: f"^{{{unicodedata.normalize('NFKC', match[0]).replace('−', '-')}}}", text)
    # Else Math-Verify takes the e of \mathrm{e}, of { e } and of 2 e, for a unit, and takes it away.
    text = _SUB.sub(lambda match: f"_{{{unicodedata.normalize('NFKC', match[0])}}}", text)
    text = _PLAIN_ROOT.sub(r"\\sqrt{\1}", text)
    text = _FUNCTION.sub(r"\\\g<0>", text)
    text = _ROOT.sub(lambda match: f"\\sqrt{{{match[1] or match[2] or match[3]}}}", text)
    text = "".join(
        f" {_SIGNS[sign]} " if sign in _SIGNS else sign for sign in text if sign.isprintable() or sign == "\n"
    )
    return text if "$" in text else f"${text.strip()}$"


class Child:
    """The warm child of this process. One comparison at a time; threads wait for each other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._used = 0

    def compare(
        self,
        gold: str,
        answer: str,
        seconds: float,
        rounding: int | None = 6,
        search: Sequence[Literal["latex", "expr"]] = (),
        **options: bool,
    ) -> Symbolic:
        """Compares two LaTeX texts; not symmetric, the gold is first. `seconds` count from when the child is free.

        search: the texts are prose, in which Math-Verify looks for answers of these kinds itself. Then every verdict is
        its own.
        options: of `math_verify.verify` (strict, allow_set_relation_comp).
        """
        request: dict[str, Any] = {
            "gold": gold,
            "answer": answer,
            "seconds": seconds,
            "rounding": EXACT if rounding is None else rounding,
            "search": list(search),
            "options": options,
        }
        line = json.dumps(request).encode() + b"\n"
        with self._lock:
            # A second time, as it may have been killed (for memory) while it was idle.
            for _ in range(2):
                try:
                    return self._ask(line, seconds)
                except TimeoutError:
                    self._kill()
                    return "timeout"
                except (BrokenPipeError, EOFError):
                    self._kill()
            return "died"

    def close(self) -> None:
        """Ends the child; the next comparison starts another."""
        with self._lock:
            self._kill()

    def forget(self) -> None:
        """After a fork: the child is the parent's."""
        process, self._process = self._process, None
        self._lock = threading.Lock()
        if process is not None:
            _close(process)
            process.returncode = 0  # nobody here can wait for it

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def _ask(self, line: bytes, seconds: float) -> Symbolic:
        if self._process is not None and self._used >= USES:
            self._kill()
        process = self._process or self._start()
        assert process.stdin is not None
        self._used += 1
        while line:
            line = line[os.write(process.stdin.fileno(), line) :]
        result: Symbolic = _line(process, seconds)
        return result

    def _start(self) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C is for the parent, which then ends it.
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "yisang.grading.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,  # a fork must not copy half a request
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        self._used = 0
        try:
            _line(process, START_SECONDS)
        except TimeoutError as error:
            raise EOFError from error
        return process

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has ended
            process.poll()
        process.wait()
        _close(process)


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _line(process: subprocess.Popen[bytes], seconds: float) -> Any:
    """The next line of the child, within so many seconds."""
    assert process.stdout is not None
    deadline = time.monotonic() + seconds
    poll = select.poll()  # select knows no file above 1023
    poll.register(process.stdout, select.POLLIN)
    data = b""
    while not data.endswith(b"\n"):
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError
        part = os.read(process.stdout.fileno(), 1 << 12)
        if not part:
            raise EOFError
        data += part
    return json.loads(data)


CHILD = Child()
atexit.register(CHILD.close)
os.register_at_fork(after_in_child=CHILD.forget)
