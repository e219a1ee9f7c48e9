"""An audit trail for tests: events in it, sealed, and what a walk finds."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from records import SOMEBODY, Seen, migrated
from stores import PostgresServer
from vestry_registrar.audit.event import Event
from vestry_registrar.audit.sealer import Sealer
from vestry_registrar.audit.trail import Verdict, verify
from vestry_registrar.repository import audit
from vestry_service.postgres import Pool

UID = "agent-" + "a" * 24


def event(number: int = 0, **details: Any) -> Event:
    """An event that differs from others by a number."""
    return Event("key.added", SOMEBODY, UID, f"kid-{number}", {"number": number, **details})


def sealer(pool: Pool, seen: Seen | None = None, batch: int = 500) -> Sealer:
    seen = seen or Seen()
    return Sealer(pool, seen, seen, batch)  # type: ignore[arg-type]


async def write(pool: Pool, count: int) -> None:
    """Write some events, one transaction each."""
    for number in range(count):
        await audit.add(pool, event(number))


async def written_and_sealed(pool: Pool, count: int) -> Verdict:
    """Write some events and seal them; return what a walk finds."""
    await write(pool, count)
    await sealer(pool).seal()
    verdict = await verify(pool)
    assert (verdict.broken, verdict.head.seq, verdict.unsealed) == (None, count, 0)
    return verdict


async def numbers(pool: Pool) -> list[int]:
    """The event numbers in the order of the chain."""
    return [row["event_id"] for row in await pool.fetch("SELECT event_id FROM audit_chain ORDER BY seq")]


def sealed_database(server: PostgresServer, count: int) -> str:
    """Make a migrated database with some sealed events in it, to be copied; return its URL."""

    async def fill(url: str) -> None:
        async with migrated(url) as pool:
            await written_and_sealed(pool, count)

    url = server.create_database()
    asyncio.run(fill(url))
    return url


@contextmanager
def copied(server: PostgresServer, url: str) -> Iterator[str]:
    """Yield the URL of a copy of a database, made faster than a database is migrated."""
    name = url.partition("@/")[2].partition("?")[0]
    with psycopg.connect(server.database_url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}_copy" TEMPLATE "{name}" STRATEGY=FILE_COPY')
    copy = server.database_url(f"{name}_copy")
    yield copy
    server.drop_database(copy)
