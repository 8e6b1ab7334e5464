"""A crawl of four hosts that is killed again and again: what is asked twice was in flight at a kill, and nothing is lost.

    python -m bench.crawl [--kills 20] [--pages 300] [--seed 1]

The server is a process of its own and logs each request before it answers. After each SIGKILL the log is compared with the frontiers: a URL
that was asked for and has no verdict was in flight. Ends with an error where a page is lost or asked for more often than that allows.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

CONCURRENCY = 4
TESTS = Path(__file__).resolve().parents[1] / "tests" / "sources" / "crawl"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--hosts", type=int, default=4)
    parser.add_argument("--pages", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = killed_crawl(Path(folder), given.kills, given.hosts, given.pages, given.seed)
    for name, value in result.items():
        print(f"{value:8} {name}")
    fine = (
        result["kills"] == given.kills
        and not result["pages lost"]
        and result["asked twice"] <= result["in flight at the kills"]
        and not result["records unread"]
    )
    print("holds" if fine else "DOES NOT HOLD")
    return 0 if fine else 1


def killed_crawl(folder: Path, kills: int, hosts: int, pages: int, seed: int) -> dict[str, int]:
    """Crawls `hosts` × `pages` with `kills` SIGKILLs at random moments, then to its end."""
    sys.path.insert(0, str(TESTS))
    from conftest import command, rows, rules
    from hostile import hostile_web
    from hostile_hosts import polite

    from yisang.sources.crawl import Crawl
    from yisang.sources.crawl.links import key

    chance = random.Random(seed)
    chosen = polite(hosts, pages)
    in_flight = killed = 0
    with hostile_web(folder) as web:
        # As fast as the machine can: there is no moment that a kill cannot meet.
        sites = web.write_sites(folder / "SITES.toml", chosen, delay=0.0, concurrency=CONCURRENCY)
        out = folder / "out"
        while killed < kills:
            asked = requests(web.log_path)
            goal = asked + chance.randint(1, max(1, hosts * pages // (kills + 2)))
            process = subprocess.Popen(command(sites, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while process.poll() is None and requests(web.log_path) < goal:
                time.sleep(0.002)
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
            settled = {row["key"] for row in rows(out) if row["verdict"]} | rules(out)
            in_flight += len({key(f"http://{entry['host']}{entry['target']}") for entry in web.log()} - settled)
        done = subprocess.run(command(sites, out), capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"the last crawl ended with {done.returncode}: {done.stderr}")
        log = web.log()
    counts = Counter(f"{entry['host']}{entry['target']}" for entry in log)
    wanted = {f"{host.name}{target}" for host in chosen for target in host.expected}
    source = Crawl(str(out))
    found = [item for shard in source.shards() for item in source.read(shard)]
    read = {page.url.removeprefix("http://") for page in found if hasattr(page, "url")}
    return {
        "kills": killed,
        "pages": len(wanted),
        "requests": len(log),
        "in flight at the kills": in_flight,
        # Of each host as many as may be asked for at a time; a file of rules is one of them.
        "allowed in flight": killed * hosts * CONCURRENCY,
        "asked twice": sum(count - 1 for count in counts.values()),
        "pages lost": len(wanted - read),
        "records unread": sum(type(item).__name__ == "Dead" for item in found),
    }


def requests(log: Path) -> int:
    """Requests in the log so far: each has a line before it is answered."""
    return log.read_bytes().count(b'"method"')


if __name__ == "__main__":
    sys.exit(main())
