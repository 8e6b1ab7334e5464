"""Why a record is kept in one run alone: what became of it, of what it was made of, of what was made of it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from recipes_for_tests.helpers import prompt, run_of

from yisang.pipelines.boundary import Boundary
from yisang.pipelines.diff import diff_runs
from yisang.pipelines.diff_text import diff_text
from yisang.pipelines.run import open_run
from yisang.pipelines.steps import Each, Group
from yisang.records import Dead, Drop, Page, Prompt, Record, child_id, content_id


def test_a_dead_letter_explains_too(tmp_path: Path) -> None:
    def breaks(record: Prompt) -> Prompt:
        if record.id == "p1":
            raise ValueError("cannot read it")
        return record

    def whole(record: Prompt) -> Prompt:
        return record

    found = diff_runs(
        run_of(tmp_path, "one", Each(whole, name="reads")), run_of(tmp_path, "two", Each(breaks, name="reads"))
    )
    (example,) = found.lost.examples
    assert (example["id"], example["step"], example["reason"]) == ("p1", "reads", "ValueError")
    assert example["message"] == "cannot read it"


def test_lines_that_were_never_read_are_not_taken_for_one_record(tmp_path: Path) -> None:
    """They have no id; here one run failed on a line, and the other on another one."""
    runs = [
        run_of(tmp_path, error, items=(prompt("p"), Dead(error, "no object", where=f"{error}.jsonl:3")))
        for error in ("BadRow", "MissingColumn")
    ]
    found = diff_runs(*runs)
    assert (found.same, found.moved) == (1, ())


def test_a_rejection_that_both_runs_have_explains_nothing(tmp_path: Path) -> None:
    """A page may drop something of its own in both runs, and go on."""

    def questions(page: Page) -> Iterator[Prompt | Drop]:
        yield prompt(child_id(page.id, 0))
        yield Drop("too_many", {})

    def strict(record: Prompt) -> Prompt | Drop:
        return Drop("strict")

    items = (Page(id="page", url="https://example.org/"),)
    one = run_of(tmp_path, "one", Each(questions), Each(lambda record: record, name="last"), items=items)
    two = run_of(tmp_path, "two", Each(questions), Each(strict, name="last"), items=items)
    (why,) = diff_runs(one, two).lost.why
    assert (why.step, why.reason) == ("last", "strict")
    three = run_of(
        tmp_path, "three", Each(questions), Each(lambda record: [prompt("page/0/9")], name="last"), items=items
    )
    (why,) = diff_runs(one, three).lost.why
    assert (why.step, why.reason) == ("", "went_on")


def test_what_was_merged_of_others_is_explained_by_them(tmp_path: Path) -> None:
    def merged(records: Iterator[Record]) -> Iterator[Record]:
        held = list(records)
        yield from held[1:]
        if len(held) == 4:
            yield prompt("merged", parents=("p0", "p3"))

    def all_of(record: Record) -> str:
        return ""

    def drops_three(record: Prompt) -> Prompt | Drop:
        return Drop("unlucky") if record.id == "p3" else record

    group = Group(all_of, merged, name="merge")
    one = run_of(tmp_path, "one", Each(lambda record: record, name="luck"), group)
    two = run_of(tmp_path, "two", Each(drops_three, name="luck"), group)
    found = diff_runs(one, two)
    assert {example["id"]: (example["step"], example["reason"]) for example in found.lost.examples} == {
        "merged": ("luck", "unlucky"),
        "p3": ("luck", "unlucky"),
    }
    assert diff_runs(two, one).gained == found.lost


def test_rows_of_one_id_count_once_and_are_told(tmp_path: Path) -> None:
    twice = tuple(prompt("p", text=text) for text in ("one", "two"))
    one = run_of(tmp_path, "one", items=twice)
    two = run_of(tmp_path, "two", items=twice[:1])
    found = diff_runs(one, two)
    assert (found.first.kept, found.first.repeated, found.same, found.changed) == (2, 1, 0, 1)
    assert found.fields == {"(times kept)": 1}
    assert "1 of them with an id that another row has too" in diff_text(found)
    assert diff_runs(one, one).same == 1


# A random pipeline, and a second opinion


def second_opinion(one: str, other: str) -> dict[str, tuple[str, str]]:
    """What `other` alone keeps, with the rejection in `one` of its nearest ancestor, by looking at everything."""

    def kept(address: str) -> set[str]:
        folder, manifest = open_run(address)
        return {record.id for record in Boundary(folder, manifest.sink).all_records()}

    def rejected(address: str) -> dict[str, list[tuple[str, str]]]:
        folder, manifest = open_run(address)
        found: dict[str, list[tuple[str, str]]] = {}
        for name in manifest.phases:
            for role, reason in (("drops", "reason"), ("dead", "error")):
                table = Boundary(folder, name).table(role, ["id", "step", reason])
                for row in table.to_pylist() if table is not None else []:
                    found.setdefault(row["id"], []).append((row["step"], row[reason]))
        return found

    here, there = rejected(one), rejected(other)
    told = {}
    for identifier in kept(other) - kept(one):
        parts = identifier.split("/")
        for depth in range(len(parts), 0, -1):
            above = "/".join(parts[:depth])
            if own := [label for label in here.get(above, []) if label not in there.get(above, [])]:
                told[identifier] = own[-1]
                break
        else:
            told[identifier] = ("", "not_made")
    return told


@dataclass(frozen=True)
class Fickle:
    """Drops, splits or breaks by a hash of the id and the seed."""

    seed: int
    name: str

    def __call__(self, record: Prompt) -> Any:
        draw = random.Random(f"{self.seed}/{self.name}/{record.id}").random()
        if draw < 0.15:
            return Drop(f"reason_{int(draw * 20)}", {"draw": draw})
        if draw < 0.2:
            raise ValueError("broken")
        if draw > 0.8 and record.id.count("/") < 3:
            return [prompt(child_id(record.id, number)) for number in range(int(draw * 100) % 3)]
        return record


@pytest.mark.parametrize("seed", range(6))
def test_random_pipelines_are_told_as_by_looking_at_everything(tmp_path: Path, seed: int) -> None:
    items = tuple(prompt(content_id(str(number))) for number in range(150))

    def run(name: str, second: int) -> str:
        steps = [
            Each(Fickle(seed, "a"), name="a"),
            Each(Fickle(second, "b"), name="b"),
            Each(Fickle(seed, "c"), name="c"),
        ]
        return run_of(tmp_path, name, *steps, items=items)

    one, two = run("one", seed), run("two", seed + 100)
    found = diff_runs(one, two, examples=1000)
    for side, wanted in ((found.gained, second_opinion(one, two)), (found.lost, second_opinion(two, one))):
        told = {example["id"]: (example["step"], example["reason"]) for example in side.examples}
        assert wanted.keys() == told.keys()
        # Where nothing above explains it, what became of its own children may; the second opinion does not look there.
        assert {key: label for key, label in told.items() if label[1] not in ("went_on",) and wanted[key][0]} == {
            key: label for key, label in wanted.items() if label[0]
        }
        assert side.records == len(wanted) > 0
