"""Check digits, and what stands around a number."""

from __future__ import annotations

import random

import pytest

from yisang.languages import checksums
from yisang.languages.checksums import CHECKS


def passes(name: str, text: str, around: tuple[str, str] = ("", "")) -> bool:
    before, behind = around
    return CHECKS[name](before + text + behind, len(before), len(before) + len(text))


# Numbers that are published as examples, or belong to nobody: see each.
VALID = {
    "luhn": ["4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005", "6011111111111117"],  # test cards
    "kr_resident": ["991231-9234561"],  # born in 1899
    "kr_business": ["123-45-67891"],
    "jp_individual": ["123456789018"],
}


@pytest.mark.parametrize("name", VALID)
def test_a_changed_digit_is_seen(name: str) -> None:
    for number in VALID[name]:
        assert passes(name, number)
        last = int(number[-1])
        for other in range(10):
            assert passes(name, number[:-1] + str(other)) == (other == last)


@pytest.mark.parametrize("name", VALID)
def test_a_check_digit_lets_one_in_ten_digit_strings_pass_at_most(name: str) -> None:
    draw = random.Random(1)
    length = sum(map(str.isdigit, VALID[name][0]))
    count = sum(passes(name, "".join(draw.choice("0123456789") for _ in range(length))) for _ in range(5000))
    assert count / 5000 < 0.12
    if name == "kr_resident":
        assert count / 5000 < 0.02  # a birth date too


def test_resident_numbers_of_all_centuries_and_of_foreigners() -> None:
    weights = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)

    def numbered(front: str, foreign: bool) -> str:
        rest = 11 - sum(weight * int(digit) for weight, digit in zip(weights, front, strict=True)) % 11
        return front + str((rest + 2 * foreign) % 10)

    # 31 February is no day, in any century.
    for century in "1234567890":
        foreign = century in "5678"
        right = numbered(f"180704{century}23456", foreign)
        assert passes("kr_resident", right)
        assert not passes("kr_resident", numbered(f"180704{century}23456", not foreign))
        assert not passes("kr_resident", numbered(f"180231{century}23456", foreign))
    # Numbers given out since October 2020 have no check digit: their last digits are random.
    assert passes("kr_resident", "2110013000000")
    assert not passes("kr_resident", "2009303000000")
    assert not passes("kr_resident", "123")
    assert not passes("kr_business", "123")
    assert not passes("jp_individual", "123")


@pytest.mark.parametrize(
    ("before", "behind", "expected"),
    [("", "", True), ("문의: ", "로", True), ("**", "** 로", True), ("(", ")", True), ("", "! 꼭", True), ("", " / 이메일", True),
     ("전화=", "", True), ("", " = -6902", False), ("", " + 3", False), ("3 × ", "", False), ("x = ", "", False),
     ("", " \\times 2", False), ("", "*2", False), ("", " - 2", False), ("", " - 홍길동", True), ("5 + ", "", False)],
)  # fmt: skip
def test_a_number_in_a_calculation_is_nobodys(before: str, behind: str, expected: bool) -> None:
    assert passes("plain", "010-1234-5678", (before, behind)) is expected


def test_noughts_and_ones_alone_are_binary() -> None:
    assert not passes("plain", "010-0110-1010")


@pytest.mark.parametrize(
    ("name", "text", "behind", "expected"),
    [("mailbox", "a@daum.net", "", True), ("mailbox", "a@example.com", "", False), ("mailbox", "a@mail.example.org", "", False),
     ("mailbox", "a@host.test", "", False), ("mailbox", "x@w.transpose", "()", False), ("mailbox", "a@examples.com", "", True),
     ("varied", "hf_abcdefgh1", "", True), ("varied", "sk-xxxxxxxx1", "", False), ("varied", "hf_abcdefghi", "", False),
     ("varied", "abcdefgh1EXAMPLE", "", False), ("public", "8.8.8.8", "", True), ("public", "10.0.0.1", "", False),
     ("public", "300.1.1.1", "", False)],
)  # fmt: skip
def test_addresses_and_keys_that_are_nobodys(name: str, text: str, behind: str, expected: bool) -> None:
    assert passes(name, text, ("", behind)) is expected


def test_each_check_is_known_by_its_own_name() -> None:
    assert all(getattr(checksums, name) is check for name, check in CHECKS.items())
