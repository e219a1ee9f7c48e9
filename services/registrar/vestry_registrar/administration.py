"""What an operator does to agents and tools: pure transitions, and the small use cases around them.

    pending ──approve──> active ──suspend──> suspended
                           ^                     │
                           └───────resume────────┘
    each of them ──revoke──> revoked, for ever

1. The owner's row is locked; what is done to it stands in a queue with everything else that changes it.
2. What is so already is left as it is, and is no error: an operator whose first answer was lost asks again.
3. Revoking takes every key out of use too, so that none of them can be registered, published or rotated again.
4. The change, its audit event and, for an agent, the raised version with its outbox row are one transaction
   (`publisher.py` says how the verifiers learn of it).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from vestry_registrar.audit.event import Event, Origin
from vestry_registrar.repository import administration as stored
from vestry_registrar.repository import audit
from vestry_registrar.repository.administration import AGENTS, TOOLS, Kind
from vestry_registrar.repository.edge import end_if_silent, transaction
from vestry_service.errors import NotFound, WrongState
from vestry_service.postgres import Connection, Pool

Verb = Literal["suspend", "resume", "approve", "revoke"]


@dataclass(frozen=True, slots=True)
class Transition:
    """From one of some states to another, and the name of the event that tells of it."""

    past: str
    before: frozenset[str]
    after: str


TRANSITIONS: Final[Mapping[Kind, Mapping[Verb, Transition]]] = {
    AGENTS: {
        "suspend": Transition("suspended", frozenset({"active"}), "suspended"),
        "resume": Transition("resumed", frozenset({"suspended"}), "active"),
        "approve": Transition("approved", frozenset({"pending"}), "active"),
        "revoke": Transition("revoked", frozenset({"active", "suspended", "pending"}), "revoked"),
    },
    TOOLS: {
        "approve": Transition("approved", frozenset({"pending"}), "active"),
        "revoke": Transition("revoked", frozenset({"active", "pending"}), "revoked"),
    },
}


@dataclass(frozen=True, slots=True)
class Changed:
    """What something is now, and whether this call made it so."""

    state: str
    changed: bool


def next_state(state: str, transition: Transition) -> Changed:
    """Say what becomes of a state. See (2).

    Raises:
        WrongState: the transition does not begin there.
    """
    if state == transition.after:
        return Changed(state, changed=False)
    if state not in transition.before:
        raise WrongState(f"its state is {state}: it cannot be {transition.past}")
    return Changed(transition.after, changed=True)


async def change(pool: Pool, kind: Kind, uid: str, verb: Verb, reason: str, origin: Origin) -> Changed:
    """Suspend, resume, approve or revoke an agent, or approve or revoke a tool.

    Args:
        pool: of connections to Postgres.
        kind: `AGENTS` or `TOOLS`.
        uid: `agent-…` or `tool-…`.
        verb: what to do; one of the kind's own.
        reason: for the audit trail.
        origin: by whom and from where, for the audit trail.

    Raises:
        NotFound: there is nobody of this uid.
        WrongState: it cannot be done to somebody in this state.
        DatabaseUnavailable: it is unknown whether the change stands; the outbox has it if it does.
    """
    transition = TRANSITIONS[kind][verb]
    async with transaction(pool) as connection:
        await end_if_silent(connection)
        owner = await stored.lock(connection, kind, uid)  # (1)
        if owner is None:
            raise NotFound(f"there is no such {kind.name}")
        done = next_state(owner.state, transition)  # (2)
        if done.changed:
            await stored.set_state(connection, kind, owner.id, done.state)
            if done.state == "revoked":
                await stored.revoke_keys(connection, kind, owner.id)  # (3)
            await _tell(  # (4)
                connection,
                kind,
                owner.id,
                Event(f"{kind.name}.{transition.past}", origin, uid, None, {"reason": reason}),
            )
    return done


async def revoke_key(pool: Pool, uid: str, kid: str, reason: str, origin: Origin) -> Changed:
    """Take a key of an agent out of use, also its last one.

    Raises:
        NotFound: there is no such pair.
        DatabaseUnavailable: it is unknown whether the change stands; the outbox has it if it does.
    """
    async with transaction(pool) as connection:
        await end_if_silent(connection)
        agent = await stored.lock(connection, AGENTS, uid)  # (1)
        changed = await stored.revoke_key(connection, agent.id, kid) if agent else None
        if agent is None or changed is None:
            raise NotFound("there is no such agent with such a key")
        if changed:
            event = Event("key.revoked", origin, uid, kid, {"reason": reason})
            await _tell(connection, AGENTS, agent.id, event)  # (4)
    return Changed("revoked", changed)


async def _tell(connection: Connection, kind: Kind, owner: int, event: Event) -> None:
    if kind is AGENTS:
        await stored.note_change(connection, owner)
    await audit.add(connection, event)
