"""Some twenty shards with an isolated step, a group and a sink: enough to be killed in the middle, over and over.

900 prompts in. Where $YISANG_TEST_HOLD names a file, the run waits at one record until that file is there; where
$YISANG_TEST_ONCE does, one record does once what $YISANG_TEST_ACT says.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipes_for_tests.helpers import Texts
from yisang.pipelines.curate import Corpus
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.steps import Each, Group
from yisang.records import Drop, Prompt


def work(record: Prompt) -> dict[str, Any]:
    found = record.text
    for _ in range(50):
        found = hashlib.sha256(found.encode()).hexdigest()
    return {"work": found[:8]}


def parse(record: Prompt) -> Prompt | Drop:
    return Drop("fifth") if record.text.endswith("5") else record


def misbehave(record: Prompt) -> Prompt:
    """Does something terrible at one record of the middle, the first time."""
    once = os.environ.get("YISANG_TEST_ONCE", "")
    if once and record.text == "2-75" and not Path(once).exists():
        Path(once).write_text(str(os.getpid()))
        match os.environ["YISANG_TEST_ACT"]:
            case "sigkill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "sigterm":
                os.kill(os.getpid(), signal.SIGTERM)
            case "exit":
                sys.exit(0)
    hold = os.environ.get("YISANG_TEST_HOLD", "")
    if hold and record.text == "2-75":
        Path(f"{hold}.held").touch()
        while not Path(hold).exists():
            time.sleep(0.01)
    return record


def first_fifty(records: Iterator[Prompt]) -> Iterator[Prompt | Drop]:
    for rank, record in enumerate(records):
        yield record if rank < 50 else Drop("late", {"rank": rank}, record=record)


def build() -> Recipe:
    return Recipe(
        "killable",
        "1",
        Texts(150, 6),
        (
            Each(work, keep=True),
            Each(misbehave),
            Each(parse, isolate=True, timeout=60),
            Group(lambda record: record.text[-1], first_fifty),
            Each(work, name="again"),
        ),
        Corpus("Killable", "en"),
    )
