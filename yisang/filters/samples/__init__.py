"""Labelled traces that ship, for the thresholds of the checks: what each check should say of a text, and why it is here.

    written.jsonl    short ones that we wrote: what a check is for, and what only looks alike
    ordinary.jsonl   ordinary answers that a check once took for something else, and what such answers are told from
    earlier.jsonl    a held-out set until patterns were mended with a view of it
    held.jsonl       written when the patterns were frozen; neither bounds nor patterns were changed after it was measured
    made.jsonl       made by `python -m bench.samples` from worded tasks, the scripted teacher's faults and patterns

A line is a `Sample`. Slots ⟪0-9*4⟫ in a text are filled when it is read, so that no file holds what looks like someone's
number or a key. Texts of one's own take the same form: `python -m bench.thresholds --samples FOLDER` reads every .jsonl of it.
"""

from __future__ import annotations

from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Literal

import msgspec

from yisang.errors import UsageError
from yisang.filters.cot import split_think
from yisang.languages.patterns import filled
from yisang.records import Prompt, Trace


class Labels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is true of a text; None where nobody has judged it. pii: the kind of the one thing that it holds. mixed:
    whether the thoughts are in English with the question's words in its own language."""

    repetition: bool | None = False
    refusal: Literal["none", "refusal", "identity"] | None = "none"
    unfinished: bool | None = False
    pii: str | None = ""
    answer_language: Literal["target", "other", "no_letters"] | None = None
    mixed: bool | None = None


class Sample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """language: of the question, and the target. finish: the finish reason that the engine reports. why: what it is here for."""

    id: str
    language: str
    question: str
    text: str
    finish: str = "stop"
    labels: Labels = Labels()
    why: str
    held: bool = False
    """Held out from choosing bounds: so are the samples of files whose name begins with `held`."""

    def trace(self) -> Trace:
        text = filled(self.text)
        think, answer, _ = split_think(text)
        prompt = Prompt(id=self.id, text=self.question, language=self.language)
        return Trace(
            id=f"{self.id}/0", prompt=prompt, sample=0, text=text, think=think, answer=answer, teacher="sample", revision="1",
            finish_reason=self.finish,
        )  # fmt: skip


def read_samples(folder: str | Path | None = None) -> list[Sample]:
    """The samples of every .jsonl of a folder, in order; without one, those that ship. UsageError names a wrong line."""
    place = files("yisang.filters.samples") if folder is None else Path(folder)
    if isinstance(place, Path) and not place.is_dir():
        raise UsageError(f"There is no folder {place}. Give one that holds .jsonl files of labelled samples.")
    found: list[Sample] = []
    for path in sorted((path for path in place.iterdir() if path.name.endswith(".jsonl")), key=lambda path: path.name):
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            try:
                sample = msgspec.json.decode(line, type=Sample)
                found.append(msgspec.structs.replace(sample, held=sample.held or path.name.startswith("held")))
            except msgspec.DecodeError as error:
                raise UsageError(f"{path.name}, line {number}, is no labelled sample: {error}.") from error
    if not found:
        raise UsageError(f"There is no labelled sample in {place}. Give a folder that holds .jsonl files of them.")
    if twice := [name for name, count in Counter(sample.id for sample in found).items() if count > 1]:
        raise UsageError(f"Two labelled samples have the id {twice[0]!r}; each needs its own.")
    return found
