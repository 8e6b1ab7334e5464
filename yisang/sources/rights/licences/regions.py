"""Where in a page an element stands, and whether it is of the page at all: told by tags, roles, and what classes and ids are called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from lxml import etree

from yisang.sources.rights.licences.findings import Region
from yisang.sources.rights.licences.names import of_badge

QUOTED = frozenset(("blockquote", "pre", "code", "q", "samp", "kbd"))
_MEDIA = frozenset(("img", "video", "audio", "iframe", "object", "picture", "embed"))
_FOOT = re.compile(r"footer|colophon", re.IGNORECASE)
_FOOT_OUTSIDE = re.compile(r"(?:^|[^a-z])(?:foot|ft|copyrights?|site-?info)(?![a-z])", re.IGNORECASE)
_POST_FOOT = re.compile(r"(?:entry|post|article|card|panel|modal|table|view|board|bbs)[-_]?footer", re.IGNORECASE)
_POST = re.compile(r"(?:^|[^a-z])(?:contents?|article|entry|post|view|bbs|board|cont)(?![a-z])", re.IGNORECASE)
_ASIDE = re.compile(r"(?:^|[^a-z])(?:sidebar|side-?bar|widget|aside)(?![a-z])", re.IGNORECASE)
_COMMENTS = frozenset(
    re.findall(
        r"\S+",
        """comments comment commentlist comment-list comments-area comment-body commentary disqus_thread respond
        comment-respond replies""",
    )
)
_COMMENT = re.compile(
    r"(?:(?:list|area|wrap|box|post|user|blog|entry|article|tt|u)[-_]?)?(?:comments?|reply|replies|cmt|cbox|guestbook)"
    r"(?:[-_]?(?:list|area|wrap|wrapper|box|item|body|text|content|cont|view|section|thread|desc)(?:[-_][a-z_-]*)?)?"
)
"""The same as Korean and other makers of blogs call it: reply_area, list_reply, cmt_list, u_cbox."""
_SIGNATURE = re.compile(r"(?:(?:post|user|message|forum)[-_]?)?(?:signature|sig)(?:[-_]?(?:text|box|wrap))?")
_OTHERS = re.compile(
    r"(?:related|recommended|recommendations?)(?:[-_](?:posts?|articles?|pages?|list|items?|contents?))?"
)
_CAPTIONS = frozenset(
    re.findall(
        r"\S+",
        """wp-caption wp-caption-text caption thumbcaption image-credit photo-credit image-caption gallery""",
    )
)
_BOX = re.compile(
    r"licen[cs]e|copy-?right|(?:^|[^a-z])(?:ccl?|kogl|nuri|gongnuri|opentype)(?![a-z])|kogl|openNuri|codeView",
    re.IGNORECASE,
)
PART_TYPES = frozenset(
    re.findall(
        r"\S+",
        """ImageObject VideoObject AudioObject MediaObject MusicRecording Photograph Painting VisualArtwork Drawing
        3DModel SoftwareApplication SoftwareSourceCode MobileApplication WebApplication Dataset DataCatalog
        DataDownload Comment UserComments Product Offer Movie StillImage MovingImage Image Sound Software Clip
        ImageGallery Map Font""",
    )
)
"""Types of schema.org and of Dublin Core whose licence is not that of the page's text."""


@dataclass(frozen=True)
class Where:
    """What stands around an element. part: why it is no statement about the page, "" where it may be one. box: in an element that is named
    after licences. subject, item: of RDFa and microdata. row, rows: the row of a table or list, and that whole."""

    region: Region = "article"
    part: str = ""
    box: bool = False
    subject: str | None = None
    typed: str = ""
    item: str | None = None
    row: int = 0
    rows: int = 0
    post: bool = False
    """In an element of a post or of the content: what is called a footer there is the post's own."""


class Named(NamedTuple):
    """What the class and the id of an element say that it is."""

    footer: bool
    footer_outside: bool
    post_footer: bool
    post: bool
    aside: bool
    box: bool
    part: str


@lru_cache(maxsize=8192)
def named_as(named: str) -> Named:
    names = set(named.lower().split())
    return Named(
        footer=bool(_FOOT.search(named)),
        footer_outside=bool(_FOOT_OUTSIDE.search(named)),
        post_footer=bool(_POST_FOOT.search(named)),
        post=bool(_POST.search(named)),
        aside=bool(_ASIDE.search(named)),
        box=bool(_BOX.search(named)),
        part=_part_named(names),
    )


def _part_named(names: set[str]) -> str:
    if names & _COMMENTS or any(_COMMENT.fullmatch(name) for name in names):
        return "in a comment"
    if any(_SIGNATURE.fullmatch(name) for name in names):
        return "a signature"
    if any(_OTHERS.fullmatch(name) for name in names):
        return "of another page"
    return "of an image" if names & _CAPTIONS else ""


def region_of(tag: str, role: str, named: Named, above: Where) -> Region:
    if above.region == "footer" or role == "contentinfo":
        return "footer"
    if tag in ("article", "main") or role in ("main", "article"):
        return "article"
    if named.post_footer or (above.post and above.region == "article" and tag == "footer"):
        return above.region
    if tag == "footer" or named.footer or (not above.post and named.footer_outside):
        return "footer"
    if tag == "aside" or role == "complementary":
        return "aside"
    if tag == "nav" or role in ("banner", "navigation"):
        return "header"
    if above.region == "article" and not above.post and named.aside:
        return "aside"
    return above.region


def part_of(tag: str, named: Named, element: etree._Element) -> str:
    if tag in QUOTED:
        return "quoted"
    if tag in ("figure", "figcaption"):
        figure = element if tag == "figure" else element.getparent()
        if figure is not None and _shows(figure):
            return "of an image"
    return named.part


def _shows(figure: etree._Element) -> bool:
    """Whether a figure shows something else than a badge of a licence."""
    for number, element in enumerate(figure.iter()):
        if number > 60:
            break
        if (
            isinstance(element.tag, str)
            and element.tag.lower() in _MEDIA
            and of_badge(element.get("src") or "") is None
        ):
            return True
    return False
