"""The hostile web is as hostile as it says, its log tells all, and its checks see a crawler that does not behave."""

from __future__ import annotations

import gzip
import http.client
import re
import socket
import subprocess
import sys
import tomllib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import brotli
import pytest
from hostile import Web, hostile_web
from hostile_answers import BOMB, Host, Request
from hostile_hosts import (
    HOSTS,
    RECRAWL_EXPECTED,
    choose,
    differences,
    expectations,
    host_named,
    normal,
    optional,
    polite,
    repeats,
    violations,
)
from lxml import html

AGENT = {"User-Agent": "yisang/0 (+mailto:crawl@tests.example)"}


@pytest.fixture(scope="module")
def web(tmp_path_factory) -> Iterator[Web]:
    with hostile_web(tmp_path_factory.mktemp("web")) as running:
        yield running


def get(
    web: Web, host: str, target: str, headers: dict[str, str] | None = None, timeout: float = 5
) -> tuple[http.client.HTTPResponse, bytes]:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=timeout)
    try:
        connection.request("GET", target, headers={"Host": host, **AGENT, **(headers or {})})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def speak(web: Web, host: str, target: str, most: int = 100_000) -> bytes:
    """What comes over the wire, up to `most` bytes."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=5) as line:
        line.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: yisang\r\n\r\n".encode())
        data = b""
        while len(data) < most and (piece := line.recv(65_536)):
            data += piece
        return data


def request(host: Host, target: str, count: int = 9, turn: int = 1) -> Request:
    return Request(host.name, target, {}, count, False, turn, 80, 0.0)


def entry(host: str, target: str, time: float = 1.0, **other: Any) -> dict[str, Any]:
    return {
        "host": host, "target": target, "time": time, "method": "GET", "agent": "yisang", "early": False, "done": True, "answered": time, **other,
    }  # fmt: skip


def test_there_are_more_hosts_than_twenty_four_and_each_has_a_name_of_its_own():
    assert len({host.name for host in HOSTS}) == len(HOSTS) >= 24


def test_the_command_prints_its_port_and_nothing_else(tmp_path):
    script = Path(__file__).with_name("hostile.py")
    command = [sys.executable, str(script), "--port", "0", "--log", str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline()
        process.terminate()
        assert 0 < int(port) < 65_536
        assert process.stdout.read() == ""


def test_each_request_is_in_the_log_before_its_answer(web):
    before = len(web.log())
    with socket.create_connection(("127.0.0.1", web.port), timeout=5) as line:
        line.sendall(
            b'GET /pause?x=1 HTTP/1.1\r\nHost: slow.example\r\nUser-Agent: me\r\nIf-None-Match: "a"\r\nAccept-Encoding: br\r\n\r\n'
        )
        assert line.recv(1)
        (asked,) = web.log()[before:]
    assert (asked["host"], asked["target"], asked["path"], asked["agent"]) == (
        "slow.example",
        "/pause?x=1",
        "/pause",
        "me",
    )
    assert (asked["if_none_match"], asked["accept_encoding"], asked["headers"]["host"]) == ('"a"', "br", "slow.example")


def test_an_answer_that_was_sent_whole_is_told_from_one_that_was_not(web):
    before = len(web.log())
    get(web, "plain.example", "/docs/2")
    speak(web, "odd.example", "/endless", most=1000)
    get(web, "plain.example", "/docs/3")  # its entry comes when the client of the endless answer has gone
    whole, cut, _ = web.log()[before:]
    assert (whole["done"], whole["sent"] > 400, whole["answered"] >= whole["time"]) == (True, True, True)
    assert (cut["target"], cut["done"]) == ("/endless", False)


def test_clients_that_die_do_no_harm(web):
    for target in ("/endless", "/endless-chunks", "/header-endless", "/big"):
        for _ in range(5):
            line = socket.create_connection(("127.0.0.1", web.port), timeout=5)
            line.sendall(f"GET {target} HTTP/1.1\r\nHost: odd.example\r\n\r\n".encode())
            line.recv(100)
            # Reset instead of a farewell, as a killed process leaves it with unread data.
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            line.close()
    for junk in (b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"\r\n\r\n", b"G"):
        with socket.create_connection(("127.0.0.1", web.port), timeout=5) as line:
            line.sendall(junk)
    assert get(web, "plain.example", "/")[0].status == 200


def test_a_connection_takes_several_requests(web):
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=5)
    try:
        for target in ("/", "/docs/1", "/docs/99"):
            connection.request("GET", target, headers={"Host": "plain.example"})
            answer = connection.getresponse()
            assert (answer.status, len(answer.read()) > 100) == (404 if target == "/docs/99" else 200, True)
    finally:
        connection.close()


@pytest.mark.parametrize("target", ["/bomb/gzip", "/bomb/gzip-chunked", "/bomb/deflate", "/bomb/brotli"])
def test_a_bomb_is_small_on_the_wire_and_unpacks_to_256_mib(web, target):
    answer, packed = get(web, "packed.example", target)
    unpack = {"gzip": lambda: zlib.decompressobj(31), "deflate": zlib.decompressobj, "br": brotli.Decompressor}[
        str(answer.getheader("Content-Encoding"))
    ]()
    size = 0
    for at in range(0, len(packed), 1024):
        piece = packed[at : at + 1024]
        size += len(unpack.process(piece) if isinstance(unpack, brotli.Decompressor) else unpack.decompress(piece))
    assert len(packed) < 300_000
    assert BOMB <= size < BOMB + 1000


def test_a_bomb_within_gzip_is_a_bomb(web):
    _, packed = get(web, "packed.example", "/bomb/twice")
    assert len(packed) < 5000
    inner = gzip.decompress(packed)
    assert zlib.decompressobj(31).decompress(inner, 4 * 1024 * 1024)[-1000:] == b" " * 1000


def test_the_sitemap_bomb_unpacks_to_more_than_a_hundred_megabytes(web):
    _, packed = get(web, "maps-bomb.example", "/bomb.xml.gz")
    assert len(packed) < 3_000_000
    size = 0
    unpack = zlib.decompressobj(31)
    for at in range(0, len(packed), 4096):
        size += len(unpack.decompress(packed[at : at + 4096]))
    assert size > 100_000_000


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


def test_pages_of_many_character_sets_hold_the_sentence():
    (host,) = choose("charset")
    codecs = {
        "/mark-16": "utf-16",
        "/header-lies": "euc-kr",
        "/header-right": "euc-kr",
        "/meta-right": "cp949",
        "/nothing-euckr": "euc-kr",
        "/quoted": "euc-kr",
    }
    for target, sentence in host.text.items():
        assert sentence in host.answer(request(host, target)).body.decode(codecs.get(target, "utf-8-sig"))
    # One that lies cannot be read as it says.
    with pytest.raises(UnicodeDecodeError):
        host.answer(request(host, "/header-lies")).body.decode("utf-8")


def test_retry_after_is_held_against_who_comes_too_soon(web):
    before = len(web.log())
    first, _ = get(web, "later.example", "/429-seconds")
    second, _ = get(web, "later.example", "/429-seconds")
    asked = web.log()[before:]
    assert (first.status, first.getheader("Retry-After"), second.status) == (429, "1", 429)
    assert [one["early"] for one in asked] == [False, True]
    assert [line for line in violations(choose("later"), asked) if "Retry-After" in line] == [
        "later.example/429-seconds was asked for again before the time of its Retry-After."
    ]


def test_one_who_waits_gets_the_page():
    (host,) = choose("later")
    for target in ("/429-seconds", "/503-seconds", "/429-date", "/503-date", "/500-once"):
        assert [host.answer(request(host, target, count)).status for count in (1, 2)] in (
            [429, 200],
            [503, 200],
            [500, 200],
        )
    date = dict(host.answer(request(host, "/503-date", 1)).headers)["Retry-After"]
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", date)


def test_a_second_turn_changes_what_it_says_it_changes(web):
    def visit(known: dict[str, str]) -> dict[str, int]:
        return {
            target: get(web, "recrawl.example", target, {"If-None-Match": known[target]} if target in known else {})[
                0
            ].status
            for target in RECRAWL_EXPECTED
        }

    assert visit({}) == dict.fromkeys(RECRAWL_EXPECTED, 200) | {"/new": 404}
    tags = {"/tagged": '"print-1"', "/changed": '"print-1"', "/same-body": 'W/"turn-1"'}
    assert visit(tags) == dict.fromkeys(RECRAWL_EXPECTED, 200) | {"/tagged": 304, "/changed": 304, "/new": 404}
    web.turn(2)
    try:
        assert visit(tags) == dict.fromkeys(RECRAWL_EXPECTED, 200) | {"/tagged": 304, "/gone-later": 410}
        day = {"If-Modified-Since": "Sun, 01 Nov 2026 09:00:00 GMT"}
        assert get(web, "recrawl.example", "/dated", day)[0].status == 304
    finally:
        web.turn(1)


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("/length-short", rb"(?s).*Content-Length: 40\r\n.*\r\n\r\n.{41,}"),
        ("/chunk-cut", rb"(?s).*\r\n1000\r\nabc"),
        ("/header-bytes", rb"(?s).*X-Bytes: \xff\xfe\x80\x01\r\n.*"),
        ("/nothing", rb""),
        ("/http-1.0", rb"(?s)HTTP/1\.0 200 OK\r\n(?!.*Content-Length).*"),
        ("/headers", rb"(?s).*X-Header-4999: x+\r\n.*"),
        ("/garbage", rb"(?s)\x16\x03\x01.*"),
    ],
)
def test_answers_break_http_as_they_say(web, target, what):
    with socket.create_connection(("127.0.0.1", web.port), timeout=5) as line:
        line.sendall(f"GET {target} HTTP/1.1\r\nHost: odd.example\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while piece := line.recv(65_536):
            data += piece
    assert re.fullmatch(what, data)


def test_endless_answers_go_on(web):
    for target in ("/endless", "/endless-chunks", "/header-endless"):
        assert len(speak(web, "odd.example", target, most=10_000_000)) >= 10_000_000


def test_a_rule_stands_behind_500_kib():
    (host,) = choose("robots-huge")
    body = host.answer(request(host, "/robots.txt")).body
    assert 600 * 1024 <= len(body) < 601 * 1024
    assert body.index(b"/middle") < 500 * 1024 < body.index(b"/late")


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


def test_the_polite_web_is_large_and_linked(web):
    host = polite(1, 50)[0]
    assert host_named(host.name) == host
    seen, todo = {"/"}, ["/"]
    while todo:
        target = todo.pop()
        _, body = get(web, host.name, target)
        links = set(re.findall(rb'href="(/p/\d+)"', body))
        todo += [link for link in (found.decode() for found in links) if link not in seen]
        seen |= {found.decode() for found in links}
    assert {host.url(target) for target in seen} == set(expectations([host]))
    assert get(web, host.name, "/p/50")[0].status == 404


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
            answer, body = get(web, name, url.path or "/")
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
