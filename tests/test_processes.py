"""Who still lives: a worker that cannot tell must not live on without its command."""

from __future__ import annotations

import subprocess
import sys
from typing import IO

import pytest

from yisang import processes


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_that_goes_while_it_is_looked_at_counts_as_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert processes.alive(child.pid)

    def late(path: str) -> IO[str]:
        file = open(path)  # noqa: SIM115
        child.kill()
        child.wait()  # now the reading fails, in another way than the opening would
        return file

    monkeypatch.setattr(processes, "open", late, raising=False)
    assert not processes.alive(child.pid)
