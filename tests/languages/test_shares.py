"""The share of a language's letters in a text."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yisang.errors import UsageError
from yisang.languages import Language, codes, load
from yisang.languages.shares import count_letters, longest_foreign_run, script_share

KO, JA, EN = load("ko"), load("ja"), load("en")
DENOMINATORS = ("letters", "nonspace", "characters")

alphabet = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3),
    st.characters(min_codepoint=0x1100, max_codepoint=0x11FF),
    st.characters(min_codepoint=0x3040, max_codepoint=0x318F),
    st.sampled_from("aZé ÷×\n12½Ⅳ一·ーㅋㅤ々〇𠀀𝒳́"),
)
texts = st.text(alphabet, max_size=40)
languages = st.sampled_from([load(code) for code in codes()])


def one_by_one(text: str, language: Language, blocks: tuple[str, ...], denominator: str) -> float | None:
    """The definition, one character at a time: the slow twin."""
    counted = inside = 0
    for character in unicodedata.normalize("NFC", text):
        if denominator == "letters" and not unicodedata.category(character).startswith("L"):
            continue
        if denominator == "nonspace" and character.isspace():
            continue
        counted += 1
        ranges = [item for name in blocks for item in language.blocks[name]]
        inside += any(first <= ord(character) <= last for first, last in ranges)
    return inside / counted if counted else None


@given(texts, languages, st.sampled_from(DENOMINATORS))
@example("㈀ㆍ㋐・゛゜", JA, "letters")
def test_equals_the_definition(text, language, denominator):
    expected = one_by_one(text, language, language.default_blocks, denominator)
    assert script_share(text, language, denominator=denominator) == expected


@given(texts, languages, st.data())
def test_equals_the_definition_for_any_blocks(text, language, data):
    names = st.lists(st.sampled_from(sorted(language.blocks)), min_size=1, unique=True)
    blocks = tuple(data.draw(names))
    expected = one_by_one(text, language, blocks, "letters")
    assert script_share(text, language, blocks=blocks) == expected


@given(texts, languages, st.sampled_from(DENOMINATORS))
def test_lies_within_0_and_1_and_is_none_only_without_a_denominator(text, language, denominator):
    share = script_share(text, language, denominator=denominator)
    normal = unicodedata.normalize("NFC", text)
    empty = {
        "letters": not any(unicodedata.category(c).startswith("L") for c in normal),
        "nonspace": not normal.split(),
        "characters": not normal,
    }[denominator]
    assert (share is None) == empty
    assert share is None or 0 <= share <= 1


@given(texts, languages, st.sampled_from(DENOMINATORS))
def test_is_the_same_for_composed_and_decomposed_text(text, language, denominator):
    shares = {
        script_share(unicodedata.normalize(form, text), language, denominator=denominator) for form in ("NFC", "NFD")
    }
    assert len(shares) == 1


def test_without_normalisation_the_two_forms_would_differ():
    decomposed = unicodedata.normalize("NFD", "한국 ab")
    assert script_share(decomposed, KO) == 0.5
    jamo = sum("\u1100" <= c <= "\u11ff" for c in decomposed)
    assert jamo / sum(map(str.isalpha, decomposed)) == 0.75


@given(texts, st.sampled_from("가힣ㅋㅏ"), st.sampled_from(DENOMINATORS))
def test_never_falls_when_a_letter_of_the_language_is_added(text, letter, denominator):
    before = script_share(text, KO, denominator=denominator)
    assert script_share(text + letter, KO, denominator=denominator) >= (before or 0)


@given(texts, st.sampled_from("aZяΩ一あ"), st.sampled_from(DENOMINATORS))
def test_never_rises_when_a_letter_of_another_language_is_added(text, letter, denominator):
    before = script_share(text, KO, denominator=denominator)
    assert script_share(text + letter, KO, denominator=denominator) <= (1 if before is None else before)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("한국어", 1.0),
        ("ㅋㅋㅋㅋ", 1.0),  # laughter in bare jamo
        ("ㅠㅠ why", 2 / 5),
        ("\u1112\u1161\u11ab", 1.0),  # a syllable in three parts
        ("ﾡﾢ", 1.0),  # half-width
        ("\u3164\u3164", 0.0),  # fillers are letters, and blank
        ("가a나b", 0.5),
        ("漢字 한글", 0.5),
        ("ひらがな", 0.0),
        ("가 1 + 2 = 3!", 1.0),  # digits and signs are no letters
        ("", None),
        ("1 + 2 = 3", None),
        (" \n", None),
    ],
)
def test_korean(text, share):
    assert script_share(text, KO) == share


@pytest.mark.parametrize(
    ("text", "share"),
    [("日本語です", 1.0), ("カタカナとﾊﾝｶｸー々", 1.0), ("한국어", 0.0), ("日本 ab", 0.5), ("𠮷野家", 1.0)],
)
def test_japanese(text, share):
    assert script_share(text, JA) == share


def test_chinese_is_told_from_japanese_by_blocks():
    assert script_share("中文文本", JA) == 1.0
    assert script_share("中文文本", JA, blocks=("hiragana", "katakana")) == 0.0
    assert script_share("日本のカナ", JA, blocks=("hiragana", "katakana")) == 0.6


@pytest.mark.parametrize(("text", "share"), [("naïve Ｆｕｌｌ", 1.0), ("a × b ÷ c", 1.0), ("ab가나", 0.5), ("я", 0.0)])
def test_english(text, share):
    assert script_share(text, EN) == share


def test_denominators_differ():
    text = "가나 ab 12"
    assert [script_share(text, KO, denominator=d) for d in DENOMINATORS] == [2 / 4, 2 / 6, 2 / 8]


def test_a_sign_inside_a_block_counts_only_where_signs_count():
    assert script_share("カ・", JA) == 1.0
    assert script_share("カ・a", JA) == 0.5
    assert script_share("カ・a", JA, denominator="nonspace") == 2 / 3


def test_blocks_choose_the_numerator():
    assert script_share("가ㅋ", KO, blocks=("syllables",)) == 0.5
    assert script_share("가漢", KO, blocks=("syllables", "hanja")) == 1.0


def test_a_block_without_letters_counts_none():
    signs = Language("xx", "Signs", "Signs", {"signs": ((0x21, 0x2F),)}, ("signs",), {}, "")
    assert script_share("a!!", signs) == 0.0
    assert script_share("a!!", signs, denominator="nonspace") == 2 / 3


def test_a_blank_inside_a_block_counts_only_where_blanks_count():
    wide = Language("xx", "Wide", "Wide", {"wide": ((0x3000, 0x3002),)}, ("wide",), {}, "")
    assert script_share("\u3000\u3001ab", wide, denominator="nonspace") == 1 / 3
    assert script_share("\u3000\u3001ab", wide, denominator="characters") == 2 / 4


def test_code_formulas_and_addresses_are_left_out_on_request():
    text = "값은 `value` 이고 $x$ 다 https://a.example/b"
    assert script_share(text, KO, strip=("code", "latex", "urls")) == 1.0
    assert script_share(text, KO, strip=("code",)) == 5 / 20
    assert script_share(text, KO) == 5 / 25
    assert script_share("`value`", KO, strip=("code",)) is None


def test_half_a_character_is_no_letter():
    assert script_share("가\ud800a", KO) == 0.5


def test_behind_the_third_plane_there_are_no_letters_and_no_blanks():
    """The tables of `shares` are not filled there."""
    behind = map(chr, range(0x40000, sys.maxunicode + 1))
    assert not any(character.isalpha() or character.isspace() for character in behind)
    assert count_letters(chr(0x2A6DF) + chr(0x40000)) == 1


def test_letters_are_counted_in_any_script():
    assert count_letters("가 aя一 1.½Ⅳ 𝒳") == 5
    assert count_letters("e\u0301") == 1
    assert count_letters("a `b`", strip=("code",)) == 1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"blocks": ("latin",)}, "language ko has syllables"),
        ({"blocks": ()}, "at least one"),
        ({"blocks": "jamo"}, "in a tuple"),
        ({"denominator": "words"}, "must be one of letters, nonspace, characters"),
        ({"strip": ("html",)}, "some of code, latex, urls"),
    ],
)
def test_parameters_that_there_are_not_are_refused(parameters, message):
    with pytest.raises(UsageError, match=message):
        script_share("가", KO, **parameters)


# In a row


@given(texts, languages)
def test_the_longest_run_is_found_one_letter_at_a_time_too(text: str, language: Language) -> None:
    found = longest_foreign_run(text, language)
    ranges = [item for name in language.default_blocks for item in language.blocks[name]]
    longest = run = 0
    for character in unicodedata.normalize("NFC", text):
        if any(first <= ord(character) <= last for first, last in ranges):
            run = 0
        elif character.isalpha():
            run += 1
            longest = max(longest, run)
    assert sum(map(str.isalpha, found)) == longest
    assert found in unicodedata.normalize("NFC", text)


def test_languages_are_told_apart_by_whether_their_words_stand_between_blanks() -> None:
    assert (KO.blanks, EN.blanks, JA.blanks) == (True, True, False)
