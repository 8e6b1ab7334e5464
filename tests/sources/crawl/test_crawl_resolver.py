"""Which addresses may be connected to, judged by the very address that a connection would go to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IHostnameResolver, IHostResolution, IResolutionReceiver
from zope.interface import implementer

from yisang.sources.crawl.resolver import Guard, is_public

# RFC 6890 and the IANA registries of special addresses: the first and last of each range that is not public.
NOT_PUBLIC_4 = [
    "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1", "127.255.255.255",
    "169.254.0.0", "169.254.169.254", "169.254.255.255", "172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.2.0", "192.0.2.255",
    "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "233.252.0.1",
    "239.255.255.255", "240.0.0.0", "255.255.255.254", "255.255.255.255",
]  # fmt: skip
PUBLIC_4 = [
    "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1", "169.253.255.255", "169.255.0.0",
    "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "8.8.8.8",
]  # fmt: skip
NOT_PUBLIC_6 = [
    "::", "::1", "100::1", "2001:db8::1", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:2::1", "2001:10::1", "3fff::1", "3fff:fff::1",
    "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fe80::1%25eth0", "febf::1", "fec0::1", "feff::1", "ff00::1", "ff02::1", "ff0e::1",
    "5f00::1", "4000::1", "64:ff9b:1::7f00:1", "64:ff9b:1::808:808", "::ffff:0:7f00:1",
]  # fmt: skip
PUBLIC_6 = ["2001:4860:4860::8888", "2606:4700::1111", "2a00::1", "2400::1", "3ffe::1"]


def wrapped(address: str) -> list[str]:
    """An IPv4 address in the forms of IPv6 that end in a connection to it."""
    high, low = (int.from_bytes(bytes(map(int, address.split(".")))[at : at + 2], "big") for at in (0, 2))
    inverted = f"{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}"
    return [
        f"::ffff:{address}",  # mapped, RFC 4291
        f"::{high:x}:{low:x}",  # compatible, RFC 4291
        f"64:ff9b::{high:x}:{low:x}",  # NAT64, RFC 6052
        f"2002:{high:x}:{low:x}::1",  # 6to4, RFC 3056
        f"2001:0:808:808:0:0:{inverted}",  # Teredo, RFC 4380
    ]


@pytest.mark.parametrize("address", [*NOT_PUBLIC_4, *NOT_PUBLIC_6])
def test_what_is_not_of_the_public_internet_is_told(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [*PUBLIC_4, *PUBLIC_6])
def test_what_is_of_the_public_internet_is_told(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC_4)
def test_an_address_is_not_public_either_where_another_wraps_it(address: str) -> None:
    assert [form for form in wrapped(address) if is_public(form)] == []


def test_a_public_address_stays_so_where_another_wraps_it() -> None:
    assert all(map(is_public, wrapped("8.8.8.8")[:1] + wrapped("8.8.8.8")[2:4]))


@given(st.ip_addresses(v=4).filter(lambda found: not found.is_global))
def test_no_private_address_is_public_in_any_form(address: Any) -> None:
    assert [form for form in (str(address), *wrapped(str(address))) if is_public(form)] == []


class Began:
    """What a resolver hands out as a resolution under way."""

    def cancel(self) -> None:
        return


@implementer(IHostnameResolver)
class Rebinding:
    """A resolver that answers otherwise each time it is asked, as a name does whose owner means ill."""

    def __init__(self, *answers: Sequence[str]):
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    def resolveHostName(
        self, resolutionReceiver: IResolutionReceiver, hostName: str, portNumber: int = 0, addressTypes: Any = None, transportSemantics: str = "TCP"
    ) -> IHostResolution:  # fmt: skip
        self.asked.append((hostName, portNumber))
        resolution = Began()
        resolutionReceiver.resolutionBegan(resolution)
        for address in self.answers.pop(0):
            kind = IPv6Address if ":" in address else IPv4Address
            resolutionReceiver.addressResolved(kind("TCP", address, portNumber))
        resolutionReceiver.resolutionComplete()
        return resolution


@implementer(IResolutionReceiver)
class Connecting:
    """Whoever is about to connect to what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.began = self.complete = 0

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        self.began += 1

    def addressResolved(self, address: Any) -> None:
        assert self.began == 1
        assert self.complete == 0
        self.told.append((address.host, address.port))

    def resolutionComplete(self) -> None:
        self.complete += 1


def nobody(host: str) -> None:
    return None


def test_no_private_address_reaches_whoever_connects_however_often_a_name_changes() -> None:
    public, private = "93.184.216.34", "127.0.0.1"
    inner = Rebinding(
        [public], [private], [public, private, "::1"], ["::ffff:10.0.0.1"], [], ["2606:4700::1", "fe80::1%eth0"]
    )
    guard = Guard(inner, nobody)
    told, refused = [], []
    while inner.answers:
        receiver = Connecting()
        guard.resolveHostName(receiver, "moves.example", 443)
        assert (receiver.began, receiver.complete) == (1, 1)
        told.append([host for host, _ in receiver.told])
        refused.append(guard.refused.get("moves.example", ()))
    assert told == [[public], [], [public], [], [], ["2606:4700::1"]]
    # What was kept away the last time, and nothing of the times before.
    assert refused == [(), (private,), (private, "::1"), ("::ffff:10.0.0.1",), (), ("fe80::1%eth0",)]
    assert inner.asked == [("moves.example", 443)] * 6


def test_of_two_names_each_has_its_own_refusals() -> None:
    guard = Guard(Rebinding(["10.0.0.1"], ["8.8.8.8"]), nobody)
    for host in ("inside.example", "outside.example"):
        guard.resolveHostName(Connecting(), host, 80)
    assert guard.refused == {"inside.example": ("10.0.0.1",)}


def test_a_literal_address_is_judged_as_a_name_is() -> None:
    guard = Guard(Rebinding(["169.254.169.254"]), nobody)
    receiver = Connecting()
    guard.resolveHostName(receiver, "169.254.169.254", 80)
    assert receiver.told == []


@pytest.mark.parametrize(
    ("named", "told"),
    [
        (("127.0.0.1", 8080), ("127.0.0.1", 8080)),
        (("127.0.0.1", 0), ("127.0.0.1", 443)),
        (("::1", 8080), ("::1", 8080)),
    ],
)
def test_a_host_that_sites_names_is_connected_to_there_and_nowhere_else(
    named: tuple[str, int], told: tuple[str, int]
) -> None:
    inner = Rebinding(["8.8.8.8"], ["127.0.0.1"])
    guard = Guard(inner, lambda host: named if host == "mine.example" else None)
    receiver = Connecting()
    resolution = guard.resolveHostName(receiver, "mine.example", 443)
    resolution.cancel()
    assert (receiver.told, receiver.began, receiver.complete) == ([told], 1, 1)
    assert inner.asked == []
    for expected in ([("8.8.8.8", 443)], []):
        receiver = Connecting()
        guard.resolveHostName(receiver, "other.example", 443)
        assert receiver.told == expected
