"""How fast a teacher is asked: against a loopback server in C, beside datatrove, distilabel and bespokelabs-curator.

python -m bench.teacher [--count 5000] [--concurrency 64] [--rounds 5] [--letters 400] [--answer 2000] [--peers datatrove,distilabel,curator]
python -m bench.teacher --tail [--count 10000] [--slots 2000] [--mean 30] [--sigma 1]
python -m bench.teacher --memory

Needs a C compiler (cc) and, for the peers, the package index: each gets a virtual environment of its own under --out.

Without a flag: the server answers at once. Its ceiling is what a client in C gets from it with as many connections. Each round runs
every client once; requests per second by the server's clock, from the first request to the last answer, so that neither start-up
nor imports count. Exit code 1 unless yisang is twice as fast as the best peer, by medians.

--tail: answers take --mean seconds on average, lognormal; the share of the server's capacity (--slots at once) that was used from
when all slots were first taken to the last request's arrival. Exit code 1 below 98 %.

--memory: what one more request in flight costs, from the peaks of two runs with 100 and 2,000 in flight of a server that takes 5
seconds. Exit code 1 above 50 KB beyond the bytes of its question and its answer.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PEERS = {
    "datatrove": ("datatrove[io]==0.10.1", "aiofiles", "aiosqlite", "httpx"),
    "distilabel": ("distilabel[openai]==1.5.3", "requests"),
    "curator": ("bespokelabs-curator==0.1.31",),
}
"""What each needs beside itself to be imported at all stands with it."""
LEAST_RATIO, LEAST_SHARE, MOST_BYTES = 2.0, 0.98, 50_000
SLOWEST = 900
"""Seconds for one client."""


class Server:
    """The server in C, in a process of its own; `report` is what it says when it is stopped."""

    def __init__(self, program: Path, slots: int, mean: float, sigma: float, answer: int):
        words = ("serve", "0", str(slots), str(1000 * mean), str(sigma), str(answer), "1")
        self._process = subprocess.Popen([program, *words], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.report: dict[str, Any] = {}

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        said, _ = self._process.communicate(timeout=60)
        self.report = json.loads(said)


@contextmanager
def serving(program: Path, slots: int, mean: float, sigma: float, answer: int) -> Iterator[Server]:
    server = Server(program, slots, mean, sigma, answer)
    try:
        yield server
    finally:
        server.stop()


def compiled(out: Path) -> Path:
    program = out / "loopback"
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", program, HERE / "loopback.c", "-lm"], check=True)
    return program


def python_of(name: str, out: Path) -> Path:
    """The interpreter of a client; a peer's is made the first time."""
    if name == "yisang":
        return Path(sys.executable)
    folder = out / "peers" / name
    if not (folder / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = (folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        subprocess.run([*pip, *PEERS[name]], check=True)
        (folder / "done").touch()
    return folder / "bin" / "python"


def environment(name: str, python: Path) -> dict[str, str]:
    found = {**os.environ, "OMP_NUM_THREADS": "1"}
    if name == "curator":  # it counts tokens by a file from the net; litellm, which it installs, brings the file along
        where = python.parent.parent.glob("lib/*/site-packages/litellm/litellm_core_utils/tokenizers")
        found["TIKTOKEN_CACHE_DIR"] = str(next(where))
    if name == "yisang":
        found["PYTHONPATH"] = str(HERE.parent)
    return found


def asked(name: str, server: Server, count: int, concurrency: int, letters: int, out: Path) -> str:
    """Runs a client to its end; its standard output."""
    (out / "runs").mkdir(exist_ok=True)
    python, folder = python_of(name, out), Path(tempfile.mkdtemp(prefix=f"{name}-", dir=out / "runs"))
    url = f"http://127.0.0.1:{server.port}/v1"
    script = HERE / "teacher_clients" / f"{name}_client.py"
    words = [str(word) for word in (python, script, url, count, concurrency, letters, folder)]
    ran = subprocess.run(
        words, capture_output=True, text=True, env=environment(name, python), timeout=SLOWEST, check=False
    )
    (folder / "log.txt").write_text(ran.stdout + ran.stderr)
    if ran.returncode:
        raise SystemExit(f"{name} failed with {ran.returncode}; what it said stands in {folder / 'log.txt'}.")
    return ran.stdout


def compare(given: argparse.Namespace, program: Path) -> int:
    names = ["yisang", *(name for name in given.peers.split(",") if name)]
    for name in names:
        python_of(name, given.out)
    ceiling: list[float] = []
    rates: dict[str, list[float]] = {name: [] for name in names}
    for number in range(given.rounds):
        with serving(program, 10**6, 0, 0, given.answer) as server:
            words = ("ask", str(server.port), str(given.concurrency), "100000", str(3 * given.letters))
            ran = subprocess.run([program, *words], capture_output=True, text=True, check=True)
        ceiling.append(float(ran.stdout))
        for name in names:
            with serving(program, 10**6, 0, 0, given.answer) as server:
                asked(name, server, given.count, given.concurrency, given.letters, given.out)
            found = server.report
            rates[name].append(found["requests"] / found["seconds"])
            line = {"round": number + 1, "client": name, "requests": found["requests"]}
            line |= {
                "per second": round(rates[name][-1]),
                "most at once": found["most"],
                "connections": found["connections"],
            }
            print(json.dumps(line), flush=True)
    middle = {name: statistics.median(found) for name, found in rates.items()}
    best = max((rate for name, rate in middle.items() if name != "yisang"), default=0.0)
    report: dict[str, Any] = {"ceiling": round(statistics.median(ceiling))}
    report |= {name: round(rate) for name, rate in middle.items()}
    report["ratio to the best peer"] = round(middle["yisang"] / best, 2) if best else None
    print(json.dumps(report))
    return int(not best or middle["yisang"] < LEAST_RATIO * best)


def tail(given: argparse.Namespace, program: Path) -> int:
    with serving(program, given.slots, given.mean, given.sigma, given.answer) as server:
        asked("yisang", server, given.count, given.slots, given.letters, given.out)
    found = server.report
    share = found["busy"] / (given.slots * found["loaded"]) if found["loaded"] else 0.0
    print(json.dumps({**found, "share of capacity": round(share, 4)}))
    return int(share < LEAST_SHARE)


def memory(given: argparse.Namespace, program: Path) -> int:
    peaks = {}
    for concurrency in (100, 2000):
        with serving(program, 10**6, 5, 0, given.answer) as server:
            said = asked("yisang", server, 3 * concurrency, concurrency, given.letters, given.out)
        if server.report["most"] < concurrency:
            raise SystemExit(f"Only {server.report['most']} were in flight at once, not {concurrency}.")
        peaks[concurrency] = 1024 * json.loads(said.splitlines()[-1])["peak_kib"]
    each = (peaks[2000] - peaks[100]) / 1900
    beyond = each - 3 * given.letters - given.answer
    print(json.dumps({"peaks": peaks, "bytes each": round(each), "beyond question and answer": round(beyond)}))
    return int(beyond > MOST_BYTES)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--letters", type=int, default=400)
    parser.add_argument("--answer", type=int, default=2000)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--tail", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--slots", type=int, default=2000)
    parser.add_argument("--mean", type=float, default=30.0)
    parser.add_argument("--sigma", type=float, default=1.0)
    parser.add_argument("--out", type=Path, default=Path("out/bench-teacher"))
    given = parser.parse_args()
    given.out = given.out.resolve()
    given.count = given.count or (10_000 if given.tail else 5_000)
    given.out.mkdir(parents=True, exist_ok=True)
    program = compiled(given.out)
    if given.tail:
        return tail(given, program)
    return memory(given, program) if given.memory else compare(given, program)


if __name__ == "__main__":
    sys.exit(main())
