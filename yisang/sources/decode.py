"""Bytes to text: which encoding a page or file really has.

Order of belief: byte order mark, HTTP charset, <meta> or XML prolog, UTF-8, detection. A belief counts only
if the bytes decode strictly under it. Labels follow the WHATWG Encoding Standard
(https://encoding.spec.whatwg.org/) as w3lib maps them, with the Korean labels that Python lacks. w3lib itself
replaces silently, hence only its label and declaration functions are used. The result is not normalised: that
is done where a text is taken.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import lru_cache

from w3lib.encoding import http_content_type_encoding, read_bom, resolve_encoding

DEAD_SHARE = 0.01
"""A text with this share of characters lost is not a text."""
DAMAGE_SHARE = 0.1
"""More than this share of the non-ASCII characters lost: a wrong encoding, not a damaged file."""

_KOREAN_LABELS = frozenset(
    re.findall(
        r"\S+",
        """cp949 csksc56011987 cseuckr euc-kr euckr iso-ir-149 korean ks_c-5601-1987 ks_c_5601 ks_c_5601-1987
        ks_c_5601-1989 ksc5601 ksc_5601 ms949 uhc windows-949 x-euc-kr x-windows-949""",
    )
)
_LABEL = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([\w:.+-]+)""", re.I)
_DECLARING = re.compile(rb"<!--.*?-->|<\s*meta\b[^>]*>|<\?xml\s[^>]*>|<\s*body\b", re.I | re.S)
_TAG = re.compile(rb"<[!?/a-zA-Z][a-zA-Z]")
_ASCII_TAG = re.compile(rb"<[a-zA-Z/!][^<>\x80-\xff]*>")
_WIDE = ["utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le"]
_WESTERN = frozenset({"cp1252", "iso8859-1", "iso8859-15", "ascii", "mac-roman"})


@dataclass(frozen=True)
class Decoded:
    """A text, the Python codec that gave it, and how that was known ("http", "meta, 2 replaced", ...)."""

    text: str
    encoding: str
    how: str


@dataclass(frozen=True)
class _Belief:
    encoding: str
    how: str


def decode(body: bytes, content_type: str | None = None) -> Decoded:
    """The text of an HTML page. Raises UnicodeError where no encoding leaves less than 1 % lost."""
    return _decode(body, [_http(content_type), _meta(body)])


def decode_text(body: bytes, content_type: str | None = None, encoding: str | None = None) -> Decoded:
    """The text of a plain file; `encoding` is what a recipe states. Raises UnicodeError like `decode`."""
    stated = codec_name(encoding) if encoding else None
    return _decode(body, [_Belief(stated, "stated") if stated else None, _http(content_type)])


@lru_cache(maxsize=1024)
def codec_name(label: str) -> str | None:
    """The Python codec for a web label, None for an unknown one. EUC-KR is read as its superset CP949."""
    plain = label.strip().lower()
    if plain in _KOREAN_LABELS:
        return "cp949"
    name: str | None = resolve_encoding("johab" if plain in {"x-johab", "ms1361", "cp1361"} else plain)
    return name


def _http(content_type: str | None) -> _Belief | None:
    if not content_type:
        return None
    match = _LABEL.search(content_type.encode("latin-1", "replace"))
    encoding = codec_name(match[1].decode("latin-1")) if match else http_content_type_encoding(content_type)
    return _Belief(encoding, "http") if encoding else None


def _meta(body: bytes) -> _Belief | None:
    # The HTML standard looks at 1024 bytes; real pages put scripts before their <meta>.
    for tag in _DECLARING.finditer(body[:8192]):
        start = tag[0][:6].lower()
        if start.startswith(b"<!--"):
            continue
        if tag[0].rstrip().lower().endswith(b"body"):
            break
        label = _LABEL.search(tag[0])
        encoding = codec_name(label[1].decode("latin-1")) if label else None
        if encoding and encoding.startswith(("utf-16", "utf-32")):
            encoding = "utf-8"  # WHATWG: the tag was read as ASCII, so the page cannot be UTF-16
        if encoding:
            return _Belief(encoding, "xml" if start.startswith(b"<?xml") else "meta")
    return None


def _decode(body: bytes, declared: list[_Belief | None]) -> Decoded:
    bom_encoding, bom = read_bom(body)
    if bom_encoding and bom:
        return _pick(body[len(bom) :], [_Belief(bom_encoding, "bom"), _Belief("utf-8", "utf-8")])
    return _pick(body, _ranked(body, [belief for belief in declared if belief]))


def _ranked(body: bytes, declared: list[_Belief]) -> list[_Belief]:
    """The beliefs, best first. A Western one never fails strictly, so it is asked last: servers send it by
    default.
    """
    if _TAG.search(body[:1024]):
        declared = [belief for belief in declared if not belief.encoding.startswith(("utf-16", "utf-32"))]
    firm = [belief for belief in declared if belief.encoding not in _WESTERN]
    weak = [belief for belief in declared if belief.encoding in _WESTERN]
    beliefs = [*firm, _Belief("utf-8", "utf-8"), *weak]
    return list({belief.encoding: belief for belief in reversed(beliefs)}.values())[::-1]


def _pick(body: bytes, beliefs: list[_Belief]) -> Decoded:
    for belief in beliefs:
        text = _strict(body, belief.encoding)
        if text is not None:
            return Decoded(text, belief.encoding, belief.how)
    damaged = [_with_damage(body, belief) for belief in beliefs]
    for decoded, lost, foreign in damaged:
        if lost < DEAD_SHARE and foreign < DAMAGE_SHARE:
            return decoded
    detected = _detect(body)
    if detected is not None:
        return detected
    decoded, lost, _ = min(damaged, key=lambda attempt: attempt[1])
    if lost < DEAD_SHARE:
        return decoded
    tried = ", ".join(belief.encoding for belief in beliefs)
    raise UnicodeError(f"no encoding fits: {lost:.1%} of the characters are lost at best (tried {tried} and detection)")


def _strict(body: bytes, encoding: str) -> str | None:
    """The text, or None.."""
    try:
        return body.decode(encoding)
    except UnicodeDecodeError:
        return None


def _with_damage(body: bytes, belief: _Belief) -> tuple[Decoded, float, float]:
    """The text with replacements, and their share of all and of the non-ASCII characters."""
    decoder = codecs.getincrementaldecoder(belief.encoding)("replace")
    text = decoder.decode(body)
    cut = decoder.getstate()[0] != b""
    lost = text.count("\ufffd") - (body.count(b"\xef\xbf\xbd") if belief.encoding == "utf-8" else 0)
    marks = [f"{lost} replaced"] * bool(lost) + ["end cut"] * cut
    decoded = Decoded(text + "\ufffd" * cut, belief.encoding, ", ".join([belief.how, *marks]))
    foreign = sum(1 for character in text if character > "\x7f")
    return decoded, lost / max(1, len(text)), lost / max(1, foreign)


def _detect(body: bytes) -> Decoded | None:
    """Detection by charset-normalizer; a result full of control characters is binary data and no text."""
    from charset_normalizer import from_bytes

    # Tags are ASCII in every encoding, and would drown the few letters that tell one from another
    if b"\0" in body:
        best = from_bytes(body).best()
    else:
        letters = b" ".join(_ASCII_TAG.sub(b" ", body).split())
        best = from_bytes(letters, cp_exclusion=_WIDE).best()
    if best is None:
        return None
    encoding = codec_name(best.encoding) or best.encoding
    text = _strict(body, encoding)
    if text is None:
        encoding, text = best.encoding, str(best)
    controls = sum(1 for character in text if character < " " and character not in "\t\n\r\f")
    return None if controls >= DEAD_SHARE * max(1, len(text)) else Decoded(text, encoding, "detected")
