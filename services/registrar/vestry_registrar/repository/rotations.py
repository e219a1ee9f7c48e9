"""What a change of an agent's keys reads, and how one key comes in the place of another.

Everybody who changes an agent locks its row first, so the changes of one agent stand in a queue, what is read
after the lock stays so until the change is done, and the agent's version tells their order. Rows of other agents
are never locked: two changes cannot wait for each other in a ring.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vestry_registrar.repository.edge import Executor, edge
from vestry_registrar.repository.pairs import kept, validity
from vestry_registrar.repository.uids import bare
from vestry_service.errors import KeyTaken
from vestry_signatures.validity import ALWAYS, Validity

# The agent of this uid; nobody else changes it before our transaction ends.
LOCK_AGENT: Final = "SELECT id, state FROM agents WHERE uid = $1 FOR UPDATE"

# What an agent still has, now or soon, and of what it had the keys of these kids; the oldest first.
OWN_KEYS: Final = """
    SELECT id, kid, state, not_before, not_after FROM public_jwks
    WHERE agent_id = $1 AND (state <> 'revoked' OR kid = ANY($2::text[]))
    ORDER BY id
"""

# The state of the key of this kid, and whether it is this agent's.
FIND_KEY: Final = "SELECT state, agent_id IS NOT DISTINCT FROM $1 AS own FROM public_jwks WHERE kid = $2"

# The end of every statement that changes an agent ($1): the version rises, and the outbox says so. updated_at is the
# wall clock's and not the start of the transaction, which may have waited long for its turn: who looks for recent
# changes (records.py) must not miss this one.
RAISE_AND_TELL: Final = """
    raised AS (
        UPDATE agents SET version = version + 1, updated_at = clock_timestamp() WHERE id = $1
        RETURNING id, version
    )
    INSERT INTO outbox (agent_id, version, created_at)
    SELECT id, version, clock_timestamp() FROM raised
    RETURNING id
"""

# The end of an INSERT of a key, `come`: whoever is second with a kid writes nothing, instead of an error. Two at the
# same moment would otherwise wait for each other, until Postgres ends one of them: an exclusion constraint (migration
# 0008) is looked at when the row is there already.
IF_NEW: Final = "ON CONFLICT ON CONSTRAINT index_public_jwks_on_kid DO NOTHING RETURNING id"

# As RAISE_AND_TELL, and no row where the key did not come: then the whole transaction is to be taken back.
RAISE_AND_TELL_IF_NEW: Final = RAISE_AND_TELL.replace(
    "WHERE id = $1", "WHERE id = $1 AND EXISTS (SELECT FROM come)"
)

# Key $2 of agent $1 goes, at once or at $9, and a new one comes.
REPLACE_KEY: Final = f"""
    WITH gone AS (
        UPDATE public_jwks SET state = $8, not_after = coalesce($9, not_after), updated_at = clock_timestamp()
        WHERE id = $2
    ), come AS (
        INSERT INTO public_jwks (agent_id, kid, value, state, not_before, not_after, proof, created_at, updated_at)
        VALUES ($1, $3, $4::text::jsonb, 'active', $5, $6, $7::text::jsonb, clock_timestamp(), clock_timestamp())
        {IF_NEW}
    ), {RAISE_AND_TELL_IF_NEW}
"""


@dataclass(frozen=True, slots=True)
class Locked:
    """A locked row: its number and its state."""

    id: int
    state: str


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A key of the agent whose row is locked."""

    id: int
    kid: str
    state: str
    validity: Validity = ALWAYS

    def stands(self, now: int) -> bool:
        """Tell whether it is good for anything, now or soon."""
        return self.state != "revoked" and not self.validity.is_over(now)

    def is_usable(self, now: int) -> bool:
        """Tell whether it may do now whatever an agent's key may do."""
        return self.state == "active" and self.stands(now) and not self.validity.is_to_come(now)


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What is known of a kid: the key's state, and whether it is the asking agent's own."""

    state: str
    own: bool


@dataclass(frozen=True, slots=True)
class ComingKey:
    """A key that comes.

    Attributes:
        jwk: the public key with the members to keep (`kty`, `crv`, `x`).
        kid: its thumbprint, computed by us (RFC 7638).
        validity: when it may be used.
        proof: evidence that its holder agreed (`key_proof.evidence`), where that was shown.
    """

    jwk: Mapping[str, Any]
    kid: str
    validity: Validity = ALWAYS
    proof: Mapping[str, Any] | None = None

    @property
    def published(self) -> dict[str, Any]:
        """The key as a directory shows it: a JWK with its `kid`, and with `nbf` and `exp` where it has them."""
        return {**self.jwk, "kid": self.kid, **self.validity.members()}

    @property
    def columns(self) -> tuple[Any, ...]:
        """The values of kid, value (JSON text), not_before, not_after, proof (JSON text)."""
        proof = None if self.proof is None else json.dumps(dict(self.proof))
        return self.kid, kept(self.jwk), *self.validity, proof


async def lock_agent(executor: Executor, uid: str) -> Locked | None:
    """Lock the agent of this `agent-…` uid."""
    async with edge(executor) as sql:
        row = await sql.fetchrow(LOCK_AGENT, bare(uid))
    return Locked(row["id"], row["state"]) if row else None


async def own_keys(executor: Executor, agent_id: int, *kids: str) -> list[OwnKey]:
    """Read what a locked agent has, now or soon, and in any state its keys of these kids; the oldest first."""
    async with edge(executor) as sql:
        rows = await sql.fetch(OWN_KEYS, agent_id, list(kids))
    return [OwnKey(row["id"], row["kid"], row["state"], validity(row)) for row in rows]


async def find_key(executor: Executor, agent_id: int, kid: str) -> KnownKey | None:
    """Look whether a kid was ever seen."""
    async with edge(executor) as sql:
        row = await sql.fetchrow(FIND_KEY, agent_id, kid)
    return KnownKey(row["state"], row["own"]) if row else None


async def replace_key(
    executor: Executor, agent_id: int, old_id: int, new: ComingKey, old_end: int | None = None
) -> int:
    """Put a new key in the place of an old one; return the number of the outbox row.

    Args:
        executor: a connection in the transaction that has locked the agent.
        agent_id: number of the agent.
        old_id: number of the old key.
        new: the key that comes.
        old_end: until when the old key is retiring, Unix seconds; None takes it out of use now.

    Raises KeyTaken where somebody else wrote that kid at the same moment.
    """
    state = "revoked" if old_end is None else "retiring"
    async with edge(executor) as sql:
        number = await sql.fetchval(REPLACE_KEY, agent_id, old_id, *new.columns, state, old_end)
    return told(number)


def told(number: int | None) -> int:
    """Return the number of the outbox row of a key that came. Raises KeyTaken where it did not."""
    if number is None:
        raise KeyTaken
    return number
