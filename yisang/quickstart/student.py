"""The quickstart's student: mini-base is scored, fine-tuned for two minutes on what was just built, and scored again."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from yisang import __version__
from yisang.errors import UsageError

BASE = "mini-base"
BENCH = "tasks:lang={language},mode=none,preset=narrow,context=zoo,ops=1-4,n=100"
"""Asked as the rows ask, without an instruction. Drawn with other seeds than the web's; of one operation there are so few
graphs that some are in both, under other names."""


@dataclass(frozen=True)
class Student:
    """model: its folder. comparison: the scores before and after, for a person."""

    model: str
    comparison: str


def check_installed(packages: Sequence[str]) -> None:
    """Raises UsageError where a model cannot run or train."""
    lacking = [name for name in packages if importlib.util.find_spec(name) is None]
    if lacking:
        raise UsageError(
            f"{' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not installed, which a model needs to teach and to be "
            "trained. Install what they need (pip install -c constraints.txt -e '.[train]'), or leave models out: "
            "yisang quickstart --teacher scripted --no-student"
        )


def train_student(
    run: str, out: str, say: Callable[[str], None], *, language: str = "ko", bench: str = "", sets: Sequence[str] = ()
) -> Student:
    """Scores, trains and scores, in a folder of `out` that is named by the corpus and all settings.

    So the same call goes on after a stop or finds what is done, and another corpus gets a student of its own. run: a finished
    run on this machine, whose rows are trained on. language: of what it is asked. bench: asked instead of BENCH. sets: changes of
    the configuration `quickstart`.
    """
    from yisang.evals.compare import compare
    from yisang.evals.evaluate import evaluate
    from yisang.evals.models import teacher_of
    from yisang.evals.protocols import protocol
    from yisang.evals.text import comparison_text
    from yisang.pipelines.run import open_run
    from yisang.sft.config import load_config
    from yisang.sft.run import train
    from yisang.teachers import models
    from yisang.teachers.engines.mini import NUMERICS

    bench = bench or BENCH.format(language=language)
    rows = Path(run).resolve()
    config = load_config("quickstart", [f"data.0.path={json.dumps(str(rows))}", *sets])
    _, manifest = open_run(run)
    finished = (rows / "manifest.json").stat().st_mtime_ns
    known = [__version__, manifest.fingerprint, finished, config.to_json(), models.revision(BASE), bench]
    folder = f"{out}/{hashlib.sha256(json.dumps(known).encode()).hexdigest()[:8]}"
    greedy = protocol("greedy", {"max_tokens": 512})
    evaluate(teacher_of(BASE, "", "", {}), [bench], greedy, f"{folder}/before", say=say)
    model = str(train(config, f"{folder}/training", say=say))
    # Computed as the engine of mini-base does, so that the two differ in weights alone.
    evaluate(teacher_of(model, "", "", NUMERICS), [bench], greedy, f"{folder}/after", say=say)
    compared = compare(f"{folder}/before", f"{folder}/after", measure="verified")
    return Student(model, comparison_text(compared))
