"""What an origin says of crawling it: fetched once, kept, and closed where it cannot be read."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yisang.sources.crawl import rules as module
from yisang.sources.crawl.archive import Exchange
from yisang.sources.crawl.rules import MAX_HOPS, Keeper, Rules, Unfetched, retry_after
from yisang.sources.crawl.site import Site
from yisang.sources.crawl.sites import SiteCrawl

PAGE = "https://a.example/x"
ROBOTS = "https://a.example/robots.txt"
Said = tuple[int, dict[str, str], bytes] | Exception


class Origin:
    """An origin that answers from a table, 404 else; an answer that is a list is told one after the other."""

    def __init__(self, answers: dict[str, Said | list[Said]]):
        self.answers = answers
        self.asked: Counter[str] = Counter()

    async def __call__(self, site: Site, url: str) -> Exchange:
        said = self.answers.get(url, (404, {}, b""))
        if isinstance(said, list):
            said = said[min(self.asked[url], len(said) - 1)]
        self.asked[url] += 1
        await asyncio.sleep(0)  # others may run here, as they may while an answer is on its way
        if isinstance(said, Exception):
            raise said
        status, headers, body = said
        return Exchange(url, (), "HTTP/1.1", status, "", tuple(headers.items()), body, "2026-11-22T10:00:00.000000Z")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(SiteCrawl(host="a.example", start=(PAGE,), retry_delay=0.0, tries=3), tmp_path, {})
    yield found
    found.archive.close()
    found.frontier.close()


def text(lines: str, status: int = 200) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "text/plain"}, lines.encode()


def to(target: str | None) -> tuple[int, dict[str, str], bytes]:
    return 301, {"Location": target} if target is not None else {}, b""


def rules(site: Site, origin: Origin, *urls: str) -> list[Rules]:
    async def all_of_them() -> list[Rules]:
        keeper = Keeper("yisang", origin, asyncio.Event())
        return await asyncio.gather(*(keeper.rules(site, url) for url in urls or (PAGE,)))

    return asyncio.run(all_of_them())


def allowed(found: Rules, url: str = PAGE) -> bool:
    return all(signal.allowed for signal in found.before("yisang", url))


def test_whoever_asks_for_an_origin_waits_for_the_one_fetch_of_it(site: Site) -> None:
    origin = Origin({ROBOTS: text("User-agent: *\nDisallow: /private\n")})
    found = rules(site, origin, *[f"https://a.example/{number}" for number in range(20)], "http://a.example/")
    assert origin.asked[ROBOTS] == 1
    assert origin.asked["http://a.example/robots.txt"] == 1, "another scheme is another origin"
    assert all(allowed(one) for one in found)
    assert not allowed(found[0], "https://a.example/private/1")
    # A crawl that begins again within a day reads what it kept.
    again = Origin({})
    assert not allowed(rules(site, again)[0], "https://a.example/private/1")
    assert not again.asked


def test_what_is_older_than_a_day_is_fetched_anew(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    rules(site, Origin({ROBOTS: text("User-agent: *\nDisallow: /\n")}))
    later = module.now() + module.MAX_AGE + 1
    monkeypatch.setattr(module, "now", lambda: later)
    origin = Origin({ROBOTS: text("")})
    assert allowed(rules(site, origin)[0])
    assert origin.asked[ROBOTS] == 1


@pytest.mark.parametrize(
    ("said", "is_allowed", "asked"),
    [
        (text("", 404), True, 1),
        (text("", 403), True, 1),
        (text("User-agent: *\nAllow: /\n", 503), False, 3),
        (text("", 500), False, 3),
        (text("", 429), False, 3),
        ([text("", 503), text("")], True, 2),
        (Unfetched("the connection was lost"), False, 3),
        (Unfetched("more than 4194304 bytes", final=True), False, 1),
        ((200, {"Content-Encoding": "gzip"}, b"\x1f\x8b\x08torn"), False, 1),
        ((503, {"Retry-After": "86400"}, b""), False, 1),
        ((503, {"Retry-After": "9" * 5000}, b""), False, 1),
        (to("/other.txt"), True, 1),
        (to(None), False, 1),
        (to(""), False, 1),
        (to("mailto:you@a.example"), False, 1),
        (to(ROBOTS), False, MAX_HOPS + 1),
    ],
)
def test_a_robots_txt_that_cannot_be_read_forbids_all(
    site: Site, said: Said | list[Said], is_allowed: bool, asked: int
) -> None:
    origin = Origin({ROBOTS: said})
    (found,) = rules(site, origin)
    assert (allowed(found), origin.asked[ROBOTS]) == (is_allowed, asked)
    assert found.verdict == ""


def test_redirects_are_followed_to_another_host_and_its_rules_hold(site: Site) -> None:
    there = "https://www.b.example/robots.txt"
    origin = Origin({ROBOTS: to("//www.b.example/robots.txt#part"), there: text("User-agent: yisang\nDisallow: /\n")})
    (found,) = rules(site, origin)
    assert not allowed(found)
    assert (origin.asked[ROBOTS], origin.asked[there]) == (1, 1)


def test_an_origin_that_nobody_answers_for_gives_all_its_urls_that_verdict(site: Site) -> None:
    (found,) = rules(site, Origin({ROBOTS: Unfetched("a.example has no address", verdict="unreachable")}))
    assert found.verdict == "unreachable"
    assert found.why == "its robots.txt could not be asked for: a.example has no address"
    assert not allowed(found), "and whoever asks all the same is told no"


def test_behind_a_redirect_somebody_answered_so_the_rules_are_not_told(site: Site) -> None:
    there = "https://b.example/r"
    (found,) = rules(site, Origin({ROBOTS: to(there), there: Unfetched("no address", verdict="unreachable")}))
    assert found.verdict == ""
    assert not allowed(found)


def test_a_delay_is_heeded_and_one_that_is_too_long_leaves_the_site(site: Site) -> None:
    rules(site, Origin({ROBOTS: text("User-agent: *\nCrawl-delay: 7\n")}))
    assert site.delay == 7.0
    other = "http://a.example/robots.txt"
    (found,) = rules(site, Origin({other: text("User-agent: *\nCrawl-delay: 3600\n")}), "http://a.example/")
    assert found.verdict == "over_budget"
    assert "3600 s between two requests, more than max_crawl_delay = 60" in found.why
    assert site.delay == 7.0


def test_the_sitemaps_of_robots_txt_are_queued_but_for_those_of_other_hosts(site: Site) -> None:
    lines = "Sitemap: https://a.example/s/../s.xml\nSitemap: https://b.example/s.xml\nSitemap: nonsense\n"
    rules(site, Origin({ROBOTS: text(lines)}))
    assert [(row["url"], row["kind"], row["via"]) for row in site.frontier.rows()] == [
        ("https://a.example/s.xml", "sitemap", ROBOTS),
        (PAGE, "page", ""),
    ]


def test_a_reservation_that_nobody_may_read_is_one(site: Site) -> None:
    origin = Origin({ROBOTS: text("User-agent: *\nDisallow: /.well-known/\n")})
    (found,) = rules(site, origin)
    assert not allowed(found)
    assert set(origin.asked) == {ROBOTS}


TDMREP = "https://a.example/.well-known/tdmrep.json"


@pytest.mark.parametrize(
    ("target", "there"),
    [
        ("/private/terms", "User-agent: *\nDisallow: /nothing\n"),
        ("https://b.example/closed/terms", "User-agent: *\nDisallow: /closed\n"),
        ("https://b.example/terms", None),
    ],
    ids=["of its own", "of another host", "of another host whose rules nobody tells"],
)
def test_a_reservation_that_lies_where_nobody_may_look_is_one(site: Site, target: str, there: str | None) -> None:
    other = "https://b.example/robots.txt"
    robots = text("User-agent: *\nDisallow: /private/\n")
    origin = Origin({ROBOTS: robots, TDMREP: to(target), other: text("", 503) if there is None else text(there)})
    (found,) = rules(site, origin)
    assert not allowed(found)
    assert set(origin.asked) <= {ROBOTS, TDMREP, other}


def test_a_reservation_is_read_where_it_was_moved_to(site: Site) -> None:
    there = "https://b.example/terms"
    reserved = (200, {"Content-Type": "application/json"}, b'[{"location": "/x", "tdm-reservation": 1}]')
    (found,) = rules(site, Origin({TDMREP: to(there), there: reserved}))
    assert not allowed(found)
    assert allowed(found, "https://a.example/y")


def test_a_day_is_counted_from_when_it_was_fetched_by_whichever_crawl(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = module.now()
    rules(site, Origin({ROBOTS: text("User-agent: *\nDisallow: /\n")}))
    origin = Origin({ROBOTS: text("")})

    async def a_crawl_that_goes_on() -> list[bool]:
        keeper, found = Keeper("yisang", origin, asyncio.Event()), []
        for hours in (23, 23.9, 24.1):
            monkeypatch.setattr(module, "now", partial(float, begun + hours * 3600))
            found.append(allowed(await keeper.rules(site, PAGE)))
        return found

    assert asyncio.run(a_crawl_that_goes_on()) == [False, False, True]
    assert origin.asked[ROBOTS] == 1


@pytest.mark.parametrize("said", [text("", 503), Unfetched("refused", verdict="unreachable")], ids=["503", "no answer"])
@pytest.mark.parametrize("file", [ROBOTS, TDMREP])
def test_rules_that_are_gone_for_a_minute_leave_the_site_and_are_no_verdict_on_the_rest(
    site: Site, monkeypatch: pytest.MonkeyPatch, said: Said, file: str
) -> None:
    rules(site, Origin({}))
    begun = module.now()
    monkeypatch.setattr(module, "now", partial(float, begun + module.MAX_AGE + 60))
    with pytest.raises(Unfetched, match="which was there before, cannot be read now"):
        rules(site, Origin({file: said}))
    assert file in site.left
    site.left = ""
    assert allowed(rules(site, Origin({}))[0]), "and a later crawl goes on"
    # Who never comes back is taken at his word.
    monkeypatch.setattr(module, "now", partial(float, begun + 2 * module.MAX_ABSENCE))
    assert not allowed(rules(site, Origin({file: said}))[0])
    assert site.left == ""


# Retry-After


def test_a_wait_is_asked_for_by_seconds_or_by_a_date() -> None:
    assert retry_after({"retry-after": " 120 "}) == 120.0
    assert retry_after({"retry-after": "0"}) == 0.0
    assert retry_after({"retry-after": "9" * 5000}) == 1e9
    soon = datetime.now(UTC) + timedelta(seconds=600)
    assert retry_after({"retry-after": format_datetime(soon, usegmt=True)}) == pytest.approx(600, abs=30)
    assert retry_after({"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"}) == 0.0
    for nothing in ("", "soon", "-5", "1.5", "²", "١٢", "1e3", "0x10", "Mon, 32 Jan 2026 00:00:00 GMT"):
        assert retry_after({"retry-after": nothing}) is None, nothing
    assert retry_after({}) is None


@given(st.text())
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("1 Jan 99999 00:00:00 GMT")
@example("1 Jan 2026 00:00:00 +99999999999")
def test_whatever_a_server_writes_there_is_a_wait_or_none(value: str) -> None:
    found = retry_after({"retry-after": value})
    assert found is None or found >= 0
