"""A crawl in a process of its own, for whoever cannot start a reactor (one to a process)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

from yisang.errors import Stopped, UsageError, YisangError


def crawl_in_child(
    sites: str,
    out: str,
    *,
    hosts: tuple[str, ...] = (),
    connect_to: str = "",
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, int]:
    """Crawls the sites of a file, or some of its hosts, and gives the number of URLs by verdict. Raises what the crawl raised."""
    given = json.dumps({"sites": sites, "out": out, "hosts": hosts, "connect_to": connect_to})
    command = [sys.executable, "-m", "yisang.sources.crawl", given]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        lines = []
        for line in process.stderr:
            lines.append(line.rstrip())
            if line.startswith(TOLD):
                say(line.removeprefix(TOLD).rstrip())
        counts = process.stdout.read()
    if process.returncode == 0:
        return {str(name): int(count) for name, count in json.loads(counts).items()}
    lines = [line for line in lines if not line.startswith(TOLD)]
    # Before its own words may stand warnings of Python, and in their place a traceback.
    first = next((at for at, line in enumerate(lines) if line.startswith(_FAILED)), max(0, len(lines) - 40))
    words = "\n".join(lines[first:]).removeprefix(_FAILED)
    kinds = {kind.exit_code: kind for kind in (Stopped, UsageError)}
    raise kinds.get(process.returncode, YisangError)(words or f"The crawl into {out} ended with {process.returncode}.")


TOLD = "· "
"""Before a line of progress, which is no error."""
_FAILED = "yisang: "
"""Before the words of an error."""
