"""The licence of a page: all findings of a document, weighed."""

from __future__ import annotations

from collections.abc import Mapping

from yisang.sources.rights.licences import head, jsonld, kogl, marks, text
from yisang.sources.rights.licences.findings import PageLicence, conclude
from yisang.sources.rights.licences.reading import read


def page_licence(html: str, url: str, headers: Mapping[str, str] = {}) -> PageLicence:
    """What a page says of its licence, and which one follows (`findings`).

    url: where the page lies, to know its own address among those that it names; "" where that is not known. headers: those of the
    response, by names in lower case. Nothing is fetched, and no page raises: what could not be read stands in `fault`.
    """
    document = read(html, url)
    found = [
        *head.http_link(headers.get("link", ""), document),
        *head.links_and_meta(document),
        *jsonld.json_ld(document),
        *head.embedded(document),
        *marks.links(document),
        *marks.badges(document),
        *kogl.marks(document),
        *text.statements(document),
        *text.reservations(document),
    ]
    return conclude(found, "; ".join(dict.fromkeys(document.faults)))
