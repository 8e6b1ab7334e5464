"""Exam questions get further options from other questions' wrong ones, and keep their gold.

The paper merges the distractors of similar questions, drops questions with negation cues, removes near-duplicates and stops at
ten options (arXiv 2510.04230, section 5.2). The rest of the exclusions, the measures and the cues are ours; the cues are data of
the language, [negation] and [options]. Which questions are similar, the stage `yisang.pipelines.stages.options` finds.

    Exclusions   why a question gets no options, or lends none
    merged       a question with options of its neighbours, its order and its gold found anew
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from yisang.errors import UsageError
from yisang.filters.options import NEAR, alike, gold_place, labelled, like_label, mentioned
from yisang.grading.choices import GoldForm
from yisang.languages import Language, load
from yisang.languages.patterns import patterns
from yisang.records import Licence, Prompt, child_id, content_id, nfc, strictest

MOST = 10
"""Options that a question has at most (the paper, section 5.2)."""
LONGEST_OPTION = 500
"""Characters of an option. Ours: beyond it, options are passages, which no second question shares."""
CHILD = 1
"""The number of the child that has more options; a styled question (filters.directives) is child 0 of its parent."""

CUES = ("negation", "all_or_none", "statements", "refers_to_others", "among_given")
"""Exclusions that a run may switch off, to measure what each is worth."""
_TABLES = {
    "negation": ("negation", "exception"),
    "all_or_none": ("options", "all_or_none"),
    "refers_to_others": ("options", "refers"),
    "statements": ("options", "statements"),
    "among_given": ("options", "among"),
}
_MARKUP = re.compile(r"</?[A-Za-z][^<>\n]{0,40}>|[*_]+")


@dataclass(frozen=True)
class Exclusions:
    """Says why a question is left as it is, by a reason code; None where nothing speaks against it.

        not_mcq, other_language, few_options, blank_option, long_option
        no_derivatives     its licence forbids a changed copy (ND)
        licence_c          it may not be used at all
        labelled_options   its options begin with their own labels, which would be wrong elsewhere
        options_in_text    its text holds all of its options already
        gold_unknown, several_golds, gold_ambiguous    it is not known which option is right
        gold_like_label    its right option has the value of a number that an option may have, so that nobody can tell which is meant
        equal_options      two of its options say the same
        negation           it asks for the exception: what is wrong elsewhere may be right here
        all_or_none        an option speaks of all or none of the others
        statements         it is built on lettered statements
        refers_to_others   an option names others by their labels
        among_given        it asks for one among those given ("which of the following"), so that a wrong answer to another question
                           may be right here too. Lends its options all the same: what it asks of them is its own affair
        too_many_options   it has as many options as there may be

    The paper's authors do not say that they leave `among_given` out. Without it, `without=("among_given",)`, more questions get
    options, and in some of them a second answer is right.

    language: of the questions; cues are read from its file and from the English one. most: options that a question may have.
    gold_form: what a gold is that may be a label or a text (`filters.options.gold_place`). without: cues that are not looked at.
    """

    language: str
    most: int = MOST
    gold_form: GoldForm | None = None
    without: tuple[str, ...] = ()
    _facts: tuple[Language, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 2 <= self.most <= 20:
            raise UsageError(f"Exclusions: most is {self.most}; a question has 2 to 20 options.")
        if self.gold_form not in (None, "label", "text"):
            raise UsageError(f"Exclusions: gold_form is {self.gold_form!r}; it must be label, text or None.")
        if isinstance(self.without, str) or not set(self.without) <= set(CUES):
            raise UsageError(f"Exclusions: without is {self.without!r}; it is a tuple of some of {', '.join(CUES)}.")
        object.__setattr__(self, "without", tuple(sorted(set(self.without))))
        facts = tuple(load(code) for code in dict.fromkeys((self.language, "en")))
        lacking = [table for table in ("negation", "options") if not patterns(facts[0], table)]
        if lacking:
            raise UsageError(
                f"Exclusions: language {self.language} has no table [{lacking[0]}]. Add [[negation.exception]], "
                f"[[options.all_or_none]] and so on to {self.language}.toml; ko.toml is a model."
            )
        object.__setattr__(self, "_facts", facts)

    def identity(self) -> dict[str, Any]:
        return {
            "language": self.language,
            "most": self.most,
            "gold_form": self.gold_form,
            "without": list(self.without),
            "words": [language.digest for language in self._facts],
        }

    def why_not_merged(self, prompt: Prompt, lending: bool = False) -> str | None:
        """lending: whether it is asked as one that lends its distractors, not as one that gets some."""
        return self._unfit(prompt) or self._gold(prompt) or self._cue(prompt, lending) or self._full(prompt, lending)

    def _unfit(self, prompt: Prompt) -> str | None:
        options = prompt.options
        reasons = {
            "not_mcq": prompt.kind != "mcq",
            "other_language": prompt.language != self.language,
            "no_derivatives": not prompt.licence.derive,
            "licence_c": prompt.licence.letter == "C",
            "few_options": len(options) < 2,
            "blank_option": not all(option.strip() for option in options),
            "long_option": any(len(option) > LONGEST_OPTION for option in options),
        }
        return next((reason for reason, holds in reasons.items() if holds), None)

    def _gold(self, prompt: Prompt) -> str | None:
        options = prompt.options
        if labelled(options, self.language):
            return "labelled_options"
        if mentioned(prompt.text, options):
            return "options_in_text"
        place = gold_place(prompt, self.gold_form)
        if isinstance(place, str):
            return place
        if like_label(options[place], self.language, self.most):
            return "gold_like_label"
        pairs = ((one, other) for number, one in enumerate(options) for other in options[number + 1 :])
        return "equal_options" if any(alike(one, other, self.language) == "same" for one, other in pairs) else None

    def _cue(self, prompt: Prompt, lending: bool) -> str | None:
        # Emphasis may stand within a cue: "which is <u>not</u> ...".
        question = _MARKUP.sub("", nfc(prompt.text))
        options = [nfc(option).strip() for option in prompt.options]
        looked = {
            "negation": [question],
            "all_or_none": options,
            "statements": [question, *options],
            "refers_to_others": options,
            "among_given": [] if lending else [question],
        }
        return next((cue for cue, texts in looked.items() if cue not in self.without and self._says(cue, texts)), None)

    def _says(self, cue: str, texts: list[str]) -> bool:
        table, kind = _TABLES[cue]
        return any(
            pattern.kind == kind and any(next(pattern.spans(text), None) is not None for text in texts)
            for language in self._facts
            for pattern in patterns(language, table)
        )

    def _full(self, prompt: Prompt, lending: bool) -> str | None:
        return "too_many_options" if not lending and len(prompt.options) >= self.most else None


class Lender(NamedTuple):
    """A question that lends its wrong options."""

    id: str
    distractors: tuple[str, ...]
    licence: Licence
    attribution: str = ""


def lender(prompt: Prompt, gold_form: GoldForm | None = None) -> Lender:
    """What a question lends that nothing speaks against (`Exclusions.why_not_merged` with lending)."""
    place = gold_place(prompt, gold_form)
    assert isinstance(place, int)
    return Lender(prompt.id, prompt.options[:place] + prompt.options[place + 1 :], prompt.licence, prompt.attribution)


def merged(
    prompt: Prompt,
    lenders: Iterable[Lender],
    *,
    most: int = MOST,
    near: float | None = NEAR,
    gold_form: GoldForm | None = None,
    salt: str = "",
) -> Prompt | None:
    """The question with distractors of the lenders, nearest first, until it has `most` options; None where none of them fits.

    Only for a question that nothing speaks against. An option is added that is neither the same as nor near any that is there
    (`filters.options.alike`; near=None adds all but literally equal ones, for measuring what the check is worth). The order is by
    a hash of salt, id and option, and the gold the number of the right option in it, counted from one.

    The child's parents are the question and the lenders that lent; its licence is the strictest of theirs, and all whom they name are
    named. Measures:
    `options_own`, how many it had; `options_merged`, how many came; `gold_before`, its gold as it was.
    """
    place = gold_place(prompt, gold_form)
    assert isinstance(place, int)
    options = list(prompt.options)
    taken: list[Lender] = []
    for one in lenders:
        before = len(options)
        for option in one.distractors:
            if len(options) < most and not any(_doubled(option, other, prompt.language, near) for other in options):
                options.append(option)
        if len(options) > before:
            taken.append(one)
        if len(options) >= most:
            break
    if not taken:
        return None
    gold = options[place]
    identifier = child_id(prompt.id, CHILD)
    options.sort(key=lambda option: content_id(salt, identifier, option))
    own = len(prompt.options)
    named = dict.fromkeys(one for one in (prompt.attribution, *(one.attribution for one in taken)) if one)
    measures = {"options_own": own, "options_merged": len(options) - own, "gold_before": prompt.gold}
    return msgspec.structs.replace(
        prompt,
        id=identifier,
        options=tuple(options),
        gold=str(options.index(gold) + 1),
        attribution="; ".join(named),
        parents=(prompt.id, *(one.id for one in taken)),
        licence=strictest([prompt.licence, *(one.licence for one in taken)]),
        measures={**prompt.measures, **measures},
    )


def _doubled(one: str, other: str, language: str, near: float | None) -> bool:
    return one == other if near is None else bool(alike(one, other, language, near))
