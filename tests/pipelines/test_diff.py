"""`yisang diff`: what a changed threshold gained and lost, worked out a second time without it."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fsspec
import msgspec
import pytest
from recipes_for_tests.helpers import HERE, Given, loaded, prompt, recipe

from yisang.cli import main
from yisang.errors import UsageError, YisangError
from yisang.pipelines import diff, diff_rows, diff_tally
from yisang.pipelines.diff import Diff, diff_runs
from yisang.pipelines.diff_text import diff_text
from yisang.pipelines.phases import Setting
from yisang.pipelines.recipe import load
from yisang.pipelines.run import run_recipe
from yisang.pipelines.steps import Each
from yisang.records import Drop, Licence, Prompt, content_id

RECIPE = HERE / "thresholds.py"


@dataclass(frozen=True)
class Row:
    """A question of `letters` letters, `korean` of them Korean, and a number that tells it from others."""

    korean: int
    letters: int
    category: str = "science"
    source: str = "free"
    number: int = 0

    @property
    def text(self) -> str:
        return "가" * self.korean + "a" * (self.letters - self.korean) + f" {self.number}"


def rows() -> list[Row]:
    """Shares on, above and below the thresholds of the tests, in two lengths, categories and licences."""
    found = []
    for number in range(120):
        letters = (8, 20, 40)[number % 3]
        korean = letters * (4, 5, 6, 10)[number // 3 % 4] // 20
        category, source = ("law", "science")[number % 2], ("free", "closed")[number % 5 == 0]
        found.append(Row(korean, letters, category, source, number))
    return found


def write_inputs(folder: Path, questions: list[list[Row]]) -> str:
    """Each list is one record of so many lines, of the source of its first."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in ("free", "closed"):
        lines = [
            json.dumps({"text": "\n".join(row.text for row in page), "category": page[0].category}, ensure_ascii=False)
            for page in questions
            if page[0].source == source
        ]
        (folder / f"{source}.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return str(folder)


def pages(of: list[Row]) -> list[list[Row]]:
    """One, two, one, two rows to a record, of one source."""
    found: list[list[Row]] = []
    for number, row in enumerate(of):
        if number % 3 == 2 and found[-1][0].source == row.source:
            found[-1].append(row)
        else:
            found.append([row])
    return found


def identifiers(questions: list[list[Row]]) -> dict[str, Row]:
    """The id of each line's prompt, as documents say that ids are made."""
    found = {}
    for page in questions:
        root = content_id(page[0].source, "\n".join(row.text for row in page))
        found |= {f"{root}/{number}": replace(row, category=page[0].category) for number, row in enumerate(page)}
    return found


def first_drop(row: Row, low: float, shortest: int) -> str | None:
    """Why a question leaves, by arithmetic alone."""
    if row.korean / row.letters < low:
        return "target_share_low"
    return "too_short" if len(row.text) < shortest else None


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """make("name", low=0.25, …) → the address of a finished run on the rows of this module, or on `questions`."""
    folder = tmp_path_factory.mktemp("diff")
    shared = write_inputs(folder / "in", pages(rows()))
    made: dict[str, str] = {}

    def run(name: str, questions: list[list[Row]] | None = None, out: str = "", **parameters: Any) -> str:
        if name not in made:
            inputs = shared if questions is None else write_inputs(folder / f"in-{name}", questions)
            made[name] = out or str(folder / name)
            run_recipe(load(str(RECIPE), inputs, **parameters), Setting(made[name], str(folder / "answers")))
        return made[name]

    return run


@pytest.fixture(scope="module")
def before(make: Callable[..., str]) -> str:
    return make("before")


@pytest.fixture(scope="module")
def after(make: Callable[..., str]) -> str:
    """Shares from 0.25 on, and a longer text: so some are gained, some lost, and some dropped for something else."""
    return make("after", low=0.25, shortest=30)


def expected(one: tuple[float, int], other: tuple[float, int]) -> dict[str, Any]:
    """Gained and lost by id with the reason, and what both drop for different reasons."""
    gained, lost, moved = {}, {}, Counter[tuple[str, str]]()
    for identifier, row in identifiers(pages(rows())).items():
        first, second = first_drop(row, *one), first_drop(row, *other)
        if first is not None and second is None:
            gained[f"{identifier}/0/0"] = first, row
        elif first is None and second is not None:
            lost[f"{identifier}/0/0"] = second, row
        elif first is not None and second is not None and first != second:
            moved[first, second] += 1
    return {"gained": gained, "lost": lost, "moved": moved}


STEPS = {"target_share_low": "min_share", "too_short": "length"}


def check(found: Diff, wanted: dict[str, Any]) -> None:
    """All ids, reasons, categories and licences are those worked out."""
    for side, ids in ((found.gained, wanted["gained"]), (found.lost, wanted["lost"])):
        assert side.records == len(ids)
        assert {(why.step, why.reason): why.records for why in side.why} == Counter(
            (STEPS[reason], reason) for reason, _ in ids.values()
        )
        assert side.category == Counter(row.category for _, row in ids.values())
        assert side.licence == Counter({"free": "A", "closed": "B"}[row.source] for _, row in ids.values())
        assert {example["id"]: example["reason"] for example in side.examples} == {
            identifier: reason for identifier, (reason, _) in ids.items()
        }
        for example in side.examples:
            assert example["rejected"] == example["id"].removesuffix("/0/0")  # the prompt, not its answer
    moved = {(one.first.reason, one.second.reason): one.records for one in found.moved}
    assert moved == wanted["moved"]


# What a threshold gained and lost


def test_a_changed_threshold_gains_and_loses_what_arithmetic_says(before: str, after: str) -> None:
    wanted = expected((0.30, 12), (0.25, 30))
    assert min(map(len, wanted.values())) > 0
    check(diff_runs(before, after, examples=1000), wanted)


def test_the_order_of_the_runs_swaps_gained_and_lost(before: str, after: str) -> None:
    there, back = diff_runs(before, after), diff_runs(after, before)
    assert (there.gained, there.lost) == (back.lost, back.gained)
    assert (there.same, there.changed, there.first, there.second) == (back.same, back.changed, back.second, back.first)
    assert Counter({(one.second, one.first): one.records for one in back.moved}) == Counter(
        {(one.first, one.second): one.records for one in there.moved}
    )
    (low,) = (change for change in back.recipe.changed if change.step == "min_share")
    assert msgspec.to_builtins(low.parameters) == {"low": {"first": 0.25, "second": 0.3}}


def test_an_answer_is_explained_by_what_became_of_its_question(
    before: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wrong twin looks for the record itself alone; a dropped question never had an answer."""
    monkeypatch.setattr(diff_tally, "ancestors", lambda identifier: iter(()))
    with pytest.raises(AssertionError):
        check(diff_runs(before, after, examples=1000), expected((0.30, 12), (0.25, 30)))


def test_the_drop_is_told_with_its_evidence(before: str, after: str) -> None:
    example = next(e for e in diff_runs(before, after).gained.examples if e["licence_letter"] == "A")
    assert example["evidence"] == {"target_share": 0.25, "low": 0.3}
    assert example["record"]["trace"]["prompt"]["measures"]["target_share"] == 0.25


def test_the_changed_parameters_are_told_with_both_values(before: str, after: str) -> None:
    found = {
        change.step: (msgspec.to_builtins(change.parameters), change.code)
        for change in diff_runs(before, after).recipe.changed
    }
    assert found == {
        "min_share": ({"low": {"first": 0.3, "second": 0.25}}, False),
        "length": ({"low": {"first": 12, "second": 30}}, False),
    }


def test_one_step_alone_can_be_looked_at(before: str, after: str) -> None:
    wanted = expected((0.30, 12), (0.25, 30))
    found = diff_runs(before, after, step="length")
    assert (found.gained.records, found.lost.records) == (0, len(wanted["lost"]))
    assert {why.step for why in found.lost.why} == {"length"}
    text = diff_text(found)
    assert "length: low 12 → 30" in text
    assert "0.25" not in text.split("kept in both")[0]
    assert diff_runs(before, after, step="min_share").lost.records == 0


@pytest.mark.parametrize("partition_rows", [1, 37])
def test_how_the_rows_are_cut_does_not_show(
    before: str, after: str, partition_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = diff_runs(before, after, examples=5)
    monkeypatch.setattr(diff_rows, "PARTITION_ROWS", partition_rows)
    monkeypatch.setattr(diff_rows, "BUFFERED_ROWS", 7)
    assert diff_runs(before, after, examples=5) == whole


def test_rows_of_one_root_that_lay_apart_would_be_seen(
    before: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diff_rows, "PARTITION_ROWS", 1)
    monkeypatch.setattr(diff_rows, "root_of", lambda identifier: identifier)
    with pytest.raises(AssertionError):
        check(diff_runs(before, after, examples=1000), expected((0.30, 12), (0.25, 30)))


def test_a_long_comparison_says_how_far_it_is(before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(diff, "QUIET_SECONDS", 1e9)
    diff_runs(before, after, say=said.append)
    assert said == []  # a short one says nothing
    monkeypatch.setattr(diff, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(diff, "LINE_SECONDS", 0.0)
    monkeypatch.setattr(diff_rows, "BUFFERED_ROWS", 50)
    diff_runs(before, after, say=said.append)
    assert said[0].startswith("Read 50 of ")
    assert said[-1].startswith("Compared 1 of 1 partitions")


# Equal runs


def test_equal_runs_differ_in_nothing(before: str, tmp_path: Path) -> None:
    shutil.copytree(before, tmp_path / "copy")
    for other in (before, str(tmp_path / "copy")):
        found = diff_runs(before, other)
        kept = found.first.kept
        assert kept > 0
        assert (found.same, found.changed, found.gained.records, found.lost.records) == (kept, 0, 0, 0)
        assert (found.moved, found.recipe.changed, found.recipe.inputs, found.recipe.reads_differ) == (
            (),
            (),
            (),
            False,
        )
        assert "Changed: nothing" in diff_text(found)
        assert f"{kept} kept in both, {kept} of them the same" in diff_text(found)


# What changed in the recipe, and in what was read


def test_teacher_sampling_and_template_are_told(make: Callable[..., str], before: str) -> None:
    found = diff_runs(before, make("samples", samples=2))
    changes = {change.step: msgspec.to_builtins(change.parameters) for change in found.recipe.changed}
    assert changes == {"teach": {"samples": {"first": 1, "second": 2}}}
    # No step rejected the second answers; the first run never asked for them.
    assert found.gained.records == found.first.kept
    assert [(why.step, why.reason) for why in found.gained.why] == [("", "not_made")]
    assert found.lost.records == 0


def test_runs_of_different_inputs_are_said_to_and_what_was_not_read_is_told_apart(
    make: Callable[..., str], before: str
) -> None:
    more = [*pages(rows()), [Row(10, 20, number=900)], [Row(1, 20, number=901)]]
    found = diff_runs(before, make("more", more))
    assert found.recipe.reads_differ
    assert {Path(one.path).name for one in found.recipe.inputs} >= {"free.jsonl"}
    assert [(why.step, why.reason, why.records) for why in found.gained.why] == [("", "not_read", 1)]
    assert "did not read the same" in diff_text(found)
    back = diff_runs(make("more"), before)
    assert [(why.reason, why.records) for why in back.lost.why] == [("not_read", 1)]


def test_a_file_that_has_changed_where_it_lies_is_told(tmp_path: Path) -> None:
    runs = []
    for number in (1, 2):
        inputs = write_inputs(tmp_path / "in", pages(rows()[: 6 * number]))
        runs.append(str(tmp_path / f"run-{number}"))
        run_recipe(load(str(RECIPE), inputs), Setting(runs[-1], str(tmp_path / "answers")))
    found = diff_runs(*runs)
    assert found.recipe.changed == ()
    assert found.recipe.reads_differ
    assert {Path(one.path).name for one in found.recipe.inputs} == {"free.jsonl", "closed.jsonl"}


def test_a_file_that_only_lies_elsewhere_is_the_same_by_its_bytes(tmp_path: Path) -> None:
    runs = []
    for name in ("one", "two"):
        inputs = write_inputs(tmp_path / name, pages(rows()[:9]))
        out = str(tmp_path / f"{name}-run")
        run_recipe(load(str(RECIPE), inputs), Setting(out, str(tmp_path / "answers")), strict=True)
        runs.append(out)
    found = diff_runs(*runs)
    assert (found.recipe.inputs, found.recipe.reads_differ, found.gained.records) == ((), False, 0)


# What both keep


def test_changed_records_are_counted_by_field(make: Callable[..., str], before: str) -> None:
    found = diff_runs(before, make("marked", mark=7), examples=100)
    kept = [row for row in identifiers(pages(rows())).values() if first_drop(row, 0.30, 12) is None]
    law = [row for row in kept if row.category == "law"]
    assert 0 < len(law) < len(kept)
    assert (found.changed, found.same) == (len(law), len(kept) - len(law))
    assert found.fields == {"trace.prompt.measures.mark": len(law)}
    assert found.gained.records == found.lost.records == 0
    shown = {example["record"]["licence"]["letter"]: example for example in found.changed_examples}
    assert shown["A"]["first"] == {"trace.prompt.measures.mark": 0}
    assert shown["A"]["second"] == {"trace.prompt.measures.mark": 7}
    assert shown["B"]["second"] == {"trace.prompt.measures.mark": None}  # the whole record is withheld
    assert "trace.prompt.measures.mark: 0 → 7" in diff_text(found)


def test_a_recipe_that_ends_earlier_keeps_what_the_other_made_its_rows_of(
    make: Callable[..., str], before: str
) -> None:
    found = diff_runs(make("untaught", taught=False), before)
    assert list(found.recipe.added) == ["teach", "to_example"]
    assert found.gained.records == found.lost.records == found.second.kept
    assert [why.reason for why in found.gained.why] == ["kept_parent"]
    assert [why.reason for why in found.lost.why] == ["went_on"]


# Texts that may not be shown


CLOSED_TEXT = "가나다라마바사 a closed question of many words"


@dataclass(frozen=True)
class Quiet(Given):
    """Items that stand in no resolved recipe, as those of a file do not."""

    def identity(self) -> Any:
        return self.name


def letters(tmp_path: Path, name: str, letter: str, drop: bool) -> str:
    licence = Licence(id="X", letter=letter, evidence="written for the tests")

    def judged(record: Prompt) -> Prompt | Drop:
        return Drop("judged", {"quote": record.text[:9], "number": 3}) if drop else record

    given = Quiet((prompt("p", text=CLOSED_TEXT, licence=licence),))
    run_recipe(loaded(recipe(given, Each(judged))), Setting(out=str(tmp_path / name)))
    return str(tmp_path / name)


@pytest.mark.parametrize(("kept", "dropped"), [("A", "A"), ("B", "B"), ("A", "B"), ("B", "A"), ("C", "A")])
def test_a_text_that_either_run_may_not_show_is_withheld(
    tmp_path: Path, kept: str, dropped: str, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [letters(tmp_path, "one", dropped, True), letters(tmp_path, "two", kept, False)]
    for arguments in ([], ["--json"]):
        assert main(["diff", *runs, *arguments]) == 0
        out = capsys.readouterr().out
        open_ = kept == dropped == "A"
        assert ("closed question" in out) == open_
        assert ("가나다라마바사" in out) == open_
        assert "judged" in out
        assert main(["diff", *runs, *arguments, "--private"]) == 0
        out = capsys.readouterr().out
        assert "closed question" in out


def test_numbers_of_withheld_evidence_stay(tmp_path: Path) -> None:
    found = diff_runs(letters(tmp_path, "one", "B", True), letters(tmp_path, "two", "B", False))
    (example,) = found.gained.examples
    assert example["evidence"] == {"quote": "(withheld; --private shows it)", "number": 3}
    assert "(text withheld; --private shows it)" in diff_text(found)


# Where runs lie, and what is none


def test_runs_on_an_object_store_are_compared_where_they_are(make: Callable[..., str], before: str, after: str) -> None:
    stored = [
        make("memory-before", out="memory://diff/before"),
        make("memory-after", out="memory://diff/after", low=0.25, shortest=30),
    ]
    here, there = diff_runs(before, after), diff_runs(*stored)
    assert there.gained == here.gained
    assert (there.same, there.fields, there.moved, there.recipe) == (here.same, here.fields, here.moved, here.recipe)
    assert diff_runs(before, stored[0]).same == here.first.kept
    fsspec.filesystem("memory").rm("/diff", recursive=True)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("nowhere", "does not exist"),
        ("other", "is no run folder"),
        ("half", "is not finished. Run a recipe to its end"),
    ],
)
def test_what_is_no_finished_run_is_refused_in_a_paragraph(
    tmp_path: Path, before: str, place: int, what: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "half").mkdir()
    shutil.copy(Path(before) / "recipe.json", tmp_path / "half")
    runs = [before, before]
    runs[place] = str(tmp_path / what)
    assert main(["diff", *runs]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert len(err.splitlines()) == 1


def test_a_step_that_neither_run_has_is_refused(before: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", before, before, "--step", "min_shares"]) == 2
    err = capsys.readouterr().err
    assert "Neither run has a step 'min_shares'. Their steps are source, lines, target_share, min_share" in err
    assert main(["diff", before, before, "--examples", "-1"]) == 2
    assert main(["diff", before]) == 2
    with pytest.raises(UsageError, match="--examples is -1"):
        diff_runs(before, before, examples=-1)


def test_a_part_that_is_gone_is_named_and_not_passed_over(before: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(before, broken)
    next((broken / "drops").rglob("*.parquet")).unlink()
    with pytest.raises(YisangError, match="is missing, though the run's manifest names it") as failed:
        diff_runs(before, str(broken))
    assert failed.value.exit_code == 1


def test_the_table_as_json_holds_what_the_text_says(
    before: str, after: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", before, after, "--json", "--examples", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    wanted = expected((0.30, 12), (0.25, 30))
    assert (found["gained"]["records"], found["lost"]["records"]) == (len(wanted["gained"]), len(wanted["lost"]))
    assert found["gained"]["why"] == [
        {"step": "min_share", "reason": "target_share_low", "records": len(wanted["gained"])}
    ]
    assert len(found["gained"]["examples"]) == 1
    assert found["moved"][0]["first"]["step"] == "min_share"
    assert main(["diff", before, after, "--examples", "1"]) == 0
    out, err = capsys.readouterr()
    assert f"{len(wanted['gained'])} gained: kept in the second run alone" in out
    assert "min_share: low 0.3 → 0.25" in out
    assert f"min_share: target_share_low → length: too_short  {wanted['moved']['target_share_low', 'too_short']}" in out
    assert err == ""
    assert main(["diff", before, after, "--examples", "0"]) == 0
    assert "evidence" not in capsys.readouterr().out
