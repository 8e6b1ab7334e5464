"""Paths of URLs and the patterns of robots.txt and TDMRep that match them.

Paths compare as RFC 9309 2.2.2 asks (https://www.rfc-editor.org/rfc/rfc9309#section-2.2.2), which is more than Google's matcher does: octets
that a URL cannot hold are percent-encoded on both sides, and an encoded character equals the plain one, save `/ ? # %`, which divide. In a query
an encoded slash equals a plain one too. Dot segments of the asked URL are resolved first (RFC 3986 5.2.4), since the server will.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_SAME_ENCODED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:[]@!$&'()*+,;=")
_TO_SPELL = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]")
_ORDINARY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#\\@\s]+(/[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=]*)").fullmatch


class Pattern(NamedTuple):
    """A pattern in its one spelling, cut at its stars; `anchored` where it ended in `$`. `octets` orders patterns: the most specific has most."""

    parts: tuple[str, ...]
    anchored: bool
    octets: int

    def matches(self, path: str) -> bool:
        """Whether it matches a path as `target` gives it. Each part is looked for behind the one before, so that no number of stars makes
        it slow.
        """
        parts = self.parts
        if not path.startswith(parts[0]):
            return False
        place = len(parts[0])
        if len(parts) == 1:
            return not self.anchored or place == len(path)
        last = len(parts) - 1
        for part in parts[1:last] if self.anchored else parts[1:]:
            found = path.find(part, place)
            if found < 0:
                return False
            place = found + len(part)
        return not self.anchored or (len(path) - len(parts[last]) >= place and path.endswith(parts[last]))


def patterns(value: str) -> tuple[Pattern, ...]:
    """The one or two patterns that a written one stands for; `value` has one character for each octet."""
    anchored = value.endswith("$")
    spelt = [_spell(part) for part in (value[:-1] if anchored else value).split("*")]
    parts = tuple(part for place, part in enumerate(spelt) if part or place in {0, len(spelt) - 1})
    opened = tuple(open_slashes("\0".join(parts)).split("\0"))  # no spelt part holds a NUL
    octets = sum(map(len, opened)) + len(spelt) - 1 + anchored
    return tuple(Pattern(each, anchored, octets) for each in dict.fromkeys((parts, opened)))


def target(url: str) -> str:
    """Path and query of a URL in their one spelling; "/" where it has none."""
    ordinary = _ORDINARY(url)
    if ordinary and "/." not in url:
        return ordinary[1]
    url = url.strip(" \t\n\v\f\r").partition("#")[0]
    for blank in "\t\r\n":  # a browser drops them
        url = url.replace(blank, "")
    scheme, mark, rest = url.partition("://")
    if mark and "/" not in scheme and "?" not in scheme:
        url = rest
    else:
        url = url.removeprefix("//")
    start = min((place for place in (url.find("/"), url.find("?")) if place >= 0), default=len(url))
    path, mark, query = _spell(octets_of(url[start:])).partition("?")
    return (_without_dots(path) if "/." in path else path or "/") + mark + query


def open_slashes(path: str) -> str:
    """With the encoded slashes of the query opened."""
    before, mark, query = path.partition("?")
    return before + mark + query.replace("%2F", "/")


def octets_of(text: str) -> str:
    """The UTF-8 of a text, one character for each octet."""
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("latin-1")


def _spell(octets: str) -> str:
    return _TO_SPELL.sub(_spelt, octets)


def _spelt(match: re.Match[str]) -> str:
    text = match[0]
    if len(text) == 1:
        return f"%{ord(text):02X}"
    character = chr(int(text[1:], 16))
    return character if character in _SAME_ENCODED else text.upper()


def _without_dots(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)
