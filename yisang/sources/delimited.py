"""CSV and TSV, as Python's csv module reads RFC 4180 strictly."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from yisang.errors import UsageError
from yisang.sources.base import (
    MIB,
    Found,
    InputFile,
    PassedOver,
    Paths,
    Shard,
    SourceItem,
    damage_types,
    expand,
    input_files,
    open_bytes,
    told_others,
)
from yisang.sources.rows import MAX_LINE, BadRow, Rows, Tally, codec_of, damaged


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

    def found(self) -> Found:
        wanted = re.compile(r"\.(?:csv|tsv|tab|txt)(?:\.(?:gz|zst|xz|bz2))?$", re.I)
        return expand(self.paths, lambda name: bool(wanted.search(name)), "CSV file")

    def shards(self) -> list[Shard]:
        codec_of(self.encoding)
        if len(self.delimiter) != 1 or len(self.quote) > 1:
            raise UsageError(f"The delimiter of source '{self.name}' must be one sign, and its quote one or none.")
        self._refuse_repeated(list(self.names), f"`names` of source '{self.name}'")
        return self.found().shards()

    def inputs(self) -> list[InputFile]:
        return input_files(self.found().files)

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        blank = Tally()
        yield from self.items(self._rows(shard, blank), shard.path)
        if blank.count:
            yield PassedOver("blank line", blank.count)
        yield from told_others(shard)

    def count(self, shard: Shard) -> int | None:
        """The rows that Arrow's reader finds; None where it gives up or cannot know the encoding."""
        import pyarrow as pa
        from pyarrow import csv as arrow

        if codec_of(self.encoding) not in {"utf-8", "ascii", "cp949"}:
            return None
        bad = Tally()

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
                    damaged(error)
                return None
        return int(rows) + bad.count - (0 if self.names else 1)

    def _rows(self, shard: Shard, blank: Tally) -> Iterator[tuple[str, Any]]:
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
        self.require(columns, not set(self.columns()) <= set(columns), where)
        self._refuse_repeated(columns, where)

    def _refuse_repeated(self, columns: list[str], where: str) -> None:
        for column in self.columns():
            if columns.count(column) > 1:
                raise UsageError(
                    f"{where} names {columns.count(column)} columns '{column}', so it cannot be known which one source "
                    f"'{self.name}' means. Give each column that is read a name of its own."
                )

    def _cells(self, shard: Shard) -> Iterator[tuple[int, list[str] | Exception]]:
        """(first line, cells) of each row; bytes that the encoding does not allow stay in them as lone
        surrogates.
        """
        csv.field_size_limit(MAX_LINE)
        quoting = {"quotechar": self.quote} if self.quote else {"quoting": csv.QUOTE_NONE, "quotechar": None}
        with open_bytes(shard.path, "infer") as raw:
            file = io.TextIOWrapper(raw, codec_of(self.encoding), errors="surrogateescape", newline="")
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
                    yield line, damaged(error)
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
