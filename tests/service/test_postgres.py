"""Postgres may be away at the start, go away and come back: we start, say so and recover."""

import asyncio
import json
from functools import partial
from time import perf_counter

import asyncpg  # type: ignore[import-untyped]
import pytest

from stores import PostgresServer
from vestry_service import postgres
from vestry_service.health import Health
from vestry_service.postgres import connection, database_errors, open_pool, ping, split_options
from vestry_signatures.errors import DatabaseUnavailable

NOWHERE = "postgresql://vestry:hunter2@127.0.0.1:1/vestry"


async def readiness(health: Health) -> tuple[int, str]:
    response = await health.readyz(None)  # type: ignore[arg-type]
    assert isinstance(response.body, bytes)
    return response.status, json.loads(response.body)["checks"]["postgres"]["status"]


async def test_a_pool_opens_though_postgres_is_away() -> None:
    """A service starts, and whoever needs the database is told in time that it is away."""
    async with open_pool(NOWHERE) as pool:
        begun = perf_counter()
        with pytest.raises(DatabaseUnavailable):
            await ping(pool)
        assert perf_counter() - begun < 1


async def test_a_stopped_database_is_told_and_found_again(own_postgres: PostgresServer) -> None:
    """Exactly this check fails, and recovers by itself, with the connections of before all dead."""
    async with open_pool(own_postgres.url) as pool:
        health = Health()
        health.add("postgres", partial(ping, pool))
        await asyncio.gather(*(ping(pool) for _ in range(5)))
        assert await readiness(health) == (200, "ok")
        own_postgres.stop()
        assert await readiness(health) == (503, "failed")
        with pytest.raises(DatabaseUnavailable):
            await ping(pool)
        own_postgres.start()
        assert await readiness(health) == (200, "ok")
        await asyncio.gather(*(ping(pool) for _ in range(5)))


async def test_a_silent_database_is_not_waited_for(
    own_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that hangs costs a time-out, in the middle of a command and when connecting."""
    monkeypatch.setattr(postgres, "COMMAND_TIMEOUT", 0.3)
    monkeypatch.setattr(postgres, "CONNECT_TIMEOUT", 0.3)
    monkeypatch.setattr(postgres, "ACQUIRE_TIMEOUT", 0.3)
    async with open_pool(own_postgres.url) as pool:
        await ping(pool)
        own_postgres.pause()
        try:
            for _ in range(2):
                begun = perf_counter()
                with pytest.raises(DatabaseUnavailable):
                    await ping(pool)
                assert perf_counter() - begun < 2
        finally:
            own_postgres.resume()
        await ping(pool)


async def test_an_exhausted_pool_is_not_waited_for_long(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who finds every connection in use is told to try again."""
    monkeypatch.setattr(postgres, "ACQUIRE_TIMEOUT", 0.1)
    async with open_pool(database_url, max_size=1) as pool, connection(pool):
        with pytest.raises(DatabaseUnavailable):
            await ping(pool)


async def test_our_own_mistakes_stay_what_they_are(database_url: str) -> None:
    """Wrong SQL or arguments must not look like a database that is away."""
    async with open_pool(database_url) as pool:
        with pytest.raises(asyncpg.UndefinedTableError):
            async with connection(pool) as found:
                await found.fetch("SELECT no FROM such_table")
        with pytest.raises(asyncpg.DataError):
            async with connection(pool) as found:
                await found.fetch("SELECT $1::int", "text")
        with pytest.raises(asyncpg.InterfaceError):
            async with connection(pool) as found:
                await found.fetch("SELECT $1::int")


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        asyncpg.ConnectionDoesNotExistError("gone"),
        asyncpg.CannotConnectNowError("starting"),
        asyncpg.AdminShutdownError("stopping"),
        asyncpg.TooManyConnectionsError("full"),
        asyncpg.DeadlockDetectedError("deadlock"),
        asyncpg.ReadOnlySQLTransactionError("replica"),
        asyncpg.InvalidPasswordError("password"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("cannot switch to state 13; another operation (11) is in progress"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_means_that_the_database_is_away(error: Exception) -> None:
    """All of it is one reason for the caller, and its cause is kept for the log."""
    with pytest.raises(DatabaseUnavailable) as caught:
        async with database_errors():
            raise error
    assert caught.value.__cause__ is error
    assert str(error) not in str(caught.value) or not str(error)


@pytest.mark.parametrize(
    ("url", "dsn", "cache"),
    [
        ("postgresql://u:p%40@h/d", "postgresql://u:p%40@h/d", None),
        ("postgresql://h/d?statement_cache_size=0", "postgresql://h/d", 0),
        ("postgresql://h/d?sslmode=require&statement_cache_size=50", "postgresql://h/d?sslmode=require", 50),
    ],
)
def test_the_statement_cache_is_set_in_the_url(url: str, dsn: str, cache: int | None) -> None:
    """PgBouncer in transaction mode needs it at 0, and the driver does not know it as part of a URL."""
    assert split_options(url) == (dsn, cache)


async def test_without_a_statement_cache_nothing_is_prepared_by_name(database_url: str) -> None:
    """Named statements would be missing on the next server connection behind PgBouncer."""

    async def prepared(url: str) -> int:
        async with open_pool(url, max_size=1) as pool, connection(pool) as found:
            await found.fetchval("SELECT $1::int", 1)
            names = await found.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''")
            return int(names)

    mark = "&" if "?" in database_url else "?"
    assert await prepared(database_url) > 0
    assert await prepared(f"{database_url}{mark}statement_cache_size=0") == 0
