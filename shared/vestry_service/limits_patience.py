"""One request waits for Redis about as long as one trip may take, however often it asks.

A limited request asks twice: its limits before any work, and its nonce after the proof. Each trip has a deadline of
its own, and a server that hangs between the two would be waited for twice. So the second gets what the first left:

1. `begin` gives the request of this task its 250 ms. The requests of one connection are handled in one task, one
   after the other, so each of them begins anew.
2. `waiting` runs a trip within what is left, and takes off how long it took; but 100 ms are always left. A wait is
   also long where this process has much to do, and then nobody is refused for that alone.

Work between the trips, such as reading Postgres, is not counted. Who never began has the trip's own deadline alone.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar

from vestry_service.live_records import LiveRecord
from vestry_service.replay import Answer, Claim, ReplayStore
from vestry_service.store.script import TIMEOUT
from vestry_signatures.errors import ReplayStoreUnavailable

LEAST = 0.1
"""Seconds that a trip has in any case. See (2)."""

_left: ContextVar[float | None] = ContextVar("seconds_left_for_redis", default=None)


def begin() -> None:
    """Give the request that this task handles its time. See (1)."""
    _left.set(TIMEOUT)


@asynccontextmanager
async def waiting() -> AsyncIterator[None]:
    """Wait for Redis inside. Raises ReplayStoreUnavailable when the time of this request is used up. See (2)."""
    left = _left.get()
    if left is None:
        yield
        return
    loop = asyncio.get_running_loop()
    started = loop.time()
    try:
        async with asyncio.timeout(left):
            yield
    except TimeoutError as error:
        raise ReplayStoreUnavailable from error
    finally:
        _left.set(max(LEAST, left - (loop.time() - started)))


class PatientStore:
    """A `ReplayStore` that waits no longer than the request has time."""

    def __init__(self, store: ReplayStore) -> None:
        self._store = store

    async def spend(self, claims: Sequence[Claim], now: int) -> list[Answer]:
        async with waiting():
            return await self._store.spend(claims, now)

    async def look(self, kid: str) -> LiveRecord | None:
        async with waiting():
            return await self._store.look(kid)

    async def recheck(self, claims: Sequence[Claim]) -> list[Answer]:
        async with waiting():
            return await self._store.recheck(claims)

    async def peek(self, claims: Sequence[Claim]) -> list[Answer]:
        async with waiting():
            return await self._store.peek(claims)

    async def aclose(self) -> None:
        await self._store.aclose()
