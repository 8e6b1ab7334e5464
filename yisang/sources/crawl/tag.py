"""What a crawl writes beside a page about its use: the licence of its host, lowered by what the page says (`TagLicence`)."""

from __future__ import annotations

import msgspec

from yisang.records import Licence, Page
from yisang.sources.rights.licences.steps import MEASURE


class Tag(msgspec.Struct, frozen=True):
    """The licence with its evidence, the category of the host, and how far the page's own statements agree."""

    licence: Licence
    category: str
    agreement: str

    @classmethod
    def of(cls, page: Page) -> Tag:
        """Of a page that TagLicence has seen."""
        return cls(page.licence, page.category, str(page.measures.get(MEASURE, "")))

    def as_json(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def read(cls, text: str) -> Tag:
        return msgspec.json.decode(text, type=cls)
