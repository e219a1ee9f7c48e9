"""Register an agent or a tool by its key.

1. The kid decides. A key that was never seen gets a new owner; a key that is known gives its owner back, also
   when many ask at once: all get the same uid, and exactly one of them made it.
2. A key belongs to its first owner for ever. One that was taken out of use is refused, also to its owner, and
   so is an agent's key to a tool and a tool's to an agent.
3. The owner's row and the key's row come together or not at all.
4. Whether a new key is let in is for the operator to say (`admission.py`).

With nothing in the way this is one statement (`repository/enrolments.py`), or a part of one where many come at once
(`enrolment_queue.py`). It is asked again in two cases:
somebody else wrote the same key at the same moment (then it is known), or the random uid is in use (then
another is drawn).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vestry_registrar.admission import OPEN, Admission, FoundT, Statements, admit
from vestry_registrar.audit.event import Origin
from vestry_registrar.repository.edge import UidCollision
from vestry_registrar.repository.enrolments import (
    FoundAgentKey,
    FoundKey,
    NewKey,
    enrol_agent,
    enrol_tool,
    find_agent_key,
    find_tool_key,
)
from vestry_registrar.repository.pairs import Pair
from vestry_service.errors import InternalError, KeyRevoked, KeyTaken
from vestry_service.live_records import LiveRecord
from vestry_service.postgres import Pool
from vestry_signatures.validity import ALWAYS, Validity

ATTEMPTS: Final = 10
AGENTS: Final = Statements(enrol_agent, find_agent_key)
"""How an agent is written in a statement of its own, and found."""
_TOOLS: Final = Statements(enrol_tool, find_tool_key)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """An agent that has this key.

    Attributes:
        uid: `agent-…`.
        kid: thumbprint of the key.
        jwk: the public key, a JWK with its `kid`, and with `nbf` and `exp` where it has them.
        state: the agent's: `active`, `pending` or `suspended`.
        is_new: this registration made it.
        record: what the verifiers are to be told of it.
        read_at: Unix seconds, by the database's clock; not later than what the record tells.
    """

    uid: str
    kid: str
    jwk: dict[str, Any]
    state: str
    is_new: bool
    record: LiveRecord
    read_at: float


@dataclass(frozen=True, slots=True)
class EnrolledTool:
    """A tool (`tool-…`) that has this key; as `Enrolled`, but nobody verifies a tool's signatures."""

    uid: str
    kid: str
    jwk: dict[str, Any]
    state: str
    is_new: bool


async def register_agent(
    pool: Pool,
    jwk: Mapping[str, Any],
    kid: str,
    origin: Origin,
    validity: Validity = ALWAYS,
    admission: Admission = OPEN,
    statements: Statements[FoundAgentKey] = AGENTS,
) -> Enrolled:
    """Return the agent that has this key, a new one if the key was never seen.

    Args:
        pool: of connections to Postgres.
        jwk: the public key with the members to keep (`kty`, `crv`, `x`), possession of which is proven.
        kid: its thumbprint, computed by us (RFC 7638).
        origin: by whom and from where, for the audit trail.
        validity: when a new key may be used; a key that is known keeps the time it has.
        admission: who may register, and the enrolment token that was shown.
        statements: how agents are written and found (`enrolment_queue.py` has another way to write them).

    Raises:
        KeyRevoked: the key was taken out of use, or its time is over.
        KeyTaken: it is a tool's.
        TokenRequired, RegistrationClosed: the key is new and not let in.
        DatabaseUnavailable: nothing was changed, or the same key asks again and learns its uid.
    """
    uid, found = await _enrol(statements, pool, NewKey(kid, jwk, origin, validity), admission)
    if found.validity.is_over(int(found.read_at)):
        raise KeyRevoked
    pair = Pair(uid, kid, found.jwk, found.version, found.owner_state, found.key_state, found.validity)
    published = found.jwk | found.validity.members()
    return Enrolled(uid, kid, published, found.owner_state, found.is_new, pair.record(), found.read_at)


async def register_tool(
    pool: Pool, jwk: Mapping[str, Any], kid: str, origin: Origin, admission: Admission = OPEN
) -> EnrolledTool:
    """Return the tool that has this key, a new one if the key was never seen. As `register_agent`.

    Raises KeyRevoked; KeyTaken if the key is an agent's; TokenRequired, RegistrationClosed; DatabaseUnavailable.
    """
    uid, found = await _enrol(_TOOLS, pool, NewKey(kid, jwk, origin), admission)
    return EnrolledTool(uid, kid, found.jwk, found.owner_state, found.is_new)


async def _enrol(
    statements: Statements[FoundT], pool: Pool, new: NewKey, admission: Admission
) -> tuple[str, FoundT]:
    for _ in range(ATTEMPTS):
        try:
            found = await admit(pool, statements, new, admission)  # (4)
        except UidCollision:
            continue
        if found is not None:
            return _judge(found), found
    raise InternalError


def _judge(found: FoundKey) -> str:
    """Return the owner's uid, if the key may still be its key. See (2)."""
    if found.uid is None:
        raise KeyTaken
    if "revoked" in (found.key_state, found.owner_state):
        raise KeyRevoked
    return found.uid
