"""Which addresses may be connected to for a foreign directory: those of the public internet.

Who names a host chooses what its name resolves to, and could so have us knock at the doors of our own network
(server-side request forgery). The tables are IANA's special-purpose registries (RFC 6890 and its successors), written
out here because Python's own idea of `is_global` differs from release to release:

1. An IPv4 address in any special network is refused; so is the one by which a cloud's hypervisor is reached.
2. Of IPv6 only 2000::/3 is public, and in it a few networks are special too. That refuses at one stroke loopback,
   unspecified, link-local, unique-local and multicast addresses, and IPv4 addresses in other clothes: mapped
   (`::ffff:127.0.0.1`), compatible, and NAT64 (`64:ff9b::/96`, `64:ff9b:1::/48`).
3. Inside 2000::/3 an IPv4 address hides in 6to4, Teredo and ISATAP: refused as well.

What `FETCH_ALLOW_PRIVATE` names is let through, for networks that are one's own on purpose. An address that carries
another one is let through only where that one may pass as well: naming a NAT64 prefix opens the internet behind it,
and not 127.0.0.1 behind it.
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from vestry_service.requests import Network

Address = IPv4Address | IPv6Address


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(map(ip_network, texts))


_SPECIAL: Final = _networks(
    "0.0.0.0/8",  # "this network", RFC 791
    "10.0.0.0/8",  # private, RFC 1918
    "100.64.0.0/10",  # shared, RFC 6598
    "127.0.0.0/8",  # loopback
    "168.63.129.16/32",  # public by its number, and a cloud's host to every machine in it
    "169.254.0.0/16",  # link-local, and where clouds keep their metadata
    "172.16.0.0/12",  # private
    "192.0.0.0/24",  # protocol assignments, RFC 6890
    "192.0.2.0/24",  # documentation, RFC 5737
    "192.88.99.0/24",  # 6to4 relays, RFC 7526
    "192.168.0.0/16",  # private
    "198.18.0.0/15",  # benchmarks, RFC 2544
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and the broadcast address
)
_PUBLIC_6: Final = ip_network("2000::/3")
_SPECIAL_6: Final = _networks(
    "2001::/23",  # protocol assignments, RFC 2928: Teredo, ORCHID, benchmarks
    "2001:db8::/32",  # documentation, RFC 3849
    "2002::/16",  # 6to4, RFC 3056
    "3fff::/20",  # documentation, RFC 9637
)
_CARRIERS: Final = _networks("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
"""Networks whose addresses end with an IPv4 address."""
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})  # RFC 5214 section 6.1


class Addresses:
    """Judges addresses."""

    def __init__(self, allowed: Iterable[Network] = ()) -> None:
        """Take the networks that are let through although they are not public."""
        self._allowed = tuple(allowed)

    def may_be_reached(self, text: str) -> bool:
        """Tell whether an address, as a resolver or a socket gives it, may be connected to."""
        try:
            address = ip_address(text)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            return False  # a scope belongs to a link
        return all(self._passes(each) for each in (address, *_carried(address)))

    def _passes(self, address: Address) -> bool:
        return _is_public(address) or any(address in network for network in self._allowed)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL)
    if address not in _PUBLIC_6 or any(address in network for network in _SPECIAL_6):
        return False
    return not any(True for _ in _carried(address))


def _carried(address: Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses that an IPv6 address stands for."""
    number = int(address)
    if isinstance(address, IPv4Address) or number <= 1:  # :: and ::1 stand for themselves
        return
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if any(address in network for network in _CARRIERS) or (number >> 32) & 0xFFFFFFFF in _ISATAP:
        yield IPv4Address(number & 0xFFFFFFFF)
