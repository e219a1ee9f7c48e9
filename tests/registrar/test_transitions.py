"""Which changes of keys are allowed, state by state and second by second."""

import pytest

from vestry_registrar.repository.rotations import KnownKey, Locked, OwnKey
from vestry_registrar.transitions import end_of, find_own, may_act, may_come, may_go, may_grow
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
from vestry_signatures.validity import Validity

NOW = 1_770_247_200
ACTIVE = Locked(1, "active")


def key(kid: str = "k", state: str = "active", begin: int | None = None, end: int | None = None) -> OwnKey:
    return OwnKey(2, kid, state, Validity(begin, end))


def test_a_usable_key_of_an_active_agent_may_act() -> None:
    """The transition names what it is about; a key's time begins and ends to the second."""
    assert may_act(ACTIVE, key(), NOW) == (1, key())
    timed = key(begin=NOW, end=NOW + 1)
    assert may_act(ACTIVE, timed, NOW) == (1, timed)


@pytest.mark.parametrize(
    ("agent", "signer", "refusal"),
    [
        (None, None, UnknownKey),
        (ACTIVE, None, UnknownKey),
        (ACTIVE, key(state="revoked"), RevokedKey),
        (ACTIVE, key(state="retiring", end=NOW + 10), RevokedKey),
        (ACTIVE, key(state="retiring", end=NOW), RevokedKey),
        (ACTIVE, key(end=NOW), RevokedKey),
        (ACTIVE, key(begin=NOW + 1), NotYetValid),
        (Locked(1, "suspended"), key(state="revoked"), RevokedKey),
        (Locked(1, "suspended"), key(), SuspendedAgent),
        (Locked(1, "pending"), key(), PendingAgent),
        (Locked(1, "revoked"), key(), RevokedKey),
    ],
)
def test_who_may_not_act(agent: Locked | None, signer: OwnKey | None, refusal: type[Exception]) -> None:
    """No pair, a key that is out of use or retiring or not in its time, an agent that is not in use."""
    with pytest.raises(refusal):
        may_act(agent, signer, NOW)


@pytest.mark.parametrize(
    ("known", "refusal"),
    [
        (KnownKey("active", own=True), KeyInUse),
        (KnownKey("retiring", own=True), KeyInUse),
        (KnownKey("revoked", own=True), KeyRevoked),
        (KnownKey("active", own=False), KeyTaken),
        (KnownKey("revoked", own=False), KeyTaken),
    ],
)
def test_what_may_not_come(known: KnownKey, refusal: type[Exception]) -> None:
    """Every key that was ever seen, each with its own reason."""
    with pytest.raises(refusal):
        may_come(known)


def test_a_key_never_seen_may_come() -> None:
    """Nothing known is nothing against it."""
    may_come(None)


def test_what_counts_against_the_most() -> None:
    """Whatever is good now or soon counts; what is revoked or over does not."""
    counting = [key(), key(state="retiring", end=NOW + 1), key(begin=NOW + 100)]
    past = [key(state="revoked"), key(end=NOW), key(state="retiring", end=NOW)]
    may_grow([*counting, *past], NOW, 4)
    with pytest.raises(TooManyKeys, match="3 keys"):
        may_grow([*counting, *past], NOW, 3)


@pytest.mark.parametrize(
    "other",
    [key("b", "retiring", end=NOW + 10), key("b", end=NOW), key("b", begin=NOW + 1), key("b", "revoked")],
)
def test_the_last_usable_key_may_not_go(other: OwnKey) -> None:
    """A key that is retiring, over or not in use yet is no reason to let the last one go; but it may go itself."""
    with pytest.raises(LastKey):
        may_go([key("a"), other], key("a"), NOW)
    may_go([key("a"), other], other, NOW)


def test_one_of_two_usable_keys_may_go() -> None:
    """Either of them."""
    keys = [key("a"), key("b")]
    for going in keys:
        may_go(keys, going, NOW)


def test_only_the_agents_own_key_is_found() -> None:
    """In any state; of another nothing is told but that the agent has no such key."""
    keys = [key("a"), key("b", "revoked")]
    assert find_own(keys, "b") is keys[1]
    with pytest.raises(NotFound):
        find_own(keys, "c")


@pytest.mark.parametrize(("own_end", "end"), [(None, NOW + 60), (NOW + 30, NOW + 30), (NOW + 90, NOW + 60)])
def test_an_overlap_never_lengthens_a_key(own_end: int | None, end: int) -> None:
    """A replaced key ends with the overlap, or before if its own time is over sooner."""
    assert end_of(key(end=own_end), NOW, 60) == end
