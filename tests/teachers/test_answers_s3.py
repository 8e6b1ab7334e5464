"""The answer store on a local S3 (moto): two writers, kills, what other processes did, and no more requests than needed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import fsspec
import pytest

from yisang.records import Prompt
from yisang.teachers.answers import AnswerStore, answer_key
from yisang.teachers.engines.base import request_body
from yisang.teachers.generation import Sampling
from yisang.teachers.prompts import MixedPrompt
from yisang.teachers.segments import Answer
from yisang.teachers.upkeep import Wanted, compact

from .conftest import Handler, Server, echo
from .test_answers import fill, key_of
from .test_answers_proofs import REPOSITORY, TEXTS, WRITER, answer, start, told
from .test_upkeep import COMPACTING as KILLED_COMPACTING

FIRST = 1000  # questions of the same length are asked in their order
ASKER = [sys.executable, str(Path(__file__).with_name("asker.py"))]


def test_two_processes_write_to_one_s3_and_a_third_finds_all(s3: str) -> None:
    writers = [start(WRITER, s3, name, 90) for name in ("x", "same", "same")]
    said = [told(writer) for writer in writers]
    assert [writer.wait() for writer in writers] == [0] * 3
    assert all(len(lines) == 90 for lines in said)
    wanted = {key_of(text) for lines in said for text in lines}
    reader = AnswerStore(s3)
    assert set(reader.get_many(wanted)) == wanted
    found = compact(AnswerStore(s3))
    assert (found.written, found.repeated, found.damaged) == (180, 90, 0)
    # The reader has listed segments that another object has removed since.
    assert set(reader.get_many(wanted)) == set(AnswerStore(s3).get_many(wanted)) == wanted


COMPACTING = """
import sys
from yisang.teachers.answers import AnswerStore
from yisang.teachers.upkeep import Wanted, compact
print(compact(AnswerStore(sys.argv[1]), Wanted(model="old") if len(sys.argv) > 2 else None).written)
"""


def test_a_reader_of_s3_sees_what_another_process_has_compacted_and_purged(s3: str) -> None:
    stored = [answer(text) for text in TEXTS]
    old = Answer(**{**{name: getattr(stored[0], name) for name in Answer.__struct_fields__}, "model": "old"})
    writer = AnswerStore(s3)
    for one in (*stored[1:], old):
        writer.put(one.key, one)
        writer.flush()
    keys = [one.key for one in stored]
    reader = AnswerStore(s3)
    assert len(reader.get_many(keys)) == len(reader.segments()) == 12
    for words, left in (((), 12), (("purge",), 11)):
        ran = subprocess.run(
            [sys.executable, "-c", COMPACTING, s3, *words],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout.split() == [str(left)]
        assert len(reader.get_many(keys)) == len(writer.get_many(keys)) == left
        assert len(reader.segments()) == 1
    # And it goes on from there.
    compact(reader, Wanted(model="m"))
    assert reader.get_many(keys) == {}
    writer.put(old.key, old)
    writer.flush()
    assert reader.get_many(keys) == {old.key: old}


@pytest.mark.parametrize("steps", [0, 1, 2, 4])
def test_a_compaction_of_s3_killed_at_any_step_loses_nothing(s3: str, steps: int) -> None:
    """Before the new object, between it and the first removal, and between removals."""
    stored = [answer(text) for text in TEXTS]
    writer = AnswerStore(s3)
    for one in stored:
        writer.put(one.key, one)
        writer.flush()
    ended = subprocess.run([sys.executable, "-c", KILLED_COMPACTING, s3, str(steps)], check=False)
    assert ended.returncode == -signal.SIGKILL
    keys = {one.key: one for one in stored}
    assert AnswerStore(s3).get_many(keys) == keys
    assert compact(AnswerStore(s3)).written == len(stored)
    assert AnswerStore(s3).get_many(keys) == writer.get_many(keys) == keys


WRITING = """
import sys
from tests.teachers.test_answers import fill
from yisang.teachers.answers import AnswerStore
with AnswerStore(sys.argv[1]) as store:
    fill(store, sys.argv[2])
"""


def test_a_listing_of_s3_hides_nothing_that_another_process_stored_later(s3: str) -> None:
    reader = AnswerStore(s3)
    reader.check_writable()
    assert reader.segments() == []  # s3fs keeps this listing, in which there is no folder of answers
    for text in "ab":
        subprocess.run(
            [sys.executable, "-c", WRITING, s3, text],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            check=True,
        )
        assert reader.get_many([key_of(text)]) == AnswerStore(s3).get_many([key_of(text)]) != {}


def test_a_look_up_on_an_object_store_lists_no_folder_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    with AnswerStore("memory://listed") as store:
        put = fill(store, map(str, range(60)))  # keys of every prefix
    listed: list[str] = []
    whole = type(memory).ls
    monkeypatch.setattr(type(memory), "ls", lambda fs, path, *a, **k: listed.append(path) or whole(fs, path, *a, **k))
    reader = AnswerStore("memory://listed")
    assert reader.get_many(put) == put
    assert listed == ["/listed", "/listed/any"]
    memory.rm("/listed/any", recursive=True)
    assert reader.get_many(put) == {}
    memory.store.clear()


def test_a_run_killed_between_flushes_loses_only_what_it_had_not_handed_on(s3: str, server: Server) -> None:
    questions = {str(number) for number in range(FIRST, FIRST + 120)}
    lock = threading.Lock()
    left = 0
    process = start(ASKER, server.url, s3, 0)  # one that asks nothing, to begin with
    process.communicate()

    def kills(handler: Handler, body: dict[str, Any]) -> None:
        nonlocal left
        with lock:
            left -= 1
            if not left:
                process.kill()
        echo(handler, body)

    server.otherwise = kills
    paid = early = 0
    for life in (21, 3, 50, 34, 0):  # the request that kills it
        left, asked, before = life, len(server.requests), stored_of(s3)
        with start(ASKER, server.url, s3, len(questions), 8, FIRST) as process:
            handed_on = set(told(process))
        assert process.returncode == (-signal.SIGKILL if life else 0)
        after = stored_of(s3)
        assert before | handed_on <= after <= questions
        again = [seen["body"]["messages"][-1]["content"] for seen in server.requests[asked:]]
        assert len(set(again)) == len(again)
        assert not before & set(again)  # nothing is asked that any earlier life had stored
        paid += len(again)
        early += len(handed_on) if life else 0
    assert after == handed_on == questions
    assert early > 20  # else nothing was tried
    assert paid > len(questions)  # answers held for an object were lost with their writers


def stored_of(address: str) -> set[str]:
    """The questions of tests/teachers/asker.py that a store has an answer to, read by a new process's eyes."""
    return {one.generation.answer or "" for one in AnswerStore(address).get_many(asked_keys()).values()}


def asked_keys() -> list[str]:
    """The keys of what it asks."""
    prompts = [Prompt(id=str(number), text=str(number), language="ko") for number in range(FIRST, FIRST + 120)]
    template, sampling = MixedPrompt(), Sampling()
    return [answer_key(request_body("m", template.messages(one), sampling, 0), "r1", 0) for one in prompts]
