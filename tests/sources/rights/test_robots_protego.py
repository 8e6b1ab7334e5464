"""Beside Protego on real files: each verdict that differs is explained by a rule of RFC 9309 that Protego reads otherwise.

An explanation is not believed but tried: the file, or the URL, is changed in a way that means nothing under RFC 9309 and takes away what
Protego stumbles over. Then our verdict must stay, and Protego's must become ours.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

import pytest
from protego import Protego
from shared import shared

from bench.robots import AGENTS, generated_files, sample_files, urls
from yisang.sources.rights.robots import Robots

Verdict = Callable[[bytes, str, str], bool]
Change = Callable[[str, str, str], tuple[str, str]]
"""(robots.txt, agent, URL) → the two with the same meaning, without the trouble."""

_AGENT_LINE = re.compile(r"^(\s*user-?\s?agent\s*:?[ \t]*)([^#\r\n]*)", re.I | re.M)
_OTHER_RECORD = re.compile(r"^[ \t]*(?:crawl-delay|request-rate|visit-time|noindex)\b.*$", re.I | re.M)


def only_own_tokens(text: str, agent: str, url: str) -> tuple[str, str]:
    """RFC 9309 2.2.1: a group is ours where its token equals ours. The groups of other tokens get a name that is in nobody's."""

    def renamed(match: re.Match[str]) -> str:
        token = re.match(r"[A-Za-z_-]*", match[2])
        own = match[2].strip() == "*" or (token and token[0].lower() == agent.lower())
        return match[0] if own else f"{match[1]}zzzz"

    return _AGENT_LINE.sub(renamed, text), url


def no_other_records(text: str, agent: str, url: str) -> tuple[str, str]:
    """RFC 9309 2.2.4: other records must not end a group. They are taken out."""
    return _OTHER_RECORD.sub("", text), url


def question_marks_apart(text: str, agent: str, url: str) -> tuple[str, str]:
    """RFC 3986 2.2: an encoded question mark is data, a plain one divides. The encoded one gets another name on both sides."""
    return (re.sub("%3f", "-3F-", each, flags=re.I) for each in (text, url))  # type: ignore[return-value]


EXPLANATIONS: dict[str, Change] = {
    "Protego takes a group for ours whose name is a part of our token": only_own_tokens,
    "Protego ends a group at Crawl-delay and other records": no_other_records,
    "Protego takes an encoded question mark for a plain one": question_marks_apart,
}


@lru_cache(maxsize=64)
def robots_of(body: bytes) -> Robots:
    return Robots.parse(body)


@lru_cache(maxsize=64)
def protego_of(body: bytes) -> Protego:
    return Protego.parse(body.decode("utf-8-sig", "ignore"))


def ours(body: bytes, agent: str, url: str) -> bool:
    return robots_of(body).verdict(agent, url).allowed


def protegos(body: bytes, agent: str, url: str) -> bool:
    return protego_of(body).can_fetch(url, agent)


def explanation(verdict: Verdict, body: bytes, agent: str, url: str) -> str:
    found = verdict(body, agent, url)
    text = body.decode("utf-8-sig", "ignore")
    for name, change in EXPLANATIONS.items():
        changed, asked = change(text, agent, url)
        if verdict(changed.encode(), agent, asked) is found is protegos(changed.encode(), agent, asked):
            return name
    return "unexplained"


def differences(verdict: Verdict, files: Iterable[tuple[str, bytes]]) -> tuple[int, Counter[str], list[str]]:
    """How many verdicts were compared, how many differ by explanation, and the first that have none."""
    compared, explained, unexplained = 0, Counter[str](), []
    for host, body in files:
        asked = [(agent, url) for agent in AGENTS for url in urls(host, body)]
        compared += len(asked)
        for agent, url in asked:
            if verdict(body, agent, url) is not protegos(body, agent, url):
                why = explanation(verdict, body, agent, url)
                explained[why] += 1
                if why == "unexplained":
                    unexplained.append(f"{agent} {url}: {verdict(body, agent, url)}")
    return compared, explained, unexplained


@pytest.fixture(scope="module")
def files() -> list[tuple[str, bytes]]:
    return sample_files(Path(shared("robots/protego_robots_a.tar.gz")))


def test_each_difference_on_real_files_is_explained(files):
    compared, explained, unexplained = differences(ours, files)
    assert len(files) == 178
    assert compared > 100_000
    assert unexplained == []
    assert set(explained) == set(EXPLANATIONS), "an explanation that explains nothing is to go"


def test_each_difference_on_generated_files_is_explained():
    """For where the sample is not; stars, prefixes and spellings alone make no difference."""
    compared, explained, unexplained = differences(ours, generated_files(20))
    assert compared > 10_000
    assert unexplained == []
    assert set(explained) <= set(EXPLANATIONS)


def test_a_wrong_matcher_has_differences_that_nothing_explains():
    def blind_to_allow(body: bytes, agent: str, url: str) -> bool:
        return ours(re.sub(rb"(?im)^allow", b"ignored", body), agent, url)

    def deaf_to_letter_case(body: bytes, agent: str, url: str) -> bool:
        return ours(body, agent, url.upper())

    for wrong in (blind_to_allow, deaf_to_letter_case):
        assert differences(wrong, generated_files(3))[2]
