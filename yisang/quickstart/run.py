"""The quickstart from end to end: serve the shipped web, fetch it, run the recipe, publish to a folder, train a student."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from yisang.errors import UsageError
from yisang.pipelines.books import Books
from yisang.pipelines.phases import Setting
from yisang.pipelines.publish import publish
from yisang.pipelines.recipe import load
from yisang.pipelines.report import books_text
from yisang.pipelines.run import run_recipe
from yisang.quickstart.fetch import collection_of, fetch
from yisang.quickstart.server import serve
from yisang.quickstart.student import check_installed, train_student
from yisang.quickstart.web import SEEDS, build_web, digest_of


def quickstart(
    out: str, *, on: str, workers: int, say: Callable[[str], None], teacher: str = "mini", student: bool = True
) -> None:
    """Leaves the run in `out` and the data set in `out/published`; the fetched pages lie beside, as `out.warc.gz`, and
    so does the student, in `out-student`.

    teacher: "mini" or "scripted". student: whether mini-base is trained on the corpus and scored.
    """
    out = out.rstrip("/")
    if not out.strip():
        raise UsageError("The run folder has no name. Name a folder with --out, or leave --out away.")
    if teacher == "mini" or student:
        check_installed()
    pages = Path(f"{out}.warc.gz")
    recipe = load("quickstart", str(pages), taught_by=teacher)
    _fetch_pages(pages, say)
    say(f"2. Running the recipe `quickstart` on {on} with {workers} worker(s), taught by `{teacher}` → {out}")
    books = run_recipe(recipe, Setting(out=out), on=on, workers=workers, say=say)
    print(books_text(books), flush=True)
    say(f"3. Publishing → {out}/published")
    publish(out, to=f"{out}/published", repo=None, private=False, dry_run=False, say=say)
    if student:
        say(f"4. Training `mini-base` on what was kept, scored before and after → {out}-student")
        print(f"\n{train_student(out, f'{out}-student', say)}", flush=True)
    print(_next_steps(out, teacher, student, books))


def _fetch_pages(pages: Path, say: Callable[[str], None]) -> None:
    """Fetches the shipped web into a WARC, unless it lies there already."""
    web = build_web()
    collection = f"quickstart-{digest_of(web)[:16]}"
    if pages.exists() and collection_of(pages) == collection:
        say(f"1. Pages were fetched before: {pages}")
        return
    hosts = len({urlsplit(seed).hostname for seed in SEEDS})
    say(f"1. Fetching the web that ships with yisang: {hosts} hosts behind a real HTTP server on loopback")
    pages.parent.mkdir(parents=True, exist_ok=True)
    with serve(web) as address:
        report = fetch(SEEDS, address, pages, collection)
    statuses = ", ".join(f"{count} with status {status}" for status, count in sorted(report.by_status.items()))
    say(
        f"   {report.pages} pages ({statuses}), {report.disallowed} not asked for, as robots.txt forbids them → {pages}"
    )


TEACHERS_SAID = {
    "mini": "`mini`, a model of 0.9 million parameters that ships with yisang and knows worded tasks alone",
    "scripted": "`scripted`, a solver of worded tasks and no model, with faults on purpose",
}


def _next_steps(out: str, teacher: str, student: bool, books: Books) -> str:
    steps = {step.name: step for step in books.steps}
    asked, kept = steps["teach"].taken, steps["to_example"].kept
    verified = steps["verified"].kept
    # `make` leaves the command in a virtual environment that the shell need not have entered.
    bin = Path(os.path.relpath(Path(sys.executable).parent))
    yisang, python = ("yisang", "python") if shutil.which("yisang") else (bin / "yisang", bin / "python")
    load = f"from datasets import load_dataset as l; print(l('{out}/published', 'messages')['train'][0])"
    more = ""
    if teacher == "mini":  # the shipped recipe as it stands
        more += f"""
  {yisang} plan quickstart --inputs {out}.warc.gz --out {out}
      every step with its constants, and what is stored"""
    if student:
        bench = "tasks:lang=ko,mode=none,preset=narrow,context=zoo,ops=1-6,n=10,seed=1"
        more += f"""
  {yisang} eval {out}-student/training/model --bench {bench} --protocol greedy --out {out}-score
      the student on other problems"""
    return f"""
The corpus is in {out}/published. Its teacher was {TEACHERS_SAID[teacher]}:
of {asked} tasks it was asked, {verified} answers are right in every step, and {kept} of them were kept. Next:

  {yisang} show {out} --drops 5 --reason process_flawed
      five answers with a fault, and which check found it
  {yisang} show {out} --drops 5
      five of the records that left, and why
  {python} -c "{load}"
      a training row{more}"""
