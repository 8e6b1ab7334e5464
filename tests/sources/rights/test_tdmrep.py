"""tdmrep.json reserves paths of a host; what cannot be read does not allow, and a page in its place says nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yisang.sources.rights.signals import Signal
from yisang.sources.rights.tdmrep import MAX_BYTES, TdmRep

HOST = "https://a.example"
Rule = dict[str, object]


def rule(location: object, reservation: object, **more: object) -> Rule:
    return {"location": location, "tdm-reservation": reservation, **more}


def read(*rules: object) -> TdmRep:
    return TdmRep.parse(json.dumps(rules).encode())


def said(tdm: TdmRep, path: str = "/a") -> bool | None:
    signal = tdm.signal(HOST + path)
    return None if signal is None else signal.allowed


def test_a_rule_tells_its_words_its_place_and_its_policy():
    tdm = read(rule("/open/", 0), rule("/글/", 1, **{"tdm-policy": "https://a.example/policy.json"}))
    assert tdm.signal(f"{HOST}/%ea%b8%80/1") == Signal(
        "tdmrep",
        False,
        '{"location": "/글/", "tdm-reservation": 1, "tdm-policy": "https://a.example/policy.json"}',
        ".well-known/tdmrep.json rule 2",
        "rights of text and data mining are reserved; policy: https://a.example/policy.json",
    )
    assert said(tdm, "/open/a") is True
    assert said(tdm, "/other") is None


@pytest.mark.parametrize(
    ("location", "path", "matches"),
    [
        ("/", "/any?thing", True),
        ("/images/*.jpg", "/images/a/b.jpg?c", True),
        ("/images/*.jpg$", "/images/a.jpg?c", False),
        ("/this/path/exactly$", "/this/path/exactly", True),
        ("/this/path/exactly$", "/this/path/exactly/not", False),
        ("/path/foo-%24", "/path/foo-$", True),
        ("*.pdf", "/a/b.pdf", True),
        ("Private", "/Private/a", True),
        ("/Private", "/private", False),
        ("https://a.example/dir/*", "/dir/b", True),
        (" / ", "/a", True),
    ],
)
def test_locations_are_patterns_of_paths(location, path, matches):
    assert said(read(rule(location, 1)), path) is (False if matches else None)


@pytest.mark.parametrize(
    ("rules", "path", "found"),
    [
        ([rule("/open", 0), rule("/", 1)], "/open/a", True),
        ([rule("/open", 0), rule("/", 1)], "/a", False),
        ([rule("/", 0), rule("/shut", 1)], "/shut/a", False),
        ([rule("/", 1), rule("/open", 0)], "/open/a", False),
        ([rule("/shut", 1), rule("/", 0)], "/a", True),
        ([rule("/a", 0), rule("/*a", 1), rule("/", 1)], "/a", False),
    ],
)
def test_the_first_rule_and_the_most_specific_one_must_both_allow(rules, path, found):
    assert said(read(*rules), path) is found


def check_both_readings(is_reserved) -> None:
    assert is_reserved([rule("/", 0), rule("/shut", 1)], "/shut/a")
    assert is_reserved([rule("/", 1), rule("/open", 0)], "/open/a")


def test_a_reader_that_knows_one_order_only_would_be_seen():
    def matching(rules: list[Rule], path: str) -> list[Rule]:
        return [each for each in rules if path.startswith(str(each["location"]))]

    check_both_readings(lambda rules, path: said(read(*rules), path) is False)
    with pytest.raises(AssertionError):
        check_both_readings(lambda rules, path: matching(rules, path)[0]["tdm-reservation"] == 1)
    with pytest.raises(AssertionError):
        check_both_readings(
            lambda rules, path: (
                max(matching(rules, path), key=lambda each: len(str(each["location"])))["tdm-reservation"] == 1
            )
        )


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (1, False),
        (0, True),
        ("1", False),
        ("0", True),
        (True, False),
        (False, True),
        (2, False),
        ("yes", False),
        (None, False),
        (0.5, False),
        ([], False),
        (10**30, False),
        ("", False),
    ],
)
def test_a_value_is_zero_or_one_and_nothing_else_allows(value, found):
    assert said(read(rule("/", value))) is found


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"not found",
        b'{"location": "/", "tdm-reservation": 0}',
        b'[{"location": "/b"}]',
        b"[1]",
        b'[{"tdm-reservation": 1}]',
        b'[{"location": 7, "tdm-reservation": 1}]',
        b'[{"location": "/b", "tdm-reservation": 0}, []]',
        b"[" * 100_000,
        b"\xff\xfe[",
        b"[" + b" " * MAX_BYTES + b"]",
        b'[{"location": "/b", "tdm-reservation": 1' + b"0" * 5000 + b"}",
    ],
)
def test_a_file_that_cannot_be_read_forbids_the_host(body):
    signal = TdmRep.from_response(200, "application/json", body).signal(f"{HOST}/a")
    assert signal is not None
    assert not signal.allowed
    assert "cannot be read" in signal.why


def test_an_empty_list_and_a_permission_without_location_say_nothing():
    assert said(read()) is None
    assert said(read({"tdm-reservation": 0})) is None


def test_a_byte_order_mark_is_skipped():
    assert said(TdmRep.parse(b'\xef\xbb\xbf[{"location": "/", "tdm-reservation": 1}]')) is False


@pytest.mark.parametrize(
    ("status", "kind", "body", "found"),
    [
        (404, "text/html", b"<html>", None),
        (410, "", b"", None),
        (403, "", b"[", None),
        (429, "", b"", False),
        (500, "text/html", b"<html>", False),
        (503, "", b"", False),
        (302, "", b"", False),
        (200, "text/html; charset=utf-8", b"\n<!DOCTYPE html><title>404</title>", None),
        (200, "application/json", b"<html>404</html>", None),
        (200, "text/html", "찾을 수 없습니다".encode("euc-kr"), None),
        (200, "text/plain", b"not found", False),
        (200, "", b" \n", None),
        (204, "", b"", None),
        (200, "text/html", b'[{"location": "/", "tdm-reservation": 1}]', False),
        (200, "text/html", b"{", False),
        (200, "application/json", b'[{"location": "/", "tdm-reservation": 0}]', True),
    ],
)
def test_what_an_answer_means(status, kind, body, found):
    assert said(TdmRep.from_response(status, kind, body)) is found


def test_a_failed_request_forbids_the_host():
    signal = TdmRep.unreadable("no answer").signal(HOST)
    assert signal is not None
    assert (signal.allowed, signal.why) == (False, "it cannot be read (no answer), so it does not allow")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(st.sampled_from(["location", "tdm-reservation", "tdm-policy"]), inside)
    ),
    max_leaves=8,
)


@given(st.binary(max_size=100) | JSON.map(lambda value: json.dumps(value).encode()), st.text(max_size=20))
def test_any_bytes_and_any_url_are_answered(body, url):
    signal = TdmRep.parse(body).signal(url)
    assert signal is None or signal.where
