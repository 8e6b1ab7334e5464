"""Measures and verdicts are read; absent ones are errors."""

from __future__ import annotations

import pickle

import pytest

from yisang.filters.stored import NotMeasured, number, verdict
from yisang.records import Prompt, Trace

PROMPT = Prompt(id="p", text="", language="ko", measures={"share": 0.5, "count": 3, "none": None, "word": "x"})
TRACE = Trace(id="p/0", prompt=PROMPT, sample=0, text="", teacher="t", revision="1", verdicts={"structure": "one"})


def test_numbers_and_their_absence_are_read():
    assert [number(PROMPT, name, "") for name in ("share", "count", "none")] == [0.5, 3, None]


def test_verdicts_are_read():
    assert verdict(TRACE, "structure", "") == "one"


def test_an_absent_measure_is_no_none():
    with pytest.raises(NotMeasured, match=r"Prompt p has no measure 'x' \(it has: count, none, share, word\). Do so."):
        number(PROMPT, "x", "Do so.")


def test_an_absent_verdict_is_an_error():
    with pytest.raises(NotMeasured, match=r"Trace p/0 has no verdict 'x' \(it has: structure\). Do so."):
        verdict(TRACE, "x", "Do so.")


def test_a_word_is_no_number():
    with pytest.raises(TypeError, match="'word' of prompt p is 'x'"):
        number(PROMPT, "word", "")


def test_the_error_crosses_processes_with_its_message():
    assert str(pickle.loads(pickle.dumps(NotMeasured("a b")))) == "a b"
