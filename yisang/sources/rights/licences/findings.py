"""What a page says about its licence, statement by statement, and what follows for the page as a whole.

The strictest statement about the page decides, not the nicest: a blog with a CC badge and "All rights reserved" beneath it is of letter C.
One exception, since nearly every page of a Korean public body would fall to it: a KOGL mark in the article is put there for this one work,
and the reservation in the footer of the site is passed over (scope "site").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from yisang.filters.licence import stated
from yisang.records import Letter, Licence
from yisang.sources.rights.licences.names import RESERVED, UNKNOWN, compatible, detail

Place = Literal[
    "http link",
    "link rel=license",
    "json-ld license",
    "rdfa",
    "microdata",
    "meta",
    "a rel=license",
    "badge",
    "link",
    "text",
    "notice",
]
"""Where a statement stands, the strongest first: what is written for machines, then what is written for readers, the reservation last."""
_STRENGTH: dict[str, int] = {place: number for number, place in enumerate(Place.__args__)}  # type: ignore[attr-defined]
Region = Literal["head", "header", "article", "aside", "footer"]
Scope = Literal["page", "site", "part", "about", "mention"]
"""page: it is the page's. site: a reservation in the site's frame, beside a mark of the work itself. part: of an image, a comment, a
quotation, a file or another work. about: the page tells of licences. mention: named, without words that give it to the page."""
Agreement = Literal["none", "one", "agree", "disagree"]

MAX_STATEMENTS = 400
"""Links to licences, names of licences and the like of one page that are weighed: the first and the last of them."""
CONTEXT = 150
"""Characters of its surroundings that a finding keeps."""
LIST = 3
"""So many different licences in one article are a list of licences or of things, no statement about the article."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One statement. id: as in filters/licences.toml, a family without its version ("CC-BY"), "KOGL" without a type, or "unknown".

    evidence: the address or the words, in which it is said. context: up to `CONTEXT` characters around. why: what made the scope, and what
    else is to be known.
    """

    id: str
    place: Place
    region: Region
    scope: Scope
    evidence: str
    context: str = ""
    why: str = ""

    @property
    def licence(self) -> Licence:
        """The terms of this statement alone."""
        return stated(self.id, f"{self.place} in {self.region}: {self.evidence}")

    @property
    def letter(self) -> Letter:
        return self.licence.letter

    @property
    def derive(self) -> bool:
        return self.licence.derive

    @property
    def share_alike(self) -> bool:
        return self.licence.share_alike


class PageLicence(msgspec.Struct, frozen=True, kw_only=True):
    """licence: None where the page states none for itself. agreement: none, one, agree (several statements, one licence) or disagree
    (several licences: `licence` is the strictest). fault: why the page, or a piece of it, could not be read; "" where all was.
    """

    licence: Licence | None = None
    findings: tuple[Finding, ...] = ()
    agreement: Agreement = "none"
    fault: str = ""

    @property
    def deciding(self) -> Finding | None:
        """The statement that `licence` is."""
        return decide(self.findings)[0]

    def as_dict(self) -> dict[str, object]:
        """For a report: plain values, with letter and flags of each finding spelled out."""
        terms = ("id", "letter", "derive", "share_alike")
        return {
            "licence": {name: getattr(self.licence, name) for name in terms} if self.licence else None,
            "agreement": self.agreement,
            "findings": [
                msgspec.to_builtins(finding)
                | {"letter": finding.letter, "derive": finding.derive, "share_alike": finding.share_alike}
                for finding in self.findings
            ],
            "fault": self.fault,
        }


def conclude(found: Sequence[Finding], fault: str = "") -> PageLicence:
    """The page's licence out of its findings, which come in the order of the page."""
    findings = _without_boilerplate(_without_lists(_without_unrecognised(_distinct(found))))
    decisive, agreement = decide(findings)
    if decisive is None:
        return PageLicence(findings=findings, fault=fault)
    # What binds is joined over all that disagree: share alike from the one, no derivatives from the other.
    licences = [finding.licence for finding in findings if finding.scope == "page"]
    licence = msgspec.structs.replace(
        decisive.licence,
        derive=all(item.derive for item in licences),
        share_alike=any(item.share_alike for item in licences),
        evidence=_told(decisive, findings, agreement),
    )
    return PageLicence(licence=licence, findings=findings, agreement=agreement, fault=fault)


def decide(findings: Sequence[Finding]) -> tuple[Finding | None, Agreement]:
    """The strictest statement about the page, of equally strict ones that in the strongest place, and how far they agree."""
    own = [finding for finding in findings if finding.scope == "page"]
    if not own:
        return None, "none"
    decisive = min(own, key=lambda finding: (*_laxity(finding.licence), _STRENGTH[finding.place], own.index(finding)))
    same = [finding for finding in own if compatible(finding.id, decisive.id)]
    if len(same) < len(own):
        return decisive, "disagree"
    # "CC BY" beside "CC BY 4.0" is the same licence, told less well; a link that says 3.0 beside 3.0 DE stays what it says.
    first = min(own, key=lambda finding: (_STRENGTH[finding.place], own.index(finding)))
    best = max(own, key=lambda finding: (detail(finding.id) > detail(first.id), finding is first))
    told = best if detail(first.id) < 2 else first
    return told, "one" if len(own) == 1 else "agree"


def _laxity(licence: Licence) -> tuple[int, bool, bool]:
    return -ord(licence.letter), licence.derive, not licence.share_alike


def _told(decisive: Finding, findings: Sequence[Finding], agreement: Agreement) -> str:
    said = f"{decisive.place} in {decisive.region}: {decisive.evidence}"
    if agreement != "disagree":
        return said
    others = [item for item in findings if item.scope == "page" and not compatible(item.id, decisive.id)]
    return f"{said}; disagrees with " + ", ".join(f"{item.id} ({item.place})" for item in others[:5])


def _distinct(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """The first of those that say the same in the same place of the same region."""
    first: dict[tuple[str, ...], Finding] = {}
    for finding in found:
        first.setdefault((finding.id, finding.place, finding.region, finding.scope), finding)
    return tuple(first.values())


def _without_unrecognised(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """A link rel=license to something that is no known licence ("attribution required", a definition of open) adds nothing beside one to
    a licence; alone it says that there are terms which nobody here knows."""
    own = [finding for finding in findings if finding.scope == "page" and finding.id not in (UNKNOWN, RESERVED)]
    if not own:
        return findings
    return tuple(
        _as(finding, "mention", "no known licence, beside one that is")
        if finding.id == UNKNOWN and finding.scope == "page" and finding.place == "a rel=license"
        else finding
        for finding in findings
    )


def _without_lists(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    def listed(finding: Finding) -> bool:
        return (
            finding.scope == "page"
            and finding.region == "article"
            and finding.place in ("a rel=license", "badge", "link", "text")
            and finding.id not in (UNKNOWN, RESERVED)
        )

    kinds: list[str] = []
    for finding in filter(listed, findings):
        if not any(compatible(finding.id, kind) for kind in kinds):
            kinds.append(finding.id)
    if len(kinds) < LIST:
        return findings
    why = f"one of {len(kinds)} licences in the article"
    return tuple(_as(finding, "about", why) if listed(finding) else finding for finding in findings)


def _without_boilerplate(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    if not any(
        finding.id.startswith("KOGL-") and finding.scope == "page" and finding.region == "article"
        for finding in findings
    ):
        return findings
    return tuple(
        _as(finding, "site", "the site's notice, beside a mark of this work")
        if finding.id == RESERVED and finding.scope == "page" and finding.region != "article"
        else finding
        for finding in findings
    )


def _as(finding: Finding, scope: Scope, why: str) -> Finding:
    return msgspec.structs.replace(finding, scope=scope, why=why)
