"""Which pages of the open web are lists of questions, told by their addresses."""

from __future__ import annotations

import pytest

from yisang.pipelines.recipes.quickstart import not_an_index
from yisang.records import Drop, Page

INDEXES = ["", "/", "/list/1", "/list/17", "/bbs/board.php", "/bbs/board.php?bo_table=qna&page=2"]
QUESTIONS = [
    "/?document_srl=1234567", "/?p=77", "?p=77", "/list/of-questions/17", "/list/17/answers", "/list/", "/lists/3",
    "/bbs/board.php?bo_table=qna&wr_id=3", "/questions/17",
]  # fmt: skip


@pytest.mark.parametrize("path", INDEXES)
def test_front_pages_and_numbered_lists_leave(path: str) -> None:
    found = not_an_index(Page(id="x", url=f"https://a.example{path}"))
    assert isinstance(found, Drop)
    assert found.reason == "index_page"


@pytest.mark.parametrize("path", QUESTIONS)
def test_pages_of_questions_stay(path: str) -> None:
    asked = Page(id="x", url=f"https://a.example{path}")
    assert not_an_index(asked) is asked
    moved = Page(id="x", url=f"https://a.example{path}", final_url="https://a.example/")
    assert isinstance(not_an_index(moved), Drop)
