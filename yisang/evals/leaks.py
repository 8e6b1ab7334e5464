"""A benchmark of `yisang eval` as what decontamination compares a corpus with.

A recipe names it as `yisang eval` does: Decontaminate(benchmarks=(questions("mgsm:lang=ja,path=mgsm_ja.tsv"),)).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yisang.evals.benchmarks import Spec, spec_of
from yisang.pipelines.stages.benchmarks import Question, Questions


def questions(bench: str | Mapping[str, Any] | Spec) -> Questions:
    """The questions of a benchmark with its settings, under its label. They are read at once, and bear identity by what they say.

    Raises UsageError for a benchmark or a setting that there is not.
    """
    spec = spec_of(bench)
    return Questions(spec.label, tuple(Question(item.id, item.question, item.options) for item in spec.items()))
