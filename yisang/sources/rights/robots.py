"""robots.txt: what it allows a crawler to ask for, and what may be done with what was fetched.

The protocol is RFC 9309 (https://www.rfc-editor.org/rfc/rfc9309); where it leaves a choice, the one of Google's open matcher
(https://github.com/google/robotstxt) is taken:

- lines end at CR, LF or CRLF; what stands past 16,663 bytes of a line, or past 500 KiB of the file, is not read, and a line that the end of
  those 500 KiB cuts is no rule, since a cut "Disallow: /a" may read "Disallow: /"
- a forgotten colon and frequent misspellings of the names are understood; names count by their beginning ("Disallowed:" is a Disallow)
- only Allow and Disallow end a run of User-agent lines; Sitemap, Crawl-delay and unknown lines do not
- all groups of one product token are one; they replace those of `*`; a token ends at the first character that is no letter, `_` or `-`
- the rule with the most octets decides, Allow where two have as many; a rule that begins with neither `/` nor `*` matches nothing
- `Allow: /dir/index.html` also allows `/dir/`

How paths compare is in `paths`.

Usage preferences: Content-Signal (https://contentsignals.org) and Content-Usage (draft-ietf-aipref-attach, draft-ietf-aipref-vocab).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from yisang.errors import UsageError
from yisang.sources.rights.paths import Pattern, open_slashes, patterns, target
from yisang.sources.rights.signals import Signal
from yisang.sources.rights.usage import content_signal, content_usage

MAX_BYTES = 500 * 1024
"""RFC 9309 2.5: a crawler reads at least 500 KiB. The rest is not read."""
MAX_LINE = 2083 * 8 - 1
"""Bytes of one line that are read; the bound of Google's matcher."""
MAX_TEXT = 300
"""Characters of a rule that are quoted."""

_BOM = b"\xef\xbb\xbf"
_WIDE = {rb"\xff\xfe|\xfe\xff": "utf-16", rb"[\t-\x7f]\0": "utf-16-le", rb"\0[\t-\x7f]": "utf-16-be"}
"""How a file in UTF-16 begins: with its mark, or else with an ASCII character."""
_PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
"""How gzip and Zstandard begin."""
_END_OF_LINE = re.compile(rb"\r\n|\r|\n")
_BLANKS = " \t\n\v\f\r"
_TOKEN = re.compile(r"[A-Za-z_-]*")
_SECONDS = re.compile(r"\d{1,9}(?:\.\d{0,9})?|\.\d{1,9}")
_NAMES = (
    ("user-agent", ("user-agent", "useragent", "user agent")),
    ("allow", ("allow",)),
    ("disallow", ("disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw")),
    ("sitemap", ("sitemap", "site-map")),
    ("crawl-delay", ("crawl-delay", "crawldelay", "crawl delay")),
    ("content-signal", ("content-signal",)),
    ("content-usage", ("content-usage",)),
)


class Line(NamedTuple):
    """One line that says something. `name` is the proper spelling of what stood there, `value` holds one character for each octet."""

    name: str
    value: str
    number: int
    text: str


@dataclass
class _Group:
    """Lines behind a run of User-agent lines. `agents` holds tokens in lower case, or "*", and their place in the run; an entry of
    `others` is a line and how many agents stood above it.
    """

    agents: dict[str, int] = field(default_factory=dict)
    rules: list[Line] = field(default_factory=list)
    others: list[tuple[Line, int]] = field(default_factory=list)


class _Rule(NamedTuple):
    """`rank` orders rules: twice the octets, one more for Allow."""

    rank: int
    pattern: Pattern
    signal: Signal


class _Rules:
    """The rules for one agent, made ready: those without a star in dictionaries, the rest by rank."""

    def __init__(self, rules: list[_Rule], nothing: Signal, usage: list[tuple[int, _Rule]]) -> None:
        self.nothing = nothing
        self.usage = usage
        self.exact: dict[str, _Rule] = {}
        self.prefixes: dict[str, _Rule] = {}
        self.starred: list[tuple[str, _Rule]] = []
        """Each with its longest part: most patterns fail already because the path does not hold it."""
        for rule in sorted(rules, key=lambda rule: -rule.rank):  # of two alike the Allow comes first, and stays
            plain, anchored = rule.pattern.parts[0], rule.pattern.anchored
            if len(rule.pattern.parts) == 1 and rule.pattern.octets == len(plain) + anchored:
                (self.exact if anchored else self.prefixes).setdefault(plain, rule)
            else:
                self.starred.append((max(rule.pattern.parts, key=len), rule))
        self.lengths = sorted({len(prefix) for prefix in self.prefixes})

    def best(self, path: str) -> _Rule | None:
        found = self.exact.get(path)
        if found is None:
            lengths, prefixes = self.lengths, self.prefixes
            for place in range(bisect_left(lengths, len(path) + 1) - 1, -1, -1):
                found = prefixes.get(path[: lengths[place]])
                if found is not None:
                    break
        floor = -1 if found is None else found.rank
        for part, rule in self.starred:
            if rule.rank <= floor:
                break
            if part in path and rule.pattern.matches(path):
                return rule
        return found


class Robots:
    """One robots.txt, or what stands for it where there is none to read. Asked as often as wanted; asks nobody."""

    def __init__(self, groups: list[_Group], sitemaps: tuple[str, ...], everyone: Signal | None = None) -> None:
        self._groups = groups
        self._everyone = everyone
        self._made: dict[str, _Rules] = {}
        self.sitemaps = sitemaps
        """The Sitemap lines as they stand, each once."""

    @classmethod
    def parse(cls, body: bytes) -> Robots:
        """Reads any bytes; a line that says nothing known is passed over."""
        groups: list[_Group] = []
        loose = _Group(agents={"": 0})
        sitemaps: dict[str, None] = {}
        for line in lines(body):
            if line.name == "user-agent":
                if not groups or groups[-1].rules:
                    groups.append(_Group())
                groups[-1].agents.setdefault(_agent_of(line.value), len(groups[-1].agents))
            elif line.name == "sitemap":
                if line.value:
                    sitemaps[_readable(line.value)] = None
            elif line.name in {"allow", "disallow"}:
                if groups:
                    groups[-1].rules.append(line)
            else:
                group = groups[-1] if groups else loose
                group.others.append((line, len(group.agents)))
        # A preference above all groups is nobody's rule, and yet a statement of the site
        return cls([*groups, loose] if loose.others else groups, tuple(sitemaps))

    @classmethod
    def from_response(cls, status: int, body: bytes) -> Robots:
        """What the answer to a request for /robots.txt means (RFC 9309 2.3.1). Redirects are for the fetcher to follow; one that comes here
        was not followed, and is as unreadable as an error of the server.
        """
        if 200 <= status < 300:
            return cls.unreachable("its body is packed") if body.startswith(_PACKED) else cls.parse(body)
        if 400 <= status < 500 and status != 429:
            return cls._for_all(True, f"there is no robots.txt (status {status}), so nothing is forbidden")
        return cls.unreachable(f"status {status}")

    @classmethod
    def unreachable(cls, why: str) -> Robots:
        """Nobody can tell what is forbidden, so everything is (RFC 9309 2.3.1.4)."""
        return cls._for_all(False, f"robots.txt cannot be read ({why}), so everything is forbidden")

    @classmethod
    def _for_all(cls, allowed: bool, why: str) -> Robots:
        return cls([], (), Signal("robots", allowed, "", "robots.txt", why))

    def verdict(self, agent: str, url: str) -> Signal:
        """Whether `agent`, a product token such as "yisang", may ask for `url`, and the line that decided; `rule` is "" where none did.

        Raises UsageError for an agent that is no product token.
        """
        rules = self._made.get(agent) or self._make(agent)
        path = target(url)
        if path == "/robots.txt":
            return _ITSELF
        found = rules.best(path)
        if "%2F" in path:
            other = rules.best(open_slashes(path))
            if other is not None and (found is None or other.rank > found.rank):
                found = other
        return rules.nothing if found is None else found.signal

    def content_signals(self, agent: str, url: str) -> list[Signal]:
        """What the agent's groups say of training on `url`: of Content-Signal and of Content-Usage each the lines with the longest path that
        matches. Empty where they say nothing of it.
        """
        rules = self._made.get(agent) or self._make(agent)
        if not rules.usage:
            return []
        path = target(url)
        paths = {path, open_slashes(path)}
        found = [(what, rule) for what, rule in rules.usage if any(rule.pattern.matches(each) for each in paths)]
        longest = {what: max(rule.rank for kind, rule in found if kind == what) for what, _ in found}
        return [rule.signal for what, rule in found if rule.rank == longest[what] and rule.signal.rule]

    def crawl_delay(self, agent: str) -> float | None:
        """Seconds between requests that the agent's groups ask for, the longest where they differ; None where they ask for none."""
        groups, token = self._for(agent)
        stated = [
            float(line.value)
            for group in groups
            for line, above in group.others
            if line.name == "crawl-delay" and group.agents[token] < above and _SECONDS.fullmatch(line.value)
        ]
        return max(stated, default=None)

    def _for(self, agent: str) -> tuple[list[_Group], str]:
        if not agent or not _TOKEN.fullmatch(agent):
            raise UsageError(
                f"robots.txt: {agent!r} is no product token. A token has letters, '_' and '-' only (RFC 9309 2.2.1), such as 'yisang'; it "
                "stands without version and contact."
            )
        for token in (agent.lower(), "*"):
            groups = [group for group in self._groups if token in group.agents]
            if groups:
                return groups, token
        return [], ""

    def _make(self, agent: str) -> _Rules:
        groups, token = self._for(agent)
        whose = f"group for {token}"
        rules = [rule for group in groups for line in group.rules for rule in _rules(line, whose)]
        usage = [
            entry
            for group in self._groups
            for line, above in group.others
            if group.agents.get(token if groups else "", above) < above or group.agents.get("", above) < above
            for entry in _usage(line)
        ]
        if self._everyone is not None:
            nothing = self._everyone
        elif not groups:
            nothing = Signal("robots", True, "", "robots.txt", f"it has no group for {agent} and none for *")
        else:
            nothing = Signal("robots", True, "", "robots.txt", f"no rule of the {whose} matches")
        made = self._made[agent] = _Rules(rules, nothing, usage)
        return made


_ITSELF = Signal("robots", True, "", "robots.txt", "robots.txt itself may always be asked for")


def lines(body: bytes) -> Iterator[Line]:
    """The lines of a robots.txt that have a known name, in order; numbers count from one."""
    body = _whole_lines(body)
    # RFC 9309 2.2.2 lets a crawler bridge an encoding that it recognises; read as bytes, such a file would forbid nothing
    encoding = next((name for start, name in _WIDE.items() if re.match(start, body)), None)
    if encoding:
        body = body.decode(encoding, "replace").encode()
    body = body.removeprefix(next(mark for mark in (_BOM, _BOM[:2], _BOM[:1], b"") if body.startswith(mark)))
    for number, octets in enumerate(_END_OF_LINE.split(body), 1):
        whole = octets[:MAX_LINE].decode("latin-1")
        text = whole.partition("#")[0].partition("\0")[0].strip(_BLANKS)
        key, colon, value = text.partition(":")
        if not colon:
            words = [word for word in text.replace("\t", " ").split(" ") if word]
            if len(words) != 2:
                continue
            key, value = words
        name = _name(key.strip(_BLANKS).lower())
        if name == "sitemap" and len(key.split()) > 1:  # the first colon is the address's
            value = text.split(None, 1)[1]
        if name:
            yield Line(name, value.strip(_BLANKS), number, _readable(whole.strip(_BLANKS)))


def _whole_lines(body: bytes) -> bytes:
    if len(body) <= MAX_BYTES or body[MAX_BYTES] in b"\r\n":
        return body[:MAX_BYTES]
    return body[: max(body.rfind(b"\n", 0, MAX_BYTES), body.rfind(b"\r", 0, MAX_BYTES)) + 1]


def _name(key: str) -> str:
    return next((name for name, beginnings in _NAMES if key.startswith(beginnings)), "")


def _agent_of(value: str) -> str:
    """The token in lower case, "*" for all; a value that begins with neither is a name that no crawler can have."""
    if value[:1] == "*" and (len(value) == 1 or value[1] in _BLANKS):
        return "*"
    match = _TOKEN.match(value)
    return match[0].lower() if match and match[0] else f"?{value}"


def _readable(octets: str) -> str:
    raw = octets.encode("latin-1")
    try:
        text = raw.decode()
    except UnicodeDecodeError:  # by halves it would be letters that nobody wrote
        text = raw.decode("ascii", "backslashreplace")
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _rules(line: Line, whose: str) -> Iterator[_Rule]:
    """The rules that a line stands for; none for an empty one."""
    allow = line.name == "allow"
    signal = Signal("robots", allow, line.text, f"robots.txt line {line.number}", whose)
    if not line.value:
        return
    yield from _ranked(line.value, allow, signal)
    folder, slash, file = line.value.rpartition("/")
    if allow and slash and file.startswith("index.htm"):
        yield from _ranked(f"{folder}/$", True, signal)


def _ranked(value: str, allow: bool, signal: Signal) -> Iterator[_Rule]:
    for pattern in patterns(value):
        yield _Rule(2 * pattern.octets + allow, pattern, signal)


def _usage(line: Line) -> Iterator[tuple[int, _Rule]]:
    """A preference line as a rule whose signal is its meaning; one with an empty text says nothing of training, and hides shorter paths."""
    read = {"content-signal": content_signal, "content-usage": content_usage}.get(line.name)
    if read is None:
        return
    first, _, rest = line.value.replace("\t", " ").partition(" ")
    path, stated = (first, rest) if first.startswith(("/", "*")) else ("", line.value)
    said = read(_readable(stated))
    where = f"robots.txt line {line.number}"
    signal = (
        Signal("content-signal", True, "", where)
        if said is None
        else Signal("content-signal", said[0], line.text, where, said[1])
    )
    for rule in _ranked(path, False, signal):
        yield (0 if line.name == "content-signal" else 1), rule
