"""SITES.toml as its writer has it: what is taken, and what of a mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from yisang import __version__
from yisang.errors import UsageError
from yisang.sources.crawl.sites import SiteCrawl, Sites, read_sites, split_address

HEAD = '[crawl]\ncontact = "mailto:you@example.org"\n'


def site(host: str = "a.example", *lines: str, letter: str = "A", crawl: str = "") -> str:
    licence = {"A": "CC-BY-4.0", "C": "unknown"}[letter]
    return "\n".join(
        [
            "[[site]]",
            f'host = "{host}"',
            f'licence = "{licence}"',
            f'letter = "{letter}"',
            'category = "Science"',
            'evidence = "Its footer says so."',
            'date = "2026-11-01"',
            *lines,
            *(["[site.crawl]", crawl] if crawl else []),
            "",
        ]
    )


def read(folder: Path, text: str, connect_to: str = "") -> Sites:
    path = folder / "SITES.toml"
    path.write_text(text, "utf-8")
    return read_sites(path, connect_to=connect_to)


def test_a_site_gets_the_settings_of_all_then_its_own_and_the_defaults_else(tmp_path: Path) -> None:
    found = read(tmp_path, HEAD + "delay = 2\nmax_pages = 7\n" + site(crawl="delay = 3.5") + site("b.example"))
    one, other = found.sites
    assert (one.delay, one.max_pages, one.concurrency, one.tries) == (3.5, 7, 1, 3)
    assert (other.delay, other.max_pages) == (2.0, 7)
    assert one.start == ("https://a.example/",)
    assert one.sitemaps is None, "those that robots.txt names"
    assert found.site("b.example") is other
    assert (found.agent, found.contact, found.left_out) == ("yisang", "mailto:you@example.org", ())


def test_a_site_with_a_sitemap_or_a_feed_needs_no_start_page(tmp_path: Path) -> None:
    with_sitemap = 'sitemaps = ["https://a.example/s.xml"]'
    with_feed = 'feeds = ["https://b.example/feed"]\nsitemaps = []'
    found = read(tmp_path, HEAD + site(crawl=with_sitemap) + site("b.example", crawl=with_feed))
    assert [one.start for one in found.sites] == [(), ()]
    assert found.sites[1].sitemaps == (), "none, not even those of robots.txt"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (site(), ["table crawl", "contact is ''", "mailto:you@example.org"]),
        ('[crawl]\ncontact = "you@example.org"\n' + site(), ["contact is 'you@example.org'"]),
        ('[crawl]\ncontact = "mailto:a@b.example\\n"\n' + site(), ["contact is 'mailto:a@b.example\\n'"]),
        (HEAD + 'agent = "yisang/1.0"\n' + site(), ["table crawl", "agent is 'yisang/1.0'", "RFC 9309"]),
        (HEAD + "agent = 3\n" + site(), ["agent is 3"]),
        (HEAD + "depth = 3\n" + site(), ["table crawl", "'depth' is no setting", "max_depth"]),
        (HEAD + 'start = ["https://a.example/"]\n' + site(), ["table crawl", "'start' is no setting of all sites"]),
        ("crawl = 3\n" + site(), ["crawl is 3", "table"]),
        (HEAD + site("a.example", "crawl = 3"), ["site a.example", "crawl is 3", "table"]),
        (HEAD + site(crawl="pages = 3"), ["site a.example", "'pages' is no setting", "max_pages"]),
        (HEAD + site(crawl='host = "b.example"'), ["site a.example", "'host' is no setting"]),
        (HEAD + site(crawl="subdomains = true"), ["site a.example", "'subdomains' is no setting"]),
        (HEAD + site(crawl='delay = "1"'), ["site a.example", "delay"]),
        (HEAD + site(crawl="delay = -1"), ["site a.example", "delay"]),
        (HEAD + site(crawl="delay = nan"), ["site a.example", "delay"]),
        (HEAD + site(crawl="timeout = inf"), ["site a.example", "timeout is inf"]),
        (HEAD + "timeout = 0\n" + site(), ["site a.example", "timeout"]),
        (HEAD + site(crawl="concurrency = 0"), ["site a.example", "concurrency"]),
        (HEAD + site(crawl="start = [3]"), ["site a.example", "start"]),
        (HEAD + site(crawl='start = ["/page"]'), ["site a.example", "start has '/page'", "no http or https"]),
        (HEAD + site(crawl='start = ["ftp://a.example/"]'), ["start has 'ftp://a.example/'"]),
        (HEAD + site(crawl='start = ["http://["]'), ["site a.example", "start has 'http://['"]),
        (HEAD + site(crawl='start = ["https://me:pw@a.example/"]'), ["site a.example", "start", "name and password"]),
        (HEAD + site(crawl='feeds = ["https://b.example/f"]'), ["site a.example", "feeds has https://b.example/f"]),
        (HEAD + site(crawl='sitemaps = ["https://www.a.example/s"]'), ["site a.example", "sitemaps", "another host"]),
        (HEAD + site(crawl='allow = ["("]'), ["site a.example", "allow has '('", "regular expression"]),
        (HEAD + site(crawl='deny = ["[z-a]"]'), ["site a.example", "deny has '[z-a]'"]),
        (HEAD + site(crawl='address = "localhost:8080"'), ["site a.example", "address is 'localhost:8080'"]),
        (HEAD + site(crawl='address = "127.0.0.1:99999"'), ["site a.example", "address", "127.0.0.1:99999"]),
        (HEAD, ["names no site", "docs/registry.md"]),
        (HEAD + site(letter="C"), ["names no site that may be crawled", "letter C"]),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_host_and_key(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(UsageError) as told:
        read(tmp_path, text)
    for word in (str(tmp_path / "SITES.toml"), *words):
        assert word in str(told.value)


def test_a_file_that_is_not_there_or_no_toml_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml cannot be read: No such file"):
        read_sites(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="cannot be read as TOML"):
        read(tmp_path, "[crawl\n")


def test_sites_of_letter_c_are_left_out_and_told(tmp_path: Path) -> None:
    closed = site("c.example", letter="C")
    raised = site("raised.example", "page_may_raise = true", letter="C")
    wanted = site("wanted.example", letter="C", crawl="max_pages = 3")
    found = read(tmp_path, HEAD + closed + raised + wanted + site())
    assert [one.host for one in found.sites] == ["raised.example", "wanted.example", "a.example"]
    assert found.left_out == ("c.example",)
    with pytest.raises(UsageError, match=r"has no site c\.example to crawl\. It has raised\.example, wanted\.example"):
        found.site("c.example")


def test_the_user_agent_names_its_token_its_version_and_whom_to_write_to(tmp_path: Path) -> None:
    assert read(tmp_path, HEAD + site()).user_agent == f"yisang/{__version__} (+mailto:you@example.org)"
    other = read(tmp_path, HEAD + 'agent = "hangul-corpus"\n' + site()).user_agent
    assert other == f"hangul-corpus yisang/{__version__} (+mailto:you@example.org)"


def test_a_site_covers_its_host_and_its_subdomains_only_where_it_says_so() -> None:
    alone, all_of_it = SiteCrawl(host="a.example"), SiteCrawl(host="a.example", subdomains=True)
    assert [alone.covers(host) for host in ("a.example", "www.a.example", "")] == [True, False, False]
    assert [all_of_it.covers(host) for host in ("a.example", "x.www.a.example")] == [True, True]
    assert not any(all_of_it.covers(host) for host in ("ba.example", "a.example.org", "example", ""))


def test_the_nearest_entry_speaks_for_a_host_whatever_its_letter(tmp_path: Path) -> None:
    """A host of letter C is not crawled as a part of a laxer one above it, nor one with an entry of its own by the settings of another."""
    text = HEAD + site("a.example", "subdomains = true") + site("shop.a.example", letter="C") + site("wiki.a.example")
    found = read(tmp_path, text)
    above = found.site("a.example")
    assert [above.covers(f"{name}a.example") for name in ("", "www.", "shop.", "x.shop.", "wiki.", "workshop.")] == [
        True, True, False, False, False, True
    ]  # fmt: skip
    assert found.site("wiki.a.example").covers("wiki.a.example")


@pytest.mark.parametrize(
    ("host", "start"),
    [
        ("예시.example", "https://예시.example/시작"),
        ("xn--vv4b11d.example", "https://예시.example/"),
        ("예시.example", "https://xn--vv4b11d.example/"),
        ("A.Example", "https://a.EXAMPLE/"),
        ("a.example", "https://a.example./"),
        ("a.example.", "https://a.example:8443/"),
    ],
)
def test_a_host_is_the_same_in_capitals_in_its_own_script_and_with_a_closing_dot(
    tmp_path: Path, host: str, start: str
) -> None:
    (found,) = read(tmp_path, HEAD + site(host, crawl=f'start = ["{start}"]')).sites
    assert found.host.isascii()
    assert found.host == found.host.lower().rstrip(".")
    assert found.start == (start,)


def test_an_address_for_all_sites_stands_before_their_own(tmp_path: Path) -> None:
    text = HEAD + site(crawl='address = "10.0.0.1:80"') + site("b.example")
    assert [one.address for one in read(tmp_path, text).sites] == ["10.0.0.1:80", ""]
    assert [one.address for one in read(tmp_path, text, "127.0.0.1:8080").sites] == ["127.0.0.1:8080"] * 2
    with pytest.raises(UsageError, match="mirror"):
        read(tmp_path, text, "mirror")


def test_an_address_is_one_of_ip_with_a_port_or_without() -> None:
    found = [split_address(text) for text in ("127.0.0.1", "127.0.0.1:8080", "[::1]", "[fd00::1]:81")]
    assert found == [("127.0.0.1", 0), ("127.0.0.1", 8080), ("::1", 0), ("fd00::1", 81)]
    for wrong in ("", "host", "127.0.0.1:x", "1.2.3", "[::1", "127.0.0.1:70000", "0x7f000001"):
        with pytest.raises(UsageError, match="must be an IP address"):
            split_address(wrong)
