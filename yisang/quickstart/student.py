"""The quickstart's student: mini-base is scored, fine-tuned for two minutes on what was just built, and scored again."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

from yisang.errors import UsageError

BASE = "mini-base"
BENCH = "tasks:lang=ko,mode=none,preset=narrow,context=zoo,ops=1-4,n=50"
"""Problems that are in no corpus: benchmarks draw from seeds of their own. Asked as the rows ask, without an instruction."""
CORPUS = "corpus"


def check_installed() -> None:
    """Raises UsageError where a model cannot run or train."""
    lacking = [name for name in ("torch", "transformers", "trl") if importlib.util.find_spec(name) is None]
    if lacking:
        raise UsageError(
            f"{', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not installed, which the quickstart's teacher and student need. "
            "Install them (pip install -c constraints.txt -e '.[train]'), or leave both out: "
            "yisang quickstart --teacher scripted --no-student"
        )


def train_student(
    run: str,
    out: str,
    say: Callable[[str], None],
    *,
    bench: str = BENCH,
    sets: tuple[str, ...] = (),
) -> str:
    """Scores, trains and scores into `out`; returns what a person reads. The same call goes on after a stop.

    run: a finished run, whose rows are trained on. sets: changes of the configuration `quickstart`. A student of another corpus
    in `out` is removed.
    """
    from yisang.evals.compare import compare
    from yisang.evals.evaluate import evaluate
    from yisang.evals.models import teacher_of
    from yisang.evals.protocols import protocol
    from yisang.evals.text import comparison_text
    from yisang.sft.config import load_config
    from yisang.sft.run import train
    from yisang.teachers import models

    folder = Path(out)
    mark = f"{_state(run)} {models.revision(BASE)} {bench} {' '.join(sets)}\n"
    stored = folder / CORPUS
    if folder.exists() and not (stored.exists() and stored.read_text() == mark):
        say(f"   {out} holds the student of another corpus: it is trained anew")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    stored.write_text(mark)
    greedy = protocol("greedy", {"max_tokens": 512})
    before, after = f"{out}/before", f"{out}/after"
    evaluate(teacher_of(BASE, "", "", {}), [bench], greedy, before, say=say)
    config = load_config("quickstart", [f"data.0.path={run}", *sets])
    model = train(config, f"{out}/training", say=say)
    evaluate(teacher_of(str(model), "", "", {}), [bench], greedy, after, say=say)
    return comparison_text(compare(before, after, measure="verified"))


def _state(run: str) -> str:
    """Which rows a finished run holds: its fingerprint, and when it was finished."""
    from yisang.pipelines.run import open_run

    _, manifest = open_run(run)
    return f"{manifest.fingerprint} {(Path(run) / 'manifest.json').stat().st_mtime_ns}"
