"""Pages out of WARC and ARC files, plain, gzip or zstd.

Formats: WARC 1.0 and 1.1 (ISO 28500, https://iipc.github.io/warc-specifications/), ARC 1 and 2
(https://archive.org/web/researcher/ArcFileFormat.php). warcio is not used for reading, since it goes past
damage with a line on stderr; the tests write with it.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, cast

import msgspec

from yisang.records import UNKNOWN_LICENCE, Dead, Licence, Measure, Page, content_id
from yisang.sources.base import (
    Found,
    InputFile,
    PassedOver,
    Paths,
    Shard,
    SourceItem,
    TooLarge,
    Zstd,
    basename,
    dead,
    expand,
    input_files,
    open_bytes,
    told_others,
    zstd_damage,
)
from yisang.sources.http_body import (
    BrokenRecord,
    NoDecoder,
    header_fields,
    http_response,
    shorter_than_stated,
    undo_codings,
)
from yisang.sources.rights.signals import stored
from yisang.sources.streams import GZIP_MAGIC
from yisang.sources.warc_framing import RawRecord, count_by_length, raw_records

_NAME = re.compile(r"\.(?:warc|arc|wet|wat)(?:\.(?:gz|zst))?$", re.I)


def is_warc_name(name: str) -> bool:
    return bool(_NAME.search(name))


class DigestMismatch(Exception):
    """The bytes are not those that the writer made the digest of."""


@dataclass(frozen=True)
class Warc:
    """The HTTP responses, resources and conversions (WET) of web archives, each as a Page.

    `body` is as the browser saw it (transfer and content codings undone); `headers` stay as received. A body
    that its writer or server cut short is kept, with the reason in the measure `truncated`. `rights` is what a crawl of ours wrote
    in a metadata record before the response (`yisang.sources.crawl`). The place of a record in a `.zst` file is told in the unpacked stream; damage in such a file costs all that follows.
    """

    paths: Paths
    licence: Licence | None = None
    category: str = ""
    name: str = "warc"

    def found(self) -> Found:
        return expand(self.paths, is_warc_name, "WARC or ARC file")

    def shards(self) -> list[Shard]:
        return self.found().shards()

    def inputs(self) -> list[InputFile]:
        return input_files(self.found().files)

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        passed: Counter[str] = Counter()
        about, rights = "", ""
        with _opened(shard.path) as file:
            for item in raw_records(file, shard.path):
                if isinstance(item, Dead):
                    yield item
                    continue
                what = _no_page(item)
                if what:
                    passed[what] += 1
                    if what == "metadata":
                        about, rights = item.fields.get("warc-concurrent-to", ""), _stored_rights(item)
                else:
                    own = item.fields.get("warc-record-id", "")
                    yield self._page_or_dead(item, shard.path, rights if own and own == about else "")
        yield from (PassedOver(what, count) for what, count in sorted(passed.items()))
        yield from told_others(shard)

    def count(self, shard: Shard) -> int | None:
        """The page records by a plain walk from length to length; None where such a walk fails."""
        zstd = _is_zstd(shard.path)
        with open_bytes(shard.path, "zstd" if zstd else None) as file:
            packed = not zstd and file.read(2) == GZIP_MAGIC[:2]
            if not zstd:
                file.seek(0)
            broken: tuple[type[Exception], ...] = (gzip.BadGzipFile, zlib.error, BrokenRecord, *zstd_damage())
            try:
                return count_by_length(gzip.GzipFile(fileobj=file) if packed else file)
            except broken:
                return None

    def _page_or_dead(self, raw: RawRecord, path: str, rights: str) -> Page | Dead:
        try:
            return self._page(raw, path, rights)
        except (BrokenRecord, TooLarge, DigestMismatch, NoDecoder) as error:
            return dead(error, f"{path}:{raw.where}")

    def _page(self, raw: RawRecord, path: str, rights: str) -> Page:
        fields, measures = raw.fields, dict[str, Measure]()
        if raw.kind == "response":
            status, headers, stored = http_response(raw.block)
            body, readings = undo_codings(headers, stored)
            if shorter_than_stated(headers, stored):
                measures["truncated"] = "content-length"
        else:
            status, stored, readings = 200, raw.block, []
            headers = {"content-type": fields["content-type"]} if fields.get("content-type") else {}
            body = stored
        _check_digest("block", fields.get("warc-block-digest"), [raw.block])
        _check_digest("payload", fields.get("warc-payload-digest"), [stored, *readings])
        if fields.get("warc-truncated") or fields.get("warc-segment-number"):
            measures["truncated"] = fields.get("warc-truncated") or "segment"
        url = fields["warc-target-uri"].removeprefix("<").removesuffix(">")  # wget before 1.20 wrote <...>
        return Page(
            id=content_id(url, body),
            url=url,
            status=status,
            headers=headers,
            body=body,
            fetched=fields.get("warc-date", ""),
            warc=f"{basename(path)}:{raw.where}",
            source=self.name,
            category=self.category,
            licence=self.licence or UNKNOWN_LICENCE,
            measures=measures,
            rights=rights,
        )


def _stored_rights(metadata: RawRecord) -> str:
    """The verdict that a crawl of ours wrote about the record that follows; "" where another wrote the metadata, or none is in it."""
    text = header_fields(metadata.block.split(b"\n")).get("rights", "")
    try:
        stored(text)
    except msgspec.MsgspecError:  # the field of somebody else, in words of their own
        return ""
    return text


def _is_zstd(path: str) -> bool:
    return path.lower().endswith(".zst")


def _opened(path: str) -> IO[bytes]:
    return cast("IO[bytes]", Zstd(path)) if _is_zstd(path) else open_bytes(path)


def _no_page(raw: RawRecord) -> str:
    """Why a record is no page, in a word; empty for a page."""
    if raw.kind in {"resource", "conversion"}:
        # wget keeps its own log and arguments as resources under this scheme
        return f"{raw.kind} metadata" if raw.fields["warc-target-uri"].lstrip("<").startswith("metadata:") else ""
    if raw.kind != "response":
        return raw.kind
    kind = raw.fields.get("content-type", "").split(";")[0].strip().lower()
    if kind == "application/http" or (not kind and raw.block.startswith(b"HTTP/")):
        return ""
    return f"response {kind or 'of unknown type'}"


def _check_digest(what: str, stated: str | None, readings: list[bytes]) -> None:
    """Raises where a stated digest is that of none of the readings; an unknown algorithm or spelling says
    nothing.
    """
    algorithm, colon, value = (stated or "").partition(":")
    algorithm = algorithm.strip().lower().replace("-", "")
    if not colon or algorithm not in {"md5", "sha1", "sha256", "sha512"}:
        return
    expected = _digest_bytes(value.strip(), hashlib.new(algorithm).digest_size)
    if expected is None:
        return
    if all(hashlib.new(algorithm, reading).digest() != expected for reading in readings):
        raise DigestMismatch(f"the {what} is not the one whose digest is stated ({stated})")


def _digest_bytes(value: str, size: int) -> bytes | None:
    """The digest from hex, base32 or base64 (also URL-safe); which one it is shows in its length."""
    try:
        if len(value) == 2 * size:
            return bytes.fromhex(value)
        if len(value.rstrip("=")) == -(-8 * size // 5):
            return base64.b32decode(value.upper() + "=" * (-len(value) % 8))
        plain = value.rstrip("=")
        if len(plain) == -(-4 * size // 3):
            return base64.b64decode(plain.replace("-", "+").replace("_", "/") + "=" * (-len(plain) % 4))
    except (ValueError, binascii.Error):
        return None
    return None
