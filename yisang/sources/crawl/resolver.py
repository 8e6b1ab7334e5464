"""Which addresses may be connected to: public ones, and those that SITES names.

Every connection goes through here, so that a redirect, a literal address (`http://0x7f000001/`) or a name that suddenly resolves elsewhere
is judged by the very address that is connected to.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IHostnameResolver, IHostResolution, IResolutionReceiver
from zope.interface import implementer, provider

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in its last 32 bits
_V4_COMPATIBLE = ipaddress.ip_network("::/96")
# All that is given out to the public lies here (https://www.iana.org/assignments/ipv6-address-space/). `is_global` alone would let through
# the rest that has no entry of its own: site-local fec0::/10, translated ::ffff:0:127.0.0.1, local NAT64 64:ff9b:1::/48.
_UNICAST = ipaddress.ip_network("2000::/3")
_DOCUMENTATION = ipaddress.ip_network("3fff::/20")  # RFC 9637, which Python 3.11 does not know


def is_public(address: str) -> bool:
    """Whether an address is of the public internet, also where an IPv6 address wraps one that is not (mapped, NAT64, 6to4, Teredo)."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if inner is None and (found in _NAT64 or found in _V4_COMPATIBLE):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
        if found not in _UNICAST or found in _DOCUMENTATION:
            return False
    return found.is_global and not found.is_multicast


@implementer(IHostResolution)
class _Resolution:
    def __init__(self, name: str):
        self.name = name

    def cancel(self) -> None:
        """There is nothing under way."""


@implementer(IHostnameResolver)
class Guard:
    """A Twisted resolver that keeps what is not public from being connected to.

    named: gives the address and port that SITES names for a host, None where it names none. `refused` tells which addresses of a host
    were kept away.
    """

    def __init__(self, inner: IHostnameResolver, named: Callable[[str], tuple[str, int] | None]):
        self._inner, self._named = inner, named
        self.refused: dict[str, tuple[str, ...]] = {}

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[Any]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        named = self._named(hostName)
        if named is None:
            judged = _judging(resolutionReceiver, hostName, self.refused)
            return self._inner.resolveHostName(judged, hostName, portNumber, addressTypes, transportSemantics)
        address, port = named
        kind = IPv6Address if ":" in address else IPv4Address
        resolution = _Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        resolutionReceiver.addressResolved(kind("TCP", address, port or portNumber))
        resolutionReceiver.resolutionComplete()
        return resolution


def _judging(receiver: IResolutionReceiver, name: str, refused: dict[str, tuple[str, ...]]) -> IResolutionReceiver:
    kept_away: list[str] = []

    @provider(IResolutionReceiver)
    class Judging:
        @staticmethod
        def resolutionBegan(resolution: IHostResolution) -> None:
            receiver.resolutionBegan(resolution)

        @staticmethod
        def addressResolved(address: IPv4Address | IPv6Address) -> None:
            if is_public(address.host):
                receiver.addressResolved(address)
            else:
                kept_away.append(address.host)

        @staticmethod
        def resolutionComplete() -> None:
            if kept_away:
                refused[name] = tuple(kept_away)
            else:
                refused.pop(name, None)
            receiver.resolutionComplete()

    return Judging
