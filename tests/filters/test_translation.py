"""What is kept of a translation: each check on its own, what the child carries, and what people's translations look like to the bounds."""

from __future__ import annotations

import gzip
import json
import os
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yisang.errors import UsageError
from yisang.filters.document import document
from yisang.filters.licence import licence
from yisang.filters.translation import BOUNDS, ReadTranslation, TranslationBounds
from yisang.grading import check_gold
from yisang.languages import load
from yisang.languages.masks import restore
from yisang.languages.shares import longest_foreign_run, script_counts
from yisang.pipelines.identity import digest, identity
from yisang.records import Drop, Licence, Prompt, Trace, child_id
from yisang.tasks.addition import make_sum
from yisang.tasks.draw import Draw
from yisang.tasks.graph import BadGraph
from yisang.tasks.problems import Request, make_problems
from yisang.tasks.wording import parse

DATA = Path(os.environ.get("YISANG_SHARED_DATA") or Path(__file__).resolve().parents[2].parent / "shared" / "data")
CC = licence("CC-BY-4.0", "the page says so", "2026-01-02")
READ = ReadTranslation("en", "ko")


def prompt(text: str, **fields: Any) -> Prompt:
    return Prompt(**{"id": "p", "text": text, "language": "en", "licence": CC, **fields})


def trace(asked: Prompt, said: str, **fields: Any) -> Trace:
    given = {
        "id": child_id(asked.id, 0), "prompt": asked, "sample": 0, "text": f"<TRANSLATION>\n{said}\n</TRANSLATION>", "teacher": "model",
        "revision": "r1", "finish_reason": "stop", "licence": asked.licence, "prompt_version": "ko-translate-1/system",
    }  # fmt: skip
    return Trace(**{**given, **fields})


def read(asked: Prompt, said: str, **fields: Any) -> Prompt | Drop:
    return READ(trace(asked, said, **fields))


def kept(outcome: Prompt | Drop) -> Prompt:
    assert isinstance(outcome, Prompt), outcome
    return outcome


def reason(outcome: Prompt | Drop) -> str:
    return outcome.reason if isinstance(outcome, Drop) else "kept"


# What the teacher is given


def test_options_in_the_text_are_found_there() -> None:
    asked = document(prompt("Which?\n(A) $1$\n(B) two", options=("$1$", "two")))
    assert asked.text == "Which?\n⟦1⟧ ⟦2⟧\n⟦3⟧ two"
    assert (asked.options, asked.behind) == ((1, 3), False)


def test_options_that_stand_nowhere_follow_the_text_a_line_each() -> None:
    asked = document(prompt("Which is $x$?", options=("$1$", "two")))
    assert asked.text == "Which is ⟦1⟧?\n\n⟦2⟧ ⟦3⟧\n⟦4⟧ two"
    assert (asked.options, asked.behind) == ((2, 4), True)
    assert asked.contents(asked.text) == {2: "⟦3⟧", 4: "two"}
    assert asked.body(asked.text) == "Which is ⟦1⟧?"


@pytest.mark.parametrize(
    "text",
    [
        "Which? (A) 1 (B) 2 (C) 3",
        "A. 1\nB. 2\nC. 3\n\nWhich?",
        "1) x\n2) y\n\nWhich?\n① 1\n② 2\n③ 3",
        "Of (A) and (B)\n(A) 1\n(B) 2\n(C) 3",
    ],
)
def test_options_are_found_wherever_their_labels_stand(text: str) -> None:
    asked = document(prompt(text, options=("1", "2", "3")))
    assert not asked.behind
    assert list(asked.contents(asked.text).values()) == ["1", "2", "3"]


def test_labelled_lines_that_are_no_options_are_not_taken_for_them() -> None:
    asked = document(prompt("1. boil\n2. pour\nWhat comes next?", options=("drink", "wait")))
    assert asked.behind
    assert list(asked.contents(asked.text).values()) == ["drink", "wait"]


@pytest.mark.parametrize(
    ("tests", "held"),
    [
        (
            '[{"input": "1", "output": "YES\\n"}, {"input": "2", "output": "NO"}, {"input": "3", "output": "two words"}]',
            ["YES", "NO"],
        ),
        ("assert is_even(4)\nassert len(is_even.__doc__)", ["is_even"]),
        ("[]", []),
        (None, []),
    ],
)
def test_words_that_the_tests_of_a_program_know_are_held(tests: str | None, held: list[str]) -> None:
    text = "Print YES if is_even holds, else print NO. Print it in two words at most, not YESTERDAY."
    asked = document(prompt(text, kind="code", tests=tests))
    assert [part.text for part in asked.held] == sorted(held, key=text.index)
    assert document(prompt(text, tests=tests)).held == ()  # of no program


# The checks, each of which can fail

FORMULA = prompt("Let $f(x)$ be a function with 3 roots. Find `g(2)` at https://a.example/b and explain.")
GOOD = "함수 ⟦1⟧의 근은 3개이다. ⟦3⟧에서 ⟦2⟧를 구하고 설명하라."
MCQ = prompt("Which of these animals has 4 legs in the wild?\n(A) the horse\n(B) the swan\n(C) the trout", options=("the horse", "the swan", "the trout"), kind="mcq", gold="A")  # fmt: skip
GOOD_MCQ = "다음 동물 가운데 야생에서 다리가 4개인 것은 무엇인가?\n⟦1⟧ 말\n⟦2⟧ 백조\n⟦3⟧ 송어"

CASES = [
    (FORMULA, GOOD, "kept"),
    (FORMULA, GOOD.replace("⟦1⟧", "함수"), "marks_differ"),
    (FORMULA, GOOD.replace("⟦1⟧", "$f(x)$"), "marks_differ"),
    (FORMULA, f"{GOOD} ⟦1⟧", "marks_differ"),
    (FORMULA, f"{GOOD} ⟦4⟧", "marks_differ"),
    (FORMULA, f"{GOOD} 단, $y$는 실수이다.", "markup_changed"),
    (FORMULA, GOOD.replace("⟦2⟧", "`⟦2⟧`"), "markup_changed"),
    (FORMULA, GOOD.replace("3개", "여러 개"), "numbers_differ"),
    (FORMULA, GOOD.replace("3개", "5개"), "numbers_differ"),
    (FORMULA, "Let ⟦1⟧ be a function with 3 roots. Find ⟦2⟧ at ⟦3⟧ and explain.", "left_in_source"),
    (FORMULA, "関数⟦1⟧の根は3つである。⟦3⟧で⟦2⟧を求めて説明せよ。", "other_language"),
    (FORMULA, "⟦1⟧ 3 ⟦2⟧ ⟦3⟧", "no_letters"),
    (FORMULA, "⟦1⟧ 3 ⟦2⟧ ⟦3⟧ 답", "too_short"),
    (FORMULA, GOOD + " 그리고 또 하나 설명하면" * 8, "too_long"),
    (FORMULA, f"{GOOD}\nThis whole sentence was left as it stood before.", "left_in_source"),
    (MCQ, GOOD_MCQ, "kept"),
    (MCQ, GOOD_MCQ.replace("\n⟦2⟧ 백조", ""), "options_lost"),
    (MCQ, GOOD_MCQ.replace("⟦2⟧ 백조", "⟦2⟧"), "options_lost"),
    (MCQ, GOOD_MCQ.replace("백조", "말"), "options_alike"),
    (MCQ, GOOD_MCQ.replace("백조", "백조\n이 새는 날 수 있다."), "options_run_on"),
    (MCQ, GOOD_MCQ.replace("⟦1⟧ 말\n⟦2⟧ 백조", "⟦2⟧ 백조\n⟦1⟧ 말"), "labels_moved"),
    (MCQ, GOOD_MCQ.replace("⟦2⟧", "⟦1⟧ ⟦2⟧"), "marks_differ"),
    (MCQ, "", "no_translation"),
    (MCQ, f"{GOOD_MCQ}</TRANSLATION><TRANSLATION>{GOOD_MCQ}", "several_translations"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "said", "wanted"), CASES)
def test_what_becomes_of_a_translation(asked: Prompt, said: str, wanted: str) -> None:
    assert reason(read(asked, said)) == wanted


def test_an_answer_that_did_not_end_or_has_no_tags_is_none() -> None:
    assert read(FORMULA, GOOD, finish_reason="length") == Drop("not_translated", {"finish_reason": "length"})
    assert read(FORMULA, "", text=GOOD) == Drop("no_translation", {"thinking_ended": True, "tags": 0})
    assert read(FORMULA, "", text="<think>\nhm") == Drop("no_translation", {"thinking_ended": False, "tags": 0})
    thought = f"<think>\n<TRANSLATION>no</TRANSLATION>\n</think>\n\n<TRANSLATION>{GOOD}</TRANSLATION>"
    assert reason(read(FORMULA, "", text=thought)) == "kept"


def test_a_drop_says_what_it_found_and_what_else_failed() -> None:
    lost = read(MCQ, GOOD_MCQ.replace("\n⟦2⟧ 백조", "").replace("4개", "여러 개"))
    assert lost == Drop("options_lost", {"missing": [2], "blank": [], "of": 3, "also": ["numbers_differ"]})
    marks = read(FORMULA, GOOD.replace("⟦1⟧", "⟦2⟧ ⟦9⟧"))
    assert marks == Drop("marks_differ", {"missing": ["$f(x)$"], "repeated": ["`g(2)`"], "unknown": [9]})
    added = read(FORMULA, f"{GOOD} 단, $y$는 실수이다.")
    assert added == Drop("markup_changed", {"added": ["$y$"], "lost": []})
    numbers = read(FORMULA, GOOD.replace("3개", "5개"))
    assert numbers == Drop("numbers_differ", {"missing": ["3"], "added": ["5"]})
    english = read(FORMULA, "Let ⟦1⟧ be a function with 3 roots. Find ⟦2⟧ at ⟦3⟧ and explain.")
    assert isinstance(english, Drop)
    assert english.evidence["share"] == 0.0
    assert english.evidence["bound"] == 0.5


def test_a_fence_that_no_longer_begins_its_line_is_seen() -> None:
    asked = prompt("Read this program.\n\n```py\nx = 1\n```\n\nWhat is the last value of it?")
    assert reason(read(asked, "다음 프로그램을 읽어라.\n\n⟦1⟧\n\n마지막 값은 무엇인가?")) == "kept"
    moved = read(asked, "다음 프로그램 ⟦1⟧ 의 마지막 값은 무엇인가? 읽고 답하라.")
    assert reason(moved) == "markup_changed"


def test_each_bound_decides() -> None:
    asked = prompt("Name the seven colours of the rainbow in their order, please, and explain them all.")
    said = "무지개의 일곱 색을 순서대로 말하고 그 모두에 대하여 자세히 설명하라.\nred orange yellow green"

    def by(**bounds: Any) -> str:
        return reason(ReadTranslation(bounds=TranslationBounds(**bounds))(trace(asked, said)))

    loose = {"share": 0.3, "line_share": 0.0}
    assert by(**loose) == "kept"
    assert by(line_share=0.0, share=0.7) == "left_in_source"
    assert by(share=0.3) == "left_in_source"  # its last line
    assert by(share=0.3, line_letters=30) == "kept"
    assert by(**loose, longest=0.5) == "too_long"
    assert by(**loose, shortest=0.9) == "too_short"
    assert by(**loose, shortest=0.9, least=500) == "kept"


def test_a_sentence_that_was_left_as_it_was_is_seen_among_others() -> None:
    left = "The shop sold nine red apples each day."
    asked = prompt(
        f"Read what is written and answer the question. {left} Find how many, and say in your own words why."
    )
    half = f"다음에 적힌 글을 끝까지 읽고 물음에 알맞은 답을 하시오. {left} 모두 몇 개인지 구하고 그 까닭을 자신의 말로 쓰시오."
    letters = sum(map(str.isalpha, left))
    for bound, wanted in ((letters, "left_in_source"), (letters + 1, "kept")):
        assert reason(ReadTranslation(bounds=TranslationBounds(run_letters=bound))(trace(asked, half))) == wanted
    drop = read(asked, half)
    assert isinstance(drop, Drop)
    assert (drop.reason, drop.evidence["text"].lstrip(". ")) == ("left_in_source", left)


@pytest.mark.parametrize(
    "bounds",
    [
        {"run_letters": 0},
        {"share": 1.1},
        {"line_share": -0.1},
        {"shortest": 1.0, "longest": 0.5},
        {"least": 0},
        {"line_letters": 0},
    ],
)
def test_bounds_that_cannot_be_are_refused(bounds: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        TranslationBounds(**bounds)


def test_a_translation_into_the_same_language_or_an_unknown_one_is_refused() -> None:
    with pytest.raises(UsageError, match="into itself"):
        ReadTranslation("ko", "ko")
    with pytest.raises(UsageError, match="no language 'xx'"):
        ReadTranslation("en", "xx")


# Worded tasks


def test_a_task_is_read_back_as_the_same_graph() -> None:
    for problem in make_problems(Request("en", 2, 6, direction="both"), 7, 20):
        asked = problem.prompt("tasks")
        child = kept(read(asked, problem.translated("ko")))
        assert (child.gold, child.graph, child.kind) == (problem.answer, asked.graph, "task")
        assert child.measures["translation_task"] == "same"
        assert child.measures["translation_gold"] == "kept"


def test_no_graph_no_task_and_another_task_are_three_things() -> None:
    first, second = make_problems(Request("en", 3, 3), 7, 2)
    asked = first.prompt("tasks")
    said = first.translated("ko")
    assert kept(read(FORMULA, GOOD)).measures["translation_task"] is None
    unparsed = read(asked, said.replace("구하라", "찾아보라"))
    assert reason(unparsed) == "task_unparsed"
    assert reason(read(second.prompt("tasks"), said)) != "kept"


def test_swapped_numbers_are_seen_by_the_graph_alone() -> None:
    english = "Bears are 3 in number. Lions are 5 more than bears. What is the number of lions?"
    said = "곰은 3마리이다. 사자는 곰보다 5마리 많다. 사자의 수를 구하라."
    graph = parse(english, "en", "zoo").graph
    asked = prompt(english, kind="task", gold="8", graph={"context": "zoo", **graph.to_json()})
    assert reason(read(asked, said)) == "kept"
    swapped = "곰은 5마리이다. 사자는 곰보다 3마리 많다. 사자의 수를 구하라."
    assert read(asked, swapped) == Drop("task_differs", {"query": "lion"})
    assert reason(read(prompt(english), swapped)) == "kept"  # of which nobody knows that it is a task


def test_a_graph_that_is_none_is_a_failure_and_no_verdict() -> None:
    first = next(make_problems(Request("en", 3, 3), 7, 1))
    broken = prompt(first.question, kind="task", graph={"context": first.context, "nodes": 3})
    with pytest.raises(BadGraph):
        read(broken, first.translated("ko"))


def test_sums_are_read_back_too() -> None:
    item = make_sum("en", 3, 5, 1, 4)
    asked = item.prompt("sums")
    assert reason(read(asked, f"{item.a} + {item.b}를 계산하라.")) == "kept"
    assert item.a != item.b
    assert read(asked, f"{item.b} + {item.a}를 계산하라.") == Drop("task_differs", {"found": f"{item.b} + {item.a}"})
    assert reason(read(asked, f"{item.a}에 {item.b}를 더하라.")) == "task_unparsed"


# What the child carries


def test_the_child_is_the_same_question_in_the_target_language() -> None:
    asked = prompt(
        FORMULA.text,
        category="OpenThought",
        source="s",
        url="u",
        attribution="a",
        split="train",
        measures={"difficulty": 3},
    )
    child = kept(read(asked, GOOD))
    assert child.text == "함수 $f(x)$의 근은 3개이다. https://a.example/b에서 `g(2)`를 구하고 설명하라."
    assert (child.id, child.parents, child.language) == ("p/0", ("p",), "ko")
    assert (child.category, child.source, child.url, child.attribution, child.split) == (
        "OpenThought",
        "s",
        "u",
        "a",
        "train",
    )
    found = child.measures
    assert found["origin"] == "translated"
    assert (found["translated_from"], found["translated_by"]) == ("en", "model at r1")
    assert (found["translation_marks"], found["translation_gold"]) == (3, "none")
    assert found["translation_target_share"] == 1.0
    assert isinstance(found["translation_length_ratio"], float)
    assert "difficulty" not in found  # measured on the source's text


def test_the_licence_is_that_of_the_trace_which_holds_the_teacher_s_terms() -> None:
    both = Licence(id="CC-BY-4.0 AND Terms", letter="B", evidence="x")
    assert kept(read(FORMULA, GOOD, licence=both)).licence == both


def test_options_become_those_of_the_translation() -> None:
    assert kept(read(MCQ, GOOD_MCQ)).options == ("말", "백조", "송어")
    asked = prompt(
        "Which number is a root of the equation $x^2 = 4$?", options=("$2$", "the number $5$"), kind="mcq", gold="A"
    )
    child = kept(read(asked, "방정식 ⟦1⟧의 근인 수는 무엇인가?\n\n⟦2⟧ ⟦3⟧\n⟦4⟧ 수 ⟦5⟧"))
    assert child.text == "방정식 $x^2 = 4$의 근인 수는 무엇인가?"
    assert child.options == ("$2$", "수 $5$")


@pytest.mark.parametrize(
    ("kind", "gold", "wanted"),
    [
        ("mcq", "A", "A"),
        ("mcq", "(B)", "(B)"),
        ("mcq", "the swan", "백조"),  # an option's text becomes the translated one
        ("mcq", "the whale", None),
        ("math", "42", "42"),
        ("math", "\\frac{1}{2}", "\\frac{1}{2}"),
        ("math", "42 apples", "42 apples"),
        ("math", "the horse", None),  # words of English, which no answer in Korean can equal
        ("open", "the horse", None),
        ("code", "print(1)", "print(1)"),
        ("math", None, None),
    ],
)  # fmt: skip
def test_gold_stays_where_it_can_be_proved(kind: Any, gold: str | None, wanted: str | None) -> None:
    asked = prompt(MCQ.text, options=MCQ.options, kind=kind, gold=gold, tests="assert True")
    child = kept(read(asked, GOOD_MCQ))
    assert (child.gold, child.tests) == (wanted, "assert True")
    outcome = "none" if gold is None else "left_out" if wanted is None else "kept"
    assert child.measures["translation_gold"] == outcome
    if outcome == "kept" and kind != "code":
        assert check_gold(child).verdict == "correct"


# Round trips

PIECES = ["$x$", "`y`", "⟦1⟧", "⟦2⟧", "\\boxed{z}", "https://a.example/b", "\n(A) ", "\n(B) ", "\n```\nc\n```\n", "12", "word", " ", "가", "</TRANSLATION>", "<think>", "$", "`"]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=14).map("".join),
    st.lists(
        st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map(lambda p: "".join(p).strip() or "x"),
        max_size=3,
        unique=True,
    ),
)
def test_a_teacher_that_returns_what_it_was_given_gives_back_text_and_options(text: str, options: list[str]) -> None:
    """Of everything but letters and their language nothing is changed; the options too come back as they were."""
    asked = prompt(text, options=tuple(options))
    what = document(asked)
    assert restore(what.body(what.text), what.held) == text.strip()
    contents = what.contents(what.text)
    assert [restore(contents[number], what.held).split() for number in what.options] == [
        option.split() for option in options
    ]


def test_it_survives_pickling_and_names_its_bounds() -> None:
    again = pickle.loads(pickle.dumps(READ))
    assert again == READ
    assert again(trace(FORMULA, GOOD)) == read(FORMULA, GOOD)
    others = [
        ReadTranslation("en", "ja"),
        ReadTranslation("ja", "ko"),
        ReadTranslation(bounds=TranslationBounds(least=41)),
    ]
    assert len({digest(identity(step, "s")) for step in (READ, *others)}) == 4


# Translations that people made


@pytest.mark.parametrize(("name", "target"), [("mgsm", "ja"), ("square", "ko")])
def test_translations_by_people_lie_within_the_bounds(name: str, target: str) -> None:
    if not DATA.is_dir():
        pytest.skip(f"the shared sample data is not at {DATA} (set YISANG_SHARED_DATA)")
    if name == "mgsm":
        texts = [
            [line.split("\t")[0] for line in (DATA / f"math/mgsm_{code}.tsv").read_text("utf-8").splitlines()]
            for code in ("en", "ja")
        ]
        found = list(zip(*texts, strict=True))
    else:
        with gzip.open(DATA / "text_ko/square_questions_valid.jsonl.gz", "rt", encoding="utf-8") as file:
            found = [(row["question_en"], row["question"]) for row in map(json.loads, file)]
    language = load(target)
    ratios, shares, runs = [], [], []
    for text, said in found:
        size = len("".join(text.split()))
        if size >= BOUNDS.least:
            ratios.append(len("".join(said.split())) / size)
        own, letters = script_counts(said, language)
        shares.append(own / letters)
        runs.append(sum(map(str.isalpha, longest_foreign_run(said, language))))
    ratios.sort()
    assert max(runs) <= 12 < BOUNDS.run_letters
    assert sum(BOUNDS.shortest <= ratio <= BOUNDS.longest for ratio in ratios) / len(ratios) > 0.995
    assert min(shares) > BOUNDS.share
    # 99 in 100, as the docstring of TranslationBounds says
    low, high = ratios[round(0.005 * len(ratios))], ratios[round(0.995 * len(ratios)) - 1]
    assert (round(low, 2), round(high, 2)) == {"mgsm": (0.41, 0.82), "square": (0.24, 0.63)}[name]


# What no check sees


def test_how_many_lost_or_untranslated_sentences_pass_in_questions_without_a_graph() -> None:
    """As docs/translation.md says. A sentence without a number leaves no trace; a short one in English may be a name."""
    lost, left = Counter[str](), Counter[str]()
    pairs = zip(make_problems(Request("en", 2, 6), 3, 300), make_problems(Request("ko", 2, 6), 3, 300), strict=True)
    for number, (english, korean) in enumerate(pairs):
        asked = prompt(english.question)
        before, after = english.question.split(". "), korean.question.split(". ")
        assert len(before) == len(after)
        place = Draw("sentence", number).below(len(after) - 1)
        lost[reason(read(asked, ". ".join(after[:place] + after[place + 1 :])))] += 1
        left[reason(read(asked, ". ".join([*after[:place], before[place], *after[place + 1 :]])))] += 1
    assert (lost["kept"], left["kept"]) == (57, 24)
