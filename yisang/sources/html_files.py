"""Pages out of saved HTML files, plain or packed one by one: a folder, a pattern, or a tar or zip archive, which is
never unpacked to disk.

There is no HTTP header, so the encoding is what the page itself declares. Names follow Apache's content
negotiation too: `dso.html.ko.euc-kr` is HTML.
"""

from __future__ import annotations

import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, cast
from urllib.parse import quote

from fsspec.core import url_to_fs

from yisang.records import UNKNOWN_LICENCE, Dead, Licence, Page, content_id
from yisang.sources.base import (
    CHUNK,
    MIB,
    Found,
    InputFile,
    PassedOver,
    Paths,
    Shard,
    SourceItem,
    TooLarge,
    as_tuple,
    basename,
    damage_types,
    dead,
    expand,
    has_glob,
    input_files,
    open_bytes,
    raise_unless_damage,
    told_others,
)

MAX_MEMBER = 32 * MIB

_HTML_NAME = re.compile(r"\.(?:x?html?)(?:\.(?!(?:gz|zst|xz|bz2|br|zip|part|tmp)$)[\w-]+)*$", re.I)
_PACKED = re.compile(r"\.(?:gz|zst|xz|bz2)$", re.I)
_TAR_NAME = re.compile(r"\.(?:tar(?:\.(?:gz|bz2|xz|zst))?|tgz|tbz2|txz)$", re.I)
_COMPRESSION = {
    "gz": "gzip",
    "tgz": "gzip",
    "bz2": "bz2",
    "tbz2": "bz2",
    "xz": "xz",
    "txz": "xz",
    "zst": "zstd",
}


class CutOff(Exception):
    """An archive or packed file that is damaged, or ends before its end."""


def is_html_name(name: str) -> bool:
    return bool(_HTML_NAME.search(basename(name)))


def _is_archive(name: str) -> bool:
    return bool(_TAR_NAME.search(name)) or name.lower().endswith(".zip")


@dataclass(frozen=True)
class HtmlFiles:
    """Saved HTML pages. The url of a page is `base_url` + its name below the folder, pattern or archive, without the
    suffix of its packing.
    """

    path: Paths
    base_url: str = "file:///"
    licence: Licence | None = None
    category: str = ""
    name: str = "html"

    def found(self) -> Found:
        return expand(
            self.path,
            lambda name: is_html_name(_PACKED.sub("", name)) or _is_archive(name),
            "HTML file or archive of them",
        )

    def shards(self) -> list[Shard]:
        return self.found().shards()

    def inputs(self) -> list[InputFile]:
        return input_files(self.found().files)

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        if shard.path.lower().endswith(".zip"):
            yield from self._read_zip(shard.path)
        elif _is_archive(shard.path):
            yield from self._read_tar(shard.path)
        else:
            yield self._read_file(shard.path)
        yield from told_others(shard)

    def count(self, shard: Shard) -> int | None:
        """One for a file; the HTML names in the contents of an archive; None for a broken archive."""
        if not _is_archive(shard.path):
            return 1
        try:
            if shard.path.lower().endswith(".zip"):
                with open_bytes(shard.path) as file, zipfile.ZipFile(file) as archive:
                    return sum(is_html_name(name) for name in archive.namelist())
            with _open_tar(shard.path) as file, tarfile.open(fileobj=file, mode="r:") as archive:
                return sum(is_html_name(member.name) for member in archive.getmembers() if member.isreg())
        except _unreadable() as error:
            raise_unless_damage(error)
            return None

    def _page(self, name: str, body: bytes, where: str) -> Page | Dead:
        if len(body) > MAX_MEMBER:
            return dead(TooLarge(f"the file has more than {MAX_MEMBER} bytes"), where)
        url = self.base_url + quote(
            name.lstrip("/").removeprefix("./"), safe="/!~*'();:@&=+$,-_.", errors="surrogateescape"
        )
        return Page(
            id=content_id(url, body),
            url=url,
            body=body,
            source=self.name,
            category=self.category,
            licence=self.licence or UNKNOWN_LICENCE,
        )

    def _read_file(self, path: str) -> Page | Dead:
        try:
            with open_bytes(path, "infer") as file:
                body = file.read(MAX_MEMBER + 1)
        except damage_types() as error:
            raise_unless_damage(error)
            return dead(CutOff(f"the file cannot be unpacked: {error}"), path)
        return self._page(_PACKED.sub("", self._relative(path)), body, path)

    def _relative(self, path: str) -> str:
        """The name of a file below the entry of `path` that it was found by."""
        _, plain = url_to_fs(path)
        for entry in as_tuple(self.path):
            _, root = url_to_fs(entry)
            if root == plain:
                continue
            root = re.split(r"[*?\[]", root)[0].rpartition("/")[0] if has_glob(root) else root
            if plain.startswith(root.rstrip("/") + "/"):
                return str(plain[len(root.rstrip("/")) + 1 :])
        return basename(path)

    def _read_tar(self, path: str) -> Iterator[SourceItem]:
        passed = {"link": 0, "not HTML": 0}
        name = "its beginning"
        with _open_tar(path) as file:
            watched = _Watched(file)
            try:
                with tarfile.open(fileobj=cast("IO[bytes]", watched), mode="r|") as archive:
                    for member in archive:
                        name = member.name
                        what = _no_page(member)
                        if what:
                            passed[what] = passed.get(what, 0) + 1
                        elif not member.isdir():
                            yield self._tar_page(archive, member, path)
                    watched.require_end(archive.offset)
            except _unreadable() as error:
                raise_unless_damage(error)
                yield dead(CutOff(f"the archive cannot be read on after {name}: {error}"), f"{path}:{watched.place}")
        yield from (PassedOver(what, count) for what, count in sorted(passed.items()) if count)

    def _tar_page(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> Page | Dead:
        file = archive.extractfile(member)
        body = file.read(MAX_MEMBER + 1) if file else b""
        if len(body) < min(member.size, MAX_MEMBER + 1):
            raise CutOff(f"{member.name} has {len(body)} of {member.size} bytes")
        return self._page(member.name, body, f"{path}:{member.name}")

    def _read_zip(self, path: str) -> Iterator[SourceItem]:
        others = 0
        with open_bytes(path) as file:
            try:
                archive = zipfile.ZipFile(file)
            except zipfile.BadZipFile as error:
                yield dead(CutOff(f"the archive cannot be read: {error}"), path)
                return
            with archive:
                for member in archive.infolist():
                    if is_html_name(member.filename):
                        yield self._zip_page(archive, member, path)
                    elif not member.is_dir():
                        others += 1
        if others:
            yield PassedOver("not HTML", others)

    def _zip_page(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: str) -> Page | Dead:
        where = f"{path}:{member.filename}"
        try:
            with archive.open(member) as file:
                body = file.read(MAX_MEMBER + 1)
        # RuntimeError: a password is needed; NotImplementedError: a compression that Python lacks
        except (
            zipfile.BadZipFile,
            RuntimeError,
            NotImplementedError,
            EOFError,
            zlib.error,
            lzma.LZMAError,
        ) as error:
            return dead(error, where)
        return self._page(member.filename, body, where)


def _no_page(member: tarfile.TarInfo) -> str:
    if member.isdir():
        return ""
    if not member.isreg():
        return "link" if member.issym() or member.islnk() else "special file"
    return "" if is_html_name(member.name) else "not HTML"


def _open_tar(path: str) -> IO[bytes]:
    # Not tarfile's own unpacking: its stream mode takes a gzip file that is cut off for one that ends.
    return open_bytes(path, _COMPRESSION.get(path.lower().rsplit(".", 1)[-1]))


def _unreadable() -> tuple[type[Exception], ...]:
    return (CutOff, tarfile.TarError, zipfile.BadZipFile, *damage_types())


class _Watched:
    """A file that knows how far it was read. tarfile is content with an archive that stops after any member;
    one that is whole has a block of zeros there."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.place = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.place += len(data)
        return data

    def require_end(self, offset: int) -> None:
        while self.read(CHUNK):
            pass
        if self.place < offset + tarfile.BLOCKSIZE:
            raise CutOff("the archive has no end mark")
