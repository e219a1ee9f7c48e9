"""Where the driver ends: who may run a statement, and what its errors mean.

Trouble with the connection becomes `DatabaseUnavailable` (`vestry_service.postgres`). A constraint that
refuses a row speaks by its name, which the migrations gave it; one that is not listed here is a mistake of
ours and ends as 500.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import asyncpg

from vestry_service.errors import KeyTaken
from vestry_service.postgres import Connection, Pool, database_errors
from vestry_service.postgres import connection as pooled

Executor: TypeAlias = Pool | Connection

# Only for the transaction that says it, so it means nothing to whoever gets the connection next.
END_IF_SILENT: Final = "SET LOCAL idle_in_transaction_session_timeout = '10s'"


class UidCollision(Exception):
    """The random uid is in use already: draw another. Never seen by a caller."""


_MEANINGS: Final[Mapping[str, type[Exception]]] = {
    "index_public_jwks_on_kid": KeyTaken,
    "index_agents_on_uid": UidCollision,
    "index_tools_on_uid": UidCollision,
}


@asynccontextmanager
async def edge(executor: Executor) -> AsyncIterator[Connection]:
    """Yield what runs a statement, one of the pool's connections or the very one given, and translate its errors.

    Raises:
        DatabaseUnavailable: Postgres is away, stopping or too slow.
        KeyTaken: the kid is in the one unique index over all agents and tools.
        UidCollision: the uid is in use.
    """
    try:
        async with pooled(executor) if isinstance(executor, asyncpg.Pool) else _same(executor) as sql:
            yield sql
    except asyncpg.IntegrityConstraintViolationError as error:
        meaning = _MEANINGS.get(error.constraint_name or "")
        if meaning is None:
            raise
        raise meaning from error


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """Yield a connection inside a transaction in which each statement sees what is committed when it starts.

    That is asked for by name, since a database may have another default: what waits for a row's lock must then read
    what the one before it has written.

    Raises as `edge`; and DatabaseUnavailable at the end: then it is unknown whether the transaction stands.
    """
    async with edge(pool) as connection, connection.transaction(isolation="read_committed"):
        yield connection


@asynccontextmanager
async def _same(given: Connection) -> AsyncIterator[Connection]:
    async with database_errors():
        yield given


async def end_if_silent(connection: Connection) -> None:
    """Let Postgres end our transaction if we fall silent in it: its locks must not outlive a hang of ours."""
    async with edge(connection) as sql:
        await sql.execute(END_IF_SILENT)
