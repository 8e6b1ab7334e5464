"""What holds of any robots.txt and any URL: verdicts are those of a slow matcher, and no spelling changes them."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from yisang.sources.rights.robots import Robots

HOST = "https://a.example"


def allowed(text: str, path: str) -> bool:
    return Robots.parse(text.encode()).verdict("yisang", HOST + path).allowed


ENDS = st.sampled_from(["\n", "\r\n", "\r"])
PATHS = st.text("/ab?$", max_size=8).map(lambda text: f"/{text}")
PATTERNS = st.text("/ab?*$", max_size=7).map(lambda text: f"/{text}") | st.just("")
GROUPS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["yisang", "other", "*"]), min_size=1, max_size=2),
        st.lists(st.tuples(st.booleans(), PATTERNS), min_size=1, max_size=4),
    ),
    max_size=4,
)
NOISE = st.sampled_from(["", "", "# note", "Sitemap: /s.xml", "nonsense: /", "Crawl-delay: 1"])


def reference_match(pattern: str, path: str) -> bool:
    if not pattern:
        return True
    if pattern == "$":
        return not path
    if pattern[0] == "*":
        return any(reference_match(pattern[1:], path[start:]) for start in range(len(path) + 1))
    return path[:1] == pattern[0] and reference_match(pattern[1:], path[1:])


def reference(groups: list[tuple[list[str], list[tuple[bool, str]]]], path: str) -> bool:
    own = [rules for agents, rules in groups if "yisang" in agents]
    groups_of = own or [rules for agents, rules in groups if "*" in agents]
    hits = [
        (len(value), allow) for rules in groups_of for allow, value in rules if value and reference_match(value, path)
    ]
    return max(hits)[1] if hits else True


@given(GROUPS, PATHS, st.data())
def test_verdicts_are_those_of_a_slow_matcher(groups, path, data):
    written = []
    for agents, rules in groups:
        for line in [
            *(f"user-Agent: {agent}" for agent in agents),
            *(f"{'Allow' if allow else 'Disallow'} : {value}" for allow, value in rules),
        ]:
            written += [data.draw(NOISE), f"{line} # note"]
    text = data.draw(ENDS).join(written)
    assert allowed(text, path) is reference(groups, path)


@given(st.text("/ab?$:=~!*", max_size=8), PATHS, st.data())
def test_a_spelling_changes_no_verdict(pattern, path, data):
    def respelt(text: str) -> str:
        spellings = (
            data.draw(st.sampled_from([each, f"%{ord(each):02X}", f"%{ord(each):02x}"])) if each not in "/?*$" else each
            for each in text
        )
        return "".join(spellings)

    text = f"User-agent: *\nAllow: /a\nDisallow: /{pattern}\n"
    other = f"User-agent: *\nAllow: /%61\nDisallow: /{respelt(pattern)}\n"
    assert allowed(text, path) is allowed(other, respelt(path).replace("$", "%24"))


@given(st.binary(max_size=300), st.text(max_size=40))
def test_any_bytes_and_any_url_give_a_verdict(body, url):
    robots = Robots.parse(body)
    assert robots.verdict("yisang", url).kind == "robots"
    robots.content_signals("yisang", url)
    robots.crawl_delay("yisang")
    assert pickle.loads(pickle.dumps(robots)).verdict("yisang", url) == robots.verdict("yisang", url)
