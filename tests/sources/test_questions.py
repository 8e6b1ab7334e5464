"""From a page to its prompts: what it asks by its own account, else its main text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from shared import read_all, shared

from yisang.records import Drop, Licence, Page, Prompt, content_id
from yisang.sources import HtmlFiles, PageToPrompts, Warc, questions

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


def texts(result: list[Prompt] | Drop) -> list[str]:
    assert isinstance(result, list), result
    return [prompt.text for prompt in result]


def single(result: list[Prompt] | Drop) -> Prompt:
    assert isinstance(result, list), result
    [prompt] = result
    return prompt


def reason(result: list[Prompt] | Drop) -> str:
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
    result = STEP(source)
    assert isinstance(result, list)
    first, second = result
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


def test_a_minimum_of_text_can_be_asked_for() -> None:
    assert reason(PageToPrompts("ko", min_text=7)(page("물음이다!?", "text/plain"))) == "no_text"
    assert texts(PageToPrompts("ko", min_text=6)(page("물음이다!?", "text/plain"))) == ["물음이다!?"]


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
