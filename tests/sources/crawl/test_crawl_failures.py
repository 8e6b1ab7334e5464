"""Crawls that fail half way, or meet what no well-meant server sends: told in words, and nothing is lost or said that is not so."""

from __future__ import annotations

import datetime
import gzip
import random
import resource
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import command, rows, run
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from yisang.records import Page
from yisang.sources.base import PassedOver
from yisang.sources.crawl import Crawl

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """Answers each path by a function, and 404 else; keeps what it was asked for."""

    def __init__(self, answers: dict[str, Answer]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked = answers, list[str]()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle is what these tests are about."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path in self.server.answers:
            self.server.answers[self.path](self)
        else:
            self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        return


def page(body: bytes) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def started(answers: dict[str, Answer], context: ssl.SSLContext | None = None) -> Server:
        server = Server(answers)
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    yield started
    for server in servers:
        server.shutdown()
        server.server_close()


def sites(folder: Path, server: Server, scheme: str = "http", **settings: object) -> Path:
    path = folder / "SITES.toml"
    given = "\n".join(
        f"{key} = {value}" for key, value in ({"delay": 0, "retry_delay": 0, "tries": 2} | settings).items()
    )
    path.write_text(
        f'[crawl]\ncontact = "mailto:you@example.org"\n{given}\n[[site]]\nhost = "a.example"\nlicence = "CC-BY-4.0"\nletter = "A"\n'
        'category = "Science"\nevidence = "Its footer says so."\ndate = "2026-11-01"\n'
        f'[site.crawl]\nstart = ["{scheme}://a.example/"]\naddress = "127.0.0.1:{server.server_address[1]}"\n'
    )
    return path


def verdicts(out: Path) -> dict[str, str | None]:
    return {row["url"].partition("a.example")[2]: row["verdict"] for row in rows(out)}


# A full device


@pytest.mark.parametrize(
    ("size", "limit", "file"),
    [(200_000, 700_000, "a.example-00000.warc.gz"), (100, 90_000, "frontier.sqlite")],
    ids=["of the WARC", "of the frontier"],
)
def test_a_full_device_ends_the_crawl_in_words_and_the_same_command_goes_on(
    serve: Callable[..., Server], tmp_path: Path, size: int, limit: int, file: str
) -> None:
    noise, names = random.Random(7), [f"/{number}" for number in range(12)]
    links = "".join(f"<a href={name}>" for name in names).encode()
    bodies = {name: f"<p>{name}".encode() + noise.randbytes(size).replace(b"<", b" ") for name in names}
    server = serve({"/": page(links)} | {name: page(body) for name, body in bodies.items()})
    path, out = sites(tmp_path, server), tmp_path / "out"

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    line = command(path, out)
    full = subprocess.run(line, capture_output=True, text=True, timeout=120, preexec_fn=no_room)
    assert full.returncode == 1, full.stderr
    assert file in full.stderr
    assert "the same command goes on from it" in full.stderr
    assert "Traceback" not in full.stderr
    # It did not go on asking, and said nothing of what it could not write.
    assert len(set(server.asked)) < len(names)
    assert {verdict for verdict in verdicts(out).values() if verdict} <= {"page"}
    done = run(path, out)
    assert done.returncode == 0, done.stderr
    assert verdicts(out) == dict.fromkeys(["/", *names], "page")
    # Only what was in flight when it ended was asked for twice.
    assert sum(count - 1 for name, count in Counter(server.asked).items() if name in ("/", *names)) <= 1
    (shard,) = Crawl(folder=str(out)).shards()
    found = {
        item.url.partition("a.example")[2]: item.body
        for item in Crawl(folder=str(out)).read(shard)
        if isinstance(item, Page)
    }
    assert found == {"/": links} | bodies
    for warc in (out / "a.example").glob("*.warc.gz"):
        assert gzip.decompress(warc.read_bytes())


# Heads


def endless(start: bytes, piece: bytes) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(start)
        while True:  # until the client hangs up
            handler.wfile.write(piece)

    return answer


def long(handler: BaseHTTPRequestHandler) -> None:
    """A head of 200 KB, which is foolish and no more, with values beyond ASCII."""
    fields = b"".join(b"X-%d: %s\r\n" % (number, b"v" * 1000) for number in range(200))
    body = b"<p>whole</p>"
    handler.wfile.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-Title: \xed\x95\x9c\xea\xb8\x80\r\nX-Old: \xe9\r\n" + fields
    )
    handler.wfile.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))


def test_a_head_that_never_ends_is_too_large_and_a_long_one_is_read(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    hostile = {
        "/fields": endless(b"HTTP/1.1 200 OK\r\n", b"X-Field: value\r\n" * 1000),
        "/folded": endless(b"HTTP/1.1 200 OK\r\nX-Field: a\r\n", b" more\r\n" * 1000),
        "/continue": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    }
    links = "".join(f"<a href={name}>" for name in [*hostile, "/long"]).encode()
    server = serve(hostile | {"/": page(links), "/long": long})
    out = tmp_path / "out"
    done = run(sites(tmp_path, server, timeout=30), out)
    assert done.returncode == 0, done.stderr
    assert verdicts(out) == {"/": "page", "/long": "page"} | dict.fromkeys(hostile, "too_large")
    # Another try cannot help.
    assert max(Counter(server.asked).values()) == 1
    (shard,) = Crawl(folder=str(out)).shards()
    headers = {item.url[-5:]: item.headers for item in Crawl(folder=str(out)).read(shard) if isinstance(item, Page)}[
        "/long"
    ]
    assert (headers["x-title"], headers["x-old"], len(headers["x-199"])) == ("한글", "é", 1000)


# Certificates


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a.example")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(secret + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


def test_a_site_whose_certificate_nobody_vouches_for_is_not_asked(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve({"/": page(b"<p>x</p>")}, self_signed(tmp_path))
    out = tmp_path / "out"
    done = run(sites(tmp_path, server, "https"), out)
    assert done.returncode == 0, done.stderr
    (row,) = rows(out)
    assert server.asked == []
    assert row["verdict"] in ("robots", "unreachable")
    assert "certificate" in row["why"]


# A site that wants to be left alone


def later(seconds: int) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(503)
        handler.send_header("Retry-After", str(seconds))
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@pytest.mark.parametrize("more", [(), ("--again",)], ids=["the same command", "and with --again"])
def test_a_site_that_asked_for_a_day_is_left_by_the_next_crawl_too(
    serve: Callable[..., Server], tmp_path: Path, more: tuple[str, ...]
) -> None:
    """The wish is the site's, for all of it: neither another page of it is asked for, nor is a day waited."""
    pages = [f"/{number}" for number in range(8)]
    links = "".join(f"<a href={name}>" for name in pages).encode()
    server = serve({"/": page(links)} | dict.fromkeys(pages, page(b"<p>x</p>")) | {"/0": later(86_400)})
    path, out = sites(tmp_path, server, concurrency=1), tmp_path / "out"
    first = run(path, out)
    assert (first.returncode, server.asked[-1]) == (3, "/0")
    asked = len(server.asked)
    second = run(path, out, *more)
    assert second.returncode == 3, second.stderr
    assert "a.example is left for another day: it asked to be left alone for 86" in second.stderr
    assert "Everything was crawled" not in second.stderr
    assert len(server.asked) == asked
    assert Counter(verdicts(out).values()) == {None: 8, "page": 1}


def test_what_waits_for_its_turn_does_not_wait_for_the_day(serve: Callable[..., Server], tmp_path: Path) -> None:
    """A short pause holds two back while the third is told to stay away for a day."""
    links = b"<a href=/soon><a href=/day><a href=/x><a href=/y>"
    server = serve(
        {"/": page(links), "/soon": later(1), "/day": later(86_400)} | dict.fromkeys(("/x", "/y"), page(b"<p>x</p>"))
    )
    path, out = sites(tmp_path, server, concurrency=4, delay=0.4, tries=3), tmp_path / "out"
    done = run(path, out)
    assert done.returncode == 3, done.stderr
    assert server.asked.count("/day") == 1


# Lists that say no, and addresses that are written in two ways


def said(body: bytes, status: int = 200, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"Content-Type": "text/html", "Content-Length": str(len(body))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.mark.parametrize(("robots", "led"), [("noindex, follow", True), ("none", False), ("noindex, nofollow", False)])
def test_a_sitemap_that_says_noindex_is_kept_nowhere_and_leads_to_its_pages(
    serve: Callable[..., Server], tmp_path: Path, robots: str, led: bool
) -> None:
    """As the blogs of the world send theirs."""
    listing = b"<urlset><url><loc>http://a.example/x</loc></url></urlset>"
    index = b"<sitemapindex><sitemap><loc>http://a.example/pages.xml</loc></sitemap></sitemapindex>"
    server = serve(
        {
            "/robots.txt": said(b"Sitemap: http://a.example/index.xml\n", Content_Type="text/plain"),
            "/": page(b"<p>x</p>"),
            "/index.xml": said(index, Content_Type="text/xml", X_Robots_Tag="noindex, follow"),
            "/pages.xml": said(listing, Content_Type="text/xml", X_Robots_Tag=robots),
            "/x": page(b"<p>y</p>"),
        }
    )
    out = tmp_path / "out"
    assert run(sites(tmp_path, server), out).returncode == 0
    wanted = {"/": "page", "/index.xml": "opt_out", "/pages.xml": "opt_out"} | ({"/x": "page"} if led else {})
    assert verdicts(out) == wanted
    (warc,) = (out / "a.example").glob("*.warc.gz")
    written = gzip.decompress(warc.read_bytes())
    assert b"noindex" in written
    assert b"urlset" not in written
    assert b"sitemapindex" not in written


def test_a_page_whose_site_writes_its_query_in_another_order_is_not_lost(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve(
        {
            "/": page(b"<a href='/p?b=1&a=2'><a href='/round?b=1&a=2'>"),
            "/p?b=1&a=2": said(b"", 301, Location="/p?a=2&b=1"),
            "/p?a=2&b=1": page(b"<p>the page</p>"),
            "/round?b=1&a=2": said(b"", 302, Location="/round?a=2&b=1"),
            "/round?a=2&b=1": said(b"", 302, Location="/round?b=1&a=2"),
        }
    )
    out = tmp_path / "out"
    assert run(sites(tmp_path, server, max_redirects=4), out).returncode == 0
    found = {address.partition("?")[0]: verdict for address, verdict in verdicts(out).items()}
    assert found == {"/": "page", "/p": "page", "/round": "too_many_redirects"}
    assert sum("/round" in address for address in server.asked) == 5
    (shard,) = Crawl(folder=str(out)).shards()
    bodies = [item.body for item in Crawl(folder=str(out)).read(shard) if isinstance(item, Page)]
    assert b"<p>the page</p>" in bodies


def test_an_empty_page_is_a_page_and_no_damage(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve({"/": page(b"<a href=/empty><a href=/none>"), "/empty": page(b""), "/none": said(b"", 204)})
    path, out = sites(tmp_path, server), tmp_path / "out"
    for more in ((), ("--again",)):
        assert run(path, out, *more).returncode == 0
        assert verdicts(out) == {"/": "page", "/empty": "page", "/none": "page"}
        (shard,) = Crawl(folder=str(out)).shards()
        found = [
            (item.url[-6:], item.body)
            for item in Crawl(folder=str(out)).read(shard)
            if not isinstance(item, PassedOver)
        ]
        assert [one for one in found if not one[1]] == [("/empty", b""), ("e/none", b"")]


def test_a_site_that_gives_no_page_is_told_with_the_reason_and_what_to_do(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve({"/": said(b"", 301, Location="https://www.a.example/")})
    path, out = sites(tmp_path, server), tmp_path / "out"
    done = run(path, out)
    assert "a.example gave no page. http://a.example/: redirect (to another host)." in done.stderr
    assert "It leads to https://www.a.example/: give that host an entry of its own in SITES" in done.stderr
    server.answers["/robots.txt"] = said(b"User-agent: *\nDisallow: /\n")
    again = run(path, out, "--again")
    assert "a.example gave no page. http://a.example/: robots (robots.txt line 2: group for *)." in again.stderr
    server.answers |= {"/robots.txt": said(b""), "/": page(b"<p>x</p>")}
    assert "gave no page" not in run(path, out, "--again").stderr
