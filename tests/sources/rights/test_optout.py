"""What pages say of their use is heard: in headers and metas, for everybody or for us, and what cannot be read does not allow."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yisang.sources.rights.optout import MAX_STATEMENTS, MAX_TEXT, follows, heard, page_signals
from yisang.sources.rights.signals import Signal, judge


def allowed(headers: dict[str, str] | None = None, html: str | None = None, agent: str = "yisang") -> bool:
    return judge(page_signals(headers or {}, html, agent)).allowed


def meta(content: str, name: str = "robots") -> str:
    return f'<html><head><meta name="{name}" content="{content}"></head><body>글</body></html>'


FORBIDDEN = [
    "noai",
    "noimageai",
    "noindex",
    "none",
    "NoAI",
    "noml",
    "noindex, nofollow",
    "index, noai",
    "follow,noindex",
    "noindex nofollow",
    "noindex;nofollow",
    "noindex/nofollow",
    "no-ai",
    "no_ai_training",
    "noai-training",
    "max-snippet:-1, noai",
    "max-snippet:-1 noindex",
    "unavailable_after: 25 Jun 2027 15:00:00 PST, noindex",
    "unavailable_after: Friday, 25-Jun-27 15:00:00 PST, noai",
    "unavailable_after: 25-Jun-2027 noindex",
    "ｎｏａｉ",
    "no\u200bai",
    "noindex: true",
]
ALLOWED = [
    "all",
    "index, follow",
    "index,follow,max-snippet:-1,max-image-preview:large,max-video-preview:-1",
    "max-image-preview:none",
    "max-image-preview : none, follow",
    "noarchive, nosnippet, noimageindex, notranslate, noodp, noydir",
    "nofollow",
    "unavailable_after: 25 Jun 2020 15:00:00 PST",
    "unavailable_after: Friday, 25-Jun-10 15:00:00 PST",
    "unavailable_after: Fri, 25 Jun 2010 15:00:00 GMT",
    "unavailable_after: 2010-06-25T15:00:00Z",
    "indexifembedded",
    "“all”",
    "index,\u00a0follow",
    "",
    " , ",
]


@pytest.mark.parametrize("value", FORBIDDEN)
def test_these_forbid_in_a_header_and_in_a_meta(value):
    assert not allowed({"x-robots-tag": value})
    assert not allowed(html=meta(value))


@pytest.mark.parametrize("value", ALLOWED)
def test_these_forbid_nothing(value):
    assert allowed({"x-robots-tag": value})
    assert allowed(html=meta(value))


@pytest.mark.parametrize("value", ["모두", "nоindex", "all, \x01", "\ufffd\ufffd", "ì\x95ì"])
def test_what_cannot_be_read_does_not_allow(value):
    """The second is spelt with a Cyrillic letter."""
    for signals in (page_signals({"x-robots-tag": value}, None, "yisang"), page_signals({}, meta(value), "yisang")):
        if "\x01" in value and signals[0].kind == "meta":
            continue  # no HTML holds a control character
        assert not judge(signals).allowed
        assert "cannot be read" in signals[0].why


def test_a_statement_tells_its_words_and_its_place():
    signals = page_signals(
        {"x-robots-tag": "noarchive", "content-type": "text/html"}, meta("NoIndex,follow", "ROBOTS"), "yisang"
    )
    assert signals == [
        Signal("x-robots-tag", True, "noarchive", "header x-robots-tag", "nothing in it forbids its use"),
        Signal(
            "meta", False, '<meta name="robots" content="NoIndex,follow">', "meta robots", "noindex forbids its use"
        ),
    ]


def test_a_page_that_says_nothing_has_no_statements():
    assert page_signals({"content-type": "text/html"}, "<html><body>글</body></html>", "yisang") == []
    assert page_signals({}, None, "yisang") == []
    for html in ("", "글", "<", "<!--글 -->", "<?xml version='1.0'?>", " <\n"):
        assert page_signals({}, html, "yisang") == []


# scopes


@pytest.mark.parametrize(
    ("value", "agent", "found"),
    [
        ("yisang: noai", "yisang", False),
        ("YiSang : noai", "yisang", False),
        ("yisang/1.0: noai", "yisang", False),
        ("yisang: noai", "YISANG", False),
        ("yisang: noai, noindex", "yisang", False),
        ("otherbot: noai", "yisang", True),
        ("yisang-news: noai", "yisang", True),
        ("otherbot: noarchive, yisang: noai", "yisang", False),
        ("otherbot: noai, yisang: all", "yisang", True),
        ("*: noai", "yisang", False),
        ("robots: noai", "yisang", False),
        (": noai", "yisang", False),
        ("Mozilla/5.0 (compatible; x): noai", "yisang", False),
        ("otherbot: unavailable_after: 25 Jun 2027 15:00:00 PST", "yisang", True),
        ("yisang: unavailable_after: 25 Jun 2027 15:00:00 PST, all", "yisang", True),
        ("otherbot: noindex\nall", "yisang", True),
    ],
)
def test_a_scope_is_heard(value, agent, found):
    assert allowed({"x-robots-tag": value}, agent=agent) is found


def test_where_a_scope_may_have_ended_it_has():
    """Two header lines "otherbot: nofollow" and "noindex" look, once joined, like one line with a scope for both."""
    assert not allowed({"x-robots-tag": "otherbot: nofollow, noindex"})


def check_joined_headers(is_allowed) -> None:
    lines = ["otherbot: nofollow", "noindex"]
    assert not is_allowed(", ".join(lines))


def test_a_reader_that_lets_a_scope_run_on_would_be_seen():
    def running_on(value: str) -> bool:
        scope = ""
        for part in value.split(","):
            name, colon, rest = part.partition(":")
            scope, words = (name.strip(), rest) if colon else (scope, part)
            if scope in {"", "yisang"} and "noindex" in words:
                return False
        return True

    check_joined_headers(lambda value: allowed({"x-robots-tag": value}))
    with pytest.raises(AssertionError):
        check_joined_headers(running_on)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("robots", False),
        ("yisang", False),
        ("YiSang", False),
        ("googlebot", True),
        ("googlebot, robots", False),
        ("DC.robots", True),
        ("", True),
    ],
)
def test_a_meta_is_for_the_name_it_bears(name, found):
    assert allowed(html=meta("noai", name)) is found


# metas


@pytest.mark.parametrize(
    "html",
    [
        "<META NAME=ROBOTS CONTENT=NOAI>",
        "<meta content='noai' name='robots'/>",
        "<meta/name='robots'/content='noai'/>",
        "<meta name='&#114;obots' content='no&#x61;i'>",
        "<meta name=robots content=all><meta name=robots content=noai>",
        "<html><body><p>글<meta name=robots content=noai></body></html>",
        "</html><meta name=robots content=noai>",
        "<noscript><meta name=robots content=noai></noscript>",
        "<meta name=\n'robots'\ncontent=\n' noai '>",
        "<p>\0</p><meta name=robots content=noai>",
        "<?xml version='1.0' encoding='euc-kr'?><html><meta charset=utf-16><meta name=robots content=noai>",
        "<meta http-equiv='X-Robots-Tag' content='yisang: noai'>",
        "<b><i></b><table><meta name=robots content=noai>",
        "\ud800<meta name=robots content=noai>",
    ],
)
def test_a_meta_is_found_wherever_it_stands(html):
    assert not allowed(html=html)


@pytest.mark.parametrize(
    "html",
    [
        "<!-- <meta name=robots content=noai> -->",
        "<script>let a = '<meta name=robots content=noai>'</script>",
        "<textarea><meta name=robots content=noai></textarea>",
        "<title><meta name=robots content=noai></title>",
        "<p>&lt;meta name=robots content=noai&gt;</p>",
        "<a title='<meta name=robots content=noai>'>글</a>",
        "<meta name=robots>",
        "<meta name=description content='noai'>",
        "<meta property=og:title content='noai'>",
        "<meta http-equiv='X-Robots-Tag' content='otherbot: noai'>",
        "<meta name=robots content=all content=noai>",
    ],
)
def test_what_only_looks_like_a_meta_is_none(html):
    assert allowed(html=html)


def check_comments_are_no_markup(is_allowed) -> None:
    assert is_allowed("<!-- <meta name=robots content=noai> --><p>글")


def test_a_reader_by_pattern_would_be_seen():
    check_comments_are_no_markup(lambda html: allowed(html=html))
    with pytest.raises(AssertionError):
        check_comments_are_no_markup(lambda html: not re.search("<meta[^>]*noai", html))


def test_no_entity_is_declared():
    html = "<!DOCTYPE html [<!ENTITY x SYSTEM 'file:///etc/hostname'><!ENTITY y 'noai'>]><meta name=description content='&x;'>"
    assert allowed(html=html)
    assert not allowed(html=f"{html}<meta name=robots content=noai>")


def test_a_page_of_statements_is_kept_short_and_the_one_that_forbids_is_among_them():
    html = "".join(f"<meta name=robots content=max-snippet:{number},index>" for number in range(5000))
    signals = page_signals({}, f"{html}<meta name=robots content=noai><meta name=robots content=noindex>", "yisang")
    assert len(signals) == MAX_STATEMENTS + 1
    assert signals[-1].why == "noai forbids its use"
    long = page_signals({}, meta("noai" + " " * 5000 + "x"), "yisang")[0]
    assert len(long.rule) < MAX_TEXT + 50


@pytest.mark.parametrize(
    "part", ["<div>", "<!--", "<a ", "<meta name=robots content=all>", "</p>", "<b><i></b>", "&amp;", "<"]
)
def test_a_large_page_is_read(part):
    """Quadratic time would not come back from these."""
    assert allowed(html=part * (4_000_000 // len(part)))


# links


@pytest.mark.parametrize(
    ("headers", "html", "found"),
    [
        ({}, "<p>글", True),
        ({"x-robots-tag": "nofollow"}, None, False),
        ({"x-robots-tag": "none"}, None, False),
        ({"x-robots-tag": "noai"}, None, True),
        ({"x-robots-tag": "otherbot: nofollow"}, None, True),
        ({"x-robots-tag": "yisang: nofollow"}, None, False),
        ({}, meta("index, nofollow"), False),
        ({}, meta("NOFOLLOW", "yisang"), False),
        ({}, meta("nofollow", "otherbot"), True),
        ({}, meta("팔로우"), False),
        ({"x-robots-tag": "all"}, meta("nofollow"), False),
    ],
)
def test_nofollow_is_about_links_alone(headers, html, found):
    assert follows(headers, html, "yisang") is found


def test_both_answers_come_from_one_reading():
    assert heard({}, meta("nofollow"), "yisang") == (page_signals({}, meta("nofollow"), "yisang"), False)


# text and data mining


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("0", True),
        (" 0 ", True),
        ("0, 0", True),
        ("1", False),
        ("0, 1", False),
        ("2", False),
        ("", False),
        ("true", False),
        ("no", False),
        ("0.0", False),
    ],
)
def test_a_reservation_is_zero_or_one_and_nothing_else_allows(value, found):
    assert allowed({"tdm-reservation": value}) is found
    assert allowed(html=meta(value, "tdm-reservation")) is found


def test_the_policy_is_told():
    address = "https://a.example/policy.json"
    header = page_signals({"tdm-reservation": "1", "tdm-policy": address}, None, "yisang")
    assert header == [
        Signal(
            "tdmrep",
            False,
            "tdm-reservation: 1",
            "header tdm-reservation",
            f"rights of text and data mining are reserved; policy: {address}",
        )
    ]
    page = meta(address, "tdm-policy") + meta("1", "TDM-Reservation")
    assert page_signals({}, page, "yisang")[0].why.endswith(address)
    assert page_signals({"tdm-policy": address}, None, "yisang") == []


def test_of_several_reservations_any_forbids():
    assert not allowed(html=meta("0", "tdm-reservation") + meta("1", "tdm-reservation"))
    assert not allowed({"tdm-reservation": "1"}, meta("0", "tdm-reservation"))
    assert not allowed({"tdm-reservation": "0"}, meta("1", "tdm-reservation"))


# preferences


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("content-signal", "search=yes, ai-train=no", False),
        ("content-signal", "search=yes, ai-train=yes", True),
        ("content-signal", "search=no", True),
        ("content-signal", "ai-train=perhaps", False),
        ("content-usage", "train-ai=n", False),
        ("content-usage", "train-ai=y", True),
        ("content-usage", "search=n", True),
        ("content-usage", "train-ai=?0", False),
    ],
)
def test_usage_preferences_in_headers(name, value, found):
    assert allowed({name: value}) is found


@given(
    st.dictionaries(
        st.sampled_from(["x-robots-tag", "tdm-reservation", "content-signal", "content-usage"]), st.text(max_size=40)
    ),
    st.text(max_size=60) | st.none(),
)
def test_any_header_and_any_page_are_answered(headers, html):
    signals, _ = heard(headers, html, "yisang")
    assert all(signal.where for signal in signals)


@given(st.lists(st.sampled_from(["all", "follow", "noarchive", "max-snippet:-1", "otherbot: noai", "noai"])))
def test_adding_a_statement_never_allows_more(parts):
    whole = allowed({"x-robots-tag": ", ".join(parts)})
    assert whole is ("noai" not in parts)
    assert whole is all(allowed({"x-robots-tag": part}) for part in parts)
