"""What `yisang plan` says of a phase: a line for each step, with every constant that bears identity.

It is read off what `yisang.pipelines.identity` describes, which is what stored results are known by: so no constant can count there and
be kept quiet here. Left out are digests of code. Long texts and lists are cut and say how long they are; `yisang plan --json` has all of them.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import fields
from typing import Any

from yisang.pipelines.identity import digest
from yisang.pipelines.steps import Each

WIDTH = 120
"""Columns of a line, beside which it goes on in the next."""
LONGEST = 160
"""Characters of a text that are shown."""
MOST = 24
"""Members of a list that are shown."""

_BARE = re.compile(r"[^\W\d][\w./:*+@=;-]*|/[\w./:*+-]*|[\d.]*\d-[\w.-]*")
"""A text that is told from a number and from a list without quotes."""
_WORDS = ("None", "True", "False")
_STEPS = "yisang.pipelines.steps."

USUAL: dict[str, Any] = {item.name: item.default for item in fields(Each) if item.name not in ("fn", "name")}
"""What an Each is given where its recipe says nothing. Said once, and of a step only where it differs."""

Told = dict[str, dict[str, Any]]
"""What was said of the passes of a stage: constants by the stage's type."""


def phase_lines(phase: dict[str, Any], told: Told) -> list[str]:
    """The steps of a phase, as a plan describes it. told: what earlier passes of the same stage have said, which is not said again; it is
    added to."""
    name = phase["steps"][-1] if phase["steps"] else phase["name"].partition("-")[2].rpartition("-")[0]
    parameters = phase["parameters"]
    if isinstance(parameters, list) and parameters and isinstance(parameters[0], list):
        parameters = parameters[
            0
        ]  # a shuffle: the chain before a group, and the group's keys, which the group's own pass says
    return [line for text in _texts(parameters, name, told) for line in wrapped(text)]


def wrapped(text: str, indent: str = "    ") -> list[str]:
    """Lines of at most WIDTH columns, where constants are short enough."""
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def arguments(values: dict[str, Any]) -> str:
    """name=value, name=value"""
    return ", ".join(f"{name}={tell(value)}" for name, value in values.items())


def _texts(parameters: Any, name: str, told: Told) -> list[str]:
    if isinstance(parameters, list):
        return [text for item in parameters for text in _texts(item, name, told)]
    if isinstance(parameters, dict) and "sources" in parameters:
        sources = [f"source: {tell(source)}" for source in parameters["sources"]]
        return [*sources, arguments({name: value for name, value in parameters.items() if name != "sources"})]
    if isinstance(parameters, dict) and isinstance(own := _own(parameters), dict):
        return _step(parameters, dict(own), name, told)
    # A digest alone is one of code.
    return [] if isinstance(parameters, str) and _is_digest(parameters) else [f"{name}: {tell(parameters)}"]


def _step(step: dict[str, Any], own: dict[str, Any], label: str, told: Told) -> list[str]:
    """A step: its function and what it was given, then what the step itself was given beside it."""
    label = str(step.get("step") or own.get("name") or label)
    if own.get("name") in (label, ""):
        del own["name"]
    own |= {key: value for key, value in step.items() if key not in ("step", "type", "fields", "identity", "code")}
    name = str(step["type"])
    if name.startswith(_STEPS) and "fn" in own:
        function, kind = tell(own.pop("fn")), name.removeprefix(_STEPS)
        if kind == "Each":
            own = {key: value for key, value in own.items() if key not in USUAL or USUAL[key] != value}
        return [f"{label}: {function}{f'; {kind}({arguments(own)})' if own else ''}"]
    before = told.get(name)
    new = {key: value for key, value in own.items() if before is None or key not in before or before[key] != value}
    told[name] = (before or {}) | own
    return [] if before is not None and not new else [f"{label}: {name.removeprefix('yisang.')}({arguments(new)})"]


def _own(value: dict[str, Any]) -> Any:
    """The constants of a described object; None for what is none."""
    return value.get("fields", value.get("identity")) if "type" in value else None


def tell(value: Any) -> str:
    """A described value, to be read."""
    if isinstance(value, str):
        return _text(value) if _BARE.fullmatch(value) and value not in _WORDS else _quoted(value)
    if isinstance(value, list):
        if _is_pairs(value):
            return tell(dict(value))
        return f"[{_members(value, [_quoted(item) if isinstance(item, str) else tell(item) for item in value[:MOST]])}]"
    return _object(value) if isinstance(value, dict) else repr(value)


def _object(value: dict[str, Any]) -> str:
    own = _own(value)
    if own is not None:
        name = str(value["type"]).removeprefix("yisang.")
        return f"{name}({arguments(own) if isinstance(own, dict) else tell(own)})"
    names = set(value)
    if names == {"type", "code"}:
        return str(value["type"]).removeprefix("yisang.")
    if "function" in names:
        return _function(value)
    if names == {"method", "of"}:
        return f"{tell(value['of'])}.{value['method']}"
    if names == {"partial", "args"}:
        return f"partial({tell(value['partial'])}, {tell(value['args'])})"
    if names == {"enum", "name"}:
        return f"{str(value['enum']).removeprefix('yisang.')}.{value['name']}"
    if names == {"pattern", "flags"}:
        return f"pattern({_quoted(value['pattern'])}, flags={value['flags']})"
    if names == {"bytes"}:
        return f"bytes({_text(value['bytes'])})"
    if names == {"set"} and isinstance(value["set"], list):
        return f"set({tell(value['set'])})"
    shown = [f"{tell(str(name))}: {tell(item)}" for name, item in list(value.items())[:MOST]]
    return f"{{{_members(list(value.items()), shown)}}}"


def _function(value: dict[str, Any]) -> str:
    """A function, with what it holds beside its code: the values that it closes over and its defaults."""
    name = str(value["function"]).removeprefix("yisang.")
    if value.get("of") is not None:
        return f"{tell(value['of'])}.{name}"
    held = dict(zip(("closure", "defaults", "keywords"), value.get("bound", ()), strict=False))
    given = {key: item for key, item in held.items() if item}
    return f"{name}({arguments(given)})" if given else name


def _members(value: list[Any], shown: list[str]) -> str:
    cut = [f"and {len(value) - MOST:,} more ({digest(value)[:12]}…)"] if len(value) > MOST else []
    return ", ".join([*shown, *cut])


def _quoted(text: str) -> str:
    return _text(text) if _is_digest(text) else repr(text[:LONGEST]) + _rest(text)


def _text(text: str) -> str:
    """A digest by its first characters, a long text by its beginning."""
    return f"{text[:12]}…" if _is_digest(text) else text[:LONGEST] + _rest(text)


def _rest(text: str) -> str:
    return f"… ({len(text):,} characters, {digest(text)[:12]}…)" if len(text) > LONGEST else ""


def _is_digest(text: str) -> bool:
    return len(text) in (32, 64) and not set(text) - set("0123456789abcdef")


def _is_pairs(value: list[Any]) -> bool:
    """[["law", 2000], ["science", 40]]: how a frozen step holds a dict. Of texts alone it may as well be a list of pairs."""
    pairs = all(isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) for item in value)
    names = [item[0] for item in value] if pairs else []
    return bool(names) and len(set(names)) == len(names) and not all(isinstance(item[1], str) for item in value)
