"""How fast problems are made, and that memory stays flat: graph, question, gold trace, one process.

python -m bench.tasks [--problems 20000]
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time

from yisang.tasks.problems import PRESETS, Request, make_problems
from yisang.tasks.verify import verify_response
from yisang.tasks.wording import parse


def peak() -> float:
    """MiB. Of this process, which `make` and the shell that started it keep small."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--problems", type=int, default=20_000)
    count = parser.parse_args().problems
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, one used; {count:,} problems each")
    for preset in PRESETS:
        for language in ("ko", "en", "ja"):
            request = Request(language, 2, 10, preset=preset)
            for _ in make_problems(request, 0, count // 10):
                pass
            before, start = peak(), time.perf_counter()
            for _ in make_problems(request, 1, count):
                pass
            seconds = time.perf_counter() - start
            print(
                f"{preset:8} {language}: {count / seconds:6,.0f} problems/s, peak memory {before:.0f} MiB after a tenth, "
                f"{peak():.0f} MiB at the end",
                flush=True,
            )
    problems = list(make_problems(Request("ko", 2, 10), 1, count // 10))
    start = time.perf_counter()
    for problem in problems:
        parse(problem.question, problem.lang, problem.context)
    parsed = time.perf_counter()
    for problem in problems:
        verify_response(problem.graph, problem.trace, problem.lang, problem.context)
    verified = time.perf_counter()
    print(
        f"parsed {len(problems) / (parsed - start):,.0f} questions/s, verified {len(problems) / (verified - parsed):,.0f} solutions/s"
    )


if __name__ == "__main__":
    main()
