"""All hosts of the hostile web, what is expected of a crawler there, and what its log shows.

names = [host.name for host in HOSTS]           # or some of them: choose("robots", "slow")
expectations(HOSTS)                             # URL → verdict, several as in "page|unreachable", "" for any
differences(HOSTS, {url: verdict, ...})         # sentences; [] where the frontier is as expected
violations(HOSTS, web.log())                    # sentences; [] where nothing forbidden was asked for
"""

from __future__ import annotations

import datetime
import email.utils
import functools
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import hostile_bodies
import hostile_links
import hostile_robots
import hostile_signals
from hostile_answers import Answer, Handler, Host, Request, data, markup, missing, page

AGENT = "yisang"
TRIES = 5  # a page that fails is asked for at most this often
BEFORE_RULES = ("/robots.txt", "/.well-known/tdmrep.json")


def _tagged(request: Request) -> Answer:
    """Gone into print once; 304 for whoever has it."""
    tag = '"print-1"'
    if request.headers.get("if-none-match") == tag:
        return Answer(304, (("ETag", tag),))
    return page("꼬리표", headers=[("ETag", tag)])


def _dated(request: Request) -> Answer:
    date = "Sun, 01 Nov 2026 09:00:00 GMT"
    since = request.headers.get("if-modified-since")
    if since and email.utils.parsedate_to_datetime(since) >= email.utils.parsedate_to_datetime(date):
        return Answer(304, (("Last-Modified", date),))
    return page("날짜", headers=[("Last-Modified", date)])


def _changed(request: Request) -> Answer:
    tag = f'"print-{request.turn}"'
    return (
        Answer(304, (("ETag", tag),))
        if request.headers.get("if-none-match") == tag
        else page(f"{request.turn}번째 글", headers=[("ETag", tag)])
    )


def _same_body(request: Request) -> Answer:
    return page("같은 글", headers=[("ETag", f'W/"turn-{request.turn}"')])


def _fails_later(request: Request) -> Answer:
    return page("사라질 글") if request.turn == 1 else missing(410)


def _new_later(request: Request) -> Answer:
    return page("표지", *RECRAWLED, *(["/new"] if request.turn > 1 else []))


RECRAWLED: dict[str, Handler] = {
    "/tagged": _tagged,
    "/dated": _dated,
    "/changed": _changed,
    "/same-body": _same_body,
    "/gone-later": _fails_later,
}
RECRAWL = Host(
    name="recrawl.example",
    about="pages that the second turn finds unchanged, changed, the same under another tag, gone, and new",
    group="recrawl",
    pages={"/": _new_later, **RECRAWLED, "/new": lambda request: page("새 글") if request.turn > 1 else missing(404)},
    expected=dict.fromkeys(("/", *RECRAWLED), "page"),
)
# For the second crawl, after `web.turn(2)`.
RECRAWL_EXPECTED = {
    "/": "page",
    "/tagged": "page",
    "/dated": "page",
    "/changed": "page",
    "/same-body": "page",
    "/gone-later": "http_410",
    "/new": "page",
}

PATTERNS = Host(
    name="patterns.example",
    about="pages which the patterns of SITES let in and keep out",
    group="links",
    pages={
        "/": page("표지", "/posts/1", "/posts/2", "/posts/private/3", "/login", "/about"),
        **{target: page(target, "/") for target in ("/posts/1", "/posts/2", "/posts/private/3", "/login", "/about")},
    },
    crawl={"allow": [r"^http://patterns\.example/$", "/posts/"], "deny": ["/private/"]},
    expected={
        "/": "page",
        "/posts/1": "page",
        "/posts/2": "page",
        "/posts/private/3": "denied",
        "/login": "denied",
        "/about": "denied",
    },
    forbidden=("/posts/private/*", "/login", "/about"),
)

SECURE = Host(
    name="secure.example",
    about="links to https, where nobody speaks it",
    group="protocol",
    pages={"/": page("표지", "https://secure.example/secure"), "/secure": data("text/html", markup("보안"))},
    expected={"/": "page", "https://secure.example/secure": "unreachable|robots"},
)
LOCALHOST = Host(
    name="localhost",
    about="a name that leads to the machine itself, and no address in SITES",
    group="private",
    start=("http://localhost/",),
    expected={"http://localhost/": "private_address"},
    optional={},
    forbidden=("/*", "/robots.txt"),
    complete=False,
    address=None,
)
DEAD = Host(
    name="dead.example",
    about="nobody listens there",
    group="private",
    expected={"/": "unreachable|robots"},
    address="127.0.0.1:1",
)
NOWHERE = Host(
    name="nowhere.invalid",
    about="a name that does not exist",
    group="private",
    expected={"/": "unreachable|robots"},
    address=None,
)

HOSTS: tuple[Host, ...] = (
    *hostile_links.HOSTS,
    *hostile_robots.HOSTS,
    *hostile_signals.HOSTS,
    *hostile_bodies.HOSTS,
    RECRAWL,
    PATTERNS,
    SECURE,
    LOCALHOST,
    DEAD,
    NOWHERE,
)
BY_NAME = {host.name: host for host in HOSTS}
polite = hostile_links.polite


@functools.cache
def host_named(name: str) -> Host | None:
    """The host which answers to this name."""
    found = BY_NAME.get(name)
    match = re.fullmatch(r"polite(\d+)-(\d+)\.example", name)
    return polite(int(match[1]) + 1, int(match[2]))[-1] if match else found


def choose(*names: str) -> tuple[Host, ...]:
    """The hosts with these names (with or without .example) or of these groups, in the order of HOSTS."""
    found = tuple(host for host in HOSTS if {host.name, host.name.removesuffix(".example"), host.group} & set(names))
    for name in names:
        if not any(name in (host.name, host.name.removesuffix(".example"), host.group) for host in found):
            raise KeyError(name)
    return found


def normal(url: str) -> str:
    """One spelling of a URL: RFC 3986, section 6.2.2 (case, unreserved characters) and 6.2.3 (port 80, empty path), without its fragment."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    try:
        given = parts.port
    except ValueError:  # a port beyond 65535
        return url
    port = f":{given}" if given and (parts.scheme, given) not in (("http", 80), ("https", 443)) else ""

    def same(text: str) -> str:
        text = quote(text, safe="/%?&=;:@!$'()*+,~-._[]")
        return re.sub(r"%([0-9a-fA-F]{2})", lambda match: _octet(match[1]), text)

    query = f"?{same(parts.query)}" if parts.query else ""
    return f"{parts.scheme.lower()}://{host}{port}{same(parts.path) or '/'}{query}"


def _octet(digits: str) -> str:
    letter = chr(int(digits, 16))
    return letter if letter.isascii() and (letter.isalnum() or letter in "-._~") else f"%{digits.upper()}"


def expectations(hosts: Iterable[Host]) -> dict[str, str]:
    """Normal URL → the right verdict, or several."""
    chosen = tuple(hosts)
    found: dict[str, str] = {}
    for host in chosen:
        further = [host.beside[other.name] for other in chosen if other.name in host.beside]
        for verdicts in (host.expected, *further):
            found |= {normal(host.url(target)): verdict for target, verdict in verdicts.items()}
    return found


def optional(hosts: Iterable[Host]) -> dict[str, str]:
    """Normal URL → the right verdict of what a crawler may list or not; the files that say what is forbidden are among them."""
    found: dict[str, str] = {}
    for host in hosts:
        found |= {normal(host.url(target)): "" for target in (*BEFORE_RULES, *host.plumbing)}
        found |= {normal(host.url(target)): verdict for target, verdict in host.optional.items()}
    return found


def differences(hosts: Iterable[Host], verdicts: Mapping[str, str] | Iterable[tuple[str, str]]) -> list[str]:
    """What is not as expected of the verdicts of a crawl, as sentences: URLs that it lacks, that it judges wrongly or twice, that nobody has named."""
    chosen = tuple(hosts)
    must, may = expectations(chosen), optional(chosen)
    open_ended = {host.name for host in chosen if not host.complete}
    seen: dict[str, str] = {}
    found = []
    for url, verdict in verdicts.items() if isinstance(verdicts, Mapping) else verdicts:
        name = normal(url)
        right = must.get(name, may.get(name))
        if seen.setdefault(name, verdict) != verdict:
            found.append(f"{url} has two verdicts: {seen[name]} and {verdict}.")
        elif right is None and (urlsplit(name).hostname or "") not in open_ended:
            found.append(f"{url} has the verdict {verdict}, and nobody has named it.")
        elif right and verdict not in right.split("|"):
            found.append(f"{url} has the verdict {verdict}, not {right}.")
    return found + [
        f"{url} has no verdict; it should be {right or 'any'}." for url, right in must.items() if url not in seen
    ]


def violations(hosts: Iterable[Host], log: Iterable[Mapping[str, Any]], tries: int = TRIES) -> list[str]:
    """What the requests in a log show against the crawler, as sentences. The log is in the order in which the server read the requests.

    `tries` is how often a page may be asked for; a crawl that is killed and resumed needs more.
    """
    known = {host.name: host for host in hosts}
    rules_read: dict[str, float] = {}
    counts: Counter[tuple[str, str]] = Counter()
    last: dict[str, float] = {}
    found = []
    for entry in log:
        name, target, time = entry["host"], entry["target"], entry["time"]
        host = known.get(name)
        if host is None:
            found.append(f"A host that is not in SITES was asked: {name} {target}.")
            continue
        if target == "/robots.txt" and entry["done"]:
            rules_read.setdefault(name, entry["answered"])
        if AGENT not in entry["agent"].lower():
            found.append(f"{name}{target} was asked for by {entry['agent']!r}, which does not name {AGENT}.")
        if entry["method"] not in ("GET", "HEAD"):
            found.append(f"{name}{target} was asked for by {entry['method']}.")
        if target in (*BEFORE_RULES, *host.plumbing):
            continue
        if not time >= rules_read.get(name, math.inf):
            found.append(f"{name}{target} was asked for before robots.txt was answered.")
        if host.forbids(target):
            found.append(f"{name}{target} is forbidden and was asked for.")
        if entry["early"]:
            found.append(f"{name}{target} was asked for again before the time of its Retry-After.")
        # A tenth of a second for the way from the one process to the other.
        if host.gap and time - last.get(name, -math.inf) < host.gap - 0.1:
            found.append(
                f"{name}{target} was asked for {time - last[name]:.2f} s after the page before it; robots.txt asks for {host.gap} s."
            )
        last[name] = time
        counts[name, target] += 1
    for name, host in known.items():
        pages = {target for asked, target in counts if asked == name}
        if host.most is not None and len(pages) > host.most:
            found.append(f"{name} was asked for {len(pages)} pages; {host.most} are the ceiling.")
    return found + [
        f"{name}{target} was asked for {count} times." for (name, target), count in counts.items() if count > tries
    ]


def repeats(hosts: Iterable[Host], log: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How often more than once each URL was asked for, over the groups of spellings in `once`; only those which were."""
    groups = {
        (host.name, target): f"{host.name}{group[0]}" for host in hosts for group in host.once for target in group
    }
    counts = Counter(
        groups[entry["host"], entry["target"]] for entry in log if (entry["host"], entry["target"]) in groups
    )
    return {name: count - 1 for name, count in counts.items() if count > 1}


DEFAULTS: dict[str, object] = {
    "agent": AGENT,
    "contact": "mailto:crawl@tests.example",
    "delay": 0.01,
    "concurrency": 2,
    "max_pages": 300,
    "max_depth": 100,
    "timeout": 3,
    "max_bytes": 2 * 1024 * 1024,
}


def sites_toml(hosts: Iterable[Host], port: int, **crawl: object) -> str:
    """SITES of these hosts; `crawl` over the defaults of [crawl]."""
    today = datetime.date.today().isoformat()  # an old entry would warn
    lines = ["[crawl]", *_toml(DEFAULTS | crawl)]
    for host in hosts:
        settings: dict[str, object] = {"start": [host.url(target) for target in host.start]} | dict(host.crawl)
        address = f"127.0.0.1:{port}" if host.address == "" else host.address
        if address is not None:
            settings["address"] = address
        entry = {
            "host": host.name,
            "licence": "CC-BY-SA-4.0",
            "letter": "A",
            "category": "Daily",
            "evidence": f"http://{host.name}/ was written for tests, under CC BY-SA 4.0.",
            "date": today,
        }
        lines += ["", f"# {host.about}", "[[site]]", *_toml(entry), "[site.crawl]", *_toml(settings)]
    return "\n".join(lines) + "\n"


def _toml(table: Mapping[str, object]) -> list[str]:
    # What JSON writes for texts, numbers, truths and lists of them is TOML too.
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
