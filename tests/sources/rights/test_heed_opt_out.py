"""HeedOptOut keeps pages that do not say no, with what they said, and leaves out the others, with the rule that decided."""

from __future__ import annotations

import pickle

import msgspec
import pytest

from yisang.errors import UsageError
from yisang.pipelines.identity import digest, identity
from yisang.records import Drop, Page
from yisang.sources.rights.signals import Signal, judge, stored
from yisang.sources.rights.steps import HeedOptOut

HTML = {"content-type": "text/html"}


def page(body: str | bytes, encoding: str = "utf-8", rights: str = "", **headers: str) -> Page:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    raw = body if isinstance(body, bytes) else body.encode(encoding)
    return Page(id="p", url="https://a.example/", headers=HTML | named, body=raw, rights=rights)


def kept(found: Page | Drop) -> Page:
    assert isinstance(found, Page)
    return found


def test_a_page_that_says_nothing_is_kept_and_its_rights_say_so():
    found = kept(HeedOptOut()(page("<p>글</p>")))
    assert stored(found.rights) == judge([])
    assert msgspec.structs.replace(found, rights="") == page("<p>글</p>")


def test_what_a_kept_page_said_is_stored():
    found = kept(HeedOptOut()(page('<meta name="robots" content="index, nofollow">', x_robots_tag="noarchive")))
    rights = stored(found.rights)
    assert rights is not None
    assert [signal.kind for signal in rights.signals] == ["x-robots-tag", "meta"]


def test_a_drop_tells_the_rule_the_place_and_the_reason():
    assert HeedOptOut()(page('<meta name="robots" content="noai">')) == Drop(
        "opt_out",
        {
            "signal": "meta",
            "rule": '<meta name="robots" content="noai">',
            "where": "meta robots",
            "why": "noai forbids its use",
        },
    )


@pytest.mark.parametrize("declared", ["<meta charset='euc-kr'>", ""])
def test_a_page_in_euc_kr_is_read(declared):
    text = f"{declared}<title>질문과 답변 게시판</title><p>가나다라마바사 아자차카 타파하 질문입니다</p>"
    assert isinstance(HeedOptOut()(page(text, "euc-kr")), Page)
    assert isinstance(HeedOptOut()(page(f"{text}<meta name='robots' content='noai'>", "euc-kr")), Drop)
    assert isinstance(HeedOptOut()(page(f"{text}<meta name='robots' content='모두 허용'>", "euc-kr")), Drop)


def test_a_page_in_utf_16_is_read():
    assert isinstance(HeedOptOut()(page("<p>글</p><meta name='robots' content='noai'>", "utf-16")), Drop)


def test_a_page_that_nobody_can_decode_is_no_kept_page():
    """A hundred bytes that are no text in any encoding; with a header that forbids they need not be."""
    noise = b"<p>" + bytes([0, 1, 2, 3, 0x81, 0xFF, 0xFE, 0xC0]) * 40
    with pytest.raises(UnicodeError):
        HeedOptOut()(page(noise))
    assert isinstance(HeedOptOut()(page(noise, x_robots_tag="noai")), Drop)


def test_only_html_has_metas():
    text = "<meta name='robots' content='noai'>"
    assert isinstance(HeedOptOut()(page(text, content_type="text/plain")), Page)
    assert isinstance(HeedOptOut()(page(b"%PDF-1.7 \xff\xfe\x00", content_type="application/pdf")), Page)
    assert isinstance(HeedOptOut()(page(text, content_type="application/xhtml+xml; charset=utf-8")), Drop)
    assert isinstance(HeedOptOut()(page(text, content_type="")), Drop)
    assert isinstance(HeedOptOut()(page(text, content_type="application/pdf", x_robots_tag="noindex")), Drop)


def test_what_the_crawl_has_stored_is_kept_and_heeded():
    robots = Signal("robots", True, "Allow: /", "robots.txt line 2", "group for *")
    said = Signal("meta", True, '<meta name="robots" content="all">', "meta robots", "nothing in it forbids its use")
    text = '<meta name="robots" content="all">'
    found = stored(kept(HeedOptOut()(page(text, rights=judge([robots, said]).as_json()))).rights)
    assert found == judge([robots, said]), "a statement that is there already is there once"
    forbidden = Signal("robots", False, "Disallow: /", "robots.txt line 2", "group for *")
    drop = HeedOptOut()(page(text, rights=judge([robots, forbidden]).as_json()))
    assert isinstance(drop, Drop)
    assert drop.evidence["where"] == "robots.txt line 2"
    assert isinstance(HeedOptOut()(page("", rights='{"allowed": false}')), Drop)


def test_a_second_time_changes_nothing():
    once = kept(HeedOptOut()(page('<meta name="robots" content="all">', tdm_reservation="0")))
    assert HeedOptOut()(once) == once


def test_rights_that_cannot_be_read_are_an_error():
    with pytest.raises(msgspec.DecodeError):
        HeedOptOut()(page("<p>글</p>", rights="yes"))


def test_the_agent_may_be_another():
    text = '<meta name="otherbot" content="noai">'
    assert isinstance(HeedOptOut()(page(text)), Page)
    assert isinstance(HeedOptOut("otherbot")(page(text)), Drop)
    with pytest.raises(UsageError, match="product token"):
        HeedOptOut("otherbot/1.0")


def test_the_agent_and_the_rules_bear_identity():
    assert digest(identity(HeedOptOut(), "opt_out")) != digest(identity(HeedOptOut("otherbot"), "opt_out"))
    assert pickle.loads(pickle.dumps(HeedOptOut("otherbot"))) == HeedOptOut("otherbot")
