"""JSON Lines as at https://jsonlines.org/, plain or packed, cut into ranges where a file is large and plain."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

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
    file_size,
    input_files,
    open_bytes,
    told_others,
)
from yisang.sources.rows import MAX_LINE, BadRow, Rows, Tally, codec_of, damaged

RANGE_BYTES = 64 * MIB
"""An uncompressed file is cut at line ends into ranges of at least this size."""

_PACKED = (".gz", ".zst", ".xz", ".bz2", ".zip")


@dataclass(frozen=True)
class JsonLines(Rows):
    """One JSON object for each line; blank lines are passed over."""

    paths: Paths
    encoding: str = "utf-8"

    def found(self) -> Found:
        wanted = re.compile(r"\.(?:jsonl|ndjson|json)(?:\.(?:gz|zst|xz|bz2))?$", re.I)
        return expand(self.paths, lambda name: bool(wanted.search(name)), "JSON Lines file")

    def shards(self) -> list[Shard]:
        self._check_encoding()
        return self.found().shards(_ranges)

    def inputs(self) -> list[InputFile]:
        return input_files(self.found().files)

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        blank = Tally()
        yield from self.items(self._rows(shard, blank), shard.path)
        if blank.count:
            yield PassedOver("blank line", blank.count)
        yield from told_others(shard)

    def count(self, shard: Shard) -> int | None:
        """Lines that are not blank, by chunks; None for a packed file that is damaged."""
        with open_bytes(shard.path, "infer") as file:
            if shard.start:
                file.seek(shard.start)
            left = None if shard.stop is None else shard.stop - shard.start
            try:
                return _count_lines(file, left)
            except damage_types() as error:
                damaged(error)
                return None

    def _check_encoding(self) -> None:
        if "\n{}".encode(codec_of(self.encoding)) != b"\n{}":
            raise UsageError(
                f"JSON Lines in '{self.encoding}' cannot be cut into lines, since its line end is "
                "not one byte. Convert the file to UTF-8 first."
            )

    def _rows(self, shard: Shard, blank: Tally) -> Iterator[tuple[str, Any]]:
        codec = codec_of(self.encoding)
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
                yield damaged(error)
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
