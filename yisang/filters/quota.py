"""So many records of a category: chosen by a hash of the id, so that every runner chooses the same ones.

Group(key=category, fn=Quota({"Code": 100}), order=HashOrder("salt"))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from yisang.errors import UsageError
from yisang.records import Drop, Record, content_id


def category(record: Record) -> str:
    """The key of the groups that `Quota` wants."""
    return record.category


@dataclass(frozen=True)
class HashOrder:
    """A fixed shuffle: sorts by a hash of salt and id. Another salt is another shuffle."""

    salt: str = ""

    def __call__(self, record: Record) -> str:
        return content_id(self.salt, record.id)


@dataclass(frozen=True)
class Quota:
    """Keeps the first n records of a category. `limits` has n by category, `default` that of the others.

    A default of None keeps all. It takes the records of one category at a time, the preferred ones first.
    """

    limits: Mapping[str, int] | tuple[tuple[str, int], ...]
    default: int | None = None

    def __post_init__(self) -> None:
        limits = dict(self.limits)
        for name, limit in [*limits.items(), ("(default)", self.default)]:
            if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
                raise UsageError(f"Quota: the limit of {name} is {limit!r}; it must be a whole number from 0 upwards.")
        if None in limits.values():
            raise UsageError("Quota: a category's limit is None. Leave the category out, or give it a number.")
        # Sorted, so that the order in which a recipe names the categories makes no difference.
        object.__setattr__(self, "limits", tuple(sorted(limits.items())))

    def __call__(self, records: Iterator[Record]) -> Iterator[Record | Drop]:
        limits = dict(self.limits)
        seen: str | None = None
        for number, record in enumerate(records):
            if seen is None:
                seen = record.category
            elif record.category != seen:
                raise ValueError(
                    f"Quota was given records of {seen!r} and {record.category!r} in one group. "
                    "Group by category: Group(key=yisang.filters.quota.category, fn=Quota(...))."
                )
            limit = limits.get(seen, self.default)
            if limit is None or number < limit:
                yield record
            else:
                yield Drop("over_quota", {"quota": limit, "category": seen}, record=record)
