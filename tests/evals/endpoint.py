"""An OpenAI-compatible endpoint on loopback that answers by arithmetic, keeps what it was asked, and can refuse or hold."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Endpoint(ThreadingHTTPServer):
    """asked: the requests in order. hold_after: that many are answered, the next ones wait. refuse: which get a 400."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.asked: list[dict[str, Any]] = []
        self.hold_after: int | None = None
        self.held = threading.Event()
        self.released = threading.Event()
        self.refuse: Callable[[dict[str, Any]], bool] = lambda body: False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.asked.append(body)
            number = len(server.asked)
        if server.hold_after is not None and number > server.hold_after:
            server.held.set()
            server.released.wait()
            self.close_connection = True
            return
        if server.refuse(body):
            self.reply(400, {"error": {"message": "this request is refused"}})
            return
        # Sometimes right: the last number of the question, and the seed decides on a second run's answer.
        numbers = re.findall(r"\d+", body["messages"][-1]["content"])
        said = int(numbers[-1]) + body.get("seed", 0) % 2 if numbers else 0
        content = f"<think>\n{' + '.join(numbers)}\n</think>\n\n답은 \\boxed{{{said}}}입니다."
        message = {"role": "assistant", "content": content}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self.reply(
            200, {"id": "x", "object": "chat.completion", "choices": [choice], "usage": {"completion_tokens": 9}}
        )

    def reply(self, status: int, table: dict[str, Any]) -> None:
        data = json.dumps(table).encode()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        return


@contextlib.contextmanager
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
