"""Takes a host or a page out of a crawl's folder: the host's own folder, or its lines in SQLite files and its records in WARC files."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from yisang.errors import UsageError, YisangError
from yisang.pipelines.purge_target import Target, host_of
from yisang.pipelines.purge_warc import NAME, Cut, cut
from yisang.sources.crawl.site import FRONTIER
from yisang.storage import TEMPORARY

_MAGIC = b"SQLite format 3\0"
ADDRESSES = frozenset({"url", "uri", "final_url"})
"""Columns whose address says whose line it is; in any other column an address is only mentioned."""
_SIDE = ("-wal", "-shm", "-journal")


@dataclass
class Emptied:
    """What a file or a folder of pages lost, or would lose."""

    warc: Cut = field(default_factory=Cut)
    folders: list[str] = field(default_factory=list)
    lines: int = 0
    mentions: int = 0

    @property
    def any(self) -> bool:
        return bool(self.warc.any or self.folders or self.lines or self.mentions)


def empty(place: str, target: Target, *, change: bool) -> Emptied:
    """Takes the target out of a WARC file or a crawl's folder, or with change=False only counts. Raises UsageError for another place."""
    found = Emptied()
    path = Path(place)
    if "://" in place or path.is_file():
        if not NAME.search(place):
            raise UsageError(
                f"--pages {place} is no WARC file (.warc, .warc.gz) and no folder. Convert ARC or zstd files with `warcio recompress`, "
                "or remove the file by hand."
            )
        _add(found.warc, cut(place, target, change=change))
        return found
    if not path.is_dir():
        raise UsageError(f"--pages {place} does not exist. Name a WARC file or the folder of a crawl.")
    folders = sorted(item for item in path.rglob("*") if item.is_dir())
    for folder in folders:
        if change and folder.name.startswith(TEMPORARY):  # of a purge that was killed
            shutil.rmtree(folder, ignore_errors=True)
        elif _is_of(folder.name, target) and folder.exists():
            found.folders.append(str(folder))
            if change:
                # Renamed first: half a folder must not look like a crawl that can go on.
                aside = folder.with_name(f"{TEMPORARY}purged")
                shutil.rmtree(aside, ignore_errors=True)
                os.rename(folder, aside)
                shutil.rmtree(aside)
    inside = [Path(name) for name in found.folders]
    for file in sorted(path.rglob("*")):
        if not file.is_file() or any(folder in file.parents for folder in inside):
            continue
        if change and TEMPORARY in str(file.relative_to(path)):
            file.unlink()
        elif NAME.search(file.name):
            _add(found.warc, cut(str(file), target, change=change))
        elif is_sqlite(file):
            _clean(file, target, found, change)
    if change:
        for file in sorted(path.rglob(FRONTIER)):
            _account(file)
    return found


def _account(frontier: Path) -> None:
    """Tells a crawl's frontier how long its WARC is now, so that the crawl can go on behind what is left."""
    with _opened(frontier, True) as connection:
        if not any(table == "facts" for table, _ in _tables(connection)):
            return
        row = connection.execute("SELECT value FROM facts WHERE name = 'warc_end'").fetchone()
        name = row[0].rpartition(":")[0] if row else ""
        file = frontier.parent / name
        if not name or (file.exists() and f"{name}:{file.stat().st_size}" == row[0]):
            return
        end = f"{name}:{file.stat().st_size}" if file.exists() else ":0"
        connection.execute("UPDATE facts SET value = ? WHERE name = 'warc_end'", (end,))


def _add(to: Cut, more: Cut) -> None:
    for name, value in vars(more).items():
        setattr(to, name, getattr(to, name) + value)


def _is_of(name: str, target: Target) -> bool:
    return bool(target.hosts) and "." in name and target.matches(f"http://{name}/") and host_of(name) != ""


def is_sqlite(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


@contextlib.contextmanager
def _opened(path: Path, change: bool) -> Iterator[sqlite3.Connection]:
    mode = "rw" if change else "ro"
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=1)
    try:
        yield connection
    except sqlite3.OperationalError as error:
        raise YisangError(
            f"{path} cannot be changed: {error}. If a crawl is at work there, wait for it or stop it; then run the same command again."
        ) from error
    finally:
        connection.close()


def _clean(path: Path, target: Target, found: Emptied, change: bool) -> None:
    """Deletes the target's lines and overwrites its mentions; nothing of either stays on a free page of the file."""
    with _opened(path, change) as connection:
        connection.create_function("is_target", 1, lambda value: int(isinstance(value, str) and target.matches(value)))
        connection.create_function("names_target", 1, lambda value: int(_names(value, target)))
        lines = mentions = 0
        if change:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("BEGIN EXCLUSIVE")
        for table, columns in _tables(connection):
            for column in columns:
                own = column.lower() in ADDRESSES
                test = f"{'is_target' if own else 'names_target'}({_quoted(column)})"
                (hits,) = connection.execute(f"SELECT count(*) FROM {_quoted(table)} WHERE {test}").fetchone()
                lines, mentions = (lines + hits, mentions) if own else (lines, mentions + hits)
                if hits and change and own:
                    connection.execute(f"DELETE FROM {_quoted(table)} WHERE {test}")
                elif hits and change:
                    connection.execute(f"UPDATE {_quoted(table)} SET {_quoted(column)} = '' WHERE {test}")
        found.lines, found.mentions = found.lines + lines, found.mentions + mentions
        if change:
            connection.execute("COMMIT")
            # Also after a purge that was killed behind its commit: free pages and the log may still hold the lines.
            (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
            connection.execute("PRAGMA journal_mode = DELETE")
            if lines or mentions or _held(path, target):
                connection.execute("VACUUM")
            connection.execute(f"PRAGMA journal_mode = {journal}")


def _held(path: Path, target: Target) -> bool:
    return any(
        target.named_in(Path(f"{path}{side}").read_bytes()) for side in ("", *_SIDE) if Path(f"{path}{side}").exists()
    )


def _names(value: object, target: Target) -> bool:
    return isinstance(value, str | bytes) and target.named_in(value)


def _tables(connection: sqlite3.Connection) -> list[tuple[str, list[str]]]:
    """Tables with their columns, those with an address of their own first."""
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    found = []
    for (name,) in rows:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({_quoted(name)})")]
        found.append((name, sorted(columns, key=lambda column: column.lower() not in ADDRESSES)))
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
