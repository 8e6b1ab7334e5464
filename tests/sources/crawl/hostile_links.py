"""Hosts of the hostile web whose links, redirects, sitemaps and feeds are what matters."""

from __future__ import annotations

from hostile_answers import Answer, Host, Request, data, gz, gzip_bomb, page, plain, redirect

XML = "application/xml"
SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"

HREFS = {
    "docs/1": "/docs/1",
    "/docs/2": "/docs/2",
    "http://plain.example/docs/3": "/docs/3",
    "HTTP://PLAIN.EXAMPLE/docs/4": "/docs/4",
    "//plain.example/docs/5": "/docs/5",
    "./docs/6": "/docs/6",
    "docs/../docs/7": "/docs/7",
    "/../../docs/8": "/docs/8",
    "docs/9#part": "/docs/9",
    "docs/9#other": "/docs/9",
    "http://plain.example:80/docs/10": "/docs/10",
    "  /docs/11\n": "/docs/11",
    "docs/12?x=1&amp;y=2": "/docs/12?x=1&y=2",
    "?page=2": "/?page=2",
    "/~joe": "/~joe",
    "/%7Ejoe": "/~joe",
    "/%7ejoe": "/~joe",
    "/%ED%95%9C%EA%B8%80": "/%ED%95%9C%EA%B8%80",
    "/%ed%95%9c%ea%b8%80": "/%ED%95%9C%EA%B8%80",
    "/한글": "/%ED%95%9C%EA%B8%80",
    "/base": "/base",
}
# No page of this host: other schemes, other hosts, and what is no address at all.
ELSEWHERE = (
    "mailto:someone@plain.example", "javascript:void(0)", "tel:+8221234567", "data:text/html,<p>x", "ftp://plain.example/file", "#top", "",
    "http://elsewhere.example/", "//elsewhere.example/docs/1", "http://plain.example.elsewhere.example/", "http://[broken/", "http://plain.example:99999/",
    "http:///docs/1", "http://", "https:",
)  # fmt: skip
DOCS = 40


def _doc(number: int) -> Answer:
    return page(f"글 {number}", f"{number + 1}", f"../docs/{number + 2}", f"/docs/{number + 3}#end", "/")


def _plain_other(request: Request) -> Answer:
    return page("한글") if request.target.lower() in ("/%7ejoe", "/%ed%95%9c%ea%b8%80") else page("없음", status=404)


PLAIN = Host(
    name="plain.example",
    about="forty pages, linked in every way that HTML knows",
    group="links",
    pages={
        "/robots.txt": plain("User-agent: *\nDisallow: /cgi/\n"),
        "/": page("표지", *HREFS, *ELSEWHERE, "/cgi/search?q=1"),
        "/?page=2": page("둘째 쪽", "/docs/1"),
        "/docs/12?x=1&y=2": page("물음표가 있는 주소"),
        "/~joe": page("조"),
        "/%ED%95%9C%EA%B8%80": page("한글"),
        "/base": page("바탕", "17", "/docs/1", "../docs/2", head='<base href="/other/">'),
        "/other/17": page("바탕에서 닿는 글"),
        **{f"/docs/{number}": _doc(number) for number in range(1, DOCS + 1)},
    },
    other=_plain_other,
    expected={
        "/": "page",
        **dict.fromkeys(HREFS.values(), "page"),
        **{f"/docs/{number}": "page" for number in range(1, DOCS + 1)},
        **{f"/docs/{number}": "http_404" for number in range(DOCS + 1, DOCS + 4)},
        "/other/17": "page",
        "/cgi/search?q=1": "robots",
    },
    # A port that cannot be is a link of nobody; a crawler that lists it says why.
    optional={"http://plain.example:99999/": "", "ftp://plain.example/file": ""},
    forbidden=("/cgi/*",),
    once=(("/~joe", "/%7Ejoe", "/%7ejoe"), ("/%ED%95%9C%EA%B8%80", "/%ed%95%9c%ea%b8%80"), ("/docs/9",)),
)

CHAIN = 60


def _private(request: Request) -> dict[str, str]:
    """Ways to the machine itself and its neighbours. Those with a port lead to this server, whose log would tell."""
    port = request.port
    return {
        "/to/port-1": "http://127.0.0.1:1/",
        "/to/loopback": f"http://127.0.0.1:{port}/trap",
        "/to/ten": "http://10.0.0.1/",
        "/to/metadata": "http://169.254.169.254/latest",
        "/to/six": f"http://[::1]:{port}/trap",
        "/to/mapped": f"http://[::ffff:127.0.0.1]:{port}/trap",
        "/to/hex": f"http://0x7f000001:{port}/trap",
        "/to/decimal": f"http://2130706433:{port}/trap",
        "/to/short": f"http://127.1:{port}/trap",
        "/to/zero": f"http://0.0.0.0:{port}/trap",
        "/to/localhost": f"http://localhost:{port}/trap",
        "/to/file": "file:///etc/hostname",
    }


PRIVATE_WAYS = tuple(_private(Request("", "", {}, 1, False, 1, 80, 0.0)))


def _to_private(request: Request) -> Answer:
    return redirect(_private(request)[request.target])


REDIRECTS = Host(
    name="redirect.example",
    about="redirects: short, long, in circles, to other hosts, to what is forbidden, to private addresses",
    group="redirect",
    pages={
        "/robots.txt": plain("User-agent: *\nDisallow: /forbidden/\n"),
        "/": page(
            "표지",
            "/short/0",
            "/circle/a",
            "/self",
            "/chain/0",
            "/relative/x",
            "/to-listed",
            "/to-listed-forbidden",
            "/to-unlisted",
            "/to-forbidden",
            "/nowhere",
            "/permanent",
            "/kept",
            *PRIVATE_WAYS,
        ),
        **{
            f"/short/{number}": redirect(f"/short/{number + 1}", (301, 302, 303, 307, 308)[number % 5])
            for number in range(3)
        },
        "/short/3": page("짧은 길의 끝"),
        "/circle/a": redirect("/circle/b"),
        "/circle/b": redirect("/circle/c", 301),
        "/circle/c": redirect("/circle/a", 307),
        "/self": redirect("/self"),
        **{f"/chain/{number}": redirect(f"/chain/{number + 1}") for number in range(CHAIN)},
        f"/chain/{CHAIN}": page("닿을 수 없는 끝"),
        "/relative/x": redirect("../short/3#part"),
        "/to-listed": redirect("http://redirect-target.example/moved"),
        "/to-listed-forbidden": redirect("http://redirect-target.example/forbidden/moved"),
        "/to-unlisted": redirect("http://elsewhere.example/moved"),
        "/to-forbidden": redirect("/forbidden/1"),
        "/forbidden/1": page("금지된 글"),
        "/nowhere": Answer(302, (("Content-Type", "text/plain"),), b"no Location"),
        "/permanent": redirect("/", 301),
        "/kept": Answer(300, (("Content-Type", "text/html"),), b"<p>choices</p>"),
        **dict.fromkeys(PRIVATE_WAYS, _to_private),
    },
    expected={
        "/": "page",
        **{f"/short/{number}": "redirect" for number in range(3)},
        "/short/3": "page",
        # Each hop of a circle is a URL of its own, and none is asked for twice.
        **{f"/circle/{letter}": "redirect|too_many_redirects" for letter in "abc"},
        "/self": "redirect|too_many_redirects",
        # RFC 9110 leaves the number of hops to the client; five must be possible, fifty must not.
        **{f"/chain/{number}": "redirect" for number in range(5)},
        "/relative/x": "redirect",
        "/to-listed": "redirect",
        "/to-listed-forbidden": "redirect",
        "/to-unlisted": "redirect",
        "/to-forbidden": "redirect",
        "/forbidden/1": "robots",
        "/nowhere": "",
        "/permanent": "redirect",
        "/kept": "",
        # The hop itself is a redirect; where it leads is no URL of this host, and only `localhost` has a table in SITES.
        **dict.fromkeys(PRIVATE_WAYS, "redirect|private_address"),
    },
    optional={f"/chain/{number}": "redirect|too_many_redirects|too_deep" for number in range(5, CHAIN - 10)},
    forbidden=("/forbidden/*", *(f"/chain/{number}" for number in range(CHAIN - 10, CHAIN + 1))),
)

REDIRECT_TARGET = Host(
    name="redirect-target.example",
    about="where another host redirects to",
    group="redirect",
    pages={
        "/robots.txt": plain("User-agent: *\nDisallow: /forbidden/\n"),
        "/": page("표지"),
        "/moved": page("옮겨 온 글"),
        "/forbidden/moved": page("금지된 글"),
    },
    expected={"/": "page"},
    # Another listed host does not add to what is crawled here: each is crawled from its own start, alone or beside others.
    optional={"/moved": "page", "/forbidden/moved": "robots"},
    forbidden=("/forbidden/*",),
)

POINTERS = Host(
    name="pointers.example",
    about="meta refresh, canonical links, link elements",
    group="links",
    pages={
        "/": page("표지", "/refresh", "/copy?from=1", "/rel"),
        "/refresh": page("새로 고침", head='<meta http-equiv="refresh" content="0; url=/refreshed">'),
        "/refreshed": page("새로 고친 뒤"),
        "/copy?from=1": page("사본", "/original", head='<link rel="canonical" href="/original">'),
        "/original": page("원본", head='<link rel="canonical" href="http://elsewhere.example/original">'),
        "/rel": page("관계", "/next", head='<link rel="next" href="/next"><link rel="stylesheet" href="/style.css">'),
        "/next": page("다음"),
        "/style.css": data("text/css", "p { color: black }"),
    },
    expected=dict.fromkeys(("/", "/refresh", "/copy?from=1", "/rel", "/next", "/original"), "page"),
    optional={"/refreshed": "page", "/style.css": "not_html"},
)


def _urlset(*locs: str, alternates: dict[str, dict[str, str]] | None = None) -> str:
    entries = []
    for loc in locs:
        links = "".join(
            f'<xhtml:link rel="alternate" hreflang="{language}" href="{href}"/>'
            for language, href in (alternates or {}).get(loc, {}).items()
        )
        entries.append(f"<url><loc>{loc}</loc>{links}<lastmod>2026-11-01</lastmod></url>")
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="{SITEMAP}" xmlns:xhtml="http://www.w3.org/1999/xhtml">'
        + "".join(entries)
        + "</urlset>"
    )


def _index(*locs: str) -> str:
    entries = "".join(f"<sitemap><loc>{loc}</loc></sitemap>" for loc in locs)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<sitemapindex xmlns="{SITEMAP}">{entries}</sitemapindex>'


MAPS = "http://maps.example"
ALTERNATES = {
    f"{MAPS}/en/{number}": {
        "en": f"{MAPS}/en/{number}",
        "ko": f"{MAPS}/ko/{number}",
        "x-default": f"{MAPS}/en/{number}",
    }
    for number in range(1, 4)
}
MAPPED = Host(
    name="maps.example",
    about="a sitemap index in robots.txt, one sitemap packed, one with alternates in two languages",
    group="sitemap",
    pages={
        "/robots.txt": plain(f"User-agent: *\nDisallow: /forbidden/\n\nSitemap: {MAPS}/index.xml\n"),
        "/index.xml": data(
            XML,
            _index(
                f"{MAPS}/alternates.xml",
                f"{MAPS}/packed.xml.gz",
                f"{MAPS}/index.xml",
                "http://elsewhere.example/sitemap.xml",
                f"{MAPS}/missing.xml",
                f"{MAPS}/list.txt",
            ),
        ),
        "/alternates.xml": data(XML, _urlset(*ALTERNATES, alternates=ALTERNATES)),
        "/packed.xml.gz": data(
            "application/gzip",
            gz(_urlset(f"{MAPS}/packed/1", f"{MAPS}/packed/2", f"{MAPS}/forbidden/1", "http://elsewhere.example/1")),
        ),
        "/list.txt": plain(f"{MAPS}/listed/1\n"),
        "/": page("표지"),
        **{
            f"/{language}/{number}": page(f"{language} {number}") for language in ("ko", "en") for number in range(1, 4)
        },
        **{f"/packed/{number}": page(f"묶인 글 {number}") for number in (1, 2)},
        "/listed/1": page("목록의 글"),
        "/forbidden/1": page("금지된 글"),
    },
    crawl={"hreflang": "ko"},
    expected={
        "/": "page",
        **{f"/ko/{number}": "page" for number in range(1, 4)},
        "/packed/1": "page",
        "/packed/2": "page",
        "/forbidden/1": "robots",
    },
    # Whether the other language is listed, and whether a sitemap is a URL with a verdict, is the crawler's affair.
    optional={
        **{f"/en/{number}": "page|denied" for number in range(1, 4)},
        "/listed/1": "page",
        **dict.fromkeys(("/index.xml", "/alternates.xml", "/packed.xml.gz", "/missing.xml", "/list.txt"), ""),
    },
    forbidden=("/forbidden/*",),
    once=(("/index.xml",), ("/packed/1",)),
)

BOMBS = "http://maps-bomb.example"
LAUGHS = "\n".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
LAUGHING = f'<?xml version="1.0"?>\n<!DOCTYPE urlset [\n<!ENTITY l0 "ha">\n{LAUGHS}\n]>\n<urlset xmlns="{SITEMAP}"><url><loc>{BOMBS}/laughs/&l9;</loc></url></urlset>'
EXTERNAL = (
    f'<?xml version="1.0"?>\n<!DOCTYPE urlset SYSTEM "{BOMBS}/trap.dtd" [\n<!ENTITY out SYSTEM "{BOMBS}/trap.txt">\n<!ENTITY file SYSTEM "file:///etc/hostname">\n'
    f'<!ENTITY % more SYSTEM "{BOMBS}/trap.ent"> %more;\n]>\n<urlset xmlns="{SITEMAP}"><url><loc>{BOMBS}/external/&out;</loc></url>'
    f"<url><loc>{BOMBS}/external/&file;</loc></url></urlset>"
)


def _map_bomb(request: Request) -> Answer:
    entry = f"<url><loc>{BOMBS}/same</loc></url>".encode()
    return data("application/gzip", gzip_bomb(f'<?xml version="1.0"?><urlset xmlns="{SITEMAP}">'.encode(), entry))


MAP_BOMBS = Host(
    name="maps-bomb.example",
    about="sitemaps that grow without bound, and one that is sound",
    group="sitemap",
    pages={
        "/robots.txt": plain("User-agent: *\nDisallow:\n" + "".join(f"Sitemap: {BOMBS}/{name}\n" for name in (
            "bomb.xml.gz", "laughs.xml", "external.xml", "circle-1.xml", "broken.xml", "sound.xml"))),
        "/bomb.xml.gz": _map_bomb,
        "/laughs.xml": data(XML, LAUGHING),
        "/external.xml": data(XML, EXTERNAL),
        "/trap.dtd": data("application/xml-dtd", ""),
        "/trap.txt": plain("trapped"),
        "/trap.ent": plain(""),
        "/circle-1.xml": data(XML, _index(f"{BOMBS}/circle-2.xml")),
        "/circle-2.xml": data(XML, _index(f"{BOMBS}/circle-1.xml")),
        "/broken.xml": data(XML, _urlset(f"{BOMBS}/broken/1")[:-30]),
        "/sound.xml": data(XML, _urlset(f"{BOMBS}/sound/1", f"{BOMBS}/sound/2")),
        "/": page("표지"),
        "/same": page("같은 글"),
        "/broken/1": page("깨진 지도의 글"),
        "/sound/1": page("온전한 지도의 글 1"),
        "/sound/2": page("온전한 지도의 글 2"),
    },
    expected={"/": "page", "/sound/1": "page", "/sound/2": "page"},
    optional={
        "/same": "page",
        "/broken/1": "page",
        "/laughs/": "http_404",
        "/external/": "http_404",
        **{f"/{name}": "" for name in ("bomb.xml.gz", "laughs.xml", "external.xml", "circle-1.xml", "circle-2.xml", "broken.xml", "sound.xml")},
    },
    forbidden=("/trap*", "/laughs/+", "/external/+"),
    once=(("/circle-1.xml",), ("/circle-2.xml",)),
)  # fmt: skip

FEEDS = "http://feeds.example"
RSS = (
    '<?xml version="1.0"?><rss version="2.0"><channel><title>소식</title><link>http://feeds.example/</link><description>소식</description>'
    f"<item><title>하나</title><link>{FEEDS}/rss/1</link><guid>{FEEDS}/rss/1</guid></item>"
    f'<item><title>둘</title><link>{FEEDS}/rss/2?utm_source=rss&amp;n=2</link><guid isPermaLink="false">2</guid></item>'
    "<item><title>밖</title><link>http://elsewhere.example/rss</link></item></channel></rss>"
)
ATOM = (
    '<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>소식</title><id>urn:x:feeds</id><updated>2026-11-01T00:00:00Z</updated>'
    f'<entry><title>하나</title><id>urn:x:1</id><link href="{FEEDS}/atom/1"/><updated>2026-11-01T00:00:00Z</updated></entry>'
    '<entry><title>둘</title><id>urn:x:2</id><link rel="alternate" href="/atom/2"/><updated>2026-11-01T00:00:00Z</updated></entry></feed>'
)
FED = Host(
    name="feeds.example",
    about="pages that only feeds name",
    group="feed",
    pages={
        "/rss.xml": data("application/rss+xml", RSS),
        "/atom.xml": data("application/atom+xml; charset=utf-8", ATOM),
        "/": page("표지", head='<link rel="alternate" type="application/rss+xml" href="/rss.xml">'),
        "/rss/1": page("알에스에스 1"),
        "/rss/2?utm_source=rss&n=2": page("알에스에스 2"),
        "/atom/1": page("아톰 1"),
        "/atom/2": page("아톰 2"),
    },
    crawl={"feeds": [f"{FEEDS}/rss.xml", f"{FEEDS}/atom.xml"]},
    expected=dict.fromkeys(("/", "/rss/1", "/rss/2?utm_source=rss&n=2", "/atom/1", "/atom/2"), "page"),
    optional={"/rss.xml": "", "/atom.xml": ""},
)


def _polite(request: Request) -> Answer:
    pages = int(request.host.split(".")[0].split("-")[1])
    name = request.target.removeprefix("/p/")
    number = 0 if request.target == "/" else int(name) if name.isascii() and name.isdecimal() else -1
    if not 0 <= number < pages:
        return page("없음", status=404)
    text = " ".join(f"{number}쪽의 {line}번째 문장은 시험을 위해 지었습니다." for line in range(20))
    return page(f"글 {number}", *(f"/p/{other}" for other in range(number + 1, min(number + 8, pages))), text=text)


def polite(hosts: int = 4, pages: int = 200) -> tuple[Host, ...]:
    """A large web without malice, for kills: each page links to the next seven."""
    targets = ("/", *(f"/p/{number}" for number in range(1, pages)))
    return tuple(
        Host(
            name=f"polite{place}-{pages}.example",
            about=f"{pages} pages without malice",
            group="polite",
            other=_polite,
            crawl={"max_pages": pages + 10, "max_depth": pages},
            expected=dict.fromkeys(targets, "page"),
            once=tuple((target,) for target in targets),
        )
        for place in range(hosts)
    )


HOSTS = (PLAIN, REDIRECTS, REDIRECT_TARGET, POINTERS, MAPPED, MAP_BOMBS, FED)
