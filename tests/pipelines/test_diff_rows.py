"""Rows by their place, and digests of their fields."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recipes_for_tests.helpers import Texts, recipe, run_here

from yisang.pipelines import table
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.diff_rows import Place, Spill, ancestors, root_of
from yisang.storage import Folder


@pytest.fixture
def sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Boundary:
    """Eight prompts in row groups of three."""
    monkeypatch.setattr(table, "ROW_GROUP_ROWS", 3)
    run_here(recipe(Texts(8)), tmp_path)
    (folder,) = (path for path in tmp_path.iterdir() if path.name.startswith("00-"))
    return Boundary(Folder(str(tmp_path)), folder.name)


def test_a_row_is_found_by_its_number_in_whatever_row_group_it_lies(sink: Boundary) -> None:
    manifest = sink.manifest()
    assert manifest is not None
    seen = 0
    for part in manifest.parts("records"):
        for number, record in enumerate(sink.records(part)):
            row = Place(sink, part).row(number)
            assert (row["id"], json.loads(row["record"])["text"]) == (record.id, record.text_for_reading)
            seen += 1
    assert seen == 8


def test_all_rows_are_in_a_partition_and_those_of_a_root_in_one(sink: Boundary, tmp_path: Path) -> None:
    spill = Spill(tmp_path, ([sink], [sink]), sources=False)
    spill.partitions = 5
    spill.write(lambda read, rows: None)
    held = [spill.partition(number) for number in range(5)]
    assert sum(map(len, held)) == spill.rows == 16
    for number, rows in enumerate(held):
        assert {spill.partition_of(f"{row.id}/0/1") for row in rows} <= {number}
    assert sum(bool(rows) for rows in held) > 1


def test_what_a_record_was_made_of() -> None:
    assert list(ancestors("a/0/12")) == ["a/0", "a"]
    assert list(ancestors("a")) == []
    assert (root_of("a/0/12"), root_of("a")) == ("a", "a")
