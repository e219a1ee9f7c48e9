"""What Postgres knows of the one store that remembers the nonces (see `vestry_registrar.memory`)."""

from dataclasses import dataclass
from typing import Final, Literal

from vestry_registrar.repository.edge import Executor, edge, end_if_silent
from vestry_service.postgres import Connection

# The name of this lock among the advisory locks of the database.
LOCK_NUMBER: Final = 0x7665_7374_7279_0002

# Whether we are the one registrar that looks after the store now, until our transaction ends.
TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock($1)"

# The store that was known last.
FIND: Final = "SELECT run_id, promoted, since, pulse, phase FROM memory_mark"

# Another store, or another beginning of the same one.
PUT: Final = """
    INSERT INTO memory_mark (run_id, promoted, since, pulse, phase) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (only_row) DO UPDATE
    SET run_id = excluded.run_id, promoted = excluded.promoted, since = excluded.since,
        pulse = excluded.pulse, phase = excluded.phase
"""


Phase = Literal["begun", "shut", "open"]


@dataclass(frozen=True, slots=True)
class KnownStore:
    """The store that was known last.

    Attributes:
        run_id: of the server's process; empty once it is no longer to be trusted.
        promoted: it had been a replica before.
        since: Unix seconds, when its memory of nonces begins.
        pulse: the last heartbeat that it acknowledged.
        phase: how far its beginning is carried out.
    """

    run_id: str
    promoted: bool
    since: int
    pulse: int
    phase: Phase


async def try_lock(connection: Connection) -> bool:
    """Become the one registrar that looks after the store, until the transaction ends; False if another is."""
    await end_if_silent(connection)
    async with edge(connection) as sql:
        return bool(await sql.fetchval(TRY_LOCK, LOCK_NUMBER))


async def find(executor: Executor) -> KnownStore | None:
    """Return the store that was known last, or None if there never was one."""
    async with edge(executor) as sql:
        row = await sql.fetchrow(FIND)
    return KnownStore(**dict(row)) if row else None


async def put(executor: Executor, known: KnownStore) -> None:
    """Remember a store."""
    async with edge(executor) as sql:
        await sql.execute(PUT, known.run_id, known.promoted, known.since, known.pulse, known.phase)
