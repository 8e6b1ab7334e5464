"""`yisang purge`: takes a host or a page out of runs, with all that was made of it, and proves it by searching the bytes.

What is to go is found first and written down in each run (`purge_run`). Then it is taken out of pages, answers, the run's tables and books,
and publications, in this order, each in a way that a second time does nothing. So a purge that was killed is ended by the same command.
At last every file is searched (`purge_proof`); only when nothing is left do the runs forget what was sought.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from yisang.errors import UsageError, YisangError
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.phases import Setting
from yisang.pipelines.publish import publish
from yisang.pipelines.publish_folder import PublicationManifest, read_publication
from yisang.pipelines.purge_answers import ToPurged, count_answers, open_store, purge_answers, refuse_unfit
from yisang.pipelines.purge_crawl import empty
from yisang.pipelines.purge_passages import Passages
from yisang.pipelines.purge_proof import Place, Searcher
from yisang.pipelines.purge_run import RunPurge, neighbours, trained
from yisang.pipelines.purge_select import Chosen
from yisang.pipelines.purge_target import Target
from yisang.pipelines.purge_warc import NAME, cut
from yisang.pipelines.run import lock, read_manifest
from yisang.sources.base import MIB, open_bytes
from yisang.storage import TEMPORARY, Folder

LONGEST = 8_192
"""Bytes of an address at most, where a file is searched piece by piece."""
Say = Callable[[str], None]


class OfRun(msgspec.Struct, frozen=True):
    """What one run lost. records: rows of stored records over all phases; kept: of them, those that the run keeps as its result."""

    run: str
    records: int
    dropped: int
    dead: int
    kept: int
    subdomains: int
    shared: int


class OfPages(msgspec.Struct, frozen=True):
    """What pages lost: records of WARC files (responses: pages among them), folders of hosts, lines of SQLite files, mentions there."""

    place: str
    records: int
    responses: int
    folders: int
    lines: int
    mentions: int


class OfPublication(msgspec.Struct, frozen=True):
    """rows: before and after; after is None for one that was removed, as the run keeps no rows."""

    folder: str
    before: int
    after: int | None


class Report(msgspec.Struct, frozen=True):
    """What a purge found and did. inputs: files that runs were made of and that still hold the target, with its records in them (None:
    a file that is no WARC, and names the target). left, mentions: see `purge_proof`."""

    target: str
    dry_run: bool
    runs: tuple[OfRun, ...]
    answers: dict[str, int]
    pages: tuple[OfPages, ...]
    published: tuple[OfPublication, ...]
    inputs: dict[str, int | None]
    others: tuple[str, ...]
    students: tuple[str, ...]
    left: tuple[Place, ...] = ()
    mentions: tuple[Place, ...] = ()
    files: int = 0
    bytes: int = 0

    @property
    def clean(self) -> bool:
        return not self.left


@dataclass(frozen=True)
class Where:
    """runs: their folders. answers: stores beside those of the runs. pages: WARC files and crawls. published: folders beside
    `published` in the runs."""

    runs: tuple[str, ...]
    answers: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    published: tuple[str, ...] = ()


def purge(target: Target, where: Where, *, dry_run: bool = False, say: Say = lambda line: None) -> Report:
    """Takes `target` out of all of `where`. dry_run: says what would go, and changes nothing.

    Raises UsageError where a place is not what it should be, and while a run is being written; YisangError where a file is damaged.
    """
    outs = [_run(address) for address in dict.fromkeys(where.runs)]
    if not outs and not where.pages:
        raise UsageError("Say where: --run OUT for a run, --pages FILE.warc.gz or a crawl's folder.")
    refuse_unfit(where.answers)
    own = [Setting(out.address).answer_store for out in outs]
    stores = {store.address: store for address in (*where.answers, *own) if (store := open_store(address)) is not None}
    publications = _publications(outs, where.published)
    with contextlib.ExitStack() as stack:
        for out in [] if dry_run else outs:
            stack.enter_context(lock(out))
        runs = [RunPurge(out, target, say) for out in outs]
        inputs = _inputs(runs, target, where.pages)
        said = frozenset(key for run in runs for key in run.look().said)
        goes = ToPurged(tuple(run.chosen for run in runs), tuple(run.passages for run in runs), said)
        if not dry_run:
            for run in runs:
                run.begin()
        answers = {}
        for address, store in stores.items() if outs else ():
            say(f"{address}: looking through the answers …")
            answers[address] = count_answers(store, goes) if dry_run else purge_answers(store, goes)
        pages = tuple(_pages(place, target, not dry_run, say) for place in where.pages)
        for run in [] if dry_run else runs:
            run.apply()
        published = tuple(
            _publish(run, folder, found, dry_run, say) for run, folder, found in _pairs(runs, publications)
        )
        searcher = Searcher(target, (run.chosen for run in runs), say)
        if not dry_run:
            _search(searcher, runs, [folder for _, folder, _ in publications], stores, where.pages)
            if not searcher.proof.left:
                for run in runs:
                    run.end()
    return Report(
        str(target),
        dry_run,
        tuple(_of_run(run) for run in runs),
        answers,
        pages,
        published,
        inputs,
        tuple(sorted({other for run in runs for other in neighbours(run.out)} - {run.out.address for run in runs})),
        tuple(sorted({student for run in runs for student in trained(run.out)})),
        tuple(searcher.proof.left),
        tuple(searcher.proof.mentions),
        searcher.proof.files,
        searcher.proof.bytes,
    )


def _run(address: str) -> Folder:
    out = Folder(address)
    if not out.exists("recipe.json"):
        state = "is no run folder" if out.exists() else "does not exist"
        raise UsageError(f"--run {address} {state}. Name the folder that `yisang run --out` named.")
    return out


def _of_run(run: RunPurge) -> OfRun:
    assert run.pending is not None
    log, chosen = run.pending.log, run.chosen
    return OfRun(run.out.address, log.records, log.dropped, log.dead, log.kept, chosen.below, len(chosen.shared))


def _inputs(runs: list[RunPurge], target: Target, given: tuple[str, ...]) -> dict[str, int | None]:
    """Inputs of the runs that hold the target and were not given to be rewritten."""
    found: dict[str, int | None] = {}
    rewritten = [os.path.realpath(place) for place in given]
    for run in runs:
        for item in run.described.get("inputs", []):
            path = str(item.get("path", ""))
            real = os.path.realpath(path)
            if not os.path.isfile(real) or any(real == place or real.startswith(f"{place}/") for place in rewritten):
                continue
            if NAME.search(path):
                with contextlib.suppress(YisangError):  # a damaged one: the run has told of it
                    if records := cut(path, target, change=False).records:
                        found[path] = records
            elif _named_in_file(real, target):
                found[path] = None
    return found


def _named_in_file(path: str, target: Target) -> bool:
    before = b""
    with open_bytes(path, "infer") as file:
        while piece := file.read(16 * MIB):
            if target.named_in(before + piece):
                return True
            before = piece[-LONGEST:]
    return False


def _pages(place: str, target: Target, change: bool, say: Say) -> OfPages:
    say(f"{place}: looking through the pages …")
    found = empty(place, target, change=change)
    warc = found.warc
    return OfPages(
        place, warc.records, warc.responses, len(found.folders), found.lines, found.mentions + warc.mended + warc.torn
    )


# Publications

_Publication = tuple[Folder, Path, PublicationManifest]


def _publications(outs: list[Folder], named: tuple[str, ...]) -> list[_Publication]:
    """Each publication with the run that it is of. Raises UsageError for one that is of no run that was named."""
    folders = [(Path(name), True) for name in named]
    folders += [(Path(out.path("published")), False) for out in outs if out.local]
    found: dict[Path, _Publication] = {}
    for folder, must in folders:
        manifest = read_publication(folder / "manifest.json")
        if manifest is None:
            if must:
                raise UsageError(
                    f"--published {folder} holds no publication of yisang. Name what `yisang publish --to` named."
                )
            continue
        out = next(
            (out for out in outs if (run := read_manifest(out)) and run.fingerprint == manifest.fingerprint), None
        )
        if out is None:
            raise UsageError(
                f"{folder} was published from another run, or from this one as it was before a change ({manifest.recipe} "
                f"{manifest.version}, fingerprint {manifest.fingerprint[:12]}), so it cannot be made anew. Name that run with --run, or "
                "remove the folder."
            )
        found.setdefault(folder.resolve(), (out, folder, manifest))
    return list(found.values())


def _pairs(runs: list[RunPurge], publications: list[_Publication]) -> list[tuple[RunPurge, Path, PublicationManifest]]:
    return [(run, folder, found) for out, folder, found in publications for run in runs if run.out is out]


def _publish(run: RunPurge, folder: Path, found: PublicationManifest, dry_run: bool, say: Say) -> OfPublication:
    """Publishes again what the run holds now, in the old one's place."""
    out, pending = run.out, run.pending
    assert pending is not None
    if dry_run:
        return OfPublication(str(folder), found.rows, found.rows - _rows_of(folder, found, run.chosen))
    rows = _rows(out)
    if not pending.ids:
        return OfPublication(str(folder), found.rows, found.rows)
    if not rows:
        aside = folder.with_name(f"{TEMPORARY}{folder.name}-purged")
        os.rename(folder, aside)
        shutil.rmtree(aside)
        return OfPublication(str(folder), found.rows, None)
    say(f"{folder}: publishing what is left …")
    done = publish(out.address, purpose=found.purpose, to=str(folder), private=found.private, say=lambda line: None)
    return OfPublication(str(folder), found.rows, done.manifest.rows)


def _rows_of(folder: Path, found: PublicationManifest, chosen: Chosen) -> int:
    """Rows of purged records in the first view of a publication."""
    files = [file.path for file in found.files if file.path.endswith(".parquet")]
    view = files[0].split("/")[0] if files else ""
    return sum(
        chosen.names(identifier)
        for path in files
        if path.split("/")[0] == view
        for identifier in pq.read_table(folder / path, columns=["id"]).column("id").to_pylist()
    )


def _rows(out: Folder) -> int:
    run = read_manifest(out)
    manifest = Boundary(out, run.sink).manifest() if run is not None else None
    return manifest.rows("records") if manifest is not None else 0


# The proof


def _search(
    searcher: Searcher, runs: list[RunPurge], publications: list[Path], stores: dict[str, Any], pages: tuple[str, ...]
) -> None:
    everywhere: list[Passages] = [run.passages for run in runs]
    for run in runs:
        searcher.folder(run.out.address, [run.passages], run.chosen)
    inside = [Path(run.out.root).resolve() for run in runs if run.out.local]
    for folder in publications:
        if folder.exists() and not any(root in folder.resolve().parents for root in inside):
            searcher.folder(str(folder), everywhere)
    for address in stores if runs else ():
        searcher.folder(address, everywhere)
    for place in pages:
        if Folder(place).exists():
            searcher.folder(place, everywhere)
