"""Reads the audit trail: is it whole, and what does it say?"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from vestry_registrar.audit.chain import BEGINNING, Head, Link, Written, wrong_link
from vestry_registrar.audit.sealer import SETTLED_AFTER
from vestry_registrar.repository import audit
from vestry_registrar.repository.edge import edge
from vestry_service.postgres import Connection, Pool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a walk found.

    Attributes:
        head: the end of the chain.
        broken: where it does not fit first, None where all of it does.
    """

    head: Head
    broken: str | None


async def verify(pool: Pool, known: Head | None = None) -> Verdict:
    """Walk the whole chain.

    Args:
        pool: of connections to Postgres.
        known: a head that was noted elsewhere; the chain must have had it.

    Raises:
        DatabaseUnavailable: the walk was not finished.
    """
    async with _snapshot(pool) as connection:
        head, _ = await audit.head(connection)
        broken = await _broken(connection, head, known)
        forgotten = None if broken else await audit.forgotten(connection, 4 * SETTLED_AFTER)
    if forgotten is not None:
        broken = f"event {forgotten}: it is in no link of the chain"
    return Verdict(head, broken)


async def _broken(connection: Connection, head: Head, known: Head | None) -> str | None:
    end, met = Head(0, BEGINNING), known is None or known == Head(0, BEGINNING)
    async for given, event in audit.walk(connection):
        wrong = wrong_link(given, event, end)
        if wrong is not None:
            return wrong
        end = Head(given.seq, given.hash)
        met = met or end == known
    if end != head:
        return f"link {end.seq + 1}: the chain ends before link {head.seq}, or its head is another one"
    return None if met else "the chain never had the head that you noted: it was made anew"


async def entries(pool: Pool) -> AsyncIterator[tuple[Link, Written]]:
    """Yield every sealed event with its link, the oldest first. Raises DatabaseUnavailable."""
    async with _snapshot(pool) as connection:
        async for given, event in audit.walk(connection):
            if event is not None:
                yield given, event


@asynccontextmanager
async def _snapshot(pool: Pool) -> AsyncIterator[Connection]:
    """Yield a connection that sees one moment: what is sealed meanwhile must not look like a break."""
    async with edge(pool) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        yield connection
