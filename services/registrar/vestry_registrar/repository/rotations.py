"""What one rotation reads and writes, in the order in which it locks.

Everybody who changes an agent locks its row first, so the changes of one agent stand in a queue and its
version tells their order. Rows of other agents are never locked: two rotations cannot wait for each other in
a ring.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vestry_registrar.repository.edge import Executor, edge
from vestry_registrar.repository.uids import bare

# The agent of this uid; nobody else changes it before our transaction ends.
LOCK_AGENT: Final = "SELECT id, state FROM agents WHERE uid = $1 FOR UPDATE"

# The agent's own key of this kid; nobody else changes it before our transaction ends.
LOCK_KEY: Final = "SELECT id, state FROM public_jwks WHERE agent_id = $1 AND kid = $2 FOR UPDATE"

# The state of the key of this kid, and whether it is this agent's.
FIND_KEY: Final = "SELECT state, agent_id IS NOT DISTINCT FROM $1 AS own FROM public_jwks WHERE kid = $2"

# Key $2 of agent $1 goes, a new one comes; the version rises, and the outbox says so. updated_at is the wall clock's
# and not the start of the transaction, which may have waited long for its turn: who looks for recent changes
# (records.py) must not miss this one.
REPLACE_KEY: Final = """
    WITH gone AS (
        UPDATE public_jwks SET state = 'revoked', updated_at = clock_timestamp() WHERE id = $2
    ), come AS (
        INSERT INTO public_jwks (agent_id, kid, value, state, created_at, updated_at)
        VALUES ($1, $3, $4::text::jsonb, 'active', clock_timestamp(), clock_timestamp())
    ), raised AS (
        UPDATE agents SET version = version + 1, updated_at = clock_timestamp() WHERE id = $1
        RETURNING id, version
    )
    INSERT INTO outbox (agent_id, version, created_at)
    SELECT id, version, clock_timestamp() FROM raised
    RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Locked:
    """A locked row: its number and its state."""

    id: int
    state: str


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What is known of a kid: the key's state, and whether it is the asking agent's own."""

    state: str
    own: bool


async def lock_agent(executor: Executor, uid: str) -> Locked | None:
    """Lock the agent of this `agent-…` uid."""
    async with edge(executor) as sql:
        row = await sql.fetchrow(LOCK_AGENT, bare(uid))
    return Locked(row["id"], row["state"]) if row else None


async def lock_key(executor: Executor, agent_id: int, kid: str) -> Locked | None:
    """Lock the agent's own key of this kid."""
    async with edge(executor) as sql:
        row = await sql.fetchrow(LOCK_KEY, agent_id, kid)
    return Locked(row["id"], row["state"]) if row else None


async def find_key(executor: Executor, agent_id: int, kid: str) -> KnownKey | None:
    """Look whether a kid was ever seen."""
    async with edge(executor) as sql:
        row = await sql.fetchrow(FIND_KEY, agent_id, kid)
    return KnownKey(row["state"], row["own"]) if row else None


async def replace_key(
    executor: Executor, agent_id: int, key_id: int, kid: str, key: Mapping[str, Any]
) -> int:
    """Put the new key in the place of the old one; return the number of the outbox row.

    Raises KeyTaken where somebody else wrote that kid at the same moment.
    """
    async with edge(executor) as sql:
        return int(await sql.fetchval(REPLACE_KEY, agent_id, key_id, kid, json.dumps(dict(key))))
