"""Every kind of step, with rejections, births, dead letters and verdicts at each, to compare engines and kills.

1,200 prompts in, 612 rows out. The file needs nothing beside it: its functions travel to workers by value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from yisang.pipelines.curate import Corpus
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.steps import Batch, Each, Group
from yisang.records import Drop, Licence, Page, Prompt, Record, child_id, content_id
from yisang.sources.base import InputFile, PassedOver, Shard, SourceItem

FREE = Licence(id="CC0-1.0", letter="A", evidence="written for the tests")
CLOSED = Licence(id="KOGL-2", letter="B", evidence="written for the tests")


@dataclass(frozen=True)
class Pages:
    """`rows` pages in each of `files` shards."""

    rows: int
    files: int
    name: str = "pages"

    def shards(self) -> list[Shard]:
        return [Shard(str(number)) for number in range(self.files)]

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        for number in range(self.rows):
            url = f"https://example.org/{shard.path}/{number}"
            body = f"질문 {shard.path}-{number}".encode()
            licence = CLOSED if number % 5 == 0 else FREE
            yield Page(id=content_id(url), url=url, body=body, licence=licence, category=f"c{number % 3}")
        yield PassedOver("image", 2)

    def count(self, shard: Shard) -> int | None:
        return self.rows

    def inputs(self) -> list[InputFile]:
        return []


def number(record: Prompt) -> int:
    return int(record.text.split("-")[1])


def questions(page: Page) -> list[Record]:
    text = page.body.decode()
    return [
        Prompt(id=child_id(page.id, n), text=f"{text}-{n}", language="ko", licence=page.licence, category=page.category)
        for n in range(2)
    ]


def seventh(record: Prompt) -> Prompt | Drop:
    return record if number(record) % 7 else Drop("seventh", {"number": number(record)})


def half(record: Prompt) -> dict[str, Any]:
    return {"half": number(record) / 2, "even": number(record) % 2 == 0, "none": None}


def thirteenth(record: Prompt) -> Prompt:
    if number(record) % 130 == 13:
        raise ValueError(f"thirteen: {record.text}")
    return record


@dataclass(frozen=True)
class Rank:
    """Batches differ with the shards, so what a batch decides must not."""

    least: int

    def __call__(self, records: list[Prompt]) -> list[Any]:
        return [{"long": len(r.text) > self.least} if number(r) % 11 else Drop("eleventh") for r in records]


def last_digit(record: Prompt) -> str:
    return str(number(record) % 10)


def by_text(record: Prompt) -> str:
    return record.text


def first_eighty(records: Iterator[Prompt]) -> Iterator[Prompt | Drop]:
    for rank, record in enumerate(records):
        yield (
            msgspec.structs.replace(record, gold=str(rank))
            if rank < 80
            else Drop("late", {"rank": rank}, record=record)
        )


def pairs(records: Iterator[Prompt]) -> Iterator[Prompt]:
    """Twins of one page become one prompt; a single one stays."""
    found = list(records)
    if len(found) == 1:
        yield found[0]
    else:
        parents = tuple(record.id for record in found)
        yield msgspec.structs.replace(found[0], id=content_id("pair", *parents), parents=parents)


def page_of(record: Prompt) -> str:
    return record.id.rpartition("/")[0]


def colours(record: Prompt) -> tuple[str, ...]:
    return tuple(name for name, step in (("red", 2), ("green", 3), ("blue", 5)) if number(record) % step == 0)


def not_the_first(records: Iterator[Prompt]) -> Iterator[Prompt | Drop]:
    for rank, record in enumerate(records):
        yield record if rank else Drop("first", record=record)


def build() -> Recipe:
    return Recipe(
        "everything",
        "1",
        Pages(200, 3),
        (
            Each(questions, on=Page),
            Each(seventh),
            Each(half, keep=True),
            Batch(Rank(8), 64, name="rank"),
            Each(thirteenth),
            Group(last_digit, first_eighty, order=by_text),
            Group(page_of, pairs),
            Each(seventh),
            Group(colours, not_the_first, several_keys=True),
            Each(half),
        ),
        Corpus("Everything", "ko"),
    )
