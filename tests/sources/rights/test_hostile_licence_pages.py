"""Pages made to break a reader: whatever stands there, there is an answer, and what was not read is said."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yisang.sources.rights.licences import page_licence
from yisang.sources.rights.licences.findings import CONTEXT, MAX_STATEMENTS
from yisang.sources.rights.licences.reading import MAX_CHARS

BY = "https://creativecommons.org/licenses/by/4.0/"
SCRIPT = '<script type="application/ld+json">{}</script>'


def read(html: str):
    return page_licence(html, "https://hostile.example/")


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ("", "no HTML"),
        ("<div>" * 100_000 + "CC BY", "too deep in one another"),
        ("<p>" + "x" * (MAX_CHARS + 10), "read up to its character 5,000,000 of 5,000,013"),
        (SCRIPT.format("[" * 500_000), "could not be read: RecursionError"),
        (SCRIPT.format('{"a":' * 100_000), "could not be read: RecursionError"),
        (SCRIPT.format('{"license":' + "1" * 100_000 + "}"), "could not be read: ValueError"),
        (SCRIPT.format('"' + "a" * 1_000_001 + '"'), "a JSON-LD script of 1,000,003 characters was not read"),
        (SCRIPT.format("[" + "{}," * 60_000 + "{}]"), "read 50,000 nodes of JSON-LD"),
        (SCRIPT.format("{}") * 100, "read 50 of 100 JSON-LD scripts"),
        (f'<p><a rel="license" href="{BY}">x</a>' * 5_000, "read 400 of 5,000 links to licences"),
        ('<img src="opentype01.png">' * 5_000, "read 400 of 5,000 images of KOGL"),
    ],
)
def test_what_was_not_read_is_said(html, fault):
    assert fault in read(html).fault


RUNS = {
    "CC BY": "CC BY ",
    "name without terms": "Creative Commons ",
    "names with terms": "Creative Commons attribution noncommercial ",
    "reservation without an end": "무단 전재 ",
    "reservation that never closes": "reproduction copying ",
    "grant": "under the ",
    "KOGL": "공공누리 ",
    "clauses": ", and (CC BY 4.0",
    "blanks": "CC &#160; ",
    "copyright": "© ",
    "links": f'<a href="{BY}">CC</a> ',
    "links to KOGL": '<a href="https://www.kogl.or.kr/info/licenseType1.do">공공누리</a> ',
    "RDFa": f'<a property="cc:license" href="{BY}">x</a> ',
    "rows": "<table><tr><td><a href=a.pdf>x</a><img src=opentype01.png>",
}


@pytest.mark.parametrize("run", RUNS)
def test_a_long_run_in_one_block_ends(run):
    # Without bounds, some of these take time by the square of their length: hours.
    found = read("<body><p>" + RUNS[run] * (400_000 // len(RUNS[run])))
    assert len(found.findings) < 20


def test_the_last_of_too_many_links_is_read_too():
    many = '<a href="https://creativecommons.org/licenses/by-nc/4.0/">x</a>' * (3 * MAX_STATEMENTS)
    found = read(f'<body><p>{many}</p><footer><a rel="license" href="{BY}">CC BY</a></footer>')
    assert found.licence.id == "CC-BY-4.0"


PIECES = st.sampled_from(
    [
        "<p>", "</p>", "<div class=license>", "</div>", "<footer>", "</footer>", "<article>", "</article>", "<aside>", "<figure>", "</figure>",
        "<table>", "<tr>", "<td>", "<li>", "<br>", "<h1>", "<title>", "</title>", "<head>", "<body>", "<blockquote>", "<!--", "-->", "<svg>",
        f'<a rel="license" href="{BY}">', f'<a href="{BY}">', "</a>", f'<link rel="license" href="{BY}">', f'<meta name="dc.rights" content="{BY}">',
        '<img src="https://i.creativecommons.org/l/by-nc/4.0/88x31.png" alt="CC">', '<img src="opentype04.png" alt="공공누리 제4유형">',
        f'<script type="application/ld+json">{{"@type":"Article","license":"{BY}"}}</script>', "<script type='application/ld+json'>[{", "</script>",
        '<div itemscope itemtype="https://schema.org/ImageObject">', f'<a itemprop="license" href="{BY}">', f'<p about="/x"><a rel="cc:license" href="{BY}">',
        "This work is licensed under CC BY-SA 4.0.", "공공누리 제1유형", "All rights reserved", "무단 전재 금지", "© 2024 ", "CC BY", " ", "\0", "\ud800", "&#0;", "한글", "😀",
    ]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.lists(PIECES | st.text(max_size=20), max_size=40).map("".join),
    st.sampled_from(["", "https://x.example/a", "http://[", "file:///a"]),
)
def test_any_page_gets_an_answer_that_holds_together(html, url):
    found = page_licence(html, url, {"link": html[:50]})
    own = [finding for finding in found.findings if finding.scope == "page"]
    assert (found.licence is None) == (not own) == (found.agreement == "none")
    if found.licence:
        assert found.licence.letter == max(finding.letter for finding in own)
        assert found.licence.derive == all(finding.derive for finding in own)
        assert found.agreement != "one" or len(own) == 1
        assert found.deciding.id == found.licence.id
    assert all(len(finding.context) <= CONTEXT for finding in found.findings)
    assert page_licence(html, url, {"link": html[:50]}) == found


@settings(max_examples=50, deadline=None)
@given(st.lists(PIECES, max_size=20).map("".join))
def test_a_reservation_in_the_footer_never_makes_a_page_laxer(html):
    before = read(f"<body><div>{html}</div>")
    after = read(
        f"<body><div>{html}</div></a></blockquote></figure></article><footer><p>All rights reserved</p></footer>"
    )
    if before.licence and after.licence:
        assert after.licence.letter >= before.licence.letter
