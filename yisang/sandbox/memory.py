"""How much memory all processes of a run hold together, which no limit of the kernel's says without a cgroup."""

from __future__ import annotations

import os
import threading
import time

FRESH = 0.02
"""Seconds for which one look at the machine's processes serves every run that asks."""

_PAGE = os.sysconf("SC_PAGE_SIZE")
_lock = threading.Lock()
_children: dict[int, list[int]] = {}
_looked = float("-inf")


def held_below(pid: int, limit: int) -> int:
    """Bytes held by what descends from the process `pid`, which itself is not counted.

    Forks share memory: it is counted once where the plain sum is above `limit`, and with each of them else, as the exact
    number is slow to get.
    """
    processes = descendants(pid)
    rough = sum(_field(process, "status", ("VmRSS", "VmSwap")) for process in processes)
    if rough <= limit:
        return rough
    return sum(_field(process, "smaps_rollup", ("Pss", "SwapPss")) for process in processes)


def address_space(pid: int) -> int:
    """Bytes of address space of a process: what RLIMIT_AS counts."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[0]) * _PAGE


def descendants(pid: int) -> list[int]:
    children = _table()
    found, todo = [], [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def _table() -> dict[int, list[int]]:
    """{process: its children} of the whole machine; many threads share one look, as each costs milliseconds."""
    global _children, _looked
    with _lock:
        if time.monotonic() - _looked > FRESH:
            _children = {}
            for name in os.listdir("/proc"):
                if name.isdigit():
                    try:
                        with open(f"/proc/{name}/stat", "rb") as file:
                            parent = int(file.read().rsplit(b")", 1)[1].split()[1])
                    except (FileNotFoundError, ProcessLookupError):  # it has ended
                        continue
                    _children.setdefault(parent, []).append(int(name))
            _looked = time.monotonic()
        return _children


def _field(pid: int, file: str, names: tuple[str, ...]) -> int:
    """The sum of some lines "Name: 12 kB" of a file of a process, 0 where it has ended."""
    total = 0
    try:
        with open(f"/proc/{pid}/{file}") as opened:
            for line in opened:
                name, _, value = line.partition(":")
                if name in names:
                    total += int(value.split()[0]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        return 0
    except PermissionError:  # it is not ours to look into: then what it holds for itself and shares, all of it
        return _field(pid, "status", ("VmRSS", "VmSwap"))
    return total
