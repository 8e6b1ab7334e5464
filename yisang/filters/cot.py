"""First checks of a trace: structure, language share of the think part, language of the answer, finish, length.

Each check adds a verdict (a word) and measures (numbers) and keeps every trace; the recipe decides with them later.
A check reads the raw text where it can, so that a better `split_think` needs no new answers. `split_think` lives here,
below the engines, because both they and the checks read answers with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from yisang.errors import UsageError
from yisang.filters.language import TargetShare
from yisang.languages.markup import without
from yisang.languages.shares import Denominator
from yisang.records import Measure, Trace, nfc

OPEN, CLOSE = "<think>", "</think>"
_TAG = re.compile(f"{OPEN}|{CLOSE}")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_QUOTED = re.compile(r"“[^”\n]{1,2000}”|\"[^\"\n]{1,2000}\"|「[^」\n]{1,2000}」")
_LETTERS = re.compile(r"[^\W\d_]+")
_HAN = 0x4E00
"""The first of the CJK unified ideographs: a block that has it holds Han characters."""
_NAME, _BARE, _PROSE = 4, 8, 8
"""Letters: of a word that is no unit or variable, of all of an answer that may be none, of a text that is not written in Han characters
alone but in Chinese."""


def join_reasoning(content: str, reasoning: str | None, finish_reason: str = "stop") -> str:
    """The raw text of an answer whose reasoning the endpoint took out into a field of its own.

    An answer that was cut before any content has not finished thinking, so its block stays open.
    """
    if not reasoning:
        return content
    if finish_reason == "length" and not content.strip():
        return f"{OPEN}\n{reasoning}"
    return f"{OPEN}\n{reasoning.strip()}\n{CLOSE}\n\n{content}"


def split_think(text: str, reasoning: str | None = None) -> tuple[str | None, str | None, str]:
    """(think, answer, structure) of a raw answer; each part without surrounding blanks, None where there is none.

    structure, the first that holds:
        several       more than one opening or closing tag: no part can be told
        absent        no block: all of it is the answer
        unclosed      opened and never closed: all after the tag is think, no answer
        leading_text  text before the block
        empty         a blank think
        no_answer     a blank answer
        one           anything else; also where the template has already opened the block and only its end is seen

    `<think>` and `</think>` are tags exactly so. Up to the first closing tag every one of them counts, inside code
    or not, since the model's own parser ends the block there. After it, and in a text without a closing tag, a tag
    quoted in Markdown code is content.

    reasoning: what the endpoint reported in a field of its own; it is joined in front of `text`.
    """
    text = join_reasoning(text, reasoning)
    close = text.find(CLOSE)
    if close < 0:
        # At the very start the tag is the model's own; further on it may be quoted.
        started = text.lstrip().startswith(OPEN)
        opens = text.count(OPEN) if started else without(text, ("code",)).count(OPEN)
        if not opens:
            return None, text.strip(), "absent"
        if opens > 1:
            return None, None, "several"
        # Among quoted ones it cannot be told which of them opened.
        return text.partition(OPEN)[2].strip() if text.count(OPEN) == 1 else None, None, "unclosed"
    before, answer = text[:close], text[close + len(CLOSE) :]
    if before.count(OPEN) > 1 or _TAG.search(without(answer, ("code",))):
        return None, None, "several"
    leading, opened, think = before.rpartition(OPEN)
    think, answer = think.strip(), answer.strip()
    if opened and leading.strip():
        return think, answer, "leading_text"
    if not think:
        return think, answer, "empty"
    return think, answer, "one" if answer else "no_answer"


def judged(trace: Trace, verdicts: dict[str, str], measures: dict[str, Measure] | None = None) -> Trace:
    """A copy of `trace` with these verdicts and measures added to its own."""
    return msgspec.structs.replace(
        trace, verdicts={**trace.verdicts, **verdicts}, measures={**trace.measures, **(measures or {})}
    )


@dataclass(frozen=True)
class Structure:
    """Verdict "structure", as `split_think` reads the raw text; think and answer are set to what it reads."""

    def identity(self) -> dict[str, Any]:
        return {}

    def __call__(self, trace: Trace) -> Trace:
        think, answer, structure = split_think(trace.text)
        return msgspec.structs.replace(judged(trace, {"structure": structure}), think=think, answer=answer)


@dataclass(frozen=True)
class ThinkShare:
    """Verdict "think_share": how much of the think part is in the target language, against a band.

    "in_band" (both ends included), "low", "high", or "missing" where there is nothing to measure: no think part, or
    none of what the denominator counts. The band is the paper's (arXiv 2510.04230, section 5.3); of what it is a
    share is not said there, so that is stored beside the number (see `TargetShare`, which measures).
    """

    language: str
    low: float = 0.05
    high: float = 0.20
    denominator: Denominator = "letters"
    blocks: tuple[str, ...] | None = None
    strip: tuple[str, ...] = ()
    _share: TargetShare = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        share = TargetShare(self.language, self.blocks, self.denominator, "think", self.strip)
        object.__setattr__(self, "_share", share)
        if not 0 <= self.low <= self.high <= 1:
            raise UsageError(f"ThinkShare: low {self.low} and high {self.high} must be shares, low not above high.")

    def identity(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, **self._share.identity()}

    def __call__(self, trace: Trace) -> Trace:
        measures = self._share(trace)
        share = measures["think_target_share"]
        verdict = "missing"
        if isinstance(share, float):
            verdict = "low" if share < self.low else "high" if share > self.high else "in_band"
        return judged(trace, {"think_share": verdict}, measures)


@dataclass(frozen=True)
class AnswerLanguage:
    """Verdict "answer_language": whether the answer is written in the target language.

    "target" from a share of `low` among its letters on, or of `words` among its words: what stands between blanks, outside of quotation
    marks, is a word of the target language if it has a letter of it, as a foreign name with a particle has. Else "other".
    "no_letters" where code, formulas, signs, units and variables are all that it holds (a bare number, (B), 12 km), which a recipe may
    accept: no letter of the target, no word of 4 letters, and fewer than 8 letters in all. "missing" without an answer or with a blank one.

    A language that has Han characters, which it shares with Chinese, and letters of its own is "other" where a text of 8 letters or more
    has the first alone. The paper names the check (arXiv 2510.04230, section 5.3), not the bounds. Measure `answer_target_words`: the share of words.
    """

    language: str
    low: float = 0.3
    words: float = 0.5
    blocks: tuple[str, ...] | None = None
    strip: tuple[str, ...] = ("code", "latex")
    _share: TargetShare = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        share = TargetShare(self.language, self.blocks, "letters", "answer", self.strip)
        object.__setattr__(self, "_share", share)
        if not 0 <= self.low <= 1:
            raise UsageError(f"AnswerLanguage: low is {self.low}; it must be a share between 0 and 1.")
        if not 0 <= self.words <= 1:
            raise UsageError(f"AnswerLanguage: words is {self.words}; it must be a share between 0 and 1.")

    def identity(self) -> dict[str, Any]:
        return {"low": self.low, "words": self.words, **self._share.identity()}

    def __call__(self, trace: Trace) -> Trace:
        text = trace.answer
        if text is not None and "latex" in self.strip:
            # A command stands outside of formulas too (`\boxed{10}`), and its name is in no language.
            text = _COMMAND.sub("", without(text, self.strip))
        measures = self._share(msgspec.structs.replace(trace, answer=text))
        share, verdict = measures["answer_target_share"], "missing"
        said = None
        if text is not None and trace.answer is not None and trace.answer.strip():
            said, verdict = self._words(text), "no_letters"
            if isinstance(share, float) and (share or not _bare(text)):
                mine = share >= self.low or (said is not None and said >= self.words)
                verdict = "target" if mine and not self._chinese(text) else "other"
        return judged(trace, {"answer_language": verdict}, {**measures, "answer_target_words": said})

    def _words(self, text: str) -> float | None:
        """The share of words that have a letter of the target language; None without any word."""
        words = [word for word in _QUOTED.sub(" ", nfc(text)).split() if any(map(str.isalpha, word))]
        blocks = self.blocks or self._share._facts.default_blocks
        return sum(self._has(word, blocks) for word in words) / len(words) if words else None

    def _chinese(self, text: str) -> bool:
        blocks = self.blocks or self._share._facts.default_blocks
        held = self._share._facts.blocks
        own = tuple(name for name in blocks if not any(first <= _HAN <= last for first, last in held[name]))
        letters = sum(map(str.isalpha, text))
        return 0 < len(own) < len(blocks) and letters >= _PROSE and not self._has(nfc(text), own)

    def _has(self, text: str, blocks: tuple[str, ...]) -> bool:
        ranges = [item for name in blocks for item in self._share._facts.blocks[name]]
        return any(first <= ord(sign) <= last for sign in text if sign.isalpha() for first, last in ranges)


def _bare(text: str) -> bool:
    words = _LETTERS.findall(text)
    return max(map(len, words), default=0) < _NAME and sum(map(len, words)) < _BARE


@dataclass(frozen=True)
class Finish:
    """Verdict "finish": the finish reason as the engine reported it, "unknown" where it reported none."""

    def identity(self) -> dict[str, Any]:
        return {}

    def __call__(self, trace: Trace) -> Trace:
        return judged(trace, {"finish": trace.finish_reason or "unknown"})


@dataclass(frozen=True)
class TokenLimit:
    """Verdict "tokens": "within" or "over" the limit, by the completion tokens that the engine reported.

    tokenizer: counts the tokens of a raw text where the engine reported none; without it the verdict is "unknown",
    never a guess. A teacher's tokens are not the student's: to measure by the student's, give its counter and
    `reported=False`.
    """

    limit: int = 16384
    tokenizer: Callable[[str], int] | None = None
    reported: bool = True

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise UsageError(f"TokenLimit: limit is {self.limit}; it must be 1 or more.")

    def identity(self) -> dict[str, Any]:
        return {"limit": self.limit, "tokenizer": self.tokenizer, "reported": self.reported}

    def __call__(self, trace: Trace) -> Trace:
        count = trace.usage.get("completion_tokens") if self.reported else None
        if count is None and self.tokenizer is not None:
            count = self.tokenizer(trace.text)
        verdict = "unknown" if count is None else "within" if count <= self.limit else "over"
        return judged(trace, {"tokens": verdict}, {"completion_tokens": count})
