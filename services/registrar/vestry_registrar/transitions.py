"""Which changes of an agent's keys are allowed: pure functions of what was read with the agent's row locked.

Time is whole seconds since the epoch. A key is *usable* when it is active and its time has begun and not ended: it
may do whatever an agent's key may do. A *retiring* one still proves who the agent is, and changes nothing any more.
"""

from collections.abc import Sequence
from typing import Final

from vestry_registrar.repository.rotations import KnownKey, Locked, OwnKey
from vestry_service.errors import (
    KeyInUse,
    KeyRevoked,
    KeyTaken,
    LastKey,
    NotFound,
    PendingAgent,
    TooManyKeys,
)
from vestry_signatures.errors import NotYetValid, RevokedKey, SuspendedAgent, UnknownKey

RETIRING: Final = "this key was replaced and only says who you are until its end: sign with the new one"


def may_act(agent: Locked | None, key: OwnKey | None, now: int) -> tuple[int, OwnKey]:
    """Let a key change the keys of its agent; return the agent's number and the key.

    Raises:
        UnknownKey: there is no such pair.
        RevokedKey: the key is out of use, or retiring, or its time is over.
        NotYetValid: its time has not come.
        RevokedKey, SuspendedAgent, PendingAgent: the agent may not change anything.
    """
    if agent is None or key is None:
        raise UnknownKey
    if not key.stands(now):
        raise RevokedKey
    if key.state != "active":
        raise RevokedKey(RETIRING)
    if agent.state != "active":
        raise _refusal_of(agent)
    if key.validity.is_to_come(now):
        raise NotYetValid("the key is not in use yet")
    return agent.id, key


def _refusal_of(agent: Locked) -> Exception:
    refusals = {"suspended": SuspendedAgent, "pending": PendingAgent}
    return refusals.get(agent.state, RevokedKey)()


def may_come(known: KnownKey | None) -> None:
    """Let a key in that was never seen.

    Raises:
        KeyTaken: the key is, or was, somebody else's.
        KeyInUse: this very agent has it already.
        KeyRevoked: it was this agent's and was taken out of use.
    """
    if known is None:
        return
    if not known.own:
        raise KeyTaken
    raise KeyRevoked if known.state == "revoked" else KeyInUse


def may_grow(keys: Sequence[OwnKey], now: int, most: int) -> None:
    """Let an agent have one key more. Raises TooManyKeys where it has `most` already, retiring ones among them."""
    if sum(key.stands(now) for key in keys) >= most:
        raise TooManyKeys(most)


def find_own(keys: Sequence[OwnKey], kid: str) -> OwnKey:
    """Find a key of the agent. Raises NotFound where it is not its: somebody else's or nobody's is not told."""
    for key in keys:
        if key.kid == kid:
            return key
    raise NotFound("the agent has no such key")


def may_go(keys: Sequence[OwnKey], going: OwnKey, now: int) -> None:
    """Let a key go while another usable one stays. Raises LastKey."""
    if not any(key.is_usable(now) for key in keys if key.kid != going.kid):
        raise LastKey


def end_of(old: OwnKey, now: int, overlap: int) -> int:
    """Say when a key that is replaced now ends, `overlap` seconds later or at its own end if that comes first."""
    end = now + overlap
    return end if old.validity.not_after is None else min(end, old.validity.not_after)
