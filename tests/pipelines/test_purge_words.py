"""What a purge looks for: addresses in all their spellings, ids, passages of texts; and answers of before, which name no prompt."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yisang.errors import UsageError
from yisang.pipelines.purge_answers import ToPurged, count_answers, open_store, purge_answers, said_key
from yisang.pipelines.purge_passages import PIECE, WINDOW, Passages, hashes, passages_of
from yisang.pipelines.purge_select import Chosen, Head
from yisang.pipelines.purge_target import Target
from yisang.storage import TEMPORARY
from yisang.teachers.answers import AnswerStore, answer_key, new_answer
from yisang.teachers.generation import generation
from yisang.teachers.segments import line_of

HOST = Target.of(["Forum.Example.org."], [])
PAGE = Target.of([], ["https://a.example/질문 1?q=가&r=2"])


@pytest.mark.parametrize(
    ("url", "matches"),
    [
        ("http://forum.example.org/", True),
        ("https://FORUM.example.org:8443/a?b", True),
        ("forum.example.org/a", True),
        ("https://forum.example.org./a", True),
        ("https://a.forum.example.org/", False),
        ("https://forum.example.org.evil.example/", False),
        ("https://evil.example/?u=forum.example.org", False),
        ("http://[broken", False),
        ("", False),
    ],
)
def test_a_host_is_told_from_others(url: str, matches: bool):
    assert HOST.matches(url) is matches


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ("see forum.example.org.", True),
        ("FORUM.EXAMPLE.ORG", True),
        ("u=http%3A%2F%2Fforum.example.org%2Fa", True),
        ("me@forum.example.org, me%40forum.example.org", True),
        ('{"text":"a\\nforum.example.org"}', True),
        ("?next=%3Dforum.example.org%20forum", True),
        ('{"text":"\\u003dforum.example.org"}', True),
        ("www/forum.example.org-00000.warc.gz", True),
        ("logs/forum.example.org.log", True),
        ("forum.example.org.log.example", False),
        ("forum.example.org-2.example", False),
        ("myforum.example.org", False),
        ("sub.forum.example.org", False),
        ("forum.example.organic", False),
        ("forum.example.org.evil.example", False),
    ],
)
def test_a_name_is_found_in_bytes(data: str, named: bool):
    assert HOST.named_in(data) is named
    assert bool(HOST.times_named_in(data.encode())) is named


def test_subdomains_are_meant_only_when_they_are_asked_for():
    wide = Target.of(["forum.example.org"], [], subdomains=True)
    assert wide.matches("https://a.b.forum.example.org/")
    assert wide.named_in("a.b.forum.example.org")
    assert HOST.is_below("https://a.b.forum.example.org/")
    assert not wide.is_below("https://a.b.forum.example.org/")


def test_a_host_in_letters_is_the_one_in_ascii():
    target = Target.of(["한국.example"], [])
    assert target.matches("http://xn--3e0b707e.example/")
    assert target.matches("http://한국.example/")
    assert target.named_in("http://한국.example/")
    assert target.named_in(b"xn--3e0b707e.example")
    escaped = "http://%ED%95%9C%EA%B5%AD.example/"
    assert target.matches(escaped)
    for spelt in (escaped, escaped.lower(), json.dumps("http://한국.example/")):
        assert target.named_in(spelt)
        assert target.times_named_in(spelt.encode()) == 1


@pytest.mark.parametrize(
    ("url", "matches"),
    [
        ("http://A.example:80/%EC%A7%88%EB%AC%B8%201?q=%EA%B0%80&r=2#top", True),
        ("https://a.example/질문 1?q=가&r=2", True),
        ("https://a.example/질문 1?q=가&r=23", False),
        ("https://a.example/질문 1", False),
        ("https://a.example:8443/질문 1?q=가&r=2", False),
    ],
)
def test_a_page_is_known_in_all_its_spellings(url: str, matches: bool):
    assert PAGE.matches(url) is matches
    if matches and ":80" not in url:
        assert PAGE.named_in(url)
        assert PAGE.named_in(json.dumps(url).replace("/", "\\/"))
        assert PAGE.named_in(json.dumps(url).replace("&", "\\u0026"))
        assert PAGE.named_in(url.replace("&", "&amp;"))
    if not matches:
        assert not PAGE.named_in(url)


@pytest.mark.parametrize("host", ["", "localhost", "https://a.example/", "a.example/b"])
def test_what_is_no_host_is_refused(host: str):
    with pytest.raises(UsageError, match="no name of a host"):
        Target.of([host], [])


@pytest.mark.parametrize(
    "url", ["", "a.example/b", "file:///a", "https://", "https://[broken/a", "https://a.example:99999/b"]
)
def test_what_is_no_page_is_refused(url: str):
    with pytest.raises(UsageError, match="no address of a page"):
        Target.of([], [url])


# Passages


@settings(deadline=None)  # the first one makes a table
@given(st.binary(min_size=200, max_size=400), st.binary(max_size=100), st.binary(max_size=100))
def test_a_text_is_found_wherever_it_stands(text: bytes, before: bytes, after: bytes):
    known = passages_of([text])
    found = known.found(before + text + after)
    assert set(known.known) <= set(found)


def test_it_is_found_across_the_pieces_that_are_searched_one_by_one():
    text = os.urandom(300)
    known = passages_of([text])
    assert len(known) > 30
    for place in (PIECE - 150, PIECE - WINDOW, PIECE):
        data = bytes(place) + text + bytes(100)
        assert set(known.found(data)) == set(known.known), place


def test_other_texts_have_none_of_it():
    known = passages_of([os.urandom(10_000)])
    assert len(known.found(os.urandom(10_000_000))) == 0
    assert len(hashes(b"short")) == 0


def test_it_is_found_in_base64_as_drops_hold_pages():
    body = os.urandom(3_000)
    known = passages_of([body[400:900]])
    assert len(known.found(b'{"body":"' + base64.b64encode(body) + b'"}')) == len(known)


def test_what_others_say_too_is_no_passage_of_it():
    shared, own = os.urandom(500), os.urandom(500)
    known = passages_of([shared + own]).without([shared])
    assert len(known.found(shared)) == 0
    assert len(known.found(own)) == len(passages_of([own]))


# Ids


def test_ids_are_found_with_their_children_and_not_inside_of_longer_numbers():
    chosen = Chosen(HOST, {"ab" * 16, "a row/7"})
    chosen.close()
    said = f"{'ab' * 16}/0/1, {'ab' * 17}, {'cd' * 16}"
    assert chosen.named_in(said.encode()) == {f"{'ab' * 16}/0/1"}
    assert chosen.without_ids(said) == f"(purged), {'ab' * 17}, {'cd' * 16}"
    plain = Chosen(HOST, {"question-17"})
    plain.close()
    assert plain.named_in(b'{"id":"question-17/0"} question-171') == {"question-17/0"}


def test_a_record_goes_with_any_of_its_parents():
    chosen = Chosen(HOST, {"a" * 32})
    assert chosen.takes(Head(id="b" * 32, url="https://other.example/", parents=("c" * 32, "a" * 32 + "/3")))
    assert chosen.takes(Head(id="x", trace=Head(id="y", prompt=Head(id="z", url="http://forum.example.org/"))))
    assert not chosen.takes(Head(id="b" * 32, parents=("c" * 32,)))


# Answers of before


def stored(folder: Path, texts: dict[str, str], prompts: dict[str, str]) -> AnswerStore:
    with AnswerStore(folder) as store:
        for name, text in texts.items():
            key = answer_key({"q": name}, "1", 0)
            store.put(key, new_answer(key, "m", "1", 0, generation(text, finish_reason="stop"), prompts.get(name, "")))
    return AnswerStore(folder)


def test_answers_that_name_no_prompt_go_by_their_words(tmp_path: Path):
    words = "하나의 긴 문장이 여기 있고 다른 곳에는 없으며 그래서 이것으로 알아볼 수 있습니다. " * 2
    texts = {
        "theirs": f"그러니까 {words}",
        "named": "see http://forum.example.org/1",
        "others": "전혀 다른 이야기입니다. " * 9,
        "kept": f"다른 질문의 답이지만 {words}",
        "asked": "짧은 답",
        "short": "나는 모른다",
    }
    store = stored(tmp_path / "answers", texts, {"kept": "b" * 32, "asked": "a" * 32})
    chosen = Chosen(HOST, {"a" * 32})
    goes = ToPurged((chosen,), (passages_of([words.encode()]),), frozenset({said_key("m", "1", 0, "나는 모른다")}))
    assert count_answers(store, goes) == 4
    assert purge_answers(store, goes) == 4
    again = open_store(str(tmp_path / "answers"))
    assert again is not None
    left = again.get_many([answer_key({"q": name}, "1", 0) for name in texts])
    assert {answer.generation.text for answer in left.values()} == {texts["others"], texts["kept"]}
    assert purge_answers(again, goes) == 0


def test_broken_lines_and_what_killed_compactions_left_go_too(tmp_path: Path):
    store = stored(tmp_path / "answers", {"a": "하나", "b": "둘"}, {"a": "c" * 32, "b": "d" * 32})
    segment = tmp_path / "answers" / store.segments()[0]
    segment.write_bytes(segment.read_bytes() + b"00000000 {damaged forum.example.org}\nhalf of forum.example.org")
    (segment.parent / f"{TEMPORARY}0-x.seg").write_bytes(b"forum.example.org")
    os.utime(segment.parent / f"{TEMPORARY}0-x.seg", (1, 1))
    assert purge_answers(AnswerStore(tmp_path / "answers"), ToPurged((Chosen(HOST),), (Passages(),))) == 0
    data = b"".join(path.read_bytes() for path in (tmp_path / "answers").rglob("*") if path.is_file())
    assert b"forum" not in data
    assert data.count(b'"key"') == 2


def test_a_line_without_a_prompt_is_written_as_before():
    answer = new_answer("0" * 64, "m", "1", 0, generation("x", finish_reason="stop"))
    assert b'prompt"' not in line_of(answer)
    assert b'"prompt":"p"' in line_of(new_answer("0" * 64, "m", "1", 0, answer.generation, "p"))


def test_a_store_that_is_none_is_refused(tmp_path: Path):
    from yisang.pipelines.purge import Where, purge

    with pytest.raises(UsageError, match="no answer store"):
        purge(HOST, Where((), (str(tmp_path),), (str(tmp_path),)))
