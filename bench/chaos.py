"""Twenty thousand questions, two samples each, a teacher that misbehaves, and a hundred SIGKILLs: is each answer there once?

    python -m bench.chaos [--small] [--prompts 20000] [--kills 100] [--seed 1] [--concurrency 64] [--workers 1]
                          [--out out/bench-chaos]

The teacher is bench/chaos_server.py: 429 and 503 with and without Retry-After, 500, resets, answers that hang, are cut, garbled or end
at the token limit. Its ledger says what was paid, and outlives every client. The client is `yisang run` of bench/chaos_recipe.py, killed
at random moments (in half of the cases with its whole group, else the command alone), each time followed by the same command; the last
one ends by itself. One question in 40 is asked again by another record next to it, one in 40 by a record far away; not so with --workers 2
and more, since workers know of each other only what is stored, and may ask the same question at the same time.

Checked, from the ledger, the lines of the answer store and the run's own books and records:

- each (record, sample) has one verdict, a trace or a dead letter; the books balance
- the dead letters are what the server never answers, and nothing that it does
- each stored answer is, word for word, one that the server gave for that request; so is each trace
- nothing is asked once it is stored
- at no kill more answers are lost than the concurrency; lost: generated, or being generated, and not in the store
- no worker goes on without its command
- calls paid <= distinct requests that have an answer + in flight at the kills; without a kill nothing is paid twice

An answer that the server itself spoils (cut, garbled, reset on the way, hung) must be asked again, and no client can keep it: HTTP has
no way to fetch it later. These are counted on a line of their own, and are no calls paid.

Exit code 1 where a check fails. --twin runs one of the wrong twins of bench/chaos_twins.py, each of which must fail.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.chaos_books import CALL, Ledger, Stored
from bench.chaos_recipe import COPIED, MAX_TOKENS, SAMPLES
from bench.chaos_server import FAULTS, LASTING, LENGTH, answer_text, lasting, request_of
from yisang import __version__
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.report import rejected
from yisang.pipelines.run import open_run
from yisang.records import Trace

HERE = Path(__file__).parent
DEADLINE, SHORT_DEADLINE = 5, 3
"""Seconds that an answer may take: far more than the slowest whose end comes, so that only what hangs meets it."""
ORPHAN = 30
"""Seconds after which a worker of a killed command should long have ended."""
LATENCY_MS = 60


def questions(folder: Path, count: int, copies: bool, draw: random.Random) -> Counter[str]:
    """Writes the inputs; how many records there will be of each text."""
    texts = [
        f"문제 {number}: {draw.randrange(10**6)} 더하기 {draw.randrange(10**6)}은 얼마인가? {'자세히 ' * draw.randrange(9)}"
        + (COPIED if copies and number % 40 == 7 else "?")
        for number in range(count)
    ]
    again = [text for text in texts if text.endswith("?")][::39] if copies else ["문제 하나 더?"]
    for name, lines in (("questions", texts), ("again", again)):
        rows = (json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in lines)
        (folder / f"{name}.jsonl").write_text("".join(rows))
    return Counter([*texts, *again, *(text for text in texts if text.endswith(COPIED))])


@contextmanager
def serving(ledger: Path, seed: int) -> Iterator[int]:
    command = [sys.executable, "-m", "bench.chaos_server", str(ledger), str(seed), str(LATENCY_MS)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE.parent, start_new_session=True)
    assert server.stdout is not None
    try:
        yield int(server.stdout.readline())
    finally:
        server.kill()
        server.wait()


def command(given: argparse.Namespace, port: int) -> list[str]:
    program = ["-m", "yisang"] if not given.twin else ["-m", "bench.chaos_twins", given.twin]
    options = {
        "base_url": f"http://127.0.0.1:{port}/v1",
        "patience": (SHORT_DEADLINE if given.small else DEADLINE) - 1,
        "min_tokens_per_second": MAX_TOKENS,
        "backoff": 0.02,
    }
    return [
        sys.executable, *program, "run", str(HERE / "chaos_recipe.py"), "--out", str(given.out / "run"),
        "--inputs", str(given.out / "inputs"), "--answers", str(given.out / "answers"),
        "--concurrency", str(given.concurrency), "--workers", str(given.workers),
        *(word for name, value in options.items() for word in ("--teacher-option", f"{name}={value}")),
    ]  # fmt: skip


def alive(mark: str) -> list[int]:
    """Processes whose environment holds the mark."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if mark.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@dataclass
class Kill:
    """One client's life. open: answers that were being generated at its end; lost: generated, sent, and not in the store."""

    how: str
    seconds: float
    answers: int
    open: int
    lost: int


class Chaos:
    def __init__(self, given: argparse.Namespace, port: int, expected: Counter[str]):
        self.given, self.expected = given, expected
        self.command = command(given, port)
        self.draw = random.Random(given.seed + 1)
        self.ledger, self.stored = Ledger(given.out / "ledger"), Stored(given.out / "answers")
        self.kills: list[Kill] = []
        self.asked_though_stored: list[int] = []
        self.orphans = 0
        self.startup = 1.0
        self.wanted = {request_of(text, sample) for text in expected for sample in range(SAMPLES)}
        self.never = {request for request in self.wanted if lasting(given.seed, request)}

    def life(self, number: int) -> int:
        """Runs the command, and kills it where `number` is one of the kills; its exit status."""
        given, ledger = self.given, self.ledger
        mark = f"YISANG_CHAOS={given.out.name}-{os.getpid()}-{number}"
        log = open(given.out / "log.txt", "ab")  # noqa: SIM115
        known, first = set(self.stored.by_request), len(ledger.request) + 1
        began, paid = time.monotonic(), ledger.paid
        process = subprocess.Popen(
            self.command,
            env={**os.environ, "PYTHONPATH": str(HERE.parent), **dict([mark.split("=")])},
            start_new_session=True,
            stdout=log,
            stderr=log,
        )
        how = "end"
        try:
            if number < given.kills and self._moment(process, given.kills - number, began, paid):
                how = "group" if self.draw.random() < 0.5 else "command"
                (os.killpg if how == "group" else os.kill)(process.pid, signal.SIGKILL)
            code = process.wait()
        finally:
            if process.poll() is None:  # the bench itself was stopped
                os.killpg(process.pid, signal.SIGKILL)
        seconds = time.monotonic() - began
        end = time.monotonic() + ORPHAN
        while left := alive(mark):  # workers end with the command
            if time.monotonic() > end:
                self.orphans += len(left)
                for pid in left:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        log.close()
        ledger.follow()
        while ledger.connections:
            time.sleep(0.01)
            ledger.follow()
        self.stored.follow(given.seed)
        serials = range(first, len(ledger.request) + 1)
        self.asked_though_stored += [serial for serial in serials if ledger.request[serial] in known]
        open_ = sum(ledger.end[serial] == "-" for serial in serials)
        lost = sum(ledger.end[serial] == "=" and serial not in self.stored.serials for serial in serials)
        self.kills.append(Kill(how, seconds, ledger.paid - paid, open_, lost))
        print(
            f"{number + 1:4} {how:8} after {seconds:5.1f} s: {ledger.paid - paid:6,} answers, {open_:3} being generated, {lost:3} lost; "
            f"{len(self.stored.by_request):,} of {len(self.wanted):,} requests stored",
            flush=True,
        )
        return code

    def _moment(self, process: subprocess.Popen[bytes], kills: int, began: float, paid: int) -> bool:
        """Waits for the moment of a kill; False where the command ended before it."""
        ledger, draw = self.ledger, self.draw
        left = len(self.wanted) - len(self.never) - len(self.stored.by_request)
        # On average the same share of what is left for each kill, and never all of it.
        answers = int(draw.uniform(0, 1.6) * left / (kills + 1))
        # Three of five moments are counted in answers, the others in seconds, most of which hit the start.
        by_answers, moment = kills % 5 in (0, 1, 3), draw.uniform(0, 1.5 * self.startup)
        seconds = 1e9 if by_answers else moment
        asked: float | None = None
        before = len(ledger.request)
        while process.poll() is None:
            ledger.follow()
            now = time.monotonic() - began
            if asked is None and len(ledger.request) > before:
                asked = now
                self.startup = now
            if ledger.paid - paid > answers or now > seconds:
                return True
            time.sleep(0.003)
        return False

    # At the end

    def checks(self) -> dict[str, bool]:
        given, ledger, stored = self.given, self.ledger, self.stored
        folder, manifest = open_run(str(given.out / "run"))
        traces = [record for record in Boundary(folder, manifest.sink).all_records() if isinstance(record, Trace)]
        dead = list(rejected(str(given.out / "run"), "dead", 10**9, private=True))
        verdicts: Counter[tuple[str, int]] = Counter((trace.prompt.id, trace.sample) for trace in traces)
        texts: Counter[tuple[str, int]] = Counter((trace.prompt.text, trace.sample) for trace in traces)
        failed: set[str] = set()
        for row in dead:
            sample = int(re.match(r"sample (\d+):", row["message"])[1])  # type: ignore[index]
            verdicts[row["id"], sample] += 1
            texts[row["record"]["text"], sample] += 1
            failed.add(request_of(row["record"]["text"], sample))
        foreign, taught = 0, {request_of(trace.prompt.text, trace.sample) for trace in traces}
        for trace in traces:
            said = CALL.search(trace.text)
            request = request_of(trace.prompt.text, trace.sample)
            foreign += (
                said is None
                or said[2] != request
                or (trace.text, trace.finish_reason) != answer_text(given.seed, request, int(said[1]))
                or ledger.end.get(int(said[1])) != "="
                or int(said[1]) not in stored.serials
            )
        shown = subprocess.run(
            [sys.executable, "-m", "yisang", "show", str(given.out / "run"), "--json"], capture_output=True, check=True
        ).stdout
        steps = json.loads(shown)["steps"]
        self.traces, self.dead = len(traces), len(dead)
        in_flight = sum(kill.lost + kill.open for kill in self.kills[:-1])
        begun = ledger.paid + sum(end == "-" for end in ledger.end.values())
        most = max((kill.lost + kill.open for kill in self.kills[:-1]), default=0)
        bound = given.workers * given.concurrency
        answered = len(stored.by_request)
        repeated = sum(len(serials) > 1 for serials in stored.by_request.values())
        expected = Counter({(text, sample): n for text, n in self.expected.items() for sample in range(SAMPLES)})
        balanced = all(
            step["in"] + step["born"] == step["kept"] + sum(step["dropped"].values()) + step["dead"] for step in steps
        )
        return {
            f"one verdict for each record and sample: {self.traces:,} traces + {self.dead:,} dead letters": texts
            == expected
            and max(verdicts.values()) == 1,
            "the books balance, and count these": balanced
            and (steps[-1]["kept"], steps[-1]["dead"]) == (len(traces), len(dead)),
            f"dead letters: the {len(self.never):,} requests never answered, and {len(failed - self.never):,} unlucky ones": self.never
            <= failed
            # Of two records with the same words, asked one after the other, one may have been unlucky and the other not.
            and all(ledger.last.get(request, "-") not in "=-" or request in taught for request in failed),
            f"{len(stored.serials):,} stored answers are what the server said"
            + "".join(f"; {fault}" for fault in stored.faults[:3]): not stored.faults
            and all(ledger.end[serial] == "=" for serial in stored.serials),
            f"traces that are not the stored answer of their request: {foreign:,}": not foreign,
            f"requests with two stored answers: {repeated:,}": not repeated,
            f"asked though stored: {len(self.asked_though_stored):,}": not self.asked_though_stored,
            f"in flight at a kill ({most}) <= concurrency of {given.workers} ({bound})": most <= bound,
            f"calls paid ({begun:,}) <= distinct answered ({answered:,}) + in flight at kills ({in_flight:,})": begun
            <= answered + in_flight,
            f"processes that went on without their command: {self.orphans}": not self.orphans,
            f"nothing lost by the run that ended by itself: {self.kills[-1].lost + self.kills[-1].open:,}": not (
                self.kills[-1].lost + self.kills[-1].open
            ),
        }

    def table(self, seconds: float) -> None:
        given, ledger = self.given, self.ledger
        spoilt = Counter(end for end in ledger.end.values() if end not in "=-")
        kinds = Counter(kill.how for kill in self.kills)
        rows: dict[str, Any] = {
            "seed, workers, concurrency": f"{given.seed}, {given.workers}, {given.concurrency}",
            "records, samples": f"{sum(self.expected.values()):,} ({len(self.expected):,} distinct questions), {SAMPLES}",
            "kills": f"{len(self.kills) - 1} ({kinds['group']} of the group, {kinds['command']} of the command alone)",
            "in flight at the kills": f"{sum(kill.open for kill in self.kills):,} being generated, {sum(kill.lost for kill in self.kills):,} sent and lost",
            "calls paid": f"{ledger.paid:,} whole answers, {sum(e == '-' for e in ledger.end.values()):,} cut off by kills",
            "refused, nothing generated": ", ".join(
                f"{name} {count:,}" for name, count in sorted(ledger.refused.items())
            ),
            "spoilt by the server": ", ".join(f"{name} {count:,}" for name, count in sorted(spoilt.items())),
            "answers at the token limit": f"{LENGTH:.0%} planned",
            "faults planned": f"{sum(FAULTS.values()):.1%} of requests, {sum(LASTING.values()):.2%} of questions for ever",
            "seconds": f"{seconds:,.0f}",
            "versions": f"yisang {__version__}, Python {platform.python_version()}, {os.cpu_count()} cores",
        }
        for name, value in rows.items():
            print(f"{name:28} {value}")


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="400 questions, 5 kills")
    parser.add_argument("--prompts", type=int)
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--concurrency", type=int)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--twin", default="")
    parser.add_argument("--out", type=Path, default=Path("out/bench-chaos"))
    given = parser.parse_args(words)
    given.out = given.out.resolve()
    given.prompts = given.prompts or (400 if given.small else 20_000)
    given.kills = (5 if given.small else 100) if given.kills is None else given.kills
    given.concurrency = given.concurrency or (16 if given.small else 64)
    shutil.rmtree(given.out, ignore_errors=True)
    (given.out / "inputs").mkdir(parents=True)
    began = time.monotonic()
    expected = questions(given.out / "inputs", given.prompts, given.workers == 1, random.Random(given.seed))
    (given.out / "ledger").touch()
    with serving(given.out / "ledger", given.seed) as port:
        chaos = Chaos(given, port, expected)
        for number in range(given.kills + 1):
            code = chaos.life(number)
            if code != -signal.SIGKILL:
                break
    if code:
        tail = (given.out / "log.txt").read_text(errors="replace").splitlines()[-12:]
        print(f"The command ended by itself with {code}:", *tail, sep="\n  ")
        return 1
    checks = {f"{len(chaos.kills) - 1} of {given.kills} kills": len(chaos.kills) == given.kills + 1, **chaos.checks()}
    chaos.table(time.monotonic() - began)
    for name, good in checks.items():
        print(f"{'ok  ' if good else 'FAIL'} {name}")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
