"""Publishes a finished run as Parquet, a data card and a manifest, into a folder or onto the Hub.

Nothing half-written ever looks finished: all is built beside the target and put in its place at the end. What may not
leave is refused before anything is written.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from yisang.errors import UsageError, YisangError
from yisang.pipelines import publish_hub
from yisang.pipelines.books import Books
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.publish_card import About, make_card
from yisang.pipelines.publish_folder import (
    PublicationManifest,
    Published,
    PublishedFile,
    find_target,
    put,
    workshop_for,
)
from yisang.pipelines.publish_survey import Survey, refuse
from yisang.pipelines.run import RunManifest, open_run, read_books
from yisang.pipelines.views import write_views
from yisang.storage import Folder, StorageError

Say = Callable[[str], None]


class Publication(msgspec.Struct, frozen=True):
    """What was published, or with dry_run would be. files: in the order of writing, the manifest last."""

    manifest: PublicationManifest
    files: tuple[PublishedFile, ...]
    to: str | None = None
    commit: str | None = None
    dry_run: bool = False


class Content(Protocol):
    """What is published for a purpose. It is made by one reading of the run, and raises where nothing may be published."""

    @property
    def rows(self) -> int: ...

    def write(self, folder: Path, workshop: Path, say: Say) -> dict[str, int]:
        """Writes the files under `folder` and returns the rows of each; `workshop` is for what waits to be sorted."""

    def card(self, repo: str | None) -> str:
        """The text of README.md, once all is written."""


class CorpusRows:
    """The training rows, in three views. `yisang sft` reads the first."""

    def __init__(self, out: Folder, sink: Boundary, books: Books, address: str, private: bool):
        self._about, self._sink, self._books, self._private = About.of(out), sink, books, private
        self._survey = Survey.of(sink.all_records())
        _check(self._survey, books, address, private)

    @property
    def rows(self) -> int:
        return self._survey.rows

    def write(self, folder: Path, workshop: Path, say: Say) -> dict[str, int]:
        return write_views(self._sink.all_records, self._survey, folder, workshop, say)

    def card(self, repo: str | None) -> str:
        return make_card(self._about, self._survey, self._books, repo=repo, private=self._private)


def publish(
    run_address: str,
    *,
    purpose: str = "sft",
    to: str | None = None,
    repo: str | None = None,
    private: bool = False,
    dry_run: bool = False,
    say: Say = lambda line: None,
) -> Publication:
    """Publishes a finished run into the folder `to`, onto the Hub as `repo`, or both.

    purpose: "sft", its training rows, or "rl", its questions with a gold that passes its own grader
    (`yisang.pipelines.rl_questions`). private: also rows that may train and not leave (letter B). dry_run: all checks but
    those of the Hub; says which files there would be and leaves none.

    Raises UsageError where the run or the target is none, YisangError where rows may not be published or something fails;
    what was published before is then unchanged.
    """
    if purpose not in PURPOSES:
        raise UsageError(f"--for is {purpose!r}; it must be one of {', '.join(PURPOSES)}.")
    out, run = open_run(run_address)
    if to is None and repo is None:
        raise UsageError("Nowhere to publish to. Name a folder with --to DIR or a Hub data set with --repo user/name.")
    what = Published(run.recipe, purpose)
    target = find_target(to, what) if to is not None else None
    if repo is not None:
        publish_hub.check_name(repo)
    make = PURPOSES[purpose]()
    content = make(out, Boundary(out, run.sink), read_books(out), run_address, private)
    remote = publish_hub.look(repo, what, private) if repo is not None and not dry_run else None
    with _explained(to or repo or ""), workshop_for(None if dry_run else target) as workshop:
        folder = workshop / "corpus"
        files_rows = content.write(folder, workshop, say)
        Folder(folder).write_bytes("README.md", content.card(repo).encode())
        rows = content.rows
        manifest, files = _finish(folder, run, files_rows, rows, private, purpose)
        _say_files(files, dry_run, say)
        if dry_run:
            return Publication(manifest, files, to, dry_run=True)
        if target is not None:
            put(folder, target, what)
            folder = target
            say(f"Published {rows} rows to {target}.")
        commit = None
        if remote is not None:
            message = f"yisang publish: {run.recipe} {run.version}, fingerprint {run.fingerprint}"
            commit = publish_hub.upload(remote, folder, [file.path for file in files], message)
            say(f"Published {rows} rows: {commit}")
            if remote.closed and not private:
                say(f"{remote.repo} is private on the Hub and stays so; all rows may be made public in its settings.")
    return Publication(manifest, files, to, commit)


def _questions() -> Callable[..., Content]:
    from yisang.pipelines.publish_rl import Questions  # brings the grader along

    return Questions


PURPOSES: dict[str, Callable[[], Callable[..., Content]]] = {"sft": lambda: CorpusRows, "rl": _questions}
"""What a run can be published for, and what then is."""


# What may be published


def _check(survey: Survey, books: Books, run_address: str, private: bool) -> None:
    """Raises YisangError for what may not be published, and for a run that does not hold what its books say."""
    if not survey.rows:
        raise YisangError(
            f"{run_address} kept no rows, so there is nothing to publish. `yisang show {run_address}` says which step dropped them."
        )
    if (books.kept, books.category) != (survey.rows, dict(survey.category)):
        raise YisangError(
            f"The books of {run_address} speak of {books.kept} rows, {survey.rows} are stored, or their categories differ. Something "
            "else changed the run folder. Run the recipe into a new folder."
        )
    refuse(
        survey.unanswered,
        survey.rows,
        "do not end in a message of the assistant",
        "A training row needs a reply; look at the step that makes the rows.",
    )
    refuse(
        survey.never,
        survey.rows,
        "have licence letter C, or were made of something that has: such text never enters a corpus, private or not",
        "Drop them in the recipe, or declare the licence with its evidence where they come from.",
    )
    refuse(
        survey.mislabelled,
        survey.rows,
        "claim a right that their prompt or trace withholds (a better letter, changed copies, no share-alike)",
        "The step that makes the rows must give them yisang.records.strictest of their parents' licences.",
    )
    if not private:
        refuse(
            survey.not_public,
            survey.rows,
            "have licence letter B: they may be trained on and not passed on",
            "Publish with --private (a folder for yourself, or a private data set), or drop them in the recipe.",
        )


# What is written


def _finish(
    folder: Path, run: RunManifest, rows: dict[str, int], total: int, private: bool, purpose: str
) -> tuple[PublicationManifest, tuple[PublishedFile, ...]]:
    """Writes manifest.json, when all other files are there, and returns it and the list of all files."""
    files = tuple(_describe(folder, name, rows.get(name)) for name in (*sorted(rows), "README.md"))
    manifest = PublicationManifest(run.recipe, run.version, run.fingerprint, total, private, files, purpose)
    Folder(folder).write_bytes("manifest.json", msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest, (*files, _describe(folder, "manifest.json", None))


def _describe(folder: Path, name: str, rows: int | None) -> PublishedFile:
    with open(folder / name, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return PublishedFile(name, (folder / name).stat().st_size, rows, digest)


def _say_files(files: tuple[PublishedFile, ...], dry_run: bool, say: Say) -> None:
    for file in files:
        rows = "" if file.rows is None else f"  {file.rows} rows"
        say(f"{file.path}  {file.bytes} bytes{rows}")
    total = sum(file.bytes for file in files)
    say(f"{len(files)} files, {total} bytes{' would be published; nothing was written' if dry_run else ''}.")


@contextlib.contextmanager
def _explained(address: str) -> Iterator[None]:
    try:
        yield
    except (OSError, StorageError) as error:
        cause = error.__cause__ if isinstance(error, StorageError) else error
        reason = getattr(cause, "strerror", None) or cause
        raise StorageError(
            f"The data set for {address} could not be written ({reason}). What was published there before is unchanged. "
            "Look at the free space and the rights there (and under TMPDIR), then run the same command again."
        ) from error
