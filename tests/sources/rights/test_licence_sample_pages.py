"""Charset and licence of the sample pages, against a table that was written by reading them (expected_html.toml)."""

from __future__ import annotations

import fnmatch
import re
import tarfile
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from shared import shared

from yisang.sources.decode import codec_name, decode
from yisang.sources.rights.licences import page_licence
from yisang.sources.rights.licences.names import of_address

TABLE: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "expected_html.toml").read_text("utf-8"))["page"]
ARCHIVES = sorted({row["archive"] for row in TABLE})


@cache
def bodies(archive: str) -> dict[str, bytes]:
    with tarfile.open(shared(f"html/{archive}")) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}


def row_of(archive: str, name: str) -> dict[str, Any]:
    (row,) = [row for row in TABLE if row["archive"] == archive and fnmatch.fnmatch(name, row["file"])]
    return row


def naive(text: str) -> str:
    """The wrong twin: the first address of a licence anywhere, which is how licences are mostly looked for."""
    match = re.search(r"(?:https?:)?//[\w.]*creativecommons\.org/(?:licenses|publicdomain)/[^\"'\s<>]*", text)
    return (match and of_address(match[0])) or ""


@pytest.mark.parametrize("archive", ARCHIVES)
def test_every_file_is_in_the_table_once(archive):
    counts = Counter(row_of(archive, name)["file"] for name in bodies(archive))
    assert counts == {row["file"]: row["pages"] for row in TABLE if row["archive"] == archive}


@pytest.mark.parametrize("archive", ARCHIVES)
def test_charset_and_licence_of_each_page_are_those_of_the_table(archive):
    for name, body in bodies(archive).items():
        row, decoded = row_of(archive, name), decode(body)
        # By the text: a page of ASCII alone is the same under several charsets.
        assert decoded.text == body.decode(codec_name(row["charset"])).removeprefix("\ufeff"), name
        found = page_licence(decoded.text, "")
        assert (found.licence.id if found.licence else "") == row["licence"], (name, found.findings)
        assert found.fault == "", name
        assert (found.agreement == "disagree") is (row.get("agreement") == "disagree"), name


def test_a_page_about_a_licence_takes_the_naive_reader_in():
    archive = "creativecommons_legalcode.tar.gz"
    wrong = {
        name for name, body in bodies(archive).items() if naive(decode(body).text) != row_of(archive, name)["licence"]
    }
    assert len(wrong) >= 25


def test_a_legal_code_at_its_own_address_is_not_under_itself():
    """Its links to itself, which are relative, lead to the licence where the page's address is known."""
    texts = {name: decode(body).text for name, body in bodies("creativecommons_legalcode.tar.gz").items()}
    for name, expected in (
        ("by-nc-sa_4.0_ko", "CC-BY-4.0"),
        ("by-nc-nd_4.0_fr", "CC-BY-4.0"),
        ("zero_1.0_ja", ""),
        ("by-sa_2.0_kr", ""),
    ):
        kind, version, language = name.split("_")
        folder = "publicdomain" if kind == "zero" else "licenses"
        url = f"https://creativecommons.org/{folder}/{kind}/{version}/legalcode.{language}"
        found = page_licence(texts[f"docroot/legalcode/{name}.html"], url)
        assert (found.licence.id if found.licence else "") == expected, (name, found.findings)
