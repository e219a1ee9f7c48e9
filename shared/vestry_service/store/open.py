"""From a REDIS_URL to what talks to the servers behind it."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from vestry_service.store.batches import Batcher
from vestry_service.store.calls import Part
from vestry_service.store.cluster import ClusterBatcher
from vestry_service.store.link import Always, Finder, Link
from vestry_service.store.nodes import ClusterWatch, Nodes
from vestry_service.store.script import Script
from vestry_service.store.sentinel import Sentinels
from vestry_service.store.url import StoreUrl, parse
from vestry_service.store.wire import Word


class Carrier(Protocol):
    """Carries batches of calls of one script."""

    def submit(self, keys: Sequence[bytes], args: Sequence[Word]) -> asyncio.Future[Part]:
        """Put keys and arguments into the batch of this turn; the future raises ReplayStoreUnavailable."""
        ...

    def doubt(self, name: str) -> None:
        """Hear that a server's marks name another: it may have got a new name since it was asked."""
        ...

    async def aclose(self) -> None:
        """Take nothing more, let what is under way arrive or time out, then hang up."""
        ...


class Primaries(Protocol):
    """The servers that nonces are spent at."""

    async def links(self) -> dict[str, Link]:
        """Return a connection to each by what it is called. Raises OSError: they cannot be told."""
        ...

    def tags(self) -> dict[str, list[str]]:
        """Return which of the 4096 tags each node of a Cluster holds, by what it is called; without one, none."""
        ...

    async def aclose(self) -> None: ...


class OnePrimary:
    """`Primaries` where there is one; it is called by the empty name."""

    def __init__(self, finder: Finder) -> None:
        self._link = Link(finder)

    async def links(self) -> dict[str, Link]:
        return {"": self._link}

    def tags(self) -> dict[str, list[str]]:
        return {}

    async def aclose(self) -> None:
        await self._link.aclose()


def open_batcher(text: str, script: Script, trips: int, replicas: int = 0) -> Carrier:
    """Return what carries batches of a script's calls; nothing is connected yet.

    Args:
        text: a REDIS_URL.
        script: answers one value a key.
        trips: how many may be under way at once to one server.
        replicas: so many must hold what was written, or nothing was answered.

    Raises ValueError: it is no such URL.
    """
    url = parse(text)
    if url.topology == "cluster":
        return ClusterBatcher(url, script, trips, replicas)
    return Batcher(Link(_finder(url)), script, trips, replicas=replicas)


def open_primaries(text: str) -> Primaries:
    """Return connections to all primaries; nothing is connected yet. Raises ValueError: it is no such URL."""
    url = parse(text)
    return Nodes(ClusterWatch(url)) if url.topology == "cluster" else OnePrimary(_finder(url))


def _finder(url: StoreUrl) -> Finder:
    return Sentinels(url) if url.topology == "sentinel" else Always(url)
