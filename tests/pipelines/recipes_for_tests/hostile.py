"""Functions that do to a process what foreign bytes do to a parser, chosen by the text of the record."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from typing import Any

import msgspec

from yisang.records import Drop, Prompt, child_id

HUGE = 20 << 20
TOOL = "import threading; threading.Event().wait()  # a tool that reads a page"


def parse(record: Prompt) -> Any:
    """Returns its process id as a measure, or misbehaves as the text says."""
    what = record.text.partition(" ")[0]
    if what in ACTS:
        return ACTS[what](record)
    return {"pid": os.getpid()}


def hang(record: Prompt) -> None:
    threading.Event().wait()


def hang_in_a_tool(record: Prompt) -> None:
    subprocess.run([sys.executable, "-c", TOOL], check=True)


def leave(record: Prompt) -> None:
    os._exit(7)


def leave_politely(record: Prompt) -> None:
    sys.exit(0)


def segfault(record: Prompt) -> None:
    ctypes.string_at(0)


def shout(record: Prompt) -> dict[str, Any]:
    for _ in range(64):
        os.write(1, b"x" * (1 << 16))
    print("y" * (1 << 20), flush=True)
    return {"pid": os.getpid()}


def grow(record: Prompt) -> Prompt:
    return msgspec.structs.replace(record, text="가" * (HUGE // 3), measures={"pid": os.getpid()})


def fail(record: Prompt) -> None:
    raise ValueError("these bytes are no page")


def fail_half_way(record: Prompt) -> Any:
    yield record
    raise ValueError("the second half is broken")


def reject(record: Prompt) -> Drop:
    return Drop("too_odd", {"pid": os.getpid()})


def divide(record: Prompt) -> Any:
    for number in range(3):
        yield msgspec.structs.replace(record, id=child_id(record.id, number), text=f"part {number}")


def return_nothing(record: Prompt) -> None:
    return None


def return_a_lock(record: Prompt) -> Any:
    return threading.Lock()


ACTS = {
    act.__name__: act
    for act in (
        hang, hang_in_a_tool, leave, leave_politely, segfault, shout, grow, fail, fail_half_way, reject, divide, return_nothing,
        return_a_lock,
    )
}  # fmt: skip


class Unloadable:
    """A function that a child cannot load."""

    def __call__(self, record: Prompt) -> Prompt:
        return record

    def __reduce__(self) -> Any:
        return _refuse, ()


def _refuse() -> None:
    raise ImportError("the model file is missing")
