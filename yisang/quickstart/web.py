"""The quickstart's webs as a pure function: our own posts as pages of several hosts, with known faults planted.

There is one web per language, and all of it is data, `webs/<language>/`; the same files give the same bytes on every machine:

    web.toml          its hosts in order, dead links, what is no page, and the words around the posts
    sites.toml        the licence registry of its hosts, and how they are crawled (yisang.sources.crawl.sites)
    long.toml         texts that are too long (yisang.quickstart.longtext)
    content/*.toml    the writing, one file per host, named by it without ".example"

A file of `content`:

    host, name, tagline, menu
    layout = "..."    qapage, graph, forum, blog or gnuboard (yisang.quickstart.layouts)
    charset = {...}   optional: codec, label and declared = "http" or "meta"; utf-8 where it is left out
    [tasks]           optional: posts made of worded tasks, `_tasks`
    [[post]]          slug, title, author, date, body, answers; optional: case, broken, generate
    [[copy]]          kind = "near" or "exact", of = "host/slug", slug, author, date; optional: prefix, suffix, swap
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from yisang.errors import UsageError
from yisang.quickstart.layouts import Answer, Charset, Post, Site, Words, frame, index_page, question_page
from yisang.quickstart.longtext import LongText, long_text
from yisang.tasks.problems import Request, make_problem

WEBS = Path(__file__).parent / "webs"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02"
    "0000000b4944415478da6364f80f00010501012718e3660000000049454e44ae426082"
)
BODIES = {"png": PNG, "bytes": bytes(range(256)) * 4}
"""What a binary answers, by its name in web.toml."""
ADMIN = "/admin/login"
ROBOTS = b"User-agent: *\nDisallow: /admin/\nAllow: /\n"
ONE_LIST = 13
"""More posts than this and the host has a second list page, linked from the first."""
LONGEST_LIST = 60
"""Posts of one list page; each page links the next."""


@dataclass(frozen=True)
class Response:
    """What a host answers for one path."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A link of a host's front page to what is no question."""

    host: str
    path: str
    label: str


class Binary(Link, frozen=True, forbid_unknown_fields=True):
    """Something linked that is no page; body: one of BODIES."""

    mime: str
    body: Literal["png", "bytes"]

    def response(self) -> Response:
        return Response(200, (("Content-Type", self.mime),), BODIES[self.body])


class Web(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """web.toml: what a web is beside its writing. unlicensed: the host whose terms nobody knows. dead: links that lead nowhere."""

    hosts: tuple[str, ...]
    unlicensed: str
    words: Words
    dead: tuple[Link, ...] = ()
    binary: tuple[Binary, ...] = ()


def languages() -> tuple[str, ...]:
    """The codes of the languages that have a web, sorted."""
    return tuple(sorted(path.parent.name for path in WEBS.glob("*/web.toml")))


def read_toml(language: str, name: str) -> dict[str, Any]:
    """A TOML file of a language's web. UsageError where the language has none."""
    if language not in languages():
        raise UsageError(
            f"No miniature web ships for the language {language!r}; there is one for {', '.join(languages())}. "
            "Use pages of your own, or another language."
        )
    return tomllib.loads((WEBS / language / name).read_text(encoding="utf-8"))


def sites_of(language: str) -> Path:
    """The SITES.toml of a language's web."""
    return WEBS / language / "sites.toml"


@cache
def load_web(language: str = "ko") -> Web:
    """What a language's web is beside its writing."""
    return msgspec.convert(read_toml(language, "web.toml"), Web)


@cache
def load_sites(language: str = "ko") -> tuple[Site, ...]:
    """The hosts in the order of web.toml. Their footers show the evidence that the registry cites."""
    rows = read_toml(language, "sites.toml")["site"]
    evidence = {row["host"]: row["evidence"] for row in rows if row["licence"] != "unknown"}
    return tuple(_site(language, host, evidence.get(host, "")) for host in load_web(language).hosts)


def _site(language: str, host: str, evidence: str) -> Site:
    data = _content(language, host)
    return Site(
        host=host,
        name=data["name"],
        tagline=data["tagline"],
        layout=data["layout"],
        charset=msgspec.convert(data.get("charset", {}), Charset),
        menu=tuple(data["menu"]),
        evidence=evidence,
        language=language,
        words=load_web(language).words,
    )


@cache
def _content(language: str, host: str) -> dict[str, Any]:
    data = read_toml(language, f"content/{host.removesuffix('.example')}.toml")
    return {**data, "post": [*data["post"], *_tasks(language, data["tasks"])]} if "tasks" in data else data


def _tasks(language: str, table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Worded tasks (yisang.tasks) as posts of people who ask for the way to solve them; titles and intros take turns."""
    low, high = table["ops"]
    for number in range(table["count"]):
        context = table["contexts"][number % len(table["contexts"])]
        problem = make_problem(Request(language, low, high, context, table["preset"]), table["seed"], number)
        yield {
            "slug": table["slug"].format(number=number + table["first"]),
            "title": table["titles"][number % len(table["titles"])].format(number=number + 1),
            "author": table["authors"][number % len(table["authors"])],
            "date": (date.fromisoformat(table["date"]) + timedelta(days=table["days"] * number)).isoformat(),
            "body": f"{table['intros'][number % len(table['intros'])]}\n\n{problem.question}",
            "answers": [{"text": table["answer"].format(answer=problem.answer), "accepted": True, "votes": number % 7}],
        }


@cache
def load_posts(language: str = "ko") -> tuple[Post, ...]:
    """Every post of every host, the copies after the posts of their host."""
    sites = {site.host: site for site in load_sites(language)}
    rows = {host: _content(language, host) for host in sites}
    written = {host: [_post(site, row) for row in rows[host]["post"]] for host, site in sites.items()}
    by_key = {
        f"{host}/{row['slug']}": post
        for host, posts in written.items()
        for row, post in zip(rows[host]["post"], posts, strict=True)
    }
    found: list[Post] = []
    for host, site in sites.items():
        found += written[host]
        found += [_copy(site, row, by_key[row["of"]]) for row in rows[host].get("copy", [])]
    return tuple(found)


def _post(site: Site, row: dict[str, Any]) -> Post:
    body = row["body"].strip()
    if "generate" in row:
        texts = msgspec.convert(read_toml(site.language, "long.toml"), dict[str, LongText])
        body += "\n\n" + long_text(texts[row["generate"]])
    return Post(
        url=_url(site, row["slug"], row["date"]),
        title=row["title"],
        body=body,
        answers=tuple(Answer(**answer) for answer in row["answers"]),
        author=row["author"],
        date=row["date"],
        case=row.get("case", ""),
        broken=row.get("broken", ""),
    )


def _copy(site: Site, row: dict[str, Any], origin: Post) -> Post:
    """A repost of `origin`: word for word, or with swapped words, a greeting and a changed ending."""
    body = origin.body
    for old, new in row.get("swap", []):
        if old not in body:
            raise ValueError(f"{row['of']} does not contain {old!r}, which its copy {row['slug']} swaps")
        body = body.replace(old, new)
    return replace(
        origin,
        url=_url(site, row["slug"], row["date"]),
        body=row.get("prefix", "") + body + row.get("suffix", ""),
        author=row["author"],
        date=row["date"],
        case={"near": "near_duplicate", "exact": "exact_duplicate"}[row["kind"]],
        broken="",
        origin=origin.url,
    )


def _url(site: Site, slug: str, date: str) -> str:
    path = {
        "qapage": f"questions/{slug}",
        "graph": f"qna/{slug}.html",
        "forum": f"thread/{slug}",
        "blog": f"{date[:4]}/{date[5:7]}/{slug}/",
        "gnuboard": f"bbs/board.php?bo_table=qna&wr_id={slug}",
    }[site.layout]
    return f"http://{site.host}/{path}"


def build_web(language: str = "ko") -> dict[tuple[str, str], Response]:
    """Every (host, path with query) and its answer. A pure function of the package's files."""
    web: dict[tuple[str, str], Response] = {}
    for site in load_sites(language):
        for path, response in _host_pages(site):
            if (site.host, path) in web:
                raise ValueError(f"two pages of {site.host} have the path {path}")
            web[site.host, path] = response
    return web


def digest_of(web: dict[tuple[str, str], Response]) -> str:
    """SHA-256 over all addresses and answers: another release ships another web."""
    found = hashlib.sha256()
    for address, response in sorted(web.items()):
        found.update(repr((address, response)).encode())
    return found.hexdigest()


def _host_pages(site: Site) -> Iterator[tuple[str, Response]]:
    posts = [post for post in load_posts(site.language) if post.url.startswith(f"http://{site.host}/")]
    yield from _lists(site, posts)
    for number, post in enumerate(posts):
        neighbours = [posts[(number + step) % len(posts)] for step in (1, 2, 3)]
        yield post.url.removeprefix(f"http://{site.host}"), _html(site, question_page(site, post, neighbours))
    words = site.words
    yield ADMIN, _html(site, frame(site, words.login, f"<h1>{words.login}</h1>\n<p>{words.login_text}</p>"))
    yield "/robots.txt", Response(200, (("Content-Type", "text/plain"),), ROBOTS)
    for binary in load_web(site.language).binary:
        if binary.host == site.host:
            yield binary.path, binary.response()


def _lists(site: Site, posts: list[Post]) -> Iterator[tuple[str, Response]]:
    web = load_web(site.language)
    links: tuple[Link, ...] = (*web.dead, *web.binary)
    extra = [(link.path, link.label) for link in links if link.host == site.host]
    pages = max(-(-len(posts) // LONGEST_LIST), 2 if len(posts) > ONE_LIST else 1)
    numbered = "/bbs/board.php?bo_table=qna&page={}" if site.layout == "gnuboard" else "/list/{}"
    paths = ["/", *(numbered.format(page) for page in range(2, pages + 1))]
    for page, path in enumerate(paths):
        listed = posts[len(posts) * page // pages : len(posts) * (page + 1) // pages]
        before = [(paths[page - 1], site.words.previous)] if page else extra
        after = [(paths[page + 1], site.words.next)] if page + 1 < pages else []
        yield path, _html(site, index_page(site, listed, [*before, *after]))


def _html(site: Site, text: str) -> Response:
    """Strict encoding, so that a character which a charset lacks is noticed by its writer and not by a reader."""
    return Response(200, (("Content-Type", site.charset.mime),), text.encode(site.charset.codec))


@cache
def planted(language: str = "ko") -> dict[str, tuple[str, ...]]:
    """From the name of each planted case to its URLs; for tests."""
    posts, web = load_posts(language), load_web(language)
    cases = ("near_duplicate", "exact_duplicate", "english", "too_short", "too_long")
    found = {case: tuple(post.url for post in posts if post.case == case) for case in cases}
    unlicensed = f"http://{web.unlicensed}/"
    return found | {
        "broken_html": tuple(post.url for post in posts if post.broken),
        "no_licence": tuple(post.url for post in posts if post.url.startswith(unlicensed)),
        "not_found": tuple(f"http://{link.host}{link.path}" for link in web.dead),
        "not_html": tuple(f"http://{link.host}{link.path}" for link in web.binary),
        "disallowed": tuple(f"http://{host}{ADMIN}" for host in web.hosts),
    }
