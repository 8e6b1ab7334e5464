"""The step of a recipe that leaves out pages which say no."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from yisang.errors import UsageError
from yisang.records import Drop, Page
from yisang.sources.decode import decode
from yisang.sources.rights.optout import page_signals
from yisang.sources.rights.signals import Rights, Signal, judge, stored

_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_TAG = re.compile(rb"<[!?/a-zA-Z][a-zA-Z]")


@dataclass(frozen=True)
class HeedOptOut:
    """Page → the page with its rights, or a Drop where it opts out: by its headers, by a meta of its HTML, or by what the crawl has stored.

    `agent` is the product token that scoped statements may name. A page that cannot be decoded raises UnicodeError, unless its headers
    have said no already: what its metas say, nobody knows, and it becomes a dead letter, never a kept page.
    """

    agent: str = "yisang"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z_-]+", self.agent):
            raise UsageError(
                f"HeedOptOut: agent is {self.agent!r}; a product token has letters, '_' and '-' only, such as 'yisang'."
            )

    def __call__(self, page: Page) -> Page | Drop:
        before = stored(page.rights)
        known = before.signals if before else ()
        if before is not None and not before.allowed:
            return _drop(before)
        rights = judge([*known, *page_signals(page.headers, None, self.agent)])
        if rights.allowed and _is_html(page):
            text = decode(page.body, page.headers.get("content-type", "")).text
            rights = judge([*known, *page_signals(page.headers, text, self.agent)])
        if not rights.allowed:
            return _drop(rights)
        return msgspec.structs.replace(page, rights=judge(dict.fromkeys(rights.signals)).as_json())


def _drop(rights: Rights) -> Drop:
    signal = rights.deciding or Signal("robots", False, "", "the crawl", "it has stored that the page is not allowed")
    return Drop("opt_out", {"signal": signal.kind, "rule": signal.rule, "where": signal.where, "why": signal.why})


def _is_html(page: Page) -> bool:
    kind = page.headers.get("content-type", "").split(";")[0].split(",")[0].strip().lower()
    return kind in _HTML_TYPES or (not kind and bool(_TAG.search(page.body[:4096])))
