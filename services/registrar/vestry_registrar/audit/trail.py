"""Reads the audit trail as a whole: is it as it was written? One moment of it, whatever is sealed meanwhile.

A walk goes along the chain from its first link. It fails at the first link whose number, event or hash does not fit
behind the one before; at the end, where the chain does not end as its head says; and at an event that no link holds
though the sealer has passed it. Only a head that was noted elsewhere shows a chain that was made anew as a whole.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from vestry_registrar.audit.chain import EMPTY, Head, Link, Written, wrong_link
from vestry_registrar.repository import audit_walks
from vestry_registrar.repository.edge import edge
from vestry_service.postgres import Connection, Pool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a walk found.

    Attributes:
        head: as far as the chain is whole.
        broken: where it does not fit first, None where all of it does.
        unsealed: how many events are not in the chain yet, and so not protected; 0 where it is broken.
    """

    head: Head
    broken: str | None
    unsealed: int = 0


async def verify(pool: Pool, noted: Head = EMPTY) -> Verdict:
    """Walk the whole chain.

    Args:
        pool: of connections to Postgres.
        noted: a head that was noted elsewhere; the chain must have had it.

    Raises:
        DatabaseUnavailable: the walk was not finished.
    """
    async with _snapshot(pool) as connection:
        end, broken = await _walk(connection, noted)
        broken = broken or await _wrong_end(connection, end, noted)
        return Verdict(end, broken, 0 if broken else await audit_walks.unsealed(connection))


async def _walk(connection: Connection, noted: Head) -> tuple[Head, str | None]:
    end = EMPTY
    async for given, event in audit_walks.links(connection):
        wrong = wrong_link(given, event, end)
        if wrong is not None:
            return end, wrong
        end = Head(given.seq, given.hash)
        if end.seq == noted.seq and end != noted:
            return (
                end,
                f"{given.place}: its hash is not the noted one: the chain was made anew, here or before",
            )
    return end, None


async def _wrong_end(connection: Connection, end: Head, noted: Head) -> str | None:
    head = await audit_walks.head(connection)
    if head is None:
        return "the head of the chain is gone"
    if end.seq < max(head.seq, noted.seq):
        return f"link {end.seq + 1} is missing: the chain went on to link {max(head.seq, noted.seq)}"
    if end.seq > head.seq:
        return f"link {head.seq + 1}: it stands behind the head of the chain"
    if end != head:
        return f"link {head.seq}: the head of the chain is another one, {head}"
    forgotten = await audit_walks.forgotten(connection)
    return None if forgotten is None else f"event {forgotten}: it is in no link of the chain"


async def entries(pool: Pool, since: int = 0) -> AsyncIterator[tuple[Link, Written | None]]:
    """Yield every link above number `since` with its event (None where that is gone), the oldest first.

    Raises DatabaseUnavailable.
    """
    async with _snapshot(pool) as connection:
        async for entry in audit_walks.links(connection, since):
            yield entry


@asynccontextmanager
async def _snapshot(pool: Pool) -> AsyncIterator[Connection]:
    """Yield a connection that sees one moment: what is sealed meanwhile must not look like a break."""
    async with edge(pool) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        yield connection
