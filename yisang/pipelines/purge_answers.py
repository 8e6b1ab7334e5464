"""Takes the answers to purged prompts out of an answer store, and finds what is left of them there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from yisang.errors import UsageError
from yisang.pipelines.boundary import Boundary, Part
from yisang.pipelines.purge_passages import Passages
from yisang.pipelines.purge_select import Chosen, heads, row_groups
from yisang.records import content_id
from yisang.storage import TEMPORARY
from yisang.teachers import upkeep
from yisang.teachers.answers import AnswerStore
from yisang.teachers.segments import Answer

_OF_TRACE = ("teacher", "revision", "sample", "text")


@dataclass(frozen=True)
class ToPurged:
    """Whether an answer goes: it was asked for a purged prompt. Answers stored before prompts were noted go by their words: what a
    purged trace says (`said`), has a passage that only purged records have, or names the target. Such an answer that another prompt
    had, too, is asked again."""

    chosen: tuple[Chosen, ...]
    passages: tuple[Passages, ...]
    said: frozenset[str] = frozenset()

    def __call__(self, answer: Answer) -> bool:
        if answer.prompt:
            return any(one.names(answer.prompt) for one in self.chosen)
        said = answer.generation.text.encode("utf-8", "surrogatepass")
        if said_key(answer.model, answer.revision, answer.sample, answer.generation.text) in self.said:
            return True
        return any(len(one.found(said)) for one in self.passages) or any(
            one.target.named_in(said) for one in self.chosen
        )


def said_key(model: str, revision: str, sample: int, text: str) -> str:
    """What an answer and the trace of it have in common."""
    return content_id(model, revision, str(sample), text.encode("utf-8", "surrogatepass"))


def answered(boundary: Boundary, part: Part, chosen: Chosen) -> Iterator[str]:
    """The keys of the purged traces of a part."""
    for table in row_groups(boundary, part):
        if set(_OF_TRACE) <= set(table.column_names):
            rows = table.select(_OF_TRACE).to_pylist()
            gone = (row for head, row in zip(heads(table), rows, strict=True) if chosen.takes(head))
            yield from (said_key(*(row[name] for name in _OF_TRACE)) for row in gone)


def open_store(address: str) -> AnswerStore | None:
    """None where there is no store."""
    store = AnswerStore(address)
    return store if store.folder.exists("store.json") else None


def count_answers(store: AnswerStore, to_purged: Callable[[Answer], bool]) -> int:
    return sum(1 for answer in upkeep.answers(store) if to_purged(answer))


def purge_answers(store: AnswerStore, to_purged: Callable[[Answer], bool]) -> int:
    """Rewrites the segments of a store without those answers; how many they were. New segments are whole on the device before old
    ones go, so that a kill leaves answers twice at most, and the next purge removes them. Raises UsageError where a run writes to it."""
    began = time.time()
    found = count_answers(store, to_purged)
    whole = upkeep.lines_of(store, store.segments())
    if found or whole.damaged or whole.torn:
        # Lines that cannot be read go too, as nobody knows what they hold.
        found = upkeep.compact(store, to_purged).removed
    _remove_leftovers(store, began)
    return found


def _remove_leftovers(store: AnswerStore, began: float) -> None:
    """What killed compactions left: their files hold answers that no reader sees."""
    if not store.folder.local:
        return
    for path in Path(store.folder.root).rglob(f"{TEMPORARY}*"):
        try:
            if path.stat().st_mtime < began:
                path.unlink()
        except FileNotFoundError:
            continue


def refuse_unfit(stores: Iterable[str]) -> None:
    """Raises UsageError where a store that was named is none."""
    for address in stores:
        if open_store(address) is None:
            raise UsageError(f"There is no answer store in {address}. Name the folder that --answers named in the run.")
