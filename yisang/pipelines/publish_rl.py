"""`yisang publish --for rl`: the questions of a run whose gold passes its own grader, one row each.

What is left out is listed with the reason in `left_out.jsonl`, without its text, and counted on the card:

    gold_unjudged, gold_wrong, gold_unparsed   the grader's verdict on the gold, with its reason
    same_question      another row has the same words (and options) in the same language; it is named
    golds_differ       another question has the same words and a gold that is written otherwise, so one of both may be wrong
    rows_differ        rows of one id that are not the same question, or have not the same pass rate
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import xxhash

from yisang.errors import YisangError
from yisang.filters.duplicates import exact_key
from yisang.grading import DEFAULTS, check_gold
from yisang.pipelines.books import Books
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.progress import LINE_SECONDS, QUIET_SECONDS
from yisang.pipelines.publish_card import About
from yisang.pipelines.publish_order import GROUP_ROWS, Ids, shard_name, sorted_shards
from yisang.pipelines.publish_rl_card import Counts, make_card
from yisang.pipelines.publish_survey import Listed, refuse
from yisang.pipelines.rl_questions import LEFT_OUT, SCHEMA, VIEW, Question, question_of, to_table
from yisang.pipelines.table import open_writer
from yisang.storage import Folder

Say = Callable[[str], None]

_JSON = msgspec.json.Encoder(order="deterministic")
_QUESTION = msgspec.json.Decoder(Question)


class LeftOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A question that is no row, and why. detail: the grader's reason. other: the id of the question that it is the same as."""

    id: str
    reason: str
    detail: str = ""
    other: str = ""
    language: str = ""
    kind: str = ""
    category: str = ""
    licence_letter: str = ""


class Questions:
    """What is published of a run for rl. One reading is done when it is made; `write` reads again.

    Memory holds for each question its id and the digests of its words and of its gold, some 300 bytes, never the text.
    """

    def __init__(self, out: Folder, sink: Boundary, books: Books, address: str, private: bool):
        self._about = About.of(out)
        self._sink, self._books, self._private = sink, books, private
        self._ids = Ids()
        self._golds: dict[int, int | None] = {}
        """By the digest of a question's words: the digest of its gold, None where another gold was seen."""
        self._published: dict[int, str] = {}
        """By the digest of its words: the id of a row."""
        never, not_public = Listed(), Listed()
        rows = 0
        for question in self._read():
            rows += 1
            self._ids.add(question.id, len(question.question) + 500)
            self._note(question)
            label = question.licence_letter, question.licence, question.source
            if question.licence_letter == "C":
                never.add(label, question.id)
            elif question.licence_letter == "B":
                not_public.add(label, question.id)
        if not rows:
            raise YisangError(
                f"{address} kept no rows, so there is nothing to publish. `yisang show {address}` says which step dropped them."
            )
        if rows != books.kept:
            raise YisangError(
                f"The books of {address} speak of {books.kept} rows, {rows} are stored. Something else changed the run folder. Run "
                "the recipe into a new folder."
            )
        refuse(
            never,
            rows,
            "have a question with licence letter C: such text is never published, private or not",
            "Drop them in the recipe, or declare the licence with its evidence where they come from.",
        )
        if not private:
            refuse(
                not_public,
                rows,
                "have a question with licence letter B: they may be trained on and not passed on",
                "Publish with --private (a folder for yourself, or a private data set), or drop them in the recipe.",
            )
        self.counts = Counts()

    @property
    def rows(self) -> int:
        return self.counts.rows

    def _read(self) -> Iterable[Question]:
        return map(question_of, self._sink.all_records())

    def _note(self, question: Question) -> None:
        if question.gold:
            words, gold = _words(question), xxhash.xxh3_64_intdigest(question.gold)
            self._golds[words] = gold if self._golds.get(words, gold) == gold else None

    def write(self, folder: Path, workshop: Path, say: Say) -> dict[str, int]:
        """Grades each gold, writes the rows and the list of what is left out, and returns the rows of each file.

        Raises YisangError where the grader itself failed, and where nothing is left.
        """
        shards = self._ids.shards()
        written: dict[str, int] = {}
        progress = _Progress(say, sum(shards.rows))
        with Folder(folder).create(LEFT_OUT) as path, open(path, "wb") as left_out:
            for number, lines in sorted_shards(self._read, shards, workshop):
                name = shard_name(VIEW, number, len(shards.rows))
                with contextlib.ExitStack() as stack:
                    place = stack.enter_context(Folder(folder).create(name))
                    writer = stack.enter_context(open_writer(place, SCHEMA))
                    before, held = self.rows, []
                    for outcome in self._judged(lines, progress):
                        if isinstance(outcome, LeftOut):
                            self.counts.left_out[outcome.reason, outcome.detail] += 1
                            left_out.write(_JSON.encode(outcome) + b"\n")
                            continue
                        self.counts.add(outcome)
                        held.append(outcome)
                        if len(held) == GROUP_ROWS:
                            writer.write_table(to_table(held))
                            held = []
                    if held:
                        writer.write_table(to_table(held))
                written[name] = self.rows - before
                say(f"Shard {number + 1} of {len(shards.rows)}: {written[name]} rows.")
        written[LEFT_OUT] = self.counts.left_out.total()
        for (reason, detail), count in sorted(self.counts.left_out.items(), key=lambda item: (-item[1], item[0])):
            say(f"Left out, {reason}{f' ({detail})' if detail else ''}: {count}")
        if not self.rows:
            raise YisangError(
                "Nothing was published: the gold of no question passes its own grader (the lines above count why). Questions for rl "
                "need golds that can be checked: numbers, expressions, options, code with tests and a solution, or worded tasks."
            )
        return written

    def card(self, repo: str | None) -> str:
        return make_card(self._about, self.counts, self._books, repo=repo, private=self._private)

    def _judged(self, lines: list[bytes], progress: _Progress) -> Iterator[Question | LeftOut]:
        """One outcome for each id of the sorted lines."""
        held: list[Question] = []
        for line in lines:
            question = _QUESTION.decode(line)
            if held and held[0].id != question.id:
                yield self._outcome(held)
                held = []
            held.append(question)
            progress.step()
        if held:
            yield self._outcome(held)

    def _outcome(self, held: list[Question]) -> Question | LeftOut:
        question = held[0]
        about: dict[str, Any] = {
            name: getattr(question, name) for name in ("id", "language", "kind", "category", "licence_letter")
        }
        if any(other != question for other in held):
            return LeftOut(reason="rows_differ", **about)
        words = _words(question)
        if question.gold and self._golds[words] is None:
            return LeftOut(reason="golds_differ", **about)
        found = check_gold(question.prompt(), DEFAULTS)
        if found.verdict == "infra_error":
            raise YisangError(
                f"The gold of {question.id} could not be graded: {found.reason}. `yisang doctor` says what works here; then publish again."
            )
        if found.verdict != "correct":
            return LeftOut(reason=f"gold_{found.verdict}", detail=found.code, **about)
        other = self._published.setdefault(words, question.id)
        return question if other == question.id else LeftOut(reason="same_question", other=other, **about)


def _words(question: Question) -> int:
    return int(xxhash.xxh3_64_intdigest(f"{question.language} {exact_key(question.prompt())}"))


class _Progress:
    """Says how far the grading is, when it takes long."""

    def __init__(self, say: Say, rows: int):
        self._say, self._rows, self._done = say, rows, 0
        self._began = time.monotonic()
        self._next = self._began + QUIET_SECONDS

    def step(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LINE_SECONDS
            left = (now - self._began) * (self._rows - self._done) / self._done
            self._say(f"Graded the golds of {self._done:,} of {self._rows:,} rows, about {left:,.0f} s left.")
