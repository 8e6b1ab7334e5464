"""A real OpenAI-compatible server on loopback that plays a script, and what the tests of this folder share."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import secrets
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from yisang.records import Licence, Message, Prompt, content_id

CC_BY = Licence(id="CC-BY-4.0", letter="A", evidence="test")
Reply = Callable[["Handler", dict[str, Any]], None]


def prompt(text: str, **changes: Any) -> Prompt:
    id_ = content_id(text.encode("utf-8", "surrogatepass"))
    return Prompt(id=id_, text=text, language="ko", licence=CC_BY, category="test", **changes)


def question(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


def completion(content: str | None, *, finish: Any = "stop", usage: bool = True, **fields: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **fields}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    found: dict[str, Any] = {"id": "x", "object": "chat.completion", "choices": [choice]}
    if usage:
        found["usage"] = {"prompt_tokens": 7, "completion_tokens": 11, "total_tokens": 18}
    return found


def answer_to(body: dict[str, Any]) -> str:
    """A deterministic answer to a request as it went over the wire."""
    mark = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:12]
    return f"<think>mark {mark}</think>{body['messages'][-1]['content']}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.requests.append({"path": self.path, "headers": dict(self.headers.items()), "body": body})
            server.now += 1
            server.most = max(server.most, server.now)
            reply = server.script.pop(0) if server.script else server.otherwise
        try:
            reply(self, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with server.lock:
                server.now -= 1

    def send(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        with self.server.lock:
            self.server.now -= 1  # what the client has got is no longer in flight
        try:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        finally:
            with self.server.lock:
                self.server.now += 1

    def log_message(self, *_: Any) -> None:
        return


class Server(ThreadingHTTPServer):
    """script: what the first requests get, in order; then `otherwise`. `most`: the most requests ever at once."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.lock = threading.Lock()
        self.script: list[Reply] = []
        self.otherwise: Reply = echo
        self.requests: list[dict[str, Any]] = []
        self.now = self.most = 0
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        return


def says(found: Any, status: int = 200, **headers: str) -> Reply:
    data = found if isinstance(found, bytes) else json.dumps(found).encode()
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return lambda handler, _: handler.send(status, data, named)


def fails(status: int, message: str = "no", **headers: str) -> Reply:
    return says({"error": {"message": message, "type": "test"}}, status, **headers)


def echo(handler: Handler, body: dict[str, Any]) -> None:
    handler.send(200, json.dumps(completion(answer_to(body))).encode())


def resets(handler: Handler, _: dict[str, Any]) -> None:
    """Closes in the middle of the answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.close_connection = True


def hangs(handler: Handler, _: dict[str, Any]) -> None:
    """Answers nothing until the test is over."""
    handler.server.released.wait()
    handler.close_connection = True


@contextlib.contextmanager
def serving(port: int = 0) -> Iterator[Server]:
    server = Server(port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """A local S3 (moto) with one bucket, `yisang`; its address."""
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    urllib.request.urlopen(urllib.request.Request(f"{address}/yisang", method="PUT"), timeout=30).close()
    yield address
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty folder of a local S3, known by its address alone, here and in processes that are started."""
    import s3fs

    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    return f"s3://yisang/{secrets.token_hex(6)}"
