"""A real HTTP/1.1 server on loopback that answers for all hosts of a web, by the Host header and the path."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from yisang.quickstart.web import Response

TEXT = ("Content-Type", "text/plain; charset=utf-8")


@dataclass(frozen=True)
class Seen:
    """One request as the server saw it."""

    method: str
    host: str
    path: str
    user_agent: str


class _Quiet(ThreadingHTTPServer):
    """A client that has seen enough of an answer goes away before its end, which is nobody's fault."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Server:
    """A context manager that gives (ip, port); `requests` lists what was asked, also after the end."""

    def __init__(self, web: Mapping[tuple[str, str], Response], missing: str) -> None:
        self.requests: list[Seen] = []
        handler = _handler(web, Response(404, (TEXT,), f"{missing}\n".encode()), self.requests)
        self._server = _Quiet(("127.0.0.1", 0), handler, bind_and_activate=False)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="web")

    def __enter__(self) -> tuple[str, int]:
        try:
            self._server.server_bind()
            self._server.server_activate()
        except BaseException:
            self._server.server_close()
            raise
        self._thread.start()
        return "127.0.0.1", self._server.server_port

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def serve(web: Mapping[tuple[str, str], Response], missing: str = "There is no such page.") -> Server:
    """`with serve(build_web()) as (ip, port): ...`; the system chooses the port. missing: what a 404 says."""
    return Server(web, missing)


def _handler(
    web: Mapping[tuple[str, str], Response], missing: Response, requests: list[Seen]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body leave in two writes; with Nagle's algorithm the second would wait for an ACK.
        disable_nagle_algorithm = True
        # An idle keep-alive connection must not keep its thread for ever.
        timeout = 10

        def do_GET(self) -> None:
            response = self._answer()
            self.wfile.write(response.body)

        def do_HEAD(self) -> None:
            self._answer()

        def _answer(self) -> Response:
            host = self.headers.get("Host", "").partition(":")[0].lower()
            requests.append(Seen(self.command, host, self.path, self.headers.get("User-Agent", "")))
            response = web.get((host, self.path), missing)
            self.send_response(response.status)
            for name, value in response.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            return response

        def log_message(self, format: str, *args: object) -> None:
            """Silent: a quickstart prints its own progress, and tests read `requests`."""

    return Handler
