"""Do the names and the quoted words of the question stand unchanged in the thoughts?

The paper's prompt asks for it (arXiv 2510.04230, section 4: terms and quotations stay in Korean while the reasoning is in
English) and does not measure it. The share of the target language sees how much of it there is, not whether it is the
question's own words.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from yisang.errors import UsageError
from yisang.filters.language import Scope
from yisang.languages import Language, load
from yisang.languages.markup import without
from yisang.records import Measure, Trace, nfc

_SPAN = re.compile(
    r"“([^“”\n]{1,80})”|‘([^‘’\n]{1,80})’|(?<![0-9])\"([^\"\n]{1,80})\"|(?<![^\W_])'([^'\n]{1,80})'(?![^\W_])|「([^「」\n]{1,80})」"
    r"|『([^『』\n]{1,80})』|《([^《》\n]{1,80})》|〈([^〈〉\n]{1,80})〉|«([^«»\n]{1,80})»"
)


@dataclass(frozen=True)
class KeptQuotes:
    """Measures how many of the question's quoted spans and terms stand in the think part; keeps everything.

    A span stands in quotation marks on one line (“”, ‘’, "", '', 「」, 『』, 《》, 〈〉, «»; " behind a digit means inches) and has a letter of the target
    language; code and formulas are no quotations. A term is a word as [terms] of the language file describes it: in Korean, a word
    without the particle behind it that the question has twice or more (as "bear" in "bear-s are 3, fox-es 2 more than bear-s"). In a
    question a thing that is asked about has to be named again; words that occur once are mostly the sentence around it.
    A language without [terms] has none.

    Either is kept if it stands in the part letter by letter; blanks of any length are one blank.

    most: distinct spans, and distinct terms, that are looked for, the first of the question.

    Measures: `quotes`, `quotes_kept`, `quote_ratio`, `terms`, `terms_kept`, `term_ratio`, and `kept_ratio` of both together. A
    ratio is None where the question has none of them, or the trace has no such part; then its count of kept ones is None too.
    """

    language: str
    scope: Scope = "think"
    most: int = 100
    _facts: Language = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_facts", load(self.language))
        if self.scope not in ("text", "think", "answer"):
            raise UsageError(f"KeptQuotes: scope is {self.scope!r}; it must be text, think or answer.")
        if self.most < 1:
            raise UsageError(f"KeptQuotes: most is {self.most}; it must be 1 or more.")
        terms_of("", self._facts)  # refuses a wrong table before anything is measured

    def identity(self) -> dict[str, Any]:
        return {"language": self.language, "scope": self.scope, "most": self.most, "digest": self._facts.digest}

    def __call__(self, trace: Trace) -> dict[str, Measure]:
        question = without(nfc(trace.prompt.text), ("code", "latex"))
        quotes = quotes_of(question, self._facts)[: self.most]
        terms = [term for term in terms_of(question, self._facts) if term not in quotes][: self.most]
        part = getattr(trace, self.scope)
        text = None if part is None else " ".join(nfc(part).split())
        kept = [None if text is None else sum(item in text for item in items) for items in (quotes, terms)]
        both = None if kept[0] is None or kept[1] is None else kept[0] + kept[1]
        return {
            "quotes": len(quotes),
            "quotes_kept": kept[0],
            "quote_ratio": _ratio(kept[0], len(quotes)),
            "terms": len(terms),
            "terms_kept": kept[1],
            "term_ratio": _ratio(kept[1], len(terms)),
            "kept_ratio": _ratio(both, len(quotes) + len(terms)),
        }


def quotes_of(question: str, language: Language) -> list[str]:
    """The distinct quoted spans that have a letter of the language, in their order, with single blanks."""
    ranges = [item for name in language.default_blocks for item in language.blocks[name]]
    spans = (" ".join(next(filter(None, match.groups())).split()) for match in _SPAN.finditer(question))
    written = (span for span in spans if any(first <= ord(sign) <= last for sign in span for first, last in ranges))
    return list(dict.fromkeys(written))


def terms_of(question: str, language: Language) -> list[str]:
    """The distinct terms of a question, as [terms] of the language's file describes them, in their order."""
    table = language.terms
    if not table:
        return []
    try:
        word, times = re.compile(table["word"]), int(table.get("times", 1))
        skip = re.compile(table.get("skip", "(?!)"))
        endings = sorted(map(str, table.get("endings", ())), key=len, reverse=True)
        if set(table) - {"word", "times", "skip", "endings"}:
            raise ValueError("its keys are word, times, skip and endings")
    except (KeyError, TypeError, ValueError, re.error) as error:
        raise UsageError(f"Language file {language.code}.toml: [terms] cannot be read ({error!r}).") from error
    words = word.findall(question)
    whole = Counter(words)
    ending = re.compile(f"(?:{'|'.join(map(re.escape, endings))})$") if endings else None
    found: Counter[str] = Counter()
    for item in words:
        # A word that only looks as if it had a particle stays whole: the question has it with further ones too.
        match = ending.search(item) if ending else None
        stem = item[: match.start()] if match else item
        longer = match and stem and any(item + particle in whole for particle in endings)
        term = item if longer or not stem else stem
        if not skip.fullmatch(term):
            found[term] += 1
    return [term for term, count in found.items() if count >= times]


def _ratio(kept: int | None, all_of: int) -> float | None:
    return kept / all_of if kept is not None and all_of else None
