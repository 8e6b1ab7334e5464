"""Links to licences and their badges: <a rel=license>, links without it, images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from yisang.sources.rights.licences.document import Document, Element
from yisang.sources.rights.licences.findings import Finding, Place, Scope
from yisang.sources.rights.licences.head import is_embedded, other_subject, property_name
from yisang.sources.rights.licences.names import UNKNOWN, family, in_text, names_creative_commons, of_address, of_badge
from yisang.sources.rights.licences.statements import load
from yisang.sources.rights.licences.text import SHORT, Sentence, denied, other_work, scope

_MEDIA = re.compile(
    r"(?:https?:)?//(?:[\w-]+\.)?(?:flickr\.com|flic\.kr|commons\.wikimedia\.org|upload\.wikimedia\.org|unsplash\.com|pixabay\.com|pexels\.com|freesound\.org|"
    r"soundcloud\.com|openclipart\.org|deviantart\.com)(?=[/:?#]|$)",
    re.IGNORECASE,
)
"""Places that pictures and sounds of others are taken from."""

_SIZE = re.compile(r"(?:88x31|80x15)[^/]*$")


def links(document: Document) -> Iterator[Finding]:
    """<a> and <area>: with rel=license a statement about the page unless something says otherwise, without it as its sentence says."""
    stating = [
        (link, id)
        for link, id in zip(document.links, document.licences, strict=True)
        if _is_rel(link) or (id is not None and id != UNKNOWN and not is_embedded(link))
    ]
    credited = {link.block for link in document.links if _MEDIA.match(document.resolve(link.get("href")))}
    for link, id in document.ends(stating, "links to licences"):
        said = document.text[link.start : min(link.end, link.start + SHORT)].strip()
        if _is_rel(link):
            sentence = _sentence(link, document)
            why = other_subject(link, document) or other_work(sentence) or _credit(link, sentence, credited)
            unsaid = denied(sentence)
            scope_: Scope = "part" if why else "mention" if unsaid else "page"
            recognised = id or _by_words(document.resolve(link.get("href")), f"{said} {link.get('title')}")
            yield _finding(link, document, recognised or UNKNOWN, "a rel=license", scope_, why or unsaid)
        elif id is not None:
            badge = any(
                image.around == link.get("href") and link.start <= image.start <= link.end and _is_badge(image)
                for image in _images_in(link, document)
            )
            label = (
                "badge"
                if badge
                else "name"
                if not said or names_creative_commons(said) or load().label.match(said)
                else ""
            )
            found, why = scope(link.where, _sentence(link, document), document, label)
            if (other := other_subject(link, document)) and found == "page":
                found, why = "part", other
            yield _finding(link, document, id, "link", found, why)


def badges(document: Document) -> Iterator[Finding]:
    """Images of Creative Commons' badges that no link to the same licence is around: where the two differ, readers see the badge."""
    found = [(image, of_badge(document.resolve(image.get("src")))) for image in document.images]
    for image, id in document.ends([(image, id) for image, id in found if id is not None], "badges"):
        linked = of_address(document.resolve(image.around)) if image.around else None
        if linked is not None and (linked == UNKNOWN or family(linked) == family(id)):
            continue  # the link around it tells more
        what, why = scope(image.where, _sentence(image, document), document, "badge")
        yield _finding(image, document, id, "badge", what, why, evidence=image.get("src"))


def _is_badge(image: Element) -> bool:
    """Whether an image in a link to a licence is its badge, by address, size or text."""
    source = image.get("src")[:2000]
    return bool(of_badge(source) or _SIZE.search(source) or names_creative_commons(image.get("alt")[:300]))


def _credit(link: Element, sentence: Sentence, credited: set[int]) -> str:
    """A licence beside a link to a place of pictures and sounds, without words that give it to anything, is that picture's."""
    bare = link.where.region == "article" and link.block in credited and not load().grant.search(sentence.text)
    return "a credit" if bare else ""


def _is_rel(link: Element) -> bool:
    return any(property_name(rel) in ("license", "licence") for rel in link.rels)


def _images_in(link: Element, document: Document) -> Iterator[Element]:
    images = document.images
    # Both lists are in the order of the page.
    low, high = 0, len(images)
    while low < high:
        middle = (low + high) // 2
        if images[middle].start < link.start:
            low = middle + 1
        else:
            high = middle
    for image in images[low : low + 5]:
        if image.start > link.end:
            return
        yield image


def _sentence(element: Element, document: Document) -> Sentence:
    return Sentence(document, element.block, element.start, element.end)


def _by_words(address: str, said: str) -> str | None:
    """A licence known by the name of its page ("/wiki/Text_of_the_Creative_Commons_...") or by what its link says."""
    path = unquote(address[:500]).replace("_", " ").replace("/", " / ")
    return next((named.id for text in (path, said[:500]) for named in in_text(text)), None)


def _finding(
    element: Element, document: Document, id: str, place: Place, found: Scope, why: str, evidence: str = ""
) -> Finding:
    return Finding(
        id=id,
        place=place,
        region=element.where.region,
        scope=found,
        evidence=(evidence or element.get("href"))[:500],
        context=document.context(element.start, element.end),
        why=why,
    )
