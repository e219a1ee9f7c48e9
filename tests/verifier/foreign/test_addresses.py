"""Which addresses may be connected to."""

import pytest

from vestry_service.parsers import network
from vestry_verifier.foreign.addresses import Addresses

PUBLIC_ONLY = Addresses()


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "192.0.1.1", "223.255.255.255", "2606:4700::1111"],
)
def test_public(address: str) -> None:
    """The public internet may be reached."""
    assert PUBLIC_ONLY.may_be_reached(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254",
        "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1",
        "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
        "239.255.255.255", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::7f00:1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::a00:1", "100::1", "2001::1", "2001:0:7f00:1::1",
        "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "3fff::1",
        "2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:10.0.0.1", "5f00::1", "fc00::1", "fd00:ec2::254",
        "fe80::1", "fe80::1%eth0", "2606:4700::1%eth0", "fec0::1", "ff02::1", "4000::1", "8000::1",
    ],
)  # fmt: skip
def test_special(address: str) -> None:
    """Nothing of our own network may, in whatever clothes it comes."""
    assert not PUBLIC_ONLY.may_be_reached(address)


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "0x7f.0.0.1", "2130706433", "1.1.1.1/32", "[::1]"]
)
def test_no_address(text: str) -> None:
    """What is no address in its usual form is not connected to."""
    assert not PUBLIC_ONLY.may_be_reached(text)


def test_named_networks() -> None:
    """A network that the operator names may be reached, and nothing beside it."""
    addresses = Addresses([network("10.1.0.0/16"), network("fd00:1::/64"), network("127.0.0.1")])
    assert all(map(addresses.may_be_reached, ["10.1.2.3", "fd00:1::5", "127.0.0.1", "1.1.1.1"]))
    assert not any(map(addresses.may_be_reached, ["10.2.0.1", "fd00:2::5", "127.0.0.2", "::ffff:10.1.2.3"]))


def test_this_machine_by_both_families() -> None:
    """Loopback can be named, for a developer's machine."""
    addresses = Addresses([network("127.0.0.0/8"), network("::1")])
    assert all(map(addresses.may_be_reached, ["127.0.0.1", "::1"]))
    assert not any(map(addresses.may_be_reached, ["::", "0.0.0.0", "::ffff:127.0.0.1", "::127.0.0.1"]))


def test_named_networks_that_carry_others() -> None:
    """Naming a prefix of NAT64 opens the internet behind it, not the private networks behind it."""
    addresses = Addresses([network("64:ff9b::/96")])
    assert addresses.may_be_reached("64:ff9b::8.8.8.8")
    assert not addresses.may_be_reached("64:ff9b::7f00:1")
    both = Addresses([network("64:ff9b::/96"), network("10.0.0.0/8")])
    assert both.may_be_reached("64:ff9b::10.1.2.3")
    assert not both.may_be_reached("64:ff9b::192.168.0.1")
