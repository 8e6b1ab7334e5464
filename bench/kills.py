"""Thirty SIGKILLs at random moments of a run on real data, then one finishing run: is it as if nothing had happened?

    python -m bench.kills [--kills 30] [--seed 1] [--on local] [--workers 2]

Runs tests/recipes/real_korean.py (it needs the sample data) with a teacher behind a loopback HTTP server that counts.
Half of the kills hit the command alone, half its whole process group. Checked: the books and the kept records equal
those of an uninterrupted run, no process and no unfinished file is left, and requests to the teacher that were sent
again are at most those in flight at the kills (received by the server and not yet in the answer store), which are
never more than the concurrency allows.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from yisang.pipelines.boundary import Boundary
from yisang.pipelines.run import open_run
from yisang.records import Message
from yisang.teachers.engines.echo import Echo
from yisang.teachers.generation import Sampling

RECIPE = Path(__file__).parents[1] / "tests" / "recipes" / "real_korean.py"
CONCURRENCY = 8


class Teacher(ThreadingHTTPServer):
    """Speaks chat completions and answers as the echo engine does, counting each request by its body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: Counter[str] = Counter()
        self.counting = threading.Lock()
        self.connections = 0
        self.echo = Echo()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self.counting:
            self.connections += 1
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self.counting:
                self.connections -= 1

    def repeated(self) -> int:
        """Requests beyond the first of each."""
        return sum(self.received.values()) - len(self.received)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections of a killed client are reset; that is what this bench is about."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Teacher

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.counting:
            self.server.received[hashlib.sha256(data).hexdigest()] += 1
        body = json.loads(data)
        messages = [Message(item["role"], item["content"]) for item in body["messages"]]
        names = ("temperature", "top_p", "top_k", "min_p", "max_tokens")
        sampling = Sampling(**{name: body[name] for name in names if name in body}, seed=body.get("seed", 0))
        answer = asyncio.run(self.server.echo.generate(messages, sampling, 0))
        reply: dict[str, Any] = {
            "choices": [
                {"message": {"role": "assistant", "content": answer.text}, "finish_reason": answer.finish_reason}
            ],
            "usage": answer.usage.reported(),
        }
        self._send(json.dumps(reply).encode())

    def _send(self, data: bytes) -> None:
        try:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):  # the client was killed
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """The bench prints its own lines."""


def command(out: Path, answers: Path, teacher: Teacher, on: str, workers: int) -> list[str]:
    return [
        sys.executable, "-m", "yisang", "run", str(RECIPE), "--out", str(out), "--answers", str(answers),
        "--on", on, "--workers", str(workers), "--teacher", "openai",
        "--teacher-option", f"base_url={teacher.url}", "--concurrency", str(CONCURRENCY),
    ]  # fmt: skip


def stored_answers(answers: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in answers.rglob("*.seg")) if answers.exists() else 0


def result(out: Path) -> tuple[str, str]:
    """Digests of the books and of the kept records."""
    folder, manifest = open_run(str(out))
    kept = sorted(repr(record) for record in Boundary(folder, manifest.sink).all_records())
    shown = subprocess.run(
        [sys.executable, "-m", "yisang", "show", str(out), "--json"], capture_output=True, check=True
    ).stdout
    return hashlib.sha256(shown).hexdigest()[:16], hashlib.sha256("\n".join(kept).encode()).hexdigest()[:16]


def processes(mark: str) -> list[int]:
    """Processes whose environment holds the mark."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if mark.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def _moment(process: subprocess.Popen[bytes], teacher: Teacher, seconds: float, requests: int) -> bool:
    """Waits for the moment of a kill; False where the run ended before it."""
    start, received = time.monotonic(), sum(teacher.received.copy().values())
    while process.poll() is None:
        more = sum(teacher.received.copy().values()) - received
        if more >= requests or (time.monotonic() - start > seconds and requests == 10**9):
            return True
        time.sleep(0.005)
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--on", default="local")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    folder = Path(tempfile.mkdtemp(prefix="yisang-kills-"))
    teacher = Teacher()
    threading.Thread(target=teacher.serve_forever, daemon=True).start()
    try:
        start = time.monotonic()
        subprocess.run(
            command(folder / "whole", folder / "whole-answers", teacher, options.on, options.workers),
            check=True,
            capture_output=True,
        )
        whole = time.monotonic() - start
        expected = result(folder / "whole")
        distinct = len(teacher.received)
        print(f"uninterrupted: {whole:.1f} s, {distinct} requests, books {expected[0]}, kept {expected[1]}", flush=True)

        teacher.received.clear()
        out, answers = folder / "killed", folder / "killed-answers"
        mark = f"YISANG_BENCH={folder.name}"
        environment = {**os.environ, "YISANG_BENCH": folder.name}
        in_flight: list[int] = []
        kills = finished_early = repeats = before = 0
        while kills < options.kills:
            began = time.monotonic()
            process = subprocess.Popen(
                command(out, answers, teacher, options.on, options.workers),
                env=environment,
                start_new_session=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            # Half of the moments are counted in seconds, half in requests that the teacher has received meanwhile.
            asked = draw.randint(1, distinct // 8) if draw.random() < 0.5 else 10**9
            if not _moment(process, teacher, draw.uniform(1.0, whole * draw.choice((0.15, 0.3, 0.6))), asked):
                finished_early += 1
                repeats += teacher.repeated()
                teacher.received.clear()  # it was done before its kill: go on with a run that starts from nothing
                before = 0
                shutil.rmtree(out)
                shutil.rmtree(answers)
                continue
            group = draw.random() < 0.5
            (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            # Workers end with their parent; what they had sent counts as in flight, also where it is read only now.
            while processes(mark) or teacher.connections:
                time.sleep(0.05)
            received, stored = sum(teacher.received.values()), stored_answers(answers)
            in_flight.append(received - stored - before)
            before = received - stored
            manifests = len(list(out.glob("*/manifest.json")))
            print(
                f"kill {kills:2} ({'group' if group else 'command'}) after {time.monotonic() - began:5.1f} s: {manifests} phases done, "
                f"{stored} answers, {in_flight[-1]} requests in flight",
                flush=True,
            )
        subprocess.run(
            command(out, answers, teacher, options.on, options.workers),
            env=environment,
            check=True,
            capture_output=True,
        )
        found = result(out)
        repeats += teacher.repeated()
        left = list(out.rglob(".writing-*"))
        checks = {
            "books equal": found[0] == expected[0],
            "kept records equal": found[1] == expected[1],
            f"requests repeated ({repeats}) <= in flight at kills ({sum(in_flight)})": repeats <= sum(in_flight),
            f"in flight at a kill ({max(in_flight)}) <= workers x concurrency ({options.workers * CONCURRENCY})": max(
                in_flight
            )
            <= options.workers * CONCURRENCY,
            "no unfinished file left": not left,
            "no process left": not processes(mark),
        }
        print(f"{kills} kills, {finished_early} runs that ended before theirs; {options.on}, {options.workers} workers")
        for name, good in checks.items():
            print(f"{'ok  ' if good else 'FAIL'} {name}")
        return 0 if all(checks.values()) else 1
    finally:
        teacher.shutdown()
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
