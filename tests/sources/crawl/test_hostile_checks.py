"""What is expected of a crawler in the hostile web agrees with its pages, and a crawler that does not behave is seen."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest
from hostile import Web, hostile_web
from hostile_answers import Host, Request
from hostile_hosts import (
    HOSTS,
    choose,
    differences,
    expectations,
    normal,
    optional,
    repeats,
    violations,
)
from lxml import html


@pytest.fixture(scope="module")
def web(tmp_path_factory) -> Iterator[Web]:
    with hostile_web(tmp_path_factory.mktemp("web")) as running:
        yield running


def request(host: Host, target: str, count: int = 9, turn: int = 1) -> Request:
    return Request(host.name, target, {}, count, False, turn, 80, 0.0)


def entry(host: str, target: str, time: float = 1.0, **other: Any) -> dict[str, Any]:
    return {
        "host": host, "target": target, "time": time, "method": "GET", "agent": "yisang", "early": False, "done": True, "answered": time, **other,
    }  # fmt: skip


def test_there_are_more_hosts_than_twenty_four_and_each_has_a_name_of_its_own():
    assert len({host.name for host in HOSTS}) == len(HOSTS) >= 24


@pytest.mark.parametrize(
    ("host", "first"), [("calendar.example", "/calendar"), ("sessions.example", "/shop"), ("deeper.example", "/a/")]
)
def test_some_hosts_have_no_end(host, first):
    (found,) = choose(host)
    seen, todo = {first}, [first]
    while todo and len(seen) < 500:
        target = todo.pop(0)
        links = [
            normal(urljoin(found.url(target), link)).removeprefix(f"http://{host}") for link in _hrefs(found, target)
        ]
        todo += [link for link in links if link not in seen]
        seen |= set(links)
    assert len(seen) >= 500


def _hrefs(host: Host, target: str) -> list[str]:
    answer = host.answer(request(host, target))
    kind = dict(answer.headers).get("Content-Type", "")
    if not kind.startswith("text/html") or not answer.body or answer.framing == "raw":
        return [value for name, value in answer.headers if name == "Location"]
    tree = html.fromstring(answer.body, parser=html.HTMLParser(encoding="utf-8"))
    base = next(iter(tree.xpath("//base/@href")), "")
    return [
        urljoin(urljoin(host.url(target), base), link.strip()) for link in tree.xpath("//a/@href") if _is_address(link)
    ]


def _is_address(link: str) -> bool:
    try:
        return bool(urlsplit(urljoin("http://x/", link.strip())).hostname)
    except ValueError:
        return False


@pytest.mark.parametrize(
    "host",
    [host for host in HOSTS if host.complete and host.group not in ("sitemap", "feed")],
    ids=lambda host: host.name,
)
def test_expectations_name_what_links_lead_to_and_nothing_else(host):
    """A walk over the answers themselves, without a network and without manners, finds what the tables say."""
    seen = {normal(host.url(target)) for target in host.start}
    todo = list(seen)
    while todo:
        url = todo.pop()
        target = url.removeprefix(f"http://{host.name}")
        if host.forbids(target) or url.startswith("https"):
            continue
        for link in _hrefs(host, target):
            found = normal(urldefrag(urljoin(url, link)).url)
            if urlsplit(found).hostname == host.name and found not in seen:
                seen.add(found)
                todo.append(found)
    expected = expectations([host])
    hidden = {url for url in seen if host.forbids(urlsplit(url).path) and url not in expected}
    assert set(expected) - seen == set()
    assert seen - hidden - set(expected) - set(optional([host])) == set()


def test_an_entity_that_was_followed_is_told_from_one_that_was_left_out():
    (host,) = choose("maps-bomb")
    assert not host.forbids("/external/")
    assert host.forbids("/external/trapped")
    assert host.forbids("/trap.dtd")
    assert not host.forbids("/sound/1")


def test_what_is_expected_of_a_page_and_what_is_forbidden_agree():
    for host in HOSTS:
        for target, verdict in host.expected.items():
            if "page" in verdict.split("|") and "robots" not in verdict:
                assert not host.forbids(target), (host.name, target)
            if verdict == "robots":
                assert host.forbids(target), (host.name, target)


def test_sites_can_be_read_as_toml_and_lead_to_the_server(web, tmp_path):
    sites = tomllib.loads(web.write_sites(tmp_path / "SITES.toml", HOSTS, max_pages=7).read_text("utf-8"))
    assert (sites["crawl"]["agent"], sites["crawl"]["max_pages"]) == ("yisang", 7)
    assert [site["host"] for site in sites["site"]] == [host.name for host in HOSTS]
    addresses = {site["host"]: site["crawl"].get("address") for site in sites["site"]}
    assert addresses["plain.example"] == f"127.0.0.1:{web.port}"
    assert addresses["localhost"] is None
    assert sites["site"][0]["crawl"]["start"] == ["http://plain.example/"]


def test_a_registry_takes_the_entries(web, tmp_path):
    from yisang.filters.licence import Registry

    # What stands beside rights is read by others.
    text = re.sub(r"(?m)^\[(site\.)?crawl\]\n(?:[a-z_]+ = .*\n)*", "", web.sites_toml(HOSTS))
    path = tmp_path / "SITES.toml"
    path.write_text(text, encoding="utf-8")
    assert {site.licence.letter for site in Registry(path).sites.values()} == {"A"}


def test_a_crawl_as_expected_has_no_differences():
    right = {url: verdict.split("|")[0] or "page" for url, verdict in expectations(HOSTS).items()}
    assert differences(HOSTS, right) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"http://plain.example/docs/1": "http_404"}, "has the verdict http_404, not page."),
        ({"http://plain.example/docs/1": None}, "has no verdict; it should be page."),
        ({"http://plain.example/surprise": "page"}, "nobody has named it."),
        ({"http://plain.example/%7ejoe": "timeout"}, "has two verdicts: page and timeout."),
        ({"http://elsewhere.example/": "page"}, "nobody has named it."),
        ({"http://redirect-target.example/forbidden/moved": "page"}, "has the verdict page, not robots."),
    ],
)
def test_a_wrong_verdict_is_a_difference(change, what):
    verdicts = {url: verdict.split("|")[0] or "page" for url, verdict in expectations(HOSTS).items()} | change
    found = differences(HOSTS, {url: verdict for url, verdict in verdicts.items() if verdict})
    assert len(found) == 1
    assert what in found[0]


def test_spellings_of_one_address_are_one():
    for one, other in (
        ("HTTP://Plain.Example:80", "http://plain.example/"),
        ("http://a.example/%7ejoe?q=%7e#x", "http://a.example/~joe?q=~"),
        ("http://a.example/한글", "http://a.example/%ed%95%9c%ea%b8%80"),
    ):
        assert normal(one) == normal(other)
    assert normal("http://a.example/a%2Fb") != normal("http://a.example/a/b")


READ = entry("cold.example", "/robots.txt")


@pytest.mark.parametrize(
    ("log", "what"),
    [
        ([READ, entry("cold.example", "/forbidden/1", 2.0)], "cold.example/forbidden/1 is forbidden"),
        ([entry("cold.example", "/", 1.0), {**READ, "answered": 1.5}], "before robots.txt was answered"),
        ([{**READ, "answered": 1.5}, entry("cold.example", "/", 1.2)], "before robots.txt was answered"),
        (
            [{**READ, "done": False, "answered": None}, entry("cold.example", "/", 2.0)],
            "before robots.txt was answered",
        ),
        ([entry("elsewhere.example", "/")], "not in SITES"),
        ([entry("127.0.0.1:8080", "/trap")], "not in SITES"),
        ([READ, entry("cold.example", "/", 2.0, agent="Mozilla/5.0")], "does not name yisang"),
        ([READ, entry("cold.example", "/", 2.0, early=True)], "before the time of its Retry-After"),
        ([READ, entry("cold.example", "/", 2.0, method="POST")], "by POST"),
        ([READ, *[entry("cold.example", "/", 2.0 + n) for n in range(6)]], "6 times"),
        ([entry("localhost", "/", 2.0), entry("localhost", "/robots.txt")], "localhost/ is forbidden"),
    ],
)
def test_misbehaviour_is_seen_in_the_log(log, what):
    assert any(what in line for line in violations(choose("cold", "localhost"), log))


def test_a_crawler_that_behaves_has_nothing_held_against_it():
    log = [READ, entry("cold.example", "/.well-known/tdmrep.json", 1.1), entry("cold.example", "/", 2.0)]
    assert violations(choose("cold"), log) == []


def test_more_pages_than_the_budget_and_faster_than_asked_are_seen():
    calendar = [entry("calendar.example", "/robots.txt"), *[entry("calendar.example", f"/{n}", 2.0) for n in range(31)]]
    assert violations(choose("calendar"), calendar[:-1]) == []
    assert violations(choose("calendar"), calendar) == ["calendar.example was asked for 31 pages; 30 are the ceiling."]
    log = [
        entry("robots-gap.example", "/robots.txt"),
        *[entry("robots-gap.example", target, at) for target, at in (("/", 2.0), ("/one", 2.5), ("/two", 2.7))],
    ]
    assert violations(choose("robots-gap"), log[:-1]) == []
    assert "0.20 s after the page before it" in violations(choose("robots-gap"), log)[0]


def test_a_page_that_was_asked_for_twice_is_a_repeat():
    hosts = choose("plain")
    log = [
        entry("plain.example", "/~joe"),
        entry("plain.example", "/%7Ejoe"),
        entry("plain.example", "/docs/9"),
        entry("plain.example", "/"),
    ]
    assert repeats(hosts, log) == {"plain.example/~joe": 1}


def test_a_crawler_without_manners_is_caught(web, tmp_path):
    """The wrong twin of every crawler: it follows all links and redirects of a listed host at once and reads no rules."""
    hosts = choose("cold", "redirect", "nofollow", "robots-wildcards")
    before = len(web.log())
    for host in hosts:
        seen = {host.url(target) for target in host.start}
        todo = list(seen)
        while todo:
            url = urlsplit(todo.pop())
            if not url.hostname:
                continue
            name = url.netloc
            if url.hostname in ("localhost", "127.1", "2130706433", "0x7f000001", "0.0.0.0"):
                name = f"127.0.0.1:{url.port}"
            elif not url.hostname.endswith(".example"):
                continue
            answer, body = web.get(name, url.path or "/")
            links = [
                *re.findall(r'href="([^"]*)"', body.decode("utf-8", "replace")),
                *filter(None, [answer.getheader("Location")]),
            ]
            found = {urljoin(url.geturl(), link) for link in links} - seen
            seen |= found
            todo += found
    log = web.log()[before:]
    assert {entry["host"] for entry in log} > {host.name for host in hosts}
    assert differences(hosts, {"http://cold.example/": "page"}) != []
    caught = "\n".join(violations(hosts, log))
    for what in ("cold.example/forbidden/0 is forbidden", "before robots.txt was answered", "not in SITES was asked: 127.0.0.1:", "not in SITES was asked: elsewhere.example",
                 "nofollow.example/behind/meta is forbidden", "redirect.example/chain/60 is forbidden", "robots-wildcards.example/a.php is forbidden"):  # fmt: skip
        assert what in caught
