"""Where foreign sample data lies, and small helpers of these tests."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest

from yisang.pipelines.books import Books
from yisang.pipelines.curate import Corpus
from yisang.pipelines.phases import Setting
from yisang.pipelines.recipe import Loaded, Recipe
from yisang.pipelines.run import run_recipe
from yisang.pipelines.steps import Step
from yisang.records import Dead, Drop, Record
from yisang.sources.base import PassedOver, Source, SourceItem

_HERE = Path(__file__).resolve()
DATA = Path(os.environ.get("YISANG_SHARED_DATA") or _HERE.parents[2].parent / "shared" / "data")


def shared(name: str) -> str:
    """The path of a shared data file; skips where the folder is absent."""
    if not DATA.is_dir():
        pytest.skip(f"the shared sample data is not at {DATA} (set YISANG_SHARED_DATA)")
    return str(DATA / name)


def read_all(source: Source) -> list[SourceItem]:
    return [item for shard in source.shards() for item in source.read(shard)]


def records(items: Iterable[SourceItem]) -> list[Record]:
    return [item for item in items if isinstance(item, Record)]


def deads(items: Iterable[SourceItem]) -> list[Dead]:
    return [item for item in items if isinstance(item, Dead)]


def drops(items: Iterable[SourceItem]) -> list[Drop]:
    return [item for item in items if isinstance(item, Drop)]


def passed(items: Iterable[SourceItem]) -> dict[str, int]:
    return {item.what: item.count for item in items if isinstance(item, PassedOver)}


def counted(source: Source) -> int | None:
    counts = [source.count(shard) for shard in source.shards()]
    return None if None in counts else sum(count for count in counts if count is not None)


def run(source: Source, out: Path, *steps: Step, strict: bool = False) -> Books:
    """The books of a whole run of a source and steps."""
    recipe = Recipe("test", "1", source, steps, Corpus("Test", "ko"), max_dead=1.0)
    loaded = Loaded(recipe, ModuleType("no_module"), Path("nowhere.py"), local=False)
    return run_recipe(loaded, Setting(out=str(out)), strict=strict)
