"""Answers whose head never ends. Twisted bounds a line of a head, not the head, and Scrapy counts the bytes of bodies: 50 MB a second were
kept of a server that sends nothing but header fields, until the time of its answer was up.
"""

from __future__ import annotations

from typing import Any

from twisted.python.failure import Failure
from twisted.web._newclient import HEADER, STATUS

MAX_HEAD = 256 << 10
"""Bytes of the head of an answer, those of a 1xx before it included. Apache and nginx send at most 8 KiB unless told otherwise."""


class HeadTooLong(Exception):
    """The head of an answer has more than MAX_HEAD bytes."""


def bounded(factory: type[Any]) -> type[Any]:
    """A factory of Twisted's HTTP/1.1 client protocols, with a bound on the heads that they read."""

    class Bounded(factory):  # type: ignore[misc]
        def buildProtocol(self, addr: Any) -> Any:
            protocol = super().buildProtocol(addr)
            _bound(protocol)
            return protocol

    return Bounded


def _bound(protocol: Any) -> None:
    received, parser, length = protocol.dataReceived, None, 0

    def counted(data: bytes) -> None:
        nonlocal parser, length
        # One connection is asked many times, each time with a parser of its own.
        if protocol._parser is not parser:
            parser, length = protocol._parser, 0
        if parser is not None and parser.state in (STATUS, HEADER):
            if length > MAX_HEAD:
                protocol._giveUp(Failure(HeadTooLong(f"the head of the answer has more than {MAX_HEAD} bytes")))
                return
            # Added behind the check, since what is read last may hold some of the body too.
            length += len(data)
        received(data)

    protocol.dataReceived = counted
