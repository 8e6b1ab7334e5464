"""What bench/chaos.py goes by: the server's ledger and the lines of the answer store, both read without the library."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bench.chaos_server import answer_text

CALL = re.compile(r"call (\d+) of ([0-9a-f]{20})")
"""How the words of an answer tell which generation it is, and of which request."""


@dataclass
class Ledger:
    """What the server has written so far. end: of each serial, `=`, `-` or the name of its fault."""

    path: Path
    request: dict[int, str] = field(default_factory=dict)
    end: dict[int, str] = field(default_factory=dict)
    last: dict[str, str] = field(default_factory=dict)
    """The last thing that happened to each request."""
    refused: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    paid: int = 0
    _read: int = 0

    def follow(self) -> None:
        with open(self.path, "rb") as file:
            file.seek(self._read)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode().splitlines():
            sign, _, rest = line.partition(" ")
            if sign in "oc":
                self.connections += 1 if sign == "o" else -1
            elif sign == "+":
                serial, _, request = rest.split(" ")
                self.request[int(serial)] = request
            elif sign == "?":
                request, _, fault = rest.partition(" ")
                self.refused[fault] += 1
                self.last[request] = fault
            else:
                serial, _, fault = rest.partition(" ")
                self.end[int(serial)] = self.last[self.request[int(serial)]] = fault or sign
                self.paid += sign == "="


@dataclass
class Stored:
    """The lines of an answer store, read without the library. by_request: the serials of the answers of each request."""

    folder: Path
    by_request: dict[str, list[int]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    serials: set[int] = field(default_factory=set)
    _read: dict[Path, int] = field(default_factory=dict)

    def follow(self, seed: int) -> None:
        for path in sorted(self.folder.glob("*/*.seg")):
            start = self._read.get(path, 0)
            with open(path, "rb") as file:
                if os.fstat(file.fileno()).st_size < start:
                    self.faults.append(f"{path.name} has lost whole lines")
                file.seek(start)
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._read[path] = start + len(whole)
            for line in whole.splitlines():
                self._line(path, line, seed)

    def _line(self, path: Path, line: bytes, seed: int) -> None:
        if int(line[:8], 16) != zlib.crc32(line[9:]):
            self.faults.append(f"{path.name} holds a damaged line")
            return
        answer = json.loads(line[9:])
        said = CALL.search(answer["generation"]["text"])
        if said is None:
            self.faults.append(f"{answer['key']}: no answer of the server")
            return
        serial, request = int(said[1]), said[2]
        found = answer["generation"]["text"], answer["generation"]["finish_reason"]
        if found != answer_text(seed, request, serial):
            self.faults.append(f"{answer['key']}: not what the server said in call {serial}")
        if self.keys.setdefault(answer["key"], request) != request:
            self.faults.append(f"{answer['key']} stands for two requests")
        self.by_request.setdefault(request, []).append(serial)
        self.serials.add(serial)
