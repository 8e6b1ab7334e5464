"""The first page fetcher: breadth-first over each host of the quickstart's web, into one WARC 1.1 file."""

from __future__ import annotations

import asyncio
import os
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit, urlunsplit
from urllib.robotparser import RobotFileParser

import httpx
from lxml import html
from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

AGENT = "yisang-quickstart"
USER_AGENT = f"{AGENT} (+https://example.org/bot)"
# The body is stored as received and its links are read, so no compression is asked for.
HEADERS = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}


@dataclass(frozen=True)
class FetchReport:
    """What was fetched: answers stored and their bytes, links that robots.txt forbids, answers by status."""

    pages: int
    bytes: int
    disallowed: int
    by_status: dict[int, int]


@dataclass(frozen=True)
class Fetched:
    """One exchange, under the URL that the site itself uses."""

    url: str
    response: httpx.Response
    body: bytes
    when: str


def fetch(seeds: Sequence[str], address: tuple[str, int], out_path: Path, collection: str = "") -> FetchReport:
    """Fetch what the seeds lead to on their own hosts and write it, sorted by URL; half a file gets no name.

    `address` is where all hosts are served; the sites' names travel in the Host header. `collection` says in the file's
    warcinfo record (field isPartOf) which web this is.
    """
    hosts = asyncio.run(_fetch_hosts(seeds, address))
    pages = sorted((page for found, _ in hosts for page in found), key=lambda page: page.url)
    _write(pages, Path(out_path), collection)
    size, refused = sum(len(page.body) for page in pages), sum(count for _, count in hosts)
    return FetchReport(len(pages), size, refused, dict(Counter(page.response.status_code for page in pages)))


async def _fetch_hosts(seeds: Sequence[str], address: tuple[str, int]) -> list[tuple[list[Fetched], int]]:
    hosts = dict.fromkeys(urlsplit(seed).netloc for seed in seeds)
    by_host = [[seed for seed in seeds if urlsplit(seed).netloc == host] for host in hosts]
    base = f"http://{address[0]}:{address[1]}"
    async with httpx.AsyncClient(base_url=base, headers=HEADERS, trust_env=False) as client:
        return await asyncio.gather(*(_fetch_host(client, own) for own in by_host))


async def _fetch_host(client: httpx.AsyncClient, seeds: Sequence[str]) -> tuple[list[Fetched], int]:
    robots = await _robots(client, seeds[0])
    queue, seen, pages, refused = deque(seeds), set(seeds), list[Fetched](), 0
    while queue:
        url = queue.popleft()
        if not robots.can_fetch(AGENT, url):
            refused += 1
            continue
        pages.append(await _get(client, url))
        new = dict.fromkeys(link for link in _links(pages[-1]) if link not in seen)
        seen.update(new)
        queue.extend(new)
    return pages, refused


async def _robots(client: httpx.AsyncClient, seed: str) -> RobotFileParser:
    page, robots = await _get(client, urljoin(seed, "/robots.txt")), RobotFileParser()
    # RFC 9309: a missing file forbids nothing, an unreachable one (5xx) forbids everything.
    refused = "User-agent: *\nDisallow: /" if page.response.status_code >= 500 else ""
    rules = page.body.decode("utf-8", "replace") if page.response.status_code == 200 else refused
    robots.parse(rules.splitlines())
    return robots


async def _get(client: httpx.AsyncClient, url: str) -> Fetched:
    parts = urlsplit(url)
    target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
    when = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    async with client.stream("GET", target, headers={"Host": parts.netloc}) as response:
        body = b"".join([chunk async for chunk in response.aiter_raw()])
    return Fetched(url, response, body, when)


def _links(page: Fetched) -> list[str]:
    mime = page.response.headers.get("Content-Type", "")
    if page.response.status_code != 200 or not mime.startswith("text/html") or not page.body.strip():
        return []
    # Links are ASCII, so a charset that maps every byte finds them whatever the page's own one is.
    tree = html.document_fromstring(page.body, parser=html.HTMLParser(encoding="iso-8859-1"))
    found = [urldefrag(urljoin(page.url, href)).url for href in tree.xpath("//a/@href")]
    return [url for url in found if urlsplit(url)[:2] == urlsplit(page.url)[:2]]


def _write(pages: Sequence[Fetched], out_path: Path, collection: str) -> None:
    part = out_path.with_name(out_path.name + ".part")
    with part.open("wb") as file:
        writer = WARCWriter(file, gzip=True, warc_version="1.1")
        about = {"software": USER_AGENT} | ({"isPartOf": collection} if collection else {})
        writer.write_record(writer.create_warcinfo_record(out_path.name, about))
        for page in pages:
            writer.write_request_response_pair(*_records(writer, page))
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, out_path)


def collection_of(path: Path) -> str:
    """The isPartOf of a file that `fetch` wrote, "" of any other file."""
    try:
        with path.open("rb") as file:
            record = next(iter(ArchiveIterator(file)), None)
            lines = record.content_stream().read().decode("utf-8", "replace").splitlines() if record else []
    except (ArchiveLoadFailed, OSError):
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("isPartOf:")), "")


def _records(writer: WARCWriter, page: Fetched) -> list[object]:
    sent, got, when = page.response.request, page.response, {"WARC-Date": page.when}
    asked = StatusAndHeaders(f"GET {sent.url.raw_path.decode()} HTTP/1.1", _pairs(sent), is_http_request=True)
    told = StatusAndHeaders(f"{got.status_code} {got.reason_phrase}", _pairs(got), protocol=got.http_version)
    both = (
        ("request", None, 0, "", when, None, asked),
        ("response", BytesIO(page.body), None, "", when, None, told),
    )
    return [writer.create_warc_record(page.url, *fields) for fields in both]


def _pairs(message: httpx.Request | httpx.Response) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message.headers.raw]
