"""So many records of a category: chosen by a hash of the id, so that every runner chooses the same ones.

Group(key=category, fn=Quota({"Code": 100}), order=HashOrder("salt"))

Nothing is taken twice: a category that has fewer records than its quota stays short, and the books of the run say by how many
(the paper composes by quotas and draws none more than once: arXiv 2510.04230, table 3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from yisang.errors import UsageError
from yisang.records import Drop, Example, Record, content_id, with_measures

Limits = Mapping[str, int] | tuple[tuple[str, int], ...]


def category(record: Record) -> str:
    """The key of the groups that `Quota` wants."""
    return record.category


@dataclass(frozen=True)
class HashOrder:
    """A fixed shuffle: sorts by a hash of salt and id. Another salt is another shuffle.

    by: "prompt" hashes the id of what an example's prompt was made of, so that corpora of the same questions, answered, translated or
    worded in different ways, draw the same ones wherever they have them.
    """

    salt: str = ""
    by: Literal["id", "prompt"] = "id"

    def __call__(self, record: Record) -> str:
        if self.by == "id":
            return content_id(self.salt, record.id)
        if not isinstance(record, Example):
            raise TypeError(
                f"HashOrder(by='prompt') orders examples, and this is a {record.kind_name}; id {record.id}."
            )
        return f"{content_id(self.salt, record.prompt_id.partition('/')[0])}:{record.id}"


@dataclass(frozen=True)
class Quota:
    """Keeps the first n records of a category. `limits` has n by category, `default` that of the others.

    A default of None keeps all. It takes the records of one category at a time, the preferred ones first.

    extra: so many more of a category, for another purpose than its own: the paper's slices of one category have 3,000 exam items
    besides, for the format of their answers (table 3): Quota({"Science": 50_000}, default=0, extra={"Exams": 3_000}). A record of
    such a category has the measure `quota_extra`, true for those beyond its limit.
    """

    limits: Limits
    default: int | None = None
    extra: Limits = ()

    def __post_init__(self) -> None:
        for limits in (dict(self.limits), dict(self.extra)):
            for name, limit in [*limits.items(), ("(default)", self.default)]:
                if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
                    raise UsageError(
                        f"Quota: the limit of {name} is {limit!r}; it must be a whole number from 0 upwards."
                    )
            if None in limits.values():
                raise UsageError("Quota: a category's limit is None. Leave the category out, or give it a number.")
        # Sorted, so that the order in which a recipe names the categories makes no difference.
        object.__setattr__(self, "limits", tuple(sorted(dict(self.limits).items())))
        object.__setattr__(self, "extra", tuple(sorted(dict(self.extra).items())))
        endless = [name for name in dict(self.extra) if self._limit(name) is None]
        if endless:
            raise UsageError(
                f"Quota: {endless[0]} has no limit, so nothing can be beyond it. Give it one, or a default."
            )

    def _limit(self, name: str) -> int | None:
        return dict(self.limits).get(name, self.default)

    def __call__(self, records: Iterator[Record]) -> Iterator[Record | Drop]:
        extra = dict(self.extra)
        seen: str | None = None
        limit: int | None = None
        more = 0
        for number, record in enumerate(records):
            if seen is None:
                seen = record.category
                limit, more = self._limit(seen), extra.get(seen, 0)
            elif record.category != seen:
                raise ValueError(
                    f"Quota was given records of {seen!r} and {record.category!r} in one group. "
                    "Group by category: Group(key=yisang.filters.quota.category, fn=Quota(...))."
                )
            if limit is not None and number >= limit + more:
                yield Drop("over_quota", {"quota": limit + more, "category": seen}, record=record)
            elif limit is not None and seen in extra:
                yield with_measures(record, {"quota_extra": number >= limit})
            else:
                yield record

    def notes(self, kept: Mapping[str, int]) -> list[str]:
        """What there is of each category that has a quota, and how many are missing, those included that there is nothing of.

        kept: records by category, after this step.
        """
        limits, extra = dict(self.limits), dict(self.extra)
        lines = []
        wanted = missing = 0
        for name in sorted({*limits, *extra}):
            limit = (self._limit(name) or 0) + extra.get(name, 0)
            short = max(0, limit - kept.get(name, 0))
            wanted, missing = wanted + limit, missing + short
            beyond = f" ({extra[name]:,} of them extra)" if extra.get(name) else ""
            lines.append(
                f"{name or '(none)'} {kept.get(name, 0):,} of {limit:,}{beyond}"
                + (f", {short:,} short" if short else "")
            )
        return [*lines, f"{wanted - missing:,} of {wanted:,} wanted, {missing:,} short"] if missing else lines
