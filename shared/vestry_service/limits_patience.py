"""One request waits for Redis about as long as one trip may take, however often it asks.

A limited request asks twice: its limits before any work, and its nonce after the proof. Each trip has a deadline of
its own, and a server that hangs between the two would be waited for twice. So the second gets what the first left:

1. `begin` gives the request of this task its 250 ms. The requests of one connection are handled in one task, one
   after the other, so each of them begins anew.
2. `patiently` waits for a trip no longer than what is left, and takes off how long it took; but 100 ms are always
   left. A wait is also long where this process has much to do, and then nobody is refused for that alone.
3. A trip that took no longer than a moment, as nearly all do, is not taken off. So nearly every trip has the whole
   time, which is the one that it has by itself, and no clock need be set for it.

Work between the trips, such as reading Postgres, is not counted. Who never began has the trip's own deadline alone.
"""

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from contextvars import ContextVar
from time import monotonic
from typing import Any, TypeVar

from vestry_service.live_records import LiveRecord
from vestry_service.replay import Answer, Claim, ReplayStore
from vestry_service.store.script import TIMEOUT
from vestry_signatures.errors import ReplayStoreUnavailable

LEAST = 0.1
"""Seconds that a trip has in any case. See (2)."""

MOMENT = 0.02
"""Seconds that a trip may take without being noticed. See (3)."""

T = TypeVar("T")
_left: ContextVar[float | None] = ContextVar("seconds_left_for_redis", default=None)


def begin() -> None:
    """Give the request that this task handles its time. See (1)."""
    _left.set(TIMEOUT)


async def patiently(trip: Awaitable[T]) -> T:
    """Wait for a trip to Redis. Raises ReplayStoreUnavailable when the time of this request is used up. See (2)."""
    left = _left.get()
    if left is None:
        return await trip
    started = monotonic()
    try:
        return await (trip if left >= TIMEOUT else _within(left, trip))  # (3)
    finally:
        took = monotonic() - started
        if took > MOMENT:
            _left.set(max(LEAST, left - took))


async def _within(seconds: float, trip: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await trip
    except TimeoutError as error:
        raise ReplayStoreUnavailable from error


class PatientStore:
    """A `ReplayStore` that waits no longer than the request has time."""

    def __init__(self, store: ReplayStore) -> None:
        self._store = store

    def spend(self, claims: Sequence[Claim], now: int) -> Coroutine[Any, Any, list[Answer]]:
        return patiently(self._store.spend(claims, now))

    def look(self, kid: str) -> Coroutine[Any, Any, LiveRecord | None]:
        return patiently(self._store.look(kid))

    def recheck(self, claims: Sequence[Claim]) -> Coroutine[Any, Any, list[Answer]]:
        return patiently(self._store.recheck(claims))

    def peek(self, claims: Sequence[Claim]) -> Coroutine[Any, Any, list[Answer]]:
        return patiently(self._store.peek(claims))

    async def aclose(self) -> None:
        await self._store.aclose()
