"""The quickstart's web holds what it promises, its server answers by host, and a crawl finds it all."""

from __future__ import annotations

import http.client
import itertools
import json
import re
import tomllib
from collections import Counter
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest
from lxml import html

from yisang import __version__
from yisang.quickstart import web as web_module
from yisang.quickstart.layouts import Post
from yisang.quickstart.server import Seen, serve
from yisang.quickstart.web import WEBS, Response, build_web, digest_of, load_posts, load_web, planted, sites_of
from yisang.records import Page
from yisang.sources.crawl import Crawl
from yisang.sources.crawl.child import crawl_in_child
from yisang.sources.crawl.sites import read_sites
from yisang.tasks.wording import recognise

LETTERS = {
    "CC0-1.0": "A",
    "CC-BY-4.0": "A",
    "CC-BY-SA-4.0": "A",
    "KOGL-1": "A",
    "CC-BY-NC-4.0": "B",
    "KOGL-2": "B",
    "all-rights-reserved": "C",
    "unknown": "C",
}
CATEGORIES = {"Code", "Exams", "Math", "Legal", "Korean", "Science", "Daily", "Finance", "Medical"}
WEB = build_web()
HOSTS, UNLICENSED_HOST = load_web().hosts, load_web().unlicensed
PLANTED = planted()
POSTS = {post.url: post for post in load_posts()}
GENERATED_HOST = "semmaru.example"
"""Hundreds of short worded tasks between greetings that take turns; the posts of the other hosts are written one by one."""
WRITTEN = {url: post for url, post in POSTS.items() if urlsplit(url).netloc != GENERATED_HOST}
SITES = tomllib.loads((WEBS / "ko" / "sites.toml").read_text("utf-8"))["site"]


def key(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.netloc, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def mime(response: Response) -> str:
    return dict(response.headers)["Content-Type"]


def text_of(url: str) -> str:
    """The page as a browser decodes it: by HTTP's charset, else by <meta>; euc-kr means CP949."""
    response = WEB[key(url)]
    declared = re.search(r"charset=([\w-]+)", mime(response))
    if declared is None:
        declared = re.search(r"charset=[\"']?([\w-]+)", response.body[:1024].decode("ascii", "replace"))
    assert declared is not None, url
    return response.body.decode({"euc-kr": "cp949"}.get(declared[1], declared[1]))


def visible(url: str) -> str:
    """What a reader sees, in one line, without scripts."""
    tree = html.document_fromstring(text_of(url))
    for script in tree.xpath("//script"):
        script.drop_tree()
    return flat(tree.text_content())


def flat(text: str) -> str:
    return " ".join(re.sub(r"```\w*\n|```|`", "", text).split())


def links(url: str) -> list[str]:
    if not mime(WEB[key(url)]).startswith("text/html"):
        return []
    tree = html.document_fromstring(text_of(url))
    return [urldefrag(urljoin(url, href)).url for href in tree.xpath("//a/@href")]


def scripts(url: str) -> list[str]:
    return re.findall(r'<script type="application/ld\+json">(.*?)</script>', text_of(url), re.DOTALL)


def grams(text: str) -> set[str]:
    line = " ".join(text.split())
    return {line[start : start + 5] for start in range(len(line) - 4)}


GRAMS = {url: grams(post.question) for url, post in POSTS.items()}


def jaccard(one: str, two: str) -> float:
    return len(GRAMS[one] & GRAMS[two]) / len(GRAMS[one] | GRAMS[two])


def posts_of(host: str) -> list[Post]:
    return [post for post in POSTS.values() if urlsplit(post.url).netloc == host]


def root(post: Post) -> str:
    return post.origin or post.url


def test_there_are_enough_pages_and_hosts() -> None:
    assert {url for url in POSTS if WEB[key(url)].status == 200} == set(POSTS)
    assert len(WRITTEN) >= 150
    assert len([post for post in WRITTEN.values() if not post.case]) >= 125
    assert len(HOSTS) >= 7
    assert {site.start for site in read_sites(sites_of("ko")).sites} == {(f"http://{host}/",) for host in HOSTS}
    assert all(host.endswith(".example") for host, _ in WEB)
    assert {host for host, _ in WEB} == set(HOSTS)
    assert all(len(posts_of(host)) >= 8 for host in HOSTS)


def test_the_web_is_the_same_each_time() -> None:
    assert build_web() == WEB


def test_the_korean_web_is_the_one_that_the_documentation_measured() -> None:
    """A changed byte changes what README.md quotes, and refetches everyone's pages: then this line changes too."""
    assert digest_of(WEB) == "8e40bcfda04be9ad73c86dde2dcd365bf6da2ff3aba8d4cb3168c4c69455730c"


@pytest.mark.parametrize("post", [post for post in WRITTEN.values() if not post.case], ids=lambda post: post.url)
def test_a_good_post_is_a_real_korean_question(post: Post) -> None:
    assert 80 <= len(post.body) <= 600
    letters = [char for char in post.question if char.isalpha()]
    assert sum("가" <= char <= "힣" for char in letters) / len(letters) > 0.5
    assert 1 <= len(post.answers) <= 2
    assert sum(answer.accepted for answer in post.answers) == 1


def test_the_generated_posts_hold_tasks_of_one_to_four_operations_with_their_answers() -> None:
    posts = posts_of(GENERATED_HOST)
    assert len(posts) >= 500
    assert len({post.body for post in posts}) == len(posts)
    operations = Counter[int]()
    for post in posts:
        task = recognise(post.body, ("ko",))
        assert task is not None
        assert post.body.endswith(f"\n\n{task.text}")
        assert f"{task.graph.answer}마리" in post.answers[0].text
        operations[sum(bool(node.factor) or node.form in ("sum", "difference") for node in task.graph.nodes)] += 1
    assert set(operations) == {1, 2, 3, 4}
    assert min(operations.values()) >= 100


@pytest.mark.parametrize("url", POSTS)
def test_a_page_shows_its_question(url: str) -> None:
    seen = visible(url)
    assert flat(POSTS[url].title) in seen
    assert flat(POSTS[url].body) in seen
    if POSTS[url].broken != "truncated":
        assert all(flat(answer.text) in seen for answer in POSTS[url].answers)


def test_every_layout_is_used() -> None:
    whole = [post for post in POSTS.values() if not post.broken]
    assert {host for host in HOSTS if any(scripts(post.url) for post in posts_of(host))} == {
        "dapbang.example",
        "gwahakmadang.example",
        "puleobogi.example",
        GENERATED_HOST,
    }
    for post in whole:
        for script in scripts(post.url):
            data = json.loads(script)
            pages = [node for node in data.get("@graph", [data]) if node["@type"] == "QAPage"]
            (question,) = (page["mainEntity"] for page in pages)
            given = [question["acceptedAnswer"], *question.get("suggestedAnswer", [])]
            assert (question["name"], question["text"]) == (post.title, post.body)
            assert {row["text"] for row in given} == {answer.text for answer in post.answers}
            assert ("@graph" in data) == (urlsplit(post.url).netloc == "gwahakmadang.example")
    assert 'id="bo_v_con"' in text_of(posts_of("bareunmal.example")[0].url)
    assert 'class="entry-content"' in text_of(posts_of("jipmunseo.example")[0].url)
    assert 'class="first-post"' in text_of(posts_of("saenghwalq.example")[0].url)


@pytest.mark.parametrize("url", POSTS)
def test_pages_have_menu_sidebar_and_footer(url: str) -> None:
    assert "<nav>" in text_of(url)
    if POSTS[url].broken != "truncated":
        assert '<aside class="sidebar">' in text_of(url)
        assert "<footer>" in text_of(url)


def test_two_hosts_speak_cp949_and_declare_it_in_different_places() -> None:
    by_http, by_meta = "http://saenghwalq.example/thread/1002", "http://bareunmal.example/"
    assert mime(WEB[key(by_http)]) == "text/html; charset=euc-kr"
    assert b"charset" not in WEB[key(by_http)].body
    assert mime(WEB[key(by_meta)]) == "text/html"
    assert b"charset=euc-kr" in WEB[key(by_meta)].body
    for url, syllable in ((by_http, "똠"), (by_meta, "햏")):
        assert syllable in text_of(url)
        with pytest.raises(UnicodeDecodeError):
            WEB[key(url)].body.decode("euc_kr")
    others = {host for host in HOSTS if "utf-8" in mime(WEB[host, "/"])}
    assert others == set(HOSTS) - {"saenghwalq.example", "bareunmal.example"}


def test_near_duplicates_are_near_and_not_equal() -> None:
    assert len(PLANTED["near_duplicate"]) >= 12
    for url in PLANTED["near_duplicate"]:
        assert POSTS[url].origin in POSTS
        assert POSTS[url].body != POSTS[POSTS[url].origin].body
        assert jaccard(url, POSTS[url].origin) >= 0.87, url
    hosts = [(urlsplit(url).netloc, urlsplit(POSTS[url].origin).netloc) for url in PLANTED["near_duplicate"]]
    assert {one == two for one, two in hosts} == {True, False}


def test_exact_duplicates_are_equal_at_another_address() -> None:
    assert len(PLANTED["exact_duplicate"]) >= 4
    for url in PLANTED["exact_duplicate"]:
        assert url != POSTS[url].origin
        assert POSTS[url].question == POSTS[POSTS[url].origin].question


def test_no_other_pair_of_posts_is_alike() -> None:
    pairs = itertools.combinations(WRITTEN.values(), 2)
    alike = [(one.url, two.url) for one, two in pairs if root(one) != root(two) and jaccard(one.url, two.url) > 0.5]
    assert alike == []


def test_english_posts_are_english() -> None:
    assert len(PLANTED["english"]) >= 8
    for url in PLANTED["english"]:
        assert not re.search("[가-힣]", POSTS[url].question)
        assert len(POSTS[url].body) > 200


def test_short_and_long_posts_are_outside_of_the_limits() -> None:
    assert len(PLANTED["too_short"]) >= 6
    assert all(len(POSTS[url].question) < 50 for url in PLANTED["too_short"])
    assert len(PLANTED["too_long"]) >= 2
    for url in PLANTED["too_long"]:
        lines = POSTS[url].body.splitlines()
        assert len(POSTS[url].body) > 8192
        assert len(set(filter(None, lines))) == len(list(filter(None, lines)))
    assert all(len(post.question) <= 8192 for post in POSTS.values() if post.case != "too_long")


def test_broken_pages_are_broken_in_every_way() -> None:
    ways = {POSTS[url].broken for url in PLANTED["broken_html"]}
    assert ways == {"json_cut", "json_invalid", "unclosed", "truncated"}
    assert len(PLANTED["broken_html"]) >= 4
    for url in PLANTED["broken_html"]:
        source = text_of(url)
        if POSTS[url].broken.startswith("json"):
            (script,) = scripts(url)
            with pytest.raises(json.JSONDecodeError):
                json.loads(script)
        elif POSTS[url].broken == "unclosed":
            assert "<p>" in source
            assert "</p>" not in source
            assert "</div>" not in source
        else:
            assert source.rfind("<") > source.rfind(">")


def test_of_one_host_the_registry_knows_nothing() -> None:
    assert len(PLANTED["no_licence"]) >= 6
    assert {urlsplit(url).netloc for url in PLANTED["no_licence"]} == {UNLICENSED_HOST}
    assert {row["host"] for row in SITES} == set(HOSTS)
    assert [row["host"] for row in SITES if row["licence"] == "unknown"] == [UNLICENSED_HOST]
    assert not re.search("CC|라이선스|공공누리|저작권|권리", visible(f"http://{UNLICENSED_HOST}/"))


def test_the_registry_agrees_with_the_table_and_with_the_sites() -> None:
    assert len({row["host"] for row in SITES}) == len(SITES)
    for row in SITES:
        assert set(row) == {"host", "licence", "letter", "category", "evidence", "date", "crawl"}
        assert row["letter"] == LETTERS[row["licence"]]
        assert row["date"] == "2026-11-01"
        for url in (f"http://{row['host']}/", posts_of(row["host"])[0].url) if row["host"] != UNLICENSED_HOST else ():
            (terms,) = html.document_fromstring(text_of(url)).xpath("//footer//p[@class='terms']")
            assert terms.text_content() == row["evidence"]
    assert {row["category"] for row in SITES} == CATEGORIES
    letters = [row["letter"] for row in SITES]
    assert letters.count("A") >= 3
    assert 1 <= letters.count("B") <= 2
    assert letters.count("C") == 2


def test_most_good_posts_may_be_redistributed() -> None:
    free = {row["host"] for row in SITES if row["letter"] == "A"}
    good = [post for post in WRITTEN.values() if not post.case]
    share = sum(urlsplit(post.url).netloc in free for post in good) / len(good)
    assert 0.65 <= share <= 0.80


@pytest.mark.parametrize("host", HOSTS)
def test_the_index_leads_to_every_page_of_its_host(host: str) -> None:
    """The index and its further list pages alone, each of which links the next, without the sidebars of the posts."""
    lists = [f"http://{host}/"]
    for page in lists:
        lists += [url for url in links(page) if key(url) in WEB and url not in POSTS and url not in lists]
    found = {link for url in lists for link in links(url)}
    assert {post.url for post in posts_of(host)} <= found
    assert {url for url in found if key(url) not in WEB} == {
        url for url in PLANTED["not_found"] if urlsplit(url).netloc == host
    }
    assert f"http://{host}/admin/login" in found
    assert b"Disallow: /admin/" in WEB[host, "/robots.txt"].body


def test_all_links_stay_on_their_host_and_resolve() -> None:
    pages = [f"http://{host}{path}" for host, path in WEB]
    found = {(urlsplit(url).netloc, link) for url in pages for link in links(url)}
    assert {host for host, link in found if urlsplit(link).netloc != host} == set()
    assert {link for _, link in found if key(link) not in WEB} == set(PLANTED["not_found"])
    assert len(PLANTED["not_found"]) >= 2


def test_something_linked_is_no_page() -> None:
    assert len(PLANTED["not_html"]) >= 1
    for url in PLANTED["not_html"]:
        assert "html" not in mime(WEB[key(url)])
        assert url in links(f"http://{urlsplit(url).netloc}/")
    assert WEB[key(PLANTED["not_html"][0])].body.startswith(b"\x89PNG\r\n\x1a\n")


def test_a_swap_that_finds_nothing_is_an_error() -> None:
    """Otherwise a corrected original would silently turn its near copy into an exact one."""
    site = web_module.load_sites()[0]
    row = {
        "of": "x",
        "slug": "y",
        "kind": "near",
        "author": "z",
        "date": "2026-01-01",
        "swap": [["없는 말", ""]],
    }
    with pytest.raises(ValueError, match="does not contain"):
        web_module._copy(site, row, posts_of(site.host)[0])


def ask(address: tuple[str, int], method: str, host: str, path: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(*address, timeout=30)
    try:
        connection.request(method, path, headers={"Host": host})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def test_the_server_answers_by_host_and_path() -> None:
    server = serve(WEB)
    with server as address:
        for host, path in (
            ("dapbang.example", "/"),
            ("momsinho.example", "/"),
            ("dapbang.example", "/files/emblem.png"),
        ):
            status, headers, body = ask(address, "GET", host, path)
            assert (status, body) == (200, WEB[host, path].body)
            assert headers["Content-Type"] == mime(WEB[host, path])
            assert headers["Content-Length"] == str(len(body))
        with_port = ask(address, "GET", "bareunmal.example:8080", "/bbs/board.php?bo_table=qna&wr_id=202")
        assert with_port[2] == WEB["bareunmal.example", "/bbs/board.php?bo_table=qna&wr_id=202"].body
    assert server.requests[0] == Seen("GET", "dapbang.example", "/", "")
    assert [seen.host for seen in server.requests][-1] == "bareunmal.example"


def test_head_has_the_headers_of_get_and_no_body() -> None:
    with serve(WEB) as address:
        _, got, body = ask(address, "GET", "golmok.example", "/thread/7")
        status, headers, nothing = ask(address, "HEAD", "golmok.example", "/thread/7")
    assert (status, nothing) == (200, b"")
    assert headers["Content-Length"] == str(len(body))
    assert {name: value for name, value in headers.items() if name != "Date"} == {
        name: value for name, value in got.items() if name != "Date"
    }


@pytest.mark.parametrize(
    ("host", "path"),
    [("dapbang.example", "/nothing"), ("unknown.example", "/"), ("golmok.example", "/questions/css-center")],
)
def test_what_is_not_there_answers_404(host: str, path: str) -> None:
    with serve(WEB) as address:
        assert ask(address, "GET", host, path)[0] == 404
        assert ask(address, "HEAD", host, path)[::2] == (404, b"")


def test_the_server_is_gone_after_its_block() -> None:
    with serve(WEB) as address:
        assert ask(address, "GET", "dapbang.example", "/")[0] == 200
    with pytest.raises(OSError):  # noqa: PT011 - refused on Linux, other errors elsewhere
        ask(address, "GET", "dapbang.example", "/")


ALLOWED = {f"http://{host}{path}" for host, path in WEB if path != "/robots.txt" and not path.startswith("/admin/")}


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, int], list[Seen], Path]:
    """URLs by verdict, what the server saw, and the folder."""
    folder = tmp_path_factory.mktemp("crawl")
    server = serve(WEB)
    with server as (ip, port):
        counts = crawl_in_child(str(sites_of("ko")), str(folder), connect_to=f"{ip}:{port}")
    return counts, server.requests, folder


def test_a_crawl_finds_every_page_once_as_it_was_sent(crawled: tuple[dict[str, int], list[Seen], Path]) -> None:
    counts, _, folder = crawled
    source = Crawl(folder=str(folder))
    items = [item for shard in source.shards() for item in source.read(shard)]
    pages = {page.url: page for page in items if isinstance(page, Page)}
    html = ALLOWED - set(PLANTED["not_html"])
    assert set(pages) == html
    assert {url: page.body for url, page in pages.items()} == {url: WEB[key(url)].body for url in html}
    assert {page.headers["content-type"] for page in pages.values()} == {mime(WEB[key(url)]) for url in html}
    assert counts == {
        "page": len(html),
        "http_404": len(PLANTED["not_found"]),
        "not_html": len(PLANTED["not_html"]),
        "robots": len(PLANTED["disallowed"]),
    }


def test_robots_are_asked_first_and_obeyed(crawled: tuple[dict[str, int], list[Seen], Path]) -> None:
    _, requests, _ = crawled
    for host in HOSTS:
        asked = [seen.path for seen in requests if seen.host == host]
        assert asked[:3] == ["/robots.txt", "/.well-known/tdmrep.json", "/"]
        assert len(asked) == len(set(asked))
    requested = {f"http://{seen.host}{seen.path}" for seen in requests}
    assert requested.isdisjoint(PLANTED["disallowed"])
    assert len(PLANTED["disallowed"]) >= len(HOSTS)
    assert {seen.user_agent for seen in requests} == {
        f"yisang-quickstart yisang/{__version__} (+https://example.org/bot)"
    }
