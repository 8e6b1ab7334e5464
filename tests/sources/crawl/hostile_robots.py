"""Hosts of the hostile web whose robots.txt is what matters."""

from __future__ import annotations

from collections.abc import Mapping

from hostile_answers import FOR_EVER, Answer, Handler, Host, Request, data, markup, page, plain, raw, redirect

KIBIBYTE = 1024


def robots(
    name: str,
    about: str,
    answer: Answer | Handler,
    allowed: tuple[str, ...] = (),
    denied: tuple[str, ...] = (),
    *,
    verdict: str = "robots",
    pages: Mapping[str, Answer | Handler] | None = None,
    plumbing: tuple[str, ...] = (),
    forbidden: tuple[str, ...] | None = None,
    crawl: Mapping[str, object] | None = None,
) -> Host:
    """A host with pages under `allowed` and `denied`; all are start pages, so that no verdict hangs on another."""
    targets = allowed + denied
    return Host(
        name=f"{name}.example",
        about=about,
        group="robots",
        pages={
            "/robots.txt": answer,
            **{target: page(f"{name} {target}", *targets) for target in targets},
            **(pages or {}),
        },
        start=targets,
        crawl=crawl or {},
        expected=dict.fromkeys(allowed, "page") | dict.fromkeys(denied, verdict),
        optional={"/no-sitemap.xml": "http_404"},
        forbidden=denied if forbidden is None else forbidden,
        plumbing=plumbing,
    )


def rules(name: str, about: str, body: bytes | str, allowed: tuple[str, ...], denied: tuple[str, ...]) -> Host:
    """A host whose robots.txt is a readable file."""
    return robots(f"robots-{name}", about, plain(body), allowed, denied)


def all_denied(name: str, about: str, answer: Answer | Handler) -> Host:
    """A host of which nothing may be asked but robots.txt."""
    return robots(f"robots-{name}", about, answer, denied=("/", "/one", "/two"), forbidden=("/*",))


def all_allowed(name: str, about: str, answer: Answer | Handler) -> Host:
    """A host which forbids nothing."""
    return robots(f"robots-{name}", about, answer, allowed=("/", "/one", "/two"))


def _either(
    name: str,
    about: str,
    answer: Answer | Handler,
    plumbing: tuple[str, ...] = (),
    pages: Mapping[str, Answer] | None = None,
) -> Host:
    """A host for which RFC 9309 leaves open whether an unreadable file allows all or nothing."""
    targets = ("/", "/one", "/two")
    return robots(
        f"robots-{name}",
        about,
        answer,
        denied=targets,
        verdict="robots|page",
        forbidden=(),
        plumbing=plumbing,
        pages=pages,
    )


WILDCARDS = """\
# Rules of every kind
User-agent: *
Disallow: /private
Allow: /private/open
Disallow: /*.php$
Disallow: /*?sort=
Disallow: /shop/*/basket
Disallow: /both
Allow: /both
Disallow: /한글
Disallow: /end$
disallow : /loose   # with a comment
"""

SPLIT = """\
User-agent: yisang
Sitemap: http://robots-split.example/no-sitemap.xml
User-agent: otherbot
Disallow: /shared

User-agent: thirdbot
Disallow: /

User-agent: YISANG/2.0
Disallow: /again
"""


def huge() -> bytes:
    """600 KiB: a rule at the start, one at about 400 KiB, and one behind 500 KiB (RFC 9309, section 2.5), after which nobody needs to read."""
    filler = b"# " + b"x" * 125 + b"\n"  # 128 bytes
    first = b"User-agent: *\nDisallow: /early\n"
    to_middle = filler * (400 * KIBIBYTE // 128)
    to_late = filler * (150 * KIBIBYTE // 128)
    return first + to_middle + b"Disallow: /middle\n" + to_late + b"Disallow: /late\n" + filler * (50 * KIBIBYTE // 128)


def slow_rules(_request: Request) -> Answer:
    """The rules of the cold host, after half a second: time enough for every request that does not wait for them."""
    body = b"User-agent: *\nDisallow: /forbidden/\n"
    return Answer(headers=(("Content-Type", "text/plain"),), framing="chunked", pieces=lambda: (0.5, body))


COLD = tuple(f"/forbidden/{number}" for number in range(8))
LOOP = tuple(f"/loop/{number}" for number in range(3))
HOPS = tuple(f"/hop/{number}" for number in range(1, 5))
SOFT_404 = data("text/html; charset=utf-8", markup("찾을 수 없습니다", ["/"]))

HOSTS = (
    rules("allow", "an empty rule allows all", "User-agent: *\nDisallow:\n", ("/", "/one", "/two"), ()),
    rules(
        "wildcards",
        "wildcards, end anchors, Allow that overrides",
        WILDCARDS,
        (
            "/",
            "/private/open",
            "/private/open/1",
            "/a.php5",
            "/a.php?x=1",
            "/list?page=1",
            "/shop/basket",
            "/both",
            "/ends",
            "/end?x=1",
        ),
        (
            "/private",
            "/private/1",
            "/privates",
            "/a.php",
            "/x/b.php",
            "/list?sort=up",
            "/shop/7/basket",
            "/shop/7/basket/2",
            "/%ED%95%9C%EA%B8%80",
            "/end",
            "/loose",
        ),
    ),
    rules(
        "stricter",
        "the group of yisang is stricter than that of all",
        "User-agent: *\nDisallow: /others\n\nUser-agent: yisang\nDisallow: /ours\n",
        ("/", "/others"),
        ("/ours", "/ours/1"),
    ),
    rules(
        "laxer",
        "the group of yisang is laxer than that of all",
        "User-agent: *\nDisallow: /\n\nUser-agent: YiSang\nDisallow: /some\n",
        ("/", "/one"),
        ("/some", "/some/1"),
    ),
    rules(
        "namesake",
        "groups of crawlers with a longer or shorter name are not ours",
        "User-agent: yisangbot\nDisallow: /\n\nUser-agent: yi\nDisallow: /\n\nUser-agent: *\nDisallow: /all\n",
        ("/", "/one"),
        ("/all",),
    ),
    rules(
        "split",
        "other lines between user agents do not split a group; groups of one agent are one",
        SPLIT,
        ("/", "/one"),
        ("/shared", "/again"),
    ),
    rules(
        "bom", "a byte order mark", b"\xef\xbb\xbfUser-agent: *\r\nDisallow: /secret\r\n", ("/", "/one"), ("/secret",)
    ),
    rules(
        "cr",
        "lines that end by CR alone",
        b"User-agent: *\rDisallow: /secret\rDisallow: /other",
        ("/", "/one"),
        ("/secret", "/other"),
    ),
    rules(
        "euckr",
        "bytes that are no UTF-8",
        "# 로봇 규칙\nUser-agent: *\nDisallow: /비밀\nDisallow: /secret # 끝\n".encode("euc-kr"),
        ("/", "/one"),
        ("/secret",),
    ),
    rules("huge", "600 KiB, the last rule behind 500 KiB", huge(), ("/", "/late"), ("/early", "/middle")),
    rules("nothing", "all is forbidden", "User-agent: *\nDisallow: /\n", (), ("/", "/one", "/two")),
    all_allowed("404", "no robots.txt", plain("none", 404)),
    all_allowed("401", "robots.txt asks for a password", plain("who are you", 401)),
    all_allowed("403", "robots.txt is forbidden", plain("User-agent: *\nDisallow: /\n", 403)),
    all_allowed("410", "robots.txt is gone", plain("gone", 410)),
    all_allowed("soft404", "an HTML page in the place of robots.txt", SOFT_404),
    all_denied("429", "robots.txt answers 429", plain("User-agent: *\nAllow: /\n", 429)),
    all_denied("500", "robots.txt answers 500", plain("User-agent: *\nAllow: /\n", 500)),
    all_denied("503", "robots.txt answers 503, with rules that allow all", plain("User-agent: *\nAllow: /\n", 503)),
    all_denied("silent", "robots.txt never answers", raw(FOR_EVER)),
    all_denied("closed", "the connection ends at robots.txt", raw()),
    robots(
        "robots-moved",
        "robots.txt has moved, over five redirects",
        redirect("/hop/1", 301),
        ("/", "/one"),
        ("/secret",),
        pages={
            **{f"/hop/{number}": redirect(f"/hop/{number + 1}", 301) for number in range(1, 4)},
            "/hop/4": redirect("/rules.txt", 301),
            "/rules.txt": plain("User-agent: *\nDisallow: /secret\n"),
        },
        plumbing=(*HOPS, "/rules.txt"),
    ),
    robots(
        "robots-elsewhere",
        "robots.txt has moved to another host; its rules hold here",
        redirect("http://robots-kept.example/for-others.txt", 301),
        ("/", "/one"),
        ("/secret",),
    ),
    robots(
        "robots-kept",
        "keeps the rules of another host",
        plain("User-agent: *\nDisallow: /own\n"),
        ("/", "/secret"),
        ("/own",),
        pages={"/for-others.txt": plain("User-agent: *\nDisallow: /secret\n")},
        plumbing=("/for-others.txt",),
    ),
    _either(
        "loop",
        "robots.txt redirects in a circle",
        redirect("/loop/0", 301),
        LOOP,
        {target: redirect(LOOP[(place + 1) % 3]) for place, target in enumerate(LOOP)},
    ),
    _either(
        "private",
        "robots.txt redirects to the machine itself",
        lambda request: redirect(f"http://127.0.0.1:{request.port}/robots.txt"),
    ),
    Host(
        name="robots-gap.example",
        about="asks for half a second between two requests",
        group="robots",
        pages={
            "/robots.txt": plain("User-agent: *\nCrawl-delay: 0.5\n"),
            "/": page("반 초에 한 쪽", "/one", "/two"),
            "/one": page("하나"),
            "/two": page("둘"),
        },
        expected=dict.fromkeys(("/", "/one", "/two"), "page"),
        gap=0.5,
    ),
    Host(
        name="robots-delay.example",
        about="asks for a day between two requests: the crawl must not wait for it, nor ask faster",
        group="crawl-delay",
        pages={
            "/robots.txt": plain("User-agent: *\nCrawl-delay: 86400\n"),
            "/": page("하루에 한 쪽", "/one", "/two"),
            "/one": page("하나"),
            "/two": page("둘"),
        },
        expected={"/": "page|over_budget|robots"},
        optional={"/one": "over_budget|robots|timeout", "/two": "over_budget|robots|timeout"},
        most=1,
    ),
    robots(
        "cold",
        "eight forbidden start pages at once, while robots.txt takes half a second",
        slow_rules,
        ("/",),
        COLD,
        crawl={"concurrency": 8, "delay": 0.0},
    ),
)
