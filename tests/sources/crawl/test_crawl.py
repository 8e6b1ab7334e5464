"""The crawl as its user starts it, against real servers that mean it ill: it ends, each URL has one verdict, nothing forbidden was asked for."""

from __future__ import annotations

import gzip
import json
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from conftest import Crawled, command, rows, run
from hostile import Web
from hostile_hosts import RECRAWL, RECRAWL_EXPECTED, choose, differences, normal, polite, repeats, violations
from warcio.archiveiterator import ArchiveIterator

from yisang.quickstart.server import serve
from yisang.quickstart.web import Response
from yisang.records import Drop, Page
from yisang.sources.base import PassedOver
from yisang.sources.crawl import Crawl
from yisang.sources.crawl.frontier import VERDICTS
from yisang.sources.decode import decode
from yisang.sources.rights.signals import stored
from yisang.sources.warc import Warc

TWINS = Path(__file__).parent / "scrapy_twins.py"


# The whole hostile web


def test_the_crawl_ends_and_each_url_has_one_verdict(hostile: Crawled) -> None:
    # 3: one host asked to be left alone for a day, so its URLs are still queued; the same command goes on from there.
    assert hostile.done.returncode == 3, hostile.done.stderr
    assert len(hostile.hosts) >= 20
    verdicts = [(row["url"], row["verdict"] or "queued") for row in hostile.rows()]
    assert differences(hostile.hosts, verdicts) == []
    assert {name for _, name in verdicts if not name.startswith("http_")} <= {*VERDICTS, "queued"}
    assert {url for url, name in verdicts if name == "queued"} == {
        "http://tomorrow.example/day",
        "http://tomorrow.example/year",
    }
    assert "tomorrow.example is left for another day" in hostile.done.stderr


def test_nothing_forbidden_was_asked_for(hostile: Crawled) -> None:
    assert violations(hostile.hosts, hostile.log) == []
    # The check can fail: a request that the server saw, had it been one for a forbidden path.
    cold = next(entry for entry in hostile.log if entry["host"] == "cold.example" and entry["target"] == "/")
    assert violations(hostile.hosts, [*hostile.log, {**cold, "target": "/forbidden/1"}])


def test_the_rule_that_decided_is_stored_with_its_text(hostile: Crawled) -> None:
    for row in hostile.rows():
        if row["verdict"] in ("robots", "opt_out"):
            rights = stored(row["rights"])
            assert rights is not None, row["url"]
            assert rights.deciding is not None, row["url"]
            assert (row["rule"], bool(row["why"])) == (rights.deciding.rule, True)
        if row["verdict"] == "page":
            rights = stored(row["rights"])
            assert rights is not None, row["url"]
            assert rights.allowed, row["url"]
    by_robots = {
        row["url"]: row["rule"] for row in hostile.rows("robots-wildcards.example") if row["verdict"] == "robots"
    }
    assert by_robots["http://robots-wildcards.example/shop/7/basket"] == "Disallow: /shop/*/basket"
    assert by_robots["http://robots-wildcards.example/loose"] == "disallow : /loose   # with a comment"


def test_the_body_of_a_page_that_says_no_is_kept_nowhere(hostile: Crawled) -> None:
    refused = {row["url"] for row in hostile.rows() if row["verdict"] == "opt_out"}
    assert len(refused) >= 20
    for path in hostile.out.glob("*/*.warc.gz"):
        with path.open("rb") as file:
            for record in ArchiveIterator(file):
                url = record.rec_headers.get_header("WARC-Target-URI")
                if record.rec_type == "response" and url in refused:
                    assert record.content_stream().read() == b"", url
                    assert record.rec_headers.get_header("WARC-Truncated") == "unspecified"


def test_charset_lies_do_not_change_a_letter(hostile: Crawled) -> None:
    wanted = {host.url(target): text for host in hostile.hosts for target, text in host.text.items()}
    assert len(wanted) >= 8
    source = Crawl(folder=str(hostile.out))
    pages = {
        normal(page.url): page
        for shard in source.shards()
        if shard.path in {host.name for host in hostile.hosts if host.text}
        for page in source.read(shard)
        if isinstance(page, Page)
    }
    read = [url for url in wanted if normal(url) in pages]
    assert len(read) >= 8
    for url in read:
        page = pages[normal(url)]
        assert wanted[url] in decode(page.body, page.headers.get("content-type")).text, url


def test_the_warc_is_read_by_warcio_with_its_digests(hostile: Crawled) -> None:
    kinds: Counter[str] = Counter()
    for path in hostile.out.glob("*/*.warc.gz"):
        answers: dict[str, str] = {}
        together: list[tuple[str, str]] = []
        with path.open("rb") as file:
            for record in ArchiveIterator(file, check_digests="raise"):
                kinds[record.rec_type] += 1
                assert record.rec_headers.protocol == "WARC/1.1"
                url = record.rec_headers.get_header("WARC-Target-URI")
                if record.rec_type in ("response", "revisit"):
                    answers[record.rec_headers.get_header("WARC-Record-ID")] = url
                elif record.rec_type in ("request", "metadata"):
                    together.append((record.rec_headers.get_header("WARC-Concurrent-To"), url))
                record.raw_stream.read()
        assert {of: answers.get(of) for of, _ in together} == dict(together)
    assert kinds["response"] == kinds["request"] == kinds["metadata"] >= 400
    assert kinds["warcinfo"] == len(list(hostile.out.glob("*/*.warc.gz")))


def test_the_rights_stand_in_the_warc_too(hostile: Crawled) -> None:
    source = Warc(str(hostile.out / "plain.example"))
    pages = [page for shard in source.shards() for page in source.read(shard) if isinstance(page, Page)]
    judged = [stored(page.rights) for page in pages if page.rights]
    assert len(judged) >= 40
    assert all(rights is not None and rights.allowed for rights in judged)


def test_pages_come_with_their_licence_and_its_evidence(hostile: Crawled) -> None:
    """Of the host's entry, as these pages state none; docs/registry.md says how a page's own statement lowers it."""
    (shard,) = [shard for shard in Crawl(folder=str(hostile.out)).shards() if shard.path == "plain.example"]
    pages = [page for page in Crawl(folder=str(hostile.out)).read(shard) if isinstance(page, Page)]
    assert {(page.licence.id, page.licence.letter, page.category) for page in pages} == {("CC-BY-SA-4.0", "A", "Daily")}
    assert {page.measures["page_licence_agreement"] for page in pages} == {"none"}
    with (hostile.out / "plain.example" / "plain.example-00000.warc.gz").open("rb") as file:
        told = [record.raw_stream.read() for record in ArchiveIterator(file) if record.rec_type == "metadata"]
    assert sum(b'licence: {"licence":{"id":"CC-BY-SA-4.0"' in text for text in told) == len(pages)


# Killed, stopped, started twice


def test_a_killed_crawl_goes_on_and_asks_for_nothing_twice_but_what_was_in_flight(tmp_path: Path) -> None:
    from bench.crawl import killed_crawl

    found = killed_crawl(tmp_path, kills=4, hosts=3, pages=60, seed=7)
    assert found["kills"] == 4
    assert found["in flight at the kills"] <= found["allowed in flight"]
    assert found["asked twice"] <= found["in flight at the kills"]
    assert found["pages lost"] == found["records unread"] == 0


def test_a_torn_record_at_the_end_is_cut_off(web: Web, tmp_path: Path) -> None:
    hosts = choose("plain")
    sites = web.write_sites(tmp_path / "SITES.toml", hosts, max_pages=10)
    out = tmp_path / "out"
    assert run(sites, out).returncode == 0
    path = out / "plain.example" / "plain.example-00000.warc.gz"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    sites = web.write_sites(tmp_path / "SITES.toml", hosts)
    done = run(sites, out)
    assert done.returncode == 0, done.stderr
    assert f"cut {len(whole) // 2} bytes off the WARC" in done.stderr
    assert path.read_bytes().startswith(whole)
    assert gzip.decompress(path.read_bytes())
    assert differences(hosts, [(row["url"], row["verdict"]) for row in rows(out)]) == []


def test_a_signal_stops_it_and_the_same_command_goes_on(web: Web, tmp_path: Path) -> None:
    hosts = polite(1, 40)
    sites = web.write_sites(tmp_path / "SITES.toml", hosts, delay=0.05)
    process = subprocess.Popen(command(sites, tmp_path / "out"), stderr=subprocess.PIPE, text=True)
    while len(web.log()) < 8 and process.poll() is None:
        pass
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 3, told
    assert "Stopping by SIGINT" in told
    assert "the same command goes on from there" in told
    assert run(sites, tmp_path / "out").returncode == 0
    assert {row["verdict"] for row in rows(tmp_path / "out")} == {"page"}
    # What was in flight at the signal was finished, so nothing was asked for twice.
    assert max(Counter(entry["target"] for entry in web.log()).values()) == 1
    asked = len(web.log())
    again = run(sites, tmp_path / "out")
    assert (again.returncode, len(web.log())) == (0, asked)
    assert "Everything was crawled before" in again.stderr


def test_a_larger_budget_goes_on_where_the_smaller_one_ended(web: Web, tmp_path: Path) -> None:
    hosts = polite(1, 40)
    for most, verdicts in ((10, {"page": 10, "over_budget": 7}), (100, {"page": 40})):
        sites = web.write_sites(tmp_path / "SITES.toml", [*hosts], concurrency=1)
        sites.write_text(sites.read_text().replace("max_pages = 50", f"max_pages = {most}"))
        assert run(sites, tmp_path / "out").returncode == 0
        assert Counter(row["verdict"] for row in rows(tmp_path / "out")) == verdicts


def test_two_crawls_of_one_host_do_not_run_side_by_side(web: Web, tmp_path: Path) -> None:
    sites = web.write_sites(tmp_path / "SITES.toml", polite(1, 40), delay=0.2)
    with subprocess.Popen(command(sites, tmp_path / "out"), stderr=subprocess.DEVNULL) as first:
        while len(web.log()) < 3 and first.poll() is None:
            pass
        second = run(sites, tmp_path / "out")
        first.kill()
    assert second.returncode == 1
    assert "is being crawled into" in second.stderr


def test_terms_that_were_read_long_ago_are_told_before_anything_is_asked(web: Web, tmp_path: Path) -> None:
    sites = web.write_sites(tmp_path / "SITES.toml", polite(1, 2))
    sites.write_text(re.sub(r'date = "[0-9-]+"', 'date = "2020-02-29"', sites.read_text()))
    done = run(sites, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "were read more than a year ago: polite0-2.example (2020-02-29)" in done.stderr


# Once more, by what has changed


def test_a_second_crawl_asks_conditionally_and_writes_revisits(web: Web, tmp_path: Path) -> None:
    sites = web.write_sites(tmp_path / "SITES.toml", [RECRAWL])
    out = tmp_path / "out"
    assert run(sites, out).returncode == 0
    first = Crawl(folder=str(out))
    before = {page.url: page for shard in first.shards() for page in first.read(shard) if isinstance(page, Page)}
    inputs = first.inputs()
    web.turn(2)
    asked = len(web.log())
    done = run(sites, out, "--again", "--json")
    assert done.returncode == 0, done.stderr
    wanted = {normal(RECRAWL.url(target)): verdict for target, verdict in RECRAWL_EXPECTED.items()}
    found = {normal(row["url"]): row["verdict"] for row in rows(out)}
    assert {url: found.get(url) for url in wanted} == wanted
    seen = {entry["target"]: entry for entry in web.log()[asked:]}
    assert seen["/tagged"]["if_none_match"]
    assert seen["/dated"]["if_modified_since"]
    revisits: dict[str, str] = {}
    with (out / "recrawl.example" / "recrawl.example-00000.warc.gz").open("rb") as file:
        for record in ArchiveIterator(file, check_digests="raise"):
            if record.rec_type == "revisit":
                url = record.rec_headers.get_header("WARC-Target-URI")
                revisits[url.removeprefix("http://recrawl.example")] = record.rec_headers.get_header("WARC-Profile")
                assert record.rec_headers.get_header("WARC-Refers-To-Target-URI") == url
                assert record.rec_headers.get_header("WARC-Refers-To-Date") == before[url].fetched
    assert {target: profile.rsplit("/", 1)[1] for target, profile in revisits.items()} == {
        "/tagged": "server-not-modified",
        "/dated": "server-not-modified",
        "/same-body": "identical-payload-digest",
    }
    second = Crawl(folder=str(out))
    after = {page.url: page for shard in second.shards() for page in second.read(shard) if isinstance(page, Page)}
    changed = {url for url in before if url not in after or before[url].body != after[url].body}
    assert {url.removeprefix("http://recrawl.example") for url in changed} == {"/", "/changed", "/gone-later"}
    assert second.inputs() != inputs


def test_a_page_that_has_not_changed_gets_the_letter_that_its_host_has_now(web: Web, tmp_path: Path) -> None:
    sites, out = web.write_sites(tmp_path / "SITES.toml", [RECRAWL]), tmp_path / "out"
    assert run(sites, out).returncode == 0
    # Its owner has changed the terms.
    sites.write_text(sites.read_text().replace('letter = "A"', 'letter = "C"'))
    assert run(sites, out, "--again").returncode == 0
    source = Crawl(folder=str(out))
    pages = [page for shard in source.shards() for page in source.read(shard) if isinstance(page, Page)]
    assert {page.url.partition(".example")[2]: page.licence.letter for page in pages} == dict.fromkeys(
        RECRAWL.expected, "C"
    )


def test_a_day_on_which_a_site_is_down_does_not_cost_its_pages(tmp_path: Path) -> None:
    """What says no, or is gone, leaves; what cannot be asked for stands as it was."""
    html = (("Content-Type", "text/html; charset=utf-8"),)
    names = ("", "down", "gone", "no")
    pages = {("a.example", f"/{name}"): Response(200, html, f"<p>{name}".encode()) for name in names}
    sites = tmp_path / "SITES.toml"
    start = json.dumps([f"http://a.example/{name}" for name in names])
    sites.write_text(
        '[crawl]\ncontact = "mailto:a@b.example"\ndelay = 0.0\ntries = 2\nretry_delay = 0.0\n[[site]]\nhost = "a.example"\n'
        'licence = "CC0-1.0"\nletter = "A"\ncategory = "x"\nevidence = "y"\ndate = "2026-11-22"\n'
        f"[site.crawl]\nstart = {start}\n"
    )
    down = Response(503, (), b"")
    turns = [
        ({}, set(names)),
        (
            {
                "down": down,
                "gone": Response(410, (), b""),
                "no": Response(200, (("X-Robots-Tag", "noai"), *html), b"no"),
            },
            {"", "down"},
        ),
        ({"robots.txt": down}, {"", "down"}),
    ]
    for number, (changes, kept) in enumerate(turns):
        web_of_today = pages | {("a.example", f"/{name}"): answer for name, answer in changes.items()}
        with serve(web_of_today) as (ip, port):
            more = ["--again"] if number else []
            assert run(sites, tmp_path / "out", "--connect-to", f"{ip}:{port}", *more).returncode == 0
        source = Crawl(folder=str(tmp_path / "out"))
        (shard,) = source.shards()
        items = list(source.read(shard))
        assert {item.url.rpartition("/")[2] for item in items if isinstance(item, Page)} == kept
        assert source.count(shard) == sum(not isinstance(item, PassedOver) for item in items)
    (row,) = [row for row in rows(tmp_path / "out") if row["url"].endswith("/down")]
    assert "not asked for again" in row["why"]


# As a source of a recipe

RECIPE = """
from yisang.pipelines.curate import Corpus
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.steps import Each
from yisang.quickstart.server import serve
from yisang.quickstart.web import Response
from yisang.records import Drop, Page
from yisang.sources.crawl import Crawl


def whole(page: Page) -> Page | Drop:
    return page if page.body else Drop("empty")


def build() -> Recipe:
    return Recipe(name="crawled", version="1", source=Crawl("SITES.toml", "pages"), steps=(Each(whole),), sink=Corpus(title="Crawled", language="ko"))
"""


def test_a_recipe_crawls_what_is_not_crawled_yet_and_its_books_balance(web: Web, tmp_path: Path) -> None:
    hosts = choose("plain", "tagged", "cold")
    web.write_sites(tmp_path / "SITES.toml", hosts)
    (tmp_path / "recipe.py").write_text(RECIPE)
    line = [sys.executable, "-m", "yisang", "run", "recipe.py", "--out", "out", "--workers", "2"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    books = json.loads((tmp_path / "out" / "books.json").read_text())
    verdicts = Counter(row["verdict"] for row in rows(tmp_path / "pages"))
    (source,) = books["sources"]
    assert source["read"] == source["counted"] == verdicts["page"] + verdicts["opt_out"]
    assert source["passed_over"] == {name: n for name, n in verdicts.items() if name not in ("page", "opt_out")}
    assert books["steps"][0]["dropped"] == {"opt_out": verdicts["opt_out"]}
    asked = len(web.log())
    again = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
    assert "Everything is done already" in again.stderr
    assert len(web.log()) == asked


def test_a_limit_crawls_no_more_hosts_than_it_needs(web: Web, tmp_path: Path) -> None:
    hosts = polite(3, 10)
    web.write_sites(tmp_path / "SITES.toml", hosts)
    (tmp_path / "recipe.py").write_text(RECIPE)
    line = [sys.executable, "-m", "yisang", "run", "recipe.py", "--out", "out", "--limit", "5"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "books.json").read_text())["sources"][0]["read"] == 5
    assert len({entry["host"] for entry in web.log()}) == 1


def test_without_sites_only_what_lies_there_is_read(hostile: Crawled) -> None:
    source = Crawl(folder=str(hostile.out))
    assert [shard.path for shard in source.shards()] == sorted(host.name for host in hostile.hosts)
    (shard,) = [shard for shard in source.shards() if shard.path == "tagged.example"]
    items = list(source.read(shard))
    refused = [item for item in items if isinstance(item, Drop)]
    assert source.count(shard) == sum(not isinstance(item, PassedOver) for item in items)
    assert {drop.reason for drop in refused} == {"opt_out"}
    assert all(drop.evidence["rule"] and drop.record is not None for drop in refused)


def test_a_crawl_that_is_not_at_its_end_is_not_read_as_if_it_were(hostile: Crawled) -> None:
    source = Crawl(folder=str(hostile.out))
    (shard,) = [shard for shard in source.shards() if shard.path == "tomorrow.example"]
    with pytest.raises(Exception, match="is not at its end: 2 URLs are still to be asked for"):
        list(source.read(shard))


# What Scrapy does by itself


def twin(name: str, url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TWINS), name, url, str(folder)], capture_output=True, text=True, timeout=120
    )


def test_scrapys_robots_middleware_asks_a_cold_host_for_forbidden_paths(web: Web, tmp_path: Path) -> None:
    """Why the gate is ours: the check of this module sees it."""
    hosts = choose("cold")
    done = twin("robots", f"127.0.0.1:{web.port}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert any("is forbidden and was asked for" in line for line in violations(hosts, web.log()))


def test_scrapy_reads_a_robots_txt_of_status_503_as_rules(web: Web, tmp_path: Path) -> None:
    hosts = choose("robots-503")
    done = twin("unavailable", f"127.0.0.1:{web.port}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert any("is forbidden and was asked for" in line for line in violations(hosts, web.log()))


def test_scrapys_jobdir_loses_the_queue_of_a_killed_crawl(web: Web, tmp_path: Path) -> None:
    """What it does then hangs on what of `requests.seen` was flushed: it asks for all once more, or for nothing and ends well."""
    address, hosts = f"127.0.0.1:{web.port}", polite(1, 60)
    with subprocess.Popen([sys.executable, str(TWINS), "jobdir", address, str(tmp_path)]) as process:
        while len(web.log()) < 12 and process.poll() is None:
            pass
        process.kill()
    assert twin("jobdir", address, tmp_path).returncode == 0
    lost = 60 - len({entry["target"] for entry in web.log() if entry["host"] == hosts[0].name})
    # One was in flight at the kill.
    assert lost or sum(repeats(hosts, web.log()).values()) > 1
