"""The same recipe gives the same records, drops and books on every engine, whole or as parts of foreign pipelines."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from recipes_for_tests.helpers import (
    HERE,
    ROOT,
    Given,
    Ledger,
    check_balance,
    kept_records,
    left_behind,
    prompt,
    recipe,
    run_command,
    run_here,
)

from yisang.pipelines.books import Books
from yisang.pipelines.chain import run_chain
from yisang.pipelines.identity import digest, identity
from yisang.pipelines.run import read_books
from yisang.pipelines.steps import Batch, Each
from yisang.records import Drop, Page, Prompt, Record
from yisang.storage import Folder

RECIPE = HERE / "everything.py"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe on the smallest engine there is: one shard after the other."""
    out = tmp_path_factory.mktemp("reference") / "run"
    code, said = run_command(RECIPE, out, "here")
    assert code == 0, said
    return out


def books(out: Path) -> Books:
    return read_books(Folder(str(out)))


def test_the_recipe_exercises_every_kind_of_line(reference: Path) -> None:
    found = books(reference)
    check_balance(found)
    lines = {step.name: step for step in found.steps}
    assert {name: dict(step.dropped) for name, step in lines.items() if step.dropped} == {
        "seventh": {"seventh": 174},
        "rank": {"eleventh": 96},
        "first_eighty": {"late": lines["first_eighty"].taken - 800},
        "not_the_first": {"first": 2, "no_key": lines["not_the_first"].dropped["no_key"]},
    }
    assert lines["questions"].born == 600
    assert lines["pairs"].born < 0
    assert lines["thirteenth"].dead > 0
    assert found.sources[0].passed_over == {"image": 6}
    assert set(found.licence) == {"A", "B"}


@pytest.mark.parametrize(
    ("on", "workers"),
    [("local", 1), ("local", 2), ("local", 4), ("beam", 1), ("beam", 2)],
    ids=lambda value: str(value),
)
def test_every_engine_gives_the_same(tmp_path: Path, reference: Path, on: str, workers: int) -> None:
    out = tmp_path / "run"
    code, said = run_command(RECIPE, out, on, workers)
    assert code == 0, said
    assert (out / "books.json").read_bytes() == (reference / "books.json").read_bytes()
    assert kept_records(out) == kept_records(reference)
    assert left_behind(out) == left_behind(reference)


def test_a_difference_of_one_record_would_be_seen(tmp_path: Path, reference: Path) -> None:
    twin = tmp_path / "everything.py"
    twin.write_text(RECIPE.read_text().replace("rank < 80", "rank < 79"))
    assert run_command(twin, tmp_path / "run", "here")[0] == 0
    assert kept_records(tmp_path / "run") != kept_records(reference)
    assert left_behind(tmp_path / "run") != left_behind(reference)


# datatrove's blocks in a recipe

SENTENCES = ["a short one", "a longer one, with a comma", "한국어 문장 하나", "", "the end"]


def longer(document: Any) -> bool:
    return len(document.text) > 8


def test_a_datatrove_filter_stands_in_a_recipe(tmp_path: Path) -> None:
    from datatrove.pipeline.filters import LambdaFilter
    from datatrove.pipeline.formatters import PIIFormatter

    from yisang.pipelines.runners.datatrove import FromDatatrove

    records = [prompt(f"{n}", text=text) for n, text in enumerate([*SENTENCES, "write to me@mail-of-mine.org please"])]
    steps = (Each(FromDatatrove(LambdaFilter(longer)), name="longer"), Each(FromDatatrove(PIIFormatter()), name="pii"))
    result = run_here(recipe(Given(tuple(records)), *steps), tmp_path)
    assert [row["id"] for row in result.drops] == ["3", "4"]
    assert result.step("longer")["kept"] == 4
    assert [record.id for record in result.kept] == ["0", "1", "2", "5"]
    assert "me@mail-of-mine.org" not in result.texts[3]
    assert result.texts[:3] == SENTENCES[:3]


def test_a_datatrove_filter_tells_its_reason() -> None:
    from datatrove.pipeline.filters.base_filter import BaseFilter

    from yisang.pipelines.runners.datatrove import FromDatatrove

    class ShortFilter(BaseFilter):  # type: ignore[misc]
        name = "short"

        def filter(self, doc: Any) -> Any:
            return len(doc.text) > 8 or (False, "too_short")

    assert FromDatatrove(ShortFilter())(prompt("p", text="long enough")) == prompt("p", text="long enough")
    outcome = FromDatatrove(ShortFilter())(prompt("p", text="short"))
    assert isinstance(outcome, Drop)
    assert outcome.reason == "too_short"


def test_a_datatrove_block_is_the_same_block_in_the_next_run() -> None:
    code = (
        "from datatrove.pipeline.filters import LambdaFilter\n"
        "from yisang.pipelines.identity import digest, identity\n"
        "from yisang.pipelines.runners.datatrove import FromDatatrove\n"
        "from recipes_for_tests.everything import {fn}\n"
        "print(digest(identity(FromDatatrove(LambdaFilter({fn})), 'step')))\n"
    )

    def found(fn: str) -> str:
        path = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(HERE.parent)!r}]\n"
        done = subprocess.run(
            [sys.executable, "-c", path + code.format(fn=fn)], capture_output=True, text=True, check=True
        )
        return done.stdout

    first = found("seventh")
    assert found("seventh") == first
    assert found("half") != first


def test_a_datatrove_block_is_told_apart_by_its_settings() -> None:
    from datatrove.pipeline.filters import GopherQualityFilter

    from yisang.pipelines.runners.datatrove import FromDatatrove

    def of(least: int) -> str:
        return digest(identity(FromDatatrove(GopherQualityFilter(min_doc_words=least)), "step"))

    assert of(5) == of(5)
    assert of(5) != of(6)


def keep_long(record: Prompt) -> Prompt | Drop:
    return record if len(record.text) > 8 else Drop("short")


def count_letters(record: Prompt) -> dict[str, Any]:
    return {"letters": len(record.text)}


def test_our_functions_stand_in_a_datatrove_pipeline() -> None:
    from datatrove.data import Document

    from yisang.pipelines.runners.datatrove import ToDatatrove

    def documents() -> Iterator[Document]:
        for n, text in enumerate(SENTENCES):
            yield Document(text=text, id=str(n), metadata={"kept": n, "list": [1]})

    ours, ledger = ToDatatrove(keep_long, "en"), Ledger()
    passed = list(ToDatatrove(count_letters).run(ours.run(documents())))
    kept = list(run_chain([prompt(str(n), text=t) for n, t in enumerate(SENTENCES)], (Each(keep_long),), ledger))
    assert [document.id for document in passed] == [record.id for record in kept] == ["0", "1", "2"]
    assert [document.metadata["letters"] for document in passed] == [len(text) for text in SENTENCES[:3]]
    assert all(document.metadata["list"] == [1] for document in passed)
    assert ours.stats.stats["dropped_short"].total == len(ledger.drops) == 2


def test_a_datatrove_pipeline_runs_our_function(tmp_path: Path) -> None:
    from datatrove.data import Document
    from datatrove.executor.local import LocalPipelineExecutor
    from datatrove.pipeline.writers import JsonlWriter

    from yisang.pipelines.runners.datatrove import ToDatatrove

    documents = [Document(text=text, id=str(n)) for n, text in enumerate(SENTENCES)]
    pipeline = [documents, ToDatatrove(keep_long, "en"), JsonlWriter(str(tmp_path / "out"), compression=None)]
    LocalPipelineExecutor(pipeline, logging_dir=str(tmp_path / "logs")).run()
    lines = [line for path in (tmp_path / "out").iterdir() for line in path.read_text().splitlines()]
    assert len(lines) == 3


# Our steps in a Beam pipeline


def fails_on_the_end(record: Prompt) -> Prompt:
    if record.text == "the end":
        raise ValueError("the end")
    return record


def in_batches(records: list[Record]) -> list[Any]:
    return [{"batch": len(records)} for _ in records]


def test_our_steps_are_a_beam_transform() -> None:
    import apache_beam as beam
    from apache_beam.testing.test_pipeline import TestPipeline
    from apache_beam.testing.util import assert_that, equal_to

    from yisang.pipelines.runners.beam import Apply

    records: list[Record] = [prompt(str(n), text=text) for n, text in enumerate([*SENTENCES, "the end"])]
    steps = (Each(fails_on_the_end, name="fails"), Each(keep_long, name="long"), Each(count_letters, on=Prompt))
    ledger = Ledger()
    kept = list(run_chain(records, steps, ledger))
    with TestPipeline(runner="FnApiRunner") as pipeline:
        results = pipeline | beam.Create([*records, Page(id="page", url="u")]) | Apply(steps[2:])
        assert_that(results.kept | beam.Map(lambda r: (r.id, r.measures.get("letters"))), equal_to(
            [*((str(n), len(text)) for n, text in enumerate([*SENTENCES, "the end"])), ("page", None)]
        ))  # fmt: skip
        parts = pipeline | "Again" >> beam.Create(records) | "All" >> Apply(steps)
        assert_that(parts.kept, equal_to(kept), label="kept")
        drops = parts.drops | beam.Map(lambda item: (item[0], item[1].id, item[2].reason))
        assert_that(drops, equal_to(ledger.drops), label="drops")
        dead = parts.dead | "Dead" >> beam.Map(lambda item: (item[0], item[1].id, item[2].message))
        assert_that(
            dead, equal_to([(step, record, letter.message) for step, record, letter in ledger.deaths]), label="dead"
        )


def test_a_batch_in_a_beam_transform_sees_its_bundle() -> None:
    import apache_beam as beam
    from apache_beam.testing.test_pipeline import TestPipeline
    from apache_beam.testing.util import assert_that

    from yisang.pipelines.runners.beam import Apply

    def some_batch_holds_several(sizes: list[int]) -> None:
        assert len(sizes) == 50
        assert max(sizes) > 1

    with TestPipeline(runner="FnApiRunner") as pipeline:
        results = pipeline | beam.Create([prompt(str(n)) for n in range(50)]) | Apply((Batch(in_batches, 10),))
        assert_that(results.kept | beam.Map(lambda r: r.measures["batch"]), some_batch_holds_several)
