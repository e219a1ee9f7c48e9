"""Which keys an agent has."""

from typing import Any, Final

from vestry_registrar.repository.edge import Executor, edge
from vestry_registrar.repository.pairs import jwk
from vestry_registrar.repository.uids import bare

# The active keys of an active agent, the oldest first; one row of nulls for an agent that has none, or is not active:
# whoever reads directories alone must not take a suspended agent for one that stands.
ACTIVE_KEYS: Final = """
    SELECT k.kid AS kid, k.value::text AS value
    FROM agents a LEFT JOIN public_jwks k ON k.agent_id = a.id AND k.state = 'active' AND a.state = 'active'
    WHERE a.uid = $1
    ORDER BY k.id
"""


async def active_keys(executor: Executor, uid: str) -> list[dict[str, Any]] | None:
    """Return the JWKs, each with its `kid`, that an agent's directory shows, or None if there is no such agent.

    Raises DatabaseUnavailable.
    """
    async with edge(executor) as sql:
        rows = await sql.fetch(ACTIVE_KEYS, bare(uid))
    if not rows:
        return None
    return [jwk(row["value"], row["kid"]) for row in rows if row["kid"] is not None]
