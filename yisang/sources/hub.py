"""Data sets of the Hugging Face Hub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fsspec.core import url_to_fs

from yisang.errors import UsageError, YisangError
from yisang.sources.base import InputFile, Shard, SourceItem, expand, has_glob, input_files
from yisang.sources.rows import Rows


@dataclass(frozen=True)
class HubDataset(Rows):
    """A set of the Hugging Face Hub, or a local folder laid out like one, streamed by `datasets`.

    A shard is one part of it (`start` is its number) at one commit: what `revision` (a commit, branch or tag; the main
    branch unless said) stands for when the run is planned. Another commit is another input.
    """

    repo: str
    config: str | None = None
    split: str = "train"
    revision: str | None = None

    def shards(self) -> list[Shard]:
        parts = int(self._load(self.commit).num_shards)
        return [Shard(self.repo, part, part + 1, revision=self.commit) for part in range(parts)]

    def inputs(self) -> list[InputFile]:
        if self._is_local():
            return input_files(expand(self.repo, lambda name: not name.startswith("."), "file of the set").files)
        vars(self).pop("commit", None)  # each plan asks anew, and its shards follow
        return [InputFile(f"hf://datasets/{self.repo}", 0, self.commit)]

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        whole = self._load(shard.revision)
        part = whole.shard(num_shards=int(whole.num_shards), index=shard.start)
        if part.column_names:
            self.require(part.column_names, not set(self.columns()) <= set(part.column_names), self.repo)
            part = part.select_columns(self.columns())
        where = f"{self.repo}[{self.split}] part {shard.start}"
        yield from self.items(((f"{where}:{number}", row) for number, row in enumerate(part, 1)), self.repo)

    def count(self, shard: Shard) -> int | None:
        """None: a streamed set does not tell the size of its parts."""
        return None

    @cached_property
    def commit(self) -> str:
        """The commit that is read, asked for once and sent to the workers; "" for a local folder."""
        if self._is_local():
            return ""
        if self.revision and re.fullmatch(r"[0-9a-f]{40}", self.revision):
            return self.revision
        import httpx
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

        try:
            return str(HfApi().dataset_info(self.repo, revision=self.revision).sha)
        except (HFValidationError, RepositoryNotFoundError, RevisionNotFoundError) as error:
            raise UsageError(
                f"The Hub has no set '{self.repo}' at revision {self.revision or 'main'}, and there is no such folder: "
                f"{_first_line(error)} Correct the name in the recipe; a private set needs `hf auth login`."
            ) from error
        except (httpx.HTTPError, OSError) as error:
            raise self._unreachable(error) from error

    def _is_local(self) -> bool:
        fs, root = url_to_fs(self.repo)
        return bool(fs.exists(root) or has_glob(self.repo))

    def _unreachable(self, error: Exception) -> YisangError:
        return YisangError(
            f"The Hub cannot be asked for the set '{self.repo}': {_first_line(error)} Run the recipe again when it can be "
            "reached, or fetch the set into a folder and name that in the recipe."
        )

    def _load(self, commit: str) -> Any:
        import datasets
        import httpx

        try:
            return datasets.load_dataset(
                self.repo, self.config, split=self.split, revision=commit or None, streaming=True
            )
        except (datasets.exceptions.DatasetsError, FileNotFoundError, ValueError) as error:
            raise UsageError(
                f"The set '{self.repo}' (config {self.config or 'default'}, split {self.split}) cannot be "
                f"opened: {error} Correct its name, config or split in the recipe, or fetch it first."
            ) from error
        except (httpx.HTTPError, ConnectionError) as error:
            raise self._unreachable(error) from error


def _first_line(error: Exception) -> str:
    line = (str(error).splitlines() or [""])[0].rstrip(".")
    return f"{line or type(error).__name__}."
