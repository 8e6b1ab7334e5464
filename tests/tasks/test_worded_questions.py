"""Questions with formulas, code and options: equal in every language, with a gold that is right, and a phrase book that reads what it writes."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from yisang.errors import UsageError
from yisang.filters.document import document
from yisang.grading import check_gold
from yisang.languages import load
from yisang.languages.masks import restore
from yisang.languages.shares import script_share
from yisang.records import Prompt
from yisang.sources.base import Shard
from yisang.sources.tasks import Tasks
from yisang.tasks.phrases import book, translated
from yisang.tasks.questions import Question, make_question, make_questions

QUESTIONS = list(make_questions(11, 300))


def test_the_same_index_is_the_same_question_and_nearly_all_differ() -> None:
    assert make_question(11, 7) == QUESTIONS[7] != make_question(12, 7)
    assert len({question.text("en") for question in QUESTIONS}) > 290


def test_they_hold_formulas_code_addresses_options_and_lookalikes() -> None:
    held = Counter(part.kind for question in QUESTIONS for part in document(question.prompt("en")).held)
    assert set(held) == {"latex", "code", "url", "label", "mark"}
    kinds = Counter(question.kind for question in QUESTIONS)
    assert set(kinds) == {"math", "mcq", "open"}
    behind = Counter(document(question.prompt("en")).behind for question in QUESTIONS if question.options)
    assert min(behind[True], behind[False]) > 20
    assert {question.layout for question in QUESTIONS} == {"lines", "row"}


@pytest.mark.parametrize("language", ["en", "ko", "ja"])
def test_every_gold_is_read_by_the_grader(language: str) -> None:
    for question in QUESTIONS:
        prompt = question.prompt(language)
        if prompt.kind != "open":
            assert check_gold(prompt).verdict == "correct", prompt


def test_golds_are_right() -> None:
    """Computed a second time, from the text."""
    checked: Counter[str] = Counter()
    for question in QUESTIONS:
        text, gold = question.text("en"), question.gold
        if found := re.search(r"begins with ([\d,]+) and grows by (\d+).*in place (\d+)\?", text):
            first, step, place = (int(number.replace(",", "")) for number in found.groups())
            assert gold == str(first + (place - 1) * step)
            checked["sequence"] += 1
        elif found := re.search(r"is ([\d,]+) m long and (\d+) m wide", text):
            assert gold == str(int(found[1].replace(",", "")) * int(found[2]))
            checked["rectangle"] += 1
        elif found := re.search(r"def (\w+)\(n\):.*return (\d+) \* n \+ (\d+).*`\1\((\d+)\)`", text, re.DOTALL):
            assert gold == str(int(found[2]) * int(found[4]) + int(found[3]))
            checked["code"] += 1
        elif found := re.search(r"(\d+) \\times (\d+)", text):
            right = [
                option
                for option in question.options_in("en")
                if re.sub(r"\D", "", option) == str(int(found[1]) * int(found[2]))
            ]
            assert question.options_in("en").index(right[0]) == question.place
            checked["equal"] += 1
        elif found := re.search(r"about the number ([\d,]+)", text):
            number = int(found[1].replace(",", ""))
            true = [place for place, option in enumerate(question.options_in("en")) if holds(option, number)]
            assert true == [question.place], text
            checked["true"] += 1
    assert min(checked[name] for name in ("sequence", "rectangle", "code", "equal", "true")) > 10


def holds(option: str, number: int) -> bool:
    other = int("".join(re.findall(r"\d", option)) or 0)
    if "multiple" in option:
        return number % other == 0
    if "larger" in option:
        return number > other
    if "smaller" in option:
        return number < other
    return (number % 2 == 0) == ("even" in option)


@pytest.mark.parametrize(("source", "target"), [("en", "ko"), ("en", "ja"), ("ko", "en"), ("ja", "ko")])
def test_the_book_translates_each_of_them(source: str, target: str) -> None:
    for question in QUESTIONS:
        asked = document(question.prompt(source))
        said = translated(asked.text, target)
        assert said is not None, asked.text
        assert restore(asked.body(said), asked.held) == question.text(target)
        contents = asked.contents(said)
        assert tuple(restore(contents[n], asked.held) for n in asked.options) == question.options_in(target)


@pytest.mark.parametrize(
    "text", ["This is no phrase.", "What is the value of everything?", "⟦1⟧ It is an even number. Or not."]
)
def test_what_is_no_phrase_is_not_translated(text: str) -> None:
    assert translated(text, "ko") is None


def test_numbers_are_written_as_each_language_does() -> None:
    english = "A rectangular field is 1,200 m long and 30 m wide."
    korean = translated(english, "ko")
    assert korean == "직사각형 모양의 밭은 길이가 1200 m, 너비가 30 m이다."
    assert translated(korean, "en") == english


def test_no_phrase_is_left_in_another_language() -> None:
    for code in ("ko", "ja"):
        for phrase in book().phrases:
            words = re.sub(r"\{[a-z]\}|Python|m", "", phrase.words[code])
            assert script_share(words, load(code)) == 1.0, phrase.words[code]


def test_a_language_without_phrases_is_refused() -> None:
    with pytest.raises(UsageError, match="Questions are in en, ja, ko, not in 'fr'"):
        Tasks(3, 1, "fr", preset="questions")
    with pytest.raises(UsageError, match="have no mix, context or direction"):
        Tasks(3, 1, "en", preset="questions", context="zoo")


def test_they_are_a_preset_of_the_source_of_tasks() -> None:
    source = Tasks(5, 11, "en", preset="questions", category="OpenThought", split="train")
    found = [record for record in source.read(Shard("q", 0, 5)) if isinstance(record, Prompt)]
    assert [record.text for record in found] == [question.text("en") for question in QUESTIONS[:5]]
    assert {(record.category, record.split) for record in found} == {("OpenThought", "train")}


def test_options_that_all_stand_in_one_row_have_the_labels_of_the_style() -> None:
    rows: list[Question] = [question for question in QUESTIONS if question.layout == "row" and question.inside]
    assert rows
    for question in rows:
        assert re.search(r"^(\(A\)|①) \S+   (\(B\)|②) ", question.text("en"), re.MULTILINE)
