"""What holds for the web of every language that has one: it is data alone, and what it plants is what it says it is."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit

import msgspec
import pytest
from lxml import html

import yisang.quickstart
from yisang.errors import UsageError
from yisang.filters.licence import Registry
from yisang.languages import load
from yisang.languages.shares import script_share
from yisang.quickstart import web as web_module
from yisang.quickstart.layouts import Post
from yisang.quickstart.longtext import long_text
from yisang.quickstart.web import WEBS, Response, build_web, languages, load_posts, load_sites, load_web, planted
from yisang.sources.decode import decode
from yisang.tasks.wording import recognise

LANGUAGES = languages()
WEB = {language: build_web(language) for language in LANGUAGES}


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def page(language: str, url: str) -> Response:
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return WEB[language][parts.netloc, path]


def text_of(language: str, url: str) -> str:
    """The page as the recipe decodes it."""
    response = page(language, url)
    return decode(response.body, dict(response.headers)["Content-Type"]).text


def links(language: str, url: str) -> set[str]:
    hrefs = html.document_fromstring(text_of(language, url)).xpath("//a/@href")
    return {urldefrag(urljoin(url, href)).url for href in hrefs}


def grams(post: Post) -> set[str]:
    line = " ".join(post.question.split())
    return {line[start : start + 5] for start in range(len(line) - 4)}


def test_korean_and_japanese_have_one() -> None:
    assert LANGUAGES == ("ja", "ko")


def test_every_post_is_shown_on_its_page_in_its_charset(language: str) -> None:
    for post in load_posts(language):
        seen = "".join(html.document_fromstring(text_of(language, post.url)).text_content().split())
        body = "".join(re.sub(r"```\w*\n|```|`", "", post.body).split())
        assert "".join(post.title.split()) in seen, post.url
        assert body in seen, post.url
        assert f'<html lang="{language}">' in text_of(language, post.url)


def test_the_charsets_are_declared_where_they_say(language: str) -> None:
    """Left out in one of two places, so that a reader has to look in both."""
    declared = {site.charset.declared for site in load_sites(language)}
    assert declared == {"both", "http", "meta"}
    for site in load_sites(language):
        response = page(language, f"http://{site.host}/")
        by_http = f"charset={site.charset.label}" in dict(response.headers)["Content-Type"]
        assert by_http == (site.charset.declared != "meta")
        assert (b"charset" in response.body) == (site.charset.declared != "http")


def test_every_link_but_the_dead_ones_leads_to_a_page_of_the_host(language: str) -> None:
    web = WEB[language]
    broken = set()
    for host, path in web:
        url = f"http://{host}{path}"
        if dict(web[host, path].headers)["Content-Type"].startswith("text/html"):
            for link in links(language, url):
                parts = urlsplit(link)
                assert parts.netloc == host
                if (host, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")) not in web:
                    broken.add(link)
    assert broken == set(planted(language)["not_found"])


def test_the_registry_knows_nothing_of_one_host_and_says_what_the_others_show(language: str) -> None:
    registry = Registry(WEBS / language / "sites.toml")
    facts = load_web(language)
    assert set(registry.sites) == set(facts.hosts)
    assert registry.sites.pop(facts.unlicensed).licence.id == "unknown"
    assert {site.licence.letter for site in registry.sites.values()} == {"A", "B", "C"}
    for host, site in registry.sites.items():
        (terms,) = html.document_fromstring(text_of(language, f"http://{host}/")).xpath("//p[@class='terms']")
        assert terms.text_content() == site.licence.evidence


def test_each_case_is_planted_and_is_what_it_is_called(language: str) -> None:
    cases, posts, target = planted(language), {post.url: post for post in load_posts(language)}, load(language)
    assert all(cases.values()), [name for name, urls in cases.items() if not urls]
    for name in ("near_duplicate", "exact_duplicate"):
        for url in cases[name]:
            one, other = grams(posts[url]), grams(posts[posts[url].origin])
            assert (one == other) == (name == "exact_duplicate")
            assert len(one & other) / len(one | other) >= 0.87, url
    assert all((script_share(posts[url].question, target) or 0) < 0.05 for url in cases["english"])
    assert all(len(posts[url].question) < 50 for url in cases["too_short"])
    assert all(len(posts[url].body) > 8192 for url in cases["too_long"])
    for url in cases["broken_html"]:
        if posts[url].broken.startswith("json"):
            (script,) = re.findall(r"<script[^>]*>(.*?)</script>", text_of(language, url), re.S)
            with pytest.raises(json.JSONDecodeError):
                json.loads(script)


def test_ordinary_posts_are_questions_in_the_language_and_no_two_are_alike(language: str) -> None:
    tasks = {site.host for site in load_sites(language) if "tasks" in web_module._content(language, site.host)}
    posts = [post for post in load_posts(language) if not post.case and urlsplit(post.url).netloc not in tasks]
    assert len(posts) >= 50
    for post in posts:
        assert 80 <= len(post.body) <= 600, post.url
        assert (script_share(post.question, load(language)) or 0) > 0.5, post.url
        assert sum(answer.accepted for answer in post.answers) == 1
        assert post.question == unicodedata.normalize("NFC", post.question)
    kept = [grams(post) for post in posts]
    for number, one in enumerate(kept):
        assert all(len(one & other) / len(one | other) < 0.5 for other in kept[:number]), posts[number].url


def test_the_tasks_are_worded_in_the_language_of_the_web(language: str) -> None:
    posts = [post for post in load_posts(language) if "/animals-" in post.url]
    assert len(posts) >= 300
    for post in posts:
        task = recognise(post.body, (language,))
        assert task is not None
        assert str(task.graph.answer) in post.answers[0].text


def test_no_word_of_a_language_stands_in_the_code() -> None:
    folder = Path(yisang.quickstart.__file__).parent
    for path in folder.glob("*.py"):
        foreign = {sign for sign in path.read_text("utf-8") if sign.isalpha() and not sign.isascii()}
        assert foreign == set(), path


def test_a_new_web_is_files_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Japanese web under another code, with one host renamed."""
    shutil.copytree(WEBS, tmp_path / "webs")
    shutil.copytree(WEBS / "ja", tmp_path / "webs" / "xx")
    own = tmp_path / "webs" / "xx"
    for path in (own / "web.toml", own / "sites.toml", own / "content" / "rikanomado.toml"):
        path.write_text(path.read_text("utf-8").replace("rikanomado.example", "madori.example"), "utf-8")
    for path in own.glob("content/*.toml"):
        path.write_text(path.read_text("utf-8").replace('of = "rikanomado.example', 'of = "madori.example'), "utf-8")
    (own / "content" / "rikanomado.toml").rename(own / "content" / "madori.toml")
    # The language itself has no file; its worded tasks would need one.
    content = own / "content" / "keisanhiroba.toml"
    content.write_text(content.read_text("utf-8").partition("[tasks]")[0], "utf-8")
    monkeypatch.setattr(web_module, "WEBS", tmp_path / "webs")
    assert "xx" in languages()
    hosts = {host for host, _ in build_web("xx")}
    assert "madori.example" in hosts
    assert "rikanomado.example" not in hosts


def test_a_language_without_a_web_is_told_which_have_one() -> None:
    with pytest.raises(UsageError, match=r"No miniature web ships for the language 'vi'; there is one for ja, ko"):
        build_web("vi")


def test_a_misspelt_key_of_a_web_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(WEBS / "ja", tmp_path / "zz")
    path = tmp_path / "zz" / "web.toml"
    path.write_text(path.read_text("utf-8").replace("previous =", "previus ="), "utf-8")
    monkeypatch.setattr(web_module, "WEBS", tmp_path)
    with pytest.raises(msgspec.ValidationError, match="previus"):
        load_web("zz")


def test_long_texts_go_on_without_repeating_a_line(language: str) -> None:
    texts = msgspec.convert(web_module.read_toml(language, "long.toml"), dict[str, web_module.LongText])
    for text in texts.values():
        lines = long_text(text).splitlines()
        assert len(set(lines)) == len(lines) > 50
        assert len(long_text(text, 500)) < 700
