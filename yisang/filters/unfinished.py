"""Does an answer end before it is at its end? By what the engine reported, and by how the text ends.

Engines report truncation as a finish reason; some report "stop" for an answer that was cut by a proxy, a second limit or a
stop string, and a crawled answer has no finish reason. The paper names no such check; released sets of reasoning traces are cut at
19 to 37 % of their rows under a "stop" (allenai/olmo-eval, issue 399). The bound is ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from yisang.errors import UsageError
from yisang.filters.cot import judged, split_think
from yisang.languages import Language, load
from yisang.languages.markup import without
from yisang.languages.patterns import patterns
from yisang.records import Trace, nfc

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})(.*)$", re.M)
_FORMULA = re.compile(r"\\begin\{([^{}\n]{1,40})\}|\\end\{([^{}\n]{1,40})\}|\\\\|\\([\[\]()])|\$\$")
_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?=\{|$)")
_BRACE = re.compile(r"\\.|[{}]", re.S)
_DOLLAR = re.compile(r"(?<!\\)\$(?=[^\s\d$])(?!(?:[A-Z][A-Z0-9]*_|_|[A-Z][A-Z0-9]{2})[A-Z0-9_]*(?![A-Za-z0-9_{}^=]))")
"""A single $; not one before a variable of a shell ($HOME), nor an amount."""
_SAID = re.compile(r"[.!?。]\s*$|[^\x00-\x7f\u0370-\u03ff\u2000-\u2bff]")
_OPENING = re.compile(r"(?<![:;=])[(\[]|[「『《〈【]")
_CLOSING = ")]」』》〉】"
_ENDS = ".!?。！？…．;；"
_GOES_ON = ",、，:：=+×÷/<>≤≥-–—&^_\\"
_BEHIND = "*_~`\"'”’»)]」』》〉】 \t"
_RULE = re.compile(r"[ \t]*(?:[-*_=] ?){3,}")
_SMILE = re.compile(r"[:;=^]['’]?-?[)(DP^]+$")
_LABELLED = re.compile(r"[^\n:：]{1,24}[:：]\W*[^\s:：]{1,20}\W*")
"""A label and one word: **Answer:** on"""
_SIGNED = re.compile(r"(?:^|[^\x00-\x7f]|\s)(?:C\+\+|[A-Z][a-z]?[-+]|[A-Z][a-z]?[-+]\W)$")
_ADDRESS = re.compile(r"https?://\S{1,2000}$")
_QUOTES = "”’»」』》〉"
_ITEM = re.compile(r"\s*(?:[-*+•]|[0-9]{1,3}[.)]|\(?\w\)|#{1,6}|\|)\s")


@dataclass(frozen=True)
class Unfinished:
    """Verdict "unfinished": "none", or the first of these that holds:

        length     the engine reported that the limit was reached
        think      a think block that never closes
        empty      a blank answer
        fence      a fence of code stays open
        formula    $, $$, \\(, \\[ or \\begin{…} stays open
        box        \\boxed{ stays open
        bracket    a bracket of the last paragraph stays open
        table      the last row of a table does not end as the one above it
        sentence   the last line ends with a sign or a word behind which a sentence goes on, or stops in the middle: it has
                   `tail` letters or more behind the last full stop, no ending of a sentence, and is no item of a list,
                   in an answer that has full stops. A label and a word, an address, a quotation at its end do not

    or "missing" where thoughts and answer cannot be told apart. language: its [sentences] say how a text goes on or ends.
    Measure `unfinished_signs`: all that hold, joined by "+".
    """

    language: str
    tail: int = 30
    _facts: tuple[Language, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.tail < 1:
            raise UsageError(f"Unfinished: tail is {self.tail}; it counts letters, so 1 or more.")
        object.__setattr__(self, "_facts", tuple(load(code) for code in dict.fromkeys((self.language, "en"))))

    def identity(self) -> dict[str, Any]:
        return {"language": self.language, "tail": self.tail, "words": [language.digest for language in self._facts]}

    def __call__(self, trace: Trace) -> Trace:
        _, answer, structure = split_think(trace.text)
        signs = ["length"] if trace.finish_reason == "length" else []
        if structure == "unclosed":
            signs.append("think")
        elif answer is not None:
            signs += self.signs(answer)
        verdict = signs[0] if signs else "none" if answer is not None else "missing"
        return judged(trace, {"unfinished": verdict}, {"unfinished_signs": "+".join(signs)})

    def signs(self, answer: str) -> list[str]:
        """What shows that this text goes on, in the order of the verdicts."""
        text = _without_ornaments(nfc(answer))
        if not text:
            return ["empty"]
        if _open_fence(text):
            return ["fence"]
        prose = without(text, ("code",))
        plain = without(prose, ("latex",))
        paragraph = re.split(r"\n[ \t]*\n", plain.rstrip())[-1]
        found = {
            "formula": _open_formula(prose) or _open_dollar(paragraph),
            "box": _open_box(prose),
            "bracket": _open_bracket(paragraph),
            "table": _open_table(text),
            "sentence": self._goes_on(text, plain),
        }
        return [name for name, holds in found.items() if holds]

    def _goes_on(self, text: str, plain: str) -> bool:
        """Whether the last line stops in the middle; a text that ends with code, a formula or a table does not."""
        line = text.rpartition("\n")[2]
        bare = line.rstrip(_BEHIND)
        behind = line[len(bare) :]
        # What a quotation ends with says nothing of the sentence around it.
        if any(sign in _QUOTES for sign in behind) or ('"' in behind and line.count('"') % 2 == 0):
            return False
        if (_SIGNED.search(line) and "=" not in line) or _ADDRESS.search(line[-2100:]):
            return False
        if not bare.strip() or line.rstrip().endswith(("|", "```", "~~~")):
            return False
        if bare[-1] in _ENDS or bare[-1] in "$}" or not plain.rstrip().endswith(line[-1]):
            return False
        # Closing markup is taken away, but not where it is an operator of its own: "3 *".
        if bare[-1] in _GOES_ON or re.search(r"[\w)] [*~]$", line):
            return True
        if len(line) <= 80 and _LABELLED.fullmatch(line.strip()):
            return False
        said = plain.rstrip().rstrip(_BEHIND)
        if self._says("open", said):
            return True
        # Who writes no full stop at all leaves the last one out too.
        stop = max(said.rfind(sign) for sign in _ENDS)
        rest = said[max(stop, said.rfind("\n")) + 1 :]
        letters = sum(map(str.isalpha, rest))
        return stop >= 0 and letters >= self.tail and not _ITEM.match(line) and not self._says("closed", said)

    def _says(self, kind: str, text: str) -> bool:
        # The end of a text is all that such a pattern looks at.
        end = text[-40:]
        kinds = (pattern for language in self._facts for pattern in patterns(language, "sentences"))
        return any(next(pattern.spans(end), None) is not None for pattern in kinds if pattern.kind == kind)


def _without_ornaments(text: str) -> str:
    """The text without the blanks, rules and the smile behind its end, read from the end so that it takes time in proportion to them."""
    end = _end(text, len(text))
    while (start := text.rfind("\n", 0, end)) >= 0 and _RULE.fullmatch(text, start + 1, end):
        end = _end(text, start)
    # No smile is longer.
    smile = _SMILE.search(text[max(0, end - 40) : end])
    return text[: _end(text, max(0, end - 40) + smile.start()) if smile else end]


def _end(text: str, end: int) -> int:
    """Where text[:end] ends without blanks."""
    while end and text[end - 1].isspace():
        end -= 1
    return end


def _open_fence(text: str) -> bool:
    fence = ""
    for match in _FENCE.finditer(text):
        if not fence:
            # Behind backticks no further one may stand in the line: ```x``` is inline code (CommonMark).
            fence = match[1] if match[1][0] == "~" or "`" not in match[2] else ""
        elif match[1].startswith(fence) and not match[2].strip():
            fence = ""
    return bool(fence)


def _open_formula(text: str) -> bool:
    opened: list[str] = []
    displayed = False
    for match in _FORMULA.finditer(text):
        if match[0] == "$$":
            displayed = not displayed
        elif match[1]:
            opened.append(match[1])
        elif match[2]:
            # An end without its beginning is a slip, not a cut.
            if match[2] in opened[-8:]:
                while opened.pop() != match[2]:
                    pass
        elif match[3] and match[3] in "([":
            opened.append(match[3])
        elif match[3] and opened and opened[-1] == {")": "(", "]": "["}[match[3]]:
            opened.pop()
    return displayed or bool(opened)


def _open_dollar(paragraph: str) -> bool:
    """Whether a single $ opens a formula that does not close. Behind it stands nothing that a formula cannot hold: no letter of
    another script than the Latin and the Greek one, and no full stop at the end."""
    opened = _DOLLAR.search(paragraph)
    return opened is not None and not _SAID.search(paragraph, opened.end())


def _open_box(text: str) -> bool:
    boxes = list(_BOX.finditer(text))
    if not boxes:
        return False
    depth = 0
    for match in _BRACE.finditer(text, boxes[-1].end()):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0 and match[0] == "}":
            return False
    return True


def _open_bracket(paragraph: str) -> bool:
    """Whether a bracket of this text stays open. Any closing sign closes any opening one, as in half-open intervals."""
    depth = 0
    for place, sign in enumerate(paragraph):
        if sign in _CLOSING:
            depth = max(0, depth - 1)
        elif _OPENING.match(paragraph, place):
            depth += 1
    return depth > 0


def _open_table(text: str) -> bool:
    above, _, last = text.rpartition("\n")
    return last.lstrip().startswith("|") and not last.endswith("|") and above.rstrip().endswith("|")
