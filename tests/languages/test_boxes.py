r"""The finder of \boxed: balanced, and linear on anything."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yisang.languages.boxes import boxes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no box", []),
        (r"\boxed{5}", ["5"]),
        (r"a \boxed{\frac{1}{2}} b \fbox{ x }", [r"\frac{1}{2}", "x"]),
        (r"\boxed{\{1, 2\}}", [r"\{1, 2\}"]),
        (r"\boxed{\}}", [r"\}"]),
        (r"\boxed{a \\}", [r"a \\"]),
        (r"\boxed{a \\} b}", [r"a \\"]),
        (r"\boxed{\boxed{5}}", [r"\boxed{5}"]),
        (r"\boxed{1} \boxed{2}", ["1", "2"]),
        (r"\boxed{ \boxed{5}", ["5"]),
        (r"\boxed{5", []),
        (r"} \boxed{3}", ["3"]),
        (r"\boxed{}", [""]),
        ("\\boxed\n {5}", ["5"]),
        (r"\\boxed{5}", ["5"]),
        (r"\boxedx{5}", []),
        (r"\boxed", []),
        (r"\boxed 5.", ["5"]),
        (r"$\boxed 12$", ["12"]),
        (r"\boxed\frac12 x", [r"\frac12"]),
        (r"\boxed\frac{1}{2}.", [r"\frac{1}{2}"]),
        (r"\boxed\alpha", [r"\alpha"]),
        (r"\boxed form", []),
        (r"\boxed 5 and \boxed{6}", ["6"]),
    ],
)
def test_boxes(text, expected):
    assert boxes(text) == expected


HOSTILE = (
    "\\boxed{",
    "\\boxed ",
    "\\boxed\\boxed",
    "\\boxed\\a",
    "\\boxed" + "{" * 9,
    "\\boxed" + " " * 9,
    "\\",
    "{",
    "}",
    "\\boxed{}",
)


@pytest.mark.parametrize("piece", HOSTILE, ids=ascii)
def test_the_time_is_linear(piece):
    text = piece * 100_000
    started = time.process_time()
    boxes(text)
    boxes(text + "}" * 100_000)
    boxes("\\boxed{" + text)
    assert time.process_time() - started < 5  # a second here; a finder that looks for each end anew takes minutes


@given(st.text(alphabet="{}\\ab5 ", max_size=30), st.text(max_size=10))
def test_a_balanced_content_comes_back(content, around):
    depth, escaped, balanced = 0, False, True
    for sign in content:
        if escaped:
            escaped = False
        elif sign == "\\":
            escaped = True
        else:
            depth += (sign == "{") - (sign == "}")
            balanced = balanced and depth >= 0
    if balanced and not depth and not escaped and "\\" not in around and "{" not in around:
        assert boxes(f"{around}\\boxed{{{content}}}{around}")[0] == content.strip()
