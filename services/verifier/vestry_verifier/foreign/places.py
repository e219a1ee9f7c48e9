"""So many at once and no more: 4 fetches for a host and 64 in all, and look-ups of names likewise (`resolver.py`).

Strangers decide how often we fetch, for they name what is fetched. A host is not to be flooded by us, and hosts that
never answer must not take the places of those that do:

1. A quarter of all places, and of each host's, is for directories that are *known*: they were had before. Whoever
   names new hosts or paths, as many as he likes, stands in a line of his own, and nobody who is known stands behind.
2. Names cost nothing below a domain, so new hosts of one *domain*, the last two labels of their names (of an address:
   the network around it), have a quarter of the strangers' places together. Known ones have half of all.

A line goes in the order of arrival. The lines are gone through from the narrowest to the widest, so that who waits in
one holds nothing of a wider one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from ipaddress import ip_network
from typing import Final

FOR_A_HOST: Final = 4
IN_ALL: Final = 64


class Places:
    """Places at which something is done for a host."""

    def __init__(self, for_a_host: int = FOR_A_HOST, in_all: int = IN_ALL) -> None:
        strangers = _three_quarters(in_all)
        self._hosts = _Lines(for_a_host)
        self._new_of_hosts = _Lines(_three_quarters(for_a_host))
        self._known_of_domains = _Lines(max(1, in_all // 2))
        self._new_of_domains = _Lines(max(1, strangers // 4))
        self._strangers = _Lines(strangers)
        self._all = _Lines(in_all)

    @asynccontextmanager
    async def at(self, authority: str, known: bool) -> AsyncIterator[None]:
        """Wait for a place for host[:port], and hold it."""
        leave = await self.take(authority, known)
        try:
            yield
        finally:
            leave()

    async def take(self, authority: str, known: bool) -> Callable[[], None]:
        """Wait for a place for host[:port], and return what gives it back."""
        with ExitStack() as held:
            for lines, name in self._way(authority, known):
                await lines.take(name)
                held.callback(lines.give, name)
            return held.pop_all().close

    def _way(self, authority: str, known: bool) -> Iterator[tuple["_Lines", str]]:
        if not known:
            yield self._new_of_hosts, authority  # (1)
        yield self._hosts, authority
        yield self._known_of_domains if known else self._new_of_domains, domain_of(authority)  # (2)
        if not known:
            yield self._strangers, ""  # (1)
        yield self._all, ""


class _Lines:
    """A line for each name, with so many places at its head; a line in which nobody is left is forgotten."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._lines: dict[str, asyncio.Semaphore] = {}
        self._interested: dict[str, int] = {}

    async def take(self, name: str) -> None:
        line = self._lines.setdefault(name, asyncio.Semaphore(self._places))
        self._interested[name] = self._interested.get(name, 0) + 1
        try:
            await line.acquire()
        except BaseException:
            self._leave(name)
            raise

    def give(self, name: str) -> None:
        self._lines[name].release()
        self._leave(name)

    def __len__(self) -> int:
        return len(self._lines)

    def _leave(self, name: str) -> None:
        self._interested[name] -= 1
        if not self._interested[name]:
            del self._lines[name], self._interested[name]


def _three_quarters(places: int) -> int:
    return max(1, places * 3 // 4)


def domain_of(authority: str) -> str:
    """Name the domain of a normalised host[:port] (2)."""
    host, colon, port = authority.rpartition(":")
    host = host if colon and not port.endswith("]") else authority
    try:
        is_6 = host.startswith("[")
        return str(ip_network(f"{host.strip('[]')}/{32 if is_6 else 16}", strict=False))
    except ValueError:
        return ".".join(host.split(".")[-2:])
