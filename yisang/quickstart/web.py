"""The quickstart's web as a pure function: our own posts as pages of ten hosts, with known faults planted.

The writing stands in `content/`, one file per host; the same files give the same bytes on every machine.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from yisang.quickstart.layouts import Answer, Post, Site, frame, index_page, question_page
from yisang.quickstart.longtext import long_text
from yisang.tasks.problems import Request, make_problem

HOSTS = (
    "dapbang.example",
    "gwahakmadang.example",
    "saenghwalq.example",
    "bareunmal.example",
    "puleobogi.example",
    "semmaru.example",
    "jipmunseo.example",
    "gagyebu.example",
    "momsinho.example",
    "golmok.example",
)
UNLICENSED_HOST = "golmok.example"
SEEDS: tuple[str, ...] = tuple(f"http://{host}/" for host in HOSTS)

DEAD_LINKS = {
    "dapbang.example": ("/notice/2019-opening", "지난 공지: 문을 열었습니다"),
    "saenghwalq.example": ("/event/winter-photo", "지난 행사: 겨울 사진 나눔"),
    "bareunmal.example": ("/bbs/board.php?bo_table=old&wr_id=3", "옛 게시판"),
}
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02"
    "0000000b4944415478da6364f80f00010501012718e3660000000049454e44ae426082"
)
BINARIES = {
    "dapbang.example": ("/files/emblem.png", "답방 그림 표식", "image/png", PNG),
    "bareunmal.example": (
        "/files/rules.bin",
        "규칙 내려받기",
        "application/octet-stream",
        bytes(range(256)) * 4,
    ),
}
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


def read_toml(name: str) -> dict[str, Any]:
    """A TOML file of this package."""
    return tomllib.loads(files("yisang.quickstart").joinpath(name).read_text(encoding="utf-8"))


@cache
def load_sites() -> tuple[Site, ...]:
    """The hosts in the order of SEEDS. Their footers show the evidence that the registry cites."""
    evidence = {row["host"]: row["evidence"] for row in read_toml("sites.toml")["site"]}
    return tuple(_site(_content(host), evidence.get(host, "")) for host in HOSTS)


def _site(data: dict[str, Any], evidence: str) -> Site:
    return Site(
        host=data["host"],
        name=data["name"],
        tagline=data["tagline"],
        layout=data["layout"],
        charset=data["charset"],
        menu=tuple(data["menu"]),
        evidence=evidence,
    )


@cache
def _content(host: str) -> dict[str, Any]:
    data = read_toml(f"content/{host.removesuffix('.example')}.toml")
    return {**data, "post": [*data["post"], *_tasks(data["tasks"])]} if "tasks" in data else data


def _tasks(table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Worded tasks (yisang.tasks) as posts of people who ask for the way to solve them; titles and intros take turns."""
    low, high = table["ops"]
    for number in range(table["count"]):
        context = table["contexts"][number % len(table["contexts"])]
        problem = make_problem(Request("ko", low, high, context, table["preset"]), table["seed"], number)
        yield {
            "slug": table["slug"].format(number=number + table["first"]),
            "title": table["titles"][number % len(table["titles"])].format(number=number + 1),
            "author": table["authors"][number % len(table["authors"])],
            "date": (date.fromisoformat(table["date"]) + timedelta(days=table["days"] * number)).isoformat(),
            "body": f"{table['intros'][number % len(table['intros'])]}\n\n{problem.question}",
            "answers": [{"text": table["answer"].format(answer=problem.answer), "accepted": True, "votes": number % 7}],
        }


@cache
def load_posts() -> tuple[Post, ...]:
    """Every post of every host, the copies after the posts of their host."""
    sites = {site.host: site for site in load_sites()}
    written = {host: [_post(site, row) for row in _content(host)["post"]] for host, site in sites.items()}
    by_key = {
        f"{host}/{row['slug']}": post
        for host, posts in written.items()
        for row, post in zip(_content(host)["post"], posts, strict=True)
    }
    found: list[Post] = []
    for host, site in sites.items():
        found += written[host]
        found += [_copy(site, row, by_key[row["of"]]) for row in _content(host).get("copy", [])]
    return tuple(found)


def _post(site: Site, row: dict[str, Any]) -> Post:
    body = row["body"].strip()
    if "generate" in row:
        body += "\n\n" + long_text(row["generate"])
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


def build_web() -> dict[tuple[str, str], Response]:
    """Every (host, path with query) and its answer. A pure function of the package's files."""
    web: dict[tuple[str, str], Response] = {}
    for site in load_sites():
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
    posts = [post for post in load_posts() if post.url.startswith(f"http://{site.host}/")]
    yield from _lists(site, posts)
    for number, post in enumerate(posts):
        neighbours = [posts[(number + step) % len(posts)] for step in (1, 2, 3)]
        yield post.url.removeprefix(f"http://{site.host}"), _html(site, question_page(site, post, neighbours))
    login = "<h1>관리자 로그인</h1>\n<p>운영자만 들어올 수 있습니다.</p>"
    yield ADMIN, _html(site, frame(site, "관리자 로그인", login))
    yield "/robots.txt", Response(200, (("Content-Type", "text/plain"),), ROBOTS)
    if site.host in BINARIES:
        path, _, mime, body = BINARIES[site.host]
        yield path, Response(200, (("Content-Type", mime),), body)


def _lists(site: Site, posts: list[Post]) -> Iterator[tuple[str, Response]]:
    extra = [DEAD_LINKS[site.host]] if site.host in DEAD_LINKS else []
    if site.host in BINARIES:
        extra.append(BINARIES[site.host][:2])
    pages = max(-(-len(posts) // LONGEST_LIST), 2 if len(posts) > ONE_LIST else 1)
    numbered = "/bbs/board.php?bo_table=qna&page={}" if site.layout == "gnuboard" else "/list/{}"
    paths = ["/", *(numbered.format(page) for page in range(2, pages + 1))]
    for page, path in enumerate(paths):
        listed = posts[len(posts) * page // pages : len(posts) * (page + 1) // pages]
        before = [(paths[page - 1], "이전 쪽")] if page else extra
        after = [(paths[page + 1], "다음 쪽")] if page + 1 < pages else []
        yield path, _html(site, index_page(site, listed, [*before, *after]))


def _html(site: Site, text: str) -> Response:
    """Strict encoding, so that a character which CP949 lacks is noticed by its writer and not by a reader."""
    mime = {
        "utf-8": "text/html; charset=utf-8",
        "cp949-header": "text/html; charset=euc-kr",
        "cp949-meta": "text/html",
    }[site.charset]
    codec = "utf-8" if site.charset == "utf-8" else "cp949"
    return Response(200, (("Content-Type", mime),), text.encode(codec))


def _planted() -> dict[str, tuple[str, ...]]:
    posts = load_posts()
    cases = ("near_duplicate", "exact_duplicate", "english", "too_short", "too_long")
    planted = {case: tuple(post.url for post in posts if post.case == case) for case in cases}
    unlicensed = f"http://{UNLICENSED_HOST}/"
    return planted | {
        "broken_html": tuple(post.url for post in posts if post.broken),
        "no_licence": tuple(post.url for post in posts if post.url.startswith(unlicensed)),
        "not_found": tuple(f"http://{host}{path}" for host, (path, _) in DEAD_LINKS.items()),
        "not_html": tuple(f"http://{host}{row[0]}" for host, row in BINARIES.items()),
        "disallowed": tuple(f"http://{host}{ADMIN}" for host in HOSTS),
    }


PLANTED: dict[str, tuple[str, ...]] = _planted()
"""From the name of each planted case to its URLs; for tests."""
