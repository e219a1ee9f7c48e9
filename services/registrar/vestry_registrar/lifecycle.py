"""Change the keys of an agent, at the wish of whoever holds one of them.

Every change is one transaction, and they all begin alike.

1. The agent's row is locked. The changes of one agent stand in a queue; nobody changes its keys meanwhile.
2. The key that signed must still be usable, now that nobody can change it: of several rotations by one key the first
   wins, and the others are told that their key was taken out of use. A retiring key changes nothing.
3. A new key must be new: not one that the agent has, not one taken out of use, not anybody else's. Who writes the
   same key at the same moment is stopped by the unique index. An agent never has more keys than it may.
4. Keys in and out, version up and a row for the outbox, in one statement: no change is ever lost on its way to the
   verifiers (`publisher.py`). At no moment does a rotation, or taking a key out, leave an agent without a usable key;
   only a revocation may.
5. The audit trail is told in the same transaction.

What is allowed stands in `transitions.py`, without any database. A key that is replaced with an overlap is retiring:
it has an end, which every verifier compares with its clock at each request, so nothing has to be done when it comes.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from vestry_registrar.audit.event import Event, Origin
from vestry_registrar.repository import audit, key_changes
from vestry_registrar.repository.edge import end_if_silent, transaction
from vestry_registrar.repository.rotations import (
    ComingKey,
    OwnKey,
    find_key,
    lock_agent,
    own_keys,
    replace_key,
)
from vestry_registrar.transitions import end_of, find_own, may_act, may_come, may_go, may_grow
from vestry_service.postgres import Connection, Pool


@dataclass(frozen=True, slots=True)
class Signer:
    """Who wants a change.

    Attributes:
        uid: `agent-…`.
        kid: thumbprint of the key that proved possession.
        origin: the same for the audit trail: by whom and from where.
        now: Unix seconds.
    """

    uid: str
    kid: str
    origin: Origin
    now: int


@dataclass(frozen=True, slots=True)
class Rotated:
    """A rotation that is committed, and perhaps not yet published.

    Attributes:
        uid: `agent-…`.
        kid: thumbprint of the new key.
        jwk: the new public key, a JWK with its `kid`.
        outbox_id: number of the outbox row that stays until the change is published.
        old_end: until when the old key is retiring, Unix seconds; None where it is out of use.
    """

    uid: str
    kid: str
    jwk: dict[str, Any]
    outbox_id: int
    old_end: int | None = None


@dataclass(frozen=True, slots=True)
class _Locked:
    """An agent whose row is locked by our transaction, its keys, and the one that signed."""

    connection: Connection
    id: int
    keys: list[OwnKey]
    by: OwnKey


@asynccontextmanager
async def _locked(pool: Pool, signer: Signer, *kids: str) -> AsyncIterator[_Locked]:
    """Begin a change; `kids` are the keys that it is about, in whatever state."""
    async with transaction(pool) as connection:
        await end_if_silent(connection)  # (1), and not for longer than a hang of ours may last
        agent = await lock_agent(connection, signer.uid)
        keys = await own_keys(connection, agent.id, signer.kid, *kids) if agent else []
        by = next((key for key in keys if key.kid == signer.kid), None)
        agent_id, by = may_act(agent, by, signer.now)  # (2)
        yield _Locked(connection, agent_id, keys, by)


async def rotate(pool: Pool, signer: Signer, new: ComingKey, overlap: int = 0, most: int = 1) -> Rotated:
    """Put a new key in the place of the one that signed.

    Args:
        pool: of connections to Postgres.
        signer: who wants it.
        new: the new key.
        overlap: seconds for which the old key still verifies; 0 takes it out of use at once.
        most: keys that an agent may have at once; counts only with an overlap, for else their number stays.

    Raises:
        What `may_act`, `may_come` and `may_grow` raise: nothing was changed.
        DatabaseUnavailable: it is unknown whether the change stands; the outbox has it if it does.
    """
    async with _locked(pool, signer) as agent:
        may_come(await find_key(agent.connection, agent.id, new.kid))  # (3)
        old_end = None
        if overlap:
            may_grow(agent.keys, signer.now, most)
            old_end = end_of(agent.by, signer.now, overlap)
        outbox_id = await replace_key(agent.connection, agent.id, agent.by.id, new, old_end)  # (4)
        details = {"old_kid": signer.kid, "old_not_after": old_end, **_facts(new)}
        await _tell(agent, signer, "key.rotated", new.kid, details)
    return Rotated(signer.uid, new.kid, new.published, outbox_id, old_end)


async def add(pool: Pool, signer: Signer, new: ComingKey, most: int) -> None:
    """Give the agent one key more.

    Args:
        pool: of connections to Postgres.
        signer: who wants it.
        new: the new key.
        most: keys that an agent may have at once.

    Raises:
        What `may_act`, `may_come` and `may_grow` raise: nothing was changed.
        DatabaseUnavailable: it is unknown whether the change stands; the outbox has it if it does.
    """
    async with _locked(pool, signer) as agent:
        may_come(await find_key(agent.connection, agent.id, new.kid))  # (3)
        may_grow(agent.keys, signer.now, most)
        await key_changes.add_key(agent.connection, agent.id, new)  # (4)
        await _tell(agent, signer, "key.added", new.kid, _facts(new))


async def retire(pool: Pool, signer: Signer, kid: str) -> bool:
    """Take a key of the agent out of use, never the last usable one; False where it was so already.

    Raises:
        What `may_act` raises; NotFound: the agent has no such key; LastKey. Nothing was changed.
        DatabaseUnavailable: it is unknown whether the change stands; the outbox has it if it does.
    """
    async with _locked(pool, signer, kid) as agent:
        key = find_own(agent.keys, kid)
        if key.state == "revoked":
            return False
        may_go(agent.keys, key, signer.now)
        await key_changes.end_key(agent.connection, agent.id, key.id)  # (4)
        await _tell(agent, signer, "key.retired", kid)
    return True


async def revoke_key(pool: Pool, signer: Signer, kid: str) -> bool:
    """Revoke a key of the agent for ever, also the last one; False where it was out of use already.

    Raises:
        What `may_act` raises; NotFound: the agent has no such key. Nothing was changed.
        DatabaseUnavailable: it is unknown whether the change stands; the outbox has it if it does.
    """
    async with _locked(pool, signer, kid) as agent:
        key = find_own(agent.keys, kid)
        if key.state == "revoked":
            return False
        await key_changes.end_key(agent.connection, agent.id, key.id)  # (4)
        await _tell(agent, signer, "key.revoked", kid)
    return True


async def revoke_agent(pool: Pool, signer: Signer) -> None:
    """Revoke the agent itself for ever, and every key that it has.

    Raises:
        What `may_act` raises: nothing was changed.
        DatabaseUnavailable: it is unknown whether the change stands; the outbox has it if it does.
    """
    async with _locked(pool, signer) as agent:
        await key_changes.end_agent(agent.connection, agent.id)  # (4)
        await _tell(agent, signer, "agent.revoked", None)


async def _tell(
    agent: _Locked, signer: Signer, name: str, kid: str | None, details: Mapping[str, Any] | None = None
) -> None:
    known = {name: value for name, value in (details or {}).items() if value is not None}
    await audit.add(agent.connection, Event(name, signer.origin, signer.uid, kid, known))  # (5)


def _facts(new: ComingKey) -> dict[str, Any]:
    return {**new.validity._asdict(), "proof": new.proof}
