"""A group sees all its records in order, however many there are, and each of them is accounted for."""

from __future__ import annotations

import json
import operator
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recipes_for_tests.helpers import HERE, ROOT, Given, Result, prompt, recipe, run_here

from yisang.errors import YisangError
from yisang.pipelines import boundary, phases
from yisang.pipelines.steps import Group
from yisang.records import Drop, Page, Prompt, child_id, with_measures

Members = Iterator[Any]


def run(out: Path, records: list[Any], *steps: Any) -> Result:
    return run_here(recipe(Given(tuple(records)), *steps), out)


def key(record: Prompt) -> str:
    """The text before the first space."""
    return record.text.split()[0]


def everything(records: Members) -> Members:
    yield from records


def prompts(*names: str) -> list[Prompt]:
    return [prompt(name) for name in names]


def reasons(result: Result) -> dict[str, str]:
    return {row["id"]: row["reason"] for row in result.drops}


def ranked(records: Members) -> Members:
    for number, record in enumerate(records):
        yield with_measures(record, {"rank": number})


def ranks(result: Result) -> dict[str, Any]:
    return {record.id: record.measures["rank"] for record in result.kept}


def test_a_group_gets_its_records_sorted_and_all_of_them(tmp_path: Path) -> None:
    result = run(tmp_path, prompts("b 2", "a 3", "b 1", "a 1", "a 2"), Group(key, ranked))
    assert ranks(result) == {"a 1": 0, "a 2": 1, "a 3": 2, "b 1": 0, "b 2": 1}
    assert not result.drops


def test_a_recipe_may_choose_the_order(tmp_path: Path) -> None:
    records = [prompt("a", gold="2", text="x"), prompt("b", gold="1", text="x"), prompt("c", gold="1", text="x")]
    result = run(tmp_path, records, Group(key, ranked, order=lambda record: record.gold or ""))
    assert ranks(result) == {"b": 0, "c": 1, "a": 2}


@pytest.mark.parametrize(("rows", "size"), [(1, 1 << 40), (3, 1 << 40), (10_000, 700), (10_000, 1)])
def test_groups_larger_than_the_memory_for_sorting_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, size: int
) -> None:
    def rank(records: Members) -> Members:
        for number, record in enumerate(records):
            yield {"kept": record, "late": Drop("late", {"rank": number}, record=record)}[
                "late" if number > 5 else "kept"
            ]

    given_ = prompts(*(f"{number % 3} {number}" for number in range(40)))
    steps = (Group(key, rank), Group(lambda r: r.id[-1], everything))
    small = run(tmp_path / "small", given_, *steps)
    monkeypatch.setattr(boundary, "RUN_ROWS", rows)
    monkeypatch.setattr(boundary, "RUN_BYTES", size)
    monkeypatch.setattr(phases, "MIN_SHARD_ROWS", 7)
    spilled = run(tmp_path / "spilled", given_, *steps)
    runs = len(list((tmp_path / "spilled").glob("01-*/*.run-*.parquet")))
    assert runs > len(list((tmp_path / "small").glob("01-*/*.run-*.parquet")))
    assert spilled.books.steps == small.books.steps
    assert sorted(spilled.texts) == sorted(small.texts)
    assert sorted(map(str, spilled.drops)) == sorted(map(str, small.drops))
    assert small.step("rank")["dropped"] == {"late": 22}


def test_only_the_winner_is_named_and_the_others_are_drops(tmp_path: Path) -> None:
    def best(records: Members) -> Members:
        yield max(records, key=lambda record: record.text)

    result = run(tmp_path, prompts("a 1", "a 3", "a 2", "b 1"), Group(key, best))
    assert sorted(result.texts) == ["a 3", "b 1"]
    assert reasons(result) == {"a 1": "not_selected", "a 2": "not_selected"}
    assert {row["evidence"] for row in result.drops} == {'{"group":"a"}'}
    assert result.step("best") == {
        "name": "best", "in": 4, "born": 0, "kept": 2, "dropped": {"not_selected": 2}, "dead": 0,
        "dropped_by_category": {"": 2}, "dropped_by_licence": {"A": 2},
    }  # fmt: skip


def test_a_group_drops_with_reasons_as_it_goes(tmp_path: Path) -> None:
    def first(records: Members) -> Members:
        for number, record in enumerate(records):
            yield Drop("late", {"rank": number}, record=record) if number else record

    result = run(tmp_path, prompts("a 1", "a 2", "a 3"), Group(key, first))
    assert result.texts == ["a 1"]
    assert [(row["id"], row["evidence"]) for row in result.drops] == [("a 2", '{"rank":1}'), ("a 3", '{"rank":2}')]


def first_two(records: Members) -> Members:
    for number, record in enumerate(records):
        yield record
        if number == 1:
            return


def first_two_through_a_helper(records: Members) -> Members:
    for number, record in enumerate(everything(records)):
        yield record
        if number == 1:
            return


def nothing_at_all(records: Members) -> Members:
    return iter(())


def second_and_third(records: Members) -> Members:
    next(records)
    yield next(records)
    yield next(records)


@pytest.mark.parametrize("stop", [first_two, first_two_through_a_helper, nothing_at_all, second_and_third])
def test_members_that_a_function_never_asked_for_are_drops(tmp_path: Path, stop: Callable[[Members], Members]) -> None:
    result = run(tmp_path, prompts("a 1", "a 2", "a 3", "a 4", "a 5", "b 1"), Group(key, stop))
    every = {"a 1", "a 2", "a 3", "a 4", "a 5", "b 1"}
    assert {row["id"] for row in [*result.drops, *result.dead]} == every - set(result.texts)
    assert len(result.drops) + len(result.dead) + len(result.kept) == 6


def test_a_function_that_closes_its_records_loses_none(tmp_path: Path) -> None:
    def closing(records: Any) -> Members:
        yield next(records)
        records.close()

    result = run(tmp_path, prompts("a 1", "a 2", "a 3"), Group(key, closing))
    assert result.texts == ["a 1"]
    assert set(reasons(result)) == {"a 2", "a 3"}


def test_a_function_that_fails_at_once_costs_its_group_and_no_other(tmp_path: Path) -> None:
    def fail(records: Members) -> Members:
        if key(next(records)) == "a":
            raise ValueError("no")
        return everything(records)

    result = run(tmp_path, prompts("a 1", "a 2", "b 1", "b 2"), Group(key, fail))
    assert result.texts == ["b 2"]
    assert sorted((row["id"], row["error"], row["message"]) for row in result.dead) == [
        ("a 1", "ValueError", "no"),
        ("a 2", "ValueError", "no"),
    ]
    assert reasons(result) == {"b 1": "not_selected"}


def test_a_function_that_fails_half_way_keeps_what_it_had_decided(tmp_path: Path) -> None:
    def fail(records: Members) -> Members:
        yield next(records)
        yield Drop("second", record=next(records))
        next(records)
        raise ValueError("half way")

    result = run(tmp_path, prompts("a 1", "a 2", "a 3", "a 4"), Group(key, fail))
    assert result.texts == ["a 1"]
    assert reasons(result) == {"a 2": "second"}
    assert [row["id"] for row in result.dead] == ["a 3", "a 4"]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (lambda rs: [Drop("who")], "without record="),
        (lambda rs: [Drop("who", record=prompt("stranger"))], "for no open member"),
        (lambda rs: [prompt("stranger")], "'stranger', which is no open member of 'a'"),
        (lambda rs: ["text"], "yielded str"),
        (lambda rs: [None], "yielded NoneType"),
        (lambda rs: 1 / 0, "division by zero"),
        (lambda rs: None, "returned None"),
    ],
)
def test_what_is_no_verdict_is_dead_in_words(tmp_path: Path, bad: Callable[[Members], Any], words: str) -> None:
    result = run(tmp_path, prompts("a 1", "a 2"), Group(key, bad, name="bad"))
    assert sorted(row["id"] for row in result.dead) == ["a 1", "a 2"]
    assert all(words in row["message"] for row in result.dead)
    assert not result.kept


def test_a_member_may_be_settled_once_only(tmp_path: Path) -> None:
    def twice(records: Members) -> Members:
        first = next(records)
        yield first
        yield first

    result = run(tmp_path, prompts("a 1", "a 2"), Group(key, twice))
    assert result.texts == ["a 1"]
    assert [row["id"] for row in result.dead] == ["a 2"]


def test_a_new_record_takes_the_place_of_its_parents(tmp_path: Path) -> None:
    def merge(records: Members) -> Members:
        found = list(records)
        yield prompt(f"{key(found[0])} merged", parents=tuple(record.id for record in found[:2]))

    result = run(tmp_path, prompts("a 1", "a 2", "a 3"), Group(key, merge))
    assert result.texts == ["a merged"]
    assert reasons(result) == {"a 3": "not_selected"}
    assert result.step("merge")["born"] == -1


def test_a_member_may_be_changed(tmp_path: Path) -> None:
    def mark(records: Members) -> Members:
        for record in records:
            yield msgspec.structs.replace(record, measures={"seen": True})

    result = run(tmp_path, prompts("a 1", "a 2"), Group(key, mark))
    assert [record.measures for record in result.kept] == [{"seen": True}] * 2


def test_a_member_may_have_several_children(tmp_path: Path) -> None:
    def split(records: Members) -> Members:
        for record in records:
            yield prompt(child_id(record.id, 0))
            yield prompt(child_id(record.id, 1))

    result = run(tmp_path, prompts("a 1", "a 2"), Group(key, split))
    assert sorted(result.texts) == ["a 1/0", "a 1/1", "a 2/0", "a 2/1"]
    assert result.step("split")["born"] == 2
    assert not result.dead


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (lambda r: None, "key returned NoneType"),
        (lambda r: 5, "key returned int"),
        (lambda r: 1 / 0, "division by zero"),
    ],
)
def test_a_key_that_is_none_is_a_dead_letter(tmp_path: Path, bad: Callable[[Prompt], Any], words: str) -> None:
    result = run(tmp_path, prompts("a", "b"), Group(lambda r: bad(r) if r.id == "a" else "b", everything, name="group"))
    assert result.texts == ["b"]
    ((row),) = result.dead
    assert (row["id"], row["step"]) == ("a", "group")
    assert words in row["message"]


def test_an_order_that_is_none_is_a_dead_letter(tmp_path: Path) -> None:
    result = run(tmp_path, prompts("a"), Group(key, everything, order=lambda r: 5))  # type: ignore[arg-type,return-value]
    assert "order returned int" in result.dead[0]["message"]


def test_a_key_with_half_a_character_is_a_dead_letter(tmp_path: Path) -> None:
    result = run(tmp_path, prompts("a", "b"), Group(lambda r: "\ud800" if r.id == "a" else "b", everything))
    assert result.texts == ["b"]
    assert [row["id"] for row in result.dead] == ["a"]


@pytest.mark.parametrize("odd", ["", " ", "\x00", "/", "'", "가", "\U0010ffff", "x" * 100_000])
def test_any_text_is_a_key(tmp_path: Path, odd: str) -> None:
    result = run(
        tmp_path, prompts("a", "b"), Group(lambda r: odd, lambda rs: [max(rs, key=operator.attrgetter("id"))], name="g")
    )
    assert result.texts == ["b"]
    assert json.loads(result.drops[0]["evidence"]) == {"group": odd}


def test_kinds_meet_in_a_group(tmp_path: Path) -> None:
    def both(records: Members) -> Members:
        found = list(records)
        assert {type(record) for record in found} == {Page, Prompt}
        yield from found

    result = run(tmp_path, [Page(id="1", url="u"), prompt("2"), Page(id="3", url="u")], Group(lambda r: "k", both))
    assert Counter(type(record) for record in result.kept) == {Page: 2, Prompt: 1}
    assert not result.dead


# Equal ids: two pages may hold the same text.

TWINS = [prompt("twin", url="first"), prompt("twin", url="second")]


def urls(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.loads(row["record"])["url"] for row in rows)


@pytest.mark.parametrize("winner", [0, 1])
def test_of_two_records_with_one_id_the_one_meant_is_dropped(tmp_path: Path, winner: int) -> None:
    def choose(records: Members) -> Members:
        found = list(records)
        yield found[winner]
        yield Drop("twin", record=found[1 - winner])

    result = run(tmp_path, TWINS, Group(key, choose))
    (kept,) = result.kept
    assert isinstance(kept, Prompt)
    assert [kept.url, *urls(result.drops)] == (["first", "second"] if winner == 0 else ["second", "first"])


@pytest.mark.parametrize("winner", [0, 1])
def test_of_two_records_with_one_id_the_other_is_not_selected(tmp_path: Path, winner: int) -> None:
    result = run(tmp_path, TWINS, Group(key, lambda records: [list(records)[winner]], name="choose"))
    (kept,) = result.kept
    assert isinstance(kept, Prompt)
    assert sorted([kept.url, *urls(result.drops)]) == ["first", "second"]


def test_both_records_of_one_id_may_stay(tmp_path: Path) -> None:
    result = run(tmp_path, TWINS, Group(key, everything))
    assert sorted(record.url for record in result.kept if isinstance(record, Prompt)) == ["first", "second"]
    assert not result.drops


# Several keys: the text of a record lists its keys.


def keys(record: Prompt) -> tuple[str, ...]:
    return tuple(record.text.split())


@dataclass(frozen=True)
class Judge:
    """Drops and fails members by id, each in one group only."""

    drop_first_of: tuple[str, ...] = ()
    fail_in: tuple[str, ...] = ()

    def __call__(self, records: Members) -> Members:
        found = list(records)
        shared = set.intersection(*(set(keys(record)) for record in found))
        name = min(shared)
        if name in self.fail_in:
            raise ValueError(f"group {name}")
        for number, record in enumerate(found):
            yield Drop("first", {"of": name}, record=record) if name in self.drop_first_of and not number else record


def several(**judge: Any) -> Group:
    return Group(keys, Judge(**judge), several_keys=True, name="several")


def test_a_record_stays_if_no_group_dropped_it(tmp_path: Path) -> None:
    given_ = [prompt("1", text="a b"), prompt("2", text="a"), prompt("3", text="b"), prompt("4", text="c a b")]
    result = run(tmp_path, given_, several(drop_first_of=("b",)))
    assert sorted(record.id for record in result.kept) == ["2", "3", "4"]
    assert [(row["id"], row["reason"], row["evidence"]) for row in result.drops] == [("1", "first", '{"of":"b"}')]
    assert result.step("several")["in"] == 4


def test_a_dead_group_wins_over_a_drop(tmp_path: Path) -> None:
    given_ = [prompt("1", text="a b"), prompt("2", text="a"), prompt("3", text="b")]
    result = run(tmp_path, given_, several(drop_first_of=("a",), fail_in=("b",)))
    assert [record.id for record in result.kept] == ["2"]
    assert not result.drops
    assert sorted((row["id"], row["message"], row["step"]) for row in result.dead) == [
        ("1", "group b", "several"),
        ("3", "group b", "several"),
    ]
    assert all("ValueError" in row["traceback"] for row in result.dead)


def test_a_record_without_a_key_is_a_drop(tmp_path: Path) -> None:
    result = run(tmp_path, [prompt("1", text=""), prompt("2", text="a")], several())
    assert [record.id for record in result.kept] == ["2"]
    assert reasons(result) == {"1": "no_key"}


def test_a_key_that_is_given_twice_counts_once(tmp_path: Path) -> None:
    result = run(tmp_path, [prompt("1", text="a a b a")], several())
    assert [record.id for record in result.kept] == ["1"]


@pytest.mark.parametrize("bad", [lambda r: "text", lambda r: None, lambda r: (1,)])
def test_several_keys_are_a_tuple_of_texts(tmp_path: Path, bad: Callable[[Prompt], Any]) -> None:
    result = run(tmp_path, prompts("a"), Group(bad, everything, several_keys=True))
    assert [row["error"] for row in result.dead] == ["BadOutcome"]


@pytest.mark.parametrize(("one", "other"), [("a", "a"), ("a", "b"), ("a b", "b c")])
def test_records_with_one_id_are_refused_in_words(tmp_path: Path, one: str, other: str) -> None:
    given_ = [prompt("twin", text=one), prompt("twin", text=other)]
    with pytest.raises(YisangError, match="two records have the id twin"):
        run(tmp_path, given_, several())


def renamed(records: Members) -> Members:
    for record in records:
        yield prompt(child_id(record.id, 0), text=record.text)


def merged(records: Members) -> Members:
    found = list(records)
    yield prompt("merged", parents=tuple(record.id for record in found))


def marked(records: Members) -> Members:
    for record in records:
        yield msgspec.structs.replace(record, measures={"seen_with": str(record.text)})


@pytest.mark.parametrize("make", [renamed, merged])
def test_several_keys_make_no_new_records(tmp_path: Path, make: Callable[[Members], Members]) -> None:
    given_ = [prompt("1", text="a b"), prompt("2", text="a b")]
    with pytest.raises(YisangError, match="may only keep or drop its members"):
        run(tmp_path, given_, Group(keys, make, several_keys=True))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.text(st.sampled_from("abcd "), max_size=5), max_size=12),
    st.sets(st.integers(1, 5)),
    st.sets(st.integers(1, 5), max_size=1),
)
def test_several_keys_agree_with_the_definition(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], dropping: set[int], failing: set[int]
) -> None:
    """Against the plain definition: a verdict of each group, and the worst of its verdicts for each record."""
    records = [prompt(f"{number:02d}", text=" ".join(text.replace(" ", ""))) for number, text in enumerate(texts)]
    groups = {name: [record.id for record in records if name in keys(record)] for name in "abcd"}
    doomed = {name for group in groups.values() if len(group) in failing for name in group}
    dropped = {group[0] for group in groups.values() if group and len(group) in dropping}
    expected = {
        record.id: "dead"
        if record.id in doomed
        else "first"
        if record.id in dropped
        else "keep"
        if keys(record)
        else "no_key"
        for record in records
    }
    judge = BySize(frozenset(dropping), frozenset(failing))
    result = run(tmp_path_factory.mktemp("several"), records, Group(keys, judge, several_keys=True))
    found = {record.id: "keep" for record in result.kept}
    found.update(reasons(result))
    found.update({row["id"]: "dead" for row in result.dead})
    assert found == expected


@dataclass(frozen=True)
class BySize:
    """Drops the first member of groups of some sizes, and fails on groups of others: a group does not see its key."""

    dropping: frozenset[int]
    failing: frozenset[int]

    def __call__(self, records: Members) -> Members:
        found = list(records)
        if len(found) in self.failing:
            raise ValueError("this size")
        for number, record in enumerate(found):
            yield Drop("first", record=record) if len(found) in self.dropping and not number else record


# Memory

MEMORY = """
import sys
from pathlib import Path
sys.path[:0] = [{root!r}, {tests!r}]
from recipes_for_tests.helpers import Texts, here, recipe
from yisang.pipelines.execution import Job
from yisang.pipelines.compile import compile_recipe
from yisang.pipelines.phases import Setting
from yisang.pipelines.steps import Each, Group
from yisang.records import Drop
import msgspec

def lengthen(record):
    return msgspec.structs.replace(record, text=record.text + "x" * 4_000)

def streaming(records):
    for number, record in enumerate(records):
        yield Drop("odd", record=record) if number % 2 else record

def stopping(records):
    yield next(records)

def hoarding(records):
    yield from list(records)

def peak(rows, fn, out):
    plan = compile_recipe(recipe(Texts(rows // 4, 4), Each(lengthen), Group(lambda record: "all", fn)))
    here(Job(plan, Setting(out)).payload(), len(plan.phases))
    # Not ru_maxrss, which a child takes over from the process that started it.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10

before = peak(16_000, streaming, {out!r} + "/small")
print(peak({rows}, {fn}, {out!r} + "/large") - before)
"""


@pytest.mark.parametrize(
    ("fn", "rows", "bounded"), [("streaming", 64_000, True), ("stopping", 64_000, True), ("hoarding", 96_000, False)]
)
def test_a_group_larger_than_memory_streams(tmp_path: Path, fn: str, rows: int, bounded: bool) -> None:
    """The growth from 64 MB of records to 256 MB; a function that holds its group (of 384 MB) shows what it would be."""
    code = MEMORY.format(root=str(ROOT), tests=str(HERE.parent), out=str(tmp_path), fn=fn, rows=rows)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (int(done.stdout) < 120) is bounded, f"{done.stdout.strip()} MB"
