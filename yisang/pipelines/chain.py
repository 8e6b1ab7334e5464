"""A fused chain of Each and Batch steps over a stream of records, with every outcome accounted for."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

import msgspec

from yisang.errors import YisangError
from yisang.pipelines.isolate import IsolatedCall
from yisang.pipelines.steps import Batch, ChainStep, Each
from yisang.records import Dead, Drop, Measure, Record, with_measures

RecordT = TypeVar("RecordT", bound=Record)


class Accounts(Protocol):
    """Where a chain reports what it does not pass on, and how many more records left a step than entered it."""

    def drop(self, step: str, record: Record, drop: Drop) -> None: ...

    def dead(self, step: str, record: Record, dead: Dead) -> None: ...

    def born(self, step: str, count: int) -> None: ...


class BadOutcome(YisangError):
    """A step returned something that is no outcome."""


def dead_letter(error: BaseException) -> Dead:
    """An exception as data."""
    text = "".join(traceback.format_exception(error))
    # The innermost frames tell most; a deep recursion would otherwise store megabytes per record.
    return Dead(type(error).__name__, str(error)[:2_000], text[-8_000:])


def run_chain(records: Iterable[Record], steps: tuple[ChainStep, ...], accounts: Accounts) -> Iterator[Record]:
    """Yields what passes all `steps`. A failing call is a dead letter; nothing is lost without a word."""
    stream: Iterable[Record] = records
    position = 0
    while position < len(steps):
        step = steps[position]
        if isinstance(step, Batch):
            stream = _batches(stream, step, accounts)
            position += 1
        else:
            first = position
            while position < len(steps) and isinstance(steps[position], Each):
                position += 1
            stream = _fused(stream, [s for s in steps[first:position] if isinstance(s, Each)], accounts)
    return iter(stream)


def _fused(records: Iterable[Record], steps: list[Each], accounts: Accounts) -> Iterator[Record]:
    calls = [(step.name, step.on, IsolatedCall(step.fn, step.timeout) if step.isolate else step.fn) for step in steps]
    try:
        for record in records:
            yield from _apply(record, calls, 0, accounts)
    finally:
        for _, _, call in calls:
            if isinstance(call, IsolatedCall):
                call.close()


def _apply(
    record: Record,
    calls: list[tuple[str, type[Record] | None, Callable[[Any], Any]]],
    position: int,
    accounts: Accounts,
) -> Iterator[Record]:
    """Takes one record through calls[position:]."""
    for index in range(position, len(calls)):
        name, kind, call = calls[index]
        if kind is not None and not isinstance(record, kind):
            continue
        try:
            outcome = call(record)
            if isinstance(outcome, Record):
                record = outcome if outcome is record else storable(outcome)
                continue
            if isinstance(outcome, dict):
                record = with_measures(record, _checked(outcome))
                continue
            # A generator runs here, so that its exceptions are this record's.
            children = None if isinstance(outcome, Drop | Dead) else _members(outcome)
            if isinstance(outcome, Drop):
                _droppable(outcome)
        except (Exception, SystemExit) as error:  # the boundary at which a step's failure becomes data
            accounts.dead(name, record, dead_letter(error))
            return
        if isinstance(outcome, Drop):
            accounts.drop(name, outcome.record or record, outcome)
        elif isinstance(outcome, Dead):
            accounts.dead(name, record, outcome)
        elif not children:
            accounts.drop(name, record, Drop("no_children"))
        else:
            accounts.born(name, len(children) - 1)
            for child in children:
                if isinstance(child, Drop):
                    accounts.drop(name, child.record or record, child)
                else:
                    yield from _apply(child, calls, index + 1, accounts)
        return
    yield record


def _checked(measures: dict[str, Any]) -> dict[str, Measure]:
    for name, value in measures.items():
        if not isinstance(name, str) or not (value is None or isinstance(value, bool | int | float | str)):
            raise BadOutcome(
                f"returned {type(value).__name__} as the measure {name!r}; a measure is a number, a text, a bool or None."
            )
        if isinstance(value, str):
            value.encode()  # half a character cannot be stored
        if isinstance(value, float) and not math.isfinite(value):
            raise BadOutcome(
                f"returned {value} as the measure {name!r}, which no table holds; return None where there is none."
            )
    return measures


def _members(outcome: Any) -> list[Record | Drop]:
    if outcome is None:
        raise BadOutcome(
            "returned None. A step returns the record, a changed copy, a dict of measures, Drop(reason), "
            "or an iterable of records; a rejection needs a reason."
        )
    if isinstance(outcome, str | bytes) or not isinstance(outcome, Iterable):
        raise BadOutcome(f"returned {type(outcome).__name__}, which is no record, Drop, dict or iterable of records.")
    members = list(outcome)
    for member in members:
        if not isinstance(member, Record | Drop):
            raise BadOutcome(f"yielded {type(member).__name__} among its records.")
        if isinstance(member, Record):
            storable(member)
        else:
            _droppable(member)
    return members


def storable(record: RecordT) -> RecordT:
    """The record, if every field holds what its type says, so that what is written can be read. Raises BadOutcome.

    Constructors do not look at types, and a step may put anything into a field.
    """
    try:
        try:
            msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=type(record))
        except OverflowError:  # whole numbers beyond 64 bits, which JSON holds
            msgspec.json.decode(msgspec.json.encode(record), type=type(record))
        _checked(record.measures)
        if record.licence is None:
            raise TypeError("the licence is None; UNKNOWN_LICENCE says that it is not known")
    except (msgspec.ValidationError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BadOutcome(f"returned a {record.kind_name} that cannot be stored: {error}") from error
    return record


def _droppable(drop: Drop) -> None:
    if drop.record is not None and not isinstance(drop.record, Record):
        raise BadOutcome(f"gave Drop({drop.reason!r}) a record= that is {type(drop.record).__name__} and no record.")


def _batches(records: Iterable[Record], step: Batch, accounts: Accounts) -> Iterator[Record]:
    held: list[Record] = []
    for record in records:
        if step.on is not None and not isinstance(record, step.on):
            yield record
            continue
        held.append(record)
        if len(held) == step.size:
            yield from _apply_batch(held, step, accounts)
            held = []
    if held:
        yield from _apply_batch(held, step, accounts)


def _apply_batch(held: list[Record], step: Batch, accounts: Accounts) -> Iterator[Record]:
    outcomes: list[Any]
    try:
        outcomes = _matched(step.fn(list(held)), held)  # a copy: the function may use its list up
    except (Exception, SystemExit) as error:  # the boundary at which a step's failure becomes data
        if len(held) == 1:
            accounts.dead(step.name, held[0], dead_letter(error))
            return
        # One poisonous record must not take its neighbours along: ask again, one at a time.
        for record in held:
            yield from _apply_batch([record], step, accounts)
        return
    for record, outcome in zip(held, outcomes, strict=True):
        yield from _apply(record, [(step.name, None, _constant(outcome))], 0, accounts)


def _constant(outcome: Any) -> Callable[[Any], Any]:
    return lambda record: outcome


def _matched(outcomes: Any, held: list[Record]) -> list[Any]:
    if outcomes is None or isinstance(outcomes, str | bytes | dict | Record):
        raise BadOutcome(
            f"returned {type(outcomes).__name__} for a batch; it must return a list, one outcome for each."
        )
    listed = list(outcomes)
    if len(listed) != len(held):
        raise BadOutcome(f"returned {len(listed)} outcomes for a batch of {len(held)} records.")
    return listed
