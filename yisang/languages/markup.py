"""Text without its code, its mathematics or its addresses, for measures that are about prose.

    code    fenced blocks (CommonMark: ``` or ~~~, an open one runs to the end of the text) and inline `code`
    latex   $...$, $$...$$, \\(...\\), \\[...\\] and \\begin{name}...\\end{name}
    urls    https, http and ftp addresses and www. names; they end before the first character outside ASCII,
            as particles are written right behind them in some languages

What opens first wins, so a $ inside code is code. $...$ follows pandoc's rule (manual, extension
tex_math_dollars), by which "$5 and $10" is money: no space behind the opening sign, none before the closing
one, no digit behind that one, no blank line between. What never closes, other than a fence, is text.

One pass over the text and one over its delimiters: a looping answer may hold any number of those, and a
pattern with two ends would go over the text once for each that stays open.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict

from yisang.errors import UsageError

KINDS = ("code", "latex", "urls")
_BLANK_LINE = r"\n(?=[ \t\r]*\n)"
_NAME = r"\{[^{}\n]{1,40}\}"
_ADDRESS = r"[!#%-;=?-Z_a-z~]+"
# Each alternative begins with a literal, so that the pattern passes over plain text quickly.
_DELIMITERS = {
    "code": rf"``*|~~~~*|{_BLANK_LINE}",
    "latex": rf"\\begin{_NAME}|\\end{_NAME}|\\[\[\]()\\$]|\$\$?|{_BLANK_LINE}",
    "urls": rf"https?://{_ADDRESS}|ftp://{_ADDRESS}|www\.{_ADDRESS}",
}
# A text without these has nothing of the kind.
_SIGNS = {"code": ("`", "~~~"), "latex": ("$", "\\"), "urls": ("://", "www.")}


def check_kinds(strip: tuple[str, ...]) -> None:
    """Raises UsageError for a kind that there is not."""
    if isinstance(strip, str) or not set(strip) <= set(KINDS):
        raise UsageError(f"strip is {strip!r}; it must be a tuple of some of {', '.join(KINDS)}.")


def without(text: str, strip: tuple[str, ...]) -> str:
    """`text` without the parts of these kinds; nothing is put in their place."""
    kept, place = [], 0
    for start, stop in spans(text, strip):
        kept.append(text[place:start])
        place = stop
    return "".join([*kept, text[place:]]) if kept else text


def spans(text: str, kinds: tuple[str, ...]) -> list[tuple[int, int]]:
    """(start, end) of each part of these kinds, in order; no two of them overlap."""
    check_kinds(kinds)
    present = [kind for kind in KINDS if kind in kinds and any(sign in text for sign in _SIGNS[kind])]
    return _Delimiters(text, present).spans() if present else []


class _Delimiters:
    """The delimiters of a text in order, and for each kind of end the places where it stands."""

    def __init__(self, text: str, kinds: list[str]):
        self.text = text
        pattern = "|".join(_DELIMITERS[kind] for kind in kinds)
        self.found = [(match.start(), match.end(), match[0]) for match in re.finditer(pattern, text)]
        self.ends: defaultdict[str, list[int]] = defaultdict(list)
        self.environments: dict[int, int] = {}
        open_environments: defaultdict[str, list[int]] = defaultdict(list)
        for number, (start, stop, sign) in enumerate(self.found):
            if self._opens_fence(number):
                self.ends["fence"].append(number)
            if sign.startswith("\\begin"):
                open_environments[sign[6:]].append(number)
            elif sign.startswith("\\end"):
                if open_environments[sign[4:]]:
                    self.environments[open_environments[sign[4:]].pop()] = number
            elif sign != "$" or not (text[start - 1 : start].isspace() or text[stop : stop + 1].isdigit()):
                self.ends[sign].append(number)
            # The nearest $ decides, whether it may close or not: else "$5, area $x$" would be one formula.
            if sign == "$":
                self.ends["any $"].append(number)

    def spans(self) -> list[tuple[int, int]]:
        spans: list[tuple[int, int]] = []
        number = 0
        while number < len(self.found):
            start, _, sign = self.found[number]
            if self._opens_fence(number):
                closing = self._fence_end(number)
                if closing is None:
                    return [*spans, (start, len(self.text))]
                spans.append((start, self.found[closing][1]))
                number = closing + 1
                continue
            last: int | None = None
            if sign[0] == "`":
                if self.text[start - 1 : start] != "\\":
                    last = self._before("\n", number, self._next(number, sign))
            elif sign == "$":
                last = self._dollar_end(number)
            elif sign == "$$":
                last = self._next(number, sign)
            elif sign in ("\\(", "\\["):
                last = self._next(number, "\\)" if sign == "\\(" else "\\]")
            elif sign.startswith("\\begin"):
                last = self.environments.get(number)
            elif sign[0] in "hfw":
                last = number
            # A fence ends whatever is open, or one stray ` would turn what is code and what is text around.
            last = self._before("fence", number, last)
            if last is None:
                number += 1
            else:
                spans.append((start, self.found[last][1]))
                number = last + 1
        return spans

    def _next(self, number: int, sign: str) -> int | None:
        places = self.ends[sign]
        at = bisect_right(places, number)
        return places[at] if at < len(places) else None

    def _before(self, sign: str, number: int, last: int | None) -> int | None:
        """`last`, unless `sign` stands between it and `number`."""
        stands = self._next(number, sign)
        return None if last is None or (stands is not None and stands < last) else last

    def _dollar_end(self, number: int) -> int | None:
        stop = self.found[number][1]
        following = self.text[stop : stop + 1]
        last = self._next(number, "any $")
        if not following or following.isspace() or last is None or last != self._next(number, "$"):
            return None
        return self._before("\n", number, last)

    def _opens_fence(self, number: int) -> bool:
        start, stop, sign = self.found[number]
        if sign[0] not in "`~" or len(sign) < 3 or not self._begins_line(start):
            return False
        line_end = self.text.find("\n", stop)
        # Behind backticks no further one may stand in the line: ```x``` is inline code.
        return sign[0] == "~" or self.text.find("`", stop, len(self.text) if line_end < 0 else line_end) < 0

    def _fence_end(self, number: int) -> int | None:
        opening = self.found[number][2]
        for last in range(number + 1, len(self.found)):
            start, stop, sign = self.found[last]
            if sign.startswith(opening) and self._begins_line(start) and self._ends_line(stop):
                return last
        return None

    def _begins_line(self, place: int) -> bool:
        # Deeper than CommonMark's three spaces too, since fences stand in lists.
        while place and self.text[place - 1] in " \t":
            place -= 1
        return not place or self.text[place - 1] == "\n"

    def _ends_line(self, place: int) -> bool:
        while place < len(self.text) and self.text[place] in " \t\r":
            place += 1
        return place == len(self.text) or self.text[place] == "\n"
