"""The data card says against what a corpus was decontaminated and what that removed; no number of it is typed by anybody."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from recipes_for_tests.helpers import run_of

sys.path.insert(0, str(Path(__file__).parent / "stages"))
from planted import benchmark, plants, prompt, trace

from yisang.errors import YisangError
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.curate import ToExample
from yisang.pipelines.publish import publish
from yisang.pipelines.report import rejected
from yisang.pipelines.run import open_run, read_books
from yisang.pipelines.stages.benchmarks import Question, Questions
from yisang.pipelines.stages.decontaminate import Decontaminate
from yisang.pipelines.steps import Each
from yisang.records import Trace

ITEMS = 12
HELD, OTHER = (
    benchmark(ITEMS, "kmmlu-like"),
    Questions("other | one", (Question("o", "아무도 묻지 않은 물음이 여기 하나 있다"),)),
)


def traces() -> tuple[Trace, ...]:
    """Planted prompts with an answer, and planted traces."""
    made = []
    for plant in plants(ITEMS):
        record = plant.record
        asked = record if not isinstance(record, Trace) else record.prompt
        think = record.text if isinstance(record, Trace) else "생각해 본다"
        made.append(msgspec.structs.replace(trace(asked, think), think=think, answer="끝"))
    return tuple({record.id: record for record in made}.values())


def steps(*more: Decontaminate) -> tuple[Each | Decontaminate, ...]:
    own = Decontaminate((HELD, OTHER), n=12, passes=("segmented", "whole"), stop_items=7, name="clean")
    return (own, *more, Each(ToExample()))


def section(folder: Path) -> str:
    (found,) = re.findall(
        r"^## Decontamination\n\n(.*?)(?=\n## |\Z)", (folder / "README.md").read_text(), re.DOTALL | re.M
    )
    return str(found)


def lines(text: str) -> dict[str, list[str]]:
    """A table's lines by their first cell."""
    cells = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines() if line[:1] == "|"
    ]
    return {first: rest for first, *rest in cells}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    return run_of(tmp_path_factory.mktemp("runs"), "run", *steps(), items=traces())


def test_the_card_counts_what_each_benchmark_removed(run: str, tmp_path: Path) -> None:
    publish(run, to=str(tmp_path / "out"))
    text = section(tmp_path / "out")
    evidence = [row["evidence"] for row in rejected(run, "drops", 10_000, private=True)]
    named = Counter(name for found in evidence for name in found["benchmarks"])
    (step,) = (step for step in read_books(open_run(run)[0]).steps if step.name == "clean")
    assert len(evidence) == step.dropped["contaminated"] > ITEMS
    assert f"Step `clean` compared {step.taken:,} records with the benchmarks and removed {len(evidence):,}." in text
    found = lines(text)
    assert list(found) == ["benchmark", "---", "kmmlu-like", r"other \| one"]
    assert found["benchmark"] == ["items", "records removed", "by the pass segmented", "by the pass whole"]
    items, removed, segmented, whole = map(int, found["kmmlu-like"])
    assert (items, removed) == (len(HELD.items), named["kmmlu-like"])
    first = Counter(found["pass"] for found in evidence)
    assert segmented == first["segmented"]  # the evidence names the first pass that finds something
    assert segmented < removed
    assert whole > first["whole"]
    assert found[r"other \| one"] == ["1", "0", "0", "0"]
    for words in ("language=ko, analyser=words, n=12, raw_n=13", "whole_min=32", "stop_prompts=100, stop_items=7"):
        assert words in text


def test_a_corpus_that_was_compared_with_nothing_says_so(tmp_path: Path) -> None:
    clean = run_of(tmp_path, "run", Each(ToExample()), items=traces())
    publish(clean, to=str(tmp_path / "out"))
    text = section(tmp_path / "out")
    assert text.startswith("This corpus was not decontaminated")
    assert "|" not in text


def test_two_steps_are_told_apart(tmp_path: Path) -> None:
    late = Decontaminate((benchmark(3, "late"),), passes=("raw",), raw_n=11, name="again")
    both = run_of(tmp_path, "run", *steps(late), items=traces())
    publish(both, to=str(tmp_path / "out"))
    first, second = section(tmp_path / "out").split("Step `again`")
    assert "raw_n=11" in second
    assert "raw_n=13" in first
    assert list(lines(second)) == ["benchmark", "---", "late"]
    assert list(lines(first))[2:] == ["kmmlu-like", r"other \| one"]


def test_questions_for_rl_say_it_too(tmp_path: Path) -> None:
    asked = tuple(
        prompt(f"sum {number}", f"{number} + 5 = ?", kind="math", gold=str(number + 5)) for number in range(4)
    )
    for name, given, words in (
        (
            "with",
            (Decontaminate((HELD,), name="clean"),),
            "Step `clean` compared 4 records with the benchmarks and removed 0.",
        ),
        ("without", (), "was not decontaminated"),
    ):
        questions = run_of(tmp_path, name, *given, items=asked)
        publish(questions, purpose="rl", to=str(tmp_path / f"{name}-out"))
        assert words in section(tmp_path / f"{name}-out")


def test_counts_that_are_gone_are_not_guessed(tmp_path: Path) -> None:
    lost = run_of(tmp_path, "run", *steps(), items=traces())
    out, _ = open_run(lost)
    (name,) = (
        phase["name"]
        for phase in json.loads(out.read_bytes("recipe.json"))["phases"]
        if "clean.stopped" in phase["name"]
    )
    boundary = Boundary(out, name)
    manifest = boundary.manifest()
    assert manifest is not None
    described = json.loads(boundary.folder.read_bytes("manifest.json"))
    for shard in described["shards"]:
        shard["parts"] = [part for part in shard["parts"] if part["role"] != "removed"]
    boundary.folder.write_bytes("manifest.json", json.dumps(described).encode())
    with pytest.raises(YisangError, match="step clean has not left what each benchmark removed"):
        publish(lost, to=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
