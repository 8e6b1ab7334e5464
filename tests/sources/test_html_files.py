"""Saved HTML: folders and archives give the same pages, and a broken archive says so."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from shared import counted, deads, passed, read_all, records, shared

from yisang.records import Page
from yisang.sources import HtmlFiles, html_files
from yisang.sources.html_files import is_html_name

FILES = {"a/x.html": b"<p>1", "a/y.html.ko.euc-kr": b"<p>2", "z.HTM": b"<p>3" * 400, "a/note.txt": b"no"}
URLS = {f"file:///{name}": body for name, body in FILES.items() if not name.endswith("txt")}


def tar(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        folder = tarfile.TarInfo("a")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
        link = tarfile.TarInfo("link.html")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return buffer.getvalue()


def pages(source: HtmlFiles) -> dict[str, bytes]:
    return {page.url: page.body for page in records(read_all(source)) if isinstance(page, Page)}


@pytest.mark.parametrize(
    "name",
    ["x.html", "x.htm", "x.xhtml", "d/x.html.ko.euc-kr", "x.html.de", "INDEX.HTML", "x.html.zh-cn.utf8"],
)
def test_names_of_html(name: str) -> None:
    assert is_html_name(name)


@pytest.mark.parametrize("name", ["x.txt", "html", "x.html.gz", "x.htmlx", "x.html/y.png", "x.html.part"])
def test_names_that_are_not_html(name: str) -> None:
    assert not is_html_name(name)


def test_folder_pattern_and_archives_give_the_same_pages(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    for name, body in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    (tmp_path / "s.tar.gz").write_bytes(tar(FILES))
    (tmp_path / "s.tgz").write_bytes(tar(FILES))
    (tmp_path / "s.tar").write_bytes(tar(FILES, "w"))
    (tmp_path / "s.tar.xz").write_bytes(tar(FILES, "w:xz"))
    (tmp_path / "s.zip").write_bytes(zipped(FILES))
    for path in ("site", "s.tar.gz", "s.tgz", "s.tar", "s.tar.xz", "s.zip"):
        source = HtmlFiles(str(tmp_path / path))
        assert pages(source) == URLS, path
        assert counted(source) == 3, path
    assert pages(HtmlFiles(f"{folder}/**/*.[hH][tT]*")) == URLS


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: zstandard.ZstdCompressor().compress(data),
}


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_packed_file_is_the_page_that_it_holds(tmp_path: Path, suffix: str) -> None:
    body = b"<p>\xea\xb0\x80" * 99
    path = tmp_path / f"b.html.{suffix}"
    path.write_bytes(PACKERS[suffix](body))
    (tmp_path / "a.html").write_bytes(b"<p>1")
    for source, others in ((HtmlFiles(str(tmp_path)), {"file:///a.html": b"<p>1"}), (HtmlFiles(str(path)), {})):
        assert pages(source) == {**others, "file:///b.html": body}
        assert counted(source) == 1 + len(others)
        assert passed(read_all(source)) == {}
    path.write_bytes(PACKERS[suffix](body)[:-5])
    [dead] = deads(read_all(HtmlFiles(str(path))))
    assert (dead.error, dead.where) == ("CutOff", str(path))
    assert counted(HtmlFiles(str(path))) == 1


def test_members_whose_names_are_not_utf_8_keep_their_bytes_and_can_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html_files, "MAX_MEMBER", 9)
    names = {os.fsdecode("가.html".encode("euc-kr")): b"<p>1", os.fsdecode("나.html".encode("euc-kr")): bytes(10)}
    (tmp_path / "s.tar").write_bytes(tar(names, "w"))
    items = read_all(HtmlFiles(f"{tmp_path}/s.tar"))
    assert [page.url for page in items if isinstance(page, Page)] == ["file:///%B0%A1.html"]
    assert [dead.where for dead in deads(items)] == [rf"{tmp_path}/s.tar:\udcb3\udcaa.html"]


def test_what_is_no_page_in_an_archive_is_counted(tmp_path: Path) -> None:
    (tmp_path / "s.tar").write_bytes(tar(FILES, "w"))
    assert passed(read_all(HtmlFiles(f"{tmp_path}/s.tar"))) == {"link": 1, "not HTML": 1}
    (tmp_path / "s.zip").write_bytes(zipped(FILES))
    assert passed(read_all(HtmlFiles(f"{tmp_path}/s.zip"))) == {"not HTML": 1}


def test_a_base_url_takes_the_place_of_the_file_scheme(tmp_path: Path) -> None:
    (tmp_path / "s.zip").write_bytes(zipped({"./물 음.html": b"<p>"}))
    assert list(pages(HtmlFiles(f"{tmp_path}/s.zip", base_url="https://x.kr/"))) == [
        "https://x.kr/%EB%AC%BC%20%EC%9D%8C.html"
    ]


@pytest.mark.parametrize("packed", [False, True])
def test_an_archive_cut_anywhere_keeps_its_whole_members_and_says_so(tmp_path: Path, packed: bool) -> None:
    files = {f"{number}.html": bytes([number]) * 700 for number in range(3)}
    plain = tar(files, "w")
    end = 512 * (1 + 3 * 3 + 1)  # a folder, three files of a header and two blocks, a link
    path = tmp_path / ("s.tar.gz" if packed else "s.tar")
    data = gzip.compress(plain, compresslevel=1) if packed else plain
    for cut in range(0, len(data), 1 if packed else 128):
        path.write_bytes(data[:cut])
        items = read_all(HtmlFiles(str(path)))
        # Of the zeros at the end of a tar, all but the first block may go
        assert len(deads(items)) == (0 if not packed and cut >= end + tarfile.BLOCKSIZE else 1), cut
        got = [page.body for page in records(items) if isinstance(page, Page)]
        assert got == list(files.values())[: len(got)], cut
    path.write_bytes(data)
    assert deads(read_all(HtmlFiles(str(path)))) == []


def test_a_broken_zip_member_costs_only_itself(tmp_path: Path) -> None:
    data = bytearray(zipped(FILES))
    data[data.index(b"a/x.html") + 10] ^= 0xFF
    (tmp_path / "s.zip").write_bytes(data)
    items = read_all(HtmlFiles(f"{tmp_path}/s.zip"))
    assert len(deads(items)) == 1
    assert len(records(items)) == 2


def test_a_file_that_is_no_archive_is_a_dead_letter(tmp_path: Path) -> None:
    for name in ("s.zip", "s.tar", "s.tar.gz"):
        (tmp_path / name).write_bytes(b"hello" * 999)
        source = HtmlFiles(str(tmp_path / name))
        items = read_all(source)
        assert len(items) == len(deads(items)) == 1, name
        assert counted(source) is None, name


def test_a_giant_is_a_dead_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_files, "MAX_MEMBER", 1000)
    files = {"big.html": bytes(1001), "fits.html": bytes(1000)}
    (tmp_path / "s.tar.gz").write_bytes(tar(files))
    (tmp_path / "s.zip").write_bytes(zipped(files))
    (tmp_path / "big.html").write_bytes(bytes(1001))
    for name, left in (("s.tar.gz", 1), ("s.zip", 1), ("big.html", 0)):
        items = read_all(HtmlFiles(str(tmp_path / name)))
        assert [dead.error for dead in deads(items)] == ["TooLarge"], name
        assert len(records(items)) == left, name


@pytest.mark.parametrize(
    ("name", "number"),
    [("apache_httpd_manual", 94), ("creativecommons_legalcode", 47), ("cc_licensed_pages", 16)],
)
def test_real_archives_are_read_whole(name: str, number: int) -> None:
    source = HtmlFiles(shared(f"html/{name}.tar.gz"))
    items = read_all(source)
    assert len(records(items)) == len(items) == counted(source) == number
    assert len({page.id for page in records(items)}) == number
