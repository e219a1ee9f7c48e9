"""How a key is added, and how keys and agents end; each with the agent's row locked (`rotations.py`).

One statement each: the change, the raised version, and the outbox row that says so.
"""

from typing import Final

from vestry_registrar.repository.edge import Executor, edge
from vestry_registrar.repository.rotations import (
    IF_NEW,
    RAISE_AND_TELL,
    RAISE_AND_TELL_IF_NEW,
    ComingKey,
    told,
)

# Agent $1 gets one key more.
ADD_KEY: Final = f"""
    WITH come AS (
        INSERT INTO public_jwks (agent_id, kid, value, state, not_before, not_after, proof, created_at, updated_at)
        VALUES ($1, $2, $3::text::jsonb, 'active', $4, $5, $6::text::jsonb, clock_timestamp(), clock_timestamp())
        {IF_NEW}
    ), {RAISE_AND_TELL_IF_NEW}
"""

# Key $2 of agent $1 ends, for ever.
END_KEY: Final = f"""
    WITH gone AS (
        UPDATE public_jwks SET state = 'revoked', updated_at = clock_timestamp() WHERE id = $2 AND agent_id = $1
    ), {RAISE_AND_TELL}
"""

# Agent $1 ends, for ever, and with it every key that it has.
END_AGENT: Final = """
    WITH gone AS (
        UPDATE public_jwks SET state = 'revoked', updated_at = clock_timestamp()
        WHERE agent_id = $1 AND state <> 'revoked'
    ), raised AS (
        UPDATE agents SET state = 'revoked', version = version + 1, updated_at = clock_timestamp() WHERE id = $1
        RETURNING id, version
    )
    INSERT INTO outbox (agent_id, version, created_at)
    SELECT id, version, clock_timestamp() FROM raised
    RETURNING id
"""


async def add_key(executor: Executor, agent_id: int, new: ComingKey) -> int:
    """Give an agent one key more; return the number of the outbox row.

    Raises KeyTaken where somebody else wrote that kid at the same moment.
    """
    async with edge(executor) as sql:
        number = await sql.fetchval(ADD_KEY, agent_id, *new.columns)
    return told(number)


async def end_key(executor: Executor, agent_id: int, key_id: int) -> int:
    """Take a key of an agent out of use for ever; return the number of the outbox row."""
    async with edge(executor) as sql:
        return int(await sql.fetchval(END_KEY, agent_id, key_id))


async def end_agent(executor: Executor, agent_id: int) -> int:
    """Revoke an agent and all its keys for ever; return the number of the outbox row."""
    async with edge(executor) as sql:
        return int(await sql.fetchval(END_AGENT, agent_id))
