"""Planted copies of benchmark items leave, near misses stay, and each drop says what it shared with what."""

from __future__ import annotations

import gzip
import json
import pickle
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from planted import COPIES, LONG_COPIES, NEAR_MISSES, Plant, benchmark, item, plants, prompt, trace, with_other_numbers
from recipes_for_tests.helpers import Given, Result, kept_records, left_behind, loaded, recipe, run_command, run_here

from yisang.errors import UsageError, YisangError
from yisang.filters.contamination import PASSES, Pass
from yisang.pipelines import phases
from yisang.pipelines.compile import compile_recipe
from yisang.pipelines.curate import ToExample
from yisang.pipelines.phases import Setting
from yisang.pipelines.report import books_json, books_text
from yisang.pipelines.run import run_recipe
from yisang.pipelines.stages.benchmarks import Question, Questions
from yisang.pipelines.stages.decontaminate import Decontaminate
from yisang.pipelines.steps import Each
from yisang.records import Page, Prompt, Record, Trace, content_id
from yisang.sources import Csv, JsonLines, Parquet

ITEMS = 40
PLANTED = benchmark(ITEMS)
QUESTION = item(0).text
STEP = Decontaminate((PLANTED,), name="clean")


def clean(records: Iterable[Record], out: Path, step: Decontaminate = STEP) -> Result:
    return run_here(recipe(Given(tuple(records)), step), out)


def evidence(result: Result) -> dict[str, dict[str, Any]]:
    """Of each drop, by the record's id."""
    assert all((row["step"], row["reason"]) == ("clean", "contaminated") for row in result.drops)
    return {row["id"]: json.loads(row["evidence"]) for row in result.drops}


# How well


@pytest.fixture(scope="module")
def planted() -> list[Plant]:
    return plants(ITEMS)


def figures(planted: Sequence[Plant], dropped: set[str]) -> dict[str, tuple[int, int]]:
    """By the way it was made: how many were dropped, of how many."""
    found: dict[str, tuple[int, int]] = {}
    for plant in planted:
        hit, all_ = found.get(plant.kind, (0, 0))
        found[plant.kind] = hit + (plant.record.id in dropped), all_ + 1
    return found


def test_figures(planted, tmp_path):
    for number, passes in enumerate([("segmented", "raw", "whole"), *[(name,) for name in PASSES]]):
        result = clean([plant.record for plant in planted], tmp_path / str(number), Decontaminate((PLANTED,), passes=passes, name="clean"))
        print(passes, figures(planted, set(evidence(result))))
        print(books_text(result.books))
    raise AssertionError
