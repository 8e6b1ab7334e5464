"""`--on slurm`: the run as one Slurm job, a member of it (`nodes`) on each machine, back into the queue until it is finished.

The command writes the job's script into the run folder and gives it to sbatch; the job itself runs `--on nodes`. Before its time
is over Slurm sends it a signal; then it stops as Ctrl-C would stop it, and goes back into the queue. So does a job that is
preempted, or whose machine fails. What was finished stays, and answers that were paid for are in the store.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from yisang.errors import UsageError, YisangError

DRY_RUN = "--dry-run"
WARNING = 300
"""Seconds before the end of its time at which a job is told: a server takes some of them to end, an answer store one."""
OURS = ("--ntasks-per-node", "--ntasks", "-n", "--requeue", "--no-requeue", "--signal", "--open-mode", "--output", "-o")
_NAME = re.compile(r"[^A-Za-z0-9_.-]+")


def submit(name: str, out: str, command: Sequence[str], workers: int, options: Sequence[str]) -> str:
    """Gives the run to Slurm, and returns what a person should know. With --dry-run: the script, and nothing is written.

    name: of the recipe. command: `run`, its recipe and its options, without --on and --workers. options: for sbatch.
    """
    given = [option for option in options if option != DRY_RUN]
    for option in given:
        if option.split("=")[0] in OURS:
            raise UsageError(f"The runner slurm sets {option.split('=')[0]} itself; leave it out.")
        if not option.startswith("-"):
            raise UsageError(
                f"Write sbatch's options with a sign between name and value: --time=24:00:00, not {option!r}."
            )
    text = script(name, os.path.abspath(out), command, workers, given)
    if DRY_RUN in options:
        return text
    if shutil.which("sbatch") is None:
        raise UsageError(
            "There is no sbatch here. Run this on a login node of the cluster, or look at the script with -- --dry-run."
        )
    folder = Path(out, "slurm")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "job.sbatch"
    path.write_text(text, encoding="utf-8")
    asked = subprocess.run(["sbatch", "--parsable", str(path)], capture_output=True, text=True, check=False)
    if asked.returncode:
        raise YisangError(f"sbatch refused {path}: {asked.stderr.strip() or asked.stdout.strip()}")
    job = asked.stdout.strip().split(";")[0]
    return (
        f"Job {job} is in the queue. Its log: {folder / f'{job}.log'}. It ends when the run is finished, and goes back into the queue until "
        f"then; to stop it: scancel {job}. After that the same command goes on from what is stored."
    )


def script(name: str, out: str, command: Sequence[str], workers: int, options: Sequence[str]) -> str:
    """The job's script. out: an absolute path that all machines see."""
    python = shlex.quote(sys.executable)
    lead = shlex.join([*command, "--on", "nodes", "--workers", str(workers)])
    head = [
        f"--job-name=yisang-{_NAME.sub('-', name)}",
        "--ntasks-per-node=1",
        "--requeue",
        "--open-mode=append",
        f"--signal=B:USR1@{WARNING}",
        f'--output="{out}/slurm/%j.log"',
        *options,
    ]
    lines = "\n".join(f"#SBATCH {option}" for option in head)
    return f"""#!/bin/bash
{lines}
# Written by `yisang run --on slurm`. One machine leads the run, the others join; all see {out}.
set -u
cd {shlex.quote(os.getcwd())} || exit 1
again=no
stop() {{ kill -TERM "$steps" 2>/dev/null; }}
# Its time is nearly over: stop, and back into the queue. A job that is preempted or cancelled gets SIGTERM; whether it
# comes back is Slurm's affair then.
trap 'again=yes; stop' USR1
trap stop TERM
srun --kill-on-bad-exit=1 bash -c {shlex.quote(_step(python, lead, out, workers))} &
steps=$!
# A signal ends `wait` early; once the steps have ended, it tells how.
wait "$steps"; code=$?
while kill -0 "$steps" 2>/dev/null; do wait "$steps"; code=$?; done
wait "$steps" 2>/dev/null; last=$?
[ "$last" = 127 ] || code=$last
if [ "$again" = yes ]; then
  echo "yisang: back into the queue"
  scontrol requeue "$SLURM_JOB_ID"
  exit 0
fi
exit "$code"
"""


def _step(python: str, lead: str, out: str, workers: int) -> str:
    """What one machine does."""
    join = shlex.join(["join", out, "--workers", str(workers)])
    return f'if [ "$SLURM_NODEID" = 0 ]; then exec {python} -m yisang {lead}; else exec {python} -m yisang {join}; fi'
