"""Every structure is told apart from its neighbours; the raw text is the only input."""

import pytest

from yisang.teachers.generation import generation, join_reasoning, split_think

CASES = [
    # a block and an answer
    ("<think>a</think>b", ("a", "b", "one")),
    ("<think>\na\n\nc\n</think>\n\nb\n", ("a\n\nc", "b", "one")),
    ("\n  <think>a</think>b", ("a", "b", "one")),
    ("a</think>b", ("a", "b", "one")),  # the template had opened the block
    ("\na\n</think>\n\nb", ("a", "b", "one")),
    ("<think>곰은 3마리</think>답은 3이다.", ("곰은 3마리", "답은 3이다.", "one")),
    ("<think>x < y and y > z</think>b", ("x < y and y > z", "b", "one")),
    ("<think><b>a</b></think>b", ("<b>a</b>", "b", "one")),
    # other tags are text
    ("<thinking>a</thinking>b", (None, "<thinking>a</thinking>b", "absent")),
    ("<Think>a</Think>b", (None, "<Think>a</Think>b", "absent")),
    ("<think >a</think >b", (None, "<think >a</think >b", "absent")),
    ("<Thought>a</Thought><Output>b</Output>", (None, "<Thought>a</Thought><Output>b</Output>", "absent")),
    # no block
    ("b", (None, "b", "absent")),
    ("", (None, "", "absent")),
    (" \n", (None, "", "absent")),
    ("Write `<think>` first.", (None, "Write `<think>` first.", "absent")),
    ("```\n<think>\n```\nb", (None, "```\n<think>\n```\nb", "absent")),
    ("~~~html\n<think>", (None, "~~~html\n<think>", "absent")),
    # never closed
    ("<think>a", ("a", None, "unclosed")),
    ("<think>", ("", None, "unclosed")),
    ("b <think>a", ("a", None, "unclosed")),
    ("```x``` <think>a", ("a", None, "unclosed")),
    ("`<think>` <think>a", (None, None, "unclosed")),  # one opened, but which
    ("<think>a ```\ncode", ("a ```\ncode", None, "unclosed")),
    # text in front
    ("Sure. <think>a</think>b", ("a", "b", "leading_text")),
    ("Sure. <think></think>b", ("", "b", "leading_text")),
    ("Sure. <think>a</think>", ("a", "", "leading_text")),
    ("See `<think>`: a</think>b", ("`: a", "b", "leading_text")),  # before the end even a quoted tag counts
    # several
    ("<think>a</think>b<think>c</think>d", (None, None, "several")),
    ("<think><think>a</think>b", (None, None, "several")),
    ("<think>a</think></think>b", (None, None, "several")),
    ("<think>a</think>b<think>", (None, None, "several")),
    ("a</think>b<think>c", (None, None, "several")),
    ("a</think>b</think>c", (None, None, "several")),
    ("<think>a<think>b", (None, None, "several")),
    ("<think>a `<think>` b", (None, None, "several")),
    ("<think>`<think>` a</think>b", (None, None, "several")),
    ("<think>a</think>b ` </think>", (None, None, "several")),  # a single backtick opens no code
    ("<think>a</think>`b\n\n</think>`", (None, None, "several")),  # nor does one that a new paragraph ends
    ("<think>a</think>``` <think> `x`", (None, None, "several")),  # three backticks, never closed as inline code
    ("<think>a</think>```\ncode\n```\n<think>", (None, None, "several")),
    ("<think>a</think>```\ncode\n````\n<think>", (None, None, "several")),
    # quoted in the code of an answer: content
    ("<think>a</think>b `</think>` c", ("a", "b `</think>` c", "one")),
    ("<think>a</think>``<think>`</think>``", ("a", "``<think>`</think>``", "one")),
    ("<think>a</think>```\n<think>x</think>\n```", ("a", "```\n<think>x</think>\n```", "one")),
    ("<think>a</think>```py\ns = '<think>'", ("a", "```py\ns = '<think>'", "one")),  # an open fence runs to the end
    ("<think>a</think>~~~\n```\n<think>\n~~~", ("a", "~~~\n```\n<think>\n~~~", "one")),
    ("<think>a</think>````\n```\n<think>\n````", ("a", "````\n```\n<think>\n````", "one")),
    # the end inside code of the think part ends it all the same, as it does for the model's own parser
    ("<think>a `</think>` b", ("a `", "` b", "one")),
    ("<think>```\n</think>\n```", ("```", "```", "one")),
    # blank parts
    ("<think></think>b", ("", "b", "empty")),
    ("<think>\n\n</think>\n\nb", ("", "b", "empty")),
    ("</think>b", ("", "b", "empty")),
    ("<think></think>", ("", "", "empty")),
    ("<think>a</think>", ("a", "", "no_answer")),
    ("<think>a</think> \n", ("a", "", "no_answer")),
    ("a</think>", ("a", "", "no_answer")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_split(text, expected):
    assert split_think(text) == expected


def test_the_cases_cover_every_structure():
    assert {expected[2] for _, expected in CASES} == {
        "one", "absent", "unclosed", "several", "empty", "no_answer", "leading_text",
    }  # fmt: skip
    assert len({text for text, _ in CASES}) == len(CASES) >= 30


@pytest.mark.parametrize(
    ("content", "reasoning", "finish", "text", "structure"),
    [
        ("b", "a", "stop", "<think>\na\n</think>\n\nb", "one"),
        ("", "a", "stop", "<think>\na\n</think>\n\n", "no_answer"),
        ("", "a", "length", "<think>\na", "unclosed"),  # cut inside the think part: it was never closed
        ("b", "a", "length", "<think>\na\n</think>\n\nb", "one"),
        ("b", None, "stop", "b", "absent"),
        ("b", "", "stop", "b", "absent"),
        ("b", "\n", "stop", "<think>\n\n</think>\n\nb", "empty"),
        ("b", "a</think>c", "stop", "<think>\na</think>c\n</think>\n\nb", "several"),
        ("<think>a</think>b", "a", "stop", "<think>\na\n</think>\n\n<think>a</think>b", "several"),
    ],
)
def test_reasoning_in_a_field_of_its_own_becomes_part_of_the_raw_text(content, reasoning, finish, text, structure):
    assert join_reasoning(content, reasoning, finish) == text
    answer = generation(content, reasoning=reasoning, finish_reason=finish)
    assert (answer.text, answer.structure) == (text, structure)
    assert split_think(answer.text) == (answer.think, answer.answer, structure)  # the raw text says it all
    if finish == "stop":
        assert split_think(content, reasoning) == (answer.think, answer.answer, structure)


def test_text_is_stored_as_nfc_and_encodable():
    answer = generation("<think>\ud83d 하나</think>나", finish_reason="stop")
    assert answer.think == "\ufffd 하나"
    assert answer.text == "<think>\ufffd 하나</think>나"


def test_a_looping_answer_full_of_backticks_takes_no_quadratic_time():
    # Minutes with a backtracking pattern, milliseconds in one pass; no clock: a slow twin would not end here.
    text = "<think>a</think>" + "` `` ``` " * 200_000 + "<think>"
    assert split_think(text)[2] in ("several", "one")
