"""The question's own words in the thoughts: quoted spans, and terms."""

from __future__ import annotations

import asyncio
import pickle
from pathlib import Path

import pytest

from yisang.errors import UsageError
from yisang.filters.quotes import KeptQuotes, quotes_of, terms_of
from yisang.languages import load
from yisang.records import Prompt, Trace
from yisang.tasks.problems import Request, make_problems
from yisang.teachers.engines.scripted import Scripted, revision
from yisang.teachers.generation import Sampling
from yisang.teachers.prompts import MixedPrompt

KO = load("ko")


def measured(question: str, think: str | None, language: str = "ko", **changes):
    prompt = Prompt(id="p", text=question, language=language)
    found = Trace(id="p/0", prompt=prompt, sample=0, text=think or "", think=think, teacher="t", revision="1")
    return KeptQuotes(language, **changes)(found)


def test_all_marks_of_quotation_are_read_and_code_is_not():
    question = (
        "“가”, ‘나’, \"다\", '라', 「마」, 『바』, 《사》, 〈아〉, «자», `차`, '12', don't 카 don't, “English” “가”"
    )
    assert quotes_of(question.replace("`차`", ""), KO) == list("가나다라마바사아자")
    assert measured(question, "가 나")["quotes"] == 9


def test_a_span_is_kept_letter_by_letter_but_for_its_blanks():
    question = "시 ‘서시’와 소설 “운수 좋은 날”의 공통점은?"
    kept = measured(question, 'The poem "서시" and the story "운수\n좋은  날" share a mood.')
    assert (kept["quotes"], kept["quotes_kept"], kept["quote_ratio"]) == (2, 2, 1.0)
    lost = measured(question, "The poem Foreword and the story A Lucky Day (운수좋은날) share a mood.")
    assert (lost["quotes_kept"], lost["quote_ratio"]) == (0, 0.0)


def test_a_term_is_a_word_that_the_question_says_again_without_its_particle():
    question = "곰은 3마리이다. 고양이는 곰보다 2마리 많다. 고양이의 수를 구하라. 수가 같다. 여우가 운다."
    assert terms_of(question, KO) == ["곰", "고양이"]
    assert terms_of("カメは3匹である。カメの数は動物と同じ。動物", load("ja")) == ["カメ", "動物"]
    assert terms_of("Bears eat. Bears sleep.", load("en")) == []


def test_a_word_is_counted_once_as_a_quote_or_as_a_term():
    found = measured("‘곰’은 곰과 다르다. 곰은 크다.", "곰 is larger")
    assert (found["quotes"], found["terms"], found["kept_ratio"]) == (1, 0, 1.0)


def test_without_spans_or_without_thoughts_there_is_no_ratio():
    bare = measured("하늘은 왜 푸른가?", "The sky scatters light.")
    assert (bare["quotes"], bare["terms"], bare["quotes_kept"]) == (0, 0, 0)
    assert bare["quote_ratio"] is bare["term_ratio"] is bare["kept_ratio"] is None
    missing = measured("‘서시’를 읽어라.", None)
    assert missing["quotes"] == 1
    assert missing["quotes_kept"] is missing["quote_ratio"] is missing["kept_ratio"] is None


def test_at_most_so_many_are_looked_for():
    question = " ".join(f"‘낱말{n}’" for n in range(50))
    assert measured(question, question, most=10)["quotes"] == 10
    assert measured(question, question)["quotes"] == 50


def ratios(fault: str, mode: str = "mixed") -> list[float]:
    engine = Scripted(revision=revision({fault: 1.0} if fault else None, 3))
    found = []
    for problem in make_problems(Request("ko", 3, 8), 7, 60):
        prompt = problem.prompt("tasks")
        answer = asyncio.run(engine.generate(MixedPrompt("ko", mode).messages(prompt), Sampling(), 0))
        trace = Trace(id="x", prompt=prompt, sample=0, text=answer.text, think=answer.think, teacher="t", revision="1")
        ratio = KeptQuotes("ko")(trace)["kept_ratio"]
        if ratio is not None:
            found.append(float(ratio))
    assert len(found) > 30
    return found


def test_mixed_thoughts_keep_the_names_of_a_task_and_translated_ones_lose_them():
    mixed, english = ratios(""), ratios("", "english_only")
    assert sum(mixed) / len(mixed) > 0.95
    assert set(english) == {0.0}
    # The fault "share": thoughts in one language, half of them in Korean, half in English.
    faulty = ratios("share")
    assert 0.2 < sum(faulty) / len(faulty) < 0.8


@pytest.mark.parametrize(
    ("wrong", "words"), [({"language": "xx"}, "no language"), ({"scope": "x"}, "scope"), ({"most": 0}, "most")]
)
def test_a_wrong_parameter_is_refused(wrong, words):
    with pytest.raises(UsageError, match=words):
        KeptQuotes(**{"language": "ko", **wrong})


@pytest.mark.parametrize("wrong", ["word = '('", "times = 2", "word = 'a'\nwrod = 'b'", "word = 'a'\ntimes = 'many'"])
def test_a_table_of_terms_that_is_wrong_is_refused_when_the_step_is_made(wrong, tmp_path: Path, monkeypatch):
    (tmp_path / "ka.toml").write_text(
        f'name = "Georgian"\nnative_name = "ქართული"\n[script]\ndefault = ["m"]\n[script.blocks]\nm = ["10D0-10FF"]\n[terms]\n{wrong}\n',
        "utf-8",
    )
    monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path))
    with pytest.raises(UsageError, match=r"ka.toml: \[terms\] cannot be read"):
        KeptQuotes("ka")


def test_it_is_a_step_like_others():
    assert pickle.loads(pickle.dumps(KeptQuotes("ko"))) == KeptQuotes("ko")
    steps = [KeptQuotes("ko"), KeptQuotes("ja"), KeptQuotes("ko", scope="answer"), KeptQuotes("ko", most=3)]
    assert len({repr(step.identity()) for step in steps}) == len(steps)
