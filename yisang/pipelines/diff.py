"""`yisang diff`: what changed between two finished runs, and what that gained and lost.

Kept records are joined by id. What the second run alone keeps is gained, what the first alone keeps is lost; each is explained
by what rejected it in the run that has it not, or by what rejected something that it was made of. Memory and disk: see
`yisang.pipelines.diff_rows`.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from yisang.errors import UsageError, YisangError
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.diff_recipes import RecipeDiff, recipe_diff
from yisang.pipelines.diff_rows import Spill, Spilled
from yisang.pipelines.diff_tally import Label, Moves, Tally
from yisang.pipelines.progress import LINE_SECONDS, QUIET_SECONDS
from yisang.pipelines.report import readable
from yisang.pipelines.run import RunManifest, open_run, read_books
from yisang.storage import Folder, read_json

Say = Callable[[str], None]


class RunSide(msgspec.Struct, frozen=True):
    """One of the runs. kept: rows. repeated: rows among them with an id that another row has too; an id counts once."""

    address: str
    recipe: str
    version: str
    fingerprint: str
    kept: int
    repeated: int


class Why(msgspec.Struct, frozen=True):
    """Records by what explains them. step: "" for what no step rejected; see `diff_tally` for the reasons that there are then."""

    step: str
    reason: str
    records: int


class Rejection(msgspec.Struct, frozen=True):
    """A step, and the reason that it gave."""

    step: str
    reason: str


class Moved(msgspec.Struct, frozen=True):
    """Records that both runs rejected, by other steps or for other reasons."""

    first: Rejection
    second: Rejection
    records: int


class Side(msgspec.Struct, frozen=True):
    """Records that one run keeps and the other does not. category, licence: of the kept rows."""

    records: int
    why: tuple[Why, ...]
    category: dict[str, int]
    licence: dict[str, int]
    examples: tuple[dict[str, Any], ...]


class Diff(msgspec.Struct, frozen=True):
    """The outcome. step: the only step that is looked at, "" for all.

    same: ids that both keep with the same content. changed: those that differ, with how many differ in each field.
    """

    first: RunSide
    second: RunSide
    step: str
    recipe: RecipeDiff
    same: int
    changed: int
    fields: dict[str, int]
    changed_examples: tuple[dict[str, Any], ...]
    gained: Side
    lost: Side
    moved: tuple[Moved, ...]


def diff_runs(
    first: str,
    second: str,
    *,
    step: str = "",
    examples: int = 3,
    private: bool = False,
    say: Say = lambda line: None,
) -> Diff:
    """Compares two finished runs, at any fsspec address.

    step: only what this step rejected in one of them. examples: of each step and reason, and of what changed, with the text
    where it may be shown (`private`: everywhere).

    Raises UsageError where a run is none, is not finished, or has no such step.
    """
    if examples < 0:
        raise UsageError(f"--examples is {examples}; it must be 0 or more.")
    runs = [open_run(address) for address in (first, second)]
    described = [read_json(out, "recipe.json", dict[str, Any]) for out, _ in runs]
    _check_step(step, described)
    recipe = recipe_diff(*described)
    phases = [[_finished(out, name) for name in manifest.phases] for out, manifest in runs]
    with tempfile.TemporaryDirectory(prefix="yisang-diff-") as folder:
        # A source's name holds the digest of all that it reads.
        sources = phases[0][0].name != phases[1][0].name
        spill = Spill(Path(folder), (phases[0], phases[1]), sources)
        spill.write(_Progress(say, "Read", "rows"))
        tally = Tally(spill, step, examples)
        tally.count(_Progress(say, "Compared", "partitions of the rows"))
        sides = [_side(out, manifest, repeated) for (out, manifest), repeated in zip(runs, tally.repeated, strict=True)]
        lost, gained = (_moves(spill, moves, examples, private) for moves in tally.only)
        return Diff(
            first=sides[0],
            second=sides[1],
            step=step,
            recipe=recipe,
            same=tally.same,
            changed=tally.changed.total,
            fields=_by_count(tally.fields),
            changed_examples=tuple(_changed_example(spill, rows, private) for rows in tally.changed.shown(examples)),
            gained=gained,
            lost=lost,
            moved=tuple(
                Moved(Rejection(*labels[0]), Rejection(*labels[1]), count)
                for labels, count in sorted(tally.moved.items(), key=lambda item: (-item[1], item[0]))
            ),
        )


def _check_step(step: str, described: list[dict[str, Any]]) -> None:
    known = dict.fromkeys(name for one in described for phase in one["phases"] for name in phase["steps"])
    if step and step not in known:
        raise UsageError(f"Neither run has a step {step!r}. Their steps are {', '.join(known)}.")


def _finished(out: Folder, name: str) -> Boundary:
    boundary = Boundary(out, name)
    if boundary.manifest() is None:
        raise YisangError(
            f"{boundary.folder.address} has no manifest, though the run is finished. Something else changed the run folder. "
            "Run the recipe into it again."
        )
    return boundary


def _side(out: Folder, manifest: RunManifest, repeated: int) -> RunSide:
    kept = read_books(out).kept
    return RunSide(out.address, manifest.recipe, manifest.version, manifest.fingerprint, kept, repeated)


class _Progress:
    """Says how far a reading is, when it takes long."""

    def __init__(self, say: Say, did: str, what: str):
        self._say, self._did, self._what = say, did, what
        self._began = time.monotonic()
        self._next = self._began + QUIET_SECONDS

    def __call__(self, done: int, of: int) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + LINE_SECONDS
        left = (now - self._began) * (of - done) / max(done, 1)
        self._say(f"{self._did} {done:,} of {of:,} {self._what}, about {left:,.0f} s left.")


# Examples


def _moves(spill: Spill, moves: Moves, examples: int, private: bool) -> Side:
    shown = [_example(spill, label, *rows, private) for label in moves.order for rows in moves.shown(label, examples)]
    return Side(
        records=moves.total,
        why=tuple(Why(*label, moves.why[label]) for label in moves.order),
        category=_by_count(moves.category),
        licence=dict(sorted(moves.licence.items())),
        examples=tuple(shown),
    )


def _example(spill: Spill, label: Label, kept: Spilled, rejected: Spilled | None, private: bool) -> dict[str, Any]:
    """A record as the run has it that keeps it, and why the other has it not."""
    stored = [spill.places[row.place].row(row.row) for row in (kept, rejected) if row is not None]
    category, letter = spill.labels.values[kept.label]
    found = [readable({**row, "licence_letter": _strictest(stored)}, private) for row in stored]
    example = {
        "id": kept.id,
        "category": category,
        "licence_letter": letter,
        "step": label[0],
        "reason": label[1],
        "record": found[0]["record"],
    }
    if rejected is not None:
        told = {name: found[1][name] for name in ("evidence", "message") if found[1].get(name)}
        example |= {"rejected": rejected.id, **told}
    return example


def _changed_example(spill: Spill, rows: tuple[Spilled, Spilled], private: bool) -> dict[str, Any]:
    """A record that both keep: its fields that differ, in both runs."""
    stored = [spill.places[row.place].row(row.row) for row in rows]
    found = [readable({**row, "licence_letter": _strictest(stored)}, private) for row in stored]
    names = spill.differing(rows[0].fields, rows[1].fields)
    values = [{name: _value(one["record"], name) for name in names} for one in found]
    return {"id": rows[0].id, "fields": names, "first": values[0], "second": values[1], "record": found[1]["record"]}


def _strictest(stored: list[dict[str, Any]]) -> str:
    """What one run may show and the other not is not shown."""
    return max(str(row["licence_letter"]) for row in stored)


def _value(record: dict[str, Any], path: str) -> Any:
    """The value of a field by its path; None where it is not there, or withheld."""
    value: Any = record
    while path:
        if not isinstance(value, dict):
            return None
        # A measure's name may hold a dot.
        if path in value:
            return value[path]
        name, _, path = path.partition(".")
        value = value.get(name)
    return value


def _by_count(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))
