"""The Yi-Sang recipes from end to end, and what is left behind each step beside what the paper prints.

    python -m bench.yi_sang                        # taught by scripted, then by mini
    python -m bench.yi_sang --taught-by scripted
    python -m bench.yi_sang --limit 3000           # the first records of all, to try it: pages and tasks

Reads the quickstart's web, fetched from a real server; 20,000 worded tasks in English, to be translated; 3,000 exam questions of the pool that
ships; and real data of others where it lies beside the project, or where YISANG_SHARED_DATA says (without it, the rest is run). The files that say
so are in bench/yi_sang_inputs. Quotas are a twentieth of the paper's.

The answer store is shared: what yi_sang asked, yi_sang_hq finds. Of a whole run, each branch must bear rows and each leak that is planted must
be found, or it ends with an error.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from yisang.pipelines.books import Books
from yisang.pipelines.expected import expected_text
from yisang.pipelines.phases import Setting
from yisang.pipelines.planning import plan_text, recipe_plan
from yisang.pipelines.recipe import load
from yisang.pipelines.report import books_text
from yisang.pipelines.run import run_recipe
from yisang.quickstart.server import serve
from yisang.quickstart.web import build_web, sites_of
from yisang.sources.crawl.child import crawl_in_child

INPUTS = Path(__file__).parent / "yi_sang_inputs"
BESIDE = "../../../shared/data"
"""Where the files of sources look for the data of others, seen from them."""
SCALE = 0.05
LEAKED_ENGLISH = 20
"""Tasks of the source that benchmarks.toml names once more, in English; and as many in Korean."""


def data_folder() -> Path:
    given = os.environ.get("YISANG_SHARED_DATA")
    return Path(given) if given else (INPUTS / BESIDE).resolve()


def written(out: Path) -> dict[str, str]:
    """The files of sources and benchmarks with the data's own address; without the data, those that need none."""
    data = data_folder()
    found = {}
    for name in ("sources", "benchmarks"):
        text = (INPUTS / f"{name}.toml").read_text("utf-8")
        head, *entries = text.split("[[source]]\n")
        if not data.is_dir():
            entries = [entry for entry in entries if BESIDE not in entry]
        path = out / f"{name}.toml"
        path.write_text("[[source]]\n".join([head, *entries]).replace(BESIDE, str(data)), "utf-8")
        found[name] = str(path) if entries else "none"
    return found


def check(recipe: str, name: str, books: Books) -> list[str]:
    """What should have happened in a whole run and did not. mini knows worded tasks alone, so it bears no exam questions of the pool."""
    kept = books.category
    wanted = ["Math", "OpenThought", *(["Exams", "Science"] if name == "scripted" else [])]
    wanted = [name for name in wanted if recipe == "yi_sang" or name in ("OpenThought", "Exams")]
    faults = [f"{recipe}: no row of {category} was kept" for category in wanted if not kept.get(category)]
    steps = {step.name: step for step in books.steps}
    if recipe == "yi_sang_hq":
        leaks = {"leaked_sources": LEAKED_ENGLISH, "decontaminate": 1}
        faults += [
            f"{recipe}: {step} found {sum(steps[step].dropped.values())} of the {least} or more that are planted"
            for step, least in leaks.items()
            if sum(steps[step].dropped.values()) < least
        ]
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/yi-sang"))
    parser.add_argument("--taught-by", nargs="+", default=["scripted", "mini"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=int)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    pages = given.out / "pages"
    with serve(build_web()) as (ip, port):
        crawl_in_child(str(sites_of("ko")), str(pages), connect_to=f"{ip}:{port}")
    files = written(given.out)
    if not data_folder().is_dir():
        print(f"No data of others at {data_folder()}: the web, the tasks and the exam pool alone are read.")
    faults: list[str] = []
    for name in given.taught_by:
        common = [f"sites={INPUTS / 'sites.toml'}", f"sources={files['sources']}", f"taught_by={name}"]
        best = [f"benchmarks={files['benchmarks']}", f"scale={SCALE}"]
        for recipe, sets in (("yi_sang", common), ("yi_sang_hq", [*common, *best])):
            loaded = load(recipe, str(pages), sets)
            setting = Setting(out=str(given.out / f"{recipe}-{name}"), answers=str(given.out / "answers"))
            if name == given.taught_by[0]:
                print(plan_text(recipe_plan(loaded, setting=setting, limit=given.limit, strict=False)), flush=True)
            began = time.monotonic()
            books = run_recipe(
                loaded, setting, workers=given.workers, limit=given.limit, say=lambda line: print(line, file=sys.stderr)
            )
            print(f"\n{recipe}, taught by {name}: {time.monotonic() - began:,.0f} s with {given.workers} workers\n")
            print(books_text(books))
            print(expected_text(books, loaded.recipe.expected), flush=True)
            faults += [] if given.limit else check(recipe, name, books)
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
