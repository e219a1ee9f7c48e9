"""Who an agent is."""

from typing import Final

from vestry_registrar.repository.edge import Executor, edge
from vestry_registrar.repository.pairs import COLUMNS, Pair, pair
from vestry_registrar.repository.uids import bare

# The agent and the key of this kid, if they belong together, whatever their states.
FIND_PAIR: Final = f"""
    SELECT a.uid, a.version, a.state AS agent_state, {COLUMNS}
    FROM public_jwks k JOIN agents a ON a.id = k.agent_id
    WHERE k.kid = $2 AND a.uid = $1
"""


async def find_pair(executor: Executor, uid: str, kid: str) -> Pair | None:
    """Return the pair of this `agent-…` uid and this kid in any state, or None if it never stood.

    Raises DatabaseUnavailable.
    """
    async with edge(executor) as sql:
        row = await sql.fetchrow(FIND_PAIR, bare(uid), kid)
    return pair(row) if row else None
