"""What a number, an address or a key must pass before it is one: its check digit, and what stands around it.

Each takes (text, start, end) of a match. Patterns name them (`yisang.languages.patterns`). Check digits keep most of the
digit strings of mathematics apart from numbers that belong to someone.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import date

_OPERATOR_BEFORE = re.compile(r"(?:\s=|[0-9A-Za-z)]\s*[-–−+*/×÷^]|\\(?:times|cdot|div|pm))\s*$")
_OPERATOR_BEHIND = re.compile(r"\s*(?:[=≠≤≥≈]|[-–−+*/×÷^]\s*[0-9(\\]|\\(?:times|cdot|div|pm|le|ge|ne|equiv|approx)\b)")
_RESERVED = re.compile(r"(?:^|\.)(?:example|test|invalid|localhost|local)$|(?:^|\.)example\.[a-z.]+$", re.IGNORECASE)
_NEAR = 12
"""Characters that are read on either side of a match."""


def digits_of(text: str) -> list[int]:
    return [int(sign) for sign in text if "0" <= sign <= "9"]


def plain(text: str, start: int, end: int) -> bool:
    """No part of a calculation: no operator beside it (010-1234-5678 = -6902), and not of noughts and ones alone."""
    if set(digits_of(text[start:end])) <= {0, 1}:
        return False
    before, behind = text[max(0, start - _NEAR) : start], text[end : end + _NEAR]
    return not _OPERATOR_BEFORE.search(before) and not _OPERATOR_BEHIND.match(behind)


def luhn(text: str, start: int, end: int) -> bool:
    """Check digit of payment cards (ISO/IEC 7812-1, annex B)."""
    numbers = digits_of(text[start:end])[::-1]
    doubled = [sum(divmod(2 * number, 10)) for number in numbers[1::2]]
    return len(set(numbers)) > 1 and (sum(numbers[::2]) + sum(doubled)) % 10 == 0


def kr_resident(text: str, start: int, end: int) -> bool:
    """A Korean resident registration number: a birth date, and the check digit, which numbers given out since October
    2020 no longer have (their last six digits are random)."""
    numbers = digits_of(text[start:end])
    if len(numbers) != 13:
        return False
    century = {9: 1800, 0: 1800, 1: 1900, 2: 1900, 5: 1900, 6: 1900}.get(numbers[6], 2000)
    year, month, day = (10 * numbers[place] + numbers[place + 1] for place in (0, 2, 4))
    try:
        born = date(century + year, month, day)
    except ValueError:
        return False
    weights = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
    rest = 11 - sum(weight * number for weight, number in zip(weights, numbers, strict=False)) % 11
    if numbers[6] in (5, 6, 7, 8):  # foreigners' numbers
        rest += 2
    return rest % 10 == numbers[12] or born >= date(2020, 10, 1)


def kr_business(text: str, start: int, end: int) -> bool:
    """A Korean business registration number: ten digits, weights 1 3 7 1 3 7 1 3 5, the ninth's tens added."""
    numbers = digits_of(text[start:end])
    if len(numbers) != 10:
        return False
    total = sum(weight * number for weight, number in zip((1, 3, 7, 1, 3, 7, 1, 3, 5), numbers, strict=False))
    return (total + numbers[8] * 5 // 10 + numbers[9]) % 10 == 0


def jp_individual(text: str, start: int, end: int) -> bool:
    """A Japanese individual number: twelve digits, the last a check digit (ordinance 85 of 2014, article 5)."""
    numbers = digits_of(text[start:end])
    if len(numbers) != 12:
        return False
    weights = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
    rest = sum(weight * number for weight, number in zip(weights, numbers, strict=False)) % 11
    return numbers[11] == (0 if rest <= 1 else 11 - rest)


def mailbox(text: str, start: int, end: int) -> bool:
    """An address that can be someone's: no domain that is kept for examples (RFC 2606, RFC 6761), no call behind it, as in
    x@weights.transpose()."""
    return not _RESERVED.search(text[start:end].rpartition("@")[2]) and text[end : end + 1] not in ("(", "[")


def varied(text: str, start: int, end: int) -> bool:
    """No placeholder: 8 different characters or more and a digit (no sk-xxxx…), and no EXAMPLE or YOUR in it."""
    found = text[start:end]
    placeholder = re.search("EXAMPLE|YOUR|DUMMY|PLACEHOLDER", found, re.IGNORECASE)
    return len(set(found)) >= 8 and any(map(str.isdigit, found)) and not placeholder


def public(text: str, start: int, end: int) -> bool:
    """An IPv4 address that is routed in the internet (the IANA registries, as `ipaddress` has them)."""
    try:
        return ipaddress.IPv4Address(text[start:end]).is_global
    except ipaddress.AddressValueError:
        return False


CHECKS: dict[str, Callable[[str, int, int], bool]] = {
    check.__name__: check for check in (plain, luhn, kr_resident, kr_business, jp_individual, mailbox, varied, public)
}
