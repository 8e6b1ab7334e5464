"""What a purge is after: hosts and pages, how their addresses are told from others, and how they are found in bytes."""

from __future__ import annotations

import functools
import hashlib
import html
import json
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from yisang.errors import UsageError

_PORTS = {"http": 80, "https": 443}
_BEFORE = rb"(?:(?<![a-z0-9-])|(?<=%[0-9a-f][0-9a-f])|(?<=\\[nrt])|(?<=\\u[0-9a-f]{4}))"
"""A name may stand behind an escaped sign (%2F, %3D, \\u003d), or the n, r, t of JSON's escapes, which end in letters and digits too."""

_FILE = rb"(?:warc|gz|zst|bz2|xz|parquet|arrow|jsonl?|ndjson|csv|tsv|txt|log|html?|xml|sqlite3?|db|toml|ya?ml|cdxj?|bak|tmp|old)"
_BEHIND = rb"(?:(?=(?:-[0-9]+)*(?:\." + _FILE + rb")+(?![a-z0-9-]|\.[a-z0-9]))|(?![a-z0-9-]|\.[a-z0-9]))"
"""A name ends where no name goes on; files that are called after a host (forum.example.org-00000.warc.gz) go on with what is no domain."""


@dataclass(frozen=True)
class Target:
    """hosts: names without scheme or port, as `host_of` writes them. urls: single pages. subdomains: names below `hosts` too."""

    hosts: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    subdomains: bool = False

    @classmethod
    def of(cls, hosts: list[str], urls: list[str], subdomains: bool = False) -> Target:
        """Raises UsageError for what is no host or no page, and for nothing at all."""
        if not hosts and not urls:
            raise UsageError("Say what is to be taken out: --host forum.example.org or --url https://….")
        for url in urls:
            try:
                parts = urlsplit(url)
                told = parts.scheme in _PORTS and bool(parts.hostname) and (parts.port is None or parts.port > 0)
            except ValueError:  # a bracket that is no IPv6 address, a port that is none
                told = False
            if not told:
                raise UsageError(
                    f"--url {url} is no address of a page. Write it in full, with https://, or use --host."
                )
        return cls(tuple(sorted({_checked(host) for host in hosts})), tuple(sorted(set(urls))), subdomains)

    @functools.cached_property
    def _pages(self) -> frozenset[tuple[str, str]]:
        return frozenset(_page(url) for url in self.urls)

    def matches(self, url: str) -> bool:
        """Whether an address is of the target. http and https, and spellings that name the same page, are not told apart."""
        if not url:
            return False
        host = host_of(url)  # remembered: an address stands in every phase of a run, and in all that was made of it
        if host in self.hosts or (self.subdomains and any(host.endswith(f".{name}") for name in self.hosts)):
            return True
        return bool(self._pages) and _page(url) in self._pages

    def is_below(self, url: str) -> bool:
        """Whether an address is of a subdomain that is not meant."""
        host = host_of(url) if url and not self.subdomains else ""
        return any(host.endswith(f".{name}") for name in self.hosts)

    @functools.cached_property
    def pattern(self) -> re.Pattern[bytes]:
        """The names of the target in bytes: hosts and pages in all their spellings."""
        found = []
        for host in self.hosts:
            for spelt in _spellings(host):
                below = rb"" if self.subdomains else rb"(?<!\.)"
                found.append(_BEFORE + below + re.escape(spelt.encode()) + _BEHIND)
        for url in self.urls:
            parts = urlsplit(url)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            plain = unquote(path)
            spellings = {
                path,
                plain,
                quote(plain, safe="/?&=%+:;,@!$'()*~"),
                quote(plain, safe="/?&=+:;,@!$'()*~").lower(),
                json.dumps(plain)[1:-1],
                json.dumps(plain)[1:-1].replace("&", "\\u0026"),
                html.escape(plain),
            }
            port = f":{parts.port}" if parts.port else ""
            names = {parts.netloc, *(f"{name}{port}" for name in _spellings(host_of(url))), *_spellings(host_of(url))}
            for spelt in {f"{name}{form}" for name in names for form in spellings}:
                escaped = re.escape(spelt.encode()).replace(rb"/", rb"(?:/|\\/|%2f)")
                found.append(_BEFORE + escaped + rb"(?![a-z0-9%_~/?&=+-]|\.[a-z0-9])")
        return re.compile(rb"|".join(found), re.I)

    @functools.cached_property
    def _hosts(self) -> tuple[bytes, ...]:
        hosts = {*self.hosts, *(host_of(url) for url in self.urls)}
        return tuple(spelt.lower().encode() for host in hosts for spelt in _spellings(host))

    def times_named_in(self, data: bytes) -> int:
        # The pattern looks at each byte; whether there is any use in that is told by a search that does not.
        lowered = data.lower()
        return sum(1 for _ in self.pattern.finditer(data)) if any(host in lowered for host in self._hosts) else 0

    def named_in(self, text: str | bytes) -> bool:
        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        lowered = data.lower()
        return any(host in lowered for host in self._hosts) and self.pattern.search(data) is not None

    def mark(self, salt: str) -> str:
        """A digest that tells whether a purge was of the same target, without naming it."""
        named = "\0".join([salt, *self.hosts, "", *self.urls, str(self.subdomains)])
        return hashlib.sha256(named.encode()).hexdigest()

    def __str__(self) -> str:
        below = " and its subdomains" if self.subdomains else ""
        return ", ".join([*(f"{host}{below}" for host in self.hosts), *self.urls])


@functools.lru_cache(1 << 16)
def host_of(url: str) -> str:
    """The host of an address in lower case and ASCII; "" where it has none."""
    try:
        host = urlsplit(url if "//" in url else f"//{url}").hostname or ""
    except ValueError:  # a bracket that is no IPv6 address
        return ""
    return _in_ascii(unquote(host).rstrip("."))


def _spellings(host: str) -> set[str]:
    """A host in ASCII and in letters, these also as addresses and JSON escape them."""
    letters = _in_letters(host)
    return {host, letters, quote(letters), json.dumps(letters)[1:-1]}


def _checked(host: str) -> str:
    named = host_of(host)
    if "//" in host or "/" in host or not named or "." not in named:
        raise UsageError(
            f"--host {host} is no name of a host. Write it as forum.example.org; single pages go with --url."
        )
    return named


def _in_ascii(host: str) -> str:
    try:
        return host.encode("idna").decode().lower()
    except UnicodeError:
        return host.lower()


def _in_letters(host: str) -> str:
    try:
        return host.encode().decode("idna")
    except UnicodeError:
        return host


@functools.lru_cache(1 << 16)
def _page(url: str) -> tuple[str, str]:
    """What tells a page from others: host and port, and path with query, unescaped."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", url
    host = _in_ascii(unquote(parts.hostname or "").rstrip("."))
    where = host if port is None or port == _PORTS.get(parts.scheme) else f"{host}:{port}"
    return where, unquote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
