"""SQLite whose failures say what happened to which file, and what to do."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yisang.errors import YisangError


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Says in words what a failure of SQLite means; it may come with any statement."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY")):
            raise YisangError(
                f"The frontier {path} cannot be written: {error}. Free some space there or make it writable; what was finished before is "
                "kept, and the same command goes on from it."
            ) from error
        raise YisangError(
            f"The frontier {path} cannot be read: {error}. If another crawl of this folder is running, wait for it; if the file is "
            f"damaged, move {path.parent} away, and the site is crawled anew."
        ) from error


class Database(sqlite3.Connection):
    """A connection to the file at `path`, whose statements fail in words."""

    path = Path()

    def execute(self, *given: Any) -> sqlite3.Cursor:
        with explained(self.path):
            return super().execute(*given)

    def executemany(self, *given: Any) -> sqlite3.Cursor:
        with explained(self.path):
            return super().executemany(*given)
