"""What a crawl received, as WARC 1.1 (ISO 28500:2017, https://iipc.github.io/warc-specifications/), one series of files per site.

For each answer: a `metadata` record with the verdict on its rights, the licence of a page, and where its URL was found, the `request`, and the `response`; or a
`revisit` in its place, where the server says that nothing has changed (304) or the body is the one that lies there already.
"""

from __future__ import annotations

import hashlib
import os
import re
from base64 import b32encode
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO, FileIO
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from yisang.errors import YisangError
from yisang.storage import StorageError, explained, sync_folder

MAX_FILE = 1 << 30
NOT_MODIFIED = "http://netpreserve.org/warc/1.1/revisit/server-not-modified"
SAME_PAYLOAD = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"


@dataclass(frozen=True)
class Exchange:
    """One request and its answer. body: as sent, content codings not undone (transfer codings are). when: UTC, as WARC-Date writes it.

    cut: why the body is not whole ("length", "time", "disconnect", "unspecified"), "" for a whole one.
    """

    url: str
    asked: tuple[tuple[str, str], ...]
    protocol: str
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    when: str
    ip: str = ""
    cut: str = ""

    @property
    def fields(self) -> dict[str, str]:
        """The answer's header fields by lower-cased name, the values of a repeated name joined."""
        found: dict[str, str] = {}
        for name, value in self.headers:
            lower = name.lower()
            found[lower] = f"{found[lower]}, {value}" if lower in found else value
        return found

    @property
    def digest(self) -> str:
        """Of the body as sent, spelled as WARC-Payload-Digest."""
        return f"sha1:{b32encode(hashlib.sha1(self.body).digest()).decode()}"


class Archive:
    """The files `HOST-00000.warc.gz` … of one site. All is on the device before `end` is told anyone."""

    def __init__(self, folder: Path, host: str, about: dict[str, str], end: tuple[str, int]):
        """end: file and length up to which the frontier accounts for what lies here."""
        self._folder, self._host, self._about = folder, host, about
        name, length = end
        self._file: FileIO | None = None
        self._name, self._end = name, length
        folder.mkdir(parents=True, exist_ok=True)
        self.repaired = self._repair()

    @property
    def end(self) -> tuple[str, int]:
        return self._name, self._end

    def _repair(self) -> int:
        """Cuts off what a killed crawl wrote beyond `end`; it was in flight, and is asked for again. The bytes cut off."""
        cut = 0
        for path in sorted(self._folder.glob(f"{self._host}-*.warc.gz")):
            size = path.stat().st_size
            if path.name == self._name:
                if size < self._end:
                    raise YisangError(
                        f"{path} has {size} bytes, and {self._end} of it are accounted for: something else cut it. Move "
                        f"{self._folder} away and crawl the site anew, or put the whole file back."
                    )
                if size > self._end:
                    os.truncate(path, self._end)
                    cut += size - self._end
            elif path.name > self._name:
                # Of a crawl that was killed before its first page was accounted for. Nothing is deleted that might be another's.
                asides = (path.with_name(f"{path.name}.unaccounted{number or ''}") for number in count())
                path.rename(next(aside for aside in asides if not aside.exists()))
                cut += size
        if self._name and not (self._folder / self._name).exists():
            raise YisangError(
                f"{self._folder / self._name} is not there, though its frontier accounts for {self._end} bytes of it. Put it back, or "
                f"move {self._folder} away and crawl the site anew."
            )
        return cut

    def write(
        self,
        exchange: Exchange,
        *,
        via: str,
        rights: str,
        licence: str = "",
        revisit: tuple[str, str, str] | None = None,
    ) -> str:
        """Writes the records of an exchange and waits until they are on the device. Returns `file:offset` of the last of them.

        revisit: profile, address and date of the earlier record that holds the body. Raises StorageError where they cannot be written;
        `end` is then what it was.
        """
        name, end = self._name, self._end
        if not name or end >= MAX_FILE:
            name, end = self._file_name(1 + self._number() if name else 0), 0
        data = BytesIO()
        writer = WARCWriter(data, gzip=True, warc_version="1.1")
        if not end:
            writer.write_record(writer.create_warcinfo_record(name, self._about))
        records = _records(writer, exchange, {"via": via, "rights": rights, "licence": licence}, revisit)
        for record in records[:-1]:
            writer.write_record(record)
        place = f"{name}:{end + data.tell()}"
        writer.write_record(records[-1])
        self._append(name, end, data.getbuffer())
        self._name, self._end = name, end + len(data.getbuffer())
        return place

    def _append(self, name: str, end: int, data: memoryview) -> None:
        path = self._folder / name
        try:
            with explained(str(path)):
                if self._file is None or name != self._name:
                    self.close()
                    self._file = FileIO(path, "a")
                    # After a write that failed half way, what it left is cut off here too.
                    if os.fstat(self._file.fileno()).st_size > end:
                        self._file.truncate(end)
                    sync_folder(self._folder)
                left = data
                while left:
                    left = left[self._file.write(left) :]
                os.fsync(self._file.fileno())
        except OSError as error:
            self.close()
            raise StorageError(
                f"Cannot write {path}: {error.strerror or error}. What was finished before is kept, and the same command goes on from it."
            ) from error
        except StorageError:
            self.close()
            raise

    def _number(self) -> int:
        return int(self._name.removesuffix(".warc.gz").rpartition("-")[2])

    def _file_name(self, number: int) -> str:
        return f"{self._host}-{number:05d}.warc.gz"

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class _Head(StatusAndHeaders):  # type: ignore[misc]
    """A head of HTTP as it came. warcio's own percent-encodes values beyond ASCII, so that they are not those received, and fails at names."""

    def to_ascii_bytes(self, filter_func: Callable[[tuple[str, str]], tuple[str, str] | None] | None = None) -> bytes:
        return bytes(self.to_bytes(filter_func))


def _fields(headers: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    return [(_plain(name).strip(), _plain(value)) for name, value in headers]


def _plain(text: str) -> str:
    """Without what would end a line or a head, which a server can send within one (a bare CR)."""
    return re.sub(r"[\r\n\0]", " ", text)


def _records(
    writer: WARCWriter, exchange: Exchange, facts: dict[str, str], revisit: tuple[str, str, str] | None
) -> list[object]:
    """metadata, request, and the response or revisit that both belong to."""
    url, when = exchange.url, {"WARC-Date": exchange.when}
    answer = dict(when)
    if exchange.ip:
        answer["WARC-IP-Address"] = exchange.ip
    if exchange.cut:
        answer["WARC-Truncated"] = exchange.cut
    line = f"{exchange.status} {exchange.reason}".rstrip()
    told = _Head(_plain(line), _fields(exchange.headers), protocol=exchange.protocol)
    if revisit is None:
        last = writer.create_warc_record(
            url, "response", BytesIO(exchange.body), len(exchange.body), "", answer, None, told
        )
    else:
        profile, earlier_url, earlier_date = revisit
        answer |= {
            "WARC-Profile": profile,
            "WARC-Refers-To-Target-URI": earlier_url,
            "WARC-Refers-To-Date": earlier_date,
        }
        if profile == SAME_PAYLOAD:
            answer["WARC-Payload-Digest"] = exchange.digest
        last = writer.create_warc_record(url, "revisit", None, None, "", answer, None, told)
    own = last.rec_headers.get_header("WARC-Record-ID")
    asked = _Head(f"GET {_target(url)} HTTP/1.1", _fields(exchange.asked), is_http_request=True)
    together = when | {"WARC-Concurrent-To": own}
    about = "".join(f"{name}: {value}\r\n" for name, value in facts.items() if value).encode()
    return [
        writer.create_warc_record(url, "metadata", BytesIO(about), len(about), "", together, None, None),
        writer.create_warc_record(url, "request", None, None, "", together, None, asked),
        last,
    ]


def _target(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(("", "", parts.path or "/", parts.query, ""))
