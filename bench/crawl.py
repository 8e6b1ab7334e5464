"""Crawls that are killed again and again: what is asked twice was in flight at a kill, nothing is lost, nothing forbidden is asked for.

    python -m bench.crawl [--kills 20] [--pages 300] [--seed 1]

First four hosts without malice, where every request can be accounted for; then the hostile web of the tests, all of whose URLs must have
their one right verdict in the end.

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
    fine = result["asked twice"] <= result["in flight at the kills"] <= result["allowed in flight"]
    fine = fine and not result["pages lost"] and not result["records unread"] and result["kills"] == given.kills
    with tempfile.TemporaryDirectory() as folder:
        kills, faults = killed_hostile(Path(folder), given.kills, given.seed)
    print(f"{kills:8} kills on the hostile web")
    print(
        f"{len(faults):8} of its URLs with a wrong verdict, or asked for against the rules", *faults, sep="\n         "
    )
    fine = fine and not faults and kills == given.kills
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
            if not kill_at(goal, command(sites, out), web.log_path):
                break
            killed += 1
            settled = {row["key"] for row in rows(out) if row["verdict"]} | rules(out)
            in_flight += len({key(f"http://{entry['host']}{entry['target']}") for entry in web.log()} - settled)
        done = subprocess.run(command(sites, out), capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"the last crawl ended with {done.returncode}: {done.stderr}")
        log = web.log()
    counts = Counter(f"{entry['host']}{entry['target']}" for entry in log)
    wanted = {f"{host.name}{target}" for host in chosen for target in host.expected}
    source = Crawl(folder=str(out))
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


def killed_hostile(folder: Path, kills: int, seed: int) -> tuple[int, list[str]]:
    """The hostile web with SIGKILLs at random moments, then to its end: how many there were, and what is not as it should be."""
    sys.path.insert(0, str(TESTS))
    from conftest import command, rows
    from hostile import hostile_web
    from hostile_hosts import HOSTS, differences, violations

    chance, killed = random.Random(seed), 0
    with hostile_web(folder) as web:
        sites = web.write_sites(folder / "SITES.toml", HOSTS, retry_delay=0.1)
        out = folder / "out"
        while killed < kills:
            goal = requests(web.log_path) + chance.randint(1, 30)
            if not kill_at(goal, command(sites, out), web.log_path):
                break
            killed += 1
        # 3: one host asked to be left alone for a day.
        done = subprocess.run(command(sites, out), capture_output=True, text=True)
        if done.returncode != 3:
            raise SystemExit(f"the last crawl ended with {done.returncode}: {done.stderr}")
        log = web.log()
    faults = differences(HOSTS, [(row["url"], row["verdict"] or "queued") for row in rows(out)])
    # A page, and a Retry-After that a killed crawl could not write down any more, may be asked for once more for each kill.
    against = violations(HOSTS, log, tries=5 + killed)
    return killed, faults + [line for line in against if "Retry-After" not in line]


def kill_at(goal: int, line: list[str], log: Path) -> bool:
    """Starts a crawl and kills it when the server has seen so many requests; False where it came to its end before."""
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and requests(log) < goal:
        time.sleep(0.002)
    if process.poll() is not None:
        return False
    process.send_signal(signal.SIGKILL)
    process.wait()
    return True


def requests(log: Path) -> int:
    """Requests in the log so far: each has a line before it is answered."""
    return log.read_bytes().count(b'"method"')


if __name__ == "__main__":
    sys.exit(main())
