"""What records share with benchmarks, as a table of a phase: what of it is boilerplate, and what each benchmark removes."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from yisang.filters.contamination import PASSES, Index, Pass
from yisang.pipelines.boundary import Boundary, Manifest

MATCHES = pa.schema(
    [
        ("row", pa.int32()),
        ("prompt", pa.uint64()),
        ("open", pa.bool_()),
        ("where", pa.int8()),
        ("pass", pa.int8()),
        ("key", pa.int32()),
        ("times", pa.int32()),
    ]
)
"""row: of the shard. prompt: the hash of its prompt's id. open: whether its record may be redistributed. where, pass: by number. key: of
the n-gram or the item."""


class Shared(NamedTuple):
    """All matches, as columns. record: the shard and the row in it; found: the pass and the key in it."""

    record: Any
    prompt: Any
    open: Any
    found: Any


def stopped_rows(index: Index, shared: Shared, most: int | None, least: int) -> list[dict[str, Any]]:
    """The n-grams that stand in more than `most` prompts and in `least` items or more, and those of which more than half stands in
    such ones."""
    grams = shared.found < PASSES.index("whole") << 32
    if most is None or not grams.any():
        return []
    pairs = np.unique(np.stack([shared.found[grams], shared.prompt[grams].view(np.int64)]), axis=1)
    found, prompts = np.unique(pairs[0], return_counts=True)
    quotable = set(np.unique(shared.found[grams & shared.open]).tolist())
    rows: list[dict[str, Any]] = []
    for name in index.grams:
        own = found >> 32 == PASSES.index(name)
        counts = dict(zip((found[own] & 0xFFFFFFFF).tolist(), prompts[own].tolist(), strict=True))
        first = PASSES.index(name) << 32
        common = [
            _row(index, name, key, count, first | key in quotable) for key, count in counts.items() if count > most
        ]
        common = [row for row in common if row["items"] >= least]
        keys = {row["key"] for row in common}
        beside = index.mostly_in(name, counts.keys() - keys, keys) if keys else []
        rows += common + [_row(index, name, key, counts[key], first | key in quotable, beside=True) for key in beside]
    return rows


def _row(index: Index, name: Pass, key: int, prompts: int, quotable: bool, beside: bool = False) -> dict[str, Any]:
    items = [index.items[item] for item in index.items_of(name, key)]
    return {
        "pass": name,
        "key": key,
        "ngram": index.words_of(name, key),
        "prompts": prompts,
        "items": len({item.text.said for item in items}),
        "benchmarks": sorted({item.benchmark for item in items}),
        "open": quotable,
        "beside": beside,
    }


def all_matches(boundary: Boundary, manifest: Manifest) -> Shared:
    kinds = (np.int64, np.uint64, np.bool_, np.int64)
    columns: list[list[Any]] = [[np.empty(0, kind)] for kind in kinds]
    for shard in manifest.shards:
        table = shard_table(boundary, manifest, shard.index)
        if table is not None:
            row, name, key = (table[column].to_numpy().astype(np.int64) for column in ("row", "pass", "key"))
            prompt, is_open = (table[column].to_numpy() for column in ("prompt", "open"))
            for column, values in zip(
                columns, (shard.index << 32 | row, prompt, is_open, name << 32 | key), strict=True
            ):
                column.append(values)
    return Shared(*map(np.concatenate, columns))


def shard_table(boundary: Boundary, manifest: Manifest, index: int) -> pa.Table | None:
    """The matches of a shard."""
    for shard in manifest.shards:
        for part in shard.parts if shard.index == index else ():
            if part.role == "matches":
                with boundary.open(part) as file:
                    return pq.read_table(file)
    return None


def removed_rows(index: Index, shared: Shared) -> list[dict[str, Any]]:
    """For each benchmark, and each pass of it, its items and the records that share something with one."""
    names = list(dict.fromkeys(item.benchmark for item in index.items))
    found, which = np.unique(shared.found, return_inverse=True)
    of = np.zeros((len(found), len(names)), np.bool_)
    for place, number in enumerate(map(int, found)):
        for item in index.items_of(PASSES[number >> 32], number & 0xFFFFFFFF):
            of[place, names.index(index.items[item].benchmark)] = True
    items = Counter(item.benchmark for item in index.items)
    inside = Counter(item.benchmark for item in index.items if index.inside(item))
    rows = []
    for column, benchmark in enumerate(names):
        own = of[which, column] if len(found) else np.zeros(0, np.bool_)
        for name in ("", *index.reading.passes):
            here = own if not name else own & (shared.found >> 32 == PASSES.index(name))
            records = len(np.unique(shared.record[here]))
            rows.append(
                {
                    "benchmark": benchmark,
                    "pass": name,
                    "items": items[benchmark],
                    "inside": inside[benchmark],
                    "records": records,
                }
            )
    return rows
