"""What is taken out of a text before it is measured."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yisang.errors import UsageError
from yisang.languages.markup import KINDS, without

# (kinds, text, what is left)
CASES = [
    # code
    ("code", "a `b` c", "a  c"),
    ("code", "a ``b ` c`` d", "a  d"),
    ("code", "a `b c", "a `b c"),
    ("code", "a ``b` c", "a ``b` c"),
    ("code", "a `b\n\nc` d", "a `b\n\nc` d"),  # a blank line ends the paragraph
    ("code", "a `b\r\n\r\nc` d", "a `b\r\n\r\nc` d"),
    ("code", "a `b\nc` d", "a  d"),
    ("code", r"a \`b` c", r"a \`b` c"),
    ("code", "a\n```py\nb\n```\nc", "a\n\nc"),
    ("code", "a\n```\r\nb\r\n```\r\nc", "a\n\r\nc"),
    ("code", "a\n~~~\nb\n~~~\nc", "a\n\nc"),
    ("code", "a\n```\nb\n\n`c\n```\nd", "a\n\nd"),
    ("code", "a\n````\nb\n```\nc\n````\nd", "a\n\nd"),
    ("code", "a\n```\nb\n~~~\nc\n```\nd", "a\n\nd"),
    ("code", "a\n```\nb\n`````\nc", "a\n\nc"),
    ("code", "a\n```\nb\n``` c", "a\n"),  # text behind it: no closing fence
    ("code", "a\n```py\nb", "a\n"),  # an open fence runs to the end
    ("code", "a\n      ```\n      b\n      ```\nc", "a\n      \nc"),  # in a list
    ("code", "a\n```b```\nc", "a\n\nc"),
    ("code", "a ` b\n```\nc `d`\n```\ne", "a ` b\n\ne"),  # a fence ends the paragraph
    ("code", "```b $ c```\nd", "\nd"),
    ("code", "a ~~~ b", "a ~~~ b"),
    # mathematics
    ("latex", "a $b$ c", "a  c"),
    ("latex", "a $b+c$는 d", "a 는 d"),
    ("latex", "a $$b\n\nc$$ d", "a  d"),
    ("latex", r"a \(b\) c \[d\] e", "a  c  e"),
    ("latex", r"a \begin{cases} b \\[2pt] c \end{cases} d", "a  d"),
    ("latex", r"\begin{a}b\begin{a}c\end{a}d\end{a}e", "e"),
    ("latex", r"\begin{a}b\begin{c}d\end{c}e\end{a}f", "f"),
    ("latex", r"a \begin{b} c", r"a \begin{b} c"),
    ("latex", r"a \[b \(c\)", r"a \[b "),
    ("latex", r"a \\[b\] c", r"a \\[b\] c"),  # a line break with its space
    ("latex", "costs $5 and $10", "costs $5 and $10"),
    ("latex", "costs $5, area $x^2$.", "costs $5, area ."),
    ("latex", "costs $5 or US$10", "costs $5 or US$10"),
    ("latex", "a $ b$ c", "a $ b$ c"),
    ("latex", r"a \$b$ c$ d", r"a \$b$ c$ d"),
    ("latex", r"a \$b $c$ d", r"a \$b  d"),
    ("latex", "a $b\n\nc$ d", "a $b\n\nc$ d"),
    ("latex", "a $$b", "a $$b"),
    ("latex", "a$", "a$"),
    # addresses
    ("urls", "a https://x.example/b?c=d#e f", "a  f"),
    ("urls", "a http://x.example/b에서 c", "a 에서 c"),
    ("urls", "는www.x.example 을", "는 을"),
    ("urls", "a ftp://x.example", "a "),
    ("urls", "a `https://x.example` b", "a `` b"),
    ("urls", "a http:// b www. c", "a http:// b www. c"),
    ("urls", "who is here", "who is here"),
    # together: what opens first wins
    ("code latex", "a `b $c` d$ e", "a  d$ e"),
    ("code latex", "a $b `c$ d` e", "a  d` e"),
    ("code latex", "a $$ b\n```\nkill $$\n```\nc", "a $$ b\n\nc"),
    ("code latex", "a \\begin{b}\n```\n\\end{b}\n```\nc", "a \\begin{b}\n\nc"),
    ("code latex", "a\n```\n$b\n```\n$c$ d", "a\n\n d"),
    ("code urls", "a `https://x.example` b", "a  b"),
    ("latex", "a `$b$` c", "a `` c"),
    ("code", "a $b$ c", "a $b$ c"),
    ("", "a `b` $c$ https://x.example", "a `b` $c$ https://x.example"),
]


@pytest.mark.parametrize(("kinds", "text", "left"), CASES)
def test_taken_out(kinds, text, left):
    assert without(text, tuple(kinds.split())) == left


@pytest.mark.parametrize("strip", [("codes",), "code", ("code", "html")])
def test_an_unknown_kind_is_refused(strip):
    with pytest.raises(UsageError, match="some of code, latex, urls"):
        without("a", strip)


PIECES = [
    "`",
    "``",
    "```",
    "~~~",
    "\n",
    "$",
    "$$",
    "\\",
    "\\(",
    "\\)",
    "\\[",
    "\\]",
    "\\begin{a}",
    "\\end{a}",
    " ",
]
texts = st.lists(st.sampled_from([*PIECES, "b", "7", "https://c.example/d", "가"]), max_size=25).map("".join)


def is_subsequence(part: str, whole: str) -> bool:
    rest = iter(whole)
    return all(character in rest for character in part)


@given(texts, st.sets(st.sampled_from(KINDS)).map(tuple))
def test_only_takes_out_never_puts_in(text, strip):
    left = without(text, strip)
    assert is_subsequence(left, text)
    assert len(left) == len(text) or strip


@given(texts, st.permutations(KINDS))
def test_the_order_of_the_kinds_makes_no_difference(text, strip):
    assert without(text, tuple(strip)) == without(text, KINDS)


@given(texts)
def test_a_text_without_any_sign_stays(text):
    plain = text.translate({ord(sign): None for sign in "`~$\\:"})
    assert without(plain, KINDS) == plain
