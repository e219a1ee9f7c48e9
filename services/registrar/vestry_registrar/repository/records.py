"""Pairs as the publisher reads them: whole agents, in one statement, so that version and keys are of one moment.

Each reading says when it was made, by the clock of the database that all registrars share, and never later
than the moment it shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vestry_registrar.repository.edge import Executor, edge
from vestry_registrar.repository.pairs import COLUMNS, Pair, every_key, pair
from vestry_registrar.repository.uids import bare

# All keys of one agent.
OF_AGENT: Final = f"""
    SELECT a.id AS agent_id, extract(epoch FROM statement_timestamp())::float8 AS read_at,
           a.uid, a.version, a.state AS agent_state, {COLUMNS}
    FROM agents a CROSS JOIN {every_key("a.id")} k
    WHERE a.uid = $1
    ORDER BY k.id
"""

# One key of one agent.
OF_PAIR: Final = f"""
    SELECT a.id AS agent_id, extract(epoch FROM statement_timestamp())::float8 AS read_at,
           a.uid, a.version, a.state AS agent_state, {COLUMNS}
    FROM agents a JOIN public_jwks k ON k.agent_id = a.id
    WHERE a.uid = $1 AND k.kid = $2
"""

# All keys of these agents.
OF_AGENTS: Final = f"""
    SELECT a.id AS agent_id, extract(epoch FROM statement_timestamp())::float8 AS read_at,
           a.uid, a.version, a.state AS agent_state, {COLUMNS}
    FROM agents a CROSS JOIN {every_key("a.id")} k
    WHERE a.id = ANY($1::bigint[])
    ORDER BY a.id, k.id
"""

# All keys of the next $3 agents, after number $2, that changed in the last $1 seconds or are in the outbox. An
# agent of version 1 never changed: nothing older than it can be anywhere.
CHANGED: Final = f"""
    WITH changed AS (
        SELECT id FROM agents
        WHERE version > 1 AND updated_at > now() - make_interval(secs => $1) AND id > $2
        UNION
        SELECT agent_id FROM outbox WHERE agent_id > $2
        ORDER BY 1 LIMIT $3
    )
    SELECT a.id AS agent_id, extract(epoch FROM statement_timestamp())::float8 AS read_at,
           a.uid, a.version, a.state AS agent_state, {COLUMNS}
    FROM changed JOIN agents a ON a.id = changed.id CROSS JOIN {every_key("a.id")} k
    ORDER BY a.id, k.id
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one statement saw.

    Attributes:
        pairs: in the order of agent and key.
        read_at: Unix seconds, by the database's clock; 0 where there are no pairs.
        last_agent: the highest agent's number among them; 0 where there are no pairs.
    """

    pairs: list[Pair]
    read_at: float
    last_agent: int


async def of_agent(executor: Executor, uid: str) -> Reading:
    """Read all keys of an agent."""
    return await _read(executor, OF_AGENT, bare(uid))


async def of_pair(executor: Executor, uid: str, kid: str) -> Reading:
    """Read one key of an agent."""
    return await _read(executor, OF_PAIR, bare(uid), kid)


async def of_agents(executor: Executor, agent_ids: Sequence[int]) -> Reading:
    """Read all keys of several agents."""
    return await _read(executor, OF_AGENTS, list(agent_ids))


async def changed(executor: Executor, seconds: int, after: int, limit: int) -> Reading:
    """Read all keys of at most `limit` agents, numbered above `after`, that changed in the last `seconds`."""
    return await _read(executor, CHANGED, seconds, after, limit)


async def _read(executor: Executor, statement: str, *arguments: object) -> Reading:
    async with edge(executor) as sql:
        rows = await sql.fetch(statement, *arguments)
    if not rows:
        return Reading([], 0.0, 0)
    return Reading([pair(row) for row in rows], rows[0]["read_at"], rows[-1]["agent_id"])
