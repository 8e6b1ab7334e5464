"""The frontier of one site: every URL that is known, and the one verdict on each that is done. SQLite, one file per site.

A URL is done when its WARC records are on disk, and then only: the row that says so is committed after the file was synced, together with
the links that the page bears. What was in flight when a crawl was killed is simply still queued. The end of the WARC is in the same
transaction, so that what a killed crawl wrote beyond it can be cut off (`archive`).
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from yisang.errors import YisangError
from yisang.sources.crawl.database import Database, explained

SCHEMA = 1

VERDICTS = (
    "page", "not_html", "redirect", "robots", "opt_out", "denied", "too_deep", "over_budget", "private_address", "too_large",
    "timeout", "unreachable", "too_many_redirects",
)  # fmt: skip
"""What becomes of a URL; besides, `http_404` and the like for a final status of 400 or more.

page: in the WARC. not_html: another media type, its head alone is kept. robots: forbidden there, never asked for. opt_out: the site says no, in
a file of rules or with the answer; a body is not kept. denied: by a pattern of SITES, or of a trap. private_address: not public, never connected to.
too_large: as sent or unpacked. unreachable: name, connection, TLS or protocol failed. And `error`, where our own code failed on an answer.
"""

Kind = Literal["page", "sitemap", "feed"]
KeptAway = Callable[[str, int, Kind], tuple[str, str]]
"""What settings say of a URL, its depth and kind: a verdict with its rule, or "" and "" where they let it be asked for."""
_OF_SETTINGS = ("denied", "too_deep", "over_budget")

_TABLES = """
CREATE TABLE IF NOT EXISTS urls (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, url TEXT NOT NULL, kind TEXT NOT NULL, depth INTEGER NOT NULL,
    hops INTEGER NOT NULL, via TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL DEFAULT 0, verdict TEXT,
    rule TEXT NOT NULL DEFAULT '', why TEXT NOT NULL DEFAULT '', rights TEXT NOT NULL DEFAULT '', licence TEXT NOT NULL DEFAULT '', status INTEGER, target TEXT NOT NULL DEFAULT '',
    etag TEXT NOT NULL DEFAULT '', modified TEXT NOT NULL DEFAULT '', digest TEXT NOT NULL DEFAULT '', warc TEXT NOT NULL DEFAULT '',
    fetched TEXT NOT NULL DEFAULT '', seen TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS queue ON urls (depth, number) WHERE verdict IS NULL;
CREATE TABLE IF NOT EXISTS origins (origin TEXT NOT NULL, what TEXT NOT NULL, status INTEGER NOT NULL, verdict TEXT NOT NULL, type TEXT NOT NULL, body BLOB NOT NULL,
    why TEXT NOT NULL, fetched REAL NOT NULL, PRIMARY KEY (origin, what));
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Queued(NamedTuple):
    """A URL to be asked for. kind: what its answer is read as. due: Unix seconds, before which it must not be asked."""

    number: int
    url: str
    kind: Kind
    depth: int
    hops: int
    via: str
    tries: int
    due: float
    etag: str
    modified: str
    digest: str
    warc: str
    fetched: str
    licence: str


class Found(NamedTuple):
    """A URL that a page bears. key: by which it is known again."""

    key: str
    url: str
    kind: Kind = "page"
    depth: int = 0
    hops: int = 0
    verdict: str | None = None
    rule: str = ""


@dataclass(frozen=True)
class Settled:
    """What became of a URL. `rule`: the text that decided; `why`: in words. rights, licence (`tag`): of a page, as JSON. warc: `file:offset` of the
    record that holds the body."""

    verdict: str
    rule: str = ""
    why: str = ""
    rights: str = ""
    licence: str = ""
    status: int | None = None
    target: str = ""
    etag: str = ""
    modified: str = ""
    digest: str = ""
    warc: str = ""
    fetched: str = ""
    seen: str = ""


class Origin(msgspec.Struct, frozen=True):
    """What a scheme, host and port answered for robots.txt or tdmrep.json. status 0: it could not be fetched; `verdict` and `why` say how."""

    status: int
    verdict: str
    type: str
    body: bytes
    why: str
    fetched: float


class Frontier:
    """One site's URLs. `reading` opens what is there and changes nothing. Each method raises YisangError where SQLite fails."""

    def __init__(self, path: Path, *, reading: bool = False):
        self.path = path
        if not reading:
            path.parent.mkdir(parents=True, exist_ok=True)
        where = f"{path.absolute().as_uri()}{'?mode=ro' if reading else ''}"
        with explained(path):
            self._db = sqlite3.connect(where, uri=True, isolation_level=None, timeout=5.0, factory=Database)
        self._db.path = path
        try:
            if reading:
                self._check_schema()
                return
            self._db.execute("PRAGMA journal_mode = WAL")
            # Killed processes lose nothing so; a power cut may lose the last rows, whose records are then cut off and fetched again.
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA secure_delete = ON")
            with self._transaction():
                for statement in _TABLES.split(";"):
                    self._db.execute(statement)
                self._check_schema()
                self._note("schema", str(SCHEMA))
        except YisangError:
            self._db.close()
            raise

    def _check_schema(self) -> None:
        schema = self.fact("schema", str(SCHEMA))
        if schema != str(SCHEMA):
            raise YisangError(
                f"{self.path} was written with schema {schema}, this yisang reads {SCHEMA}. Crawl into a new folder."
            )

    def close(self) -> None:
        self._db.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # A full device ends the transaction by itself.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    # Facts of the site

    def fact(self, name: str, default: str = "") -> str:
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return default if row is None else str(row[0])

    def note(self, name: str, value: str) -> None:
        with self._transaction():
            self._note(name, value)

    def _note(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    @property
    def warc_end(self) -> tuple[str, int]:
        """File and length of the WARC up to which all is accounted for; "" and 0 for none yet."""
        name, _, end = self.fact("warc_end", ":0").rpartition(":")
        return name, int(end)

    @property
    def edition(self) -> int:
        """1, and one more with each time that the site was crawled again."""
        return int(self.fact("edition", "1"))

    # The queue

    def add(self, found: Iterable[Found], via: str = "") -> int:
        """Queues what is not known yet, and says how many that were."""
        with self._transaction():
            return self._add(found, via)

    def _add(self, found: Iterable[Found], via: str) -> int:
        before = self._db.total_changes
        self._db.executemany(
            "INSERT OR IGNORE INTO urls (key, url, kind, depth, hops, via, verdict, rule) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            ((one.key, one.url, one.kind, one.depth, one.hops, via, one.verdict, one.rule) for one in found),
        )
        return self._db.total_changes - before

    def seed(self, found: Iterable[Found]) -> None:
        """What SITES names to begin with, also where a page had named it before: then it needs no leave from now on, and is read as what
        SITES says that it is."""
        seeds: dict[str, Found] = {}
        for one in found:
            seeds.setdefault(one.key, one)
        with self._transaction():
            self._add(seeds.values(), "")
            for one in seeds.values():
                self._db.execute("UPDATE urls SET via = '', depth = 0 WHERE key = ? AND via != ''", (one.key,))
                self._db.execute(
                    "UPDATE urls SET kind = ?, verdict = NULL, rule = '', why = '', tries = 0, etag = '', modified = '', digest = '' "
                    "WHERE key = ? AND kind != ?",
                    (one.kind, one.key, one.kind),
                )

    def next(self, but: set[int], now: float) -> Queued | None:
        """The nearest to the start of those that are due, else the one that is due first; `but` are in flight."""
        fields = ", ".join(Queued._fields)
        held = ", ".join(map(str, sorted(but))) or "0"
        waiting = f"SELECT {fields} FROM urls WHERE verdict IS NULL AND number NOT IN ({held})"
        row = self._db.execute(f"{waiting} AND due <= ? ORDER BY depth, number LIMIT 1", (now,)).fetchone()
        row = row or self._db.execute(f"{waiting} ORDER BY due LIMIT 1").fetchone()
        return Queued(*row) if row else None

    def queued(self) -> int:
        return int(self._db.execute("SELECT COUNT(*) FROM urls WHERE verdict IS NULL").fetchone()[0])

    def any_queued(self) -> bool:
        return self._db.execute("SELECT 1 FROM urls WHERE verdict IS NULL LIMIT 1").fetchone() is not None

    def answered(self) -> int:
        """How many answers of this edition were taken, whatever their status."""
        return int(self.fact("answered", "0"))

    def settle(
        self,
        number: int,
        settled: Settled,
        found: Iterable[Found] = (),
        *,
        via: str = "",
        warc_end: tuple[str, int] | None = None,
        answered: bool = False,
        off_site: int = 0,
    ) -> int:
        """Says what became of a URL and queues what its page bears, in one transaction. The number of new URLs."""
        fields = {name: getattr(settled, name) for name in Settled.__dataclass_fields__}
        columns = ", ".join(f"{name} = ?" for name in fields)
        with self._transaction():
            self._db.execute(f"UPDATE urls SET {columns} WHERE number = ?", (*fields.values(), number))
            new = self._add(found, via)
            self._counts(warc_end, answered, off_site)
        return new

    def stand(self, number: int, why: str) -> None:
        """Leaves a page as an earlier edition fetched it, as it could not be asked for again."""
        with self._transaction():
            self._db.execute("UPDATE urls SET verdict = 'page', why = ? WHERE number = ?", (why, number))
            self._counts(None, True, 0)

    def defer(
        self, number: int, due: float, why: str, *, warc_end: tuple[str, int] | None = None, answered: bool = False
    ) -> None:
        """Leaves a URL that failed for a later try."""
        with self._transaction():
            self._db.execute("UPDATE urls SET tries = tries + 1, due = ?, why = ? WHERE number = ?", (due, why, number))
            self._counts(warc_end, answered, 0)

    def respell(self, number: int, url: str, *, warc_end: tuple[str, int]) -> None:
        """Gives a URL the spelling that its site led to, which has the same key; it is queued still, and one hop older."""
        with self._transaction():
            self._db.execute("UPDATE urls SET url = ?, hops = hops + 1 WHERE number = ?", (url, number))
            self._counts(warc_end, True, 0)

    def _counts(self, warc_end: tuple[str, int] | None, answered: bool, off_site: int) -> None:
        if warc_end is not None:
            self._note("warc_end", f"{warc_end[0]}:{warc_end[1]}")
        if answered:
            self._note("answered", str(self.answered() + 1))
        if off_site:
            self._note("off_site", str(int(self.fact("off_site", "0")) + off_site))

    def settle_rest(self, verdict: str, rule: str, but: set[int]) -> int:
        """One verdict on all that is queued, as when a budget is spent."""
        held = ", ".join(map(str, sorted(but))) or "0"
        with self._transaction():
            done = self._db.execute(
                f"UPDATE urls SET verdict = ?, rule = ? WHERE verdict IS NULL AND number NOT IN ({held})",
                (verdict, rule),
            )
        return done.rowcount

    def open_settings(self, settings: str, kept_away: KeptAway) -> None:
        """Where settings have changed since an earlier crawl, what they kept away and what is still queued is judged by the new ones."""
        with self._transaction():
            if self.fact("settings") not in ("", settings):
                marks = ", ".join("?" * len(_OF_SETTINGS))
                self._db.execute(f"UPDATE urls SET verdict = NULL, rule = '' WHERE verdict IN ({marks})", _OF_SETTINGS)
                self._judge_queued(kept_away)
            self._note("settings", settings)

    def judge_by(self, judges: str) -> None:
        """Where others judge than did before (another agent, another entry of the registry), the next edition asks for whole bodies: a page that
        is not sent again (304) cannot be judged again."""
        with self._transaction():
            if self.fact("judges") != judges:
                self._db.execute("UPDATE urls SET etag = '', modified = '' WHERE etag != '' OR modified != ''")
                self._note("judges", judges)

    def _judge_queued(self, kept_away: KeptAway) -> None:
        # What SITES itself names to begin with (via "") is asked for, whatever its patterns say of links.
        queued = self._db.execute("SELECT number, url, depth, kind FROM urls WHERE verdict IS NULL AND via != ''")
        judged = [(*kept_away(url, depth, kind), number) for number, url, depth, kind in queued]
        self._db.executemany(
            "UPDATE urls SET verdict = ?, rule = ? WHERE number = ?", [found for found in judged if found[0]]
        )

    def reopen(self, kept_away: KeptAway) -> None:
        """Queues everything that settings do not keep away for another edition, which asks for what has changed since."""
        with self._transaction():
            self._db.execute("UPDATE urls SET verdict = NULL, rule = '', why = '', tries = 0, due = 0")
            self._judge_queued(kept_away)
            self._db.execute("DELETE FROM origins")
            self._note("edition", str(self.edition + 1))
            self._note("answered", "0")

    # What a host answered for robots.txt and the like

    def origin(self, origin: str, what: str) -> Origin | None:
        row = self._db.execute(
            "SELECT status, verdict, type, body, why, fetched FROM origins WHERE origin = ? AND what = ?",
            (origin, what),
        ).fetchone()
        return Origin(*row) if row else None

    def keep_origin(self, origin: str, what: str, answer: Origin, warc_end: tuple[str, int] | None = None) -> None:
        with self._transaction():
            row = (origin, what, answer.status, answer.verdict, answer.type, answer.body, answer.why, answer.fetched)
            self._db.execute("INSERT OR REPLACE INTO origins VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            self._counts(warc_end, False, 0)

    # Reading

    def counts(self) -> dict[str, int]:
        """URLs by verdict; those still queued under "queued"."""
        rows = self._db.execute("SELECT COALESCE(verdict, 'queued'), COUNT(*) FROM urls GROUP BY 1 ORDER BY 1")
        return {str(name): int(count) for name, count in rows}

    def pages(self) -> dict[tuple[str, str], int]:
        """The numbers of the pages by address and time, since a purge moves what stands behind a record that it takes out."""
        rows = self._db.execute("SELECT url, fetched, number FROM urls WHERE verdict = 'page' ORDER BY url")
        with explained(self.path):
            return {(url, fetched): number for url, fetched, number in rows}

    def row(self, number: int) -> dict[str, Any]:
        """One URL by its number."""
        cursor = self._db.execute("SELECT * FROM urls WHERE number = ?", (number,))
        return dict(zip((column[0] for column in cursor.description), cursor.fetchone(), strict=True))

    def rows(self, *verdicts: str) -> Iterator[dict[str, Any]]:
        """The URLs of these verdicts, of all where none is named, in the order of their addresses."""
        where = f"WHERE verdict IN ({', '.join('?' * len(verdicts))})" if verdicts else ""
        cursor = self._db.execute(f"SELECT * FROM urls {where} ORDER BY url", verdicts)
        names = [column[0] for column in cursor.description]
        with explained(self.path):
            for row in cursor:
                yield dict(zip(names, row, strict=True))


def now() -> float:
    """Unix seconds: a crawl goes on after a restart, which a monotonic clock does not survive."""
    return time.time()
