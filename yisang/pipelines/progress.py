"""What a run says while it works, and the watch over its workers.

Shards write heartbeats into the run folder; this thread reads them. So it speaks for any engine, and it sees what
an engine may not: a worker process that was killed (a pool of processes would wait for it for ever).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import msgspec

from yisang.errors import Interrupt, YisangError
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.compile import Plan
from yisang.pipelines.execution import WORK, Heartbeat, ShardPlan
from yisang.pipelines.phases import Setting
from yisang.processes import alive
from yisang.storage import Folder

QUIET_SECONDS = 2.0
"""Nothing is said about what takes less."""
LINE_SECONDS = 10.0
"""How often a plain line is written where the output is no terminal."""


class WorkerDied(YisangError):
    """A worker process ended without a word."""


class Progress:
    """Speaks while the block runs. A worker's sudden death raises WorkerDied in the main thread."""

    def __init__(
        self, out: Folder, plan: Plan, boundaries: list[Boundary], setting: Setting, say: Callable[[str], None]
    ):
        self._out, self._plan, self._boundaries, self._setting, self._say = out, plan, boundaries, setting, say
        # The last note of each shard, as a heartbeat goes away with its shard.
        self._notes: dict[tuple[int, int], msgspec.Raw] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._phase = 0
        self._since = self._said = time.monotonic()
        self._missing: dict[str, int] = {}
        self._death = ""
        self._before: Any = None
        self._terminal = sys.stderr.isatty()
        self._summed: set[int] = set()

    def __enter__(self) -> Progress:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGUSR2, self._raise)
        self._thread.start()
        return self

    def __exit__(self, *failure: Any) -> None:
        self._over.set()
        self._thread.join()
        if self._before is not None:
            signal.signal(signal.SIGUSR2, self._before)
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
        self._sum_up()

    def _raise(self, number: int, frame: FrameType | None) -> None:
        raise Interrupt(WorkerDied(self._death or "stopped by SIGUSR2"))

    def death(self) -> WorkerDied | None:
        """The worker that an engine has just failed over, where one is gone that had not finished its shard."""
        gone = next((beat for beat in self._heartbeats() if not beat.over and not _alive(beat)), None)
        return self._about(gone) if gone is not None else None

    def _about(self, beat: Heartbeat) -> WorkerDied:
        return WorkerDied(
            f"The worker process {beat.pid} was killed while it worked on shard {beat.shard} of "
            f"{self._plan.phases[beat.phase].name}, likely for lack of memory. Run the same command again with fewer "
            "--workers; it goes on from what is stored."
        )

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            beats = [beat for beat in self._read() if not beat.over]
            dead = next((beat for beat in beats if self._gone(beat)), None)
            if dead is not None and self._before is not None:
                self._death = str(self._about(dead))
                os.kill(os.getpid(), signal.SIGUSR2)
                return
            self._tell(beats)

    def _read(self) -> list[Heartbeat]:
        beats = self._heartbeats()
        self._notes |= {(beat.phase, beat.shard): beat.note for beat in beats}
        return beats

    def _heartbeats(self) -> list[Heartbeat]:
        folder = os.path.join(self._out.root, WORK)
        found = []
        for name in os.listdir(folder) if self._out.local and os.path.isdir(folder) else []:
            if not name.endswith(".json"):
                continue
            try:
                with open(os.path.join(folder, name), "rb") as file:
                    found.append(msgspec.json.decode(file.read(), type=Heartbeat))
            except (FileNotFoundError, msgspec.DecodeError):  # it ended just now
                continue
        return found

    def _gone(self, beat: Heartbeat) -> bool:
        """Whether the process of a heartbeat has been missing for two looks, so that it has not just ended."""
        name = f"{beat.phase}-{beat.shard}"
        if _alive(beat):
            self._missing.pop(name, None)
            return False
        self._missing[name] = self._missing.get(name, 0) + 1
        return self._missing[name] > 2

    def _tell(self, beats: list[Heartbeat]) -> None:
        now = time.monotonic()
        number = self._current()
        if number != self._phase:
            self._sum_up()
            self._phase, self._since = number, now
        if now - self._since < QUIET_SECONDS or now - self._said < (0.5 if self._terminal else LINE_SECONDS):
            return
        line = self._line(number, [beat for beat in beats if beat.phase == number], now - self._since)
        self._said = now
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
        else:
            self._say(line)

    def _sum_up(self) -> None:
        """What the phase has told, once it is left: the last line of its progress may be seconds old."""
        self._read()
        if self._phase in self._summed:
            return
        self._summed.add(self._phase)
        told = self._told(self._phase, time.monotonic() - self._since)
        if told:
            phase = self._plan.phases[self._phase]
            self._say(f"[{self._phase + 1}/{len(self._boundaries)}] {phase.label}: {told}")

    def _told(self, number: int, seconds: float) -> str:
        notes = [note for (phase, _), note in self._notes.items() if phase == number and bytes(note) != b"null"]
        return self._plan.phases[number].told(notes, seconds, self._setting) if notes else ""

    def _current(self) -> int:
        number = self._phase
        while number < len(self._boundaries) - 1 and self._boundaries[number].folder.exists("manifest.json"):
            number += 1
        return number

    def _line(self, number: int, beats: list[Heartbeat], seconds: float) -> str:
        folder = self._boundaries[number].folder
        head = f"[{number + 1}/{len(self._boundaries)}] {self._plan.phases[number].label}"
        if not folder.exists("plan.json"):
            return f"{head}: planning"
        total = len(msgspec.json.decode(folder.read_bytes("plan.json"), type=ShardPlan).works)
        done = sum(name.startswith("shard-") and name.endswith(".json") for name in folder.names())
        part = sum(min(beat.read / beat.rows, 1.0) for beat in beats if beat.rows)
        share = (done + part) / max(total, 1)
        left = f", about {seconds * (1 - share) / share:.0f} s left" if share > 0.02 else ""
        told = self._told(number, seconds)
        return f"{head}: {done} of {total} shards, {share:.0%}{left}{'; ' if told else ''}{told}"


def _alive(beat: Heartbeat) -> bool:
    """Whether a worker runs; one of another machine is taken to, as that machine's claims tell (`runners.claims`)."""
    return beat.host not in ("", os.uname().nodename) or alive(beat.pid)
