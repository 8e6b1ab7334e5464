"""Finding the names of a context in a text, whatever language it is in."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence

from yisang.tasks.contexts import context as load_context


class Names:
    """Finds the names of a context in a text and puts their numbers in their place."""

    def __init__(self, names: Mapping[str, str]):
        self.parameters = list(names)
        self._number = {names[parameter].casefold(): number for number, parameter in enumerate(self.parameters)}
        words = sorted(names.values(), key=len, reverse=True)
        self._pattern = re.compile(
            "|".join(_any_of([word for word in words if _cased(word[0]) is cased], cased) for cased in (True, False)),
            re.IGNORECASE,
        )

    def numbered(self, text: str) -> str:
        return self._pattern.sub(lambda match: f"\ue000{self._number[match[0].casefold()]}\ue001", text)

    def __getitem__(self, number: str) -> str:
        return self.parameters[int(number)]


def _cased(letter: str) -> bool:
    return letter.lower() != letter.upper()


def _any_of(words: Sequence[str], cased: bool) -> str:
    """A pattern for these words; in a script with cases letters may not go on on either side ("ants" in "elephants").

    It looks for a first letter before it tries the words one by one, as most places of a text begin none.
    """
    if not words:
        return "(?!)"
    before, behind = r"(?<![^\W\d_])", r"(?![^\W\d_])"
    first = "".join(sorted({re.escape(word[0]) for word in words}))
    found = "|".join(re.escape(word) + (behind if _cased(word[-1]) else "") for word in words)
    return f"{before if cased else ''}(?=[{first}])(?:{found})"


def names_of(language: str, context: str) -> Names:
    """Finds the names of a context in a language."""
    return _names(language, context, load_context(context).digest)


@functools.cache
def _names(language: str, context: str, digest: str) -> Names:
    return Names(load_context(context).words(language).names)
