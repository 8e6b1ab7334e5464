"""Prompts out of tables: JSON Lines, CSV, Parquet and sets of the Hugging Face Hub.

A row becomes a Prompt by the names of its columns. A row that is no good is a `Dead` of its own, an empty
text a `Drop`; a column that no row has is a mistake in the recipe and stops the run. JSON Lines as at
https://jsonlines.org/, CSV as Python's csv module reads RFC 4180 strictly.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from fsspec.core import url_to_fs

from yisang.errors import UsageError
from yisang.records import UNKNOWN_LICENCE, Dead, Drop, Kind, Licence, Prompt, content_id, nfc
from yisang.sources.base import (
    MIB,
    InputFile,
    PassedOver,
    Paths,
    Shard,
    SourceItem,
    damage_types,
    dead,
    expand,
    file_size,
    has_glob,
    input_files,
    open_bytes,
    raise_unless_damage,
)

RANGE_BYTES = 64 * MIB
"""An uncompressed JSON Lines file is cut at line ends into ranges of at least this size."""
MAX_LINE = 64 * MIB
LOOK_AHEAD = 100
"""Rows without the text column before it is taken for a mistake in the recipe."""

_PACKED = (".gz", ".zst", ".xz", ".bz2", ".zip")

Columns = str | tuple[str, ...]


class BadRow(Exception):
    """A row that cannot become a prompt."""


class MissingColumn(BadRow):
    """A row without one of the columns that the recipe names."""


class DamagedFile(Exception):
    """A packed file that cannot be unpacked to its end."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """How a row becomes a Prompt; shared by all tables.

    Several `text` columns are joined by a blank line, empty ones left out. `options` is one column that holds
    a list, or a column for each option. `category_column` takes the place of `category`.
    """

    text: Columns
    language: str
    name: str
    licence: Licence | None = None
    category: str = ""
    category_column: str = ""
    gold: str = ""
    options: Columns = ()
    url: str = ""
    kind: Kind = "open"

    def columns(self) -> list[str]:
        """The columns that are read, each once."""
        single = [self.category_column, self.gold, self.url]
        named = [*_names(self.text), *_names(self.options), *(column for column in single if column)]
        return list(dict.fromkeys(named))

    def prompt(self, row: dict[str, Any]) -> Prompt | Drop:
        """Raises BadRow."""
        parts = [_string(row, column) for column in _names(self.text)]
        text = nfc("\n\n".join(part for part in parts if part.strip()))
        if not text:
            return Drop("empty_text", {"columns": list(_names(self.text))})
        if "\0" in text:
            raise BadRow("the text holds a NUL character")
        options = self._options(row)
        return Prompt(
            # Items of an exam often share their wording and differ in their options alone.
            id=content_id(self.name, text, *options),
            text=text,
            language=self.language,
            kind=self.kind,
            gold=_scalar(row, self.gold) if self.gold else None,
            options=options,
            source=self.name,
            url=(_scalar(row, self.url) or "") if self.url else "",
            category=(_scalar(row, self.category_column) or "") if self.category_column else self.category,
            licence=self.licence or UNKNOWN_LICENCE,
        )

    def _options(self, row: dict[str, Any]) -> tuple[str, ...]:
        if not isinstance(self.options, str):
            return tuple(_scalar(row, column) or "" for column in self.options)
        values = _value(row, self.options)
        if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
            raise BadRow(f"column '{self.options}' is not a list of texts")
        return tuple(nfc(value) for value in values)

    def items(self, rows: Iterable[tuple[str, Any]], origin: str) -> Iterator[SourceItem]:
        """The items of (place, row) pairs; a row that is an exception already is passed on as a Dead.

        The first rows are held back until one has all columns: if none has, the recipe is wrong and not the
        rows.
        """
        held: list[SourceItem] = []
        existing: dict[str, None] = {}
        missing = sound = False
        for where, row in rows:
            item = self._item(where, row)
            if sound:
                yield item
                continue
            held.append(item)
            if isinstance(row, dict):
                existing.update(dict.fromkeys(map(str, row)))
                lacks = isinstance(item, Dead) and item.error == MissingColumn.__name__
                missing, sound = missing or lacks, not lacks
            if sound or len(held) >= LOOK_AHEAD:
                self._require(existing, missing and not sound, origin)
                sound = True
                yield from held
                held = []
        self._require(existing, missing and not sound, origin)
        yield from held

    def _item(self, where: str, row: Any) -> SourceItem:
        if isinstance(row, Exception):
            return dead(row, where)
        try:
            if not isinstance(row, dict):
                raise BadRow(f"the row is not an object but {type(row).__name__}")
            return self.prompt(row)
        except BadRow as error:
            return dead(error, where)

    def _require(self, existing: Iterable[str], missing: bool, origin: str) -> None:
        if not missing:
            return
        lacking = [column for column in self.columns() if column not in set(existing)] or self.columns()
        raise UsageError(
            f"{origin} has no column {_listed(lacking)}. The columns that exist are {_listed(existing)}. "
            f"Correct the column names in the recipe's source '{self.name}'."
        )


def _names(columns: Columns) -> tuple[str, ...]:
    return ((columns,) if columns else ()) if isinstance(columns, str) else tuple(columns)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "none"


def _value(row: dict[str, Any], column: str) -> Any:
    if column not in row:
        raise MissingColumn(f"the row has no column '{column}'")
    value = row[column]
    if isinstance(value, Exception):
        raise BadRow(f"column '{column}': {value}")
    return value


def _string(row: dict[str, Any], column: str) -> str:
    """A text; null counts as empty."""
    value = _value(row, column)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRow(f"column '{column}' is not a text but {type(value).__name__}")
    return value


def _scalar(row: dict[str, Any], column: str) -> str | None:
    """A text, number or truth value as a text; null stays null."""
    value = _value(row, column)
    if value is None:
        return None
    if not isinstance(value, str | int | float):
        raise BadRow(f"column '{column}' is not a single value but {type(value).__name__}")
    text = nfc(str(value))
    if "\0" in text:
        raise BadRow(f"column '{column}' holds a NUL character")
    return text


def _damage(error: Exception) -> DamagedFile:
    """The unpackers report damage as an OSError without a number; one with a number is the disk or the
    network.
    """
    if isinstance(error, OSError) and error.errno is not None:
        raise error
    return DamagedFile(f"the rest of the file cannot be unpacked: {type(error).__name__}: {error}")


def _codec(encoding: str) -> str:
    from yisang.sources.decode import codec_name

    name = codec_name(encoding)
    if name is None:
        raise UsageError(f"'{encoding}' is no encoding that is known. Write for example 'utf-8' or 'cp949'.")
    return name


# ---- JSON Lines -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class JsonLines(Rows):
    """One JSON object for each line; blank lines are passed over."""

    paths: Paths
    encoding: str = "utf-8"

    def files(self) -> list[str]:
        wanted = re.compile(r"\.(?:jsonl|ndjson|json)(?:\.(?:gz|zst|xz|bz2))?$", re.I)
        return expand(self.paths, lambda name: bool(wanted.search(name)), "JSON Lines file")

    def shards(self) -> list[Shard]:
        self._check_encoding()
        return [shard for path in self.files() for shard in _ranges(path)]

    def inputs(self) -> list[InputFile]:
        return input_files(self.files())

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        blank = _Tally()
        yield from self.items(self._rows(shard, blank), shard.path)
        if blank.count:
            yield PassedOver("blank line", blank.count)

    def count(self, shard: Shard) -> int | None:
        """Lines that are not blank, by chunks; None for a packed file that is damaged."""
        with open_bytes(shard.path, "infer") as file:
            if shard.start:
                file.seek(shard.start)
            left = None if shard.stop is None else shard.stop - shard.start
            try:
                return _count_lines(file, left)
            except damage_types() as error:
                _damage(error)
                return None

    def _check_encoding(self) -> None:
        if "\n{}".encode(_codec(self.encoding)) != b"\n{}":
            raise UsageError(
                f"JSON Lines in '{self.encoding}' cannot be cut into lines, since its line end is "
                "not one byte. Convert the file to UTF-8 first."
            )

    def _rows(self, shard: Shard, blank: _Tally) -> Iterator[tuple[str, Any]]:
        codec = _codec(self.encoding)
        before: int | None = None
        for number, line in enumerate(_lines(shard)):
            row = self._row(line, codec, first=shard.start == 0 and number == 0)
            if row is None:
                blank.count += 1
                continue
            if before is None:
                before = _lines_before(shard)
            yield f"{shard.path}:{before + number + 1}", row

    def _row(self, line: bytes | Exception, codec: str, first: bool) -> Any:
        """The parsed line; an exception where it is bad; None for a blank line."""
        if isinstance(line, Exception):
            return line
        if first:
            line = line.removeprefix(codecs.BOM_UTF8)
        if not line.strip():
            return None
        try:
            row = json.loads(line.decode(codec))
        except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
            return BadRow(f"{type(error).__name__}: {error}")
        return BadRow("the line is null") if row is None else row


@dataclass
class _Tally:
    count: int = 0


def _ranges(path: str) -> list[Shard]:
    """The whole file, or ranges that begin at line starts. Only plain files can be entered in the middle."""
    size = 0 if path.lower().endswith(_PACKED) else file_size(path)
    if size < 2 * RANGE_BYTES:
        return [Shard(path)]
    cuts = [0]
    with open_bytes(path) as file:
        while cuts[-1] + 2 * RANGE_BYTES <= size:
            file.seek(cuts[-1] + RANGE_BYTES - 1)
            while (piece := file.readline(MIB)) and not piece.endswith(b"\n"):
                pass
            if size - file.tell() < RANGE_BYTES:
                break
            cuts.append(file.tell())
    return [Shard(path, start, stop) for start, stop in zip(cuts, [*cuts[1:], size], strict=True)]


def _lines(shard: Shard) -> Iterator[bytes | Exception]:
    """The lines of a shard. One that is too long, and what follows damage, is an exception in its place."""
    with open_bytes(shard.path, "infer") as file:
        if shard.start:
            file.seek(shard.start)
        place = shard.start
        while shard.stop is None or place < shard.stop:
            try:
                line = file.readline(MAX_LINE + 1)
                place += len(line)
                long = len(line) > MAX_LINE and not line.endswith(b"\n")
                while long and (rest := file.readline(MIB)):
                    place += len(rest)
                    if rest.endswith(b"\n"):
                        break
            except damage_types() as error:
                yield _damage(error)
                return
            if not line:
                return
            yield BadRow(f"the line has more than {MAX_LINE} bytes") if long else line


def _lines_before(shard: Shard) -> int:
    if not shard.start:
        return 0
    lines, left = 0, shard.start
    with open_bytes(shard.path) as file:
        while left and (chunk := file.read(min(MIB, left))):
            lines, left = lines + chunk.count(b"\n"), left - len(chunk)
    return lines


def _count_lines(file: IO[bytes], left: int | None) -> int:
    lines, filled, first = 0, False, True
    while chunk := file.read(MIB if left is None else min(MIB, left)):
        left = None if left is None else left - len(chunk)
        if first:
            chunk, first = chunk.removeprefix(codecs.BOM_UTF8), False
        *ended, last = chunk.split(b"\n")
        for piece in ended:
            lines += filled or bool(piece.strip())
            filled = False
        filled = filled or bool(last.strip())
    return lines + filled


# ---- CSV --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Csv(Rows):
    """Delimited text. Without `names` the first row names the columns; `quote=""` takes quotes for ordinary
    signs.
    """

    paths: Paths
    delimiter: str = ","
    names: tuple[str, ...] = ()
    quote: str = '"'
    encoding: str = "utf-8"

    def files(self) -> list[str]:
        wanted = re.compile(r"\.(?:csv|tsv|tab|txt)(?:\.(?:gz|zst|xz|bz2))?$", re.I)
        return expand(self.paths, lambda name: bool(wanted.search(name)), "CSV file")

    def shards(self) -> list[Shard]:
        _codec(self.encoding)
        if len(self.delimiter) != 1 or len(self.quote) > 1:
            raise UsageError(f"The delimiter of source '{self.name}' must be one sign, and its quote one or none.")
        return [Shard(path) for path in self.files()]

    def inputs(self) -> list[InputFile]:
        return input_files(self.files())

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        blank = _Tally()
        yield from self.items(self._rows(shard, blank), shard.path)
        if blank.count:
            yield PassedOver("blank line", blank.count)

    def count(self, shard: Shard) -> int | None:
        """The rows that Arrow's reader finds; None where it gives up or cannot know the encoding."""
        import pyarrow as pa
        from pyarrow import csv as arrow

        if _codec(self.encoding) not in {"utf-8", "ascii", "cp949"}:
            return None
        bad = _Tally()

        def ragged(_row: Any) -> str:
            bad.count += 1
            return "skip"

        reading = arrow.ReadOptions(autogenerate_column_names=True, block_size=16 * MIB, use_threads=False)
        parsing = arrow.ParseOptions(
            delimiter=self.delimiter,
            quote_char=self.quote or False,
            newlines_in_values=bool(self.quote),
            invalid_row_handler=ragged,
        )
        # One column as plain bytes: the values are not wanted, only the rows
        converting = arrow.ConvertOptions(include_columns=["f0"], column_types={"f0": pa.binary()})
        with open_bytes(shard.path, "infer") as file:
            try:
                reader = arrow.open_csv(file, reading, parsing, converting)
                rows = sum(batch.num_rows for batch in reader)
            except (pa.ArrowException, *damage_types()) as error:
                if not isinstance(error, pa.ArrowException):
                    _damage(error)
                return None
        return int(rows) + bad.count - (0 if self.names else 1)

    def _rows(self, shard: Shard, blank: _Tally) -> Iterator[tuple[str, Any]]:
        columns = list(self.names)
        for line, cells in self._cells(shard):
            where = f"{shard.path}:{line}"
            if isinstance(cells, Exception):
                yield where, cells
            elif not cells:
                blank.count += 1
            elif not columns:
                columns = cells
                self._check_header(columns, where)
            elif len(cells) != len(columns):
                yield where, BadRow(f"the row has {len(cells)} cells, not {len(columns)}")
            else:
                yield where, dict(zip(columns, map(_cell, cells), strict=True))

    def _check_header(self, columns: list[str], where: str) -> None:
        self._require(columns, not set(self.columns()) <= set(columns), where)

    def _cells(self, shard: Shard) -> Iterator[tuple[int, list[str] | Exception]]:
        """(first line, cells) of each row; bytes that the encoding does not allow stay in them as lone
        surrogates.
        """
        csv.field_size_limit(MAX_LINE)
        quoting = {"quotechar": self.quote} if self.quote else {"quoting": csv.QUOTE_NONE, "quotechar": None}
        with open_bytes(shard.path, "infer") as raw:
            file = io.TextIOWrapper(raw, _codec(self.encoding), errors="surrogateescape", newline="")
            options: dict[str, Any] = {"delimiter": self.delimiter, "strict": bool(self.quote), **quoting}
            reader = csv.reader(_without_bom(file), **options)
            while True:
                line = reader.line_num + 1
                try:
                    yield line, next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield line, BadRow(f"not a row of CSV: {error}")
                except damage_types() as error:
                    yield line, _damage(error)
                    return


def _without_bom(lines: Iterable[str]) -> Iterator[str]:
    first = True
    for line in lines:
        yield line.removeprefix("\ufeff") if first else line
        first = False


def _cell(cell: str) -> Any:
    """The cell, or an exception to be raised when the cell is used."""
    if any("\udc80" <= character <= "\udcff" for character in cell):
        return BadRow("bytes that the encoding does not allow")
    return cell


# ---- Parquet ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parquet(Rows):
    """Parquet files; only the columns that are asked for are read."""

    paths: Paths

    def files(self) -> list[str]:
        return expand(self.paths, lambda name: name.lower().endswith((".parquet", ".pq")), "Parquet file")

    def shards(self) -> list[Shard]:
        return [Shard(path) for path in self.files()]

    def inputs(self) -> list[InputFile]:
        return input_files(self.files())

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        yield from self.items(self._rows(shard.path), shard.path)

    def count(self, shard: Shard) -> int | None:
        """The number in the footer."""
        with open_bytes(shard.path) as file:
            return int(_parquet(file, shard.path).metadata.num_rows)

    def _rows(self, path: str) -> Iterator[tuple[str, Any]]:
        with open_bytes(path) as file:
            parquet = _parquet(file, path)
            existing = parquet.schema_arrow.names
            self._require(existing, not set(self.columns()) <= set(existing), path)
            number = 0
            for group in range(parquet.metadata.num_row_groups):
                end = number + parquet.metadata.row_group(group).num_rows
                for row in self._group(parquet, group):
                    if isinstance(row, Exception):
                        break
                    number += 1
                    yield f"{path}:{number}", row
                while number < end:  # each row of an unreadable group is accounted for
                    number += 1
                    yield f"{path}:{number}", BadRow(f"row group {group} cannot be read on from here")

    def _group(self, parquet: Any, group: int) -> Iterator[Any]:
        import pyarrow as pa

        try:
            for batch in parquet.iter_batches(1024, row_groups=[group], columns=self.columns()):
                columns = {name: _values(batch.column(name)) for name in self.columns()}
                yield from (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
        except (pa.ArrowException, OSError) as error:
            raise_unless_damage(error)
            yield error


def _parquet(file: IO[bytes], path: str) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(file)
    except pa.ArrowException as error:
        raise UsageError(
            f"'{path}' cannot be read as Parquet: {error} Fetch or write the file again, or take it out of the recipe."
        ) from error


def _values(column: Any) -> list[Any]:
    """The values of a column; one that is no UTF-8 becomes an exception to be raised when it is used."""
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        return [_single(value) for value in column]


def _single(value: Any) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError as error:
        return BadRow(str(error))


# ---- the Hub ----------------------------------------------------------------------------------------------


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
            self._require(part.column_names, not set(self.columns()) <= set(part.column_names), self.repo)
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
