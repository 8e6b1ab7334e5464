"""A server that stands in for vLLM's: it is started with the same command line, listens, says what it was given, and dies as told.

--mark FILE: "die" ends it where FILE is not there yet, and makes it; requests that begin with "hold" wait for that. --mortal: "die"
always ends it. --sick: "sick" makes it unhealthy, once. --never-ready, --fail TEXT: what they say. --child FILE: a process of its own
in a session of its own, whose number it writes there.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--served-model-name", required=True)
parser.add_argument("--mark", type=Path, default=Path(os.devnull))
parser.add_argument("--child", type=Path)
parser.add_argument("--fail")
parser.add_argument("--never-ready", action="store_true")
parser.add_argument("--mortal", action="store_true")
given, rest = parser.parse_known_args()
healthy, told = threading.Event(), threading.Event()
if not given.never_ready:
    healthy.set()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.say(200 if self.path == "/health" and healthy.is_set() else 503, b"")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["model"] != given.served_model_name:
            self.say(404, b"")
            return
        text = body["messages"][-1]["content"]
        if text.startswith("die") and (given.mortal or not given.mark.exists()):
            given.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if text.startswith("hold") and not given.mark.exists():
            told.wait()
        if text == "sick" and not given.mark.exists():
            given.mark.touch()
            healthy.clear()
            told.wait()
        about = {
            "pid": os.getpid(),
            "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "key": self.headers["Authorization"],
        }
        message = {"role": "assistant", "content": f"<think>{json.dumps(about)}</think>{text}"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self.say(200, json.dumps({"choices": [choice]}).encode())

    def say(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        return


if given.child:
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"], start_new_session=True)
    given.child.write_text(f"{os.getpid()} {child.pid}")
print("loading weights", *rest, flush=True)
if given.fail:
    sys.exit(given.fail)
ThreadingHTTPServer.request_queue_size = 256
ThreadingHTTPServer(("127.0.0.1", given.port), Handler).serve_forever()
