"""Planted copies in three shards, decontaminated, for runs on several engines. Needs tests/pipelines and its folder stages on the path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from planted import benchmark, boilerplate, plants

from yisang.pipelines.curate import Corpus
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.stages.decontaminate import Decontaminate
from yisang.records import Record
from yisang.sources.base import InputFile, Shard, SourceItem

ITEMS = 60


@dataclass(frozen=True)
class Plants:
    """The planted records, every third in a shard, and prompts with the same boilerplate."""

    items: int
    name: str = "plants"

    def records(self, shard: int) -> list[Record]:
        return [*(plant.record for plant in plants(self.items)), *boilerplate(self.items)][shard::3]

    def shards(self) -> list[Shard]:
        return [Shard(str(number)) for number in range(3)]

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        yield from self.records(int(shard.path))

    def count(self, shard: Shard) -> int | None:
        return len(self.records(int(shard.path)))

    def inputs(self) -> list[InputFile]:
        return []


def build() -> Recipe:
    return Recipe(
        name="decontaminating",
        version="1",
        source=Plants(ITEMS),
        steps=(
            Decontaminate(
                (benchmark(ITEMS), benchmark(8, "small")),
                passes=("segmented", "raw", "whole", "digitless"),
                stop_prompts=20,
                stop_items=5,
                name="clean",
            ),
        ),
        sink=Corpus("Decontaminating", "ko"),
    )
