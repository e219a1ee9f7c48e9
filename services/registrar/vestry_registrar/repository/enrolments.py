"""The first appearance of a key: its owner's row and its own row, in one statement.

The statement first looks whether the kid is known. If not, it writes the key, and the owner only if the key
was written: a second request with the same key at the same moment waits for the first at the unique index
over all kids, writes nothing, and returns no row. Asked once more, it finds the key known. The foreign key is
checked when the statement ends, so the key may come before its owner. The audit trail gets its event in the
same statement.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from vestry_registrar.audit.event import Origin
from vestry_registrar.repository.edge import Executor, edge
from vestry_registrar.repository.pairs import jwk, kept, validity
from vestry_registrar.repository.uids import AGENT, TOOL
from vestry_signatures.validity import ALWAYS, Validity

# The key of this kid with its agent; of a tool's key the agent's columns are null.
FIND_AGENT_KEY: Final = """
    SELECT k.value::text AS value, k.state AS key_state, k.not_before, k.not_after,
           a.uid AS uid, a.version AS version, a.state AS owner_state, false AS is_new,
           extract(epoch FROM statement_timestamp())::float8 AS read_at
    FROM public_jwks k LEFT JOIN agents a ON a.id = k.agent_id
    WHERE k.kid = $1
"""

# The same, with a new agent if the kid was never seen; no row if another writes it just now.
ENROL_AGENT: Final = f"""
    WITH known AS ({FIND_AGENT_KEY}), key AS (
        INSERT INTO public_jwks (agent_id, kid, value, state, not_before, not_after, created_at, updated_at)
        SELECT nextval('agents_id_seq'), $1, $3::text::jsonb, 'active', $9::bigint, $10::bigint, now(), now()
        WHERE NOT EXISTS (SELECT FROM known)
        ON CONFLICT ON CONSTRAINT index_public_jwks_on_kid DO NOTHING
        RETURNING agent_id, value::text AS value, state, not_before, not_after
    ), owner AS (
        INSERT INTO agents (id, uid, state, label, created_at, updated_at)
        SELECT agent_id, $2, $11, $12, now(), now() FROM key
        RETURNING id, uid, version, state
    ), told AS (
        INSERT INTO audit_events (event, uid, kid, actor_kind, actor, client_ip, request_id, details)
        SELECT 'agent.registered', 'agent-' || $2, $1, $4, $5, $6, $7, $8::text::jsonb FROM key
    )
    SELECT key.value, key.state AS key_state, key.not_before, key.not_after,
           owner.uid, owner.version, owner.state AS owner_state, true AS is_new,
           extract(epoch FROM statement_timestamp())::float8 AS read_at
    FROM key JOIN owner ON owner.id = key.agent_id
    UNION ALL
    SELECT value, key_state, not_before, not_after, uid, version, owner_state, is_new, read_at FROM known
"""

# The key of this kid with its tool; of an agent's key the tool's columns are null.
FIND_TOOL_KEY: Final = """
    SELECT k.value::text AS value, k.state AS key_state, t.uid AS uid, t.state AS owner_state, false AS is_new
    FROM public_jwks k LEFT JOIN tools t ON t.id = k.tool_id
    WHERE k.kid = $1
"""

# The same, with a new tool if the kid was never seen; no row if another writes it just now.
ENROL_TOOL: Final = f"""
    WITH known AS ({FIND_TOOL_KEY}), key AS (
        INSERT INTO public_jwks (tool_id, kid, value, state, created_at, updated_at)
        SELECT nextval('tools_id_seq'), $1, $3::text::jsonb, 'active', now(), now()
        WHERE NOT EXISTS (SELECT FROM known)
        ON CONFLICT ON CONSTRAINT index_public_jwks_on_kid DO NOTHING
        RETURNING tool_id, value::text AS value, state
    ), owner AS (
        INSERT INTO tools (id, uid, state, label, created_at, updated_at)
        SELECT tool_id, $2, $9, $10, now(), now() FROM key
        RETURNING id, uid, state
    ), told AS (
        INSERT INTO audit_events (event, uid, kid, actor_kind, actor, client_ip, request_id, details)
        SELECT 'tool.registered', 'tool-' || $2, $1, $4, $5, $6, $7, $8::text::jsonb FROM key
    )
    SELECT key.value, key.state AS key_state, owner.uid, owner.state AS owner_state, true AS is_new
    FROM key JOIN owner ON owner.id = key.tool_id
    UNION ALL
    SELECT value, key_state, uid, owner_state, is_new FROM known
"""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that wants an owner.

    Attributes:
        kid: its thumbprint.
        jwk: the public key with the members to keep (`kty`, `crv`, `x`).
        origin: by whom and from where, for the audit trail.
        validity: when it may be used; of an agent's key only.
        state: of the owner, where a new one is made: `active` or `pending`.
        label: of the owner, where a new one is made.
    """

    kid: str
    jwk: Mapping[str, Any]
    origin: Origin
    validity: Validity = ALWAYS
    state: str = "active"
    label: str | None = None


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key and whose it is.

    Attributes:
        uid: `agent-…` or `tool-…` as was asked for; None where the key's owner is of the other kind.
        jwk: the public key, a JWK with its `kid`.
        key_state: `active`, `retiring` or `revoked`.
        owner_state: the agent's or tool's; empty where the key's owner is of the other kind.
        is_new: this statement wrote it.
    """

    uid: str | None
    jwk: dict[str, Any]
    key_state: str
    owner_state: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class FoundAgentKey(FoundKey):
    """A key asked for as an agent's.

    Attributes:
        version: the agent's; 0 where the key's owner is a tool.
        validity: when the key may be used.
        read_at: Unix seconds, by the database's clock; not later than what is told here.
    """

    version: int
    validity: Validity
    read_at: float


async def enrol_agent(executor: Executor, digits: str, new: NewKey) -> FoundAgentKey | None:
    """Find a key, or write it with a new agent whose uid has these digits; None: ask again.

    Raises DatabaseUnavailable; UidCollision.
    """
    async with edge(executor) as sql:
        row = await sql.fetchrow(ENROL_AGENT, *parameters(digits, new))
    return agent_key(row, new.kid) if row else None


async def find_agent_key(executor: Executor, kid: str) -> FoundAgentKey | None:
    """Find a key; None if it was never seen. Raises DatabaseUnavailable."""
    async with edge(executor) as sql:
        row = await sql.fetchrow(FIND_AGENT_KEY, kid)
    return agent_key(row, kid) if row else None


async def enrol_tool(executor: Executor, digits: str, new: NewKey) -> FoundKey | None:
    """Find a key, or write it with a new tool whose uid has these digits; None: ask again.

    Raises DatabaseUnavailable; UidCollision.
    """
    async with edge(executor) as sql:
        return _tools(await sql.fetchrow(ENROL_TOOL, *_values(digits, new), new.state, new.label), new.kid)


async def find_tool_key(executor: Executor, kid: str) -> FoundKey | None:
    """Find a key; None if it was never seen. Raises DatabaseUnavailable."""
    async with edge(executor) as sql:
        return _tools(await sql.fetchrow(FIND_TOOL_KEY, kid), kid)


def parameters(digits: str, new: NewKey) -> tuple[Any, ...]:
    """What an agent's enrolment writes, in the order of the parameters of `ENROL_AGENT`; the kid comes first."""
    return *_values(digits, new), *new.validity, new.state, new.label


def _values(digits: str, new: NewKey) -> tuple[str | None, ...]:
    """What both kinds of enrolment write, in the order of their parameters."""
    actor, origin = new.origin.actor, new.origin
    details = orjson.dumps(_details(new)).decode()
    return (
        new.kid,
        digits,
        kept(new.jwk),
        actor.kind,
        actor.name,
        origin.client_ip,
        origin.request_id,
        details,
    )


def _details(new: NewKey) -> dict[str, Any]:
    """What the audit trail is told beyond uid and kid (`audit/event.py`), without what is as it mostly is."""
    state = None if new.state == "active" else new.state
    bounds = {"not_before": new.validity.not_before, "not_after": new.validity.not_after}
    told = {**bounds, "state": state, "label": new.label}
    return {name: value for name, value in told.items() if value is not None}


def agent_key(row: Mapping[str, Any], kid: str) -> FoundAgentKey:
    """Make a key of a row with the columns of `FIND_AGENT_KEY`."""
    return FoundAgentKey(
        uid=AGENT + row["uid"] if row["uid"] else None,
        jwk=jwk(row["value"], kid),
        key_state=row["key_state"],
        owner_state=row["owner_state"] or "",
        is_new=row["is_new"],
        version=row["version"] or 0,
        validity=validity(row),
        read_at=row["read_at"],
    )


def _tools(row: Mapping[str, Any] | None, kid: str) -> FoundKey | None:
    if row is None:
        return None
    return FoundKey(
        uid=TOOL + row["uid"] if row["uid"] else None,
        jwk=jwk(row["value"], kid),
        key_state=row["key_state"],
        owner_state=row["owner_state"] or "",
        is_new=row["is_new"],
    )
