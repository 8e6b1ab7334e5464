"""The answer store against whatever may come in any order: kills at any byte, several writers, full disks, other shards, S3."""

from __future__ import annotations

import json
import os
import random
import resource
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from yisang.cli import main
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.run import open_run
from yisang.storage import StorageError
from yisang.teachers import segments as segments_module
from yisang.teachers.answers import AnswerStore
from yisang.teachers.segments import Answer, line_of
from yisang.teachers.upkeep import compact, survey

from .conftest import Server
from .test_answers import key_of, make, segments

REPOSITORY = Path(__file__).resolve().parents[2]
TEXTS = [str(number) for number in range(12)]
HANDLES = st.integers(0, 2)
texts = st.sampled_from(TEXTS)


def answer(text: str, words: int = 0) -> Answer:
    return make(text, f"<think>{words}</think>{'말' * words}{text}")


# Any order of events


class Events(RuleBasedStateMachine):
    """Three handles of one local store, each a reader and a writer, beside writers that die and compactions.

    The model is what any reader must find: of each key the answer whose line sorts first, among those that were put.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp(prefix="yisang-store-")
        self.handles = [AnswerStore(self.folder) for _ in range(3)]
        self.model: dict[str, bytes] = {}

    def put_in_model(self, one: Answer) -> None:
        line = line_of(one)
        self.model[one.key] = min(self.model.get(one.key, line), line)

    @initialize()
    def start(self) -> None:
        self.handles[0].check_writable()

    @rule(handle=HANDLES, text=texts, words=st.integers(0, 3))
    def put(self, handle: int, text: str, words: int) -> None:
        one = answer(text, words)
        self.handles[handle].put(one.key, one)
        self.put_in_model(one)

    @rule(whole=st.lists(texts, max_size=3), last=texts, share=st.floats(0, 1, exclude_max=True))
    def a_writer_dies(self, whole: list[str], last: str, share: float) -> None:
        """What kill -9 leaves: the lines whose put had returned, and any part of the next."""
        prefix = key_of(last)[0]
        done = [answer(text, 4) for text in whole if key_of(text)[0] == prefix]
        torn = line_of(answer(last, 5))
        path = Path(self.folder) / prefix / f"{secrets.token_hex(12)}.seg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"".join(map(line_of, done)) + torn[: int(share * len(torn))])
        for one in done:
            self.put_in_model(one)

    @rule(handle=HANDLES)
    def reopen(self, handle: int) -> None:
        self.handles[handle].close()
        self.handles[handle] = AnswerStore(self.folder)

    @rule(handle=HANDLES)
    def compact(self, handle: int) -> None:
        compact(self.handles[handle])

    @rule(handle=HANDLES, wanted=st.sets(texts))
    def look(self, handle: int, wanted: set[str]) -> None:
        keys = {key_of(text) for text in wanted}
        found = self.handles[handle].get_many(keys)
        assert {key: line_of(one) for key, one in found.items()} == {
            key: line for key, line in self.model.items() if key in keys
        }
        assert self.handles[handle].problems == []

    @invariant()
    def a_new_reader_finds_all(self) -> None:
        found = AnswerStore(self.folder).get_many(map(key_of, TEXTS))
        assert {key: line_of(one) for key, one in found.items()} == self.model

    @invariant()
    def no_torn_tail_of_the_dead_is_left_behind_a_reader(self) -> None:
        assert all(path.read_bytes()[-1:] in (b"\n", b"") for path in segments(self.folder))

    def teardown(self) -> None:
        for handle in self.handles:
            handle.close()
        shutil.rmtree(self.folder)


TestEvents = Events.TestCase
TestEvents.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


class EventsOfObjects(RuleBasedStateMachine):
    """The same on an object store: what is put is the handle's own until it is flushed, and goes with it where it dies."""

    def __init__(self) -> None:
        super().__init__()
        self.address = f"memory://events-{secrets.token_hex(6)}"
        self.handles = [AnswerStore(self.address) for _ in range(3)]
        self.model: dict[str, bytes] = {}
        self.held: list[dict[str, bytes]] = [{}, {}, {}]

    @rule(handle=HANDLES, text=texts, words=st.integers(0, 3))
    def put(self, handle: int, text: str, words: int) -> None:
        one = answer(text, words)
        number = self.handles[handle].put(one.key, one)
        assert number > self.handles[handle].durable
        line = line_of(one)
        self.held[handle][one.key] = min(self.held[handle].get(one.key, line), line)

    @rule(handle=HANDLES, how=st.sampled_from(["flush", "close", "reopen"]))
    def flush(self, handle: int, how: str) -> None:
        store = self.handles[handle]
        if how == "flush":
            store.flush()
            assert store.durable == store._put
        else:
            store.close()
            self.handles[handle] = AnswerStore(self.address) if how == "reopen" else store
        for key, line in self.held[handle].items():
            self.model[key] = min(self.model.get(key, line), line)
        self.held[handle] = {}

    @rule(handle=HANDLES)
    def dies(self, handle: int) -> None:
        self.handles[handle] = AnswerStore(self.address)
        self.held[handle] = {}

    @rule(handle=HANDLES)
    def compact(self, handle: int) -> None:
        compact(self.handles[handle])

    @rule(handle=HANDLES, wanted=st.sets(texts))
    def look(self, handle: int, wanted: set[str]) -> None:
        keys = {key_of(text) for text in wanted}
        found = self.handles[handle].get_many(keys)
        expected = {key: line for key, line in self.model.items() if key in keys}
        for key in keys & self.held[handle].keys():
            expected[key] = min(self.held[handle][key], expected.get(key, self.held[handle][key]))
        assert {key: line_of(one) for key, one in found.items()} == expected

    @invariant()
    def a_new_reader_finds_what_was_flushed(self) -> None:
        found = AnswerStore(self.address).get_many(map(key_of, TEXTS))
        assert {key: line_of(one) for key, one in found.items()} == self.model

    def teardown(self) -> None:
        fsspec.filesystem("memory").store.clear()


TestEventsOfObjects = EventsOfObjects.TestCase
TestEventsOfObjects.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


WRITER = [sys.executable, str(Path(__file__).with_name("writer.py"))]


def start(command: list[str], *words: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*command, *map(str, words)],
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def told(process: subprocess.Popen[bytes]) -> list[str]:
    """What a process has said up to its end, less a last word that was cut short."""
    assert process.stdout is not None
    return [line.decode().strip() for line in process.stdout if line.endswith(b"\n")]


def test_three_writers_are_killed_while_the_store_is_compacted(tmp_path: Path) -> None:
    draw = random.Random(5)
    put: list[str] = []
    for turn in range(4):
        writers = [start(WRITER, tmp_path, f"w{turn}-{number}", 100_000) for number in range(3)]
        for writer in writers:
            assert writer.stdout is not None
            put += [writer.stdout.readline().decode().strip() for _ in range(draw.randrange(1, 80))]
            compact(AnswerStore(tmp_path))
        for writer in draw.sample(writers, 3):
            writer.kill()
            compact(AnswerStore(tmp_path))
            put += told(writer)
            writer.wait()
    assert len(put) == len(set(put)) > 100
    reader = AnswerStore(tmp_path)
    found = reader.get_many(map(key_of, put))
    assert {text: found[key_of(text)].generation.answer for text in put} == {text: text * 50 for text in put}
    assert reader.problems == []
    compact(AnswerStore(tmp_path))
    after = survey(AnswerStore(tmp_path))
    assert (after.torn, after.damaged, after.repeated) == (0, 0, 0)
    assert after.lines >= len(put)


def test_a_line_that_is_half_written_at_one_look_is_found_whole_at_the_next(tmp_path: Path) -> None:
    first, second = map(answer, same_prefix(2))
    store = AnswerStore(tmp_path)
    store.put(first.key, first)
    (segment,) = segments(tmp_path)
    line = line_of(second)
    reader = AnswerStore(tmp_path)
    for cut in range(1, len(line), 7):
        with open(segment, "ab") as file:
            file.write(line[:cut])  # the writer lives: it has the lock
        assert reader.get_many([first.key, second.key]) == AnswerStore(tmp_path).get_many([first.key])
        with open(segment, "ab") as file:
            file.write(line[cut:])
        assert reader.get_many([first.key, second.key]) == {first.key: first, second.key: second}
        os.truncate(segment, len(line_of(first)))
        reader = AnswerStore(tmp_path)
    store.close()


# A full disk


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """The kernel takes bytes up to `size`, and refuses the rest: a disk that is full in the middle of a line."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def same_prefix(count: int) -> list[str]:
    return [text for text in map(str, range(400)) if key_of(text)[0] == "a"][:count]


def test_a_disk_that_is_full_at_any_byte_of_a_line_loses_nothing_and_leaves_no_trace(tmp_path: Path) -> None:
    first, second, third = map(answer, same_prefix(3))
    before, line = line_of(first), line_of(second)
    for room in range(len(line)):
        store = AnswerStore(tmp_path / str(room))
        store.put(first.key, first)
        (segment,) = segments(tmp_path / str(room))
        with no_file_longer_than(len(before) + room), pytest.raises(StorageError, match="Free some space there"):
            store.put(second.key, second)
        assert segment.read_bytes() == before
        assert store.get_many([first.key, second.key]) == {first.key: first}
        store.put(third.key, third)
        store.put(second.key, second)
        store.close()
        assert segment.read_bytes() == before + line_of(third) + line


def test_a_full_disk_that_takes_no_cut_either_costs_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = map(answer, same_prefix(3))

    def refuses(*_: object) -> None:
        raise OSError(5, "Input/output error")

    store = AnswerStore(tmp_path)
    store.put(first.key, first)
    with monkeypatch.context() as patched:
        patched.setattr(segments_module.os, "ftruncate", refuses)
        with no_file_longer_than(len(line_of(first)) + 20), pytest.raises(StorageError, match="No space left"):
            store.put(second.key, second)
    # Its torn tail stands between nothing: what comes after it goes into another segment.
    store.put(third.key, third)
    store.put(second.key, second)
    whole = {one.key: one for one in (first, second, third)}
    assert store.get_many(whole) == whole
    store.close()
    assert AnswerStore(tmp_path).get_many(whole) == whole
    assert survey(AnswerStore(tmp_path)).torn == 0


def test_a_store_that_could_not_be_begun_for_want_of_space_is_begun_later(tmp_path: Path) -> None:
    one, store = answer("1"), AnswerStore(tmp_path / "answers")
    with no_file_longer_than(0), pytest.raises(StorageError, match="Free some space there"):
        store.put(one.key, one)
    store.put(one.key, one)
    store.close()
    assert json.loads((tmp_path / "answers" / "store.json").read_text()) == {"schema": 1, "prefix": 1}
    assert AnswerStore(tmp_path / "answers").get_many([one.key]) == {one.key: one}


def test_a_compaction_without_room_leaves_every_answer_and_works_when_there_is_room(tmp_path: Path) -> None:
    stored = [answer(text, 3) for text in TEXTS]
    for one in stored:
        with AnswerStore(tmp_path) as store:
            store.put(one.key, one)
            other = make(one.generation.answer or "", "<think>b</think>other")
            store.put(other.key, other)
    keys = [key_of(text) for text in TEXTS] + [one.key for one in stored]
    before = AnswerStore(tmp_path).get_many(keys)
    with no_file_longer_than(100), pytest.raises(StorageError, match="No space left"):
        compact(AnswerStore(tmp_path))
    assert AnswerStore(tmp_path).get_many(keys) == before
    assert not list(tmp_path.rglob(".writing-*"))
    compact(AnswerStore(tmp_path))
    assert AnswerStore(tmp_path).get_many(keys) == before


# Other shards, another order

RECIPE = '''
"""Questions of some files, one answer each."""
from yisang.filters.licence import licence
from yisang.pipelines.curate import Corpus
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.stages.teach import Teach
from yisang.sources import JsonLines
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt

def build(inputs=""):
    own = licence("CC0-1.0", "test", "2026-11-01")
    source = JsonLines(paths=inputs + "/*.jsonl", text="text", language="ko", name="q", licence=own)
    teacher = Teacher(engine="openai", model="m", revision="r1")
    return Recipe(name="shards", version="1", source=source, sink=Corpus(title="t", language="ko"),
                  steps=(Teach(teacher, MixedPrompt(), Sampling(max_tokens=100), 2),))
'''


def taught(
    tmp_path: Path, server: Server, name: str, files: list[list[str]], *words: str
) -> dict[tuple[str, int], str]:
    inputs = tmp_path / name / "inputs"
    inputs.mkdir(parents=True)
    (tmp_path / "recipe.py").write_text(RECIPE)
    for number, lines in enumerate(files):
        (inputs / f"{number}.jsonl").write_text("".join(json.dumps({"text": line}) + "\n" for line in lines))
    out, answers = str(tmp_path / name / "run"), str(tmp_path / "answers")
    told = ["run", str(tmp_path / "recipe.py"), "--inputs", str(inputs), "--out", out, "--answers", answers]
    assert main([*told, "--teacher-option", f"base_url={server.url}", "--concurrency", "8", *words]) == 0
    folder, manifest = open_run(out)
    traces: list[Any] = list(Boundary(folder, manifest.sink).all_records())
    found = {(trace.prompt.text, trace.sample): trace.text for trace in traces}
    assert len(found) == len(traces)
    return found


def test_the_same_questions_in_other_shards_and_another_order_ask_nothing(tmp_path: Path, server: Server) -> None:
    questions = [f"문제 {number}" for number in range(600)]
    first = taught(tmp_path, server, "first", [questions])
    assert len(server.requests) == len(first) == 1200
    shuffled = random.Random(1).sample(questions, 600)
    # One file in three shards; seven files in three shards cut elsewhere, by two processes; half of them in two shards; on Beam.
    assert taught(tmp_path, server, "cut", [shuffled[n::7] for n in range(7)], "--workers", "2") == first
    half = taught(tmp_path, server, "half", [shuffled[:300]])
    assert half == {(text, sample): first[text, sample] for text in shuffled[:300] for sample in (0, 1)}
    assert taught(tmp_path, server, "beam", [shuffled[::-1]], "--on", "beam") == first
    assert len(server.requests) == 1200
