"""A forward reader over a plain, gzip or zstd file that survives damage: the ground that `warc` stands on.

The file is seen as one run of (unpacked) bytes of which a window is kept. Damage in a gzip member ends the
run; `recover` takes it up again at the next member. A zstd file comes unpacked already (`base.Zstd`), and damage in it
ends the file. Everything is linear in the size of the file: nothing
that a file claims can make it be read twice but for the last `LOOK_BACK` bytes before each damage.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import IO

from yisang.sources.base import CHUNK, zstd_damage

GZIP_MAGIC = b"\x1f\x8b\x08"
LOOK_BACK = 1 << 18
"""How far before the place where damage was noticed the next gzip member is searched."""
PEEK = 4096
MAX_OUT = 1 << 22
"""Unpacked bytes taken at a time, so that a bomb is met in pieces."""


class Damage(Exception):
    """The packed file cannot be unpacked here."""


class Window:
    """The bytes from the current position on; `peek` looks, `skip` moves, `where` tells the place in the
    file.

    `is_start` says whether unpacked bytes can be the beginning of a record; only such gzip members are
    recovered at, since the magic also occurs by chance.
    """

    def __init__(self, file: IO[bytes], is_start: Callable[[bytes], bool]) -> None:
        self._file = file
        self._is_start = is_start
        self._buffer = bytearray()
        self._position = 0
        self._marks: list[tuple[int, int]] = [(0, 0)]
        self._pending = b""
        self._raw = 0
        """Place in the file of the first byte of `_pending`."""
        self._unpack: zlib._Decompress | None = None
        self._member = (0, 0)
        self._ended = False
        self.damage: Damage | None = None
        self._feed()
        self.packed = self._pending.startswith(GZIP_MAGIC[:2])

    def peek(self, size: int) -> bytearray:
        """The window, grown to `size` bytes where the file (up to a damage) has them. Not to be changed."""
        while len(self._buffer) < size and not self._ended and self.damage is None:
            self._fill()
        return self._buffer

    def skip(self, size: int) -> None:
        del self._buffer[:size]
        self._position += size
        while len(self._marks) > 1 and self._marks[1][0] <= self._position:
            del self._marks[0]

    def where(self) -> str:
        """The place in the file; in a gzip member that holds several records: `member+bytes into it`."""
        start, raw = self._marks[0]
        inside = self._position - start
        if not self.packed:
            return str(inside)
        return f"{raw}+{inside}" if inside else str(raw)

    def torn(self, size: int) -> bool:
        """Whether the bytes up to `size` cannot be trusted: they reach the damage, or end in a member that
        does.
        """
        return self.damage is not None and len(self._buffer) <= size and self._member[0] < self._position + size

    def recover(self) -> None:
        """Forgets the rest before the damage and goes on at the next gzip member that begins a record."""
        self.skip(len(self._buffer))
        self.damage = None
        self._unpack = None
        if not self._file.seekable():  # unpacked on the way
            self._ended = True
            return
        start = max(self._member[1] + 1, self._raw - LOOK_BACK)
        self._file.seek(start)
        self._pending, self._raw, self._ended = b"", start, False
        while not self._at_member():
            self._pending, self._raw = self._pending[1:], self._raw + 1
            found = self._pending.find(GZIP_MAGIC)
            while found < 0:
                self._raw += max(0, len(self._pending) - 2)
                self._pending = self._pending[-2:]
                if not self._feed():
                    self._ended = True
                    return
                found = self._pending.find(GZIP_MAGIC)
            self._pending, self._raw = self._pending[found:], self._raw + found

    def _at_member(self) -> bool:
        while len(self._pending) < PEEK and self._feed():
            pass
        if not self._pending.startswith(GZIP_MAGIC):
            return False
        try:
            head = zlib.decompressobj(31).decompress(self._pending[:PEEK], PEEK)
        except zlib.error:
            return False
        return self._is_start(head)

    def _feed(self) -> bool:
        try:
            data = self._file.read(CHUNK)
        except zstd_damage() as error:
            self.damage = Damage(f"the rest of the file cannot be unpacked: {error}")
            # What came before it is whole
            self._member = (self._position + len(self._buffer), self._raw)
            return False
        self._pending += data
        return bool(data)

    def _fill(self) -> None:
        if self.packed:
            self._fill_packed()
        elif self._pending or self._feed():
            self._raw += len(self._pending)
            self._buffer += self._pending
            self._pending = b""
        else:
            self._ended = True

    def _fill_packed(self) -> None:
        if self._unpack is None and not self._next_member():
            return
        assert self._unpack is not None
        if not self._pending and not self._feed():
            self.damage = Damage("the file ends within a gzip member")
            return
        try:
            self._buffer += self._unpack.decompress(self._pending, MAX_OUT)
        except zlib.error as error:
            self.damage = Damage(f"the gzip member is damaged: {error}")
            return
        rest = self._unpack.unused_data if self._unpack.eof else self._unpack.unconsumed_tail
        self._raw += len(self._pending) - len(rest)
        self._pending = rest
        if self._unpack.eof:
            self._unpack = None

    def _next_member(self) -> bool:
        while len(self._pending) < len(GZIP_MAGIC) and self._feed():
            pass
        if self._pending.startswith(GZIP_MAGIC):
            self._unpack = zlib.decompressobj(31)
            end = self._position + len(self._buffer)
            self._member = (end, self._raw)
            if self._marks[-1][0] == end:
                self._marks.pop()
            self._marks.append((end, self._raw))
            return True
        if self._only_padding():
            self._ended = True
        else:
            self._member = (self._position + len(self._buffer), self._raw)
            self.damage = Damage(f"no gzip member begins at {self._raw}")
        return False

    def _only_padding(self) -> bool:
        """Nothing, or zeros to the end, which tapes and some writers leave and gzip overlooks."""
        if self._pending.strip(b"\0"):
            return False
        while data := self._file.read(CHUNK):
            if data.strip(b"\0"):
                return False
        return True


def find_start(window: Window, pattern: re.Pattern[bytes], overlap: int) -> bool:
    """Moves to the next match of `pattern` (which begins with the newline before it); False: none before the
    end or the next damage. At most `overlap` bytes of a match may be needed at once.
    """
    while True:
        buffer = window.peek(CHUNK)
        match = pattern.search(buffer)
        if match:
            window.skip(match.start() + 1)
            return True
        if len(buffer) < CHUNK:
            window.skip(len(buffer))
            return False
        window.skip(len(buffer) - overlap)
