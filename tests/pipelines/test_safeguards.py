"""What must not pass for done: a lost boundary, old code, values that cannot be read back, teaching that lost an answer."""

from __future__ import annotations

import importlib
import json
import math
import os
import resource
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from recipes_for_tests.helpers import Given, Texts, here, kept_records, loaded, prompt, recipe, until

from yisang.cli import main
from yisang.errors import UsageError, YisangError
from yisang.pipelines import identity as identity_module
from yisang.pipelines.identity import digest, forget, identity
from yisang.pipelines.phases import Setting
from yisang.pipelines.recipe import load
from yisang.pipelines.report import rejected
from yisang.pipelines.run import make_plan, run_recipe
from yisang.pipelines.runners import RUNNERS
from yisang.pipelines.stages import teach as teach_module
from yisang.pipelines.stages.teach import Teach, TeacherSetting
from yisang.pipelines.steps import Each, Group
from yisang.processes import alive
from yisang.records import Drop, Licence, Prompt
from yisang.sources import JsonLines
from yisang.storage import Folder
from yisang.teachers.engines.base import TeacherRejected
from yisang.teachers.engines.echo import Echo
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt


@pytest.fixture(autouse=True)
def _small_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RUNNERS, "here", here)


def run(out: Path, *steps: Any, source: Any = None, max_dead: float = 1.0, **settings: Any) -> Any:
    said: list[str] = settings.pop("said", [])
    found = loaded(recipe(source or Texts(30, 2), *steps, max_dead=max_dead))
    return run_recipe(found, Setting(out=str(out), **settings), on="here", say=said.append)


def same(record: Prompt) -> Prompt:
    return record


def test_a_lost_boundary_is_made_again_as_the_error_advises(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run(out, Each(same))
    before = kept_records(out)
    (sink,) = (path for path in out.iterdir() if "same" in path.name or "sink" in path.name)
    part = next(sink.glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-10])
    with pytest.raises(YisangError, match="run the recipe again") as told:
        run(out, Each(same))
    assert f"Remove {sink}" in str(told.value)
    shutil.rmtree(sink)
    said: list[str] = []
    run(out, Each(same), said=said)
    assert not any("done already" in line for line in said)
    assert kept_records(out) == before


def test_code_that_was_edited_after_it_was_loaded_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a notebook: the old code would run, and be stored as what the new one gave."""
    monkeypatch.syspath_prepend(str(tmp_path))
    helper = tmp_path / "edited_helper.py"
    helper.write_text("LOW = 5\ndef choose(record):\n    return record if len(record.text) > LOW else None\n")
    module = importlib.import_module("edited_helper")
    try:
        first = digest(identity(module.choose, "choose"))
        helper.write_text(helper.read_text().replace("5", "15"))
        forget()
        with pytest.raises(UsageError, match=r"edited_helper\.py was edited after this process had loaded it"):
            identity(module.choose, "choose")
        importlib.reload(module)
        forget()
        assert digest(identity(module.choose, "choose")) != first
    finally:
        del sys.modules["edited_helper"]
        identity_module._SEEN.pop("edited_helper", None)
        forget()


def test_functions_without_a_file_are_told_apart() -> None:
    space: dict[str, Any] = {"__name__": "typed_at_a_prompt"}
    pairs = [
        ("lambda r: r.text", "lambda r: r.url"),
        ("lambda r: r.text in ('A', 'B')", "lambda r: r.text in ('A', 'C')"),
        ("lambda r: r.text in {'A', 'B'}", "lambda r: r.text in {'A', 'C'}"),
        ("lambda r: [x for x in r.text if x > 'a']", "lambda r: [x for x in r.text if x > 'b']"),
        ("lambda r: r.text == b'a'", "lambda r: r.text == b'b'"),
    ]
    for one, other in pairs:
        found = [digest(identity(eval(text, space), "step")) for text in (one, one, other)]
        assert found[0] == found[1] != found[2], one


BAD: list[dict[str, Any]] = [
    {"options": (1, 2)},
    {"measures": {"a": [1]}},
    {"measures": {"a": math.nan}},
    {"measures": {"a": "\ud83d"}},
    {"kind": "essay"},
    {"text": "\ud83d"},
    {"text": None},
    {"licence": None},
]


FIELDS: dict[str, Any] = {}
"""What is spoiled: not bound to the steps, since half a character stands in no recipe.json either."""


def spoil(record: Prompt) -> Prompt:
    return msgspec.structs.replace(record, **FIELDS) if record.text == "0-3" else record


def spoil_a_child(record: Prompt) -> list[Prompt]:
    return [msgspec.structs.replace(spoil(record), id=record.id + "/0")]


def spoil_in_a_group(members: Iterator[Prompt]) -> Iterator[Prompt]:
    return (spoil(member) for member in members)


@pytest.mark.parametrize("fields", BAD, ids=lambda fields: ascii(fields))
def test_a_value_that_cannot_be_read_back_is_a_dead_letter_of_its_record(
    tmp_path: Path, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "FIELDS", fields)
    for number, step in enumerate((Each(spoil), Each(spoil_a_child), Group(_text, spoil_in_a_group, name="group"))):
        out = tmp_path / str(number)
        books = run(out, step)
        assert (books.kept, sum(line.dead for line in books.steps)) == (59, 1)
        assert len(kept_records(out)) == 59
        (letter,) = rejected(str(out), "dead", 5)
        assert "cannot be stored" in letter["message"] or "which no table holds" in letter["message"]


def _text(record: Prompt) -> str:
    return record.text


def test_a_drop_or_a_death_of_an_unwritable_record_is_kept_readable(tmp_path: Path) -> None:
    items = (prompt("good"), prompt("half", measures={"m": "\ud83d"}))

    def leave(record: Prompt) -> Any:
        return Drop("gone") if record.id == "half" else record

    books = run(tmp_path / "run", Each(leave), source=Given((items[0],)))
    assert books.kept == 1

    def fail(record: Prompt) -> Any:
        raise ValueError("why")

    from recipes_for_tests.helpers import Ledger

    from yisang.pipelines.boundary import Boundary, ShardWriter

    boundary = Boundary(Folder(str(tmp_path / "b")), "00-x-1")
    with ShardWriter(boundary, 0) as out:
        out.drop("leave", items[1], Drop("gone"))
        out.commit()
    (row,) = boundary.so_far().parts("drops") and rejected_rows(boundary)
    assert json.loads(row["record"])["measures"] == {"m": "\ud83d"}
    assert Ledger().drops == []


def rejected_rows(boundary: Any) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    (part,) = boundary.so_far().parts("drops")
    with boundary.open(part) as file:
        rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
        return rows


def test_a_drop_of_what_is_no_record_is_a_dead_letter(tmp_path: Path) -> None:
    def leave(record: Prompt) -> Drop:
        return Drop("gone", record="a text")  # type: ignore[arg-type]

    assert run(tmp_path / "run", Each(leave)).steps[-1].dead == 60


# Teaching


def teach(samples: int = 2) -> Teach:
    return Teach(
        Teacher(engine="echo", model="echo", revision="1"),
        MixedPrompt("ko"),
        Sampling(max_tokens=40),
        samples,
        name="teach",
    )


def test_teaching_that_loses_an_answer_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = teach_module.teach
    books = run(tmp_path / "whole", teach())
    assert (books.kept, books.steps[-1].born) == (120, 60)

    def losing(*arguments: Any, **options: Any) -> Iterator[Any]:
        return (outcome for number, outcome in enumerate(whole(*arguments, **options)) if number % 4)

    monkeypatch.setattr(teach_module, "teach", losing)
    with pytest.raises(YisangError, match=r"prompts with 2 answers each gave \d+ outcomes"):
        run(tmp_path / "losing", teach())


def test_max_dead_of_teaching_counts_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One prompt of sixty that the teacher refuses is 1.7 %, however many answers it was to have."""
    whole = Echo.generate

    async def refusing(self: Echo, messages: Any, sampling: Any, sample: int) -> Any:
        if messages[-1].content == "0-3":
            raise TeacherRejected("not this one")
        return await whole(self, messages, sampling, sample)

    monkeypatch.setattr(Echo, "generate", refusing)
    assert run(tmp_path / "a", teach(8), max_dead=0.02).steps[-1].dead == 8
    with pytest.raises(YisangError, match="failed on 8 of 480 records"):
        run(tmp_path / "b", teach(8), max_dead=0.01)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"answers": "nowhere://answers"}, "nowhere://answers cannot be opened"),
        ({"answers": "/proc/answers"}, "Answers cannot be kept in /proc/answers"),
        ({"teacher": TeacherSetting("nobody")}, "no engine 'nobody'"),
    ],
)
def test_a_teacher_or_store_that_cannot_be_is_found_before_anything_runs(
    tmp_path: Path, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        run(tmp_path / "run", Each(same, keep=True), teach(), **settings)
    assert not (tmp_path / "run").exists()


# Inputs, folders, locks


def test_strict_knows_a_file_by_its_bytes_wherever_it_lies(tmp_path: Path) -> None:
    def fingerprint(path: Path, strict: bool) -> str:
        source = JsonLines(paths=str(path), text="q", language="ko", name="rows")
        plan, _ = make_plan(loaded(recipe(source, Each(same))), strict=strict)
        return plan.fingerprint

    paths = [tmp_path / folder / "rows.jsonl" for folder in ("a", "b", "c")]
    for path, text in zip(paths, ("one", "one", "two"), strict=True):
        path.parent.mkdir()
        path.write_text(json.dumps({"q": text}) + "\n")
    strict = [fingerprint(path, True) for path in paths]
    assert strict[0] == strict[1] != strict[2]
    plain = [fingerprint(path, False) for path in paths]
    assert plain[0] != plain[1]
    renamed = paths[0].rename(tmp_path / "a" / "other.jsonl")
    assert fingerprint(renamed, True) != strict[0], "records are known by the name of their file"


def test_two_threads_do_not_write_to_one_folder(tmp_path: Path) -> None:
    first = threading.Thread(target=lambda: run(tmp_path / "run", Each(slow)))
    first.start()
    try:
        assert INSIDE.wait(60)
        with pytest.raises(YisangError, match="being written by this very process"):
            run(tmp_path / "run", Each(same))
    finally:
        GO.set()
        first.join()
    run(tmp_path / "run", Each(same))


INSIDE, GO = threading.Event(), threading.Event()


def slow(record: Prompt) -> Prompt:
    INSIDE.set()
    GO.wait(60)
    return record


def test_groups_need_few_open_files(tmp_path: Path) -> None:
    """With fewer handles than there are runs to merge."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (held + 40, hard))
    try:
        books = run(tmp_path / "run", Group(_category, iter, name="group"), source=Texts(3, 120))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert books.kept == 360


def _category(record: Prompt) -> str:
    return record.category


@pytest.mark.parametrize("name", ["books.json", "manifest.json", "recipe.json"])
def test_a_damaged_file_of_a_run_is_named(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    run(out, Each(same))
    (out / name).write_bytes((out / name).read_bytes()[:20])
    asked = ["show", str(out)] if name != "recipe.json" else ["show", str(out), "--drops", "3"]
    assert main(asked) == 1
    said = capsys.readouterr().err
    assert f"{out / name} is damaged" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "nowhere://x"],
        ["plan", "quickstart", "--inputs", "none.warc", "--out", "nowhere://x"],
        ["quickstart", "--out", ""],
        ["quickstart", "--out", "/"],
    ],
)
def test_an_address_that_cannot_be_is_refused(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("yisang: ")
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_that_leaves_is_no_success(tmp_path: Path) -> None:
    path = tmp_path / "leaving.py"
    path.write_text("import sys\nsys.exit(0)\n")
    with pytest.raises(UsageError, match="line 2: SystemExit"):
        load(str(path))
    path.write_text("import sys\ndef build():\n    sys.exit(0)\n")
    with pytest.raises(UsageError, match="line 3: SystemExit"):
        load(str(path))


# What may not be redistributed


def test_messages_that_may_quote_the_text_of_a_row_are_withheld(tmp_path: Path) -> None:
    closed = Licence(id="all-rights-reserved", letter="C", evidence="test")
    items = (
        prompt("a", text="secret words", licence=closed), prompt("b", text="open words"), prompt("c", text="kept"),
    )  # fmt: skip

    def judge(record: Prompt) -> Prompt | Drop:
        if record.text == "kept":
            return record
        if record.text.startswith("secret"):
            raise ValueError(f"cannot read {record.text}")
        return Drop("no", {"quote": record.text, "length": 3})

    run(tmp_path / "run", Each(judge), source=Given(items))
    (letter,) = rejected(str(tmp_path / "run"), "dead", 5)
    assert "secret" not in json.dumps(letter)
    (letter,) = rejected(str(tmp_path / "run"), "dead", 5, private=True)
    assert "secret words" in letter["message"]
    (drop,) = rejected(str(tmp_path / "run"), "drops", 5)
    assert drop["evidence"] == {"quote": "open words", "length": 3}

    run(tmp_path / "closed", Each(_quoting), source=Given((items[0],)))
    (drop,) = rejected(str(tmp_path / "closed"), "drops", 5)
    assert drop["evidence"]["length"] == 3
    assert "secret" not in json.dumps(drop)


def _quoting(record: Prompt) -> Drop:
    return Drop("no", {"quote": record.text, "length": 3})


# Old kernels


def test_workers_live_without_pidfd(tmp_path: Path) -> None:
    """Kernels before 5.3 and some sandboxes have no pidfd_open; workers poll there, and go with their command too."""
    script = tmp_path / "waiting.py"
    script.write_text(
        "import os, sys, time\n"
        "def refuse(pid): raise OSError(38, 'Function not implemented')\n"
        "os.pidfd_open = refuse\n"
        "from yisang.processes import die_with\n"
        "die_with(int(sys.argv[1]))\n"
        "print('up', flush=True)\n"
        "time.sleep(120)\n"
    )
    import subprocess

    command = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    worker = subprocess.Popen(
        [sys.executable, str(script), str(command.pid)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "up\n"
        assert alive(worker.pid)
        command.kill()
        command.wait()
        until(lambda: worker.poll() is not None, "the worker goes with its command")
    finally:
        for process in (command, worker):
            process.kill()
            process.wait()
