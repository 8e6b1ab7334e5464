"""The licence of a page in a recipe: its host's, lowered by what the page says."""

from __future__ import annotations

import pickle

import pytest

from yisang.filters.licence import licence
from yisang.records import UNKNOWN_LICENCE, Page
from yisang.sources.rights.licences import TagLicence
from yisang.sources.rights.licences import statements as statements_module

DAY = "2026-11-01"
SITES = """
[[site]]
host = "free.example"
licence = "CC-BY-4.0"
letter = "A"
category = "Science"
evidence = "footer: CC BY 4.0"
date = "2026-11-01"

[[site]]
host = "share.example"
licence = "CC-BY-SA-4.0"
letter = "A"
category = "Science"
evidence = "terms"
date = "2026-11-01"

[[site]]
host = "mixed.example"
licence = "unknown"
letter = "C"
category = "Daily"
evidence = "each post has its own"
date = "2026-11-01"
page_may_raise = true

[[site]]
host = "whole.example"
licence = "CC-BY-ND-4.0"
letter = "B"
category = "Science"
evidence = "terms"
date = "2026-11-01"

[[site]]
host = "strict.example"
licence = "unknown"
letter = "C"
category = "Daily"
evidence = "none"
date = "2026-11-01"
"""


@pytest.fixture
def step(tmp_path) -> TagLicence:
    path = tmp_path / "sites.toml"
    path.write_text(SITES)
    return TagLicence(path)


def page(host: str, statement: str = "", **fields) -> Page:
    link = (
        f'<footer><a rel="license" href="https://creativecommons.org/licenses/{statement}/">CC</a></footer>'
        if statement
        else ""
    )
    body = f"<html><body><p>Bees dance.</p>{link}</body></html>".encode()
    return Page(id="x", url=f"https://{host}/1", body=body, **fields)


def terms(page: Page) -> tuple[str, str, bool, bool]:
    found = page.licence
    return found.id, found.letter, found.derive, found.share_alike


@pytest.mark.parametrize(
    ("host", "statement", "expected"),
    [
        ("free.example", "", ("CC-BY-4.0", "A", True, False)),
        ("free.example", "by/4.0", ("CC-BY-4.0", "A", True, False)),
        ("free.example", "by-nc/4.0", ("CC-BY-NC-4.0", "B", True, False)),
        ("free.example", "by-nc-nd/4.0", ("CC-BY-NC-ND-4.0", "B", False, False)),
        # What the one does not ask for, the other does.
        ("free.example", "by-sa/4.0", ("CC-BY-4.0", "A", True, True)),
        ("share.example", "by-nd/4.0", ("CC-BY-ND-4.0", "B", False, True)),
        ("share.example", "zero/1.0", ("CC-BY-SA-4.0", "A", True, True)),
        ("whole.example", "by-nc-sa/4.0", ("CC-BY-ND-4.0", "B", False, True)),
        ("strict.example", "by/4.0", ("unknown", "C", True, False)),
        ("mixed.example", "by/4.0", ("CC-BY-4.0", "A", True, False)),
        ("mixed.example", "by-nd/4.0", ("CC-BY-ND-4.0", "B", False, False)),
        ("mixed.example", "", ("unknown", "C", True, False)),
        ("nobody.example", "by/4.0", ("unknown", "C", True, False)),
    ],
)  # fmt: skip
def test_a_page_only_lowers_its_host_unless_the_entry_says_otherwise(host, statement, expected, step):
    if statement.startswith("zero"):
        given = page(host)
        given = Page(
            id="x",
            url=given.url,
            body=b'<link rel="license" href="https://creativecommons.org/publicdomain/zero/1.0/">',
        )
    else:
        given = page(host, statement)
    tagged = step(given)
    assert terms(tagged) == expected
    assert tagged.body == given.body


def test_all_rights_reserved_on_a_page_of_a_free_host_keeps_it_out(step):
    tagged = step(
        Page(
            id="x",
            url="https://free.example/",
            body=b"<body><p>Bees.</p><footer>&copy; 2024. All rights reserved.</footer>",
        )
    )
    assert terms(tagged) == ("all-rights-reserved", "C", False, False)


def test_the_evidence_has_the_words_of_host_and_page(step):
    evidence = step(page("free.example", "by-nc/4.0")).licence.evidence
    assert evidence == (
        "footer: CC BY 4.0; the page (https://free.example/1), a rel=license in footer: https://creativecommons.org/licenses/by-nc/4.0/"
    )
    assert step(page("free.example", "by-nc/4.0")).licence.date == DAY
    assert step(page("free.example")).licence == licence("CC-BY-4.0", "footer: CC BY 4.0", DAY)


def test_agreement_is_a_measure(step):
    def agreement(body: bytes, **fields) -> object:
        return step(Page(id="x", url="https://free.example/", body=body, **fields)).measures["page_licence_agreement"]

    link = b'<a rel="license" href="https://creativecommons.org/licenses/%s/4.0/">CC</a>'
    assert agreement(b"<p>Bees.</p>") == "none"
    assert agreement(link % b"by") == "one"
    assert (
        agreement(link % b"by" + b'<link rel="license" href="https://creativecommons.org/licenses/by/4.0/">') == "agree"
    )
    assert agreement(link % b"by" + link % b"by-nc") == "disagree"
    assert agreement(bytes(range(256)) * 40) == "unreadable"


def test_what_was_not_read_is_a_measure(step):
    broken = Page(
        id="x", url="https://free.example/", body=b'<p>Bees.</p><script type="application/ld+json">{</script>'
    )
    assert step(broken).measures["page_licence_fault"] == "a JSON-LD script could not be read: JSONDecodeError"
    assert "page_licence_fault" not in step(page("free.example")).measures


def test_the_address_after_redirects_and_the_header_count(step):
    given = Page(
        id="x",
        url="https://elsewhere.example/",
        final_url="https://free.example/",
        headers={"Link": '<https://creativecommons.org/licenses/by-nc/4.0/>; rel="license"'},
        body=b"<p>Bees.</p>",
    )
    assert terms(step(given)) == ("CC-BY-NC-4.0", "B", True, False)


def test_a_page_out_of_a_file_is_lowered_from_what_its_source_declares(step):
    declared = licence("CC-BY-4.0", "the archive's terms", DAY)
    given = page("x", "by-nc/4.0", licence=declared)
    given = Page(id="x", url="file:///a.html", body=given.body, licence=declared)
    assert step(given).licence.letter == "B"
    assert step(Page(id="x", url="file:///a.html", body=given.body)).licence.letter == "C"
    assert step(Page(id="x", url="http://[", body=given.body, licence=declared)).licence == UNKNOWN_LICENCE


def test_the_category_is_the_hosts(step):
    assert step(page("free.example", "by-nc/4.0")).category == "Science"


def test_identity_follows_registry_table_and_phrases(step, tmp_path, monkeypatch):
    before = step.identity()
    assert set(before) == {"registry", "licences", "statements"}
    changed = tmp_path / "statements.toml"
    changed.write_bytes(statements_module.STATEMENTS.read_bytes() + b"\n")
    monkeypatch.setattr(statements_module, "STATEMENTS", changed)
    assert step.identity()["statements"] != before["statements"]


def test_a_worker_without_the_file_tags_the_same(step):
    step.identity()
    sent = pickle.dumps(step)
    (step.registry_path).unlink()
    assert terms(pickle.loads(sent)(page("free.example", "by-nc/4.0")))[0] == "CC-BY-NC-4.0"
    assert pickle.loads(sent) == step
