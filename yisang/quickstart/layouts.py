"""How the hosts look: the HTML of question pages and index pages in five layouts, and the planted damage.

What they say around the posts is data, `Words` of the web's language.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

import msgspec

BLOCK_ENDS = re.compile(r"</(?:p|div|li|ul|article|section|header|nav|aside|footer)>")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    text: str
    accepted: bool
    votes: int


@dataclass(frozen=True)
class Post:
    """One question with its answers; `case` says what was planted, `origin` is the URL that was copied."""

    url: str
    title: str
    body: str
    answers: tuple[Answer, ...]
    author: str
    date: str
    case: str = ""
    broken: str = ""
    origin: str = ""

    @property
    def question(self) -> str:
        return f"{self.title}\n\n{self.body}"


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the hosts of a web say around the posts, with slots in braces. new_post: put where it makes JSON invalid."""

    previous: str
    next: str
    others: str
    votes: str
    asked: str
    answers: str
    reply: str
    byline: str
    together: str
    page: str
    written: str
    text: str
    accepted: str
    answer: str
    replies: str
    operator: str
    manage: str
    login: str
    login_text: str
    new_post: str
    missing: str


class Charset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the pages of a host are encoded: Python's codec, the label that they give it, and where they do."""

    codec: str = "utf-8"
    label: str = "utf-8"
    declared: Literal["both", "http", "meta"] = "both"

    @property
    def mime(self) -> str:
        return "text/html" if self.declared == "meta" else f"text/html; charset={self.label}"

    @property
    def meta(self) -> str:
        """The element of the head, "" where HTTP alone declares it."""
        old = f'<meta http-equiv="Content-Type" content="text/html; charset={self.label}">\n'
        return {"both": f'<meta charset="{self.label}">\n', "meta": old, "http": ""}[self.declared]


@dataclass(frozen=True)
class Site:
    """One host. language: BCP 47 code of its pages."""

    host: str
    name: str
    tagline: str
    layout: str
    charset: Charset
    menu: tuple[str, ...]
    evidence: str
    language: str
    words: Words


def local(url: str) -> str:
    """The path (and query) of one of our URLs, ready for an href."""
    return escape("/" + url.split("/", 3)[3])


def to_html(text: str) -> str:
    """Paragraphs, inline code and fenced code as a forum would render them."""
    parts: list[str] = []
    end = 0
    for fence in FENCE.finditer(text):
        parts += _paragraphs(text[end : fence.start()])
        parts.append(f'<pre><code class="language-{fence[1] or "text"}">{escape(fence[2])}</code></pre>')
        end = fence.end()
    return "\n".join(parts + _paragraphs(text[end:]))


def _paragraphs(text: str) -> list[str]:
    blocks = [block.strip() for block in text.split("\n\n") if block.strip()]
    return [f"<p>{_inline(block)}</p>" for block in blocks]


def _inline(text: str) -> str:
    escaped = escape(text, quote=False).replace("\n", "<br>\n")
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped)


def _json_ld(site: Site, post: Post) -> str:
    answers = [
        {
            "@type": "Answer",
            "text": answer.text,
            "upvoteCount": answer.votes,
            "url": f"{post.url}#answer-{number}",
        }
        for number, answer in enumerate(post.answers, 1)
    ]
    question: dict[str, object] = {
        "@type": "Question",
        "name": post.title,
        "text": post.body,
        "answerCount": len(answers),
        "datePublished": post.date,
        "author": {"@type": "Person", "name": post.author},
    }
    accepted = [row for row, answer in zip(answers, post.answers, strict=True) if answer.accepted]
    suggested = [row for row, answer in zip(answers, post.answers, strict=True) if not answer.accepted]
    if accepted:
        question["acceptedAnswer"] = accepted[0]
    if suggested:
        question["suggestedAnswer"] = suggested
    page: dict[str, object] = {"@type": "QAPage", "url": post.url, "mainEntity": question}
    data: dict[str, object] = {"@context": "https://schema.org"}
    if site.layout == "graph":
        crumbs = {"@type": "BreadcrumbList", "itemListElement": []}
        data["@graph"] = [{"@type": "WebSite", "name": site.name}, crumbs, page]
    else:
        data |= page
    # A "</" inside of a string would end the script element.
    return _damage_json(json.dumps(data, ensure_ascii=False, indent=1).replace("</", "<\\/"), site, post)


def _damage_json(text: str, site: Site, post: Post) -> str:
    if post.broken == "json_cut":
        return text[: len(text) * 3 // 5]
    if post.broken == "json_invalid":
        return text.replace('"name": "', f'"name": "{site.words.new_post}', 1) + ",}"
    return text


def _qapage(post: Post, words: Words) -> str:
    replies = "\n".join(
        f'<div class="answer{" accepted" if answer.accepted else ""}" id="answer-{number}">'
        f'<span class="vote">{words.votes.format(votes=answer.votes)}</span>\n'
        f'<div class="answer-body">{to_html(answer.text)}</div></div>'
        for number, answer in enumerate(post.answers, 1)
    )
    date = f'<time datetime="{post.date}">{post.date}</time>'
    return (
        f'<main><article class="question">\n<h1>{escape(post.title)}</h1>\n'
        f'<div class="byline">{words.asked.format(author=post.author, date=date)}</div>\n'
        f'<div class="question-body">{to_html(post.body)}</div>\n</article>\n'
        f'<section class="answers"><h2>{words.answers.format(count=len(post.answers))}</h2>\n{replies}\n</section></main>'
    )


def _forum(post: Post, words: Words) -> str:
    replies = "\n".join(
        f'<div class="reply{" best" if answer.accepted else ""}">'
        f'<div class="who">{words.reply.format(number=number, votes=answer.votes)}</div>\n'
        f'<div class="content">{to_html(answer.text)}</div></div>'
        for number, answer in enumerate(post.answers, 1)
    )
    return (
        f'<div id="thread"><h1 class="subject">{escape(post.title)}</h1>\n'
        f'<div class="first-post"><div class="who"><b>{post.author}</b> | {post.date}</div>\n'
        f'<div class="content">{to_html(post.body)}</div></div>\n'
        f'<div id="comments" class="comment-list">\n{replies}\n</div></div>'
    )


def _blog(post: Post, words: Words) -> str:
    replies = "\n".join(f'<div class="answer-note">{to_html(answer.text)}</div>' for answer in post.answers)
    return (
        f'<header><h1 class="entry-title">{escape(post.title)}</h1>\n'
        f'<p class="entry-meta">{words.byline.format(date=post.date, author=post.author)}</p></header>\n'
        f'<article class="entry"><div class="entry-content">\n{to_html(post.body)}\n</div></article>\n'
        f'<section id="comments" class="comments-area"><h2>{words.together}</h2>\n{replies}\n</section>'
    )


def _gnuboard(post: Post, words: Words) -> str:
    replies = "\n".join(
        f'<div id="c_{number}"><header>'
        f'<span class="member">{words.accepted if answer.accepted else words.answer}</span>'
        f' <span class="good">{words.votes.format(votes=answer.votes)}</span></header>\n'
        f'<div class="cmt_contents">{to_html(answer.text)}</div></div>'
        for number, answer in enumerate(post.answers, 1)
    )
    author = f"<strong>{post.author}</strong>"
    return (
        f'<div id="bo_v"><header><h2 id="bo_v_title">'
        f'<span class="bo_v_tit">{escape(post.title)}</span></h2></header>\n'
        f'<section id="bo_v_info"><h2>{words.page}</h2>'
        f"{words.written.format(author=author, date=post.date)}</section>\n"
        f'<section id="bo_v_atc"><h2 id="bo_v_atc_title">{words.text}</h2>\n'
        f'<article id="bo_v_con" class="post-content">{to_html(post.body)}</article></section>\n'
        f'</div>\n<section id="bo_vc" class="comment-list"><h2>{words.replies}</h2>\n{replies}\n</section>'
    )


BODIES: dict[str, Callable[[Post, Words], str]] = {
    "qapage": _qapage,
    "graph": _qapage,
    "forum": _forum,
    "blog": _blog,
    "gnuboard": _gnuboard,
}
ANSWER_CLASS = {"forum": 'id="comments', "blog": 'id="comments', "gnuboard": 'id="bo_vc'}


def question_page(site: Site, post: Post, neighbours: Sequence[Post]) -> str:
    """The whole page of one post, damaged where the post says so."""
    head = ""
    if site.layout in ("qapage", "graph"):
        head = f'<script type="application/ld+json">\n{_json_ld(site, post)}\n</script>\n'
    related = "\n".join(f'<li><a href="{local(near.url)}">{escape(near.title)}</a></li>' for near in neighbours)
    sidebar = f'<aside class="sidebar"><h3>{site.words.others}</h3>\n<ul>\n{related}\n</ul></aside>'
    html = frame(site, post.title, f"{BODIES[site.layout](post, site.words)}\n{sidebar}", head)
    if post.broken == "unclosed":
        return BLOCK_ENDS.sub("", html)
    if post.broken == "truncated":
        # The connection "broke" inside of the first tag after the question.
        return html[: html.index(ANSWER_CLASS[site.layout]) + 9]
    return html


def index_page(site: Site, posts: Sequence[Post], extra: Sequence[tuple[str, str]]) -> str:
    """A list page: the given posts, and further links as (path, label)."""
    rows = "\n".join(
        f'<li><a href="{local(post.url)}">{escape(post.title)}</a> <span class="date">{post.date}</span></li>'
        for post in posts
    )
    links = "\n".join(f'<li><a href="{escape(path)}">{escape(label)}</a></li>' for path, label in extra)
    lists = f'<ul class="list">\n{rows}\n</ul>\n<ul class="more">\n{links}\n</ul>'
    return frame(site, site.tagline, f"<h1>{site.name}</h1>\n<p>{site.tagline}</p>\n{lists}")


def frame(site: Site, title: str, body: str, head: str = "") -> str:
    """What every page of a host shares: the head, the menu and the footer with the terms."""
    rows = (f'<li><a href="/#menu-{number}">{label}</a></li>' for number, label in enumerate(site.menu, 1))
    menu = "\n".join(rows)
    return (
        f'<!DOCTYPE html>\n<html lang="{site.language}">\n<head>\n{site.charset.meta}'
        f"<title>{escape(title)} | {site.name}</title>\n{head}</head>\n<body>\n"
        f'<header class="top"><a class="logo" href="/">{site.name}</a></header>\n'
        f"<nav>\n<ul>\n{menu}\n</ul>\n</nav>\n{body}\n"
        f'<footer>\n<p class="terms">{escape(site.evidence)}</p>\n'
        f'<p>{site.words.operator.format(name=site.name)} | <a href="/admin/login">{site.words.manage}</a></p>\n</footer>\n</body>\n</html>\n'
    )
