"""A purge of one run folder: what is to go is written down first, so that a purge that was killed is ended by the next one."""

from __future__ import annotations

import datetime
import json
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from yisang.errors import UsageError
from yisang.pipelines.books import Books, BooksError, make_books
from yisang.pipelines.boundary import FAILED, Boundary, Manifest, ShardCommit
from yisang.pipelines.compile import Plan
from yisang.pipelines.execution import WORK
from yisang.pipelines.purge_answers import answered
from yisang.pipelines.purge_passages import Passages, passages_of
from yisang.pipelines.purge_rows import Rewriter, Taken, count, others, texts
from yisang.pipelines.purge_select import Chosen, choose
from yisang.pipelines.purge_target import Target
from yisang.pipelines.run import PENDING, read_books
from yisang.storage import Folder, read_json

LOG = "purges.json"
ALONE = frozenset({"matches"})
"""Tables that know records by their place in a shard: such a phase is removed, and made again where a later change asks for it."""

DEEP = 4
"""Levels of folders beside a run in which trainings are looked for."""

Say = Callable[[str], None]


class Purged(msgspec.Struct, frozen=True):
    """One purge, as the run remembers it, without the name of what it took. target: the SHA-256 of salt and target. records: rows of
    stored records by the phase that they were in; kept: examples (or what else the run keeps) that are gone."""

    at: str
    target: str
    salt: str
    records: int
    dropped: int
    dead: int
    kept: int


class Pending(msgspec.Struct):
    """What is to go. shards: what each shard of a finished phase has read, counted and born without it."""

    log: Purged
    ids: list[str]
    shared: list[str]
    said: list[str]
    shards: dict[str, dict[int, tuple[int, int | None, dict[str, int]]]]
    unfinished: list[str]
    rows: dict[str, int]


@dataclass(frozen=True)
class _Phase:
    """A stored phase, as far as books need one."""

    accounts_for: tuple[str, ...]
    stored: bool
    told: tuple[str, ...]

    def notes(self, boundary: Boundary) -> list[str]:
        return list(self.told)


class RunPurge:
    """What a purge does to one run. The caller holds the run's lock, but for `look`."""

    def __init__(self, out: Folder, target: Target, say: Say):
        self.out, self._target, self._say = out, target, say
        self.described = read_json(out, "recipe.json", dict[str, Any])
        self.chosen = Chosen(target)
        self.passages = Passages()
        self.pending: Pending | None = None

    @property
    def boundaries(self) -> list[Boundary]:
        return [Boundary(self.out, phase["name"]) for phase in self.described["phases"]]

    def _finished(self) -> list[tuple[Boundary, Manifest]]:
        found = [(boundary, boundary.manifest()) for boundary in self.boundaries]
        return [(boundary, manifest) for boundary, manifest in found if manifest is not None]

    # What is to go

    def look(self) -> Pending:
        """Finds what is to go, or takes up what an unfinished purge has found. Changes nothing."""
        stored = self.out / PENDING
        if stored.exists("plan.json"):
            pending = read_json(stored, "plan.json", Pending)
            if self._target.mark(pending.log.salt) != pending.log.target:
                raise UsageError(
                    f"A purge of something else was stopped half-way in {self.out.address}. Run that command again first: it goes on "
                    "from there."
                )
            self.chosen.ids, self.chosen.shared = set(pending.ids), set(pending.shared)
            self.chosen.close()
            self.passages = Passages(np.frombuffer(stored.read_bytes("passages"), np.uint64))
            self.pending = pending
            return pending
        finished = self._finished()
        for boundary, manifest in finished:
            for shard in manifest.shards:
                for part in shard.parts:
                    boundary.check(part)
        parts = [
            (boundary, part) for boundary, manifest in self._all() for shard in manifest.shards for part in shard.parts
        ]
        choose(parts, self._target, self.chosen)
        if self.chosen.ids:
            self._say(
                f"{self.out.address}: {len(self.chosen.ids):,} ids of records and what was made of them; comparing texts …"
            )
            own = passages_of(text for at in parts for text in texts(*at, self.chosen))
            self.passages = own.without(data for at in parts for data in others(*at, self.chosen))
        said = {key for at in parts for key in answered(*at, self.chosen)} if self.chosen.ids else set()
        self.pending = self._planned(finished, sorted(said))
        return self.pending

    def _all(self) -> list[tuple[Boundary, Manifest]]:
        """Unfinished phases too: what they hold goes with them, and tells ids that nothing else does."""
        return [(boundary, boundary.so_far()) for boundary in self.boundaries]

    def _planned(self, finished: list[tuple[Boundary, Manifest]], said: list[str]) -> Pending:
        names = {boundary.name for boundary, _ in finished}
        phases = [phase for phase in self.described["phases"] if phase["name"] in names]
        taken: list[Taken] = []
        for number, (boundary, manifest) in enumerate(finished):
            several = number + 1 < len(phases) and ".verdicts-" in phases[number + 1]["name"]
            taken.append(count(boundary, manifest, self.chosen, several))
        born = _born(phases, [manifest for _, manifest in finished], taken)
        shards: dict[str, dict[int, tuple[int, int | None, dict[str, int]]]] = {}
        for number, (boundary, manifest) in enumerate(finished):
            left = born[number]
            shards[boundary.name] = {}
            known = {step for shard in manifest.shards for step in shard.born}
            for shard in manifest.shards:
                gone = taken[number].sources[shard.index] if number == 0 else 0
                own: dict[str, int] = dict(shard.born) | {step: 0 for step in left if step not in known}
                for step in own:  # the sum over shards is what the books read: take it where it is
                    own[step] -= left.pop(step, 0)
                counted = None if shard.counted is None else shard.counted - gone
                shards[boundary.name][shard.index] = (shard.read - gone, counted, own)
        salt = secrets.token_hex(16)
        log = Purged(
            at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            target=self._target.mark(salt),
            salt=salt,
            records=sum(found.records for found in taken),
            dropped=sum(found.dropped.total() for found in taken),
            dead=sum(found.dead.total() for found in taken),
            kept=taken[-1].records if taken and len(finished) == len(self.described["phases"]) else 0,
        )
        unfinished = [boundary.name for boundary in self.boundaries if boundary.name not in names]
        rows = {boundary.name: found.rows for (boundary, _), found in zip(finished, taken, strict=True) if found.rows}
        ids, shared = sorted(self.chosen.ids), sorted(self.chosen.shared)
        return Pending(log, ids, shared, said, shards, unfinished, rows)

    # What goes

    @property
    def rewriter(self) -> Rewriter:
        return Rewriter(self.chosen, self.passages)

    def begin(self) -> None:
        """Writes down what is to go."""
        assert self.pending is not None
        stored = self.out / PENDING
        if not stored.exists("plan.json"):
            stored.write_bytes("passages", self.passages.known.tobytes())
            stored.write_bytes("plan.json", msgspec.json.encode(self.pending))

    def apply(self) -> None:
        assert self.pending is not None
        out, pending, rewriter = self.out, self.pending, self.rewriter
        out.remove_unfinished()
        for name in ("failure.json", WORK):
            out.remove(name)
        self._remove_others()
        for number, (boundary, manifest) in enumerate(finished := self._finished(), 1):
            if {part.role for shard in manifest.shards for part in shard.parts} & ALONE and pending.ids:
                boundary.folder.remove("manifest.json")  # first, so that no half of it looks whole
                out.remove(boundary.name)
                continue
            self._rewrite(boundary, manifest, rewriter)
            self._say(f"{out.address}: phase {number} of {len(finished)} is clean.")
        self._describe(rewriter)
        if out.exists("manifest.json"):
            books = self._books(rewriter)
            out.write_bytes("books.json", msgspec.json.format(msgspec.json.encode(books)))
        self._remember()

    def _remove_others(self) -> None:
        """Phases that are not finished, or of a recipe that the folder no longer holds: the next run makes them anew."""
        wanted = {boundary.name for boundary, _ in self._finished()}
        for folder in (self.out, self.out / "drops", self.out / "dead"):
            for name in folder.names():
                if name[:2].isdigit() and name[2:3] == "-" and name not in wanted:
                    folder.remove(name)

    def _rewrite(self, boundary: Boundary, manifest: Manifest, rewriter: Rewriter) -> None:
        assert self.pending is not None
        told = self.pending.shards.get(boundary.name, {})
        shards: list[ShardCommit] = []
        for shard in manifest.shards:
            parts = tuple(rewriter.shard(boundary, shard, manifest))
            read, counted, born = told.get(shard.index, (shard.read, shard.counted, shard.born))
            new = msgspec.structs.replace(shard, parts=parts, read=read, counted=counted, born=born)
            shards.append(new)
            if new != shard:
                boundary.commit_shard(new)
        self._remove_strays(boundary, manifest)
        if tuple(shards) != manifest.shards:
            # Its slices speak of parts as they were; of a finished phase nobody reads it again.
            boundary.folder.remove("plan.json")
            boundary.commit(msgspec.structs.replace(manifest, shards=tuple(shards)))

    @staticmethod
    def _remove_strays(boundary: Boundary, manifest: Manifest) -> None:
        """Files that no reader takes: commits of failed tries, parts of a shard that was done again."""
        known = {part.name for shard in manifest.shards for part in shard.parts if part.role not in ("drops", "dead")}
        known |= {f"shard-{shard.index:05d}.json" for shard in manifest.shards} | {"manifest.json", "plan.json"}
        for name in boundary.folder.names():
            if name not in known and (name.startswith(FAILED) or name.startswith("shard-")):
                boundary.folder.remove(name)

    def _describe(self, rewriter: Rewriter) -> None:
        """The recipe as it is stored, without the target's name; what identifies the run is its fingerprint."""
        cleaned = rewriter.cleaned_json(self.described)
        if cleaned != self.described:
            self.out.write_bytes("recipe.json", msgspec.json.format(msgspec.json.encode(cleaned)))

    def _books(self, rewriter: Rewriter) -> Books:
        """Counted anew from what is on disk, by the code that counted the run."""
        old = read_books(self.out)
        notes = {step.name: step.notes for step in old.steps}
        assert self.pending is not None
        day = self.pending.log.at[:10]
        phases, boundaries = [], []
        for described, boundary in zip(self.described["phases"], self.boundaries, strict=True):
            if boundary.manifest() is None:
                if described["stored"] or described["steps"]:
                    raise BooksError(f"{boundary.folder.address} is not finished, so the run has no books.")
                continue
            steps = tuple(described["steps"])
            told = tuple(rewriter.said(note) for note in notes.get(steps[-1], ())) if steps else ()
            before = f"the lines above are from before the purge of {day}"
            if told and self.pending.ids and before not in told:
                told = (*told, before)
            phases.append(_Phase(steps, described["stored"], told))
            boundaries.append(boundary)
        plan: Any = Plan(old.recipe, old.version, tuple(phases), old.fingerprint, 0.0)  # type: ignore[arg-type]
        return make_books(plan, boundaries)

    def _remember(self) -> None:
        assert self.pending is not None
        purges = read_purges(self.out)
        if self.pending.ids and self.pending.log not in purges:
            self.out.write_bytes(LOG, msgspec.json.format(msgspec.json.encode([*purges, self.pending.log])))

    def end(self) -> None:
        self.out.remove(f"{PENDING}/plan.json")  # first: without it the rest is nothing
        self.out.remove(PENDING)


def read_purges(out: Folder) -> list[Purged]:
    """What was taken out of a run so far."""
    return read_json(out, LOG, list[Purged]) if out.exists(LOG) else []


def _born(phases: list[dict[str, Any]], manifests: list[Manifest], taken: list[Taken]) -> list[Counter[str]]:
    """For each phase, how many of the births of its steps were of purged records: in + born = kept + dropped + dead holds for these
    as it does for all, so it follows from what entered and what left."""
    dropped = sum((found.dropped for found in taken), Counter[str]())
    dead = sum((found.dead for found in taken), Counter[str]())
    flowing = taken[0].sources.total() if taken else 0
    result: list[Counter[str]] = []
    for phase, manifest, found in zip(phases, manifests, taken, strict=True):
        own: Counter[str] = Counter()
        result.append(own)
        shuffles = bool(manifest.buckets) and not phase["stored"] and ".shuffle-" in phase["name"]
        if not phase["steps"] and not shuffles:
            continue
        left = found.records
        if shuffles:  # those that the Group's key could not be told of have left in the Group already
            beyond = [step for step in (*found.dropped, *found.dead) if step not in phase["steps"]]
            left = found.runs + sum(found.dropped[step] + found.dead[step] for step in set(beyond))
        out = sum(dropped[step] + dead[step] for step in phase["steps"])
        more = left + out - flowing
        bearing = [step for step in phase["steps"] if any(step in shard.born for shard in manifest.shards)]
        if more > 0 and not bearing:
            # A step that gives each record something of others (options of other questions) bears no more than it takes, and still some
            # of what it bears goes that came in as another source's: those come to nothing in it, and are told as fewer births.
            own[phase["steps"][-1]] = more
            flowing = left
            continue
        if more and not bearing:
            raise BooksError(
                f"Phase {phase['name']}: what would be purged does not balance ({flowing} in, {left + out} out). Please report this; "
                "nothing was changed."
            )
        # Where several steps of one chain bear children, what each bore of these is not on record: no more than it bore.
        for step in bearing:
            of_step = sum(shard.born.get(step, 0) for shard in manifest.shards)
            share = more if step == bearing[-1] else max(min(more, max(of_step, 0)), min(of_step, 0))
            own[step], more = share, more - share
        flowing = left
    return result


def neighbours(out: Folder) -> list[str]:
    """Other run folders beside this one."""
    above = Folder(out.address.rstrip("/").rpartition("/")[0] or ".")
    own = out.root.rstrip("/").rpartition("/")[2]
    return [f"{above.address}/{name}" for name in above.names() if name != own and above.exists(f"{name}/recipe.json")]


def trained(out: Folder) -> list[str]:
    """Folders beside this run that hold trainings which name it, or what it published, among their data."""
    above = Folder(out.address.rstrip("/").rpartition("/")[0] or ".")
    name = out.root.rstrip("/").rpartition("/")[2]
    found = []
    for other in above.names():
        if other == name or any(above.exists(f"{other}/{own}") for own in ("recipe.json", "store.json")):
            continue
        configs = above.fs.glob(f"{above.path(other)}/**/config.json", maxdepth=DEEP)
        if any(name in path.replace("\\", "/").split("/") for config in configs for path in _data(above, config)):
            found.append(f"{above.address}/{other}")
    return found


def _data(folder: Folder, config: str) -> list[str]:
    """The paths of the rows that a training's configuration names; of another file of that name, none."""
    try:
        settings = json.loads(folder.fs.cat_file(config))
        return [str(data["path"]) for data in settings["data"] if data.get("path")]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
