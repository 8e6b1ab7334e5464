"""Where the thinking ends."""

from __future__ import annotations

import pytest

from yisang.languages.thinking import after_thinking


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no tags", "no tags"),
        ("<think>a</think>b", "b"),
        ("a</think>b", "b"),
        ("<think>a", None),
        ("a <think> b", None),
        ("say `<think>` to it", "say `<think>` to it"),
        ("<think>a</think>b<think>c</think>d", "bd"),
        ("<think>a</think>b<think>c", "b"),
        ("<think>a</think>a tag: `<think>`", "a tag: `<think>`"),
        ("", ""),
    ],
)
def test_the_answer_stands_behind_the_thinking(text, expected):
    assert after_thinking(text) == expected
