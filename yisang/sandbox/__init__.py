"""Runs model-written Python, isolated. It fails closed: what cannot be isolated is not run.

    run_python("print(6 * 7)").stdout == "42\\n"

    with Sandbox(warm=True, preload=("sympy",)) as sandbox:
        result = sandbox.run(code, stdin="3\\n")

Every run is a complete script with an empty /tmp of its own. It sees the system's programs, this Python and its
packages, read-only, and nothing else of the machine: no network, no /proc, no file, process or variable of the host.
bubblewrap makes that box (`command.py`), a program in it forks the code and reports its end (`inside.py`), a filter
closes system calls that namespaces and limits leave open (`syscalls.py`), and the host counts seconds, bytes and memory
and kills (`box.py`, `memory.py`).

Cold, the default: a box for each run. Warm: a box, with `preload` imported, serves run after run, each in a fork with
process, mount, IPC and network namespaces of its own, and a fresh /tmp; when a run has ended the kernel has killed all
of it before the next begins. A warm run can reach the box's first process and other runs no more than a cold one can
reach the host, but it is weaker in these ways:

- All runs of a box share a user namespace, and its first process keeps the right to mount there. A fault of the
  kernel that gives a run this right opens the box to it; cold, no process has it.
- All runs are forks of one process: they have the same layout of memory, so what one run learns about addresses
  helps the next, and they have whatever state the preloaded modules took up when they were imported.

/dev/shm is closed, and so the locks of multiprocessing do not work; threads and os.fork do.

Memory is limited for each process by the kernel, and for all of them together by the host, which looks every 50 ms: what
a run takes in between is not stopped. A cgroup would be exact, but few users may make one.
"""

from __future__ import annotations

import os
import platform
import sys
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from yisang.errors import UsageError
from yisang.sandbox.box import Box, BoxDied, Limits, RunResult, Status
from yisang.sandbox.syscalls import supported
from yisang.sandbox.unavailable import SandboxUnavailable

__all__ = ["MIB", "RunResult", "Sandbox", "SandboxUnavailable", "Status", "run_python"]

MIB = 1 << 20


def run_python(
    code: str,
    *,
    stdin: str = "",
    timeout: float = 3.0,
    memory: int = 512 * MIB,
    output: int = MIB,
) -> RunResult:
    """Runs one script in a box of its own. SandboxUnavailable is raised where this machine cannot make one."""
    with Sandbox(timeout=timeout, memory=memory, output=output) as sandbox:
        return sandbox.run(code, stdin=stdin)


@dataclass
class Sandbox:
    """Runs scripts under the same limits. For any number of threads: as many boxes as run at the same time.

    It can be pickled: what comes out of the pickle has the same settings, and opens boxes of its own. So does a fork.
    """

    timeout: float = 3.0
    """Seconds of wall time; CPU time is limited to a little more."""
    memory: int = 512 * MIB
    """Bytes for each process, and for all processes of a run together, beyond what a started Python holds."""
    output: int = MIB
    """Bytes kept of standard output, and as many of the error output. The rest is read and forgotten."""
    disk: int = 16 * MIB
    """Bytes of /tmp, the only place that can be written to."""
    processes: int = 16
    """Processes and threads of a run at a time. Before Linux 5.14 all boxes of a user share this number."""
    preload: tuple[str, ...] = ()
    """Modules that are imported before the code begins, and not on its time. They must not start threads."""
    warm: bool = False
    """Whether a box serves more than one run; see the module for what that costs in safety."""
    _idle: list[Box] = field(default_factory=list, init=False, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)
    _owner: int = field(default=0, init=False, repr=False, compare=False)
    """The process whose boxes the idle ones are; 0 before the first."""

    def __post_init__(self) -> None:
        self.preload = tuple(self.preload)
        for name in ("timeout", "memory", "output", "disk", "processes"):
            if getattr(self, name) <= 0:
                raise UsageError(f"Sandbox: {name} is {getattr(self, name)}; it must be above 0.")

    def __enter__(self) -> Sandbox:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        settings = (self.timeout, self.memory, self.output, self.disk, self.processes, self.preload, self.warm)
        return type(self), settings

    def open(self) -> None:
        """Starts a first box, or raises SandboxUnavailable with the reason and what mends it."""
        self._put_back(self._take())

    def run(self, code: str, *, stdin: str = "", timeout: float | None = None) -> RunResult:
        """Runs a script; `timeout` stands for the sandbox's own. It waits for the end and leaves nothing behind.

        A box that died is replaced once, as a run that nobody saw the end of has had no effect. Where no box has ever
        started, SandboxUnavailable is raised; where one cannot start any more, the result is an infra_error.
        """
        limits = Limits(
            self.timeout if timeout is None else timeout, self.memory, self.output, self.disk, self.processes
        )
        data = code.encode("utf-8", "surrogatepass"), stdin.encode("utf-8", "surrogatepass")
        opened = bool(self._owner)
        for _ in (False, True):
            try:
                box = self._take()
                result = box.run(*data, limits)
            except SandboxUnavailable as error:
                if not opened:
                    raise
                problem: Exception = error
            except (BoxDied, OSError) as error:
                problem = error
            else:
                self._put_back(box)
                return result
        return RunResult("infra_error", "", "", False, False, None, None, 0.0, str(problem))

    def close(self) -> None:
        """Ends the idle boxes. Boxes in which other threads are running code end with their runs."""
        with self._lock:
            idle, self._idle, self._owner = self._mine(), [], 0
        for box in idle:
            box.close()

    def _take(self) -> Box:
        with self._lock:
            self._idle = self._mine()
            while self._idle:
                box = self._idle.pop()
                if box.lives():
                    return box
                box.close()
        _check_machine()
        box = Box(warm=self.warm, preload=self.preload, disk=self.disk)
        self._owner = os.getpid()
        return box

    def _put_back(self, box: Box) -> None:
        with self._lock:
            if self._owner == os.getpid() and not box.closed and (self.warm or not box.used):
                self._idle.append(box)
                return
        box.close()

    def _mine(self) -> list[Box]:
        """The idle boxes, without those of the process that this one was forked from."""
        if self._owner in (0, os.getpid()):
            return self._idle
        for box in self._idle:
            box.abandon()
        return []


def _check_machine() -> None:
    if not sys.platform.startswith("linux") or not supported():
        machine = f"{sys.platform} on {platform.machine()}"
        raise SandboxUnavailable(f"it is {machine}", "use Linux on x86_64 or aarch64")
