"""Rows as tokens: rendered by the student's template, with the places that are learned; too long ones listed, never cut."""

from __future__ import annotations

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from yisang.errors import UsageError
from yisang.records import Message
from yisang.sft.config import Config, LossOn
from yisang.sft.rows import Row, rows_of
from yisang.sft.templates import names, shipped_template
from yisang.storage import Folder

ROWS, DROPPED, SUMMARY = "rows.arrow", "dropped.jsonl", "rows.json"
_GENERATION = "{% generation"
_AT_ONCE = 1000


@dataclass(frozen=True)
class Encoded:
    """spans: pairs of places, start and end, whose tokens are targets."""

    ids: list[int]
    spans: list[tuple[int, int]]

    @property
    def targets(self) -> int:
        """Tokens that are predicted: the first of a row never is."""
        return sum(end - max(start, 1) for start, end in self.spans if end > 1)


@dataclass(frozen=True)
class Encoder:
    """A row as tokens, with the student's tokenizer and a template that marks what the assistant says."""

    tokenizer: Any
    template: str
    loss_on: LossOn

    def __call__(self, row: Row) -> Encoded:
        """Raises UsageError for a row that the template cannot write, or of which nothing is learned."""
        if not row.messages:
            ids = [*self.tokenizer(row.text, add_special_tokens=False)["input_ids"], self.tokenizer.eos_token_id]
            return self._checked(row, Encoded(ids, [(0, len(ids))]))
        try:
            found = self.tokenizer.apply_chat_template(
                _plain(row.messages),
                chat_template=self.template,
                tokenize=True,
                return_dict=True,
                return_assistant_tokens_mask=True,
            )
        except Exception as error:  # jinja's own kinds, of which a template may raise any
            raise UsageError(f"The chat template cannot write the row {row.id}: {error}") from error
        ids = list(found["input_ids"])
        spans = [(0, len(ids))] if self.loss_on == "all" else _spans(found["assistant_masks"])
        return self._checked(row, Encoded(ids, spans))

    def _checked(self, row: Row, encoded: Encoded) -> Encoded:
        if not encoded.targets:
            why = "its text is empty"
            if row.messages:
                why = f"its messages ({', '.join(m.role for m in row.messages)}) have no token of the assistant"
            raise UsageError(f"Nothing is learned of the row {row.id}: {why}. Take the row out.")
        return encoded

    def digest(self) -> str:
        """Of what decides how a row is encoded: the template's text and the whole tokenizer."""
        found = hashlib.sha256(self.template.encode())
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        found.update(backend.to_str().encode() if backend is not None else repr(self.tokenizer).encode())
        return found.hexdigest()

    def ends(self) -> list[int]:
        """The tokens that end an answer: what the template writes last of it, and the tokenizer's own."""
        talk = (Message("user", "1"), Message("assistant", "2"))
        encoded = Encoder(self.tokenizer, self.template, "assistant")(Row("end", talk))
        return sorted({encoded.ids[encoded.spans[-1][1] - 1], self.tokenizer.eos_token_id})


def _plain(messages: Iterable[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _spans(mask: Iterable[int]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    start, place = -1, -1
    for place, marked in enumerate(mask):
        if marked and start < 0:
            start = place
        elif not marked and start >= 0:
            spans.append((start, place))
            start = -1
    return [*spans, (start, place + 1)] if start >= 0 else spans


def training_template(tokenizer: Any, wanted: str) -> str:
    """The chat template to train with: by name, from a file, or for "auto" the model's own where it marks the assistant's part,
    else the shipped one that writes a question and its answer as the model's own does."""
    if wanted in names():
        return shipped_template(wanted)
    if wanted != "auto":
        path = Path(wanted)
        if not path.is_file():
            raise UsageError(
                f"There is no chat template {wanted!r}: it is neither a file nor one of {', '.join(names())}."
            )
        text = path.read_text(encoding="utf-8")
        if _GENERATION not in text.replace("{%-", "{%"):
            raise UsageError(
                f"The chat template {wanted} does not say what the assistant says: put {{% generation %}} and "
                "{% endgeneration %} around it."
            )
        return text
    own = tokenizer.chat_template
    if not own:
        raise UsageError(f"The tokenizer has no chat template. Set model.template to one of {', '.join(names())}.")
    if _GENERATION in own.replace("{%-", "{%"):
        return str(own)
    family = next((name for name in names() if _same(tokenizer, own, shipped_template(name))), None)
    if family is None:
        raise UsageError(
            "The model's own chat template does not mark what the assistant says, and none of the shipped ones "
            f"({', '.join(names())}) writes a question and its answer as it does. Set model.template to a file of your own with "
            "{% generation %} around what the assistant says."
        )
    return shipped_template(family)


def _same(tokenizer: Any, own: str, ours: str) -> bool:
    """Whether two templates write a question, and it with its answer, alike: a student that is trained in one form and asked
    in another would seem to have learned nothing."""
    asked = Message("user", "1 + 1?")
    answers = [Message("assistant", text) for text in ("<think>\nOne and one.\n</think>\n\n2", "2")]

    def written(template: str) -> list[str]:
        render = functools.partial(tokenizer.apply_chat_template, chat_template=template, tokenize=False)
        question = render(_plain([asked]), add_generation_prompt=True)
        return [question, *(render(_plain([asked, answer])).strip() for answer in answers)]

    return written(own) == written(ours)


@dataclass
class Summary:
    """What became of the rows. tokens and targets: of those that stay.

    digest: SHA-256 of the file of rows. encoder: of template and tokenizer. A run that goes on must find the same.
    """

    rows: int = 0
    tokens: int = 0
    targets: int = 0
    longest: int = 0
    dropped: int = 0
    sources: dict[str, int] = field(default_factory=dict)
    digest: str = ""
    encoder: str = ""


def prepare(
    config: Config, encoder: Encoder, folder: Folder, say: Callable[[str], None] = lambda line: None
) -> Summary:
    """Encodes all rows into `rows.arrow` in the folder, lists those over the limit in `dropped.jsonl`."""
    import pyarrow as pa

    schema = pa.schema(
        [("id", pa.string()), ("input_ids", pa.list_(pa.int32())), ("spans", pa.list_(pa.list_(pa.int32())))]
    )
    summary, sources = Summary(encoder=encoder.digest()), Counter[str]()
    with (
        folder.create(DROPPED) as listed,
        folder.create(ROWS) as path,
        open(listed, "w", encoding="utf-8") as drops,
        pa.OSFile(str(path), "wb") as file,
        pa.ipc.new_stream(file, schema) as writer,
    ):
        held: list[dict[str, Any]] = []
        for name, row in _all_rows(config):
            encoded = encoder(row)
            length = len(encoded.ids)
            if length > config.max_length:
                summary.dropped += 1
                line = {"id": row.id, "source": name, "tokens": length, "reason": "too_long"}
                drops.write(json.dumps(line, ensure_ascii=False) + "\n")
                continue
            sources[name] += 1
            summary.rows += 1
            summary.tokens += length
            summary.targets += encoded.targets
            summary.longest = max(summary.longest, length)
            held.append({"id": row.id, "input_ids": encoded.ids, "spans": [list(span) for span in encoded.spans]})
            if len(held) == _AT_ONCE:
                writer.write_batch(pa.RecordBatch.from_pylist(held, schema))
                held = []
                if summary.rows % 20_000 == 0:
                    say(f"rows: {summary.rows:,} encoded")
        if held:
            writer.write_batch(pa.RecordBatch.from_pylist(held, schema))
    summary.sources = dict(sources)
    summary.digest = rows_digest(folder)
    if not summary.rows:
        raise UsageError(
            f"No row is left: all {summary.dropped} are longer than max_length = {config.max_length}; {folder.address}/"
            f"{DROPPED} lists them."
        )
    folder.write_bytes(SUMMARY, msgspec.json.encode(summary))
    return summary


def rows_digest(folder: Folder) -> str:
    with open(folder.path(ROWS), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _all_rows(config: Config) -> Iterator[tuple[str, Row]]:
    for number, data in enumerate(config.data):
        name = data.name or data.path or data.hub or f"tasks {number}"
        for row in rows_of(data, config.seed):
            yield name, row


def texts_for_tokenizer(config: Config, limit: int) -> Iterator[str]:
    """The texts of the first rows of each source, as many of each as make `limit` rows of all."""
    share = max(1, limit // len(config.data))
    for data in config.data:
        for _, row in zip(range(share), rows_of(data, config.seed), strict=False):
            yield row.text
            yield from (message.content for message in row.messages)


__all__ = [
    "DROPPED", "ROWS", "SUMMARY", "Encoded", "Encoder", "Summary", "prepare", "rows_digest", "texts_for_tokenizer", "training_template",
]  # fmt: skip
