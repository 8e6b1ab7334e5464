"""How many requests may be in flight, and when an endpoint that fails is asked no more."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

from yisang.errors import UsageError

CUT = 0.7
"""Of the requests in flight, what is left when the endpoint is overloaded: as CUBIC of TCP does (RFC 9438, section 4.6)."""
REFUSED = 0.15
"""Share of refusals from which on an endpoint counts as overloaded: gateways refuse a few whatever they bear, and to ask for less
would not change that. Ours."""
LEAST = 50
"""Outcomes at least of which that is a share."""
FAILURES = 20
"""Requests that fail one behind the other, each after all its attempts, until the endpoint is doubted."""


class Limit:
    """A number of places: all of them at first, fewer when the endpoint says that it is overloaded, more again as it answers.

    A round is as many outcomes as there are places (at least 50). Once 15 % of a round are refusals there are 0.7 of the places, and
    outcomes of requests that were in flight then tell nothing more. Behind a round with fewer refusals there are a tenth more.
    """

    def __init__(self, most: int):
        if most < 1:
            raise UsageError("The concurrency of a teacher must be 1 or more.")
        self.most = self.value = most
        self.taken = 0
        self.cuts = 0
        self._seen = 0
        self._refused = 0
        self._deaf = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def round(self) -> int:
        return max(LEAST, self.value)

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self._waiting)

    async def __aenter__(self) -> None:
        if self.taken < self.value and not self._waiting:
            self.taken += 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place  # whoever wakes it has taken the place for it
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._leave()
            else:
                with contextlib.suppress(ValueError):  # it was woken and cancelled in the same moment
                    self._waiting.remove(place)
            raise

    async def __aexit__(self, *_: object) -> None:
        self._leave()

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Gives a place back for a while; behind the block it is taken again, in turn."""
        self._leave()
        try:
            yield
            await self.__aenter__()
        except BaseException:
            self.taken += 1  # the holder gives it back on its way out
            raise

    def _leave(self) -> None:
        self.taken -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self.taken < self.value:
            place = self._waiting.popleft()
            if not place.done():
                self.taken += 1
                place.set_result(None)

    def overloaded(self) -> None:
        """The endpoint has refused a request for being busy, or taken very long for one."""
        if self._deaf:
            self._deaf -= 1
            return
        self._seen += 1
        self._refused += 1
        if self._refused >= REFUSED * self.round:
            self.value = max(1, int(min(self.value, max(self.taken, 1)) * CUT))
            self._deaf, self._seen, self._refused = self.taken, 0, 0
            self.cuts += 1

    def answered(self) -> None:
        if self._deaf:
            self._deaf -= 1
            return
        self._seen += 1
        if self._seen >= self.round:
            self._seen = self._refused = 0
            if self.value < self.most:
                self.value = min(self.most, self.value + max(1, self.value // 10))
                self._admit()


class Breaker:
    """Opens when so many requests in a row have failed. Only failures count during which no other request was answered: of
    requests that hang while the rest comes, each is a matter of its own."""

    def __init__(self, most: int = FAILURES):
        self.most, self.row, self.answers = most, 0, 0

    def failed(self, since: int) -> bool:
        """Counts a failure of a request that began when there were `since` answers; True when the endpoint counts as down."""
        if since == self.answers:
            self.row += 1
        return self.row >= self.most

    def answered(self) -> None:
        self.answers, self.row = self.answers + 1, 0
