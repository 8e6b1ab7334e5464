"""The nouns: derived ids, text as its author wrote it, and licences that only get stricter."""

from __future__ import annotations

import unicodedata

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yisang.records import (
    RECORDS,
    UNKNOWN_LICENCE,
    Letter,
    Licence,
    Page,
    Prompt,
    child_id,
    content_id,
    nfc,
    strictest,
    with_measures,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()))
"""Python strings, lone surrogates included."""
LETTERS: list[Letter] = ["A", "B", "C"]
LICENCES = st.builds(
    Licence,
    id=st.sampled_from(["CC0-1.0", "CC-BY-4.0", "KOGL-4"]),
    letter=st.sampled_from(LETTERS),
    evidence=st.sampled_from(["page", "host"]),
    derive=st.booleans(),
    share_alike=st.booleans(),
)


@given(ANY_TEXT)
@example("\ud834\udd5e")  # two halves of a character that NFC takes apart
@example("가\ud800각")
def test_text_is_normalised_storable_and_stays_so(text: str) -> None:
    once = nfc(text)
    assert unicodedata.is_normalized("NFC", once)
    assert once.encode().decode() == once
    assert nfc(once) == once


@given(st.text())
def test_whole_text_is_only_normalised(text: str) -> None:
    assert nfc(text) == unicodedata.normalize("NFC", text)


def test_half_a_character_is_marked_and_its_neighbours_stay() -> None:
    assert nfc("가\ud800각") == "가\ufffd각"
    assert nfc("\udc00\ud83d\ude00\ud800") == "\ufffd😀\ufffd"
    assert nfc("\ufeff\ud800") == "\ufeff\ufffd"


@given(st.lists(st.text(), max_size=3), st.lists(st.text(), max_size=3))
@example(["ab", "c"], ["a", "bc"])
@example(["a"], ["a", ""])
def test_an_id_tells_all_its_parts_apart(one: list[str], other: list[str]) -> None:
    assert (content_id(*one) == content_id(*other)) == (one == other)


def test_an_id_is_the_same_everywhere() -> None:
    assert content_id("이상", b"\x00") == content_id("이상".encode(), "\x00") == "0968f0d2698314c8e86be2f221759905"
    assert child_id(child_id("p", 0), 12) == "p/0/12"


@given(st.lists(LICENCES, min_size=1), st.randoms())
def test_a_child_takes_the_strictest_of_its_parents(licences: list[Licence], random: object) -> None:
    child = strictest(licences)
    assert child.letter == max(licence.letter for licence in licences)
    assert child.derive == all(licence.derive for licence in licences)
    assert child.share_alike == any(licence.share_alike for licence in licences)
    assert set(child.id.split(" AND ")) == {id for licence in licences for id in licence.id.split(" AND ")}
    assert all(licence.evidence in child.evidence for licence in licences)
    shuffled = sorted(licences, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert strictest(shuffled) == child


def test_a_child_without_parents_has_no_licence() -> None:
    with pytest.raises(ValueError, match="at least one parent"):
        strictest([])


def test_what_has_no_statement_never_enters() -> None:
    assert Prompt(id="p", text="t", language="ko").licence == UNKNOWN_LICENCE
    assert UNKNOWN_LICENCE.letter == "C"


def test_measures_merge_into_a_copy() -> None:
    before = Prompt(id="p", text="t", language="ko", measures={"a": 1, "b": 2})
    after = with_measures(before, {"b": None, "c": "x"})
    assert after.measures == {"a": 1, "b": None, "c": "x"}
    assert before.measures == {"a": 1, "b": 2}
    with pytest.raises(AttributeError):
        after.id = "changed"  # type: ignore[misc]


def test_records_do_not_share_their_measures() -> None:
    one, other = Page(id="1", url="u"), Page(id="2", url="u")
    one.measures["a"] = 1
    assert other.measures == {}
    assert Page(id="3", url="u").measures == {}


def test_every_kind_is_known_by_its_name() -> None:
    assert set(RECORDS) == {"page", "prompt", "trace", "example"}
    for name, kind in RECORDS.items():
        assert issubclass(kind, msgspec.Struct)
        assert kind.__name__.lower() == name
