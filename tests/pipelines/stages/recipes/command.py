"""The real command in a process of its own, what it may say when it fails, and a teacher on loopback for it to ask."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

RECIPES = Path(__file__).parent
TESTS = RECIPES.parents[2]
PATIENCE = 120.0
"""A command that takes longer hangs, and fails its test."""


def _teachers() -> Any:
    """The server of the teachers' tests. (`teachers` is also a link at the root, so it is found by its path.)"""
    spec = importlib.util.spec_from_file_location("loopback_teacher", TESTS / "teachers" / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


teachers = _teachers()


@contextlib.contextmanager
def serving() -> Iterator[Any]:
    """A teacher on loopback: `url`, `requests`, `script`, `otherwise`."""
    server = teachers.Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def distinct(server: Any) -> int:
    """How many different requests a server has seen."""
    return len({json.dumps(request["body"], sort_keys=True) for request in server.requests})


def at(url: str) -> tuple[str, ...]:
    """The options that send a command to the teacher at `url`; it tries again at once, and soon gives up."""
    given = (f"base_url={url}", "attempts=2", "backoff=0")
    return ("--teacher", "openai", *(word for option in given for word in ("--teacher-option", option)))


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


class Running:
    """A command that works, in a process group of its own."""

    def __init__(self, arguments: Iterable[object], folder: Path, **environment: str):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "yisang", *map(str, arguments)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(TESTS.parent), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait(self) -> Done:
        try:
            out, err = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.end()
            out, err = self.process.communicate()
            raise AssertionError(f"the command hung; it had said:\n{out}{err}") from None
        return Done(self.process.returncode, out, err)

    def alive(self) -> list[int]:
        """Which processes of its group still run."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):  # it ended while we looked, or is no process
                number, status = int(entry.name), (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if int(status[2]) == self.process.pid and status[0] not in "ZX":
                    found.append(number)
        return found

    def end(self) -> None:
        """Ends the command and what it started, whatever state they are in."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        if self.alive():
            self.end()
        self.process.communicate()


def yisang(*arguments: object, folder: Path, **environment: str) -> Done:
    """Runs a command to its end."""
    with Running(arguments, folder, **environment) as command:
        return command.wait()


def succeeds(*arguments: object, folder: Path, **environment: str) -> Done:
    done = yisang(*arguments, folder=folder, **environment)
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    return done


STATUS = re.compile(r"\d+ of \d+ phases are stored already; going on after |\[\d+/\d+\] ")
"""The lines that tell what is going on, before the one that tells what went wrong."""


def complaint(done: Done, code: int, *words: str) -> str:
    """What a failed command said, once it is sure that it is one paragraph for a person."""
    assert done.code == code, (done.code, done.err)
    assert "Traceback (most recent call last)" not in done.err, done.err
    assert not re.search(r'File ".*", line \d+, in ', done.err), done.err
    lines = [line for line in done.err.splitlines() if not STATUS.match(line)]
    if lines and lines[0].startswith("Usage: "):  # the command line's own parser, with the command and where to look
        assert code == 2
        assert "Try 'yisang" in lines[1], lines
        assert lines[-1].startswith("Error: "), lines
        said = lines[-1]
    else:
        assert len(lines) == 1, done.err
        said = lines[0]
        assert said.startswith("yisang: "), said
        assert len(said.split()) > 5, said
    for word in words:
        assert word in said, (word, said)
    assert not done.out, done.out
    return said


def looks_finished(out: Path) -> list[str]:
    """What of a run folder could be taken for a finished run."""
    return [name for name in ("manifest.json", "books.json") if (out / name).exists()]


def half_written(out: Path) -> list[Path]:
    return [path for path in out.rglob("*") if path.name.startswith(".writing-")]


def write_rows(path: Path, rows: Iterable[dict[str, Any] | str]) -> Path:
    """A JSON Lines file; a row that is a text is the column `text`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"text": row} if isinstance(row, str) else row, ensure_ascii=False) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own at `folder`. Without the right to mount one the test is skipped, or fails where CI wants all."""
    folder.mkdir(parents=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if made.returncode:
        missing(f"may not mount a small disk here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def missing(why: str) -> None:
    """Skips a test for want of a part, or fails it where all parts are required."""
    if os.environ.get("YISANG_REQUIRE_PARTS"):
        pytest.fail(why)
    pytest.skip(why)
