"""Change the keys of an agent: pure transitions, and the small use cases around them.

A rotation is one transaction.

1. The agent's row is locked, then the old key's. Rotations of one agent stand in a queue.
2. The old key must still be active, now that nobody can change it: of several rotations by one key the first
   wins, and the others are told that their key was taken out of use.
3. The new key must be new: not the one in use (or the agent would be left without a key), not one taken out
   of use, not anybody else's. Who writes the same new key at the same moment is stopped by the unique index.
4. Old key out, new key in, version up and a row for the outbox, in one statement: at no moment has the agent
   no key, and no change is ever lost on its way to the verifiers (`publisher.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vestry_registrar.audit.event import Event, Origin
from vestry_registrar.repository import audit
from vestry_registrar.repository.edge import end_if_silent, transaction
from vestry_registrar.repository.rotations import (
    KnownKey,
    Locked,
    find_key,
    lock_agent,
    lock_key,
    replace_key,
)
from vestry_service.errors import KeyInUse, KeyRevoked, KeyTaken
from vestry_service.postgres import Connection, Pool
from vestry_signatures.errors import RevokedKey, SuspendedAgent, UnknownKey


@dataclass(frozen=True, slots=True)
class Rotated:
    """A rotation that is committed, and perhaps not yet published.

    Attributes:
        uid: `agent-…`.
        kid: thumbprint of the new key.
        jwk: the new public key, a JWK with its `kid`.
        outbox_id: number of the outbox row that stays until the change is published.
    """

    uid: str
    kid: str
    jwk: dict[str, Any]
    outbox_id: int


def may_rotate(agent: Locked | None, old: Locked | None) -> tuple[int, int]:
    """Return the numbers of the agent and its old key, if that key may be replaced. See (2).

    Raises:
        UnknownKey: there is no such pair.
        RevokedKey: the old key was taken out of use.
        SuspendedAgent: the agent may not change anything.
    """
    if agent is None or old is None:
        raise UnknownKey
    if old.state != "active":
        raise RevokedKey
    if agent.state != "active":
        raise SuspendedAgent
    return agent.id, old.id


def may_come(known: KnownKey | None) -> None:
    """Let a key in that was never seen. See (3).

    Raises:
        KeyTaken: the key is, or was, somebody else's.
        KeyInUse: it is an active key of this very agent.
        KeyRevoked: it was this agent's and was taken out of use.
    """
    if known is None:
        return
    if not known.own:
        raise KeyTaken
    raise KeyInUse if known.state == "active" else KeyRevoked


async def rotate(
    pool: Pool, uid: str, old_kid: str, new_jwk: Mapping[str, Any], new_kid: str, origin: Origin
) -> Rotated:
    """Put a new key in the place of the old one.

    Args:
        pool: of connections to Postgres.
        uid: `agent-…`.
        old_kid: thumbprint of the key that proved possession.
        new_jwk: the new public key with the members to keep (`kty`, `crv`, `x`).
        new_kid: its thumbprint, computed by us (RFC 7638).
        origin: by whom and from where, for the audit trail.

    Raises:
        What `may_rotate` and `may_come` raise: nothing was changed.
        DatabaseUnavailable: it is unknown whether the change stands; the outbox has it if it does.
    """
    async with transaction(pool) as connection:
        outbox_id = await _rotate(connection, uid, old_kid, new_jwk, new_kid)
        await audit.add(connection, Event("key.rotated", origin, uid, new_kid, {"old_kid": old_kid}))
    return Rotated(uid, new_kid, {**new_jwk, "kid": new_kid}, outbox_id)


async def _rotate(
    connection: Connection, uid: str, old_kid: str, new_jwk: Mapping[str, Any], new_kid: str
) -> int:
    # (1), and not for longer than a hang of ours may last
    await end_if_silent(connection)
    agent = await lock_agent(connection, uid)
    old = await lock_key(connection, agent.id, old_kid) if agent else None
    # (2)
    agent_id, old_id = may_rotate(agent, old)
    # (3)
    may_come(await find_key(connection, agent_id, new_kid))
    # (4)
    return await replace_key(connection, agent_id, old_id, new_kid, new_jwk)
