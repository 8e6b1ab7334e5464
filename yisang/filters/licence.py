"""What may be done with a text: the table of licences, the registry of sites, and who may enter.

The paper gave each site one letter and one category by hand (arXiv 2510.04230, section 5.1) and published
neither its evidence nor its dates. Here both are required: a registry is a TOML file of

    [[site]]
    host = "example.org"          a host name; its subdomains too with `subdomains = true`
    licence = "CC-BY-4.0"         an id of licences.toml
    letter = "A"                  the table's, or a stricter one
    category = "Science"
    evidence = "..."              the sentence that says so, or where it stands
    date = "2026-11-01"           when it was read
    page_may_raise = true         optional: a licence that a page states for itself may be laxer than this (TagLicence)

A registry may also say how to crawl, in tables named `crawl` (at the top and in a site); they are passed over here.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import msgspec

from yisang.errors import UsageError
from yisang.records import UNKNOWN_LICENCE, Drop, Letter, Licence, Page, Record

LICENCES = Path(__file__).parent / "licences.toml"
_LETTERS: tuple[Letter, ...] = get_args(Letter)
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_REQUIRED = ("host", "licence", "letter", "category", "evidence", "date")
_OPTIONAL = ("subdomains", "page_may_raise")
_ELSEWHERE = "crawl"
"""Tables of this name, at the top and in a site, say how to crawl; they are read where that is done and decide nothing about rights."""


def licence(id: str, evidence: str, date: str, letter: Letter | None = None) -> Licence:
    """A licence by its id in the table, with what shows it and the day it was read (YYYY-MM-DD).

    `letter` may be stricter than the table's, never laxer. Raises UsageError.
    """
    return _licence(id, evidence, date, letter, f"Licence {id!r}")


def _licence(id: str, evidence: str, date: str, letter: str | None, where: str) -> Licence:
    entry = table().get(id.lower())
    if entry is None:
        raise UsageError(f"{where}: there is no licence {id!r}. There are {', '.join(_names())}.")
    if letter is not None and letter not in _LETTERS:
        raise UsageError(f"{where}: letter is {letter!r}; it must be one of {', '.join(_LETTERS)}.")
    if letter is not None and letter < entry.letter:
        raise UsageError(
            f"{where}: letter {letter} is laxer than {entry.letter}, the letter of {entry.id}. "
            "A letter may only be stricter than its licence's."
        )
    if not evidence.strip():
        raise UsageError(f"{where}: evidence is empty. Write the sentence that states the licence, or where it stands.")
    if not _is_date(date):
        raise UsageError(f"{where}: date is {date!r}; it must be a day such as 2026-11-01.")
    return Licence(
        id=entry.id,
        letter=entry.letter if letter is None else letter,
        evidence=evidence,
        date=date,
        derive=entry.derive,
        share_alike=entry.share_alike,
    )


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One licence of the table."""

    id: str
    letter: Letter
    derive: bool
    share_alike: bool
    title: str
    attribution: bool = False
    versions: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@functools.cache
def families() -> tuple[Entry, ...]:
    """licences.toml as it stands there, with the ports by name."""
    content = tomllib.loads(LICENCES.read_text("utf-8"))
    ports = content["ports"]
    return tuple(
        msgspec.convert(item | {"ports": ports.get(item.get("ports"), [])}, Entry) for item in content["licence"]
    )


@functools.cache
def table() -> dict[str, Entry]:
    """licences.toml by id in lower case, with versions, ports and aliases spelled out."""
    entries: dict[str, Entry] = {}
    for entry in families():
        ids = [f"{entry.id}-{version}" for version in entry.versions] or [entry.id]
        for id in ids:
            whole = msgspec.structs.replace(entry, id=id)
            entries |= {name.lower(): whole for name in (id, *entry.aliases)}
            entries |= {
                f"{id}-{port}".lower(): msgspec.structs.replace(entry, id=f"{id}-{port}") for port in entry.ports
            }
    return entries


def stated(id: str, evidence: str, date: str = "") -> Licence:
    """A licence as a page states it, which may be less than an id of the table: one without a version ("CC-BY"), or with a version or
    port that the table lacks, goes by the terms of its family; what has none is of letter C."""
    entry = table().get(id.lower())
    if entry is None:
        family = next((family for family in families() if family.versions and _is_of(id, family.id)), None)
        if family is None:
            return Licence(id=id, letter="C", evidence=evidence, date=date)
        entry = msgspec.structs.replace(family, id=id)
    return Licence(
        id=entry.id,
        letter=entry.letter,
        evidence=evidence,
        date=date,
        derive=entry.derive,
        share_alike=entry.share_alike,
    )


def _is_of(id: str, family: str) -> bool:
    """Whether an id is the family's own, or this with a version behind: CC-BY-5.0 is of CC-BY, CC-BY-SA is not."""
    return bool(re.fullmatch(re.escape(family) + r"(-[0-9].*)?", id, re.IGNORECASE))


def asks_for_attribution(licence: Licence) -> bool:
    """Whether whoever passes the text on must name its author. A licence that the table does not have is taken to."""
    entries = [table().get(id.lower()) for id in licence.id.split(" AND ")]
    return any(entry is None or entry.attribution for entry in entries)


def _names() -> list[str]:
    return sorted({entry.id for entry in table().values() if not entry.id.endswith(entry.ports)})


def _is_date(date: str) -> bool:
    try:
        # fromisoformat alone also takes 20261101 and 2026-W44-7.
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", date, re.ASCII)) and bool(datetime.date.fromisoformat(date))
    except ValueError:
        return False


@dataclass(frozen=True)
class Site:
    """One entry of a registry."""

    host: str
    licence: Licence
    category: str
    subdomains: bool = False
    page_may_raise: bool = False


class Registry:
    """The sites of a registry file, by host. A UsageError names the file, the host and the field."""

    def __init__(self, path: str | Path):
        self.path = str(path)
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise UsageError(f"Registry {path} cannot be read: {error.strerror}.") from error
        try:
            content = tomllib.loads(data.decode())
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UsageError(f"Registry {path} cannot be read as TOML: {error}.") from error
        items = content.pop("site", [])
        content.pop(_ELSEWHERE, None)
        if content:
            raise UsageError(
                f"Registry {path}: unknown key {min(content)!r}; it may only hold [[site]] tables and [crawl]."
            )
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise UsageError(f"Registry {path}: `site` is no list of tables. Write [[site]], not [site].")
        self.sites: dict[str, Site] = {}
        for number, item in enumerate(items, 1):
            site = _site(item, f"Registry {path}, site {item.get('host') or f'number {number}'}")
            if site.host in self.sites:
                raise UsageError(f"Registry {path}, site {site.host}: host is there twice. Remove one of the two.")
            self.sites[site.host] = site

    @property
    def digest(self) -> str:
        """SHA-256 over what the entries say about rights, in the order of their hosts; how to crawl is none of it, so that a changed delay
        makes no run begin again."""
        entries = [msgspec.to_builtins(self.sites[host]) for host in sorted(self.sites)]
        return hashlib.sha256(msgspec.json.encode(entries, order="sorted")).hexdigest()

    def outdated(self, today: datetime.date) -> tuple[Site, ...]:
        """The entries that were read more than a year before this day, the oldest first. Which day it is, the caller says: a step has no
        clock."""
        limit = f"{today.year - 1:04}-{today:%m-%d}"
        old = [site for site in self.sites.values() if site.licence.date < limit]
        return tuple(sorted(old, key=lambda site: (site.licence.date, site.host)))

    def age_warning(self, today: datetime.date) -> str:
        """One line that names how many entries are older than a year and the oldest of them; "" where none is."""
        old = self.outdated(today)
        if not old:
            return ""
        hosts = ", ".join(f"{site.host} ({site.licence.date})" for site in old[:3]) + (", ..." if len(old) > 3 else "")
        return (
            f"Registry {self.path}: {len(old)} of {len(self.sites)} entries were read more than a year ago: {hosts}. "
            "Terms change; read them again and write the new date."
        )

    def for_host(self, host: str) -> Site | None:
        """The entry of this host, or the nearest one above it if that says `subdomains = true`."""
        try:
            name = _host(host)
        except ValueError:
            return None
        found = self.sites.get(name)
        if found:
            return found
        while "." in name:
            name = name.partition(".")[2]
            # The nearest decides: one that speaks for itself alone also ends what those above it say.
            if name in self.sites:
                return self.sites[name] if self.sites[name].subdomains else None
        return None


def _site(item: dict[str, Any], where: str) -> Site:
    for key in item:
        if key not in (*_REQUIRED, *_OPTIONAL, _ELSEWHERE):
            known = ", ".join((*_REQUIRED, *_OPTIONAL, _ELSEWHERE))
            raise UsageError(f"{where}: unknown key {key!r}; known are {known}.")
    fields = dict(item)
    # TOML has dates of its own; both ways of writing one are taken.
    if type(fields.get("date")) is datetime.date:
        fields["date"] = fields["date"].isoformat()
    for key in _REQUIRED:
        if key not in fields:
            raise UsageError(f"{where}: {key} is missing.")
        if not isinstance(fields[key], str) or not fields[key].strip():
            raise UsageError(f"{where}: {key} is {fields[key]!r}; it must be a text that is not empty.")
    for key in _OPTIONAL:
        if not isinstance(fields.get(key, False), bool):
            raise UsageError(f"{where}: {key} is {fields[key]!r}; it must be true or false.")
    try:
        host = _host(fields["host"])
    except ValueError as error:
        raise UsageError(
            f"{where}: host is {fields['host']!r}; it must be a bare host name, without scheme, port or path."
        ) from error
    return Site(
        host,
        _licence(fields["licence"], fields["evidence"], fields["date"], fields["letter"], where),
        fields["category"],
        fields.get("subdomains", False),
        fields.get("page_may_raise", False),
    )


def _host(name: str) -> str:
    """A host name in lower case and ASCII (IDNA), without a closing dot; ValueError if it is none."""
    name = name.lower().removesuffix(".")
    if not name.isascii():
        name = name.encode("idna").decode()
    if not _HOST.fullmatch(name):
        raise ValueError(name)
    return name


@dataclass(frozen=True)
class TagSite:
    """Gives a page the licence and the category of its host, as the registry has them.

    The host is that of the address where the page was found in the end, after redirects. A host that the
    registry does not name gets the unknown licence (letter C), whatever the page came with; its category is
    left. A page out of a file, which has no host, keeps what its source declares.
    """

    registry_path: str | Path

    @cached_property
    def registry(self) -> Registry:
        """The registry, read once; from then on it travels with the step, so that workers decide by the same
        text as the one that bears the identity."""
        return Registry(self.registry_path)

    def __call__(self, page: Page) -> Page:
        if self.is_file(page):
            return page
        site = self.entry(page)
        if site is None:
            return msgspec.structs.replace(page, licence=UNKNOWN_LICENCE)
        return msgspec.structs.replace(page, licence=site.licence, category=site.category)

    def entry(self, page: Page) -> Site | None:
        """The entry of the page's host; None where there is none, or no address at all, such as http://[."""
        try:
            return self.registry.for_host(urlsplit(page.final_url or page.url).hostname or "")
        except ValueError:
            return None

    @staticmethod
    def is_file(page: Page) -> bool:
        """Whether a page comes out of a file, without a host."""
        try:
            address = urlsplit(page.final_url or page.url)
        except ValueError:
            return False
        return address.scheme == "file" and not address.hostname

    def identity(self) -> dict[str, Any]:
        """The digests of the registry and of the table of licences; where they lie does not matter."""
        return {
            "registry": self.registry.digest,
            "licences": hashlib.sha256(LICENCES.read_bytes()).hexdigest(),
        }


@dataclass(frozen=True)
class AllowLicence:
    """Keeps records whose licence has one of these letters. C is not to be had: it never enters."""

    letters: tuple[Letter, ...] = ("A", "B")

    def __post_init__(self) -> None:
        if not self.letters or not set(self.letters) <= {"A", "B"}:
            raise UsageError(f"AllowLicence: letters is {self.letters!r}; it must be some of A and B. C never enters.")
        object.__setattr__(self, "letters", tuple(sorted(set(self.letters))))

    def __call__(self, record: Record) -> Record | Drop:
        found = record.licence
        if found.letter in self.letters:
            return record
        return Drop(f"licence_{found.letter}", {"licence": found.id, "evidence": found.evidence})
