"""The hostile web is as hostile as it says, and its log tells all."""

from __future__ import annotations

import gzip
import http.client
import re
import socket
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import brotli
import pytest
from hostile import Web, hostile_web
from hostile_answers import BOMB, Host, Request
from hostile_hosts import (
    RECRAWL_EXPECTED,
    choose,
    expectations,
    host_named,
    polite,
    violations,
)


@pytest.fixture(scope="module")
def web(tmp_path_factory) -> Iterator[Web]:
    with hostile_web(tmp_path_factory.mktemp("web")) as running:
        yield running


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
    web.get("plain.example", "/docs/2")
    speak(web, "odd.example", "/endless", most=1000)
    web.get("plain.example", "/docs/3")  # its entry comes when the client of the endless answer has gone
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
    assert web.get("plain.example", "/")[0].status == 200


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
    answer, packed = web.get("packed.example", target)
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
    _, packed = web.get("packed.example", "/bomb/twice")
    assert len(packed) < 5000
    inner = gzip.decompress(packed)
    assert zlib.decompressobj(31).decompress(inner, 4 * 1024 * 1024)[-1000:] == b" " * 1000


def test_the_sitemap_bomb_unpacks_to_more_than_a_hundred_megabytes(web):
    _, packed = web.get("maps-bomb.example", "/bomb.xml.gz")
    assert len(packed) < 3_000_000
    size = 0
    unpack = zlib.decompressobj(31)
    for at in range(0, len(packed), 4096):
        size += len(unpack.decompress(packed[at : at + 4096]))
    assert size > 100_000_000


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
    first, _ = web.get("later.example", "/429-seconds")
    second, _ = web.get("later.example", "/429-seconds")
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
            target: web.get("recrawl.example", target, {"If-None-Match": known[target]} if target in known else {})[
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
        assert web.get("recrawl.example", "/dated", day)[0].status == 304
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


def test_the_polite_web_is_large_and_linked(web):
    host = polite(1, 50)[0]
    assert host_named(host.name) == host
    seen, todo = {"/"}, ["/"]
    while todo:
        target = todo.pop()
        _, body = web.get(host.name, target)
        links = set(re.findall(rb'href="(/p/\d+)"', body))
        todo += [link for link in (found.decode() for found in links) if link not in seen]
        seen |= {found.decode() for found in links}
    assert {host.url(target) for target in seen} == set(expectations([host]))
    assert web.get(host.name, "/p/50")[0].status == 404
