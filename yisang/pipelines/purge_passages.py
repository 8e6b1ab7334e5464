"""Passages: what is searched for when the words of a text, not its address, must be gone.

A text is known by its windows of 64 bytes. Of these one in four is chosen by its own hash, so that the same windows are
chosen wherever the text stands (content-defined sampling as in winnowing, Schleimer et al., SIGMOD 2003, section 2). A text of
100 bytes or more is missed with a chance of (3/4)^37, 2 in 100,000.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

WINDOW = 64
CHOSEN = 4
PIECE = 4 << 20
"""Bytes that are hashed at a time."""
_BASE, _INVERSE = 0x9E3779B97F4A7C15, pow(0x9E3779B97F4A7C15, -1, 1 << 64)
_BITS = 24
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{256,}={0,2}")

Hashes = npt.NDArray[np.uint64]


def _powers(base: int) -> Hashes:
    row = np.empty(PIECE + WINDOW + 1, np.uint64)
    row[0] = 1
    row[1:] = np.uint64(base)
    return np.multiply.accumulate(row)  # modulo 2**64, as all of this


_UP: Hashes | None = None
_DOWN: Hashes | None = None


def hashes(data: bytes) -> Hashes:
    """The hashes of the chosen windows of some bytes, in their order; of less than WINDOW bytes none."""
    global _UP, _DOWN
    if len(data) < WINDOW:
        return np.empty(0, np.uint64)
    if _UP is None or _DOWN is None:
        _UP, _DOWN = _powers(_BASE), _powers(_INVERSE)
    found = []
    for start in range(0, len(data) - WINDOW + 1, PIECE):
        piece = np.frombuffer(data, np.uint8, min(PIECE + WINDOW - 1, len(data) - start), start).astype(np.uint64)
        sums = np.zeros(len(piece) + 1, np.uint64)
        np.cumsum((piece + np.uint64(1)) * _UP[: len(piece)], out=sums[1:])
        windows = (sums[WINDOW:] - sums[:-WINDOW]) * _DOWN[: len(piece) - WINDOW + 1]
        # The low bits of a product know only of low bits: mixed, before any of them decides (the finisher of MurmurHash3).
        windows ^= windows >> np.uint64(33)
        windows *= np.uint64(0xFF51AFD7ED558CCD)
        windows ^= windows >> np.uint64(33)
        found.append(windows[windows % np.uint64(CHOSEN) == 0])
    return np.concatenate(found)


def unpacked(data: bytes) -> Iterable[bytes]:
    """The bytes, and what stands in them as long Base64, as the pages of drops do."""
    yield data
    for match in _BASE64.finditer(data):
        try:
            yield base64.b64decode(match[0] + b"=" * (-len(match[0]) % 4))
        except binascii.Error:
            continue


class Passages:
    """A set of chosen windows. Memory: 8 bytes for each, and 16 MiB for a table that says no quickly."""

    def __init__(self, known: Hashes | None = None):
        self.known: Hashes = np.unique(known) if known is not None else np.empty(0, np.uint64)
        self._table = np.zeros(1 << _BITS, np.bool_)
        self._table[self._place(self.known)] = True

    @staticmethod
    def _place(values: Hashes) -> npt.NDArray[np.int64]:
        return (values >> np.uint64(64 - _BITS)).astype(np.int64)

    def __len__(self) -> int:
        return len(self.known)

    def found(self, data: bytes) -> Hashes:
        """Those of the set that stand in the bytes, each once."""
        if not len(self.known):
            return self.known
        parts = []
        for piece in unpacked(data):
            seen = hashes(piece)
            seen = seen[self._table[self._place(seen)]]
            places = np.minimum(np.searchsorted(self.known, seen), len(self.known) - 1)
            parts.append(seen[self.known[places] == seen])
        return np.unique(np.concatenate(parts))

    def without(self, texts: Iterable[bytes]) -> Passages:
        """The set without what stands in some texts."""
        gone = [found for piece in _together(texts) if len(found := self.found(piece))]
        return Passages(np.setdiff1d(self.known, np.concatenate(gone))) if gone else self


def passages_of(texts: Iterable[bytes]) -> Passages:
    """The chosen windows of some texts."""
    found = [np.unique(hashes(text)) for text in _apart(texts)]
    return Passages(np.concatenate(found) if found else None)


def _apart(texts: Iterable[bytes]) -> Iterator[bytes]:
    """Each text once: phases of a run hold the same ones."""
    seen: set[int] = set()
    for text in texts:
        if (known := hash(text)) not in seen:
            seen.add(known)
            yield text


def _together(texts: Iterable[bytes]) -> Iterator[bytes]:
    """Texts in pieces that are worth a search; windows across their borders stand for nothing that anybody looks for."""
    held: list[bytes] = []
    size = 0
    for text in _apart(texts):
        held.append(text)
        size += len(text)
        if size >= PIECE:
            yield b"\n".join(held)
            held, size = [], 0
    yield b"\n".join(held)
