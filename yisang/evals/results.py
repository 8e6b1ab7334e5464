"""What an evaluation leaves: results.json, the last file that is written."""

from __future__ import annotations

from typing import Any

import msgspec

from yisang.errors import UsageError, YisangError
from yisang.evals.protocols import Protocol
from yisang.evals.summary import Summary
from yisang.storage import Folder, read_json

SCHEMA = 1
RESULTS = "results.json"


class BenchResult(msgspec.Struct, frozen=True, kw_only=True):
    """One benchmark. label: as in `--bench`. data: the digest of its questions. outputs: the file of raw outputs.

    primary: the measure that is its score. cells: the same by what `cell` names. macro: the mean of the cells' scores.
    """

    label: str
    name: str
    settings: dict[str, Any]
    held_out: bool
    data: str
    outputs: str
    primary: str
    cell: str
    overall: Summary
    cells: dict[str, Summary]
    macro: float | None


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many answers reached the engine, were found in the store, and were refused or failed."""

    asked: int
    reused: int
    failed: int


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """A finished evaluation. average: the mean of the benchmarks' scores, where there are several and all have one."""

    schema: int = SCHEMA
    model: str
    revision: str
    engine: str
    purpose: str
    protocol: Protocol
    benches: list[BenchResult]
    average: float | None
    counts: Counts
    versions: dict[str, str]


def read_results(folder: Folder) -> Results:
    """The results of a finished evaluation. Raises UsageError where there is none."""
    if not folder.exists(RESULTS):
        raise UsageError(
            f"{folder.address} holds no finished evaluation ({RESULTS} is missing). Give the folder that --out named, or let the "
            "evaluation end first: the same command goes on."
        )
    schema = read_json(folder, RESULTS, dict).get("schema")
    if schema != SCHEMA:
        raise YisangError(
            f"{folder.address}/{RESULTS} was written with schema {schema}, and this yisang reads {SCHEMA}. Evaluate into another "
            "folder with the same --answers: nothing is asked again."
        )
    return read_json(folder, RESULTS, Results)
