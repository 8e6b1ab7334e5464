"""From a page to its prompts: what it asks by its own account, else its main text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from shared import read_all, run, shared

from yisang.pipelines.report import trace_record
from yisang.pipelines.steps import Each
from yisang.records import Drop, Licence, Page, Prompt, content_id
from yisang.sources import HtmlFiles, InputFile, PageToPrompts, Shard, SourceItem, Warc, questions

STEP = PageToPrompts("ko")
ANSWER = {"@type": "Answer", "text": "대답"}
PARAGRAPH = "이 글은 본문이 있는 보통의 글이다. 사람들은 이런 글을 읽고 무언가를 배운다. " * 8


def page(body: str | bytes, content_type: str = "text/html; charset=utf-8", status: int = 200) -> Page:
    data = body if isinstance(body, bytes) else body.encode()
    url = "https://qna.example.kr/1"
    headers = {"content-type": content_type} if content_type else {}
    licence = Licence(id="CC-BY-4.0", letter="A", evidence="host")
    return Page(
        id=content_id(url, data),
        url=url,
        status=status,
        headers=headers,
        body=data,
        category="qa",
        licence=licence,
    )


def with_jsonld(data: Any, text: str | None = None) -> str:
    script = json.dumps(data, ensure_ascii=False) if text is None else text
    return f'<html><head><script type="application/ld+json">{script}</script></head><body><p>{PARAGRAPH}</body>'


Result = list[Prompt | Drop] | Drop


def prompts(result: Result) -> list[Prompt]:
    assert isinstance(result, list), result
    return [member for member in result if isinstance(member, Prompt)]


def texts(result: Result) -> list[str]:
    return [prompt.text for prompt in prompts(result)]


def single(result: Result) -> Prompt:
    [prompt] = prompts(result)
    return prompt


def reason(result: Result) -> str:
    assert isinstance(result, Drop)
    return result.reason


def question(name: str = "왜 그런가?", **more: Any) -> dict[str, Any]:
    return {"@type": "Question", "name": name, "acceptedAnswer": ANSWER, **more}


SHAPES = {
    "QAPage with one": {"@type": "QAPage", "mainEntity": question()},
    "QAPage with a list": {"@type": ["WebPage", "QAPage"], "mainEntity": [question()]},
    "graph": {"@graph": [{"@type": "Person"}, {"@type": "QAPage", "mainEntity": question()}]},
    "list": [{"@type": "Article"}, question()],
    "alone": question(),
    "type as a list": {**question(), "@type": ["Thing", "Question"]},
    "type as an address": {**question(), "@type": "http://schema.org/Question"},
}


@pytest.mark.parametrize("data", SHAPES.values(), ids=SHAPES)
def test_a_question_is_found_in_every_shape_of_json_ld(data: Any) -> None:
    result = STEP(page(with_jsonld(data)))
    assert texts(result) == ["왜 그런가?"]
    assert single(result).measures["extractor"] == "jsonld"


def test_a_prompt_knows_where_it_comes_from() -> None:
    source = page(with_jsonld([question("하나"), question("둘")]))
    first, second = prompts(STEP(source))
    assert [first.id, second.id] == [f"{source.id}/0", f"{source.id}/1"]
    assert (first.url, first.source, first.parents) == (source.url, "qna.example.kr", (source.id,))
    assert (first.licence, first.category, first.language, first.attribution) == (
        source.licence,
        "qa",
        "ko",
        "",
    )
    assert first.measures == {"encoding": "utf-8", "decoded_by": "http", "extractor": "jsonld"}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("제목", "본문", "제목\n\n본문"),
        ("제목", "제목 그리고 본문", "제목 그리고 본문"),
        ("", "본문", "본문"),
        ("제목", None, "제목"),
        ("a &amp; b", "x < y 그리고 a<b", "a & b\n\nx < y 그리고 a<b"),
        ("제목", "<p>하나<br>둘</p><pre>for x:\n  y</pre>", "제목\n\n하나\n둘\nfor x:\n  y"),
        ("제목", "&lt;p&gt;하나&lt;/p&gt;", "제목\n\n하나"),
        ("한", "글", "한\n\n글"),
    ],
)
def test_the_text_of_a_question(name: str, text: str | None, expected: str) -> None:
    assert texts(STEP(page(with_jsonld(question(name, text=text))))) == [expected]


def test_questions_inside_answers_are_not_asked_by_the_page() -> None:
    data = question(suggestedAnswer={"@type": "Answer", "mainEntity": question("남의 물음")})
    assert texts(STEP(page(with_jsonld(data)))) == ["왜 그런가?"]


@pytest.mark.parametrize("wrap", ["<!-- {} -->", "//<![CDATA[\n{}\n//]]>", "/*<![CDATA[*/{}/*]]>*/", "{};", "\n{}\n"])
def test_json_in_comments_or_with_a_tail_is_read(wrap: str) -> None:
    script = wrap.replace("{}", json.dumps(question(text="줄\n바꿈")).replace("\\n", "\n"))
    assert texts(STEP(page(with_jsonld(None, script)))) == ["왜 그런가?\n\n줄\n바꿈"]


@pytest.mark.parametrize(
    "script", ["{broken", "[" * 99_999, "", "5", '{"@type": 5}', '{"@type": "Question", "name": 7}']
)
def test_json_that_says_nothing_leaves_the_main_text(script: str) -> None:
    result = STEP(page(with_jsonld(None, script)))
    assert "이 글은 본문이 있는" in texts(result)[0]
    assert single(result).measures["extractor"] == "trafilatura"


def test_the_main_text_stands_under_its_title_once() -> None:
    plain = f"<html><head><title>제목이다</title></head><body><article><p>{PARAGRAPH}</p></article></body></html>"
    [text] = texts(STEP(page(plain)))
    assert text.startswith("제목이다\n\n이 글은")
    headed = plain.replace("<article>", "<article><h1>제목이다</h1>")
    [text] = texts(STEP(page(headed)))
    assert text.count("제목이다") == 1


def test_comments_of_readers_are_left_out() -> None:
    comments = '<div id="comments" class="comments"><p>' + "댓글입니다. " * 30 + "</p></div>"
    body = f"<html><body><article><p>{PARAGRAPH}</p></article>{comments}</body></html>"
    assert "댓글입니다" not in texts(STEP(page(body)))[0]


def test_an_old_declaration_in_the_page_does_not_spoil_the_text() -> None:
    head = '<?xml version="1.0" encoding="EUC-KR"?><html><head><meta charset="euc-kr"></head>'
    body = f"{head}<body><p>{PARAGRAPH}</p></body></html>".encode("cp949")
    prompt = single(STEP(page(body, "text/html")))
    assert prompt.text.startswith("이 글은 본문이 있는")
    assert prompt.measures["encoding"] == "cp949"


def test_drops_name_their_reason() -> None:
    assert reason(STEP(page("x", status=404))) == "http_status"
    image = STEP(page(b"\x89PNG", "image/png"))
    assert isinstance(image, Drop)
    assert (image.reason, image.evidence) == ("not_html", {"content_type": "image/png"})
    assert reason(STEP(page(b"\x89PNG", ""))) == "not_html"
    assert reason(STEP(page(""))) == "no_text"
    assert reason(STEP(page("<html><!-- nothing --></html>"))) == "no_text"
    assert reason(STEP(page(" \n", "text/plain"))) == "no_text"


def check_that_each_question_is_accounted_for(step: Callable[[Page], Any], out: Path) -> None:
    """A page of four questions, two of them blank, in whole runs, also in the child process of `isolate`."""
    source = page(with_jsonld([question("하나"), question(""), question("둘"), question(" ", text="<p> </p>")]))
    for isolate in (False, True):
        where = out / str(isolate)
        books = run(Pages((source,)), where, Each(step, on=Page, name="questions", isolate=isolate))
        made = books.steps[-1]
        assert (made.taken, made.born, made.kept, made.dropped) == (1, 3, 2, {"blank_question": 2})
        assert made.dropped_by_category == {"qa": 2}
        dropped = [entry for entry in trace_record(str(where), source.id) if entry["what"] == "dropped"]
        assert [(entry["id"], entry["evidence"]) for entry in dropped] == [
            (f"{source.id}/1", {"number": 1, "of": 4}),
            (f"{source.id}/3", {"number": 3, "of": 4}),
        ]
        assert "body" not in dropped[0]["record"]  # a page of many blanks is not stored as often


def test_a_blank_question_is_a_drop_beside_the_prompts_of_its_page(tmp_path: Path) -> None:
    check_that_each_question_is_accounted_for(STEP, tmp_path)


def test_a_step_that_leaves_blank_questions_out_would_be_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        check_that_each_question_is_accounted_for(without_drops, tmp_path)


def without_drops(source: Page) -> list[Prompt]:
    return prompts(STEP(source))


def test_blank_questions_of_a_page_that_gives_its_main_text_are_told_too() -> None:
    result = STEP(page(with_jsonld([question(""), question("")])))
    assert isinstance(result, list)
    assert single(result).id.endswith("/0")
    assert [member.record.id[-2:] for member in result if isinstance(member, Drop) and member.record] == ["/1", "/2"]
    empty = STEP(page('<script type="application/ld+json">{"@type": "Question"}</script>'))
    assert empty == Drop("no_text", {"extractor": "trafilatura", "blank_questions": 1, "unread_nodes": 0})


def test_questions_beyond_the_cap_of_nodes_leave_a_drop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = [question(f"물음 {number}") for number in range(9)]
    for nodes, kept in ((10, 9), (9, 8), (2, 1)):  # the list itself is a node
        monkeypatch.setattr(questions, "MAX_NODES", nodes)
        found = page(with_jsonld(data))
        made = run(Pages((found,)), tmp_path / str(nodes), Each(STEP, on=Page, name="questions")).steps[-1]
        assert (made.kept, made.dropped) == (kept, {"too_many_nodes": 1} if kept < 9 else {})
    assert prompts(STEP(found)) == STEP(found)[:-1]  # type: ignore[index]
    assert STEP(found)[-1] == Drop("too_many_nodes", {"max_nodes": 2, "unread_nodes": 8})  # type: ignore[index]


def test_the_cap_of_nodes_is_for_the_page_and_not_for_each_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "MAX_NODES", 3)
    script = with_jsonld(question())
    result = STEP(page(script * 5))
    assert len(prompts(result)) == 3
    assert isinstance(result, list)
    assert result[-1] == Drop("too_many_nodes", {"max_nodes": 3, "unread_nodes": 2})


@dataclass(frozen=True)
class Pages:
    """A source of given pages."""

    pages: tuple[Page, ...]
    name: str = "pages"

    def shards(self) -> list[Shard]:
        return [Shard("memory")]

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        yield from self.pages

    def count(self, shard: Shard) -> int | None:
        return len(self.pages)

    def inputs(self) -> list[InputFile]:
        return []


def test_a_giant_is_dropped_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "MAX_CHARACTERS", 50)
    assert reason(STEP(page("<p>" + "x" * 50))) == "too_large"
    assert reason(STEP(page("x" * 51, "text/plain"))) == "too_large"
    assert texts(STEP(page("x" * 50, "text/plain"))) == ["x" * 50]


def test_bytes_that_are_no_text_rise_to_the_runner() -> None:
    with pytest.raises(UnicodeError):
        STEP(page(b"<p>" + bytes(range(128, 256)) * 30 + b"\0\1\2\3" * 99))


HOSTILE = [
    "<div>" * 50_000 + "x",
    "<p>\0" + PARAGRAPH,
    "<script" * 200_000,
    " " * 500_000 + "<p>x",
    "<" * 300_000,
    '<script type="application/ld+json">' * 20_000,
]


@pytest.mark.parametrize("source", HOSTILE, ids=lambda source: source[:12].strip())
def test_hostile_markup_is_survived(source: str) -> None:
    result = STEP(page(source))
    assert isinstance(result, Drop) or texts(result)


def test_real_manual_pages_give_korean_text() -> None:
    pages = [item for item in read_all(HtmlFiles(shared("html/apache_httpd_manual.tar.gz"))) if isinstance(item, Page)]
    korean = [page for page in pages if page.url.endswith(".euc-kr")]
    for item in korean:
        prompt = single(STEP(item))
        hangul = sum("가" <= character <= "힣" for character in prompt.text)
        assert hangul > 10, item.url
        assert "\ufffd" not in prompt.text
        assert prompt.source == "html"
    assert len(korean) == 45


def test_a_page_of_a_crawl_and_its_text_version_both_give_a_prompt() -> None:
    for name, extractor in (("whirlwind.warc.gz", "trafilatura"), ("whirlwind.warc.wet.gz", "plain")):
        [item] = [item for item in read_all(Warc(shared(f"warc/commoncrawl/{name}"))) if isinstance(item, Page)]
        prompt = single(STEP(item))
        assert prompt.text.startswith("Escopete")
        assert prompt.measures["extractor"] == extractor
