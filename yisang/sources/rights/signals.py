"""One statement of a site about the use of a page by machines, and the verdict over all of them, as they are stored with the page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

SignalKind = Literal["robots", "x-robots-tag", "meta", "tdmrep", "content-signal"]


class Signal(msgspec.Struct, frozen=True):
    """One statement. `rule` is its text as it stands there, `where` its place ("robots.txt line 12", "header x-robots-tag"), `why` its
    meaning in words. A statement that cannot be read is one that does not allow.
    """

    kind: SignalKind
    allowed: bool
    rule: str
    where: str
    why: str = ""


class Rights(msgspec.Struct, frozen=True):
    """The verdict over a page: allowed where no signal says otherwise."""

    allowed: bool
    signals: tuple[Signal, ...] = ()

    def as_json(self) -> str:
        """What `Page.rights` holds."""
        return msgspec.json.encode(self).decode()

    @property
    def deciding(self) -> Signal | None:
        """The first signal that forbids; None where none does."""
        return next((signal for signal in self.signals if not signal.allowed), None)


def judge(signals: Iterable[Signal]) -> Rights:
    """One that forbids outweighs all that allow."""
    found = tuple(signals)
    return Rights(all(signal.allowed for signal in found), found)


def stored(text: str) -> Rights | None:
    """What `Page.rights` holds, None for a page whose rights nobody has looked at."""
    return msgspec.json.decode(text, type=Rights) if text else None
