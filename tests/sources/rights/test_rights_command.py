"""`yisang rights`: what a person is told about a file, an address, and a robots.txt."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CRAWL = Path(__file__).parents[1] / "crawl"
BY = "https://creativecommons.org/licenses/by/4.0/deed.ko"
PAGE = f"""<!DOCTYPE html><html lang="ko"><head><meta charset="euc-kr"><title>글</title></head>
<body><article><p>가을에 심는 마늘 이야기입니다.</p></article>
<footer>이 글은 <a rel="license" href="{BY}">CC BY 4.0</a>에 따라 쓸 수 있습니다.</footer></body></html>"""
ROBOTS = "User-agent: *\nDisallow: /\n\nUser-agent: yisang\nDisallow: /private\nAllow: /private/open\nCrawl-delay: 2\n"


def rights(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "yisang", "rights", *arguments], cwd=folder, capture_output=True, text=True, timeout=120
    )


def as_json(*arguments: str, folder: Path) -> Any:
    done = rights(*arguments, "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page.html").write_bytes(PAGE.encode("euc-kr"))
    bare = PAGE.replace("<footer>", '<meta name="robots" content="noai"><footer>').replace("rel=", "class=")
    (tmp_path / "no.html").write_bytes(bare.encode("euc-kr"))
    (tmp_path / "robots.txt").write_text(ROBOTS)
    return tmp_path


def test_a_file_has_its_letter_with_evidence_and_place(folder: Path) -> None:
    page, refused = as_json("page.html", "no.html", folder=folder)
    assert (page["letter"], page["id"], page["evidence"]) == ("A", "CC-BY-4.0", BY)
    assert page["place"] == "a rel=license in footer"
    assert page["opt_out"] == {"allowed": True, "signals": []}
    assert "쓸 수 있습니다" in page["licence"]["findings"][0]["context"]
    assert not refused["opt_out"]["allowed"]
    assert "noai" in refused["opt_out"]["signals"][0]["rule"]
    told = rights("page.html", "no.html", folder=folder).stdout
    assert "letter A  CC-BY-4.0" in told
    assert "MUST NOT BE USED" in told


@pytest.mark.parametrize(
    ("agent", "url", "allowed", "rule"),
    [
        ("yisang", "https://h.example/private/1", False, "Disallow: /private"),
        ("yisang", "https://h.example/private/open/1", True, "Allow: /private/open"),
        ("yisang", "https://h.example/else", True, ""),
        ("otherbot", "https://h.example/else", False, "Disallow: /"),
    ],
)
def test_a_robots_txt_says_whether_and_by_which_rule(
    folder: Path, agent: str, url: str, allowed: bool, rule: str
) -> None:
    found = as_json("--robots", "robots.txt", "--agent", agent, "--url", url, folder=folder)
    assert (found["allowed"], found["rule"]) == (allowed, rule)
    assert found["crawl_delay"] == (2 if agent == "yisang" else None)
    told = rights("--robots", "robots.txt", "--agent", agent, "--url", url, folder=folder).stdout
    assert told.startswith("allowed: " if allowed else "forbidden: ")


def test_an_address_is_asked_for_as_a_crawl_asks(folder: Path) -> None:
    sys.path.insert(0, str(CRAWL))
    from hostile import hostile_web

    with hostile_web(folder) as web:
        where = ("--contact", "mailto:a@tests.example", "--connect-to", f"127.0.0.1:{web.port}")
        names = ("plain.example/", "tagged.example/noai", "cold.example/forbidden/1", "redirect.example/self")
        found = as_json(*(f"http://{name}" for name in names), *where, folder=folder)
        asked = [f"{entry['host']}{entry['target']}" for entry in web.log()]
    assert [one["verdict"] for one in found] == ["page", "opt_out", "robots", "redirect"]
    assert found[0]["letter"] == "C"
    assert [one["opt_out"]["allowed"] for one in found[:3]] == [True, False, False]
    assert "cold.example/forbidden/1" not in asked
    # The page itself, and nothing that it links to.
    assert [name for name in asked if name.startswith("plain.example/")] == [
        "plain.example/robots.txt",
        "plain.example/.well-known/tdmrep.json",
        "plain.example/",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Name HTML or WARC files, or addresses"),
        (("nowhere.html",), "There is no file nowhere.html"),
        (("robots.txt",), "neither HTML nor WARC by its name"),
        (("--robots", "robots.txt"), "--robots reads one robots.txt for one address"),
        (("--robots", "robots.txt", "--url", "/private"), "must be a whole address"),
        (("--robots", "nowhere.txt", "--url", "https://h.example/"), "nowhere.txt cannot be read"),
        (("https://h.example/",), "Add --contact"),
        (("http://[::1]/", "--contact", "mailto:a@tests.example"), "names an IPv6 address"),
    ],
)
def test_what_cannot_be_told_is_said(folder: Path, arguments: tuple[str, ...], words: str) -> None:
    done = rights(*arguments, folder=folder)
    assert done.returncode == 2
    assert words in done.stderr
