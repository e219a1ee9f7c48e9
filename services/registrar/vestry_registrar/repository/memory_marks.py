"""What Postgres knows of the store that remembers the nonces (see `vestry_registrar.memory`)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from vestry_registrar.repository.edge import Executor, edge, end_if_silent
from vestry_service.postgres import Connection

# The name of this lock among the advisory locks of the database.
LOCK_NUMBER: Final = 0x7665_7374_7279_0002

# Whether we are the one registrar that looks after the store now, until our transaction ends.
TRY_LOCK: Final = "SELECT pg_try_advisory_xact_lock($1)"

# The store that was known last; of a Cluster, one of its nodes.
FIND: Final = "SELECT run_id, promoted, since, pulse, phase FROM memory_mark WHERE node = $1"

# Whether signatures may pass at all of these servers, and at no other; before there ever was a store they do nowhere.
ARE_OPEN: Final = """
    SELECT NOT EXISTS (SELECT FROM memory_mark)
        OR $1::text[] <@ array(SELECT run_id::text FROM memory_mark WHERE phase = 'open')
"""

# Whether no store was ever open.
NONE_WAS_OPEN: Final = "SELECT NOT EXISTS (SELECT FROM memory_mark WHERE phase = 'open' OR since > 0)"

# What is no part of the store any more.
FORGET_OTHERS: Final = "DELETE FROM memory_mark WHERE node <> ALL ($1::text[])"

# Another store, or another beginning of the same one.
PUT: Final = """
    INSERT INTO memory_mark (run_id, promoted, since, pulse, phase, node) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (node) DO UPDATE
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


async def are_open(executor: Executor, names: Iterable[str]) -> bool:
    """Say whether signatures may pass at all servers with these names, or never did anywhere."""
    async with edge(executor) as sql:
        return bool(await sql.fetchval(ARE_OPEN, list(names)))


async def none_was_open(executor: Executor) -> bool:
    """Say whether nothing was ever let through, as far as is known."""
    async with edge(executor) as sql:
        return bool(await sql.fetchval(NONE_WAS_OPEN))


async def forget_others(executor: Executor, nodes: Sequence[str]) -> None:
    """Forget every store but these."""
    async with edge(executor) as sql:
        await sql.execute(FORGET_OTHERS, nodes)


async def find(executor: Executor, node: str = "") -> KnownStore | None:
    """Return the store that was known last, or None if there never was one; `node`: of a Cluster."""
    async with edge(executor) as sql:
        row = await sql.fetchrow(FIND, node)
    return KnownStore(**dict(row)) if row else None


async def put(executor: Executor, known: KnownStore, node: str = "") -> None:
    """Remember a store; `node`: of a Cluster."""
    async with edge(executor) as sql:
        await sql.execute(PUT, known.run_id, known.promoted, known.since, known.pulse, known.phase, node)
