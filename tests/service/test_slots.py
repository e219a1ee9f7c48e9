"""Who holds which slot of a Cluster: reckoned as the servers do, and the greater epoch is right."""

import pytest

from topologies import Cluster
from vestry_service.store.slots import SlotMap, View, read_view, slot_of
from vestry_service.store.url import Address


@pytest.mark.parametrize(
    ("key", "slot"),
    [(b"123456789", 12739), (b"{user1000}.following", 3443), (b"foo", 12182), (b"a{}b", 12095)],
)
def test_slots(key: bytes, slot: int, cluster: Cluster) -> None:
    """As the servers reckon them (CRC-16/XMODEM of the hash tag)."""
    assert slot_of(key) == cluster.slot(key)
    if key != b"a{}b":
        assert slot_of(key) == slot


A, B, OLD = "a" * 40, "b" * 40, "o" * 40


def view(*lines: str) -> View:
    return read_view("\n".join(lines), Address("asked", 1), tls=False)


def line(node: str, epoch: int, slots: str, flags: str = "master", where: str = "10.0.0.1:7000@17000") -> str:
    return f"{node} {where} {flags} - 0 1700000000000 {epoch} connected {slots}".rstrip()


def test_the_greater_epoch_is_right() -> None:
    """A node that slept through a promotion claims its slots still; one view that knows better is enough."""
    stale = view(
        line(OLD, 1, "0-8191", "myself,master"), line(B, 2, "8192-16383", where="10.0.0.2:7000@17000")
    )
    new = view(line(A, 5, "0-8191", where="10.0.0.3:7000@17000"), line(B, 2, "8192-16383", "myself,master"))
    for views in ([stale, new], [new, stale]):
        slots = SlotMap(views)
        assert (slots.owner(0), slots.owner(16383)) == (A, B)
        assert slots.addresses.keys() == {A, B}
        assert not slots.is_majority([OLD, B])
        assert slots.is_majority([A, B])


def test_a_view_is_read() -> None:
    """Ranges, single slots, slots on their way, replicas, and a node that does not know its own address."""
    seen = view(
        line(A, 3, "0-5 7 [8->-" + B + "] [9-<-" + B + "]", "myself,master", ":7000@17000"),
        line(B, 4, "", "slave"),
        line(OLD, 1, "100", "master,fail", "[::1]:7002@17002,host.example"),
    )
    assert seen.myself == A
    claims = {each.node: each for each in seen.claims}
    assert claims[A].slots == ((0, 5), (7, 7))
    assert claims[A].address == Address("asked", 7000)
    assert claims[OLD].address == Address("::1", 7002)
    assert B not in claims
