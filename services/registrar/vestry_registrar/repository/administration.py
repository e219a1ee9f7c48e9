"""What an operator changes: states of agents and tools, and keys of agents.

Everybody who changes an agent locks its row first; `note_change` then raises its version and tells the outbox, so
that every verifier learns of it. Nobody verifies tools, so a tool has neither.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vestry_registrar.repository.edge import Executor, edge
from vestry_registrar.repository.pairs import kept
from vestry_registrar.repository.uids import AGENT, TOOL, bare
from vestry_service.errors import KeyTaken


@dataclass(frozen=True, slots=True)
class Kind:
    """Agents or tools: the prefix of their uids, their table, and the column that ties a key to its owner."""

    name: str
    prefix: str
    table: str
    owner: str


AGENTS: Final = Kind("agent", AGENT, "agents", "agent_id")
TOOLS: Final = Kind("tool", TOOL, "tools", "tool_id")

# The owner of this uid; nobody else changes it before our transaction ends.
LOCK: Final = {
    kind: f"SELECT id, state FROM {kind.table} WHERE uid = $1 FOR UPDATE" for kind in (AGENTS, TOOLS)
}

# The owner has this state now.
SET_STATE: Final = {
    kind: f"UPDATE {kind.table} SET state = $2, updated_at = clock_timestamp() WHERE id = $1"
    for kind in (AGENTS, TOOLS)
}

# No key of the owner is in use any more.
REVOKE_KEYS: Final = {
    kind: f"""
    UPDATE public_jwks SET state = 'revoked', updated_at = clock_timestamp()
    WHERE {kind.owner} = $1 AND state <> 'revoked'
    """
    for kind in (AGENTS, TOOLS)
}

# One key of an agent goes; a second time changes nothing.
REVOKE_KEY: Final = """
    WITH known AS (
        SELECT id, state FROM public_jwks WHERE agent_id = $1 AND kid = $2 FOR UPDATE
    ), gone AS (
        UPDATE public_jwks SET state = 'revoked', updated_at = clock_timestamp() FROM known
        WHERE public_jwks.id = known.id AND known.state <> 'revoked'
    )
    SELECT state <> 'revoked' AS changed FROM known
"""

# A key that was never seen becomes an agent's; the unique index over all kids stops whoever comes second.
ADD_KEY: Final = """
    INSERT INTO public_jwks (agent_id, kid, value, not_before, not_after, state, created_at, updated_at)
    VALUES ($1, $2, $3::text::jsonb, $4, $5, 'active', clock_timestamp(), clock_timestamp())
    ON CONFLICT ON CONSTRAINT index_public_jwks_on_kid DO NOTHING
    RETURNING true
"""

# The agent was changed: its version rises, and the outbox says so.
NOTE_CHANGE: Final = """
    WITH raised AS (
        UPDATE agents SET version = version + 1, updated_at = clock_timestamp() WHERE id = $1
        RETURNING id, version
    )
    INSERT INTO outbox (agent_id, version, created_at) SELECT id, version, clock_timestamp() FROM raised
"""


@dataclass(frozen=True, slots=True)
class Owner:
    """A locked agent or tool: its number and its state."""

    id: int
    state: str


async def lock(executor: Executor, kind: Kind, uid: str) -> Owner | None:
    """Lock the agent or tool of this uid, prefix and all; None where there is none."""
    async with edge(executor) as sql:
        row = await sql.fetchrow(LOCK[kind], bare(uid, kind.prefix))
    return Owner(row["id"], row["state"]) if row else None


async def set_state(executor: Executor, kind: Kind, owner: int, state: str) -> None:
    """Give a locked agent or tool another state."""
    async with edge(executor) as sql:
        await sql.execute(SET_STATE[kind], owner, state)


async def revoke_keys(executor: Executor, kind: Kind, owner: int) -> None:
    """Take all keys of a locked agent or tool out of use."""
    async with edge(executor) as sql:
        await sql.execute(REVOKE_KEYS[kind], owner)


async def revoke_key(executor: Executor, agent_id: int, kid: str) -> bool | None:
    """Take a key of a locked agent out of use; False where it was so already, None where it has no such key."""
    async with edge(executor) as sql:
        changed: bool | None = await sql.fetchval(REVOKE_KEY, agent_id, kid)
    return changed


async def add_key(
    executor: Executor,
    agent_id: int,
    kid: str,
    key: Mapping[str, Any],
    not_before: int | None,
    not_after: int | None,
) -> None:
    """Give a locked agent a further key. Raises KeyTaken where somebody else wrote that kid at the same moment."""
    async with edge(executor) as sql:
        added = await sql.fetchval(ADD_KEY, agent_id, kid, kept(key), not_before, not_after)
    if not added:
        raise KeyTaken


async def note_change(executor: Executor, agent_id: int) -> None:
    """Raise the version of a locked agent and write its row for the outbox."""
    async with edge(executor) as sql:
        await sql.execute(NOTE_CHANGE, agent_id)
