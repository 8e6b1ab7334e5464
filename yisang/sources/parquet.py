"""Parquet files, of which only the columns that are asked for are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from yisang.errors import YisangError
from yisang.sources.base import (
    Found,
    InputFile,
    Paths,
    Shard,
    SourceItem,
    expand,
    input_files,
    open_bytes,
    raise_unless_damage,
    told_others,
)
from yisang.sources.rows import BadRow, Rows


@dataclass(frozen=True)
class Parquet(Rows):
    """Parquet files; only the columns that are asked for are read."""

    paths: Paths

    def found(self) -> Found:
        return expand(self.paths, lambda name: name.lower().endswith((".parquet", ".pq")), "Parquet file")

    def shards(self) -> list[Shard]:
        return self.found().shards()

    def inputs(self) -> list[InputFile]:
        return input_files(self.found().files)

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        yield from self.items(self._rows(shard.path), shard.path)
        yield from told_others(shard)

    def count(self, shard: Shard) -> int | None:
        """The number in the footer."""
        with open_bytes(shard.path) as file:
            return int(_parquet(file, shard.path).metadata.num_rows)

    def _rows(self, path: str) -> Iterator[tuple[str, Any]]:
        with open_bytes(path) as file:
            parquet = _parquet(file, path)
            existing = parquet.schema_arrow.names
            self.require(existing, not set(self.columns()) <= set(existing), path)
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
        raise YisangError(
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
