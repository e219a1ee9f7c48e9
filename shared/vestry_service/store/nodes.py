"""The primaries of a Cluster: who they are, and a connection to each."""

import asyncio
from functools import cache, partial

from vestry_service.live_records import TAGS, mark_key
from vestry_service.store.greeting import Refused, dial_primary
from vestry_service.store.link import Link
from vestry_service.store.script import TIMEOUT
from vestry_service.store.slots import SlotMap, View, read_view, slot_of
from vestry_service.store.url import Address, StoreUrl
from vestry_service.store.watch import Watch, collect
from vestry_service.store.wire import Wire

ROUNDS = 2
PATIENCE = 0.1
"""Seconds that a node has for saying who holds what. Two rounds must fit into the time of a trip."""


class ClusterWatch(Watch):
    """Knows which node holds which slot."""

    def __init__(self, url: StoreUrl) -> None:
        super().__init__(url, url.login)
        self.slots = SlotMap([])

    async def hear(self) -> None:
        """Ask the primaries that are known; where they are no majority, whoever they name and the URL's too."""
        asked: set[Address] = set()
        views: list[View] = []
        causes: list[str] = []
        todo = set(self.slots.addresses.values()) or set(self.url.addresses)
        for _ in range(ROUNDS):
            asked |= todo
            views += await collect([partial(self._view_of, each) for each in todo], PATIENCE, causes)
            found = self._merge(views)
            if found.is_majority(view.myself for view in views):
                self._know(found)
                return
            todo = {*found.addresses.values(), *self.url.addresses} - asked
            if not todo:
                break
        raise Refused(
            f"no majority of the Cluster's primaries answers: {'; '.join(causes) or 'none is known'}"
        )

    def _know(self, found: SlotMap) -> None:
        # The views may differ from one time to the next while somebody is away: that is no news.
        if found.claims != self.slots.claims:
            self.generation += 1
        self.slots = found

    def _merge(self, views: list[View]) -> SlotMap:
        return self.slots if self.slots.source == frozenset(views) else SlotMap(views)

    async def _view_of(self, address: Address) -> View:
        reply = await self.ask(address, "CLUSTER", "NODES")
        try:
            return read_view(reply.decode(), address, self.url.tls is not None)
        except (ValueError, AttributeError) as error:
            raise Refused(f"{address} does not tell who holds which slot") from error


class NodeFinder:
    """`Finder` of one node of a Cluster."""

    def __init__(self, watch: ClusterWatch, node: str) -> None:
        self._watch = watch
        self._node = node

    async def find(self) -> Wire:
        if not self._watch.is_fresh:
            await self._watch.refresh()
        address = self._watch.slots.addresses.get(self._node)
        if address is None:
            raise Refused("this node holds no slot any more")
        generation = self._watch.generation
        wire = await dial_primary(address, self._watch.url)
        wire.generation = generation
        return wire

    def trusts(self, wire: Wire) -> bool:
        return self._watch.is_fresh and wire.generation == self._watch.generation

    async def aclose(self) -> None:
        """Do nothing: the watch is closed by whoever opened it."""


class Nodes:
    """The connections to the primaries of a Cluster, each made when first needed."""

    def __init__(self, watch: ClusterWatch) -> None:
        self.watch = watch
        self._links: dict[str, Link] = {}

    def link(self, node: str) -> Link:
        """Return the connection to a node."""
        if node not in self._links:
            self._links[node] = Link(NodeFinder(self.watch, node))
        return self._links[node]

    async def links(self) -> dict[str, Link]:
        """Return the connections to all primaries by the nodes' ids. Raises OSError: no majority answers."""
        if not self.watch.is_fresh:
            async with asyncio.timeout(TIMEOUT):
                await self.watch.refresh()
        here = self.watch.slots.addresses
        for gone in self._links.keys() - here.keys():
            await self._links.pop(gone).aclose()
        return {node: self.link(node) for node in here}

    def tags(self) -> dict[str, list[str]]:
        """Return the tags of each node that holds any."""
        found: dict[str, list[str]] = {}
        for tag, slot in _slots_of_tags().items():
            if (node := self.watch.slots.owner(slot)) is not None:
                found.setdefault(node, []).append(tag)
        return found

    async def aclose(self) -> None:
        for link in self._links.values():
            await link.aclose()
        await self.watch.aclose()


@cache
def _slots_of_tags() -> dict[str, int]:
    return {tag: slot_of(mark_key(tag)) for tag in TAGS}
