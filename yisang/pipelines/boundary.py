"""What a phase leaves on disk: part files per shard, a commit per shard, and a manifest that names them all.

A shard's commit file is written last, so its presence means that all its parts are there; a shard that ran twice
(a retried bundle, a run that went on after a kill) writes the same parts under the same names. The manifest is
written when every shard is committed. Readers take names from it, never from a listing.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from yisang.errors import YisangError
from yisang.pipelines.chain import dead_letter
from yisang.pipelines.table import RecordWriter, open_writer, read_records, schema, size_of, to_table
from yisang.records import SCHEMA_VERSION, Dead, Drop, Record, nfc
from yisang.storage import Folder, read_json

RUN_BYTES = 64 << 20
RUN_ROWS = 50_000
"""A sorted run is what a shuffle holds in memory before it writes it out."""

FAILED = "failed-"
"""Prefix of the commit of a shard that was set aside, as too many of its records are dead letters."""

SHUFFLE_COLUMNS = ("group_key", "group_order")


class Part(msgspec.Struct, frozen=True):
    """A file of a phase. `role`: records, drops, dead, run (of a shuffle), or the name of a stage's own table.

    `buckets` are the shuffle buckets whose row groups a run holds, in the order of its row groups.
    """

    name: str
    role: str
    rows: int
    bytes: int
    buckets: tuple[int, ...] = ()


class ShardCommit(msgspec.Struct, frozen=True):
    """What one shard read and wrote. `counted` is the source's independent count, None where there is none."""

    index: int
    read: int
    parts: tuple[Part, ...]
    born: dict[str, int]
    passed_over: dict[str, int] = {}
    counted: int | None = None
    source: str = ""


class Manifest(msgspec.Struct, frozen=True):
    """All shards of a finished phase."""

    phase: str
    digest: str
    shards: tuple[ShardCommit, ...]
    buckets: int = 0
    schema: int = SCHEMA_VERSION

    def parts(self, role: str) -> list[Part]:
        return [part for shard in self.shards for part in shard.parts if part.role == role]

    def rows(self, role: str) -> int:
        return sum(part.rows for part in self.parts(role))


class Boundary:
    """The folder of one phase: `folder` holds records and tables, `drops` and `dead` what was left behind."""

    def __init__(self, out: Folder, name: str):
        self.name = name
        self.folder = out / name
        self._folders = {"drops": out / "drops" / name, "dead": out / "dead" / name}

    def folder_of(self, role: str) -> Folder:
        return self._folders.get(role, self.folder)

    def commit_of(self, index: int) -> ShardCommit | None:
        name = f"shard-{index:05d}.json"
        if not self.folder.exists(name):
            return None
        return read_json(self.folder, name, ShardCommit)

    def commit_shard(self, commit: ShardCommit) -> None:
        name = f"shard-{commit.index:05d}.json"
        self.folder.write_bytes(name, msgspec.json.encode(commit))
        self.folder.remove(f"{FAILED}{name}")

    def set_aside(self, commit: ShardCommit) -> None:
        """Takes a shard's commit back, so that the next run does it again; its files stay readable until then."""
        name = f"shard-{commit.index:05d}.json"
        self.folder.write_bytes(f"{FAILED}{name}", msgspec.json.encode(commit))
        self.folder.remove(name)

    def so_far(self) -> Manifest:
        """The manifest, or of an unfinished phase what its shards have committed, failed ones included."""
        finished = self.manifest()
        if finished is not None:
            return finished
        names = [name for name in self.folder.names() if name.removeprefix(FAILED).startswith("shard-")]
        commits = [read_json(self.folder, name, ShardCommit) for name in names if name.endswith(".json")]
        return Manifest(self.name, "", tuple(commits))

    def manifest(self) -> Manifest | None:
        """None until the phase is finished."""
        if not self.folder.exists("manifest.json"):
            return None
        manifest = read_json(self.folder, "manifest.json", Manifest)
        if manifest.schema != SCHEMA_VERSION:
            raise YisangError(
                f"{self.folder.address} holds record schema {manifest.schema}, this yisang reads {SCHEMA_VERSION}. "
                "Run the recipe into a new folder."
            )
        return manifest

    def commit(self, manifest: Manifest) -> None:
        self.folder.write_bytes("manifest.json", msgspec.json.encode(manifest))

    def check(self, part: Part) -> None:
        """Raises YisangError where a part is not there, or has another size."""
        folder = self.folder_of(part.role)
        try:
            size = folder.size(part.name)
        except FileNotFoundError:
            size = -1
        if size != part.bytes:
            state = "is missing" if size < 0 else f"has {size} bytes instead of {part.bytes}"
            raise YisangError(
                f"{folder.address}/{part.name} {state}, though the run's manifest names it. Something else changed the "
                f"run folder. Remove {self.folder.address} and run the recipe again: it starts from the step before."
            )

    @contextlib.contextmanager
    def open(self, part: Part) -> Iterator[Any]:
        """The part's file, opened for reading, after a check."""
        self.check(part)
        folder = self.folder_of(part.role)
        with folder.fs.open(folder.path(part.name), "rb") as file:
            yield file

    def records(self, part: Part, start: int = 0, rows: int | None = None) -> Iterator[Record]:
        with self.open(part) as file:
            yield from read_records(file, f"{self.folder_of(part.role).address}/{part.name}", start, rows)

    def all_records(self) -> Iterator[Record]:
        """Every kept record of a finished phase, shard by shard."""
        manifest = self.manifest()
        if manifest is None:
            raise YisangError(f"{self.folder.address} is not finished. Run the recipe to its end first.")
        for part in manifest.parts("records"):
            yield from self.records(part)

    def table(self, role: str, names: list[str] | None = None) -> pa.Table | None:
        """All rows of a role's tables, or None where there are none."""
        import pyarrow.parquet as pq

        manifest = self.manifest()
        tables = []
        for part in manifest.parts(role) if manifest else []:
            with self.open(part) as file:
                tables.append(pq.read_table(file, columns=names))
        return pa.concat_tables(tables) if tables else None


DROP_SCHEMA = pa.schema(
    [
        (name, pa.string())
        for name in ("id", "kind", "step", "reason", "evidence", "category", "licence_letter", "record")
    ]
)
DEAD_SCHEMA = pa.schema(
    [
        (name, pa.string())
        for name in (
            "id",
            "kind",
            "step",
            "error",
            "message",
            "traceback",
            "where",
            "category",
            "licence_letter",
            "record",
        )
    ]
)


class ShardWriter:
    """Takes what a shard's work gives, writes it part by part, and commits all of it or nothing."""

    def __init__(self, boundary: Boundary, index: int, bucket_of: Any = None):
        self._boundary = boundary
        self._index = index
        self._bucket_of = bucket_of
        self._open = contextlib.ExitStack()
        self._records: dict[type[Record], tuple[str, RecordWriter]] = {}
        self._rows: dict[str, tuple[str, _RowWriter]] = {}
        self._parts: list[Part] = []
        self._runs: dict[type[Record], list[tuple[int, str, str, Record]]] = {}
        self._run_bytes = 0
        self._run_rows = 0
        self._born: dict[str, int] = {}
        self._passed_over: dict[str, int] = {}
        self.read = 0
        self.through: int | None = None
        """Rows whose results are here, where a phase reads far ahead of them."""
        self.note: Callable[[], Any] | None = None
        """What the phase tells of its work beside the rows, for `Phase.told`; JSON-able."""
        self.counted: int | None = None
        self.source = ""

    # What a phase reports

    def keep(self, record: Record) -> None:
        kind = type(record)
        if kind not in self._records:
            name = f"shard-{self._index:05d}.{record.kind_name}.parquet"
            path = self._open.enter_context(self._boundary.folder.create(name))
            self._records[kind] = name, RecordWriter(path, kind)
        self._records[kind][1].write(record)

    def drop(self, step: str, record: Record | None, drop: Drop) -> None:
        try:
            evidence = msgspec.json.encode(drop.evidence).decode()
            drop.reason.encode()
        except (TypeError, AttributeError, UnicodeEncodeError) as error:
            self.dead(step, record, dead_letter(YisangError(f"gave a Drop that cannot be stored, {drop!r}: {error}")))
            return
        self._row("drops", DROP_SCHEMA, {**_about(record, step), "reason": drop.reason, "evidence": evidence})

    def dead(self, step: str, record: Record | None, dead: Dead) -> None:
        fields = {name: getattr(dead, name) for name in ("error", "message", "traceback", "where")}
        self._row("dead", DEAD_SCHEMA, {**_about(record, step), **fields})

    def born(self, step: str, count: int) -> None:
        if count:
            self._born[step] = self._born.get(step, 0) + count

    def passed_over(self, what: str, count: int) -> None:
        self._passed_over[what] = self._passed_over.get(what, 0) + count

    def table(self, role: str, table: pa.Table) -> None:
        """A table of a stage's own, one per role and shard."""
        name = f"shard-{self._index:05d}.{role}.parquet"
        with self._boundary.folder.create(name) as path, open_writer(path, table.schema) as writer:
            writer.write_table(table)
        self._add_part(name, role, table.num_rows)

    def shuffle(self, keys: tuple[str, ...], order: str, record: Record) -> None:
        """Sends a record to the groups `keys`."""
        held = self._runs.setdefault(type(record), [])
        for key in keys:
            held.append((self._bucket_of(key), key, order, record))
            self._run_bytes += size_of(record)
            self._run_rows += 1
        if self._run_bytes >= RUN_BYTES or self._run_rows >= RUN_ROWS:
            self._write_runs()

    def commit(self) -> None:
        """Makes the parts visible, then says so. Called once, when the shard's work is done."""
        self._write_runs()
        for _, rows in self._rows.values():
            rows.close()
        for _, records in self._records.values():
            records.close()
        self._open.close()
        for name, records in self._records.values():
            self._add_part(name, "records", records.rows)
        for role, (name, rows) in self._rows.items():
            self._add_part(name, role, rows.rows)
        for role in {"drops", "dead"} - set(self._rows):
            self._boundary.folder_of(role).remove(f"shard-{self._index:05d}.parquet")  # of an earlier try
        self._boundary.commit_shard(
            ShardCommit(
                self._index, self.read, tuple(self._parts), self._born, self._passed_over, self.counted, self.source
            )
        )  # fmt: skip

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *failure: Any) -> None:
        # Without commit(), all that was written so far goes away, and a full disk is said in words.
        self._open.__exit__(*failure)

    # How it is stored

    def _row(self, role: str, arrow_schema: pa.Schema, row: dict[str, str]) -> None:
        if role not in self._rows:
            name = f"shard-{self._index:05d}.parquet"
            path = self._open.enter_context(self._boundary.folder_of(role).create(name))
            self._rows[role] = name, _RowWriter(path, arrow_schema)
        self._rows[role][1].write(row)

    def _write_runs(self) -> None:
        for kind, rows in self._runs.items():
            rows.sort(key=lambda row: (row[0], row[1], row[2], row[3].id))
            number = sum(part.role == "run" for part in self._parts)
            name = f"shard-{self._index:05d}.run-{number:03d}.parquet"
            buckets: list[int] = []
            extra = tuple((column, pa.string()) for column in SHUFFLE_COLUMNS)
            with self._boundary.folder.create(name) as path, open_writer(path, schema(kind, extra)) as writer:
                for chunk in _row_groups(rows):
                    keys, orders = [row[1] for row in chunk], [row[2] for row in chunk]
                    columns_ = {"group_key": (pa.string(), keys), "group_order": (pa.string(), orders)}
                    writer.write_table(to_table([row[3] for row in chunk], columns_))
                    buckets.append(chunk[0][0])
            self._add_part(name, "run", len(rows), tuple(buckets))
        self._runs, self._run_bytes, self._run_rows = {}, 0, 0

    def _add_part(self, name: str, role: str, rows: int, buckets: tuple[int, ...] = ()) -> None:
        size = self._boundary.folder_of(role).size(name)
        self._parts.append(Part(name, role, rows, size, buckets))


def _row_groups(rows: list[tuple[int, str, str, Record]]) -> Iterator[list[tuple[int, str, str, Record]]]:
    """Rows cut where the bucket changes, and where a row group would grow past what a merge should hold per run."""
    chunk: list[tuple[int, str, str, Record]] = []
    held = 0
    for row in rows:
        if chunk and (row[0] != chunk[0][0] or len(chunk) == 500 or held > 2 << 20):
            yield chunk
            chunk, held = [], 0
        chunk.append(row)
        held += size_of(row[3])
    if chunk:
        yield chunk


def _about(record: Record | None, step: str) -> dict[str, str]:
    if record is None:
        return {"id": "", "kind": "", "step": step, "category": "", "licence_letter": "", "record": ""}
    return {
        "id": nfc(record.id),
        "kind": record.kind_name,
        "step": step,
        "category": nfc(record.category),
        "licence_letter": record.licence.letter,
        "record": _as_json(record),
    }


def _as_json(record: Record) -> str:
    """Also of a record that holds half a character, which may be just why it died."""
    try:
        return msgspec.json.encode(record).decode()
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(record))


class _RowWriter:
    """Writes rows of strings to a Parquet file, a few megabytes at a time."""

    def __init__(self, path: Path, arrow_schema: pa.Schema):
        self._schema = arrow_schema
        self._writer = open_writer(path, arrow_schema)
        self._held: list[dict[str, str]] = []
        self._bytes = 0
        self.rows = 0

    def write(self, row: dict[str, str]) -> None:
        self._held.append(row)
        self._bytes += len(row["record"])
        if self._bytes > 8 << 20 or len(self._held) >= 2_000:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            self._writer.write_table(pa.Table.from_pylist(self._held, schema=self._schema))
            self.rows += len(self._held)
            self._held, self._bytes = [], 0

    def close(self) -> None:
        self._flush()
        self._writer.close()
