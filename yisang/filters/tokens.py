"""How long a row is to the student: its own tokenizer, its own template, question and answer together.

The paper drops what is longer than 16k tokens (arXiv 2510.04230, section 5.3) and does not say whose; its trainer cuts at 16,384. A row that
is cut loses the end of its thoughts and its answer, so the count that matters is the trainer's.
"""

from __future__ import annotations

import functools
import hashlib
import os
from dataclasses import dataclass
from typing import Any

from yisang.errors import UsageError
from yisang.records import Drop, Example, with_measures

LIMIT = 16_384
_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "config.json",  # names the class of a tokenizer whose own settings do not
    "chat_template.jinja",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tekken.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
)
"""What a tokenizer is loaded from."""


@dataclass(frozen=True)
class StudentTokens:
    """Drops an example of more than `limit` tokens as `too_many_tokens`; measure `student_tokens` of the others.

    tokenizer: a folder, or a name on the Hugging Face Hub with its `revision` (a commit, tag or branch). Counted is the whole
    conversation as the tokenizer's chat template writes it. Needs `transformers` (pip install 'yisang[train]').

    Raises UsageError where the tokenizer cannot be loaded or has no chat template; `check` does so before a run. In a process that
    could not load it, rows are not a reason to try again.
    """

    tokenizer: str
    limit: int = LIMIT
    revision: str = "main"

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise UsageError(f"StudentTokens: limit is {self.limit}; it must be 1 or more.")
        if not self.tokenizer:
            raise UsageError("StudentTokens: name a tokenizer, a folder or a model on the Hub.")

    def identity(self) -> dict[str, Any]:
        """A folder counts by the bytes of its tokenizer, wherever it lies; a name on the Hub by its revision."""
        if os.path.isdir(self.tokenizer):
            which = _digest(self.tokenizer)
        else:
            which = f"{self.tokenizer}@{self.revision}"
        return {"tokenizer": which, "limit": self.limit}

    def check(self) -> None:
        """Loads the tokenizer, also where that has failed before. Raises UsageError."""
        _FAILED.pop((self.tokenizer, self.revision), None)
        _tokenizer(self.tokenizer, self.revision)

    def __call__(self, example: Example) -> Example | Drop:
        count = self.count(example)
        if count > self.limit:
            return Drop("too_many_tokens", {"tokens": count, "limit": self.limit})
        return with_measures(example, {"student_tokens": count})

    def count(self, example: Example) -> int:
        messages = [{"role": message.role, "content": message.content} for message in example.messages]
        ids = _tokenizer(self.tokenizer, self.revision).apply_chat_template(messages, tokenize=True, return_dict=True)
        return len(ids["input_ids"])


def _digest(folder: str) -> str:
    found = hashlib.sha256()
    for name in _FILES:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                found.update(f"{name}\0{hashlib.sha256(file.read()).hexdigest()}\0".encode())
    return found.hexdigest()


_FAILED: dict[tuple[str, str], str] = {}
"""Why a tokenizer could not be loaded by this process; the Hub is not asked again for each row, with all of its patience."""


def _tokenizer(name: str, revision: str) -> Any:
    key = name, revision
    if key not in _FAILED:
        try:
            return _loaded(name, revision)
        except UsageError as error:
            _FAILED[key] = str(error)
            raise
    raise UsageError(_FAILED[key])


@functools.lru_cache(maxsize=2)
def _loaded(name: str, revision: str) -> Any:
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise UsageError(
            "Counting a student's tokens needs transformers, which is not installed. Run: pip install 'yisang[train]'"
        ) from error
    here = os.path.isdir(name)
    try:
        found = AutoTokenizer.from_pretrained(name, revision=None if here else revision, trust_remote_code=False)
    except (OSError, ValueError) as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(
            f"The student's tokenizer {name} cannot be loaded: {line} Name a folder that holds one, or a model on the Hub that can "
            "be reached."
        ) from error
    if not found.chat_template:
        raise UsageError(f"The student's tokenizer {name} has no chat template, so its rows cannot be counted.")
    return found
