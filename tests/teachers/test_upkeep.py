"""Looking after an answer store: nothing that a reader would get is lost, and what is purged is gone."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from yisang.cli import main
from yisang.errors import UsageError
from yisang.storage import StorageError
from yisang.teachers import upkeep
from yisang.teachers.answers import AnswerStore, answer_key, new_answer
from yisang.teachers.generation import Usage, generation
from yisang.teachers.segments import Answer
from yisang.teachers.upkeep import Wanted, answers, compact, survey


def answer(number: int, model: str = "m", revision: str = "1", text: str = "", finish: str = "stop") -> Answer:
    body = {"model": model, "messages": [{"role": "user", "content": str(number)}]}
    said = generation(
        text or f"<think>a</think>{number}",
        finish_reason=finish,
        usage=Usage(completion_tokens=None if number % 10 == 9 else 5),
    )
    return new_answer(answer_key(body, revision, 0), body["model"], revision, 0, said)


def put(address: object, *stored: Answer) -> None:
    with AnswerStore(str(address), buffer=4) as store:
        for one in stored:
            store.put(one.key, one)
            if store.full:
                store.flush()


def by_key(address: object, keys: list[str]) -> dict[str, Answer]:
    return AnswerStore(str(address)).get_many(keys)


@pytest.fixture(params=["local", "memory", "s3"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return str(request.getfixturevalue("s3"))
    return str(tmp_path / "answers") if request.param == "local" else f"memory://upkeep-{tmp_path.name}/answers"


@pytest.fixture
def filled(address: str) -> tuple[str, list[Answer]]:
    """Four writers: answers to 60 questions by two models, the first ten twice with other words, five of them cut."""
    stored = [
        answer(number, model="m" if number < 40 else "n", finish="length" if number < 5 else "stop")
        for number in range(60)
    ]
    put(address, *stored[:30])
    put(address, *stored[30:])
    again = [
        answer(number, text=f"other words {number}", finish="length" if number < 5 else "stop") for number in range(10)
    ]
    put(address, *again[:5])
    put(address, *again[5:])
    return address, stored


def test_a_survey_counts_each_answer_once(filled: tuple[str, list[Answer]]) -> None:
    found = survey(AnswerStore(filled[0]))
    assert (found.lines, found.repeated, found.damaged, found.torn) == (70, 10, 0, 0)
    assert [(group.model, group.answers, group.finish) for group in found.groups] == [
        ("m", 40, {"stop": 35, "length": 5}),
        ("n", 20, {"stop": 20}),
    ]
    n = found.groups[1]
    assert (n.with_tokens, n.tokens) == (18, 90)


def test_the_answers_listed_are_those_that_readers_get(filled: tuple[str, list[Answer]]) -> None:
    address, stored = filled
    found = {one.key: one for one in answers(AnswerStore(address))}
    assert found == by_key(address, [one.key for one in stored])
    assert len(list(answers(AnswerStore(address)))) == len(found) == 60


def test_compacting_changes_no_answer_and_leaves_few_segments(filled: tuple[str, list[Answer]]) -> None:
    address, stored = filled
    keys = [one.key for one in stored]
    before, reader = by_key(address, keys), AnswerStore(address)
    reader.get_many(keys[:1])  # it has an index of the old segments
    found = compact(AnswerStore(address))
    assert (found.written, found.repeated, found.removed, found.busy) == (60, 10, 0, [])
    assert found.segments_after < found.segments_before
    assert len(AnswerStore(address).segments()) == found.segments_after <= 16
    assert by_key(address, keys) == before == reader.get_many(keys)
    again = compact(AnswerStore(address))
    assert (again.written, again.repeated, again.segments_after) == (60, 0, found.segments_after)


def test_what_is_purged_is_gone_and_the_rest_is_not(filled: tuple[str, list[Answer]]) -> None:
    address, stored = filled
    keys = [one.key for one in stored]
    before = by_key(address, keys)
    found = compact(AnswerStore(address), Wanted(model="m", finish="length"))
    assert (found.removed, found.written) == (5, 55)
    after = by_key(address, keys)
    assert after == {
        key: one for key, one in before.items() if one.model == "n" or one.generation.finish_reason == "stop"
    }
    # The second line of a purged answer must not take its place.
    assert not any(after.get(one.key) for one in stored[:5])


def test_damaged_lines_and_torn_tails_are_counted_and_lose_nothing_else(tmp_path: Path) -> None:
    stored = [answer(number) for number in range(64)]
    put(tmp_path, *stored)
    store = AnswerStore(tmp_path)
    broken, torn = store.segments()[:2]
    lines = (tmp_path / broken).read_bytes().splitlines(keepends=True)
    lost = json.loads(lines[0][9:])["key"]
    (tmp_path / broken).write_bytes(lines[0].replace(b"stop", b"stup") + b"".join(lines[1:]))
    with open(tmp_path / torn, "ab") as file:
        file.write(lines[0][:20])
    found = survey(AnswerStore(tmp_path))
    assert (found.lines, found.damaged, found.torn) == (63, 1, 1)
    compact(AnswerStore(tmp_path))
    assert set(by_key(tmp_path, [one.key for one in stored])) == {one.key for one in stored} - {lost}
    found = survey(AnswerStore(tmp_path))
    assert (found.lines, found.damaged, found.torn) == (63, 0, 0)


def test_a_segment_that_is_being_written_to_is_left_alone(tmp_path: Path) -> None:
    put(tmp_path, *(answer(number) for number in range(40)))
    with AnswerStore(tmp_path) as writer:
        late = answer(100)
        writer.put(late.key, late)
        found = compact(AnswerStore(tmp_path))
        assert len(found.busy) == 1
        with pytest.raises(UsageError, match="being written to"):
            compact(AnswerStore(tmp_path), Wanted(model="m"))
        later = answer(101)
        writer.put(later.key, later)
    assert len(by_key(tmp_path, [answer(number).key for number in (*range(40), 100, 101)])) == 42


COMPACTING = """
import os, signal, sys
from yisang.storage import Folder
from yisang.teachers.answers import AnswerStore
from yisang.teachers.upkeep import compact
left = int(sys.argv[2])
for name in ("remove", "write_bytes", "create"):
    whole = getattr(Folder, name)
    def stop(self, *given, whole=whole):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(self, *given)
    setattr(Folder, name, stop)
compact(AnswerStore(sys.argv[1]))
"""


@pytest.mark.parametrize("steps", [0, 1, 8, 16, 17, 25, 40])
def test_a_kill_at_any_step_of_compacting_loses_nothing(tmp_path: Path, steps: int) -> None:
    stored = [answer(number) for number in range(200)]
    put(tmp_path, *stored[:100])
    put(tmp_path, *stored[100:])
    ended = subprocess.run([sys.executable, "-c", COMPACTING, str(tmp_path), str(steps)], check=False)
    assert ended.returncode == -9
    keys = [one.key for one in stored]
    assert len(by_key(tmp_path, keys)) == 200
    assert compact(AnswerStore(tmp_path)).written == 200
    assert by_key(tmp_path, keys) == {one.key: one for one in stored}


READING = """
import sys
from yisang.teachers.answers import AnswerStore
keys = sys.stdin.read().split()
for _ in range(200):
    found = AnswerStore(sys.argv[1]).get_many(keys)
    assert len(found) == len(keys), len(found)
"""


def test_readers_find_everything_while_it_is_compacted_again_and_again(tmp_path: Path) -> None:
    stored = [answer(number) for number in range(64)]
    put(tmp_path, *stored)
    reader = subprocess.Popen(
        [sys.executable, "-c", READING, str(tmp_path)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert reader.stdin is not None
    reader.stdin.write(" ".join(one.key for one in stored))
    reader.stdin.close()
    times = 0
    while reader.poll() is None:
        compact(AnswerStore(tmp_path))
        times += 1
    assert reader.stderr is not None
    assert reader.returncode == 0, reader.stderr.read()
    assert times > 5


CREATING = """
import fcntl, sys
from yisang.teachers import segments
from yisang.teachers.answers import AnswerStore
from yisang.teachers.upkeep import compact
sys.path.insert(0, sys.argv[2])
from tests.teachers.test_upkeep import answer

flock, times = fcntl.flock, 0

def late(file, how):
    # The writer stops between the making of a segment and its lock, and the store is compacted meanwhile.
    global times
    times += 1
    if times == 1:
        segments.fcntl.flock = flock
        compact(AnswerStore(sys.argv[1]))
        segments.fcntl.flock = late
    flock(file, how)

with AnswerStore(sys.argv[1]) as store:
    first = answer(1)
    store.put(first.key, first)
    segments.fcntl.flock = late
    for number in range(2, 60):
        one = answer(number)
        store.put(one.key, one)
segments.fcntl.flock = flock
"""


def test_an_answer_is_kept_though_its_segment_was_compacted_before_it_was_locked(tmp_path: Path) -> None:
    repository = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", CREATING, str(tmp_path), str(repository)], check=True)
    assert len(by_key(tmp_path, [answer(number).key for number in range(1, 60)])) == 59


def test_a_compaction_that_fails_leaves_the_store_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, *(answer(number) for number in range(100)))
    put(tmp_path, *(answer(number) for number in range(100, 200)))
    store, times = AnswerStore(tmp_path), 0
    before = store.segments()
    whole = upkeep._bytes_of

    def full(*given: object) -> object:
        nonlocal times
        times += 1
        for number, line in enumerate(whole(*given)):  # type: ignore[arg-type]
            if times == 1 and number == 3:
                raise OSError(28, "No space left on device")
            yield line

    monkeypatch.setattr(upkeep, "_bytes_of", full)
    with pytest.raises(StorageError, match="No space left"):
        compact(store)
    assert AnswerStore(tmp_path).segments() == before
    assert not list(tmp_path.rglob(".writing-*"))


def test_a_line_that_no_reader_takes_does_not_take_the_place_of_one(tmp_path: Path) -> None:
    """Its checksum and key are right, but it is no answer."""
    good = answer(1)
    put(tmp_path, good)
    segment = tmp_path / AnswerStore(tmp_path).segments()[0]
    for number in range(2000):  # until its checksum is the smaller one
        data = json.dumps({"key": good.key, "number": number}).encode()
        line = b"%08x %b\n" % (zlib.crc32(data), data)
        if line < segment.read_bytes():
            break
    (segment.parent / "00.seg").write_bytes(line)
    assert survey(AnswerStore(tmp_path)).damaged == 1
    found = compact(AnswerStore(tmp_path))
    assert (found.written, found.damaged) == (1, 1)
    assert by_key(tmp_path, [good.key]) == {good.key: good}


def test_a_line_with_half_a_key_is_damaged_and_no_end_of_the_survey(tmp_path: Path) -> None:
    put(tmp_path, answer(1))
    data = json.dumps(
        {**json.loads(next(iter(tmp_path.glob("*/*.seg"))).read_bytes()[9:]), "key": "0123456789abcdef"}
    ).encode()
    (tmp_path / "0").mkdir(exist_ok=True)
    (tmp_path / "0" / "half.seg").write_bytes(b"%08x %b\n" % (zlib.crc32(data), data))
    found = survey(AnswerStore(tmp_path))
    assert (found.lines, found.damaged) == (1, 1)


def test_a_reader_whose_segments_have_just_gone_lists_them_anew(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = [answer(number) for number in range(64)]
    put(address, *stored[:32])
    put(address, *stored[32:])
    reader, whole, times = AnswerStore(address), AnswerStore._lines, 0

    def late(self: AnswerStore, folder: str, wanted: set[str]) -> object:
        nonlocal times
        times += 1
        if times == 1:
            monkeypatch.setattr(AnswerStore, "_lines", whole)
            compact(AnswerStore(address))
        return whole(self, folder, wanted)

    monkeypatch.setattr(AnswerStore, "_lines", late)
    assert reader.get_many([one.key for one in stored]) == {one.key: one for one in stored}
    assert times == 1


# The command


def test_the_commands_count_list_and_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, out = tmp_path / "answers", tmp_path / "out.jsonl"
    put(store, *(answer(number, finish="length" if number < 3 else "stop") for number in range(12)))
    assert main(["answers", "count", str(store)]) == 0
    said = capsys.readouterr().out
    assert "12 answers" in said
    assert "m at 1: 12 answers (stop 9, length 3), 55 tokens in 11 of them" in said
    assert main(["answers", "count", str(store), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["groups"][0]["finish"] == {"stop": 9, "length": 3}
    assert main(["answers", "list", str(store), "--finish", "length"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(", length, 5 tokens: <think>a</think>" in line for line in lines)
    assert main(["answers", "export", str(store), "--out", str(out)]) == 0
    assert {json.loads(line)["key"] for line in out.read_text().splitlines()} == {
        answer(number).key for number in range(12)
    }
    assert main(["answers", "export", str(store), "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_purging_counts_first_and_removes_when_it_is_told_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, *(answer(number, revision="old" if number < 4 else "new") for number in range(10)))
    assert main(["answers", "purge", str(tmp_path), "--revision", "old"]) == 0
    assert "4 answers would be removed" in capsys.readouterr().out
    assert survey(AnswerStore(tmp_path)).lines == 10
    assert main(["answers", "purge", str(tmp_path), "--revision", "old", "--yes"]) == 0
    assert "6 answers kept; gone: 4 removed" in capsys.readouterr().out
    assert [group.revision for group in survey(AnswerStore(tmp_path)).groups] == ["new"]
    assert main(["answers", "purge", str(tmp_path), "--before", "2000-01-01", "--yes"]) == 0
    assert survey(AnswerStore(tmp_path)).lines == 6
    assert main(["answers", "purge", str(tmp_path), "--before", "2100-01-01", "--yes"]) == 0
    assert survey(AnswerStore(tmp_path)).lines == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["count", "nothing-here"], "There is no answer store in nothing-here"),
        (["purge", "{store}"], "Say which answers to purge"),
        (["list", "{store}", "--before", "yesterday"], "--before yesterday is no date"),
    ],
)
def test_bad_input_is_a_paragraph(
    tmp_path: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, answer(1))
    assert main(["answers", *(word.format(store=tmp_path) for word in words)]) == 2
    assert told in capsys.readouterr().err


def test_objects_are_cut_by_size(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = [answer(number, text="곰" * 500) for number in range(40)]
    put(address, *stored)
    monkeypatch.setattr(upkeep, "OBJECT", 10_000)
    compact(AnswerStore(address))
    store = AnswerStore(address)
    assert by_key(address, [one.key for one in stored]) == {one.key: one for one in stored}
    if not store.folder.local:
        assert len(store.segments()) > 3
        assert max(store.folder.size(name) for name in store.segments()) <= 12_000
