"""A killed or stopped `yisang eval` goes on where it was, and pays for no answer twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from evals.endpoint import Endpoint, endpoint

BENCH = "tasks:ops=2-3,n=4"
TOTAL = 24


def command(server: Endpoint, out: Path) -> list[str]:
    return [
        sys.executable, "-m", "yisang", "eval", "m", "--engine", "openai", "--revision", "r1", "--engine-option",
        f"base_url={server.url}", "--concurrency", "1", "--bench", BENCH, "--out", str(out), "--json",
    ]  # fmt: skip


def asked(server: Endpoint) -> list[str]:
    return [json.dumps(body, sort_keys=True) for body in server.asked]


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_paid_for_twice(sign: signal.Signals, tmp_path: Path):
    environment = {**os.environ, "NO_PROXY": "*"}
    with endpoint() as server:
        server.hold_after = 9
        running = subprocess.Popen(
            command(server, tmp_path / "out"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert server.held.wait(60), running.communicate()
        running.send_signal(sign)
        _, err = running.communicate(timeout=60)
        if sign == signal.SIGKILL:
            assert running.returncode == -sign
        else:
            assert running.returncode == 3
            assert f"Stopped by {sign.name}" in err
        assert not (tmp_path / "out" / "results.json").exists()
        answered, in_flight = asked(server)[:9], asked(server)[9]
        server.hold_after = None
        done = subprocess.run(
            command(server, tmp_path / "out"), capture_output=True, text=True, env=environment, check=True
        )
        times = Counter(asked(server))
    results: dict[str, Any] = json.loads(done.stdout)
    assert {times[request] for request in answered} == {1}
    assert times.pop(in_flight) == 2  # it was in flight, and its answer never came
    assert set(times.values()) == {1}
    assert len(times) + 1 == TOTAL
    assert results["counts"] == {"asked": TOTAL - 9, "reused": 9, "failed": 0}
    assert results["benches"][0]["overall"]["answers"] == TOTAL
