"""How the hosts look: the HTML of question pages and index pages in five layouts, and the planted damage."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

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


@dataclass(frozen=True)
class Site:
    """One host. `charset`: utf-8, or cp949-header / cp949-meta after the only place that declares it."""

    host: str
    name: str
    tagline: str
    layout: str
    charset: str
    menu: tuple[str, ...]
    evidence: str


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


def _json_ld(post: Post, graph: bool) -> str:
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
    if graph:
        crumbs = {"@type": "BreadcrumbList", "itemListElement": []}
        data["@graph"] = [{"@type": "WebSite", "name": "과학마당"}, crumbs, page]
    else:
        data |= page
    # A "</" inside of a string would end the script element.
    return _damage_json(json.dumps(data, ensure_ascii=False, indent=1).replace("</", "<\\/"), post)


def _damage_json(text: str, post: Post) -> str:
    if post.broken == "json_cut":
        return text[: len(text) * 3 // 5]
    if post.broken == "json_invalid":
        return text.replace('"name": "', '"name": "새 글 "알림" ', 1) + ",}"
    return text


def _qapage(post: Post) -> str:
    replies = "\n".join(
        f'<div class="answer{" accepted" if answer.accepted else ""}" id="answer-{number}">'
        f'<span class="vote">추천 {answer.votes}</span>\n'
        f'<div class="answer-body">{to_html(answer.text)}</div></div>'
        for number, answer in enumerate(post.answers, 1)
    )
    return (
        f'<main><article class="question">\n<h1>{escape(post.title)}</h1>\n'
        f'<div class="byline">{post.author} 님이 '
        f'<time datetime="{post.date}">{post.date}</time>에 물음</div>\n'
        f'<div class="question-body">{to_html(post.body)}</div>\n</article>\n'
        f'<section class="answers"><h2>답변 {len(post.answers)}개</h2>\n{replies}\n</section></main>'
    )


def _forum(post: Post) -> str:
    replies = "\n".join(
        f'<div class="reply{" best" if answer.accepted else ""}">'
        f'<div class="who">댓글 {number} · 공감 {answer.votes}</div>\n'
        f'<div class="content">{to_html(answer.text)}</div></div>'
        for number, answer in enumerate(post.answers, 1)
    )
    return (
        f'<div id="thread"><h1 class="subject">{escape(post.title)}</h1>\n'
        f'<div class="first-post"><div class="who"><b>{post.author}</b> | {post.date}</div>\n'
        f'<div class="content">{to_html(post.body)}</div></div>\n'
        f'<div id="comments" class="comment-list">\n{replies}\n</div></div>'
    )


def _blog(post: Post) -> str:
    replies = "\n".join(f'<div class="answer-note">{to_html(answer.text)}</div>' for answer in post.answers)
    return (
        f'<header><h1 class="entry-title">{escape(post.title)}</h1>\n'
        f'<p class="entry-meta">{post.date} · 글 {post.author}</p></header>\n'
        f'<article class="entry"><div class="entry-content">\n{to_html(post.body)}\n</div></article>\n'
        f'<section id="comments" class="comments-area"><h2>함께 풀어 보기</h2>\n{replies}\n</section>'
    )


def _gnuboard(post: Post) -> str:
    replies = "\n".join(
        f'<div id="c_{number}"><header>'
        f'<span class="member">{"채택된 답변" if answer.accepted else "답변"}</span>'
        f' <span class="good">추천 {answer.votes}</span></header>\n'
        f'<div class="cmt_contents">{to_html(answer.text)}</div></div>'
        for number, answer in enumerate(post.answers, 1)
    )
    return (
        f'<div id="bo_v"><header><h2 id="bo_v_title">'
        f'<span class="bo_v_tit">{escape(post.title)}</span></h2></header>\n'
        f'<section id="bo_v_info"><h2>페이지 정보</h2>'
        f"작성자 <strong>{post.author}</strong> 작성일 {post.date}</section>\n"
        f'<section id="bo_v_atc"><h2 id="bo_v_atc_title">본문</h2>\n'
        f'<article id="bo_v_con" class="post-content">{to_html(post.body)}</article></section>\n'
        f'</div>\n<section id="bo_vc" class="comment-list"><h2>답변 목록</h2>\n{replies}\n</section>'
    )


BODIES: dict[str, Callable[[Post], str]] = {
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
        head = f'<script type="application/ld+json">\n{_json_ld(post, site.layout == "graph")}\n</script>\n'
    related = "\n".join(f'<li><a href="{local(near.url)}">{escape(near.title)}</a></li>' for near in neighbours)
    sidebar = f'<aside class="sidebar"><h3>다른 글</h3>\n<ul>\n{related}\n</ul></aside>'
    html = frame(site, post.title, f"{BODIES[site.layout](post)}\n{sidebar}", head)
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
    meta = {
        "utf-8": '<meta charset="utf-8">\n',
        "cp949-meta": '<meta http-equiv="Content-Type" content="text/html; charset=euc-kr">\n',
        "cp949-header": "",
    }[site.charset]
    rows = (f'<li><a href="/#menu-{number}">{label}</a></li>' for number, label in enumerate(site.menu, 1))
    menu = "\n".join(rows)
    return (
        f'<!DOCTYPE html>\n<html lang="ko">\n<head>\n{meta}'
        f"<title>{escape(title)} | {site.name}</title>\n{head}</head>\n<body>\n"
        f'<header class="top"><a class="logo" href="/">{site.name}</a></header>\n'
        f"<nav>\n<ul>\n{menu}\n</ul>\n</nav>\n{body}\n"
        f'<footer>\n<p class="terms">{escape(site.evidence)}</p>\n'
        f'<p>{site.name} 운영자 | <a href="/admin/login">관리</a></p>\n</footer>\n</body>\n</html>\n'
    )
