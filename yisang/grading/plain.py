r"""An answer's text in one plain form: LaTeX dressing taken off, signs of one meaning made one sign.

`\dfrac{1}{2}\,\text{cm}^2`, `$\frac12$ cm²` and `(1)/(2) cm^(2)` become the same text. Nothing is computed here.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 2000
"""Characters of an answer that is read. Ours: the longest golds of the benchmarks that we know have some hundred; a
limit keeps the time bounded, and it lies below the 4,300 digits that Python reads as a number.
"""

_DELIMITERS = (
    ("$$", "$$"),
    ("$", "$"),
    ("\\(", "\\)"),
    ("\\[", "\\]"),
    ("**", "**"),
    ("`", "`"),
    ('"', '"'),
    ("'", "'"),
)
_NOTHING = re.compile(r"\\(?:left|right|[bB]ig{1,2}[lr]?|displaystyle|textstyle|limits)(?![A-Za-z])|\\!")
_SPACE = re.compile(r"\\(?:[,;: ]|q?quad(?![A-Za-z])|thinspace(?![A-Za-z]))|(?<=\d)~(?=[^\d\s])")
_STYLE = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|normal)?|math(?:rm|bf|it|sf|normal)|operatorname|mbox|textnormal)\s*\{([^{}]*)\}"
)
_PART = r"\s*(?:\{([^{}]*)\}|(\d))"
_FRACTION = re.compile(r"\\[dtc]?frac(?![A-Za-z])" + _PART + _PART)
_DEGREE = re.compile(r"\^?\s*\{?\s*\\(?:circ|degree)(?![A-Za-z])\s*\}?")
_POWER = re.compile(r"\^\s*\{([^{}]*)\}")
_SIGNS = {
    "\\times": "×", "\\cdot": "×", "\\ast": "×", "\\infty": "∞", "\\%": "%", "\\$": "$", "\\{": "{", "\\}": "}", "\\lbrace": "{",
    "\\rbrace": "}", "\\sim": "~", "\\approx": "≈", "\\cdots": "...", "\\ldots": "...", "\\dots": "...", "\\#": "#", "\\&": "&",
}  # fmt: skip
_SIGN = re.compile("|".join(re.escape(sign) + ("(?![A-Za-z])" if sign[-1].isalpha() else "") for sign in _SIGNS))
_ONE = str.maketrans(
    dict.fromkeys("−‐‑‒–—﹣－➖", "-")
    | dict.fromkeys("〜～∼˜", "~")
    | dict.fromkeys("、،", ",")
    | dict.fromkeys("“”„「」『』", '"')
    | dict.fromkeys("‘’", "'")
    | {"⁄": "/", "∕": "/", "÷": "/", "·": "×", "⋅": "×", "∙": "×", "*": "×", "º": "°", "˚": "°", "。": "."}
    | dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\xad")
)
_SUPER = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺"
_SUPER_RUN = re.compile(f"[{_SUPER}]+")
_ENCLOSED = re.compile("[\u2460-\u24ff\u3200-\u321e\u3220-\u3247\u3260-\u327e\u3280-\u32b0\U0001f110-\U0001f189]")
_VULGAR = re.compile("[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⅐⅑⅒]")


def plain(text: str) -> str:
    """The plain form of an answer of at most LONGEST characters."""
    text = bare(text)
    text = _SIGN.sub(lambda match: _SIGNS[match[0]], _SPACE.sub(" ", _NOTHING.sub("", _DEGREE.sub("°", text))))
    text = text.replace("{,}", ",")
    for _ in range(4):  # styles and fractions may stand in each other; deeper ones are not answers that we read
        before = text
        text = _STYLE.sub(r" \1 ", text)
        text = _FRACTION.sub(_fraction, text)
        if text == before:
            break
    text = _POWER.sub(r"^(\1)", text)
    text = _SUPER_RUN.sub(lambda match: f"^({unicodedata.normalize('NFKC', match[0]).translate(_ONE)})", text)
    text = _ENCLOSED.sub(_in_brackets, text)
    text = _VULGAR.sub(lambda match: " " + unicodedata.normalize("NFKC", match[0]), text)
    text = unicodedata.normalize("NFKC", text.translate(_ONE)).translate(_ONE)
    text = "".join(str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in text)
    return bare(" ".join(text.split()))


def bare(text: str) -> str:
    """A text without blanks, delimiters of formulas, marks of emphasis and full stops around it."""
    while True:
        before = text
        text = text.strip()
        if not text.endswith("..."):
            text = text.rstrip(".。．,;")
        if text.endswith(("!", "！")) and not text[-2:-1].isascii():  # 3! is a number, and a word with ! is a sentence
            text = text[:-1]
        for start, end in _DELIMITERS:
            inner = text[len(start) : -len(end)]
            if len(text) > len(start) + len(end) and text.startswith(start) and text.endswith(end) and end not in inner:
                text = inner
        if text == before:
            return text


def enclosed(text: str, pairs: str = "()") -> bool:
    """Whether one pair of brackets stands around all of a text."""
    if len(text) < 2 or text[0] != pairs[0] or text[-1] != pairs[1]:
        return False
    depth = 0
    for place, sign in enumerate(text):
        depth += (sign == pairs[0]) - (sign == pairs[1])
        if not depth:
            return place == len(text) - 1
    return False


def _in_brackets(match: re.Match[str]) -> str:
    """①, ⑴ and Ⓐ as (1), (1) and (A): without brackets, ①③ would become 13."""
    inner = unicodedata.normalize("NFKC", match[0]).strip("().")
    return f"({inner})"


def _fraction(match: re.Match[str]) -> str:
    above, below = match[1] if match[1] is not None else match[2], match[3] if match[3] is not None else match[4]
    return f" ({above.strip()})/({below.strip()})"
