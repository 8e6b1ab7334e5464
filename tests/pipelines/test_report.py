"""What a person asks of a finished run, from the run folder alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from recipes_for_tests.helpers import Given, loaded, prompt, recipe

from yisang.errors import UsageError, YisangError
from yisang.pipelines import report
from yisang.pipelines.books import Books
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.phases import Setting
from yisang.pipelines.run import open_run, read_books, run_recipe
from yisang.pipelines.steps import Each, Group
from yisang.records import Drop, Licence, Page, Prompt, Record, child_id
from yisang.sources.base import PassedOver
from yisang.storage import Folder

FREE = Licence(id="CC0-1.0", letter="A", evidence="written for the tests")
CLOSED = Licence(id="CC-BY-NC-4.0", letter="B", evidence="written for the tests")


def questions(page: Page) -> list[Prompt]:
    """One question for each word of the page."""
    made = page.body.decode().split()
    return [
        Prompt(id=child_id(page.id, n), text=text, language="ko", licence=page.licence, category=page.category)
        for n, text in enumerate(made)
    ]


def sound(record: Prompt) -> Prompt | Drop:
    if record.text.startswith("fail"):
        raise ValueError(f"{record.text} is no question")
    return Drop("too_short", {"characters": len(record.text)}) if len(record.text) < 3 else record


def first_letter(record: Prompt) -> str:
    return record.text[0]


def keep_one(records: Iterator[Record]) -> Iterator[Record | Drop]:
    first = next(records)
    yield first
    for record in records:
        yield Drop("copy", {"survivor": first.id}, record=record)


PAGES = (
    Page(id="p1", url="https://example.org/1", body=b"apple avocado be", licence=FREE, category="fruit"),
    Page(id="p10", url="https://example.org/2", body=b"cherry failure", licence=CLOSED, category="fruit"),
    Page(id="p2", url="https://example.org/3", body=b"", licence=FREE, category=""),
)
STEPS = (Each(questions, keep=True), Each(sound), Group(first_letter, keep_one, name="copies"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report") / "run"
    source = Given((*PAGES, PassedOver("image", 4)), counted=3)
    run_recipe(loaded(recipe(source, *STEPS)), Setting(out=str(out)))
    return out


@pytest.fixture(scope="module")
def books(run: Path) -> Books:
    return read_books(Folder(str(run)))


GOLDEN = """\
step       in  born  kept  dropped  dead  why dropped
-------------------------------------------------------
source      3     0     3        0     0
questions   3     3     5        1     0  no_children 1
sound       5     0     3        1     1  too_short 1
copies      3     0     2        1     0  copy 1
source given: 3 read, 3 by an independent count, 4 image passed over
kept by category: fruit 2
kept by licence: A 1, B 1"""


def test_the_books_as_a_person_reads_them(books: Books) -> None:
    assert report.books_text(books) == GOLDEN


def test_columns_stay_in_line_with_large_numbers_and_reasons_come_by_weight(books: Books) -> None:
    wide = msgspec.structs.replace(
        books.steps[2], taken=12_345_678, kept=12_340_000, dropped={"b": 5, "a": 5, "z": 5_668}, name="a_long_step_name"
    )
    lines = report.books_text(msgspec.structs.replace(books, steps=(*books.steps, wide))).splitlines()
    head, _, *steps = lines[:7]
    assert steps[-1].split()[:6] == ["a_long_step_name", "12,345,678", "0", "12,340,000", "5,678", "1"]
    assert steps[-1].endswith("  z 5668, a 5, b 5")
    for word in ("in", "born", "kept", "dropped", "dead"):
        end = head.index(f" {word} ") + len(word) + 1
        assert all(line[end - 1].isdigit() and line[end : end + 1] in ("", " ") for line in steps), word


def test_the_books_of_a_run_that_kept_nothing_say_nothing() -> None:
    text = report.books_text(Books("r", "1", "f", (), (), 0, {}, {}))
    assert "kept by category: nothing" in text
    assert "kept by licence: nothing" in text


def test_a_source_without_an_independent_count_is_said_to_have_none(books: Books) -> None:
    (source,) = books.sources
    text = report.books_text(msgspec.structs.replace(books, sources=(msgspec.structs.replace(source, counted=None),)))
    assert "source given: 3 read, no independent count" in text


def test_the_books_as_json_balance_and_can_be_written(books: Books) -> None:
    found = json.loads(json.dumps(report.books_json(books)))
    assert found["recipe"] == "test"
    for step in found["steps"]:
        assert step["in"] + step["born"] == step["kept"] + sum(step["dropped"].values()) + step["dead"]
    assert found["totals"] == {"kept": 2, "category": {"fruit": 2}, "licence": {"A": 1, "B": 1}}
    assert "fingerprint" not in found


# One record


def seen(run: Path, identifier: str) -> list[tuple[Any, ...]]:
    found = report.trace_record(str(run), identifier)
    return [(entry["phase"].split("-")[1], entry["id"], entry["what"], entry.get("reason")) for entry in found]


def test_the_way_of_a_record_and_of_what_was_made_of_it(run: Path) -> None:
    assert seen(run, "p1/0") == [("questions", "p1/0", "stored", None), ("copies", "p1/0", "stored", None)]
    assert seen(run, "p1/1")[-1] == ("copies", "p1/1", "dropped", "copy")
    # The page, its three questions, and what became of each; p10 only begins like p1.
    way = seen(run, "p1")
    assert [entry[:2] for entry in way if entry[2] == "stored"] == [
        ("source", "p1"), ("questions", "p1/0"), ("questions", "p1/1"), ("questions", "p1/2"), ("copies", "p1/0"),
    ]  # fmt: skip
    assert {entry[1:] for entry in way if entry[2] == "dropped"} == {
        ("p1/1", "dropped", "copy"),
        ("p1/2", "dropped", "too_short"),
    }


def test_a_drop_tells_step_reason_evidence_and_the_survivor(run: Path) -> None:
    last = report.trace_record(str(run), "p1/1")[-1]
    assert (last["step"], last["reason"], last["evidence"]) == ("copies", "copy", {"survivor": "p1/0"})
    assert last["record"]["text"] == "avocado"
    (dropped,) = (entry for entry in report.trace_record(str(run), "p2") if entry["what"] == "dropped")
    assert (dropped["step"], dropped["reason"]) == ("questions", "no_children")


def test_a_dead_letter_tells_the_error_and_where_it_came_from(run: Path) -> None:
    last = report.trace_record(str(run), "p10/1", private=True)[-1]
    assert (last["what"], last["step"], last["error"]) == ("dead", "sound", "ValueError")
    assert last["message"] == "failure is no question"
    assert "in sound" in last["traceback"]
    # Its licence is unknown, and a message may quote what may not leave.
    last = report.trace_record(str(run), "p10/1")[-1]
    assert (last["what"], last["step"], last["error"]) == ("dead", "sound", "ValueError")
    assert last["message"] == last["traceback"] == "(withheld; --private shows it)"


@pytest.mark.parametrize("identifier", ["p", "p1/", "P1", "p1/9", "%", ""])
def test_an_id_that_is_nowhere_is_refused(run: Path, identifier: str) -> None:
    with pytest.raises(UsageError, match=r"No record .* `yisang show .*/run --drops 20` prints some"):
        report.trace_record(str(run), identifier)


# Drops and dead letters


def test_rejections_come_in_the_order_of_the_run_up_to_a_number(run: Path) -> None:
    drops = list(report.rejected(str(run), "drops", 99))
    assert [(row["step"], row["reason"]) for row in drops] == [
        ("questions", "no_children"),
        ("sound", "too_short"),
        ("copies", "copy"),
    ]
    assert list(report.rejected(str(run), "drops", 2)) == drops[:2]
    assert list(report.rejected(str(run), "drops", 0)) == []
    assert [row["error"] for row in report.rejected(str(run), "dead", 99)] == ["ValueError"]


def test_the_text_of_what_may_not_leave_is_withheld(run: Path) -> None:
    """The design: text of non-A rows is withheld from reports unless it is asked for."""
    (dead,) = report.rejected(str(run), "dead", 99)
    assert dead["licence_letter"] == "B"
    assert "failure" not in str(dead["record"])
    (copy,) = (row for row in report.rejected(str(run), "drops", 99) if row["reason"] == "copy")
    assert copy["licence_letter"] == "A"
    assert "avocado" in str(copy["record"])


def test_a_rejection_is_one_line_that_a_person_reads(run: Path) -> None:
    lines = [report.rejection_line(row) for row in report.rejected(str(run), "drops", 99)]
    assert lines == [
        "questions: no_children {}  p2  https://example.org/3",
        'sound: too_short {"characters": 2}  p1/2  be',
        'copies: copy {"survivor": "p1/0"}  p1/1  avocado',
    ]
    long = {"step": "s", "reason": "r", "evidence": {}, "id": "i", "record": {"text": "글자 \n" * 50}}
    line = report.rejection_line(long)
    assert "\n" not in line
    assert line.endswith("…")
    assert len(line) < 90
    nowhere = {
        "step": "source",
        "error": "BadRow",
        "message": "no object",
        "id": "",
        "where": "a.jsonl:3",
        "record": None,
    }
    assert report.rejection_line(nowhere) == "source: BadRow (no object)  a.jsonl:3"


# What is no finished run


def test_a_missing_part_is_named_and_not_passed_over(tmp_path: Path) -> None:
    out = tmp_path / "run"
    given = Given((prompt("apple"), prompt("be")))
    run_recipe(loaded(recipe(given, Each(sound))), Setting(out=str(out)))
    folder, manifest = open_run(str(out))
    found = Boundary(folder, manifest.sink).manifest()
    assert found is not None
    (part,) = found.parts("drops")
    path = out / "drops" / manifest.sink / part.name
    path.unlink()
    with pytest.raises(YisangError, match=f"{part.name} is missing, though the run's manifest names it"):
        report.trace_record(str(out), "be")
    with pytest.raises(YisangError, match="is missing"):
        list(report.rejected(str(out), "drops", 9))


def test_a_folder_that_is_no_finished_run_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing does not exist. Run a recipe to its end first"):
        open_run(str(tmp_path / "nothing"))
    (tmp_path / "other").mkdir()
    with pytest.raises(UsageError, match=r"other is no run folder"):
        open_run(str(tmp_path / "other"))
    (tmp_path / "other" / "recipe.json").write_text("{}")
    with pytest.raises(UsageError, match=r"other is not finished"):
        open_run(str(tmp_path / "other"))


def test_a_run_that_failed_shows_what_it_failed_on(tmp_path: Path) -> None:
    out = tmp_path / "run"
    given = Given((prompt("apple"), prompt("failure"), prompt("be")))
    with pytest.raises(YisangError, match="Step sound failed on 1 of 3"):
        run_recipe(loaded(recipe(given, Each(sound), max_dead=0.1)), Setting(out=str(out)))
    (letter,) = report.rejected(str(out), "dead", 9)
    assert (letter["id"], letter["error"]) == ("failure", "ValueError")
    assert [row["id"] for row in report.rejected(str(out), "drops", 9)] == ["be"]
    assert report.trace_record(str(out), "failure")[-1]["what"] == "dead"
    with pytest.raises(UsageError, match="does not exist"):
        list(report.rejected(str(tmp_path / "nothing"), "drops", 9))
