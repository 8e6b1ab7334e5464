"""A crawl of the hostile web by the command, as a user starts it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from hostile import Web, hostile_web
from hostile_hosts import HOSTS, Host


def command(sites: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "yisang", "crawl", str(sites), "--out", str(out), *more]


def run(sites: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(sites, out, *more), capture_output=True, text=True, timeout=300)


def rows(out: Path, hosts: Iterable[Host] = ()) -> list[dict[str, Any]]:
    """All rows of the frontiers of a crawl, or of some hosts."""
    names = {host.name for host in hosts}
    found: list[dict[str, Any]] = []
    for path in sorted(out.glob("*/frontier.sqlite")):
        if names and path.parent.name not in names:
            continue
        with sqlite3.connect(path) as db:
            db.row_factory = sqlite3.Row
            found += [dict(row) for row in db.execute("SELECT * FROM urls ORDER BY number")]
    return found


def rules(out: Path) -> set[str]:
    """The addresses of robots.txt and tdmrep.json whose answers lie in the frontiers."""
    found: set[str] = set()
    for path in sorted(out.glob("*/frontier.sqlite")):
        with sqlite3.connect(path) as db:
            found |= {f"{origin}{what}" for origin, what in db.execute("SELECT origin, what FROM origins")}
    return found


@dataclass(frozen=True)
class Crawled:
    """A crawl that has ended, and what the server saw of it."""

    hosts: tuple[Host, ...]
    out: Path
    done: subprocess.CompletedProcess[str]
    log: list[dict[str, Any]]

    def rows(self, *names: str) -> list[dict[str, Any]]:
        return rows(self.out, [host for host in self.hosts if not names or host.name in names])


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Crawled:
    """All hosts of the hostile web, crawled once."""
    folder = tmp_path_factory.mktemp("hostile")
    with hostile_web(folder) as web:
        sites = web.write_sites(folder / "SITES.toml", HOSTS, retry_delay=0.1)
        done = run(sites, folder / "out")
        return Crawled(HOSTS, folder / "out", done, web.log())


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    with hostile_web(tmp_path) as found:
        yield found
