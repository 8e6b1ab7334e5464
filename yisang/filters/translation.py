"""What a prompt is translated as, and what of the teacher's answer is kept: a prompt in the target language, or a Drop.

The paper translates the prompts of OpenThoughts and says nothing of how a translation is checked (arXiv 2510.04230, section 5.1); three
of four translators gave it unstable training. All bounds here are ours, with the reason beside them.

The first of these that holds is the reason of the Drop; its evidence names the others under "also".

    not_translated        the answer did not come to its end: the finish reason is another than "stop"
    no_translation        nothing, or a blank, between <TRANSLATION> and </TRANSLATION>
    several_translations  more than one
    options_lost          an option is missing or blank
    options_run_on        an option has more lines than its source
    options_alike         options that differed are the same now
    marks_differ          a mark (formula, code, address, label) is missing, repeated, or stands for nothing
    labels_moved          labels, of options and of items, are not in their order
    markup_changed        with the marks restored, the text holds other formulas, code or addresses than its source: some were written by the
                          teacher, or run into the words around them
    numbers_differ        digits that the source has are missing, or others are added (`yisang.filters.numbers`)
    no_letters            no letters are left of a source that had some
    left_in_source        too few letters of the target language, in all, in one line, or in a row, and most of the others are of the source's
    other_language        the same, and most of the others are of neither
    too_short, too_long   the ratio of lengths is out of its bounds
    task_unparsed         a worded task is none any more in the target language
    task_differs          it is another task

What is compared is the text outside of marks; what is behind them comes back byte for byte.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec

from yisang.errors import UsageError
from yisang.filters.document import Document, document, form
from yisang.filters.grade import GraderFailed, words_of
from yisang.filters.numbers import difference, written
from yisang.grading import check_gold
from yisang.grading.choices import choice, gold_options
from yisang.grading.plain import plain
from yisang.grading.words import words
from yisang.languages import Language, load
from yisang.languages.masks import marks_in, parts, restore, tidied, without_marks
from yisang.languages.shares import longest_foreign_run, script_counts
from yisang.languages.thinking import after_thinking
from yisang.records import Drop, Measure, Prompt, Trace, child_id, content_id, nfc
from yisang.tasks.addition import CONTEXT as ADDITION
from yisang.tasks.addition import recognise_sum
from yisang.tasks.contexts import digest_of_words
from yisang.tasks.graph import Graph
from yisang.tasks.wording import NotATask, parse

_TRANSLATION = re.compile(r"<TRANSLATION>(.*?)</TRANSLATION>", re.DOTALL)
_SHOWN = 80
_WORDS_OF_ITS_OWN = ("same_text",)
"""The reasons of a correct gold that is words of a language; all others compare values or options."""
_STILL_TRUE = ("options_merged", "pii_masked", "pii_masked_kinds")
"""Measures of a prompt that hold for its translation too: what was changed in it before."""


def between_tags(answer: str) -> list[str]:
    """The translations of an answer whose thinking was taken off."""
    return _TRANSLATION.findall(answer)


@dataclass(frozen=True)
class TranslationBounds:
    """When a translation is too little in the target language, or too short or long.

    share: the least share of the target's letters among all letters. Half: names, units and terms may stay in Latin letters, a sentence
    may not.
    line_share, line_letters: the same of each line with so many letters. Lower, as one line may list names; it finds a paragraph or an
    option that was left as it was.
    run_letters: letters in a row, marks and blanks aside, of which none is the target's: a sentence that was left as it was. In 7,132 questions
    that people translated there are 12 at most (SQuARe into Korean, MGSM into Japanese); a name of an institution may take more.
    shortest, longest, least: the ratio of lengths in characters without blanks, for texts of `least` characters and more. They are for
    Korean and Japanese, which write a syllable or a word with one character where English takes two or three: of 6,613 questions of SQuARe in
    English and Korean 99 in 100 lie within 0.24 and 0.63, of the 250 problems of MGSM in English and Japanese within 0.41 and 0.82
    (`tests/filters/test_translation.py`). Below, a sentence is missing; a text that is longer than its source explains, or is in another
    language. A target with another script wants bounds of its own.
    """

    share: float = 0.5
    line_share: float = 0.2
    line_letters: int = 20
    shortest: float = 0.2
    longest: float = 1.0
    least: int = 40
    run_letters: int = 30

    def __post_init__(self) -> None:
        if not (0 <= self.share <= 1 and 0 <= self.line_share <= 1):
            raise UsageError("TranslationBounds: share and line_share are shares; they lie within 0 and 1.")
        if not 0 <= self.shortest < self.longest:
            raise UsageError("TranslationBounds: shortest must be 0 or more, and below longest.")
        if min(self.line_letters, self.least, self.run_letters) < 1:
            raise UsageError("TranslationBounds: line_letters, least and run_letters must be 1 or more.")


BOUNDS = TranslationBounds()


@dataclass(frozen=True)
class ReadTranslation:
    """Trace of a translation → its prompt in the target language, a child of the one that was translated; or a Drop (see above).

    The child has the trace's licence, which is the strictest of its question's and of the teacher's terms. Its gold stays where it is
    provable in the target language: of a task its graph was read back; of multiple choice the gold names the same option (an option's
    text becomes the translated one); of mathematics the grader reads it as a value. Elsewhere it is left out, and the measure
    `translation_gold` says so: kept, left_out, or none where there was none. Measures of the source's text stay with the source.
    """

    source: str = "en"
    target: str = "ko"
    bounds: TranslationBounds = BOUNDS
    # The facts travel with the step, so that a worker needs no language file of its own.
    _source: Language = field(init=False, repr=False, compare=False)
    _target: Language = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_source", load(self.source))
        object.__setattr__(self, "_target", load(self.target))
        if self.source == self.target:
            raise UsageError(f"A translation from {self.source!r} into itself is none. Name another target.")

    def identity(self) -> dict[str, Any]:
        """The parameters, the digests of both languages' files, and the words that tasks and golds are read by."""
        return {
            "source": self.source,
            "target": self.target,
            **asdict(self.bounds),
            "words": content_id(*words_of(self.source), *words_of(self.target), digest_of_words()),
        }

    def __call__(self, trace: Trace) -> Prompt | Drop:
        if trace.finish_reason != "stop":
            return Drop("not_translated", {"finish_reason": trace.finish_reason})
        answer = after_thinking(nfc(trace.text))
        found = [] if answer is None else [tidied(text.strip()) for text in between_tags(answer)]
        if len(found) > 1:
            return Drop("several_translations", {"count": len(found)})
        if not any(found):
            return Drop("no_translation", {"thinking_ended": answer is not None, "tags": len(found)})
        asked = document(trace.prompt)
        failures, measures = self._judged(trace.prompt, asked, found[0])
        if failures:
            also = [failure.reason for failure in failures[1:]]
            return Drop(failures[0].reason, {**failures[0].evidence, **({"also": also} if also else {})})
        return self._child(trace, asked, found[0], measures)

    def passes(self, trace: Trace) -> Trace | Drop:
        """The trace, where its translation is kept: a check for `yisang.teachers.strategies.Retry`."""
        found = self(trace)
        return found if isinstance(found, Drop) else trace

    def _judged(self, prompt: Prompt, asked: Document, said: str) -> tuple[list[Drop], dict[str, Measure]]:
        failures = [*_options(asked, said), *_marks(asked, said)]
        whole = not any(failure.reason in ("options_lost", "marks_differ") for failure in failures)
        before, after = without_marks(asked.text), without_marks(said)
        failures += _markup(asked, said) if whole else []
        differs = difference(before, after, self.source, self.target)
        if differs:
            failures.append(
                Drop("numbers_differ", {"missing": written(differs.missing), "added": written(differs.added)})
            )
        share = self._share(after)
        failures += self._language(before, after, share)
        ratio = _length(after) / _length(before) if _length(before) else None
        if ratio is not None and _length(before) >= self.bounds.least:
            reason = "too_short" if ratio < self.bounds.shortest else "too_long" if ratio > self.bounds.longest else ""
            failures += [Drop(reason, {"ratio": round(ratio, 4)})] if reason else []
        failures += self._task(prompt, restore(asked.body(said), asked.held)) if whole else []
        read_back = "same" if prompt.kind == "task" and prompt.graph is not None else None
        measures: dict[str, Measure] = {
            "translation_target_share": share,
            "translation_length_ratio": ratio,
            "translation_task": read_back,
        }
        return failures, measures

    def _share(self, text: str) -> float | None:
        target, letters = script_counts(nfc(text), self._target)
        return target / letters if letters else None

    def _language(self, before: str, after: str, share: float | None) -> list[Drop]:
        if share is None:
            return [Drop("no_letters")] if script_counts(nfc(before), self._source)[1] else []
        if share < self.bounds.share:
            return [self._foreign(after, self.bounds.share)]
        for line in after.splitlines():
            own, letters = script_counts(nfc(line), self._target)
            if letters >= self.bounds.line_letters and own / letters < self.bounds.line_share:
                return [self._foreign(line, self.bounds.line_share)]
        run = longest_foreign_run(after, self._target)
        if script_counts(nfc(run), self._target)[1] >= self.bounds.run_letters:
            return [self._foreign(run, self.bounds.run_letters)]
        return []

    def _foreign(self, text: str, bound: float) -> Drop:
        own, letters = script_counts(nfc(text), self._target)
        of_source, _ = script_counts(nfc(text), self._source)
        evidence = {"share": round(own / letters, 4), "bound": bound, "text": text.strip()[:_SHOWN]}
        return Drop("left_in_source" if 2 * of_source > letters - own else "other_language", evidence)

    def _task(self, prompt: Prompt, text: str) -> list[Drop]:
        """Raises BadGraph where the prompt's own graph is none."""
        if prompt.kind != "task" or prompt.graph is None:
            return []
        context = str(prompt.graph.get("context", ""))
        if context == ADDITION:
            found = recognise_sum(text, (self.target,))
            if found is None:
                return [Drop("task_unparsed", {"why": "it asks for no sum"})]
            same = all(getattr(found, name) == prompt.graph.get(name) for name in ("a", "b", "digits"))
            return [] if same else [Drop("task_differs", {"found": f"{found.a} + {found.b}"})]
        try:
            read = parse(text, self.target, context)
        except NotATask as error:
            return [Drop("task_unparsed", {"why": str(error)})]
        return (
            [] if read.graph == Graph.from_json(prompt.graph) else [Drop("task_differs", {"query": read.graph.query})]
        )

    def _child(self, trace: Trace, asked: Document, said: str, measures: dict[str, Measure]) -> Prompt | Drop:
        prompt = trace.prompt
        text = restore(asked.body(said), asked.held)
        if not text.strip():
            return Drop("no_translation", {"why": "nothing stands before the options"})
        contents = asked.contents(said)
        child = msgspec.structs.replace(
            prompt,
            id=child_id(prompt.id, trace.sample),
            parents=(prompt.id,),
            text=text,
            options=tuple(restore(contents[number], asked.held) for number in asked.options),
            language=self.target,
            licence=trace.licence,
            measures={
                "origin": "translated",
                "translated_from": self.source,
                "translated_by": f"{trace.teacher} at {trace.revision}",
                "translation_prompt": trace.prompt_version,
                "translation_marks": len(asked.held),
                **{name: prompt.measures[name] for name in _STILL_TRUE if name in prompt.measures},
                **measures,
            },
        )
        gold, outcome = _gold(prompt, child)
        return msgspec.structs.replace(child, gold=gold, measures={**child.measures, "translation_gold": outcome})


def _options(asked: Document, said: str) -> list[Drop]:
    before, after = asked.contents(asked.text), asked.contents(said)
    missing = [place for place, number in enumerate(asked.options, 1) if number not in after]
    blank = [
        place
        for place, number in enumerate(asked.options, 1)
        if before[number] and number in after and not after[number]
    ]
    if missing or blank:
        return [Drop("options_lost", {"missing": missing, "blank": blank, "of": len(asked.options)})]
    longer = [place for place, n in enumerate(asked.options, 1) if after[n].count("\n") > before[n].count("\n")]
    if longer:
        return [Drop("options_run_on", {"options": longer})]
    if len(set(map(form, after.values()))) < len(set(map(form, before.values()))):
        same = [text[:_SHOWN] for text, count in Counter(map(form, after.values())).items() if count > 1]
        return [Drop("options_alike", {"same": same})]
    return []


def _marks(asked: Document, said: str) -> list[Drop]:
    found = Counter(marks_in(said))
    known = range(1, len(asked.held) + 1)
    missing = [number for number in known if not found[number] and number not in asked.options]
    repeated = [number for number in known if found[number] > 1]
    unknown = sorted(number for number in found if number not in known)
    if missing or repeated or unknown:
        evidence = {"missing": _shown(missing, asked), "repeated": _shown(repeated, asked), "unknown": unknown}
        return [Drop("marks_differ", evidence)]
    labels = [number for number in marks_in(said) if number in set(asked.labels)]
    if labels != sorted(labels):
        return [Drop("labels_moved", {"order": _shown(labels, asked)})]
    return []


def _shown(numbers: Iterable[int], asked: Document) -> list[str]:
    return [asked.held[number - 1].text[:_SHOWN] for number in numbers]


def _markup(asked: Document, said: str) -> list[Drop]:
    """What whoever reads the restored text will find in it, beside what the source's readers do."""
    wanted, found = _markup_of(asked, asked.text), _markup_of(asked, said)
    if found == wanted:
        return []
    return [Drop("markup_changed", {"added": _cut(found - wanted), "lost": _cut(wanted - found)})]


def _markup_of(asked: Document, text: str) -> Counter[tuple[str, bool]]:
    """Formulas, code and addresses of the text with its marks restored, and whether each has its lines for itself, as a fence must."""
    found: Counter[tuple[str, bool]] = Counter()
    for piece in [asked.body(text), *asked.contents(text).values()] if asked.behind else [text]:
        restored = restore(piece, asked.held)
        for start, end, kind in parts(restored):
            alone = not restored[:start].rpartition("\n")[2].strip() and not restored[end:].partition("\n")[0].strip()
            if kind != "label":
                found[restored[start:end], alone and "\n" in restored[start:end]] += 1
    return found


def _cut(counter: Counter[tuple[str, bool]]) -> list[str]:
    return sorted(text[:_SHOWN] for text, _ in counter.elements())


def _length(text: str) -> int:
    return sum(len(piece) for piece in text.split())


def _gold(prompt: Prompt, child: Prompt) -> tuple[str | None, str]:
    """The gold of the child, and what became of it."""
    if not (prompt.gold or "").strip():
        return prompt.gold, "none"
    if prompt.kind == "code" or (prompt.kind == "task" and prompt.graph is not None):
        return prompt.gold, "kept"
    gold = _gold_option(prompt, child) if prompt.kind == "mcq" else prompt.gold
    if gold is None or prompt.kind == "open":
        return None, "left_out"
    found = check_gold(msgspec.structs.replace(child, gold=gold))
    if found.verdict == "infra_error":
        raise GraderFailed(f"The gold of {prompt.id} could not be checked: {found.reason}")
    provable = found.verdict == "correct" and found.code not in _WORDS_OF_ITS_OWN
    return (gold, "kept") if provable else (None, "left_out")


def _gold_option(prompt: Prompt, child: Prompt) -> str | None:
    """A label as it is; an option's text as the translated one. None where it names no option, or others than before."""
    gold = prompt.gold or ""
    said = choice(plain(gold), prompt.options, words(prompt.language))
    meant = gold_options(said, prompt.options, "label")
    if not meant:
        return None
    again = choice(plain(gold), child.options, words(child.language))
    if gold_options(again, child.options, "label") == meant:
        return gold
    return child.options[min(meant) - 1] if len(meant) == 1 and max(meant) <= len(child.options) else None
