"""The held-in / held-out guard: what is measured once at the end steers nothing before.

arXiv 2510.04230 chooses its mixtures by held-in benchmarks and reports held-out ones once. A benchmark that is held out
may be asked for with the purpose "final" alone: not while a model trains, and not by an ablation that chooses between
recipes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from yisang.errors import UsageError
from yisang.evals.benchmarks import NAMES, Spec, spec_of

Purpose = Literal["training", "ablation", "final"]


def check(names: Iterable[str | Spec], purpose: str) -> None:
    """Raises UsageError where a held-out benchmark is asked for during training or by an ablation.

    names: as in `--bench`, a name alone or with settings. Settings may declare a benchmark held out
    (`held_out=true`); none can declare that it is not.
    """
    if purpose not in get_args(Purpose):
        raise UsageError(f"The purpose is {purpose!r}; it must be one of {', '.join(get_args(Purpose))}.")
    if purpose == "final":
        return
    held = [spec.label for spec in map(spec_of, names) if spec.held_out]
    if held:
        raise UsageError(
            f"{', '.join(held)}: held out, so it must not steer anything ({purpose} was given as the purpose). Choose a "
            "held-in benchmark here, and measure this one once at the end with the purpose 'final'."
        )


def check_training_data(repo: str) -> None:
    """Raises UsageError where a data set of the Hub is what a held-out benchmark is read from."""
    for spec in map(spec_of, NAMES):
        if spec.held_out and repo.casefold() == str(getattr(spec.settings, "repo", "")).casefold():
            raise UsageError(
                f"{repo} is what the benchmark {spec.label} is read from, which is held out: a model trained on it could not be "
                "measured by it. Take it out of the training data."
            )
