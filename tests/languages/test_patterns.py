"""Patterns of the language files: every one is found in its example and not in what only looks alike."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

import yisang.languages
from yisang.errors import UsageError
from yisang.languages import codes, load
from yisang.languages.patterns import Pattern, filled, patterns, read_patterns

TABLES = ("refusals", "sentences", "pii", "negation", "options")
SHIPPED = [
    *(pattern for code in codes() for table in TABLES for pattern in patterns(load(code), table)),
    *read_patterns(tomllib.loads(files("yisang.filters").joinpath("pii.toml").read_text("utf-8")), "pii.toml"),
]
GOOD = {"pattern": "cannot help", "example": "I cannot help you.", "unlike": "I can help you."}


def check_examples(found: list[Pattern]) -> None:
    for pattern in found:
        assert list(pattern.spans(pattern.example)), pattern
        assert not list(pattern.spans(pattern.unlike)), pattern


def test_every_shipped_pattern_is_found_in_its_example_and_not_in_its_counter_example():
    check_examples(SHIPPED)
    assert len(SHIPPED) > 60


@pytest.mark.parametrize("code", codes())
def test_every_language_has_refusals_of_both_kinds_and_numbers_of_its_country(code):
    assert {pattern.kind for pattern in patterns(load(code), "refusals")} == {"refusal", "identity"}
    assert "phone" in {pattern.kind for pattern in patterns(load(code), "pii")}
    assert patterns(load(code), "sentences")
    assert {pattern.kind for pattern in patterns(load(code), "negation")} == {"exception"}
    asked = {pattern.kind for pattern in patterns(load(code), "options")}
    assert asked == {"all_or_none", "refers", "statements", "among"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"example": "I may help you."}, "entry 1 of 'refusal': 'cannot help' is not found in its own example"),
        ({"unlike": "They cannot help it."}, "is found in 'They cannot help it.', which it must not be"),
        ({"pattern": "(cannot"}, "is no regular expression"),
        ({"checks": ["luhm"]}, "names the check 'luhm'; there are plain, luhn"),
        ({"unlike": ""}, "must be a table with pattern, example and unlike"),
        ({"exmaple": "x"}, "must be a table with pattern, example and unlike"),
    ],
)
def test_a_pattern_that_is_wrong_is_refused_by_its_place(change, words):
    check_examples(list(read_patterns({"refusal": [GOOD]}, "here")))
    with pytest.raises(UsageError, match=f"^here: .*{words.replace('(', '[(]')}"):
        read_patterns({"refusal": [{**GOOD, **change}]}, "here")


def test_a_pattern_of_ones_own_file_is_checked_when_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = (Path(yisang.languages.__file__).parent / "en.toml").read_text("utf-8")
    assert text.count('example = "I cannot assist with this request."') == 1
    wrong = text.replace('example = "I cannot assist with this request."', 'example = "Gladly."')
    (tmp_path / "en.toml").write_text(wrong, "utf-8")
    monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path))
    with pytest.raises(UsageError, match=r"en.toml, \[refusals\]: entry 2 of 'refusal'"):
        patterns(load("en"), "refusals")


def test_what_is_found_may_be_a_part_of_what_is_matched():
    (pattern,) = read_patterns(
        {"pin": [{"pattern": "pin (?P<found>[0-9]{4})", "example": "pin 1234", "unlike": "1234"}]}, "here"
    )
    assert list(pattern.spans("the pin 1234, the PIN 5678")) == [(8, 12), (22, 26)]


def test_slots_are_filled_the_same_way_each_time_and_each_its_own():
    text = filled("⟪0-9*4⟫ ⟪0-9*4⟫ ⟪a-cX*30⟫")
    assert text == filled("⟪0-9*4⟫ ⟪0-9*4⟫ ⟪a-cX*30⟫")
    first, second, letters = text.split()
    assert first != second
    assert len(first) == 4
    assert first.isdigit()
    assert len(letters) == 30
    assert set(letters) <= set("abcX")
    assert filled("no slot ⟪⟫") == "no slot ⟪⟫"


def test_no_file_holds_what_looks_like_a_key():
    # Scanners of repositories would find it, and rightly.
    keys = [pattern for pattern in SHIPPED if pattern.kind in ("credential", "private_key")]
    package = Path(yisang.languages.__file__).parents[1]
    for path in [*package.rglob("*.toml"), *package.rglob("*.jsonl")]:
        text = path.read_text("utf-8")
        assert not any(list(pattern.spans(text)) for pattern in keys), path
        assert any(list(pattern.spans(filled(text))) for pattern in keys) == (path.name in KEYED), path


KEYED = {"pii.toml", "written.jsonl", "earlier.jsonl", "held.jsonl"}
