"""The licence of a page as a recipe step: that of its host, lowered by what the page says of itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from yisang.filters.licence import LICENCES, Registry, TagSite
from yisang.records import Licence, Page
from yisang.sources.decode import decode
from yisang.sources.rights.licences import statements
from yisang.sources.rights.licences.findings import PageLicence
from yisang.sources.rights.licences.page import page_licence

MEASURE = "page_licence_agreement"
"""none, one, agree or disagree (`PageLicence.agreement`), or unreadable."""
FAULT = "page_licence_fault"
"""What of the page was not read (`PageLicence.fault`); not there where all was."""


@dataclass(frozen=True)
class TagLicence:
    """Gives a page the licence and the category of its host (`TagSite`), and lowers the licence by the page's own statement.

    A page without a statement keeps its host's licence. One with a statement gets the stricter of the two letters, and every right that
    either withholds is withheld; the id is that of the stricter one, the host's where they are equal. Where the entry says
    `page_may_raise`, the page's statement stands alone, for better or worse. A host that is not listed stays of letter C, whatever its
    pages say: nobody has read its terms. The page's words are in the licence's evidence, and how far its statements agree in the measure
    `page_licence_agreement`; what could not be read is in `page_licence_fault`, and decides nothing.
    """

    registry_path: str | Path

    @cached_property
    def site(self) -> TagSite:
        """The step for the host, with its registry, which travels with this one."""
        return TagSite(self.registry_path)

    @property
    def registry(self) -> Registry:
        return self.site.registry

    def __call__(self, page: Page) -> Page:
        tagged = self.site(page)
        stated = self.statement(page)
        if stated is None:
            return _measured(tagged, {MEASURE: "unreadable"})
        tagged = _measured(tagged, {MEASURE: stated.agreement} | ({FAULT: stated.fault} if stated.fault else {}))
        if stated.licence is None or not self._listed(page):
            return tagged
        entry = self.site.entry(page)
        licence = (
            stated.licence if entry is not None and entry.page_may_raise else _lowered(tagged.licence, stated.licence)
        )
        evidence = f"{tagged.licence.evidence}; the page ({page.final_url or page.url}), {stated.licence.evidence}"
        return msgspec.structs.replace(
            tagged,
            licence=msgspec.structs.replace(licence, evidence=evidence, date=licence.date or tagged.licence.date),
        )

    def statement(self, page: Page) -> PageLicence | None:
        """What the page says, None where its bytes are no text."""
        headers = {name.lower(): value for name, value in page.headers.items()}
        try:
            text = decode(page.body, headers.get("content-type")).text
        except UnicodeError:
            return None
        return page_licence(text, page.final_url or page.url, headers)

    def _listed(self, page: Page) -> bool:
        """A page out of a file has no host; what its source declares takes the registry's place."""
        return self.site.entry(page) is not None or self.site.is_file(page)

    def identity(self) -> dict[str, Any]:
        """The digests of the registry, of the table of licences and of the phrases by which statements are known."""
        return {
            "registry": self.registry.digest,
            "licences": hashlib.sha256(LICENCES.read_bytes()).hexdigest(),
            "statements": statements.digest(),
        }


def _lowered(host: Licence, page: Licence) -> Licence:
    derive, share_alike = host.derive and page.derive, host.share_alike or page.share_alike
    strict = page if (page.letter, not page.derive) > (host.letter, not host.derive) else host
    return msgspec.structs.replace(strict, derive=derive, share_alike=share_alike)


def _measured(page: Page, measures: dict[str, str]) -> Page:
    return msgspec.structs.replace(page, measures=page.measures | measures)
