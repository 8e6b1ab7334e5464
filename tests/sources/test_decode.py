"""The encoding of a page is found, lies are seen through, and little damage costs no page."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared import read_all, shared

from yisang.records import Page
from yisang.sources import HtmlFiles
from yisang.sources.decode import codec_name, decode, decode_text

KOREAN = "대한민국의 모든 국민은 법 앞에 평등하다. 누구든지 성별에 의하여 차별을 받지 아니한다. "
HANGUL = st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3)
KANA = st.characters(min_codepoint=0x3041, max_codepoint=0x3093)
ASCII = st.characters(min_codepoint=0x20, max_codepoint=0x7D, exclude_characters="\\<&")


@pytest.mark.parametrize("encoding", ["cp949", "johab", "utf-8", "utf-16", "utf-8-sig", "utf-32"])
@given(text=st.text(HANGUL | ASCII))
def test_declared_korean_text_survives(encoding: str, text: str) -> None:
    body = f"<html><p>{text}".encode(encoding)
    assert decode(body, f"text/html; charset={encoding}").text == f"<html><p>{text}"


@given(text=st.text(HANGUL | ASCII))
def test_text_that_euc_kr_can_write_survives(text: str) -> None:
    # Python spells syllables outside KS X 1001 in eight bytes, which no browser reads
    text = "".join(character for character in text if len(character.encode("euc-kr")) <= 2)
    assert decode_text(text.encode("euc-kr"), encoding="euc-kr").text == text


@given(text=st.text(KANA | ASCII))
def test_declared_shift_jis_survives(text: str) -> None:
    source = f"<meta charset=Shift_JIS><p>{text}"
    assert decode(source.encode("shift_jis")).text == source


@pytest.mark.parametrize("label", ["euc-kr", "KS_C_5601-1987", "x-windows-949", "windows-949", "korean", "ksc5601"])
def test_korean_labels_of_the_web_all_mean_cp949(label: str) -> None:
    body = f'<meta http-equiv="Content-Type" content="text/html; charset={label}"><p>똠방각하'.encode("cp949")
    decoded = decode(body)
    assert (decoded.encoding, decoded.how) == ("cp949", "meta")
    assert "똠방각하" in decoded.text
    assert codec_name(f" {label.upper()} ") == "cp949"


def test_belief_goes_from_mark_to_header_to_meta_to_prolog() -> None:
    meta = f"<meta charset=johab><p>{KOREAN}"
    assert decode(b"\xef\xbb\xbf" + meta.encode(), "text/html; charset=euc-kr").how == "bom"
    assert decode(meta.encode("cp949"), 'text/html; charset="EUC-KR"').how == "http"
    assert decode(meta.encode("johab")).how == "meta"
    assert decode(f"<?xml version='1.0' encoding='EUC-KR'?><p>{KOREAN}".encode("cp949")).how == "xml"


def test_a_meta_in_a_comment_or_in_the_body_is_not_believed() -> None:
    hidden = f"<!-- <meta charset=johab> --><body><meta charset=johab><p>{KOREAN}"
    assert decode(hidden.encode()).how == "utf-8"


@pytest.mark.parametrize(
    ("said", "true"), [("euc-kr", "utf-8"), ("utf-8", "cp949"), ("iso-8859-1", "utf-8"), ("utf-16", "utf-8")]
)
def test_a_lie_of_the_header_is_seen_through(said: str, true: str) -> None:
    source = f"<html><p>{KOREAN * 5}"
    decoded = decode(source.encode(true), f"text/html; charset={said}")
    assert decoded.text == source
    assert decoded.encoding == true


def test_a_western_default_of_the_server_yields_to_the_page() -> None:
    source = f"<meta charset=euc-kr><p>{KOREAN}"
    assert decode(source.encode("cp949"), "text/html; charset=ISO-8859-1").text == source


def test_real_western_text_stays() -> None:
    source = "<html><p>Ça coûte 5 € à Zürich"
    assert decode(source.encode("cp1252"), "text/html; charset=iso-8859-1").text == source


def test_utf_16_in_a_readable_meta_means_utf_8() -> None:
    source = f"<meta charset=utf-16><p>{KOREAN}"
    decoded = decode(source.encode())
    assert (decoded.encoding, decoded.how, decoded.text) == ("utf-8", "meta", source)


@pytest.mark.parametrize("encoding", ["cp949", "johab"])
def test_undeclared_korean_is_detected(encoding: str) -> None:
    decoded = decode_text((KOREAN * 3).encode(encoding))
    assert (decoded.text, decoded.encoding, decoded.how) == (KOREAN * 3, encoding, "detected")


@pytest.mark.parametrize("encoding", ["utf-8", "cp949"])
def test_a_character_cut_off_at_the_end_costs_only_itself(encoding: str) -> None:
    source = f"<meta charset={encoding}><p>{KOREAN.strip()}다"
    decoded = decode(source.encode(encoding)[:-1])
    assert decoded.text == source[:-1] + "\ufffd"
    assert decoded.how == "meta, end cut"


@pytest.mark.parametrize("encoding", ["utf-8", "cp949"])
def test_one_bad_byte_costs_one_character(encoding: str) -> None:
    head, tail = (f"<meta charset={encoding}><p>{KOREAN}".encode(encoding), (KOREAN * 20).encode(encoding))
    decoded = decode(head + b"\xff " + tail)
    assert decoded.text.count("\ufffd") == 1
    assert (decoded.encoding, decoded.how) == (encoding, "meta, 1 replaced")


def test_replacement_signs_of_the_author_are_no_damage() -> None:
    source = "<meta charset=utf-8><p>" + "\ufffd" * 50
    assert decode(source.encode()).how == "meta"


def test_few_foreign_letters_in_much_markup_are_not_taken_for_damage() -> None:
    source = "<meta charset=utf-8>" + "<i></i>" * 10_000 + f"<p>{KOREAN[:20]}"
    assert decode(source.encode("cp949")).text == source


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(UnicodeError, match="no encoding fits"):
        decode(random.Random(1).randbytes(5000))


def test_nothing_is_a_text() -> None:
    assert decode(b"").text == ""


@pytest.mark.parametrize("name", ["apache_httpd_manual", "creativecommons_legalcode", "cc_licensed_pages"])
def test_real_pages_all_decode_without_loss(name: str) -> None:
    pages = [page for page in read_all(HtmlFiles(shared(f"html/{name}.tar.gz"))) if isinstance(page, Page)]
    decoded = [decode(page.body) for page in pages]
    assert not [page.url for page, result in zip(pages, decoded, strict=True) if "\ufffd" in result.text]
    korean = [result.encoding for page, result in zip(pages, decoded, strict=True) if page.url.endswith(".euc-kr")]
    assert korean == ["cp949"] * (45 if name == "apache_httpd_manual" else 0)
