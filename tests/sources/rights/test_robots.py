"""robots.txt is read as RFC 9309 says, and as Google's matcher reads what the RFC leaves open."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from urllib.robotparser import RobotFileParser

import pytest
from protego import Protego

from yisang.errors import UsageError
from yisang.sources.rights.robots import MAX_BYTES, MAX_LINE, MAX_TEXT, Robots, lines
from yisang.sources.rights.signals import Signal

HOST = "https://a.example"
Allowed = Callable[[str, str, str], bool]
"""(robots.txt, agent, path) → whether the path may be asked for."""


def allowed(text: str | bytes, path: str, agent: str = "yisang") -> bool:
    body = text if isinstance(text, bytes) else text.encode()
    return Robots.parse(body).verdict(agent, HOST + path).allowed


def ours(text: str, agent: str, path: str) -> bool:
    return allowed(text, path, agent)


def standard_library(text: str, agent: str, path: str) -> bool:
    parser = RobotFileParser()
    parser.parse(text.splitlines())
    return parser.can_fetch(agent, HOST + path)


def protego(text: str, agent: str, path: str) -> bool:
    return Protego.parse(text).can_fetch(HOST + path, agent)


# RFC 9309 2.2.1: which group


def test_the_verdict_names_the_line_that_decided():
    robots = Robots.parse(b"# ours\r\nUser-agent: *\r\n\r\nDisallow: /private  # not yours\r\nAllow: /private/open\r\n")
    assert robots.verdict("yisang", f"{HOST}/private/a") == Signal(
        "robots", False, "Disallow: /private  # not yours", "robots.txt line 4", "group for *"
    )
    assert robots.verdict("yisang", f"{HOST}/private/open").where == "robots.txt line 5"
    nothing = robots.verdict("yisang", f"{HOST}/public")
    assert (nothing.allowed, nothing.rule, nothing.why) == (True, "", "no rule of the group for * matches")


def test_of_two_lines_alike_the_first_is_named():
    robots = Robots.parse(b"User-agent: *\nDisallow: /a\nDisallow: /a\nDisallow: /*b\nDisallow: /*b\n")
    assert robots.verdict("yisang", f"{HOST}/a").where == "robots.txt line 2"
    assert robots.verdict("yisang", f"{HOST}/b").where == "robots.txt line 4"


def test_the_own_group_replaces_the_one_for_all():
    text = "User-agent: *\nDisallow: /a\nUser-agent: YiSang\nDisallow: /b\n"
    assert allowed(text, "/a")
    assert not allowed(text, "/b")
    assert not allowed(text, "/a", "other")


def test_an_own_group_without_rules_allows_what_the_one_for_all_forbids():
    text = "User-agent: yisang\nDisallow:\n\nUser-agent: *\nDisallow: /\n"
    assert allowed(text, "/a")
    assert not allowed(text, "/a", "other")


def check_groups_of_one_agent_are_one(is_allowed: Allowed) -> None:
    text = "User-agent: examplebot\nDisallow: /foo\nDisallow: /bar\n\nUser-agent: ExampleBot\nDisallow: /baz\n"
    assert [is_allowed(text, "ExampleBot", path) for path in ("/foo", "/bar", "/baz", "/other")] == [
        False,
        False,
        False,
        True,
    ]


def test_all_groups_of_an_agent_are_one():
    check_groups_of_one_agent_are_one(ours)


def test_a_parser_that_stops_at_the_first_group_would_be_seen():
    with pytest.raises(AssertionError):
        check_groups_of_one_agent_are_one(standard_library)


def test_several_groups_for_all_are_one():
    text = "User-agent: *\nDisallow: /a\nUser-agent: other\nDisallow: /c\nUser-agent: * \nDisallow: /b\n"
    assert [allowed(text, path) for path in ("/a", "/b", "/c")] == [False, False, True]


@pytest.mark.parametrize(
    "between",
    [
        "",
        "\n\n",
        "Sitemap: https://a.example/s.xml\n",
        "Crawl-delay: 5\n",
        "Host: a.example\n",
        "nonsense\n",
        "# comment\n",
    ],
)
def test_only_a_rule_ends_a_run_of_agents(between):
    text = f"User-agent: yisang\n{between}User-agent: other\nDisallow: /\n"
    assert not allowed(text, "/a")
    assert not allowed(text, "/a", "other")


def test_an_empty_rule_ends_a_run_of_agents():
    assert allowed("User-agent: yisang\nDisallow:\nUser-agent: other\nDisallow: /\n", "/a")


def check_delay_does_not_split(is_allowed: Allowed) -> None:
    assert not is_allowed("User-agent: yisang\nCrawl-delay: 5\nUser-agent: other\nDisallow: /\n", "yisang", "/a")


def test_protego_lets_crawl_delay_split_a_group_and_would_be_seen():
    check_delay_does_not_split(ours)
    with pytest.raises(AssertionError):
        check_delay_does_not_split(protego)


def test_rules_before_any_agent_are_nobodys():
    assert allowed("Disallow: /\nUser-agent: yisang\nDisallow: /b\n", "/a")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("yisang", True),
        ("YISANG", True),
        ("yisang/1.0", True),
        ("yisang bot", True),
        ("yisang*", True),
        ("yisang2", True),
        ("yisang-news", False),
        ("yisang_news", False),
        ("yi", False),
        ("not-yisang", False),
        ("Mozilla/5.0 (compatible; yisang/1.0)", False),
        ("", False),
        ("이상", False),
    ],
)
def test_a_token_ends_where_its_letters_end(written, meant):
    assert allowed(f"User-agent: {written}\nDisallow: /\n", "/a") is not meant


@pytest.mark.parametrize(
    ("written", "meant"), [("*", True), ("* and all others", True), ("*\t", True), ("**", False), ("*bot", False)]
)
def test_a_star_alone_is_everybody(written, meant):
    assert allowed(f"User-agent: {written}\nDisallow: /\n", "/a") is not meant


@pytest.mark.parametrize("agent", ["", "yisang/1.0", "yi sang", "*", "이상"])
def test_an_agent_that_is_no_token_is_an_error(agent):
    with pytest.raises(UsageError, match="product token"):
        Robots.parse(b"").verdict(agent, HOST)


# RFC 9309 2.2.2: which rule


def check_the_longest_rule_decides(is_allowed: Allowed) -> None:
    text = "User-agent: *\nAllow: /\nDisallow: /a\nAllow: /a/b\nDisallow: /*.gif$\n"
    found = [is_allowed(text, "yisang", path) for path in ("/", "/a", "/a/b", "/a/b/c.gif", "/b.gif", "/b.gif?x")]
    assert found == [True, False, True, False, False, True]


def test_the_rule_with_most_octets_decides():
    check_the_longest_rule_decides(ours)


def test_a_parser_that_takes_the_first_rule_would_be_seen():
    with pytest.raises(AssertionError):
        check_the_longest_rule_decides(standard_library)


def test_allow_wins_where_both_have_as_many_octets():
    for text in ("Allow: /a\nDisallow: /a\n", "Disallow: /a\nAllow: /a\n", "Disallow: /*b\nAllow: /ab\n"):
        assert allowed(f"User-agent: *\n{text}", "/ab")


def test_a_star_counts_as_an_octet():
    assert not allowed("User-agent: *\nAllow: /ab\nDisallow: /ab*\n", "/ab")
    assert allowed("User-agent: *\nDisallow: /ab\nAllow: /ab$\n", "/ab")


def test_letter_case_of_paths_counts_and_of_names_does_not():
    text = "USER-AGENT: *\ndIsAlLoW: /Secret\n"
    assert not allowed(text, "/Secret")
    assert allowed(text, "/secret")


@pytest.mark.parametrize("value", ["private", "https://a.example/private", "private*"])
def test_a_rule_that_is_no_path_matches_nothing(value):
    assert allowed(f"User-agent: *\nDisallow: {value}\n", "/private")


def test_robots_txt_itself_is_always_allowed():
    assert allowed("User-agent: *\nDisallow: /\n", "/robots.txt")
    assert Robots.unreachable("timeout").verdict("yisang", f"{HOST}/robots.txt").allowed
    assert not allowed("User-agent: *\nDisallow: /\n", "/robots.txt.bak")


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        # the substance of the table in RFC 9309 2.2.2
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz", True),
        ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar", True),
        ("/foo/bar?baz=https%3A%2F%2Ffoo.bar", "/foo/bar?baz=https://foo.bar", True),
        ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https://foo.bar", True),
        ("/foo/bar/ツ", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%E3%83%84", "/foo/bar/ツ", True),
        ("/foo/bar/%e3%83%84", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz", True),
        ("/foo/bar/baz", "/foo/bar/%62%61%7a", True),
        # 2.2.3: the special characters themselves
        ("/file-with-a-%2A.html", "/file-with-a-*.html", True),
        ("/file-with-a-%2A.html", "/file-with-a-b.html", False),
        ("/foo-%24", "/foo-$", True),
        ("/foo-%24", "/foo-", False),
        ("/a$b", "/a%24b", True),
        # what divides a URL stays divided
        ("/a/b", "/a%2Fb", False),
        ("/a?b", "/a%3Fb", False),
        ("/a%2Fb", "/a%2fb", True),
        ("/100%", "/100%", True),
        ("/a%zz", "/a%ZZ", False),
        ("/a b", "/a%20b", True),
        ("/*u=http%3A%2F%2F", "/x?u=http%3A%2F%2Fb", True),
        ("/*/print", "/x?u=/a/print", True),
    ],
)
def test_spellings_of_one_path_are_one(pattern, path, matches):
    assert allowed(f"User-agent: *\nDisallow: {pattern}\n", path) is not matches


def test_equivalent_rules_are_equal_and_allow_wins():
    assert allowed("User-agent: *\nDisallow: /%62%61\nAllow: /ba\n", "/ba")
    assert allowed("User-agent: *\nDisallow: /?u=a%2Fb\nAllow: /?u=a/b%\n", "/?u=a/b%")


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/fish", "/fish.html", True),
        ("/fish", "/catfish", False),
        ("/fish*", "/fishheads", True),
        ("/*.php", "/index?f=filename.php/", True),
        ("/*.php$", "/folder/any.php", True),
        ("/*.php$", "/filename.php?parameters", False),
        ("/fish*.php", "/fishheads/catfish.php?p", True),
        ("/this/*/exactly", "/this/exactly", False),
        ("/this*/exactly", "/this/exactly", True),
        ("/a$", "/a", True),
        ("/a$", "/a/", False),
        ("/a$b$", "/a$b", True),
        ("/*a*$", "/ba/c", True),
        ("/ab*b$", "/ab", False),
        ("/ab*ab$", "/abab", True),
        ("/**a***b", "/xaxb", True),
        ("*", "/any", True),
        ("*.gif$", "/b.gif", True),
        ("$", "/", False),
        ("/", "", True),
        ("/?q", "?q", True),
    ],
)
def test_stars_and_dollars(pattern, path, matches):
    assert allowed(f"User-agent: *\nDisallow: {pattern}\n", path) is not matches


def test_a_hostile_pattern_takes_no_longer_than_its_path():
    """A backtracking matcher would not come back from these."""
    assert allowed("User-agent: *\nDisallow: /" + "*a" * 8000 + "*b\n", "/" + "a" * 20_000)
    assert not allowed("User-agent: *\nDisallow: /" + "*a" * 8000 + "*$\n", "/" + "a" * 20_000)


def test_index_pages_stand_for_their_folder():
    for page in ("index.html", "index.htm", "index.html?x"):
        text = f"User-agent: *\nAllow: /open/{page}\nDisallow: /\n"
        assert allowed(text, "/open/")
        assert allowed(text, f"/open/{page}")
        assert not allowed(text, "/open/other")
    assert allowed("User-agent: *\nDisallow: /shut/index.html\n", "/shut/")


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/open/../private/x",
        "https://a.example/open/%2e%2E/private/x",
        "https://a.example/./private/x",
        "https://a.example/pri\tvate/x",
        " https://a.example/private/x#top",
        "HTTPS://user@a.example:8080/private/x",
        "//a.example/private/x",
        "/private/x",
    ],
)
def test_what_the_server_will_be_asked_for_is_judged(url):
    robots = Robots.parse(b"User-agent: *\nDisallow: /private/\n")
    assert not robots.verdict("yisang", url).allowed


def test_a_folder_that_begins_with_a_dot_is_no_dot_segment():
    assert not allowed("User-agent: *\nDisallow: /.git\n", "/.git/config")
    assert not allowed("User-agent: *\nDisallow: /a/$\n", "/a/b/..")


# lines


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_lines_end_in_three_ways(end):
    text = end.join(["User-agent: *", "", "Disallow: /a", "Disallow: /b"])
    assert [line.number for line in lines(text.encode())] == [1, 3, 4]
    assert not allowed(text, "/b")


def test_no_other_character_ends_a_line():
    assert allowed("User-agent: *\nAllow: /x\vDisallow: /a\fDisallow: /a\x85Disallow: /a\u2028Disallow: /a\n", "/a")


@pytest.mark.parametrize(
    "line",
    [
        "disallow /a",
        "Disallow\t/a",
        "dissallow: /a",
        "dissalow: /a",
        "disalow: /a",
        "diasllow: /a",
        "disallaw: /a",
        "Disallowed: /a",
    ],
)
@pytest.mark.parametrize("agent", ["user-agent *", "useragent: *", "user agent: *", "User-Agents : *"])
def test_forgotten_colons_and_frequent_misspellings_are_understood(agent, line):
    assert not allowed(f"{agent}\n  {line}\n", "/a")


@pytest.mark.parametrize("line", ["disallow the page /a", "disalllow: /a", ": /a", "disallow", "/a"])
def test_a_line_that_says_nothing_known_is_passed_over(line):
    assert allowed(f"User-agent: *\n{line}\n", "/a")


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xef\xbb", b"\xef"])
def test_a_byte_order_mark_is_skipped(mark):
    assert not allowed(mark + b"User-agent: *\nDisallow: /a\n", "/a")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_in_utf_16_is_read(encoding):
    assert not allowed("User-agent: *\nDisallow: /가\n".encode(encoding), "/가")


def test_a_file_that_is_still_packed_forbids_all():
    body = gzip.compress(b"User-agent: *\nDisallow: /a\n")
    found = Robots.from_response(200, body).verdict("yisang", f"{HOST}/b")
    assert not found.allowed
    assert "packed" in found.why


def test_bytes_that_are_no_utf_8_stand_for_themselves():
    robots = Robots.parse("User-agent: *\nDisallow: /게시판\n".encode("euc-kr"))
    found = robots.verdict("yisang", HOST + "/%B0%D4%BD%C3%C6%C7/1")
    assert not found.allowed
    assert found.rule == r"Disallow: /\xb0\xd4\xbd\xc3\xc6\xc7"
    assert robots.verdict("yisang", f"{HOST}/게시판").allowed


def test_a_line_ends_for_its_reader_where_a_nul_stands():
    assert not allowed("User-agent: *\nDisallow: /a\0b\n", "/ac")


def test_a_long_line_is_cut():
    path = "/x/" + "a" * (MAX_LINE - len("Disallow: /x/"))
    text = f"User-agent: *\nDisallow: {path}bbbb\n"
    assert not allowed(text, f"{path}c")
    assert allowed(text, path[:-1])


def test_the_rule_that_is_stored_is_short():
    found = Robots.parse(b"User-agent: *\nDisallow: /" + b"*" * 9000).verdict("yisang", f"{HOST}/a")
    assert not found.allowed
    assert len(found.rule) == MAX_TEXT
    assert found.rule.endswith("…")


def filled(last: str, size: int) -> bytes:
    head = b"User-agent: *\n"
    return head + b"#" * (size - len(head) - len(last) - 1) + b"\n" + last.encode()


def test_what_stands_behind_500_kib_is_not_read():
    rule = "Disallow: /"
    assert not allowed(filled(rule, MAX_BYTES), "/a")
    assert not allowed(filled(rule, MAX_BYTES) + b"\nAllow: /a", "/a")
    assert allowed(filled(rule + "\n", MAX_BYTES + len(rule) + 1), "/a")


def test_a_line_that_the_bound_cuts_is_no_rule():
    """Cut, "Disallow: /private" is "Disallow: /" for example, and "Allow: /a" may be "Allow: /"."""
    for rest in ("private", "p"):
        body = filled("Disallow: /", MAX_BYTES) + rest.encode()
        assert allowed(body, "/a")
        assert allowed(body, "/private")


def test_nothing_is_read_of_one_line_that_is_longer_than_the_bound():
    assert allowed(b"User-agent: * #" + b"x" * MAX_BYTES + b"\nDisallow: /\n", "/a")


# 2.3.1: answers


@pytest.mark.parametrize("status", [200, 204, 206])
def test_a_success_is_parsed(status):
    assert not Robots.from_response(status, b"User-agent: *\nDisallow: /").verdict("yisang", HOST).allowed


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 451])
def test_unavailable_allows_all(status):
    found = Robots.from_response(status, b"User-agent: *\nDisallow: /").verdict("yisang", HOST)
    assert found.allowed
    assert str(status) in found.why


@pytest.mark.parametrize("status", [100, 301, 429, 500, 503, 599])
def test_unreachable_forbids_all(status):
    robots = Robots.from_response(status, b"")
    found = robots.verdict("yisang", f"{HOST}/a")
    assert (found.allowed, found.rule) == (False, "")
    assert str(status) in found.why
    assert robots.sitemaps == ()
    assert robots.crawl_delay("yisang") is None
    assert robots.content_signals("yisang", HOST) == []


def check_an_error_is_no_permission(answer: Callable[[int, bytes], Callable[[str, str], bool]]) -> None:
    assert not answer(503, b"<html>Service Unavailable</html>")("yisang", f"{HOST}/a")


def test_scrapys_middleware_reads_an_error_page_as_rules_and_would_be_seen():
    """It hands the body of any answer to Protego, which finds no rule in it."""

    def ours(status: int, body: bytes) -> Callable[[str, str], bool]:
        return lambda agent, url: Robots.from_response(status, body).verdict(agent, url).allowed

    def scrapys(status: int, body: bytes) -> Callable[[str, str], bool]:
        return lambda agent, url: Protego.parse(body.decode("utf-8-sig", "ignore")).can_fetch(url, agent)

    check_an_error_is_no_permission(ours)
    with pytest.raises(AssertionError):
        check_an_error_is_no_permission(scrapys)


def test_a_failed_request_forbids_all():
    found = Robots.unreachable("no answer in 10 seconds").verdict("yisang", f"{HOST}/a")
    assert not found.allowed
    assert "no answer in 10 seconds" in found.why
