"""What is put around an exam question: its options, and how its answer is to be written.

The paper's style augmentation leaves a question as it is and puts a short directive before or behind it (arXiv 2510.04230,
section 5.2). Its two examples, a box around the answer and a fixed line, are the two forms here; the words are ours, in
[directives] of the language files:

    [[directives.box]]        box or line, the form that is asked for
    text = "..."              what is said
    answer = '\\boxed{{n}}'    how a reply ends that follows it; {n} is the number of the option

A reply to `line` has no box. To grade it, `GradeSettings.fallback` must hold "marker".
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import msgspec

from yisang.errors import UsageError
from yisang.filters.options import shown
from yisang.languages import Language, load
from yisang.records import Measure, Prompt, child_id, content_id, with_measures

Form = Literal["box", "line"]
FORMS: tuple[Form, ...] = get_args(Form)
CHILD = 0
"""The number of the styled child; one with more options (filters.exams) is child 1 of its parent."""
_KEYS = {"text", "answer"}


@dataclass(frozen=True)
class Directive:
    """One way to ask for the form of an answer."""

    form: Form
    text: str
    answer: str


@functools.cache
def directives(language: Language) -> tuple[Directive, ...]:
    """The directives of a language's file, in its order; none where it has none. UsageError names a wrong one."""
    found = []
    where = f"Language file {language.code}.toml, [directives]"
    for name, items in language.directives.items():
        form = next((known for known in FORMS if known == name), None)
        if form is None or not isinstance(items, list):
            raise UsageError(f"{where}: {name!r} must be one of {', '.join(FORMS)}, each a list [[directives.box]].")
        for number, item in enumerate(items, 1):
            if not isinstance(item, dict) or set(item) != _KEYS or not all(isinstance(item[key], str) for key in _KEYS):
                raise UsageError(f"{where}: entry {number} of {name!r} must be a table with text and answer.")
            if not item["text"].strip() or item["answer"].count("{n}") != 1:
                raise UsageError(f"{where}: entry {number} of {name!r} needs a text, and one {{n}} in its answer.")
            found.append(Directive(form, item["text"], item["answer"]))
    return tuple(found)


@dataclass(frozen=True)
class StyleDirective:
    """Gives a share of the multiple-choice questions a directive, before or behind the text; the question itself stays.

    language: of the questions and of the directive. share: of the questions that get one; the paper does not say, ours is half, so
    that a student sees both. forms: which forms of answer are asked for. salt: another one is another choice. The choice (whether,
    which, where) is by a hash of salt and id.

    The result is a child of the question. A question whose licence forbids changed copies (ND) stays as it is, as do the rest and
    questions of other kinds: all are wanted for training as they are, so none is dropped.

    Measures: `directive`, the words (None where there are none), so that decontamination can leave them out of account;
    `directive_form`, `directive_place` ("before", "behind"), `directive_answer` (as in the language's file); `directive_why`:
    why there is none (not_mcq, other_language, no_derivatives, not_chosen). The other measures are those of the question without it.
    """

    language: str
    share: float = 0.5
    forms: tuple[Form, ...] = FORMS
    salt: str = ""
    _facts: Language = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise UsageError(f"StyleDirective: share is {self.share}; a share lies within 0 and 1.")
        if isinstance(self.forms, str) or not self.forms or not set(self.forms) <= set(FORMS):
            raise UsageError(f"StyleDirective: forms is {self.forms!r}; it is a tuple of some of {', '.join(FORMS)}.")
        object.__setattr__(self, "forms", tuple(sorted(set(self.forms))))
        object.__setattr__(self, "_facts", load(self.language))
        known = {directive.form for directive in directives(self._facts)}
        if lacking := [form for form in self.forms if form not in known]:
            raise UsageError(
                f"StyleDirective: language {self.language} has no [[directives.{lacking[0]}]]. Add it with text and answer to "
                f"{self.language}.toml; ko.toml is a model."
            )

    def identity(self) -> dict[str, Any]:
        return {
            "language": self.language,
            "share": self.share,
            "forms": list(self.forms),
            "salt": self.salt,
            "words": self._facts.digest,
        }

    def __call__(self, prompt: Prompt) -> Prompt:
        drawn = int(content_id("directive", self.salt, prompt.id), 16)
        if why := self._why_not(prompt, drawn):
            return with_measures(prompt, _measures(None, "", why))
        rest = drawn >> 53
        behind, rest = rest % 2, rest // 2
        found = [directive for directive in directives(self._facts) if directive.form in self.forms]
        directive = found[rest % len(found)]
        parts = (prompt.text, directive.text) if behind else (directive.text, prompt.text)
        return msgspec.structs.replace(
            prompt,
            id=child_id(prompt.id, CHILD),
            text="\n\n".join(parts),
            parents=(prompt.id,),
            measures={**prompt.measures, **_measures(directive, "behind" if behind else "before", None)},
        )

    def _why_not(self, prompt: Prompt, drawn: int) -> str | None:
        reasons = {
            "not_mcq": prompt.kind != "mcq",
            "other_language": prompt.language != self.language,
            "no_derivatives": not prompt.licence.derive,
            "not_chosen": drawn % (1 << 53) >= self.share * (1 << 53),
        }
        return next((reason for reason, holds in reasons.items() if holds), None)


def _measures(directive: Directive | None, place: str, why: str | None) -> dict[str, Measure]:
    return {
        "directive": directive.text if directive else None,
        "directive_form": directive.form if directive else None,
        "directive_place": place or None,
        "directive_answer": directive.answer if directive else None,
        "directive_why": why,
    }


@dataclass(frozen=True)
class ShowOptions:
    """Writes the options of a multiple-choice question under its text, numbered from one: a teacher is asked the text alone.

    Comes after what changes options, and before `StyleDirective`. A text that shows all its options already stays as it is. This
    changes no question, so the record stays the same one, and a licence without changed copies (ND) does not stand against it.
    """

    def __call__(self, prompt: Prompt) -> Prompt:
        if prompt.kind != "mcq" or not prompt.options or shown(prompt.text, prompt.options):
            return prompt
        lines = [f"{number}. {option.strip()}" for number, option in enumerate(prompt.options, 1)]
        return msgspec.structs.replace(prompt, text="\n".join([prompt.text, "", *lines]))
