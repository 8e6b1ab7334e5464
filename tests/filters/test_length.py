"""Length: both ends stay."""

from __future__ import annotations

import pickle
import unicodedata
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yisang.errors import UsageError
from yisang.filters.length import Length
from yisang.records import Drop, Prompt


def prompt(text: str) -> Prompt:
    return Prompt(id="p", text=text, language="ko")


def check_both_ends_stay(length: Length) -> None:
    kept = [n for n in (49, 50, 51, 8191, 8192, 8193) if isinstance(length(prompt("가" * n)), Prompt)]
    assert kept == [50, 51, 8191, 8192]


def test_both_ends_stay():
    check_both_ends_stay(Length())


def test_a_filter_that_drops_its_ends_would_be_seen():
    @dataclass(frozen=True)
    class Exclusive(Length):
        def __call__(self, record: Prompt) -> Prompt | Drop:
            return record if self.low < len(record.text) < self.high else Drop("length")

    with pytest.raises(AssertionError):
        check_both_ends_stay(Exclusive())


def test_drops_say_why():
    assert Length()(prompt("가" * 49)) == Drop("too_short", {"characters": 49, "low": 50})
    assert Length()(prompt("가" * 8193)) == Drop("too_long", {"characters": 8193, "high": 8192})
    assert Length()(prompt("")) == Drop("too_short", {"characters": 0, "low": 50})


def test_a_kept_prompt_is_untouched():
    record = prompt("가" * 50)
    assert Length()(record) is record


def test_characters_are_counted_not_bytes_and_not_parts():
    syllables = unicodedata.normalize("NFD", "한" * 50)
    assert len(syllables) == 150
    assert Length(50, 50)(prompt(syllables)).text == syllables  # counted in NFC, left as it is
    assert Length(2, 2)(prompt("𠀀😀")).text == "𠀀😀"


@given(st.text(max_size=30), st.integers(0, 30), st.integers(0, 30))
def test_keeps_exactly_what_is_within_bounds(text, low, more):
    count = len(unicodedata.normalize("NFC", text))
    kept = isinstance(Length(low, low + more)(prompt(text)), Prompt)
    assert kept == (low <= count <= low + more)


@pytest.mark.parametrize(("low", "high"), [(-1, 5), (6, 5)])
def test_bounds_that_keep_nothing_are_refused(low, high):
    with pytest.raises(UsageError, match="0 <= low <= high"):
        Length(low, high)


def test_can_be_pickled_and_hashed():
    assert pickle.loads(pickle.dumps(Length(1, 2))) == Length(1, 2)
    assert hash(Length(1, 2)) == hash(Length(1, 2))


def test_options_count_whether_they_stand_in_the_text_or_not():
    options = tuple("가" * 12 for _ in range(4))
    asked = Prompt(id="p", text="나" * 10, language="ko", kind="mcq", options=options)
    shown = "나" * 10 + "\n\n" + "\n".join(f"{number}. {'가' * 12}" for number in range(1, 5))
    assert Length(len(shown), len(shown))(asked) is asked
    assert (
        Length(len(shown), len(shown))(Prompt(id="p", text=shown, language="ko", kind="mcq", options=options)).text
        == shown
    )
    assert Length(len(shown) + 1, 99)(asked) == Drop("too_short", {"characters": len(shown), "low": len(shown) + 1})
