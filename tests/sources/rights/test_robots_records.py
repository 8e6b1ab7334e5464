"""What else robots.txt says: sitemaps, delays, and whether what is fetched may train a model."""

from __future__ import annotations

import pytest

from yisang.sources.rights.robots import Robots
from yisang.sources.rights.signals import Signal

HOST = "https://a.example"


def test_sitemaps_are_told_once_and_in_order():
    text = (
        "Sitemap: https://a.example/1.xml\nUser-agent: *\nSite-map: /2.xml\nsitemap https://a.example/3.xml\n"
        "Sitemaps: https://a.example/1.xml\nSitemap:\nSitemap: https://a.example/글.xml\n"
    )
    assert Robots.parse(text.encode()).sitemaps == (
        "https://a.example/1.xml",
        "/2.xml",
        "https://a.example/3.xml",
        "https://a.example/글.xml",
    )


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        ("5", 5.0),
        ("0.5", 0.5),
        (".5", 0.5),
        ("10 # slow", 10.0),
        ("-1", None),
        ("nan", None),
        ("1e9", None),
        ("10s", None),
        ("", None),
        ("1_0", None),
    ],
)
def test_crawl_delay_is_a_number_of_seconds(stated, seconds):
    assert Robots.parse(f"User-agent: *\nCrawl-delay: {stated}\n".encode()).crawl_delay("yisang") == seconds


def test_crawl_delay_is_that_of_the_own_group_and_the_longest_of_several():
    text = "User-agent: *\nCrawl-delay: 9\nDisallow: /x\nUser-agent: yisang\nCrawl-delay: 1\nCrawl-delay: 2\nUser-agent: next\nDisallow: /\n"
    robots = Robots.parse(text.encode())
    assert robots.crawl_delay("yisang") == 2.0
    assert robots.crawl_delay("other") == 9.0
    assert robots.crawl_delay("next") is None


def said(text: str, path: str = "/", agent: str = "yisang") -> list[bool]:
    return [signal.allowed for signal in Robots.parse(text.encode()).content_signals(agent, HOST + path)]


def test_a_content_signal_is_a_statement_of_its_group():
    text = "User-agent: *\nContent-Signal: search=yes, ai-train=no\nAllow: /\nUser-agent: yisang\nAllow: /\n"
    assert Robots.parse(text.encode()).content_signals("other", HOST) == [
        Signal(
            "content-signal",
            False,
            "Content-Signal: search=yes, ai-train=no",
            "robots.txt line 2",
            "ai-train=no: training on it is not wanted",
        )
    ]
    assert said(text) == []


def test_a_content_signal_above_all_groups_is_for_everybody():
    text = "Content-Signal: ai-train=no\nUser-agent: yisang\nAllow: /\n"
    assert said(text) == [False]
    assert said(text, agent="other") == [False]
    assert said("Content-Signal: ai-train=no\n") == [False]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("ai-train=yes", [True]),
        ("AI-Train = No", [False]),
        ("search=yes;ai-train=no", [False]),
        ("search=yes ai-train=no", [False]),
        ("ai-train=yes, ai-train=no", [False]),
        ("search=no, ai-input=no", []),
        ("other=maybe", []),
        ("ai-train=maybe", [False]),
        ("ai-train=", [False]),
        ("ai-train", [False]),
        ("nothing of this is readable", [False]),
        ("search=yes," * 300, [False]),
        ("", []),
    ],
)
def test_what_a_content_signal_says_of_training(value, found):
    assert said(f"User-agent: *\nContent-Signal: {value}\n") == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("/ train-ai=n", [False]),
        ("/ train-ai=y", [True]),
        ("/ search=n, train-ai=y", [True]),
        ("/ bots=n", [False]),
        ("/ search=n", []),
        ("/ train-ai=n;x=y", [False]),
        ("/ train-ai=no", [False]),
        ("/ train-ai=Y", [False]),
        ("/ train-ai", [False]),
        ("train-ai=n", [False]),
        ("/elsewhere train-ai=n", []),
    ],
)
def test_what_a_content_usage_says_of_training(value, found):
    assert said(f"User-agent: *\nAllow: /\nContent-Usage: {value}\n") == found


def test_the_longest_path_of_a_content_usage_decides():
    text = (
        "User-agent: *\nContent-Usage: / train-ai=n\nContent-Usage: /ok/ train-ai=y\nContent-Usage: /else/ search=y\n"
    )
    assert said(text, "/a") == [False]
    assert said(text, "/ok/a") == [True]
    assert said(text, "/else/a") == []
    assert said("User-agent: *\nContent-Usage: / train-ai=y\nContent-Usage: / train-ai=n\n") == [True, False]
    assert said("User-agent: *\nContent-Signal: ai-train=no\nContent-Usage: /a train-ai=y\n", "/a") == [False, True]


def test_a_preference_is_of_the_agents_above_it():
    text = "User-agent: other\nContent-Signal: ai-train=no\nUser-agent: yisang\nDisallow: /b\n"
    assert said(text) == []
    assert said(text, agent="other") == [False]
