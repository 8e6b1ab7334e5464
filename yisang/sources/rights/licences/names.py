"""Which licence an address or a wording is: Creative Commons in all its forms, KOGL, and those of the table by address and name."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple
from urllib.parse import unquote

from yisang.filters.licence import families, table
from yisang.sources.rights.licences.statements import Statements, load

UNKNOWN = "unknown"
"""Terms are stated, and nobody here knows which."""
RESERVED = "all-rights-reserved"

_ELEMENTS = ("BY", "NC", "ND", "SA")
_WRAPPED = re.compile(r"^https?://web\.archive\.org/web/[0-9]{4,14}[a-z_]*/(?=.)", re.IGNORECASE)
_CC = re.compile(
    r"^\s*(?:https?:)?/*(?:www\.)?creativecommons\.org/(?:licen[cs]es|publicdomain)/([^/?#\s]+)/?([^/?#\s]*)/?([^/?#\s]*)",
    re.IGNORECASE,
)
_CC_HOST = re.compile(r"^\s*(?:https?:)?/*(?:www\.)?creativecommons\.org(?:[/?#]|\s*$)", re.IGNORECASE)
_BADGE = re.compile(
    r"(?:creativecommons\.org/(?:l|images/(?:public|deed)|licenses)|licensebuttons\.net/[lpi])/([a-z+-]+)/?([0-9.]*)/?([a-z]*)",
    re.IGNORECASE,
)
_BADGE_FILE = re.compile(
    r"(?:^|[/_.-])(?:cc[-_.]?)(zero|0|by(?:[-_.]?(?:nc|nd|sa)){0,3})(?![a-z0-9])[^/]*$|"
    r"/presskit/buttons/[^/]*/[a-z]*/(by(?:-(?:nc|nd|sa)){0,3}|cc-zero)[^/]*$",
    re.IGNORECASE,
)
_SHORT = re.compile(
    r"CCL?[\s:_(-]{0,3}(?:(0|ZERO)|BY((?:[\s/_–—-]{0,3}(?:NC|SA|ND)){0,3}))(?![A-Za-z0-9])(?:[\s,_-]{0,3}v?\.?\s?([0-9]\.[0-9]))?"
    r"(?:[\s_-]([A-Z]{2,3})(?![A-Za-z0-9]))?",
    re.IGNORECASE,
)
_VERSION = re.compile(r"[0-9]\.[0-9]")
_SENTENCE = re.compile(r"[!?。！？]|\.\s")
_LONG_WINDOW = 200
_FIRST_WINDOW = 75
MAX_ANCHORS = 2_000
"""Places of one text where a licence's name may begin that are looked at."""


class Named(NamedTuple):
    """A licence named in a text, from `start` to `end`."""

    start: int
    end: int
    id: str


def unwrapped(address: str) -> str:
    """The address itself, out of a web archive's."""
    return _WRAPPED.sub("", address.strip())


def of_address(address: str) -> str | None:
    """The id of the licence at this address; "unknown" for one of Creative Commons that is not known; None for any other address."""
    address = unwrapped(address[:2000])
    if _CC_HOST.match(address):
        return _creative_commons(address)
    bare = re.sub(r"^(?:https?:)?//(?:www\.)?", "", address, flags=re.IGNORECASE).lower()
    for start, id in _addresses():
        if bare.startswith(start) and not bare[len(start) : len(start) + 1].isalnum():
            return _versioned(id, bare[len(start) :])
    if match := re.match(r"spdx\.org/licenses/([a-z0-9.-]+?)(?:\.html|\.json)?$", bare):
        entry = table().get(match[1])
        return entry.id if entry else UNKNOWN
    return None


def of_badge(source: str) -> str | None:
    """The id of the Creative Commons badge that an image's address is; None for any other image."""
    source = source[:2000]
    if match := _BADGE.search(source):
        kind, version, port = match.groups()
        if kind.lower() in ("zero", "cc-zero", "mark", "publicdomain"):
            return _public_domain(kind.lower(), version)
        return _attribution(kind, version, port)
    if match := _BADGE_FILE.search(source.partition("?")[0]):
        kind = (match[1] or match[2]).replace("_", "-").replace(".", "-")
        return "CC0-1.0" if kind.lower() in ("zero", "0", "cc-zero") else _attribution(kind, "", "")
    return None


def in_text(text: str) -> Iterator[Named]:
    """The licences that a text names, from left to right; KOGL apart (sources.rights.licences.kogl)."""
    lowered = text.lower()
    if not any(word in lowered for word in _needed()):
        return
    words = load()
    for match in islice(_anchors().finditer(text), MAX_ANCHORS):
        if match["short"]:
            named = _short(text, match.start())
        elif match["long"]:
            named = _long(text, match.start(), match.end(), words)
        else:
            named = _of_table(match)
        if named is not None:
            yield named


def names_creative_commons(text: str) -> bool:
    """Whether a text speaks of Creative Commons or of a licence by its name."""
    return bool(load().creative_commons.search(text)) or next(in_text(text), None) is not None


def compatible(one: str, other: str) -> bool:
    """Whether two ids may be the same licence, one of them perhaps without its version or port."""
    if one == other:
        return True
    first, second = _parts(one), _parts(other)
    return first[0] == second[0] and all(not a or not b or a == b for a, b in zip(first[1:], second[1:], strict=True))


def detail(id: str) -> int:
    """How much of a licence an id tells: 1 for the family, 2 with a version, 3 with a port."""
    return sum(bool(part) for part in _parts(id))


def family(id: str) -> str:
    """An id without its version and port."""
    return _parts(id)[0]


def _parts(id: str) -> tuple[str, str, str]:
    match = re.fullmatch(r"(CC-(?:BY|NC|ND|SA)[A-Z-]*?|GFDL)(?:-([0-9.]+)(?:-([A-Z]+))?)?", id)
    return (match[1], match[2] or "", match[3] or "") if match else (id, "-", "-")


def _creative_commons(address: str) -> str | None:
    match = _CC.match(unquote(address))
    if match is None:
        return None
    kind, version, port = match.groups()
    kind = kind.lower().strip(".,;)\"'")
    if kind in ("zero", "mark", "certification", "publicdomain"):
        return _public_domain(kind, version)
    return _attribution(kind, version, port) or UNKNOWN


def _public_domain(kind: str, version: str) -> str:
    return {"zero": "CC0-1.0", "cc-zero": "CC0-1.0", "mark": "CC-PDM-1.0"}.get(kind, "CC-PDDC")


def _attribution(kind: str, version: str, port: str) -> str | None:
    """CC-BY-NC-SA-2.0-KR out of its parts; without a version or port that the table does not have, None for other kinds."""
    given = [part.upper() for part in re.split(r"[-_\s/]+", kind) if part]
    if not given or set(given) - set(_ELEMENTS) or len(set(given)) < len(given):
        return None
    family = "-".join(("CC", *(part for part in ("BY", "NC", "SA", "ND") if part in given)))
    version = match[0] if (match := re.match(r"[0-9](?:\.[0-9])?", version)) else ""
    version = f"{version}.0" if len(version) == 1 else version
    if not version or f"{family}-{version}".lower() not in table():
        return family
    # 4.0 was not ported; what stands behind it is a language.
    whole = f"{family}-{version}-{port.upper()}"
    return whole if version < "4" and whole.lower() in table() else f"{family}-{version}"


@functools.cache
def _addresses() -> tuple[tuple[str, str], ...]:
    return tuple((url.lower(), entry.id) for entry in families() for url in entry.urls)


def _versioned(id: str, rest: str) -> str:
    if id.lower() in table():
        return table()[id.lower()].id
    match = _VERSION.search(rest[:20])
    return f"{id}-{match[0]}" if match and f"{id}-{match[0]}".lower() in table() else id


@functools.cache
def _needed() -> tuple[str, ...]:
    """Words of which a text has one where it has an anchor: to look for them is much faster than for the pattern."""
    commons = load().creative_commons_words
    names = [name for entry in families() for name in entry.names]
    return ("cc", *commons, *sorted({max(re.findall(r"[^\W\d_]+", name), key=len).lower() for name in names}))


@functools.cache
def _anchors() -> re.Pattern[str]:
    names = sorted(((name, entry.id) for entry in families() for name in entry.names), key=lambda item: -len(item[0]))
    listed = "|".join(rf"(?<![A-Za-z0-9]){_spaced(name)}(?![A-Za-z0-9])" for name, _ in names)
    return re.compile(
        rf"(?P<short>(?<![A-Za-z0-9])CCL?[\s:_(-]{{0,3}}(?:0|ZERO|BY)(?![A-Za-z0-9]))|(?P<long>{load().creative_commons.pattern})|(?P<name>{listed})",
        re.IGNORECASE,
    )


def _spaced(name: str) -> str:
    return r"\s+".join(re.escape(part) for part in name.split())


def _of_table(match: re.Match[str]) -> Named:
    said = " ".join(match["name"].lower().split())
    id = next(entry.id for entry in families() for name in entry.names if " ".join(name.lower().split()) == said)
    return Named(match.start(), match.end(), _versioned(id, match.string[match.end() :]))


def _short(text: str, start: int) -> Named | None:
    match = _SHORT.match(text, start)
    if match is None:
        return None
    if match[1]:
        return Named(start, match.end(), "CC0-1.0")
    # "cc by" in small letters is two words of English where nothing follows.
    if not match[2] and not match[3] and not text[start : start + 2].isupper():
        return None
    id = _attribution("by" + re.sub(r"[\s/_–—-]+", "-", match[2]), match[3] or "", match[4] or "")
    end = match.end() if not match[4] or (id or "").endswith(f"-{match[4].upper()}") else match.start(4)
    return Named(start, end, id) if id else None


def _long(text: str, anchor: int, start: int, words: Statements) -> Named | None:
    """Attribution, NonCommercial ... behind the name of Creative Commons, in any language, each near the one before."""
    if not words.elements.search(text, start, start + _FIRST_WINDOW):
        return None
    window = text[start : start + _LONG_WINDOW]
    found: list[str] = []
    end = 0
    for match in words.elements.finditer(window):
        between = window[end : match.start()]
        if len(between) > (30 if found else 45) or _SENTENCE.search(between):
            break
        kind = str(match.lastgroup)
        if kind == "by" and found == ["by"]:  # "Atribución/Reconocimiento"
            end = match.end()
            continue
        if kind in found or (not found and kind == "zero" and match.start() > 15):
            break
        found.append(kind)
        end = match.end()
    if "zero" in found[:1]:
        return Named(anchor, start + end, "CC0-1.0")
    if not found or "by" not in found:
        return None
    behind = window[end : end + 60]
    version = _VERSION.search(behind[:30])
    port = ""
    if version:
        named = words.ports.match(behind, version.end())
        port = str(named.lastgroup) if named else ""
        end += version.end()
    id = _attribution("-".join(part for part in found if part != "zero"), version[0] if version else "", port)
    return Named(anchor, start + end, id) if id else None
