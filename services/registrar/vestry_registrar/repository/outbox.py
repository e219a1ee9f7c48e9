"""Changes of agents that the live records may not show yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vestry_registrar.repository.edge import Executor, edge, end_if_silent
from vestry_registrar.repository.uids import bare
from vestry_service.postgres import Connection

# The oldest rows that no other registrar is sending now; they stay ours until our transaction ends.
CLAIM: Final = "SELECT id, agent_id FROM outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED"

# These rows have been served.
DELETE: Final = "DELETE FROM outbox WHERE id = ANY($1::bigint[])"

# The rows of an agent up to a version have been served; who is sending one of them just now deletes it himself.
DELETE_SERVED: Final = """
    DELETE FROM outbox WHERE id IN (
        SELECT o.id FROM outbox o JOIN agents a ON a.id = o.agent_id
        WHERE a.uid = $1 AND o.version <= $2
        FOR UPDATE OF o SKIP LOCKED
    )
"""

# How many rows wait.
COUNT: Final = "SELECT count(*) FROM outbox"


@dataclass(frozen=True, slots=True)
class Claim:
    """Outbox rows that are ours for now: their numbers, and their agents' (without repetition)."""

    rows: list[int]
    agents: list[int]


async def claim(connection: Connection, limit: int) -> Claim:
    """Take up to `limit` rows that nobody else is sending, until the transaction ends."""
    await end_if_silent(connection)
    async with edge(connection) as sql:
        rows = await sql.fetch(CLAIM, limit)
    return Claim([row["id"] for row in rows], sorted({row["agent_id"] for row in rows}))


async def delete(executor: Executor, rows: Sequence[int]) -> None:
    """Forget rows by their numbers."""
    async with edge(executor) as sql:
        await sql.execute(DELETE, list(rows))


async def delete_served(executor: Executor, uid: str, version: int) -> None:
    """Forget the rows of an agent that a record of `version` or earlier has served."""
    async with edge(executor) as sql:
        await sql.execute(DELETE_SERVED, bare(uid), version)


async def count(executor: Executor) -> int:
    """Count the rows that wait."""
    async with edge(executor) as sql:
        return int(await sql.fetchval(COUNT))
