"""Takes one host of eight out of a corpus of more than 10,000 rows, with answers and publications, and searches the bytes before and after.

    python -m bench.purge                 # 14,400 pages, some 12,000 rows; about five minutes on two cores
    python -m bench.purge --pages 2000    # a smaller web

The web is made here: each host asks worded tasks of its own; one page in twenty of another host is a near copy of one of the purged
host's, one in fifty the same, so that drops of others name it. The search before and after is of two kinds: the command's own, and a
count of the host's name in all files, unpacked, which shares no code with it.
"""

from __future__ import annotations

import argparse
import gzip
import html
import io
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from yisang.pipelines.boundary import Boundary
from yisang.pipelines.phases import Setting
from yisang.pipelines.publish import publish
from yisang.pipelines.purge import Report, Where, purge
from yisang.pipelines.purge_proof import Proof, Searcher
from yisang.pipelines.purge_run import RunPurge
from yisang.pipelines.purge_target import Target
from yisang.pipelines.purge_text import report_text
from yisang.pipelines.recipe import load
from yisang.pipelines.run import open_run, read_books, run_recipe
from yisang.storage import Folder
from yisang.tasks.problems import Request, make_problems

HOSTS = 8
TARGET = "mungje3.example"
LEAST_ROWS = 10_000


def host_of(number: int) -> str:
    return f"mungje{number % HOSTS}.example"


def write_web(path: Path, pages: int) -> None:
    texts = [
        problem.prompt("web", "Math", "").text
        for problem in make_problems(Request("ko", 3, 7, "", "general", "forward"), 5, pages)
    ]
    theirs = [number for number in range(pages) if host_of(number) == TARGET]
    with open(path, "wb") as file:
        writer = WARCWriter(file, gzip=True)
        writer.write_record(writer.create_warcinfo_record("web.warc.gz", {"software": "bench.purge"}))
        for number, own in enumerate(texts):
            host, text = host_of(number), own
            if host != TARGET and number % 20 == 1:
                text = f"{texts[theirs[number % len(theirs)]]} 감사합니다."
            elif host != TARGET and number % 50 == 2:
                text = texts[theirs[number % len(theirs)]]
            page = (
                f"<!doctype html><html lang=ko><head><meta charset=utf-8><title>{host} 질문 {number}</title></head><body>"
                f"<nav>{host} 첫 화면 | 최근 질문 | 가입</nav><main><p>{html.escape(text)}</p></main></body></html>"
            )
            head = StatusAndHeaders("200 OK", [("Content-Type", "text/html; charset=utf-8")], protocol="HTTP/1.1")
            record = writer.create_warc_record(
                f"https://{host}/q/{number}", "response", payload=io.BytesIO(page.encode()), http_headers=head
            )
            writer.write_record(record)


def unpacked(path: Path) -> Iterator[bytes]:
    raw = path.read_bytes()
    yield raw
    if raw.startswith(b"PAR1"):
        for column in pq.read_table(path).columns:
            yield b"\n".join(v if isinstance(v, bytes) else str(v).encode() for v in column.to_pylist() if v)
    elif raw.startswith(b"\x1f\x8b"):
        yield gzip.decompress(raw)


def times_named(folder: Path) -> tuple[int, int]:
    """(files that hold the host's name, times that it stands there), file names included."""
    files = times = 0
    for path in folder.rglob("*"):
        found = str(path.relative_to(folder)).count(TARGET)
        if path.is_file():
            found += sum(data.count(TARGET.encode()) for data in unpacked(path))
        files, times = files + bool(found), times + found
    return files, times


def search(folder: Path, run: Path) -> Proof:
    """What the command's search finds of what it would take."""
    looked = RunPurge(Folder(str(run)), Target.of([TARGET], []), lambda line: None)
    looked.look()
    searcher = Searcher(Target.of([TARGET], []), [looked.chosen])
    searcher.folder(str(run), [looked.passages], looked.chosen)
    for name in ("answers", "published-rl", "web.warc.gz"):
        searcher.folder(str(folder / name), [looked.passages])
    return searcher.proof


def say_found(what: str, proof: Proof, named: tuple[int, int]) -> None:
    kinds = ("record", "name", "id", "text")
    counts = ", ".join(f"{sum(getattr(place, kind) for place in proof.left):,} {kind}s" for kind in kinds)
    print(
        f"{what}: {len(proof.left):,} of {proof.files:,} files ({proof.bytes:,} bytes unpacked) hold something: {counts}"
    )
    print(f"{what}: the name stands {named[1]:,} times in {named[0]:,} files", flush=True)


def checked(run: Path) -> int:
    """Rows of a run whose parts are all as its manifests say, and whose books balance."""
    out, manifest = open_run(str(run))
    for boundary in (Boundary(out, name) for name in manifest.phases):
        for shard in boundary.so_far().shards:
            for part in shard.parts:
                boundary.check(part)
    books = read_books(out)
    for step in books.steps:
        assert step.taken + step.born == step.kept + sum(step.dropped.values()) + step.dead, step
    return books.kept


def measure(folder: Path, pages: int, workers: int) -> Report:
    web, run = folder / "web.warc.gz", folder / "run"
    began = time.monotonic()
    write_web(web, pages)
    run_recipe(
        load(str(Path(__file__).with_name("purge_recipe.py")), inputs=str(web)), Setting(str(run)), workers=workers
    )
    publish(str(run), to=str(run / "published"))
    publish(str(run), purpose="rl", to=str(folder / "published-rl"))
    rows = checked(run)
    print(
        f"{pages:,} pages of {HOSTS} hosts → {rows:,} rows, published twice, in {time.monotonic() - began:,.0f} s",
        flush=True,
    )
    say_found("before", search(folder, run), times_named(folder))
    began = time.monotonic()
    where = Where((str(run),), (), (str(web),), (str(folder / "published-rl"),))
    found = purge(Target.of([TARGET], []), where, say=lambda line: print(f"  {line}", file=sys.stderr))
    print(f"purged in {time.monotonic() - began:,.1f} s\n{report_text(found)}", flush=True)
    named = times_named(folder)
    print(
        f"after: the name stands {named[1]:,} times in {named[0]:,} files; {checked(run):,} rows are left, and the books balance"
    )
    began = time.monotonic()
    again = purge(Target.of([TARGET], []), where)
    print(f"again: {again.runs[0].records:,} records, clean: {again.clean}, in {time.monotonic() - began:,.1f} s")
    assert (found.clean, again.clean, named) == (True, True, (0, 0)), "something is left"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=14_400)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", default="", help="a new folder to keep; a temporary one unless said")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="yisang-purge-") as name:
        folder = Path(given.out or name)
        folder.mkdir(parents=True, exist_ok=True)
        found = measure(folder, given.pages, given.workers)
    rows = found.published[-1].before
    if given.pages >= 14_400:
        assert rows >= LEAST_ROWS, f"{rows} rows are fewer than {LEAST_ROWS}"


if __name__ == "__main__":
    main()
