"""Whether a text is in a language: py3langid's best guess, and the letters alone where a text is too short for it.

MMATH identifies languages with fastText's lid.176 (arXiv 2505.19126). py3langid is used in its place: it installs
everywhere with numpy alone, is right on all of MGSM's questions in eight languages, and does not break on LaTeX, as
langdetect does. It chooses among the languages of benchmarks/languages.toml.

One label hides mixing: a long English text with one Korean sentence is "en". Script shares (`yisang.languages.shares`)
measure that.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Any

from yisang.errors import UsageError
from yisang.evals.benchmarks.asking import languages
from yisang.languages.markup import without

LEAST = 10
"""Letters from which on a language is guessed. Below, single Latin words get any label with little confidence, so only
the script is looked at: it tells Korean from English, but not Spanish from French."""
_COMMAND = re.compile(r"\\[A-Za-z]+")


def check_language(code: str) -> None:
    """Raises UsageError for a language that cannot be identified."""
    if code not in languages():
        raise UsageError(
            f"The language {code!r} cannot be identified in answers; these can: {', '.join(sorted(languages()))}."
        )


def is_in(text: str, code: str) -> bool | None:
    """Whether a text is in a language; None where it has no letters outside of code, formulas and addresses."""
    prose = " ".join(_COMMAND.sub(" ", without(text, ("code", "latex", "urls"))).split())
    letters = [sign for sign in prose if sign.isalpha()]
    if not letters:
        return None
    if len(letters) < LEAST:
        scripts = tuple(languages()[code]["letters"])
        return sum(_script(sign) in scripts for sign in letters) * 2 >= len(letters)
    return bool(_identifier().classify(prose)[0] == code)


def parts(response: str) -> dict[str, str]:
    """The thinking and the answer as MMATH parts them: before and behind the last closing tag, both all where it is not."""
    think, tag, answer = response.rpartition("</think>")
    if not tag:
        think = answer = response
    return {"think": think.replace("<think>", " "), "answer": answer}


def _script(sign: str) -> str:
    return unicodedata.name(sign, "").partition(" ")[0]


@functools.cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    found = LanguageIdentifier.from_model_file(MODEL_FILE)
    found.set_languages(sorted(languages()))
    return found
