"""A further key for an agent whose own keys are lost: the operator allows it, the key's holder proves it.

The way back when a rotation was done and its answer never came: the old key is out of use, and the new one was
thrown away. The operator, who knows the agent's owner by other means, makes a token for this one agent and hands it
over. Whoever has it registers a new key with it, signed as every registration is, so nobody's key can be attached
without its private half.

1. The token's use is counted: it has one, it ends soon, and it is spent only together with what it allows.
2. The agent's row is locked. A revoked agent gets no key; any other state stays as it is.
3. The key must be new, as in a rotation.
4. The key, the raised version with its outbox row and the audit event are one transaction.

A key that is the agent's already learns its uid, as at every registration, with or without a token that counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vestry_registrar import bearer
from vestry_registrar.audit.event import Event, Origin
from vestry_registrar.repository import administration as stored
from vestry_registrar.repository import audit, tokens
from vestry_registrar.repository.administration import AGENTS
from vestry_registrar.repository.edge import end_if_silent, transaction
from vestry_registrar.repository.rotations import find_key
from vestry_registrar.transitions import may_come
from vestry_service.errors import KeyInUse, NotFound, WrongState
from vestry_service.postgres import Connection, Pool
from vestry_signatures.validity import ALWAYS, Validity

LONGEST: Final = 86_400
"""Most seconds that an attach token may live."""


@dataclass(frozen=True, slots=True)
class Attached:
    """A key that is an agent's now.

    Attributes:
        uid: `agent-…`.
        kid: thumbprint of the key.
        jwk: the public key, a JWK with its `kid`, and with `nbf` and `exp` where it has them.
    """

    uid: str
    kid: str
    jwk: dict[str, Any]


async def allow(
    pool: Pool, uid: str, token_hash: bytes, seconds: int, reason: str, origin: Origin
) -> tuple[int, int]:
    """Let one new key be attached to an agent; return the token's number and when it ends (Unix seconds).

    Args:
        pool: of connections to Postgres.
        uid: `agent-…`.
        token_hash: SHA-256 of the token.
        seconds: how long it counts.
        reason: for the audit trail.
        origin: the operator and from where, for the audit trail.

    Raises:
        NotFound: there is no such agent.
        WrongState: the agent is revoked.
        DatabaseUnavailable: nothing was made that anybody has the token of.
    """
    async with transaction(pool) as connection:
        await end_if_silent(connection)
        await _lock(connection, uid)  # (2)
        kept = await tokens.add(
            connection, token_hash, label=None, uid=uid, uses=1, created_by=origin.actor.name, seconds=seconds
        )
        if kept is None:
            raise NotFound
        details = {"token": kept[0], "reason": reason, "expires_at": kept[1]}
        await audit.add(connection, Event("token.created", origin, uid, None, details))
    return kept


async def attach(
    pool: Pool, token: str, jwk: Mapping[str, Any], kid: str, origin: Origin, validity: Validity = ALWAYS
) -> Attached | None:
    """Give an agent a further key. None: the key is an agent's already, or the token does not count.

    Args:
        pool: of connections to Postgres.
        token: the attach token that was shown.
        jwk: the public key with the members to keep (`kty`, `crv`, `x`), possession of which is proven.
        kid: its thumbprint, computed by us (RFC 7638).
        origin: by whom and from where, for the audit trail.
        validity: when the key may be used.

    Raises:
        KeyTaken: the key is, or was, somebody else's.
        KeyRevoked: it was this agent's and was taken out of use.
        WrongState: the agent is revoked.
        DatabaseUnavailable: it is unknown whether the change stands; the outbox has it if it does.
    """
    try:
        async with transaction(pool) as connection:
            await end_if_silent(connection)
            used = await tokens.use_attach(connection, bearer.digest(token))  # (1)
            if used is None or used.uid is None:
                return None
            owner = await _lock(connection, used.uid)  # (2)
            may_come(await find_key(connection, owner, kid))  # (3)
            await stored.add_key(connection, owner, kid, jwk, *validity)  # (4)
            await stored.note_change(connection, owner)
            bounds = {"not_before": validity.not_before, "not_after": validity.not_after}
            details: dict[str, Any] = {"token": used.id, "created_by": used.created_by}
            details |= {name: value for name, value in bounds.items() if value is not None}
            await audit.add(connection, Event("key.attached", origin, used.uid, kid, details))
    except KeyInUse:
        return None
    return Attached(used.uid, kid, {**jwk, "kid": kid, **validity.members()})


async def _lock(connection: Connection, uid: str) -> int:
    """Lock the agent and return its number. See (2)."""
    owner = await stored.lock(connection, AGENTS, uid)
    if owner is None:
        raise NotFound("there is no such agent")
    if owner.state == "revoked":
        raise WrongState("the agent is revoked: it gets no key any more")
    return owner.id
