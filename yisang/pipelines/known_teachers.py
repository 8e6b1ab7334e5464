"""Teachers that the Yi-Sang recipes know by name: who they are, how they are asked, and what binds what they write."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from yisang.errors import UsageError
from yisang.filters.licence import table
from yisang.pipelines.stages.translate import GREEDY
from yisang.records import Licence
from yisang.teachers import models
from yisang.teachers.engines.scripted import revision
from yisang.teachers.generation import Sampling, Teacher

FAULTS = {
    "truncated": 0.02,
    "looping": 0.02,
    "two_thinks": 0.02,
    "share": 0.02,
    "wrong_language": 0.02,
    "wrong_value": 0.02,
}
"""Shares of the scripted teacher's answers with a fault, so that each response filter has something to find."""


@dataclass(frozen=True)
class Asked:
    """A teacher, and how it is asked.

    tasks: "found" for one that knows the worded tasks of a post if it is given their words alone; "only" for one that knows nothing
    else, so that it is asked nothing else.
    """

    teacher: Teacher
    sampling: Sampling
    translation: Sampling = GREEDY
    tasks: Literal["", "found", "only"] = ""


PAPER = Sampling(temperature=0.6, top_p=0.95, top_k=20, min_p=0.0, max_tokens=16_384)
"""Not in the paper; the authors' code. At 16,384 tokens an answer is cut off, so the drop of longer ones is nearly the same as `finish`."""
SMALL = Sampling(temperature=0.6, top_p=0.95, top_k=20, max_tokens=512)
"""For mini, which reads and writes 1,024 tokens; an answer to six operations takes about 200."""
TEACHERS = {
    "qwen3-32b": ("Qwen/Qwen3-32B", "9216db5781bf21249d130ec9da846c4624c16137"),  # section 5.3
    "qwen3-4b": ("Qwen/Qwen3-4B", "1cfa9a7208912126459214e8b04321603b3df60c"),  # table 12
}
"""Model and commit, served by vLLM. Their outputs are bound by no terms (Apache-2.0)."""


def teacher(name: str, terms: str = "") -> Asked:
    """mini and scripted, which ship with yisang; one of TEACHERS; or any model as name@commit with the terms on its output.

    Raises UsageError for another name, a branch in place of a commit, and terms that are not known.
    """
    if terms and name in ("mini", "scripted"):
        raise UsageError(f"What {name} writes is bound by nothing. Leave its terms away.")
    if name == "mini":
        if lacking := [package for package in ("torch", "transformers") if importlib.util.find_spec(package) is None]:
            raise UsageError(
                f"The teacher mini needs {' and '.join(lacking)}. Run: pip install 'yisang[train]', or take taught_by=scripted."
            )
        mini = Teacher(engine="mini", model="mini", revision=models.revision("mini"))
        return Asked(mini, SMALL, replace(GREEDY, max_tokens=512), tasks="only")
    if name == "scripted":
        return Asked(
            Teacher(engine="scripted", model="scripted", revision=revision(FAULTS, seed=1, number=3)),
            SMALL,
            tasks="found",
        )
    if name in TEACHERS:
        model, commit = TEACHERS[name]
    else:
        model, _, commit = name.rpartition("@")
        if not model or not re.fullmatch(r"[0-9a-f]{7,40}", commit):
            raise UsageError(
                f"yi_sang knows no teacher {name!r}. It knows mini, scripted, {', '.join(TEACHERS)}, and any model as name@commit, where "
                "commit is in hexadecimal: a branch moves, and answers are found by it."
            )
        if not terms:
            raise UsageError(
                f"Nobody said what binds the output of {model}. Read its licence, and name it with --set terms=ID (of a translator "
                "translator_terms=ID): Apache-2.0 or MIT where it binds nothing, CC-BY-NC-4.0, all-rights-reserved ..."
            )
    return Asked(Teacher(engine="vllm", model=model, revision=commit, licence=_bound(model, terms)), PAPER)


def _bound(model: str, terms: str) -> Licence | None:
    """The terms on a model's output as a licence; None where none are given."""
    if not terms:
        return None
    entry = table().get(terms.lower())
    if entry is None:
        raise UsageError(f"terms is {terms!r}, which is no id of the table of licences (yisang/filters/licences.toml).")
    told = f"what the recipe says of the output of {model}"
    return Licence(id=entry.id, letter=entry.letter, evidence=told, derive=entry.derive, share_alike=entry.share_alike)
