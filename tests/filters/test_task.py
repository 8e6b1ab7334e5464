"""Posts that hold a worded task become the task; others leave."""

from __future__ import annotations

import msgspec
import pytest

from yisang.filters.grade import VerifyTask
from yisang.filters.task import RecogniseTask
from yisang.records import Drop, Licence, Prompt, Trace, content_id
from yisang.tasks.problems import Request, make_problem
from yisang.tasks.verify import verify_response


def post(text: str) -> Prompt:
    return Prompt(
        id=content_id(text),
        text=text,
        language="ko",
        url="http://a.example/1",
        category="Math",
        measures={"length": 90},
    )


def recognised(prompt: Prompt, *languages: str) -> Prompt:
    found = RecogniseTask(languages or ("ko",))(prompt)
    assert isinstance(found, list)
    (task,) = found
    return task


@pytest.mark.parametrize("preset", ["general", "narrow"])
@pytest.mark.parametrize("index", range(5))
def test_the_task_of_a_post_is_its_line_with_gold_and_graph(preset: str, index: int) -> None:
    problem = make_problem(Request(low=2, high=4, preset=preset), 3, index)
    asked = post(f"어디서부터 읽어야 하나요\n\n동생이 물어본 문제입니다.\n\n{problem.question}\n고맙습니다.")
    found = recognised(asked)
    assert found.text == problem.question
    assert (found.gold, found.kind, found.language) == (problem.answer, "task", "ko")
    assert (found.url, found.category) == (asked.url, asked.category)
    assert found.id != asked.id
    assert found.parents == (asked.id,)
    assert found.measures == {}  # what was measured of the post is not true of its task
    # What it says of the task is enough to verify an answer, and to see a fault in one.
    for text, verdict in (
        (problem.trace, "verified"),
        (problem.trace.replace(problem.answer, "1" + problem.answer), "flawed"),
    ):
        trace = Trace(id="t", prompt=found, sample=0, text=text, teacher="t", revision="1")
        assert VerifyTask()(trace).verdicts["process"] == verdict


def test_the_same_task_of_two_posts_is_two_prompts() -> None:
    question = make_problem(Request(low=2, high=2, preset="narrow"), 3, 0).question
    first, second = (recognised(post(f"{greeting}\n\n{question}")) for greeting in ("안녕하세요.", "반갑습니다."))
    assert first.text == second.text
    assert first.id != second.id


def test_two_tasks_of_a_post_are_two_prompts() -> None:
    questions = [make_problem(Request(low=2, high=2, preset="narrow"), 3, index).question for index in (0, 1)]
    found = RecogniseTask()(post("두 문제가 막혔어요.\n" + "\n".join(questions)))
    assert isinstance(found, list)
    assert [task.text for task in found] == questions
    assert len({task.id for task in found}) == 2


@pytest.mark.parametrize(
    "text",
    [
        "서울의 인구는 몇 명인가요?",
        "사자는 3마리이다. 곰은 사자보다 2마리 많다.",  # asks nothing
        "곰은 사자보다 2마리 많다. 곰의 수를 구하라.",  # has no solution
    ],
)
def test_what_holds_no_task_leaves(text: str) -> None:
    found = RecogniseTask()(post(text))
    assert isinstance(found, Drop)
    assert found.reason == "no_task"


def test_only_the_named_languages_are_looked_at() -> None:
    english = make_problem(Request("en", 2, 2), 3, 0)
    assert isinstance(RecogniseTask(("ko",))(post(english.question)), Drop)
    found = recognised(post(english.question), "ko", "en")
    assert found.language == "en"
    assert found.text == english.question
    assert verify_response(make_problem(Request("en", 2, 2), 3, 0).graph, english.trace, "en", english.context).verified
    assert RecogniseTask(("ko",)).identity() != RecogniseTask(("ko", "en")).identity()


def test_no_part_is_cut_out_of_what_may_not_be_changed() -> None:
    question = make_problem(Request(low=2, high=2), 3, 0).question
    terms = Licence(id="CC-BY-ND-4.0", letter="B", evidence="the site's terms", derive=False)
    closed = msgspec.structs.replace(post(f"안녕하세요.\n\n{question}"), licence=terms)
    found = RecogniseTask()(closed)
    assert isinstance(found, Drop)
    assert (found.reason, found.evidence["licence"]) == ("no_derivatives", "CC-BY-ND-4.0")
    assert RecogniseTask(others=True)(closed) is closed
    # The whole text is no part of it, and without a task nothing would be cut.
    whole = msgspec.structs.replace(closed, text=question)
    assert recognised(whole).text == question
    nothing = RecogniseTask()(msgspec.structs.replace(closed, text="어디서부터 읽어야 하나요"))
    assert isinstance(nothing, Drop)
    assert nothing.reason == "no_task"


def test_the_task_of_a_translated_post_is_still_translated() -> None:
    question = make_problem(Request(low=2, high=2), 3, 0).question
    translated = msgspec.structs.replace(post(question), measures={"translated_by": "t at 1", "length": 9})
    assert recognised(translated).measures == {"translated_by": "t at 1"}


def test_others_may_stay_and_a_task_that_is_known_stays_itself() -> None:
    asked = post("어디서부터 읽어야 하나요")
    assert RecogniseTask(("ko",), others=True)(asked) is asked
    known = recognised(post(make_problem(Request(low=2, high=2), 3, 0).question))
    for others in (False, True):
        assert RecogniseTask(("ko",), others=others)(known) is known
