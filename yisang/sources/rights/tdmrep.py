"""/.well-known/tdmrep.json: what a host reserves of text and data mining, by path.

TDM Reservation Protocol (https://www.w3.org/community/reports/tdmrep/CG-FINAL-tdmrep-20240510/): a JSON array of {"location": pattern,
"tdm-reservation": 0 or 1, "tdm-policy": address}. Patterns are those of robots.txt. "The most specific match is the first in sequence" can be
read in two ways; a path is reserved where the first rule that matches says so, or the one with most octets.

The protocol takes an error for no reservation. Here a file, or a value, that cannot be read does not allow.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec

from yisang.sources.rights.optout import quoted, reserved
from yisang.sources.rights.paths import Pattern, octets_of, open_slashes, patterns, target
from yisang.sources.rights.signals import Signal

MAX_BYTES = 1024 * 1024
"""A longer file is not read, and so does not allow. The bound is ours; a rule has about 100 bytes."""

_PLACE = ".well-known/tdmrep.json"


class _Rule(NamedTuple):
    pattern: Pattern
    signal: Signal


class TdmRep:
    """The rules of one host, or what stands for them where there are none to read."""

    def __init__(self, rules: list[_Rule], everywhere: Signal | None = None) -> None:
        self._rules = rules
        self._everywhere = everywhere

    @classmethod
    def parse(cls, body: bytes) -> TdmRep:
        """Reads any bytes. What is no list of rules forbids everything; so does a reservation that names no location."""
        if len(body) > MAX_BYTES:
            return cls.unreadable(f"it is longer than {MAX_BYTES} bytes")
        try:
            stated = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"))
        except (msgspec.DecodeError, RecursionError) as error:
            return cls.unreadable(f"it is no JSON: {error}")
        if not isinstance(stated, list):
            return cls.unreadable("it is no list of rules")
        rules: list[_Rule] = []
        for number, item in enumerate(stated, 1):
            if not isinstance(item, dict) or "tdm-reservation" not in item:
                return cls.unreadable(f"rule {number} states no tdm-reservation")
            signal = _signal(item, number)
            location = item.get("location")
            if isinstance(location, str) and location.strip():
                rules += [_Rule(pattern, signal) for pattern in patterns(_path(location.strip()))]
            elif not signal.allowed:
                return cls.unreadable(f"rule {number} states no location")
        return cls(rules)

    @classmethod
    def from_response(cls, status: int, content_type: str, body: bytes) -> TdmRep:
        """What the answer to a request for the file means. HTML in its place, or nothing, is a page that says there is none. Redirects are for
        the fetcher to follow; one that comes here was not followed.
        """
        if 400 <= status < 500 and status != 429:
            return cls([])
        if not 200 <= status < 300:
            return cls.unreadable(f"status {status}")
        start = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
        if start in {b"", b"<"} or ("html" in content_type.lower() and start not in {b"[", b"{"}):
            return cls([])
        return cls.parse(body)

    @classmethod
    def unreadable(cls, why: str) -> TdmRep:
        """Nobody can tell what is reserved, so everything is."""
        return cls([], Signal("tdmrep", False, "", _PLACE, f"it cannot be read ({quoted(why)}), so it does not allow"))

    def signal(self, url: str) -> Signal | None:
        """What is said of a URL; None where nothing is."""
        if self._everywhere is not None:
            return self._everywhere
        path = target(url)
        opened = open_slashes(path)
        found = [rule for rule in self._rules if rule.pattern.matches(path) or rule.pattern.matches(opened)]
        if not found:
            return None
        first, longest = found[0], max(found, key=lambda rule: rule.pattern.octets)
        return first.signal if not first.signal.allowed else longest.signal


def _path(location: str) -> str:
    """A location as the octets of a path: some write an address, or leave the slash."""
    if "://" in location:
        return target(location)
    return octets_of(location if location.startswith(("/", "*")) else f"/{location}")


def _signal(rule: dict[str, Any], number: int) -> Signal:
    stated, policy = rule["tdm-reservation"], rule.get("tdm-policy", "")
    value = (
        str(int(stated))
        if isinstance(stated, bool | int)
        else stated
        if isinstance(stated, str)
        else json.dumps(stated)
    )
    allowed, why = reserved(value, policy if isinstance(policy, str) else "")
    return Signal("tdmrep", allowed, quoted(json.dumps(rule, ensure_ascii=False)), f"{_PLACE} rule {number}", why)
