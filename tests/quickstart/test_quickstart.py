"""The quickstart as a newcomer runs it: one command, from web pages to a data set that `datasets` reads.

Here with the scripted teacher, which takes seconds; what the models do is in test_student.py.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from yisang.quickstart.web import planted
from yisang.tasks.verify import verify_response
from yisang.tasks.wording import recognise

PLANTED = planted()


def yisang(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "yisang", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


SCRIPTED = ("quickstart", "--teacher", "scripted", "--no-student")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quickstart")
    done = yisang(folder, *SCRIPTED)
    assert done.returncode == 0, done.stderr
    (folder / "printed").write_text(done.stdout)
    return folder


@pytest.fixture(scope="module")
def drops(folder: Path) -> list[dict[str, Any]]:
    lines = yisang(folder, "show", "out/quickstart", "--drops", "1000", "--json").stdout.splitlines()
    return [json.loads(line) for line in lines]


def urls(drops: list[dict[str, Any]], reason: str) -> set[str]:
    return {row["record"]["url"] for row in drops if row["reason"] == reason}


def test_it_says_who_its_teacher_is_and_prints_the_funnel(folder: Path) -> None:
    printed = (folder / "printed").read_text()
    assert "`scripted`, a solver of worded tasks and no model" in printed
    for step in ("source", "licence_letter", "near_duplicates", "teach", "to_example"):
        assert f"\n{step}" in printed


@pytest.mark.parametrize(
    ("reason", "case"),
    [("too_short", "too_short"), ("too_long", "too_long")],
)
def test_what_was_planted_leaves_for_its_reason(drops: list[dict[str, Any]], reason: str, case: str) -> None:
    licensed = {url for url in PLANTED[case] if url not in urls(drops, "licence_B") | urls(drops, "licence_C")}
    assert licensed
    assert urls(drops, reason) == licensed


def test_what_is_no_page_is_told_by_its_verdict(folder: Path) -> None:
    books = json.loads((folder / "out/quickstart/books.json").read_text())
    (source,) = books["sources"]
    verdicts = {"http_404": "not_found", "not_html": "not_html", "robots": "disallowed"}
    assert source["passed_over"] == {verdict: len(PLANTED[case]) for verdict, case in verdicts.items()}


def test_pages_in_english_and_copies_leave(drops: list[dict[str, Any]]) -> None:
    gone = urls(drops, "licence_B") | urls(drops, "licence_C")
    assert urls(drops, "target_share_low") == set(PLANTED["english"]) - gone
    # Of an original and its copy one stays, whichever the order prefers.
    assert len(urls(drops, "exact_duplicate")) == len(set(PLANTED["exact_duplicate"]) - gone)
    assert len(urls(drops, "near_duplicate")) >= 8


def test_no_page_of_unknown_licence_gets_past_the_licence_step(drops: list[dict[str, Any]]) -> None:
    assert set(PLANTED["no_licence"]) <= urls(drops, "licence_C")


def test_every_row_is_a_task_solved_right_in_every_step(folder: Path, drops: list[dict[str, Any]]) -> None:
    printed = (folder / "printed").read_text()
    asked, verified, kept = map(
        int, re.findall(r"of (\d+) tasks.*?, (\d+) answers.*?, and (\d+) of them", printed, re.S)[0]
    )
    rows = published(folder)
    assert 500 < kept == len(rows) <= verified < asked
    for row in rows:
        task = recognise(row["prompt"], ("ko",))
        assert task is not None
        assert verify_response(task.graph, row["response"], "ko", task.context).verified
    for row in drops:
        if row["reason"] == "no_task":
            assert recognise(row["record"]["text"], ("ko",)) is None
        if row["reason"] == "process_flawed":
            task = recognise(row["record"]["prompt"]["text"], ("ko",))
            assert task is not None
            assert not verify_response(task.graph, row["record"]["text"], "ko", task.context).verified
    reasons = Counter(row["reason"] for row in drops)
    assert min(reasons["no_task"], reasons["process_flawed"]) >= 20
    # What it says to look at next can be run.
    commands = [line.strip() for line in printed.partition("Next:")[2].splitlines() if "yisang show" in line]
    shown = [
        subprocess.run(command.split(), cwd=folder, capture_output=True, text=True, check=True) for command in commands
    ]
    assert [len(done.stdout.splitlines()) for done in shown] == [5, 5]


def published(folder: Path) -> list[dict[str, Any]]:
    """Question and raw answer of each row of the data set."""
    import pyarrow.parquet as pq

    (path,) = (folder / "out/quickstart/published/full").glob("*.parquet")
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def test_datasets_reads_the_published_views(folder: Path) -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "cache")}
    code = (
        "from datasets import load_dataset\n"
        "for view in ('messages', 'instruction', 'full'):\n"
        "    rows = load_dataset('out/quickstart/published', view)['train']\n"
        "    print(view, rows.num_rows, ' '.join(rows.column_names))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    kept = json.loads(yisang(folder, "show", "out/quickstart", "--json").stdout)["totals"]["kept"]
    lines = [line.split(" ", 2) for line in done.stdout.splitlines()]
    assert [(view, int(rows)) for view, rows, _ in lines] == [(v, kept) for v in ("messages", "instruction", "full")]
    assert {"licence_letter", "measure_think_target_share", "url"} <= set(lines[2][2].split())


def test_the_published_rows_are_all_redistributable(folder: Path) -> None:
    import pyarrow.parquet as pq

    (path,) = (folder / "out/quickstart/published/full").glob("*.parquet")
    assert set(pq.read_table(path).column("licence_letter").to_pylist()) == {"A"}


def test_a_second_quickstart_fetches_and_asks_nothing_again(folder: Path) -> None:
    before = (folder / "out/quickstart/books.json").read_bytes()
    done = yisang(folder, *SCRIPTED)
    assert done.returncode == 0, done.stderr
    assert "Everything was crawled before" in done.stderr
    assert "Everything is done already" in done.stderr
    assert (folder / "out/quickstart/books.json").read_bytes() == before


def test_pages_of_another_web_are_crawled_again_and_beam_makes_the_same_corpus_of_them(
    folder: Path, tmp_path: Path
) -> None:
    """Another web's are those of an older release: its mark is another one."""
    (tmp_path / "out" / "quickstart-web" / "dapbang.example").mkdir(parents=True)
    (tmp_path / "out" / "quickstart-web" / "web.sha256").write_text("of another web")
    done = yisang(tmp_path, *SCRIPTED, "--on", "beam", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "was crawled before" not in done.stderr
    shown = [yisang(where, "show", "out/quickstart", "--json").stdout for where in (folder, tmp_path)]
    assert shown[0] == shown[1]


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out" / "quickstart-web").mkdir(parents=True)
    (tmp_path / "out" / "quickstart-web" / "thesis.tex").write_text("three years of work")
    done = yisang(tmp_path, *SCRIPTED)
    assert (done.returncode, "holds something else" in done.stderr) == (2, True)
    assert (tmp_path / "out" / "quickstart-web" / "thesis.tex").read_text() == "three years of work"
