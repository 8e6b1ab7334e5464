"""The books tell when a record is missing, whoever took it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from recipes_for_tests.helpers import Given, Texts, check_balance, here, prompt, recipe, run_here

from yisang.errors import YisangError
from yisang.filters.quota import HashOrder, Quota, category
from yisang.pipelines.books import Books, BooksError, make_books
from yisang.pipelines.boundary import Boundary, Manifest
from yisang.pipelines.compile import Plan, compile_recipe
from yisang.pipelines.execution import Job
from yisang.pipelines.phases import Setting
from yisang.pipelines.report import books_text
from yisang.pipelines.steps import Each, Group
from yisang.records import Dead, Drop, Licence, Prompt, child_id
from yisang.sources.base import PassedOver

B = Licence(id="KOGL-2", letter="B", evidence="page")


def number(record: Prompt) -> int:
    return int(record.text.rsplit("-")[-1])


def seventh(record: Prompt) -> Prompt | Drop:
    return record if number(record) % 7 else Drop("seventh", {"number": number(record)})


def thirteenth(record: Prompt) -> Prompt:
    if number(record) % 13 == 0:
        raise ValueError("thirteen")
    return record


def twice(record: Prompt) -> list[Prompt]:
    return [msgspec.structs.replace(record, id=child_id(record.id, n)) for n in range(2)]


def first_ten(records: Any) -> Any:
    for rank, record in enumerate(records):
        yield Drop("late", record=record) if rank > 9 else record


STEPS = (
    Each(seventh),
    Each(thirteenth, keep=True),
    Each(twice),
    Group(lambda r: r.category, first_ten, name="first_ten"),
)


class Run:
    """A finished run that a test may spoil."""

    def __init__(self, out: Path):
        self.plan: Plan = compile_recipe(recipe(Texts(60, 2), *STEPS))
        self.job = Job(self.plan, Setting(out=str(out)))
        here(self.job.payload(), len(self.plan.phases))
        self.boundaries = [self.job.boundary(number) for number in range(len(self.plan.phases))]

    def books(self) -> Books:
        return make_books(self.plan, self.boundaries)

    def phase(self, label: str) -> Boundary:
        return next(b for b, phase in zip(self.boundaries, self.plan.phases, strict=True) if phase.label == label)

    def file(self, label: str, role: str) -> Path:
        """A part file of a phase."""
        boundary = self.phase(label)
        manifest = boundary.manifest()
        assert manifest is not None
        return Path(boundary.folder_of(role).path(manifest.parts(role)[0].name))

    def rewrite(self, label: str, change: Callable[[Any], Any]) -> None:
        """Changes a phase's manifest."""
        path = Path(self.phase(label).folder.path("manifest.json"))
        found = msgspec.json.decode(path.read_bytes())
        path.write_bytes(msgspec.json.encode(change(found) or found))
        msgspec.json.decode(path.read_bytes(), type=Manifest)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_the_books_of_a_whole_run(run: Run) -> None:
    books = run.books()
    check_balance(books)
    left = Counter(n % 3 for n in range(60) if n % 7 and n % 13)
    late = {f"c{category}": 4 * count - 10 for category, count in sorted(left.items())}
    assert list(msgspec.to_builtins(books)["steps"]) == [
        line("source", 120, 0, 120, {}, 0, {}, {}),
        line("seventh", 120, 0, 102, {"seventh": 18}, 0, {"c0": 6, "c1": 6, "c2": 6}, {"A": 18}),
        line("thirteenth", 102, 0, 94, {}, 8, {}, {}),
        line("twice", 94, 94, 188, {}, 0, {}, {}),
        line("first_ten", 188, 0, 30, {"late": 158}, 0, late, {"A": 158}),
    ]
    assert (books.kept, books.category, books.licence) == (30, {"c0": 10, "c1": 10, "c2": 10}, {"A": 30})
    (source,) = books.sources
    assert (source.read, source.counted, source.passed_over) == (120, 120, {"blank line": 2})


def line(
    name: str,
    taken: int,
    born: int,
    kept: int,
    dropped: dict[str, int],
    dead: int,
    category: dict[str, int],
    licence: dict[str, int],
) -> dict[str, Any]:
    return {
        "name": name, "in": taken, "born": born, "kept": kept, "dropped": dropped, "dead": dead,
        "dropped_by_category": category, "dropped_by_licence": licence,
    }  # fmt: skip


def test_the_books_are_the_same_after_a_look_from_disk(run: Run) -> None:
    books = run.books()
    assert msgspec.json.decode(msgspec.json.encode(books), type=Books) == books
    assert run.books() == books


@pytest.mark.parametrize(("label", "role"), [("thirteenth", "drops"), ("thirteenth", "dead"), ("first_ten", "drops")])
def test_a_row_that_was_taken_out_of_a_file_is_missed(run: Run, label: str, role: str) -> None:
    path = run.file(label, role)
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    with pytest.raises(YisangError, match=rf"{path.name} has \d+ bytes instead of \d+"):
        run.books()


@pytest.mark.parametrize(("label", "role"), [("thirteenth", "drops"), ("thirteenth", "dead"), ("first_ten", "drops")])
def test_a_row_is_missed_even_where_the_manifest_was_mended(run: Run, label: str, role: str) -> None:
    path = run.file(label, role)
    pq.write_table(pq.read_table(path).slice(1), path)

    def mend(found: Any) -> None:
        for shard in found["shards"]:
            for part in shard["parts"]:
                if part["role"] == role and part["name"] == path.name:
                    part["bytes"] = path.stat().st_size

    run.rewrite(label, mend)
    with pytest.raises(BooksError, match="The books do not balance after step"):
        run.books()


@pytest.mark.parametrize(
    ("label", "role"),
    [
        ("source", "records"),
        ("thirteenth", "records"),
        ("first_ten", "records"),
        ("thirteenth", "drops"),
        ("thirteenth", "dead"),
    ],
)
def test_a_part_that_is_gone_is_missed(run: Run, label: str, role: str) -> None:
    path = run.file(label, role)
    path.unlink()
    with pytest.raises(YisangError, match=rf"{path.name} is missing, though the run's manifest names it"):
        run.books()


def test_a_shard_that_is_there_twice_is_found(run: Run) -> None:
    run.rewrite("thirteenth", lambda found: found["shards"].append(found["shards"][0]))
    with pytest.raises(BooksError, match="The books do not balance after step thirteenth"):
        run.books()


def test_a_shard_that_is_gone_from_the_manifest_is_found(run: Run) -> None:
    run.rewrite("first_ten", lambda found: found["shards"].__delitem__(-1))
    with pytest.raises(BooksError, match="The books do not balance after step first_ten"):
        run.books()


def test_a_copy_of_a_part_is_not_read(run: Run) -> None:
    """Names come from the manifest: what else lies in the folder is nobody's data."""
    before = run.books()
    for label, role in [("first_ten", "records"), ("first_ten", "drops")]:
        path = run.file(label, role)
        path.with_name(f"shard-00099{path.name[11:]}").write_bytes(path.read_bytes())
    assert run.books() == before


def test_a_run_that_is_not_finished_has_no_books(run: Run) -> None:
    Path(run.phase("first_ten").folder.path("manifest.json")).unlink()
    with pytest.raises(BooksError, match="is not finished, so the run has no books yet"):
        run.books()


@pytest.mark.parametrize(("counted", "given"), [(3, 2), (1, 2)])
def test_a_source_that_reads_short_or_long_is_found_by_name(tmp_path: Path, counted: int, given: int) -> None:
    source = Given(tuple(prompt(str(n)) for n in range(given)), counted, name="encyclopedia")
    with pytest.raises(BooksError, match=rf"Source encyclopedia: .* gave {given} records.* finds {counted}"):
        run_here(recipe(source), tmp_path)


def test_a_broken_shard_may_hold_another_number(tmp_path: Path) -> None:
    source = Given((prompt("1"), Dead("BadGzip", "the file ends early", where="x.gz:77")), 9)
    result = run_here(recipe(source), tmp_path)
    assert result.step("source") == line("source", 2, 0, 1, {}, 1, {}, {})
    assert [(row["where"], row["id"], row["step"]) for row in result.dead] == [("x.gz:77", "", "source")]


def test_a_source_may_not_know_its_number(tmp_path: Path) -> None:
    books = run_here(recipe((Given((prompt("1"),), None, "a"), Given((prompt("2"),), 1, "b"))), tmp_path).books
    assert [(source.name, source.read, source.counted) for source in books.sources] == [("a", 1, None), ("b", 1, 1)]


def test_what_was_no_record_is_told(tmp_path: Path) -> None:
    items = (prompt("1"), PassedOver("image", 3), Drop("robots", record=prompt("2")), PassedOver("image", 1))
    result = run_here(recipe(Given(items, 2)), tmp_path)
    assert result.books.sources[0].passed_over == {"image": 4}
    assert result.step("source")["dropped"] == {"robots": 1}
    assert result.texts == ["1"]


def test_kept_and_dropped_are_told_by_category_and_licence(tmp_path: Path) -> None:
    items = (prompt("1", category="law"), prompt("2", category="law", licence=B), prompt("3", licence=B), prompt("4-7"))
    result = run_here(
        recipe(Given(items), Each(lambda r: Drop("b") if r.licence.letter == "B" else r, name="letter")), tmp_path
    )
    assert (result.books.category, result.books.licence) == ({"": 1, "law": 1}, {"A": 2})
    assert result.step("letter") == line("letter", 4, 0, 2, {"b": 2}, 0, {"": 1, "law": 1}, {"B": 2})


@pytest.mark.parametrize("items", [(), (Drop("robots", record=prompt("1")),), (prompt("1"),)])
def test_a_run_that_keeps_nothing_has_books(tmp_path: Path, items: tuple[Any, ...]) -> None:
    result = run_here(
        recipe(Given(items), Each(lambda r: Drop("no"), name="no"), Group(lambda r: "k", first_ten)), tmp_path
    )
    assert result.books.kept == 0
    assert result.step("source")["in"] == len(items)


def test_a_recipe_without_steps_is_its_source(tmp_path: Path) -> None:
    assert run_here(recipe(Texts(3)), tmp_path).books.kept == 3


def unwritable_evidence(record: Prompt) -> Drop:
    return Drop("odd", {"share": object()})


def broken_evidence(record: Prompt) -> Drop:
    return Drop("odd", {"text": "\ud800"})


def number_for_reason(record: Prompt) -> Drop:
    return Drop(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("fn", [unwritable_evidence, broken_evidence, number_for_reason])
def test_a_drop_that_cannot_be_stored_names_its_step(tmp_path: Path, fn: Callable[[Prompt], Drop]) -> None:
    try:
        result = run_here(recipe(Given((prompt("1"),)), Each(fn, name="guilty")), tmp_path)
    except YisangError as error:
        assert "guilty" in str(error)
    else:
        assert [row["step"] for row in [*result.drops, *result.dead]] == ["guilty"]


def test_a_source_that_yields_no_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(YisangError, match="encyclopedia"):
        run_here(recipe(Given(({"text": "no record"},), name="encyclopedia")), tmp_path)


# What a step says in words


def by_category(given: dict[str, int]) -> Given:
    return Given(tuple(prompt(f"{name} {n}", category=name) for name, count in given.items() for n in range(count)))


def test_a_quota_says_what_it_is_short_of_also_where_there_is_nothing(tmp_path: Path) -> None:
    quota = Group(category, Quota({"Code": 3, "Exams": 2, "Science": 4}), order=HashOrder("books"), name="quota")
    result = run_here(
        recipe(by_category({"Code": 5, "Exams": 2}), Each(even_longer), quota, Each(even_longer)), tmp_path
    )
    assert result.step("quota")["notes"] == (
        "Code 3 of 3",
        "Exams 2 of 2",
        "Science 0 of 4, 4 short",
        "5 of 9 wanted, 4 short",
    )
    assert [step["name"] for step in msgspec.to_builtins(result.books)["steps"] if "notes" in step] == ["quota"]
    assert "quota: Science 0 of 4, 4 short" in books_text(result.books).splitlines()


def even_longer(record: Prompt) -> Prompt:
    return msgspec.structs.replace(record, text=record.text + "!")


def test_a_quota_of_nothing_at_all_is_short_of_all(tmp_path: Path) -> None:
    result = run_here(recipe(Given(()), Group(category, Quota({"Code": 3}), name="quota")), tmp_path)
    assert result.step("quota")["notes"][0] == "Code 0 of 3, 3 short"


def test_books_without_such_words_are_read_and_have_none(tmp_path: Path) -> None:
    books = run_here(recipe(Texts(3), Each(even_longer)), tmp_path).books
    stored = msgspec.json.encode(books)
    assert b"notes" not in stored
    assert msgspec.json.decode(stored, type=Books) == books
