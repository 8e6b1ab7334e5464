"""How often the thoughts change between the target language and the other one, told by their scripts.

The paper asks for language-mixed thoughts and bounds the share of the target language (arXiv 2510.04230, section 5.3); a share
says nothing of how it is spread: a Korean page behind an English one has the share of a text whose every name is Korean.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import Any

from yisang.errors import UsageError
from yisang.filters.language import Scope
from yisang.languages import Language, Ranges, load
from yisang.languages.markup import check_kinds, without
from yisang.records import Measure, Trace, nfc


@dataclass(frozen=True)
class Runs:
    """sides: 1 for each run of the target's letters and 0 for each of the other language's, neighbours of one side joined.
    letters: of all of them."""

    sides: tuple[int, ...]
    letters: int

    @property
    def switches(self) -> int:
        return max(0, len(self.sides) - 1)


@dataclass(frozen=True)
class Switches:
    """Measures the switch points of the think part; keeps everything.

    A run is letters of one script side by side. Whatever else stands between two runs (blanks, digits, signs, letters of a
    third script) is passed over, and two runs of one side are one. A switch point is where two neighbouring runs are of
    different sides: a Korean word in an English clause makes two, and a Korean particle behind "GPU" one, as a particle is a word of
    its own language. Letters, not words, are counted, since not every language puts blanks between words.

    least: letters that a run of the other language needs; shorter ones are signs (x, A, in formulas) and passed over. The
    target's runs count from one letter on, as a syllable may be a word.
    other: the language that is switched with. strip: as in `script_share`.

    Measures, named by the part: `think_switches`, `think_switch_letters` (of both sides), and `think_switch_rate`, switch
    points for each 100 of those letters; None where there are none, or no such part. `Keep` may bound it.
    """

    language: str
    other: str = "en"
    scope: Scope = "think"
    strip: tuple[str, ...] = ("code", "latex")
    least: int = 2
    _facts: tuple[Language, Language] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_facts", (load(self.language), load(self.other)))
        object.__setattr__(self, "strip", tuple(self.strip))
        check_kinds(self.strip)
        if self.scope not in ("text", "think", "answer"):
            raise UsageError(f"Switches: scope is {self.scope!r}; it must be text, think or answer.")
        if self.least < 1:
            raise UsageError(f"Switches: least is {self.least}; it counts letters, so 1 or more.")
        target, other = (_ranges(language) for language in self._facts)
        if any(first <= last_of and first_of <= last for first, last in target for first_of, last_of in other):
            raise UsageError(
                f"Switches: {self.language} and {self.other} share letters, so that scripts cannot tell them apart. "
                "Leave the step out, or name another language of another script."
            )

    def identity(self) -> dict[str, Any]:
        return {
            "language": self.language,
            "other": self.other,
            "scope": self.scope,
            "strip": self.strip,
            "least": self.least,
            "digests": [language.digest for language in self._facts],
        }

    def __call__(self, trace: Trace) -> dict[str, Measure]:
        text = getattr(trace, self.scope)
        name = "" if self.scope == "text" else f"{self.scope}_"
        if text is None:
            return {f"{name}switches": None, f"{name}switch_letters": None, f"{name}switch_rate": None}
        found = self.runs(text)
        return {
            f"{name}switches": found.switches,
            f"{name}switch_letters": found.letters,
            f"{name}switch_rate": 100 * found.switches / found.letters if found.letters else None,
        }

    def runs(self, text: str) -> Runs:
        """The runs of a text, as described above."""
        target, other = self._facts
        pattern = _pattern(_ranges(target), _ranges(other), self.least)
        sides: list[int] = []
        letters = 0
        for match in pattern.finditer(without(nfc(text), self.strip)):
            side = 1 if match.lastgroup == "target" else 0
            letters += match.end() - match.start()
            if not sides or sides[-1] != side:
                sides.append(side)
        return Runs(tuple(sides), letters)


def _ranges(language: Language) -> Ranges:
    return tuple(item for name in language.default_blocks for item in language.blocks[name])


@functools.cache
def _pattern(target: Ranges, other: Ranges, least: int) -> re.Pattern[str]:
    first, second = (
        # Signs within a block (×) are no letters: \w without digits and _ is close to Unicode's L*, and without marks.
        f"(?:(?=[^\\W\\d_])[{''.join(f'{chr(a)}-{chr(b)}' if a < b else chr(a) for a, b in ranges)}])"
        for ranges in (target, other)
    )
    return re.compile(f"(?P<target>{first}+)|(?P<other>{second}{{{least},}})")
