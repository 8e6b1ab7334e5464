"""Does the teacher refuse, or speak of itself as a program? Told by sentences of the language, which are data.

The paper keeps no list and no such check (arXiv 2510.04230, section 5.3); the patterns stand in the language files,
[refusals], each with the sentence that motivated it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from yisang.errors import UsageError
from yisang.filters.cot import judged
from yisang.languages import Language, load
from yisang.languages.markup import without
from yisang.languages.patterns import patterns
from yisang.records import Measure, Trace, nfc

Part = Literal["answer", "think", "text"]
QUOTED = re.compile(
    r"“[^”\n]{1,400}”|‘[^’\n]{1,400}’|\"[^\"\n]{1,400}\"|「[^」\n]{1,400}」|『[^』\n]{1,400}』"
    r"|«[^»\n]{1,400}»|《[^》\n]{1,400}》|〈[^〉\n]{1,400}〉|(?m:^[ \t]*>.*$)"
)
"""What someone else says: quotation marks on one line, and lines quoted in Markdown. A ' is an apostrophe too often."""
_EVIDENCE = 120


@dataclass(frozen=True)
class Refusal:
    """Verdict "refusal": "none", "refusal", "identity" (a program speaks of itself), "missing" where there is no such part.

    language: its patterns are looked for, and the English ones, as teachers fall back to English. part: what is read.
    opening: characters within which a refusal begins; further on, "we cannot help" belongs to a letter or a story that was
    asked for. Identity counts anywhere. What stands in code, in quotation marks or in the question itself does not count.

    Measures: `refusals` and `identities`, how many sentences of either kind count; `refusal_at`, where the first of them
    begins; `refusal_evidence`, its words.
    """

    language: str
    part: Part = "answer"
    opening: int = 200
    _facts: tuple[Language, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.part not in get_args(Part):
            raise UsageError(f"Refusal: part is {self.part!r}; it must be one of {', '.join(get_args(Part))}.")
        if self.opening < 1:
            raise UsageError(f"Refusal: opening is {self.opening}; it counts characters, so 1 or more.")
        facts = tuple(load(code) for code in dict.fromkeys((self.language, "en")))
        if not patterns(facts[0], "refusals"):
            raise UsageError(
                f"Refusal: language {self.language} has no table [refusals]. Add [[refusals.refusal]] and "
                f"[[refusals.identity]] to {self.language}.toml; ko.toml is a model."
            )
        object.__setattr__(self, "_facts", facts)

    def identity(self) -> dict[str, Any]:
        digests = [language.digest for language in self._facts]
        return {"language": self.language, "part": self.part, "opening": self.opening, "words": digests}

    def __call__(self, trace: Trace) -> Trace:
        text = getattr(trace, self.part)
        if text is None or not text.strip():
            return judged(trace, {"refusal": "missing"}, _measures([], [], ""))
        # A line end takes their place, so that no pattern reaches over what was taken out.
        text = QUOTED.sub("\n", without(nfc(text).strip(), ("code",)))
        asked = nfc(trace.prompt.text)
        found: dict[str, list[tuple[int, int]]] = {"refusal": [], "identity": []}
        for language in self._facts:
            for pattern in patterns(language, "refusals"):
                # Where only the opening counts, no more of the text is read.
                scope = text[: self.opening + 400] if pattern.kind == "refusal" else text
                spans = (span for span in pattern.spans(scope) if pattern.kind != "refusal" or span[0] < self.opening)
                found[pattern.kind] += [span for span in spans if text[slice(*span)] not in asked]
        verdict = next((kind for kind in ("refusal", "identity") if found[kind]), "none")
        return judged(trace, {"refusal": verdict}, _measures(found["refusal"], found["identity"], text))


def _measures(refusals: list[tuple[int, int]], identities: list[tuple[int, int]], text: str) -> dict[str, Measure]:
    first = min(refusals or identities, default=None)
    return {
        "refusals": len(set(refusals)),
        "identities": len(set(identities)),
        "refusal_at": None if first is None else first[0],
        "refusal_evidence": None if first is None else text[slice(*first)][:_EVIDENCE],
    }
