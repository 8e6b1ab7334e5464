"""Licences, the registry of sites, and what may enter."""

from __future__ import annotations

import datetime
import pickle

import pytest

from yisang.errors import UsageError
from yisang.filters import licence as licence_module
from yisang.filters.licence import AllowLicence, Registry, TagSite, licence, stated, table
from yisang.records import UNKNOWN_LICENCE, Drop, Licence, Page, Prompt

DAY = "2026-11-01"


# The table


@pytest.mark.parametrize(
    ("id", "letter", "derive", "share_alike"),
    [
        ("CC0-1.0", "A", True, False),
        ("CC-BY-1.0", "A", True, False),
        ("CC-BY-4.0", "A", True, False),
        ("CC-BY-2.0-KR", "A", True, False),
        ("CC-BY-SA-3.0", "A", True, True),
        ("CC-BY-NC-2.5", "B", True, False),
        ("CC-BY-NC-SA-4.0", "B", True, True),
        ("CC-BY-ND-4.0", "B", False, False),
        ("CC-BY-NC-ND-2.0-KR", "B", False, False),
        ("KOGL-0", "A", True, False),
        ("KOGL-1", "A", True, False),
        ("KOGL-2", "B", True, False),
        ("KOGL-3", "B", False, False),
        ("KOGL-4", "B", False, False),
        ("KR-Copyright-Act-7", "A", True, False),
        ("KR-Copyright-Act-24-2", "A", True, False),
        ("MIT", "A", True, False),
        ("Apache-2.0", "A", True, False),
        ("BSD-3-Clause", "A", True, False),
        ("PDDL-1.0", "A", True, False),
        ("ODC-By-1.0", "A", True, False),
        ("all-rights-reserved", "C", False, False),
        ("unknown", "C", True, False),
    ],
)
def test_the_flags_of_a_licence_come_from_the_table(id, letter, derive, share_alike):
    assert licence(id, "footer", DAY) == Licence(
        id=id, letter=letter, evidence="footer", date=DAY, derive=derive, share_alike=share_alike
    )


def test_every_no_derivatives_and_non_commercial_licence_is_no_a():
    restricted = {name: entry for name, entry in table().items() if {"nc", "nd"} & set(name.split("-"))}
    assert len(restricted) > 20
    assert {entry.letter for entry in restricted.values()} == {"B"}
    assert {entry.derive for name, entry in restricted.items() if "nd" in name.split("-")} == {False}


def test_share_alike_is_what_its_name_says():
    named = {name for name in table() if "sa" in name.split("-") or name.startswith(("gfdl", "odbl"))}
    assert {name for name, entry in table().items() if entry.share_alike} == named


def test_the_unknown_licence_is_that_of_a_record_without_one():
    entry = table()["unknown"]
    assert (entry.id, entry.letter, entry.derive, entry.share_alike) == (
        UNKNOWN_LICENCE.id,
        UNKNOWN_LICENCE.letter,
        UNKNOWN_LICENCE.derive,
        UNKNOWN_LICENCE.share_alike,
    )


@pytest.mark.parametrize(
    ("given", "id"),
    [("cc-by-sa-4.0", "CC-BY-SA-4.0"), ("mit", "MIT"), ("PDDL", "PDDL-1.0"), ("ODC-BY", "ODC-By-1.0")],
)
def test_case_and_aliases_lead_to_one_id(given, id):
    assert licence(given, "footer", DAY).id == id


@pytest.mark.parametrize(("id", "letters"), [("CC-BY-4.0", "ABC"), ("CC-BY-NC-4.0", "BC"), ("unknown", "C")])
def test_a_letter_may_be_stricter_and_never_laxer(id, letters):
    for letter in "ABC":
        if letter in letters:
            assert licence(id, "footer", DAY, letter).letter == letter
        else:
            with pytest.raises(UsageError, match=f"letter {letter} is laxer than {letters[0]}"):
                licence(id, "footer", DAY, letter)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("CC-BY-9.0", "footer", DAY), "no licence 'CC-BY-9.0'. There are Apache-2.0,.*CC-BY-4.0,"),
        (("CC-BY", "footer", DAY), "no licence 'CC-BY'"),
        (("MIT", " ", DAY), "evidence is empty"),
        (("MIT", "footer", DAY, "D"), "letter is 'D'"),
        *(
            (("MIT", "footer", date), "must be a day")
            for date in ("", "2026", "2026-13-01", "2026-02-30", "20261101", "1.11.2026", "2026-W44-7")
        ),
    ],
)
def test_a_licence_without_proof_is_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        licence(*arguments)


# The registry

SITE = """
[[site]]
host = "a.example"
licence = "CC-BY-4.0"
letter = "A"
category = "Science"
evidence = "footer: CC BY 4.0"
date = "2026-11-01"
"""


@pytest.fixture
def write(tmp_path):
    def write(text: str):
        path = tmp_path / "sites.toml"
        path.write_text(text)
        return path

    return write


def test_an_entry_is_read_whole(write):
    site = Registry(write(SITE)).for_host("a.example")
    assert (site.host, site.category, site.subdomains) == ("a.example", "Science", False)
    assert site.licence == licence("CC-BY-4.0", "footer: CC BY 4.0", DAY)


@pytest.mark.parametrize("field", ["host", "licence", "letter", "category", "evidence", "date"])
def test_a_missing_field_is_named_with_file_and_host(field, write):
    text = "".join(line for line in SITE.splitlines(keepends=True) if not line.startswith(field))
    host = "number 1" if field == "host" else "a.example"
    with pytest.raises(UsageError, match=rf"sites.toml, site {host}: {field} is missing"):
        Registry(write(text))


@pytest.mark.parametrize("field", ["host", "licence", "letter", "category", "evidence", "date"])
@pytest.mark.parametrize("value", ['""', '" "', "3", "[]"])
def test_an_empty_field_is_refused(field, value, write):
    lines = [f"{field} = {value}" if line.startswith(field) else line for line in SITE.splitlines()]
    with pytest.raises(UsageError, match=rf"sites.toml, site .*: {field} is .*must be"):
        Registry(write("\n".join(lines)))


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("category", "categroy", "site a.example: unknown key 'categroy'; known are host,"),
        ('"CC-BY-4.0"', '"CC-BY-5.0"', "site a.example: there is no licence 'CC-BY-5.0'"),
        ('"A"', '"D"', "site a.example: letter is 'D'"),
        ('"CC-BY-4.0"', '"CC-BY-NC-4.0"', "site a.example: letter A is laxer than B"),
        ('"2026-11-01"', '"2026-11-31"', "site a.example: date is '2026-11-31'"),
        ('"2026-11-01"', "2026-11-01T10:00:00", "site a.example: date is "),
        ('"a.example"', '"https://a.example"', "host is 'https://a.example'; it must be a bare host name"),
        ('"a.example"', '"a.example:80"', "host is 'a.example:80'"),
        ('"a.example"', '"a.example/b"', "host is 'a.example/b'"),
        ('"a.example"', '"*.example"', r"host is '\*.example'"),
        ("[[site]]", "[[sites]]", "unknown key 'sites'"),
        ("[[site]]", "[site]", r"Write \[\[site\]\], not \[site\]"),
        ("[[site]]", "[[site]", "cannot be read as TOML"),
        ("host", 'subdomains = "yes"\nhost', "subdomains is 'yes'; it must be true or false"),
    ],
)
def test_a_faulty_entry_is_refused_by_file_host_and_field(right, wrong, message, write):
    assert SITE.count(right) == 1
    with pytest.raises(UsageError, match=rf"Registry .*sites.toml.*{message}"):
        Registry(write(SITE.replace(right, wrong)))


@pytest.mark.parametrize("again", ["a.example", "A.Example", "a.example."])
def test_a_host_that_is_there_twice_is_refused(again, write):
    with pytest.raises(UsageError, match=r"sites.toml, site a.example: host is there twice"):
        Registry(write(SITE + SITE.replace("a.example", again)))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere.toml cannot be read: No such file"):
        Registry(tmp_path / "nowhere.toml")


def test_a_toml_date_is_as_good_as_a_text(write):
    site = Registry(write(SITE.replace('"2026-11-01"', "2026-11-01"))).for_host("a.example")
    assert site.licence.date == DAY


def test_a_letter_may_be_stricter_than_its_licence(write):
    assert Registry(write(SITE.replace('"A"', '"B"'))).for_host("a.example").licence.letter == "B"


def entry(host: str, category: str, subdomains: bool = False) -> str:
    text = SITE.replace("a.example", host).replace("Science", category)
    return text + f"subdomains = {str(subdomains).lower()}\n"


@pytest.mark.parametrize(
    ("host", "category"),
    [
        ("wide.example", "Wide"),
        ("a.wide.example", "Wide"),
        ("b.a.wide.example", "Wide"),
        ("WIDE.example.", "Wide"),
        ("own.wide.example", "Own"),  # exact before parent
        ("a.own.wide.example", None),  # the nearest speaks for itself alone, which is not passed over
        ("notwide.example", None),  # a suffix of letters is no parent
        ("narrow.example", "Narrow"),
        ("a.narrow.example", None),
        ("example", None),
        ("", None),
        ("a b", None),
    ],
)
def test_a_host_falls_to_its_parent_only_where_that_says_so(host, category, write):
    registry = Registry(
        write(
            entry("wide.example", "Wide", True) + entry("own.wide.example", "Own") + entry("narrow.example", "Narrow")
        )
    )
    found = registry.for_host(host)
    assert (found and found.category) == category


def test_hosts_in_other_scripts_are_known_in_both_spellings(write):
    registry = Registry(write(SITE.replace("a.example", "한글.example")))
    assert registry.for_host("xn--bj0bj06e.example") is registry.for_host("한글.example") is not None


# The steps


def page(url: str, final_url: str = "", **fields) -> Page:
    return Page(id="x", url=url, final_url=final_url, **fields)


def test_a_page_gets_licence_and_category_of_its_host(write):
    tagged = TagSite(write(SITE))(page("https://A.example:8080/b?c", category="old"))
    assert (tagged.licence.id, tagged.category) == ("CC-BY-4.0", "Science")


def test_a_page_of_an_unknown_host_is_c_and_keeps_its_category(write):
    tagged = TagSite(write(SITE))(page("https://b.example/", category="old", licence=licence("MIT", "footer", DAY)))
    assert (tagged.licence, tagged.category) == (UNKNOWN_LICENCE, "old")


@pytest.mark.parametrize("url", ["", "nothing", "http://[", "file:///a.example"])
def test_a_page_without_a_host_is_c(url, write):
    assert TagSite(write(SITE))(page(url)).licence == UNKNOWN_LICENCE


def test_a_page_out_of_a_file_keeps_what_its_source_declares(write):
    declared = licence("MIT", "the archive's terms", DAY)
    assert TagSite(write(SITE))(page("file:///a/b.html", licence=declared, category="Code")).licence == declared
    # Named by a host, even in a file's address, it is the registry's affair.
    assert TagSite(write(SITE))(page("file://b.example/a.html", licence=declared)).licence == UNKNOWN_LICENCE
    assert TagSite(write(SITE))(page("", licence=declared)).licence == UNKNOWN_LICENCE


def test_a_redirect_to_another_host_does_not_take_the_licence_along(write):
    step = TagSite(write(SITE))
    assert step(page("https://a.example/", "https://b.example/")).licence == UNKNOWN_LICENCE
    assert step(page("https://b.example/", "https://a.example/")).licence.id == "CC-BY-4.0"


def test_identity_follows_the_content_of_the_registry_not_its_place(write, tmp_path):
    before = TagSite(write(SITE)).identity()
    moved = tmp_path / "moved.toml"
    moved.write_text(SITE)
    assert TagSite(str(moved)).identity() == before
    for old, new in (
        ("Science", "Daily"),
        ("CC-BY-4.0", "CC-BY-3.0"),
        ('"A"', '"B"'),
        (DAY, "2026-11-02"),
        ("footer", "head"),
    ):
        moved.write_text(SITE.replace(old, new))
        assert TagSite(str(moved)).identity() != before, new
    for more in ("subdomains", "page_may_raise"):
        moved.write_text(SITE + f"{more} = true\n")
        assert TagSite(str(moved)).identity() != before, more


def test_how_to_crawl_stands_in_the_registry_and_is_no_part_of_its_identity(write, tmp_path):
    before = TagSite(write(SITE)).identity()
    crawl = (
        '# a remark\n[crawl]\ndelay = 2.0\ncontact = "mailto:you@example.org"\n'
        + SITE
        + '[site.crawl]\nstart = ["https://a.example/"]\n'
    )
    registry = Registry(write(crawl))
    assert registry.for_host("a.example") == Registry(write(SITE)).for_host("a.example")
    other = tmp_path / "crawl.toml"
    other.write_text(crawl.replace("2.0", "9.0"))
    assert TagSite(other).identity() == before


def test_a_page_may_raise_only_where_the_entry_says_so(write):
    assert not Registry(write(SITE)).for_host("a.example").page_may_raise
    assert Registry(write(SITE + "page_may_raise = true\n")).for_host("a.example").page_may_raise
    with pytest.raises(UsageError, match="page_may_raise is 'yes'; it must be true or false"):
        Registry(write(SITE + 'page_may_raise = "yes"\n'))


def test_entries_that_were_read_more_than_a_year_ago_are_told(write):
    ages = {
        "old.example": "2024-01-01",
        "older.example": "2023-05-05",
        "new.example": "2026-01-01",
        "edge.example": "2025-11-01",
    }
    text = "".join(SITE.replace("a.example", host).replace(DAY, date) for host, date in ages.items())
    registry = Registry(write(text))
    today = datetime.date(2026, 11, 1)
    assert [site.host for site in registry.outdated(today)] == ["older.example", "old.example"]
    warning = registry.age_warning(today)
    assert (
        "2 of 4 entries were read more than a year ago: older.example (2023-05-05), old.example (2024-01-01)."
        in warning
    )
    assert [site.host for site in registry.outdated(today + datetime.timedelta(days=1))][-1] == "edge.example"
    assert registry.age_warning(datetime.date(2024, 1, 1)) == ""


@pytest.mark.parametrize(
    ("id", "letter", "derive"),
    [("CC-BY", "A", True), ("CC-BY-ND", "B", False), ("CC-BY-NC-9.0", "B", True), ("CC-BY-2.0-XX", "A", True), ("GFDL", "A", True), ("KOGL", "C", True), ("CC-SAMPLING", "C", True)],
)  # fmt: skip
def test_what_a_page_states_goes_by_its_family_where_the_table_lacks_the_version(id, letter, derive):
    found = stated(id, "footer")
    assert (found.id, found.letter, found.derive) == (id, letter, derive)


def test_identity_follows_the_table_of_licences(write, tmp_path, monkeypatch):
    step = TagSite(write(SITE))
    before = step.identity()
    changed = tmp_path / "licences.toml"
    changed.write_bytes(licence_module.LICENCES.read_bytes() + b"\n")
    monkeypatch.setattr(licence_module, "LICENCES", changed)
    assert step.identity() != before


def test_what_decides_is_what_bears_the_identity(write):
    path = write(SITE)
    step = TagSite(path)
    identity = step.identity()
    path.write_text(SITE.replace("Science", "Daily"))
    assert step(page("https://a.example/")).category == "Science"
    assert step.identity() == identity
    assert TagSite(path)(page("https://a.example/")).category == "Daily"


def test_a_worker_without_the_file_tags_the_same(write):
    path = write(SITE)
    step = TagSite(path)
    step.identity()
    sent = pickle.dumps(step)
    path.unlink()
    assert pickle.loads(sent)(page("https://a.example/")).category == "Science"
    assert pickle.loads(sent) == step


def test_a_step_that_has_read_nothing_yet_is_pickled_too(write):
    assert pickle.loads(pickle.dumps(TagSite(write(SITE))))(page("https://a.example/")).category == "Science"


def test_a_faulty_registry_is_found_when_the_recipe_is_planned(write):
    with pytest.raises(UsageError):
        TagSite(write(SITE.replace('"A"', '"D"'))).identity()


def with_letter(letter: str) -> Prompt:
    return Prompt(id="p", text="?", language="ko", licence=licence("CC-BY-4.0", "footer", DAY, letter))


@pytest.mark.parametrize(("letters", "kept"), [(("A", "B"), "AB"), (("A",), "A"), (("B",), "B")])
def test_the_allowed_letters_stay(letters, kept):
    step = AllowLicence(letters)
    assert "".join(letter for letter in "ABC" if isinstance(step(with_letter(letter)), Prompt)) == kept


def test_the_default_lets_a_and_b_in():
    assert AllowLicence() == AllowLicence(("B", "A", "A"))
    assert AllowLicence()(with_letter("C")) == Drop("licence_C", {"licence": "CC-BY-4.0", "evidence": "footer"})


def test_a_record_without_a_licence_does_not_enter():
    dropped = AllowLicence()(Prompt(id="p", text="?", language="ko"))
    assert dropped == Drop("licence_C", {"licence": "unknown", "evidence": "no statement found"})


@pytest.mark.parametrize("letters", [(), ("A", "C"), ("a",), ("AB",)])
def test_c_can_not_be_allowed(letters):
    with pytest.raises(UsageError, match="C never enters"):
        AllowLicence(letters)
