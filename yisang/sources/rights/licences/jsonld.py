"""JSON-LD: the licence of the page's own node, not of its image. A context is never fetched: what is read are the names as they stand."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from typing import Any

from yisang.sources.rights.licences.document import Document
from yisang.sources.rights.licences.findings import CONTEXT, Finding
from yisang.sources.rights.licences.head import LICENSES, RIGHTS, of_value, property_name
from yisang.sources.rights.licences.names import RESERVED, UNKNOWN
from yisang.sources.rights.licences.regions import PART_TYPES

MAX_SCRIPT = 1_000_000
"""Characters of one script that are read; a larger one is named as a fault."""
MAX_SCRIPTS = 50
MAX_NODES = 50_000

_INSIDE = frozenset(["@graph", "mainentity", "mainentityofpage", "ispartof", "@reverse"])
"""Properties that lead from a node to the page's own, or to the site's."""
_SITES = frozenset(("WebSite", "Blog", "Organization", "Periodical"))
_WRAPPING = re.compile(
    r"^\s*(?:<!--|//\s*<!\[CDATA\[|<!\[CDATA\[|/\*\s*<!\[CDATA\[\s*\*/)|(?:-->|//\s*\]\]>|\]\]>|/\*\s*\]\]>\s*\*/)\s*$"
)


def json_ld(document: Document) -> Iterator[Finding]:
    """Findings of all scripts; those that cannot be read are faults of the document."""
    left = MAX_NODES
    if len(document.scripts) > MAX_SCRIPTS:
        document.faults.append(f"read {MAX_SCRIPTS} of {len(document.scripts):,} JSON-LD scripts")
    for script in document.scripts[:MAX_SCRIPTS]:
        if len(script) > MAX_SCRIPT:
            document.faults.append(f"a JSON-LD script of {len(script):,} characters was not read")
            continue
        try:
            content = json.loads(_WRAPPING.sub("", script).strip().rstrip(";"), strict=False)
        except (ValueError, RecursionError) as error:
            if script.strip():
                document.faults.append(f"a JSON-LD script could not be read: {type(error).__name__}")
            continue
        left -= yield from _nodes(content, script, document, left)
        if left <= 0:
            document.faults.append(f"read {MAX_NODES:,} nodes of JSON-LD")
            return


def _nodes(content: Any, script: str, document: Document, limit: int) -> Generator[Finding, None, int]:
    """The findings of one script; returns how many nodes it has, no more than `limit`."""
    stack: list[tuple[Any, str]] = [(content, "")]
    seen = 0
    while stack and seen < limit:
        node, part = stack.pop()
        seen += 1
        if isinstance(node, list):
            stack += [(item, part) for item in reversed(node) if isinstance(item, dict | list)]
        elif isinstance(node, dict):
            part = part or _other(node, document)
            for key, value in reversed(node.items()):
                name = property_name(str(key))
                if name in LICENSES or name in RIGHTS:
                    yield from _stated(value, name in LICENSES, part, script, document)
                elif isinstance(value, dict | list):
                    stack.append((value, part or ("" if name in _INSIDE else f"of a node under {str(key)[:40]}")))
    return seen


def _types(node: dict[str, Any]) -> set[str]:
    kinds = node.get("@type", node.get("type", ()))
    listed = kinds if isinstance(kinds, list) else [kinds]
    return {re.split(r"[:/#]", str(kind))[-1] for kind in listed[:20]}


def _other(node: dict[str, Any], document: Document) -> str:
    """Why a node is not the page, "" where it is or may be."""
    kinds = _types(node)
    if kinds & PART_TYPES:
        return f"of a {min(kinds & PART_TYPES)}"
    if kinds & _SITES:
        return ""
    address = next((node[key] for key in ("url", "@id") if isinstance(node.get(key), str)), "")
    known = address.startswith(("http://", "https://", "//")) and (document.url or document.canonical)
    if known and not document.is_page(address.partition("#")[0]):
        return f"about {address[:100]}"
    return ""


def _stated(value: Any, strong: bool, part: str, script: str, document: Document) -> Iterator[Finding]:
    for item in (value if isinstance(value, list) else [value])[:20]:
        given = [item]
        if isinstance(item, dict):
            given = [item.get(key) for key in ("@id", "url", "sameAs", "@value", "name", "identifier")]
        texts = [text for text in given if isinstance(text, str) and text.strip()]
        ids = [id for id in (of_value(text, document)[0] for text in texts) if id]
        if not texts or not (ids or strong):
            continue
        id = ids[0] if ids else UNKNOWN
        at = max(0, script.find(json.dumps(texts[0], ensure_ascii=False)[1:20]))
        yield Finding(
            id=id,
            place="notice" if id == RESERVED else "json-ld license",
            region="head",
            scope="part" if part else "page",
            evidence=" ".join(texts[0].split())[:500],
            context=" ".join(script[max(0, at - 60) : at + 200].split())[:CONTEXT],
            why=part,
        )
