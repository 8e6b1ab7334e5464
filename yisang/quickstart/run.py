"""The quickstart from end to end: serve the shipped web, crawl it, run the recipe, publish to a folder, train a student."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from yisang.errors import UsageError
from yisang.languages import load as load_language
from yisang.pipelines.books import Books
from yisang.pipelines.phases import Setting
from yisang.pipelines.publish import publish
from yisang.pipelines.recipe import load
from yisang.pipelines.report import books_text
from yisang.pipelines.run import run_recipe
from yisang.quickstart.server import serve
from yisang.quickstart.student import Student, check_installed, train_student
from yisang.quickstart.web import build_web, digest_of, load_web, sites_of
from yisang.sources.crawl.child import crawl_in_child
from yisang.storage import Folder
from yisang.teachers import models


def quickstart(
    out: str,
    *,
    on: str,
    workers: int,
    say: Callable[[str], None],
    language: str = "ko",
    teacher: str = "",
    student: bool | None = None,
) -> None:
    """Leaves the run in `out` and the data set in `out/published`; the crawled pages lie beside, in `out-web`, and
    so does the student, in `out-student`.

    language: of the web. teacher: "mini" or "scripted"; "" is mini where it knows the language. student: whether mini-base is
    trained on the corpus and scored; None is where it knows the language. Raises UsageError, before anything is written, for a
    language without a web or unknown to the models that were asked for, for an address on another machine, and where packages
    for models are missing.
    """
    if not out.strip("/ "):
        raise UsageError("The run folder has no name. Name a folder with --out, or leave --out away.")
    if not Folder(out).local:
        raise UsageError(f"The quickstart writes on this machine, and {out} is elsewhere. Name a folder with --out.")
    out = Folder(out).root if "://" in out else out.rstrip("/")
    load_web(language)
    known, name = language in models.LANGUAGES, load_language(language).name
    if student and not known:
        raise UsageError(
            f"mini-base has not learnt {name}; it knows {' and '.join(models.LANGUAGES)}. Leave --student away: the corpus is "
            "built and published without one."
        )
    if not known and not (teacher and student is False):
        say(f"The models that ship know no {name}: `scripted`, which is no model, teaches, and no student is trained.")
    teacher, student = teacher or ("mini" if known else "scripted"), known if student is None else student
    pages = Path(f"{out}-web")
    # For what it refuses, before anything is asked for; it is loaded again below, since it reads a folder by what lies there.
    load("quickstart", str(pages), taught_by=teacher, language=language)
    needed = ["torch", "transformers"] if teacher == "mini" else []
    check_installed(needed + (["torch", "transformers", "trl"] if student else []))
    _crawl_web(pages, language, say)
    recipe = load("quickstart", str(pages), taught_by=teacher, language=language)
    say(f"2. Running the recipe `quickstart` on {on} with {workers} worker(s), taught by `{teacher}` → {out}")
    books = run_recipe(recipe, Setting(out=out), on=on, workers=workers, say=say)
    print(books_text(books), flush=True)
    say(f"3. Publishing → {out}/published")
    publish(out, to=f"{out}/published", repo=None, private=False, dry_run=False, say=say)
    trained = None
    if student:
        say(f"4. Training `mini-base` on what was kept, scored before and after → {out}-student")
        trained = train_student(out, f"{out}-student", say, language=language)
        print(f"\n{trained.comparison}", flush=True)
    print(_next_steps(out, language, teacher, trained, books))


def _crawl_web(folder: Path, language: str, say: Callable[[str], None]) -> None:
    """Crawls the shipped web into a folder, unless it lies there already."""
    facts, web = load_web(language), build_web(language)
    mark = folder / MARK
    if folder.exists() and (not mark.exists() or mark.read_text() != digest_of(web)):
        if any(folder.iterdir()) and not mark.exists():
            raise UsageError(
                f"{folder} holds something else than the web that ships with yisang. Choose another folder with --out."
            )
        # Of another release, whose web is another one.
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(digest_of(web))
    say(f"1. Crawling the web that ships with yisang: {len(facts.hosts)} hosts behind a real HTTP server on loopback")
    with serve(web, facts.words.missing) as (ip, port):
        counts = crawl_in_child(
            str(sites_of(language)), str(folder), connect_to=f"{ip}:{port}", say=lambda line: say(f"   {line}")
        )
    told = f"{counts.pop('page', 0)} pages, {counts.pop('robots', 0)} not asked for, as robots.txt forbids them"
    say(f"   {', '.join([told, *(f'{count} {verdict}' for verdict, count in sorted(counts.items()))])} → {folder}")


MARK = "web.sha256"
"""Beside the crawl: which web it is of."""

TEACHERS_SAID = {
    "mini": "`mini`, a model of 0.9 million parameters that ships with yisang and knows worded tasks of one kind",
    "scripted": "`scripted`, a solver of worded tasks and no model, with faults on purpose",
}


def _next_steps(out: str, language: str, teacher: str, student: Student | None, books: Books) -> str:
    steps = {step.name: step for step in books.steps}
    asked, kept = steps["teach"].taken, steps["to_example"].kept
    verified = steps["verified"].kept
    # `make` leaves the command in a virtual environment that the shell need not have entered.
    bin = Path(os.path.relpath(Path(sys.executable).parent))
    yisang, python = ("yisang", "python") if shutil.which("yisang") else (bin / "yisang", bin / "python")
    reading = f"from datasets import load_dataset as l; print(l('{out}/published', 'messages')['train'][0])"
    given = {"taught_by": (teacher, "mini"), "language": (language, "ko")}
    sets = "".join(f" --set {name}={value}" for name, (value, default) in given.items() if value != default)
    more = f"""
  {yisang} plan quickstart --inputs {out}-web{sets} --out {out}
      every step with its constants, and what is stored"""
    if student:
        bench = f"tasks:lang={language},mode=none,preset=narrow,context=zoo,ops=1-6,n=10,seed=1"
        score = Path(student.model).parents[1] / "score"
        more += f"""
  {yisang} eval {student.model} --bench {bench} --protocol greedy --max-tokens 512 --out {score}
      the student on other problems"""
    return f"""
The corpus is in {out}/published. Its teacher was {TEACHERS_SAID[teacher]}:
of {asked} tasks it was asked, {verified} answers are right in every step, and {kept} of them were kept. Next:

  {yisang} show {out} --drops 5 --reason process_flawed
      five answers with a fault in a step
  {yisang} show {out} --drops 5
      five of the records that left, and why
  {python} -c "{reading}"
      a training row{more}"""
