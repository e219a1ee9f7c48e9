"""Links new events into the chain, several times a second, in one registrar at a time.

Writers never wait for each other or for the chain: registration would be as slow as one commit after the other. An
event stands in the trail with the commit of its change; its link follows within a moment. Until then a tampered event
would not show, which is why the moment is short.

Event numbers are drawn before the commit, so events come to be seen in another order than that of their numbers, and
some numbers never come: their transactions were rolled back. No event may be missed, and the whole trail cannot be
searched each time. So the sealer remembers how high it has come, and which numbers below that it has not seen: the
gaps. One round, in one transaction:

1. One sealer: an advisory lock says which registrar it is. Who falls silent loses it after some seconds.
2. Ask for the horizon: the oldest transaction that is not over. Before (3), so that whatever is older is either to be
   seen there or was rolled back.
3. Read what is not linked yet: in the gaps, and above the mark, lower numbers first.
4. Link it, and move the mark to the highest number seen.
5. Note the numbers between that were not to be seen, as new gaps, with our own transaction's number. It is drawn only
   now, by the first row we write, after those event numbers were; and whoever draws one has its own transaction's
   number before (migration 0004). So everybody who may still come with one is an older transaction than ours.
6. Forget the gaps whose noted number is not above the horizon: all who could fill them are over, and (3) has seen
   what they left. Not after a batch that was full, which may have left something behind.

A `kill -9` at any point leaves whole links, for links, head and gaps are written in one transaction.
"""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from time import monotonic
from typing import Final, Protocol

from vestry_registrar.audit.chain import EMPTY, Head, Link, Written, link
from vestry_registrar.repository import audit_chain
from vestry_registrar.repository.audit_chain import Gap, State
from vestry_registrar.repository.edge import end_if_silent, transaction
from vestry_service.logging import Logger
from vestry_service.postgres import Pool
from vestry_signatures.errors import DatabaseUnavailable

PERIOD: Final = 0.25
"""Seconds between two rounds."""
BATCH: Final = 500
RETRY: Final = 5.0
"""Seconds to wait after a round that cannot be done."""
COUNT_EVERY: Final = 5.0
"""Seconds between two counts of what is not sealed."""
LATE: Final = 10.0
"""Seconds after which an event that is not sealed counts as left behind."""


class HeadGone(Exception):
    """The row that says where the chain ends is missing. Nobody but a tamperer takes it away."""


class Gauge(Protocol):
    """Shows a number."""

    def set(self, value: float) -> None: ...


class Sealer:
    """Seals the audit trail of one database.

    Args:
        pool: of connections to Postgres.
        logger: is told every new head.
        unsealed: shows how many events have waited for more than `LATE` seconds.
        batch: how many events a round takes at most.
    """

    def __init__(self, pool: Pool, logger: Logger, unsealed: Gauge, batch: int = BATCH) -> None:
        self._pool = pool
        self._logger = logger
        self._unsealed = unsealed
        self._batch = batch
        self._seen = EMPTY

    async def run(self) -> None:
        """Seal again and again, until cancelled. A database that is away is waited for; whatever else fails, too."""
        counted = float("-inf")
        while True:
            pause = PERIOD
            try:
                while await self.seal() == self._batch:
                    pass
                if monotonic() - counted > COUNT_EVERY:
                    counted = monotonic()
                    self._unsealed.set(await audit_chain.left_behind(self._pool, LATE))
            except DatabaseUnavailable:
                pass
            except Exception as fault:
                # Tables that somebody tampered with, say. Nobody else would notice if this task ended.
                self._logger.error("audit_sealing_failed", exc_info=fault)
                pause = RETRY
            await asyncio.sleep(pause)

    async def seal(self) -> int:
        """Link what is not linked yet, a batch at most; return how many events.

        Raises:
            DatabaseUnavailable: nothing was changed, or the next round finds it done.
            HeadGone: the row that says where the chain ends is missing.
        """
        async with transaction(self._pool) as connection:
            # (1)
            await end_if_silent(connection)
            if not await audit_chain.try_lock(connection):
                return 0
            # (2)
            state = self._compared(await audit_chain.state(connection, self._seen))
            # (3)
            events = await audit_chain.unlinked(connection, state.high, self._batch)
            links = chained(state.head, events)
            if events:
                # (4)
                await audit_chain.add_links(connection, links, events[-1].id)
                # (5)
                if gaps := gaps_above(state.high, events):
                    await audit_chain.add_gaps(connection, gaps)
            # (6)
            if len(events) < self._batch:
                await audit_chain.drop_gaps(connection, state.horizon)
        if links:
            self._tell(Head(links[-1].seq, links[-1].hash))
        return len(links)

    def _compared(self, state: State | None) -> State:
        """Say it in the log where the chain no longer has the head that it had when we last looked."""
        if state is None:
            raise HeadGone
        if self._seen != EMPTY and not state.has_known:
            self._logger.error("audit_chain_changed", seq=self._seen.seq, hash=self._seen.hash.hex())
        self._seen = state.head
        return state

    def _tell(self, head: Head) -> None:
        """Leave the head outside of the database: who makes the chain there anew cannot change the log too."""
        self._seen = head
        self._logger.info("audit_sealed", seq=head.seq, hash=head.hash.hex())


def chained(end: Head, events: Sequence[Written]) -> list[Link]:
    """Tie events, one after the other, to the end of the chain."""
    links: list[Link] = []
    for event in events:
        links.append(link(end, event))
        end = Head(links[-1].seq, links[-1].hash)
    return links


def gaps_above(high: int, events: Sequence[Written]) -> list[Gap]:
    """Return the numbers above `high` and below the highest event that no event has. `events` are in order."""
    numbers = [high, *(event.id for event in events if event.id > high)]
    return [Gap(one + 1, other - 1) for one, other in pairwise(numbers) if other - one > 1]
