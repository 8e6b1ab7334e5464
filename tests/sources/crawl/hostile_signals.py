"""Hosts of the hostile web that opt out by other means than robots.txt."""

from __future__ import annotations

import dataclasses
import json

from hostile_answers import Answer, Handler, Host, data, missing, page, plain

JSON = "application/json"


def _meta(name: str, content: str) -> str:
    return f'<meta name="{name}" content="{content}">'


def _opting(name: str, about: str, denied: dict[str, Answer], allowed: dict[str, Answer], **pages: Answer) -> Host:
    """A host with pages that say no and pages that do not; all are start pages, so that no page hangs on one that said no."""
    wellknown: dict[str, Answer | Handler] = {f"/.well-known/{key}.json": answer for key, answer in pages.items()}
    targets = (*allowed, *denied)
    return Host(
        name=f"{name}.example",
        about=about,
        group="opt-out",
        pages={**denied, **allowed, **wellknown},
        start=targets,
        # What is no HTML and says no besides may be told either way.
        expected=dict.fromkeys(allowed, "page")
        | {target: "opt_out|not_html" if target.endswith(".pdf") else "opt_out" for target in denied},
    )


def _tag(value: str) -> Answer:
    return page(value, headers=[("X-Robots-Tag", value)])


HEADERS = _opting(
    "tagged",
    "X-Robots-Tag",
    {
        "/noai": _tag("noai"),
        "/noimageai": _tag("noimageai"),
        "/none": _tag("none"),
        "/noindex": _tag("NoIndex"),
        "/list": _tag("noarchive, noai"),
        "/ours": _tag("yisang: noai"),
        "/paper.pdf": data("application/pdf", b"%PDF-1.7", ("X-Robots-Tag", "noai")),
        "/two": page("둘", headers=[("X-Robots-Tag", "otherbot: noarchive"), ("x-robots-tag", "yisang: noindex")]),
    },
    {
        "/": page("표지"),
        "/all": _tag("all"),
        "/noarchive": _tag("noarchive"),
        "/others": _tag("otherbot: noai"),
    },
)

# The second word belongs to the other crawler too. Of two headers joined into one it could be for all, so caution is right as well.
HEADERS = dataclasses.replace(
    HEADERS,
    pages={**HEADERS.pages, "/others-too": _tag("otherbot: noindex, noai")},
    start=(*HEADERS.start, "/others-too"),
    expected={**HEADERS.expected, "/others-too": "page|opt_out"},
)

META = _opting(
    "meta",
    "meta elements",
    {
        "/noai": page("noai", head=_meta("robots", "noai, noimageai")),
        "/noindex": page("noindex", head=_meta("robots", "index, noindex")),
        "/none": page("none", head=_meta("ROBOTS", "NONE")),
        "/ours": page("ours", head=_meta("yisang", "noai")),
        "/unquoted": page("unquoted", head="<META NAME=robots CONTENT=noai>"),
        "/turned": page("turned", head='<meta content="noai" name="robots">'),
    },
    {
        "/": page("표지"),
        "/index": page("index", head=_meta("robots", "index, follow")),
        "/others": page("others", head=_meta("otherbot", "noai")),
        "/comment": page("comment", head=f"<!-- {_meta('robots', 'noai')} -->"),
        "/described": page("described", head=_meta("description", "noai, none, noindex")),
    },
)

TDM = _opting(
    "tdm",
    "TDMRep by header and meta",
    {
        "/header": page("header", headers=[("TDM-Reservation", "1")]),
        "/policy": page("policy", headers=[("tdm-reservation", "1"), ("tdm-policy", "http://tdm.example/policy.json")]),
        "/meta": page("meta", head=_meta("tdm-reservation", "1")),
        # Neither 0 nor 1: what cannot be read does not allow.
        "/unreadable": page("unreadable", headers=[("tdm-reservation", "perhaps")]),
    },
    {
        "/": page("표지"),
        "/header-0": page("header", headers=[("tdm-reservation", "0")]),
        "/meta-0": page("meta", head=_meta("tdm-reservation", "0")),
    },
)

TDMREP = _opting(
    "tdmrep",
    "TDMRep by its file, for a part of the paths",
    {"/reserved/": page("유보"), "/reserved/1": page("유보 1"), "/reserved/2": page("유보 2")},
    {"/": page("표지"), "/open/1": page("열린 글")},
    tdmrep=data(
        JSON,
        json.dumps(
            [
                {"location": "/reserved/", "tdm-reservation": 1, "tdm-policy": "http://tdmrep.example/policy.json"},
                {"location": "/open/", "tdm-reservation": 0},
            ]
        ),
    ),
)

# An unreadable file fails closed. The pages need not be asked for to know that, but may be.
TDMREP_BROKEN = _opting(
    "tdmrep-broken",
    "the file of TDMRep cannot be read",
    {"/": page("표지"), "/one": page("하나")},
    {},
    tdmrep=data(JSON, '[{"location": "/reserved/", "tdm-reservation": 1'),
)
TDMREP_503 = _opting(
    "tdmrep-503",
    "the file of TDMRep answers 503",
    {"/": page("표지"), "/one": page("하나")},
    {},
    tdmrep=missing(503),
)
TDMREP_SOFT = _opting(
    "tdmrep-soft",
    "an HTML page in the place of the file of TDMRep",
    {},
    {"/": page("표지"), "/one": page("하나")},
    tdmrep=page("찾을 수 없습니다", "/"),
)


def _signalled(name: str, about: str, line: str, verdict: str) -> Host:
    targets = ("/", "/one", "/two")
    return Host(
        name=f"{name}.example",
        about=about,
        group="opt-out",
        pages={
            "/robots.txt": plain(f"User-agent: *\n{line}\nAllow: /\n"),
            **{target: page(f"{name} {target}", *targets) for target in targets},
        },
        start=targets,
        expected=dict.fromkeys(targets, verdict),
    )


# Robots.txt is read before anything is asked for, so a denial there may keep the crawler from asking at all.
SIGNAL_NO = _signalled(
    "signal-no", "Content-Signal without training", "Content-Signal: search=yes, ai-train=no", "opt_out|robots"
)
SIGNAL_YES = _signalled(
    "signal-yes", "Content-Signal with training", "Content-Signal: search=yes, ai-train=yes", "page"
)
SIGNAL_HEADER = _opting(
    "signal-header",
    "Content-Signal as a header",
    {"/no": page("no", headers=[("Content-Signal", "ai-train=no")])},
    {"/": page("표지"), "/yes": page("yes", headers=[("Content-Signal", "search=no, ai-train=yes")])},
)

NOFOLLOW = Host(
    name="nofollow.example",
    about="pages whose links must not be followed",
    group="opt-out",
    pages={
        "/": page("표지", "/meta", "/header", "/ours", "/others"),
        "/meta": page("meta", "/behind/meta", "/known", head=_meta("robots", "nofollow")),
        "/header": page("header", "/behind/header", headers=[("X-Robots-Tag", "nofollow")]),
        "/ours": page("ours", "/behind/ours", head=_meta("yisang", "nofollow")),
        "/others": page("others", "/known", head=_meta("otherbot", "nofollow")),
        "/known": page("다른 길로도 닿는 글"),
        **{f"/behind/{name}": page("숨은 글") for name in ("meta", "header", "ours")},
    },
    expected=dict.fromkeys(("/", "/meta", "/header", "/ours", "/others", "/known"), "page"),
    forbidden=("/behind/*",),
)

HOSTS = (
    HEADERS,
    META,
    TDM,
    TDMREP,
    TDMREP_BROKEN,
    TDMREP_503,
    TDMREP_SOFT,
    SIGNAL_NO,
    SIGNAL_YES,
    SIGNAL_HEADER,
    NOFOLLOW,
)
