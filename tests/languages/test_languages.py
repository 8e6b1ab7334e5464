"""Language files: what they hold, what is refused, and that no language stands in the code."""

from __future__ import annotations

import hashlib
import pickle
import re
import unicodedata
from pathlib import Path

import pytest

import yisang.filters
import yisang.languages
from yisang.errors import UsageError
from yisang.languages import codes, load

SHIPPED = Path(yisang.languages.__file__).parent
GOOD = """
name = "Georgian"
native_name = "ქართული"
[script]
default = ["mkhedruli"]
[script.blocks]
mkhedruli = ["10D0-10FF"]
old = ["10A0-10C5", "10C7"]
[prompts.mixed]
version = "ka-mixed-1"
text = "Think in English, answer in Georgian."
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path))
    return tmp_path


def test_the_shipped_languages_load_and_are_listed():
    assert codes() == ("en", "ja", "ko")
    for code in codes():
        language = load(code)
        assert language.code == code
        assert set(language.default_blocks) <= set(language.blocks)
        assert language.digest == hashlib.sha256((SHIPPED / f"{code}.toml").read_bytes()).hexdigest()


def test_names_are_given_in_english_and_in_the_language_itself():
    assert [(load(code).name, load(code).native_name) for code in codes()] == [
        ("English", "English"),
        ("Japanese", "日本語"),
        ("Korean", "한국어"),
    ]


def test_a_language_is_read_once_and_survives_pickle():
    language = load("ko")
    assert load("ko") is language
    assert pickle.loads(pickle.dumps(language)) == language
    assert hash(pickle.loads(pickle.dumps(language))) == hash(language)


@pytest.mark.parametrize("code", ["ko", "ja"])
def test_the_mixed_prompt_asks_for_all_four_things_in_order(code):
    language = load(code)
    text = language.prompt("mixed").text
    places = [
        text.index(words)
        for words in (
            "reasoning in English",
            "Do not put the question itself into English",
            f"leave its own words, its names and its quoted terms in {language.name}",
            "Bring the reasoning to its end before",
            f"in natural, fluent {language.name}",
        )
    ]
    assert places == sorted(places)
    assert "\n" not in text  # the line ends of the file are no part of it


@pytest.mark.parametrize("code", ["ko", "ja"])
def test_the_monolingual_prompts_differ_in_the_language_of_thought_alone(code):
    language = load(code)
    target, english = language.prompt("target_only").text, language.prompt("english_only").text
    assert target != english
    assert target.replace(f"reasoning in {language.name} from", "reasoning in English from") == english


def test_prompt_versions_are_unique_over_all_languages():
    versions = [prompt.version for code in codes() for prompt in load(code).prompts.values()]
    assert len(set(versions)) == len(versions)
    assert all(prompt.version.startswith(f"{code}-") for code in codes() for prompt in load(code).prompts.values())


def test_a_prompt_that_a_language_lacks_is_named_with_its_file():
    with pytest.raises(
        UsageError, match=r"en has no teacher prompt 'mixed' \(it has: .*Add \[prompts.mixed\].*en.toml"
    ):
        load("en").prompt("mixed")


def test_block_ranges_of_korean_cover_the_assigned_letters_of_its_script_and_no_blank_ones():
    # Against Unicode's own names, which the file was not made from.
    inside = {
        point
        for block in load("ko").default_blocks
        for first, last in load("ko").blocks[block]
        for point in range(first, last + 1)
    }
    named = {
        point
        for point in range(0x110000)
        if re.match(r"(HALFWIDTH )?HANGUL", unicodedata.name(chr(point), ""))
        and unicodedata.category(chr(point)).startswith("L")
    }
    fillers = {point for point in named if "FILLER" in unicodedata.name(chr(point))}
    assert {f"{point:04X}" for point in fillers} == {"115F", "1160", "3164", "FFA0"}
    assert named - inside == fillers
    assert not fillers & inside


@pytest.mark.parametrize(
    ("block", "prefix"),
    [
        ("hiragana", r"HIRAGANA (LETTER|DIGRAPH|ITERATION|VOICED ITERATION)|HENTAIGANA"),
        ("katakana", r"(HALFWIDTH )?KATAKANA"),
    ],
)
def test_block_ranges_of_japanese_cover_the_assigned_letters_of_each_syllabary(block, prefix):
    inside = {p for first, last in load("ja").blocks[block] for p in range(first, last + 1)}
    named = {
        p
        for p in range(0x110000)
        if re.match(prefix, unicodedata.name(chr(p), "")) and unicodedata.category(chr(p)).startswith("L")
    }
    assert named
    assert not named - inside


def test_an_unknown_language_is_told_what_there_is_and_which_file_to_add():
    with pytest.raises(UsageError, match=r"no language 'xx'; there are en, ja, ko.*xx.toml.*YISANG_LANGUAGES"):
        load("xx")


@pytest.mark.parametrize("code", ["../languages/ko", "./ko", "ko.toml", "", "k", "ko/ko", "/etc/ko"])
def test_a_code_is_never_taken_as_a_path(code):
    with pytest.raises(UsageError, match="no language"):
        load(code)


def test_a_folder_of_ones_own_adds_a_language(folder):
    (folder / "ka.toml").write_text(GOOD)
    assert codes() == ("en", "ja", "ka", "ko")
    assert load("ka").blocks["old"] == ((0x10A0, 0x10C5), (0x10C7, 0x10C7))
    assert load("ka").prompt("mixed").version == "ka-mixed-1"


def test_a_folder_of_ones_own_is_searched_first(folder, monkeypatch):
    shipped = load("ko")
    (folder / "ko.toml").write_text(GOOD)
    assert load("ko").name == "Georgian"
    assert load("ko").digest != shipped.digest
    assert load("ja").name == "Japanese"  # what is not there comes from the shipped files
    monkeypatch.delenv("YISANG_LANGUAGES")
    assert load("ko") is shipped


def test_a_folder_that_is_not_there_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match=r"YISANG_LANGUAGES is .*nowhere"):
        load("ko")


def test_a_language_needs_no_prompts(folder):
    (folder / "ka.toml").write_text(GOOD.partition("[prompts")[0])
    with pytest.raises(UsageError, match="it has: none"):
        load("ka").prompt("mixed")


FAULTS = {
    "no TOML": ('name = "Georgian"', 'name "Georgian"', "cannot be read as TOML"),
    "no name": ('name = "Georgian"', "", "lacks 'name'"),
    "blank own name": ("ქართული", " ", "lacks 'native_name'"),
    "no script": ("[script]", "[scirpt]", r"unknown key 'scirpt'"),
    "no blocks": ("[script.blocks]", "[script.block]", r"\[script\] has an unknown key 'block'"),
    "unknown default": ('["mkhedruli"]', '["latin"]', "names 'latin', which is not among its blocks"),
    "empty default": ('["mkhedruli"]', "[]", r"\[script\] default must be a list"),
    "blanks as a word": ('["mkhedruli"]', '["mkhedruli"]\nblanks = "no"', r"\[script\] blanks must be true or false"),
    "default as a word": ('["mkhedruli"]', '"mkhedruli"', r"\[script\] default must be a list"),
    "broken range": ("10D0-10FF", "10D0..10FF", "'10D0..10FF' is no range"),
    "backward range": ("10D0-10FF", "10FF-10D0", "'10FF-10D0' does not run upwards"),
    "beyond Unicode": ("10D0-10FF", "10D0-110000", "does not run upwards within 0000-10FFFF"),
    "prompt without version": ('version = "ka-mixed-1"', "", r"\[prompts.mixed\] lacks 'version'"),
    "prompt without text": ("text =", "txet =", r"\[prompts.mixed\] has an unknown key 'txet'"),
    "prompt as a word": (
        "[prompts.mixed]\n",
        '[prompts]\nmixed = "x"\n',
        r"\[prompts.mixed\] must be a table",
    ),
    "one version twice": (
        "[prompts.mixed]",
        '[prompts.again]\nversion = "ka-mixed-1"\ntext = "x"\n[prompts.mixed]',
        "two prompts have the same version",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_file_is_refused_by_name(fault, folder):
    right, wrong, message = FAULTS[fault]
    assert GOOD.count(right) == 1
    (folder / "ka.toml").write_text(GOOD.replace(right, wrong))
    with pytest.raises(UsageError, match=rf"Language file .*ka.toml.*{message}"):
        load("ka")


def languages_in(source: str) -> set[str]:
    """What a source text says of a language of its own: script names, and letters outside Latin."""
    words = re.findall(r"(?i)hangul|hiragana|katakana|kanji", source)
    return {*words, *(letter for letter in source if letter.isalpha() and ord(letter) > 0x24F)}


def code_files() -> list[Path]:
    return [*SHIPPED.glob("*.py"), *Path(yisang.filters.__file__).parent.glob("*.py")]


@pytest.mark.parametrize("path", code_files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_language_stands_in_the_code(path):
    assert languages_in(path.read_text()) == set()


def test_a_language_in_the_code_would_be_found():
    assert languages_in('RE = "[가-힣]"  # Hangul') == {"가", "힣", "Hangul"}
    assert len(code_files()) > 8
