"""From Postgres to the live records: what the verifiers are told of a key (wire contract, section 7).

Postgres is the truth. A live record in Redis is a copy that says what a kid stands for now; the registrar
alone writes it, in the order of the agent's version, which every change of the agent raises.

1. A change commits its rows, the raised version and an outbox row in one transaction (`lifecycle.py`).
2. `publish` then rereads all keys of the agent in one statement, so that version and keys are of one moment,
   writes every record, and deletes the outbox rows that this served: those up to the version it has written.
3. If that fails, or the process dies before, the outbox row stays. Once a second, and first thing at the
   start, every registrar sends what is there; rows that another one is sending are left to it. While one of
   its changes is held up a registrar tries again all the time.
4. A record that is missing (expired, flushed) is asked for. `answer` rereads and writes it.
5. What is written to a server that is not open yet is not published: verifiers that have not heard of a promotion
   may ask the old primary for a moment (`store.watch`). The row stays, and the loop sends it once more.

A record lives for a limited time, after which the version that it carried is forgotten. So nothing read long
ago may be written: `read_at` lets a record end by the time of its reading, and a reading that has grown old
is made again.

Whatever goes wrong in a store is logged when it begins and when it ends, and never ends the loop.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final, Protocol

from vestry_registrar.enrolment import Enrolled
from vestry_registrar.live_store import LiveStore
from vestry_registrar.memory import Memory
from vestry_registrar.repository import memory_marks, outbox, records
from vestry_registrar.repository.edge import transaction
from vestry_registrar.repository.records import Reading
from vestry_service.live_records import LiveRecord
from vestry_service.logging import Logger
from vestry_service.postgres import Connection, Pool
from vestry_signatures.errors import DatabaseUnavailable, ReplayStoreUnavailable, Undecided

BATCH: Final = 200
"""Outbox rows, or changed agents, that are read at once."""

PERIOD: Final = 1.0
"""Seconds between two rounds of the loop."""

RETRY: Final = 0.02
"""Seconds between two attempts while a change is held up. Each waits for Redis as long as a trip may take, so that
one is nearly always under way: a Redis that only hung carries it out before it answers anybody who asks later."""

READINGS: Final = 3
"""How often a reading is made when each grows too old to be written."""


class Gauge(Protocol):
    """What shows a number that goes up and down."""

    def set(self, value: float) -> None: ...


class Publisher:
    """Writes live records, and has the memory mark looked after."""

    def __init__(
        self,
        pool: Pool,
        live_store: LiveStore,
        key_record_ttl: int,
        clock_skew: int,
        logger: Logger,
        pending: Gauge,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what it stands on.

        Args:
            pool: of connections to Postgres.
            live_store: the writing side of Redis.
            key_record_ttl: life of a live record, seconds.
            clock_skew: seconds.
            logger: gets a line when a store's trouble begins, and when it ends.
            pending: shows how many changes are not published yet.
            clock: Unix seconds.
            monotonic: seconds that never jump.
        """
        self._pool = pool
        self._live = live_store
        self._ttl = key_record_ttl
        self._pending = pending
        self._monotonic = monotonic
        self._held_up = asyncio.Event()
        self._behind = False
        self._outbox_trouble = Trouble("outbox", logger)
        self._memory_trouble = Trouble("memory_mark", logger)
        self._memory = Memory(pool, live_store, self.refresh, clock_skew, clock, logger)

    @property
    def keeps_up(self) -> bool:
        """Whether all changes that it knows of are told to Redis."""
        return not self._behind

    async def publish(self, uid: str) -> bool:
        """Write all live records of an agent (`agent-…`) as it is now. See (2).

        Returns False where that could not be done: then the outbox has the change, and the loop retries it.
        """
        try:
            reading = await self._young(partial(records.of_agent, self._pool, uid))
            holders = await self._write(reading)
            if not await memory_marks.are_open(self._pool, holders):
                return False  # (5)
        except Undecided:
            self._behind = True
            self._held_up.set()
            return False
        # A row that cannot be deleted now is sent once more.
        with suppress(Undecided):
            for pair in reading.pairs[:1]:
                await outbox.delete_served(self._pool, uid, pair.version)
        return True

    async def announce(self, enrolled: Enrolled) -> bool:
        """Write the live record of a registration, read by the registration itself; False if that could not be done.

        It needs no outbox: of a new key there is no older record anywhere, and a missing one is asked for. See (4).
        """
        try:
            await self._live.write([enrolled.record], read_at=enrolled.read_at)
        except ReplayStoreUnavailable:
            return False
        return True

    async def answer(self, uid: str, kid: str) -> LiveRecord | None:
        """Tell a verifier what it misses: the live record of this pair, in whatever state it is. See (4).

        None where this pair never stood. A record that cannot be written is answered all the same: the verifier
        passes nothing that Redis does not hold.

        Raises DatabaseUnavailable.
        """
        reading = await self._young(partial(records.of_pair, self._pool, uid, kid))
        with suppress(ReplayStoreUnavailable):
            await self._write(reading)
        return reading.pairs[0].record() if reading.pairs else None

    async def run(self) -> None:
        """Send the outbox and look after the memory mark, now and once a second, until cancelled."""
        while True:
            self._held_up.clear()
            await self.round()
            with suppress(TimeoutError):
                async with asyncio.timeout(PERIOD):
                    await self._keep_sending()

    async def _keep_sending(self) -> None:
        """Send what is held up again and again, without an end: what has come through is sent at once."""
        while True:
            if not self._outbox_trouble.lasts:
                await self._held_up.wait()
                self._held_up.clear()
            with self._outbox_trouble.noted():
                await self.send()
            await asyncio.sleep(RETRY)

    async def round(self) -> None:
        """Do what `run` repeats, once. Raises nothing: see the module."""
        with self._outbox_trouble.noted():
            await self.send()
        with self._memory_trouble.noted():
            await self._memory.look()

    async def send(self) -> None:
        """Send what the outbox holds, but for what another registrar is sending. See (3).

        Raises DatabaseUnavailable; ReplayStoreUnavailable: what was not sent stays.
        """
        waiting = await outbox.count(self._pool)
        self._pending.set(waiting)
        self._behind = self._behind or waiting > 0
        while waiting > 0 and await self._send_batch():
            waiting -= BATCH
        self._behind = False

    async def refresh(self, connection: Connection, holds: Callable[[str], bool]) -> None:
        """Write all live records again that a store restored from an older file could hold in an older state.

        `holds` says of a kid whether that store holds its record.

        Those are the records of what changed within twice a record's life: whatever changed before has outlived
        every record that was written before the change, or from a reading made before it.

        Raises DatabaseUnavailable; ReplayStoreUnavailable.
        """
        after = 0
        while True:
            reading = await self._young(partial(records.changed, connection, 2 * self._ttl, after, BATCH))
            if not reading.pairs:
                return
            await self._write(reading, holds)
            after = reading.last_agent

    async def _send_batch(self) -> bool:
        """Send some rows, which stay claimed until they are deleted; False if there are none left to claim."""
        async with transaction(self._pool) as connection:
            claim = await outbox.claim(connection, BATCH)
            reading = await self._young(partial(records.of_agents, connection, claim.agents))
            await self._write(reading)
            await outbox.delete(connection, claim.rows)
        return bool(claim.rows)

    async def _write(self, reading: Reading, holds: Callable[[str], bool] = lambda _: True) -> set[str]:
        records = [pair.record() for pair in reading.pairs if holds(pair.kid)]
        return await self._live.write(records, read_at=reading.read_at) if records else set()

    async def _young(self, read: Callable[[], Awaitable[Reading]]) -> Reading:
        """Read, and read again while that took so long that it may no longer be written."""
        for _ in range(READINGS):
            began = self._monotonic()
            reading = await read()
            if self._monotonic() - began <= self._ttl / 4:
                return reading
        raise DatabaseUnavailable


class Trouble:
    """Keeps errors from its block, and says of them only when they begin, change and end."""

    def __init__(self, what: str, logger: Logger) -> None:
        self._what = what
        self._logger = logger
        self._kind: type[Exception] | None = None

    @property
    def lasts(self) -> bool:
        """Whether the last block ended with an error."""
        return self._kind is not None

    @contextmanager
    def noted(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if type(error) is not self._kind:
                self._begins(error)
            self._kind = type(error)
        else:
            if self._kind is not None:
                self._logger.info(f"{self._what}_recovered")
            self._kind = None

    def _begins(self, error: Exception) -> None:
        if isinstance(error, Undecided):
            self._logger.warning(f"{self._what}_trouble", reason=error.reason, cause=str(error))
        else:
            self._logger.error(f"{self._what}_trouble", exc_info=error)
