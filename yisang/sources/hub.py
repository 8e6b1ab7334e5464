"""Data sets of the Hugging Face Hub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fsspec.core import url_to_fs

from yisang.errors import UsageError
from yisang.sources.base import InputFile, Shard, SourceItem, expand, has_glob, input_files
from yisang.sources.rows import Rows


@dataclass(frozen=True)
class HubDataset(Rows):
    """A set of the Hugging Face Hub, or a local folder laid out like one, streamed by `datasets`.

    A shard is one part of it (`start` is its number). `revision` should be a commit, so that the set stays
    the same.
    """

    repo: str
    config: str | None = None
    split: str = "train"
    revision: str | None = None

    def shards(self) -> list[Shard]:
        parts = int(self._load().num_shards)
        return [Shard(self.repo, part, part + 1) for part in range(parts)]

    def inputs(self) -> list[InputFile]:
        fs, root = url_to_fs(self.repo)
        if fs.exists(root) or has_glob(self.repo):
            return input_files(expand(self.repo, lambda name: not name.startswith("."), "file of the set"))
        return [InputFile(f"hf://datasets/{self.repo}", 0, self._commit())]

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        whole = self._load()
        part = whole.shard(num_shards=int(whole.num_shards), index=shard.start)
        if part.column_names:
            self.require(part.column_names, not set(self.columns()) <= set(part.column_names), self.repo)
            part = part.select_columns(self.columns())
        where = f"{self.repo}[{self.split}] part {shard.start}"
        yield from self.items(((f"{where}:{number}", row) for number, row in enumerate(part, 1)), self.repo)

    def count(self, shard: Shard) -> int | None:
        """None: a streamed set does not tell the size of its parts."""
        return None

    def _commit(self) -> str:
        if self.revision and re.fullmatch(r"[0-9a-f]{40}", self.revision):
            return self.revision
        from huggingface_hub import HfApi

        return str(HfApi().dataset_info(self.repo, revision=self.revision).sha)

    def _load(self) -> Any:
        import datasets

        try:
            return datasets.load_dataset(
                self.repo, self.config, split=self.split, revision=self.revision, streaming=True
            )
        except (datasets.exceptions.DatasetsError, FileNotFoundError, ValueError) as error:
            raise UsageError(
                f"The set '{self.repo}' (config {self.config or 'default'}, split {self.split}) cannot be "
                f"opened: {error} Correct its name, config or split in the recipe, or fetch it first."
            ) from error
