"""How many runs of model-written code a second the sandbox makes, one after another, on one core.

python -m bench.sandbox [--seconds 5]

cold         a box for each run
warm         one box, a fork for each run
warm, numpy  the same with numpy imported before; where sympy is installed, with it too
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import statistics
import subprocess
import time

from yisang.sandbox import Sandbox


def measure(name: str, sandbox: Sandbox, code: str, seconds: float) -> None:
    started = time.monotonic()
    with sandbox:
        opened = time.monotonic() - started
        each: list[float] = []
        started = time.monotonic()
        while time.monotonic() - started < seconds or len(each) < 5:
            begun = time.monotonic()
            result = sandbox.run(code)
            each.append(time.monotonic() - begun)
            assert result.status == "success", result
        passed = time.monotonic() - started
    milliseconds = statistics.median(each) * 1000
    print(f"{name:18} {len(each) / passed:8.1f} {milliseconds:10.1f} {opened * 1000:10.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each row")
    seconds = parser.parse_args().seconds
    bwrap = subprocess.run(["bwrap", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    load = os.getloadavg()[0]
    print(f"Python {platform.python_version()}, {bwrap}, Linux {platform.release()}, load {load:.1f}\n")
    print(f"{'':18} {'runs/s':>8} {'median ms':>10} {'opened ms':>10}")
    measure("cold", Sandbox(), "print(1)", seconds)
    measure("warm", Sandbox(warm=True), "print(1)", seconds)
    installed = [name for name in ("numpy", "sympy") if importlib.util.find_spec(name)]
    for number in range(1, len(installed) + 1):
        names = tuple(installed[:number])
        code = f"import {', '.join(names)}; print(1)"
        measure(f"cold, {'+'.join(names)}", Sandbox(timeout=60), code, seconds)
        measure(f"warm, {'+'.join(names)}", Sandbox(warm=True, preload=names), code, seconds)


if __name__ == "__main__":
    main()
