"""Which language a text is in: by py3langid from ten letters on, by the script alone below."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from yisang.errors import UsageError
from yisang.evals.benchmarks.asking import languages
from yisang.evals.language_id import check_language, is_in, parts

DATA = Path(__file__).parents[3] / "shared" / "data" / "math"
TEXTS = {
    "ar": "عدد التفاحات في السلة يساوي سبعة",
    "de": "Die Zahl der Äpfel im Korb ist gleich sieben",
    "en": "The number of apples in the basket is seven",
    "es": "El número de manzanas en la cesta es igual a siete",
    "fr": "Le nombre de pommes dans le panier est égal à sept",
    "ja": "かごの中のりんごの数は七つです",
    "ko": "바구니에 든 사과의 수는 일곱이다",
    "pt": "O número de maçãs na cesta não é maior que sete",
    "ru": "Число яблок в корзине равно семи",
    "th": "จำนวนแอปเปิลในตะกร้าเท่ากับเจ็ด",
    "vi": "Số quả táo trong giỏ bằng bảy",
    "zh": "篮子里苹果的数量是七个，不多也不少",
}


@pytest.mark.parametrize("spoken", TEXTS)
def test_a_sentence_is_in_its_language_and_in_no_other(spoken: str):
    assert [code for code in TEXTS if is_in(TEXTS[spoken], code)] == [spoken]


def test_formulas_code_and_boxes_are_in_no_language():
    assert is_in(f"{TEXTS['ko']} $\\text{{the number of apples in all baskets}}$", "ko") is True
    assert is_in(f"{TEXTS['ko']} `the number of apples in all of the baskets`", "ko") is True
    for text in ("", "\\boxed{12}", "$x + y$", "12 + 5 = 17", "```python\nprint(1)\n```"):
        assert is_in(text, "ko") is None


def test_a_short_text_is_known_by_its_script_alone():
    assert is_in("답은 \\boxed{7}", "ko") is True
    assert is_in("답은 \\boxed{7}", "ja") is False
    assert is_in("es 7", "es") is True
    # It cannot tell these two, and does not pretend to.
    assert is_in("es 7", "fr") is True
    assert is_in("es 7", "ko") is False


def test_the_parts_are_those_of_mmath():
    assert parts("<think>a</think>b</think>c") == {"think": " a</think>b", "answer": "c"}
    assert parts("no tag") == {"think": "no tag", "answer": "no tag"}


def test_every_language_has_what_the_benchmarks_need():
    for code, table in languages().items():
        assert set(table) == {"boxed", "letters"}, code
        assert "\\boxed{}" in table["boxed"], code
        assert is_in(table["boxed"].replace("\\boxed{}", ""), code) is True, code


def test_an_unknown_language_is_refused_with_words():
    with pytest.raises(UsageError, match="'xx' cannot be identified"):
        check_language("xx")


@pytest.mark.parametrize("code", ["de", "en", "es", "fr", "ja", "ru", "th", "zh"])
def test_questions_of_mgsm_are_in_their_language(code: str):
    path = DATA / f"mgsm_{code}.tsv"
    if not path.exists():
        pytest.skip(f"{path.name} is not here (sample data outside of the repository)")
    questions = [line.split("\t")[0] for line in path.read_text("utf-8").splitlines()]
    assert sum(bool(is_in(question, code)) for question in questions) / len(questions) >= 0.99


def test_korean_chat_is_korean():
    path = DATA.parent / "text_ko" / "chatbot_qa.csv.gz"
    if not path.exists():
        pytest.skip(f"{path.name} is not here (sample data outside of the repository)")
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()[1:400]
    assert sum(bool(is_in(line, "ko")) for line in lines) / len(lines) >= 0.99
