"""So many fetches at once and no more: 4 for a host, 64 in all.

Strangers decide how often we fetch, for they name what is fetched. A host is not to be flooded by us, and a slow one
must not take all the places of the others.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

FOR_A_HOST: Final = 4
IN_ALL: Final = 64


class Places:
    """Places to fetch at."""

    def __init__(self, for_a_host: int = FOR_A_HOST, in_all: int = IN_ALL) -> None:
        self._for_a_host = for_a_host
        self._all = asyncio.Semaphore(in_all)
        self._hosts: dict[str, asyncio.Semaphore] = {}
        self._interested: dict[str, int] = {}

    @asynccontextmanager
    async def at(self, host: str) -> AsyncIterator[None]:
        """Wait for a place and hold it; first in the host's own line, so that it keeps no place of the others."""
        line = self._hosts.setdefault(host, asyncio.Semaphore(self._for_a_host))
        self._interested[host] = self._interested.get(host, 0) + 1
        try:
            async with line, self._all:
                yield
        finally:
            self._interested[host] -= 1
            if not self._interested[host]:
                del self._hosts[host], self._interested[host]
