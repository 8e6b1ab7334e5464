"""Takes records out of the tables of a run, and what other records say of them, and leaves all else as it was."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from yisang.pipelines.boundary import Boundary, Manifest, Part, ShardCommit
from yisang.pipelines.groups import bucket_of
from yisang.pipelines.purge_passages import Passages
from yisang.pipelines.purge_select import COLUMNS, GONE, Chosen, Head, heads, row_groups
from yisang.pipelines.table import KIND_KEY, VERSION_KEY, open_writer

SAID = frozenset({"evidence", "message", "traceback", "where"})
"""Columns in which a record's own rejection may quote another record."""
TEXTS = ("text", "body", "options", "tests", "messages", "content", "prompt", "trace", "record", "distractors")
"""Columns and fields whose words are a record's own, or that hold records."""
_METADATA = (KIND_KEY, VERSION_KEY)
_JSON = frozenset({"options", "messages", "prompt", "trace", "record"})


@dataclass
class Taken:
    """What a purge takes of one phase, counted before anything is changed. records: rows of the kept; runs: of those sorted for a
    Group, each record once; dropped, dead: by step; sources: rows of the shards of a source."""

    records: int = 0
    runs: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    sources: Counter[int] = field(default_factory=Counter)
    rows: int = 0


def count(boundary: Boundary, manifest: Manifest, chosen: Chosen, several_keys: bool) -> Taken:
    """several_keys: the runs hold a record once for each of its groups."""
    taken = Taken()
    several: set[str] = set()
    for shard in manifest.shards:
        for part in shard.parts:
            for table in row_groups(boundary, part, (*COLUMNS, "step")):
                gone = [head for head in heads(table) if chosen.takes(head)]
                taken.rows += len(gone)
                if part.role == "records":
                    taken.records += len(gone)
                elif part.role == "run":
                    taken.runs += 0 if several_keys else len(gone)
                    several.update(head.id for head in gone if several_keys)
                elif part.role in ("drops", "dead"):
                    steps = table.column("step").to_pylist()
                    counter = taken.dropped if part.role == "drops" else taken.dead
                    counter.update(step for head, step in zip(heads(table), steps, strict=True) if chosen.takes(head))
                if part.role in ("records", "drops", "dead"):
                    taken.sources[shard.index] += len(gone)
    taken.runs += len(several)
    return taken


def texts(boundary: Boundary, part: Part, chosen: Chosen) -> Iterator[bytes]:
    """The texts of the purged records of a part: what they say, not what is said of them."""
    for table in row_groups(boundary, part):
        rows = table.filter(pa.array([chosen.takes(head) for head in heads(table)], pa.bool_()))
        for name in TEXTS:
            if name in rows.column_names:
                for value in rows.column(name).to_pylist():
                    is_json = name in _JSON and isinstance(value, str) and value
                    yield from _texts_in(json.loads(value) if is_json else value)


def _texts_in(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, str):
        yield value.encode("utf-8", "surrogatepass")
    elif isinstance(value, list):
        for item in value:
            yield from _texts_in(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name == "body":
                yield base64.b64decode(item)
            elif name in TEXTS:
                yield from _texts_in(item)


def others(boundary: Boundary, part: Part, chosen: Chosen) -> Iterator[bytes]:
    """All that stands in the rows of a part that stay."""
    for table in row_groups(boundary, part):
        rows = table.filter(pa.array([not chosen.takes(head) for head in heads(table)], pa.bool_()))
        # What is said of a record may quote one that goes, so it does not tell that others have the same words.
        yield from (data for name, data in column_bytes(rows) if name not in SAID and name != "group_order")


def column_bytes(table: pa.Table) -> Iterator[tuple[str, bytes]]:
    """The values of each column, one behind the other."""
    for name in table.column_names:
        yield name, b"\n".join(_as_bytes(value) for value in table.column(name).to_pylist() if value)


def _as_bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")


class Rewriter:
    """Rewrites the tables of a run. What was rewritten already is read and left as it is."""

    def __init__(self, chosen: Chosen, passages: Passages):
        self._chosen, self._passages = chosen, passages
        self._shared: set[str] = set()
        """What dead letters of a part that go say: a group's failure is told to each of its members in the same words."""

    def shard(self, boundary: Boundary, shard: ShardCommit, manifest: Manifest) -> list[Part]:
        return [self._part(boundary, part, manifest.buckets) for part in shard.parts]

    def _part(self, boundary: Boundary, part: Part, buckets: int) -> Part:
        folder = boundary.folder_of(part.role)
        clusters = self._survivors(boundary, part) if part.role == "clusters" else {}
        self._shared = self._failures(boundary, part) if part.role == "dead" else set()
        changed = any(self._cleaned(table, clusters) is not table for table in row_groups(boundary, part))
        held: list[int] = []
        if changed or self._chosen.named_in(folder.read_bytes(part.name)):  # statistics, too, hold ids
            with folder.fs.open(folder.path(part.name), "rb") as opened, pq.ParquetFile(opened) as file:
                known = file.schema_arrow.metadata or {}
                schema = file.schema_arrow.with_metadata({key: known[key] for key in _METADATA if key in known})
            with folder.create(part.name) as path, open_writer(path, schema) as writer:
                for table in row_groups(boundary, part):
                    if (cleaned := self._cleaned(table, clusters).cast(schema)).num_rows:
                        writer.write_table(cleaned, row_group_size=cleaned.num_rows)
        with folder.fs.open(folder.path(part.name), "rb") as opened, pq.ParquetFile(opened) as file:
            rows = int(file.metadata.num_rows)
        if part.role == "run":
            groups = row_groups(boundary, part, ("group_key",))
            held = [bucket_of(table.column("group_key")[0].as_py(), buckets) for table in groups]
        return Part(part.name, part.role, rows, folder.size(part.name), tuple(held))

    def _failures(self, boundary: Boundary, part: Part) -> set[str]:
        found: set[str] = set()
        for table in row_groups(boundary, part):
            for head, row in zip(heads(table), table.select(["message", "traceback"]).to_pylist(), strict=True):
                if self._chosen.takes(head):
                    found.update(text for text in row.values() if text)
        return found

    def _cleaned(self, table: pa.Table, clusters: dict[str, str]) -> pa.Table:
        """The table itself, where nothing of it goes."""
        keep = [not self._chosen.takes(head) and not self._lone(head, clusters) for head in heads(table)]
        cleaned = table if all(keep) else table.filter(pa.array(keep, pa.bool_()))
        for number, name in enumerate(cleaned.column_names):
            values = cleaned.column(name)
            if name == "survivor" and clusters:
                new = [clusters.get(value, value) for value in values.to_pylist()]
                cleaned = cleaned.set_column(number, cleaned.schema.field(name), pa.array(new, pa.string()))
            elif pa.types.is_string(values.type):
                if name == "group_order":
                    new_values = self._verdicts(values)
                else:
                    new_values = self._said(values) if name in SAID else self._unnamed(values)
                if new_values is not None:
                    cleaned = cleaned.set_column(number, cleaned.schema.field(name), pa.array(new_values, pa.string()))
        return cleaned

    def _unnamed(self, values: pa.ChunkedArray) -> list[Any] | None:
        """The values of a column without purged ids, None where there are none."""
        held = [value for value in pc.drop_null(values).to_pylist() if value]
        if not self._chosen.named_in("\n".join(held).encode("utf-8", "surrogatepass")):
            return None
        return [self._chosen.without_ids(value) if value else value for value in values.to_pylist()]

    def _said(self, values: pa.ChunkedArray) -> list[Any] | None:
        before = values.to_pylist()
        after = [self.said(value) if value else value for value in before]
        return None if after == before else after

    def _verdicts(self, values: pa.ChunkedArray) -> list[Any] | None:
        """Behind the verdict of one of several groups stands its evidence (`yisang.pipelines.groups`)."""
        before = values.to_pylist()
        after = [text[0] + self.said(text[1:]) if text[1:2] == "[" else text for text in before]
        return self._unnamed(values) if after == before else after

    def said(self, text: str) -> str:
        """A text without what names or quotes what is purged. Where evidence names it, no text of that evidence stays, as the others
        may quote it in words too few to be known by; numbers do."""
        if text in self._shared:
            return GONE
        data = text.encode("utf-8", "surrogatepass")
        if not (self._chosen.target.named_in(data) or self._chosen.named_in(data) or len(self._passages.found(data))):
            return text
        try:
            value = json.loads(text)
        except ValueError:
            return GONE
        if not isinstance(value, dict | list):
            return GONE
        return json.dumps(_without_texts(value), ensure_ascii=False, separators=(",", ":"))

    def cleaned_json(self, value: Any) -> Any:
        """JSON that is no record's: only texts that name or quote what is purged go."""
        if isinstance(value, dict):
            return {self._plain(key): self.cleaned_json(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.cleaned_json(item) for item in value]
        return self._plain(value) if isinstance(value, str) else value

    def _plain(self, text: str) -> str:
        if self._chosen.target.named_in(text) or len(self._passages.found(text.encode("utf-8", "surrogatepass"))):
            return GONE
        return self._chosen.without_ids(text)

    # Clusters of near-duplicates (`yisang.pipelines.stages.dedup`)

    def _survivors(self, boundary: Boundary, part: Part) -> dict[str, str]:
        """For each survivor that goes, the first loser of its cluster that stays: it lost to nobody now, and the others to it."""
        found: dict[str, str] = {}
        for table in row_groups(boundary, part):
            for loser, survivor in zip(*(table.column(name).to_pylist() for name in ("id", "survivor")), strict=True):
                if self._chosen.names(survivor) and not self._chosen.names(loser):
                    found.setdefault(survivor, loser)
        return found

    @staticmethod
    def _lone(head: Head, clusters: dict[str, str]) -> bool:
        return head.id in clusters.values()


def _without_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_texts(item) for item in value]
    return GONE if isinstance(value, str) else value
