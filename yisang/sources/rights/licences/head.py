"""Statements for machines: the header Link, <link rel=license>, <meta>, microdata and RDFa."""

from __future__ import annotations

import re
from collections.abc import Iterator

from yisang.sources.rights.licences.document import Document, Element
from yisang.sources.rights.licences.findings import CONTEXT, Finding, Place
from yisang.sources.rights.licences.names import UNKNOWN, in_text, of_address
from yisang.sources.rights.licences.text import is_reserved

LICENSES = frozenset(
    [
        "license",
        "licence",
        "cc:license",
        "dc:license",
        "dct:license",
        "dcterms:license",
        "dc.license",
        "dct.license",
        "dcterms.license",
        "dc.rights.license",
        "dcterms.rights.license",
        "schema:license",
        "schema.license",
        "xhv:license",
        "og:license",
        "article:license",
    ]
)
"""Names of properties whose value is a licence, known or not."""
RIGHTS = frozenset(
    [
        "copyright",
        "rights",
        "dc:rights",
        "dct:rights",
        "dcterms:rights",
        "dc.rights",
        "dct.rights",
        "dcterms.rights",
        "dc.rights.uri",
        "dcterms.accessrights",
        "usage_rights",
        "eprints.rights",
        "copyrightnotice",
        "schema:copyrightnotice",
        "usageinfo",
        "schema:usageinfo",
    ]
)
"""Names of properties that may hold a licence and mostly hold a name and a year."""
_IRIS = re.compile(
    r"^https?://(?:schema\.org/|purl\.org/dc/(?:terms|elements/1\.1)/|creativecommons\.org/ns#|web\.resource\.org/cc/)",
    re.IGNORECASE,
)
_HEADER = re.compile(r"<([^<>]{1,2000})>\s*((?:;[^<>,;]{0,200}){1,10})")
_REL = re.compile(r";\s*rel\s*=\s*\"?([^\";]{1,200})", re.IGNORECASE)
_MAX_HEADER = 20_000


def property_name(name: str) -> str:
    """A property in lower case, its vocabulary left off where it is written out."""
    return _IRIS.sub("", name.strip()).lower()


def of_value(value: str, document: Document) -> tuple[str | None, str]:
    """The id that a property's value is, and why: an address, words, or neither."""
    value = " ".join(value[:4000].split())
    if not value:
        return None, ""
    if id := of_address(document.resolve(value)) or of_address(value):
        return id, ""
    if (address := re.search(r"(?:https?:)?//\S+", value)) and (id := of_address(address[0])):
        return id, ""
    named = [item.id for item in in_text(value)]
    if named:
        return named[0], "by its name"
    return ("all-rights-reserved", "") if is_reserved(value) else (None, "")


def http_link(header: str, document: Document) -> Iterator[Finding]:
    """RFC 8288: `Link: <https://...>; rel="license"`."""
    for match in _HEADER.finditer(header[:_MAX_HEADER]):
        rel = _REL.search(match[2])
        if rel and "license" in rel[1].lower().split() and "anchor=" not in match[2].replace(" ", "").lower():
            id = of_value(match[1], document)[0] or UNKNOWN
            yield _found(id, "http link", match[1], match[0])


def links_and_meta(document: Document) -> Iterator[Finding]:
    for element in document.head:
        if element.tag == "link":
            rels = {property_name(rel) for rel in element.rels}
            strong = bool(rels & LICENSES)
            if strong or rels & (RIGHTS | {"copyright"}):
                yield from _of_property(element, "link rel=license", element.get("href"), strong, document)
        elif "itemprop" not in element.attributes:
            names = {property_name(element.get(key)) for key in ("name", "property")}
            if names & (LICENSES | RIGHTS) and "content" in element.attributes:
                yield from _of_property(element, "meta", element.get("content"), bool(names & LICENSES), document)


def is_embedded(element: Element) -> bool:
    """Whether an element states a licence as microdata or RDFa, which `embedded` reads."""
    items, terms = _properties(element)
    return bool((items | terms) & LICENSES)


def embedded(document: Document) -> Iterator[Finding]:
    """Microdata (itemprop) and RDFa (property, rel with a vocabulary), by the subject they are about."""
    stating = [
        (element, items & known, terms & known)
        for element in document.data
        for known in (LICENSES | RIGHTS,)
        for items, terms in (_properties(element),)
        if (items | terms) & known
    ]
    for element, items, terms in document.ends(stating, "statements in microdata and RDFa"):
        if element.tag == "meta" and not items:
            continue  # read as <meta>
        place: Place = "microdata" if items else "rdfa"
        # <link rel=license itemprop=license> is read as <link>.
        strong = bool((items or terms) & LICENSES) and not (element.tag == "link" and "license" in element.rels)
        given = [element.get(name) for name in ("resource", "href", "content", "src") if element.get(name)]
        said = document.text[element.start : min(element.end, element.start + 4000)].strip()
        yield from _of_property(element, place, given[0] if given else said, strong, document)


def _properties(element: Element) -> tuple[set[str], set[str]]:
    """The names of an element's properties in microdata, and those in RDFa."""
    rel = element.get("rel")
    vocabulary = rel if ":" in rel or element.tag not in ("a", "area", "link") else ""
    items = {property_name(name) for name in element.get("itemprop").split()}
    return items, {property_name(name) for name in f"{element.get('property')} {vocabulary}".split()}


def other_subject(element: Element, document: Document) -> str:
    """Why a statement in this element is about another thing than the page: "" where it is not."""
    if element.where.part:
        return element.where.part
    about = element.attributes.get("about", element.where.subject)
    if about is not None and not document.is_page(about):
        return f"about {about[:100]}"
    if element.tag == "img":
        return "of an image"
    if document.blocks[element.block].still:
        return "of an image or other medium"
    return ""


def _of_property(element: Element, place: Place, value: str, strong: bool, document: Document) -> Iterator[Finding]:
    id, why = of_value(value, document)
    if id is None and not (strong and value.strip()):
        return
    part = other_subject(element, document)
    shown = " ".join(f'{key}="{value}"' for key, value in element.attributes.items())
    context = document.context(element.start, element.end) if element.where.region != "head" else ""
    yield Finding(
        id=id or UNKNOWN,
        place="notice" if id == "all-rights-reserved" else place,
        region=element.where.region,
        scope="part" if part else "page",
        evidence=" ".join(value.split())[:500],
        context=context or f"<{element.tag} {shown}>"[:CONTEXT],
        why=part or why,
    )


def _found(id: str, place: Place, evidence: str, context: str) -> Finding:
    return Finding(id=id, place=place, region="head", scope="page", evidence=evidence[:500], context=context[:CONTEXT])
