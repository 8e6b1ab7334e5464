"""SIGTERM and Ctrl-C as an ordinary end of a command, at once or at a place where it can go on from."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from yisang.errors import Interrupt, Stopped


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """SIGTERM and Ctrl-C end what runs inside between two instructions, as an Interrupt with exit code 3."""

    def stop(number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        raise Interrupt(Stopped(f"Stopped by {name}. What was finished is kept; the same command goes on from there."))

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Asked:
    """Whether a signal has asked to stop. `by` is its name, "" for none."""

    def __init__(self) -> None:
        self.by = ""

    def stop(self) -> Interrupt:
        """What to raise when the place is reached."""
        return Interrupt(
            Stopped(f"Stopped by {self.by}. What was finished is kept; the same command goes on from there.")
        )


@contextlib.contextmanager
def asked_to_stop() -> Iterator[Asked]:
    """The first SIGTERM or Ctrl-C is only noted, for work that has to reach a place first; a second one ends it at once."""
    asked = Asked()

    def note(number: int, frame: FrameType | None) -> None:
        if asked.by:
            raise asked.stop()
        asked.by = signal.Signals(number).name

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
