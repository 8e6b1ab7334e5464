"""Every outcome of a step is accounted for: kept, dropped with a reason, or dead with its traceback."""

from __future__ import annotations

import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recipes_for_tests.helpers import Ledger, prompt

from yisang.errors import UsageError
from yisang.pipelines.chain import run_chain
from yisang.pipelines.steps import Batch, Each
from yisang.records import Dead, Drop, Page, Prompt, Record, child_id


def run(records: Iterable[Record], *steps: Each | Batch) -> tuple[list[Record], Ledger]:
    ledger = Ledger()
    return list(run_chain(records, steps, ledger)), ledger


def ids(records: Iterable[Record]) -> list[str]:
    return [record.id for record in records]


def children(record: Prompt, count: int) -> list[Prompt]:
    return [prompt(child_id(record.id, number)) for number in range(count)]


def outcome(value: Any) -> Callable[[Any], Any]:
    def step(record: Prompt) -> Any:
        return value(record) if callable(value) else value

    return step


def failing_half_way(record: Prompt) -> Iterator[Prompt]:
    yield prompt(child_id(record.id, 0))
    raise KeyError("half way")


def test_a_record_is_passed_on_changed_or_not() -> None:
    kept, ledger = run([prompt("a")], Each(lambda r: r), Each(lambda r: msgspec.structs.replace(r, gold="1")))
    assert kept == [prompt("a", gold="1")]
    assert ledger == Ledger()


def test_measures_are_merged() -> None:
    kept, _ = run([prompt("a", measures={"x": 1, "y": 1})], Each(outcome({"y": 2})), Each(outcome({})))
    assert kept == [prompt("a", measures={"x": 1, "y": 2})]


def test_a_drop_keeps_its_reason_and_ends_there() -> None:
    seen: list[str] = []

    def look(record: Prompt) -> Prompt:
        seen.append(record.id)
        return record

    kept, ledger = run([prompt("a")], Each(outcome(Drop("short")), name="length"), Each(look))
    assert not kept
    assert not seen
    assert ledger.drops == [("length", "a", "short")]


@pytest.mark.parametrize("empty", [[], (), iter(()), {1: 2}.keys() - {1}, map(str, ())])
def test_no_children_is_a_drop(empty: Any) -> None:
    kept, ledger = run([prompt("a")], Each(outcome(empty), name="split"))
    assert not kept
    assert ledger.drops == [("split", "a", "no_children")]
    assert not +ledger.born_in


@pytest.mark.parametrize("make", [list, tuple, iter, lambda items: (item for item in items)])
def test_children_go_on_and_their_births_are_counted(make: Callable[[Any], Any]) -> None:
    kept, ledger = run(
        [prompt("a")],
        Each(lambda r: make(children(r, 3)), name="split"),
        Each(lambda r: make(children(r, 2)), name="again"),
    )
    assert ids(kept) == ["a/0/0", "a/0/1", "a/1/0", "a/1/1", "a/2/0", "a/2/1"]
    assert ledger.born_in == {"split": 2, "again": 3}


def test_a_drop_among_children_is_one_of_them() -> None:
    def split(record: Prompt) -> list[Prompt | Drop]:
        one, two, three = children(record, 3)
        return [one, Drop("empty"), Drop("odd", record=two), three]

    kept, ledger = run([prompt("a")], Each(split))
    assert ids(kept) == ["a/0", "a/2"]
    assert ledger.drops == [("split", "a", "empty"), ("split", "a/1", "odd")]
    assert ledger.born_in == {"split": 3}


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (None, "returned None. A step returns the record"),
        ("text", "returned str, which is no record"),
        (b"bytes", "returned bytes"),
        (5, "returned int"),
        (True, "returned bool"),
        (lambda record: ["text"], "yielded str among its records"),
        (lambda record: [record, None], "yielded NoneType among its records"),
        (lambda record: [[record]], "yielded list among its records"),
        (failing_half_way, "half way"),
        (lambda record: 1 / 0, "division by zero"),
    ],
)
def test_what_is_no_outcome_is_a_dead_letter_in_words(bad: Any, words: str) -> None:
    kept, ledger = run([prompt("a"), prompt("b")], Each(lambda r: outcome(bad)(r) if r.id == "a" else r, name="bad"))
    assert ids(kept) == ["b"]
    ((step, record, dead),) = ledger.deaths
    assert (step, record) == ("bad", "a")
    assert words in dead.message
    assert dead.error in dead.traceback
    assert not +ledger.born_in


def test_a_step_may_write_the_dead_letter_itself() -> None:
    kept, ledger = run([prompt("a")], Each(outcome(Dead("NoPage", "these bytes are no page")), name="parse"))
    assert not kept
    assert ledger.deaths == [("parse", "a", Dead("NoPage", "these bytes are no page"))]


def test_a_step_that_leaves_the_program_is_a_dead_letter() -> None:
    def leave(record: Prompt) -> Prompt:
        if record.id == "a":
            sys.exit(0)
        return record

    kept, ledger = run([prompt("a"), prompt("b")], Each(leave))
    assert ids(kept) == ["b"]
    assert [(record, dead.error) for _, record, dead in ledger.deaths] == [("a", "SystemExit")]


@pytest.mark.parametrize("value", [object(), {"nested": 1}, [1], 1j])
def test_a_measure_that_is_none_is_a_dead_letter_of_its_step(value: Any) -> None:
    kept, ledger = run([prompt("a")], Each(outcome({"share": value}), name="measure"))
    assert not kept
    ((step, _, dead),) = ledger.deaths
    assert step == "measure"
    assert "share" in dead.message


def test_a_deep_recursion_is_a_small_dead_letter() -> None:
    def endless(record: Prompt) -> Any:
        return endless(record)

    _, ledger = run([prompt("a")], Each(endless))
    ((_, _, dead),) = ledger.deaths
    assert dead.error == "RecursionError"
    assert len(dead.traceback) <= 8_000


def test_a_long_message_is_a_small_dead_letter() -> None:
    def fail(record: Prompt) -> Any:
        raise ValueError("x" * 100_000)

    _, ledger = run([prompt("a")], Each(fail))
    assert len(ledger.deaths[0][2].message) + len(ledger.deaths[0][2].traceback) <= 10_000


def ones(records: list[Any]) -> list[Any]:
    return [{"m": 1} for _ in records]


def test_records_of_another_kind_pass_by() -> None:
    page, question = Page(id="page", url="u"), prompt("question")
    kept, ledger = run([page, question], Each(outcome(Drop("no")), on=Page), Batch(ones, 2, on=Prompt))
    assert ids(kept) == ["question"]
    assert kept[0].measures == {"m": 1}
    assert ids(run([page, question], Batch(lambda rs: [Drop("no") for _ in rs], 2, on=Prompt))[0]) == ["page"]
    assert [record for _, record, _ in ledger.drops] == ["page"]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 7, 8, 9])
def test_a_batch_sees_every_record_once_in_lists_of_its_size(count: int) -> None:
    seen: list[list[str]] = []

    def measure(records: list[Prompt]) -> list[Any]:
        seen.append(ids(records))
        return [{"n": number} for number, _ in enumerate(records)]

    names = [str(number) for number in range(count)]
    kept, _ = run([prompt(name) for name in names], Batch(measure, 4))
    assert [item for batch in seen for item in batch] == names
    assert all(len(batch) == 4 for batch in seen[:-1])
    assert [(record.id, record.measures["n"]) for record in kept] == [(name, int(name) % 4) for name in names]


def test_a_poisonous_record_does_not_take_its_batch_along() -> None:
    def batch(records: list[Prompt]) -> list[Any]:
        if any(record.id == "poison" for record in records):
            raise ValueError("poison")
        return [{"fine": True} for _ in records]

    kept, ledger = run([prompt(name) for name in ("a", "poison", "b", "c")], Batch(batch, 3))
    assert ids(kept) == ["a", "b", "c"]
    assert [(record, dead.message) for _, record, dead in ledger.deaths] == [("poison", "poison")]


def test_a_batch_takes_every_outcome_that_each_takes() -> None:
    answers: dict[str, Any] = {
        "same": lambda r: r, "drop": lambda r: Drop("no"), "split": lambda r: children(r, 2), "none": lambda r: None,
        "none at all": lambda r: [], "late": failing_half_way, "dead": lambda r: Dead("X", "x"), "m": lambda r: {"m": 1},
    }  # fmt: skip
    kept, ledger = run(
        [prompt(name) for name in answers], Batch(lambda rs: [answers[r.id](r) for r in rs], 100, name="b")
    )
    assert ids(kept) == ["same", "split/0", "split/1", "m"]
    assert ledger.drops == [("b", "drop", "no"), ("b", "none at all", "no_children")]
    assert [record for _, record, _ in ledger.deaths] == ["none", "late", "dead"]
    assert ledger.born_in == {"b": 1}


def test_a_batch_may_be_a_generator() -> None:
    def lazy(records: list[Prompt]) -> Any:
        for record in records:
            if record.id == "poison":
                raise ValueError("poison")
            yield {"fine": True}

    kept, ledger = run([prompt(name) for name in ("a", "poison", "b")], Batch(lazy, 3))
    assert ids(kept) == ["a", "b"]
    assert [record for _, record, _ in ledger.deaths] == ["poison"]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (lambda rs: [{"m": 1}] * (len(rs) + 1), "2 outcomes for a batch of 1"),
        (lambda rs: [], "0 outcomes for a batch of 1"),
        (lambda rs: None, "returned NoneType for a batch"),
        (lambda rs: {"m": 1}, "returned dict for a batch"),
        (lambda rs: rs[0], "returned Prompt for a batch"),
    ],
)
def test_a_batch_of_the_wrong_length_is_dead_in_words(bad: Callable[[list[Prompt]], Any], words: str) -> None:
    kept, ledger = run([prompt("a"), prompt("b")], Batch(bad, 2))
    assert not kept
    assert [record for _, record, _ in ledger.deaths] == ["a", "b"]
    assert all(words in dead.message for _, _, dead in ledger.deaths)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_a_batch_function_may_use_up_its_list(size: int) -> None:
    def measure(records: list[Prompt]) -> list[Any]:
        found = []
        while records:
            found.append({"n": len(records)})
            records.pop(0)
        return found

    kept, ledger = run([prompt(name) for name in "abcde"], Batch(measure, size))
    assert ids(kept) == list("abcde")
    assert not ledger.deaths


def test_a_step_is_refused_before_it_runs() -> None:
    with pytest.raises(UsageError, match="was given 'text', which is no function"):
        Each("text")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="size is 0"):
        Batch(lambda rs: rs, 0)
    with pytest.raises(UsageError, match="timeout is 0"):
        Each(lambda r: r, timeout=0)
    with pytest.raises(UsageError, match="must consist of"):
        Each(lambda r: r, name="../x")


# Any chain: a program of outcomes, each chosen by the record, against a second account of what they mean.

PLANS = ["same", "measure", "drop", "split", "nothing", "partly", "none", "raise", "late", "dead", "text"]


@dataclass(frozen=True)
class Acts:
    """Does what `plans` says, chosen by a hash of the record's id."""

    step: int
    plans: tuple[str, ...]
    one_by_one: bool = True

    def plan(self, identifier: str) -> str:
        return self.plans[zlib.crc32(f"{self.step} {identifier}".encode()) % len(self.plans)]

    def __call__(self, given: Any) -> Any:
        return self.act(given) if self.one_by_one else [self.act(record) for record in given]

    def act(self, record: Prompt) -> Any:
        one, two = children(record, 2)
        match self.plan(record.id):
            case "same":
                return record
            case "measure":
                return {f"m{self.step}": 1}
            case "drop":
                return Drop("drop")
            case "split":
                return iter([one, two])
            case "nothing":
                return []
            case "partly":
                return [one, Drop("part", record=two)]
            case "raise":
                raise ValueError("raise")
            case "late":
                return failing_half_way(record)
            case "dead":
                return Dead("Dead", "dead")
            case "text":
                return "text"
        return None


@dataclass
class Account:
    """What a step takes, bears, keeps, drops and loses, counted by another hand."""

    taken: int = 0
    born: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    dead: int = 0


def expected(names: list[str], steps: list[Acts]) -> tuple[list[str], list[Account]]:
    accounts = []
    for step in steps:
        account, left = Account(taken=len(names)), []
        for name in names:
            plan = step.plan(name)
            if plan in ("same", "measure"):
                left.append(name)
            elif plan in ("drop", "nothing"):
                account.dropped["drop" if plan == "drop" else "no_children"] += 1
            elif plan == "split":
                left += [f"{name}/0", f"{name}/1"]
                account.born += 1
            elif plan == "partly":
                left.append(f"{name}/0")
                account.born += 1
                account.dropped["part"] += 1
            else:
                account.dead += 1
        account.kept = len(left)
        accounts.append(account)
        names = left
    return names, accounts


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 30),
    st.lists(st.tuples(st.lists(st.sampled_from(PLANS), min_size=1, max_size=6), st.integers(0, 5)), max_size=6),
)
def test_the_books_of_any_chain_balance(count: int, program: list[tuple[list[str], int]]) -> None:
    acts = [Acts(number, tuple(plans), size == 0) for number, (plans, size) in enumerate(program)]
    steps = [
        Each(act, name=f"s{act.step}") if act.one_by_one else Batch(act, size, name=f"s{act.step}")
        for act, (_, size) in zip(acts, program, strict=True)
    ]
    names = [f"r{number}" for number in range(count)]
    kept, ledger = run([prompt(name) for name in names], *steps)
    left, accounts = expected(names, acts)
    assert ids(kept) == left
    for number, account in enumerate(accounts):
        assert account.taken + account.born == account.kept + account.dropped.total() + account.dead
        name = f"s{number}"
        assert ledger.born_in[name] == account.born
        assert Counter(reason for step, _, reason in ledger.drops if step == name) == account.dropped
        assert sum(step == name for step, _, _ in ledger.deaths) == account.dead
