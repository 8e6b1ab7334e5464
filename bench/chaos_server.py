"""A teacher that misbehaves on purpose, and remembers: the server of bench/chaos.py, in a process of its own.

python -m bench.chaos_server LEDGER SEED LATENCY_MS

Speaks chat completions over HTTP/1.1 with keep-alive and prints its port. What happens to a request is drawn from the seed, the
request and how often it was sent before, so it does not depend on the order in which requests come. Every event is a line of
LEDGER, written before anybody can see its effect:

    o CONNECTION                    opened
    c CONNECTION                    gone
    + SERIAL CONNECTION REQUEST     an answer is being generated; serials count from 1
    = SERIAL                        it was sent, whole and well: a call that was paid for
    - SERIAL                        its connection went while it was being generated: it was in flight
    ! SERIAL FAULT                  it was spoilt by the server: cut, garbled, reset, or never ended
    ? REQUEST FAULT                 refused, nothing was generated

Each generation has words of its own (`answer_text`), so an answer tells which call it was paid with.
"""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import json
import math
import os
import socket
import struct
import sys
import time
from typing import Any

FAULTS = {
    "429": 0.004,
    "429 with Retry-After": 0.004,
    "500": 0.02,
    "503 with Retry-After": 0.002,
    "reset": 0.02,
    "reset in the answer": 0.01,
    "cut body": 0.02,
    "malformed JSON": 0.02,
    "hang": 0.004,
}
"""The share of the requests that each hits, those sent again included. A client that takes 429 and 503 at their word asks less at once: the
more of them, the fewer answers are in flight at a kill."""
LASTING = {"400": 1e-3, "500": 1e-3, "malformed JSON": 1e-3, "hang": 5e-5}
"""The share of the questions with a sample that get this whenever they are asked: the dead letters."""
LENGTH = 0.05
"""The share of the answers that end at the token limit: valid, whole, and to be kept as they are."""
RETRY_AFTER = 0.05
"""Seconds."""


def request_of(text: str, seed: int) -> str:
    """Who a request is: its question and its seed, which is the sample's number here."""
    return hashlib.sha256(f"{seed} {text}".encode()).hexdigest()[:20]


def drawn(*what: Any) -> float:
    """A number in [0, 1) that depends on nothing but `what`."""
    return int.from_bytes(hashlib.sha256(repr(what).encode()).digest()[:8], "big") / 2**64


def lasting(seed: int, request: str) -> str | None:
    """The fault that this request gets each time, if any."""
    return _of(LASTING, drawn(seed, "lasting", request))


def fault(seed: int, request: str, attempt: int) -> str | None:
    return lasting(seed, request) or _of(FAULTS, drawn(seed, "fault", request, attempt))


def _of(shares: dict[str, float], number: float) -> str | None:
    for name, share in shares.items():
        if number < share:
            return name
        number -= share
    return None


def answer_text(seed: int, request: str, serial: int) -> tuple[str, str]:
    """The words and the finish reason of a generation."""
    size = 3 + int(30 * drawn(seed, "size", request))
    thought = f"<think>call {serial} of {request}: " + "먼저 the 문제를 읽는다. " * size
    if drawn(seed, "length", request) < LENGTH:
        return thought.strip(), "length"
    return f"{thought}</think>답은 {request}입니다.", "stop"


class Ledger:
    def __init__(self, path: str):
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.serial = self.connections = 0
        self.attempts: dict[str, int] = {}

    def write(self, *words: object) -> None:
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())


class Connection(asyncio.Protocol):
    def __init__(self, ledger: Ledger, seed: int, latency: float):
        self._ledger, self._seed, self._latency = ledger, seed, latency
        self._have = b""
        self._serial = 0
        """Of the generation that is going on, else 0."""
        self._fault: str | None = None
        self._due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._wire = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ledger.connections += 1
        self._number = self._ledger.connections
        self._ledger.write("o", self._number)

    def connection_lost(self, error: Exception | None) -> None:
        if self._due is not None:
            self._due.cancel()
        if self._serial:
            # Of one that was to hang or to be spoilt nothing would have come anyway, kill or not.
            words = ("-", self._serial) if self._fault is None else ("!", self._serial, self._fault)
            self._ledger.write(*words)
        self._ledger.write("c", self._number)

    def data_received(self, data: bytes) -> None:
        self._have += data
        head, found, rest = self._have.partition(b"\r\n\r\n")
        if not found:
            return
        size = next(int(line[15:]) for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:")
        if len(rest) < size:
            return
        self._have = rest[size:]
        self._asked(json.loads(rest[:size]))

    def _asked(self, body: dict[str, Any]) -> None:
        ledger = self._ledger
        request = request_of(body["messages"][-1]["content"], body["seed"])
        attempt = ledger.attempts[request] = ledger.attempts.get(request, 0) + 1
        self._fault = what = fault(self._seed, request, attempt)
        if what is not None and (what[0] in "45" or what == "reset"):
            ledger.write("?", request, what)
            if what == "reset":
                self._reset()
            else:
                self._refuse(what)
            return
        ledger.serial += 1
        self._serial = ledger.serial
        ledger.write("+", self._serial, self._number, request)
        if what == "hang":
            return
        # Exponential, its longest cut off: the deadline of an answer that is only slow is never reached.
        wait = min(self._latency * 8, -self._latency * math.log(1 - drawn(self._seed, "wait", request, attempt)))
        self._due = asyncio.get_running_loop().call_later(wait, self._answer, request, body)

    def _refuse(self, what: str) -> None:
        status = int(what[:3])
        headers = ""
        if "Retry-After" in what:
            in_seconds = drawn(self._seed, "form", self._ledger.serial) < 0.5
            value = str(RETRY_AFTER) if in_seconds else email.utils.formatdate(time.time() + RETRY_AFTER, usegmt=True)
            headers = f"Retry-After: {value}\r\n"
        self._send(status, json.dumps({"error": {"message": f"planned {status}"}}).encode(), headers)

    def _answer(self, request: str, body: dict[str, Any]) -> None:
        text, finish = answer_text(self._seed, request, self._serial)
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
        usage = {"prompt_tokens": len(body["messages"][-1]["content"]), "completion_tokens": len(text)}
        data = json.dumps({"choices": [choice], "usage": usage}, ensure_ascii=False).encode()
        serial, self._serial, self._due = self._serial, 0, None
        if self._fault is None:
            # Before it is sent: who sees the answer must find the line.
            self._ledger.write("=", serial)
            self._send(200, data)
            return
        self._ledger.write("!", serial, self._fault)
        if self._fault == "malformed JSON":
            self._send(200, data[: len(data) // 2] + b'"\x00' + data[len(data) // 2 :])
        else:
            self._send(200, data[: len(data) // 2], size=len(data))
            if self._fault == "cut body":
                self._wire.close()
            else:
                self._reset()

    def _send(self, status: int, data: bytes, headers: str = "", *, size: int | None = None) -> None:
        size = len(data) if size is None else size
        head = f"HTTP/1.1 {status} Planned\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n{headers}\r\n"
        self._wire.write(head.encode() + data)

    def _reset(self) -> None:
        # Closing with a linger of nothing is what sends a reset.
        self._wire.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._wire.abort()


async def serve(path: str, seed: int, latency: float) -> None:
    ledger = Ledger(path)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(ledger, seed, latency), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000))
