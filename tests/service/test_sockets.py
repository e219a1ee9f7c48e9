"""Sockets: a port that cannot be had is one clear line."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from vestry_service.errors import StartError
from vestry_service.sockets import listening


@contextmanager
def bound(*addresses: str, port: int = 0) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(sock) for sock in listening(addresses, port)]


def families(sockets: list[socket.socket]) -> set[socket.AddressFamily]:
    return {socket.AddressFamily(sock.family) for sock in sockets}


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("addresses", [(), ("localhost",)])
def test_every_address_and_localhost_mean_both_families_at_one_port(addresses: tuple[str, ...]) -> None:
    """A client may come by IPv4 or IPv6, as far as this machine has them."""
    with bound(*addresses) as sockets:
        wanted = {socket.AF_INET, socket.AF_INET6} if has_ipv6() else {socket.AF_INET}
        assert families(sockets) == wanted
        assert len({sock.getsockname()[1] for sock in sockets}) == 1


def test_localhost_is_loopback_only() -> None:
    """Nobody else on the network can connect."""
    with bound("localhost") as sockets:
        assert {sock.getsockname()[0] for sock in sockets} <= {"127.0.0.1", "::1"}


def test_a_taken_port_names_the_setting() -> None:
    """One line that says what to change."""
    with bound("127.0.0.1") as sockets:
        port = sockets[0].getsockname()[1]
        with pytest.raises(StartError) as caught:
            listening(["127.0.0.1"], port, variable="VERIFIER_PORT")
    text = str(caught.value)
    assert text.startswith(f"VERIFIER_PORT: 127.0.0.1:{port} is taken")
    assert "\n" not in text


def test_a_port_taken_on_one_of_two_addresses_leaves_nothing_open() -> None:
    """What was bound before the failure is given back."""
    with bound("127.0.0.1") as sockets:
        port = sockets[0].getsockname()[1]
        with pytest.raises(StartError):
            listening(["127.0.0.2", "127.0.0.1"], port)
        with bound("127.0.0.2", port=port) as again:
            assert again[0].getsockname()[1] == port


def test_an_address_that_this_machine_lacks_is_told() -> None:
    """A typing error in BIND must not be skipped silently."""
    with pytest.raises(StartError) as caught:
        listening(["192.0.2.77"], 0, variable="BIND")
    assert "192.0.2.77" in str(caught.value)


def test_several_processes_can_share_a_port_when_asked() -> None:
    """SO_REUSEPORT is for one process a core."""
    with ExitStack() as stack:
        (one,) = listening(["127.0.0.1"], 0, reuse_port=True)
        stack.enter_context(one)
        (other,) = listening(["127.0.0.1"], one.getsockname()[1], reuse_port=True)
        stack.enter_context(other)
        assert one.getsockname() == other.getsockname()
