"""Which of several endpoints a request goes to.

The samples of a question go to the same endpoint, which then reads their shared beginning once: the endpoints stand in an order
that follows from the question alone, by rendezvous hashing with weights (the logarithmic method of Schindelhauer and Schomaker,
"Weighted distributed hash tables", 2005), so that an endpoint which comes or goes moves no question of another. The first in the
order takes it, unless it is out or has more than its share in flight (consistent hashing with bounded loads: Mirrokni, Thorup and
Zadimoghaddam, arXiv 1608.01350).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from yisang.teachers.engines.endpoints import Endpoint

SHARE = 1.25
"""Of its part by weight of what is in flight, what an endpoint has at most: 1 + epsilon of the paper, which also uses 0.25."""
FEW = 8
"""With fewer in flight an endpoint takes all that are its own; so few are not worth a second copy of the question's keys and values."""
IN_A_ROW = 5
"""Answers that break off, one behind the other and none between them, until an endpoint counts as down."""
PROBE = 35.0
"""Seconds in which an endpoint that was down has one request, before it gets its share again: longer than a connection may take
to fail (30)."""
LONGEST_OUT = 60.0

_log = logging.getLogger(__name__)
Sleep = Callable[[float], Awaitable[Any]]


class Lane:
    """An endpoint, and what is known of it. `name` is what questions are dealt by; it stays where the address changes.

    in_flight: requests it is working on. answers: how many it has given. held: whether somebody else says when it is up.
    """

    def __init__(self, endpoint: Endpoint, name: str = "", held: bool = False):
        self.endpoint, self.name, self.held = endpoint, name or endpoint.base_url, held
        self.in_flight = self.answers = 0
        self.down = False
        self.out_until, self.refuses_until = 0.0, -math.inf
        self._out_since = -math.inf
        self._waves = self._broken = 0
        self._probed: float | None = None

    def renew(self, endpoint: Endpoint) -> None:
        """Another server stands in its place; nothing that was known of the one before holds of it."""
        self.endpoint, self.held, self.down = endpoint, False, False
        self.out_until, self.refuses_until = 0.0, -math.inf
        self._out_since, self._waves, self._broken, self._probed = -math.inf, 0, 0, None

    def open(self, now: float) -> bool:
        if self.held or now < self.out_until:
            return False
        return not self.down or self._probed is None or now - self._probed >= PROBE

    def sent(self, now: float) -> None:
        self.in_flight += 1
        if self.down and self._probed is None:
            self._probed = now

    def answered(self) -> None:
        self.answers += 1
        self._waves = self._broken = 0
        if self.down:
            self.down, self._probed = False, None
            _log.warning("The teacher's endpoint %s answers again.", self.endpoint.base_url)

    def broke(self, sent: float, now: float, pause: Callable[[int], float]) -> None:
        """It broke on a request, which may be the request's fault; not so many in a row."""
        self._broken += 1
        if self._broken >= IN_A_ROW:
            self.out(sent, now, pause, down=True)

    def out(self, sent: float, now: float, pause: Callable[[int], float], *, down: bool) -> None:
        """Takes it out for `pause(n)` seconds, n the number of times in a row. sent: when the request went out that tells of it.

        Requests that were in flight together tell of the same moment, so they count once.
        """
        first = sent > self._out_since
        self._waves += first
        until = now + pause(self._waves)
        if first:
            self._out_since, self._probed = now, None
            if down and not self.down:
                _log.warning("The teacher's endpoint %s is down; the others take over.", self.endpoint.base_url)
        self.down = self.down or down
        self.out_until = max(self.out_until, until) if first else self.out_until

    def refused(self, now: float, seconds: float) -> None:
        """It will answer nothing for so long: a spent quota, a key that is not accepted any more."""
        self.refuses_until = max(self.refuses_until, now + seconds)
        self.out_until = max(self.out_until, self.refuses_until)

    def place(self, question: bytes) -> float:
        """Where it stands for a question: the larger, the earlier it is asked."""
        digest = hashlib.blake2b(question, digest_size=8, key=hashlib.blake2b(self.name.encode()).digest()).digest()
        uniform = (int.from_bytes(digest) + 0.5) / 2**64  # within 0 and 1, both left out
        return -self.endpoint.weight / math.log(uniform)


class Routes:
    """The endpoints of one model. For one event loop at a time, not for threads."""

    def __init__(self, lanes: Sequence[Lane], clock: Callable[[], float] = time.monotonic):
        self.lanes = list(lanes)
        self.clock = clock
        self.failure: Exception | None = None
        """Where it is set, no lane that is held will be up again."""
        self._jitter = random.Random(0)
        self._waiting: list[asyncio.Future[None]] = []

    def __reduce__(self) -> Any:
        return Routes, ([Lane(lane.endpoint, lane.name, lane.held) for lane in self.lanes], self.clock)

    def choose(self, question: bytes, avoiding: Collection[Lane] = ()) -> Lane | None:
        """The endpoint for a request, of those that can be asked now; None if there is none."""
        if len(self.lanes) == 1:  # whatever is known of it, there is no other
            lane = self.lanes[0]
            return None if lane.held or lane in avoiding else lane
        now = self.clock()
        able = [lane for lane in self.lanes if lane not in avoiding and lane.open(now)]
        if len(able) < 2:
            return able[0] if able else None
        flying, weights = 1 + sum(lane.in_flight for lane in able), sum(lane.endpoint.weight for lane in able)
        able.sort(key=lambda lane: lane.place(question), reverse=True)
        # One of them has no more than its part, so there always is one.
        return next(lane for lane in able if lane.in_flight < max(FEW, SHARE * flying * lane.endpoint.weight / weights))

    def hopeless(self) -> bool:
        """Whether every one of them refuses; one that is busy, down or held may be back soon."""
        now = self.clock()
        gone = self.failure is not None
        return all(gone if lane.held else now < lane.refuses_until for lane in self.lanes)

    async def any(self, question: bytes, sleep: Sleep = asyncio.sleep) -> Lane:
        """An endpoint in any case: where all are out, the one that comes back first, when it does; where all are held, when one is up.
        Where all refuse, one of them at once, as it can tell best why."""
        while True:
            if (lane := self.choose(question)) is not None:
                return lane
            free = [lane for lane in self.lanes if not lane.held]
            if not free and self.failure is not None:
                raise self.failure
            if not free:
                await self._change()
                continue
            now = self.clock()
            first = min(free, key=lambda lane: lane.out_until)
            until = first.out_until
            if until <= now or self.hopeless():
                return first
            waited = await self._change(until - now, sleep)
            if (
                waited and not first.held and first.out_until <= until
            ):  # whatever the clock says, which may stand a little behind
                return self.choose(question) or first

    async def _change(self, seconds: float | None = None, sleep: Sleep = asyncio.sleep) -> bool:
        """Waits until a lane that was held is not any more, or for so long; True where the time was up."""
        changed = asyncio.get_running_loop().create_future()
        self._waiting.append(changed)
        try:
            if seconds is None:
                await changed
                return False
            slept = asyncio.ensure_future(sleep(seconds))
            try:
                await asyncio.wait({changed, slept}, return_when=asyncio.FIRST_COMPLETED)
                if slept.done():
                    slept.result()
                return slept.done()
            finally:
                slept.cancel()
        finally:
            if changed in self._waiting:
                self._waiting.remove(changed)

    def changed(self) -> None:
        """To be said when a lane that was held is not any more, or the last of them never will be."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    def pause(self, base: float, wanted: float | None) -> Callable[[int], float]:
        """Seconds that an endpoint is left alone: what it asks for, else doubled each time, with jitter."""
        if wanted is not None:
            return lambda times: wanted
        part = self._jitter.uniform(0.5, 1.0)
        return lambda times: min(LONGEST_OUT, base * 2.0 ** min(times - 1, 30)) * part
