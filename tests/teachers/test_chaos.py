"""bench/chaos.py at its small size: it holds, and it would tell if it did not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def chaos(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench.chaos", "--small", "--out", str(tmp_path / "chaos"), *words],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_five_kills_and_a_teacher_that_misbehaves_leave_one_verdict_each_and_pay_nothing_twice(tmp_path: Path) -> None:
    ran = chaos(tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "ok   asked though stored: 0" in ran.stdout
    assert "FAIL" not in ran.stdout


@pytest.mark.parametrize(
    ("twin", "told"), [("misses", "FAIL asked though stored"), ("twice", "FAIL one verdict for each record and sample")]
)
def test_a_wrong_twin_is_found_out(tmp_path: Path, twin: str, told: str) -> None:
    ran = chaos(tmp_path, "--prompts", "120", "--kills", "1", "--twin", twin)
    assert ran.returncode == 1
    assert told in ran.stdout, ran.stdout + ran.stderr
