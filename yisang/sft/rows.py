"""Training rows of every source: files, finished runs, Hub data sets, and worded tasks made on the spot."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from yisang.errors import UsageError
from yisang.evals.guard import check_training_data
from yisang.languages import load
from yisang.records import Example, Message, content_id, nfc
from yisang.sft.config import Data, TaskSet
from yisang.storage import TEMPORARY
from yisang.tasks.addition import make_sum
from yisang.tasks.draw import Draw
from yisang.tasks.listing import parse_range
from yisang.tasks.problems import Request, drill, make_problem
from yisang.tasks.traces import response, style_of, think_and_answer

PAIRS = (("prompt", "completion"), ("instruction", "response"), ("question", "answer"))
"""Columns that hold a question and its answer, in the order in which they are looked for."""
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Row:
    """One training row: a conversation, or bare text (then all of it is learned)."""

    id: str
    messages: tuple[Message, ...] = ()
    text: str = ""


def rows_of(data: Data, seed: int) -> Iterator[Row]:
    """The rows of a source; where `data.rows` asks for fewer than there are, so many drawn by the seed, in their order.

    Raises UsageError naming the file and line of a row that is none.
    """
    if data.tasks is not None:
        yield from (_task_row(data.tasks, index) for index in range(data.tasks.start, data.tasks.start + data.rows))
        return
    where = data.path or data.hub
    chosen: set[int] | None = None
    if data.rows:
        count = sum(1 for _ in _read(data))  # read twice: rows of a whole corpus need not fit into memory
        if data.rows > count:
            raise UsageError(f"{where} holds {count} rows, and {data.rows} are asked for.")
        chosen = set(random.Random(f"rows/{seed}/{where}").sample(range(count), data.rows))
    empty = True
    for number, (place, value) in enumerate(_read(data)):
        empty = False
        if chosen is None or number in chosen:
            yield row_of(value, place)
    if empty:
        raise UsageError(f"{where} holds no row.")


def row_of(value: Any, place: str) -> Row:
    """A row as it stands in a file. `place` says where, for errors and for its id where it has none."""
    if not isinstance(value, dict):
        raise UsageError(f"{place}: a row must be an object, not {type(value).__name__}.")
    identifier = str(value.get("id") or "")
    if value.get("messages") is not None:
        messages = tuple(_message(message, place) for message in _listed(value["messages"], place))
        return Row(identifier or content_id(*(message.content for message in messages)), messages)
    for asked, answered in PAIRS:
        if value.get(asked) is not None and value.get(answered) is not None:
            texts = [value[asked], value[answered]]
            if not all(isinstance(text, str) for text in texts):
                raise UsageError(f"{place}: {asked} and {answered} must be text.")
            said = tuple(
                _message({"role": role, "content": text}, place)
                for role, text in zip(("user", "assistant"), texts, strict=True)
            )
            return Row(identifier or content_id(*(message.content for message in said)), said)
    if isinstance(value.get("text"), str):
        return Row(identifier or content_id(value["text"]), text=nfc(value["text"]))
    known = ", ".join(" and ".join(pair) for pair in PAIRS)
    raise UsageError(f"{place} has no messages, no {known}, and no text. Its columns are {', '.join(value) or 'none'}.")


def _listed(value: Any, place: str) -> list[Any]:
    if isinstance(value, str):  # a table without nested columns
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise UsageError(f"{place}: messages cannot be read: {error}.") from error
    if not isinstance(value, list) or not value:
        raise UsageError(f"{place}: messages must be a list with at least one message.")
    return value


def _message(value: Any, place: str) -> Message:
    role, content = (value.get("role"), value.get("content")) if isinstance(value, dict) else (None, None)
    if role not in ROLES or not isinstance(content, str):
        raise UsageError(
            f"{place}: a message needs a role ({', '.join(ROLES)}) and its content as text; one has the role {role!r} and "
            f"content of type {type(content).__name__}."
        )
    if role == "assistant" and not content.strip():
        raise UsageError(
            f"{place}: a message of the assistant is empty; only its end would be learned. Take the row out."
        )
    return Message(role, nfc(content))


# Files, runs and the Hub


def _read(data: Data) -> Iterator[tuple[str, Any]]:
    if data.hub:
        yield from _hub(data)
        return
    path = Path(data.path)
    if not path.exists():
        raise UsageError(f"There is no {path}. Name a file or folder of JSON lines or Parquet, or a finished run.")
    if (path / "manifest.json").exists():
        published = _published(path)
        yield from _run(path) if published is None else (row for file in published for row in _parquet(file))
        return
    files = _files(path)
    if not files:
        raise UsageError(f"{path} holds no .jsonl or .parquet file.")
    for file in files:
        yield from _parquet(file) if file.suffix == ".parquet" else _lines(file)


def files_of(data: Data) -> dict[str, tuple[int, int]]:
    """The files that a source reads, with size and time of change (ns); the manifest stands for a finished run."""
    path = Path(data.path)
    if not data.path or not path.exists():
        return {}
    manifest = path / "manifest.json"
    files = [manifest] if manifest.exists() else _files(path)
    return {str(file): (file.stat().st_size, file.stat().st_mtime_ns) for file in files}


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    if (path / "recipe.json").exists():
        raise UsageError(f"{path} is a run that is not finished. Run its recipe into it again, then train on it.")
    found = (file for file in path.rglob("*") if file.suffix in (".jsonl", ".parquet"))
    return sorted(file for file in found if not file.name.startswith(TEMPORARY))


def _lines(file: Path) -> Iterator[tuple[str, Any]]:
    with open(file, "rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                yield f"{file}:{number}", json.loads(line)
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                raise UsageError(f"{file}:{number} is no JSON: {error}.") from error


def _parquet(file: Path) -> Iterator[tuple[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        number = 0
        for batch in pq.ParquetFile(file).iter_batches():
            for value in batch.to_pylist():
                yield f"{file}, row {number}", value
                number += 1
    except pa.ArrowInvalid as error:
        raise UsageError(f"{file} cannot be read as Parquet: {error}.") from error


def _published(path: Path) -> list[Path] | None:
    """The conversations of a data set that `yisang publish` wrote into a folder; None where the folder is a run."""
    from yisang.pipelines.publish_folder import read_publication

    manifest = read_publication(path / "manifest.json")
    if manifest is None:
        return None
    files = [path / file.path for file in manifest.files if file.path.startswith("messages/")]
    if not files:
        raise UsageError(
            f"{path} was published for {manifest.purpose} and holds no conversations. Publish the run for training: yisang publish RUN "
            "--for sft --to DIR"
        )
    return files


def _run(path: Path) -> Iterator[tuple[str, Any]]:
    """What a finished recipe kept."""
    from yisang.pipelines.boundary import Boundary  # most trainings read files
    from yisang.pipelines.run import open_run

    out, run = open_run(str(path))
    for record in Boundary(out, run.sink).all_records():
        if not isinstance(record, Example):
            raise UsageError(
                f"{path} ends in records of kind {record.kind_name}, and only training rows (example) can be "
                "trained on. Add the step ToExample to its recipe."
            )
        yield f"{path}, {record.id}", {"id": record.id, "messages": list(msgspec.to_builtins(record.messages))}


def _hub(data: Data) -> Iterator[tuple[str, Any]]:
    from datasets import load_dataset

    check_training_data(data.hub)
    found = load_dataset(data.hub, data.subset, split=data.split, revision=data.revision)
    for number, value in enumerate(found):
        yield f"{data.hub} ({data.split}), row {number}", value


# Worded tasks


def instruction(language: str, mode: str) -> str:
    """What the language's file tells a teacher in this mode; students are told the same."""
    return load(language).prompt(mode).text


def _task_row(tasks: TaskSet, index: int) -> Row:
    if tasks.skill == "drill":
        text = drill(tasks.language, tasks.context or "zoo", tasks.seed, index)
        return Row(content_id("drill", text), text=text)
    mode = "translate" if tasks.skill == "translate" else tasks.mode
    if tasks.skill == "addition":
        question, answer = _sum(tasks, index)
    else:
        question, answer = _problem(tasks, index)
    told = Draw("instruction", tasks.seed, index).share() < tasks.instructions
    head = (Message("system", instruction(tasks.language, mode)),) if told else ()
    return Row(
        content_id("row", tasks.language, mode if told else "", question),
        (*head, Message("user", question), Message("assistant", answer)),
    )


def _problem(tasks: TaskSet, index: int) -> tuple[str, str]:
    low, high = parse_range(tasks.ops)
    asked = tasks.language if tasks.skill == "solve" else tasks.source
    mode = tasks.mode if tasks.skill == "solve" else "target_only"
    request = Request(language=asked, low=low, high=high, context=tasks.context, preset=tasks.preset, mode=mode)
    problem = make_problem(request, tasks.seed, index)
    if tasks.skill == "solve":
        return problem.question, problem.trace
    if tasks.skill == "translate":
        return problem.question, f"<TRANSLATION>\n{problem.translated(tasks.language)}\n</TRANSLATION>"
    graph = problem.graph
    return problem.question, response(
        *think_and_answer(graph, tasks.language, problem.context, tasks.mode, style_of(graph))
    )


def _sum(tasks: TaskSet, index: int) -> tuple[str, str]:
    item = make_sum(tasks.language, *parse_range(tasks.ops), tasks.seed, index)
    return item.question, item.trace
