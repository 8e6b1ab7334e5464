"""What a run says while it teaches."""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from recipes_for_tests.helpers import Texts, loaded, until

from yisang.pipelines import progress
from yisang.pipelines.curate import Corpus
from yisang.pipelines.phases import Setting
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.run import run_recipe
from yisang.pipelines.stages.teach import Teach, TeacherSetting, TeachPhase
from yisang.teachers.asking import Counters, Tally
from yisang.teachers.engines.echo import Echo
from yisang.teachers.generation import Generation, Sampling, Teacher, Usage
from yisang.teachers.prompts import MixedPrompt
from yisang.teachers.telling import told

TEACH = Teach(Teacher(engine="echo", model="echo", revision="1"), MixedPrompt(), Sampling(), 2, name="teach")


def answer(tokens: int | None, reason: str = "stop") -> Generation:
    usage = Usage(prompt_tokens=10, completion_tokens=tokens)
    return Generation(text="x", think=None, answer="x", finish_reason=reason, usage=usage, structure="absent")


def counters(*answers: Generation, **counts: int) -> Counters:
    found = Counters(**counts)
    for item in answers:
        found.tally.count(item)
    return found


def test_it_tells_lengths_reasons_speed_and_money() -> None:
    found = counters(*(answer(n) for n in range(100, 1100, 100)), answer(16000, "length"), reused=5, in_flight=3)
    said = told(found, 10.0, (1.0, 100.0))
    assert said.startswith("11 answered, 5 from the store, 3 in flight, 2,150 tokens/s, ")
    assert "finish stop 90.9%, length 9.1%" in said
    assert said.endswith("cost 2.15")
    half, most = (int(number.replace(",", "")) for number in re.findall(r"p\d0 ([\d,]+)", said))
    assert half == pytest.approx(600, rel=0.05)
    assert most == pytest.approx(1000, rel=0.05)


def test_it_tells_nothing_that_the_engine_did_not_report() -> None:
    said = told(counters(answer(None), rejected=1), 1.0)
    assert said == "1 answered, 1 failed, finish stop 100.0%"
    assert "cost" not in told(counters(answer(None)), 1.0, (1.0, 1.0))
    known = told(counters(answer(90), answer(None)), 1.0, (1e6, 1e6))
    assert known.endswith("cost 110.00 and that of 1 answers without a count of tokens")


def test_the_shards_of_a_step_are_told_of_together() -> None:
    notes = [
        msgspec.Raw(msgspec.json.encode(counters(answer(50), answer(100), asked=2, in_flight=4))) for _ in range(3)
    ]
    said = TeachPhase("ask", stage=TEACH).told(notes, 3.0, Setting("", teacher=TeacherSetting(price=(0.0, 1e6))))
    assert said.startswith("6 answered, 12 in flight, 150 tokens/s")
    assert said.endswith("cost 450.00")


def test_counters_add_up_and_a_snapshot_stays_as_it_was() -> None:
    one, two = counters(answer(5), asked=1), counters(answer(7, "length"), asked=2, rejected=1)
    assert one + two == Counters(asked=3, rejected=1)
    assert (one + two).tally == Tally(20, 12, 0, {"stop": 1, "length": 1}, one.tally.lengths | two.tally.lengths)
    before = one.snapshot()
    one.tally.count(answer(9))
    assert before.tally == counters(answer(5)).tally


def test_a_run_says_it_while_answers_are_in_flight_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    said: list[str] = []
    released = threading.Event()
    whole = Echo.generate

    async def slow(self: Echo, messages: Any, sampling: Any, sample: int) -> Any:
        found = await whole(self, messages, sampling, sample)
        if messages[-1].content != "0-0":
            await asyncio.to_thread(released.wait, 60)
        return found

    def watch() -> None:
        # One prompt's two answers have come, the others wait: a line says so before any of them is let go.
        until(lambda: any("2 answered, " in line and "in flight" in line for line in list(said)), "a line of progress")
        released.set()

    monkeypatch.setattr(Echo, "generate", slow)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        what = loaded(Recipe("told", "1", Texts(4), (TEACH,), Corpus("Told", "en")))
        run_recipe(what, Setting(str(tmp_path / "run"), teacher=TeacherSetting(concurrency=8)), say=said.append)
    finally:
        watcher.join()
    middle = next(line for line in said if "in flight" in line)
    assert re.match(r"\[2/2\] teach.*: 0 of 1 shards, \d+%.*; 2 answered, 6 in flight, .*finish stop 100.0%$", middle)
    assert re.match(r"\[2/2\] teach: 8 answered, [\d,]+ tokens/s, ", said[-1])
    assert sum(": 8 answered" in line for line in said) == 1
