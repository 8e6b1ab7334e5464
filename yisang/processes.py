"""Helper processes that must not outlive the command that started them.

Else a killed run would leave workers that go on writing, and asking the teacher, beside the run that continues it.
"""

from __future__ import annotations

import ctypes
import functools
import os
import select
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent() -> None:
    """Ends this process when its parent does, also when the parent was killed and could not say so."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)
    else:
        die_with(parent)


@functools.cache
def die_with(pid: int) -> None:
    """Ends this process when the process `pid` does.

    For workers that are not children of the command: a fork server stands between, and it lives as long as they do.
    """
    threading.Thread(target=_wait_and_exit, args=(pid,), name="die with the command", daemon=True).start()


def _wait_and_exit(pid: int) -> None:
    try:
        handle = os.pidfd_open(pid) if sys.platform == "linux" else -1
    except ProcessLookupError:
        os._exit(1)
    except OSError:  # kernels before 5.3, and sandboxes that forbid the call
        handle = -1
    if handle >= 0:
        select.select([handle], [], [])
    while alive(pid):
        time.sleep(0.2)
    os._exit(1)


def alive(pid: int) -> bool:
    """Whether a process of this machine runs (a zombie does not)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    if sys.platform == "linux":
        try:
            with open(f"/proc/{pid}/stat") as file:
                return file.read().rsplit(")", 1)[1].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):  # gone before the opening, or before the reading
            return False
    return True
