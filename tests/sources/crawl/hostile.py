"""A hostile web on one port of the machine: a real HTTP/1.1 server in a process of its own, which answers by Host header and logs each request.

    python hostile.py --port 0 --log FILE     prints the port, serves until it is ended

    with hostile_web(tmp_path) as web:        the same in a test
        sites = web.write_sites(tmp_path / "SITES.toml", HOSTS)
        ...                                   crawl
        assert violations(HOSTS, web.log()) == []

The hosts are in hostile_hosts.py. The log has one line for each request, written before anything is answered, so that a client that is killed has
no secrets, and one more when all of the answer was handed to the system.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from hostile_answers import Answer, Host, Request
from hostile_hosts import host_named, sites_toml

CONTROL = "control.hostile"
HEAD_LIMIT = 256 * 1024


class Server:
    """State of one server: the log, how often each target was asked for, and until when it may not be."""

    def __init__(self, log: TextIO):
        self.log = log
        self.counts: Counter[tuple[str, str]] = Counter()
        self.not_before: dict[tuple[str, str], float] = {}
        self.turn = 1
        self.number = 0
        self.port = 0

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """All requests of one connection."""
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a client that was killed, or one that does not speak HTTP
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answers one request; whether another can follow."""
        start = await reader.readexactly(1)
        if not start.isalpha():  # TLS starts with the byte 22
            return False
        head = start + await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        parts = first.split(" ")
        if len(parts) != 3:
            return False
        method, target, _version = parts
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        await reader.readexactly(int(headers.get("content-length", 0)))
        name = headers.get("host", "").lower().removesuffix(":80")
        if name == CONTROL:
            self.turn = int(target.strip("/"))
            answer = Answer(body=b"turned")
            writer.write(b"".join(piece for piece in answer.sent() if isinstance(piece, bytes)))
            await writer.drain()
            return True
        request, number = self._note(method, name, target, headers)
        host = host_named(name)
        answer = host.answer(request) if host else Answer(404, body=b"no such host")
        if answer.wait is not None and not request.early:
            self.not_before[name, target] = request.now + answer.wait
        sent, answered = 0, request.now
        for piece in answer.sent():
            if isinstance(piece, float):
                await _silence(piece, reader)
            else:
                writer.write(piece)
                sent, answered = sent + len(piece), time.time()
                await writer.drain()
            if method == "HEAD":
                break
        self._write({"number": number, "done": True, "answered": answered, "sent": sent})
        return answer.keeps and headers.get("connection", "").lower() != "close"

    def _note(self, method: str, name: str, target: str, headers: dict[str, str]) -> tuple[Request, int]:
        now = time.time()
        self.number += 1
        self.counts[name, target] += 1
        # Clocks of two processes agree, but a timer may wake a hair too soon.
        early = now < self.not_before.get((name, target), 0.0) - 0.02
        entry = {
            "number": self.number,
            "time": now,
            "method": method,
            "host": name,
            "target": target,
            "path": target.partition("?")[0],
        }
        told = {
            "agent": headers.get("user-agent", ""),
            "accept_encoding": headers.get("accept-encoding", ""),
            "if_none_match": headers.get("if-none-match"),
            "if_modified_since": headers.get("if-modified-since"),
        }
        self._write({**entry, **told, "early": early, "turn": self.turn, "headers": headers})
        request = Request(name, target, headers, self.counts[name, target], early, self.turn, self.port, now)
        return request, self.number

    def _write(self, entry: dict[str, Any]) -> None:
        self.log.write(json.dumps(entry) + "\n")
        self.log.flush()


async def _silence(seconds: float, reader: asyncio.StreamReader) -> None:
    """Says nothing for so long. Ends as a broken connection when the client has gone away meanwhile."""
    try:
        gone = await asyncio.wait_for(reader.read(1), seconds)
    except TimeoutError:
        return
    raise ConnectionResetError(f"the client {'speaks out of turn' if gone else 'has gone'}")


async def serve(port: int, log: Path) -> None:
    """Serves for ever; prints the port when connections are taken."""
    with log.open("a", encoding="utf-8") as file:
        state = Server(file)
        server = await asyncio.start_server(state.connection, "127.0.0.1", port, limit=HEAD_LIMIT)
        state.port = server.sockets[0].getsockname()[1]
        # Other names of the machine too, where it has them: a crawler that goes there must be seen.
        six = None
        with contextlib.suppress(OSError):
            six = await asyncio.start_server(state.connection, "::1", state.port, limit=HEAD_LIMIT)
        print(state.port, flush=True)
        async with server, six or contextlib.nullcontext():
            await server.serve_forever()


@dataclass
class Web:
    """A running server."""

    port: int
    log_path: Path

    def log(self) -> list[dict[str, Any]]:
        """The requests in the order in which they were read: method, host, target, path, agent, accept_encoding, if_none_match, if_modified_since,
        headers, early (before the time of Retry-After), turn, time, done (the answer was sent to its end), answered (when its last byte was),
        sent (bytes)."""
        found: dict[int, dict[str, Any]] = {}
        for line in self.log_path.read_text("utf-8").splitlines(keepends=True):
            if line.endswith("\n"):  # the last line may be in the making
                entry = json.loads(line)
                found.setdefault(entry["number"], {"done": False, "answered": None, "sent": 0}).update(entry)
        return list(found.values())

    def get(
        self, host: str, target: str, headers: Mapping[str, str] | None = None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """One request on a connection of its own: the answer and its body as it came over the wire."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", target, headers={"Host": host, "User-Agent": "yisang tests", **(headers or {})})
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def turn(self, number: int) -> None:
        """From now on pages are as they are at the second (third, …) visit."""
        self.get(CONTROL, f"/{number}")

    def sites_toml(self, hosts: Iterable[Host], **crawl: object) -> str:
        """SITES that lead here; `crawl` over the defaults of [crawl]."""
        return sites_toml(hosts, self.port, **crawl)

    def write_sites(self, path: Path, hosts: Iterable[Host], **crawl: object) -> Path:
        """The same in a file."""
        path.write_text(self.sites_toml(hosts, **crawl), encoding="utf-8")
        return path


@contextlib.contextmanager
def hostile_web(folder: Path) -> Iterator[Web]:
    """A server of its own, with its log in `folder`."""
    log = Path(folder) / "hostile.log"
    log.touch()
    process = subprocess.Popen(
        [sys.executable, __file__, "--port", "0", "--log", str(log)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.strip(), f"the hostile web did not start: exit code {process.wait(timeout=10)}"
        yield Web(int(line), log)
    finally:
        process.terminate()
        process.wait(timeout=10)
        if process.stdout:
            process.stdout.close()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="A hostile web on one port.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True)
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(arguments.port, arguments.log))


if __name__ == "__main__":
    main()
