"""The answer store: nothing put is lost, nothing damaged is believed, no changed setting finds an old answer."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import pickle
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import fsspec
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yisang.errors import UsageError
from yisang.records import Message
from yisang.storage import StorageError
from yisang.teachers.answers import AnswerStore, answer_key, new_answer
from yisang.teachers.engines.base import EngineBase, request_body
from yisang.teachers.engines.echo import Echo
from yisang.teachers.engines.openai import OpenAI
from yisang.teachers.engines.transformers import Transformers
from yisang.teachers.generation import Sampling, generation
from yisang.teachers.prompts import MixedPrompt

from .conftest import prompt

REPOSITORY = Path(__file__).resolve().parents[2]


def key_of(text, revision="r1", sample=0, sampling=Sampling(), model="m"):
    return answer_key(request_body(model, (Message("user", text),), sampling, sample), revision, sample)


def make(text, answer=None, **changes):
    key = key_of(text, **changes)
    made = generation(answer or f"<think>a</think>{text}", finish_reason="stop")
    return new_answer(key, "m", "r1", 0, made)


def fill(store, texts):
    answers = [make(text) for text in texts]
    for answer in answers:
        store.put(answer.key, answer)
    return {answer.key: answer for answer in answers}


def segments(folder):
    return sorted(Path(folder).rglob("*.seg"))


@pytest.fixture(params=["local", "memory", "s3"])
def address(request, tmp_path):
    if request.param == "local":
        yield str(tmp_path / "answers")
    elif request.param == "s3":
        yield request.getfixturevalue("s3")
    else:
        yield f"memory://answers-{os.getpid()}-{id(request)}"
        fsspec.filesystem("memory").store.clear()


# What is put is found


def test_what_was_put_is_found_by_another_reader(address):
    with AnswerStore(address) as store:
        put = fill(store, "abcdefghij")
    reader = AnswerStore(address)
    assert reader.get_many(put) == put
    assert reader.get_many([key_of("z")]) == {}
    assert reader.get_many([]) == {}
    assert reader.problems == []


def test_an_open_writer_finds_its_own_answers(address):
    store = AnswerStore(address)
    put = fill(store, "abc")
    assert store.get_many(put) == put
    put |= fill(store, "def")
    assert store.get_many(put) == put


def test_a_reader_finds_what_comes_after_its_first_look(address):
    writer, reader = AnswerStore(address), AnswerStore(address)
    assert reader.get_many([key_of("a")]) == {}
    first = fill(writer, "a")
    writer.flush()
    assert reader.get_many(first) == first
    second = fill(writer, "b")
    writer.flush()
    assert reader.get_many({**first, **second}) == {**first, **second}


def test_a_store_that_nobody_wrote_to_is_empty_and_not_made(tmp_path):
    assert AnswerStore(tmp_path / "none").get_many([key_of("a")]) == {}
    assert not (tmp_path / "none").exists()


def test_a_store_is_passed_on_by_address(address):
    with AnswerStore(address) as store:
        put = fill(store, "ab")
        assert pickle.loads(pickle.dumps(store)).address == store.address
    assert pickle.loads(pickle.dumps(store)).get_many(put) == put


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(), finish=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_survives(tmp_path, text, finish):
    folder = tmp_path / os.urandom(4).hex()
    answer = new_answer(key_of("q"), "m", "r1", 0, generation(text, finish_reason=finish))
    with AnswerStore(folder) as store:
        store.put(answer.key, answer)
    assert AnswerStore(folder).get_many([answer.key]) == {answer.key: answer}


def test_an_answer_is_not_put_under_a_foreign_key(tmp_path):
    with pytest.raises(ValueError, match="was put under"):
        AnswerStore(tmp_path).put(key_of("b"), make("a"))


def test_of_two_answers_every_reader_takes_the_same(tmp_path):
    one, two = make("q", "<think>a</think>1"), make("q", "<think>a</think>2")
    for name, order in (("x", (one, two)), ("y", (two, one))):
        for answer in order:
            with AnswerStore(tmp_path / name) as store:
                store.put(answer.key, answer)
    first = AnswerStore(tmp_path / "x").get_many([one.key])
    assert first == AnswerStore(tmp_path / "y").get_many([one.key])
    with AnswerStore(tmp_path / "z") as store:  # and in one segment
        store.put(two.key, two)
        store.put(one.key, one)
        assert store.get_many([one.key]) == first


def test_a_buffered_answer_follows_the_same_rule():
    one, two = make("q", "<think>a</think>1"), make("q", "<think>a</think>2")
    found = []
    for order in ((one, two), (two, one)):
        fsspec.filesystem("memory").store.clear()
        store = AnswerStore("memory://both")
        store.put(one.key, order[0])
        store.flush()
        store.put(one.key, order[1])
        found.append(store.get_many([one.key]))
    assert found[0] == found[1]
    fsspec.filesystem("memory").store.clear()


def test_only_the_folders_of_the_wanted_keys_are_read(tmp_path):
    with AnswerStore(tmp_path) as store:
        put = fill(store, [str(number) for number in range(60)])
    wanted = next(iter(put))
    for path in segments(tmp_path):
        if path.parent.name != wanted[0]:
            path.unlink()
            path.mkdir()  # reading it would fail
    assert AnswerStore(tmp_path).get_many([wanted]) == {wanted: put[wanted]}


# What finds an answer, and what must not

CHANGES = [{"temperature": 0.7}, {"top_p": 0.9}, {"top_k": 21}, {"min_p": 0.1}, {"max_tokens": 101},
           {"thinking": False}, {"seed": 1}]  # fmt: skip


def full_key(engine, template=None, sample=0, text="곰은 몇 마리인가?", **changes):
    messages = (template or MixedPrompt()).messages(prompt(text))
    return answer_key(engine.body(messages, Sampling(**changes), sample), engine.revision, sample)


def test_each_setting_counts():
    keys = [
        full_key(EngineBase("m", "r")),
        full_key(EngineBase("m2", "r")),
        full_key(EngineBase("m", "r2")),
        full_key(EngineBase("m", "r"), sample=1),
        full_key(EngineBase("m", "r"), text="다른 질문"),
        full_key(EngineBase("m", "r"), MixedPrompt(mode="target_only")),
        full_key(EngineBase("m", "r"), MixedPrompt(placement="prefix")),
        full_key(EngineBase("m", "r"), MixedPrompt(placement="first_turn")),
        full_key(EngineBase("m", "r"), MixedPrompt(instruction="x")),
        *(full_key(EngineBase("m", "r"), **change) for change in CHANGES),
    ]
    assert len(set(keys)) == len(keys)
    assert {name for change in CHANGES for name in change} == set(Sampling.__struct_fields__)


def test_engine_address_and_number_type_do_not_count():
    keys = {
        full_key(Echo("echo", "r")),
        full_key(Transformers("echo", "r", path="folder", device="cpu")),
        full_key(OpenAI("echo", "r", base_url="http://a/v1")),
        full_key(OpenAI("echo", "r", base_url="http://b:8000/v1", extensions=False, concurrency=3, key_env="X")),
    }
    assert len(keys) == 1
    assert full_key(EngineBase("m", "r"), temperature=1) == full_key(EngineBase("m", "r"), temperature=1.0)


def test_the_key_is_the_documented_digest():
    assert key_of("곰") == "c6c4df0677d3e164d44d894de7547d19edefab91be7daed6c54d578bb36ce618"


def test_half_a_character_has_a_key():
    assert key_of("\ud83d") != key_of("\ufffd")


# Damage


def test_a_tail_torn_at_any_byte_hides_no_other_answer(tmp_path):
    # One segment of three answers, cut at every byte; wrong twin: glueing the next record to the torn one.
    keys = [text for text in map(str, range(200)) if key_of(text)[0] == "a"][:3]
    with AnswerStore(tmp_path / "whole") as store:
        put = fill(store, keys)
    (segment,) = segments(tmp_path / "whole")
    data = segment.read_bytes()
    ends = [0, *itertools.accumulate(len(line) for line in data.splitlines(keepends=True))]
    lines = list(put.values())
    torn = tmp_path / "torn" / "a" / segment.name
    torn.parent.mkdir(parents=True)
    shutil.copy(tmp_path / "whole" / "store.json", tmp_path / "torn")
    for size in range(len(data) + 1):
        torn.write_bytes(data[:size])
        whole = max(number for number, end in enumerate(ends) if end <= size)
        reader = AnswerStore(tmp_path / "torn")
        assert reader.get_many(put) == {answer.key: answer for answer in lines[:whole]}
        assert reader.problems == []
        assert torn.stat().st_size == ends[whole]  # its writer is gone, so the tail was cut off
        if size % 20 == 0:  # and what is put after that is not glued to the rest
            with AnswerStore(tmp_path / "torn") as writer:
                new = fill(writer, ["new"])
            assert AnswerStore(tmp_path / "torn").get_many(new) == new
            for path in set(segments(tmp_path / "torn")) - {torn}:
                path.unlink()


def test_a_torn_tail_of_a_living_writer_is_left_alone(tmp_path):
    keys = [text for text in map(str, range(200)) if key_of(text)[0] == "a"][:3]
    writer = AnswerStore(tmp_path)
    put = fill(writer, keys[:2])
    (segment,) = segments(tmp_path)
    half = segment.stat().st_size + 10
    with open(segment, "ab") as file:
        file.write(b"0123456789")  # as if the writer were in the middle of a line
    reader = AnswerStore(tmp_path)
    assert reader.get_many(put) == put
    assert segment.stat().st_size == half
    writer.close()  # the lock goes with its holder
    with open(segment, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert AnswerStore(tmp_path).get_many(put) == put
    assert segment.stat().st_size == half - 10


def test_a_reader_without_the_right_to_write_passes_over_a_torn_tail(tmp_path, monkeypatch):
    with AnswerStore(tmp_path) as store:
        put = fill(store, "a")
    (segment,) = segments(tmp_path)
    segment.write_bytes(segment.read_bytes() + b"torn")
    if os.getuid() == 0:
        # Root may write everything; a lock that somebody else holds keeps the reader from it all the same.
        holder = open(segment, "rb")  # noqa: SIM115
        fcntl.flock(holder, fcntl.LOCK_SH)
    else:
        holder = None
        segment.chmod(0o444)
    assert AnswerStore(tmp_path).get_many(put) == put
    assert segment.read_bytes().endswith(b"torn")
    if holder:
        holder.close()


@pytest.mark.parametrize("damage", ["flip", "blank", "text", "key", "shape"])
def test_a_damaged_line_is_reported_and_missed_and_the_others_are_read(address, damage):
    texts = [text for text in map(str, range(200)) if key_of(text)[0] == "a"][:3]
    with AnswerStore(address) as store:
        put = fill(store, texts)
    fs, root = fsspec.core.url_to_fs(address)
    (path,) = (path for path in fs.find(root) if path.endswith(".seg"))
    lines = fs.cat_file(path).splitlines(keepends=True)
    middle = bytearray(lines[1])
    if damage == "flip":
        middle[middle.index(b'"at":"') + 9] ^= 1  # another year: good JSON, and wrong
    elif damage == "blank":
        middle[:-1] = b"\0" * (len(middle) - 1)
    elif damage == "text":
        middle = bytearray(b"hello\n")
    else:  # a right checksum over the wrong thing
        data = b'{"key":"zz"}' if damage == "key" else b'{"key":"%b"}' % list(put)[1].encode()
        middle = bytearray(b"%08x %b\n" % (zlib.crc32(data), data))
    fs.pipe_file(path, lines[0] + bytes(middle) + lines[2])
    reader = AnswerStore(address)
    kept = {key: put[key] for key in list(put)[::2]}
    assert reader.get_many(put) == kept
    assert reader.get_many(put) == kept
    (problem,) = reader.problems
    assert path.split("/")[-1] in problem
    assert f"byte {len(lines[0])} " in problem


def test_a_segment_that_somebody_replaced_is_read_anew(tmp_path):
    texts = [text for text in map(str, range(200)) if key_of(text)[0] == "a"][:3]
    with AnswerStore(tmp_path) as store:
        put = fill(store, texts)
    reader = AnswerStore(tmp_path)
    assert reader.get_many(put) == put
    (segment,) = segments(tmp_path)
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[2])
    last = list(put)[2]
    assert reader.get_many(put) == {last: put[last]}
    segment.unlink()
    assert reader.get_many(put) == {}


@pytest.mark.parametrize(
    ("settings", "words"),
    [('{"schema": 2, "prefix": 1}', "schema 2, this yisang reads up to 1"), ("{}", "does not describe"),
     ("no", "does not describe"), ("[]", "does not describe")],
)  # fmt: skip
def test_a_store_of_a_newer_schema_or_of_none_is_refused(tmp_path, settings, words):
    (tmp_path / "store.json").write_text(settings)
    with pytest.raises(UsageError, match=words):
        AnswerStore(tmp_path)


def test_a_store_that_becomes_newer_under_a_reader_is_refused(tmp_path):
    reader = AnswerStore(tmp_path)
    (tmp_path / "store.json").write_text('{"schema": 2, "prefix": 1}')
    with pytest.raises(UsageError):
        reader.get_many([key_of("a")])


def test_the_prefix_length_of_the_store_is_kept_to(tmp_path):
    (tmp_path / "store.json").write_text('{"schema": 1, "prefix": 2}')
    with AnswerStore(tmp_path) as store:
        put = fill(store, "abc")
    assert {path.parent.name for path in segments(tmp_path)} == {key[:2] for key in put}
    assert AnswerStore(tmp_path).get_many(put) == put


# Kills, two writers, full disks


def start_writer(folder, name, count=100_000, **options):
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("writer.py")), str(folder), name, str(count)],
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        **options,
    )


def test_what_put_returned_for_survives_a_kill(tmp_path):
    random_ = random.Random(0)
    acknowledged = []
    for kill in range(12):
        with start_writer(tmp_path, f"w{kill}") as writer:
            assert writer.stdout is not None
            for _ in range(random_.randrange(1, 60)):
                acknowledged.append(writer.stdout.readline().decode().strip())
            os.kill(writer.pid, signal.SIGKILL)
            # What it had told before it died counts too; its last word may be cut short.
            acknowledged += [line.decode().strip() for line in writer.stdout if line.endswith(b"\n")]
        assert writer.returncode == -signal.SIGKILL
        reader = AnswerStore(tmp_path)
        found = reader.get_many(map(key_of, acknowledged))
        assert {text: found[key_of(text)].generation.answer for text in acknowledged} == {
            text: text * 50 for text in acknowledged
        }
        assert reader.problems == []
    assert len(set(acknowledged)) == len(acknowledged) > 12


def test_two_processes_may_write_at_once(tmp_path):
    writers = [start_writer(tmp_path, name, 300) for name in ("x", "y", "same", "same")]
    for writer in writers:
        told, _ = writer.communicate()
        assert writer.returncode == 0
        assert len(told.split()) == 300
    reader = AnswerStore(tmp_path)
    wanted = {key_of(f"{name}-{number}") for name in ("x", "y", "same") for number in range(300)}
    assert set(reader.get_many(wanted)) == wanted
    assert reader.problems == []
    stored = sum(len(path.read_bytes().splitlines()) for path in segments(tmp_path))
    assert stored == 1200  # nothing overwritten


def test_a_forked_child_writes_segments_of_its_own(tmp_path):
    # In the parent's segment it would cut off the parent's lines, if the disk fills up under it.
    texts = [text for text in map(str, range(400)) if key_of(text)[0] == "a"][:9]
    store = AnswerStore(tmp_path)
    fill(store, texts[:3])
    child = os.fork()
    if not child:
        try:
            fill(store, texts[3:6])
            store.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    fill(store, texts[6:])
    store.close()
    found = AnswerStore(tmp_path).get_many(map(key_of, texts))
    assert {answer.generation.answer for answer in found.values()} == set(texts)
    assert sorted(len(path.read_bytes().splitlines()) for path in segments(tmp_path)) == [3, 6]


@contextlib.contextmanager
def small_disk(folder):
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip(f"no small file system can be mounted here: {made.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def until_full(store, names, size=3000):
    put = {}
    for number in names:
        answer = make(f"{number}", f"<think>a</think>{'x' * size}")
        try:
            store.put(answer.key, answer)
        except StorageError as error:
            told = str(error)
            break
        put[answer.key] = answer
    assert re.fullmatch(r"No space left to write .* Free some space there.*", told)
    return put


def test_a_full_disk_loses_nothing_that_was_put_and_damages_nothing(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(b"0" * 40_000)
        store = AnswerStore(disk / "answers")
        numbers = itertools.count()
        put = until_full(store, numbers)
        put |= until_full(store, numbers, size=2)  # and still full for small ones, in the end
        ballast.unlink()
        put |= fill(store, [f"after-{number}" for number in range(60)])  # into every segment that was cut back
        assert store.get_many(put) == put
        reader = AnswerStore(disk / "answers")
        assert reader.get_many(put) == put
        assert reader.problems == []
        for segment in segments(disk):
            assert segment.read_bytes()[-1:] in (b"\n", b"")  # no half line inside or at the end
        store.close()


def test_a_file_size_limit_is_treated_like_a_full_disk(tmp_path):
    # Works without the right to mount: the kernel refuses bytes beyond the limit, in the middle of a line.
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("writer.py")), str(tmp_path), "limited", "0"],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout.split("\n")
    put = [line for line in told if line.startswith("limited-")]
    assert "full" in told
    assert len(put) > 3
    reader = AnswerStore(tmp_path)
    assert set(reader.get_many(map(key_of, put))) == set(map(key_of, put))
    assert reader.problems == []
    assert all(path.read_bytes().endswith(b"\n") for path in segments(tmp_path) if path.stat().st_size)


def test_a_read_only_store_is_read_and_otherwise_a_paragraph(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        with AnswerStore(disk) as store:
            put = fill(store, "ab")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        store = AnswerStore(disk)
        assert store.get_many(put) == put
        with pytest.raises(StorageError, match=r"May not write .* Choose another folder"):
            fill(store, "c")


# Object stores


def test_an_object_store_gets_one_object_per_flush():
    fs = fsspec.filesystem("memory")
    store = AnswerStore("memory://flushes", buffer=4)
    numbers = [store.put(answer.key, answer) for answer in map(make, "abc")]
    assert numbers == [1, 2, 3]
    assert (store.durable, store.full) == (0, False)
    fill(store, "d")
    assert store.full
    store.flush()
    assert (store.durable, store.full) == (4, False)
    (path,) = (path for path in fs.find("/flushes") if path.endswith(".seg"))
    assert len(fs.cat_file(path).splitlines()) == 4
    store.flush()
    assert len(fs.find("/flushes")) == 2  # nothing held, nothing put: the segment and store.json
    fs.store.clear()


def test_answers_stay_held_when_an_object_cannot_be_put(monkeypatch):
    fs = fsspec.filesystem("memory")
    store = AnswerStore("memory://failing")
    put = fill(store, "ab")
    with monkeypatch.context() as patched:
        patched.setattr(type(fs), "put_file", lambda *_, **__: (_ for _ in ()).throw(OSError("link down")))
        with pytest.raises(OSError, match="link down"):
            store.flush()
    assert store.durable == 0
    assert store.get_many(put) == put
    store.close()
    assert AnswerStore("memory://failing").get_many(put) == put
    fs.store.clear()


def test_local_answers_are_durable_at_once(tmp_path):
    store = AnswerStore(tmp_path)
    answer = make("a")
    assert store.put(answer.key, answer) == store.durable == 1
    assert json.loads((tmp_path / "store.json").read_text()) == {"schema": 1, "prefix": 1}
    (line,) = segments(tmp_path)[0].read_bytes().splitlines()
    assert int(line[:8], 16) == zlib.crc32(line[9:])
    assert msgspec.json.decode(line[9:])["key"] == answer.key
