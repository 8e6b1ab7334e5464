"""The URLs of a page, a sitemap or a feed: what is taken, in which form, and that nothing is dereferenced."""

from __future__ import annotations

import gzip
import socket
import tarfile
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from shared import shared

from yisang.sources.base import TooLarge
from yisang.sources.crawl import links
from yisang.sources.crawl.links import Listed, NotListing, clean, key, listed, page_links, trap
from yisang.sources.decode import decode

BASE = "https://a.example/dir/page.html"


@pytest.fixture(autouse=True)
def no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever dereferences something here fails."""

    def refuse(*given: Any, **named: Any) -> None:
        raise AssertionError("a parser connects to something")

    monkeypatch.setattr(socket.socket, "connect", refuse)


# One URL


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://a.example", "https://a.example/"),
        (" https://a.example/x\n", "https://a.example/x"),
        ("HTTPS://A.Example:443/X", "https://a.example/X"),
        ("http://a.example:443/", "http://a.example:443/"),
        ("http://a.example:80", "http://a.example/"),
        ("https://a.example./x", "https://a.example/x"),
        ("https://예시.example/가?나=다", "https://xn--vv4b11d.example/%EA%B0%80?%EB%82%98=%EB%8B%A4"),
        ("https://a.example/x y?q=a b", "https://a.example/x%20y?q=a%20b"),
        ("https://a.example/x#part", "https://a.example/x"),
        ("https://a.example/x?a=1#?b=2", "https://a.example/x?a=1"),
        ("https://a.example/x%23y", "https://a.example/x%23y"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        ("http://[::1]:80/x", "http://[::1]/x"),
        # Dot segments, in each of their spellings
        ("https://a.example/public/../private", "https://a.example/private"),
        ("https://a.example/public/%2e%2e/private", "https://a.example/private"),
        ("https://a.example/public/.%2E/private", "https://a.example/private"),
        ("https://a.example/%2e/private", "https://a.example/private"),
        ("https://a.example/../../x", "https://a.example/x"),
        ("https://a.example/a/b/..", "https://a.example/a/"),
        ("https://a.example/a/.", "https://a.example/a/"),
        ("https://a.example//a/./b", "https://a.example//a/b"),
        ("https://a.example//b.example/../x", "https://a.example//x"),
        ("https://a.example/a/...", "https://a.example/a/..."),
        ("https://a.example/a/.b", "https://a.example/a/.b"),
        ("https://a.example/x?path=/a/../b", "https://a.example/x?path=/a/../b"),
        ("https://a.example\\b/../c", "https://a.example/c"),
    ],
)
def test_a_url_is_cleaned_as_a_browser_would_ask_for_it(url: str, found: str) -> None:
    assert clean(url) == found


@pytest.mark.parametrize(
    "url",
    [
        "", "/x", "x", "//a.example/x", "mailto:you@a.example", "tel:1", "javascript:void(0)", "data:text/html,x", "ftp://a.example/",
        "file:///etc/passwd", "gopher://a.example/", "view-source:https://a.example/", "blob:https://a.example/x", "http:", "http://",
        "http:///x", "http://[", "http://[x]/", "http://a.example:x/", "http://a.example:99999/", "http://a.example:0/", "http://./",
        "https://me@a.example/", "https://me:pw@a.example/", "https://:pw@a.example/", "https://a.example@b.example/",
    ],
)  # fmt: skip
def test_what_is_no_address_to_ask_is_none(url: str) -> None:
    assert clean(url) is None


def test_a_relative_url_is_joined_to_its_base() -> None:
    assert clean("x", BASE) == "https://a.example/dir/x"
    assert clean("../../x", BASE) == "https://a.example/x"
    assert clean("//b.example/x", BASE) == "https://b.example/x"
    assert clean("?q", BASE) == "https://a.example/dir/page.html?q"
    assert clean("http://[", BASE) is None
    assert clean("file:///etc/passwd", BASE) is None


_HOSTS = st.sampled_from(["a.example", "A.example.", "예시.example", "[::1]", "127.0.0.1", "a.example:80", "a.example:8443", "u:p@a.example"])  # fmt: skip
_PARTS = st.sampled_from(["", ".", "..", "%2e", "%2E.", ".%2e", "%2e%2e", "a", "가", "...", "a;b", "..;x", "%", "%zz", "\\", "#", "?", "a b", "%252e", "~", "%7e", "\t", "é"])  # fmt: skip
_URLS = st.one_of(
    st.text(),
    st.builds(lambda rest: f"http://{rest}", st.text()),
    st.builds(
        lambda scheme, host, parts, query: f"{scheme}://{host}/{'/'.join(parts)}{query}",
        st.sampled_from(["http", "HTTPS"]),
        _HOSTS,
        st.lists(_PARTS),
        st.sampled_from(["", "?", "?a=/../b", "?x=%20 ", "#f", "?a#b#c"]),
    ),
)


@given(_URLS)
@example("http://a.example//./b")
@example("http://a.example/%2e%2e/%2E")
def test_cleaning_twice_is_cleaning_once_and_leaves_no_dots_and_no_fragment(url: str) -> None:
    found = clean(url)
    if found is None:
        return
    parts = urlsplit(found)
    assert clean(found) == found
    assert found.isascii()
    assert "#" not in found
    assert parts.username is None
    segments = parts.path.lower().replace("%2e", ".").split("/")
    assert not {".", ".."} & set(segments), found
    assert parts.path.startswith("/")
    # What is known by one key is so however often it was cleaned.
    assert key(found) == key(clean(found) or "")


def test_a_url_is_known_again_by_its_key() -> None:
    assert key("https://a.example/x?b=2&a=1") == key("https://a.example/x?a=1&b=2")
    assert key("https://a.example/%7ex") == key("https://a.example/~x")
    assert key("https://a.example/x?a=") != key("https://a.example/x")
    assert key("https://a.example/X") != key("https://a.example/x")
    assert key("https://a.example/a%2Fb") != key("https://a.example/a/b")


def test_a_trap_is_told_by_its_length_or_by_what_it_repeats() -> None:
    assert trap("https://a.example/2026/11/22/") == ""
    assert trap("https://a.example/a/b/a/b/a/b") == ""
    assert trap("https://a.example/x/a/b/a/b/a/b/a/b") == "'a' stands more than 3 times in its path"
    assert trap("https://a.example////////x") == ""
    assert trap("https://a.example/" + "x" * links.MAX_URL).startswith("longer than 2000")


# A page


def test_the_links_of_a_page_come_in_its_order_each_once() -> None:
    text = """<html><head><title>x</title>
      <link rel="canonical" href="/canonical"><link rel="stylesheet" href="/style.css"><link rel="alternate" type="application/rss+xml" href="/feed">
      <link rel="Alternate" hreflang="ko" href="/ko"><link rel="next" href="?page=2"><link rel="icon" href="/icon.png"></head>
      <body><a href="one">1</a><a href="/dir/one#again">1</a><a name="x">no link</a><a href="">here</a><a href="mailto:x@y.example">m</a>
      <map><area href="/area"></map><iframe src="/framed"></iframe><img src="/image.png"><script src="/script.js"></script>
      <form action="/form"></form><!-- <a href="/comment">c</a> --><a href="https://b.example/">b</a></body></html>"""
    assert page_links(text, BASE) == [
        "https://a.example/canonical", "https://a.example/ko", "https://a.example/dir/page.html?page=2", "https://a.example/dir/one",
        "https://a.example/area", "https://a.example/framed", "https://b.example/",
    ]  # fmt: skip


def test_a_base_holds_for_what_is_relative_and_a_foolish_one_is_none() -> None:
    body = '<a href="x">x</a><a href="/y">y</a>'
    with_base = f'<base target="_blank"><base href="/other/"><base href="/third/">{body}'
    assert page_links(with_base, BASE) == ["https://a.example/other/x", "https://a.example/y"]
    for wrong in ("javascript:x", "http://[", "file:///etc/", "https://me:pw@b.example/"):
        assert page_links(f'<base href="{wrong}">{body}', BASE) == ["https://a.example/dir/x", "https://a.example/y"]
    assert page_links(f'<base href="https://b.example/">{body}', BASE) == ["https://b.example/x", "https://b.example/y"]


def test_a_refresh_is_a_link() -> None:
    text = '<meta http-equiv="Refresh" content="5; URL=/later"><p>x</p><a href="/a">a</a>'
    assert page_links(text, BASE) == ["https://a.example/later", "https://a.example/a"]


def test_links_in_korean_are_sent_in_utf8_whatever_the_page_is_written_in() -> None:
    text = '<meta charset="euc-kr"><a href="/질문">질문</a>'
    decoded = decode(text.encode("euc-kr"), "text/html").text
    assert page_links(decoded, BASE) == ["https://a.example/%EC%A7%88%EB%AC%B8"]


@pytest.mark.parametrize(
    "text", ["", "  \n", "<!-- x -->", "<?xml version='1.0'?>", "\x00\x00", "plain text", "\ud800<p>", "<"]
)
def test_a_page_without_links_has_none(text: str) -> None:
    assert page_links(text, BASE) == []


def test_a_page_of_a_million_links_is_looked_at_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned = []
    monkeypatch.setattr(links, "clean", lambda url, base="": cleaned.append(url) or clean(url, base))
    text = "".join(f'<a href="mailto:{number}@a.example">' for number in range(2 * links.MAX_LINKS)) + "<a href=/x>" * 5
    assert page_links(text, BASE) == []
    assert len(cleaned) == links.MAX_LINKS
    cleaned.clear()
    assert page_links("<a href=x>" * 100_000, BASE) == ["https://a.example/dir/x"]
    assert len(cleaned) == 1, "what stands there twice is looked at once"


def test_what_a_page_declares_is_not_loaded() -> None:
    text = (
        '<!DOCTYPE html SYSTEM "http://b.example/x.dtd" [<!ENTITY x SYSTEM "file:///etc/passwd">]><a href="/&x;y">z</a>'
    )
    found = page_links(text, BASE)
    assert all(url.startswith("https://a.example/") for url in found)
    assert not any("root" in url for url in found)


# A sitemap


def urlset(*entries: str) -> bytes:
    spaces = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:xhtml="http://www.w3.org/1999/xhtml"'
    return f'<?xml version="1.0" encoding="UTF-8"?><urlset {spaces}>{"".join(entries)}</urlset>'.encode()


def url(loc: str, *alternates: tuple[str, str]) -> str:
    links = "".join(f'<xhtml:link rel="alternate" hreflang="{code}" href="{href}"/>' for code, href in alternates)
    return f"<url><loc>{loc}</loc><lastmod>2026-11-01</lastmod>{links}</url>"


def test_a_sitemap_lists_its_pages_each_once() -> None:
    body = urlset(
        url(" https://a.example/1 "), url("/2?a=1&amp;b=2"), url("https://a.example/1"), url("ftp://x"), url("")
    )
    assert listed(body, BASE).pages[:2] == ("https://a.example/1", "https://a.example/2?a=1&b=2")
    assert listed(b"\xef\xbb\xbf\n" + urlset(url("https://a.example/1")), BASE).pages == ("https://a.example/1",)
    wide = urlset(url("https://a.example/가")).decode().replace("UTF-8", "UTF-16").encode("utf-16")
    assert listed(wide, BASE).pages == ("https://a.example/%EA%B0%80",)


def test_an_index_lists_sitemaps() -> None:
    body = b"<sitemapindex><sitemap><loc>https://a.example/1.xml</loc></sitemap><sitemap><loc><![CDATA[/2.xml.gz]]></loc></sitemap></sitemapindex>"
    assert listed(body, BASE) == Listed(sitemaps=("https://a.example/1.xml", "https://a.example/2.xml.gz"))


def test_of_alternates_only_those_of_the_wanted_language_are_taken() -> None:
    both = url(
        "https://a.example/en", ("en", "https://a.example/en"), ("ko", "/ko"), ("KO-KR", "/kr"), ("x-default", "/")
    )
    body = urlset(both, url("https://a.example/alone"))
    assert listed(body, BASE).pages == (
        "https://a.example/en", "https://a.example/ko", "https://a.example/kr", "https://a.example/", "https://a.example/alone",
    )  # fmt: skip
    korean = ("https://a.example/ko", "https://a.example/kr", "https://a.example/alone")
    assert listed(body, BASE, hreflang="ko").pages == korean
    assert listed(body, BASE, hreflang="fr").pages == ("https://a.example/alone",)


def test_a_sitemap_may_be_packed_or_plain_text() -> None:
    body = urlset(url("https://a.example/1"))
    assert listed(gzip.compress(body), BASE).pages == ("https://a.example/1",)
    assert listed(b"https://a.example/1\r\nnonsense\n\nhttps://a.example/2\n", BASE).pages == (
        "https://a.example/1",
        "https://a.example/2",
    )


def test_a_bomb_is_told_before_it_is_unpacked_whole() -> None:
    with pytest.raises(TooLarge, match="unpacks to more than 1000000 bytes"):
        listed(gzip.compress(b"<urlset>" + b" " * 100_000_000), BASE, max_bytes=1_000_000)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"nothing to see", b"<html><body><a href='/x'>x</a></body></html>", b"<svg/>", b"\x1f\x8b\x08torn",
        gzip.compress(b"<urlset></urlset>", mtime=0)[:-9], b"%PDF-1.7", b"\x89PNG\r\n", b"<", b"<?xml version='1.0'?>",
    ],
)  # fmt: skip
def test_what_lists_nothing_is_told(body: bytes) -> None:
    with pytest.raises(NotListing):
        listed(body, BASE)


def test_entities_are_not_resolved_and_nothing_outside_is_loaded() -> None:
    entries = "".join(url(f"https://a.example/{loc}") for loc in ("&f;", "&x;", "whole"))
    for subset in (
        '[<!ENTITY f SYSTEM "file:///etc/passwd"><!ENTITY x "own">]',
        'SYSTEM "http://b.example/x.dtd" [<!ENTITY f PUBLIC "p" "http://b.example/f"><!ENTITY x "own">]',
    ):
        # Half an address, that before the entity, is none.
        body = f"<?xml version='1.0'?><!DOCTYPE urlset {subset}><urlset>{entries}</urlset>"
        assert listed(body.encode(), BASE).pages == ("https://a.example/whole",)


def test_a_billion_laughs_are_no_sitemap() -> None:
    laughs = "".join(f"<!ENTITY l{n} '" + f"&l{n - 1};" * 10 + "'>" for n in range(1, 10))
    body = f"<!DOCTYPE urlset [<!ENTITY l0 'ha'>{laughs}]><urlset>{url('https://a.example/&l9;')}</urlset>"
    with pytest.raises(NotListing):
        listed(body.encode(), BASE)


def test_a_torn_sitemap_lists_what_stands_before_the_tear() -> None:
    body = urlset(*(url(f"https://a.example/{number}") for number in range(10)))
    found = listed(body[: len(body) // 2], BASE).pages
    assert found[:4] == tuple(f"https://a.example/{number}" for number in range(4))
    assert len(found) < 10


def test_of_a_sitemap_that_is_too_long_the_first_entries_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "MAX_SITEMAP", 10)
    body = urlset(*(url(f"https://a.example/{number}") for number in range(30)))
    assert len(listed(body, BASE).pages) == 10
    nothing = urlset(*(url("ftp://a.example/") for _ in range(10)), url("https://a.example/late"))
    assert listed(nothing, BASE).pages == ()
    many = urlset(url("https://a.example/", *(("ko", f"https://a.example/{number}") for number in range(30))))
    assert len(listed(many, BASE).pages) == 10
    assert len(listed("\n".join(f"https://a.example/{number}" for number in range(30)).encode(), BASE).pages) == 10


def test_feeds_list_their_entries() -> None:
    rss = """<rss><channel><link>https://a.example/</link>
      <item><title>1</title><link>https://a.example/1</link><guid>https://a.example/guid</guid></item>
      <item><link> /2 </link></item></channel></rss>"""
    assert listed(rss.encode(), BASE).pages == ("https://a.example/1", "https://a.example/2")
    atom = """<feed xmlns="http://www.w3.org/2005/Atom"><link href="https://a.example/"/><link rel="self" href="/feed"/>
      <entry><link href="/1"/><link rel="alternate" href="/2"/><link rel="enclosure" href="/sound.mp3"/><link rel="self" href="/1.atom"/></entry></feed>"""
    assert listed(atom.encode(), BASE).pages == ("https://a.example/1", "https://a.example/2")
    rdf = '<rdf:RDF xmlns:rdf="r"><item><link>https://a.example/1</link></item></rdf:RDF>'
    assert listed(rdf.encode(), BASE).pages == ("https://a.example/1",)


@given(st.binary(max_size=300))
@example(b"<urlset><url xmlns:x='' x:y=''><loc>http://a.example/\x00</loc>")
@example(b"<rss><item><link>http://[</link></item>")
def test_any_bytes_list_something_or_are_told(body: bytes) -> None:
    for given_ in (body, b"<urlset><url><loc>" + body, gzip.compress(body)):
        try:
            found = listed(given_, BASE)
        except (NotListing, TooLarge):
            continue
        assert all(clean(one) == one for one in (*found.pages, *found.sitemaps))


@pytest.mark.parametrize(
    ("name", "sitemaps", "pages", "first"),
    [
        ("sitemap.xml", 0, 84, "https://www.sitemaps.org/"),
        ("sitemap.xml.gz", 0, 84, "https://www.sitemaps.org/"),
        ("sitemap2.xml", 2, 0, "http://www.example.com/sitemap1.xml.gz"),
        ("sitemap-hreflang.xml", 1, 3, "http://www.example.com/sitemap2.xml.gz"),
    ],
)
def test_sitemaps_of_the_wild_are_read(name: str, sitemaps: int, pages: int, first: str) -> None:
    with tarfile.open(shared("sitemap/trafilatura_sitemaps.tar.gz")) as archive:
        file = archive.extractfile(f"tests/resources/{name}")
        assert file is not None
        found = listed(file.read(), BASE)
    assert (len(found.sitemaps), len(found.pages)) == (sitemaps, pages)
    assert (found.sitemaps + found.pages)[0] == first
