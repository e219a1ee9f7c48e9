"""Postgres through a pool that neither needs it at the start nor minds it going away.

The pool opens connections only when they are asked for: a service starts while Postgres is away, says so
in `/readyz`, and works again by itself when it is back. What drivers raise is translated at the edge,
`database_errors`: connection troubles, time-outs and a server that is stopping become `DatabaseUnavailable`;
mistakes of ours (wrong SQL, wrong arguments) stay what they are and end as 500.

Behind PgBouncer in transaction mode add `?statement_cache_size=0` to `DATABASE_URL`: prepared statements live in a
server connection, which there is another one each time.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

from vestry_signatures.errors import DatabaseUnavailable

# asyncpg carries no type information.
Pool: TypeAlias = Any
Connection: TypeAlias = Any
CONNECT_TIMEOUT: Final = 2.0  # seconds
COMMAND_TIMEOUT: Final = 5.0
ACQUIRE_TIMEOUT: Final = 3.0
STATEMENT_CACHE: Final = "statement_cache_size"

_AWAY = (
    OSError,  # also TimeoutError and ConnectionError
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # stopping, starting, crashed, our statement cancelled
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.PostgresSystemError,
    asyncpg.TransactionRollbackError,  # deadlock, serialization: trying again helps
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,  # a failover left us at the old primary
    asyncpg.InvalidAuthorizationSpecificationError,  # wrong user or password
    asyncpg.InvalidCatalogNameError,  # no such database
    # The server said that it ends and has not hung up yet: the driver finds its own protocol in the middle of a
    # query. Two users of one connection, which would be a mistake of ours, are an InterfaceError before that.
    asyncpg.InternalClientError,
)
_CLOSED = ("closed", "closing")


def split_options(url: str) -> tuple[str, int | None]:
    """Return the URL for the driver, and how many statements a connection caches (None: the driver's choice)."""
    parts = urlsplit(url)
    arguments = parse_qsl(parts.query, keep_blank_values=True)
    sizes = [value for name, value in arguments if name == STATEMENT_CACHE]
    rest = urlencode([(name, value) for name, value in arguments if name != STATEMENT_CACHE])
    return urlunsplit(parts._replace(query=rest)), int(sizes[-1]) if sizes else None


async def _leave_as_it_is(_connection: object) -> None:
    """Keep a connection as its last user left it."""


@asynccontextmanager
async def open_pool(url: str, max_size: int = 10) -> AsyncIterator[Pool]:
    """Yield a pool of at most `max_size` connections, none of which is opened yet."""
    dsn, cache = split_options(url)
    options = {} if cache is None else {STATEMENT_CACHE: cache}
    pool = asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=max_size,
        timeout=CONNECT_TIMEOUT,
        command_timeout=COMMAND_TIMEOUT,
        server_settings={"application_name": "vestry"},
        # Nothing of ours outlives its transaction, so there is nothing to reset; asking would be a trip each time.
        reset=_leave_as_it_is,
        **options,
    )
    await pool
    try:
        yield pool
    finally:
        pool.terminate()


@asynccontextmanager
async def database_errors() -> AsyncIterator[None]:
    """Raise `DatabaseUnavailable` where the database is away, stopping or too slow."""
    try:
        yield
    except _AWAY as error:
        raise DatabaseUnavailable from error
    except asyncpg.InterfaceError as error:
        if any(word in str(error) for word in _CLOSED):
            raise DatabaseUnavailable from error
        raise


@asynccontextmanager
async def connection(pool: Pool) -> AsyncIterator[Connection]:
    """Yield a connection, waited for no longer than `ACQUIRE_TIMEOUT`, with its errors translated."""
    async with database_errors(), pool.acquire(timeout=ACQUIRE_TIMEOUT) as found:
        yield found


async def ping(pool: Pool) -> None:
    """Raise `DatabaseUnavailable` unless the database answers."""
    async with connection(pool) as found:
        await found.execute("SELECT 1")
