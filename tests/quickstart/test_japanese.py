"""Another language from end to end: the Japanese quickstart, and the project that `yisang init ja` writes, on its pages."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from yisang.filters.licence import Registry
from yisang.pipelines.report import books_json
from yisang.pipelines.run import open_run, read_books
from yisang.quickstart.web import WEBS, planted
from yisang.tasks.verify import verify_response
from yisang.tasks.wording import recognise

PLANTED = planted("ja")


def yisang(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "yisang", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the quickstart has run in Japanese, as somebody who knows nothing but the language would start it."""
    folder = tmp_path_factory.mktemp("japanese")
    done = yisang(folder, "quickstart", "--language", "ja")
    assert done.returncode == 0, done.stderr
    (folder / "said").write_text(done.stderr, "utf-8")
    (folder / "printed").write_text(done.stdout, "utf-8")
    return folder


def steps_of(run: Path) -> dict[str, dict[str, Any]]:
    out, _ = open_run(str(run))
    return {step["name"]: step for step in books_json(read_books(out))["steps"]}


def rows_of(run: Path) -> list[dict[str, Any]]:
    (path,) = (run / "published/full").glob("*.parquet")
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


@pytest.fixture(scope="module")
def drops(folder: Path) -> list[dict[str, Any]]:
    lines = yisang(folder, "show", "out/quickstart-ja", "--drops", "1000", "--json").stdout.splitlines()
    return [json.loads(line) for line in lines]


def urls(drops: list[dict[str, Any]], reason: str) -> set[str]:
    return {row["record"]["url"] for row in drops if row["reason"] == reason}


def test_it_says_that_no_model_that_ships_knows_the_language(folder: Path) -> None:
    assert "The models that ship know no Japanese: `scripted`, which is no model, teaches" in (
        folder / "said"
    ).read_text("utf-8")
    assert not (folder / "out" / "quickstart-ja-student").exists()


def test_the_plan_that_it_names_finds_everything_stored(folder: Path) -> None:
    (line,) = [line for line in (folder / "printed").read_text("utf-8").splitlines() if " plan quickstart " in line]
    done = yisang(folder, *line.split()[1:])
    assert done.returncode == 0, done.stderr
    assert "[done]" in done.stdout
    assert "[to do]" not in done.stdout


def test_its_books_balance_and_rows_are_kept(folder: Path) -> None:
    steps = steps_of(folder / "out" / "quickstart-ja")
    for step in steps.values():
        assert step["in"] + step["born"] == step["kept"] + sum(step["dropped"].values()) + step["dead"], step
    assert steps["worded_tasks"]["kept"] == 300
    assert len(rows_of(folder / "out" / "quickstart-ja")) == steps["to_example"]["kept"] > 200


def test_what_was_planted_leaves_for_its_reason(folder: Path, drops: list[dict[str, Any]]) -> None:
    closed = urls(drops, "licence_B") | urls(drops, "licence_C")
    registry = Registry(WEBS / "ja" / "sites.toml")
    assert {url.split("/")[2] for url in urls(drops, "licence_B")} == {
        host for host, site in registry.sites.items() if site.licence.letter == "B"
    }
    assert set(PLANTED["no_licence"]) <= urls(drops, "licence_C")
    reasons = {
        "too_short": "too_short",
        "too_long": "too_long",
        "target_share_low": "english",
    }
    for reason, case in reasons.items():
        assert urls(drops, reason) == set(PLANTED[case]) - closed, reason
    books = json.loads((folder / "out/quickstart-ja/books.json").read_text("utf-8"))
    verdicts = {"http_404": "not_found", "not_html": "not_html", "robots": "disallowed"}
    assert books["sources"][0]["passed_over"] == {verdict: len(PLANTED[case]) for verdict, case in verdicts.items()}
    # Of an original and its copy one stays, whichever the order prefers.
    assert len(urls(drops, "exact_duplicate")) == len(set(PLANTED["exact_duplicate"]) - closed)
    assert len(urls(drops, "near_duplicate")) == len(set(PLANTED["near_duplicate"]) - closed)


def test_every_row_is_a_task_solved_right_with_english_thoughts_and_a_japanese_answer(folder: Path) -> None:
    for row in rows_of(folder / "out" / "quickstart-ja"):
        task = recognise(row["prompt"], ("ja",))
        assert task is not None
        assert verify_response(task.graph, row["response"], "ja", task.context).verified
        assert 0.05 <= row["measure_think_target_share"] <= 0.20
        assert row["licence_letter"] == "A"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--teacher", "mini"), "mini has not learnt Japanese; it knows ko and en"),
        (("--student",), "mini-base has not learnt Japanese"),
        (("--language", "vi"), "No miniature web ships for the language 'vi'; there is one for ja, ko"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = yisang(tmp_path, "quickstart", "--language", "ja", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_project_of_init_makes_a_corpus_of_the_same_pages(folder: Path) -> None:
    """`yisang init ja`, then the two commands that it names, with the language file of the project."""
    done = yisang(folder, "init", "ja")
    assert done.returncode == 0, done.stderr
    named = [line.split() for line in done.stdout.splitlines() if line.startswith(("  yisang plan", "  yisang run"))]
    assert [words[1] for words in named] == ["plan", "run"]
    for words in named:
        done = yisang(folder, *words[1:])
        assert done.returncode == 0, done.stderr
    steps = steps_of(folder / "out" / "ja")
    for step in steps.values():
        assert step["in"] + step["born"] == step["kept"] + sum(step["dropped"].values()) + step["dead"], step
    # Here B may train, so its pages stay until they are published.
    assert Counter(steps["licence"]["dropped"]) == {"licence_C": 14}
    assert steps["examples"]["kept"] > 200
    # Scripted knows the worded tasks in the posts, and says so of the rest.
    assert steps["by_finish"]["dropped"]["finish_declined"] > 20
    rows = yisang(folder, "publish", "out/ja", "--to", "out/corpus")
    assert rows.returncode == 0, rows.stderr
