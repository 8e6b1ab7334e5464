"""Options merged from neighbours: exam questions get the distractors of those that BM25 finds most like them."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from yisang.errors import UsageError, YisangError
from yisang.filters.exams import MOST, Exclusions, Lender, lender, merged
from yisang.filters.options import NEAR, sort_of
from yisang.grading.choices import GoldForm
from yisang.pipelines.boundary import ShardWriter
from yisang.pipelines.identity import identity
from yisang.pipelines.phases import Inputs, Phase, Setting, Work, counted, even_slices
from yisang.pipelines.steps import Stage
from yisang.records import Licence, Measure, Prompt, content_id, nfc, with_measures

_WORD = re.compile(r"\d+|[^\W\d_]+")
_APART = "\u0e00"
"""Words with a letter from here on, in Unicode's order, are cut into bigrams: from Thai over Hangul to the ideographs, scripts
that set no blanks between words, or set endings right behind them. Latin, Cyrillic and Arabic words stay whole."""


def terms(text: str) -> list[str]:
    """The terms by which BM25 compares questions: words and numbers in folded case, and of words in scripts such as Hangul the
    pairs of neighbouring characters too.

    Korean sets particles right behind a noun, so that two forms of one noun are two words with no more than bigrams in common.
    Bigrams retrieve Korean about as well as a morphological analyser does (Lee and Ahn, SIGIR 1996), and need none.
    """
    found = []
    for word in _WORD.findall(unicodedata.normalize("NFKC", nfc(text)).casefold()):
        found.append(word)
        if len(word) > 2 and max(word) >= _APART:
            found += [word[place : place + 2] for place in range(len(word) - 1)]
    return found


@dataclass(frozen=True)
class MergeOptions(Stage):
    """Multiple-choice questions → the same with distractors of their neighbours (`yisang.filters.exams`), one child each.

    The pool are the questions of the input that nothing speaks against (`Exclusions.why_not_merged`). A neighbour is another one of
    the same split, with options of the same sort (numbers, or words).

    language: of the questions. most: options that a question has at most (the paper's ten, section 5.2). Not stated in the paper:

    neighbours: how many are looked at, nearest first; 20, as two or three fill the places and many a neighbour has the same options.
    least: the score that a neighbour has at least, as a share of the question's score beside itself. 0 leaves it to the order: in a
        pool of one kind, or a small one, what all questions share counts for little, and so does every neighbour. In a large mixed
        pool 0.3 keeps out questions that share no more than "... is what?", whose options give themselves away.
    k1, b: of BM25, in Lucene's form; 1.5 and 0.75 lie within what Robertson and Zaragoza (2009, section 3.5) found good, and are the
        library's own.
    near: see `filters.options.alike`; None adds all but literally equal options.
    share: of the questions that may get options, those that do, by a hash of salt and id.
    beside: whether the question stays beside its child; unless said, the child takes its place, so that nothing is taught twice.
    gold_form, without: see `Exclusions`.

    A question without a child stays as it is. Measures of both: `options_merged`, how many came (0), and `options_why`, why none did: a
    reason of `Exclusions`, `not_chosen` by the share, or `no_neighbour` whose options fit.

    Each worker indexes the whole pool, and each question is compared with all of it, so the time is quadratic in the pool and the memory
    is needed once for each worker (docs/exams.md has figures).
    """

    language: str = "ko"
    most: int = MOST
    neighbours: int = 20
    least: float = 0.0
    k1: float = 1.5
    b: float = 0.75
    near: float | None = NEAR
    share: float = 1.0
    beside: bool = False
    gold_form: GoldForm | None = None
    without: tuple[str, ...] = ()
    salt: str = ""
    exclusions: Exclusions = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        rules = {
            "neighbours": (self.neighbours >= 1, "1 or more"),
            "least": (0 <= self.least <= 1, "0 to 1"),
            "k1": (self.k1 >= 0, "0 or more"),
            "b": (0 <= self.b <= 1, "0 to 1"),
            "near": (self.near is None or 0 < self.near <= 1, "above 0 and at most 1, or None"),
            "share": (0 <= self.share <= 1, "0 to 1"),
        }
        for name, (good, rule) in rules.items():
            if not good:
                raise UsageError(f"Step {self.name}: {name} is {getattr(self, name)}; it must be {rule}.")
        object.__setattr__(
            self, "exclusions", Exclusions(self.language, self.most, self.gold_form, tuple(self.without))
        )

    def phases(self) -> list[Phase]:
        return [Lenders("lenders", (0,), stage=self), Merged("merged", (0, 1), stage=self)]

    def why_not(self, prompt: Prompt) -> str | None:
        why = self.exclusions.why_not_merged(prompt)
        drawn = int(content_id("options", self.salt, prompt.id), 16) % (1 << 53)
        return why or (None if drawn < self.share * (1 << 53) else "not_chosen")


@dataclass(frozen=True)
class _OptionsPhase(Phase):
    stage: MergeOptions | None = None

    def parameters(self) -> Any:
        return identity(self.stage, self.stage.name if self.stage else "")

    @property
    def options(self) -> MergeOptions:
        assert self.stage is not None
        return self.stage

    def plan(self, inputs: Inputs) -> list[Work]:
        return even_slices(inputs.manifests[0])


_LENDERS = pa.schema(
    [
        ("id", pa.string()),
        ("split", pa.string()),
        ("sort", pa.string()),
        ("terms", pa.list_(pa.string())),
        ("distractors", pa.list_(pa.string())),
        ("licence", pa.string()),
        ("attribution", pa.string()),
    ]
)


@dataclass(frozen=True)
class Lenders(_OptionsPhase):
    """The pool: what each question that may lend would lend, and the terms that it is found by."""

    def run(self, work: Work, inputs: Inputs, out: ShardWriter, setting: Setting) -> None:
        stage = self.options
        rows = []
        for record in counted(inputs.slices(work.slices), out):
            if not isinstance(record, Prompt) or stage.exclusions.why_not_merged(record, lending=True):
                continue
            lent = lender(record, stage.gold_form)
            rows.append(
                {
                    "id": lent.id,
                    "split": record.split,
                    "sort": sort_of(record.options),
                    "terms": terms(record.text),
                    "distractors": list(lent.distractors),
                    "licence": msgspec.json.encode(lent.licence).decode(),
                    "attribution": lent.attribution,
                }
            )
        if rows:
            out.table("lenders", pa.Table.from_pylist(rows, schema=_LENDERS))


@dataclass(frozen=True)
class Merged(_OptionsPhase):
    """Each question, or its child. A shard indexes the whole pool for itself."""

    def run(self, work: Work, inputs: Inputs, out: ShardWriter, setting: Setting) -> None:
        stage = self.options
        pool = Pool(inputs.boundaries[1].table("lenders"), stage)
        for record in counted(inputs.slices(work.slices), out):
            if not isinstance(record, Prompt) or record.kind != "mcq":
                out.keep(record)
                continue
            why = stage.why_not(record)
            child = None
            if why is None:
                child = merged(
                    record,
                    pool.neighbours(record),
                    most=stage.most,
                    near=stage.near,
                    gold_form=stage.gold_form,
                    salt=stage.salt,
                )
            if child is None or stage.beside:
                measures: dict[str, Measure] = {
                    "options_merged": 0,
                    "options_why": why or ("beside" if child else "no_neighbour"),
                }
                out.keep(with_measures(record, measures))
            if child is not None:
                out.keep(with_measures(child, {"options_why": None}))
                out.born(stage.name, int(stage.beside))


_ROWS = 64


def _floor(scores: np.ndarray, count: int) -> np.float32:
    """A score that at least `count` of them reach, and few more do. The scores are cut into groups; the largest of `count` groups are
    that many scores, so the least of those is such a score. To look for the score itself takes several times as long in a large pool."""
    columns = len(scores) // _ROWS
    if columns < 4 * count:
        return np.float32(np.partition(scores, -count)[-count])
    largest = scores[: columns * _ROWS].reshape(_ROWS, columns).max(axis=0)
    return np.float32(np.partition(largest, -count)[-count])


class Pool:
    """All lenders, and which of them are most like a question. The same for any order of the table's rows."""

    def __init__(self, table: pa.Table | None, stage: MergeOptions):
        self._stage = stage
        self._bm25: Any = None
        if table is None:
            return
        # Sorted, so that ties are broken by the id and sums do not depend on which shard came first.
        table = table.sort_by("id")
        self._ids = table.column("id").to_pylist()
        if repeated := len(self._ids) - len(set(self._ids)):
            raise YisangError(
                f"Step {stage.name}: {repeated} questions have the id of another one, so they are exact copies. Put a Group that "
                "removes exact duplicates before it."
            )
        self._places = {identifier: place for place, identifier in enumerate(self._ids)}
        self._distractors = table.column("distractors")
        self._licences = table.column("licence")
        self._attributions = table.column("attribution")
        marks = list(zip(*(table.column(name).to_pylist() for name in ("sort", "split")), strict=True))
        # 1 for the lenders of this sort and split, 0 for the others, as wide as scores are.
        self._alike = {
            mark: np.array([one == mark for one in marks], dtype=np.float32) for mark in dict.fromkeys(marks)
        }
        self._index(table.column("terms").to_pylist())

    def _index(self, documents: list[list[str]]) -> None:
        import bm25s

        known = sorted(set(itertools.chain.from_iterable(documents)))
        if not known:  # questions of nothing but punctuation
            return
        # Numbered here, as the library numbers terms by the order of a set, which differs from process to process.
        self._numbers = {term: number for number, term in enumerate(known)}
        numbered = [[self._numbers[term] for term in document] for document in documents]
        self._bm25 = bm25s.BM25(k1=self._stage.k1, b=self._stage.b, method="lucene", backend="numpy")
        self._bm25.index((numbered, self._numbers), create_empty_token=False, show_progress=False)

    def neighbours(self, prompt: Prompt) -> Iterator[Lender]:
        """The lenders most like a question but itself, nearest first; equally near ones by their ids."""
        if self._bm25 is None:
            return
        asked = [self._numbers[term] for term in dict.fromkeys(terms(prompt.text)) if term in self._numbers]
        if not asked:
            return
        scores = self._bm25.get_scores_from_ids(asked)
        scores *= self._alike[sort_of(prompt.options), prompt.split]
        # Whoever may get options is in the pool, as what speaks against lending speaks against getting too.
        place = self._places[prompt.id]
        own, scores[place] = scores[place], 0
        count = min(self._stage.neighbours, len(scores))
        near = np.flatnonzero((scores >= max(_floor(scores, count), self._stage.least * own)) & (scores > 0))
        for place in near[np.argsort(-scores[near], kind="stable")][:count].tolist():
            licence = msgspec.json.decode(self._licences[place].as_py(), type=Licence)
            distractors = tuple(self._distractors[place].as_py())
            yield Lender(self._ids[place], distractors, licence, self._attributions[place].as_py())
