"""Links new events into the chain, several times a second, in one registrar at a time.

Writers never wait for each other or for the chain: registration would be as slow as one commit after the other. An
event stands in the trail with the commit of its change; its link follows within a moment. Until then a tampered event
would not show, which is why the moment is short.

Several registrars: an advisory lock says which one seals. A kill at any point leaves whole links, for links and head
are written in one transaction.
"""

import asyncio
from contextlib import suppress
from typing import Final

from vestry_registrar.audit.chain import Head, Link, Written, link
from vestry_registrar.repository import audit
from vestry_registrar.repository.edge import end_if_silent, transaction
from vestry_service.logging import Logger
from vestry_service.postgres import Pool
from vestry_signatures.errors import DatabaseUnavailable

PERIOD: Final = 0.25
"""Seconds between two rounds."""
BATCH: Final = 1000
SETTLED_AFTER: Final = 15.0
"""Seconds after which no event with a lower number can appear any more: no statement of ours takes as long."""


class Sealer:
    """Seals the audit trail of one database."""

    def __init__(self, pool: Pool, logger: Logger) -> None:
        self._pool = pool
        self._logger = logger

    async def run(self) -> None:
        """Seal again and again, until cancelled. A database that is away is waited for."""
        while True:
            with suppress(DatabaseUnavailable):
                while await self.seal() == BATCH:
                    pass
            await asyncio.sleep(PERIOD)

    async def seal(self) -> int:
        """Link what is not linked yet, a batch at most; return how many events. Raises DatabaseUnavailable."""
        async with transaction(self._pool) as connection:
            await end_if_silent(connection)
            if not await audit.try_lock(connection):
                return 0
            end, low = await audit.head(connection)
            links = _links(end, await audit.unlinked(connection, low, BATCH))
            if links:
                await audit.add_links(connection, links)
                end = Head(links[-1].seq, links[-1].hash)
                await audit.move_head(connection, end, SETTLED_AFTER)
        if links:
            # A head outside of the database: who cuts the chain there cannot cut the log too.
            self._logger.info("audit_sealed", seq=end.seq, hash=end.hash.hex())
        return len(links)


def _links(end: Head, events: list[Written]) -> list[Link]:
    links: list[Link] = []
    for event in events:
        links.append(link(end, event))
        end = Head(links[-1].seq, links[-1].hash)
    return links
