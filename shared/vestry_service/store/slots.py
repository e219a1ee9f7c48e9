"""Which node of a Cluster holds which slot, by what its nodes say (`CLUSTER NODES`).

A Cluster has 16384 hash slots. A key's slot is the CRC-16 (XMODEM) of its hash tag, the part in braces. Each slot
is claimed by one primary, and each claim has an epoch: whoever takes a slot over, by promotion or because it was
moved, claims it with a greater one. So where nodes say different things about a slot, the greater epoch is right,
and one view that has it is enough.
"""

from binascii import crc_hqx
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from vestry_service.store.url import Address

SLOTS: Final = 16384


def slot_of(key: bytes) -> int:
    """Return the hash slot of a key with a hash tag, as all of ours have; of one without, by all of it."""
    start = key.find(b"{") + 1
    end = key.find(b"}", start) if start else -1
    return crc_hqx(key[start:end] if end > start else key, 0) % SLOTS


class Claim(NamedTuple):
    """A primary, and the slots that it holds.

    Attributes:
        node: the node's id.
        address: where it listens.
        epoch: of its claim.
        slots: ranges, both ends included.
    """

    node: str
    address: Address
    epoch: int
    slots: tuple[tuple[int, int], ...]


class View(NamedTuple):
    """What one node says of the Cluster: its own id, and the primaries' claims."""

    myself: str
    claims: frozenset[Claim]


def read_view(text: str, asked: Address, tls: bool) -> View:
    """Read the answer to CLUSTER NODES of the node at an address. Raises ValueError."""
    myself, claims = "", set()
    for line in text.splitlines():
        node, where, flags, _, _, _, epoch, _, *slots = line.split(" ")
        if "myself" in flags:
            myself = node
        ranges = tuple(_range(slot) for slot in slots if not slot.startswith("["))
        if "master" in flags and ranges:
            claims.add(Claim(node, _address(where, asked, tls), int(epoch), ranges))
    return View(myself, frozenset(claims))


class SlotMap:
    """Who holds each slot, by the views of several nodes."""

    def __init__(self, views: Sequence[View]) -> None:
        self.source = frozenset(views)
        claims = self.claims = _latest(views)
        self._owners: list[str | None] = [None] * SLOTS
        self.addresses: dict[str, Address] = {}
        for claim in sorted(claims, key=lambda claim: claim.epoch):
            for first, last in claim.slots:
                self._owners[first : last + 1] = [claim.node] * (last + 1 - first)
            self.addresses[claim.node] = claim.address
        holding = set(self._owners)
        self.addresses = {node: where for node, where in self.addresses.items() if node in holding}

    def owner(self, slot: int) -> str | None:
        """Return the id of the node that holds a slot, None where nobody does."""
        return self._owners[slot]

    def node_at(self, address: Address) -> str | None:
        """Return the id of the primary that listens at an address."""
        return next((node for node, where in self.addresses.items() if where == address), None)

    def is_majority(self, nodes: Iterable[str]) -> bool:
        """Whether these are more than half of the primaries."""
        return 2 * len(self.addresses.keys() & set(nodes)) > len(self.addresses)


def _latest(views: Sequence[View]) -> frozenset[Claim]:
    """Return one claim a node: that of the greatest epoch, and of those what the node says of itself."""
    latest: dict[str, tuple[int, bool, Claim]] = {}
    for view in views:
        for claim in view.claims:
            found = (claim.epoch, view.myself == claim.node, claim)
            if claim.node not in latest or found[:2] > latest[claim.node][:2]:
                latest[claim.node] = found
    return frozenset(claim for _, _, claim in latest.values())


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last or first)


def _address(text: str, asked: Address, tls: bool) -> Address:
    """Read `ip:port@bus[,hostname]`; a certificate is for the name, where there is one."""
    where, _, names = text.partition(",")
    host, _, port = where.partition("@")[0].rpartition(":")
    name = names.partition(",")[0]
    if tls and name and "=" not in name:
        host = name
    return Address(host.strip("[]") or asked.host, int(port))
