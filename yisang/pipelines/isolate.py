"""A child process for hostile input: it parses one record at a time and is killed when it takes too long.

The child is a fresh interpreter that talks over its pipes, as a worker of a pool may not have multiprocessing
children of its own. It stays for the next record, so its start is paid once.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import cloudpickle

from yisang.records import Dead, Record

START_SECONDS = 120.0
"""How long the child may take to import what the function needs; this is not the record's time."""


class IsolatedCall:
    """Calls `fn` in a child process. A timeout, a crash or an exception there is a Dead outcome here."""

    def __init__(self, fn: Callable[[Any], Any], timeout: float):
        self._fn = fn
        self._timeout = timeout
        self._child: subprocess.Popen[bytes] | None = None

    def __call__(self, record: Record) -> Any:
        child = self._child or self._start()
        self._child = child
        try:
            _send(child.stdin, pickle.dumps(record))
            reply = _receive(child, self._timeout)
        except (BrokenPipeError, EOFError):
            code = self._ended()
            return Dead("ChildDied", f"the isolated process ended with {code} while it worked on this record")
        except TimeoutError:
            self._kill()
            return Dead("Timeout", f"no result after {self._timeout:g} s; the isolated process was killed")
        return pickle.loads(reply)

    def close(self) -> None:
        if self._child is not None:
            self._kill()

    def _start(self) -> subprocess.Popen[bytes]:
        # A session of its own, so that what a parser starts can be ended together with it.
        child = subprocess.Popen(
            [sys.executable, "-m", "yisang.pipelines.isolate"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._child = child
        _send(child.stdin, pickle.dumps((sys.path, cloudpickle.dumps(self._fn))))
        try:
            failed = pickle.loads(_receive(child, START_SECONDS))
        except (EOFError, TimeoutError) as error:
            self._kill()
            raise RuntimeError(f"the isolated process did not start ({type(error).__name__})") from error
        if failed is not None:
            self._kill()
            raise RuntimeError(f"the isolated process cannot load the function: {failed.error}: {failed.message}")
        return child

    def _ended(self) -> int:
        """The exit code of a child whose pipe has ended; it may need a moment to end itself."""
        assert self._child is not None
        try:
            code = self._child.wait(1.0)
        except subprocess.TimeoutExpired:
            return self._kill()
        self._kill()
        return code

    def _kill(self) -> int:
        child = self._child
        assert child is not None
        self._child = None
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has ended, and nothing that it started is left
            child.poll()
        code = child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:  # bytes that the dead child did not read
                    continue
        return code


def _send(pipe: Any, data: bytes) -> None:
    pipe.write(struct.pack(">Q", len(data)) + data)
    pipe.flush()


def _receive(child: subprocess.Popen[bytes], seconds: float) -> bytes:
    assert child.stdout is not None
    deadline = time.monotonic() + seconds
    handle = child.stdout.fileno()

    def exactly(count: int) -> bytes:
        parts = []
        while count:
            ready, _, _ = select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            part = os.read(handle, min(count, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    return exactly(struct.unpack(">Q", exactly(8))[0])


def _serve() -> None:
    """The child: reads the function, then records, and answers each with an outcome."""
    from yisang.pipelines.chain import dead_letter
    from yisang.processes import die_with_parent

    die_with_parent()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the parser prints must not stand among the answers

    def read(count: int) -> bytes:
        data = sys.stdin.buffer.read(count)
        if len(data) < count:
            raise SystemExit(0)
        return data

    def receive() -> bytes:
        return read(struct.unpack(">Q", read(8))[0])

    path, fn = pickle.loads(receive())
    sys.path[:] = path
    try:
        call = pickle.loads(fn)
    except Exception as error:  # told to the parent, who tells it with the record
        _send(answers, pickle.dumps(dead_letter(error)))
        return
    _send(answers, pickle.dumps(None))
    while True:
        record = pickle.loads(receive())
        try:
            outcome = call(record)
            if not isinstance(outcome, Record | dict) and hasattr(outcome, "__next__"):
                outcome = list(outcome)
            data = pickle.dumps(outcome)
        except (Exception, SystemExit) as error:  # the boundary at which a step's failure becomes data
            data = pickle.dumps(dead_letter(error))
        _send(answers, data)


if __name__ == "__main__":
    _serve()
