"""The starter registry of Korean sites: what its entries claim is graded, founded, and never laxer than it may be."""

from __future__ import annotations

import dataclasses
import datetime
import re
from pathlib import Path

import msgspec
import pytest

from yisang.filters.licence import AllowLicence, Registry, Site, TagSite, table
from yisang.pipelines import recipes
from yisang.records import Drop, Page

SITES = Path(recipes.__file__).parent / "yi_sang_sites.toml"
CATEGORIES = ("Code", "Exams", "Legal", "Korean", "Science", "Daily", "Finance", "Medical")
READ, REPORTED = "Read in a stored copy: ", "Reported by others: "
KNOWN, NOTHING = "From public knowledge, to be read again before crawling: ", "No statement found: "
ADDRESS_OR_LAW = re.compile(r"https?://[\w.-]+\.\w+|\bCopyright Act\b")
# What may be A although nobody read its page for us; and what the law protects for nobody.
COMMON_KNOWLEDGE = ("krdict.korean.go.kr",)
NOT_PROTECTED = "KR-Copyright-Act-7"


def faults(registry: Registry, today: datetime.date) -> list[str]:
    """What is wrong with a starter registry, as `host: fault`."""
    sites = list(registry.sites.values())
    found = [f"{site.host}: {fault}" for site in sites for fault in site_faults(site, today)]
    if len(sites) != 54:
        found.append(f"all: {len(sites)} sites")
    return found + [f"all: no {name}" for name in CATEGORIES if name not in {site.category for site in sites}]


def site_faults(site: Site, today: datetime.date) -> list[str]:
    evidence, letter, entry = site.licence.evidence, site.licence.letter, table()[site.licence.id.lower()]
    read = evidence.startswith(READ) or site.host in COMMON_KNOWLEDGE or entry.id == NOT_PROTECTED
    checks = {
        "unknown category": site.category not in CATEGORIES,
        "ungraded": not evidence.startswith((READ, REPORTED, KNOWN, NOTHING)),
        "no address and no law": letter != "C" and not ADDRESS_OR_LAW.search(evidence),
        "nothing found and let in": letter != "C" and evidence.startswith(NOTHING),
        "A unread": letter == "A" and not read,
        "laxer than its licence": letter < entry.letter,
        "stricter without a reason": letter > entry.letter and not re.search(rf"\b{letter}\b", evidence),
        "dated in the future": datetime.date.fromisoformat(site.licence.date) > today,
    }
    return [fault for fault, there in checks.items() if there]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry(SITES)


def test_the_54_sites_cover_the_eight_categories_and_each_letter_is_founded(registry: Registry):
    assert faults(registry, datetime.date.today()) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('[[site]]\nhost = "okky.kr"', '[[site]]\nhost = "a.example"\nlicence = "unknown"\nletter = "C"\n'
         'category = "Code"\nevidence = "No statement found: so."\ndate = "2026-11-22"\n\n[[site]]\nhost = "okky.kr"',
         "all: 55 sites"),
        ('category = "Exams"', 'category = "Legal"', "all: no Exams"),
        ('host = "velog.io"\nlicence = "unknown"\nletter = "C"\ncategory = "Code"',
         'host = "velog.io"\nlicence = "unknown"\nletter = "C"\ncategory = "code"', "velog.io: unknown category"),
        ("Read in a stored copy: LICENSE of https://github.com/kubernetes", "LICENSE of https://github.com/kubernetes",
         "kubernetes.io: ungraded"),
        ("https://github.com/kubernetes/website", "the repository of the site", "kubernetes.io: no address and no law"),
        ('host = "okky.kr"\nlicence = "unknown"\nletter = "C"', 'host = "okky.kr"\nlicence = "MIT"\nletter = "B"',
         "okky.kr: nothing found and let in"),
        ('host = "gnews.gg.go.kr"\nlicence = "KOGL-1"\nletter = "B"',
         'host = "gnews.gg.go.kr"\nlicence = "KOGL-1"\nletter = "A"', "gnews.gg.go.kr: A unread"),
        ('host = "kubernetes.io"\nlicence = "CC-BY-4.0"\nletter = "A"',
         'host = "kubernetes.io"\nlicence = "CC-BY-4.0"\nletter = "C"', "kubernetes.io: stricter without a reason"),
        ('category = "Science"\nevidence = "No statement found: https://horizon.kias.re.kr/about_us/ was read in a stored '
         'copy and states no terms."\ndate = "2026-11-22"', 'category = "Science"\nevidence = "No statement found: so."\n'
         'date = "2999-01-01"', "horizon.kias.re.kr: dated in the future"),
    ],
)  # fmt: skip
def test_each_check_sees_its_fault(tmp_path: Path, old: str, new: str, fault: str):
    text = SITES.read_text("utf-8")
    assert old in text
    (tmp_path / "sites.toml").write_text(text.replace(old, new), "utf-8")
    assert fault in faults(Registry(tmp_path / "sites.toml"), datetime.date.today())


def test_a_letter_laxer_than_its_licence_is_seen_even_past_the_registry(registry: Registry):
    site = registry.sites["www.korea.kr"]
    lax = dataclasses.replace(site, licence=msgspec.structs.replace(site.licence, letter="A"))
    assert "laxer than its licence" not in site_faults(site, datetime.date.today())
    assert "laxer than its licence" in site_faults(lax, datetime.date.today())


def test_pages_of_a_c_site_cannot_enter_and_those_of_the_others_do(registry: Registry):
    tag, allow = TagSite(SITES), AllowLicence()
    entered: dict[str, set[str]] = {"A": set(), "B": set(), "C": set()}
    for site in registry.sites.values():
        page = tag(Page(id="x", url=f"https://{site.host}/question/1"))
        assert page.category == site.category
        answer = allow(page)
        if isinstance(answer, Drop):
            assert answer.reason == "licence_C"
            assert answer.evidence["evidence"] == site.licence.evidence
        else:
            entered[site.licence.letter].add(site.host)
    assert entered["C"] == set()
    for letter in "AB":
        assert entered[letter] == {site.host for site in registry.sites.values() if site.licence.letter == letter}
    assert all(len(entered[letter]) > 10 for letter in "AB")


def test_a_host_that_is_not_listed_gets_nothing_from_its_neighbours(registry: Registry):
    page = TagSite(SITES)(Page(id="x", url="https://blog.korea.kr.example/", category="Daily"))
    assert (page.licence.id, page.licence.letter) == ("unknown", "C")
    # An entry is for its own host; what law.go.kr serves elsewhere was not looked at.
    assert registry.for_host("lod.law.go.kr") is None
