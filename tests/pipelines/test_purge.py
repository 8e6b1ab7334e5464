"""`yisang purge`: nothing of a source is left, all else is as it was, and a search that would say so wrongly is noticed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from purge_web import (
    BELOW,
    MIRROR,
    OTHER,
    RECIPE,
    TARGET,
    copied,
    holding,
    make_run,
    pages,
    question,
    tree,
    words_of_target,
    write_warc,
)

from yisang.cli import main
from yisang.errors import UsageError, YisangError
from yisang.pipelines import purge as purging
from yisang.pipelines import purge_rows, report
from yisang.pipelines.boundary import Boundary, Part
from yisang.pipelines.phases import Setting
from yisang.pipelines.publish import publish
from yisang.pipelines.purge import Report, Where, purge
from yisang.pipelines.purge_run import read_purges
from yisang.pipelines.purge_target import Target
from yisang.pipelines.purge_text import report_text
from yisang.pipelines.recipe import load
from yisang.pipelines.run import lock, open_run, read_books, run_recipe
from yisang.records import Record
from yisang.storage import Folder

HOST = Target.of([TARGET], [])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("made") / "it")


@pytest.fixture(scope="module")
def purged(made: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    folder = copied(made, tmp_path_factory.mktemp("purged") / "it")
    return folder, purge_all(folder)


def where(folder: Path) -> Where:
    return Where((str(folder / "run"),), (), (str(folder / "web.warc.gz"),), (str(folder / "elsewhere"),))


def purge_all(folder: Path, target: Target = HOST, **options: Any) -> Report:
    return purge(target, where(folder), **options)


def rows(folder: Path, role: str = "records") -> dict[str, list[dict[str, Any]]]:
    """The rows of a role, phase by phase, as they are stored."""
    _out, boundaries = report.phases_of(str(folder / "run"))
    found = {}
    for boundary in boundaries:
        table = boundary.table(role)
        found[boundary.name] = table.to_pylist() if table is not None else []
    return found


def ids_of_target(folder: Path, host: str = TARGET) -> set[str]:
    """By the addresses alone: pages and what bears their ids."""
    pages_ = {row["id"] for row in next(iter(rows(folder).values())) if row["url"].split("/")[2] == host}
    assert pages_
    return pages_


# Nothing is left


def test_before_it_the_source_is_everywhere(made: Path):
    found = holding(made, [TARGET, *words_of_target(), *ids_of_target(made)])
    folders = {name.split("/")[0] if name.split("/")[0] != "run" else "/".join(name.split("/")[:2]) for name in found}
    assert folders >= {"web.warc.gz", "answers", "elsewhere", "run/drops", "run/dead", "run/published"}
    assert sum(name.startswith("run/0") for name in found) > 8
    evidence = [row["evidence"] for phase in rows(made, "drops").values() for row in phase if OTHER in row["record"]]
    assert any(TARGET in said for said in evidence), "no drop of another host quotes the target"


def test_no_byte_of_a_host_is_left(made: Path, purged: tuple[Path, Report]):
    folder, found = purged
    assert found.clean
    assert not found.mentions
    # The mirror's near copies share words with the target, and are the mirror's.
    kept = {**holding(folder, [f"//{TARGET}", f" {TARGET} ", *words_of_target(), *ids_of_target(made)])}
    assert kept == {}
    assert not (folder / "run" / "purging").exists()


def test_merged_prompts_of_two_hosts_and_what_came_of_them_go_too(made: Path, purged: tuple[Path, Report]):
    def merged(folder: Path) -> set[str]:
        stored = [
            row for phase in rows(folder).values() for row in phase if len(json.loads(row.get("parents") or "[]")) > 1
        ]
        return {row["id"] for row in stored}

    before, after = merged(made), merged(purged[0])
    with_target = {
        row["id"]
        for phase in rows(made).values()
        for row in phase
        if any(f"질문 {number}:" in str(row.get("text")) for number in range(302, 362, 2)) and row["id"] in before
    }
    assert with_target
    assert after == before - with_target
    assert holding(purged[0], sorted(with_target)) == {}


def test_other_rows_are_untouched(made: Path, purged: tuple[Path, Report]):
    gone = ids_of_target(made)

    def others(folder: Path, role: str) -> dict[str, list[dict[str, Any]]]:
        kept = {}
        for phase, found in rows(folder, role).items():
            own = [row for row in found if not any(identifier in json.dumps(row, default=str) for identifier in gone)]
            kept[phase] = [row for row in own if TARGET not in str(row).replace(BELOW, "")]
        return kept

    before, after = others(made, "records"), rows(purged[0])
    for phase, found in before.items():
        # What was merged of a purged prompt and of another names only the first by its own id here.
        known = {json.dumps(row, default=str) for row in after[phase]}
        assert known <= {json.dumps(row, default=str) for row in found}, phase
    first = next(iter(before))
    assert before[first] == after[first]
    assert len(after[first]) == len(pages()) - 30
    assert sum(map(len, others(made, "drops").values())) > 5


def test_evidence_of_others_forgets_what_it_quoted(made: Path, purged: tuple[Path, Report]):
    told = [json.loads(row["evidence"]) for phase in rows(purged[0], "drops").values() for row in phase]
    assert any("(purged)" in json.dumps(evidence) for evidence in told)
    assert any(evidence.get("survivor") == "(purged)" for evidence in told)
    # Words too few for a passage go with the name, numbers stay.
    quoted = [evidence for evidence in told if evidence.get("before") == "(purged)"]
    assert quoted
    assert all(evidence["it_said"] == "(purged)" and evidence["length"] > 20 for evidence in quoted)
    messages = [row["message"] for phase in rows(purged[0], "dead").values() for row in phase]
    assert "(purged)" in messages
    assert any(message.startswith("cannot read") for message in messages)


def test_the_run_can_still_be_read_published_compared_and_run(
    made: Path, purged: tuple[Path, Report], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = copied(purged[0], tmp_path / "it")
    out, run = open_run(str(folder / "run"))
    for boundary in (Boundary(out, name) for name in run.phases):
        manifest = boundary.manifest()
        assert manifest is not None
        for shard in manifest.shards:
            for part in shard.parts:
                boundary.check(part)
                assert pq.read_metadata(boundary.folder_of(part.role).path(part.name)).num_rows == part.rows
    books, before = read_books(out), read_books(Folder(str(made / "run")))
    for step in books.steps:
        assert step.taken + step.born == step.kept + sum(step.dropped.values()) + step.dead
    assert (books.sources[0].read, books.sources[0].counted) == (len(pages()) - 30, len(pages()) - 30)
    assert 0 < books.kept < before.kept
    assert main(["show", str(folder / "run")]) == 0
    assert main(["diff", str(made / "run"), str(folder / "run")]) == 0
    capsys.readouterr()
    assert publish(str(folder / "run"), to=str(tmp_path / "new")).manifest.rows == books.kept
    published = [
        json.loads((folder / name / "manifest.json").read_text())["rows"] for name in ("elsewhere", "run/published")
    ]
    assert published == [books.kept, books.kept]


def test_a_run_that_is_done_again_does_not_bring_it_back(made: Path, tmp_path: Path):
    folder = copied(made, tmp_path / "it")
    purge(HOST, Where((str(folder / "run"),), (), (), (str(folder / "elsewhere"),)))
    said: list[str] = []
    loaded = load(str(RECIPE), inputs=str(made / "web.warc.gz"))
    before = read_books(Folder(str(folder / "run")))
    assert run_recipe(loaded, Setting(str(folder / "run")), say=said.append) == before
    assert "Everything is done already" in said[0]
    # A changed step begins at what is stored.
    changed = tmp_path / "changed.py"
    changed.write_text(RECIPE.read_text().replace('"long": len', '"length": len').replace("% 9 else", "% 8 else"))
    run_recipe(load(str(changed), inputs=str(made / "web.warc.gz")), Setting(str(folder / "run")))
    assert holding(folder / "run", [f"//{TARGET}", *words_of_target()]) == {}


def test_an_input_that_still_has_it_is_named(made: Path, tmp_path: Path):
    folder = copied(made, tmp_path / "it")
    described = json.loads((folder / "run" / "recipe.json").read_text())
    described["inputs"][0]["path"] = str(folder / "web.warc.gz")
    (folder / "run" / "recipe.json").write_text(json.dumps(described))
    found = purge(HOST, Where((str(folder / "run"),), (), (), (str(folder / "elsewhere"),)), dry_run=True)
    assert found.inputs == {str(folder / "web.warc.gz"): 60}
    assert "still holds 60 records of it" in report_text(found)
    assert purge_all(folder, dry_run=True).inputs == {}


def test_a_purge_leaves_no_name_of_what_it_took(purged: tuple[Path, Report]):
    (log,) = read_purges(Folder(str(purged[0] / "run")))
    assert (log.records, log.kept) == (purged[1].runs[0].records, purged[1].runs[0].kept)
    assert log.kept > 0
    assert log.target == HOST.mark(log.salt) != Target.of(["another.example"], []).mark(log.salt)


# Again, and stopped half-way


def test_a_second_purge_changes_nothing(purged: tuple[Path, Report], tmp_path: Path):
    folder = copied(purged[0], tmp_path / "it")
    before = tree(folder)
    found = purge_all(folder)
    assert found.clean
    assert (found.runs[0].records, found.pages[0].records, found.answers) == (
        0,
        0,
        {str(folder / "answers"): 0},
    )
    assert tree(folder) == before


def test_a_dry_run_changes_nothing_and_counts_what_goes(made: Path, purged: tuple[Path, Report]):
    before = tree(made)
    found = purge_all(made, dry_run=True)
    assert tree(made) == before
    done = purged[1]
    assert found.runs[0].records == done.runs[0].records > 100
    assert (found.runs[0].dropped, found.runs[0].dead) == (done.runs[0].dropped, done.runs[0].dead)
    assert list(found.answers.values()) == list(done.answers.values())
    assert min(found.answers.values()) > 10
    assert [one.after for one in found.published] == [one.after for one in done.published]
    assert found.pages[0].records == done.pages[0].records == 60


KILLED = """
import os, sys
from yisang.cli import main

left = int(sys.argv[1])

def counted(call):
    def at(*arguments, **options):
        global left
        left -= 1
        if left == 0:
            os._exit(9)
        return call(*arguments, **options)
    return at

os.replace, os.rename, os.unlink = counted(os.replace), counted(os.rename), counted(os.unlink)
sys.exit(main(sys.argv[2:]))
"""


def command(folder: Path) -> list[str]:
    given = where(folder)
    options = ["--run", given.runs[0], "--pages", given.pages[0], "--published", given.published[0]]
    return ["purge", "--host", TARGET, *options]


def killed_at(folder: Path, change: int) -> int:
    """Dies as at SIGKILL, before its `change`-th renaming or removing of a file."""
    call = [sys.executable, "-c", KILLED, str(change), *command(folder)]
    return subprocess.run(
        call, capture_output=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ).returncode


@pytest.mark.parametrize("change", [1, 3, 20, 60, 110])
def test_a_killed_purge_is_ended_by_the_same_command(
    change: int, made: Path, purged: tuple[Path, Report], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = copied(made, tmp_path / "it")
    assert killed_at(folder, change) == 9
    if (folder / "run" / "purging" / "plan.json").exists():
        with pytest.raises(UsageError, match="stopped half-way"):
            run_recipe(load(str(RECIPE), inputs=str(made / "web.warc.gz")), Setting(str(folder / "run")))
        with pytest.raises(UsageError, match="something else"):
            purge_all(folder, Target.of([OTHER], []))
    assert main(command(folder)) == 0
    assert "no byte of it is left" in capsys.readouterr().out
    assert holding(folder, [f"//{TARGET}", *words_of_target(), *ids_of_target(made)]) == {}
    assert rows(folder) == rows(purged[0])
    assert rows(folder, "drops") == rows(purged[0], "drops")
    assert read_books(Folder(str(folder / "run"))) == read_books(Folder(str(purged[0] / "run")))
    assert list(folder.rglob(".writing-*")) == []
    assert list(folder.rglob(".replaced-*")) == []


# The search would notice


def skip_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "purge_answers", lambda store, goes: 0)


def skip_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge_rows.Rewriter, "_said", lambda self, values: None)
    monkeypatch.setattr(purge_rows.Rewriter, "_unnamed", lambda self, values: None)


def skip_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge_rows.Rewriter, "_unnamed", lambda self, values: None)
    monkeypatch.setattr(purge_rows.Rewriter, "said", lambda self, text: text.replace(TARGET, "?"))


def keep_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows go, and the footer still says what the least id was."""

    def with_footer(self: Any, boundary: Boundary, part: Part, buckets: int) -> Part:
        rewritten = rewrite(self, boundary, part, buckets)
        if rewritten == part or part.role != "records":
            return rewritten
        path = boundary.folder.path(part.name)
        table = pq.read_table(path)
        known = {**(table.schema.metadata or {}), b"least": min(self._chosen.ids).encode()}
        pq.write_table(table.replace_schema_metadata(known), path)
        return Part(part.name, part.role, rewritten.rows, Path(path).stat().st_size)

    rewrite = purge_rows.Rewriter._part
    monkeypatch.setattr(purge_rows.Rewriter, "_part", with_footer)


def skip_drops(monkeypatch: pytest.MonkeyPatch) -> None:
    def kept(self: Any, boundary: Boundary, part: Part, buckets: int) -> Part:
        return part if part.role == "drops" else rewrite(self, boundary, part, buckets)

    rewrite = purge_rows.Rewriter._part
    monkeypatch.setattr(purge_rows.Rewriter, "_part", kept)
    monkeypatch.setattr(purging.RunPurge, "_books", lambda self, rewriter: read_books(self.out))
    skip_publication(monkeypatch)


def skip_descendants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of the address alone, so that merged prompts stay."""
    takes = purge_rows.Chosen.takes
    monkeypatch.setattr(purge_rows.Rewriter, "_cleaned", by_address)
    monkeypatch.setattr(purging.RunPurge, "_books", lambda self, rewriter: read_books(self.out))
    monkeypatch.setattr(purging, "_publish", lambda *arguments: None)
    assert takes is purge_rows.Chosen.takes


def by_address(self: Any, table: Any, clusters: dict[str, str]) -> Any:
    import pyarrow as pa

    mask = [not self._chosen.seed(head.origin) for head in purge_rows.heads(table)]
    return table if all(mask) else table.filter(pa.array(mask))


def skip_publication(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "_publish", lambda run, folder, found, dry_run, say: None)


def leave_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that no reader takes."""
    apply = purging.RunPurge.apply

    def copying(self: Any) -> None:
        old = next(Path(self.out.root).glob("00-*/*.parquet")).read_bytes()
        apply(self)
        (Path(self.out.root) / "old.bak").write_bytes(old)

    monkeypatch.setattr(purging.RunPurge, "apply", copying)


TWINS: list[Callable[[pytest.MonkeyPatch], None]] = [
    skip_answers,
    skip_evidence,
    skip_ids,
    keep_statistics,
    skip_drops,
    skip_descendants,
    skip_publication,
    leave_a_copy,
]


@pytest.mark.parametrize("twin", TWINS)
def test_a_purge_that_leaves_something_is_noticed(
    twin: Callable[[pytest.MonkeyPatch], None], made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = copied(made, tmp_path / "it")
    with monkeypatch.context() as patch:
        twin(patch)
        found = purge_all(folder)
        assert not found.clean
        assert (folder / "run" / "purging").exists(), "what was sought is forgotten though it is still there"
    if twin is leave_a_copy:
        (folder / "run" / "old.bak").unlink()
    assert purge_all(folder).clean, "the right one does not end what the wrong one began"


def test_what_is_left_is_told_and_is_an_error(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    folder = copied(made, tmp_path / "it")
    (folder / "run" / "notes.txt").write_text(f"from https://{TARGET}/7, thank you")
    assert main(command(folder)) == 1
    said = capsys.readouterr().out
    assert "NOT CLEAN, 1 files" in said
    assert "notes.txt: 1 times its name" in said
    (folder / "run" / "notes.txt").unlink()
    assert main([*command(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clean"] is True


# What else there is


def test_a_link_of_another_source_is_a_mention_and_stays(tmp_path: Path):
    folder = make_run(tmp_path / "it", link=True)
    found = purge_all(folder)
    assert found.clean
    assert found.mentions
    assert all(place.name and not place.record for place in found.mentions)
    assert "Other sources mention it" in report_text(found)
    stored = next(iter(rows(folder).values()))
    assert any(f"http://{TARGET}/3".encode() in row["body"] for row in stored)


def test_one_page_goes_alone(made: Path, tmp_path: Path):
    folder = copied(made, tmp_path / "it")
    found = purge_all(folder, Target.of([], [f"http://{TARGET}/17#top"]))
    assert found.clean
    assert found.pages[0].records == 2
    assert holding(folder, [f"{TARGET}/17", question(17)[20:50], question(334)[20:50]]) == {}
    assert holding(folder / "run", [f"{TARGET}/18", question(18)[20:50]]) != {}


def test_subdomains_go_when_they_are_asked_for(purged: tuple[Path, Report], made: Path, tmp_path: Path):
    assert purged[1].runs[0].subdomains > 0
    assert "subdomains stay" in report_text(purged[1])
    assert holding(purged[0] / "run", [BELOW]) != {}
    folder = copied(made, tmp_path / "it")
    assert purge_all(folder, Target.of([TARGET], [], subdomains=True)).clean
    assert holding(folder, [TARGET]) == {}


def test_of_a_question_that_two_sources_have_the_other_one_stays(tmp_path: Path):
    (tmp_path / "rows.jsonl").write_text(
        "".join(
            json.dumps({"q": question(number), "at": f"https://{host}/{number}"}, ensure_ascii=False) + "\n"
            for number, host in ((1, TARGET), (1, OTHER), (2, TARGET), (3, OTHER))
        )
    )
    recipe = tmp_path / "rows.py"
    recipe.write_text(
        '"""Rows."""\nfrom yisang.pipelines.curate import Corpus, ToExample\nfrom yisang.pipelines.recipe import Recipe\n'
        "from yisang.pipelines.steps import Each\nfrom yisang.pipelines.stages.teach import Teach\n"
        "from yisang.filters.licence import licence\nfrom yisang.sources import JsonLines\n"
        "from yisang.teachers.generation import Teacher\nfrom yisang.teachers.prompts import MixedPrompt\n\n\n"
        "def build():\n"
        f"    source = JsonLines({str(tmp_path / 'rows.jsonl')!r}, text='q', url='at', language='ko', name='rows',\n"
        "        licence=licence('CC0-1.0', 'ours', '2026-11-20'))\n"
        "    teach = Teach(Teacher(engine='echo', model='echo', revision='1'), MixedPrompt('ko'), name='teach')\n"
        "    return Recipe('rows', '1', source, (teach, Each(ToExample())), Corpus('Rows', 'ko'))\n"
    )
    run_recipe(load(str(recipe)), Setting(str(tmp_path / "run")))
    found = purge(HOST, Where((str(tmp_path / "run"),)))
    assert found.clean
    assert found.runs[0].shared == 1
    assert found.inputs == {str(tmp_path / "rows.jsonl"): None}
    left = {(row["url"], row["text"]) for row in next(iter(rows(tmp_path).values()))}
    assert left == {(f"https://{OTHER}/1", question(1)), (f"https://{OTHER}/3", question(3))}
    assert read_books(Folder(str(tmp_path / "run"))).kept == 2


def test_a_run_that_was_stopped_can_be_purged_and_goes_on_without_it(made: Path, tmp_path: Path):
    broken = tmp_path / "broken.py"
    broken.write_text(RECIPE.read_text().replace('return {"long": len(prompt.text)}', "raise ValueError(prompt.text)"))
    with pytest.raises(YisangError, match="max_dead"):
        run_recipe(load(str(broken), inputs=str(made / "web.warc.gz")), Setting(str(tmp_path / "run")))
    assert holding(tmp_path / "run", [f"//{TARGET}"]) != {}
    assert purge(HOST, Where((str(tmp_path / "run"),))).clean
    assert holding(tmp_path / "run", [f"//{TARGET}", *words_of_target()]) == {}
    books = run_recipe(load(str(RECIPE), inputs=str(made / "web.warc.gz")), Setting(str(tmp_path / "run")))
    assert books.kept > 20
    assert books.sources[0].read == len(pages()) - 30
    assert holding(tmp_path, [f"//{TARGET}", *words_of_target()]) == {}


def test_a_run_that_keeps_nothing_has_its_publications_removed(tmp_path: Path):
    only = {url: body for url, body in pages().items() if url.split("/")[2] == TARGET}
    warc = write_warc(tmp_path / "web.warc.gz", only)
    run_recipe(load(str(RECIPE), inputs=str(warc)), Setting(str(tmp_path / "run")))
    publish(str(tmp_path / "run"), to=str(tmp_path / "run" / "published"))
    found = purge(HOST, Where((str(tmp_path / "run"),), pages=(str(warc),)))
    assert found.clean
    assert found.published[0].after is None
    assert not (tmp_path / "run" / "published").exists()
    assert not warc.exists()
    assert read_books(Folder(str(tmp_path / "run"))).kept == 0


def test_an_object_store_is_purged_too(made: Path, purged: tuple[Path, Report]):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.put(str(made / "run") + "/", "/store/run/", recursive=True)
    memory.put(str(made / "answers") + "/", "/store/answers/", recursive=True)
    memory.rm("/store/run/published", recursive=True)
    memory.rm("/store/run/lock")  # of no meaning on a disk but while it is held
    try:
        found = purge(HOST, Where(("memory://store/run",)))
        assert found.clean
        assert found.runs[0].records == purged[1].runs[0].records
        data = [memory.cat_file(path) for path in memory.find("/store") if path.endswith((".json", ".seg"))]
        assert not any(TARGET.encode() in one.replace(BELOW.encode(), b"") for one in data)
        records: list[Record] = list(
            Boundary(Folder("memory://store/run"), open_run("memory://store/run")[1].sink).all_records()
        )
        assert len(records) == read_books(Folder(str(purged[0] / "run"))).kept
    finally:
        memory.rm("/store", recursive=True)


def test_students_and_other_runs_are_named(made: Path, tmp_path: Path):
    folder = copied(made, tmp_path / "it")
    (folder / "run-student" / "0a1b" / "training" / "model").mkdir(parents=True)
    (folder / "run-student" / "0a1b" / "training" / "model" / "config.json").write_text('{"hidden_size": 8}')
    (folder / "run-student" / "0a1b" / "training" / "config.json").write_text(
        json.dumps({"data": [{"path": "out/run/published"}]})
    )
    (folder / "unrelated").mkdir()
    (folder / "unrelated" / "config.json").write_text(json.dumps({"data": [{"path": "out/else"}]}))
    copied(made / "run", folder / "run2")
    found = purge_all(folder, dry_run=True)
    assert found.students == (str(folder / "run-student"),)
    assert found.others == (str(folder / "run2"),)
    said = report_text(found)
    assert "made of it too" in said
    assert "run2" in said


# Refusals


def test_a_run_that_is_being_written_is_refused(made: Path, tmp_path: Path):
    folder = copied(made, tmp_path / "it")
    before = tree(folder)
    with lock(Folder(str(folder / "run"))), pytest.raises(YisangError, match="is being written"):
        purge_all(folder)
    assert tree(folder) == before


def test_a_publication_of_another_run_is_refused_before_anything_is_changed(made: Path, tmp_path: Path):
    folder = copied(made, tmp_path / "it")
    manifest = folder / "elsewhere" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(json.loads(manifest.read_text())["fingerprint"], "0" * 64))
    before = tree(folder)
    with pytest.raises(UsageError, match="published from another run"):
        purge_all(folder)
    assert tree(folder) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--host"),
        (["--host", "forum.example.org"], "--run OUT"),
        (["--host", "https://forum.example.org/a"], "no name of a host"),
        (["--url", "forum.example.org/a", "--run", "."], "in full"),
        (["--host", "a.example", "--run", "no-such-run"], "does not exist"),
        (["--host", "a.example", "--run", "."], "is no run folder"),
        (["--host", "a.example", "--pages", "no.warc.gz"], "does not exist"),
    ],
)
def test_what_is_no_purge_is_refused(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main(["purge", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_the_mirror_keeps_its_near_copies(purged: tuple[Path, Report]):
    assert sum(MIRROR in row["url"] for row in next(iter(rows(purged[0]).values()))) == 10
