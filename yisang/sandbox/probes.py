"""Four ways out of a box, really tried: what `yisang doctor` tells about the sandbox of this machine."""

from __future__ import annotations

import socket
import tempfile

from yisang.sandbox import RunResult, Sandbox

_HELD = "held\n"


def escapes() -> list[str]:
    """What a box of this machine lets out, each in a sentence; empty where it is tight. Raises SandboxUnavailable."""
    with (
        tempfile.NamedTemporaryFile("w", prefix="yisang-probe-", suffix=".txt") as file,
        socket.create_server(("127.0.0.1", 0)) as server,
        Sandbox(timeout=20.0) as sandbox,
    ):
        file.write("a file of the host")
        file.flush()
        probes = {
            "a file of the host could be read": f"open({file.name!r}).read()",
            "the network of the host could be reached": (
                f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 5)"
            ),
            "processes could be made without a bound": _FORKS.format(bound=sandbox.processes),
            "a setting of the kernel could be opened for writing": "open('/proc/sys/kernel/core_pattern', 'a')",
        }
        return [says for says, code in probes.items() if not _held(sandbox.run(_ATTEMPT.format(code=code)))]


def _held(result: RunResult) -> bool:
    return result.status == "success" and result.stdout == _HELD


_ATTEMPT = """
try:
    {code}
except OSError:
    print("held")
"""
_FORKS = """
    import os, time
    for _ in range({bound} + 8):
        if not os.fork():
            time.sleep(60)
            os._exit(0)"""
