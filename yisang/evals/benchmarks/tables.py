"""Rows of a benchmark's data: a local file or folder, or a data set of the Hub, which is fetched into its cache first.

    .tsv     no header, the columns in the benchmark's order
    .jsonl   one object a line          .json   a list of objects
    .parquet

.tsv, .json and .jsonl may be gzipped. Of a folder, the files that name a language (mgsm_ja.tsv, ja/test.parquet) are that
language's; where none names it, all files are read and each row must tell its language. A training split beside a test
split is left aside.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yisang.errors import UsageError, YisangError

_KINDS = (".tsv", ".jsonl", ".json", ".parquet")
Row = tuple[str, dict[str, Any]]
"""Where a row stands, and its columns."""


def located(path: str, repo: str, revision: str) -> Path:
    """The local place of the data. `path` goes first; else `repo` of the Hub at `revision` is fetched."""
    if path:
        found = Path(path)
        if not found.exists():
            raise UsageError(
                f"The benchmark's path {path} does not exist. Name a file or a folder that holds its data."
            )
        return found
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = [f"*{kind}{packed}" for kind in _KINDS for packed in ("", ".gz")]
    try:
        return Path(snapshot_download(repo, repo_type="dataset", revision=revision or None, allow_patterns=wanted))
    except HFValidationError as error:
        raise UsageError(f"{repo!r} is no name of a Hub data set: {_first_line(error)}") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx.HTTPError, OSError) as error:
        raise YisangError(
            f"The data set {repo} cannot be fetched from the Hub: {_first_line(error)} Run the same command again when it can "
            "be reached, or fetch it by other means and name the folder with the setting path=FOLDER."
        ) from error


def rows(place: Path, language: str, columns: tuple[str, ...]) -> Iterator[Row]:
    """The rows of a language. `columns`: their order in .tsv. Raises UsageError naming file and line for what is none."""
    files, named = _files(place, language)
    for path in files:
        for where, row in _read(path, columns):
            if not named and "lang" not in row and place.is_dir():
                raise UsageError(
                    f"{where} does not tell its language, and no file in {place} names {language!r}. Name the file itself "
                    f"with path=, or call it {language}{path.suffix}."
                )
            if row.get("lang", language) == language:
                yield where, row


def _files(place: Path, language: str) -> tuple[list[Path], bool]:
    if place.is_file():
        if _kind(place) not in _KINDS:
            raise UsageError(f"{place} is of no kind that is read; these are: {', '.join(_KINDS)}.")
        return [place], False
    all_files = sorted(
        path
        for path in place.rglob("*")
        if path.is_file() and _kind(path) in _KINDS and not path.relative_to(place).parts[0].startswith(".")
    )
    if not all_files:
        raise UsageError(f"{place} holds no data: no file that ends in {', '.join(_KINDS)}.")
    token = re.compile(rf"(?:^|[_\-./]){re.escape(language)}(?:[_\-./]|$)")
    found = [path for path in all_files if token.search(path.relative_to(place).as_posix())]
    files = found or all_files
    tests = [path for path in files if "test" in path.name or "test" in path.parent.name]
    return tests or files, bool(found)


def _kind(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix


def _read(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    kind = _kind(path)
    if kind == ".parquet":
        yield from _parquet(path)
        return
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
        if kind == ".json":
            table = json.loads(text)
            if not isinstance(table, list):
                raise UsageError(f"{path} is no list of objects.")
            lines: list[tuple[str, Any]] = [(f"{path.name}, object {n}", row) for n, row in enumerate(table, 1)]
        else:
            # splitlines would also cut at signs that a text may hold.
            pieces = [(f"{path.name}, line {n}", line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
            lines = [(where, _line(where, line, kind, columns)) for where, line in pieces]
    except (OSError, EOFError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}. It must be {kind} in UTF-8.") from error
    for where, row in lines:
        if not isinstance(row, dict):
            raise UsageError(f"{where}: no object. Each must have {', '.join(columns)}.")
        yield where, row


def _line(where: str, line: str, kind: str, columns: tuple[str, ...]) -> Any:
    if kind == ".jsonl":
        try:
            return json.loads(line)
        except json.JSONDecodeError as error:
            raise UsageError(f"{where} is no JSON: {error}.") from error
    cells = line.rstrip("\r").split("\t")
    if len(cells) != len(columns):
        raise UsageError(f"{where} has {len(cells)} columns; there must be {len(columns)}: {', '.join(columns)}.")
    return dict(zip(columns, cells, strict=True))


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(path).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{path} cannot be read as Parquet: {_first_line(error)}") from error
    yield from ((f"{path.name}, row {number}", row) for number, row in enumerate(table, 1))


def text(row: dict[str, Any], column: str, where: str) -> str:
    """A column as a text that says something; a number as its digits. Raises UsageError naming row and column."""
    value = row.get(column)
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
        has = ", ".join(map(str, row)) or "no columns"
        raise UsageError(
            f"{where}: the column {column!r} holds {value!r}; it must be a text or a number. The row has: {has}."
        )
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _first_line(error: Exception) -> str:
    line = (str(error).splitlines() or [""])[0].rstrip(".")
    return f"{line or type(error).__name__}."
