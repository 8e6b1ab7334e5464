"""The rows of `yisang publish --for rl`: one question each, with a gold that its own grader accepts. Their schema stands here.

    for question in read_questions("out/rl"):
        verdict = grade(question.prompt(), answer)

`yisang.grading.grade` judges an answer by `question.prompt()` as it judged the gold, so nothing else is needed for a reward.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from yisang.errors import UsageError, YisangError
from yisang.pipelines.publish_changes import changes
from yisang.pipelines.publish_folder import read_publication
from yisang.records import Example, Kind, Letter, Licence, Measure, Message, Prompt, Record, Trace

VIEW = "questions"
"""The folder of the rows, and their configuration for `load_dataset`."""

LEFT_OUT = "left_out.jsonl"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question to be answered and graded.

    id:           of its prompt. messages: what the model is given, the question. question: the same as text; options of multiple choice stand in it.
    gold:         of code a solution, else the answer. options: of multiple choice. graph: of a worded task, its solution.
    tests:        of code.
    pass_rate:    of `judged` answers of the run's teacher, the share that was right (`yisang.filters.best_of.PassRate`); both are
                  None where the recipe did not measure it. The difficulty is 1 - pass_rate.
    parents:      the ids of what it was made of; a translation names the question that it translates.
    split:        where the recipe split its questions.
    changes:      what the recipe's steps changed in the words of its author (`yisang.pipelines.publish_changes`), by its measures.
    """

    id: str
    messages: tuple[Message, ...]
    question: str
    language: str
    kind: Kind
    gold: str
    options: tuple[str, ...] = ()
    graph: dict[str, Any] | None = None
    tests: str | None = None
    pass_rate: float | None = None
    judged: int | None = None
    category: str = ""
    licence: str
    licence_letter: Letter
    licence_evidence: str
    licence_date: str = ""
    derive: bool = True
    share_alike: bool = False
    source: str = ""
    url: str = ""
    attribution: str = ""
    parents: tuple[str, ...] = ()
    split: str = ""
    changes: tuple[str, ...] = ()

    def prompt(self) -> Prompt:
        """The prompt that it is, as the grader takes it."""
        licence = Licence(
            id=self.licence,
            letter=self.licence_letter,
            evidence=self.licence_evidence,
            date=self.licence_date,
            derive=self.derive,
            share_alike=self.share_alike,
        )
        same = ("id", "language", "kind", "gold", "options", "graph", "tests", "category")
        more = ("source", "url", "attribution", "parents", "split")
        return Prompt(text=self.question, licence=licence, **{name: getattr(self, name) for name in (*same, *more)})


_TEXT = pa.string()
_MESSAGE = pa.struct([("role", _TEXT), ("content", _TEXT)])
_TYPES = {
    "messages": pa.list_(_MESSAGE),
    "options": pa.list_(_TEXT),
    "parents": pa.list_(_TEXT),
    "changes": pa.list_(_TEXT),
    "pass_rate": pa.float64(),
    "judged": pa.int64(),
    "derive": pa.bool_(),
    "share_alike": pa.bool_(),
}
SCHEMA = pa.schema([(field.name, _TYPES.get(field.name, _TEXT)) for field in msgspec.structs.fields(Question)])
"""As Parquet: the fields of Question by their names; `graph` is JSON text."""

_JSON = msgspec.json.Encoder(order="deterministic")


def question_of(record: Record) -> Question:
    """The question of a prompt, a trace or a training row. Its gold is "" where it has none.

    Raises YisangError for another record, and for a pass rate that is none.
    """
    trace = record.trace if isinstance(record, Example) else record
    prompt = trace.prompt if isinstance(trace, Trace) else trace
    if not isinstance(prompt, Prompt):
        raise YisangError(
            f"The run ends in records of kind {record.kind_name} (the first is {record.id}), which ask nothing. A recipe for rl ends "
            "in prompts, traces or training rows."
        )
    licence = prompt.licence
    rate, judged = _pass_rate(trace)
    return Question(
        id=prompt.id,
        messages=(Message("user", prompt.text),),
        question=prompt.text,
        language=prompt.language,
        kind=prompt.kind,
        gold=prompt.gold or "",
        options=prompt.options,
        graph=prompt.graph,
        tests=prompt.tests,
        pass_rate=rate,
        judged=judged,
        category=prompt.category,
        licence=licence.id,
        licence_letter=licence.letter,
        licence_evidence=licence.evidence,
        licence_date=licence.date,
        derive=licence.derive,
        share_alike=licence.share_alike,
        source=prompt.source,
        url=prompt.url,
        attribution=prompt.attribution,
        parents=prompt.parents,
        split=prompt.split,
        changes=changes(prompt),
    )


def _pass_rate(record: Record) -> tuple[float | None, int | None]:
    """The measures of PassRate; nothing stands in for one that was not taken."""
    rate, judged = (_number(record, name) for name in ("pass_rate", "judged"))
    if rate is not None and (not 0 <= rate <= 1 or judged is None or judged < 1 or judged != int(judged)):
        raise YisangError(
            f"{record.kind_name.capitalize()} {record.id} has the measures pass_rate = {rate} and judged = {judged}; a pass rate "
            "lies within 0 and 1, of 1 or more judged answers. Measure it by Group(prompt_of, PassRate(...)), and nothing else "
            "under these names."
        )
    return rate, None if judged is None else int(judged)


def _number(record: Record, name: str) -> float | None:
    value: Measure = record.measures.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise YisangError(
            f"{record.kind_name.capitalize()} {record.id} has the measure {name} = {value!r}; it is no number."
        )
    return value


def to_table(questions: list[Question]) -> pa.Table:
    """Rows as they are stored."""
    rows = [msgspec.to_builtins(question) for question in questions]
    for row, question in zip(rows, questions, strict=True):
        row["graph"] = None if question.graph is None else _JSON.encode(question.graph).decode()
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def read_questions(folder: str) -> Iterator[Question]:
    """The questions of a folder that `yisang publish --for rl --to FOLDER` wrote, in the order of their ids.

    Raises UsageError where the folder is no such publication, YisangError where a file of it is not what was written.
    """
    root = Path(folder)
    manifest = read_publication(root / "manifest.json")
    if manifest is None or manifest.purpose != "rl":
        state = "holds no publication" if manifest is None else f"was published for {manifest.purpose}"
        raise UsageError(f"{folder} {state}. Write one with `yisang publish RUN --for rl --to {folder}`.")
    for file in manifest.files:
        if not file.path.startswith(f"{VIEW}/"):
            continue
        try:
            with pq.ParquetFile(root / file.path) as parquet:
                for batch in parquet.iter_batches(batch_size=1_000):
                    yield from map(from_row, batch.to_pylist())
        except (OSError, pa.ArrowException, msgspec.MsgspecError) as error:
            raise YisangError(
                f"{root / file.path} cannot be read: {error}. Publish the run again, or fetch the data set again."
            ) from error


def from_row(row: dict[str, Any]) -> Question:
    """A row as `load_dataset` or pyarrow gives it. Raises msgspec.MsgspecError for what is none."""
    graph = row.get("graph")
    return msgspec.convert({**row, "graph": None if graph is None else msgspec.json.decode(graph)}, Question)
