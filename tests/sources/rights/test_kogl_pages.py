"""KOGL in the layouts of Korean public sites: each page's expected type was written with the page."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from yisang.sources.decode import decode
from yisang.sources.rights.licences import page_licence

CASES = tomllib.loads((Path(__file__).parent / "kogl_pages.toml").read_text("utf-8"))
URL = "https://www.garam.example/news/view?id=7"


def body(case: dict[str, str]) -> bytes:
    frame = CASES["frames"][case["frame"]]
    return (
        frame["html"].lstrip().replace("{title}", "강변 소식").replace("{body}", case["body"]).encode(frame["charset"])
    )


@pytest.mark.parametrize("case", CASES["page"], ids=lambda case: case["name"])
def test_a_page_has_the_type_that_it_states_for_itself(case):
    found = page_licence(decode(body(case)).text, URL)
    assert (found.licence.id if found.licence else "") == case["id"], found.findings
    assert not found.fault
    if "agreement" in case:
        assert found.agreement == case["agreement"]


def test_there_are_forty_pages_of_all_types_and_charsets():
    pages = CASES["page"]
    assert len(pages) >= 40
    assert len({case["name"] for case in pages}) == len(pages)
    assert {f"KOGL-{number}" for number in range(5)} | {""} <= {case["id"] for case in pages}
    assert {CASES["frames"][case["frame"]]["charset"] for case in pages} == {"utf-8", "euc-kr"}
