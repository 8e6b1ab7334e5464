"""The quickstart from end to end: serve the shipped web, fetch it, run the recipe, publish to a folder."""

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
from yisang.quickstart.web import SEEDS, build_web, digest_of


def quickstart(out: str, *, on: str, workers: int, say: Callable[[str], None]) -> None:
    """Leaves the run in `out` and the data set in `out/published`; the fetched pages lie beside, as `out.warc.gz`."""
    out = out.rstrip("/")
    if not out.strip():
        raise UsageError("The run folder has no name. Name a folder with --out, or leave --out away.")
    pages = Path(f"{out}.warc.gz")
    web = build_web()
    collection = f"quickstart-{digest_of(web)[:16]}"
    if pages.exists() and collection_of(pages) == collection:
        say(f"1/3 Pages were fetched before: {pages}")
    else:
        hosts = len({urlsplit(seed).hostname for seed in SEEDS})
        say(f"1/3 Fetching the web that ships with yisang: {hosts} hosts behind a real HTTP server on loopback")
        pages.parent.mkdir(parents=True, exist_ok=True)
        with serve(web) as address:
            report = fetch(SEEDS, address, pages, collection)
        statuses = ", ".join(f"{count} with status {status}" for status, count in sorted(report.by_status.items()))
        say(
            f"    {report.pages} pages ({statuses}), {report.disallowed} not asked for, as robots.txt forbids them → {pages}"
        )
    say(f"2/3 Running the recipe `quickstart` on {on} with {workers} worker(s) → {out}")
    books = run_recipe(load("quickstart", str(pages)), Setting(out=out), on=on, workers=workers, say=say)
    print(books_text(books))
    say(f"3/3 Publishing → {out}/published")
    publish(out, to=f"{out}/published", repo=None, private=False, dry_run=False, say=say)
    print(_next_steps(out, books))


def _next_steps(out: str, books: Books) -> str:
    steps = {step.name: step for step in books.steps}
    asked, declined = steps["teach"].taken, steps["whole_answers"].dropped.get("finish_declined", 0)
    faulty = steps["whole_answers"].taken - declined - steps["verdicts"].kept
    # `make` leaves the command in a virtual environment that the shell need not have entered.
    bin = Path(os.path.relpath(Path(sys.executable).parent))
    yisang, python = ("yisang", "python") if shutil.which("yisang") else (bin / "yisang", bin / "python")
    load = f"from datasets import load_dataset as l; print(l('{out}/published', 'messages')['train'][0])"
    return f"""
The corpus is in {out}/published. Its teacher was `scripted`, a solver of worded tasks and no model: of {asked} questions
it solved {asked - declined}, {faulty} of them with a fault on purpose, which the checks found. The other {declined} are no tasks, so it declined
them; a model would not. Next:

  {yisang} show {out} --drops 5 --reason finish_declined
      five of the questions that it declined
  {yisang} show {out} --drops 5
      five of the records that left, and why
  {python} -c "{load}"
      a training row
  {yisang} plan quickstart --inputs {out}.warc.gz --out {out}
      every step with its constants, and what is stored"""
