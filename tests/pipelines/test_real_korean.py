"""The main recipe on real data: the same corpus on every engine and with any number of workers."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from yisang.pipelines.boundary import Boundary
from yisang.pipelines.run import open_run

RECIPE = Path(__file__).parents[1] / "recipes" / "real_korean.py"
ENGINES = (("local", 1), ("local", 4), ("beam", 2))
"""One process, four of them, and beam in its multi-processing mode. Two local workers, and beam in one process, do the small
recipe of test_runners.py, which has a step of every kind."""


def data_folder() -> Path:
    spec = importlib.util.spec_from_file_location("real_korean", RECIPE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Path = module.data_folder()
    return found


pytestmark = pytest.mark.skipif(
    not data_folder().is_dir(), reason=f"no sample data at {data_folder()}; set YISANG_SHARED_DATA to its folder"
)


def yisang(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "YISANG_SHARED_DATA": str(data_folder().resolve())}
    return subprocess.run(
        [sys.executable, "-m", "yisang", *arguments], capture_output=True, text=True, env=environment, check=False
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Path]:
    folder = tmp_path_factory.mktemp("real_korean")
    found = {}
    for engine, workers in ENGINES:
        out = folder / f"{engine}-{workers}"
        done = yisang(
            "run", str(RECIPE), "--out", str(out), "--on", engine, "--workers", str(workers),
            "--answers", str(folder / f"answers-{engine}-{workers}"),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        found[engine, workers] = out
    return found


def kept_ids(out: Path) -> set[str]:
    folder, manifest = open_run(str(out))
    return {record.id for record in Boundary(folder, manifest.sink).all_records()}


def test_every_engine_and_number_of_workers_gives_the_same_books_and_records(
    runs: dict[tuple[str, int], Path],
) -> None:
    shown = {engine: yisang("show", str(out), "--json").stdout for engine, out in runs.items()}
    assert len(set(shown.values())) == 1
    kept = {engine: kept_ids(out) for engine, out in runs.items()}
    assert all(ids == kept["local", 1] for ids in kept.values())
    assert len(kept["local", 1]) == json.loads(shown["local", 1])["totals"]["kept"]


@pytest.fixture(scope="module")
def books(runs: dict[tuple[str, int], Path]) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(yisang("show", str(runs["local", 1]), "--json").stdout)
    return shown


def test_thirty_thousand_records_come_in_and_more_than_2500_are_kept(books: dict[str, Any]) -> None:
    steps = {step["name"]: step for step in books["steps"]}
    assert steps["source"]["in"] >= 30_000
    assert books["totals"]["kept"] >= 2_500


def test_the_books_balance_at_every_step(books: dict[str, Any]) -> None:
    flowing = books["steps"][0]["in"]
    for step in books["steps"]:
        assert step["in"] == flowing, step["name"]
        flowing = step["kept"]
        assert step["in"] + step["born"] == step["kept"] + sum(step["dropped"].values()) + step["dead"], step["name"]
    assert flowing == books["totals"]["kept"]


def test_every_source_agrees_with_its_independent_count(books: dict[str, Any]) -> None:
    counted = {source["name"]: (source["read"], source["counted"]) for source in books["sources"]}
    assert counted.pop("warc")[1] is None, "the archives that are broken on purpose cannot be counted"
    assert len(counted) == 8
    assert all(read == count for read, count in counted.values()), counted


def test_what_is_broken_in_the_archives_is_a_dead_letter(runs: dict[tuple[str, int], Path]) -> None:
    lines = yisang("show", str(runs["local", 1]), "--dead", "100", "--json").stdout.splitlines()
    places = [json.loads(line)["where"] for line in lines]
    for file in ("bad.arc", "example-space-in-url.arc", "example-trunc.warc", "example-wrong-chunks.warc.gz"):
        assert any(file in place for place in places), file


def test_planted_near_copies_are_found(runs: dict[tuple[str, int], Path], books: dict[str, Any]) -> None:
    planted = next(step["born"] for step in books["steps"] if step["name"] == "plant_copies")
    assert planted > 150
    dropped = [
        json.loads(line)
        for line in yisang("show", str(runs["local", 1]), "--drops", "100000", "--json").stdout.splitlines()
    ]
    near = [row for row in dropped if row["reason"] == "near_duplicate"]
    # A planted copy is longer than its original, so the copy survives and the original goes, or both lose to a third.
    pairs = {frozenset((row["id"], row["evidence"]["survivor"])) for row in near}
    copies = {pair for pair in pairs for member in pair if member.endswith("/9")}
    assert len(copies) >= 0.97 * planted


def test_drops_say_why(runs: dict[tuple[str, int], Path]) -> None:
    rows = [
        json.loads(line)
        for line in yisang("show", str(runs["local", 1]), "--drops", "200", "--json").stdout.splitlines()
    ]
    assert len(rows) == 200
    assert all(row["step"] and row["reason"] and row["evidence"] for row in rows)
