"""The frontier: what is asked for next, one verdict on each URL, and what becomes of it when something fails."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yisang.errors import YisangError
from yisang.sources.crawl import frontier as module
from yisang.sources.crawl.frontier import Found, Frontier, Kind, Origin, Settled
from yisang.sources.crawl.site import Site
from yisang.sources.crawl.sites import SiteCrawl


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.example" / "frontier.sqlite"


@pytest.fixture
def frontier(path: Path) -> Iterator[Frontier]:
    found = Frontier(path)
    yield found
    found.close()


def urls(*names: str, depth: int = 0) -> list[Found]:
    return [Found(f"key:{name}", f"https://a.example/{name}", depth=depth) for name in names]


def order(frontier: Frontier, now: float = 100.0) -> list[str]:
    """The URLs in the order in which they are asked for."""
    names = []
    while (queued := frontier.next(set(), now)) is not None:
        names.append(queued.url.rpartition("/")[2])
        frontier.settle(queued.number, Settled("page"))
    return names


def allow_all(url: str, depth: int, kind: Kind) -> tuple[str, str]:
    return "", ""


# The queue


def test_a_url_is_queued_once_whatever_bears_it(frontier: Frontier) -> None:
    assert frontier.add(urls("1", "2", "1"), via="https://a.example/") == 2
    assert frontier.add([Found("key:1", "https://a.example/other-spelling", depth=3)]) == 0
    assert (frontier.queued(), frontier.any_queued()) == (2, True)
    assert [row["url"] for row in frontier.rows()] == ["https://a.example/1", "https://a.example/2"]


def test_what_lies_nearest_to_the_start_is_asked_for_first(frontier: Frontier) -> None:
    frontier.add(urls("deep", depth=2))
    frontier.add(urls("b", "a", depth=1))
    frontier.add(urls("start"))
    assert order(frontier) == ["start", "b", "a", "deep"]
    assert not frontier.any_queued()


def test_what_is_in_flight_is_not_handed_out_again(frontier: Frontier) -> None:
    frontier.add(urls("1", "2"))
    first = frontier.next(set(), 0.0)
    assert first is not None
    second = frontier.next({first.number}, 0.0)
    assert second is not None
    assert second.number != first.number
    assert frontier.next({first.number, second.number}, 0.0) is None


def test_a_url_that_failed_is_asked_for_when_it_is_due_and_not_before(frontier: Frontier) -> None:
    frontier.add(urls("1", "2", "3"))
    for name, due in (("1", 50.0), ("2", 40.0)):
        queued = frontier.next(set(), 0.0)
        assert queued is not None
        assert queued.url.endswith(name)
        frontier.defer(queued.number, due, "status 503")
    third = frontier.next(set(), 0.0)
    assert third is not None
    assert third.url.endswith("3")
    # Nothing is due: the one that is so first, with the time until which it must wait.
    waiting = frontier.next({third.number}, 0.0)
    assert waiting is not None
    assert (waiting.url[-1], waiting.due, waiting.tries) == ("2", 40.0, 1)
    assert [row["why"] for row in frontier.rows()] == ["status 503", "status 503", ""]
    frontier.settle(third.number, Settled("page"))
    assert order(frontier, now=45.0) == ["2", "1"]


def test_each_url_has_one_verdict_and_brings_what_it_bears_with_it(frontier: Frontier) -> None:
    frontier.add([*urls("start"), Found("key:no", "https://a.example/no", verdict="denied", rule="deny: no")])
    queued = frontier.next(set(), 0.0)
    assert queued is not None
    settled = Settled("page", rights="{}", status=200, warc="f:0", digest="sha1:X", etag='"1"', fetched="then")
    new = frontier.settle(
        queued.number,
        settled,
        urls("x", "start", depth=1),
        via=queued.url,
        warc_end=("f", 10),
        answered=True,
        off_site=3,
    )
    assert (new, frontier.warc_end, frontier.answered(), frontier.fact("off_site")) == (1, ("f", 10), 1, "3")
    assert frontier.counts() == {"denied": 1, "page": 1, "queued": 1}
    (row,) = frontier.rows("page")
    assert (row["verdict"], row["status"], row["warc"], row["digest"]) == ("page", 200, "f:0", "sha1:X")
    (bears,) = [row for row in frontier.rows() if row["verdict"] is None]
    assert (bears["url"], bears["via"], bears["depth"]) == ("https://a.example/x", "https://a.example/start", 1)
    assert [row["verdict"] for row in frontier.rows("denied", "page")] == ["denied", "page"]


def test_what_fails_half_way_leaves_nothing(frontier: Frontier) -> None:
    def breaking() -> Iterator[Found]:
        yield from urls("x")
        raise RuntimeError("of the caller")

    frontier.add(urls("start"))
    queued = frontier.next(set(), 0.0)
    assert queued is not None
    with pytest.raises(RuntimeError):
        frontier.settle(queued.number, Settled("page"), breaking(), warc_end=("f", 10), answered=True)
    with pytest.raises(RuntimeError):
        frontier.add(breaking())
    assert (frontier.counts(), frontier.warc_end, frontier.answered()) == ({"queued": 1}, ("", 0), 0)
    # And the next one goes through.
    frontier.settle(queued.number, Settled("page"))
    assert frontier.counts() == {"page": 1}


def test_the_rest_gets_one_verdict_but_for_what_is_in_flight(frontier: Frontier) -> None:
    frontier.add(urls("1", "2", "3"))
    assert frontier.settle_rest("over_budget", "max_pages = 1", {2}) == 2
    assert [(row["verdict"], row["rule"]) for row in frontier.rows()] == [
        ("over_budget", "max_pages = 1"),
        (None, ""),
        ("over_budget", "max_pages = 1"),
    ]
    assert frontier.settle_rest("over_budget", "max_pages = 1", set()) == 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["add", "settle", "defer", "rest"]), st.integers(0, 9)), max_size=30))
def test_a_verdict_is_never_given_twice(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    frontier = Frontier(tmp_path_factory.mktemp("frontier") / "frontier.sqlite")
    given_: set[int] = set()
    for what, number in steps:
        queued = frontier.next(set(), 0.0)
        assert queued is None or queued.number not in given_
        if what == "add":
            frontier.add(urls(str(number), depth=number))
        elif what == "rest":
            given_ |= {row["number"] for row in frontier.rows() if row["verdict"] is None}
            frontier.settle_rest("over_budget", "", set())
        elif queued is not None and what == "settle":
            given_.add(queued.number)
            frontier.settle(queued.number, Settled("page"))
        elif queued is not None:
            frontier.defer(queued.number, float(number), "")
    assert {row["number"] for row in frontier.rows() if row["verdict"] is not None} == given_
    frontier.close()


def test_a_long_queue_is_not_walked_to_find_the_next(frontier: Frontier, path: Path) -> None:
    """By what SQLite plans, not by a clock: the nearest URL comes out of the index."""
    with sqlite3.connect(path) as db:
        plan = db.execute(
            "EXPLAIN QUERY PLAN SELECT number FROM urls WHERE verdict IS NULL AND number NOT IN (0) AND due <= 1 ORDER BY depth, number LIMIT 1"
        ).fetchall()
    told = " ".join(str(row[3]) for row in plan)
    assert "USING INDEX queue" in told
    assert "TEMP B-TREE" not in told


# Crawls after the first


def kept_away(url: str, depth: int, kind: Kind) -> tuple[str, str]:
    return ("denied", "deny: no") if "no" in url else ("too_deep", "max_depth = 1") if depth > 1 else ("", "")


def verdicts(frontier: Frontier) -> dict[str, str | None]:
    return {row["url"].rpartition("/")[2]: row["verdict"] for row in frontier.rows()}


def test_changed_settings_judge_again_what_settings_kept_away_and_what_is_queued(frontier: Frontier) -> None:
    frontier.open_settings("old", allow_all)
    frontier.add([Found("s", "https://a.example/no-start")])
    frontier.add([*urls("no-1", "ok-1", "no-2"), *urls("far", depth=2)], via="https://a.example/no-start")
    for number, verdict in ((2, "denied"), (3, "over_budget"), (5, "too_deep")):
        frontier.settle(number, Settled(verdict))
    frontier.add([Found("p", "https://a.example/no-page", verdict="page")], via="https://a.example/")
    before = verdicts(frontier)
    frontier.open_settings("old", kept_away)
    assert verdicts(frontier) == before, "the same settings change nothing"
    frontier.open_settings("new", kept_away)
    assert verdicts(frontier) == {
        "no-start": None,  # named by SITES itself
        "no-1": "denied",
        "ok-1": None,  # over the old budget
        "no-2": "denied",  # queued before there was a pattern
        "far": "too_deep",
        "no-page": "page",  # what is there stays there
    }
    frontier.open_settings("newer", allow_all)
    assert verdicts(frontier) == {
        "no-start": None,
        "no-1": None,
        "ok-1": None,
        "no-2": None,
        "far": None,
        "no-page": "page",
    }


def test_another_edition_asks_for_all_but_what_settings_keep_away(frontier: Frontier) -> None:
    frontier.add([Found("s", "https://a.example/start", verdict="page")])
    frontier.add([*urls("1", "no-1"), *urls("far", depth=2)], via="https://a.example/start")
    settled = {
        2: Settled("page", digest="sha1:X", etag='"1"', warc="f:9", fetched="then"),
        3: Settled("denied"),
        4: Settled("too_deep"),
    }
    for number, one in settled.items():
        frontier.settle(number, one, answered=True)
    frontier.keep_origin("https://a.example", "/robots.txt", Origin(200, "", "text/plain", b"x", "", 1.0), ("f", 20))
    assert frontier.origin("https://a.example", "/robots.txt") is not None
    frontier.reopen(kept_away)
    assert verdicts(frontier) == {"start": None, "1": None, "no-1": "denied", "far": "too_deep"}
    assert (frontier.edition, frontier.answered(), frontier.warc_end) == (2, 0, ("f", 20))
    assert frontier.origin("https://a.example", "/robots.txt") is None, "a day old rule is no rule"
    again = frontier.next({1}, 0.0)
    assert again is not None
    assert (again.digest, again.etag, again.warc, again.fetched) == ("sha1:X", '"1"', "f:9", "then")


def site(folder: Path, **settings: object) -> Site:
    return Site(SiteCrawl(host="a.example", start=("https://a.example/",), **settings), folder, {})  # type: ignore[arg-type]


def asked(found: Site) -> Iterable[str]:
    while (queued := found.next()) is not None:
        yield queued.url.removeprefix("https://a.example")
        found.release(queued)
        found.frontier.settle(queued.number, Settled("page"))


def test_a_site_that_is_opened_with_other_settings_or_again_does_not_ask_for_what_they_deny(tmp_path: Path) -> None:
    links = [f"https://a.example/{path}" for path in ("ok", "private/1", "x/x/x/x/x", "other")]
    first = site(tmp_path, deny=("/private/",))
    inside, _ = first.found(links, 1)
    first.frontier.add(inside, via="https://a.example/")
    assert list(asked(first)) == ["/", "/ok", "/other"]
    first.close()
    slower = site(tmp_path, deny=("/private/",), delay=2.0)
    assert list(asked(slower)) == []
    slower.reopen()
    assert list(asked(slower)) == ["/", "/ok", "/other"]
    slower.close()
    laxer = site(tmp_path)
    assert list(asked(laxer)) == ["/private/1"]
    laxer.close()


def test_what_sites_names_later_to_begin_with_is_asked_for_as_what_it_is(tmp_path: Path) -> None:
    """Though a page had named it before, as something else or as something that a pattern keeps away."""
    links = [f"https://a.example/{path}" for path in ("kept-away", "list.xml", "page")]
    first = site(tmp_path, deny=("/kept-away",))
    first.frontier.add(first.found(links, 1)[0], via="https://a.example/")
    assert list(asked(first)) == ["/", "/list.xml", "/page"]
    first.close()
    start = ("https://a.example/", "https://a.example/kept-away", "https://a.example/list.xml")
    later = {"start": start, "sitemaps": ("https://a.example/list.xml",), "deny": ("/kept-away",)}
    # Named twice it is what it is named first, and is not asked for anew each time.
    for wanted in (["/kept-away"], []):
        second = Site(SiteCrawl(host="a.example", **later), tmp_path, {})  # type: ignore[arg-type]
        assert list(asked(second)) == wanted
        second.close()
    third = site(tmp_path, sitemaps=("https://a.example/list.xml",), deny=("/kept-away",))
    queued = third.next()
    assert queued is not None
    assert (queued.url, queued.kind, third.frontier.queued()) == ("https://a.example/list.xml", "sitemap", 1)
    third.frontier.close()


def test_where_others_judge_whole_bodies_are_asked_for(frontier: Frontier) -> None:
    frontier.judge_by("yisang, CC-BY-4.0")
    frontier.add(urls("1"))
    frontier.settle(1, Settled("page", etag='"1"', modified="then", digest="sha1:X", warc="f:9"))

    def told() -> tuple[str, str, str]:
        (row,) = frontier.rows()
        return row["etag"], row["modified"], row["digest"]

    frontier.judge_by("yisang, CC-BY-4.0")
    assert told() == ('"1"', "then", "sha1:X")
    frontier.judge_by("yisang, all rights reserved")
    assert told() == ("", "", "sha1:X"), "the body need not be written twice, and must be read"


def test_a_host_that_is_no_longer_of_a_site_is_not_asked(tmp_path: Path) -> None:
    first = site(tmp_path, subdomains=True)
    inside, outside = first.found(["https://www.a.example/x", "https://b.example/"], 1)
    first.frontier.add(inside, via="https://a.example/")
    assert outside == 1
    first.close()
    second = site(tmp_path)
    assert list(asked(second)) == ["/"]
    assert verdicts(second.frontier)["x"] == "denied"
    second.close()


# Rules of origins


def test_what_an_origin_answered_is_kept_as_it_came(frontier: Frontier) -> None:
    answer = Origin(200, "", "text/plain", b"\xff\x00User-agent: *", "", 12.5)
    frontier.keep_origin("https://a.example:8443", "/robots.txt", answer)
    assert frontier.origin("https://a.example:8443", "/robots.txt") == answer
    assert frontier.origin("https://a.example", "/robots.txt") is None
    assert frontier.origin("https://a.example:8443", "/tdm") is None
    newer = Origin(0, "unreachable", "", b"", "no address", 13.5)
    frontier.keep_origin("https://a.example:8443", "/robots.txt", newer)
    assert frontier.origin("https://a.example:8443", "/robots.txt") == newer


# What fails


def test_reading_changes_nothing(frontier: Frontier, path: Path) -> None:
    frontier.add(urls("1"))
    frontier.close()
    before = path.read_bytes()
    reading = Frontier(path, reading=True)
    for change in (
        lambda: reading.add(urls("2")),
        lambda: reading.settle(1, Settled("page")),
        lambda: reading.reopen(allow_all),
        lambda: reading.open_settings("x", allow_all),
        lambda: reading.note("x", "y"),
    ):
        with pytest.raises(YisangError, match="readonly"):
            change()
    assert reading.counts() == {"queued": 1}
    reading.close()
    assert path.read_bytes() == before


def test_a_second_writer_is_told_to_wait(frontier: Frontier, path: Path) -> None:
    other = Frontier(path)
    other._db.execute("PRAGMA busy_timeout = 0")
    with (
        frontier._transaction(),
        pytest.raises(YisangError, match=r"frontier\.sqlite cannot be read: database is locked\. If another crawl"),
    ):
        other.add(urls("1"))
    assert other.add(urls("1")) == 1
    other.close()


@pytest.mark.parametrize("reading", [False, True])
def test_a_damaged_file_is_told_in_words(path: Path, reading: bool) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"This is no database. " * 500)
    with pytest.raises(YisangError, match=r"frontier\.sqlite cannot be read: .* move .*a\.example away"):
        Frontier(path, reading=reading)
    assert path.read_bytes().startswith(b"This is no database.")


def test_damage_further_in_is_told_in_words_when_it_is_met(path: Path) -> None:
    frontier = Frontier(path)
    frontier.add(urls(*map(str, range(3_000))))
    frontier.close()
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2 :] = b"\xa5" * (len(whole) - len(whole) // 2)
    path.write_bytes(whole)
    with pytest.raises(YisangError, match=r"frontier\.sqlite cannot be read: .*malformed"):
        list(Frontier(path, reading=True).rows())


def test_a_file_of_another_schema_is_not_touched(path: Path) -> None:
    frontier = Frontier(path)
    frontier.note("schema", "7")
    frontier.close()
    for reading in (True, False):
        with pytest.raises(YisangError, match=r"was written with schema 7, this yisang reads 1"):
            Frontier(path, reading=reading)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT value FROM facts WHERE name = 'schema'").fetchone() == ("7",)
    assert module.SCHEMA == 1


def test_reading_what_is_not_there_makes_nothing(path: Path) -> None:
    path.parent.mkdir()
    with pytest.raises(YisangError, match="unable to open database file"):
        Frontier(path, reading=True)
    assert not path.exists()


def test_a_full_device_is_told_in_words_and_what_was_finished_stays(frontier: Frontier) -> None:
    frontier.add(urls("1"))
    frontier._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel refuses to let any file grow, as a full device does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(YisangError, match=r"frontier\.sqlite cannot be written: .* Free some space there"):
            frontier.add(urls(*map(str, range(5_000))))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert frontier.counts() == {"queued": 1}
    assert frontier.add(urls("2")) == 1
